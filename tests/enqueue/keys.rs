//! Unique keys: one execution of a job holds a key from its request to its end for good.

use super::{enqueue, holders, keyed, on_demand, one, run};
use crate::support::{CommitGate, ENDLESS, TestCluster, failed, succeeded, with};
use horolog::actors::job_manager::enqueue::EnqueueRuns;
use horolog::actors::job_manager::{CancelExecution, DeleteJob};
use horolog::model::execution::Attempt;
use horolog::model::job::{Job, Recovery};
use horolog::model::job_request::JobRequest;
use horolog::model::policies::OverlapPolicy;
use horolog::store::protocol::complete::LeaseUpdates;
use std::time::Duration;
use uuid::Uuid;

/// A job that is tried again after a failure, once.
fn retried() -> JobRequest {
    with(on_demand(), |policies| {
        (
            policies.retry.max_attempts,
            policies.retry.initial_backoff_seconds,
        ) = (2, 10);
    })
}

fn ended(attempt: &Attempt) -> LeaseUpdates {
    LeaseUpdates {
        ended: vec![attempt.lease_id],
        ..LeaseUpdates::default()
    }
}

/// The executions of a job with the key, pending and in the log.
async fn executions(cluster: &TestCluster, job: &Job) -> Vec<String> {
    let query = "select id::text from job_trigger where job_id = $1 and unique_key = 'k'
        union select id::text from job_execution_log where job_id = $1 and unique_key = 'k'";
    cluster.texts(query, &[&job.id]).await
}

#[actix::test]
async fn a_second_request_with_the_key_gets_the_first_execution_until_that_has_ended() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(retried()).await;
    let first = enqueue(&cluster, keyed(job.id)).await;
    let again = async |when: &str| {
        let again = enqueue(&cluster, keyed(job.id)).await;
        assert_eq!(
            (again.execution_id, again.is_created),
            (first.execution_id, false),
            "{when}"
        );
    };
    again("pending").await;
    let attempt = one(&node).await;
    again("running").await;
    let settled = node
        .store
        .settle(&[failed(&attempt)], &ended(&attempt))
        .await;
    settled.unwrap();
    again("waiting for its next attempt").await;
    cluster.advance(10);
    let attempt = one(&node).await;
    again("running again").await;
    let settled = node
        .store
        .settle(&[failed(&attempt)], &ended(&attempt))
        .await;
    settled.unwrap();

    let second = enqueue(&cluster, keyed(job.id)).await;

    assert!(second.is_created && second.execution_id != first.execution_id);
    assert_eq!(holders(&cluster).await, [second.execution_id.to_string()]);
}

#[actix::test]
async fn keys_of_other_jobs_and_runs_without_a_key_are_independent() {
    let cluster = TestCluster::start().await;
    let (one, other) = (
        cluster.create(on_demand()).await,
        cluster.create(on_demand()).await,
    );
    let runs = vec![
        keyed(one.id),
        keyed(other.id),
        run(one.id),
        run(one.id),
        keyed(one.id),
    ];
    let enqueued = cluster.command(EnqueueRuns(runs)).await;
    let created: Vec<bool> = enqueued.iter().map(|run| run.is_created).collect();
    assert_eq!(created, [true, true, true, true, false]);
    assert_eq!(enqueued[0].execution_id, enqueued[4].execution_id);
    assert_eq!(holders(&cluster).await.len(), 2);
    assert_eq!(cluster.triggers(&one).await.len(), 3);
}

#[actix::test]
async fn every_end_of_an_execution_frees_its_key() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let freed = async |how: &str| {
        assert_eq!(holders(&cluster).await, Vec::<String>::new(), "{how}");
    };
    let start = async |request: JobRequest| {
        let job = cluster.create(request).await;
        let run = enqueue(&cluster, keyed(job.id)).await;
        (job, run.execution_id)
    };

    start(on_demand()).await;
    let attempt = one(&node).await;
    let settled = node
        .store
        .settle(&[succeeded(&attempt)], &ended(&attempt))
        .await;
    settled.unwrap();
    freed("success").await;

    start(retried()).await;
    let attempt = one(&node).await;
    let settled = node
        .store
        .settle_alone(&failed(&attempt), &ended(&attempt))
        .await;
    settled.unwrap();
    freed("a settlement without its consequences").await;

    let (_, pending) = start(on_demand()).await;
    cluster.command(CancelExecution(pending)).await;
    freed("a cancellation before the start").await;

    let (_, retrying) = start(retried()).await;
    let attempt = one(&node).await;
    let settled = node
        .store
        .settle(&[failed(&attempt)], &ended(&attempt))
        .await;
    settled.unwrap();
    assert_eq!(holders(&cluster).await.len(), 1);
    cluster.command(CancelExecution(retrying)).await;
    freed("a cancellation between two attempts").await;

    let (job, _) = start(on_demand()).await;
    cluster.command(DeleteJob(job.id)).await;
    freed("the deletion of the job").await;

    let (job, _) = start(with(on_demand(), |p| {
        p.overlap_policy = OverlapPolicy::Skip;
    }))
    .await;
    let attempt = one(&node).await;
    let settled = node
        .store
        .settle(&[succeeded(&attempt)], &LeaseUpdates::default())
        .await;
    settled.unwrap();
    enqueue(&cluster, run(job.id)).await;
    let running = one(&node).await;
    enqueue(&cluster, keyed(job.id)).await;
    assert!(node.lease().await.is_empty());
    freed("a skipped overlap").await;
    drop(running);
}

