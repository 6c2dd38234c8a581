//! Due times from a clock that was a day ahead, after its return. The rows are made by the true
//! clock, and moved to the times of the wrong one.

use crate::support::{TestCluster, cron, fixed_delay, fixed_rate, with};
use chrono::{TimeDelta, Timelike};
use horolog::actors::job_manager::RunJobNow;
use horolog::clock::Clock;
use horolog::model::Timestamp;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::store::maintenance::clock_jumps::{ClockVerdict, Jump};

/// How the triggers of a job are: due now, within an hour, or later.
const DUE: &str =
    "select kind || case when due_at <= clock_timestamp() + interval '2 seconds' then ' now'
    when due_at <= clock_timestamp() + interval '1 hour' then ' within the hour' else ' later' end
from job_trigger where job_id = $1 order by kind, due_at";

/// A trigger of a kind ($2) that is due after an interval ($3).
const INSERT: &str = "insert into job_trigger (id, job_id, kind, fire_time, due_at) \
    values (gen_random_uuid(), $1, $2, clock_timestamp(), clock_timestamp() + $3::text::interval)";

async fn start() -> TestCluster {
    TestCluster::start_with(Clock::Database).await
}

/// A job that fires in the year 2099.
async fn never(cluster: &TestCluster) -> Job {
    cluster.create(cron("0 0 0 1 1 ? 2099")).await
}

/// A job that fires each hour, next in half an hour: at a whole hour it could be due at any moment.
async fn each_hour(cluster: &TestCluster) -> JobRequest {
    let minute = (now(cluster).await.minute() + 30) % 60;
    cron(&format!("0 {minute} * * * ?"))
}

async fn due(cluster: &TestCluster, job: &Job) -> Vec<String> {
    cluster.texts(DUE, &[&job.id]).await
}

/// The clock was 26 hours ahead, and is back.
async fn mend(cluster: &TestCluster) -> u64 {
    let now: Timestamp = cluster
        .sql
        .query_one("select clock_timestamp()", &[])
        .await
        .unwrap()
        .get(0);
    let jump = Jump {
        from: now,
        to: now + TimeDelta::hours(26),
    };
    cluster
        .store
        .mend_after(ClockVerdict::Returned(jump))
        .await
        .unwrap()
}

/// The job was created, edited or resumed by the clock that was ahead, which named the fire time
/// from then on.
async fn change_in_the_future(cluster: &TestCluster, job: &Job) {
    for moved in [
        "update job_definition set updated_at = updated_at + interval '26 hours' where id = $1",
        "update job_trigger set fire_time = fire_time + interval '26 hours', \
         due_at = due_at + interval '26 hours' where id = $1",
    ] {
        assert_eq!(cluster.execute(moved, &[&job.id]).await, 1);
    }
}

#[actix::test]
async fn runs_requested_while_the_clock_was_ahead_start_at_once() {
    let cluster = start().await;
    let job = never(&cluster).await;
    let id = cluster.command(RunJobNow(job.id)).await;
    let ahead = "update job_trigger set due_at = due_at + interval '26 hours' where id = $1";
    assert_eq!(cluster.execute(ahead, &[&id]).await, 1);
    for kind in ["BACKFILL", "BUFFERED", "RERUN"] {
        cluster
            .execute(INSERT, &[&job.id, &kind, &"26 hours"])
            .await;
    }

    assert_eq!(mend(&cluster).await, 4);

    let expected = [
        "BACKFILL now",
        "BUFFERED now",
        "MANUAL now",
        "RERUN now",
        "SCHEDULE later",
    ];
    assert_eq!(due(&cluster, &job).await, expected);
    assert_eq!(mend(&cluster).await, 0);
}

#[actix::test]
async fn triggers_that_wait_by_their_own_rule_are_not_mended() {
    let cluster = start().await;
    let job = never(&cluster).await;
    for (kind, after) in [
        ("RERUN", "9 seconds"),
        ("BACKFILL", "50 seconds"),
        ("OWED", "30 minutes"),
        ("RETRY", "40 minutes"),
    ] {
        cluster.execute(INSERT, &[&job.id, &kind, &after]).await;
    }
    assert_eq!(mend(&cluster).await, 0);
}

