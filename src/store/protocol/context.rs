//! The context of a plan: the jobs, exclusions and backfills of the locked triggers.
//!
//! All are read by statements *later* than the lock of the triggers, so an edit committed in
//! between is seen. An unreadable job is left to other nodes.

use super::job_cache::Jobs;
use super::lease_store::LeaseStore;
use super::locking::{LockedTriggers, distinct};
use super::overlap;
use super::plan::PlanContext;
use crate::model::backfill::Backfill;
use crate::model::exclusions::Exclusions;
use crate::model::overlap::InFlight;
use crate::model::trigger::TriggerKind;
use crate::store::StoreError;
use crate::store::db::session::Transaction;
use crate::store::jobs::{backfills, exclusions, job_rows};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The exclusions as locked by a lease.
#[derive(Default)]
struct LockedExclusions {
    exclusions: Exclusions,
    /// Whether a change holds the lock. The jobs possibly concerned were left out.
    contended: bool,
}

impl LeaseStore {
    /// Reads the context of the locked triggers.
    pub(super) async fn plan_context(
        &self,
        transaction: &Transaction,
        due: &LockedTriggers,
    ) -> Result<PlanContext, StoreError> {
        let mut jobs = self.jobs_of(transaction, due).await?;
        let locked = self.exclusions_of(transaction, due, &mut jobs).await?;
        jobs.retain(|id, job| {
            let obstacle = locked.exclusions.obstacle(*id, &job.definition);
            if let Some(obstacle) = &obstacle {
                // An unreadable calendar or blackout costs only the jobs under the calendar or
                // blackout. Firing without the exclusion would break a promise.
                self.store.unreadable.leave_alone(*id, obstacle);
            }
            obstacle.is_none()
        });
        let backfills = self.backfills_of(transaction, due, &mut jobs).await?;
        Ok(PlanContext {
            jobs,
            exclusions: locked.exclusions,
            backfills,
            exclusions_contended: locked.contended,
            now: due.now,
            fires_per_trigger: due.fires_per_trigger,
            remaining: due.remaining,
            route: self.route.clone(),
        })
    }

    /// Locks the due jobs with an overlap policy, and reads their executions in flight.
    pub(super) async fn in_flight_of(
        &self,
        transaction: &Transaction,
        due: &LockedTriggers,
        context: &PlanContext,
    ) -> Result<HashMap<Uuid, InFlight>, StoreError> {
        // Within the look-ahead nothing is decided yet.
        let job_ids = due
            .triggers
            .iter()
            .filter(|trigger| trigger.due_at <= due.now && context.decides_overlap(trigger))
            .map(|trigger| trigger.job_id);
        overlap::try_lock_in_flight(transaction, &distinct(job_ids), &context.jobs).await
    }

    /// The readable jobs of the locked triggers, from the cache where possible.
    async fn jobs_of(
        &self,
        transaction: &Transaction,
        due: &LockedTriggers,
    ) -> Result<Jobs, StoreError> {
        let mut jobs = self.job_cache.get(&due.cache_tags);
        let mut unknown = due.job_ids();
        unknown.retain(|id| !jobs.contains_key(id));
        if !unknown.is_empty() {
            let read = job_rows::by_ids(transaction, &unknown, &self.store.unreadable).await?;
            let read: Jobs = read
                .into_iter()
                .map(|(id, job)| (id, Arc::new(job)))
                .collect();
            // The triggers are still locked: the tag and the job belong together.
            self.job_cache.insert(&read, &due.cache_tags);
            jobs.extend(read);
        }
        Ok(jobs)
    }

    /// The exclusions of the jobs. While a change holds the lock, the jobs possibly concerned are
    /// left out.
    async fn exclusions_of(
        &self,
        transaction: &Transaction,
        due: &LockedTriggers,
        jobs: &mut Jobs,
    ) -> Result<LockedExclusions, StoreError> {
        let has_blackouts = due.blackouts_until.is_some_and(|until| until > due.since());
        // Nothing can be excluded: nothing is read.
        if !has_blackouts && jobs.values().all(|job| job.definition.calendar.is_none()) {
            return Ok(LockedExclusions::default());
        }
        let definitions = jobs.values().map(|job| &job.definition);
        let locked = exclusions::try_lock_shared(
            transaction,
            definitions,
            due.since(),
            &self.store.unreadable,
        )
        .await?;
        if let Some(exclusions) = locked {
            return Ok(LockedExclusions {
                exclusions,
                contended: false,
            });
        }
        // The change continues. The next lease waits in line, or the changes could keep the leases
        // out for good.
        self.turn.kept_out();
        // A change of a calendar concerns the jobs with a calendar. A blackout concerns every job.
        jobs.retain(|_, job| !has_blackouts && job.definition.calendar.is_none());
        Ok(LockedExclusions {
            exclusions: Exclusions::default(),
            contended: true,
        })
    }

    /// The backfills of the locked triggers. An unreadable backfill leaves out the job.
    async fn backfills_of(
        &self,
        transaction: &Transaction,
        due: &LockedTriggers,
        jobs: &mut Jobs,
    ) -> Result<HashMap<Uuid, Backfill>, StoreError> {
        let triggers: Vec<_> = due
            .triggers
            .iter()
            .filter(|trigger| trigger.kind == TriggerKind::Backfill)
            .collect();
        let ids = distinct(triggers.iter().map(|trigger| trigger.id));
        let mut found = backfills::by_ids(transaction, &ids).await?;
        let mut backfills = HashMap::new();
        for trigger in triggers {
            match found.remove(&trigger.id) {
                Some(Ok(backfill)) => {
                    backfills.insert(backfill.id, backfill);
                }
                Some(Err(error)) => {
                    self.store
                        .unreadable
                        .leave_alone(trigger.job_id, &error.to_string());
                    // The plan deletes the trigger of a missing backfill, so the job of an
                    // unreadable backfill must not be planned.
                    jobs.remove(&trigger.job_id);
                }
                // A cancelled backfill: the plan deletes the trigger.
                None => {}
            }
        }
        Ok(backfills)
    }
}
