//! Overlaps: fire times that come due while an execution of their job is in flight, on any node.

use crate::support::{
    NODE_TTL, TestCluster, TestNode, at, failed, fixed_delay, fixed_rate, succeeded, with,
};
use horolog::actors::job_manager::{CancelExecution, DeleteJob, RunJobNow};
use horolog::actors::trigger_acquirer::LOOK_AHEAD;
use horolog::model::execution::{Attempt, execution_id};
use horolog::model::job::{Job, Recovery};
use horolog::model::job_request::JobRequest;
use horolog::model::policies::OverlapPolicy;
use horolog::model::trigger::TriggerKind;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::LeaseUpdates;
use horolog::store::protocol::lease_store::{Batch, Remaining};
use std::time::{Duration, Instant};
use uuid::Uuid;

const ROUNDS: usize = 60;

pub fn overlapping(policy: OverlapPolicy, job: JobRequest) -> JobRequest {
    with(job, |policies| policies.overlap_policy = policy)
}

/// A job that fires every minute and runs on the first node, a second node, and
/// the attempt that runs.
async fn running(policy: OverlapPolicy) -> (TestCluster, Job, [TestNode; 2], Attempt) {
    let cluster = TestCluster::start().await;
    let job = cluster.create(overlapping(policy, fixed_rate(60))).await;
    let nodes = [cluster.node().await, cluster.node().await];
    let attempt = one(&nodes[0]).await;
    (cluster, job, nodes, attempt)
}

/// Leases exactly one attempt.
pub async fn one(node: &TestNode) -> Attempt {
    let mut attempts = node.lease().await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

pub async fn end(node: &TestNode, attempt: &Attempt) {
    let updates = LeaseUpdates {
        ended: vec![attempt.lease_id],
        ..LeaseUpdates::default()
    };
    assert_eq!(
        node.store
            .settle(&[succeeded(attempt)], &updates)
            .await
            .unwrap()
            .settled,
        [attempt.execution_id]
    );
}

/// A minute passes, and the node polls: nothing can run.
pub async fn a_minute_in_vain(cluster: &TestCluster, node: &TestNode) {
    cluster.advance(60);
    let report = node.poll().await;
    assert_eq!((report.leased, report.triggers), (0, 1));
}

pub fn skipped(kind: &str, time: &str) -> String {
    format!("{kind} {time} SKIPPED OVERLAP attempt 0, 1 times until {time}")
}

#[actix::test]
async fn skip_records_the_fire_time_and_runs_the_next_after_the_end() {
    let (cluster, job, [one_node, other], attempt) = running(OverlapPolicy::Skip).await;

    a_minute_in_vain(&cluster, &other).await;
    end(&one_node, &attempt).await;
    cluster.advance(60);
    one(&other).await;

    let log = [
        "SCHEDULE 07:00:00 SUCCESS attempt 1",
        &skipped("SCHEDULE", "07:01:00"),
        "SCHEDULE 07:02:00 RUNNING attempt 1",
    ];
    assert_eq!(cluster.ledger(&job).await, log);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:03:00 due 07:03:00"]
    );
}

/// What runs may end in the quarter of a second that nodes look ahead, and a person may ask for
/// another run.
#[actix::test]
async fn an_overlap_is_decided_at_the_due_time() {
    for policy in [
        OverlapPolicy::Skip,
        OverlapPolicy::BufferAll,
        OverlapPolicy::CancelOther,
    ] {
        let (cluster, job, [one_node, other], attempt) = running(policy).await;
        cluster.clock.advance(Duration::from_millis(59_800));
        let begun = Instant::now();
        let early = other.poll().await;
        assert_eq!((early.triggers, early.leased), (0, 0), "{policy}");
        // At the due time: so much less as has passed since the poll read the clock.
        let (until_due, took) = (Duration::from_millis(200), begun.elapsed());
        assert!(
            (until_due.saturating_sub(took)..=until_due).contains(&early.next_poll),
            "{policy}: {early:?}"
        );
        end(&one_node, &attempt).await;
        assert_eq!(
            other.poll().await.triggers,
            0,
            "{policy}: nor when nothing runs"
        );
        assert_eq!(
            cluster.triggers(&job).await,
            ["SCHEDULE fires 07:01:00 due 07:01:00"],
            "{policy}"
        );

        cluster.command(RunJobNow(job.id)).await;
        let by_hand = one(&other).await;
        assert_eq!(by_hand.kind, TriggerKind::Manual, "{policy}");
        cluster.clock.advance(Duration::from_millis(100));
        end(&other, &by_hand).await;
        cluster.clock.advance(Duration::from_millis(100));
        let next = one(&other).await;

        assert_eq!(
            (next.fire_time, next.due_time, next.attempt),
            (at("07:01:00"), at("07:01:00"), 1),
            "{policy}"
        );
    }
}

