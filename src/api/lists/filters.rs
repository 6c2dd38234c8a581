//! Filters of lists, as clients write them.

use crate::api::date_time::DateTime;
use crate::api::enums::{JobScheduleType, LastOutcomeName};
use crate::api::errors;
use crate::model::InvalidInput;
use crate::model::execution::{ExecutionStatus, Reason};
use crate::model::job::{JobState, JobStatus};
use crate::model::lists::{ExecutionFilter, JobFilter};
use crate::model::trigger::TriggerKind;
use async_graphql::{ID, InputObject, Result};
use uuid::Uuid;

/// Most values of one condition.
const VALUES_MAX: usize = 50;

/// A selection of jobs; all given conditions must hold.
#[derive(InputObject, Default)]
#[graphql(name = "JobFilter")]
pub struct JobFilterInput {
    /// Exactly these jobs; at most 1,000 ids.
    ids: Option<Vec<ID>>,
    /// Jobs of these namespaces; at most 50.
    namespaces: Option<Vec<String>>,
    /// Part of the name or of the description in any case, or the id.
    search: Option<String>,
    /// Default: ACTIVE and PAUSED.
    status: Option<Vec<JobStatus>>,
    /// The state beyond the status. FAILING is what `overview { failingJobs }` counts.
    state: Option<Vec<JobState>>,
    /// How the fire times are made.
    schedule_type: Option<Vec<JobScheduleType>>,
    /// Jobs that have all of these tags.
    tags: Option<Vec<String>>,
    /// Status of the newest execution; NONE for a job without executions. A newer execution that
    /// runs, was skipped or was cancelled hides a failure here, but not from `state: [FAILING]`,
    /// which uses the newest settled execution. Among executions that ended badly, only the newest
    /// 10,000 within 30 days are found.
    last_outcome: Option<Vec<LastOutcomeName>>,
}

/// A selection of executions; all given conditions must hold.
#[derive(InputObject, Default)]
#[graphql(name = "ExecutionFilter")]
pub struct ExecutionFilterInput {
    /// Exactly these executions; at most 1,000 ids.
    ids: Option<Vec<ID>>,
    /// Executions of jobs of these namespaces; at most 50.
    namespaces: Option<Vec<String>>,
    /// Executions of this job.
    job_id: Option<ID>,
    /// Where the execution stands.
    status: Option<Vec<ExecutionStatus>>,
    /// What made the execution: SCHEDULE, MANUAL, ENQUEUED, BACKFILL, BUFFERED or
    /// RERUN.
    kind: Option<Vec<TriggerKind>>,
    /// Why the execution ended as it did.
    reason: Option<Vec<Reason>>,
    /// Executions with their current or last attempt on this node.
    node_id: Option<ID>,
    /// Start of the range of fire times, included.
    from: Option<DateTime>,
    /// End of the range of fire times, not included.
    to: Option<DateTime>,
}

impl JobFilterInput {
    /// The filter of the model. `place` is the name of the argument, for errors.
    pub fn into_filter(self, place: &str) -> Result<JobFilter> {
        let last_outcomes: Option<Vec<_>> = self
            .last_outcome
            .map(|names| names.into_iter().map(Into::into).collect());
        let filter = JobFilter {
            ids: ids(&format!("{place}.ids"), self.ids)?,
            namespaces: self.namespaces,
            search: self.search,
            statuses: self.status,
            states: self.state,
            schedule_types: self
                .schedule_type
                .map(|types| types.into_iter().map(Into::into).collect()),
            tags: self.tags.unwrap_or_default(),
            last_outcomes,
        };
        filter.validate().map_err(|invalid| invalid.at(place))?;
        Ok(filter)
    }
}

impl ExecutionFilterInput {
    /// The filter of the model.
    pub fn into_filter(self) -> Result<ExecutionFilter> {
        bounded("filter.status", self.status.as_deref())?;
        bounded("filter.kind", self.kind.as_deref())?;
        bounded("filter.reason", self.reason.as_deref())?;
        let filter = ExecutionFilter {
            ids: ids("filter.ids", self.ids)?,
            namespaces: self.namespaces,
            job_ids: None,
            job_id: id("filter.jobId", self.job_id)?,
            statuses: self.status,
            kinds: self.kind.map(|kinds| names(&kinds)),
            reasons: self.reason.map(|reasons| names(&reasons)),
            node_id: id("filter.nodeId", self.node_id)?,
            from: self.from.map(|DateTime(from)| from),
            to: self.to.map(|DateTime(to)| to),
        };
        filter.validate()?;
        Ok(filter)
    }
}

fn id(place: &str, id: Option<ID>) -> Result<Option<Uuid>> {
    id.map(|id| errors::uuid(place, &id)).transpose()
}

/// Reads ids; an error names the first bad one, counted from 0.
fn ids(place: &str, ids: Option<Vec<ID>>) -> Result<Option<Vec<Uuid>>> {
    let Some(ids) = ids else {
        return Ok(None);
    };
    let mut read = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        read.push(errors::uuid(&format!("{place}.{index}"), id)?);
    }
    Ok(Some(read))
}

/// The names of enum values in the database.
fn names<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Refuses a condition with too many values: each costs a comparison for each row.
fn bounded<T>(field: &'static str, values: Option<&[T]>) -> Result<(), InvalidInput> {
    // A list with every name twice would be valid GraphQL.
    if values.is_some_and(|values| values.len() > VALUES_MAX) {
        let message = format!("must be at most {VALUES_MAX} names");
        return Err(InvalidInput::new(field, message));
    }
    Ok(())
}
