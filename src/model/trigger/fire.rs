//! The fire decision: the outcome of a trigger taken by a lease.
//!
//! Each fire time passed by a trigger either runs or is recorded, once. A trigger on time has a
//! single fire time to decide about. Late, excluded and deferred fire times are walked (`walk`), up
//! to a bound for each poll; the next poll decides about the rest.

use super::context::FireContext;
use super::walk::{WalkEnd, WalkedFireTime, leading};
use super::{FireOutcome, NewExecution, NextState, Trigger, TriggerKind};
use crate::model::Timestamp;
use crate::model::exclusions::{Availability, BlackoutEndPolicy, ExcludedBy, Exclusions};
use crate::model::execution::{Reason, execution_id, one_off_execution_id};
use crate::model::job::JobDefinition;
use crate::model::schedule::Schedule;
use crate::model::schedule::calendar::Calendar;
use crate::safeguards::{Safeguard, is_off};
use chrono::TimeDelta;

impl Trigger {
    /// The outcome when a lease takes the trigger at `now` by the database's clock.
    pub fn fire(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
    ) -> FireOutcome {
        let context = FireContext {
            trigger: self,
            job,
            exclusions,
            now,
        };
        match self.kind {
            TriggerKind::Schedule => context.fire_schedule(),
            TriggerKind::Owed => context.fire_owed(),
            // `Backfill::fire` fires such a trigger. A trigger without a backfill fires nothing.
            TriggerKind::Backfill => FireOutcome::default(),
            TriggerKind::Manual
            | TriggerKind::Enqueued
            | TriggerKind::Buffered
            | TriggerKind::Rerun
            | TriggerKind::Retry
            | TriggerKind::Recovery => self.fire_one_off(),
        }
    }

    fn fire_one_off(&self) -> FireOutcome {
        let execution = NewExecution {
            execution_id: self.id,
            fire_time: self.fire_time,
            due_time: self.due_at,
            resumes: matches!(self.kind, TriggerKind::Retry | TriggerKind::Recovery),
        };
        FireOutcome {
            execution: Some(execution),
            ..FireOutcome::default()
        }
    }

    /// Keeps the fire time and moves the due time.
    fn postponed(&self, due_at: Timestamp) -> FireOutcome {
        FireOutcome {
            next_state: NextState::Advance {
                fire_time: self.fire_time,
                due_at,
                excluded_from: self.excluded_from,
            },
            ..FireOutcome::default()
        }
    }

    /// An execution of the schedule.
    pub(super) fn execution(&self, fire_time: Timestamp, due_time: Timestamp) -> NewExecution {
        let execution_id = if is_off(Safeguard::DeterministicId) {
            one_off_execution_id(fire_time)
        } else {
            execution_id(self.job_id, TriggerKind::Schedule, fire_time)
        };
        NewExecution {
            execution_id,
            fire_time,
            due_time,
            resumes: false,
        }
    }
}