#[actix::test]
async fn a_poll_full_of_undecided_overlaps_waits_for_the_due_time() {
    let cluster = TestCluster::start().await;
    for _ in 0..3 {
        let request = JobRequest {
            initial_delay_seconds: Some(60),
            ..fixed_delay(60)
        };
        cluster
            .create(overlapping(OverlapPolicy::Skip, request))
            .await;
    }
    let node = cluster.node().await;
    cluster.clock.advance(Duration::from_millis(59_800));

    let poll = node
        .leases
        .lease(node.id, Batch::of(2), LOOK_AHEAD)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(poll.triggers, 0);
    let Remaining::Later { deferred_until, .. } = poll.remaining else {
        panic!("{poll:?}")
    };
    assert_eq!(deferred_until, Some(at("07:01:00")));
}

#[actix::test]
async fn buffer_one_keeps_the_first_that_waits_and_runs_it_after_the_end() {
    let (cluster, job, [one_node, other], attempt) = running(OverlapPolicy::BufferOne).await;

    a_minute_in_vain(&cluster, &other).await;
    a_minute_in_vain(&cluster, &other).await;
    assert_eq!(
        cluster.triggers(&job).await,
        [
            "BUFFERED fires 07:01:00",
            "SCHEDULE fires 07:03:00 due 07:03:00"
        ]
    );
    let repairs = other.store.repair(&mut Uuid::nil()).await.unwrap();
    assert_eq!(repairs, Repairs::default(), "waiting is healthy");
    end(&one_node, &attempt).await;
    let buffered = one(&other).await;

    assert_eq!(
        buffered.execution_id,
        execution_id(job.id, TriggerKind::Schedule, at("07:01:00"))
    );
    let log = [
        "SCHEDULE 07:00:00 SUCCESS attempt 1",
        "BUFFERED 07:01:00 RUNNING attempt 1",
        &skipped("SCHEDULE", "07:02:00"),
    ];
    assert_eq!(cluster.ledger(&job).await, log);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:03:00 due 07:03:00"]
    );
}

#[actix::test]
async fn buffer_all_runs_one_by_one_in_order() {
    let (cluster, job, [one_node, other], mut attempt) = running(OverlapPolicy::BufferAll).await;
    a_minute_in_vain(&cluster, &other).await;
    a_minute_in_vain(&cluster, &other).await;
    // The third comes due while no node polls: the oldest buffered fire still runs first.
    cluster.advance(61);

    for time in ["07:01:00", "07:02:00", "07:03:00"] {
        end(&one_node, &attempt).await;
        attempt = one(&one_node).await;
        assert_eq!(
            (attempt.fire_time, attempt.kind),
            (at(time), TriggerKind::Buffered)
        );
        assert!(other.lease().await.is_empty(), "one by one");
    }

    end(&one_node, &attempt).await;
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:04:00 due 07:04:00"]
    );
}

#[actix::test]
async fn a_buffered_fire_runs_before_a_later_fire_time_of_another_poll() {
    let (cluster, job, [one_node, other], attempt) = running(OverlapPolicy::BufferAll).await;
    a_minute_in_vain(&cluster, &other).await;
    end(&one_node, &attempt).await;
    cluster.advance(60);
    let holder = cluster.database.client().await;
    holder
        .batch_execute("begin; select from job_trigger where kind = 'BUFFERED' for update")
        .await
        .unwrap();

    assert!(
        other.lease().await.is_empty(),
        "it waits behind what another poll holds"
    );
    holder.batch_execute("commit").await.unwrap();

    assert_eq!(one(&other).await.fire_time, at("07:01:00"));
    assert_eq!(cluster.triggers(&job).await[0], "BUFFERED fires 07:02:00");
}

