//! What one poll plans for the triggers that it has locked: pure, over rows that
//! the lease has read.

use super::acquire::Jobs;
use super::lease_groups::LeaseGroups;
use super::own::Begun;
use super::shares::Reservation;
use crate::model::Timestamp;
use crate::model::backfill::Backfill;
use crate::model::exclusions::Exclusions;
use crate::model::execution::{Attempt, Holder, Reason};
use crate::model::job::{Job, JobStatus};
use crate::model::overlap::{InFlight, Verdict, resolve};
use crate::model::policies::OverlapPolicy;
use crate::model::schedule::Schedule;
use crate::model::trigger::{
    FireOutcome, NewExecution, NextState, SkippedRange, Trigger, TriggerKind,
};
use crate::store::maintenance::zones;
use std::collections::HashMap;
use uuid::Uuid;

/// The plan of one lease: what it writes.
#[derive(Default)]
pub struct LeasePlan {
    /// Updates of schedule triggers.
    pub trigger_updates: Vec<TriggerUpdate>,
    /// Triggers to delete.
    pub deleted_triggers: Vec<Uuid>,
    /// Triggers of paused jobs: they wait for the resume.
    pub paused_triggers: Vec<Uuid>,
    /// Executions to start.
    pub executions: Vec<(Trigger, NewExecution)>,
    /// Fire times that wait behind a running execution.
    pub buffered: Vec<(Trigger, NewExecution)>,
    /// Fire times that are recorded and not run.
    pub skipped: Vec<(Uuid, TriggerKind, SkippedRange)>,
    /// Jobs whose other executions are preempted.
    pub preempted_jobs: Vec<Uuid>,
    /// Executions of fixed delays that are skipped: their triggers are rearmed now.
    pub rearm_after_skip: Vec<Uuid>,
    /// Whether triggers were left alone that may be taken in a moment.
    pub contended: bool,
    /// Due times of triggers whose overlaps are decided about then, and not before.
    pub deferred_until: Vec<Timestamp>,
    /// How many triggers were left alone because a share of the node's slots is used up.
    pub left_alone: usize,
    /// Triggers of which fewer fire times run than are due, for the same reason.
    pub cut_short: Vec<Uuid>,
    /// The shares of the executions to start.
    pub reservation: Reservation,
}

/// The new values of a schedule trigger.
pub struct TriggerUpdate {
    /// The trigger.
    pub id: Uuid,
    /// Its fire time from now on.
    pub fire_time: Timestamp,
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// What it awaits.
    pub awaits: Option<Uuid>,
    /// The first excluded fire time that it was sent past.
    pub excluded_from: Option<Timestamp>,
    /// Fire times that were run.
    pub ran: i64,
    /// What named its fire time: see `store::maintenance::zones`.
    pub zone_rules: Option<i64>,
}

/// What a plan is made from: all that the lease has read about the triggers that it has locked.
pub struct PlanContext<'a> {
    /// Their jobs, those that can be read.
    pub jobs: &'a Jobs,
    /// What excludes their fire times.
    pub exclusions: &'a Exclusions,
    /// The backfills that some of them walk for.
    pub backfills: &'a HashMap<Uuid, Backfill>,
    /// The database's clock.
    pub now: Timestamp,
    /// Most fire times of one trigger …
    pub fires_per_trigger: usize,
    /// … and of all triggers, those beyond the first of each.
    pub remaining: usize,
}

/// Whether a trigger's job must be asked what it has in flight.
pub fn is_limited(trigger: &Trigger, jobs: &Jobs, backfills: &HashMap<Uuid, Backfill>) -> bool {
    let policy = match trigger.kind {
        TriggerKind::Retry | TriggerKind::Recovery => None,
        TriggerKind::Backfill => backfills
            .get(&trigger.id)
            .map(|backfill| backfill.overlap_policy),
        _ => jobs
            .get(&trigger.job_id)
            .map(|job| job.definition.policies.overlap_policy),
    };
    policy.is_some_and(|policy| policy != OverlapPolicy::Allow)
}

