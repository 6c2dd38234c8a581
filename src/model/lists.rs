//! Lists: what a person asks to see of many jobs or executions.

use super::execution::ExecutionStatus;
use super::job::{JobState, JobStatus, ScheduleType};
use super::{InvalidInput, Timestamp, text, text_enum};
use uuid::Uuid;

/// Most ids that a filter names.
const IDS_MAX: usize = 1_000;
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
        /// What is due next first; what is not due last.
        NextFireTime = "NEXT_FIRE_TIME",
    }
}

/// Which jobs; every condition that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Exactly these.
    pub ids: Option<Vec<Uuid>>,
    /// Part of the name or the description in any case, or the id.
    pub search: Option<String>,
    /// `ACTIVE` and `PAUSED` unless said.
    pub statuses: Option<Vec<JobStatus>>,
    /// By how they stand.
    pub states: Option<Vec<JobState>>,
    /// By schedule type.
    pub schedule_types: Option<Vec<ScheduleType>>,
    /// All of these.
    pub tags: Vec<String>,
    /// By the status of the newest execution.
    pub last_outcomes: Option<Vec<LastOutcome>>,
}

/// How the newest execution of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastOutcome {
    /// So.
    Is(ExecutionStatus),
    /// There is none.
    None,
}

/// Which executions; every condition that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Exactly these.
    pub ids: Option<Vec<Uuid>>,
    /// Of these jobs.
    pub job_ids: Option<Vec<Uuid>>,
    /// Of this job.
    pub job_id: Option<Uuid>,
    /// By where they stand.
    pub statuses: Option<Vec<ExecutionStatus>>,
    /// By what made the trigger.
    pub kinds: Option<Vec<String>>,
    /// By why they ended so.
    pub reasons: Option<Vec<String>>,
    /// Whose current or last attempt was on this node.
    pub node_id: Option<Uuid>,
    /// No fire time before it.
    pub from: Option<Timestamp>,
    /// No fire time from it on.
    pub to: Option<Timestamp>,
}

impl ExecutionFilter {
    /// Whether it leaves any execution out. An empty list leaves out all.
    pub fn has_condition(&self) -> bool {
        let Self {
            ids,
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
            || job_ids.is_some()
            || job_id.is_some()
            || statuses.is_some()
            || kinds.is_some()
            || reasons.is_some()
            || node_id.is_some()
            || from.is_some()
            || to.is_some()
    }

    /// Refuses what is too much; the error names the field.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        if self.ids.as_ref().is_some_and(|ids| ids.len() > IDS_MAX) {
            return Err(InvalidInput::new("filter.ids", "must be at most 1000"));
        }
        Ok(())
    }
}

impl JobFilter {
    /// Whether it leaves any job out. An empty text and an empty list of tags leave out none, an
    /// empty list of anything else leaves out all.
    pub fn has_condition(&self) -> bool {
        let Self {
            ids,
            search,
            statuses,
            states,
            schedule_types,
            tags,
            last_outcomes,
        } = self;
        ids.is_some()
            || search.as_ref().is_some_and(|search| !search.is_empty())
            || statuses.is_some()
            || states.is_some()
            || schedule_types.is_some()
            || !tags.is_empty()
            || last_outcomes.is_some()
    }

    /// Refuses what is too much; the error names the field of the filter.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        if self.ids.as_ref().is_some_and(|ids| ids.len() > IDS_MAX) {
            return Err(InvalidInput::new("ids", "must be at most 1000"));
        }
        if self.tags.len() > 20 {
            return Err(InvalidInput::new("tags", "must be at most 20"));
        }
        text::TAG.check_each("tags", &self.tags)?;
        text::SEARCH.check_given("search", self.search.as_deref())
    }
}
