//! Retries, time-outs and cancellations: the end of an attempt without success.

use crate::http_handler::{allowing_loopback, post};
use crate::sink::Sink;
use crate::support::{
    ENDLESS, NODE_TTL, TestCluster, TestNode, eventually, failed, fixed_delay, fixed_rate,
    succeeded, with,
};
use horolog::actors::job_manager::{
    CancelExecution, CommandError, DeleteJob, MissedOnce, PauseJob, ResumeJob, RunJobNow,
};
use horolog::model::execution::Attempt;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::target::Target;
use horolog::model::trigger::TriggerKind;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::LeaseUpdates;
use horolog::store::queries::executions::ExecutionTexts;
use std::time::Duration;
use uuid::Uuid;

/// At most `attempts`, ten seconds after the first failure, twenty after the second …
fn retried(attempts: i32, job: JobRequest) -> JobRequest {
    with(job, |p| {
        (p.retry.max_attempts, p.retry.initial_backoff_seconds) = (attempts, 10);
    })
}

async fn one(node: &TestNode) -> Attempt {
    let mut attempts = node.lease().await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

async fn fail(node: &TestNode, attempt: &Attempt) {
    assert_eq!(
        node.store
            .settle(&[failed(attempt)], &LeaseUpdates::default())
            .await
            .unwrap()
            .settled,
        [attempt.execution_id]
    );
}

async fn declare_dead(cluster: &TestCluster, survivor: &TestNode) -> (usize, usize) {
    cluster.clock.advance(NODE_TTL + Duration::from_secs(1));
    assert!(survivor.heartbeat().await);
    let report = survivor.reconcile().await;
    assert_eq!(
        (report.dead.len(), report.repairs),
        (1, Some(Repairs::default()))
    );
    (report.rerun, report.ended)
}

/// A job that never ends by itself, running on the first of two nodes.
async fn running(job: JobRequest) -> (TestCluster, Job, [TestNode; 2], Uuid) {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..job
        })
        .await;
    let nodes = [cluster.node().await, cluster.node().await];
    assert_eq!(nodes[0].poll().await.leased, 1);
    let id = cluster
        .store
        .executions_of(job.id, 1, ExecutionTexts::All)
        .await
        .unwrap()[0]
        .id;
    (cluster, job, nodes, id)
}

#[actix::test]
async fn a_failed_attempt_is_tried_again_until_it_succeeds() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(retried(3, fixed_delay(60))).await;
    let node = cluster.node().await;

    fail(&node, &one(&node).await).await;
    let waiting = [
        "RETRY fires 07:00:00 due 07:00:10",
        "SCHEDULE fires 07:00:00 awaiting",
    ];
    assert_eq!(cluster.triggers(&job).await, waiting);
    cluster.advance(10);
    let second = one(&node).await;
    assert_eq!(
        (second.attempt, second.failures, second.kind),
        (2, 1, TriggerKind::Retry)
    );
    fail(&node, &second).await;
    assert_eq!(
        cluster.triggers(&job).await[0],
        "RETRY fires 07:00:00 due 07:00:30"
    );
    cluster.advance(20);
    let third = one(&node).await;
    node.store
        .settle(&[succeeded(&third)], &LeaseUpdates::default())
        .await
        .unwrap();

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 3"]
    );
    let history = "select jsonb_path_query_array(previous_attempts, '$[*].outcome')::text || ' ' ||
        failures || ' '
        || (previous_attempts -> 1 ->> 'error') || ' ' || (previous_attempts -> 1 ->> 'attempt')
        from job_execution_log";
    assert_eq!(
        cluster.texts(history, &[]).await,
        [r#"["FAILED", "FAILED"] 2 broken 2"#]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:30 due 07:01:30"],
        "from the final end"
    );
}

#[actix::test]
async fn an_execution_whose_attempts_are_used_up_has_failed() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(retried(2, fixed_delay(60))).await;
    let node = cluster.node().await;
    fail(&node, &one(&node).await).await;
    cluster.advance(10);
    fail(&node, &one(&node).await).await;

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED ERROR attempt 2"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:10 due 07:01:10"]
    );
}

#[actix::test]
async fn a_lost_attempt_does_not_count_as_a_failure() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(retried(2, fixed_delay(60))).await;
    let (node, dead) = (cluster.node().await, cluster.node().await);
    one(&dead).await;
    assert_eq!(declare_dead(&cluster, &node).await, (1, 0));

    fail(&node, &one(&node).await).await;
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RETRYING ERROR attempt 2"]
    );
    cluster.advance(10);
    fail(&node, &one(&node).await).await;

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED ERROR attempt 3"]
    );
    let outcomes = "select jsonb_path_query_array(previous_attempts, '$[*].outcome')::text \
        from job_execution_log";
    assert_eq!(
        cluster.texts(outcomes, &[]).await,
        [r#"["LOST", "FAILED"]"#]
    );
}

