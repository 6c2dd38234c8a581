//! A pass of the reconciler: dead nodes, broken states, partitions, retention, and the figures of
//! the node.

use super::{ReconcileReport, ReconcilerConfig};
use crate::actors::usage::usage;
use crate::model::node::MembershipState;
use crate::model::rfc3339;
use crate::store::StoreError;
use crate::store::maintenance::retention::RetentionReport;
use crate::store::maintenance::run_keys::RunKey;
use crate::store::protocol::cluster_view::Suspect;
use crate::store::protocol::failing::Reviewed;
use crate::store::protocol::sweep::Swept;
use crate::store::queries::overview::Backlog;
use std::time::Instant;
use tokio::sync::watch;
use uuid::Uuid;

/// Repairs take at most a two-hundredth of the time.
const REPAIRS_SHARE: u32 = 200;

/// The load of the node is written once for this many rows of the activity: each minute.
const LOAD_EVERY: u32 = 6;

/// The plain struct under the shell.
pub(super) struct Reconciliation {
    config: ReconcilerConfig,
    next_repairs: Instant,
    next_backlog: Instant,
    next_load: Instant,
    /// The key of the lock of the session to watch.
    pub(super) successor: watch::Sender<Option<i64>>,
    /// The last job counted for retention.
    counted: Uuid,
    /// The last job of the repairs.
    repaired: Uuid,
    /// The last execution of the slow sweep.
    swept: Uuid,
    /// The last unique key of the slow sweep.
    swept_key: RunKey,
    /// The last failing job that was reviewed.
    reviewed: Uuid,
    /// Whether the last repairs had more to repair: the next pass continues them.
    is_repairing: bool,
}

impl Reconciliation {
    pub(super) fn new(config: ReconcilerConfig) -> Self {
        let now = Instant::now();
        Self {
            config,
            next_repairs: now,
            next_backlog: now,
            next_load: now,
            successor: watch::Sender::default(),
            counted: Uuid::nil(),
            repaired: Uuid::nil(),
            swept: Uuid::nil(),
            swept_key: RunKey::default(),
            reviewed: Uuid::nil(),
            is_repairing: false,
        }
    }
}

