//! Jumps of the database's clock. A clock that has jumped is the same as rows whose times lie
//! elsewhere: the rows are moved here, the drill `clock-jump` moves the clock.

use crate::support::{TestCluster, cron, eventually, fixed_delay, fixed_rate, succeeded};
use chrono::TimeDelta;
use horolog::clock::Clock;
use horolog::model::Timestamp;
use horolog::store::maintenance::clock_jumps::{ClockVerdict, Jump, Moment};
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::LeaseUpdates;
use uuid::Uuid;

const AHEAD: &str = "update cluster_node set heartbeat_at = heartbeat_at - interval '26 hours',
    session_at = session_at - interval '26 hours'";
const BACK: &str = "update cluster_node set heartbeat_at = heartbeat_at + interval '1 hour',
    session_at = session_at + interval '1 hour'";

#[actix::test]
async fn no_node_is_declared_dead_because_the_clock_has_jumped() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let (node, other) = (cluster.node().await, cluster.node().await);
    cluster.execute(AHEAD, &[]).await;

    assert_eq!(
        node.reconcile().await.dead,
        Vec::<Uuid>::new(),
        "no heartbeat is young, its own neither"
    );
    assert!(node.heartbeat().await);
    assert_eq!(
        node.reconcile().await.dead,
        Vec::<Uuid>::new(),
        "it has watched the other from now on only"
    );

    assert!(other.heartbeat().await);
    assert_eq!(
        [
            cluster.node_state(node.id).await,
            cluster.node_state(other.id).await
        ],
        ["ACTIVE", "ACTIVE"]
    );
}

#[actix::test]
async fn after_a_clock_was_set_back_a_node_may_declare_others_dead_again() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let node = cluster.node().await;
    cluster.execute(BACK, &[]).await;

    assert!(node.heartbeat().await);

    let watched = "select (session_at <= clock_timestamp() \
        and heartbeat_at <= clock_timestamp())::text from cluster_node";
    assert_eq!(cluster.texts(watched, &[]).await, ["true"]);
}

/// An hour of fire times was taken, then the clock is set back by that hour.
#[actix::test]
async fn after_an_accepted_step_back_rates_and_delays_continue_at_once() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let node = cluster.node().await;
    let rate = cluster.create(fixed_rate(1)).await;
    let delay = cluster.create(fixed_delay(1)).await;
    let later = cluster.create(cron("0 0 0 1 1 ? 2099")).await;
    eventually("both have run", async || {
        for attempt in node.lease().await {
            cluster
                .store
                .settle(&[succeeded(&attempt)], &LeaseUpdates::default())
                .await
                .unwrap();
        }
        let ran = "select from job_execution_log where status = 'SUCCESS' having count(distinct \
            job_id) = 2";
        cluster.sql.query_opt(ran, &[]).await.unwrap().map(drop)
    })
    .await;
    for moved in [
        "update job_execution_log set fire_time = fire_time + interval '1 hour', \
         finished_at = finished_at + interval '1 hour'",
        "update job_definition set anchor_at = anchor_at + interval '1 hour'",
        "update job_trigger set fire_time = fire_time + interval '1 hour',
            due_at = due_at + interval '1 hour'
            where job_id <> '00000000-0000-0000-0000-000000000000'
            and due_at < now() + interval '1 day'",
    ] {
        cluster.execute(moved, &[]).await;
    }
    let now: Timestamp = cluster
        .sql
        .query_one("select clock_timestamp()", &[])
        .await
        .unwrap()
        .get(0);
    let jump = Jump {
        from: now + TimeDelta::milliseconds(3_600_000),
        to: now,
    };

    assert_eq!(
        cluster
            .store
            .mend_after(ClockVerdict::Accepted(jump))
            .await
            .unwrap(),
        2
    );

    let soon = "select (due_at < clock_timestamp() + interval '2 seconds')::text from job_trigger \
        where job_id = $1";
    for (job, expected) in [(&rate, "true"), (&delay, "true"), (&later, "false")] {
        assert_eq!(
            cluster.texts(soon, &[&job.id]).await,
            [expected],
            "{}",
            job.definition.name
        );
    }
    let grid = "select (mod(extract(epoch from t.fire_time - j.anchor_at), 1) = 0)::text
        from job_trigger t join job_definition j on j.id = t.job_id where j.id = $1";
    assert_eq!(
        cluster.texts(grid, &[&rate.id]).await,
        ["true"],
        "anchor and fire time moved alike"
    );
    assert_eq!(
        cluster
            .store
            .mend_after(ClockVerdict::Returned(jump))
            .await
            .unwrap(),
        0,
        "back and come back: nothing"
    );
}

