//! Triggers: pending due times, and the outcome of one that is taken.
//!
//! Schedules, run-now, retries and recoveries are all triggers, taken by one statement
//! (`store::protocol::acquire`). [`Trigger::fire`] decides about fire times: which one runs, which
//! are recorded and do not run, which is next. The decision is pure, so two nodes never decide
//! differently. Overlaps depend on the executions of the whole cluster; `super::overlap` decides
//! about them afterwards.
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

/// One pending due time of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The job's id for the kind `SCHEDULE`, else the execution's id.
    pub id: Uuid,
    /// Job of the trigger.
    pub job_id: Uuid,
    /// Origin of the fire time.
    pub kind: TriggerKind,
    /// The instant that the schedule names; never rewritten.
    pub fire_time: Timestamp,
    /// When its execution may start.
    pub due_at: Timestamp,
    /// Runs of the schedule so far, for `maxRuns`.
    pub runs: i64,
    /// The first fire time up to `fire_time` that is excluded and not recorded yet: an excluded
    /// weekend becomes one row at its end. `fire_time` itself when no open fire time was in sight.
    pub excluded_from: Option<Timestamp>,
}

impl Trigger {
    /// Whether the trigger waits while its job is paused: fire times of the schedule, also buffered
    /// ones and their retries. Executions on request and recoveries do not wait.
    pub fn waits_for_resume(&self) -> bool {
        match self.kind {
            TriggerKind::Owed => true,
            TriggerKind::Retry | TriggerKind::Buffered => {
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

/// The outcome of a trigger that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FireOutcome {
    /// The execution to start, if any.
    pub execution: Option<NewExecution>,
    /// Fire times that are recorded and not run, oldest first.
    pub skipped: Vec<SkippedRange>,
    /// The next state of the trigger.
    pub next_state: NextState,
}

/// An execution to start or to resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewExecution {
    /// The id of the occurrence.
    pub execution_id: Uuid,
    /// The instant that the schedule names.
    pub fire_time: Timestamp,
    /// When it may start.
    pub due_time: Timestamp,
    /// Whether the execution has a row (retry, recovery), which is resumed.
    pub resumes: bool,
}

/// A range of consecutive fire times of one job that is recorded as one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRange {
    /// The id of the first fire time's execution.
    pub execution_id: Uuid,
    /// The first fire time.
    pub fire_time: Timestamp,
    /// The last fire time; the first again when it is the only one.
    pub through_fire_time: Timestamp,
    /// Fire times; 0 when they were too many to count.
    pub occurrences: i32,
    /// Why they do not run.
    pub reason: Reason,
    /// Their exclusion, in words.
    pub message: Option<String>,
    /// The execution that they were coalesced into. None: it comes later.
    pub coalesced_into: Option<Uuid>,
}

/// The next state of a trigger that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NextState {
    /// It gets the next fire time.
    Advance {
        /// The instant that the schedule names.
        fire_time: Timestamp,
        /// When it may start.
        due_at: Timestamp,
        /// See [`Trigger::excluded_from`].
        excluded_from: Option<Timestamp>,
    },
    /// It awaits the end of its execution (fixed delay).
    Await(Uuid),
    /// The schedule names no further fire time. The trigger stays, and is never due.
    Exhaust,
    /// The trigger of one execution is deleted.
    #[default]
    Remove,
}