#[actix::test]
async fn a_run_that_a_later_one_replaces_frees_its_key() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let preempts = with(on_demand(), |p| {
        p.overlap_policy = OverlapPolicy::CancelOther;
    });
    let job = cluster.create(preempts).await;
    enqueue(&cluster, run(job.id)).await;
    one(&node).await;
    cluster.advance(1);
    enqueue(&cluster, keyed(job.id)).await;
    assert!(
        node.lease().await.is_empty(),
        "it waits for the end of the first"
    );
    assert_eq!(holders(&cluster).await.len(), 1);
    cluster.advance(1);
    enqueue(&cluster, run(job.id)).await;
    assert!(node.lease().await.is_empty());
    assert_eq!(holders(&cluster).await, Vec::<String>::new());
}

#[actix::test]
async fn a_takeover_keeps_the_key_of_a_run_that_runs_again_and_frees_that_of_a_lost_one() {
    let cluster = TestCluster::start().await;
    let (victim, node) = (cluster.node().await, cluster.node().await);
    let runs_again = cluster.create(on_demand()).await;
    let is_lost = JobRequest {
        recovery: Some(Recovery::MarkLost),
        target: ENDLESS,
        ..on_demand()
    };
    let is_lost = cluster.create(is_lost).await;
    let kept = enqueue(&cluster, keyed(runs_again.id)).await;
    enqueue(&cluster, keyed(is_lost.id)).await;
    assert_eq!(victim.lease().await.len(), 2);

    victim.kill(&cluster.sql).await;
    let report = node.reconcile().await;

    assert_eq!((report.rerun, report.ended), (1, 1));
    // The takeover itself frees the key: the sweep finds none.
    assert_eq!(report.swept.freed_keys, 0);
    assert_eq!(holders(&cluster).await, [kept.execution_id.to_string()]);
}

#[actix::test]
async fn of_two_requests_at_once_one_creates_the_execution() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(on_demand()).await;
    let first = cluster.database.client().await;
    let begin = "begin; select * from enqueue_runs(now(), array[(select id from job_definition)],
        array[gen_random_uuid()], array[now()], array[null]::json[], array['k'],
        array[null]::smallint[])";
    for (end, is_created) in [("rollback", true), ("commit", false)] {
        if end == "commit" {
            cluster.execute("delete from job_trigger", &[]).await;
            cluster.execute("delete from run_key", &[]).await;
        }
        first.batch_execute(begin).await.unwrap();
        let (second, ()) = tokio::join!(enqueue(&cluster, keyed(job.id)), async {
            cluster.wait_for_locks(1).await;
            first.batch_execute(end).await.unwrap();
        });
        assert_eq!(second.is_created, is_created, "{end}");
        let wanted = [second.execution_id.to_string()];
        assert_eq!(holders(&cluster).await, wanted, "{end}");
        assert_eq!(executions(&cluster, &job).await, wanted, "{end}");
    }
}

