//! The end of a worker: by its TTL, by its leaving, and by a restart.

use super::{TTL_SECONDS, TestWorker, failure, held, hourly_report, success};
use crate::support::TestCluster;
use horolog::model::job::Recovery;
use horolog::model::job_request::JobRequest;
use horolog::store::protocol::workers::{JoinRefusal, Refusal, SettleCode};

fn silent_for(cluster: &TestCluster, seconds: i32) {
    cluster.advance(u64::try_from(seconds).unwrap());
}

#[actix::test]
async fn a_silent_worker_is_dead_after_its_ttl_and_its_executions_run_again() {
    let cluster = TestCluster::start().await;
    let (node, job) = (cluster.node().await, cluster.create(hourly_report()).await);
    let worker = TestWorker::join(&cluster).await;
    let attempt = worker.poll_one().await;
    silent_for(&cluster, TTL_SECONDS);
    node.heartbeat().await;
    assert!(node.reconcile().await.dead.is_empty(), "not before its TTL");

    silent_for(&cluster, 1);
    let report = node.reconcile().await;

    assert_eq!((report.dead, report.rerun), (vec![worker.id()], 1));
    assert_eq!(cluster.node_state(worker.id()).await, "DEAD by TTL");
    assert_eq!(
        worker.settle(&attempt, success()).await,
        SettleCode::Fenced,
        "late"
    );
    assert_eq!(worker.begin(&[]).await, Err(Refusal::Ended));
    let renewed = worker.store.renew_worker(&worker.key, &[], &[]).await;
    assert_eq!(renewed.unwrap(), Err(Refusal::Ended));
    let released = worker
        .store
        .release_by_worker(&worker.key, &[held(&attempt)])
        .await;
    assert_eq!(released.unwrap(), Err(Refusal::Ended));

    let other = TestWorker::join(&cluster).await;
    let again = other.poll_one().await;
    assert_eq!(
        (again.execution_id, again.attempt),
        (attempt.execution_id, 2)
    );
    assert_eq!(worker.settle(&attempt, success()).await, SettleCode::Fenced);
    assert_eq!(other.settle(&again, success()).await, SettleCode::Settled);
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
}

#[actix::test]
async fn a_heartbeat_keeps_a_worker_alive() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let worker = TestWorker::join(&cluster).await;
    for _ in 0..3 {
        silent_for(&cluster, TTL_SECONDS);
        node.heartbeat().await;
        let renewed = worker.store.renew_worker(&worker.key, &[], &[]).await;
        assert!(renewed.unwrap().is_ok());
        assert!(node.reconcile().await.dead.is_empty());
    }
    assert_eq!(cluster.node_state(worker.id()).await, "ACTIVE");
}

#[actix::test]
async fn a_poll_that_waited_past_the_death_of_its_worker_leases_nothing() {
    let cluster = TestCluster::start().await;
    let worker = TestWorker::join(&cluster).await;
    worker.begin(&[]).await.unwrap();
    silent_for(&cluster, TTL_SECONDS + 1);
    cluster.create(hourly_report()).await;
    // No node has declared it dead yet.
    assert_eq!(worker.lease(worker.polls.get()).await, None);
}

#[actix::test]
async fn what_may_run_once_is_lost_with_its_worker() {
    let cluster = TestCluster::start().await;
    let job = JobRequest {
        recovery: Some(Recovery::MarkLost),
        ..hourly_report()
    };
    let (node, job) = (cluster.node().await, cluster.create(job).await);
    let worker = TestWorker::join(&cluster).await;
    worker.poll_one().await;
    silent_for(&cluster, TTL_SECONDS + 1);
    node.heartbeat().await;
    assert_eq!(node.reconcile().await.ended, 1);
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 LOST attempt 1"]
    );
}

