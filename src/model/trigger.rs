//! Triggers: pending due times, and what becomes of one when it is taken.
//!
//! Cron, run-now, retry and recovery are all triggers, taken by one statement
//! (`store::protocol::acquire`). [`Trigger::fire`] (in `fire`) decides about fire times:
//! which runs, which are recorded and not run, which comes next. It is pure, so
//! that two nodes can never decide differently. Whether a fire time overlaps a
//! running execution depends on the cluster; `super::overlap` decides that after
//! it.

#[cfg(test)]
mod exclusion_tests;
mod fire;
mod passed;
#[cfg(test)]
mod passed_tests;
#[cfg(test)]
mod tests;

pub use fire::schedule_next;
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
    /// The job.
    pub job_id: Uuid,
    /// What made it.
    pub kind: TriggerKind,
    /// The instant that the schedule names; never rewritten.
    pub fire_time: Timestamp,
    /// When it may start.
    pub due_at: Timestamp,
    /// Fire times of the schedule that were run, for `maxRuns`.
    pub runs: i64,
    /// The first fire time up to `fire_time` that is excluded and not recorded yet: an excluded
    /// weekend becomes one row at its end. It is `fire_time` itself when no open one was in sight.
    pub excluded_from: Option<Timestamp>,
}

impl Trigger {
    /// Whether it waits while its job is paused: what the schedule named and what waits behind an
    /// execution or for its next attempt. What a person started goes on, and so does the recovery
    /// of what ran.
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

/// The outcome of a fire: what follows from a trigger that is taken.
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
    /// The occurrence's identity.
    pub execution_id: Uuid,
    /// The instant that the schedule names.
    pub fire_time: Timestamp,
    /// When it may start.
    pub due_time: Timestamp,
    /// True when the execution's row exists (retry, recovery) and is resumed.
    pub resumes: bool,
}

/// A range of consecutive fire times of one job that is recorded as one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRange {
    /// The identity of the first.
    pub execution_id: Uuid,
    /// The first.
    pub fire_time: Timestamp,
    /// The last; equal to the first when there is one.
    pub through_fire_time: Timestamp,
    /// How many; 0 when they were too many to count.
    pub occurrences: i32,
    /// Why they are not run.
    pub reason: Reason,
    /// What excluded them, in words.
    pub message: Option<String>,
    /// The execution that they were folded into; none when it comes later.
    pub coalesced_into: Option<Uuid>,
}

/// The next state of a trigger that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NextState {
    /// It moves on to the next fire time.
    Advance {
        /// The instant that the schedule names.
        fire_time: Timestamp,
        /// When it may start.
        due_at: Timestamp,
        /// See [`Trigger::excluded_from`].
        excluded_from: Option<Timestamp>,
    },
    /// It waits for the end of its execution (fixed delay).
    Await(Uuid),
    /// The schedule names no further fire time; the trigger stays, never due.
    Exhaust,
    /// It was for one execution only.
    #[default]
    Remove,
}
