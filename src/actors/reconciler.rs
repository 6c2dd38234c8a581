//! The reconciler: puts right what a death, a fault or a hand left wrong.
//!
//! Every node runs one; there is no leader, and every write is a compare-and-set
//! under a row lock, so any number of them may find the same thing at once. It
//! declares nodes dead and takes over their executions, repairs jobs and
//! triggers that do not fit each other, and makes and drops the log's partitions. It never
//! moves what is healthy.

use super::periodic::{WakeUp, run_periodically};
use super::usage::usage;
use super::watchdog::{Watchdog, WatchdogGuard};
use crate::model::node::MembershipState;
use crate::model::rfc3339;
use crate::store::db::database::Database;
use crate::store::maintenance::repairs::Repairs;
use crate::store::maintenance::retention::RetentionReport;
use crate::store::protocol::failing::Reviewed;
use crate::store::protocol::membership;
use crate::store::protocol::sweep::Swept;
use crate::store::protocol::takeover::Suspect;
use crate::store::queries::overview::Backlog;
use crate::store::{Store, StoreError};
use actix::prelude::*;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

/// Repairs take at most one part in so many of the time.
const REPAIRS_SHARE: u32 = 200;

/// How full the node was is written once for so many times what it did: each minute.
const LOAD_EVERY: u32 = 6;

/// Longer than a pass takes that declares a node dead.
const MOMENT: Duration = Duration::from_millis(100);

/// Looks once for everything that needs putting right.
#[derive(Message)]
#[rtype(result = "ReconcileReport")]
pub struct Reconcile;

/// What a pass put right.
#[derive(Debug, Clone, Default, PartialEq, Eq, MessageResponse)]
pub struct ReconcileReport {
    /// Whether there is no other node.
    pub alone: bool,
    /// Nodes declared dead.
    pub dead: Vec<Uuid>,
    /// Their executions that run again.
    pub rerun: usize,
    /// Their executions that ended: `LOST`, `CRASH_LOOP`, cancelled.
    pub ended: usize,
    /// Broken states repaired; none when it was not yet time to look.
    pub repairs: Option<Repairs>,
    /// What the slow sweep found.
    pub swept: Swept,
    /// Partitions made.
    pub partitions: usize,
    /// What the log forgot.
    pub purged: RetentionReport,
}

impl ReconcileReport {
    fn has_more_to_repair(&self) -> bool {
        self.repairs.is_some_and(|repairs| repairs.may_be_more())
    }
}

/// How often it looks for what, and what it lets go.
#[derive(Debug, Clone, Copy)]
pub struct ReconcilerConfig {
    /// Between checks for dead nodes.
    pub deaths: Duration,
    /// Between checks for broken states and missing partitions, at least: they take no more than a
    /// two-hundredth of the time while nothing is broken, and go on with the jobs behind those of
    /// the last one.
    pub repairs: Duration,
    /// Between two rows about what this node did.
    pub activity: Duration,
    /// Age at which executions are purged from the log.
    pub log_retention: Duration,
}

/// See the module.
pub struct Reconciler {
    reconciliation: Rc<Mutex<Reconciliation>>,
    database: Database,
    wake_up: WakeUp,
    guard: WatchdogGuard,
    periodic: bool,
}

/// The plain struct under the shell.
struct Reconciliation {
    store: Store,
    membership_state: watch::Receiver<MembershipState>,
    node_ttl: Duration,
    config: ReconcilerConfig,
    next_repairs: Instant,
    next_backlog: Instant,
    next_load: Instant,
    /// Whose session to watch: the key of its lock.
    successor: watch::Sender<Option<i64>>,
    /// The last job whose executions were counted.
    counted: Uuid,
    /// The last job that was looked at for repairs.
    repaired: Uuid,
    /// The last execution that was looked at by the slow sweep.
    swept: Uuid,
    /// The last failing job that was reviewed.
    reviewed: Uuid,
    /// Whether the last repairs are to be gone on with, before anything else that has its turn.
    is_repairing: bool,
}

impl Reconciler {
    /// A reconciler. `periodic` looks by itself, and at once when the session of a successor ends
    /// or at `wake_up` (nodes come and go); otherwise whoever sends [`Reconcile`] does.
    pub fn new(
        (database, store): (Database, Store),
        membership_state: watch::Receiver<MembershipState>,
        node_ttl: Duration,
        config: ReconcilerConfig,
        (wake_up, watchdog): (WakeUp, &Watchdog),
        periodic: bool,
    ) -> Self {
        let now = Instant::now();
        let reconciliation = Reconciliation {
            store,
            membership_state,
            node_ttl,
            config,
            next_repairs: now,
            next_backlog: now,
            next_load: now,
            successor: watch::Sender::default(),
            counted: Uuid::nil(),
            repaired: Uuid::nil(),
            swept: Uuid::nil(),
            reviewed: Uuid::nil(),
            is_repairing: false,
        };
        Self {
            reconciliation: Rc::new(Mutex::new(reconciliation)),
            database,
            wake_up,
            guard: watchdog.guard("Reconciler"),
            periodic,
        }
    }
}

