//! Deaths: which node is declared dead, by which observer, and how often.

use crate::support::{NODE_TTL, TestCluster, begun, eventually, fixed_delay, fixed_rate};
use horolog::actors::job_manager::DeleteJob;
use horolog::model::node::{Membership, MembershipState};
use horolog::store::protocol::cluster_view::{EndedBy, Suspect};
use horolog::store::protocol::hand_over::TakeoverReport;
use horolog::store::protocol::membership::MembershipSession;
use std::time::{Duration, Instant};
use uuid::Uuid;

#[actix::test]
async fn a_node_whose_heartbeat_is_older_than_the_ttl_is_dead() {
    let cluster = TestCluster::start().await;
    let (observer, frozen) = (cluster.node().await, cluster.node().await);

    cluster.advance(4);
    observer.heartbeat().await;
    assert!(
        observer.reconcile().await.dead.is_empty(),
        "not a moment too early"
    );
    cluster.clock.advance(Duration::from_millis(1));
    assert_eq!(observer.reconcile().await.dead, [frozen.id]);

    assert_eq!(cluster.node_state(frozen.id).await, "DEAD by TTL");
    assert!(!frozen.heartbeat().await);
    assert_eq!(
        cluster.node_state(frozen.id).await,
        "DEAD by TTL",
        "the dead stay dead"
    );
}

#[actix::test]
async fn a_node_whose_session_has_gone_is_dead_at_once() {
    let cluster = TestCluster::start().await;
    let (observer, killed) = (cluster.node().await, cluster.node().await);
    let id = killed.id;

    killed.kill(&cluster.sql).await;
    // The end of a successor's wait: the lock is taken again, by a session that only watches.
    let watch = "select pg_advisory_lock_shared(lock_key) from cluster_node where id = $1";
    cluster.sql.execute(watch, &[&id]).await.unwrap();

    assert_eq!(observer.reconcile().await.dead, [id]);
    assert_eq!(cluster.node_state(id).await, "DEAD by SESSION");
    assert!(
        observer.reconcile().await.dead.is_empty(),
        "a node dies once"
    );
}

#[actix::test]
async fn a_node_with_its_session_and_a_young_heartbeat_lives() {
    let cluster = TestCluster::start().await;
    let (observer, other) = (cluster.node().await, cluster.node().await);

    for _ in 0..3 {
        cluster.advance(3);
        assert!(other.heartbeat().await && observer.heartbeat().await);
        assert!(observer.reconcile().await.dead.is_empty());
    }

    assert_eq!(cluster.node_state(other.id).await, "ACTIVE");
    let nodes = cluster.store.nodes().await.unwrap();
    assert_eq!(
        nodes
            .iter()
            .map(|node| node.heartbeat_age_seconds)
            .collect::<Vec<_>>(),
        [0.0, 0.0]
    );
}

#[actix::test]
async fn an_observer_declares_no_node_dead_before_a_ttl_of_watching() {
    let cluster = TestCluster::start().await;
    let (observer, killed) = (cluster.node().await, cluster.node().await);
    killed.kill(&cluster.sql).await;
    let now = Instant::now();
    let young = Membership {
        node_id: observer.id,
        trusted_until: now + Duration::from_hours(1),
        session_opened_at: now,
        session_alive: true,
        draining: false,
    };
    let old = Membership {
        session_opened_at: now.checked_sub(NODE_TTL).unwrap(),
        ..young
    };

    for membership_state in [
        MembershipState::Fenced,
        MembershipState::Member(young),
        MembershipState::Member(Membership {
            session_alive: false,
            ..old
        }),
        MembershipState::Member(Membership {
            trusted_until: now,
            ..old
        }),
    ] {
        observer.believe(membership_state);
        assert!(
            observer.reconcile().await.dead.is_empty(),
            "{membership_state:?}"
        );
    }
    observer.believe(MembershipState::Member(old));
    assert_eq!(observer.reconcile().await.dead.len(), 1);
}