#[actix::test]
async fn retries_come_within_the_back_off() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let refused = Target::Http(post("http://127.0.0.1:9/".parse().unwrap()));
    for _ in 0..20 {
        cluster
            .create(JobRequest {
                target: refused.clone(),
                ..retried(2, fixed_delay(60))
            })
            .await;
    }
    assert_eq!(
        (node.poll().await.leased, node.settle_all().await.settled),
        (20, 20)
    );

    let due = "select count(*) || ' ' || (count(distinct due_at) > 10) || ' ' ||
            (min(due_at) >= '2026-11-23T07:00:00Z')
        || ' ' || (max(due_at) <= '2026-11-23T07:00:10Z') from job_trigger where kind = 'RETRY'";
    assert_eq!(cluster.texts(due, &[]).await, ["20 true true true"]);
}

#[actix::test]
async fn retry_after_is_honoured() {
    let cluster = TestCluster::start().await;
    let node = cluster.node_with(allowing_loopback()).await;
    let sink = Sink::start().await;
    let job = cluster
        .create(JobRequest {
            target: Target::Http(post(sink.url("/"))),
            ..retried(2, fixed_delay(60))
        })
        .await;

    let busy = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n";
    let (report, first) = futures_util::join!(node.poll(), sink.answer(busy));
    assert_eq!((report.leased, node.settle_all().await.settled), (1, 1));
    assert_eq!(
        cluster.triggers(&job).await[0],
        "RETRY fires 07:00:00 due 07:02:00"
    );
    cluster.advance(120);
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let (_, second) = futures_util::join!(node.poll(), sink.answer(ok));
    node.settle_all().await;

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
    assert_eq!(
        first.headers["idempotency-key"],
        second.headers["idempotency-key"]
    );
    assert_eq!(
        (
            &*first.headers["horolog-attempt"],
            &*second.headers["horolog-attempt"]
        ),
        ("1", "2")
    );
}

#[actix::test]
async fn an_attempt_that_takes_too_long_has_failed() {
    let (cluster, job, [node, _], _) =
        running(with(fixed_delay(60), |p| p.timeout_seconds = Some(1))).await;
    assert_eq!(node.settle_all().await.settled, 1);
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED TIMEOUT attempt 1"]
    );
    let message = "select error_message from job_execution_log";
    assert_eq!(
        cluster.texts(message, &[]).await,
        ["the attempt took longer than timeoutSeconds (1)"]
    );
}

#[actix::test]
async fn a_failure_for_good_pauses_the_job_that_asks_for_it() {
    const PAUSED: &str = "select status || ' ' || version || ' ' || pause_reason \
        from job_definition where id = $1";
    let cluster = TestCluster::start().await;
    let pausing = |job| with(retried(2, job), |p| p.pause_on_failure = true);
    let job = cluster.create(pausing(fixed_delay(60))).await;
    let node = cluster.node().await;

    let attempt = one(&node).await;
    fail(&node, &attempt).await;
    assert_eq!(
        cluster.store.job(job.id).await.unwrap().unwrap().version,
        0,
        "not while it is tried again"
    );
    cluster.advance(10);
    fail(&node, &one(&node).await).await;

    let id = attempt.execution_id;
    assert_eq!(
        cluster.texts(PAUSED, &[&job.id]).await,
        [format!("PAUSED 1 execution {id} failed")]
    );
    let changes: Vec<_> = cluster.store.job_versions(job.id, 9).await.unwrap();
    assert_eq!(
        changes
            .iter()
            .map(|version| &*version.change)
            .collect::<Vec<_>>(),
        ["PAUSED", "CREATED"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:10 paused"]
    );

    let crashing = JobRequest {
        max_recoveries: Some(0),
        ..pausing(fixed_rate(60))
    };
    let (job, dead) = (cluster.create(crashing).await, cluster.node().await);
    let id = one(&dead).await.execution_id;
    assert_eq!(declare_dead(&cluster, &node).await, (0, 1));
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:10 FAILED CRASH_LOOP attempt 1"]
    );
    assert_eq!(
        cluster.texts(PAUSED, &[&job.id]).await,
        [format!("PAUSED 1 execution {id} failed")]
    );
}

