//! Changes since the last poll, for subscriptions. Changes are found by polling, and only while
//! there are subscribers: nothing on the hot path reports changes. Changes faster than the polls
//! may be missed; the lists are complete.
//!
//! Changes wait in memory for slow subscribers, so changes hold nothing large: no payload, target,
//! output or previous attempts, and the first 500 characters of an error message. A change has at
//! most 15 KB, usually 1.

use super::executions::{ExecutionRecord, record};
use crate::model::Timestamp;
use crate::model::execution::ExecutionStatus;
use crate::model::job::Job;
use crate::model::node::NodeState;
use crate::store::db::statement::Statement;
use crate::store::jobs::job_rows::{JobParts, job};
use crate::store::protocol::membership::NodeRecord;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use uuid::Uuid;

/// Newest executions, and executions in flight, compared by each poll.
const CHECKED_MAX: i64 = 500;

/// The newest executions, the executions in flight, and the executions in flight at the last poll.
const EXECUTIONS: Statement = Statement::new(
    "-- changes.executions
with looked as (
    (select id from job_execution_log order by id desc limit $2)
    union (select id from execution_in_flight limit $2)
    union select unnest($1::uuid[])
)
select l.id, l.job_id, l.kind, l.fire_time, l.due_time, l.status, l.reason, l.attempt, l.failures,
       l.job_version, l.node_id,
       l.started_at, l.finished_at, left(l.error_message, 500) as error_message,
       null::text as output, l.through_fire_time,
       l.occurrences, l.coalesced_into, l.repeats, l.unique_key, null::json as payload,
       null::jsonb as previous_attempts, l.created_at, n.name as node_name, j.name as job_name,
       j.namespace
from looked x join job_execution_log l on l.id = x.id
left join cluster_node n on n.id = l.node_id left join job_definition j on j.id = l.job_id
order by l.id",
);

/// Jobs changed since $1; default: the jobs of the last change.
const JOBS: Statement = Statement::new(
    "-- changes.jobs
select {columns}, case when t.due_at is not null then t.fire_time end as next_fire_time,
    case when t.paused_due_at is not null then t.fire_time end as paused_fire_time, t.excluded_from,
    t.runs
from job_definition j left join job_trigger t on t.id = j.id
where j.updated_at >= coalesce($1, (select max(updated_at) from job_definition))
order by j.updated_at desc limit {most}",
);

/// Executions at the last poll; passed from poll to poll.
#[derive(Debug, Default)]
pub struct ExecutionsSeen(Option<HashMap<Uuid, (ExecutionStatus, i32)>>);

/// Jobs at the last poll.
#[derive(Debug, Default)]
pub struct JobsSeen(Option<(Timestamp, HashMap<Uuid, i32>)>);

/// Nodes at the last poll.
#[derive(Debug, Default)]
pub struct NodesSeen(Option<HashMap<Uuid, (NodeState, i32, Timestamp)>>);

impl Store {
    /// Executions new or in another state than at the last poll; none at the first.
    pub async fn changed_executions(
        &self,
        seen: &mut ExecutionsSeen,
    ) -> Result<Vec<ExecutionRecord>, StoreError> {
        let known = seen.0.iter().flatten().filter(|(_, (status, _))| {
            matches!(status, ExecutionStatus::Running | ExecutionStatus::Retrying)
        });
        // A bound on the statement; further executions are found among the newest.
        let known: Vec<Uuid> = known.map(|(id, _)| *id).take(1_000).collect();
        let found = self
            .read_all(EXECUTIONS, &[&known, &CHECKED_MAX], record)
            .await?;
        let now = found
            .iter()
            .map(|found| (found.id, (found.status, found.attempt)))
            .collect();
        let Some(before) = seen.0.replace(now) else {
            return Ok(Vec::new());
        };
        let changed =
            |found: &ExecutionRecord| before.get(&found.id) != Some(&(found.status, found.attempt));
        Ok(found.into_iter().filter(changed).collect())
    }

    /// Jobs created or changed since the last poll, the newest; none at the first.
    pub async fn changed_jobs(&self, seen: &mut JobsSeen) -> Result<Vec<Job>, StoreError> {
        // A change may become visible some time after the timestamp, so the range overlaps;
        // reported versions are not reported a second time.
        let since = seen
            .0
            .as_ref()
            .map(|(since, _)| *since - chrono::TimeDelta::seconds(5));
        let text = JOBS.filled(&[
            ("{columns}", &JobParts::Small.columns()),
            ("{most}", &CHECKED_MAX.to_string()),
        ]);
        let found = self.read_all(JOBS.with_sql(&text), &[&since], job).await?;
        let newest = found.iter().map(|found| found.updated_at).max();
        let newest = newest
            .or(seen.0.as_ref().map(|(since, _)| *since))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let now = found
            .iter()
            .map(|found| (found.id, found.version))
            .collect();
        let Some((_, before)) = seen.0.replace((newest, now)) else {
            return Ok(Vec::new());
        };
        // The newest are compared: a poll from the oldest on would never get past 500 changes of
        // the same instant.
        let oldest_first = found.into_iter().rev();
        Ok(oldest_first
            .filter(|found| before.get(&found.id) != Some(&found.version))
            .collect())
    }

    /// Nodes with a changed state, load or heartbeat since the last poll; none at the first.
    pub async fn changed_nodes(&self, seen: &mut NodesSeen) -> Result<Vec<NodeRecord>, StoreError> {
        let found = self.nodes().await?;
        let state =
            |found: &NodeRecord| (found.state, found.executions_running, found.heartbeat_at);
        let now = found.iter().map(|found| (found.id, state(found))).collect();
        let Some(before) = seen.0.replace(now) else {
            return Ok(Vec::new());
        };
        Ok(found
            .into_iter()
            .filter(|found| before.get(&found.id) != Some(&state(found)))
            .collect())
    }
}