impl Reconciliation {
    pub(super) async fn reconcile(&mut self) -> ReconcileReport {
        let mut report = ReconcileReport::default();
        if let Err(error) = self.declare_dead(&mut report).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no check for dead nodes: trying again"
            );
        }
        // After the takeovers, which must not wait for slow repairs.
        if Instant::now() >= self.next_repairs {
            self.repair_in_turn(&mut report).await;
        }
        // Copied: the borrow is a lock, and must not last across an await.
        let membership_state = *self.config.membership_state.borrow();
        if let MembershipState::Member(member) = membership_state {
            self.write_figures(member.node_id).await;
        }
        self.publish_backlog().await;
        report
    }

    /// Writes the activity and the load of the node.
    async fn write_figures(&mut self, node_id: Uuid) {
        let every = self.config.activity_interval;
        let store = &self.config.store;
        if let Err(error) = store.write_activity(node_id, every).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "no activity written: trying again"
            );
        }
        if Instant::now() < self.next_load {
            return;
        }
        let next = Instant::now() + every * LOAD_EVERY;
        match store.write_load(node_id, usage).await {
            Ok(true) => self.next_load = next,
            // The node's load is known from the second heartbeat on.
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "no load written");
            }
        }
    }

    async fn publish_backlog(&mut self) {
        if Instant::now() < self.next_backlog {
            return;
        }
        // Before the query: a failing query must not be sent at every pass.
        self.next_backlog = Instant::now() + self.config.activity_interval;
        match self.config.store.backlog().await {
            Ok(backlog) => publish(backlog),
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the backlog is unknown"
            ),
        }
    }

    /// Declares suspects dead and takes over the executions, if the node has watched for long
    /// enough.
    async fn declare_dead(&self, report: &mut ReconcileReport) -> Result<(), StoreError> {
        let membership_state = *self.config.membership_state.borrow();
        let MembershipState::Member(member) = membership_state else {
            return Ok(());
        };
        let view = self
            .config
            .store
            .cluster_view(member.node_id, self.config.node_ttl)
            .await?;
        report.alone = view.successor.is_none() && view.suspects.is_empty() && view.workers == 0;
        self.successor
            .send_if_modified(|known| std::mem::replace(known, view.successor) != view.successor);
        let now = Instant::now();
        let has_watched = membership_state.may_declare_dead(self.config.node_ttl, now);
        let has_session = membership_state.session_node_id(now).is_some();
        for suspect in view.suspects {
            // A suspect joined during the session would have outlived a restart of the server.
            let may_declare_dead = has_watched || suspect.joined_while_observed && has_session;
            if !may_declare_dead {
                continue;
            }
            match self
                .config
                .store
                .take_over(&suspect, member.node_id, self.config.node_ttl)
                .await
            {
                Ok(Some(taken)) => {
                    record(&suspect, taken.rerun.len(), taken.ended.len());
                    report.dead.push(suspect.node_id);
                    report.rerun += taken.rerun.len();
                    report.ended += taken.ended.len();
                }
                // The suspect lives, or another node was faster.
                Ok(None) => {}
                // The other suspects are taken over as well.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, node.id = %suspect.node_id, "no take-over: trying again");
                }
            }
        }
        Ok(())
    }

    /// An error does not stop the pass: too long a log does no harm for a while.
    async fn purge(&mut self, report: &mut ReconcileReport) {
        match self
            .config
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

    /// An error does not stop the pass, for the same reason.
    async fn purge_audit_log(&self) {
        let retention = self.config.audit_retention;
        match self.config.store.purge_audit_log(retention).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(
                rows,
                "rows of the audit log removed: older than --audit-retention"
            ),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "nothing was removed from the audit log: trying again"
                );
            }
        }
    }

    /// Repairs, and schedules the next repairs: at the next pass when there may be more to repair,
    /// for example after a restore. Failed repairs wait for the turn as well: a query with a
    /// timeout at every pass would cost most where there is most to read.
    async fn repair_in_turn(&mut self, report: &mut ReconcileReport) {
        let started_at = Instant::now();
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
        let every = self.config.repair_interval;
        let intervals =
            started_at.elapsed().as_millis() * u128::from(REPAIRS_SHARE) / every.as_millis().max(1);
        self.next_repairs =
            Instant::now() + every * u32::try_from(intervals.max(1)).unwrap_or(u32::MAX);
    }

    async fn repair(&mut self, report: &mut ReconcileReport) -> Result<(), StoreError> {
        // Nearly all repairs depend on the present instant. By a clock a year ahead, all rows would
        // be old, and a repaired job would rest for a year.
        if !self.config.store.is_clock_trusted().await? {
            tracing::debug!("no repairs: the clock of the database has jumped");
            return Ok(());
        }
        if !self.is_repairing {
            self.tidy(report).await?;
            self.warn_of_resting().await?;
        }
        let repairs = self.config.store.repair(&mut self.repaired).await?;
        if repairs.were_needed() {
            tracing::warn!(?repairs, "broken states repaired");
        }
        report.repairs = Some(repairs);
        let reviewed = self.config.store.review_failing(&mut self.reviewed).await?;
        if reviewed != Reviewed::default() {
            tracing::debug!(
                ?reviewed,
                "failing jobs recorded anew: an older node settled, or two nodes at once"
            );
        }
        report.swept = self.config.store.sweep(&mut self.swept).await?;
        report.swept.freed_keys = self.config.store.sweep_keys(&mut self.swept_key).await?;
        if report.swept != Swept::default() {
            tracing::warn!(
                swept = ?report.swept,
                "executions that no living node holds, or unique keys of no execution"
            );
        }
        Ok(())
    }

    /// Warns of jobs at rest: the clock was ahead, and no node saw the correction.
    async fn warn_of_resting(&self) -> Result<(), StoreError> {
        if let Some(resting) = self.config.store.resting().await? {
            tracing::warn!(jobs = resting.jobs, until = %rfc3339(resting.until), "{resting}");
        }
        Ok(())
    }

    /// Creates the needed partitions, and purges old rows.
    async fn tidy(&mut self, report: &mut ReconcileReport) -> Result<(), StoreError> {
        match self.config.store.create_partitions().await {
            Ok(partitions) => report.partitions = partitions,
            // Executions land in the DEFAULT partition until the next try.
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "no partitions made: trying again"
                );
            }
        }
        self.config.store.prune_activity().await?;
        self.config.store.prune_load().await?;
        self.purge(report).await;
        self.purge_audit_log().await;
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

/// Each node publishes the same figures of the whole cluster, so an alert needs a single living
/// node.
fn publish(
    Backlog {
        due,
        due_for_workers,
        unoffered,
        oldest_due_seconds,
        stuck,
        failing,
        dead_triggers,
    }: Backlog,
) {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let [
        due,
        due_for_workers,
        unoffered,
        stuck,
        failing,
        dead_triggers,
    ] = [
        due,
        due_for_workers,
        unoffered,
        stuck,
        failing,
        dead_triggers,
    ]
    .map(|count| count as f64);
    metrics::gauge!("horolog_triggers_due_for_workers").set(due_for_workers);
    metrics::gauge!("horolog_triggers_unoffered").set(unoffered);
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
