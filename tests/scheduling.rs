//! Schedules in a cluster: fire times, pauses, misfires and deaths.

use crate::support::{ENDLESS, NODE_TTL, TestCluster, TestNode, at, cron, fixed_delay, fixed_rate};
use horolog::actors::job_manager::{
    CommandError, DeleteJob, MissedOnce, PauseJob, ResumeJob, RunJobNow,
};
use horolog::model::job::{Job, Recovery};
use horolog::model::job_request::JobRequest;
use horolog::model::lists::JobFilter;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::queries::executions::ExecutionTexts;
use std::time::{Duration, Instant};

/// Polls, runs and settles once; how many ran.
pub async fn turn(node: &TestNode) -> usize {
    let leased = node.poll().await.leased;
    assert_eq!(node.settle_all().await.settled, leased);
    leased
}

pub async fn status(cluster: &TestCluster, job: &Job) -> String {
    cluster
        .texts(
            "select status from job_definition where id = $1",
            &[&job.id],
        )
        .await
        .remove(0)
}

/// Declares a node that has not beaten for a while dead, and takes over.
pub async fn declare_dead(
    cluster: &TestCluster,
    survivor: &TestNode,
    dead: &TestNode,
) -> (usize, usize) {
    cluster.clock.advance(NODE_TTL + Duration::from_secs(1));
    assert!(survivor.heartbeat().await);
    let report = survivor.reconcile().await;
    assert_eq!(
        (report.dead, report.repairs),
        (vec![dead.id], Some(Repairs::default()))
    );
    (report.rerun, report.ended)
}

#[actix::test]
async fn a_fixed_rate_keeps_its_phase_through_late_leases_and_pauses() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(JobRequest {
            initial_delay_seconds: Some(7),
            ..fixed_rate(20)
        })
        .await;
    let node = cluster.node().await;
    assert_eq!(turn(&node).await, 0, "not before its time");

    cluster.advance(7);
    assert_eq!(turn(&node).await, 1);
    cluster.advance(33); // 07:00:40, the fire time of :27 is late
    assert_eq!((turn(&node).await, turn(&node).await), (1, 0));
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:47 due 07:00:47"]
    );
    cluster.command(PauseJob(job.id, None)).await;
    cluster.advance(101); // 07:02:21
    assert_eq!(turn(&node).await, 0);
    let resumed = cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;

    assert_eq!(resumed.next_fire_time, Some(at("07:02:27")));
    assert_eq!(
        turn(&node).await,
        0,
        "what was due while it was paused does not exist"
    );
    cluster.advance(6);
    assert_eq!(turn(&node).await, 1);
    let fired = ["07:00:07", "07:00:27", "07:02:27"]
        .map(|time| format!("SCHEDULE {time} SUCCESS attempt 1"));
    assert_eq!(cluster.ledger(&job).await, fired);
}

#[actix::test]
async fn a_cron_fires_at_its_times() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (unix, quartz) = (
        cluster.create(cron("*/15 * * * *")).await,
        cluster.create(cron("0/30 15 7 * * ?")).await,
    );

    cluster.advance(900);
    assert_eq!(turn(&node).await, 2);
    cluster.advance(30);
    assert_eq!(turn(&node).await, 1);

    assert_eq!(
        cluster.ledger(&unix).await,
        ["SCHEDULE 07:15:00 SUCCESS attempt 1"]
    );
    let twice = ["07:15:00", "07:15:30"].map(|time| format!("SCHEDULE {time} SUCCESS attempt 1"));
    assert_eq!(cluster.ledger(&quartz).await, twice);
    assert_eq!(
        cluster.triggers(&unix).await,
        ["SCHEDULE fires 07:30:00 due 07:30:00"]
    );
    let tomorrow = cluster
        .texts(
            "select due_at::text from job_trigger where id = $1",
            &[&quartz.id],
        )
        .await;
    assert_eq!(tomorrow, ["2026-11-24 07:15:00+00"]);
}

#[actix::test]
async fn a_cron_that_never_fires_again_rests_for_good() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(cron("0 1 7 23 11 ? 2026")).await;
    cluster.advance(60);

    assert_eq!(turn(&node).await, 1);

    assert_eq!(cluster.triggers(&job).await, ["SCHEDULE fires 07:01:00"]);
    assert_eq!(
        cluster
            .store
            .job(job.id)
            .await
            .unwrap()
            .unwrap()
            .next_fire_time,
        None
    );
    node.reconcile().await;
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00"],
        "nothing to repair"
    );
}

