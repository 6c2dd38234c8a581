//! Names: the enums of the API, each the model's of the same name.

use crate::model::exclusions::{BlackoutEndPolicy, ExclusionKind};
use crate::model::explanation::FireTimeReason;
use crate::model::job::{JobState, JobStatus, Recovery, ScheduleType};
use crate::model::lists::JobOrder;
use crate::model::node::NodeState;
use crate::model::policies::{MisfirePolicy, OverlapPolicy};
use crate::model::schedule::calendar::DayOfWeek;
use crate::model::schedule::cron::{DstGap, DstOverlap};
use crate::model::target::HttpMethod;
use async_graphql::Enum;

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
}

/// How a job stands, beyond its status. Of those that are true the first counts.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "JobState", remote = "JobState")]
pub enum JobStateName {
    /// It is gone for good.
    Deleted,
    /// Its newest settled execution failed or was lost. SKIPPED and CANCELLED executions do not
    /// count. It may be paused.
    Failing,
    /// It is paused.
    Paused,
    /// Its schedule has no fire time left: ONCE has run, `maxRuns` is reached, or `endAt` has
    /// passed.
    Ended,
    /// A fire time has come and has not begun: it is late, a blackout holds it back, or it waits
    /// behind an execution of the job.
    Waiting,
    /// None of these: it fires.
    Active,
}

/// What a cron does when the clock goes forward over its time.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DstGap", remote = "DstGap")]
pub enum DstGapName {
    /// It fires at the end of the gap, once, if its hours are fixed ones; with `*`, a range or a
    /// step of hours it goes on with its next time.
    RunAtGapEnd,
    /// It does not fire.
    Skip,
    /// It fires later by the length of the gap.
    ShiftByGap,
}

/// What a cron does when the clock goes back over its time.
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

/// What becomes of fire times that are found later than the grace.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "MisfirePolicy", remote = "MisfirePolicy")]
pub enum MisfirePolicyName {
    /// The last missed one runs, the others are folded into it.
    FireOnce,
    /// Every one runs, oldest first, within the catch-up bounds.
    FireAll,
    /// None runs.
    Skip,
}

/// What becomes of a fire time that comes due while an execution of its job is
/// in flight.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "OverlapPolicy", remote = "OverlapPolicy")]
pub enum OverlapPolicyName {
    /// It runs beside it.
    Allow,
    /// It is skipped.
    Skip,
    /// It waits for the end; a second one that would wait is skipped.
    BufferOne,
    /// All wait, and run one by one.
    BufferAll,
    /// The running one is cancelled; the latest waits for its end.
    CancelOther,
}

/// Whether a job fires.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "JobStatus", remote = "JobStatus")]
pub enum JobStatusName {
    /// It fires.
    Active,
    /// It keeps its definition and does not fire.
    Paused,
    /// It is gone for good; its log stays.
    Deleted,
}

/// What happens to an attempt whose node died.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "Recovery", remote = "Recovery")]
pub enum RecoveryPolicy {
    /// Run it again: at least once.
    Rerun,
    /// Record it as lost: at most once.
    MarkLost,
}

/// State of a node.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "NodeState", remote = "NodeState")]
pub enum NodeStateName {
    /// Leases and runs.
    Active,
    /// Finishes what runs, takes nothing new.
    Draining,
    /// Stopped by itself.
    Left,
    /// Declared dead; what it held was taken over.
    Dead,
}

/// Method of a webhook.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "HttpMethod", remote = "HttpMethod")]
pub enum HttpMethodName {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
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

/// What becomes of the fire times of a blackout at its end.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "Afterwards", remote = "BlackoutEndPolicy")]
pub enum BlackoutEndPolicyName {
    /// None runs.
    Skip,
    /// The last one runs, the others are folded into it.
    Collapse,
    /// Every one runs, oldest first.
    RunAll,
}

/// Why a job ran at an instant, or did not.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "FireTimeReason", remote = "FireTimeReason")]
pub enum FireTimeReasonName {
    /// It was taken: the execution says what became of it.
    Ran,
    /// It was recorded and not run: the execution says why.
    Skipped,
    /// It has come and has not begun.
    Waiting,
    /// A blackout holds it back, and it runs afterwards.
    HeldBack,
    /// The cluster is held.
    ClusterHeld,
    /// The job is or was paused.
    Paused,
    /// The job is or was deleted.
    Deleted,
    /// A calendar or a blackout closes it.
    Closed,
    /// The schedule does not name it.
    NotAFireTime,
    /// The job was created later.
    BeforeCreation,
    /// It comes before `startAt`.
    BeforeStart,
    /// It comes after `endAt`, or after the last of `maxRuns`.
    AfterEnd,
    /// The log keeps nothing of that time any more.
    NotKept,
    /// Nothing is recorded.
    Unknown,
    /// It runs, if nothing is changed.
    WillRun,
}

/// What kind of closure it is.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "ClosureKind", remote = "ExclusionKind")]
pub enum ExclusionKindName {
    /// A calendar.
    Calendar,
    /// A blackout.
    Blackout,
}

/// The order of a list of jobs.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "JobOrder", remote = "JobOrder")]
pub enum JobOrderName {
    /// By creation, newest first.
    Newest,
    /// By creation, oldest first.
    Oldest,
    /// By name, in any case.
    Name,
    /// What is due next first; what is not due last.
    NextFireTime,
}
