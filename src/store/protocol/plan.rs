//! The plan of a lease: the rows to write, decided before anything is written.
//!
//! Pure, over the rows locked and read by the lease ([`PlanContext`]).

mod serialized;

use super::job_cache::Jobs;
use super::shares::Reservation;
use super::skipped::SkippedFireTimes;
use crate::model::Timestamp;
use crate::model::backfill::Backfill;
use crate::model::exclusions::Exclusions;
use crate::model::job::{Job, JobStatus};
use crate::model::overlap::InFlight;
use crate::model::payload::Payload;
use crate::model::policies::OverlapPolicy;
use crate::model::trigger::{
    FireOutcome, NewExecution, NextState, SkippedRange, Trigger, TriggerKind,
};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The plan of a lease.
#[derive(Default)]
pub struct LeasePlan {
    /// Updates of schedule triggers.
    pub trigger_updates: Vec<TriggerUpdate>,
    /// Triggers without a further fire time, to delete.
    pub deleted_triggers: Vec<Uuid>,
    /// Triggers of paused jobs, which wait for the resume.
    pub paused_triggers: Vec<Uuid>,
    /// Triggers of jobs that have another route by now, with it: other members take them.
    pub rerouted: Vec<(Uuid, Option<String>)>,
    /// Executions to insert as RUNNING.
    pub executions: Vec<PlannedExecution>,
    /// Fire times that wait for the end of an execution in flight.
    pub buffered: Vec<PlannedExecution>,
    /// Fire times to record as skipped.
    pub skipped: Vec<SkippedFireTimes>,
    /// Jobs whose other executions are preempted.
    pub preempted_jobs: Vec<Uuid>,
    /// Skipped executions of fixed delays: their triggers are rearmed at once.
    pub rearm_after_skip: Vec<Uuid>,
    /// Due times of triggers whose overlaps cannot be decided before.
    pub deferred_until: Vec<Timestamp>,
    /// Triggers left alone because a share of the node's slots is used up.
    pub left_alone: usize,
    /// Triggers with fewer fire times to run than are due, for the same reason.
    pub cut_short: Vec<Uuid>,
    /// The shares of the executions to start.
    pub reservation: Reservation,
    contended: bool,
}

/// An execution and the trigger behind the execution.
pub struct PlannedExecution {
    /// The trigger as locked.
    pub trigger: Trigger,
    /// By its fire outcome.
    pub execution: NewExecution,
}

/// The new values of a schedule trigger.
pub struct TriggerUpdate {
    /// Trigger that moves on.
    pub id: Uuid,
    /// The next fire time.
    pub fire_time: Timestamp,
    /// None while the trigger awaits an end, and at the end of the schedule.
    pub due_at: Option<Timestamp>,
    /// The execution whose end the trigger awaits (fixed delay).
    pub awaits: Option<Uuid>,
    /// See [`Trigger::excluded_from`].
    pub excluded_from: Option<Timestamp>,
    /// Number to add to the runs of the trigger.
    pub ran: i64,
    /// The rules of the zones behind the fire time: see `Exclusions::zone_mark`.
    pub zone_rules: Option<i64>,
}

/// The input of a plan: everything the lease has read about the locked triggers.
pub struct PlanContext {
    /// The readable jobs, by id.
    pub jobs: Jobs,
    /// The exclusions of the fire times.
    pub exclusions: Exclusions,
    /// The backfills of the backfill triggers, by id.
    pub backfills: HashMap<Uuid, Backfill>,
    /// Whether a change of exclusions left jobs out of the poll. The next poll takes the jobs.
    pub exclusions_contended: bool,
    /// Instant of the poll, by the database's clock.
    pub now: Timestamp,
    /// Most fire times of a trigger.
    pub fires_per_trigger: usize,
    /// Most fire times of all triggers, without the first of each.
    pub remaining: usize,
    /// The route of the locked triggers.
    pub route: Option<Arc<str>>,
}

/// A taken attempt, by the row in the database.
pub struct TakenAttempt {
    /// Number of the attempt, from 1.
    pub attempt: i32,
    /// Failures of the execution so far.
    pub failures: i32,
    /// The own payload of the execution.
    pub payload: Option<Payload>,
}

/// Makes the plan, trigger by trigger.
struct Planner<'a> {
    context: &'a PlanContext,
    in_flight: HashMap<Uuid, InFlight>,
    remaining: usize,
    plan: LeasePlan,
}