#[actix::test]
async fn missed_hours_leave_one_execution_and_one_row_with_their_count() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (rate, cron) = (
        cluster.create(fixed_rate(60)).await,
        cluster.create(cron("*/10 * * * *")).await,
    );

    cluster.advance(3 * 3_600 + 30); // 10:00:30
    assert_eq!(turn(&node).await, 2);

    let range = "SCHEDULE 07:00:00 SKIPPED COALESCED attempt 0, 180 times until 09:59:00";
    assert_eq!(
        cluster.ledger(&rate).await,
        [range, "SCHEDULE 10:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&rate).await,
        ["SCHEDULE fires 10:01:00 due 10:01:00"]
    );
    let range = "SCHEDULE 07:10:00 SKIPPED COALESCED attempt 0, 17 times until 09:50:00";
    assert_eq!(
        cluster.ledger(&cron).await,
        [range, "SCHEDULE 10:00:00 SUCCESS attempt 1"]
    );
    let executions = cluster
        .store
        .executions_of(rate.id, 10, ExecutionTexts::All)
        .await
        .unwrap();
    assert_eq!(
        executions[1].coalesced_into,
        Some(executions[0].id),
        "newest first"
    );
}

#[actix::test]
async fn run_now_runs_a_job_once_and_leaves_its_schedule_alone() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let delayed = || JobRequest {
        initial_delay_seconds: Some(3_600),
        ..fixed_delay(60)
    };
    let (active, paused) = (
        cluster.create(delayed()).await,
        cluster.create(delayed()).await,
    );
    cluster.command(PauseJob(paused.id, None)).await;
    let schedules = (
        cluster.triggers(&active).await,
        cluster.triggers(&paused).await,
    );

    let first = cluster.command(RunJobNow(active.id)).await;
    let second = cluster.command(RunJobNow(active.id)).await;
    cluster.command(RunJobNow(paused.id)).await;
    assert_eq!((turn(&node).await, turn(&node).await), (3, 0));

    assert_ne!(first, second);
    assert_eq!(
        cluster.ledger(&active).await,
        ["MANUAL 07:00:00 SUCCESS attempt 1"; 2]
    );
    assert_eq!(
        cluster.ledger(&paused).await,
        ["MANUAL 07:00:00 SUCCESS attempt 1"]
    );
    assert!(
        cluster.store.execution(first).await.unwrap().is_some(),
        "under the id that was announced"
    );
    assert_eq!(
        (
            cluster.triggers(&active).await,
            cluster.triggers(&paused).await
        ),
        schedules
    );
    let deleted = cluster.create(delayed()).await;
    cluster.command(DeleteJob(deleted.id)).await;
    let refused = cluster.try_command(RunJobNow(deleted.id)).await;
    assert!(
        matches!(refused, Err(CommandError::NotFound { .. })),
        "{refused:?}"
    );
}

#[actix::test]
async fn a_paused_job_does_not_fire() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(10)).await;

    let paused = cluster.command(PauseJob(job.id, None)).await;
    let again = cluster.command(PauseJob(job.id, None)).await;
    cluster.advance(30);

    assert_eq!(
        (turn(&node).await, status(&cluster, &job).await.as_str()),
        (0, "PAUSED")
    );
    assert_eq!((paused.next_fire_time, paused.version), (None, 1));
    assert_eq!(again, paused, "pausing a paused job changes nothing");
    let passed = "SCHEDULE 07:00:00 SKIPPED PAUSED attempt 0, 1 times until 07:00:00";
    assert_eq!(
        cluster.ledger(&job).await,
        [passed],
        "it was due at once, and not taken"
    );
}

#[actix::test]
async fn resuming_an_active_job_does_not_move_it() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_delay(60)).await;
    cluster.advance(30);

    let resumed = cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;

    assert_eq!(
        (resumed.next_fire_time, resumed.version),
        (job.next_fire_time, 0)
    );
}

