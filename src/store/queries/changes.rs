//! Changes: what became different since somebody last looked, for whoever
//! watches. Found by asking, and only while somebody does: nothing on the hot
//! path tells. What changes faster than it is asked for may be missed; the lists
//! are the truth.
//!
//! Changes wait in memory until slow listeners take them. So they hold nothing large: no payload,
//! target, output or previous attempts, and no more than the beginning of an error message. That
//! makes some 15 KB at most, mostly 1.

use super::executions::{ExecutionRecord, record};
use crate::model::Timestamp;
use crate::model::execution::ExecutionStatus;
use crate::model::job::Job;
use crate::model::node::NodeState;
use crate::store::jobs::job_rows::{JobParts, job};
use crate::store::protocol::membership::NodeRecord;
use crate::store::{During, Store, StoreError};
use std::collections::HashMap;
use uuid::Uuid;

/// Newest executions that are compared, and in flight ones, at each look.
const CHECKED_MAX: i64 = 500;

/// The newest, those in flight, and those that were in flight at the last look.
const EXECUTIONS: &str = "-- changes.executions
with looked as (
    (select id from job_execution_log order by id desc limit $2)
    union (select id from execution_in_flight limit $2)
    union select unnest($1::uuid[])
)
select l.id, l.job_id, l.kind, l.fire_time, l.due_time, l.status, l.reason, l.attempt, l.failures, l.job_version, l.node_id,
       l.started_at, l.finished_at, left(l.error_message, 500) as error_message, null::text as output, l.through_fire_time,
       l.occurrences, l.coalesced_into, l.repeats, null::json as payload, null::jsonb as previous_attempts, l.created_at, n.name as node_name, j.name as job_name
from looked x join job_execution_log l on l.id = x.id
left join cluster_node n on n.id = l.node_id left join job_definition j on j.id = l.job_id
order by l.id";

/// What is known of the executions: to be handed from look to look.
#[derive(Debug, Default)]
pub struct ExecutionsSeen(Option<HashMap<Uuid, (ExecutionStatus, i32)>>);

/// What is known of the jobs.
#[derive(Debug, Default)]
pub struct JobsSeen(Option<(Timestamp, HashMap<Uuid, i32>)>);

/// What is known of the nodes.
#[derive(Debug, Default)]
pub struct NodesSeen(Option<HashMap<Uuid, (NodeState, i32, Timestamp)>>);

impl Store {
    /// Executions that are new or stand otherwise than at the last look; none at
    /// the first.
    pub async fn changed_executions(
        &self,
        seen: &mut ExecutionsSeen,
    ) -> Result<Vec<ExecutionRecord>, StoreError> {
        let in_flight = |status: &ExecutionStatus| {
            matches!(status, ExecutionStatus::Running | ExecutionStatus::Retrying)
        };
        let known = seen
            .0
            .iter()
            .flatten()
            .filter(|(_, (status, _))| in_flight(status));
        let known: Vec<Uuid> = known.map(|(id, _)| *id).take(1_000).collect();
        self.bounded("changes.executions", async {
            let session = self.session().await?;
            let statement = session
                .prepare_cached(EXECUTIONS)
                .await
                .during("changes.prepare")?;
            let rows = session
                .query(&statement, &[&known, &CHECKED_MAX])
                .await
                .during("changes.executions")?;
            session.release();
            let found = self.unreadable.readable(&rows, record);
            let now = found
                .iter()
                .map(|found| (found.id, (found.status, found.attempt)))
                .collect();
            let Some(before) = seen.0.replace(now) else {
                return Ok(Vec::new());
            };
            let changed = |found: &ExecutionRecord| {
                before.get(&found.id) != Some(&(found.status, found.attempt))
            };
            Ok(found.into_iter().filter(changed).collect())
        })
        .await
    }

    /// Jobs that were created or changed since the last look, the newest of them; none at the
    /// first.
    pub async fn changed_jobs(&self, seen: &mut JobsSeen) -> Result<Vec<Job>, StoreError> {
        // A change may become visible a little after its time: what was told is not told again.
        let since = seen
            .0
            .as_ref()
            .map(|(since, _)| *since - chrono::TimeDelta::seconds(5));
        self.bounded("changes.jobs", async {
            let session = self.session().await?;
            let text = format!(
                "-- changes.jobs\nselect {}, case when t.due_at is not null then t.fire_time end as next_fire_time,
    case when t.held_due_at is not null then t.fire_time end as held_fire_time, t.closed_from, t.runs
from job_definition j left join job_trigger t on t.id = j.id
where j.updated_at >= coalesce($1, (select max(updated_at) from job_definition)) order by j.updated_at desc limit {CHECKED_MAX}",
                JobParts::Small.columns()
            );
            let statement = session.prepare_cached(&text).await.during("changes.prepare")?;
            let rows = session.query(&statement, &[&since]).await.during("changes.jobs")?;
            session.release();
            let found = self.unreadable.readable(&rows, job);
            let newest = found.iter().map(|found| found.updated_at).max();
            let newest = newest.or(seen.0.as_ref().map(|(since, _)| *since)).unwrap_or(Timestamp::UNIX_EPOCH);
            let now = found.iter().map(|found| (found.id, found.version)).collect();
            let Some((_, before)) = seen.0.replace((newest, now)) else { return Ok(Vec::new()) };
            // The newest are looked at: a look that began with the oldest would never pass as many
            // of one instant.
            let oldest_first = found.into_iter().rev();
            Ok(oldest_first.filter(|found| before.get(&found.id) != Some(&found.version)).collect())
        })
        .await
    }

    /// Nodes whose state, load or heartbeat is another than at the last look;
    /// none at the first.
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
