//! Cancelling all executions of a filter: in every state, by the rules of a single cancellation,
//! and without waiting for a node that leases or settles one of them.

use crate::api_node::ApiNode;
use crate::support::{
    CommitGate, ENDLESS, TestCluster, TestNode, eventually, failed, fixed_delay, fixed_rate, with,
};
use horolog::actors::job_manager::executions::{CancelExecutions, CancelReport};
use horolog::actors::job_manager::{PauseJob, RunJobNow};
use horolog::model::execution::{Attempt, ExecutionStatus};
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::lists::{ExecutionFilter, JobFilter};
use horolog::model::policies::OverlapPolicy;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::LeaseUpdates;
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;

async fn cancel(cluster: &TestCluster, filter: ExecutionFilter, dry_run: bool) -> CancelReport {
    cluster
        .command(CancelExecutions {
            filter,
            jobs: None,
            dry_run,
        })
        .await
}

fn of(job: &Job) -> ExecutionFilter {
    ExecutionFilter {
        job_id: Some(job.id),
        ..ExecutionFilter::default()
    }
}

fn report(matched: usize, cancelled: usize) -> CancelReport {
    CancelReport {
        matched,
        cancelled,
        more: false,
    }
}

/// A job whose executions run at the same time and never end by themselves; one of them runs on the
/// node.
async fn endless(cluster: &TestCluster, node: &TestNode) -> Job {
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_rate(60)
        })
        .await;
    assert_eq!(node.poll().await.leased, 1);
    job
}

/// A job whose execution waits for its next attempt.
async fn retrying(cluster: &TestCluster, node: &TestNode) -> (Job, Attempt) {
    let retried = with(fixed_delay(60), |p| {
        (p.retry.max_attempts, p.retry.initial_backoff_seconds) = (9, 10);
    });
    let job = cluster.create(retried).await;
    let attempt = node.lease().await.remove(0);
    fail(node, &attempt).await;
    (job, attempt)
}

/// A job whose fire times are buffered behind an execution with many attempts; the first attempt
/// runs on the node.
async fn buffering(cluster: &TestCluster) -> (Job, TestNode, Attempt) {
    let buffered = with(fixed_rate(60), |p| {
        p.overlap_policy = OverlapPolicy::BufferAll;
        (p.retry.max_attempts, p.retry.initial_backoff_seconds) = (9, 600);
    });
    let job = cluster.create(buffered).await;
    let node = cluster.node().await;
    let attempt = node.lease().await.remove(0);
    (job, node, attempt)
}

async fn fail(node: &TestNode, attempt: &Attempt) {
    node.store
        .settle(&[failed(attempt)], &LeaseUpdates::default())
        .await
        .unwrap();
}

#[actix::test]
async fn a_bulk_cancellation_ends_running_waiting_and_retrying_executions() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (waiting, _) = retrying(&cluster, &node).await;
    let running = endless(&cluster, &node).await;
    cluster.command(RunJobNow(running.id)).await;
    assert_eq!(node.poll().await.leased, 1, "two run side by side");
    cluster.command(RunJobNow(running.id)).await;
    let before = [
        cluster.dump("job_trigger").await,
        cluster.dump("job_execution_log").await,
    ];

    assert_eq!(
        cancel(&cluster, ExecutionFilter::default(), true).await,
        report(4, 0)
    );
    assert_eq!(
        [
            cluster.dump("job_trigger").await,
            cluster.dump("job_execution_log").await
        ],
        before,
        "nothing is done"
    );
    assert_eq!(
        cancel(&cluster, ExecutionFilter::default(), false).await,
        report(4, 4)
    );
    assert_eq!(node.cancel().await, 2);
    node.settle_all().await;

    assert_eq!(
        cluster.ledger(&waiting).await,
        ["SCHEDULE 07:00:00 CANCELLED ERROR attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&waiting).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"],
        "its chain goes on"
    );
    let mut ledger = cluster.ledger(&running).await;
    ledger.sort();
    let by_hand = [
        "MANUAL 07:00:00 CANCELLED attempt 0",
        "MANUAL 07:00:00 CANCELLED attempt 1",
    ];
    assert_eq!(
        ledger,
        [
            by_hand[0],
            by_hand[1],
            "SCHEDULE 07:00:00 CANCELLED attempt 1"
        ]
    );
    assert_eq!(
        cancel(&cluster, ExecutionFilter::default(), false).await,
        report(0, 0)
    );
    assert_eq!(node.reconcile().await.repairs, Some(Repairs::default()));
}

