//! Deaths and partitions: who is declared dead, by whom, how often, and where
//! executions land.

use crate::support::{
    NODE_TTL, TestCluster, TestNode, at, begun, eventually, fixed_delay, fixed_rate, succeeded,
};
use horolog::actors::job_manager::DeleteJob;
use horolog::model::job_request::JobRequest;
use horolog::model::node::{Membership, MembershipState};
use horolog::store::nodes::{MembershipSession, watch};
use horolog::store::settlements::LeaseUpdates;
use horolog::store::takeovers::{EndedBy, Suspect, TakeoverReport};
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
    // What a successor's wait ends with: the lock is held again, by somebody who only watches.
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
async fn who_has_not_watched_for_a_ttl_declares_nobody_dead() {
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

/// The first node of a cluster, and one that is killed in its first second.
#[actix::test]
async fn whoever_joined_under_a_young_observers_eyes_is_dead_with_its_session() {
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
async fn who_has_not_heard_yet_that_its_session_ended_declares_nobody_dead() {
    let cluster = TestCluster::start().await;
    let (observer, killed) = (cluster.node().await, cluster.node().await);
    let id = killed.id;
    killed.kill(&cluster.sql).await;

    let broken = "select pg_terminate_backend(k.pid, 10000) from pg_locks k join cluster_node n
        on k.locktype = 'advisory' and ((k.classid::bigint << 32) | k.objid::bigint) = n.lock_key where n.id = $1";
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

/// Whoever looks at the membership state may not keep it locked while the database takes its time:
/// the thread of the heartbeat would wait for that, everybody behind it, and the process would
/// stand still for ever.
#[actix::test]
async fn a_pass_that_waits_for_the_database_holds_up_no_heartbeat() {
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
    let waits = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
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
async fn two_observers_at_once_take_over_once() {
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

    // In whatever order they come through.
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

#[actix::test]
async fn a_node_sees_the_end_of_its_successors_session_while_it_waits() {
    let cluster = TestCluster::start().await;
    let (observer, killed) = (cluster.node().await, cluster.node().await);
    let (database, lock_key) = (
        cluster.database.database(),
        successor_of(&cluster, &observer).await.unwrap(),
    );

    let watch = actix::spawn(async move { watch(&database, lock_key).await });
    let watching = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        and query like '%pg_try_advisory_lock_shared%'";
    let pid: i32 = eventually("the watch waits", async || {
        cluster
            .sql
            .query_opt(watching, &[])
            .await
            .unwrap()
            .map(|row| row.get(0))
    })
    .await;
    assert!(!watch.is_finished());
    // A snapshot as old as the watch would keep every dead row since.
    let now = cluster
        .sql
        .query_one("select pg_current_xact_id()::text", &[])
        .await
        .unwrap();
    let now: String = now.get(0);
    cluster
        .execute("update job_trigger set priority = priority", &[])
        .await;
    eventually("its snapshot is no older than now", async || {
        let older = "select from pg_stat_activity where pid = $1 and backend_xmin::text::bigint <= $2::text::bigint";
        cluster.sql.query_opt(older, &[&pid, &now]).await.unwrap().is_none().then_some(())
    })
    .await;
    let id = killed.id;
    killed.kill_and_forget();
    watch.await.unwrap().unwrap();

    assert_eq!(observer.reconcile().await.dead, [id]);
}

/// The key of the successor's lock.
async fn successor_of(cluster: &TestCluster, observer: &TestNode) -> Option<i64> {
    cluster
        .store
        .cluster_view(observer.id, NODE_TTL)
        .await
        .unwrap()
        .successor
}

#[actix::test]
async fn a_watch_that_is_given_up_leaves_no_session_behind() {
    const WATCHES: &str = "select count(*) from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid() and query like '%pg_try_advisory_lock_shared%'";
    let cluster = TestCluster::start().await;
    let (observer, successor) = (cluster.node().await, cluster.node().await);
    let (database, lock_key) = (
        cluster.database.database(),
        successor_of(&cluster, &observer).await.unwrap(),
    );
    let watches = async |wanted: i64| {
        let watches: i64 = cluster.sql.query_one(WATCHES, &[]).await.unwrap().get(0);
        (watches == wanted).then_some(())
    };

    let watch = actix::spawn(async move { watch(&database, lock_key).await });
    eventually("the watch waits", async || watches(1).await).await;
    // It is no successor any more, and its session lives on.
    cluster
        .execute(
            "update cluster_node set state = 'LEFT' where id = $1",
            &[&successor.id],
        )
        .await;
    assert_eq!(successor_of(&cluster, &observer).await, None);
    watch.abort();

    eventually("its session has ended", async || watches(0).await).await;
}

#[actix::test]
async fn the_successor_is_the_next_living_node_in_the_ring() {
    let cluster = TestCluster::start().await;
    let mut nodes = [
        cluster.node().await,
        cluster.node().await,
        cluster.node().await,
    ];
    nodes.sort_by_key(|node| node.id);
    let key = async |node: &TestNode| -> i64 {
        cluster
            .sql
            .query_one(
                "select lock_key from cluster_node where id = $1",
                &[&node.id],
            )
            .await
            .unwrap()
            .get(0)
    };
    let [first, second, third] = &nodes;
    assert_eq!(successor_of(&cluster, first).await, Some(key(second).await));
    assert_eq!(successor_of(&cluster, third).await, Some(key(first).await));

    let [first, second, third] = nodes;
    second.kill_and_forget();

    eventually("its session has ended", async || {
        (successor_of(&cluster, &first).await == Some(key(&third).await)).then_some(())
    })
    .await;
}

/// The partitions of the log, and how many rows each has.
async fn partitions(cluster: &TestCluster) -> Vec<String> {
    let query = "select c.relname || ' ' || (select count(*) from job_execution_log l where l.tableoid = c.oid)
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'job_execution_log'::regclass order by c.relname";
    cluster.texts(query, &[]).await
}

#[actix::test]
async fn partitions_are_made_from_yesterday_to_three_days_ahead_once() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let days = ["20261122", "20261123", "20261124", "20261125", "20261126"];
    let mut made: Vec<_> = days
        .iter()
        .map(|day| format!("job_execution_log_{day} 0"))
        .collect();
    made.push("job_execution_log_default 0".into());
    assert_eq!(partitions(&cluster).await, made);

    assert_eq!(node.reconcile().await.partitions, 0);
    assert_eq!(partitions(&cluster).await, made);
    cluster.advance(86_400);
    let (one, other) = (
        cluster.store.clone(),
        cluster.database.store(cluster.clock.clone()),
    );
    let (mine, yours) = futures_util::join!(one.create_partitions(), other.create_partitions());
    assert_eq!(
        mine.unwrap() + yours.unwrap(),
        1,
        "one more a day, whoever makes it"
    );
}

#[actix::test]
async fn executions_land_in_the_partition_of_their_fire_time() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    cluster.create(fixed_rate(60)).await;
    let (late, ancient) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    let move_to = "update job_trigger set fire_time = $2, due_at = $2 where id = $1";
    cluster
        .execute(
            move_to,
            &[&late.id, &(at("00:00:00") - Duration::from_millis(1))],
        )
        .await;
    cluster
        .execute(
            move_to,
            &[&ancient.id, &(at("00:00:00") - Duration::from_hours(72))],
        )
        .await;

    node.poll().await;
    assert_eq!(node.settle_all().await.settled, 3);

    let of = [
        "20261122 1",
        "20261123 1",
        "20261124 0",
        "20261125 0",
        "20261126 0",
        "default 1",
    ];
    assert_eq!(
        partitions(&cluster).await,
        of.map(|partition| format!("job_execution_log_{partition}"))
    );
}

#[actix::test]
async fn a_day_whose_executions_came_before_its_partition_gets_it_all_the_same() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(JobRequest {
            initial_delay_seconds: Some(10 * 86_400),
            ..fixed_delay(60)
        })
        .await;
    cluster.advance(10 * 86_400); // a long outage: nobody has made partitions since
    let node = cluster.node().await;
    let attempts = node.lease().await;
    assert!(
        partitions(&cluster)
            .await
            .contains(&"job_execution_log_default 1".to_owned())
    );
    let blocker = cluster.database.client().await;
    blocker
        .batch_execute("begin; lock table job_execution_log in row exclusive mode")
        .await
        .unwrap();

    let (store, settlement) = (node.store.clone(), succeeded(&attempts[0]));
    let made = actix::spawn(async move { store.create_partitions().await });
    cluster.wait_for_locks(1).await;
    let store = node.store.clone();
    let settled =
        actix::spawn(async move { store.settle(&[settlement], &LeaseUpdates::default()).await });
    cluster.wait_for_locks(2).await;
    blocker.batch_execute("commit").await.unwrap();

    assert_eq!(made.await.unwrap().unwrap(), 5);
    assert!(
        partitions(&cluster)
            .await
            .contains(&"job_execution_log_20261203 1".to_owned())
    );
    let settled = settled.await.unwrap().unwrap();
    assert_eq!(
        settled.settled,
        [attempts[0].execution_id],
        "who waited finds the row where it is now"
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
}

#[actix::test]
async fn a_partition_that_cannot_be_made_does_not_stop_the_repairs() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(60)).await;
    cluster
        .execute("create table job_execution_log_20261127 ()", &[])
        .await;
    cluster.advance(86_400);
    cluster.execute("delete from job_trigger", &[]).await;

    let report = node.reconcile().await;

    assert_eq!(
        (
            report.partitions,
            report.repairs.map(|repairs| repairs.scheduled)
        ),
        (0, Some(1))
    );
    assert_eq!(cluster.triggers(&job).await.len(), 1);
}
