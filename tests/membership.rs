//! Membership: the beliefs of a node about its own membership, under changes of its session, its
//! heartbeats and the verdicts of others.

use crate::support::{TestCluster, at, eventually, fixed_rate};
use actix::{Actor, Addr};
use horolog::actors::cluster_membership::{
    ClusterMembership, Heartbeat, HeartbeatReport, Leave, MembershipConfig,
};
use horolog::actors::periodic::{Passes, WakeUp};
use horolog::actors::slots::Slots;
use horolog::actors::watchdog::Watchdog;
use horolog::model::node::{Membership, MembershipState};
use horolog::store::protocol::hand_over::TakeoverReport;
use horolog::store::protocol::lease_store::{Batch, LeaseStore};
use horolog::store::protocol::membership::NodeProfile;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

/// Long enough that no test reaches it.
const TTL: Duration = Duration::from_mins(4);

struct Member {
    membership: Addr<ClusterMembership>,
    membership_state: watch::Sender<MembershipState>,
    watchdog: Watchdog,
}

impl Member {
    fn new(cluster: &TestCluster, node_ttl: Duration) -> Self {
        let (membership_state, watchdog) = (
            watch::Sender::new(MembershipState::Fenced),
            Watchdog::default(),
        );
        let config = MembershipConfig {
            database: cluster.database.database(),
            store: cluster.store.clone(),
            clock: cluster.clock.clone(),
            profile: NodeProfile {
                name: "node".into(),
                address: "127.0.0.1:1".into(),
                slots: 3,
            },
            heartbeat_interval: TTL,
            membership_state: membership_state.clone(),
            node_ttl,
            call_timeout: node_ttl * 9 / 20,
            slots: Slots::new(3, WakeUp::default(), cluster.store.shares()),
            watchdog: watchdog.clone(),
        };
        let membership = ClusterMembership::new(config, Passes::OnMessage).start();
        Self {
            membership,
            membership_state,
            watchdog,
        }
    }

    /// A member and its id.
    async fn joined(cluster: &TestCluster) -> (Self, Uuid) {
        let member = Self::new(cluster, TTL);
        let HeartbeatReport::Joined(id) = member.heartbeat().await else {
            panic!("not joined")
        };
        (member, id)
    }

    async fn heartbeat(&self) -> HeartbeatReport {
        self.membership.send(Heartbeat).await.unwrap()
    }

    fn membership_state(&self) -> Option<Membership> {
        match *self.membership_state.borrow() {
            MembershipState::Member(member) => Some(member),
            MembershipState::Fenced => None,
        }
    }
}

/// Ends the session that holds the node's lock, from the server's side.
async fn cut_session(cluster: &TestCluster, node_id: Uuid) {
    let cut = "select pg_terminate_backend(k.pid) from pg_locks k, cluster_node n
        where n.id = $1 and k.locktype = 'advisory' and k.granted
          and ((k.classid::bigint << 32) | k.objid::bigint) = n.lock_key";
    assert_eq!(
        cluster.execute(cut, &[&node_id]).await,
        1,
        "one session holds the lock"
    );
}

#[actix::test]
async fn a_node_joins_and_renews_under_one_id() {
    let cluster = TestCluster::start().await;
    let before = Instant::now();
    let (member, id) = Member::joined(&cluster).await;

    let joined = member.membership_state().expect("a member");
    cluster.advance(1);
    assert_eq!(member.heartbeat().await, HeartbeatReport::Renewed);
    let renewed = member.membership_state().expect("a member");

    assert_eq!(
        (
            joined.node_id,
            renewed.node_id,
            renewed.session_alive,
            renewed.draining
        ),
        (id, id, true, false)
    );
    assert!(
        joined.trusted_until >= before + TTL * 7 / 8
            && renewed.trusted_until > joined.trusted_until
    );
    assert_eq!(renewed.session_opened_at, joined.session_opened_at);
    let nodes = cluster.store.nodes().await.unwrap();
    assert_eq!((nodes.len(), nodes[0].id, nodes[0].slots), (1, id, 3));
    assert_eq!(
        (nodes[0].heartbeat_at - nodes[0].started_at).num_seconds(),
        1
    );
    assert!(
        nodes[0].clock_offset_micros.abs() < 60_000_000 || nodes[0].clock_offset_micros == 0,
        "{nodes:?}"
    );
}

