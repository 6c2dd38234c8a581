//! Lists: order, filters and pages of jobs and executions.

use super::execution::ExecutionStatus;
use super::job::{JobState, JobStatus};
use super::schedule::ScheduleType;
use super::{InvalidInput, Timestamp, namespace, text, text_enum};
use uuid::Uuid;

/// Most ids of a filter.
const IDS_MAX: usize = 1_000;
/// Most namespaces of a filter.
const NAMESPACES_MAX: usize = 50;
/// Most rows of a page.
pub const PAGE_MAX: usize = 200;

text_enum! {
    /// The order of a list of jobs.
    #[derive(async_graphql::Enum)]
    JobOrder, "order" {
        /// By creation, newest first.
        Newest = "NEWEST",
        /// By creation, oldest first.
        Oldest = "OLDEST",
        /// By name, in any case.
        Name = "NAME",
        /// By next due time; jobs without a due time last.
        NextFireTime = "NEXT_FIRE_TIME",
    }
}

/// A filter of jobs. All given conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub ids: Option<Vec<Uuid>>,
    /// The names of the namespaces.
    pub namespaces: Option<Vec<String>>,
    /// Part of the name or the description in any case, or the id.
    pub search: Option<String>,
    /// Default: `ACTIVE` and `PAUSED`.
    pub statuses: Option<Vec<JobStatus>>,
    /// States of a job.
    pub states: Option<Vec<JobState>>,
    /// Types of the schedule.
    pub schedule_types: Option<Vec<ScheduleType>>,
    /// Tags: a job must have all.
    pub tags: Vec<String>,
    /// Status of the newest execution.
    pub last_outcomes: Option<Vec<LastOutcome>>,
}

/// Status of the newest execution of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastOutcome {
    /// The newest execution has the status.
    Is(ExecutionStatus),
    /// The job has no execution.
    None,
}

/// A filter of executions. All given conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    pub ids: Option<Vec<Uuid>>,
    /// Names of the namespaces of the jobs.
    pub namespaces: Option<Vec<String>>,
    /// Executions of the jobs.
    pub job_ids: Option<Vec<Uuid>>,
    /// Executions of the job.
    pub job_id: Option<Uuid>,
    /// Statuses of an execution.
    pub statuses: Option<Vec<ExecutionStatus>>,
    /// Kinds of the trigger.
    pub kinds: Option<Vec<String>>,
    /// Reasons of the status.
    pub reasons: Option<Vec<String>>,
    /// Node of the current or last attempt.
    pub node_id: Option<Uuid>,
    /// First fire time, included.
    pub from: Option<Timestamp>,
    /// Last fire time, not included.
    pub to: Option<Timestamp>,
}

/// Refuses too many names, and invalid names of namespaces.
fn validate_namespaces(field: &'static str, names: Option<&[String]>) -> Result<(), InvalidInput> {
    let names = names.unwrap_or_default();
    if names.len() > NAMESPACES_MAX {
        let message = format!("must be at most {NAMESPACES_MAX}");
        return Err(InvalidInput::new(field, message));
    }
    for (index, name) in names.iter().enumerate() {
        namespace::validate_name(format!("{field}.{index}"), name)?;
    }
    Ok(())
}

impl ExecutionFilter {
    /// Whether the filter excludes any execution. An empty list excludes all.
    pub fn has_condition(&self) -> bool {
        // All fields are taken apart: a new field without a condition below does not compile.
        let Self {
            ids,
            namespaces,
            job_ids,
            job_id,
            statuses,
            kinds,
            reasons,
            node_id,
            from,
            to,
        } = self;
        ids.is_some()
            || namespaces.is_some()
            || job_ids.is_some()
            || job_id.is_some()
            || statuses.is_some()
            || kinds.is_some()
            || reasons.is_some()
            || node_id.is_some()
            || from.is_some()
            || to.is_some()
    }

    /// Refuses too long lists and texts. The error names the field.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        if self.ids.as_ref().is_some_and(|ids| ids.len() > IDS_MAX) {
            return Err(InvalidInput::new("filter.ids", "must be at most 1000"));
        }
        validate_namespaces("filter.namespaces", self.namespaces.as_deref())
    }
}

impl JobFilter {
    /// Whether the filter excludes any job. An empty text and an empty list of tags exclude no job;
    /// any other empty list excludes all.
    pub fn has_condition(&self) -> bool {
        let Self {
            ids,
            namespaces,
            search,
            statuses,
            states,
            schedule_types,
            tags,
            last_outcomes,
        } = self;
        ids.is_some()
            || namespaces.is_some()
            // An empty text comes from an empty field of the dashboard.
            || search.as_ref().is_some_and(|search| !search.is_empty())
            || statuses.is_some()
            || states.is_some()
            || schedule_types.is_some()
            || !tags.is_empty()
            || last_outcomes.is_some()
    }

    /// Refuses too long lists and texts. The error names the field of the filter.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        if self.ids.as_ref().is_some_and(|ids| ids.len() > IDS_MAX) {
            return Err(InvalidInput::new("ids", "must be at most 1000"));
        }
        validate_namespaces("namespaces", self.namespaces.as_deref())?;
        if self.tags.len() > 20 {
            return Err(InvalidInput::new("tags", "must be at most 20"));
        }
        text::TAG.check_each("tags", &self.tags)?;
        text::SEARCH.check_given("search", self.search.as_deref())
    }
}
