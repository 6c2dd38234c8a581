//! Reclaiming: an execution that a living node has not started is neither lost nor recovered when
//! the node gives up its id.

use crate::support::{
    ENDLESS, NODE_TTL, TestCluster, TestNode, eventually, fixed_delay, fixed_rate,
};
use horolog::actors::job_manager::{MissedOnce, PauseJob, ResumeJob};
use horolog::actors::periodic::WakeUp;
use horolog::actors::slots::Slots;
use horolog::model::execution::Attempt;
use horolog::model::job::{Job, Recovery};
use horolog::model::job_request::JobRequest;
use horolog::model::node::MembershipState;

/// Previous attempts and recoveries of a job's executions.
const HISTORY: &str =
    "select coalesce(previous_attempts -> 0 ->> 'outcome', 'none') || ' ' || recoveries
    from job_execution_log where job_id = $1 order by fire_time";

fn marked_lost(request: JobRequest) -> JobRequest {
    JobRequest {
        recovery: Some(Recovery::MarkLost),
        ..request
    }
}

/// A node that runs one execution of a `MARK_LOST` job, and to which the database counts another
/// one that has not started.
async fn with_begun_and_unstarted(cluster: &TestCluster) -> (TestNode, [Job; 2]) {
    let node = cluster.node().await;
    let begun = cluster
        .create(marked_lost(JobRequest {
            target: ENDLESS,
            ..fixed_delay(60)
        }))
        .await;
    assert_eq!(node.poll().await.leased, 1);
    eventually("it has begun", async || {
        (node.holdings().begun.len() == 1).then_some(())
    })
    .await;
    let unstarted = cluster.create(marked_lost(fixed_delay(60))).await;
    assert_eq!(node.lease().await.len(), 1);
    (node, [begun, unstarted])
}

