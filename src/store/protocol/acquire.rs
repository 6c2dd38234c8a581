//! Leasing: due triggers become executions of one node, in one transaction.
//!
//! The order is the protocol. First the node's own row, shared: a take-over
//! locks it exclusively, so a lease commits entirely before the node is declared
//! dead, or not at all. Then the triggers, skipping rows that others hold. Then
//! the jobs, as they were cached under the tags that the locked triggers bear
//! (see `job_cache`), or read by a *later* statement than the one that locked their
//! triggers, so that an edit that committed in between is seen. Jobs whose
//! executions may not overlap are decided under their advisory lock, which is
//! tried and never waited for: a lease that waits could be waited for. The
//! plan is pure; the writes follow, and COMMIT makes it so.

use super::due::PEEK;
use super::in_flight::in_flight;
use super::lease_groups::LeaseGroups;
use super::locking::Due;
use super::own::Own;
use super::plan::{PlanContext, is_limited, plan};
use super::scan_cursor::Scan;
use super::shares::{LeftOut, Reservation};
use crate::model::Timestamp;
use crate::model::backfill::Backfill;
use crate::model::exclusions::Exclusions;
use crate::model::execution::Attempt;
use crate::model::job::Job;
use crate::model::trigger::{Trigger, TriggerKind};
use crate::store::db::parts::in_parts;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::jobs::{backfills, exclusions, job_rows};
use crate::store::{During, Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The jobs of a lease, by id.
pub(super) type Jobs = HashMap<Uuid, Arc<Job>>;

/// How much a poll takes at most.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Fire times in all: the free slots.
    pub fire_times: usize,
    /// Fire times of one trigger.
    pub fires_per_trigger: usize,
}

impl Batch {
    /// One fire time of each trigger.
    pub fn of(fire_times: usize) -> Self {
        Self {
            fire_times,
            fires_per_trigger: 1,
        }
    }
}

/// What a poll of the due triggers found.
#[derive(Debug)]
pub struct Leased {
    /// Attempts that this node now holds, by due time.
    pub attempts: Vec<Attempt>,
    /// Triggers taken, whether they run or not.
    pub triggers: usize,
    /// Those of them whose next fire time is due already.
    pub still_due: usize,
    /// Whether there may be more to take at once.
    pub more: bool,
    /// The database's clock when it polled.
    pub now: Timestamp,
    /// When that reading arrived. The rest of the lease may have waited for a lock since.
    pub read_at: Instant,
    /// When the next trigger beyond the look-ahead is due.
    pub next_due: Option<Timestamp>,
    /// When the first of the triggers is due that are not decided about before.
    pub undecided_until: Option<Timestamp>,
    /// Triggers that were left alone because a share of the slots is used up.
    pub left_alone: usize,
    /// Keeps the shares of the attempts until each has its own.
    pub reservation: Reservation,
}

impl Store {
    /// The database's now, and when the first trigger is due: one statement, that takes nothing.
    pub async fn peek(&self) -> Result<(Timestamp, Option<Timestamp>), StoreError> {
        let scan = self.begin_scan();
        let peeked = self.bounded("leases.peek", async {
            let session = self.session().await?;
            let statement = session
                .prepare_cached(PEEK)
                .await
                .during("leases.prepare")?;
            let values: [&(dyn ToSql + Sync); 2] = [&self.clock().stub(), &scan.from.due_time()];
            let row = session
                .query_one(&statement, &values)
                .await
                .during("leases.peek")?;
            session.release();
            let row = Values::of("leases.peek", &row);
            Ok((row.get("now")?, row.get("next_due").unwrap_or_default()))
        });
        let peeked = peeked.await;
        match &peeked {
            Ok((now, next_due)) => self.scan_cursor.complete(&scan, *next_due, *now),
            Err(error) => self.scan_cursor.abort(&scan, error.is_timeout()),
        }
        peeked
    }

    /// A scan that starts now. Where a test may set the clock back there is no cursor.
    fn begin_scan(&self) -> Scan {
        if self.clock().stub().is_some() {
            Scan::full()
        } else {
            self.scan_cursor.start(self.call_timeout)
        }
    }

