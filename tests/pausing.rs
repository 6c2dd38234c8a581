//! Pausing and deleting: what was taken before still runs, once; nothing is
//! taken after.

use crate::support::{CommitGate, TestCluster, at, eventually, fixed_rate};
use horolog::actors::job_manager::{DeleteJob, PauseJob};
use horolog::model::job::Job;
use std::time::{Duration, Instant};

const RAN_ONCE: [&str; 1] = ["SCHEDULE 07:00:00 SUCCESS attempt 1"];

/// A job to be paused and one to be deleted, both due now.
async fn two_jobs(cluster: &TestCluster) -> (Job, Job) {
    (
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_rate(60)).await,
    )
}

#[actix::test]
async fn an_execution_leased_ahead_runs_although_its_job_is_paused() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (paused, deleted) = two_jobs(&cluster).await;
    let soon = "update job_trigger set fire_time = $1, due_at = $1";
    cluster.execute(soon, &[&at("07:00:00.200")]).await;
    let before = Instant::now();
    assert_eq!(node.poll().await.leased, 2);

    cluster.command(PauseJob(paused.id, None)).await;
    cluster.command(DeleteJob(deleted.id)).await;

    assert_eq!(node.settle_all().await.settled, 2);
    assert!(
        before.elapsed() >= Duration::from_millis(200),
        "they waited for their due time"
    );
    for job in [&paused, &deleted] {
        assert_eq!(cluster.ledger(job).await, RAN_ONCE);
    }
}

#[actix::test]
async fn a_command_that_meets_a_lease_waits_for_it_and_then_holds() {
    let cluster = TestCluster::start().await;
    let gate = CommitGate::install(&cluster.database).await;
    let node = cluster.victim(Duration::from_secs(30)).await;
    let (paused, deleted) = two_jobs(&cluster).await;

    gate.close().await;
    let polled = node.poll_meanwhile();
    gate.await_victim().await;
    let open = async {
        let waiting = "select 1 from pg_stat_activity
            where wait_event in ('transactionid', 'tuple') and datname = current_database()";
        eventually("both commands wait", async || {
            (cluster.sql.query(waiting, &[]).await.unwrap().len() == 2).then_some(())
        })
        .await;
        gate.open().await;
    };
    futures_util::join!(
        cluster.command(PauseJob(paused.id, None)),
        cluster.command(DeleteJob(deleted.id)),
        open
    );

    assert_eq!(polled.await.leased, 2);
    node.settle_all().await;
    cluster.advance(3_600);
    assert_eq!(node.poll().await.triggers, 0);
    for job in [&paused, &deleted] {
        assert_eq!(cluster.ledger(job).await, RAN_ONCE);
    }
    assert_eq!(
        cluster.triggers(&paused).await,
        ["SCHEDULE fires 07:01:00 paused"]
    );
    assert!(cluster.triggers(&deleted).await.is_empty());
}
