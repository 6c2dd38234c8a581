//! Triggers: pending due times, and the outcome of a taken trigger.
//!
//! Schedules, run-now, retries and recoveries are all triggers, taken by a statement
//! (`store::protocol::acquire`). [`Trigger::fire`] decides about fire times: the fire time to run,
//! the fire times to record as skipped, and the next fire time. The decision is pure, so two nodes
//! never decide differently. Overlaps depend on the executions of the whole cluster;
//! `super::overlap` decides about overlaps afterwards.
//!
//! | file | decides about |
//! |---|---|
//! | `fire` | the outcome of one trigger, by its kind |
//! | `walk` | the pending fire times, and their rows |
//! | `misfire` | late fire times, by the misfire policy |
//! | `next_state` | the next state of a schedule trigger |
//! | `passed` | fire times that a command finds not taken |

#[cfg(test)]
mod blackout_tests;
mod context;
#[cfg(test)]
mod exclusion_tests;
mod fire;
mod misfire;
mod next_state;
mod passed;
#[cfg(test)]
mod passed_tests;
#[cfg(test)]
mod tests;
mod walk;

pub use next_state::schedule_next;
pub use passed::Passed;

pub use super::occurrence::TriggerKind;

use super::Timestamp;
use super::occurrence::{Reason, execution_id};
use uuid::Uuid;

/// A pending due time of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The job's id for the kind `SCHEDULE`, else the execution's id.
    pub id: Uuid,
    /// Job of the trigger.
    pub job_id: Uuid,
    /// Origin of the fire time.
    pub kind: TriggerKind,
    /// The instant of the schedule; never rewritten.
    pub fire_time: Timestamp,
    /// The earliest start of the execution.
    pub due_at: Timestamp,
    /// Runs of the schedule so far, for `maxRuns`.
    pub runs: i64,
    /// The first excluded fire time up to `fire_time` not recorded yet: an excluded weekend becomes
    /// a single row at the end. `fire_time` itself when no open fire time was in sight.
    pub excluded_from: Option<Timestamp>,
}

impl Trigger {
    /// Whether the trigger waits while its job is paused: enqueued runs and fire times of the
    /// schedule, also buffered ones and their retries. Other executions on request and recoveries do
    /// not wait.
    pub fn waits_for_resume(&self) -> bool {
        match self.kind {
            TriggerKind::Owed | TriggerKind::Enqueued => true,
            TriggerKind::Retry | TriggerKind::Buffered => {
                // A manual run that was buffered or retried has a random id.
                self.id == execution_id(self.job_id, TriggerKind::Schedule, self.fire_time)
            }
            TriggerKind::Schedule
            | TriggerKind::Manual
            | TriggerKind::Recovery
            | TriggerKind::Backfill
            | TriggerKind::Rerun => false,
        }
    }
}

/// The outcome of a taken trigger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FireOutcome {
    /// The execution to start, if any.
    pub execution: Option<NewExecution>,
    /// Skipped fire times to record, oldest first.
    pub skipped: Vec<SkippedRange>,
    /// The next state of the trigger.
    pub next_state: NextState,
}

/// An execution to start or to resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewExecution {
    /// The id of the occurrence.
    pub execution_id: Uuid,
    /// The instant of the schedule.
    pub fire_time: Timestamp,
    /// The earliest start.
    pub due_time: Timestamp,
    /// Whether the execution has a row (retry, recovery) to resume.
    pub resumes: bool,
}

/// A range of consecutive fire times of a job, recorded as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRange {
    /// The id of the first fire time's execution.
    pub execution_id: Uuid,
    /// The first fire time.
    pub fire_time: Timestamp,
    /// The last fire time, possibly the same as the first.
    pub through_fire_time: Timestamp,
    /// Number of fire times; 0: too many to count.
    pub occurrences: i32,
    /// Reason of the skip.
    pub reason: Reason,
    /// The exclusion, in words.
    pub message: Option<String>,
    /// The execution instead of the fire times. None: the execution comes later.
    pub coalesced_into: Option<Uuid>,
}

/// The next state of a taken trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NextState {
    /// The trigger gets the next fire time.
    Advance {
        /// The instant of the schedule.
        fire_time: Timestamp,
        /// The earliest start.
        due_at: Timestamp,
        /// See [`Trigger::excluded_from`].
        excluded_from: Option<Timestamp>,
    },
    /// The trigger awaits the end of the execution (fixed delay).
    Await(Uuid),
    /// The schedule has no further fire time. The trigger stays, and is never due.
    Exhaust,
    /// The trigger of an execution is deleted.
    #[default]
    Remove,
}
