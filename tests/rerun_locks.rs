//! Two commands about one execution at the same moment. The first stands before its COMMIT with its
//! work done; the second waits, and sees the work of the first.

use crate::support::{CommitGate, TestCluster, TestNode, failed, fixed_rate};
use chrono::TimeDelta;
use horolog::actors::job_manager::executions::{RerunExecution, RerunExecutions, RerunReport};
use horolog::actors::job_manager::{CommandError, DeleteJob};
use horolog::model::job::Job;
use horolog::model::lists::ExecutionFilter;
use horolog::model::rerun::{Asked, Verdict};
use horolog::store::protocol::complete::LeaseUpdates;
use std::time::Duration;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_mins(1);

/// A job whose execution has failed, and a node whose commits stand at the gate.
async fn failed_once(gated: &str) -> (TestCluster, Job, Uuid, TestNode, CommitGate) {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    let node = cluster.node().await;
    let attempt = node.lease().await.remove(0);
    node.store
        .settle(&[failed(&attempt)], &LeaseUpdates::default())
        .await
        .unwrap();
    let gate = CommitGate::install_on(&cluster.database, gated).await;
    let victim = cluster.victim(PATIENCE).await;
    gate.close().await;
    (cluster, job, attempt.execution_id, victim, gate)
}

/// Runs `second` once a commit stands at the gate, and opens that when both wait.
async fn meanwhile<T>(
    cluster: &TestCluster,
    gate: &CommitGate,
    second: impl Future<Output = T>,
) -> T {
    gate.await_victim().await;
    let opened = async {
        cluster.wait_for_locks(2).await;
        gate.open().await;
    };
    futures_util::join!(second, opened).0
}

#[actix::test]
async fn a_rerun_sees_the_one_that_is_about_to_commit() {
    let (cluster, job, id, victim, gate) = failed_once("job_trigger").await;
    let asked = [id];
    let first = victim.store.rerun(&asked, Asked::ById, TimeDelta::zero());
    let second = meanwhile(&cluster, &gate, cluster.command(RerunExecution(id)));
    let (first, second) = futures_util::join!(first, second);
    let first = first.unwrap();
    assert_eq!(
        (first.verdicts.as_slice(), first.reruns.len()),
        ([Verdict::Run].as_slice(), 1)
    );
    assert_eq!((second.id, second.created), (first.reruns[0], false));
    assert_eq!(
        cluster.triggers(&job).await.len(),
        2,
        "the schedule's, and one rerun"
    );
}

#[actix::test]
async fn a_rerun_of_a_filter_sees_the_one_that_is_about_to_commit() {
    let (cluster, job, id, victim, gate) = failed_once("job_trigger").await;
    let asked = [id];
    let first = victim
        .store
        .rerun(&asked, Asked::ByFilter, TimeDelta::zero());
    let all = RerunExecutions {
        filter: ExecutionFilter::default(),
        jobs: None,
        dry_run: false,
    };
    let (first, second) =
        futures_util::join!(first, meanwhile(&cluster, &gate, cluster.command(all)));
    assert_eq!(first.unwrap().reruns.len(), 1);
    assert_eq!(
        second,
        RerunReport {
            matched: 1,
            under_way: 1,
            ..RerunReport::default()
        }
    );
    assert_eq!(
        cluster.triggers(&job).await.len(),
        2,
        "the schedule's, and one rerun"
    );
}

#[actix::test]
async fn nothing_of_a_job_runs_again_that_is_about_to_be_deleted() {
    let (cluster, job, id, victim, gate) = failed_once("job_definition").await;
    let deleted = victim.store.delete_job(job.id);
    let rerun = meanwhile(&cluster, &gate, cluster.try_command(RerunExecution(id)));
    let (deleted, rerun) = futures_util::join!(deleted, rerun);
    assert!(deleted.unwrap());
    assert!(
        matches!(&rerun, Err(CommandError::Conflict(message)) if message.contains("deleted")),
        "{rerun:?}"
    );
    assert_eq!(cluster.triggers(&job).await, [] as [&str; 0]);
}

#[actix::test]
async fn a_deletion_takes_the_rerun_with_it_that_is_about_to_commit() {
    let (cluster, job, id, victim, gate) = failed_once("job_trigger").await;
    let asked = [id];
    let rerun = victim.store.rerun(&asked, Asked::ById, TimeDelta::zero());
    let (rerun, ()) = futures_util::join!(rerun, async {
        meanwhile(&cluster, &gate, cluster.command(DeleteJob(job.id))).await;
    });
    assert_eq!(rerun.unwrap().reruns.len(), 1);
    assert_eq!(cluster.triggers(&job).await, [] as [&str; 0]);
    let left_out = "RERUN 07:00:00 SKIPPED DELETED attempt 0, 1 times until 07:00:00";
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED ERROR attempt 1", left_out]
    );
}
