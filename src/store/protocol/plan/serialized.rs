//! Triggers with fire times that must not overlap an execution in flight.

use super::{LeasePlan, PlannedExecution, Planner};
use crate::model::Timestamp;
use crate::model::backfill::Backfill;
use crate::model::execution::Reason;
use crate::model::job::{Job, JobStatus};
use crate::model::overlap::{InFlight, Verdict, resolve};
use crate::model::policies::OverlapPolicy;
use crate::model::schedule::Schedule;
use crate::model::trigger::{
    FireOutcome, NewExecution, NextState, SkippedRange, Trigger, TriggerKind,
};

impl Planner<'_> {
    /// Fires a trigger of a serialized job.
    pub(super) fn add_serialized(&mut self, trigger: &Trigger, job: &Job, in_flight: InFlight) {
        let outcome = trigger.fire(&job.definition, &self.context.exclusions, self.context.now);
        let Some(execution) = outcome.execution else {
            // Only skipped ranges, or nothing: no execution can overlap.
            self.add(trigger, outcome);
            return;
        };
        match verdict(trigger, job, in_flight, execution.due_time) {
            Verdict::Run => {
                if self.takes_share(job, &outcome, trigger.due_at) {
                    self.run(trigger, job, outcome, execution);
                } else {
                    self.plan.left_alone += 1;
                }
            }
            Verdict::Skip => self.skip(trigger, job, outcome, execution),
            Verdict::Buffer => self.buffer(trigger, job, outcome, execution),
            // The earlier execution of the plan has not started: the later execution runs instead,
            // with the share of the earlier.
            Verdict::Replace if self.replace_in_batch(job) => {
                self.run(trigger, job, outcome, execution);
            }
            Verdict::Replace => {
                self.preempt_job(job);
                // The preemption records the buffered fires as skipped, so none is left before the
                // new fire.
                self.in_flight_of(job).buffered = 0;
                self.buffer(trigger, job, outcome, execution);
            }
        }
    }

    /// Fires a backfill's trigger under the backfill's own overlap policy.
    pub(super) fn add_serialized_backfill(
        &mut self,
        trigger: &Trigger,
        job: &Job,
        in_flight: InFlight,
    ) {
        let Some(backfill) = self.context.backfills.get(&trigger.id) else {
            return;
        };
        if job.status == JobStatus::Paused {
            self.add_backfill(trigger, job);
            return;
        }
        let outcome = self.fire_backfill(backfill, trigger, job);
        let is_busy = in_flight.running || in_flight.released;
        // A busy job starts nothing here, and needs no share.
        if !is_busy && !self.takes_share(job, &outcome, trigger.due_at) {
            self.plan.left_alone += 1;
            return;
        }
        // Of the job's triggers in the batch no other runs.
        self.in_flight_of(job).running = true;
        if !is_busy {
            self.add(trigger, outcome);
        } else if backfill.overlap_policy == OverlapPolicy::Skip {
            if let Some(execution) = outcome.execution {
                self.plan.skip_overlap(trigger, &execution);
            }
            self.update_trigger(trigger, outcome.next_state, 1);
        } else {
            // The fire time stays where the backfill is, until the job is free.
            let wait = Backfill::wait(trigger, false, self.context.now);
            self.update_trigger(trigger, wait, 0);
        }
    }

    fn run(&mut self, trigger: &Trigger, job: &Job, outcome: FireOutcome, execution: NewExecution) {
        let in_flight = self.in_flight_of(job);
        in_flight.running = true;
        in_flight.latest = in_flight.latest.max(Some(execution.due_time));
        self.add(trigger, outcome);
    }

    fn buffer(
        &mut self,
        trigger: &Trigger,
        job: &Job,
        outcome: FireOutcome,
        execution: NewExecution,
    ) {
        let in_flight = self.in_flight_of(job);
        in_flight.buffered += 1;
        in_flight.latest = in_flight.latest.max(Some(execution.due_time));
        self.plan.buffered.push(PlannedExecution {
            trigger: trigger.clone(),
            execution,
        });
        // A one-off trigger becomes the buffered trigger, and is not removed.
        if outcome.next_state != NextState::Remove {
            self.update_trigger(trigger, outcome.next_state, 1);
        }
        for range in outcome.skipped {
            self.plan.skip_range(trigger, range);
        }
    }

    fn skip(
        &mut self,
        trigger: &Trigger,
        job: &Job,
        outcome: FireOutcome,
        execution: NewExecution,
    ) {
        self.plan.rearm_if_fixed_delay(job, &execution);
        let next_state = match (&job.definition.schedule, trigger.kind) {
            (Schedule::FixedDelay { .. }, TriggerKind::Schedule) => {
                // The skipped execution has a row and an end: `rearm_after_skip` gives the next due
                // time.
                NextState::Await(execution.execution_id)
            }
            // A skipped fire time did not run, and does not count for maxRuns.
            (_, TriggerKind::Schedule) => trigger.next_state_after_skip(
                &job.definition,
                &self.context.exclusions,
                execution.fire_time,
            ),
            _ => NextState::Remove,
        };
        self.update_trigger(trigger, next_state, 0);
        for range in outcome.skipped {
            self.plan.skip_range(trigger, range);
        }
        self.plan.skip_overlap(trigger, &execution);
    }

    /// Takes an execution of the job out of the plan again. False when the plan starts no execution
    /// of the job.
    fn replace_in_batch(&mut self, job: &Job) -> bool {
        let chosen = self
            .plan
            .executions
            .iter()
            .position(|planned| planned.trigger.job_id == job.id && !planned.execution.resumes);
        let Some(position) = chosen else {
            return false;
        };
        // An execution between two attempts (`resumes`) has a row already, and cannot leave the
        // plan.
        let replaced = self.plan.executions.remove(position);
        self.plan.preempt(job, &replaced);
        true
    }

    /// Preempts the job's executions in flight, and the buffered fire times of the plan.
    fn preempt_job(&mut self, job: &Job) {
        let (preempted, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.plan.buffered)
            .into_iter()
            .partition(|planned| planned.trigger.job_id == job.id);
        self.plan.buffered = kept;
        for planned in &preempted {
            self.plan.preempt(job, planned);
            // A one-off trigger was to become the buffered trigger.
            if planned.trigger.kind != TriggerKind::Schedule {
                self.plan.deleted_triggers.push(planned.trigger.id);
            }
        }
        // Two fire times of a job in a batch preempt the same executions once.
        if !self.plan.preempted_jobs.contains(&job.id) {
            self.plan.preempted_jobs.push(job.id);
        }
    }

    fn in_flight_of(&mut self, job: &Job) -> &mut InFlight {
        self.in_flight.entry(job.id).or_default()
    }
}

