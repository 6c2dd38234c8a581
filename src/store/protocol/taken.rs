//! Taking locked triggers: plan, then write.

use super::apply::{ConflictMode, LeaseWrites};
use super::job_cache::Jobs;
use super::lease_groups::LeaseGroups;
use super::lease_store::{LeaseStore, Remaining};
use super::locking::LockedTriggers;
use super::plan::{LeasePlan, PlannedExecution, TakenAttempt, plan};
use super::shares::Reservation;
use crate::model::Timestamp;
use crate::model::execution::{Attempt, Holder};
use crate::store::StoreError;
use crate::store::db::parts::in_parts;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// Checks deferred constraints with each statement, not at COMMIT.
const CHECK_AT_ONCE: Statement = Statement::new(
    "-- leases.constraints
set constraints all immediate",
);

/// The result of a lease over the locked triggers.
#[derive(Default)]
pub struct Taken {
    pub attempts: Vec<Attempt>,
    /// The shares of the attempts.
    pub reservation: Reservation,
    /// Fire times recorded as skipped.
    pub skipped: i64,
    /// Taken triggers with a next fire time due already.
    pub still_due: usize,
    /// Whether triggers left alone may be taken in a moment.
    retried_soon: bool,
    /// The first of the next due times of the taken triggers.
    next_due: Option<Timestamp>,
    /// Due times of triggers: overlaps cannot be decided before.
    deferred_until: Vec<Timestamp>,
    /// Triggers left alone because a share of the slots is used up.
    left_alone: usize,
}

impl Taken {
    fn and(mut self, other: Self) -> Self {
        self.attempts.extend(other.attempts);
        self.deferred_until.extend(other.deferred_until);
        Self {
            attempts: self.attempts,
            reservation: self.reservation.and(other.reservation),
            skipped: self.skipped + other.skipped,
            still_due: self.still_due + other.still_due,
            retried_soon: self.retried_soon || other.retried_soon,
            next_due: self.next_due.into_iter().chain(other.next_due).min(),
            deferred_until: self.deferred_until,
            left_alone: self.left_alone + other.left_alone,
        }
    }

    /// Taken triggers, with or without an execution.
    pub fn triggers(&self, due: &LockedTriggers) -> usize {
        due.triggers.len() - self.deferred_until.len() - self.left_alone
    }

    /// Earlier due times are decided: the next scan may start there. None: the next scan starts
    /// where the scan did.
    pub fn low_watermark(&self, due: &LockedTriggers) -> Option<Timestamp> {
        due.low_watermark.into_iter().chain(self.next_due).min()
    }

    /// Whether triggers passed by the lease may be taken in a moment.
    pub fn is_retried_soon(&self) -> bool {
        self.retried_soon
    }

    /// The rest to take, and when.
    pub fn remaining(&self, due: &LockedTriggers, look_ahead: Duration) -> Remaining {
        let taken = self.triggers(due);
        let next_due = due.upcoming.into_iter().chain(self.next_due).min();
        let is_due_again = next_due.is_some_and(|next| next <= due.now + look_ahead);
        // Deferred triggers fill the next poll as well: a poll of deferred triggers alone says
        // nothing about others. Triggers waiting for a share are left out of the next poll.
        let has_filled =
            due.is_full && (taken + self.left_alone > 0 || self.deferred_until.is_empty());
        if !has_filled && !self.retried_soon && !is_due_again {
            return Remaining::Later {
                next_due,
                deferred_until: self.deferred_until.iter().min().copied(),
            };
        }
        if taken + self.left_alone > 0 {
            Remaining::Now
        } else {
            Remaining::Contended
        }
    }
}

impl LeaseStore {
    /// Takes the locked triggers, each job separately where a job makes the others fail.
    pub(super) async fn take_in_parts(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        due: &LockedTriggers,
    ) -> Result<Taken, StoreError> {
        // A deferred constraint would fail at COMMIT, together with all jobs.
        CHECK_AT_ONCE.batch(transaction).await?;
        let parts = in_parts(transaction, &due.job_ids(), async |jobs: &[Uuid]| {
            let due = due.of_jobs(jobs);
            self.take(transaction, node_id, &due, ConflictMode::SkipPerJob)
                .await
        })
        .await?;
        for (job_id, error) in &parts.odd {
            let reason = format!("it cannot be leased: {}", error.in_words());
            self.store.unreadable.leave_alone(*job_id, &reason);
        }
        let taken = parts.done.into_iter().reduce(Taken::and);
        Ok(taken.unwrap_or_default())
    }

    /// Takes the locked triggers: reads their context, plans, and writes the plan.
    pub(super) async fn take(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        due: &LockedTriggers,
        conflict_mode: ConflictMode,
    ) -> Result<Taken, StoreError> {
        // A poll without a locked trigger needs no further round trip.
        if due.triggers.is_empty() {
            return Ok(Taken::default());
        }
        let context = self.plan_context(transaction, due).await?;
        let in_flight = self.in_flight_of(transaction, due, &context).await?;
        // Empty at first: the plan takes the shares, and a drop after an error returns the shares.
        let reservation = self.store.shares.reserve();
        let mut plan = plan(&due.triggers, &context, in_flight, reservation);
        let groups = LeaseGroups::of(&plan.executions, &context.jobs);
        let writes = LeaseWrites {
            plan: &plan,
            groups: &groups,
            jobs: &context.jobs,
            own: &due.own,
            node_id,
            now: due.now,
            new_cache_tag: due.new_cache_tag,
            conflict_mode,
        };
        // Boxed: the futures of a dozen statements, sent together, are most of a lease's future.
        let taken = Box::pin(writes.execute(transaction)).await?;
        Ok(Taken {
            reservation: std::mem::take(&mut plan.reservation),
            skipped: plan.skipped_fire_times(),
            still_due: plan
                .next_due_times()
                .filter(|next| *next <= due.now)
                .count(),
            retried_soon: plan.is_retried_soon(),
            next_due: plan.next_due_times().min(),
            deferred_until: std::mem::take(&mut plan.deferred_until),
            left_alone: plan.left_alone,
            attempts: attempts(plan, node_id, &groups, &context.jobs, taken),
        })
    }
}

/// The taken attempts, with the numbers from the database.
fn attempts(
    plan: LeasePlan,
    node_id: Uuid,
    leases: &LeaseGroups,
    jobs: &Jobs,
    mut taken: HashMap<Uuid, TakenAttempt>,
) -> Vec<Attempt> {
    let mut attempts = Vec::with_capacity(plan.executions.len());
    for PlannedExecution { trigger, execution } in plan.executions {
        // A fire time taken before has no row of the lease.
        let Some(taken) = taken.remove(&execution.execution_id) else {
            continue;
        };
        let Some(job) = jobs.get(&trigger.job_id) else {
            continue;
        };
        let holder = Holder {
            node_id,
            lease_id: leases.of_execution(execution.execution_id),
        };
        let mut attempt = Attempt::new(
            job,
            trigger.kind,
            &execution,
            holder,
            taken.attempt,
            taken.failures,
        );
        attempt.payload = taken.payload.or(attempt.payload);
        attempts.push(attempt);
    }
    attempts
}