#[actix::test]
async fn an_execution_whose_workers_all_die_ends_as_a_crash_loop() {
    let cluster = TestCluster::start().await;
    let job = JobRequest {
        max_recoveries: Some(1),
        ..hourly_report()
    };
    let (node, job) = (cluster.node().await, cluster.create(job).await);
    for _ in 0..2 {
        let worker = TestWorker::join(&cluster).await;
        worker.poll_one().await;
        silent_for(&cluster, TTL_SECONDS + 1);
        node.heartbeat().await;
        assert_eq!(node.reconcile().await.dead, [worker.id()]);
    }
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED CRASH_LOOP attempt 2"]
    );
}

#[actix::test]
async fn a_worker_that_leaves_hands_over_what_it_holds() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    let attempt = worker.poll_one().await;
    let left = worker.store.leave_worker(&worker.key).await;
    assert_eq!(left.unwrap().unwrap().rerun, [attempt.execution_id]);
    assert_eq!(cluster.node_state(worker.id()).await, "LEFT by LEFT");
    let left_again = worker.store.leave_worker(&worker.key).await;
    assert_eq!(left_again.unwrap(), Err(Refusal::Ended));
    // Its row waits for the next attempt, as after a failure that was settled.
    for outcome in [success(), failure()] {
        assert_eq!(worker.settle(&attempt, outcome).await, SettleCode::Fenced);
    }
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RETRYING attempt 1"]
    );
}

#[actix::test]
async fn a_restart_under_the_same_name_is_a_new_member() {
    let cluster = TestCluster::start().await;
    let (node, _) = (cluster.node().await, cluster.create(hourly_report()).await);
    let before = TestWorker::join(&cluster).await;
    let attempt = before.poll_one().await;
    let after = TestWorker::join(&cluster).await;
    assert_ne!(before.id(), after.id());
    assert!(
        after.poll(&[]).await.is_empty(),
        "it holds nothing of the earlier life"
    );
    assert_eq!(after.settle(&attempt, success()).await, SettleCode::Fenced);
    silent_for(&cluster, TTL_SECONDS);
    node.heartbeat().await;
    let renewed = after.store.renew_worker(&after.key, &[], &[]).await;
    assert!(renewed.unwrap().is_ok());
    silent_for(&cluster, 1);
    assert_eq!(node.reconcile().await.dead, [before.id()]);
    assert_eq!(after.poll_one().await.attempt, 2);
}

#[actix::test]
async fn an_observer_declares_no_worker_dead_before_it_has_watched_for_its_ttl() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let worker = TestWorker::join(&cluster).await;
    // As after a restart of the database, which kept the worker from its heartbeats.
    let since = "update cluster_node set session_at = heartbeat_at + interval '2 seconds'
        where id = $1";
    cluster.execute(since, &[&node.id]).await;
    silent_for(&cluster, TTL_SECONDS + 1);
    node.heartbeat().await;
    assert!(node.reconcile().await.dead.is_empty());
    silent_for(&cluster, 2);
    node.heartbeat().await;
    assert_eq!(node.reconcile().await.dead, [worker.id()]);
}

#[actix::test]
async fn no_worker_joins_while_a_node_of_an_older_version_lives() {
    let cluster = TestCluster::start().await;
    // It would take the worker for a node that has died.
    let older = "insert into cluster_node (id, name, address, version, state, lock_key, slots,
        protocol, started_at, heartbeat_at)
        values (gen_random_uuid(), 'older', '', '0', 'ACTIVE', 1, 1, 3, now(), now())";
    cluster.execute(older, &[]).await;
    let joined = cluster
        .store
        .join_worker(&super::profile(), "TOKEN 1")
        .await;
    assert_eq!(
        joined.unwrap(),
        Err(JoinRefusal::OlderNode("older".to_owned()))
    );
    let left = "update cluster_node set state = 'LEFT', ended_at = now() where name = 'older'";
    cluster.execute(left, &[]).await;
    TestWorker::join(&cluster).await;
}