#[actix::test]
async fn a_pause_for_a_jump_says_so_and_ends_when_the_clock_is_back() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let node = cluster.node().await;
    cluster.create(fixed_rate(3_600)).await;
    let now: Timestamp = cluster
        .sql
        .query_one("select clock_timestamp()", &[])
        .await
        .unwrap()
        .get(0);
    let (sent, day) = (Moment::now(), TimeDelta::hours(26));
    let good = cluster.store.watch_clock(sent, now, None).await.unwrap();
    assert_eq!(good, ClockVerdict::Good);

    let jumped = cluster
        .store
        .watch_clock(sent, now + day, None)
        .await
        .unwrap();

    let ClockVerdict::Jumped(jump) = jumped else {
        panic!("{jumped:?}")
    };
    let pause = cluster
        .store
        .cluster_pause()
        .await
        .unwrap()
        .expect("it is paused");
    assert!(
        pause.reason.contains("jumped by +26 h 0 min 0 s") || pause.reason.contains("+25 h 59 min"),
        "{}",
        pause.reason
    );
    assert!(
        pause.reason.contains("horolog resume-cluster"),
        "{}",
        pause.reason
    );
    assert_eq!(node.poll().await.leased, 0);
    assert!(!cluster.store.is_clock_trusted().await.unwrap());

    let waits = cluster
        .store
        .watch_clock(Moment::now(), now + day, Some(jump))
        .await
        .unwrap();
    assert_eq!(waits, ClockVerdict::Waits(jump));
    let back = cluster
        .store
        .watch_clock(Moment::now(), now, Some(jump))
        .await
        .unwrap();
    assert_eq!(back, ClockVerdict::Returned(jump));
    let recorded = "select concat_ws(' ', caller_kind, action) from audit_log order by seq";
    let recorded = cluster.texts(recorded, &[]).await;
    assert_eq!(
        recorded
            .iter()
            .filter(|entry| entry.starts_with("NODE"))
            .collect::<Vec<_>>(),
        ["NODE pauseForClockJump", "NODE resumeAfterClockJump"]
    );
    assert!(cluster.store.cluster_pause().await.unwrap().is_none());
    assert_eq!(node.poll().await.leased, 1);
}

/// A repair gives a due time, a next fire time, an end: all by the clock.
#[actix::test]
async fn nothing_is_repaired_while_the_clock_is_not_trusted() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let node = cluster.node().await;
    let unscheduled = cluster.create(fixed_rate(3_600)).await;
    let stalled = cluster.create(fixed_delay(3_600)).await;
    let clock = "select clock_timestamp()";
    let now: Timestamp = cluster.sql.query_one(clock, &[]).await.unwrap().get(0);
    let (sent, day) = (Moment::now(), TimeDelta::hours(26));
    let good = node.store.watch_clock(sent, now, None).await.unwrap();
    assert_eq!(good, ClockVerdict::Good);
    let ahead = node.store.watch_clock(sent, now + day, None).await.unwrap();
    let ClockVerdict::Jumped(jump) = ahead else {
        panic!("{ahead:?}")
    };
    for (broken, job) in [
        ("delete from job_trigger where job_id = $1", &unscheduled),
        (
            "update job_trigger set due_at = null, awaits = gen_random_uuid() where job_id = $1",
            &stalled,
        ),
        (
            "insert into job_execution_log (id, job_id, kind, fire_time, due_time, status, \
             retrying, attempt, created_at) select gen_random_uuid(), $1, 'MANUAL', now(), now(), \
             'RETRYING', true, 1, now()",
            &stalled,
        ),
    ] {
        assert_eq!(cluster.execute(broken, &[&job.id]).await, 1, "{broken}");
    }
    let tables = async || {
        let log = cluster.dump("job_execution_log").await;
        [cluster.dump("job_trigger").await, log]
    };
    let before = tables().await;

    assert_eq!(node.reconcile().await.repairs, None);
    // A node that has just joined has seen no jump, but the pause of the others.
    let newcomer = cluster.node().await;
    assert_eq!(newcomer.reconcile().await.repairs, None);
    // The clock jumps while the repairs are under way.
    let repairs = node.store.repair(&mut Uuid::nil()).await.unwrap();
    assert_eq!(repairs, Repairs::default());
    assert_eq!(tables().await, before);

    let now: Timestamp = cluster.sql.query_one(clock, &[]).await.unwrap().get(0);
    let back = node
        .store
        .watch_clock(Moment::now(), now, Some(jump))
        .await
        .unwrap();
    assert_eq!(back, ClockVerdict::Returned(jump));
    // The next heartbeat finds no pause.
    let now: Timestamp = cluster.sql.query_one(clock, &[]).await.unwrap().get(0);
    let good = node.store.watch_clock(Moment::now(), now, None).await;
    assert_eq!(good.unwrap(), ClockVerdict::Good);
    let repairs = node.reconcile().await.repairs.expect("it repairs again");
    assert_eq!(
        (repairs.scheduled, repairs.continued, repairs.retried),
        (1, 1, 1)
    );
}
