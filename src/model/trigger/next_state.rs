//! The next state of a schedule trigger.

use super::context::FireContext;
use super::{NextState, Trigger};
use crate::model::Timestamp;
use crate::model::exclusions::{Availability, Exclusions};
use crate::model::job::JobDefinition;
use uuid::Uuid;

impl Trigger {
    /// The next state after the skipped fire time `last`, which does not count for `maxRuns`.
    pub fn next_state_after_skip(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        last: Timestamp,
    ) -> NextState {
        if self.has_run_out(job) {
            NextState::Exhaust
        } else {
            schedule_next(self.job_id, job, exclusions, last)
        }
    }

    /// Moves the trigger to the next fire time, as a lease would. False without a next fire time.
    pub fn advance(&mut self, next_state: NextState) -> bool {
        let NextState::Advance {
            fire_time,
            due_at,
            excluded_from,
        } = next_state
        else {
            return false;
        };
        self.fire_time = fire_time;
        self.due_at = due_at;
        self.excluded_from = excluded_from;
        true
    }

    /// Whether the schedule has run `maxRuns` times.
    fn has_run_out(&self, job: &JobDefinition) -> bool {
        job.policies.max_runs.is_some_and(|most| self.runs >= most)
    }

    /// Whether the schedule will have run `maxRuns` times after another run.
    pub(super) fn has_run_out_after_run(&self, job: &JobDefinition) -> bool {
        job.policies
            .max_runs
            .is_some_and(|most| self.runs + 1 >= most)
    }
}

impl FireContext<'_> {
    pub(super) fn next_state_after_run(&self, last: Timestamp) -> NextState {
        if self.trigger.has_run_out_after_run(self.job) {
            NextState::Exhaust
        } else {
            schedule_next(self.trigger.job_id, self.job, self.exclusions, last)
        }
    }

    pub(super) fn next_state_after_skip(&self, last: Timestamp) -> NextState {
        self.trigger
            .next_state_after_skip(self.job, self.exclusions, last)
    }

    /// The next state when all walked fire times, up to `last`, are excluded.
    pub(super) fn next_state_after_excluded(&self, last: Timestamp) -> NextState {
        let next = if self.trigger.has_run_out(self.job) {
            None
        } else {
            self.job.next_fire_time(last)
        };
        let Some(next) = next else {
            return NextState::Exhaust;
        };
        match self.availability(next) {
            // The walk was cut off before. A trigger with the fire time would be judged by the
            // present calendar, which may open a fire time passed as excluded.
            Availability::Excluded(_) if self.has_passed_excluded(next) => NextState::Advance {
                fire_time: self.trigger.fire_time.max(next),
                due_at: self.trigger.due_at,
                excluded_from: Some(next),
            },
            // The trigger was sent to an open fire time, and waits out the jitter. `schedule_next`
            // would judge by the present calendar, which may exclude the fire time.
            availability @ (Availability::Open | Availability::Deferred(_))
                if next == self.trigger.fire_time =>
            {
                NextState::Advance {
                    fire_time: next,
                    due_at: due_at(self.trigger.job_id, self.job, next, availability),
                    excluded_from: None,
                }
            }
            _ => self.next_state_after_skip(last),
        }
    }
}

/// The next state of a schedule trigger after a fire time: the first fire time without an
/// exclusion, due at the end of any deferral. Without such a fire time in sight the trigger gets
/// the next fire time, judged again at the due time.
pub fn schedule_next(
    id: Uuid,
    job: &JobDefinition,
    exclusions: &Exclusions,
    after: Timestamp,
) -> NextState {
    let Some(next) = job.next_fire_time(after) else {
        return NextState::Exhaust;
    };
    let availability = exclusions.availability(id, job, next);
    let Availability::Excluded(_) = availability else {
        return NextState::Advance {
            fire_time: next,
            due_at: due_at(id, job, next, availability),
            excluded_from: None,
        };
    };
    let fire_time = exclusions.next_open(id, job, next).unwrap_or(next);
    let availability = exclusions.availability(id, job, fire_time);
    NextState::Advance {
        fire_time,
        due_at: due_at(id, job, fire_time, availability),
        excluded_from: Some(next),
    }
}

/// The earliest start of a fire time.
fn due_at(
    id: Uuid,
    job: &JobDefinition,
    fire_time: Timestamp,
    availability: Availability<'_>,
) -> Timestamp {
    match availability {
        Availability::Deferred(blackout) => blackout.ends_at,
        Availability::Open | Availability::Excluded(_) => job.due_time(id, fire_time),
    }
}