impl LeasePlan {
    fn preempt(&mut self, job: &Job, planned: &PlannedExecution) {
        self.skip_overlap(&planned.trigger, &planned.execution);
        self.rearm_if_fixed_delay(job, &planned.execution);
    }

    /// The chain of a fixed delay continues from the end of the execution, also of a skipped one.
    fn rearm_if_fixed_delay(&mut self, job: &Job, execution: &NewExecution) {
        if matches!(job.definition.schedule, Schedule::FixedDelay { .. }) {
            self.rearm_after_skip.push(execution.execution_id);
        }
    }

    fn skip_overlap(&mut self, trigger: &Trigger, execution: &NewExecution) {
        let range = SkippedRange {
            execution_id: execution.execution_id,
            fire_time: execution.fire_time,
            through_fire_time: execution.fire_time,
            occurrences: 1,
            reason: Reason::Overlap,
            message: None,
            coalesced_into: None,
        };
        self.skip_range(trigger, range);
    }
}

/// The verdict on a fire time of a serialized job, due at `due_time`.
fn verdict(trigger: &Trigger, job: &Job, in_flight: InFlight, due_time: Timestamp) -> Verdict {
    let policy = job.definition.policies.overlap_policy;
    let was_buffered = trigger.kind == TriggerKind::Buffered;
    // A released fire runs before the fire time of the trigger while no lease has taken the
    // released fire. Exceptions: the trigger is a released fire itself, or CANCEL_OTHER replaces
    // all others.
    let waits_for_released =
        in_flight.released && !was_buffered && policy != OverlapPolicy::CancelOther;
    let in_flight = InFlight {
        running: in_flight.running || waits_for_released,
        ..in_flight
    };
    match resolve(policy, in_flight, due_time) {
        // The execution in flight is younger than the buffered fire, and is not preempted.
        Verdict::Replace if was_buffered => Verdict::Skip,
        verdict => verdict,
    }
}
