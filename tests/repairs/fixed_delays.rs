//! Repairs of fixed delays: the next fire time follows the end of an execution.

use super::states::{NOTHING, repairs_once};
use crate::support::{TestCluster, fixed_delay, fixed_rate};
use horolog::actors::job_manager::{MissedOnce, PauseJob, ResumeJob, UpdateJob};
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::LeaseUpdates;

#[actix::test]
async fn a_fixed_delay_that_lost_its_trigger_during_a_run_waits_for_its_end() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_delay(60)).await;
    let attempts = node.lease().await;
    cluster.execute("delete from job_trigger", &[]).await;

    repairs_once(
        &node,
        Repairs {
            scheduled: 1,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:00 awaiting"],
        "two runs at once would overlap"
    );
    node.store
        .settle(
            &[crate::support::succeeded(&attempts[0])],
            &LeaseUpdates::default(),
        )
        .await
        .unwrap();
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}

#[actix::test]
async fn a_fixed_delay_whose_run_has_ended_or_vanished_continues() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (ended, vanished) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    let paused = cluster.create(fixed_delay(60)).await;
    node.lease().await;
    cluster.command(PauseJob(paused.id, None)).await;
    let end = "update job_execution_log set status = 'SUCCESS', \
        finished_at = '2026-11-23T07:00:10Z' where job_id = any($1)";
    cluster
        .execute(end, &[&[ended.id, paused.id].as_slice()])
        .await;
    cluster
        .execute(
            "delete from job_execution_log where job_id = $1",
            &[&vanished.id],
        )
        .await;
    cluster.advance(20);

    repairs_once(
        &node,
        Repairs {
            continued: 3,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&ended).await,
        ["SCHEDULE fires 07:01:10 due 07:01:10"],
        "a minute after its end"
    );
    assert_eq!(
        cluster.triggers(&paused).await,
        ["SCHEDULE fires 07:01:10 paused"]
    );
    assert_eq!(cluster.triggers(&vanished).await.len(), 1);
    node.poll().await;
    node.settle_all().await;
    let again = cluster.ledger(&vanished).await;
    assert_eq!(again.len(), 1, "it runs again: {again:?}");
}

#[actix::test]
async fn a_former_fixed_delay_awaits_nothing_once_its_job_is_active() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (paused, by_hand) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    node.poll().await;
    cluster.command(PauseJob(paused.id, None)).await;
    cluster
        .command(UpdateJob {
            id: paused.id,
            request: fixed_rate(60),
            version: paused.version + 1,
        })
        .await;
    let change = "update job_definition set schedule_type = 'FIXED_RATE', anchor_at = created_at \
        where id = $1";
    cluster.execute(change, &[&by_hand.id]).await;
    cluster.advance(20);
    node.settle_all().await;

    repairs_once(
        &node,
        Repairs {
            scheduled: 1,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&by_hand).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    cluster
        .command(ResumeJob(paused.id, MissedOnce::Skip))
        .await;
    assert_eq!(
        cluster.triggers(&paused).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    repairs_once(&node, NOTHING).await;
}
