//! Pending fire times follow the rules of their time zones. There is one tz database in this
//! process: fire times by another one are written by SQL. `processes::zones` has two.

use crate::support::{TestCluster, TestNode, at, cron, fixed_delay, fixed_rate, with};
use horolog::actors::job_manager::exclusions::{CalendarRequest, CreateCalendar};
use horolog::actors::job_manager::{CreateJobs, MissedOnce, PauseJob, ResumeJob, UpdateJob};
use horolog::clock::Clock;
use horolog::model::Timestamp;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::schedule::zone::Zone;
use horolog::store::maintenance::repairs::Repairs;
use serde_json::json;
use std::time::Duration;

const NOTHING: Repairs = Repairs {
    scheduled: 0,
    stopped: 0,
    continued: 0,
    retried: 0,
    released: 0,
    recomputed: 0,
    confirmed: 0,
};
const RECOMPUTED: Option<Repairs> = Some(Repairs {
    recomputed: 1,
    ..NOTHING
});
const CONFIRMED: Option<Repairs> = Some(Repairs {
    confirmed: 1,
    ..NOTHING
});

/// Editions of other processes.
const OLDER: &str = "2000a 2000-01-01T00:00:00.000000Z";
const NEWER: &str = "2999a 2000-01-01T00:00:00.000000Z";

/// The trigger as a process of this edition, with other rules, leaves it after naming this fire
/// time.
const NAME: &str = "update job_trigger set fire_time = $2::timestamptz, due_at = $2, tzdb = $3,
    zone_rules = 4711::bigint # (extract(epoch from $2::timestamptz) * 1000000)::bigint
    where id = $1";

fn in_berlin(job: JobRequest) -> JobRequest {
    JobRequest {
        time_zone: Some("Europe/Berlin".into()),
        ..job
    }
}

/// Noon of New Year, in Berlin.
async fn new_year(cluster: &TestCluster) -> Job {
    cluster.create(in_berlin(cron("0 12 1 1 *"))).await
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn name(cluster: &TestCluster, job: &Job, fire_time: &str, edition: &str) {
    assert_eq!(
        cluster
            .execute(NAME, &[&job.id, &time(fire_time), &edition])
            .await,
        1
    );
}

async fn pending(cluster: &TestCluster, job: &Job) -> Timestamp {
    let pending = "select fire_time from job_trigger where id = $1 and due_at is not null";
    cluster
        .sql
        .query_one(pending, &[&job.id])
        .await
        .unwrap()
        .get(0)
}

/// The rules by which the fire time of the job's trigger was named.
async fn rules(cluster: &TestCluster, job: &Job) -> Option<i64> {
    let rules = "select zone_rules # (extract(epoch from fire_time) * 1000000)::bigint,
            (zone_rules is null) = (tzdb is null)
        from job_trigger where id = $1";
    let row = cluster.sql.query_one(rules, &[&job.id]).await.unwrap();
    assert!(row.get::<_, bool>(1), "one without the other");
    row.get(0)
}

async fn calendar(cluster: &TestCluster, zone: &str, rules: serde_json::Value) {
    let rules = serde_json::from_value(rules).unwrap();
    let request = CalendarRequest {
        name: "office".into(),
        description: None,
        time_zone: Some(zone.into()),
        rules,
    };
    cluster.command(CreateCalendar(request)).await;
}

fn open_in_the_office(job: JobRequest) -> JobRequest {
    JobRequest {
        calendar: Some("office".into()),
        ..job
    }
}

async fn repairs(node: &TestNode) -> Option<Repairs> {
    node.reconcile().await.repairs
}

async fn run(node: &TestNode) {
    node.poll().await;
    node.settle_all().await;
}

#[actix::test]
async fn a_fire_time_to_come_follows_the_newer_tz_database() {
    let cluster = TestCluster::start().await;
    let (job, node) = (new_year(&cluster).await, cluster.node().await);
    assert_eq!(pending(&cluster, &job).await, time("2027-01-01T11:00:00Z"));
    for named_before in ["2027-01-01T09:00:00Z", "2028-01-01T09:00:00Z"] {
        name(&cluster, &job, named_before, OLDER).await;

        assert_eq!(repairs(&node).await, RECOMPUTED);

        assert_eq!(pending(&cluster, &job).await, time("2027-01-01T11:00:00Z"));
        let healthy = cluster.dump("job_trigger").await;
        assert_eq!(repairs(&node).await, Some(NOTHING));
        assert_eq!(cluster.dump("job_trigger").await, healthy, "once");
    }
}

#[actix::test]
async fn a_fire_time_named_by_a_newer_tz_database_stays() {
    let cluster = TestCluster::start().await;
    let (job, node) = (new_year(&cluster).await, cluster.node().await);
    name(&cluster, &job, "2027-01-01T09:00:00Z", NEWER).await;
    let named = cluster.dump("job_trigger").await;

    assert_eq!(repairs(&node).await, Some(NOTHING));

    assert_eq!(cluster.dump("job_trigger").await, named);
}

#[actix::test]
async fn a_fire_time_without_a_known_tz_version_is_checked_at_once() {
    let cluster = TestCluster::start().await;
    let (job, node) = (new_year(&cluster).await, cluster.node().await);
    let unknown = "update job_trigger set zone_rules = null, tzdb = null";
    cluster.execute(unknown, &[]).await;
    assert_eq!(repairs(&node).await, CONFIRMED);
    assert_eq!(repairs(&node).await, Some(NOTHING));

    name(&cluster, &job, "2027-01-01T09:00:00Z", NEWER).await;
    cluster.execute(unknown, &[]).await;
    assert_eq!(repairs(&node).await, RECOMPUTED);
    assert_eq!(pending(&cluster, &job).await, time("2027-01-01T11:00:00Z"));
}

#[actix::test]
async fn a_fire_time_moved_by_an_older_node_is_recomputed() {
    let cluster = TestCluster::start().await;
    let (job, node) = (new_year(&cluster).await, cluster.node().await);
    let moved = "update job_trigger set fire_time = $2, due_at = $2 where id = $1";
    cluster
        .execute(moved, &[&job.id, &time("2027-01-01T09:00:00Z")])
        .await;

    assert_eq!(repairs(&node).await, RECOMPUTED);

    assert_eq!(pending(&cluster, &job).await, time("2027-01-01T11:00:00Z"));
}

#[actix::test]
async fn a_fire_time_that_has_passed_stays_and_so_does_what_has_no_zone() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let late = cluster
        .create(with(in_berlin(cron("0 12 1 1 *")), |policies| {
            policies.jitter_seconds = 3_600;
        }))
        .await;
    let paused = new_year(&cluster).await;
    calendar(&cluster, "Europe/Berlin", json!({})).await;
    let delay = cluster
        .create(open_in_the_office(fixed_delay(86_400)))
        .await;
    let plain = cluster.create(cron("0 12 1 1 *")).await;
    for job in [&delay, &plain, &paused] {
        name(&cluster, job, "2027-01-01T09:00:00Z", OLDER).await;
    }
    cluster.command(PauseJob(paused.id, None)).await;
    name(&cluster, &late, "2026-11-23T07:00:00Z", OLDER).await;
    cluster
        .execute(
            "update job_trigger set due_at = $2 where id = $1",
            &[&late.id, &at("07:30:00")],
        )
        .await;
    let named = cluster.dump("job_trigger").await;

    assert_eq!(repairs(&node).await, Some(NOTHING));

    assert_eq!(cluster.dump("job_trigger").await, named);
}