#[actix::test]
async fn a_held_due_time_from_the_clock_ahead_is_mended() {
    let cluster = start().await;
    let job = never(&cluster).await;
    cluster
        .execute(INSERT, &[&job.id, &"BUFFERED", &"26 hours"])
        .await;
    cluster
        .execute(
            "update job_trigger set paused_due_at = due_at, due_at = null where kind = 'BUFFERED'",
            &[],
        )
        .await;
    assert_eq!(mend(&cluster).await, 1);
    let held = "select (paused_due_at <= clock_timestamp())::text from job_trigger where kind = 'BUFFERED'";
    assert_eq!(cluster.texts(held, &[]).await, ["true"]);
}

/// The instant is a minute ago; a resume lets it run now.
#[actix::test]
async fn a_missed_once_that_was_to_run_now_runs_and_none_before_its_time() {
    let cluster = start().await;
    let jobs = [never(&cluster).await, never(&cluster).await];
    cluster
        .execute(
            "update job_definition set schedule_type = 'ONCE', cron_expression = null",
            &[],
        )
        .await;
    for (job, fire_time) in jobs.iter().zip(["-1 minute", "40 minutes"]) {
        cluster
            .execute(INSERT, &[&job.id, &"OWED", &"26 hours"])
            .await;
        let named = "update job_trigger set fire_time = clock_timestamp() + $2::text::interval \
            where job_id = $1 and kind = 'OWED'";
        cluster.execute(named, &[&job.id, &fire_time]).await;
    }
    mend(&cluster).await;
    assert_eq!(due(&cluster, &jobs[0]).await[0], "OWED now");
    assert_eq!(due(&cluster, &jobs[1]).await[0], "OWED within the hour");
}

#[actix::test]
async fn a_recovery_that_the_repairs_made_runs_at_once() {
    let cluster = start().await;
    let job = never(&cluster).await;
    cluster
        .execute(INSERT, &[&job.id, &"RECOVERY", &"26 hours"])
        .await;
    let row = "insert into job_execution_log (id, job_id, kind, fire_time, due_time, status,
        retrying, attempt, created_at)
        select id, job_id, 'SCHEDULE', fire_time, fire_time, 'RETRYING', true, 1, fire_time
        from job_trigger where kind = 'RECOVERY'";
    // The partition of today is found by the id.
    let today = "update job_trigger set id = (lpad(to_hex((extract(epoch \
        from fire_time) * 1000)::bigint), 12, '0') || repeat('8', 20))::uuid \
        where kind = 'RECOVERY'";
    cluster.execute(today, &[]).await;
    cluster.execute(row, &[]).await;
    assert_eq!(mend(&cluster).await, 1);
    assert_eq!(
        due(&cluster, &job).await,
        ["RECOVERY now", "SCHEDULE later"]
    );
}

#[actix::test]
async fn schedules_created_while_the_clock_was_ahead_fire_from_now_on() {
    let cluster = start().await;
    let hourly = cluster.create(each_hour(&cluster).await).await;
    let rate = cluster.create(fixed_rate(3_600)).await;
    let delay = cluster
        .create(JobRequest {
            initial_delay_seconds: Some(600),
            ..fixed_delay(86_400)
        })
        .await;
    for job in [&hourly, &rate, &delay] {
        change_in_the_future(&cluster, job).await;
    }
    cluster
        .execute(
            "update job_definition set created_at = updated_at, \
            anchor_at = anchor_at + interval '26 hours'",
            &[],
        )
        .await;

    mend(&cluster).await;

    assert_eq!(due(&cluster, &hourly).await, ["SCHEDULE within the hour"]);
    assert_eq!(due(&cluster, &rate).await, ["SCHEDULE now"]);
    assert_eq!(due(&cluster, &delay).await, ["SCHEDULE within the hour"]);
    let grid = "select (anchor_at <= clock_timestamp())::text from job_definition where id = $1";
    assert_eq!(
        cluster.texts(grid, &[&rate.id]).await,
        ["true"],
        "its grid begins with its creation"
    );
}