impl Reconciliation {
    async fn reconcile(&mut self) -> ReconcileReport {
        let mut report = ReconcileReport::default();
        if let Err(error) = self.declare_dead(&mut report).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no check for dead nodes: trying again"
            );
        }
        if Instant::now() >= self.next_repairs {
            self.repair_in_turn(&mut report).await;
        }
        let membership_state = *self.membership_state.borrow();
        if let MembershipState::Member(member) = membership_state
            && let Err(error) = self
                .store
                .write_activity(member.node_id, self.config.activity)
                .await
        {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "no activity written: trying again"
            );
        }
        if let MembershipState::Member(member) = membership_state
            && Instant::now() >= self.next_load
        {
            let next = Instant::now() + self.config.activity * LOAD_EVERY;
            match self.store.write_load(member.node_id, usage).await {
                Ok(true) => self.next_load = next,
                // No heartbeat has followed another yet.
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no load written")
                }
            }
        }
        if Instant::now() >= self.next_backlog {
            self.next_backlog = Instant::now() + self.config.activity;
            match self.store.backlog().await {
                Ok(backlog) => publish(backlog),
                Err(error) => tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the backlog is unknown"
                ),
            }
        }
        report
    }

    /// Declares dead who is gone, if this node has watched for long enough.
    async fn declare_dead(&self, report: &mut ReconcileReport) -> Result<(), StoreError> {
        let membership_state = *self.membership_state.borrow();
        let MembershipState::Member(member) = membership_state else {
            return Ok(());
        };
        let view = self
            .store
            .cluster_view(member.node_id, self.node_ttl)
            .await?;
        report.alone = view.successor.is_none() && view.suspects.is_empty();
        self.successor
            .send_if_modified(|known| std::mem::replace(known, view.successor) != view.successor);
        let now = Instant::now();
        let has_watched = membership_state.may_declare_dead(self.node_ttl, now);
        let may = |suspect: &Suspect| {
            has_watched
                || suspect.joined_while_observed && membership_state.session_node_id(now).is_some()
        };
        for suspect in view.suspects.into_iter().filter(may) {
            match self
                .store
                .take_over(&suspect, member.node_id, self.node_ttl)
                .await
            {
                Ok(Some(taken)) => {
                    record(&suspect, taken.rerun.len(), taken.ended.len());
                    report.dead.push(suspect.node_id);
                    report.rerun += taken.rerun.len();
                    report.ended += taken.ended.len();
                }
                Ok(None) => {}
                // The others are taken over all the same.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, node.id = %suspect.node_id, "no take-over: trying again");
                }
            }
        }
        Ok(())
    }

    /// No reason to leave the rest broken when it does not work: a log that is too
    /// long harms nobody for a while.
    async fn purge(&mut self, report: &mut ReconcileReport) {
        match self
            .store
            .purge(self.config.log_retention, &mut self.counted)
            .await
        {
            Ok(purged) => {
                if purged.partitions > 0 {
                    tracing::info!(
                        days = purged.partitions,
                        "days of the log dropped: older than --log-retention"
                    );
                }
                count(purged);
                report.purged = purged;
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "nothing was purged from the log: trying again"
                );
            }
        }
    }

    /// Repairs, and says when to repair again: at the next pass when there may be more of the same,
    /// after a restore say. What did not work has its turn as well: tried at every pass, a poll
    /// that takes too long would cost most just where there is most to read.
    async fn repair_in_turn(&mut self, report: &mut ReconcileReport) {
        let begun = Instant::now();
        if let Err(error) = self.repair(report).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no repairs: trying again later"
            );
        }
        self.is_repairing = report.has_more_to_repair();
        if self.is_repairing {
            return;
        }
        let every = self.config.repairs;
        let intervals =
            begun.elapsed().as_millis() * u128::from(REPAIRS_SHARE) / every.as_millis().max(1);
        self.next_repairs =
            Instant::now() + every * u32::try_from(intervals.max(1)).unwrap_or(u32::MAX);
    }

    async fn repair(&mut self, report: &mut ReconcileReport) -> Result<(), StoreError> {
        if !self.is_repairing {
            self.tidy(report).await?;
            self.warn_of_resting().await?;
        }
        let repairs = self.store.repair(&mut self.repaired).await?;
        if repairs.were_needed() {
            tracing::warn!(?repairs, "broken states repaired");
        }
        report.repairs = Some(repairs);
        let reviewed = self.store.review_failing(&mut self.reviewed).await?;
        if reviewed != Reviewed::default() {
            tracing::debug!(
                ?reviewed,
                "failing jobs recorded anew: an older node settled, or two nodes at once"
            );
        }
        report.swept = self.store.sweep(&mut self.swept).await?;
        if report.swept != Swept::default() {
            tracing::warn!(swept = ?report.swept, "executions that no living node holds");
        }
        Ok(())
    }

    /// A clock that was ahead while no node could see it come back.
    async fn warn_of_resting(&self) -> Result<(), StoreError> {
        if let Some(resting) = self.store.resting().await? {
            tracing::warn!(jobs = resting.jobs, until = %rfc3339(resting.until), "{resting}");
        }
        Ok(())
    }

    /// Partitions that are needed, and what may be purged.
    async fn tidy(&mut self, report: &mut ReconcileReport) -> Result<(), StoreError> {
        match self.store.create_partitions().await {
            Ok(partitions) => report.partitions = partitions,
            // No reason to leave the rest broken: executions land in the DEFAULT partition
            // meanwhile.
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "no partitions made: trying again"
                );
            }
        }
        // By a clock that is a year ahead, everything would be old.
        if self.store.is_clock_trusted().await? {
            self.store.prune_activity().await?;
            self.store.prune_load().await?;
            self.purge(report).await;
        }
        Ok(())
    }
}

