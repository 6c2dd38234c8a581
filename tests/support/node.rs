//! A node in this process: the real actors without their periodic messages.
//!
//! Its session and its row are real. Only its membership state is given instead of earned, because
//! a node must have watched for a TTL before it may declare another dead; `membership.rs` tests how
//! a membership state is earned.

use super::{NODE_TTL, eventually};
use actix::{Actor, Addr};
use horolog::actors::executor_pool::{Cancel, ExecutorPool, PoolConfig, Settle};
use horolog::actors::periodic::{Passes, WakeUp};
use horolog::actors::reconciler::{Reconcile, ReconcileReport, Reconciler, ReconcilerConfig};
use horolog::actors::settler::SettleReport;
use horolog::actors::slots::Slots;
use horolog::actors::trigger_acquirer::{
    AcquirerConfig, LOOK_AHEAD, Poll, PollReport, TriggerAcquirer,
};
use horolog::actors::watchdog::Watchdog;
use horolog::clock::Clock;
use horolog::handlers::Handlers;
use horolog::model::execution::{Attempt, Outcome, Reason, Settlement};
use horolog::model::node::{Membership, MembershipState};
use horolog::secrets::Keys;
use horolog::store::Store;
use horolog::store::db::database::Database;
use horolog::store::protocol::lease_store::{Batch, LeaseStore};
use horolog::store::protocol::membership::{MembershipSession, NodeProfile};
use horolog::store::protocol::reclaim::Holdings;
use horolog::store::secrets::SecretReader;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_postgres::Client;
use uuid::Uuid;

const HOUR: Duration = Duration::from_hours(1);
const LOG_RETENTION: Duration = Duration::from_hours(30 * 24);
const SLOTS: usize = 64;

const HELD: &str = "select from pg_locks k, cluster_node n
where n.id = $1 and k.locktype = 'advisory' and ((k.classid::bigint << 32) | k.objid::bigint) =
n.lock_key";

pub struct TestNode {
    pub id: Uuid,
    pub store: Store,
    pub leases: LeaseStore,
    slots: Slots,
    session: MembershipSession,
    membership_state: watch::Sender<MembershipState>,
    acquirer: Addr<TriggerAcquirer>,
    pool: Addr<ExecutorPool>,
    reconciler: Addr<Reconciler>,
}

/// Most time between two heartbeats of a test: what is more is a jump of the clock.
const LONGEST: Duration = Duration::from_mins(1);

/// Bounds and intervals of a node.
pub struct Times {
    /// Of every call to the database.
    pub call_timeout: Duration,
    /// Between checks for leases that were never answered.
    pub audit_interval: Duration,
    /// Between checks for broken states.
    pub repairs: Duration,
}

impl TestNode {
    /// Joins the cluster on `database`.
    pub async fn join(database: Database, times: Times, clock: Clock, handlers: Handlers) -> Self {
        let Times {
            call_timeout,
            audit_interval,
            repairs,
        } = times;
        let (id, store, watchdog) = (
            Uuid::new_v4(),
            Store::new(&database, 8, call_timeout, clock.clone()),
            Watchdog::default(),
        );
        let (session, _ended) = MembershipSession::open(&database, HOUR, clock)
            .await
            .unwrap();
        session.join(id, &profile()).await.unwrap();
        let membership_state = watch::Sender::new(seasoned_member(id));
        let wake_up = WakeUp::default();
        let slots = Slots::new(SLOTS, wake_up.clone(), store.shares());
        let leases = LeaseStore::new(store.clone());
        let pool = PoolConfig {
            store: store.clone(),
            handlers,
            secrets: SecretReader::new(store.clone(), Keys::default()),
            slots: slots.clone(),
            membership_state: membership_state.subscribe(),
            wake_up: WakeUp::default(),
            watchdog: watchdog.clone(),
        };
        let pool = ExecutorPool::new(pool, Passes::OnMessage).start();
        let acquirer = AcquirerConfig {
            leases: leases.clone(),
            pool: pool.clone(),
            slots: slots.clone(),
            membership_state: membership_state.subscribe(),
            wake_up,
            watchdog: watchdog.clone(),
            poll_interval: HOUR,
            audit_interval,
        };
        let acquirer = TriggerAcquirer::new(acquirer, Passes::OnMessage);
        let reconciler = ReconcilerConfig {
            database,
            store: store.clone(),
            membership_state: membership_state.subscribe(),
            wake_up: WakeUp::default(),
            watchdog,
            node_ttl: NODE_TTL,
            death_check_interval: HOUR,
            repair_interval: repairs,
            activity_interval: Duration::ZERO,
            log_retention: LOG_RETENTION,
            audit_retention: LOG_RETENTION,
        };
        let reconciler = Reconciler::new(reconciler, Passes::OnMessage);
        let (acquirer, reconciler) = (acquirer.start(), reconciler.start());
        Self {
            id,
            store,
            leases,
            slots,
            session,
            membership_state,
            acquirer,
            pool,
            reconciler,
        }
    }

    /// Polls once for due triggers and starts the leased executions.
    pub async fn poll(&self) -> PollReport {
        self.acquirer.send(Poll).await.unwrap()
    }

    /// The same, on its way while the test does something else.
    pub fn poll_meanwhile(&self) -> impl Future<Output = PollReport> + use<> {
        let poll = actix::spawn(self.acquirer.send(Poll));
        async { poll.await.unwrap().unwrap() }
    }