/// Fires every trigger whose job is readable and may fire. A job with an overlap policy and without
/// an entry in `in_flight` is locked by another transaction.
pub fn plan(
    triggers: &[Trigger],
    context: &PlanContext,
    in_flight: HashMap<Uuid, InFlight>,
    reservation: Reservation,
) -> LeasePlan {
    let mut planner = Planner {
        context,
        in_flight,
        remaining: context.remaining,
        plan: LeasePlan {
            reservation,
            contended: context.exclusions_contended,
            ..LeasePlan::default()
        },
    };
    let (mut ordered, others): (Vec<_>, Vec<_>) = triggers
        .iter()
        .partition(|trigger| context.decides_overlap(trigger));
    // A buffered fire runs before a fire time that comes due now.
    ordered.sort_by_key(|trigger| trigger.fire_time);
    for trigger in others.into_iter().chain(ordered) {
        planner.add_trigger(trigger);
    }
    // After all triggers: an update made by a later trigger needs the mark as well.
    planner.mark_zone_rules();
    planner.plan
}

impl PlanContext {
    /// Whether the trigger's fire time may overlap an execution against the policy: the backfill's
    /// policy for a backfill, else the job's.
    pub fn decides_overlap(&self, trigger: &Trigger) -> bool {
        let policy = match trigger.kind {
            // Both kinds continue an execution in flight.
            TriggerKind::Retry | TriggerKind::Recovery => None,
            TriggerKind::Backfill => self
                .backfills
                .get(&trigger.id)
                .map(|backfill| backfill.overlap_policy),
            _ => self
                .jobs
                .get(&trigger.job_id)
                .map(|job| job.definition.policies.overlap_policy),
        };
        policy.is_some_and(|policy| policy != OverlapPolicy::Allow)
    }
}

impl LeasePlan {
    /// Whether the next poll may take more triggers: another transaction had locked some, or
    /// preempted executions are about to end.
    pub fn is_retried_soon(&self) -> bool {
        self.contended || !self.preempted_jobs.is_empty()
    }

    /// The due times of the taken triggers that fire again. A trigger cut short is left out,
    /// because the trigger waits for a share.
    pub fn next_due_times(&self) -> impl Iterator<Item = Timestamp> {
        self.trigger_updates
            .iter()
            .filter(|update| !self.cut_short.contains(&update.id))
            .filter_map(|update| update.due_at)
    }

    /// Fire times to record as skipped.
    pub fn skipped_fire_times(&self) -> i64 {
        self.skipped
            .iter()
            .map(|skipped| i64::from(skipped.range.occurrences))
            .sum()
    }

    fn skip_range(&mut self, trigger: &Trigger, range: SkippedRange) {
        self.skipped.push(SkippedFireTimes {
            job_id: trigger.job_id,
            kind: trigger.kind,
            range,
        });
    }
}