/// Fires every trigger whose job can be read and may fire. Nothing of a deleted job is taken, and
/// no schedule of one that is not active: the Reconciler puts such a pair right. What waits for the
/// resume of a paused job is one of the paused triggers. A limited job that is not in `in_flight`
/// is in the hands of another node at this moment.
pub fn plan(
    triggers: &[Trigger],
    context: &PlanContext<'_>,
    mut in_flight: HashMap<Uuid, InFlight>,
    reservation: Reservation,
) -> LeasePlan {
    let mut plan = LeasePlan {
        reservation,
        ..LeasePlan::default()
    };
    // Oldest first where it matters: what waited runs before what comes due now.
    let is_limited = |trigger: &&Trigger| is_limited(trigger, context.jobs, context.backfills);
    let (mut limited, others): (Vec<_>, Vec<_>) = triggers.iter().partition(is_limited);
    limited.sort_by_key(|trigger| trigger.fire_time);
    let mut remaining = context.remaining;
    for trigger in others.into_iter().chain(limited) {
        // Who could not read it has said so.
        let Some(job) = context.jobs.get(&trigger.job_id) else {
            continue;
        };
        if job.status == JobStatus::Paused && trigger.waits_for_resume() {
            plan.paused_triggers.push(trigger.id);
            continue;
        }
        if !may_fire(job, trigger) {
            tracing::warn!(trigger.id = %trigger.id, job.id = %trigger.job_id, "due trigger left alone: no active job");
            continue;
        }
        let in_flight = in_flight.get_mut(&trigger.job_id);
        match in_flight {
            // What runs may end before this is due, and until then a person may ask for another.
            _ if is_limited(&trigger) && trigger.due_at > context.now => {
                plan.deferred_until.push(trigger.due_at)
            }
            None if is_limited(&trigger) => plan.contended = true,
            _ if trigger.kind == TriggerKind::Backfill => {
                plan.add_backfill((trigger, job), context, in_flight)
            }
            Some(in_flight) if is_limited(&trigger) => {
                plan.add_limited((trigger, job), context, in_flight)
            }
            _ => plan.add_all_due((trigger, job), context, &mut remaining),
        }
    }
    for update in &mut plan.trigger_updates {
        // A schedule's trigger has the id of its job.
        let job = context
            .jobs
            .get(&update.id)
            .filter(|_| update.due_at.is_some());
        update.zone_rules =
            job.and_then(|job| zones::mark(&job.definition, context.exclusions, update.fire_time));
    }
    plan
}

fn may_fire(job: &Job, trigger: &Trigger) -> bool {
    match job.status {
        JobStatus::Active => true,
        JobStatus::Paused => trigger.kind != TriggerKind::Schedule,
        JobStatus::Deleted => false,
    }
}

impl LeasePlan {
    fn add(&mut self, trigger: &Trigger, outcome: FireOutcome) {
        let next_state = outcome.next_state;
        let ran = self.add_fire_times(trigger, outcome);
        self.settle_trigger(trigger, next_state, ran);
    }

    /// Fires a trigger, and again while its next fire time is due as well: as if this poll
    /// were several at the same instant, but the row is locked and moved on once.
    fn add_all_due(
        &mut self,
        (trigger, job): (&Trigger, &Job),
        context: &PlanContext<'_>,
        remaining: &mut usize,
    ) {
        let mut at = trigger.clone();
        let mut more = (context.fires_per_trigger - 1).min(*remaining);
        loop {
            let outcome = at.fire(&job.definition, context.exclusions, context.now);
            let next_state = outcome.next_state;
            if !self.has_share(job, &outcome, at.due_at) {
                return self.cut_short(trigger, &at);
            }
            at.runs += self.add_fire_times(trigger, outcome);
            match next_state {
                NextState::Advance {
                    fire_time,
                    due_at,
                    excluded_from,
                } if due_at <= context.now && more > 0 => {
                    (at.fire_time, at.due_at, at.excluded_from) =
                        (fire_time, due_at, excluded_from);
                    (more, *remaining) = (more - 1, *remaining - 1);
                }
                next_state => return self.settle_trigger(&at, next_state, at.runs - trigger.runs),
            }
        }
    }

    /// Whether the fire times can be taken: only what runs needs a share.
    fn has_share(&mut self, job: &Job, outcome: &FireOutcome, due_at: Timestamp) -> bool {
        outcome.execution.is_none() || self.reservation.take(job, due_at)
    }

    /// Leaves a trigger where there was no share for what is due of it next: where it was, or
    /// further on.
    fn cut_short(&mut self, trigger: &Trigger, at: &Trigger) {
        if at.fire_time == trigger.fire_time {
            self.left_alone += 1;
            return;
        }
        self.cut_short.push(trigger.id);
        let next_state = NextState::Advance {
            fire_time: at.fire_time,
            due_at: at.due_at,
            excluded_from: at.excluded_from,
        };
        self.settle_trigger(at, next_state, at.runs - trigger.runs);
    }

