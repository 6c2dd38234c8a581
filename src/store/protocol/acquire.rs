//! Leasing: due triggers become executions of a node, in a single transaction.
//!
//! The order of the steps is the protocol:
//!
//! 1. The node's own row is locked, shared (`locking`). A takeover locks the row exclusively. So a
//!    lease commits entirely before the node is declared dead, or not at all.
//! 2. The due triggers are locked; rows locked by others are skipped.
//! 3. The jobs are read (`context`), by a *later* statement than the lock of the triggers, so an
//!    edit committed in between is seen. A cached job is used only under the cache tag of the
//!    locked trigger (`job_cache`).
//! 4. Overlaps are decided under the advisory lock of the job (`overlap`). The lock is tried, never
//!    waited for: other leases could then wait for the waiting lease.
//! 5. The plan is made (`plan`), without any I/O.
//! 6. The plan is written (`apply`), and COMMIT puts the plan into force.

use super::apply::ConflictMode;
use super::lease_store::{Batch, LeaseStore, Leased, Peeked};
use super::lessee::Lessee;
use super::locking::{DueScan, LockedTriggers};
use super::scan_cursor::{Failure, Scan};
use super::shares::LeftOut;
use super::taken::Taken;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, StoreError};
use std::time::Duration;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The database's clock, and the first due time from $2 on (default: five seconds ago). An idle
/// node needs no more.
pub(crate) const PEEK: Statement = Statement::new(
    "-- leases.peek
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
select now, (select min(due_at) from job_trigger
             where route is null and due_at >= (select coalesce($2::timestamptz, now - interval '5 seconds')
                 from clock)) as next_due
from clock",
);

impl LeaseStore {
    /// Reads the first due time, and takes nothing: one statement.
    pub async fn peek(&self) -> Result<Peeked, StoreError> {
        let scan = self.begin_scan();
        let peeked = self
            .store
            .bounded(PEEK.name(), async {
                let session = self.store.session().await?;
                let values: [&(dyn ToSql + Sync); 2] =
                    [&self.store.clock().stub(), &scan.start.due_time()];
                let row = PEEK.query_one(&session, &values).await?;
                session.release();
                let row = Values::of(PEEK.name(), &row);
                Ok(Peeked {
                    now: row.get("now")?,
                    // A due time out of range is not waited for.
                    next_due: row.get("next_due").unwrap_or_default(),
                })
            })
            .await;
        match &peeked {
            Ok(peeked) => self
                .scan_cursor
                .complete(&scan, peeked.next_due, peeked.now),
            Err(error) => self.scan_cursor.abort(&scan, failure(error)),
        }
        peeked
    }