/// The first node of a cluster, and a node that is killed in its first second.
#[actix::test]
async fn a_node_that_joined_during_the_observers_session_dies_with_its_own() {
    let young = "update cluster_node set session_at = started_at where id = $1";
    let later =
        "update cluster_node set session_at = started_at + interval '1 millisecond' where id = $1";
    for (of_observer, of_killed, expected) in
        [(young, young, 1), (young, later, 0), (later, young, 0)]
    {
        let cluster = TestCluster::start().await;
        let (observer, killed) = (cluster.node().await, cluster.node().await);
        cluster.execute(of_observer, &[&observer.id]).await;
        cluster.execute(of_killed, &[&killed.id]).await;
        observer.publisher().send_modify(|membership_state| {
            if let MembershipState::Member(member) = membership_state {
                member.session_opened_at = Instant::now();
            }
        });
        assert!(observer.reconcile().await.dead.is_empty(), "it lives");

        killed.kill(&cluster.sql).await;

        assert_eq!(
            observer.reconcile().await.dead.len(),
            expected,
            "{of_observer}; {of_killed}"
        );
    }
}

/// It believes in a session that the database does not know of any more, or has known for a moment
/// only.
#[actix::test]
async fn an_observer_unaware_of_its_ended_session_declares_no_node_dead() {
    let cluster = TestCluster::start().await;
    let (observer, killed) = (cluster.node().await, cluster.node().await);
    let id = killed.id;
    killed.kill(&cluster.sql).await;

    let broken = "select pg_terminate_backend(k.pid, 10000) from pg_locks k join cluster_node n
        on k.locktype = 'advisory' and ((k.classid::bigint << 32) | k.objid::bigint) = n.lock_key
        where n.id = $1";
    cluster.sql.execute(broken, &[&observer.id]).await.unwrap();
    assert!(
        observer.reconcile().await.dead.is_empty(),
        "nobody holds its lock"
    );
    let database = cluster.database.database();
    let (again, _ended) = MembershipSession::open(&database, NODE_TTL, cluster.clock.clone())
        .await
        .unwrap();
    again.take_lock(observer.id).await.unwrap();
    assert!(
        observer.reconcile().await.dead.is_empty(),
        "its session is new"
    );
    cluster.advance(4);

    assert_eq!(observer.reconcile().await.dead, [id]);
}

/// A reader of the membership state must not keep it locked during a call of the database: the
/// thread of the heartbeat would wait, everything behind it too, and the process would stand still
/// for ever.
#[actix::test]
async fn a_reconcile_that_waits_for_the_database_delays_no_heartbeat() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    cluster.create(fixed_rate(60)).await;
    assert_eq!(
        (node.poll().await.leased, node.settle_all().await.settled),
        (1, 1)
    );
    cluster.advance(20);
    let slow = "create function slow() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
        create trigger slow before insert on node_activity for each row execute function slow();";
    cluster.sql.batch_execute(slow).await.unwrap();
    let locker = cluster.database.client().await;
    locker
        .batch_execute("begin; select pg_advisory_xact_lock(1)")
        .await
        .unwrap();
    let pass = node.reconcile_meanwhile();
    let waits = "select from pg_stat_activity where wait_event_type = 'Lock' \
        and datname = current_database()";
    eventually("the pass waits", async || {
        cluster.sql.query_opt(waits, &[]).await.unwrap()
    })
    .await;

    let publisher = node.publisher();
    let heartbeat = std::thread::spawn(move || publisher.send_modify(|_| ()));
    eventually("the heartbeat is published", async || {
        heartbeat.is_finished().then_some(())
    })
    .await;

    locker.batch_execute("rollback").await.unwrap();
    pass.await;
}