#[actix::test]
async fn a_buffered_fire_that_is_cancelled_with_its_execution_never_runs() {
    let cluster = TestCluster::start().await;
    let (job, node, attempt) = buffering(&cluster).await;
    cluster.advance(60);
    assert_eq!(node.poll().await.leased, 0, "it waits");
    fail(&node, &attempt).await;

    assert_eq!(cancel(&cluster, of(&job), false).await, report(2, 2));

    assert_eq!(node.poll().await.leased, 0);
    let ledger = [
        "SCHEDULE 07:00:00 CANCELLED ERROR attempt 1",
        "BUFFERED 07:01:00 CANCELLED attempt 0",
    ];
    assert_eq!(cluster.ledger(&job).await, ledger);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:02:00 due 07:02:00"]
    );
}

/// A lease has seen the execution in flight, lets a fire time wait behind it, and has not
/// committed.
#[actix::test]
async fn a_fire_buffered_during_a_bulk_cancellation_is_released() {
    let cluster = TestCluster::start().await;
    let (job, node, attempt) = buffering(&cluster).await;
    fail(&node, &attempt).await;
    let gate = CommitGate::install_on(&cluster.database, "job_trigger").await;
    let victim = cluster.victim(Duration::from_mins(1)).await;
    cluster.advance(60);
    gate.close().await;
    let polled = victim.poll_meanwhile();
    gate.await_victim().await;
    let (cancelled, ()) = futures_util::join!(cancel(&cluster, of(&job), false), async {
        cluster.wait_for_locks(2).await;
        gate.open().await;
    });
    assert_eq!((polled.await.leased, cancelled), (0, report(1, 1)));

    assert_eq!(
        node.poll().await.leased,
        1,
        "what was buffered waits for nothing any more"
    );
    let ledger = [
        "SCHEDULE 07:00:00 CANCELLED ERROR attempt 1",
        "BUFFERED 07:01:00 RUNNING attempt 1",
    ];
    assert_eq!(cluster.ledger(&job).await, ledger);
}

#[actix::test]
async fn only_what_matches_is_cancelled() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (waiting, attempt) = retrying(&cluster, &node).await;
    let running = endless(&cluster, &node).await;
    cluster.command(RunJobNow(running.id)).await;
    let status = |status| ExecutionFilter {
        statuses: Some(vec![status]),
        ..ExecutionFilter::default()
    };
    let matches = async |filter| cancel(&cluster, filter, true).await.matched;

    assert_eq!(
        matches(status(ExecutionStatus::Running)).await,
        1,
        "what has not begun has no status"
    );
    assert_eq!(matches(status(ExecutionStatus::Retrying)).await, 1);
    assert_eq!(matches(status(ExecutionStatus::Success)).await, 0);
    assert_eq!(matches(of(&waiting)).await, 1);
    assert_eq!(matches(of(&running)).await, 2);
    let ids = Some(vec![attempt.execution_id, Uuid::new_v4()]);
    assert_eq!(
        matches(ExecutionFilter {
            ids,
            ..ExecutionFilter::default()
        })
        .await,
        1
    );
    let kinds = Some(vec!["MANUAL".to_owned()]);
    assert_eq!(
        matches(ExecutionFilter {
            kinds,
            ..ExecutionFilter::default()
        })
        .await,
        1
    );
    let jobs = Some(JobFilter {
        search: Some(waiting.id.to_string()),
        ..JobFilter::default()
    });
    let of_jobs = CancelExecutions {
        filter: ExecutionFilter::default(),
        jobs,
        dry_run: false,
    };
    assert_eq!(cluster.command(of_jobs).await, report(1, 1));
    assert_eq!(
        cluster.ledger(&running).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
}

/// A lease holds the trigger, a settlement the row: none of them is waited for, and both are tried
/// again.
#[actix::test]
async fn a_bulk_cancellation_retries_executions_that_a_node_locks() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = endless(&cluster, &node).await;
    let pending = cluster.command(RunJobNow(job.id)).await;
    let batch = node.store.unfinished(&of(&job), 10).await.unwrap();
    assert_eq!(
        batch.iter().map(|(id, _)| *id).next(),
        Some(pending),
        "what has not begun comes first"
    );
    let (running, holder) = (batch[1].0, cluster.database.client().await);
    holder
        .batch_execute("begin; select from job_execution_log where status = 'RUNNING' for update")
        .await
        .unwrap();
    let done = node.store.cancel_batch(&batch).await.unwrap();
    assert_eq!((done.cancelled, done.busy), (1, HashSet::from([running])));
    holder.batch_execute("rollback").await.unwrap();

    let pending = cluster.command(RunJobNow(job.id)).await;
    let batch = node.store.unfinished(&of(&job), 10).await.unwrap();
    holder
        .batch_execute("begin; select from job_trigger where kind = 'MANUAL' for update")
        .await
        .unwrap();
    let done = node.store.cancel_batch(&batch).await.unwrap();
    assert_eq!((done.cancelled, done.busy), (1, HashSet::from([pending])));
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(node.store.cancel_batch(&batch).await.unwrap().cancelled, 1);
    assert_eq!(node.cancel().await, 1);

    cluster.command(RunJobNow(job.id)).await;
    holder
        .batch_execute("begin; select from job_trigger where kind = 'MANUAL' for update")
        .await
        .unwrap();
    let (store, filter) = (cluster.store.clone(), of(&job));
    let (cancelled, ()) = futures_util::join!(cancel(&cluster, filter.clone(), false), async {
        eventually("it was tried", async || {
            (!store.unfinished(&filter, 10).await.unwrap().is_empty()).then_some(())
        })
        .await;
        holder.batch_execute("rollback").await.unwrap();
    });
    assert_eq!(
        (cancelled.cancelled, cancelled.more),
        (1, false),
        "{cancelled:?}"
    );
}

