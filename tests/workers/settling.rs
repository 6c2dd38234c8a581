//! Results: each is written once, however often it is sent.

use super::{TestWorker, failure, held, hourly_report, success};
use crate::support::{TestCluster, with};
use horolog::actors::job_manager::CancelExecution;
use horolog::model::execution::Outcome;
use horolog::store::protocol::workers::{SettleCode, WorkerKey};
use serde_json::json;

#[actix::test]
async fn a_result_that_is_sent_again_is_settled_already() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    let attempt = worker.poll_one().await;
    let mut codes = Vec::new();
    for outcome in [success(), success(), failure(), Outcome::Cancelled] {
        codes.push(worker.settle(&attempt, outcome).await);
    }
    let expected = [
        SettleCode::Settled,
        SettleCode::AlreadySettled,
        SettleCode::Fenced,
        SettleCode::Fenced,
    ];
    assert_eq!(codes, expected);
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
}

#[actix::test]
async fn a_failure_is_retried_by_the_policy_and_known_when_it_is_sent_again() {
    let cluster = TestCluster::start().await;
    let job = with(hourly_report(), |policies| {
        policies.retry.max_attempts = 2;
        policies.retry.initial_backoff_seconds = 0;
    });
    let job = cluster.create(job).await;
    let worker = TestWorker::join(&cluster).await;
    let first = worker.poll_one().await;
    assert_eq!(worker.settle(&first, failure()).await, SettleCode::Settled);
    assert_eq!(
        worker.settle(&first, failure()).await,
        SettleCode::AlreadySettled
    );

    let second = worker.poll_one().await;

    assert_eq!((second.attempt, second.failures), (2, 1));
    assert_eq!(worker.settle(&first, failure()).await, SettleCode::Fenced);
    assert_eq!(worker.settle(&second, failure()).await, SettleCode::Settled);
    assert_eq!(
        worker.settle(&second, failure()).await,
        SettleCode::AlreadySettled
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED ERROR attempt 2"]
    );
}

#[actix::test]
async fn a_cancellation_reaches_the_worker_by_its_heartbeat() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(hourly_report()).await;
    let worker = TestWorker::join(&cluster).await;
    let attempt = worker.poll_one().await;
    cluster.command(CancelExecution(attempt.execution_id)).await;

    let renewal = worker
        .store
        .renew_worker(&worker.key, &[held(&attempt)], &[])
        .await
        .unwrap()
        .unwrap();

    assert_eq!(renewal.cancelled, [held(&attempt)]);
    assert!(renewal.lost.is_empty());
    let settled = worker.settle(&attempt, Outcome::Cancelled).await;
    assert_eq!(settled, SettleCode::Settled);
    assert_eq!(
        worker.settle(&attempt, success()).await,
        SettleCode::Cancelled,
        "a completion after the cancel"
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 CANCELLED attempt 1"]
    );
}

#[actix::test]
async fn a_worker_settles_what_it_holds_and_nothing_else() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(hourly_report()).await;
    let (worker, other) = (
        TestWorker::join(&cluster).await,
        TestWorker::join(&cluster).await,
    );
    let attempt = worker.poll_one().await;
    assert_eq!(other.settle(&attempt, success()).await, SettleCode::Fenced);
    let stranger = TestWorker {
        key: WorkerKey {
            caller: "TOKEN 2".to_owned(),
            ..worker.key.clone()
        },
        ..other
    };
    let settled = stranger.store.settle_of_worker(&stranger.key, &[]).await;
    assert!(settled.unwrap().is_err(), "another caller");
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
}

#[actix::test]
async fn a_checkpoint_is_there_at_the_next_attempt() {
    let cluster = TestCluster::start().await;
    let job = with(hourly_report(), |policies| {
        policies.retry.max_attempts = 2;
        policies.retry.initial_backoff_seconds = 0;
    });
    cluster.create(job).await;
    let worker = TestWorker::join(&cluster).await;
    let first = worker.poll_one().await;
    let text = json!({"page": 3}).to_string();
    let progress = horolog::store::protocol::workers::Progress {
        held: held(&first),
        progress: None,
        checkpoint: horolog::model::payload::Payload::of_json(text.clone()).ok(),
    };
    worker
        .store
        .renew_worker(&worker.key, &[held(&first)], &[progress])
        .await
        .unwrap()
        .unwrap();
    worker.settle(&first, failure()).await;
    let second = worker.poll_one().await;
    let checkpoints = worker.store.checkpoints(&[second.execution_id]).await;
    let checkpoints = checkpoints.unwrap();
    assert_eq!(checkpoints[&second.execution_id].as_str(), text);
}
