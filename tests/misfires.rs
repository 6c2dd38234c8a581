//! Misfires: every fire time is accounted for exactly once, however long no node polled.

use crate::support::{TestCluster, TestNode, at, fixed_rate, with};
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::{MisfirePolicy, OverlapPolicy};
use horolog::store::protocol::lease_store::Batch;
use std::time::{Duration, Instant};

pub const TEN_MINUTES: i64 = 600;

pub fn missing(policy: MisfirePolicy, job: JobRequest) -> JobRequest {
    with(job, |policies| policies.misfire_policy = policy)
}

/// Polls, runs and settles until nothing is due; how many ran.
pub async fn catch_up(node: &TestNode) -> usize {
    let mut ran = 0;
    loop {
        let report = node.poll().await;
        ran += node.settle_all().await.settled;
        if report.triggers == 0 {
            return ran;
        }
    }
}

/// A job that fires every ten minutes, ran at 07:00:00, and then no node polled
/// until 10:00:30: eighteen fire times were missed.
pub async fn missed(job: JobRequest) -> (TestCluster, Job, TestNode) {
    let cluster = TestCluster::start().await;
    let job = cluster.create(job).await;
    let node = cluster.node().await;
    assert_eq!(catch_up(&node).await, 1);
    cluster.advance(3 * 3_600 + 30);
    (cluster, job, node)
}

pub fn ran(time: &str) -> String {
    format!("SCHEDULE {time} SUCCESS attempt 1")
}

#[actix::test]
async fn fire_once_runs_the_last_missed_and_folds_the_others_into_it() {
    let (cluster, job, node) = missed(fixed_rate(TEN_MINUTES)).await;

    assert_eq!(catch_up(&node).await, 1);

    let folded = "SCHEDULE 07:10:00 SKIPPED COALESCED attempt 0, 17 times until 09:50:00";
    assert_eq!(
        cluster.ledger(&job).await,
        [&ran("07:00:00"), folded, &ran("10:00:00")]
    );
    let names =
        "select (f.coalesced_into = l.id)::text from job_execution_log f, job_execution_log l
        where f.status = 'SKIPPED' and l.fire_time = '2026-11-23T10:00Z'";
    assert_eq!(cluster.texts(names, &[]).await, ["true"]);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 10:10:00 due 10:10:00"]
    );
}

#[actix::test]
async fn skip_runs_none() {
    let (cluster, job, node) = missed(missing(MisfirePolicy::Skip, fixed_rate(TEN_MINUTES))).await;

    assert_eq!(catch_up(&node).await, 0);

    let skipped = "SCHEDULE 07:10:00 SKIPPED MISFIRE attempt 0, 18 times until 10:00:00";
    assert_eq!(cluster.ledger(&job).await, [&ran("07:00:00"), skipped]);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 10:10:00 due 10:10:00"]
    );
}

#[actix::test]
async fn fire_all_runs_every_one_oldest_first() {
    let (cluster, job, node) =
        missed(missing(MisfirePolicy::FireAll, fixed_rate(TEN_MINUTES))).await;

    let mut fire_times = Vec::new();
    loop {
        let attempts = node.lease().await;
        if attempts.is_empty() {
            break;
        }
        fire_times.extend(attempts.iter().map(|attempt| attempt.fire_time));
    }

    let all: Vec<_> = (1..=18)
        .map(|k| at("07:00:00") + Duration::from_mins(10 * k))
        .collect();
    assert_eq!(fire_times, all);
    assert_eq!(cluster.ledger(&job).await.len(), 19);
}

/// Deeper at every poll, because the trigger is due still.
#[actix::test]
async fn a_node_that_catches_up_does_not_rest_in_between() {
    let (_cluster, _, node) =
        missed(missing(MisfirePolicy::FireAll, fixed_rate(TEN_MINUTES))).await;
    for leased in [1, 2, 4, 8] {
        let report = node.poll().await;
        assert_eq!(
            (report.leased, report.triggers, report.next_poll),
            (leased, 1, Duration::ZERO)
        );
    }
    let last = node.poll().await;
    assert!(
        last.leased == 3 && last.next_poll > Duration::from_secs(569),
        "{last:?}"
    );
}