#[actix::test]
async fn a_broken_session_suspends_at_once_and_heals_under_the_same_id() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    let before = member.membership_state().expect("a member");

    cut_session(&cluster, id).await;
    let suspended = eventually("the node knows", async || {
        member
            .membership_state()
            .filter(|member| !member.session_alive)
    })
    .await;
    assert_eq!(
        suspended,
        Membership {
            session_alive: false,
            ..before
        }
    );
    let healed = eventually("the node has a session again", async || {
        (member.heartbeat().await == HeartbeatReport::Renewed)
            .then_some(member.membership_state().expect("a member"))
    })
    .await;

    assert_eq!((healed.node_id, healed.session_alive), (id, true));
    assert!(
        healed.session_opened_at > before.session_opened_at,
        "it has to watch anew before it declares anybody dead"
    );
    cut_session(&cluster, id).await;
}

/// A fault that heals within the TTL: a node that closes its session because of a missing answer
/// looks dead, although its executions continue.
#[actix::test]
async fn a_session_with_a_failed_heartbeat_keeps_the_lock_until_replaced() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    cluster
        .execute(
            "alter table cluster_node rename executions_running to unknown",
            &[],
        )
        .await;
    assert_eq!(member.heartbeat().await, HeartbeatReport::Failed);
    assert!(
        member
            .membership_state()
            .is_some_and(|membership_state| !membership_state.session_alive)
    );
    cluster
        .execute(
            "alter table cluster_node rename unknown to executions_running",
            &[],
        )
        .await;

    assert_eq!(member.heartbeat().await, HeartbeatReport::Renewed);

    eventually(
        "its successor has ended it, and not the node before",
        async || {
            let ended =
                "select sessions_killed from pg_stat_database where datname = current_database()";
            (cluster
                .sql
                .query_one(ended, &[])
                .await
                .unwrap()
                .get::<_, i64>(0)
                == 1)
                .then_some(())
        },
    )
    .await;
    assert!(member.membership_state().is_some_and(
        |membership_state| membership_state.session_alive && membership_state.node_id == id
    ));
    cut_session(&cluster, id).await;
}

#[actix::test]
async fn a_node_that_was_declared_dead_is_fenced_and_joins_under_a_new_id() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    cluster
        .execute(
            "update cluster_node set state = 'DEAD' where id = $1",
            &[&id],
        )
        .await;

    assert_eq!(member.heartbeat().await, HeartbeatReport::Fenced);
    assert_eq!(member.membership_state(), None);
    let HeartbeatReport::Joined(new) = member.heartbeat().await else {
        panic!("not joined")
    };

    assert_ne!(new, id);
    assert_eq!(cluster.node_state(id).await, "DEAD");
    assert_eq!(cluster.node_state(new).await, "ACTIVE");
    let recorded = "select details ->> 'reason' from audit_log
        where action = 'fence' and object_id = $1 and caller_kind = 'NODE'";
    eventually("the fence is in the audit log", async || {
        let reasons = cluster.texts(recorded, &[&id.to_string()]).await;
        (reasons == ["it was declared dead"]).then_some(())
    })
    .await;
}

#[actix::test]
async fn a_node_whose_trust_has_run_out_joins_under_a_new_id() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    let membership_state = member.membership_state().expect("a member");

    member
        .membership_state
        .send_replace(MembershipState::Member(Membership {
            trusted_until: Instant::now(),
            ..membership_state
        }));
    let report = member.heartbeat().await;

    assert!(
        matches!(report, HeartbeatReport::Joined(new) if new != id),
        "{report:?}"
    );
}

/// The executions were cancelled when the trust ran out, so under the old id they would count as
/// never started, and would run again although they had started.
#[actix::test]
async fn an_answer_that_comes_after_trust_ran_out_does_not_restore_it() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    let membership_state = member.membership_state().expect("a member");
    let blocker = cluster.database.client().await;
    blocker.batch_execute("begin").await.unwrap();
    blocker
        .query_one("select from cluster_node where id = $1 for update", &[&id])
        .await
        .unwrap();

    let trusted_until = Instant::now() + Duration::from_secs(1);
    member
        .membership_state
        .send_replace(MembershipState::Member(Membership {
            trusted_until,
            ..membership_state
        }));
    let answer = actix::spawn(member.membership.send(Heartbeat));
    eventually("trust has run out", async || {
        (Instant::now() >= trusted_until).then_some(())
    })
    .await;
    blocker.batch_execute("commit").await.unwrap();

    assert_eq!(answer.await.unwrap().unwrap(), HeartbeatReport::Fenced);
    assert_eq!(member.membership_state(), None);
}

#[actix::test]
async fn a_node_asked_to_drain_learns_it_from_its_heartbeat() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    cluster.store.drain(id).await.unwrap();

    assert_eq!(member.heartbeat().await, HeartbeatReport::Renewed);

    assert!(
        member
            .membership_state()
            .is_some_and(|member| member.draining)
    );
}

