//! Repairs of retries and buffered fires.

use super::states::{NOTHING, delete_row_only, repairs_once, run_and_settle};
use crate::support::{ENDLESS, TestCluster, begun, fixed_delay, fixed_rate, succeeded, with};
use horolog::actors::job_manager::UpdateJob;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::OverlapPolicy;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::LeaseUpdates;

#[actix::test]
async fn a_retry_that_no_trigger_carries_gets_its_trigger_back() {
    let cluster = TestCluster::start().await;
    let (node, leaver) = (cluster.node().await, cluster.node().await);
    let (job, deleted) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    let begun = begun(&leaver.lease().await);
    node.store.leave(leaver.id, &begun).await.unwrap();
    assert_eq!(
        cluster
            .execute("delete from job_trigger where kind = 'RECOVERY'", &[])
            .await,
        2
    );
    cluster
        .execute("delete from job_trigger where job_id = $1", &[&deleted.id])
        .await;
    delete_row_only(&cluster, &deleted).await;

    assert_eq!(
        node.reconcile().await.repairs,
        Some(Repairs {
            retried: 1,
            stopped: 1,
            ..NOTHING
        })
    );
    run_and_settle(&node).await;
    assert_eq!(node.reconcile().await.repairs, Some(NOTHING));

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    assert_eq!(
        cluster.ledger(&deleted).await,
        ["SCHEDULE 07:00:00 CANCELLED attempt 1"]
    );
}

#[actix::test]
async fn a_retry_of_an_execution_that_has_ended_starts_nothing() {
    let cluster = TestCluster::start().await;
    let (node, leaver) = (cluster.node().await, cluster.node().await);
    let job = cluster.create(fixed_rate(60)).await;
    let begun = begun(&leaver.lease().await);
    node.store.leave(leaver.id, &begun).await.unwrap();
    cluster
        .execute(
            "update job_execution_log set status = 'SUCCESS', finished_at = started_at",
            &[],
        )
        .await;

    let report = node.poll().await;

    assert_eq!((report.triggers, report.leased), (1, 0));
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}

#[actix::test]
async fn a_queue_with_a_due_buffered_fire_needs_no_repair() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let one_by_one = with(fixed_rate(60), |policies| {
        policies.overlap_policy = OverlapPolicy::BufferAll;
    });
    cluster
        .create(JobRequest {
            target: ENDLESS,
            ..one_by_one
        })
        .await;
    let first = node.lease().await;
    for _ in 0..2 {
        cluster.advance(60);
        assert_eq!(node.lease().await.len(), 0, "it waits");
    }
    node.store
        .settle(&[succeeded(&first[0])], &LeaseUpdates::default())
        .await
        .unwrap();
    let due = "select count(*) filter (where due_at is not null)::text || ' of ' || count(*) \
        from job_trigger where kind = 'BUFFERED'";
    assert_eq!(cluster.texts(due, &[]).await, ["1 of 2"]);

    assert_eq!(node.reconcile().await.repairs, Some(NOTHING));

    assert_eq!(cluster.texts(due, &[]).await, ["1 of 2"]);
}

#[actix::test]
async fn a_buffered_fire_behind_an_execution_of_an_older_policy_runs() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(60)).await;
    let before = node.lease().await;
    let one_by_one = with(fixed_rate(60), |policies| {
        policies.overlap_policy = OverlapPolicy::BufferAll;
    });
    cluster
        .command(UpdateJob {
            id: job.id,
            request: one_by_one,
            version: job.version,
        })
        .await;
    cluster.advance(60);
    assert_eq!(
        (before.len(), node.lease().await.len()),
        (1, 0),
        "the next one waits"
    );

    node.store
        .settle(&[succeeded(&before[0])], &LeaseUpdates::default())
        .await
        .unwrap();
    assert_eq!(
        node.lease().await.len(),
        0,
        "its end did not know that somebody waits"
    );
    repairs_once(
        &node,
        Repairs {
            released: 1,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(node.lease().await.len(), 1);
    let ledger = [
        "SCHEDULE 07:00:00 SUCCESS attempt 1",
        "BUFFERED 07:01:00 RUNNING attempt 1",
    ];
    assert_eq!(cluster.ledger(&job).await, ledger);
}
