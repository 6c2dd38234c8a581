//! Reruns: the fire time of an ended execution runs again, once at a time, under an id of its own,
//! whatever dies in between.

use crate::support::{CommitGate, TestCluster, TestNode, at, failed, fixed_rate, succeeded, with};
use horolog::actors::job_manager::executions::{
    Rerun, RerunExecution, RerunExecutions, RerunReport,
};
use horolog::actors::job_manager::{CancelExecution, CommandError, DeleteJob, PauseJob};
use horolog::model::execution::{Attempt, ExecutionStatus};
use horolog::model::job::Job;
use horolog::model::lists::ExecutionFilter;
use horolog::model::policies::OverlapPolicy;
use horolog::model::trigger::TriggerKind;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::LeaseUpdates;
use std::time::Duration;
use uuid::Uuid;

pub const FAILED: &str = "SCHEDULE 07:00:00 FAILED ERROR attempt 1";

/// What each row of the log repeats.
const LINKS: &str = "select coalesce(r.kind, 'nothing') from job_execution_log l left \
    join job_execution_log r on r.id = l.repeats order by l.id";

async fn one(node: &TestNode) -> Attempt {
    let mut attempts = node.lease().await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

async fn end(node: &TestNode, attempt: &Attempt, well: bool) {
    let settlement = if well {
        succeeded(attempt)
    } else {
        failed(attempt)
    };
    let updates = LeaseUpdates {
        ended: vec![attempt.lease_id],
        ..LeaseUpdates::default()
    };
    assert_eq!(
        node.store
            .settle(&[settlement], &updates)
            .await
            .unwrap()
            .settled,
        [attempt.execution_id]
    );
}

/// An hourly job whose first execution has failed; it is 07:10.
pub async fn with_failure(policy: OverlapPolicy) -> (TestCluster, Job, TestNode, Uuid) {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(with(fixed_rate(3_600), |policies| {
            policies.overlap_policy = policy;
        }))
        .await;
    let node = cluster.node().await;
    let attempt = one(&node).await;
    end(&node, &attempt, false).await;
    cluster.advance(600);
    (cluster, job, node, attempt.execution_id)
}

pub async fn rerun(cluster: &TestCluster, id: Uuid) -> Rerun {
    cluster.command(RerunExecution(id)).await
}

pub async fn rerun_all(cluster: &TestCluster, filter: ExecutionFilter) -> RerunReport {
    cluster
        .command(RerunExecutions {
            filter,
            jobs: None,
            dry_run: false,
        })
        .await
}

pub async fn refusal(cluster: &TestCluster, id: Uuid) -> String {
    match cluster.try_command(RerunExecution(id)).await {
        Err(CommandError::Conflict(message)) => message,
        other => panic!("{other:?}"),
    }
}

pub fn everything() -> ExecutionFilter {
    ExecutionFilter::default()
}

#[actix::test]
async fn a_fire_time_runs_again_under_an_id_of_its_own() {
    let (cluster, job, node, id) = with_failure(OverlapPolicy::Allow).await;

    let again = rerun(&cluster, id).await;
    assert!(
        again.created && again.id > id,
        "it sorts behind what it repeats"
    );
    let triggers = [
        "RERUN fires 07:00:00 due 07:10:00",
        "SCHEDULE fires 08:00:00 due 08:00:00",
    ];
    assert_eq!(cluster.triggers(&job).await, triggers);
    let attempt = one(&node).await;
    assert_eq!(
        (attempt.execution_id, attempt.kind, attempt.attempt),
        (again.id, TriggerKind::Rerun, 1)
    );
    assert_eq!(
        (attempt.fire_time, attempt.due_time),
        (at("07:00:00"), at("07:10:00"))
    );
    end(&node, &attempt, true).await;

    assert_eq!(
        cluster.ledger(&job).await,
        [FAILED, "RERUN 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(cluster.texts(LINKS, &[]).await, ["nothing", "SCHEDULE"]);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 08:00:00 due 08:00:00"],
        "the schedule does not notice"
    );
    assert_eq!(node.reconcile().await.repairs, Some(Repairs::default()));
}

#[actix::test]
async fn an_execution_has_one_rerun_at_a_time() {
    let (cluster, job, node, id) = with_failure(OverlapPolicy::Allow).await;
    let (first, second) = futures_util::join!(rerun(&cluster, id), rerun(&cluster, id));
    assert_eq!(first.id, second.id);
    assert!(first.created != second.created, "{first:?} {second:?}");
    assert_eq!(cluster.triggers(&job).await.len(), 2);

    let attempt = one(&node).await;
    let under_way = Rerun {
        created: false,
        ..first
    };
    assert_eq!(rerun(&cluster, id).await, under_way, "it runs");
    assert!(refusal(&cluster, first.id).await.contains("has not ended"));
    let expected = RerunReport {
        matched: 1,
        under_way: 1,
        ..RerunReport::default()
    };
    assert_eq!(rerun_all(&cluster, everything()).await, expected);
    end(&node, &attempt, false).await;

    // The rerun has failed as well: a filter matches the rerun, not the repeated execution.
    let expected = RerunReport {
        matched: 2,
        reruns: 1,
        repeated: 1,
        ..RerunReport::default()
    };
    assert_eq!(rerun_all(&cluster, everything()).await, expected);
    end(&node, &one(&node).await, true).await;
    let expected = RerunReport {
        matched: 2,
        repeated: 2,
        ..RerunReport::default()
    };
    assert_eq!(rerun_all(&cluster, everything()).await, expected);
    let third = rerun(&cluster, id).await;
    assert!(
        third.created && third.id > first.id,
        "a person who names it means it"
    );
    end(&node, &one(&node).await, true).await;
    assert_eq!(
        cluster.texts(LINKS, &[]).await,
        ["nothing", "SCHEDULE", "RERUN", "SCHEDULE"]
    );
}

#[actix::test]
async fn a_rerun_is_taken_once_whatever_dies() {
    let (cluster, job, node, id) = with_failure(OverlapPolicy::Allow).await;
    let gate = CommitGate::install(&cluster.database).await;
    let again = rerun(&cluster, id).await;

    // Before the lease commits: the trigger is there as it was.
    let victim = cluster.victim(Duration::from_secs(30)).await;
    gate.close().await;
    let polled = victim.poll_meanwhile();
    gate.cut().await;
    assert!(!polled.await.polled);
    victim.kill(&cluster.sql).await;
    assert_eq!(node.reconcile().await.rerun, 0);

    // After it: the same execution, another attempt.
    let victim = cluster.node().await;
    assert_eq!(one(&victim).await.execution_id, again.id);
    victim.kill(&cluster.sql).await;
    let report = node.reconcile().await;
    assert_eq!(
        (report.rerun, report.repairs),
        (1, Some(Repairs::default()))
    );
    let attempt = one(&node).await;
    assert_eq!(
        (attempt.execution_id, attempt.attempt, attempt.kind),
        (again.id, 2, TriggerKind::Recovery)
    );
    end(&node, &attempt, true).await;

    assert!(node.lease().await.is_empty());
    assert_eq!(
        cluster.ledger(&job).await,
        [FAILED, "RERUN 07:00:00 SUCCESS attempt 2"]
    );
    assert_eq!(cluster.texts(LINKS, &[]).await, ["nothing", "SCHEDULE"]);
}

/// A set-back of the database that brought the trigger back: the execution is not taken a second
/// time.
#[actix::test]
async fn a_rerun_whose_trigger_comes_back_does_not_run_again() {
    let (cluster, job, node, id) = with_failure(OverlapPolicy::Allow).await;
    rerun(&cluster, id).await;
    cluster
        .execute(
            "create table kept as select * from job_trigger where kind = 'RERUN'",
            &[],
        )
        .await;
    end(&node, &one(&node).await, true).await;
    cluster
        .execute("insert into job_trigger select * from kept", &[])
        .await;

    assert!(node.lease().await.is_empty());
    assert_eq!(
        cluster.ledger(&job).await,
        [FAILED, "RERUN 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(cluster.triggers(&job).await.len(), 1);
}

#[actix::test]
async fn a_rerun_obeys_the_overlap_policy_as_a_run_now_does() {
    let cases = [
        (OverlapPolicy::Allow, "RERUN 07:00:00 RUNNING attempt 1"),
        (
            OverlapPolicy::Skip,
            "RERUN 07:00:00 SKIPPED OVERLAP attempt 0, 1 times until 07:00:00",
        ),
        (
            OverlapPolicy::BufferOne,
            "BUFFERED 07:00:00 RUNNING attempt 1",
        ),
        (
            OverlapPolicy::BufferAll,
            "BUFFERED 07:00:00 RUNNING attempt 1",
        ),
    ];
    for (policy, expected) in cases {
        let (cluster, job, node, id) = with_failure(policy).await;
        cluster.advance(3_000);
        let running = one(&node).await;
        rerun(&cluster, id).await;
        let taken = node.lease().await.len();
        assert_eq!(
            taken,
            usize::from(policy == OverlapPolicy::Allow),
            "{policy}"
        );
        end(&node, &running, true).await;
        node.lease().await;

        let ledger = [FAILED, expected, "SCHEDULE 08:00:00 SUCCESS attempt 1"];
        assert_eq!(cluster.ledger(&job).await, ledger, "{policy}");
        assert_eq!(
            cluster.texts(LINKS, &[]).await,
            ["nothing", "SCHEDULE", "nothing"],
            "{policy}"
        );
    }
}

#[actix::test]
async fn an_execution_that_cannot_run_again_is_refused_or_left_out() {
    let (cluster, job, node, id) = with_failure(OverlapPolicy::Allow).await;
    let unknown = cluster.try_command(RerunExecution(Uuid::new_v4())).await;
    assert!(
        matches!(
            unknown,
            Err(CommandError::NotFound {
                what: "execution",
                ..
            })
        ),
        "{unknown:?}"
    );
    cluster.command(PauseJob(job.id, None)).await;
    let again = rerun(&cluster, id).await;
    assert_eq!(
        one(&node).await.execution_id,
        again.id,
        "a paused job runs what a person asks for"
    );

    assert_eq!(
        rerun(&cluster, id).await,
        Rerun {
            created: false,
            ..again
        }
    );
    let range = "insert into job_execution_log (id, job_id, kind, fire_time, due_time, status,
        reason, attempt, through_fire_time, occurrences, created_at)
        values ($2, $1, 'SCHEDULE', now(), now(), 'SKIPPED', 'MISFIRE', 0, now(), 4, now())";
    let skipped = Uuid::new_v4();
    cluster.execute(range, &[&job.id, &skipped]).await;
    assert!(refusal(&cluster, skipped).await.contains("backfill"));
    let statuses = Some(vec![ExecutionStatus::Skipped, ExecutionStatus::Running]);
    let skips = ExecutionFilter {
        statuses,
        ..everything()
    };
    assert_eq!(
        rerun_all(&cluster, skips).await,
        RerunReport {
            matched: 1,
            ranges: 1,
            ..RerunReport::default()
        }
    );

    cluster.command(CancelExecution(again.id)).await;
    cluster.command(DeleteJob(job.id)).await;
    assert!(refusal(&cluster, id).await.contains("deleted"));
    let expected = RerunReport {
        matched: 1,
        of_deleted: 1,
        ..RerunReport::default()
    };
    assert_eq!(rerun_all(&cluster, everything()).await, expected);
    let running = ExecutionFilter {
        statuses: Some(vec![ExecutionStatus::Running]),
        ..everything()
    };
    let refused = cluster
        .try_command(RerunExecutions {
            filter: running,
            jobs: None,
            dry_run: true,
        })
        .await;
    assert!(
        matches!(refused, Err(CommandError::Invalid(invalid)) if invalid.field == "filter.status")
    );
}

#[actix::test]
async fn a_pending_rerun_is_cancelled_and_goes_with_its_job() {
    let (cluster, job, node, id) = with_failure(OverlapPolicy::Allow).await;
    let again = rerun(&cluster, id).await;
    cluster.command(CancelExecution(again.id)).await;
    assert_eq!(
        cluster.ledger(&job).await,
        [FAILED, "RERUN 07:00:00 CANCELLED attempt 0"]
    );
    rerun(&cluster, id).await;
    cluster.command(DeleteJob(job.id)).await;

    assert!(node.lease().await.is_empty());
    let deleted = "RERUN 07:00:00 SKIPPED DELETED attempt 0, 1 times until 07:00:00";
    assert_eq!(
        cluster.ledger(&job).await,
        [FAILED, "RERUN 07:00:00 CANCELLED attempt 0", deleted]
    );
    assert_eq!(
        cluster.texts(LINKS, &[]).await,
        ["nothing", "SCHEDULE", "SCHEDULE"]
    );
}