#[actix::test]
async fn a_deep_poll_fills_the_slots_and_takes_each_fire_time_once() {
    let (cluster, job, node) =
        missed(missing(MisfirePolicy::FireAll, fixed_rate(TEN_MINUTES))).await;
    copies(&cluster, &job, 5).await;
    let on_time = cluster.create(fixed_rate(3_600)).await;
    let poll = async |fire_times, fires_per_trigger| {
        let batch = Batch {
            fire_times,
            fires_per_trigger,
        };
        let leased = node
            .leases
            .lease(node.id, batch, Duration::ZERO)
            .await
            .unwrap()
            .unwrap();
        (
            leased.attempts.len(),
            leased.triggers,
            leased.still_due,
            leased.remaining.has_more(),
        )
    };

    // Two of the four overdue fire times, then the punctual ones, then as many of the others as
    // fit.
    assert_eq!(poll(20, 4).await, (20, 6, 5, true));
    assert_eq!(
        cluster.ledger(&on_time).await,
        ["SCHEDULE 10:00:30 RUNNING attempt 1"]
    );
    for slots in 1..=3 {
        assert_eq!(
            poll(slots, 8).await.0,
            slots,
            "no more than there are slots"
        );
    }
    while poll(64, 8).await.3 {}

    let jobs = "select count(*) || ' ' || count(distinct fire_time) || ' ' || min(fire_time) || ' '
        || max(fire_time)
        from job_execution_log where fire_time > '2026-11-23T07:00Z'
        and job_id <> $1 group by job_id";
    let each = "18 18 2026-11-23 07:10:00+00 2026-11-23 10:00:00+00";
    assert_eq!(cluster.texts(jobs, &[&on_time.id]).await, [each; 5]);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 10:10:00 due 10:10:00"]
    );
}

#[actix::test]
async fn a_deep_poll_goes_no_deeper_than_a_job_may() {
    let all = |request| missing(MisfirePolicy::FireAll, request);
    let limited = with(all(fixed_rate(TEN_MINUTES)), |p| p.max_runs = Some(4));
    let (cluster, limited, node) = missed(limited).await;
    let alone = with(all(fixed_rate(TEN_MINUTES)), |p| {
        p.overlap_policy = OverlapPolicy::Skip;
    });
    let alone = cluster.create(alone).await;
    cluster.advance(3 * 3_600);

    let batch = Batch {
        fire_times: 64,
        fires_per_trigger: 8,
    };
    node.leases
        .lease(node.id, batch, Duration::ZERO)
        .await
        .unwrap()
        .unwrap();

    let running = |time: &str| format!("SCHEDULE {time} RUNNING attempt 1");
    let [second, third, fourth] = ["07:10:00", "07:20:00", "07:30:00"].map(running);
    assert_eq!(
        cluster.ledger(&limited).await,
        [ran("07:00:00"), second, third, fourth]
    );
    assert_eq!(
        cluster.triggers(&limited).await,
        ["SCHEDULE fires 07:30:00"]
    );
    assert_eq!(cluster.ledger(&alone).await, [running("10:00:30")]);
}

#[actix::test]
async fn fire_all_is_bounded_by_its_window_and_its_number() {
    let skipped = |times, until| {
        format!("SCHEDULE 07:10:00 SKIPPED MISFIRE attempt 0, {times} times until {until}")
    };
    for (window, most, first_line, count) in [
        (Some(3_600), None, skipped(12, "09:00:00"), 6),
        (None, Some(4), skipped(14, "09:20:00"), 4),
        (Some(3_600), Some(4), skipped(14, "09:20:00"), 4),
        (Some(1_800), Some(4), skipped(15, "09:30:00"), 3),
    ] {
        let bounded = with(
            missing(MisfirePolicy::FireAll, fixed_rate(TEN_MINUTES)),
            |p| {
                (p.catch_up_window_seconds, p.max_catch_up) = (window, most);
            },
        );
        let (cluster, job, node) = missed(bounded).await;

        assert_eq!(catch_up(&node).await, count);

        let ledger = cluster.ledger(&job).await;
        assert_eq!(
            (&ledger[1], ledger.len()),
            (&first_line, count + 2),
            "{ledger:?}"
        );
        assert_eq!(ledger.last(), Some(&ran("10:00:00")));
    }
}

/// `count` copies of a job and its trigger.
async fn copies(cluster: &TestCluster, job: &Job, count: i32) {
    let jobs =
        "insert into job_definition select (jsonb_populate_record(j, jsonb_build_object('id',
            gen_random_uuid()))).*
        from job_definition j, generate_series(2, $2::int) where j.id = $1";
    cluster.execute(jobs, &[&job.id, &count]).await;
    let triggers = "insert into job_trigger (id, job_id, kind, fire_time, due_at)
        select d.id, d.id, t.kind, t.fire_time, t.due_at from job_definition d, job_trigger t
        where t.id = $1 and not exists (select from job_trigger x where x.job_id = d.id)";
    cluster.execute(triggers, &[&job.id]).await;
}

