//! Shares: a hanging target takes half of a node's slots, and other targets keep the rest.

use crate::http_handler::{allowing_loopback, post};
use crate::support::{ENDLESS, TestCluster, TestNode, at, eventually, failed, fixed_rate, with};
use horolog::actors::job_manager::{CancelExecution, RunJobNow};
use horolog::clock::Clock;
use horolog::model::execution::execution_id;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::{MisfirePolicy, OverlapPolicy};
use horolog::model::target::{HttpTarget, Target};
use horolog::model::trigger::TriggerKind;
use std::collections::HashSet;
use std::time::Duration;
use tokio::net::TcpListener;

/// Half of the slots of a test's node.
const SHARE: usize = 32;
/// More polls than any of these tests needs: a node that polls more often spins.
const POLLS_MAX: usize = 12;

/// A target that takes connections and requests, and never answers.
async fn hung() -> (TcpListener, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    (
        listener,
        Target::Http(HttpTarget {
            timeout_seconds: 3_600,
            ..post(url)
        }),
    )
}

fn endless(job: JobRequest) -> JobRequest {
    JobRequest {
        target: ENDLESS,
        ..job
    }
}

/// Polls until the node would rest; how many attempts it leased.
async fn poll_until_rest(node: &TestNode) -> usize {
    let mut leased = 0;
    for _ in 0..POLLS_MAX {
        let report = node.poll().await;
        leased += report.leased;
        if !report.next_poll.is_zero() {
            return leased;
        }
    }
    panic!("it polls again and again");
}

async fn create_all(cluster: &TestCluster, count: usize, request: &JobRequest) -> Vec<Job> {
    let mut jobs = Vec::new();
    for _ in 0..count {
        jobs.push(cluster.create(request.clone()).await);
    }
    jobs
}

#[actix::test]
async fn a_host_that_hangs_takes_half_of_the_slots_and_the_others_run() {
    let cluster = TestCluster::start().await;
    let node = cluster.node_with(allowing_loopback()).await;
    let (listener, target) = hung().await;
    let jobs = create_all(
        &cluster,
        100,
        &JobRequest {
            target,
            ..fixed_rate(3_600)
        },
    )
    .await;
    assert_eq!(poll_until_rest(&node).await, SHARE);

    create_all(&cluster, 40, &fixed_rate(3_600)).await;
    assert_eq!(
        poll_until_rest(&node).await,
        64 - SHARE,
        "as many as there are slots"
    );
    assert_eq!(node.settle_until(SHARE).await, SHARE);
    assert_eq!(poll_until_rest(&node).await, 8);

    let attention = node.store.overview().await.unwrap().attention;
    let saturated: Vec<_> = attention
        .iter()
        .filter(|one| one.kind == "SATURATED")
        .collect();
    assert_eq!(saturated.len(), 20, "and not all of them");
    let host = listener.local_addr().unwrap();
    assert_eq!(saturated[0].since, at("07:00:00"));
    assert!(
        saturated[0]
            .message
            .contains(&format!("{host} holds 32 of the 64 slots")),
        "{}",
        saturated[0].message
    );

    // The target resets its connections, and is gone: all attempts end.
    drop(listener);
    node.settle_all().await;
    while poll_until_rest(&node).await > 0 {
        node.settle_all().await;
    }
    for job in jobs {
        assert_eq!(
            cluster.ledger(&job).await,
            ["SCHEDULE 07:00:00 FAILED ERROR attempt 1"]
        );
    }
    let attention = node.store.overview().await.unwrap().attention;
    assert!(
        attention.iter().all(|one| one.kind != "SATURATED"),
        "{attention:?}"
    );
}

#[actix::test]
async fn triggers_over_their_share_are_leased_as_slots_become_free() {
    let cluster = TestCluster::start().await;
    let node = cluster.node_with(allowing_loopback()).await;
    let (_listener, target) = hung().await;
    let jobs = create_all(
        &cluster,
        50,
        &JobRequest {
            target,
            ..fixed_rate(3_600)
        },
    )
    .await;
    assert_eq!(poll_until_rest(&node).await, SHARE);

    let mut ended = HashSet::new();
    for free in [1, 3] {
        for running in running(&cluster)
            .await
            .into_iter()
            .filter(|id| !ended.contains(id))
            .take(free)
            .collect::<Vec<_>>()
        {
            ended.insert(running);
            cluster.command(CancelExecution(running)).await;
        }
        assert_eq!(node.cancel().await, free);
        assert_eq!(node.settle_until(free).await, free);
        let report = node.poll().await;
        assert_eq!(
            (report.leased, report.triggers, node.held()),
            (free, free, SHARE)
        );
        assert!(!report.next_poll.is_zero(), "{report:?}");
    }
    let started: HashSet<_> = running(&cluster).await.into_iter().chain(ended).collect();
    assert_eq!(started.len(), SHARE + 4);
    assert_eq!(jobs.len() - started.len(), 14, "the others wait");
}