#[actix::test]
async fn run_now_obeys_the_policy() {
    for (policy, becomes) in [
        (OverlapPolicy::Allow, "MANUAL 07:00:05 RUNNING attempt 1"),
        (
            OverlapPolicy::Skip,
            "MANUAL 07:00:05 SKIPPED OVERLAP attempt 0, 1 times until 07:00:05",
        ),
        (
            OverlapPolicy::BufferOne,
            "BUFFERED 07:00:05 RUNNING attempt 1",
        ),
    ] {
        let (cluster, job, [one_node, other], attempt) = running(policy).await;
        cluster.advance(5);
        let id = cluster.command(RunJobNow(job.id)).await;
        other.poll().await;
        end(&one_node, &attempt).await;
        other.poll().await;
        assert_eq!(cluster.ledger(&job).await[1], becomes, "{policy}");
        assert!(
            cluster.store.execution(id).await.unwrap().is_some(),
            "the id that the person was given"
        );
    }
}

#[actix::test]
async fn an_execution_between_two_attempts_counts_as_running() {
    let cluster = TestCluster::start().await;
    let retried = with(fixed_rate(60), |p| {
        (p.retry.max_attempts, p.retry.initial_backoff_seconds) = (2, 600);
    });
    let job = cluster
        .create(overlapping(OverlapPolicy::Skip, retried))
        .await;
    let node = cluster.node().await;
    node.store
        .settle(&[failed(&one(&node).await)], &LeaseUpdates::default())
        .await
        .unwrap();

    a_minute_in_vain(&cluster, &node).await;

    assert_eq!(
        cluster.ledger(&job).await,
        [
            "SCHEDULE 07:00:00 RETRYING ERROR attempt 1",
            &skipped("SCHEDULE", "07:01:00")
        ]
    );
}

#[actix::test]
async fn a_buffered_fire_runs_after_the_takeover_or_the_recovery() {
    for recovery in [Recovery::MarkLost, Recovery::Rerun] {
        let cluster = TestCluster::start().await;
        let request = JobRequest {
            recovery: Some(recovery),
            ..fixed_rate(60)
        };
        let job = cluster
            .create(overlapping(OverlapPolicy::BufferAll, request))
            .await;
        let (survivor, dead) = (cluster.node().await, cluster.node().await);
        one(&dead).await;
        a_minute_in_vain(&cluster, &survivor).await;

        cluster.clock.advance(NODE_TTL + Duration::from_secs(1));
        assert!(survivor.heartbeat().await);
        assert_eq!(survivor.reconcile().await.repairs, Some(Repairs::default()));
        if recovery == Recovery::Rerun {
            let recovered = one(&survivor).await;
            assert_eq!(
                (recovered.kind, recovered.attempt),
                (TriggerKind::Recovery, 2)
            );
            end(&survivor, &recovered).await;
        }
        assert_eq!(one(&survivor).await.fire_time, at("07:01:00"), "{recovery}");
        assert_eq!(cluster.ledger(&job).await.len(), 2);
    }
}

#[actix::test]
async fn deletion_removes_what_waits() {
    let (cluster, job, [one_node, other], attempt) = running(OverlapPolicy::BufferAll).await;
    a_minute_in_vain(&cluster, &other).await;

    cluster.command(DeleteJob(job.id)).await;
    end(&one_node, &attempt).await;

    assert!(cluster.triggers(&job).await.is_empty() && other.lease().await.is_empty());
    let waited = "BUFFERED 07:01:00 SKIPPED DELETED attempt 0, 1 times until 07:01:00";
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1", waited]
    );
}

