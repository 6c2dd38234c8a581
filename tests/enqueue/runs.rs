//! Enqueued runs in a cluster: due times, pauses, overlaps, deletions and wake-ups.

use super::{enqueue, on_demand, one, run};
use crate::support::{TestCluster, at, succeeded, with};
use horolog::actors::job_manager::enqueue::{EnqueueRun, EnqueueRuns};
use horolog::actors::job_manager::{
    CancelExecution, CommandError, DeleteJob, MissedOnce, PauseJob, ResumeJob,
};
use horolog::model::enqueue::{EnqueueRequest, JobReference};
use horolog::model::payload::Payload;
use horolog::model::policies::OverlapPolicy;
use horolog::store::db::listener::WAKE_UP_CHANNEL;
use horolog::store::protocol::complete::LeaseUpdates;
use tokio_postgres::AsyncMessage;
use uuid::Uuid;

fn payload(text: &str) -> Payload {
    Payload::of_json(text.to_owned()).unwrap()
}

#[actix::test]
async fn a_run_starts_at_its_time_with_its_payload_and_its_priority() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    let own = payload("{\"n\": 1.000000000000000000001}");
    let later = EnqueueRequest {
        payload: Some(own.clone()),
        delay_seconds: Some(60),
        ..run(job.id)
    };
    let later = enqueue(&cluster, later).await;
    let urgent = EnqueueRequest {
        due_at: Some(at("07:01:00")),
        priority: Some(9),
        ..run(job.id)
    };
    let urgent = enqueue(&cluster, urgent).await;
    assert!(later.is_created && urgent.is_created);
    assert!(node.lease().await.is_empty(), "none is due");

    cluster.advance(60);

    let attempts = node.lease().await;
    let ids: Vec<Uuid> = attempts.iter().map(|a| a.execution_id).collect();
    assert_eq!(ids, [urgent.execution_id, later.execution_id]);
    assert_eq!(attempts[1].payload.as_ref(), Some(&own));
    let due = [attempts[0].due_time, attempts[1].due_time];
    assert_eq!(due, [at("07:01:00"); 2]);
    assert_eq!(
        cluster.ledger(&job).await,
        ["ENQUEUED 07:01:00 RUNNING attempt 1"; 2]
    );
}

#[actix::test]
async fn a_time_in_the_past_is_now() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    let past = EnqueueRequest {
        due_at: Some(at("06:00:00")),
        ..run(job.id)
    };
    enqueue(&cluster, past).await;
    assert_eq!(one(&node).await.due_time, at("07:00:00"));
}

#[actix::test]
async fn a_run_of_a_paused_job_waits_for_the_resume() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    let before = enqueue(&cluster, run(job.id)).await;
    cluster.command(PauseJob(job.id, None)).await;
    let during = enqueue(&cluster, run(job.id)).await;
    assert!(during.is_created);
    for _ in 0..2 {
        assert!(node.lease().await.is_empty(), "the job is paused");
    }

    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;

    let mut started: Vec<Uuid> = node.lease().await.iter().map(|a| a.execution_id).collect();
    started.sort();
    let mut wanted = [before.execution_id, during.execution_id];
    wanted.sort();
    assert_eq!(started, wanted);
}

#[actix::test]
async fn a_deleted_job_accepts_no_run_and_its_pending_ones_are_recorded() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    enqueue(&cluster, run(job.id)).await;
    cluster.command(DeleteJob(job.id)).await;
    assert_eq!(
        cluster.ledger(&job).await,
        ["ENQUEUED 07:00:00 SKIPPED DELETED attempt 0, 1 times until 07:00:00"]
    );
    let refused = cluster.try_command(EnqueueRun(run(job.id))).await;
    assert!(
        matches!(refused, Err(CommandError::NotFound { what: "job", .. })),
        "{refused:?}"
    );
    let refused = cluster.try_command(EnqueueRuns(vec![run(job.id)])).await;
    assert!(
        matches!(&refused, Err(CommandError::Invalid(i)) if i.field == "inputs.0.jobId"),
        "{refused:?}"
    );
    assert!(node.lease().await.is_empty());
}

#[actix::test]
async fn a_pending_run_is_cancelled_and_recorded() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    let pending = enqueue(&cluster, run(job.id)).await;
    cluster.command(CancelExecution(pending.execution_id)).await;
    assert!(node.lease().await.is_empty());
    assert_eq!(
        cluster.ledger(&job).await,
        ["ENQUEUED 07:00:00 CANCELLED attempt 0"]
    );
}

