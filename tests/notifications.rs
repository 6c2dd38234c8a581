//! Wake-ups: commands that make something due sooner send one, the hot path
//! never does, and a lost connection is noticed.

use crate::support::{TestCluster, fixed_delay, fixed_rate};
use horolog::actors::job_manager::{MissedOnce, PauseJob, ResumeJob, RunJobNow};
use horolog::store::db::listener::{Listener, MEMBERSHIP_CHANNEL, WAKE_UP_CHANNEL};
use horolog::store::protocol::reclaim::Holdings;
use tokio_postgres::AsyncMessage;

#[actix::test]
async fn commands_that_make_something_due_wake_the_nodes() {
    let cluster = TestCluster::start().await;
    let mut listener = Listener::connect(&cluster.database.database(), &[WAKE_UP_CHANNEL])
        .await
        .unwrap();

    let job = cluster.create(fixed_rate(60)).await;
    listener.wake_up().await.expect("creation");
    cluster.command(PauseJob(job.id, None)).await;
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    listener.wake_up().await.expect("resumption");
    cluster.command(RunJobNow(job.id)).await;
    listener.wake_up().await.expect("run-now");
    let node = cluster.node().await;
    node.lease().await;
    node.store
        .leave(node.id, &Holdings::default())
        .await
        .unwrap();
    listener.wake_up().await.expect("a take-over");
}

#[actix::test]
async fn leases_and_settlements_send_no_wake_up() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    cluster.create(fixed_delay(60)).await;
    let (client, mut messages) = cluster.database.database().connect().await.unwrap();
    client
        .batch_execute(&format!("listen {WAKE_UP_CHANNEL}"))
        .await
        .unwrap();

    node.poll().await;
    assert_eq!(node.settle_all().await.settled, 1);
    // Notifications arrive in the order of their commits.
    cluster
        .execute("select pg_notify($1, 'the first')", &[&WAKE_UP_CHANNEL])
        .await;

    let message = messages.recv().await.expect("connected");
    assert!(
        matches!(&message, AsyncMessage::Notification(n) if n.payload() == "the first"),
        "{message:?}"
    );
}

#[actix::test]
async fn the_end_of_the_listening_connection_is_noticed() {
    let cluster = TestCluster::start().await;
    let mut listener = Listener::connect(&cluster.database.database(), &[WAKE_UP_CHANNEL])
        .await
        .unwrap();

    let cut = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query like 'listen %'";
    assert_eq!(cluster.execute(cut, &[]).await, 1);

    assert_eq!(listener.wake_up().await, None);
}

#[actix::test]
async fn nodes_that_come_drain_and_go_are_hinted_at_and_heartbeats_are_not() {
    let cluster = TestCluster::start().await;
    let mut listener = Listener::connect(&cluster.database.database(), &[MEMBERSHIP_CHANNEL])
        .await
        .unwrap();

    let node = cluster.node().await;
    listener.wake_up().await.expect("a node has come");
    assert!(node.heartbeat().await);
    let (client, mut messages) = cluster.database.database().connect().await.unwrap();
    client
        .batch_execute(&format!("listen {MEMBERSHIP_CHANNEL}"))
        .await
        .unwrap();
    assert!(node.heartbeat().await);
    // Notifications arrive in the order of their commits.
    cluster
        .execute(
            "select pg_notify($1, 'after the heartbeat')",
            &[&MEMBERSHIP_CHANNEL],
        )
        .await;
    let message = messages.recv().await.expect("connected");
    assert!(
        matches!(&message, AsyncMessage::Notification(n) if n.payload() == "after the heartbeat"),
        "{message:?}"
    );
    listener.wake_up().await.expect("the test's own");

    node.store.drain(node.id).await.unwrap();
    listener.wake_up().await.expect("it drains");
    node.store
        .leave(node.id, &Holdings::default())
        .await
        .unwrap();
    listener.wake_up().await.expect("it has gone");
}