#[actix::test]
async fn the_cancellation_of_what_is_about_to_run_lets_the_next_one_run() {
    let (cluster, job, [one_node, other], attempt) = running(OverlapPolicy::BufferAll).await;
    a_minute_in_vain(&cluster, &other).await;
    a_minute_in_vain(&cluster, &other).await;
    end(&one_node, &attempt).await;

    cluster
        .command(CancelExecution(execution_id(
            job.id,
            TriggerKind::Schedule,
            at("07:01:00"),
        )))
        .await;

    assert_eq!(one(&other).await.fire_time, at("07:02:00"));
    assert_eq!(
        cluster.ledger(&job).await[1],
        "BUFFERED 07:01:00 CANCELLED attempt 0"
    );
}

#[actix::test]
async fn a_fire_time_that_waits_behind_nothing_is_repaired() {
    let (cluster, _, [one_node, other], attempt) = running(OverlapPolicy::BufferOne).await;
    a_minute_in_vain(&cluster, &other).await;
    end(&one_node, &attempt).await;
    cluster
        .execute(
            "update job_trigger set due_at = null where kind = 'BUFFERED'",
            &[],
        )
        .await;

    assert_eq!(
        other.reconcile().await.repairs,
        Some(Repairs {
            released: 1,
            ..Repairs::default()
        })
    );

    assert_eq!(one(&other).await.fire_time, at("07:01:00"));
}

/// One poll of a node with a single slot.
pub async fn poll(node: &TestNode) -> Vec<Attempt> {
    node.leases
        .lease(node.id, Batch::of(1), Duration::ZERO)
        .await
        .unwrap()
        .unwrap()
        .attempts
}

#[actix::test]
async fn two_nodes_that_take_two_fire_times_at_the_same_moment_run_one() {
    let (cluster, job, [one_node, other], attempt) = running(OverlapPolicy::Skip).await;
    end(&one_node, &attempt).await;

    for round in 0..ROUNDS {
        cluster.command(RunJobNow(job.id)).await;
        cluster.command(RunJobNow(job.id)).await;
        let mut running: Vec<Attempt> = Vec::new();
        while cluster
            .texts("select '' from job_trigger where kind = 'MANUAL'", &[])
            .await
            != Vec::<String>::new()
        {
            let (mine, yours) = futures_util::join!(poll(&one_node), poll(&other));
            running.extend(mine.into_iter().chain(yours));
            assert!(running.len() <= 1, "round {round}: {running:?}");
        }
        end(&one_node, &running[0]).await;
    }

    let query = "select count(*) || ' ' || status from job_execution_log \
        where kind = 'MANUAL' group by status order by 1";
    assert_eq!(
        cluster.texts(query, &[]).await,
        [format!("{ROUNDS} SKIPPED"), format!("{ROUNDS} SUCCESS")]
    );
}

#[actix::test]
async fn an_end_that_races_with_a_poll_strands_nothing() {
    const STRANDED: &str = "select b.id::text from job_trigger b where b.kind = 'BUFFERED'
        and b.due_at is null
        and not exists (select from job_execution_log l where l.job_id = b.job_id
        and l.status in ('RUNNING', 'RETRYING'))";
    let cluster = TestCluster::start().await;
    let retried = with(fixed_rate(86_400), |p| {
        (p.retry.max_attempts, p.retry.initial_backoff_seconds) = (99, 600);
    });
    let job = cluster
        .create(overlapping(OverlapPolicy::BufferOne, retried))
        .await;
    let (one_node, other) = (cluster.node().await, cluster.node().await);
    let mut attempt = one(&one_node).await;

    for round in 0..ROUNDS {
        let by_cancelling = round % 2 == 1;
        if by_cancelling {
            one_node
                .store
                .settle(&[failed(&attempt)], &LeaseUpdates::default())
                .await
                .unwrap();
        }
        cluster.command(RunJobNow(job.id)).await;
        let ending = async {
            if by_cancelling {
                cluster.command(CancelExecution(attempt.execution_id)).await;
            } else {
                end(&one_node, &attempt).await;
            }
        };
        let ((), leased) = futures_util::join!(ending, poll(&other));
        assert_eq!(
            cluster.texts(STRANDED, &[]).await,
            Vec::<String>::new(),
            "round {round}"
        );
        attempt = if leased.is_empty() {
            one(&other).await
        } else {
            leased[0].clone()
        };
    }
}