    /// How many of them run.
    fn add_fire_times(&mut self, trigger: &Trigger, outcome: FireOutcome) -> i64 {
        self.executions.extend(
            outcome
                .execution
                .map(|execution| (trigger.clone(), execution)),
        );
        self.skipped.extend(
            outcome
                .skipped
                .into_iter()
                .map(|skipped| (trigger.job_id, trigger.kind, skipped)),
        );
        i64::from(outcome.execution.is_some())
    }

    fn settle_trigger(&mut self, trigger: &Trigger, next_state: NextState, ran: i64) {
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
                (update.fire_time, update.due_at, update.excluded_from) =
                    (fire_time, Some(due_at), excluded_from);
            }
            NextState::Await(execution) => update.awaits = Some(execution),
            NextState::Exhaust => {}
            NextState::Remove => return self.deleted_triggers.push(trigger.id),
        }
        self.trigger_updates.push(update);
    }

    /// Fires a trigger of a job whose executions may not overlap.
    fn add_limited(
        &mut self,
        (trigger, job): (&Trigger, &Job),
        context: &PlanContext<'_>,
        in_flight: &mut InFlight,
    ) {
        let mut outcome = trigger.fire(&job.definition, context.exclusions, context.now);
        let Some(execution) = outcome.execution else {
            return self.add(trigger, outcome);
        };
        match verdict(trigger, job, *in_flight, execution.due_time) {
            Verdict::Run if !self.has_share(job, &outcome, trigger.due_at) => {
                return self.left_alone += 1;
            }
            Verdict::Run => in_flight.running = true,
            Verdict::Skip => {
                return self.skip_overlap((trigger, job), context.exclusions, outcome, execution);
            }
            Verdict::Replace if self.replace_in_batch(job) => {}
            verdict => {
                if verdict == Verdict::Replace {
                    self.preempt_job(job);
                    in_flight.buffered = 0;
                }
                in_flight.buffered += 1;
                in_flight.latest = in_flight.latest.max(Some(execution.due_time));
                self.buffered.push((trigger.clone(), execution));
                outcome.execution = None;
                // A one-off trigger becomes the buffered one: it is not removed.
                if outcome.next_state != NextState::Remove {
                    self.settle_trigger(trigger, outcome.next_state, 1);
                }
                self.skipped.extend(
                    outcome
                        .skipped
                        .into_iter()
                        .map(|range| (job.id, trigger.kind, range)),
                );
                return;
            }
        }
        in_flight.latest = in_flight.latest.max(Some(execution.due_time));
        self.add(trigger, outcome);
    }

    /// Fires a backfill's trigger under the backfill's own overlap policy. While its
    /// job is paused it waits.
    fn add_backfill(
        &mut self,
        (trigger, job): (&Trigger, &Job),
        context: &PlanContext<'_>,
        in_flight: Option<&mut InFlight>,
    ) {
        let Some(backfill) = context.backfills.get(&trigger.id) else {
            return self.deleted_triggers.push(trigger.id);
        };
        let paused = job.status == JobStatus::Paused;
        let mut outcome = backfill.fire(trigger, &job.definition, context.exclusions, context.now);
        if let Some(in_flight) =
            in_flight.filter(|_| backfill.overlap_policy != OverlapPolicy::Allow && !paused)
        {
            let busy = in_flight.running || in_flight.released;
            if !busy && !self.has_share(job, &outcome, trigger.due_at) {
                return self.left_alone += 1;
            }
            in_flight.running = true;
            if busy && backfill.overlap_policy == OverlapPolicy::Skip {
                self.skipped.extend(
                    outcome
                        .execution
                        .map(|execution| (job.id, trigger.kind, overlap(&execution))),
                );
                return self.settle_trigger(trigger, outcome.next_state, 1);
            }
            if busy {
                return self.settle_trigger(
                    trigger,
                    Backfill::wait(trigger, false, context.now),
                    0,
                );
            }
        } else if paused {
            outcome = FireOutcome {
                next_state: Backfill::wait(trigger, true, context.now),
                ..FireOutcome::default()
            };
        } else if !self.has_share(job, &outcome, trigger.due_at) {
            return self.left_alone += 1;
        }
        self.add(trigger, outcome);
    }

    /// What was chosen to run in this very poll has not started: the later one
    /// runs instead. False when nothing was chosen.
    fn replace_in_batch(&mut self, job: &Job) -> bool {
        let chosen = self
            .executions
            .iter()
            .position(|(trigger, execution)| trigger.job_id == job.id && !execution.resumes);
        let Some((trigger, execution)) = chosen.map(|position| self.executions.remove(position))
        else {
            return false;
        };
        self.preempt(job, &trigger, &execution);
        true
    }

    /// What this job buffered in this very poll is preempted as well.
    fn preempt_job(&mut self, job: &Job) {
        let (preempted, kept) = std::mem::take(&mut self.buffered)
            .into_iter()
            .partition(|(t, _)| t.job_id == job.id);
        self.buffered = kept;
        let preempted: Vec<(Trigger, NewExecution)> = preempted;
        for (trigger, execution) in &preempted {
            self.preempt(job, trigger, execution);
        }
        self.deleted_triggers.extend(
            preempted
                .iter()
                .filter(|(t, _)| t.kind != TriggerKind::Schedule)
                .map(|(t, _)| t.id),
        );
        if !self.preempted_jobs.contains(&job.id) {
            self.preempted_jobs.push(job.id);
        }
    }

    fn preempt(&mut self, job: &Job, trigger: &Trigger, execution: &NewExecution) {
        self.skipped
            .push((job.id, trigger.kind, overlap(execution)));
        self.rearm_if_delayed(job, execution);
    }

    /// A fixed delay goes on from the end of its fire time, also of a skipped one.
    fn rearm_if_delayed(&mut self, job: &Job, execution: &NewExecution) {
        if matches!(job.definition.schedule, Schedule::FixedDelay { .. }) {
            self.rearm_after_skip.push(execution.execution_id);
        }
    }

    fn skip_overlap(
        &mut self,
        (trigger, job): (&Trigger, &Job),
        exclusions: &Exclusions,
        outcome: FireOutcome,
        execution: NewExecution,
    ) {
        self.rearm_if_delayed(job, &execution);
        let next_state = match (&job.definition.schedule, trigger.kind) {
            (Schedule::FixedDelay { .. }, TriggerKind::Schedule) => {
                NextState::Await(execution.execution_id)
            }
            // It was not run, so it does not count for maxRuns.
            (_, TriggerKind::Schedule) => {
                trigger.next_state_after(&job.definition, exclusions, execution.fire_time, 0)
            }
            _ => NextState::Remove,
        };
        self.settle_trigger(trigger, next_state, 0);
        self.skipped.extend(
            outcome
                .skipped
                .into_iter()
                .map(|range| (job.id, trigger.kind, range)),
        );
        self.skipped
            .push((job.id, trigger.kind, overlap(&execution)));
    }

    /// The attempts that were really taken, by the numbers that the database gave.
    pub fn attempts(
        self,
        node_id: Uuid,
        leases: &LeaseGroups,
        jobs: &Jobs,
        taken: &mut HashMap<Uuid, Begun>,
    ) -> Vec<Attempt> {
        let attempt = |(trigger, execution): (Trigger, NewExecution)| {
            let (job, begun) = (
                jobs.get(&trigger.job_id)?,
                taken.remove(&execution.execution_id)?,
            );
            let lease_id = leases.of_execution(execution.execution_id);
            let mut attempt = Attempt::new(
                job,
                trigger.kind,
                &execution,
                Holder { node_id, lease_id },
                begun.attempt,
                begun.failures,
            );
            attempt.payload = begun.payload.or(attempt.payload);
            Some(attempt)
        };
        self.executions.into_iter().filter_map(attempt).collect()
    }
}

/// What becomes of a fire time of a limited job that is due then.
fn verdict(trigger: &Trigger, job: &Job, in_flight: InFlight, due_time: Timestamp) -> Verdict {
    let (policy, waited) = (
        job.definition.policies.overlap_policy,
        trigger.kind == TriggerKind::Buffered,
    );
    let first_in_line = waited || policy == OverlapPolicy::CancelOther;
    let running = in_flight.running || in_flight.released && !first_in_line;
    match resolve(
        policy,
        InFlight {
            running,
            ..in_flight
        },
        due_time,
    ) {
        // What runs is younger than what waited: it stays.
        Verdict::Replace if waited => Verdict::Skip,
        verdict => verdict,
    }
}

fn overlap(execution: &NewExecution) -> SkippedRange {
    SkippedRange {
        execution_id: execution.execution_id,
        fire_time: execution.fire_time,
        through_fire_time: execution.fire_time,
        occurrences: 1,
        reason: Reason::Overlap,
        message: None,
        coalesced_into: None,
    }
}
