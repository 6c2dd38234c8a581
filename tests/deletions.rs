//! Deleted jobs: their log stays, and nothing of them starts.

use crate::scheduling::{declare_dead, status, turn};
use crate::support::{TestCluster, fixed_delay, fixed_rate};
use horolog::actors::job_manager::{DeleteJob, MissedOnce, ResumeJob, RunJobNow};
use horolog::store::protocol::complete::LeaseUpdates;

#[actix::test]
async fn a_deleted_job_leaves_its_log_and_nothing_that_could_start() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(60)).await;
    let (survivor, dead) = (cluster.node().await, cluster.node().await);
    assert_eq!(turn(&survivor).await, 1);
    cluster.advance(60);
    dead.poll().await;
    declare_dead(&cluster, &survivor, &dead).await;
    cluster.command(RunJobNow(job.id)).await;

    cluster.command(DeleteJob(job.id)).await;

    assert!(cluster.triggers(&job).await.is_empty());
    assert_eq!(turn(&survivor).await, 0);
    let by_hand = "MANUAL 07:01:05 SKIPPED DELETED attempt 0, 1 times until 07:01:05";
    let log = [
        "SCHEDULE 07:00:00 SUCCESS attempt 1",
        "SCHEDULE 07:01:00 CANCELLED attempt 1",
        by_hand,
    ];
    assert_eq!(cluster.ledger(&job).await, log);
    assert_eq!(status(&cluster, &job).await, "DELETED");
    assert!(
        cluster
            .try_command(ResumeJob(job.id, MissedOnce::Skip))
            .await
            .is_err()
    );
    assert!(cluster.try_command(DeleteJob(job.id)).await.is_err());
}

#[actix::test]
async fn an_execution_of_a_deleted_job_ends_by_itself_or_with_its_node() {
    let cluster = TestCluster::start().await;
    let (job, orphan) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    let (survivor, dead) = (cluster.node().await, cluster.node().await);
    let attempts = dead.lease().await;
    let (mine, _): (Vec<_>, Vec<_>) = attempts
        .iter()
        .partition(|attempt| attempt.job_id == job.id);

    cluster.command(DeleteJob(job.id)).await;
    cluster.command(DeleteJob(orphan.id)).await;
    dead.store
        .settle(
            &[crate::support::succeeded(mine[0])],
            &LeaseUpdates::default(),
        )
        .await
        .unwrap();
    assert_eq!(declare_dead(&cluster, &survivor, &dead).await, (0, 1));

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(
        cluster.ledger(&orphan).await,
        ["SCHEDULE 07:00:00 CANCELLED attempt 1"]
    );
    assert_eq!(
        (
            cluster.triggers(&job).await,
            cluster.triggers(&orphan).await
        ),
        (Vec::new(), Vec::new())
    );
}
