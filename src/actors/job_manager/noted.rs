//! The filters of bulk commands in the audit log.

use crate::model::lists::{ExecutionFilter, JobFilter, LastOutcome};
use crate::model::rfc3339;
use serde_json::{Map, Value, json};
use std::fmt::Display;
use uuid::Uuid;

/// Most ids shown; of longer lists only the number.
const IDS_MAX: usize = 20;

/// The conditions of a filter of jobs, by the names in the API.
pub(super) fn jobs(filter: &JobFilter) -> Value {
    let mut conditions = Map::new();
    let mut note = |name: &str, value: Option<Value>| {
        conditions.extend(value.map(|value| (name.to_owned(), value)));
    };
    note("ids", filter.ids.as_deref().map(ids));
    note(
        "namespaces",
        filter.namespaces.as_ref().map(|names| json!(names)),
    );
    note("search", filter.search.as_ref().map(|search| json!(search)));
    note("status", filter.statuses.as_deref().map(names));
    note("state", filter.states.as_deref().map(names));
    note("scheduleType", filter.schedule_types.as_deref().map(names));
    let tags = (!filter.tags.is_empty()).then(|| json!(filter.tags));
    note("tags", tags);
    let outcomes = filter.last_outcomes.as_ref().map(|outcomes| {
        outcomes
            .iter()
            .map(|outcome| match outcome {
                LastOutcome::Is(status) => status.as_str(),
                LastOutcome::None => "NONE",
            })
            .collect()
    });
    note("lastOutcome", outcomes);
    Value::Object(conditions)
}

/// The conditions of a filter of executions, by the names in the API.
pub(super) fn executions(filter: &ExecutionFilter) -> Value {
    let mut conditions = Map::new();
    let mut note = |name: &str, value: Option<Value>| {
        conditions.extend(value.map(|value| (name.to_owned(), value)));
    };
    note("ids", filter.ids.as_deref().map(ids));
    note(
        "namespaces",
        filter.namespaces.as_ref().map(|names| json!(names)),
    );
    note("jobId", filter.job_id.map(|id| json!(id)));
    note("status", filter.statuses.as_deref().map(names));
    note("kind", filter.kinds.as_ref().map(|kinds| json!(kinds)));
    note(
        "reason",
        filter.reasons.as_ref().map(|reasons| json!(reasons)),
    );
    note("nodeId", filter.node_id.map(|id| json!(id)));
    note("from", filter.from.map(|from| json!(rfc3339(from))));
    note("to", filter.to.map(|to| json!(rfc3339(to))));
    Value::Object(conditions)
}

fn ids(ids: &[Uuid]) -> Value {
    if ids.len() > IDS_MAX {
        json!(format!("{} ids", ids.len()))
    } else {
        json!(ids)
    }
}

fn names<T: Display>(values: &[T]) -> Value {
    values.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::execution::ExecutionStatus;
    use crate::model::job::JobStatus;

    #[test]
    fn a_filter_is_shown_by_its_conditions() {
        assert_eq!(jobs(&JobFilter::default()), json!({}));
        let filter = JobFilter {
            ids: Some(vec![Uuid::nil(); IDS_MAX + 1]),
            statuses: Some(vec![JobStatus::Paused]),
            tags: vec!["etl".to_owned()],
            last_outcomes: Some(vec![LastOutcome::None]),
            ..JobFilter::default()
        };
        assert_eq!(
            jobs(&filter),
            json!({"ids": "21 ids", "status": ["PAUSED"], "tags": ["etl"],
                "lastOutcome": ["NONE"]})
        );
        let filter = ExecutionFilter {
            statuses: Some(vec![ExecutionStatus::Failed]),
            ids: Some(Vec::new()),
            ..ExecutionFilter::default()
        };
        assert_eq!(
            executions(&filter),
            json!({"ids": [], "status": ["FAILED"]})
        );
    }
}