#[actix::test]
async fn unstarted_attempts_are_reclaimed_when_the_node_joins_again() {
    let cluster = TestCluster::start().await;
    let (mut node, [begun, unstarted]) = with_begun_and_unstarted(&cluster).await;
    let former = node.id;

    node.join_again(&cluster.database.database()).await;
    let report = node.poll().await;

    assert_eq!((report.reclaimed, report.leased), (1, 1));
    eventually("it has run", async || {
        (node.settle().await.settled == 1).then_some(())
    })
    .await;
    assert_eq!(
        cluster.ledger(&unstarted).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
    assert_eq!(
        cluster.texts(HISTORY, &[&unstarted.id]).await,
        ["NOT_STARTED 0"]
    );
    assert_eq!(
        cluster.ledger(&begun).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"],
        "left to who takes over"
    );
    let observer = cluster.node().await;
    cluster.advance(NODE_TTL.as_secs() + 1);
    assert!(observer.heartbeat().await && node.heartbeat().await);
    assert_eq!(observer.reconcile().await.dead, [former]);
    assert_eq!(
        cluster.ledger(&begun).await,
        ["SCHEDULE 07:00:00 LOST attempt 1"]
    );
}

#[actix::test]
async fn a_node_that_drains_reclaims_as_well_and_leases_nothing() {
    let cluster = TestCluster::start().await;
    let (mut node, [_, unstarted]) = with_begun_and_unstarted(&cluster).await;

    node.join_again(&cluster.database.database()).await;
    node.publisher().send_modify(|membership_state| {
        if let MembershipState::Member(member) = membership_state {
            member.draining = true;
        }
    });
    let report = node.poll().await;

    assert_eq!((report.reclaimed, report.leased), (1, 0));
    assert_eq!(
        cluster.ledger(&unstarted).await,
        ["SCHEDULE 07:00:00 RETRYING attempt 1"]
    );
}

#[actix::test]
async fn reclaiming_does_not_change_an_attempt_after_its_takeover() {
    let cluster = TestCluster::start().await;
    let (mut node, [_, unstarted]) = with_begun_and_unstarted(&cluster).await;
    let observer = cluster.node().await;
    cluster.advance(NODE_TTL.as_secs() + 1);
    assert!(observer.heartbeat().await);
    assert_eq!(observer.reconcile().await.dead, [node.id]);

    node.join_again(&cluster.database.database()).await;

    assert_eq!(node.poll().await.reclaimed, 0);
    assert_eq!(
        cluster.ledger(&unstarted).await,
        ["SCHEDULE 07:00:00 LOST attempt 1"]
    );
}

#[actix::test]
async fn a_leaving_node_reclaims_attempts_that_have_not_started() {
    let cluster = TestCluster::start().await;
    let (node, [begun, unstarted]) = with_begun_and_unstarted(&cluster).await;

    let taken = node.store.leave(node.id, &node.holdings()).await.unwrap();

    assert_eq!((taken.rerun.len(), taken.ended.len()), (0, 1));
    assert_eq!(
        cluster.ledger(&begun).await,
        ["SCHEDULE 07:00:00 LOST attempt 1"]
    );
    assert_eq!(
        cluster.ledger(&unstarted).await,
        ["SCHEDULE 07:00:00 RETRYING attempt 1"]
    );
    assert_eq!(
        cluster.texts(HISTORY, &[&unstarted.id]).await,
        ["NOT_STARTED 0"]
    );
}

/// The attempt is tried again like a retry, and a pause holds it like one.
#[actix::test]
async fn a_reclaimed_attempt_of_a_paused_job_waits_for_the_resume() {
    let cluster = TestCluster::start().await;
    let (mut node, [_, unstarted]) = with_begun_and_unstarted(&cluster).await;
    cluster.command(PauseJob(unstarted.id, None)).await;

    node.join_again(&cluster.database.database()).await;
    let report = node.poll().await;

    assert_eq!((report.reclaimed, report.leased), (1, 0));
    for _ in 0..2 {
        assert_eq!(node.lease().await.len(), 0);
        node.reconcile().await;
    }
    assert_eq!(
        cluster.ledger(&unstarted).await,
        ["SCHEDULE 07:00:00 RETRYING attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&unstarted).await[0],
        "RETRY fires 07:00:00"
    );

    cluster
        .command(ResumeJob(unstarted.id, MissedOnce::Skip))
        .await;
    assert_eq!(node.poll().await.leased, 1);
    eventually("it has run", async || {
        (node.settle().await.settled == 1).then_some(())
    })
    .await;
    assert_eq!(
        cluster.ledger(&unstarted).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
    assert_eq!(
        cluster.texts(HISTORY, &[&unstarted.id]).await,
        ["NOT_STARTED 0"]
    );
}

#[actix::test]
async fn an_attempt_is_either_started_or_reclaimed_never_both() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    for _ in 0..2 {
        cluster.create(fixed_rate(60)).await;
    }
    let attempts: Vec<Attempt> = node.lease().await;
    let slots = Slots::new(2, WakeUp::default(), node.store.shares());
    let mut taken = slots.take(2);
    for (attempt, slot) in attempts.iter().zip(&mut taken) {
        slots.hold(attempt, slot);
    }
    let membership_state = node.publisher().subscribe();
    assert!(slots.begin(&attempts[0], &membership_state).is_some());

    node.believe(MembershipState::Fenced);
    let holdings = slots.holdings();

    assert!(
        slots.begin(&attempts[1], &membership_state).is_none(),
        "it counts as not begun"
    );
    assert_eq!(Vec::from_iter(&holdings.begun), [&attempts[0].execution_id]);
    let dropped = &attempts[0];
    slots.lose(dropped.into(), taken.swap_remove(0));
    let given_up = slots.holdings().given_up;
    assert_eq!(
        Vec::from_iter(&given_up),
        [&dropped.execution_id],
        "although it is not held any more"
    );
    slots.clear_given_up(&given_up);
    assert!(slots.holdings().given_up.is_empty());
}