#[actix::test]
async fn a_settlement_during_a_bulk_cancellation_is_neither_lost_nor_delayed() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let jobs = [
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    ];
    for round in 0..20 {
        let batch: Vec<_> = node.lease().await.iter().map(failed).collect();
        assert_eq!(batch.len(), 2, "{round}");
        let updates = LeaseUpdates::default();
        let (settled, cancelled) = futures_util::join!(
            node.store.settle(&batch, &updates),
            cancel(&cluster, ExecutionFilter::default(), false)
        );
        assert_eq!(settled.unwrap().settled.len(), 2, "{round}: {cancelled:?}");
        cluster.advance(60);
    }
    for job in &jobs {
        let ledger = cluster.ledger(job).await;
        assert!(
            ledger.len() == 20 && ledger.iter().all(|row| row.contains("FAILED")),
            "{ledger:?}"
        );
    }
}

#[actix::test]
async fn a_job_is_stopped_with_what_it_has_in_flight_over_graphql() {
    let node = ApiNode::start().await;
    let job = json!({"name": "runaway", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "tags": ["t"],
        "target": {"noop": {"sleepMillis": 86_400_000}}});
    let (one, other) = (node.create(job.clone()).await, node.create(job).await);
    for id in [&one, &one, &other] {
        node.data(
            "mutation($id: ID!) { runJobNow(id: $id) }",
            json!({"id": id}),
        )
        .await;
    }
    let in_flight = async || {
        let jobs = node.data("{ jobs { inFlight } }", json!({})).await["jobs"].take();
        jobs.as_array()
            .unwrap()
            .iter()
            .map(|job| job["inFlight"].as_i64().unwrap())
            .sum::<i64>()
    };
    eventually("all run", async || (in_flight().await == 5).then_some(())).await;

    let cancel = "mutation($filter: ExecutionFilter, $jobs: JobFilter, $all: Boolean!,
        $dry: Boolean!) {
        cancelExecutions(filter: $filter, jobs: $jobs, all: $all, dryRun: $dry) { matched cancelled
        more } }";
    for empty in [
        json!({}),
        json!({"filter": {}}),
        json!({"jobs": {"tags": []}}),
    ] {
        let mut variables = empty.clone();
        variables["all"] = json!(false);
        variables["dry"] = json!(false);
        assert_eq!(
            node.error(cancel, variables).await["extensions"]["field"],
            "filter",
            "{empty}"
        );
    }
    let both = json!({"filter": {"jobId": one}, "all": true, "dry": true});
    assert_eq!(node.error(cancel, both).await["extensions"]["field"], "all");
    let dry = node
        .data(
            cancel,
            json!({"jobs": {"tags": ["t"]}, "all": false, "dry": true}),
        )
        .await;
    assert_eq!(
        dry["cancelExecutions"],
        json!({"matched": 5, "cancelled": 0, "more": false})
    );

    let pause = "mutation($id: ID!) { pauseJob(id: $id, cancelRunning: true) { status } }";
    node.data(pause, json!({"id": one})).await;
    eventually("its executions have ended", async || {
        (in_flight().await == 2).then_some(())
    })
    .await;
    let delete =
        "mutation { deleteJobs(filter: {tags: [\"t\"]}, cancelRunning: true) { changed } }";
    node.data(delete, json!({})).await;
    eventually("all have ended", async || {
        let running = "{ executionsPage(filter: {status: [RUNNING]}) { nodes { id } } }";
        let running = node.data(running, json!({})).await;
        (running["executionsPage"]["nodes"] == json!([])).then_some(())
    })
    .await;
}

#[actix::test]
async fn a_paused_job_keeps_what_it_runs_unless_it_is_asked_for() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = endless(&cluster, &node).await;
    cluster.command(PauseJob(job.id, None)).await;
    assert_eq!(node.cancel().await, 0);
    assert_eq!(cancel(&cluster, of(&job), false).await, report(1, 1));
    assert_eq!(node.cancel().await, 1);
}