#[actix::test]
async fn only_triggers_due_within_the_look_ahead_are_leased() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (near, far) = (
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_rate(60)).await,
    );
    let move_to = "update job_trigger set fire_time = $2, due_at = $2 where id = $1";
    cluster
        .execute(move_to, &[&near.id, &at("07:00:00.200")])
        .await;
    cluster.execute(move_to, &[&far.id, &at("07:00:10")]).await;

    let begun = Instant::now();
    let report = node.poll().await;

    assert_eq!((report.leased, report.triggers), (1, 1));
    // Less what has passed since the poll read the clock.
    let until_far =
        Duration::from_millis(9_750).saturating_sub(begun.elapsed())..Duration::from_millis(9_800);
    assert!(until_far.contains(&report.next_poll), "{report:?}");
    assert!(cluster.ledger(&far).await.is_empty());
    node.settle_all().await;
    let started = "select (started_at >= due_time)::text from job_execution_log where job_id = $1";
    assert_eq!(
        cluster.texts(started, &[&near.id]).await,
        ["true"],
        "leased early, started on time"
    );
}

#[actix::test]
async fn an_execution_whose_nodes_keep_dying_fails_with_crash_loop() {
    let cluster = TestCluster::start().await;
    let endless = JobRequest {
        target: ENDLESS,
        max_recoveries: Some(2),
        ..fixed_delay(60)
    };
    let job = cluster.create(endless).await;

    for (attempt, (rerun, ended)) in [(1, 0), (1, 0), (0, 1)].into_iter().enumerate() {
        let (survivor, dead) = (cluster.node().await, cluster.node().await);
        assert_eq!(dead.poll().await.leased, 1, "attempt {}", attempt + 1);
        assert_eq!(
            declare_dead(&cluster, &survivor, &dead).await,
            (rerun, ended)
        );
        survivor
            .store
            .leave(survivor.id, &survivor.holdings())
            .await
            .unwrap();
    }

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED CRASH_LOOP attempt 3"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:15 due 07:01:15"],
        "the chain goes on"
    );
    let history =
        "select jsonb_array_length(previous_attempts) || ' ' || recoveries || ' ' || error_message
        from job_execution_log";
    assert_eq!(
        cluster.texts(history, &[]).await,
        ["3 3 the node died in the middle of attempt 3"]
    );
}

#[actix::test]
async fn a_lost_run_of_a_mark_lost_job_is_not_repeated() {
    let cluster = TestCluster::start().await;
    let at_most_once = |job| JobRequest {
        recovery: Some(Recovery::MarkLost),
        ..job
    };
    let delay = cluster.create(at_most_once(fixed_delay(60))).await;
    let rate = cluster.create(at_most_once(fixed_rate(60))).await;
    let (survivor, dead) = (cluster.node().await, cluster.node().await);
    dead.poll().await;

    assert_eq!(declare_dead(&cluster, &survivor, &dead).await, (0, 2));
    assert_eq!(turn(&survivor).await, 0);

    assert_eq!(
        cluster.ledger(&delay).await,
        ["SCHEDULE 07:00:00 LOST attempt 1"]
    );
    assert_eq!(
        cluster.ledger(&rate).await,
        ["SCHEDULE 07:00:00 LOST attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&delay).await,
        ["SCHEDULE fires 07:01:05 due 07:01:05"]
    );
    assert_eq!(
        cluster.triggers(&rate).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}

#[actix::test]
async fn jobs_with_one_schedule_are_one_group_of_what_is_upcoming() {
    let cluster = TestCluster::start().await;
    let thursdays = || cron("0 0 7 ? * THU");
    let (of_before, _) = (
        cluster.create(thursdays()).await,
        cluster.create(thursdays()).await,
    );
    let all = r#"update job_definition set policies = '{"startAt": null, "endAt": null, "dstGap": "RUN_AT_GAP_END", "dstOverlap": "AUTO"}'
        where id = $1"#;
    cluster.execute(all, &[&of_before.id]).await;
    for _ in 0..2 {
        cluster.create(cron("0 H 7 ? * THU")).await; // another minute for each
    }

    let schedules = cluster
        .store
        .schedules(&JobFilter::default())
        .await
        .unwrap();

    assert_eq!(
        schedules
            .groups
            .iter()
            .map(|group| group.jobs)
            .collect::<Vec<_>>(),
        [2, 1, 1]
    );
}