    /// Leases a batch of fire times that are due within `look_ahead` to `node_id`. None when the
    /// node is no longer `ACTIVE`, the cluster is paused, or the clock has jumped.
    ///
    /// After an error the outcome is unknown: the node may hold attempts that it
    /// never saw. [`Store::reclaim_unacknowledged`] resolves them.
    pub async fn lease(
        &self,
        node_id: Uuid,
        batch: Batch,
        look_ahead: Duration,
    ) -> Result<Option<Leased>, StoreError> {
        let conflict_mode = if self.expects_conflicts() {
            ConflictMode::Skip
        } else {
            ConflictMode::Fail
        };
        let leased = match self
            .try_lease(node_id, batch, look_ahead, conflict_mode)
            .await
        {
            Err(error) if conflict_mode == ConflictMode::Fail && error.is_duplicate() => {
                tracing::warn!(
                    "fire times are due that were taken before: was the database set back?"
                );
                self.expect_conflicts();
                self.try_lease(node_id, batch, look_ahead, ConflictMode::Skip)
                    .await
            }
            // Its turn did not come in time: what no change concerns is leased now.
            Err(error) if error.is_lock_timeout() => {
                self.try_lease(node_id, batch, look_ahead, conflict_mode)
                    .await
            }
            answer => answer,
        };
        match leased {
            Err(error) if error.is_of_a_row() => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a lease fails for one of its jobs: leasing in parts"
                );
                self.try_lease(node_id, batch, look_ahead, ConflictMode::SkipPerJob)
                    .await
            }
            answer => answer,
        }
    }

    async fn try_lease(
        &self,
        node_id: Uuid,
        batch: Batch,
        look_ahead: Duration,
        conflict_mode: ConflictMode,
    ) -> Result<Option<Leased>, StoreError> {
        let LeftOut {
            jobs: mut left_out,
            let_in,
        } = self.shares.left_out();
        left_out.extend(self.unreadable.left_alone());
        if let_in > 0 {
            // The scans that left them out have passed their due times.
            self.scan_cursor.request_full_scan();
        }
        let scan = self.begin_scan();
        let leased = self.bounded("leases.lease", async {
            let transaction = Transaction::new(self.session().await?);
            let Some(due) = self
                .lock_due(
                    &transaction,
                    node_id,
                    batch,
                    (look_ahead, scan.from),
                    &left_out,
                )
                .await?
            else {
                transaction.rollback().await.during("leases.rollback")?;
                return Ok(None);
            };
            let taken = match conflict_mode {
                ConflictMode::Fail | ConflictMode::Skip => {
                    self.take(&transaction, node_id, &due, conflict_mode).await
                }
                ConflictMode::SkipPerJob => self.take_in_parts(&transaction, node_id, &due).await,
            };
            let taken = match taken {
                Err(error) if error.is_of_a_row() => {
                    // The error arrives before its locks are gone: the next try would skip what
                    // they hold.
                    transaction.rollback().await.during("leases.rollback")?;
                    return Err(error);
                }
                taken => taken?,
            };
            let Taken {
                attempts,
                skipped,
                retry_soon,
                next_due,
                deferred_until,
                still_due,
                left_alone,
                reservation,
            } = taken;
            transaction.commit().await.during("leases.commit")?;
            self.activity_counter.leased(attempts.len(), skipped);
            let low_watermark = if retry_soon {
                scan.from.due_time()
            } else {
                due.low_watermark.into_iter().chain(next_due).min()
            };
            self.scan_cursor.complete(&scan, low_watermark, due.now);
            let next_due = due.upcoming.into_iter().chain(next_due).min();
            let again = next_due.is_some_and(|next| next <= due.now + look_ahead);
            let triggers = due.triggers.len() - deferred_until.len() - left_alone;
            // What fills a poll and cannot be decided about yet is there in the next one too; what
            // waits for a share is not.
            let full = due.full && (triggers + left_alone > 0 || deferred_until.is_empty());
            let (more, undecided_until) = (
                full || retry_soon || again,
                deferred_until.into_iter().min(),
            );
            let (now, read_at) = (due.now, due.read_at);
            Ok(Some(Leased {
                attempts,
                triggers,
                still_due,
                more,
                now,
                read_at,
                next_due,
                undecided_until,
                left_alone,
                reservation,
            }))
        });
        let leased = leased.await;
        if !matches!(leased, Ok(Some(_))) {
            self.scan_cursor
                .abort(&scan, leased.as_ref().is_err_and(StoreError::is_timeout));
        }
        leased
    }

    /// Takes what can be taken when a job keeps all from it: that one is left alone.
    async fn take_in_parts(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        due: &Due,
    ) -> Result<Taken, StoreError> {
        // What is checked at the end would fail then, and for all.
        transaction
            .batch_execute("set constraints all immediate")
            .await
            .during("leases.constraints")?;
        let job_ids = distinct(due.triggers.iter().map(|trigger| trigger.job_id));
        let take = async |jobs: &[Uuid]| {
            self.take(
                transaction,
                node_id,
                &due.of_jobs(jobs),
                ConflictMode::SkipPerJob,
            )
            .await
        };
        let parts = in_parts(transaction, &job_ids, take).await?;
        for (job_id, error) in &parts.odd {
            self.unreadable.leave_alone(
                *job_id,
                &format!("it cannot be leased: {}", error.in_words()),
            );
        }
        Ok(parts
            .done
            .into_iter()
            .reduce(Taken::and)
            .unwrap_or_default())
    }

    async fn take(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        due: &Due,
        conflict_mode: ConflictMode,
    ) -> Result<Taken, StoreError> {
        if due.triggers.is_empty() {
            return Ok(Taken::default());
        }
        let job_ids = distinct(due.triggers.iter().map(|trigger| trigger.job_id));
        let mut jobs = self.jobs_of(transaction, due, &job_ids).await?;
        let LockedExclusions {
            exclusions,
            contended,
        } = self.exclusions_of(transaction, due, &mut jobs).await?;
        jobs.retain(|id, job| match exclusions.obstacle(*id, &job.definition) {
            Some(obstacle) => {
                self.unreadable.leave_alone(*id, &obstacle);
                false
            }
            None => true,
        });
        let backfills = self.backfills_of(transaction, due, &mut jobs).await?;
        let is_limited = |trigger: &&Trigger| {
            trigger.due_at <= due.now && is_limited(trigger, &jobs, &backfills)
        };
        let limited = due.triggers.iter().filter(is_limited);
        let in_flight = in_flight(
            transaction,
            &distinct(limited.map(|trigger| trigger.job_id)),
            &jobs,
        )
        .await?;
        let (now, fires_per_trigger, remaining) = (due.now, due.fires_per_trigger, due.remaining);
        let context = PlanContext {
            jobs: &jobs,
            exclusions: &exclusions,
            backfills: &backfills,
            now,
            fires_per_trigger,
            remaining,
        };
        let mut plan = plan(&due.triggers, &context, in_flight, self.shares.reserve());
        let retry_soon = contended || plan.contended || !plan.preempted_jobs.is_empty();
        let goes_on = plan
            .trigger_updates
            .iter()
            .filter(|update| !plan.cut_short.contains(&update.id));
        let next_dues = || goes_on.clone().filter_map(|update| update.due_at);
        let (next_due, still_due) = (
            next_dues().min(),
            next_dues().filter(|next| *next <= due.now).count(),
        );
        let leases = LeaseGroups::of(&plan.executions, &jobs);
        let times = (due.now, due.new_cache_tag);
        let own = Own::of(&due.own);
        let mut begun = super::apply::execute(
            &plan,
            &own,
            transaction,
            (node_id, &leases),
            times,
            (&jobs, conflict_mode),
        )
        .await?;
        let skipped = plan
            .skipped
            .iter()
            .map(|(_, _, range)| i64::from(range.occurrences))
            .sum();
        let (deferred_until, left_alone) =
            (std::mem::take(&mut plan.deferred_until), plan.left_alone);
        let reservation = std::mem::take(&mut plan.reservation);
        Ok(Taken {
            attempts: plan.attempts(node_id, &leases, &jobs, &mut begun),
            skipped,
            retry_soon,
            next_due,
            deferred_until,
            still_due,
            left_alone,
            reservation,
        })
    }

    /// The backfills of the locked triggers. A job is left alone when one of its backfills cannot
    /// be read.
    async fn backfills_of(
        &self,
        transaction: &Transaction,
        due: &Due,
        jobs: &mut Jobs,
    ) -> Result<HashMap<Uuid, Backfill>, StoreError> {
        let triggers = || {
            due.triggers
                .iter()
                .filter(|trigger| trigger.kind == TriggerKind::Backfill)
        };
        let mut found =
            backfills::by_ids(transaction, &distinct(triggers().map(|trigger| trigger.id))).await?;
        let mut backfills = HashMap::new();
        for trigger in triggers() {
            match found.remove(&trigger.id) {
                Some(Ok(backfill)) => drop(backfills.insert(backfill.id, backfill)),
                Some(Err(error)) => {
                    self.unreadable
                        .leave_alone(trigger.job_id, &error.to_string());
                    jobs.remove(&trigger.job_id);
                }
                None => {}
            }
        }
        Ok(backfills)
    }

    /// Those of the jobs of the locked triggers that can be read; only what is not
    /// cached is.
    async fn jobs_of(
        &self,
        transaction: &Transaction,
        due: &Due,
        ids: &[Uuid],
    ) -> Result<Jobs, StoreError> {
        let mut jobs = self.job_cache.get(&due.cache_tags);
        let unknown: Vec<Uuid> = ids
            .iter()
            .filter(|id| !jobs.contains_key(id))
            .copied()
            .collect();
        if !unknown.is_empty() {
            let read = job_rows::by_ids(transaction, &unknown, &self.unreadable).await?;
            let read: Jobs = read
                .into_iter()
                .map(|(id, job)| (id, Arc::new(job)))
                .collect();
            self.job_cache.insert(&read, &due.cache_tags);
            jobs.extend(read);
        }
        Ok(jobs)
    }

    /// What excludes fire times of these jobs; nothing is read when nothing can. While somebody
    /// changes it, only the jobs stay that it does not concern.
    async fn exclusions_of(
        &self,
        transaction: &Transaction,
        due: &Due,
        jobs: &mut Jobs,
    ) -> Result<LockedExclusions, StoreError> {
        let blacked_out = due.blackouts_until.is_some_and(|until| until > due.since());
        if !blacked_out && jobs.values().all(|job| job.definition.calendar.is_none()) {
            return Ok(LockedExclusions::default());
        }
        let definitions = jobs.values().map(|job| &job.definition);
        let locked =
            exclusions::try_lock_shared(transaction, definitions, due.since(), &self.unreadable)
                .await?;
        if let Some(exclusions) = locked {
            return Ok(LockedExclusions {
                exclusions,
                contended: false,
            });
        }
        self.turn.kept_out();
        jobs.retain(|_, job| !blacked_out && job.definition.calendar.is_none());
        Ok(LockedExclusions {
            exclusions: Exclusions::default(),
            contended: true,
        })
    }
}

