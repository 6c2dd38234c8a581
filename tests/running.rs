//! Running: the attempts of a node under changes of its membership state and of the database.

use crate::support::{
    CommitGate, ENDLESS, TestCluster, TestNode, at, eventually, fixed_delay, fixed_rate,
};
use horolog::actors::settler::SettleReport;
use horolog::model::job_request::JobRequest;
use horolog::model::node::{Membership, MembershipState};
use horolog::store::db::database::Database;
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::writer::MakeWriterExt;

const HOUR: Duration = Duration::from_hours(1);

fn member(node: &TestNode, session_alive: bool) -> MembershipState {
    let now = Instant::now();
    let trusted_until = now + HOUR;
    MembershipState::Member(Membership {
        node_id: node.id,
        trusted_until,
        session_opened_at: now,
        session_alive,
        draining: false,
    })
}

#[actix::test]
async fn a_fenced_node_cancels_what_it_runs_and_settles_nothing() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_delay(60)
        })
        .await;
    assert_eq!((node.poll().await.leased, node.held()), (1, 1));

    node.believe(MembershipState::Fenced);

    assert_eq!(node.settle_all().await, SettleReport::default());
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"],
        "whoever takes over ends it"
    );
    assert!(!node.poll().await.polled, "and leases nothing");
}

#[actix::test]
async fn a_node_whose_trust_runs_out_cancels_what_it_runs() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_delay(60)
        })
        .await;
    node.poll().await;

    let MembershipState::Member(membership) = member(&node, true) else {
        unreachable!()
    };
    let trusted_until = Instant::now() + Duration::from_millis(20);
    node.believe(MembershipState::Member(Membership {
        trusted_until,
        ..membership
    }));

    assert_eq!(node.settle_all().await, SettleReport::default());
    assert!(Instant::now() >= trusted_until, "not before");
}

#[actix::test]
async fn a_node_without_its_session_starts_nothing_until_it_has_one_again() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(60)).await;
    let soon = "update job_trigger set fire_time = $1, due_at = $1";
    cluster.execute(soon, &[&at("07:00:00.100")]).await;
    assert_eq!(node.poll().await.leased, 1);
    let well_past_due = Instant::now() + Duration::from_millis(200);

    node.believe(member(&node, false));
    eventually("it would have run", async || {
        (Instant::now() > well_past_due).then_some(())
    })
    .await;
    assert_eq!((node.settle().await.settled, node.held()), (0, 1));
    node.believe(member(&node, true));

    assert_eq!(node.settle_all().await.settled, 1);
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
}

#[actix::test]
async fn a_node_leases_no_more_than_it_has_slots_for() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    for _ in 0..3 {
        cluster
            .create(JobRequest {
                target: ENDLESS,
                ..fixed_delay(60)
            })
            .await;
    }
    for _ in 0..64 {
        cluster.create(fixed_delay(60)).await;
    }

    let first = node.poll().await;
    assert_eq!(
        (first.leased, first.next_poll),
        (64, Duration::ZERO),
        "there may be more"
    );
    assert!(!node.poll().await.polled, "no slot, no poll");
    eventually("the short ones have ended", async || {
        node.settle().await;
        (node.held() == 3).then_some(())
    })
    .await;

    assert_eq!(node.poll().await.leased, 3);
}

#[actix::test]
async fn a_settlement_without_an_answer_is_sent_again_until_there_is_one() {
    let cluster = TestCluster::start().await;
    let gate = CommitGate::install(&cluster.database).await;
    let node = cluster.victim(Duration::from_millis(500)).await;
    let job = cluster.create(fixed_delay(60)).await;
    node.poll().await;

    gate.close().await;
    eventually("a settlement was sent and not answered", async || {
        (node.settle().await.unsettled == 1).then_some(())
    })
    .await;
    assert_eq!(node.held(), 1, "its slot is not free");
    gate.open().await;
    cluster.advance(30);

    assert_eq!(
        node.settle_all().await,
        SettleReport {
            settled: 1,
            fenced: 0,
            unsettled: 0
        }
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(cluster.triggers(&job).await.len(), 1);
}

/// A bug of a handler: the `log` target writes a line, and on this thread, where the tests' nodes
/// run their attempts, writing panics.
fn panicking_log() -> tracing::subscriber::DefaultGuard {
    let writer = (|| -> std::io::Sink { panic!("no room") })
        .with_filter(|line| line.target() == "horolog::handlers");
    tracing::subscriber::set_default(tracing_subscriber::fmt().with_writer(writer).finish())
}

#[actix::test]
async fn a_handler_that_panics_fails_its_attempt_and_nothing_else() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_delay(60)).await;
    let other = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_delay(60)
        })
        .await;

    let log = panicking_log();
    assert_eq!(node.poll().await.leased, 2);
    eventually("the attempt is settled", async || {
        (node.settle().await.settled == 1).then_some(())
    })
    .await;
    drop(log);

    let message = "select error_message from job_execution_log where job_id = $1";
    assert_eq!(
        cluster.texts(message, &[&job.id]).await,
        ["the handler panicked: no room"]
    );
    assert_eq!(node.held(), 1, "its slot is free");
    assert_eq!(
        cluster.ledger(&other).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
    cluster.advance(60);
    node.poll().await;
    eventually("the next one has run", async || {
        (node.settle().await.settled == 1).then_some(())
    })
    .await;
    let ledger = [
        "SCHEDULE 07:00:00 FAILED ERROR attempt 1",
        "SCHEDULE 07:01:00 SUCCESS attempt 1",
    ];
    assert_eq!(cluster.ledger(&job).await, ledger);
}

#[actix::test]
async fn the_locks_of_a_node_frozen_in_a_transaction_end_within_a_moment() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(60)).await;
    let (frozen, _messages) = Database::parse(cluster.database.url(), Duration::from_secs(1))
        .unwrap()
        .connect()
        .await
        .unwrap();
    frozen.batch_execute("begin").await.unwrap();
    frozen
        .query_one("select from job_trigger for update", &[])
        .await
        .unwrap();

    assert_eq!(node.poll().await.triggers, 0, "it is passed over");
    eventually("the server ends the transaction", async || {
        (node.poll().await.leased == 1).then_some(())
    })
    .await;

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
}

/// A lease reads the clock and may then wait, here for the log. Time passes until the attempt
/// starts.
#[actix::test]
async fn an_attempt_that_waited_for_its_lease_started_later() {
    let cluster = TestCluster::start().await;
    let (_, node) = (cluster.create(fixed_rate(60)).await, cluster.node().await);
    let other = cluster.database.client().await;
    other
        .batch_execute("begin; lock table job_execution_log in access exclusive mode")
        .await
        .unwrap();
    let poll = node.poll_meanwhile();
    let waits = "select from pg_stat_activity where wait_event_type = 'Lock' \
        and datname = current_database()";
    eventually("the lease waits", async || {
        (cluster.execute(waits, &[]).await > 0).then_some(())
    })
    .await;
    let (since, a_while) = (Instant::now(), Duration::from_millis(200));
    eventually("it has waited", async || {
        (since.elapsed() >= a_while).then_some(())
    })
    .await;

    other.batch_execute("commit").await.unwrap();
    assert_eq!(poll.await.leased, 1);
    node.settle_all().await;

    let late = "select from job_execution_log where started_at - due_time >= interval '200 ms'";
    assert_eq!(cluster.execute(late, &[]).await, 1);
}