/// All executions in flight.
async fn running(cluster: &TestCluster) -> Vec<uuid::Uuid> {
    let rows = cluster
        .sql
        .query(
            "select id from job_execution_log where status = 'RUNNING' order by id",
            &[],
        )
        .await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

#[actix::test]
async fn a_job_takes_half_of_the_slots_however_its_executions_come_about() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let retried = with(endless(fixed_rate(3_600)), |policies| {
        policies.retry.max_attempts = 2;
    });
    let retried = cluster.create(retried).await;
    for _ in 0..50 {
        cluster.command(RunJobNow(retried.id)).await;
    }
    // Leased in portions of a share, and failed: each has its next attempt.
    for expected in [SHARE, 51 - SHARE] {
        let attempts = node.lease().await;
        assert_eq!(attempts.len(), expected);
        let failures: Vec<_> = attempts.iter().map(failed).collect();
        node.store
            .settle(
                &failures,
                &horolog::store::protocol::complete::LeaseUpdates::default(),
            )
            .await
            .unwrap();
    }
    cluster.advance(1_000);
    for _ in 0..20 {
        cluster.command(RunJobNow(retried.id)).await;
    }
    assert_eq!((poll_until_rest(&node).await, node.held()), (SHARE, SHARE));

    let others = create_all(&cluster, 20, &fixed_rate(3_600)).await;
    assert_eq!(poll_until_rest(&node).await, others.len());
}

#[actix::test]
async fn fire_times_beyond_the_share_run_once_each_when_there_is_room() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let all = with(endless(fixed_rate(1)), |policies| {
        policies.misfire_policy = MisfirePolicy::FireAll;
    });
    let job = cluster.create(all).await;
    cluster.advance(99);

    assert_eq!((poll_until_rest(&node).await, node.held()), (SHARE, SHARE));
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:32 due 07:00:32"]
    );
    assert_eq!(node.poll().await.triggers, 0, "it is left out");

    for second in 0..5 {
        let id = execution_id(
            job.id,
            TriggerKind::Schedule,
            at("07:00:00") + Duration::from_secs(second),
        );
        cluster.command(CancelExecution(id)).await;
    }
    node.cancel().await;
    node.settle_until(5).await;
    assert_eq!((poll_until_rest(&node).await, node.held()), (5, SHARE));
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:37 due 07:00:37"]
    );
    assert_eq!(cluster.ledger(&job).await.len(), 37);
}

#[actix::test]
async fn a_trigger_that_needs_no_slot_is_decided_without_a_share() {
    let cluster = TestCluster::start().await;
    let node = cluster.node_with(allowing_loopback()).await;
    let (_listener, target) = hung().await;
    let alone = with(fixed_rate(60), |policies| {
        policies.overlap_policy = OverlapPolicy::Skip;
    });
    let alone = cluster
        .create(JobRequest {
            target: target.clone(),
            ..alone
        })
        .await;
    create_all(
        &cluster,
        SHARE - 1,
        &JobRequest {
            target,
            ..fixed_rate(3_600)
        },
    )
    .await;
    assert_eq!(poll_until_rest(&node).await, SHARE);

    cluster.advance(60);
    poll_until_rest(&node).await;

    let skipped = "SCHEDULE 07:01:00 SKIPPED OVERLAP attempt 0, 1 times until 07:01:00";
    assert_eq!(
        cluster.ledger(&alone).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1", skipped]
    );
}

/// By the database's clock, so that each scan starts at the end of the scan before.
#[actix::test]
async fn a_trigger_that_waited_for_a_share_is_found_when_slots_are_free() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let node = cluster.node_with(allowing_loopback()).await;
    let (_listener, target) = hung().await;
    create_all(
        &cluster,
        50,
        &JobRequest {
            target,
            ..fixed_rate(86_400)
        },
    )
    .await;
    let long_ago = "update job_trigger set due_at = due_at - interval '10 minutes'";
    assert_eq!(cluster.execute(long_ago, &[]).await, 50);
    assert_eq!(poll_until_rest(&node).await, SHARE);
    for _ in 0..3 {
        node.poll().await;
    }

    for running in running(&cluster).await.into_iter().take(5) {
        cluster.command(CancelExecution(running)).await;
    }
    node.cancel().await;
    node.settle_until(5).await;
    eventually("others have their slots", async || {
        node.poll().await;
        (node.held() == SHARE).then_some(())
    })
    .await;
}
