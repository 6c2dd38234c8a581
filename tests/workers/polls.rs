//! Polls: what is reclaimed, and which poll may lease.

use super::{TestWorker, held, hourly_report, success};
use crate::support::TestCluster;
use horolog::store::protocol::workers::{HeldByWorker, Refusal, SettleCode};

const HISTORY: &str = "select concat_ws(' ', previous_attempts -> 0 ->> 'outcome', failures,
    recoveries) from job_execution_log where id = $1";

#[actix::test]
async fn what_a_lost_answer_leased_is_reclaimed_and_leased_again() {
    let cluster = TestCluster::start().await;
    cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    let lost = worker.poll_one().await;

    assert_eq!(worker.begin(&[]).await, Ok(1));
    let again = worker.lease(worker.polls.get()).await.unwrap();

    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].execution_id, again[0].attempt),
        (lost.execution_id, 2)
    );
    assert_eq!(
        cluster.texts(HISTORY, &[&lost.execution_id]).await,
        ["NOT_STARTED 0 0"],
        "no failure, no recovery"
    );
    assert_eq!(worker.settle(&lost, success()).await, SettleCode::Fenced);
    assert_eq!(
        worker.settle(&again[0], success()).await,
        SettleCode::Settled
    );
}

#[actix::test]
async fn what_the_worker_holds_is_not_reclaimed() {
    let cluster = TestCluster::start().await;
    cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    let attempt = worker.poll_one().await;
    assert_eq!(worker.begin(&[held(&attempt)]).await, Ok(0));
    assert_eq!(
        worker.settle(&attempt, success()).await,
        SettleCode::Settled
    );
}

#[actix::test]
async fn a_poll_that_arrives_late_neither_reclaims_nor_leases() {
    let cluster = TestCluster::start().await;
    cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    worker.begin(&[]).await.unwrap();
    let attempt = worker.poll_one().await;
    cluster.create(hourly_report()).await;

    // The first poll, sent before the second and delivered after it, knows nothing of the attempt.
    let late = worker.store.begin_poll(&worker.key, 1, &[]).await;
    assert_eq!(late.unwrap().err(), Some(Refusal::Superseded));
    assert_eq!(worker.lease(1).await, None, "it had started, and waited");

    assert_eq!(
        worker.settle(&attempt, success()).await,
        SettleCode::Settled,
        "it was not reclaimed"
    );
    assert_eq!(worker.lease(2).await.map(|leased| leased.len()), Some(1));
}

#[actix::test]
async fn what_did_not_start_is_released_at_its_attempt_only() {
    let cluster = TestCluster::start().await;
    cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    let first = worker.poll_one().await;
    let release = async |attempt: HeldByWorker| {
        let attempts = [attempt];
        let released = worker.store.release_by_worker(&worker.key, &attempts);
        released.await.unwrap()
    };
    assert_eq!(release(held(&first)).await, Ok(1));
    let second = worker.poll_one().await;
    assert_eq!((second.attempt, second.failures), (2, 0));
    assert_eq!(release(held(&first)).await, Ok(0), "the request came twice");
    assert_eq!(worker.settle(&second, success()).await, SettleCode::Settled);
}

#[actix::test]
async fn a_draining_worker_gets_nothing_new_and_settles_what_it_holds() {
    let cluster = TestCluster::start().await;
    cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    let attempt = worker.poll_one().await;
    cluster.create(hourly_report()).await;
    assert!(cluster.store.drain(worker.id()).await.unwrap());

    let holding = [held(&attempt)];
    let started = worker.store.begin_poll(&worker.key, 9, &holding);
    let started = started.await.unwrap().unwrap();
    assert!(started.is_draining && started.reclaimed == 0);
    assert_eq!(worker.lease(9).await, None);
    let renewal = worker
        .store
        .renew_worker(&worker.key, &[held(&attempt)], &[])
        .await;
    assert!(renewal.unwrap().unwrap().is_draining);
    assert_eq!(
        worker.settle(&attempt, success()).await,
        SettleCode::Settled
    );
}

#[actix::test]
async fn a_heartbeat_says_what_the_worker_does_not_hold_any_more() {
    let cluster = TestCluster::start().await;
    cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    let attempt = worker.poll_one().await;
    let later = HeldByWorker {
        attempt: 7,
        ..held(&attempt)
    };
    let holding = [later];
    let renewal = worker.store.renew_worker(&worker.key, &holding, &[]);
    assert_eq!(renewal.await.unwrap().unwrap().lost, [later]);
}