#[actix::test]
async fn a_fire_time_that_was_taken_ahead_is_not_named_again() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(in_berlin(cron("* * * * * ?"))).await;
    if let Clock::Manual(now) = &cluster.clock {
        *now.lock() += Duration::from_millis(900);
    }
    assert_eq!(node.poll().await.leased, 1);
    assert_eq!(pending(&cluster, &job).await, at("07:00:02"));
    name(&cluster, &job, "2026-11-23T07:00:02Z", OLDER).await;

    assert_eq!(repairs(&node).await, CONFIRMED);

    assert_eq!(pending(&cluster, &job).await, at("07:00:02"));
}

#[actix::test]
async fn fire_times_excluded_during_a_recomputation_are_recorded() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    // 07:15 to 08:00 in UTC.
    calendar(
        &cluster,
        "Europe/Berlin",
        json!({"excludeWindows": [{"from": "08:15", "to": "09:00"}]}),
    )
    .await;
    let job = cluster.create(open_in_the_office(fixed_rate(600))).await;
    for _ in 0..3 {
        run(&node).await;
        cluster.advance(600);
    }
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 08:00:00 due 08:00:00"]
    );
    // By other rules the office opens at ten.
    name(&cluster, &job, "2026-11-23T10:00:00Z", OLDER).await;

    assert_eq!(repairs(&node).await, RECOMPUTED);

    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 08:00:00 due 08:00:00"]
    );
    cluster.advance(1_800);
    run(&node).await;
    let closed =
        |from, until| format!("SCHEDULE {from} SKIPPED CALENDAR attempt 0, 2 times until {until}");
    let expected = [
        closed("07:20:00", "07:30:00"),
        closed("07:40:00", "07:50:00"),
    ];
    assert_eq!(cluster.ledger(&job).await[2..4], expected);
    assert_eq!(
        cluster.ledger(&job).await[4..],
        ["SCHEDULE 08:00:00 SUCCESS attempt 1"]
    );
}

#[actix::test]
async fn every_fire_time_is_stored_with_its_tz_version() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let berlin = Zone::named("Europe/Berlin").unwrap().rules_hash();
    calendar(&cluster, "Europe/Berlin", json!({})).await;
    let every_minute = || in_berlin(cron("* * * * *"));
    let job = cluster.create(every_minute()).await;
    let rate = cluster.create(open_in_the_office(fixed_rate(60))).await;
    let both = cluster.create(open_in_the_office(every_minute())).await;
    let in_utc = cluster.create(cron("* * * * *")).await;
    let together = cluster
        .command(CreateJobs(vec![every_minute(), cron("* * * * *")]))
        .await;
    let all = async || {
        assert_eq!(rules(&cluster, &job).await, Some(berlin));
        assert_eq!(rules(&cluster, &rate).await, Some(berlin.rotate_left(1)));
        assert_eq!(
            rules(&cluster, &both).await,
            Some(berlin ^ berlin.rotate_left(1))
        );
        assert_eq!(rules(&cluster, &in_utc).await, None);
        assert_eq!(rules(&cluster, &together[0]).await, Some(berlin));
        assert_eq!(rules(&cluster, &together[1]).await, None);
        let healthy = cluster.dump("job_trigger").await;
        assert_eq!(repairs(&node).await, Some(NOTHING));
        assert_eq!(cluster.dump("job_trigger").await, healthy);
    };

    all().await;
    cluster.advance(60);
    run(&node).await;
    all().await;
    cluster.advance(600);
    run(&node).await;
    all().await;
    cluster.command(PauseJob(job.id, None)).await;
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    all().await;
    let request = open_in_the_office(in_berlin(cron("*/2 * * * *")));
    cluster
        .command(UpdateJob {
            id: both.id,
            request,
            version: 0,
        })
        .await;
    all().await;
    cluster
        .command(UpdateJob {
            id: job.id,
            request: cron("* * * * *"),
            version: 2,
        })
        .await;
    assert_eq!(rules(&cluster, &job).await, None);
}