#[actix::test]
async fn the_overlap_policy_of_the_job_decides_about_a_run() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let of = |policy| with(on_demand(), |policies| policies.overlap_policy = policy);
    let skips = cluster.create(of(OverlapPolicy::Skip)).await;
    let buffers = cluster.create(of(OverlapPolicy::BufferAll)).await;
    for job in [&skips, &buffers] {
        enqueue(&cluster, run(job.id)).await;
        let first = one(&node).await;
        let own = EnqueueRequest {
            payload: Some(payload("[1]")),
            ..run(job.id)
        };
        enqueue(&cluster, own).await;
        assert!(node.lease().await.is_empty());
        let leases = LeaseUpdates {
            ended: vec![first.lease_id],
            ..LeaseUpdates::default()
        };
        let settled = node.store.settle(&[succeeded(&first)], &leases).await;
        settled.unwrap();
    }
    let second = one(&node).await;
    assert_eq!(second.payload, Some(payload("[1]")));
    // Their ids are random within the millisecond.
    let mut ledger = cluster.ledger(&skips).await;
    ledger.sort();
    assert_eq!(
        ledger,
        [
            "ENQUEUED 07:00:00 SKIPPED OVERLAP attempt 0, 1 times until 07:00:00",
            "ENQUEUED 07:00:00 SUCCESS attempt 1"
        ]
    );
    let kept = "select payload::text from job_execution_log where status = 'SKIPPED'";
    assert_eq!(cluster.texts(kept, &[]).await, ["[1]"]);
}

#[actix::test]
async fn many_runs_are_enqueued_together_or_not_at_all() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(on_demand()).await;
    let mut runs: Vec<EnqueueRequest> = (0..1_000)
        .map(|number| EnqueueRequest {
            payload: Some(payload(&number.to_string())),
            ..run(job.id)
        })
        .collect();
    let enqueued = cluster.command(EnqueueRuns(runs.clone())).await;
    assert_eq!(enqueued.len(), 1_000);
    let ids: Vec<Uuid> = enqueued.iter().map(|run| run.execution_id).collect();
    let of_trigger = "select t.payload::text from unnest($1::uuid[]) with ordinality as x (id, n)
        join job_trigger t on t.id = x.id order by x.n";
    let wanted: Vec<String> = (0..1_000).map(|number: i32| number.to_string()).collect();
    assert_eq!(cluster.texts(of_trigger, &[&ids]).await, wanted, "in order");

    runs[37].job = JobReference {
        name: Some("unknown".into()),
        ..JobReference::default()
    };
    let refused = cluster.try_command(EnqueueRuns(runs)).await;
    assert!(
        matches!(&refused, Err(CommandError::Invalid(i)) if i.field == "inputs.37.jobName"),
        "{refused:?}"
    );
    assert_eq!(cluster.triggers(&job).await.len(), 1_000, "nothing of it");
}

/// Notifications arrive in the order of their commits.
#[actix::test]
async fn only_a_run_that_comes_first_wakes_the_nodes() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(on_demand()).await;
    let (client, mut messages) = cluster.database.database().connect().await.unwrap();
    let listen = format!("listen {WAKE_UP_CHANNEL}");
    client.batch_execute(&listen).await.unwrap();
    let mut wakes = async |delay: i64| {
        let later = EnqueueRequest {
            delay_seconds: Some(delay),
            ..run(job.id)
        };
        enqueue(&cluster, later).await;
        let marker = "select pg_notify($1, 'marker')";
        cluster.execute(marker, &[&WAKE_UP_CHANNEL]).await;
        let mut wakes = false;
        loop {
            match messages.recv().await.expect("connected") {
                AsyncMessage::Notification(n) if n.payload() == "marker" => return wakes,
                _ => wakes = true,
            }
        }
    };
    assert!(!wakes(3_600).await, "a poll comes long before");
    assert!(wakes(30).await, "no other run is due before");
    assert!(!wakes(40).await, "the nodes wake up before");
    assert!(wakes(20).await);
    assert!(wakes(0).await);
    assert!(!wakes(0).await, "another one is due");
    cluster.advance(2);
    assert!(wakes(0).await, "what is overdue may wait for a share");
}