fn count(
    RetentionReport {
        partitions,
        rows,
        days_left,
    }: RetentionReport,
) {
    metrics::counter!("horolog_log_partitions_dropped_total").increment(partitions as u64);
    metrics::counter!("horolog_log_rows_deleted_total").increment(rows.unsigned_abs());
    if days_left > 0 {
        metrics::gauge!("horolog_log_partitions").set(days_left);
    }
}

/// Each node says the same of the whole cluster: any one that lives will do for an alert.
fn publish(
    Backlog {
        due,
        oldest_due_seconds,
        stuck,
        failing,
        dead_triggers,
    }: Backlog,
) {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let [due, stuck, failing, dead_triggers] =
        [due, stuck, failing, dead_triggers].map(|count| count as f64);
    metrics::gauge!("horolog_triggers_due").set(due);
    metrics::gauge!("horolog_oldest_due_seconds").set(oldest_due_seconds);
    metrics::gauge!("horolog_executions_stuck").set(stuck);
    metrics::gauge!("horolog_jobs_failing").set(failing);
    metrics::gauge!("horolog_dead_triggers").set(dead_triggers);
}

fn record(suspect: &Suspect, rerun: usize, ended: usize) {
    tracing::warn!(node.id = %suspect.node_id, node.name = %suspect.name, by = %suspect.ended_by, rerun, ended, "node declared dead, its executions taken over");
    metrics::counter!("horolog_takeovers_total", "by" => suspect.ended_by.as_str()).increment(1);
    metrics::counter!("horolog_recovered_executions_total").increment(rerun as u64);
}

/// Wakes the reconciler whenever the session of this node's successor ends.
async fn keep_watch(
    database: Database,
    mut successor: watch::Receiver<Option<i64>>,
    wake_up: WakeUp,
    poll_interval: Duration,
) {
    loop {
        let lock_key = *successor.borrow_and_update();
        let watched = async {
            match lock_key {
                Some(lock_key) => membership::watch(&database, lock_key).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            watched = watched => {
                wake_up.notify_one();
                // Time for the pass that it wakes to find another successor, or for the database to
                // come back.
                tokio::time::sleep(if watched.is_ok() { MOMENT } else { poll_interval }).await;
            }
            changed = successor.changed() => if changed.is_err() { return },
        }
    }
}

impl Actor for Reconciler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if !self.periodic {
            return;
        }
        let reconciliation = self.reconciliation.clone();
        let (database, wake_up, address) =
            (self.database.clone(), self.wake_up.clone(), ctx.address());
        actix::spawn(async move {
            let (successor, interval, alone) = {
                let reconciliation = reconciliation.lock().await;
                (
                    reconciliation.successor.subscribe(),
                    reconciliation.config.deaths,
                    reconciliation.node_ttl,
                )
            };
            actix::spawn(keep_watch(database, successor, wake_up.clone(), interval));
            // Who comes to a node that is alone says so.
            let wait = move |report: &ReconcileReport| {
                Some(if report.alone && !report.has_more_to_repair() {
                    alone
                } else {
                    interval
                })
            };
            run_periodically(address, || Reconcile, wake_up, wait).await;
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