/// The exclusions as a lease has locked them.
#[derive(Default)]
struct LockedExclusions {
    exclusions: Exclusions,
    /// Whether somebody changes them at this moment: what they concern is left for the next poll.
    contended: bool,
}

/// What a lease does about fire times whose rows exist already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConflictMode {
    /// None is expected: such a row is an error.
    Fail,
    /// They are skipped: triggers came back, say after a failover that lost its last writes.
    Skip,
    /// They are skipped, and each job is taken by itself: one of them keeps the others from being
    /// taken.
    SkipPerJob,
}

/// What became of what was locked.
#[derive(Default)]
struct Taken {
    attempts: Vec<Attempt>,
    /// Fire times that were recorded and not run.
    skipped: i64,
    /// Whether triggers that were left alone may be taken in a moment.
    retry_soon: bool,
    /// When the first of the taken triggers is due again.
    next_due: Option<Timestamp>,
    /// When the overlap of a trigger that was not decided about can be.
    deferred_until: Vec<Timestamp>,
    /// How many of the taken triggers are due still.
    still_due: usize,
    /// How many were left alone because a share of the slots is used up.
    left_alone: usize,
    /// The shares of the attempts.
    reservation: Reservation,
}

impl Taken {
    /// Both together.
    fn and(mut self, other: Self) -> Self {
        self.attempts.extend(other.attempts);
        self.deferred_until.extend(other.deferred_until);
        Self {
            attempts: self.attempts,
            skipped: self.skipped + other.skipped,
            retry_soon: self.retry_soon || other.retry_soon,
            next_due: self.next_due.into_iter().chain(other.next_due).min(),
            deferred_until: self.deferred_until,
            still_due: self.still_due + other.still_due,
            left_alone: self.left_alone + other.left_alone,
            reservation: self.reservation.and(other.reservation),
        }
    }
}

fn distinct(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
