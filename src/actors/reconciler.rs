//! The reconciler: repairs broken states left by a death, a fault or manual SQL.
//!
//! It declares nodes dead and takes over the executions, repairs inconsistent jobs and triggers,
//! creates and drops the partitions of the log, and seals the audit log. A healthy row is never
//! touched. Every node runs a reconciler; there is no leader. Every write is a compare-and-set
//! under a row lock, so several reconcilers may find the same broken state at once.

mod reconciliation;
mod sealing;

use super::periodic::{Passes, WakeUp, run_periodically};
use super::watchdog::{Watchdog, WatchdogGuard};
use crate::model::node::MembershipState;
use crate::store::db::database::Database;
use crate::store::maintenance::repairs::Repairs;
use crate::store::maintenance::retention::RetentionReport;
use crate::store::protocol::membership;
use crate::store::protocol::sweep::Swept;
use crate::store::{Store, StoreError};
use actix::prelude::*;
use reconciliation::Reconciliation;
use sealing::Sealing;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

/// Longer than a pass with a takeover.
const TAKEOVER_PAUSE: Duration = Duration::from_millis(100);

/// Time between two seals of the audit log.
const SEAL_INTERVAL: Duration = Duration::from_secs(1);

/// Seals the committed rows of the audit log. Returns whether there were any.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct SealAuditLog;

/// Runs a pass over all possible repairs.
#[derive(Message)]
#[rtype(result = "ReconcileReport")]
pub struct Reconcile;

/// The result of a pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, MessageResponse)]
pub struct ReconcileReport {
    /// Whether there is no other node.
    pub alone: bool,
    /// The nodes declared dead.
    pub dead: Vec<Uuid>,
    /// Executions of the dead nodes to run again.
    pub rerun: usize,
    /// Ended executions of the dead nodes: `LOST`, `CRASH_LOOP`, cancelled.
    pub ended: usize,
    /// Repaired states. None: the pass had no turn for repairs.
    pub repairs: Option<Repairs>,
    /// The result of the slow sweep.
    pub swept: Swept,
    /// The number of created partitions.
    pub partitions: usize,
    /// The result of the retention.
    pub purged: RetentionReport,
}

impl ReconcileReport {
    fn has_more_to_repair(&self) -> bool {
        self.repairs.is_some_and(|repairs| repairs.may_be_more())
    }
}

/// The parts of a reconciler.
pub struct ReconcilerConfig {
    /// For the session that watches the successor's.
    pub database: Database,
    /// The tables to repair.
    pub store: Store,
    /// Whether the node may declare others dead.
    pub membership_state: watch::Receiver<MembershipState>,
    /// Hints that a node has come or gone.
    pub wake_up: WakeUp,
    /// Watches over the passes.
    pub watchdog: Watchdog,
    /// Age at which a heartbeat means death.
    pub node_ttl: Duration,
    /// Time between checks for dead nodes.
    pub death_check_interval: Duration,
    /// Least time between repairs. Repairs take at most a two-hundredth of the time while nothing
    /// is broken, and start behind the last repaired job.
    pub repair_interval: Duration,
    /// Time between two rows about the node's activity.
    pub activity_interval: Duration,
    /// Age at which executions are purged from the log.
    pub log_retention: Duration,
    /// Age at which rows of the audit log are removed.
    pub audit_retention: Duration,
}

/// The reconciler of a node.
pub struct Reconciler {
    reconciliation: Rc<Mutex<Reconciliation>>,
    sealing: Rc<Mutex<Sealing>>,
    watch: SuccessorWatch,
    /// Time between passes while the node is alone: a joining node sends a hint.
    interval_alone: Duration,
    guard: WatchdogGuard,
    passes: Passes,
}

/// Wakes the reconciler when the session of the node's successor ends.
#[derive(Clone)]
struct SuccessorWatch {
    database: Database,
    wake_up: WakeUp,
    interval: Duration,
}

impl Reconciler {
    /// A reconciler. Its passes are also started by the end of the successor's session.
    pub fn new(config: ReconcilerConfig, passes: Passes) -> Self {
        Self {
            watch: SuccessorWatch {
                database: config.database.clone(),
                wake_up: config.wake_up.clone(),
                interval: config.death_check_interval,
            },
            interval_alone: config.node_ttl,
            guard: config.watchdog.guard("Reconciler"),
            sealing: Rc::new(Mutex::new(Sealing::new(config.store.clone()))),
            reconciliation: Rc::new(Mutex::new(Reconciliation::new(config))),
            passes,
        }
    }
}

impl SuccessorWatch {
    async fn run(self, mut successor: watch::Receiver<Option<i64>>) {
        loop {
            let lock_key = *successor.borrow_and_update();
            tokio::select! {
                ended = self.session_end(lock_key) => {
                    self.wake_up.notify_one();
                    // The woken pass finds another successor; after an error the database may come
                    // back.
                    let pause = if ended.is_ok() { TAKEOVER_PAUSE } else { self.interval };
                    tokio::time::sleep(pause).await;
                }
                changed = successor.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Resolves at the end of the session with the lock. Never without a lock.
    async fn session_end(&self, lock_key: Option<i64>) -> Result<(), StoreError> {
        match lock_key {
            Some(lock_key) => membership::watch(&self.database, lock_key).await,
            None => std::future::pending().await,
        }
    }
}

impl Actor for Reconciler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.passes == Passes::OnMessage {
            return;
        }
        let seal = run_periodically(
            ctx.address(),
            || SealAuditLog,
            WakeUp::default(),
            |_| Some(SEAL_INTERVAL),
        );
        actix::spawn(seal);
        let reconciliation = self.reconciliation.clone();
        let watch = self.watch.clone();
        let address = ctx.address();
        let interval_alone = self.interval_alone;
        actix::spawn(async move {
            // Inside of the task: `started` is not async, and the lock is.
            let successor = reconciliation.lock().await.successor.subscribe();
            let interval = watch.interval;
            let wake_up = watch.wake_up.clone();
            actix::spawn(watch.run(successor));
            run_periodically(
                address,
                || Reconcile,
                wake_up,
                move |report: &ReconcileReport| {
                    let is_idle = report.alone && !report.has_more_to_repair();
                    Some(if is_idle { interval_alone } else { interval })
                },
            )
            .await;
        });
    }
}

impl Handler<Reconcile> for Reconciler {
    type Result = AtomicResponse<Self, ReconcileReport>;

    fn handle(&mut self, _: Reconcile, _: &mut Self::Context) -> Self::Result {
        let reconciliation = self.reconciliation.clone();
        let reconciled =
            async move { reconciliation.lock().await.reconcile().await }.into_actor(self);
        AtomicResponse::new(Box::pin(reconciled.map(|report, actor, _| {
            actor.guard.touch();
            report
        })))
    }
}

impl Handler<SealAuditLog> for Reconciler {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, _: SealAuditLog, _: &mut Self::Context) -> Self::Result {
        let sealing = self.sealing.clone();
        Box::pin(async move { sealing.lock().await.seal().await })
    }
}