#[actix::test]
async fn overdue_triggers_never_delay_punctual_ones() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let late = cluster
        .create(missing(MisfirePolicy::FireAll, fixed_rate(TEN_MINUTES)))
        .await;
    copies(&cluster, &late, 300).await;
    cluster.advance(5 * 3_600);
    let on_time = cluster
        .create(JobRequest {
            name: "on time".into(),
            ..fixed_rate(3_600)
        })
        .await;
    copies(&cluster, &on_time, 10).await;

    let leased = node
        .leases
        .lease(node.id, Batch::of(20), Duration::ZERO)
        .await
        .unwrap()
        .unwrap();

    let (punctual, others): (Vec<_>, Vec<_>) = leased
        .attempts
        .iter()
        .partition(|attempt| attempt.job_name == "on time");
    assert_eq!(
        (punctual.len(), others.len(), leased.remaining.has_more()),
        (10, 10, true)
    );
}

/// Many that are due at once are no better than an outage, from the second second on.
#[actix::test]
async fn a_backlog_does_not_delay_triggers_that_come_due_later() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let flood = cluster.create(fixed_rate(3_600)).await;
    copies(&cluster, &flood, 300).await;
    cluster.advance(2);
    let on_time = cluster
        .create(JobRequest {
            name: "on time".into(),
            ..fixed_rate(3_600)
        })
        .await;
    copies(&cluster, &on_time, 5).await;

    let leased = node
        .leases
        .lease(node.id, Batch::of(20), Duration::ZERO)
        .await
        .unwrap()
        .unwrap();

    let punctual = leased
        .attempts
        .iter()
        .filter(|attempt| attempt.job_name == "on time")
        .count();
    assert_eq!(
        (punctual, leased.attempts.len(), leased.remaining.has_more()),
        (5, 20, true),
        "and fills the poll"
    );
    let leased = node
        .leases
        .lease(node.id, Batch::of(20), Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (leased.attempts.len(), leased.remaining.has_more()),
        (20, true),
        "nothing else is due"
    );
}

#[actix::test]
async fn a_single_slot_is_taken_by_what_there_is() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let flood = cluster.create(fixed_rate(3_600)).await;
    copies(&cluster, &flood, 8).await;
    cluster.advance(2);
    let on_time = cluster.create(fixed_rate(3_600)).await;
    copies(&cluster, &on_time, 8).await;

    for left in (0..16).rev() {
        let leased = node
            .leases
            .lease(node.id, Batch::of(1), Duration::ZERO)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (leased.attempts.len(), leased.remaining.has_more()),
            (1, true),
            "{left} are left"
        );
    }
    let leased = node
        .leases
        .lease(node.id, Batch::of(1), Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (leased.attempts.len(), leased.remaining.has_more()),
        (0, false)
    );
}

#[actix::test]
async fn the_grace_is_the_jobs_own() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let strict = cluster
        .create(with(fixed_rate(60), |p| p.misfire_grace_seconds = 5))
        .await;
    let patient = cluster
        .create(with(fixed_rate(60), |p| p.misfire_grace_seconds = 600))
        .await;
    cluster.advance(90);

    assert_eq!(catch_up(&node).await, 3);

    let folded = "SCHEDULE 07:00:00 SKIPPED COALESCED attempt 0, 1 times until 07:00:00";
    assert_eq!(cluster.ledger(&strict).await, [folded, &ran("07:01:00")]);
    assert_eq!(
        cluster.ledger(&patient).await,
        ["07:00:00", "07:01:00"].map(ran)
    );
}

#[actix::test]
async fn an_outage_of_many_jobs_is_settled_completely() {
    const JOBS: i32 = 10_000;
    const LEDGER: &str =
        "select format('%s: %s rows, %s fire times', concat_ws(' ', status, reason), count(*),
        sum(coalesce(occurrences, 1))) from job_execution_log group by status, reason order by 1";
    for policy in [MisfirePolicy::Skip, MisfirePolicy::FireOnce] {
        let cluster = TestCluster::start().await;
        let node = cluster.node().await;
        let job = cluster.create(missing(policy, fixed_rate(60))).await;
        copies(&cluster, &job, JOBS).await;
        cluster.advance(99 * 60 + 30);

        let (begun, mut polls) = (Instant::now(), 0);
        loop {
            let leased = node
                .leases
                .lease(node.id, Batch::of(500), Duration::ZERO)
                .await
                .unwrap()
                .unwrap();
            polls += 1;
            if leased.triggers == 0 {
                break;
            }
        }
        println!(
            "{policy}: {JOBS} jobs in {polls} polls, {:?}",
            begun.elapsed()
        );

        let expected: &[&str] = match policy {
            MisfirePolicy::Skip => &["SKIPPED MISFIRE: 10000 rows, 1000000 fire times"],
            _ => &[
                "RUNNING: 10000 rows, 10000 fire times",
                "SKIPPED COALESCED: 10000 rows, 990000 fire times",
            ],
        };
        assert_eq!(cluster.texts(LEDGER, &[]).await, expected);
        let behind = "select '' from job_trigger where due_at is distinct from '2026-11-23T08:40Z'";
        assert!(cluster.texts(behind, &[]).await.is_empty());
    }
}