#[actix::test]
async fn schedules_resumed_while_the_clock_was_ahead_continue_from_now() {
    let cluster = start().await;
    let hourly = cluster.create(each_hour(&cluster).await).await;
    let rate = cluster.create(fixed_rate(1_800)).await;
    let delay = cluster.create(fixed_delay(1_800)).await;
    let began = "update job_definition set anchor_at = anchor_at - interval '10 days' \
        where anchor_at is not null";
    cluster.execute(began, &[]).await;
    cluster
        .execute(
            "update job_trigger set runs = 5, \
        fire_time = fire_time + interval '30 minutes' where fire_time < clock_timestamp()",
            &[],
        )
        .await;
    cluster
        .execute("update job_trigger set due_at = fire_time", &[])
        .await;
    for job in [&hourly, &rate, &delay] {
        change_in_the_future(&cluster, job).await;
    }
    let anchors = "select anchor_at::text from job_definition where anchor_at is not null";
    let before = cluster.texts(anchors, &[]).await;

    assert_eq!(mend(&cluster).await, 3);

    for job in [&hourly, &rate, &delay] {
        assert_eq!(
            due(&cluster, job).await,
            ["SCHEDULE within the hour"],
            "{:?}",
            job.definition.schedule
        );
    }
    assert_eq!(cluster.texts(anchors, &[]).await, before, "the grid stays");
    assert_eq!(mend(&cluster).await, 0);
}

#[actix::test]
async fn a_schedule_whose_end_lies_between_the_clocks_continues() {
    let cluster = start().await;
    let tomorrow = chrono::DateTime::from_timestamp(now(&cluster).await.timestamp() + 86_400, 0);
    let job = cluster
        .create(with(each_hour(&cluster).await, |policies| {
            policies.end_at = tomorrow;
        }))
        .await;
    change_in_the_future(&cluster, &job).await;
    cluster
        .execute("update job_trigger set due_at = null", &[])
        .await;
    mend(&cluster).await;
    assert_eq!(due(&cluster, &job).await, ["SCHEDULE within the hour"]);
}

/// In whole milliseconds, as a definition stores it.
async fn now(cluster: &TestCluster) -> Timestamp {
    cluster
        .sql
        .query_one("select date_trunc('milliseconds', clock_timestamp())", &[])
        .await
        .unwrap()
        .get(0)
}

#[actix::test]
async fn start_times_and_long_delays_are_not_mended() {
    let cluster = start().await;
    let in_days = Some(now(&cluster).await + TimeDelta::days(3));
    let jobs = [
        cluster
            .create(with(fixed_rate(60), |policies| policies.start_at = in_days))
            .await,
        cluster
            .create(with(fixed_delay(60), |policies| {
                policies.start_at = in_days;
            }))
            .await,
        cluster
            .create(with(cron("0 * * * * ?"), |policies| {
                policies.start_at = in_days;
            }))
            .await,
        cluster
            .create(JobRequest {
                initial_delay_seconds: Some(200_000),
                ..fixed_rate(60)
            })
            .await,
    ];
    let rests = cluster.create(fixed_delay(400_000)).await;
    // Renamed while the clock was ahead.
    cluster
        .execute(
            "update job_definition set updated_at = updated_at + interval '26 hours'",
            &[],
        )
        .await;
    let rest = "update job_trigger set runs = 1, fire_time = now() + interval '4 days', \
        due_at = now() + interval '4 days' where id = $1";
    cluster.execute(rest, &[&rests.id]).await;
    let fire_times = "select fire_time::text || due_at::text from job_trigger order by id";
    let before = cluster.texts(fire_times, &[]).await;

    assert_eq!(mend(&cluster).await, 0);

    assert_eq!(cluster.texts(fire_times, &[]).await, before, "{jobs:?}");
}

/// A blackout was ended while the clock was ahead, which sent the job to be looked at then.
#[actix::test]
async fn a_trigger_due_for_another_check_is_checked_now() {
    let cluster = start().await;
    let job = cluster.create(cron("0 0 * * * ?")).await;
    let held = "update job_trigger set fire_time = date_trunc('hour', clock_timestamp()), \
        due_at = clock_timestamp() + interval '26 hours'";
    cluster.execute(held, &[]).await;
    assert_eq!(mend(&cluster).await, 1);
    assert_eq!(due(&cluster, &job).await, ["SCHEDULE now"]);
    let node = cluster.node().await;
    assert_eq!(node.lease().await.len(), 1);
}