    /// Leases due triggers without a handler: the executions never start.
    pub async fn lease(&self) -> Vec<Attempt> {
        self.leases
            .lease(self.id, Batch::of(SLOTS), LOOK_AHEAD)
            .await
            .unwrap()
            .unwrap()
            .attempts
    }

    /// Settles once what has ended by now.
    pub async fn settle(&self) -> SettleReport {
        self.pool.send(Settle).await.unwrap()
    }

    /// Looks once for what is to be cancelled; how many were told to stop.
    pub async fn cancel(&self) -> usize {
        self.pool.send(Cancel).await.unwrap().cancelled
    }

    /// Settles until nothing is held any more; the sum of the reports.
    pub async fn settle_all(&self) -> SettleReport {
        let mut sum = SettleReport::default();
        eventually("everything has ended", async || {
            let report = self.settle().await;
            sum.settled += report.settled;
            sum.fenced += report.fenced;
            self.slots.held().is_empty().then_some(sum)
        })
        .await
    }

    /// Settles until this many are settled; how many.
    pub async fn settle_until(&self, count: usize) -> usize {
        let mut settled = 0;
        eventually("they have ended", async || {
            settled += self.settle().await.settled;
            (settled >= count).then_some(settled)
        })
        .await
    }

    pub async fn reconcile(&self) -> ReconcileReport {
        self.reconciler.send(Reconcile).await.unwrap()
    }

    /// The same, on its way while the test does something else.
    pub fn reconcile_meanwhile(&self) -> impl Future<Output = ReconcileReport> + use<> {
        let pass = actix::spawn(self.reconciler.send(Reconcile));
        async { pass.await.unwrap().unwrap() }
    }

    /// The publisher of its membership state, as for a heartbeat on a thread of its own.
    pub fn publisher(&self) -> watch::Sender<MembershipState> {
        self.membership_state.clone()
    }

    /// False when the node was declared dead.
    pub async fn heartbeat(&self) -> bool {
        self.session
            .heartbeat(self.id, self.slots.held().len(), None, LONGEST)
            .await
            .unwrap()
            .is_some()
    }

    /// The executions in its slots, and which of them have started.
    pub fn holdings(&self) -> Holdings {
        self.slots.holdings()
    }

    /// The same as if all of them had started.
    pub fn as_begun(&self) -> Holdings {
        let holdings = self.slots.holdings();
        Holdings {
            begun: holdings.held.clone(),
            ..holdings
        }
    }

    /// Gives its id up and joins again under another, as after an outage of the database. Its
    /// former session ends.
    pub async fn join_again(&mut self, database: &Database) {
        self.membership_state.send_replace(MembershipState::Fenced);
        let (session, _ended) = MembershipSession::open(database, HOUR, self.store.clock().clone())
            .await
            .unwrap();
        self.id = Uuid::new_v4();
        session.join(self.id, &profile()).await.unwrap();
        self.session = session;
        self.membership_state.send_replace(seasoned_member(self.id));
    }

    /// Number of executions in its slots now.
    pub fn held(&self) -> usize {
        self.slots.held().len()
    }

    /// Replaces what the node believes of itself.
    pub fn believe(&self, membership_state: MembershipState) {
        self.membership_state.send_replace(membership_state);
    }

    /// Dies like [`TestNode::kill`]; does not wait until the database has seen it.
    pub fn kill_and_forget(self) {
        self.membership_state.send_replace(MembershipState::Fenced);
    }

    /// Dies as by SIGKILL: its sessions end, its executions stop, nothing is settled. Returns when
    /// the database has noticed.
    pub async fn kill(self, client: &Client) {
        let Self {
            id,
            membership_state,
            session,
            ..
        } = self;
        membership_state.send_replace(MembershipState::Fenced);
        drop(session);
        eventually("the session has gone", async || {
            client
                .query_opt(HELD, &[&id])
                .await
                .unwrap()
                .is_none()
                .then_some(())
        })
        .await;
    }
}

fn profile() -> NodeProfile {
    NodeProfile {
        name: "node".into(),
        address: "127.0.0.1:0".into(),
        slots: SLOTS,
    }
}

/// The membership state of a node that has been a member for an hour and will be for another.
fn seasoned_member(node_id: Uuid) -> MembershipState {
    let now = Instant::now();
    MembershipState::Member(Membership {
        node_id,
        trusted_until: now + HOUR,
        session_opened_at: now.checked_sub(HOUR).unwrap(),
        session_alive: true,
        draining: false,
    })
}

/// The holdings of a node that has started these attempts.
pub fn begun(attempts: &[Attempt]) -> Holdings {
    Holdings {
        begun: attempts
            .iter()
            .map(|attempt| attempt.execution_id)
            .collect(),
        ..Holdings::default()
    }
}

/// The settlement of an attempt that failed; a retry comes as late as it may.
pub fn failed(attempt: &Attempt) -> Settlement {
    attempt.settlement(
        attempt.due_time,
        Outcome::failed(Reason::Error, "broken"),
        1.0,
    )
}

/// The settlement of a successful attempt.
pub fn succeeded(attempt: &Attempt) -> Settlement {
    attempt.settlement(attempt.due_time, Outcome::Succeeded { output: None }, 0.0)
}