    /// Leases a batch of fire times that are due within `look_ahead` to a node, or those of the
    /// route to a worker. None when it is no longer `ACTIVE`, the cluster is paused, the clock has
    /// jumped, or the worker has polled again.
    ///
    /// After an error the outcome is unknown: the database may count attempts to the node that the
    /// node never saw. [`reclaim_unacknowledged`](crate::store::Store::reclaim_unacknowledged)
    /// resolves such attempts.
    pub async fn lease(
        &self,
        lessee: impl Into<Lessee>,
        batch: Batch,
        look_ahead: Duration,
    ) -> Result<Option<Leased>, StoreError> {
        let poll = Poll {
            lessee: lessee.into(),
            batch,
            look_ahead,
        };
        let conflict_mode = if self.expects_conflicts() {
            ConflictMode::Skip
        } else {
            ConflictMode::Fail
        };
        let leased = match self.try_lease(poll, conflict_mode).await {
            Err(error) if conflict_mode == ConflictMode::Fail && error.is_duplicate() => {
                tracing::warn!(
                    "fire times are due that were taken before: was the database set back?"
                );
                // The next leases skip at once: a failover lost more than a single row.
                self.expect_conflicts();
                self.try_lease(poll, ConflictMode::Skip).await
            }
            // The change of exclusions went on for too long. The new try leases the jobs outside of
            // the change.
            Err(error) if error.is_lock_timeout() => self.try_lease(poll, conflict_mode).await,
            answer => answer,
        };
        match leased {
            Err(error) if error.is_of_a_row() => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a lease fails for one of its jobs: leasing in parts"
                );
                // Savepoints for each job cost round trips, so only a failed lease pays for
                // savepoints.
                self.try_lease(poll, ConflictMode::SkipPerJob).await
            }
            answer => answer,
        }
    }

    /// The same for a worker, whose newest poll is `poll`; nothing before its due time.
    pub async fn lease_for_worker(
        &self,
        id: Uuid,
        poll: i64,
        batch: Batch,
    ) -> Result<Option<Leased>, StoreError> {
        self.lease(Lessee::Worker { id, poll }, batch, Duration::ZERO)
            .await
    }

    async fn try_lease(
        &self,
        poll: Poll,
        conflict_mode: ConflictMode,
    ) -> Result<Option<Leased>, StoreError> {
        let left_out = self.left_out();
        let scan = self.begin_scan();
        let leased = self
            .store
            .bounded(
                "leases.lease",
                self.lease_in_transaction(poll, &scan, &left_out, conflict_mode),
            )
            .await;
        match &leased {
            Ok(Some(_)) => {}
            // Nothing was taken: the triggers of the scan are still due.
            Ok(None) => self.scan_cursor.abort(&scan, Failure::Other),
            Err(error) => self.scan_cursor.abort(&scan, failure(error)),
        }
        leased
    }

    async fn lease_in_transaction(
        &self,
        poll: Poll,
        scan: &Scan,
        left_out: &[Uuid],
        conflict_mode: ConflictMode,
    ) -> Result<Option<Leased>, StoreError> {
        let transaction = Transaction::new(self.store.session().await?, self.store.author.clone());
        let due_scan = DueScan {
            lessee: poll.lessee,
            route: self.route.as_deref(),
            batch: poll.batch,
            look_ahead: poll.look_ahead,
            start: scan.start,
            left_out,
        };
        let Some(due) = self.lock_due(&transaction, &due_scan).await? else {
            transaction.rollback().await.during("leases.rollback")?;
            return Ok(None);
        };
        let taken = match conflict_mode {
            ConflictMode::Fail | ConflictMode::Skip => {
                self.take(&transaction, poll.lessee.id(), &due, conflict_mode)
                    .await
            }
            ConflictMode::SkipPerJob => {
                self.take_in_parts(&transaction, poll.lessee.id(), &due)
                    .await
            }
        };
        let taken = match taken {
            Err(error) if error.is_of_a_row() => {
                // The error arrives before the server has released the locks. Without the answer
                // the next try would skip the locked rows.
                transaction.rollback().await.during("leases.rollback")?;
                return Err(error);
            }
            taken => taken?,
        };
        transaction.commit().await.during("leases.commit")?;
        Ok(Some(self.committed(poll, scan, &due, taken)))
    }

    fn committed(&self, poll: Poll, scan: &Scan, due: &LockedTriggers, taken: Taken) -> Leased {
        self.store
            // After COMMIT: attempts of a failed transaction must not count.
            .activity_counter
            .leased(taken.attempts.len(), taken.skipped);
        // A scan past contended triggers moves nothing: the next scan meets the triggers again.
        let low_watermark = if taken.is_retried_soon() {
            scan.start.due_time()
        } else {
            taken.low_watermark(due)
        };
        self.scan_cursor.complete(scan, low_watermark, due.now);
        Leased {
            triggers: taken.triggers(due),
            still_due: taken.still_due,
            remaining: taken.remaining(due, poll.look_ahead),
            now: due.now,
            read_at: due.read_at,
            attempts: taken.attempts,
            reservation: taken.reservation,
        }
    }

    /// Jobs to leave out of the poll: jobs waiting for a share, and jobs unreadable to the node.
    fn left_out(&self) -> Vec<Uuid> {
        let LeftOut { mut jobs, let_in } = self.store.shares.left_out();
        if let_in > 0 {
            // Earlier scans without the jobs have passed the due times of the jobs.
            self.scan_cursor.request_full_scan();
        }
        jobs.extend(self.store.unreadable.left_alone());
        jobs
    }

    fn begin_scan(&self) -> Scan {
        // A test may set the clock back: no cursor.
        if self.store.clock().stub().is_some() {
            Scan::full()
        } else {
            self.scan_cursor.start(self.store.call_timeout)
        }
    }
}

/// One poll for due triggers.
#[derive(Clone, Copy)]
struct Poll {
    lessee: Lessee,
    batch: Batch,
    look_ahead: Duration,
}

fn failure(error: &StoreError) -> Failure {
    if error.is_timeout() {
        Failure::TimedOut
    } else {
        Failure::Other
    }
}