impl FireContext<'_> {
    /// The version of the job behind the fire time has decided for a run. Only a blackout created
    /// since can stop the run.
    fn fire_owed(&self) -> FireOutcome {
        let Trigger { job_id, due_at, .. } = *self.trigger;
        let at_due_time = self.exclusions.blackout_at(job_id, self.job, due_at);
        if let Some(blackout) = at_due_time
            && blackout.on_end == BlackoutEndPolicy::Skip
        {
            let excluded = WalkedFireTime {
                fire_time: self.trigger.fire_time,
                availability: Availability::Excluded(ExcludedBy::Blackout(blackout)),
            };
            return FireOutcome {
                // The blackout at the due time decides, also after the end of the blackout: SKIP
                // means no run at all.
                skipped: self.trigger.ranges(&[excluded], Reason::Calendar, None),
                ..FireOutcome::default()
            };
        }
        match self.exclusions.blackout_at(job_id, self.job, self.at()) {
            Some(blackout) => self.trigger.postponed(blackout.ends_at),
            None => self.trigger.fire_one_off(),
        }
    }

    fn fire_schedule(&self) -> FireOutcome {
        if matches!(self.job.schedule, Schedule::FixedDelay { .. }) {
            return self.fire_fixed_delay();
        }
        if self.is_due_on_time() {
            return self.run_one(self.trigger.fire_time);
        }
        let walked = self.walk();
        self.fire_walked(&walked.fire_times, walked.end)
    }

    /// The common case, decided without a walk: nothing was passed, nothing excludes the fire time,
    /// and the due time has come.
    fn is_due_on_time(&self) -> bool {
        let Trigger {
            job_id, fire_time, ..
        } = *self.trigger;
        let at = self.at();
        self.trigger.excluded_from.is_none()
            && !self.is_late(self.trigger.due_at)
            && self.exclusions.is_open(job_id, self.job, fire_time, at)
            // An edit of a calendar or a blackout makes triggers due early, for a poll.
            && self.job.due_time(job_id, fire_time) <= at
    }

    /// A fixed delay has at most a single pending fire time, possibly late, never missed. An
    /// excluded fire time waits, together with the chain after the end.
    pub(super) fn fire_fixed_delay(&self) -> FireOutcome {
        let at = self.at();
        let blackout = self
            .exclusions
            .blackout_at(self.trigger.job_id, self.job, at);
        if let Some(blackout) = blackout {
            return self.trigger.postponed(blackout.ends_at);
        }
        if let Some(calendar) = self.exclusions.calendar_of(self.job)
            && !calendar.is_open(at)
        {
            // No opening in sight: poll again tomorrow.
            let tomorrow = at + TimeDelta::days(1);
            let opening = calendar.open_again(at, Calendar::sight(at));
            return self.trigger.postponed(opening.unwrap_or(tomorrow));
        }
        let Trigger {
            fire_time, due_at, ..
        } = *self.trigger;
        let execution = self.trigger.execution(fire_time, due_at);
        let next_state = if self.trigger.has_run_out_after_run(self.job) {
            NextState::Exhaust
        } else {
            NextState::Await(execution.execution_id)
        };
        FireOutcome {
            execution: Some(execution),
            skipped: Vec::new(),
            next_state,
        }
    }

    /// Records the excluded fire times in front, then decides about the others by the first. All
    /// others wait while a blackout is in force.
    pub(super) fn fire_walked(&self, walked: &[WalkedFireTime<'_>], end: WalkEnd) -> FireOutcome {
        let excluded = leading(walked, WalkedFireTime::is_excluded);
        let rest = &walked[excluded.len()..];
        let mut skipped = self.trigger.ranges(excluded, Reason::Calendar, None);
        let Some(first) = rest.first() else {
            let before_pending = self.trigger.pending() - TimeDelta::microseconds(1);
            let last = excluded
                .last()
                .map_or(before_pending, |excluded| excluded.fire_time);
            return FireOutcome {
                execution: None,
                skipped,
                next_state: self.next_state_after_excluded(last),
            };
        };
        let blackout = self
            .exclusions
            .blackout_at(self.trigger.job_id, self.job, self.at());
        if let Some(blackout) = blackout {
            return FireOutcome {
                execution: None,
                skipped,
                next_state: NextState::Advance {
                    fire_time: first.fire_time,
                    due_at: blackout.ends_at,
                    excluded_from: None,
                },
            };
        }
        let outcome = match first.availability {
            Availability::Deferred(blackout) if blackout.on_end == BlackoutEndPolicy::Collapse => {
                self.fold(rest, end, |next| !next.is_open())
            }
            // The end policy RUN_ALL: all in turn, with any lateness.
            Availability::Deferred(_) => self.run_one(first.fire_time),
            Availability::Open | Availability::Excluded(_) => {
                if self.is_late(self.due_time(first.fire_time)) {
                    self.misfire(rest, end)
                } else {
                    self.run_one(first.fire_time)
                }
            }
        };
        skipped.extend(outcome.skipped);
        FireOutcome { skipped, ..outcome }
    }

    /// The fire time runs, and the trigger advances to the next.
    pub(super) fn run_one(&self, fire_time: Timestamp) -> FireOutcome {
        // The trigger's own due time counts the end of a blackout and an edit.
        let due_time = if fire_time == self.trigger.fire_time {
            self.trigger.due_at
        } else {
            self.due_time(fire_time)
        };
        FireOutcome {
            execution: Some(self.trigger.execution(fire_time, due_time)),
            skipped: Vec::new(),
            next_state: self.next_state_after_run(fire_time),
        }
    }
}
