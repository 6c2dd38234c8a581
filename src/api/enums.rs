//! Enums that are not the model's own: the types of `schedule` know nothing of GraphQL, and the
//! last outcome of a job has one value more than the status of an execution.
//!
//! All others derive [`Enum`] where they are declared.

use crate::model::execution::ExecutionStatus;
use crate::model::lists::LastOutcome;
use crate::model::schedule::ScheduleType;
use crate::model::schedule::calendar::DayOfWeek;
use crate::model::schedule::cron::{Dialect, DstGap, DstOverlap};
use async_graphql::Enum;

/// Whose rules a cron expression follows; the number of its fields tells.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "CronDialect", remote = "Dialect")]
pub enum DialectName {
    /// Five fields, and nicknames such as @daily.
    Unix,
    /// Six or seven fields.
    Quartz,
}

/// How a job's fire times are made.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ScheduleType")]
pub enum JobScheduleType {
    /// By a cron expression.
    Cron,
    /// At anchor + k · interval: a grid that nothing moves.
    FixedRate,
    /// One interval after the end of the previous execution.
    FixedDelay,
    /// At one instant, `startAt`.
    Once,
    /// Never by itself: the job runs on request only (`enqueue`, `runJobNow`).
    OnDemand,
}

/// What a cron expression does when the clock goes forward over its time.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DstGap", remote = "DstGap")]
pub enum DstGapName {
    /// It fires at the end of the gap, once, if its hours are fixed ones; with `*`, a range or a
    /// step of hours it continues with its next time.
    RunAtGapEnd,
    /// It does not fire.
    Skip,
    /// It fires later by the length of the gap.
    ShiftByGap,
}

/// What a cron expression does when the clock goes back over its time.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DstOverlap", remote = "DstOverlap")]
pub enum DstOverlapName {
    /// Both times when `*`, a range or a step makes its time of day, else the first.
    Auto,
    /// It fires the first time.
    First,
    /// It fires the second time.
    Second,
    /// It fires both times.
    Both,
}

/// A day of the week.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "Weekday", remote = "DayOfWeek")]
pub enum WeekdayName {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

/// Status of the newest execution of a job.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "LastOutcome")]
pub enum LastOutcomeName {
    /// The job has no execution.
    None,
    /// An attempt is leased by a node.
    Running,
    /// The next attempt is a trigger.
    Retrying,
    /// The last attempt succeeded.
    Success,
    /// Attempts are used up; the reason says how.
    Failed,
    /// A user stopped it.
    Cancelled,
    /// Its node died and the job says `MARK_LOST`.
    Lost,
    /// The fire time was not run; the reason says why.
    Skipped,
}

impl From<LastOutcomeName> for LastOutcome {
    fn from(name: LastOutcomeName) -> Self {
        Self::Is(match name {
            LastOutcomeName::None => return Self::None,
            LastOutcomeName::Running => ExecutionStatus::Running,
            LastOutcomeName::Retrying => ExecutionStatus::Retrying,
            LastOutcomeName::Success => ExecutionStatus::Success,
            LastOutcomeName::Failed => ExecutionStatus::Failed,
            LastOutcomeName::Cancelled => ExecutionStatus::Cancelled,
            LastOutcomeName::Lost => ExecutionStatus::Lost,
            LastOutcomeName::Skipped => ExecutionStatus::Skipped,
        })
    }
}