impl Planner<'_> {
    fn add_trigger(&mut self, trigger: &Trigger) {
        // The reader of the job has logged the reason.
        let Some(job) = self.context.jobs.get(&trigger.job_id) else {
            return;
        };
        if !job.has_route(self.context.route.as_deref()) {
            self.plan.rerouted.push((trigger.id, job.route()));
            return;
        }
        if job.status == JobStatus::Paused && trigger.waits_for_resume() {
            self.plan.paused_triggers.push(trigger.id);
            return;
        }
        if !may_fire(job, trigger) {
            // The reconciler repairs the pair.
            tracing::warn!(trigger.id = %trigger.id, job.id = %trigger.job_id, "due trigger left alone: no active job");
            return;
        }
        let is_backfill = trigger.kind == TriggerKind::Backfill;
        if !self.context.decides_overlap(trigger) {
            if is_backfill {
                self.add_backfill(trigger, job);
            } else {
                self.add_all_due(trigger, job);
            }
            return;
        }
        // Within the look-ahead the execution in flight may still end, or `runJobNow` start
        // another.
        if trigger.due_at > self.context.now {
            self.plan.deferred_until.push(trigger.due_at);
            return;
        }
        let Some(in_flight) = self.in_flight.get(&trigger.job_id).copied() else {
            // Another transaction decides about the job's overlaps at the moment. Waiting for the
            // lock would hold the locks of the whole batch.
            self.plan.contended = true;
            return;
        };
        if is_backfill {
            self.add_serialized_backfill(trigger, job, in_flight);
        } else {
            self.add_serialized(trigger, job, in_flight);
        }
    }

    /// Fires a trigger, and again while the next fire time is due as well: the same as several
    /// polls at one instant, but the row is locked and updated once.
    fn add_all_due(&mut self, trigger: &Trigger, job: &Job) {
        let mut at = trigger.clone();
        let mut further = (self.context.fires_per_trigger - 1).min(self.remaining);
        loop {
            let outcome = at.fire(&job.definition, &self.context.exclusions, self.context.now);
            let next_state = outcome.next_state;
            // The share is reserved for each fire time: a trigger far behind stops in the middle.
            if !self.takes_share(job, &outcome, at.due_at) {
                self.cut_short(trigger, &at);
                return;
            }
            at.runs += self.add_fire_times(trigger, outcome);
            let is_due_again = matches!(
                next_state,
                NextState::Advance { due_at, .. } if due_at <= self.context.now
            );
            if !is_due_again || further == 0 {
                // The row gets the state after the last fire time, and the sum of the runs.
                self.update_trigger(&at, next_state, at.runs - trigger.runs);
                return;
            }
            at.advance(next_state);
            further -= 1;
            self.remaining -= 1;
        }
    }

    /// Fires a backfill's trigger. The trigger waits while the job is paused.
    fn add_backfill(&mut self, trigger: &Trigger, job: &Job) {
        let Some(backfill) = self.context.backfills.get(&trigger.id) else {
            // A backfill cancelled in the meantime has no row: nothing is left to fire.
            self.plan.deleted_triggers.push(trigger.id);
            return;
        };
        if job.status == JobStatus::Paused {
            // A paused job keeps the place of the backfill. The trigger is looked at again later.
            let wait = Backfill::wait(trigger, true, self.context.now);
            self.update_trigger(trigger, wait, 0);
            return;
        }
        let outcome = self.fire_backfill(backfill, trigger, job);
        if self.takes_share(job, &outcome, trigger.due_at) {
            self.add(trigger, outcome);
        } else {
            self.plan.left_alone += 1;
        }
    }

    fn fire_backfill(&self, backfill: &Backfill, trigger: &Trigger, job: &Job) -> FireOutcome {
        let PlanContext {
            exclusions, now, ..
        } = self.context;
        backfill.fire(trigger, &job.definition, exclusions, *now)
    }

    fn add(&mut self, trigger: &Trigger, outcome: FireOutcome) {
        let next_state = outcome.next_state;
        let ran = self.add_fire_times(trigger, outcome);
        self.update_trigger(trigger, next_state, ran);
    }

    /// Adds the execution and the skipped ranges of an outcome. Returns the executions: 0 or 1.
    fn add_fire_times(&mut self, trigger: &Trigger, outcome: FireOutcome) -> i64 {
        for range in outcome.skipped {
            self.plan.skip_range(trigger, range);
        }
        let Some(execution) = outcome.execution else {
            return 0;
        };
        self.plan.executions.push(PlannedExecution {
            trigger: trigger.clone(),
            execution,
        });
        1
    }

    /// Reserves a share for the execution of an outcome. False when the share is used up. Skipped
    /// ranges need no share.
    fn takes_share(&mut self, job: &Job, outcome: &FireOutcome, due_at: Timestamp) -> bool {
        outcome.execution.is_none() || self.plan.reservation.take(job, due_at)
    }

    /// Leaves a trigger at the first due fire time without a share.
    fn cut_short(&mut self, trigger: &Trigger, at: &Trigger) {
        // No fire time got a share: the row stays as locked, and the transaction need not update
        // the row.
        if at.fire_time == trigger.fire_time {
            self.plan.left_alone += 1;
            return;
        }
        self.plan.cut_short.push(trigger.id);
        let next_state = NextState::Advance {
            fire_time: at.fire_time,
            due_at: at.due_at,
            excluded_from: at.excluded_from,
        };
        self.update_trigger(at, next_state, at.runs - trigger.runs);
    }

    fn update_trigger(&mut self, trigger: &Trigger, next_state: NextState, ran: i64) {
        let mut update = TriggerUpdate {
            id: trigger.id,
            fire_time: trigger.fire_time,
            due_at: None,
            awaits: None,
            excluded_from: None,
            ran,
            zone_rules: None,
        };
        match next_state {
            NextState::Advance {
                fire_time,
                due_at,
                excluded_from,
            } => {
                update.fire_time = fire_time;
                update.due_at = Some(due_at);
                update.excluded_from = excluded_from;
            }
            NextState::Await(execution) => update.awaits = Some(execution),
            // The row stays without a due time: the trigger of an exhausted schedule keeps the
            // number of runs.
            NextState::Exhaust => {}
            NextState::Remove => {
                self.plan.deleted_triggers.push(trigger.id);
                return;
            }
        }
        self.plan.trigger_updates.push(update);
    }

    fn mark_zone_rules(&mut self) {
        for update in &mut self.plan.trigger_updates {
            // No fire time is named while the trigger awaits an end.
            if update.due_at.is_none() {
                continue;
            }
            // The trigger of a schedule has the id of the job. Those of backfills find no job here.
            let Some(job) = self.context.jobs.get(&update.id) else {
                continue;
            };
            update.zone_rules = self
                .context
                .exclusions
                .zone_mark(&job.definition, update.fire_time);
        }
    }
}

fn may_fire(job: &Job, trigger: &Trigger) -> bool {
    match job.status {
        JobStatus::Active => true,
        // A pause stops the schedule. Executions on request and recoveries still start.
        JobStatus::Paused => trigger.kind != TriggerKind::Schedule,
        JobStatus::Deleted => false,
    }
}