#[actix::test]
async fn a_suspect_that_beats_again_is_spared() {
    let cluster = TestCluster::start().await;
    let (observer, slow) = (cluster.node().await, cluster.node().await);
    let job = cluster.create(fixed_rate(60)).await;
    slow.lease().await;
    cluster.advance(5);
    let suspects = cluster
        .store
        .cluster_view(observer.id, NODE_TTL)
        .await
        .unwrap()
        .suspects;

    assert!(slow.heartbeat().await);
    let taken = cluster
        .store
        .take_over(&suspects[0], observer.id, NODE_TTL)
        .await
        .unwrap();

    assert_eq!(taken, None);
    assert_eq!(
        suspects,
        [Suspect {
            node_id: slow.id,
            name: "node".into(),
            ended_by: EndedBy::Ttl,
            joined_while_observed: false
        }]
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
}

#[actix::test]
async fn two_concurrent_observers_take_over_once() {
    let cluster = TestCluster::start().await;
    let jobs = [
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_delay(60)).await,
    ];
    let (one, other, dead) = (
        cluster.node().await,
        cluster.node().await,
        cluster.node().await,
    );
    assert_eq!(dead.lease().await.len(), 2);
    let id = dead.id;
    dead.kill(&cluster.sql).await;

    let (mine, yours) = futures_util::join!(one.reconcile(), other.reconcile());

    assert_eq!([mine.dead, yours.dead].concat(), [id], "one of them");
    assert_eq!(mine.rerun + yours.rerun, 2);
    assert_eq!(
        cluster
            .texts("select kind from job_trigger where kind <> 'SCHEDULE'", &[])
            .await,
        ["RECOVERY"; 2]
    );
    let (mine, yours) = futures_util::join!(one.poll(), other.poll());
    assert_eq!(mine.leased + yours.leased, 2);
    one.settle_all().await;
    other.settle_all().await;
    for job in &jobs {
        assert_eq!(
            cluster.ledger(job).await,
            ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
        );
    }
}

#[actix::test]
async fn a_node_that_leaves_hands_over_what_it_holds() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_delay(60)).await;
    let (heir, leaver) = (cluster.node().await, cluster.node().await);
    let attempts = leaver.lease().await;
    let begun = begun(&attempts);

    let taken = cluster.store.leave(leaver.id, &begun).await.unwrap();

    assert_eq!(
        taken,
        TakeoverReport {
            rerun: vec![attempts[0].execution_id],
            ended: Vec::new()
        }
    );
    assert_eq!(cluster.node_state(leaver.id).await, "LEFT by LEFT");
    assert_eq!(
        cluster.store.leave(leaver.id, &begun).await.unwrap(),
        TakeoverReport::default(),
        "once"
    );
    assert!(!leaver.poll().await.polled, "it leases nothing any more");
    assert!(
        heir.reconcile().await.dead.is_empty(),
        "who left is not dead"
    );
    assert_eq!(heir.poll().await.leased, 1);
    heir.settle_all().await;
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
}

#[actix::test]
async fn a_draining_node_settles_what_it_holds_and_leases_nothing() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(60)).await;
    let node = cluster.node().await;
    node.poll().await;

    assert!(cluster.store.drain(node.id).await.unwrap());
    cluster.advance(60);
    node.heartbeat().await;
    let report = node.poll().await;

    assert_eq!((report.polled, report.leased), (false, 0));
    assert_eq!(node.settle_all().await.settled, 1);
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
    assert!(
        !cluster.store.drain(Uuid::new_v4()).await.unwrap(),
        "there is no such node"
    );
}

#[actix::test]
async fn a_job_deleted_in_the_middle_of_a_takeover_does_not_run_again() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(60)).await;
    let (survivor, dead) = (cluster.node().await, cluster.node().await);
    dead.lease().await;
    dead.kill(&cluster.sql).await;

    // In any order of arrival.
    let (report, ()) =
        futures_util::join!(survivor.reconcile(), cluster.command(DeleteJob(job.id)));
    survivor.reconcile().await;

    assert_eq!(report.dead.len(), 1);
    assert_eq!(survivor.poll().await.leased, 0);
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 CANCELLED attempt 1"]
    );
    assert!(cluster.triggers(&job).await.is_empty());
}