#[actix::test]
async fn an_execution_from_before_a_pause_is_retried_after_it() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(retried(2, fixed_rate(60))).await;
    let node = cluster.node().await;
    fail(&node, &one(&node).await).await;

    cluster.command(PauseJob(job.id, None)).await;
    cluster.advance(600);
    assert!(node.lease().await.is_empty());
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    node.store
        .settle(&[succeeded(&one(&node).await)], &LeaseUpdates::default())
        .await
        .unwrap();

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
}

#[actix::test]
async fn a_running_execution_is_cancelled_and_its_fixed_delay_continues() {
    let (cluster, job, [busy, other], id) = running(retried(9, fixed_delay(60))).await;
    assert_eq!(busy.cancel().await, 0, "nobody asked yet");

    cluster.command(CancelExecution(id)).await;
    cluster.command(CancelExecution(id)).await;
    assert_eq!((other.cancel().await, busy.cancel().await), (0, 1));
    busy.settle_all().await;

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 CANCELLED attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    let again = cluster.try_command(CancelExecution(id)).await;
    assert!(matches!(again, Err(CommandError::Conflict(_))), "{again:?}");
    let unknown = cluster.try_command(CancelExecution(Uuid::new_v4())).await;
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
    let of_schedule = cluster.try_command(CancelExecution(job.id)).await;
    assert!(
        matches!(of_schedule, Err(CommandError::NotFound { .. })),
        "a schedule is no execution: {of_schedule:?}"
    );
}

#[actix::test]
async fn an_execution_between_two_attempts_is_cancelled_at_once() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(retried(9, fixed_delay(60))).await;
    let node = cluster.node().await;
    let attempt = one(&node).await;
    fail(&node, &attempt).await;

    cluster.command(CancelExecution(attempt.execution_id)).await;

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 CANCELLED ERROR attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}

#[actix::test]
async fn a_pending_manual_run_is_cancelled_before_it_starts() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(JobRequest {
            initial_delay_seconds: Some(60),
            ..fixed_rate(60)
        })
        .await;
    let node = cluster.node().await;
    let id = cluster.command(RunJobNow(job.id)).await;

    cluster.command(CancelExecution(id)).await;

    assert!(node.lease().await.is_empty());
    assert_eq!(
        cluster.ledger(&job).await,
        ["MANUAL 07:00:00 CANCELLED attempt 0"]
    );
}

#[actix::test]
async fn an_attempt_that_fails_after_a_cancel_request_is_not_retried() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(retried(9, fixed_delay(60))).await;
    let node = cluster.node().await;
    let attempt = one(&node).await;
    cluster.command(CancelExecution(attempt.execution_id)).await;

    fail(&node, &attempt).await;
    fail(&node, &attempt).await; // the answer was lost: settled, not fenced

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 CANCELLED ERROR attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}

#[actix::test]
async fn a_cancelled_execution_of_a_dead_node_does_not_run_again() {
    let (cluster, job, [_dead, survivor], id) = running(fixed_delay(60)).await;
    cluster.command(CancelExecution(id)).await;

    assert_eq!(declare_dead(&cluster, &survivor).await, (0, 1));

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 CANCELLED attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:05 due 07:01:05"]
    );
}

#[actix::test]
async fn a_handler_that_ends_as_it_is_cancelled_is_settled_once() {
    let (cluster, job, [busy, _], id) = running(fixed_delay(60)).await;
    cluster.command(CancelExecution(id)).await;
    assert_eq!(
        (busy.cancel().await, busy.cancel().await),
        (1, 1),
        "told again until it is settled"
    );
    eventually("it is settled", async || {
        (busy.settle().await.settled == 1).then_some(())
    })
    .await;
    assert_eq!((busy.held(), busy.cancel().await), (0, 0));
    assert_eq!(cluster.ledger(&job).await.len(), 1);
}

#[actix::test]
async fn a_failed_run_of_a_deleted_job_leaves_no_retry() {
    let cluster = TestCluster::start().await;
    let (job, other) = (
        cluster.create(retried(3, fixed_delay(60))).await,
        cluster.create(retried(3, fixed_delay(60))).await,
    );
    let node = cluster.node().await;
    let batch: Vec<_> = node.lease().await.iter().map(failed).collect();
    cluster.command(DeleteJob(job.id)).await;

    assert_eq!(
        node.store
            .settle(&batch, &LeaseUpdates::default())
            .await
            .unwrap()
            .settled
            .len(),
        2
    );

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 CANCELLED ERROR attempt 1"]
    );
    assert_eq!(cluster.triggers(&job).await, Vec::<String>::new());
    assert_eq!(
        cluster.ledger(&other).await,
        ["SCHEDULE 07:00:00 RETRYING ERROR attempt 1"]
    );
    assert_eq!(node.reconcile().await.repairs, Some(Repairs::default()));
}