#[actix::test]
async fn a_request_at_the_moment_of_a_settlement_follows_its_outcome() {
    let cluster = TestCluster::start().await;
    let node = cluster.victim(Duration::from_secs(30)).await;
    let job = cluster.create(on_demand()).await;
    let first = enqueue(&cluster, keyed(job.id)).await;
    let attempt = one(&node).await;
    let gate = CommitGate::install(&cluster.database).await;
    let settle = async || {
        node.store
            .settle(&[succeeded(&attempt)], &ended(&attempt))
            .await
    };

    // Each request comes when the settlement has freed the key, and is not committed.
    gate.close().await;
    let (settled, second) = tokio::join!(settle(), async {
        gate.await_victim().await;
        let (second, ()) = tokio::join!(enqueue(&cluster, keyed(job.id)), async {
            cluster.wait_for_locks(2).await;
            gate.cut().await;
        });
        second
    });
    assert!(settled.is_err());
    assert_eq!(
        (second.execution_id, second.is_created),
        (first.execution_id, false)
    );

    gate.close().await;
    let (settled, second) = tokio::join!(settle(), async {
        gate.await_victim().await;
        let (second, ()) = tokio::join!(enqueue(&cluster, keyed(job.id)), async {
            cluster.wait_for_locks(2).await;
            gate.open().await;
        });
        second
    });
    settled.unwrap();
    assert!(second.is_created && second.execution_id != first.execution_id);
    assert_eq!(holders(&cluster).await, [second.execution_id.to_string()]);
}

/// Four callers and a node that settles at once: each answer names an execution that there is, and
/// no two executions overlap.
#[actix::test]
async fn callers_and_settlements_in_a_race_never_give_a_key_two_holders() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    let caller = async || {
        let mut answers = Vec::new();
        for _ in 0..40 {
            answers.push(enqueue(&cluster, keyed(job.id)).await);
        }
        answers
    };
    let settler = async {
        for _ in 0..80 {
            let attempts = node.lease().await;
            assert!(
                attempts.len() <= 1,
                "two executions with one key: {attempts:?}"
            );
            for attempt in attempts {
                let settled = node
                    .store
                    .settle(&[succeeded(&attempt)], &ended(&attempt))
                    .await;
                assert_eq!(settled.unwrap().settled.len(), 1);
            }
        }
    };
    let (a, b, c, d, ()) = tokio::join!(caller(), caller(), caller(), caller(), settler);
    let answers: Vec<_> = [a, b, c, d].concat();
    let mut named: Vec<Uuid> = answers.iter().map(|answer| answer.execution_id).collect();
    named.sort();
    named.dedup();
    let created = answers.iter().filter(|answer| answer.is_created).count();
    assert_eq!(
        created,
        named.len(),
        "each execution was created by one request"
    );
    let mut known = executions(&cluster, &job).await;
    known.sort();
    let named: Vec<String> = named.iter().map(Uuid::to_string).collect();
    assert_eq!(known, named);
}

#[actix::test]
async fn a_key_of_no_execution_is_freed_by_the_sweep_and_no_other() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(retried()).await;
    for key in ["ended", "vanished", "pending", "running", "retrying"] {
        let request = horolog::model::enqueue::EnqueueRequest {
            unique_key: Some(key.into()),
            delay_seconds: (key == "pending").then_some(60),
            ..run(job.id)
        };
        let run = enqueue(&cluster, request).await;
        match key {
            "pending" => {}
            "vanished" => {
                let vanish = "delete from job_trigger where id = $1";
                cluster.execute(vanish, &[&run.execution_id]).await;
            }
            "running" => drop(one(&node).await),
            "retrying" => {
                let attempt = one(&node).await;
                let settled = node
                    .store
                    .settle(&[failed(&attempt)], &ended(&attempt))
                    .await;
                settled.unwrap();
            }
            _ => {
                let attempt = one(&node).await;
                let settled = node
                    .store
                    .settle(&[succeeded(&attempt)], &ended(&attempt))
                    .await;
                settled.unwrap();
                let restore = "insert into run_key values ($1, 'ended', $2)";
                cluster
                    .execute(restore, &[&job.id, &run.execution_id])
                    .await;
            }
        }
    }

    let swept = node.reconcile().await.swept;

    assert_eq!(swept.freed_keys, 2);
    let left = "select unique_key from run_key order by 1";
    assert_eq!(
        cluster.texts(left, &[]).await,
        ["pending", "retrying", "running"]
    );
    assert_eq!(node.reconcile().await.swept.freed_keys, 0);
}

#[actix::test]
async fn a_sweep_continues_after_a_full_slice() {
    let cluster = TestCluster::start().await;
    let mut after = horolog::store::maintenance::run_keys::RunKey::default();
    let fill = "insert into run_key
        select gen_random_uuid(), 'k', gen_random_uuid() from generate_series(1, 10001)";
    cluster.execute(fill, &[]).await;
    let mut freed = Vec::new();
    for _ in 0..3 {
        freed.push(cluster.store.sweep_keys(&mut after).await.unwrap());
    }
    assert_eq!(freed, [10_000, 1, 0]);
}