#[actix::test]
async fn a_node_that_leaves_is_fenced_first_and_never_comes_back() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    cluster.create(fixed_rate(60)).await;
    let held = LeaseStore::new(cluster.store.clone())
        .lease(id, Batch::of(1), Duration::ZERO)
        .await
        .unwrap()
        .expect("a member")
        .attempts;

    let taken = member.membership.send(Leave).await.unwrap().unwrap();

    assert_eq!(
        taken,
        TakeoverReport::default(),
        "what has not begun is reclaimed"
    );
    let reclaimed = "select status || ' ' || (previous_attempts -> 0 ->> 'outcome') || ' ' || \
        recoveries from job_execution_log where id = $1";
    assert_eq!(
        cluster.texts(reclaimed, &[&held[0].execution_id]).await,
        ["RETRYING NOT_STARTED 0"]
    );
    assert_eq!(member.membership_state(), None);
    assert_eq!(member.heartbeat().await, HeartbeatReport::Fenced);
    assert_eq!(cluster.node_state(id).await, "LEFT by LEFT");
}

#[actix::test]
async fn a_node_with_a_stuck_actor_stops_its_heartbeat_and_ends() {
    let cluster = TestCluster::start().await;
    let member = Member::new(&cluster, Duration::ZERO);
    // whatever has not beaten just now has stalled
    let _guard = member.watchdog.guard("TriggerAcquirer");

    assert_eq!(member.heartbeat().await, HeartbeatReport::Withheld);

    assert_eq!(
        member.watchdog.failed().await,
        "the critical actor TriggerAcquirer makes no progress"
    );
    assert!(cluster.store.nodes().await.unwrap().is_empty());
}

/// The state of a backup from some seconds ago about the node.
async fn restore(cluster: &TestCluster, node_id: Uuid, seconds: f64) {
    let back = "update cluster_node set heartbeat_at = heartbeat_at - make_interval(secs => $2) \
        where id = $1";
    cluster.execute(back, &[&node_id, &seconds]).await;
    cut_session(cluster, node_id).await;
}

#[actix::test]
async fn a_database_older_than_a_node_remembers_pauses_the_cluster() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    cluster.advance(100);
    assert_eq!(member.heartbeat().await, HeartbeatReport::Renewed);

    restore(&cluster, id, 61.0).await;
    eventually("it is back", async || {
        (member.heartbeat().await == HeartbeatReport::Renewed).then_some(())
    })
    .await;

    let pause = cluster.store.cluster_pause().await.unwrap().expect("held");
    assert_eq!(
        (pause.last_known, pause.set_back_to),
        (Some(at("07:01:40")), Some(at("07:00:39")))
    );
    let recorded = "select concat_ws(' ', caller, caller_kind, action, details ->> 'lastKnown')
        from audit_log";
    assert_eq!(
        cluster.texts(recorded, &[]).await,
        ["node horolog NODE pauseAfterRestore 2026-11-23T07:01:40+00:00"]
    );
    assert!(cluster.store.resume_cluster().await.unwrap());
    cut_session(&cluster, id).await;
    eventually("it is back", async || {
        (member.heartbeat().await == HeartbeatReport::Renewed).then_some(())
    })
    .await;
    assert!(
        cluster.store.cluster_pause().await.unwrap().is_none(),
        "once resumed, it stays so"
    );
}

#[actix::test]
async fn a_database_without_a_row_of_a_running_node_pauses_the_cluster() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;
    // Another node without a memory was faster: that is no proof of youth.
    cluster.advance(3600);
    let (_newcomer, _) = Member::joined(&cluster).await;

    cluster
        .execute(
            "update cluster_node set id = gen_random_uuid() where id = $1",
            &[&id],
        )
        .await;
    eventually("it joins anew", async || {
        matches!(member.heartbeat().await, HeartbeatReport::Joined(_)).then_some(())
    })
    .await;

    assert!(cluster.store.cluster_pause().await.unwrap().is_some());
}

#[actix::test]
async fn losses_of_an_asynchronous_failover_do_not_pause_the_cluster() {
    let cluster = TestCluster::start().await;
    let (member, id) = Member::joined(&cluster).await;

    restore(&cluster, id, 60.0).await;
    eventually("it is back", async || {
        (member.heartbeat().await == HeartbeatReport::Renewed).then_some(())
    })
    .await;

    assert!(cluster.store.cluster_pause().await.unwrap().is_none());
}
