//! Lists of executions: filtered, newest fire time first, a page at a time.
//!
//! Ids sort by fire time, so the id is the key of the order. A filter that no
//! index serves looks through so many rows at a time and no more: a page may
//! hold fewer rows than were asked for, or none, and still have a next.

use super::executions::{ExecutionRecord, record};
use super::job_list::Conditions;
use super::{During, Store, StoreError};
use crate::model::execution::{ExecutionStatus, lowest_execution_id};
use crate::model::lists::ExecutionFilter;
use std::collections::HashMap;
use uuid::Uuid;

/// Rows looked through for one page by a filter without an index: 20 to 30 ms.
const LOOK_THROUGH: i64 = 20_000;

/// What a person sees of each job in a list, in one statement for a page.
const RECENT: &str = "-- execution_list.recent
select r.*, n.name as node_name, null as job_name from unnest($1::uuid[]) as x (id)
cross join lateral (
    select id, job_id, kind, fire_time, due_time, status, reason, attempt, failures, job_version, node_id, started_at,
           finished_at, left(error_message, 500) as error_message, null::text as output, through_fire_time, occurrences,
           coalesced_into, previous_attempts, created_at
    from job_execution_log l where l.job_id = x.id order by l.id desc limit $2
) as r left join cluster_node n on n.id = r.node_id
order by r.id desc";

const IN_FLIGHT: &str = "-- execution_list.in_flight
select job_id, count(*) from job_execution_log where job_id = any($1::uuid[]) and status in ('RUNNING', 'RETRYING')
group by job_id";

/// Some rows of a list.
#[derive(Debug, Clone)]
pub struct ExecutionPage {
    /// The rows.
    pub rows: Vec<ExecutionRecord>,
    /// The key behind which the list goes on; none at its end.
    pub next: Option<Uuid>,
}

/// Rows by their ids, newest first; `between` prunes partitions.
const BY_IDS: &str = "-- execution_list.by_ids
select l.*, n.name as node_name, j.name as job_name
from job_execution_log l left join cluster_node n on n.id = l.node_id left join job_definition j on j.id = l.job_id
where l.id between $2 and $3 and l.id = any($1::uuid[]) order by l.id desc";

/// What an index finds, and what has to be looked through.
struct Search {
    found: Conditions,
    fits: String,
    look_through: i64,
}

impl Search {
    fn of(filter: &ExecutionFilter, after: Option<Uuid>, limit: usize) -> Self {
        let only = |of: &[ExecutionStatus]| {
            filter.statuses.as_ref().is_some_and(|statuses| statuses.iter().all(|status| of.contains(status)))
        };
        let mut found = Conditions::default();
        if only(&[ExecutionStatus::Running, ExecutionStatus::Retrying]) {
            found.add_plain("l.status in ('RUNNING', 'RETRYING')");
        } else if only(&[ExecutionStatus::Failed, ExecutionStatus::Lost, ExecutionStatus::Cancelled]) {
            found.add_plain("l.error_message is not null");
        }
        if let Some(after) = after {
            found.add("l.id < ?", after);
        }
        if let Some(from) = filter.from {
            found.add("l.id >= ?", lowest_execution_id(from));
        }
        if let Some(to) = filter.to {
            found.add("l.id < ?", lowest_execution_id(to));
        }
        if let Some(job_id) = filter.job_id {
            found.add("l.job_id = ?", job_id);
        }
        let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<String>>();
        let mut fits = Vec::new();
        let mut fit = |column: &str, names: Vec<String>| {
            found.bind(names);
            fits.push(format!("l.{column} = any(${}::text[])", found.bound()));
        };
        if let Some(statuses) = &filter.statuses {
            fit("status", names(statuses.iter().map(|status| status.as_str()).collect()));
        }
        if let Some(kinds) = &filter.kinds {
            fit("kind", kinds.clone());
        }
        if let Some(reasons) = &filter.reasons {
            fit("reason", reasons.clone());
        }
        if let Some(node_id) = filter.node_id {
            found.bind(node_id);
            fits.push(format!("l.node_id = ${}", found.bound()));
        }
        let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let look_through = if fits.is_empty() { one_more } else { LOOK_THROUGH };
        Self { found, fits: if fits.is_empty() { "true".to_owned() } else { fits.join(" and ") }, look_through }
    }

    /// How many rows were looked at, the last of them, and the ids of those that
    /// fit: one more than the page holds.
    fn statement(&self, limit: usize) -> String {
        let Self { found, fits, look_through } = self;
        format!(
            "-- execution_list.search
with looked as materialized (
    select l.id, l.status, l.kind, l.reason, l.node_id from job_execution_log l where {}
    order by l.id desc limit {look_through}
)
select (select count(*) from looked), (select id from looked order by id limit 1),
       array(select l.id from looked l where {fits} order by l.id desc limit {})",
            found.text(),
            limit + 1
        )
    }
}

impl Store {
    /// The executions behind a key, newest first, at most `limit`.
    pub async fn execution_page(
        &self,
        filter: &ExecutionFilter,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<ExecutionPage, StoreError> {
        self.bounded("execution_list.page", async {
            let session = self.session().await?;
            let search = Search::of(filter, after, limit);
            let row = session.query_one(&search.statement(limit), &search.found.values()).await;
            let row = row.during("execution_list.search")?;
            let (looked, last, mut ids): (i64, Option<Uuid>, Vec<Uuid>) = (row.get(0), row.get(1), row.get(2));
            let next = match ids.get(limit.saturating_sub(1)) {
                Some(id) if ids.len() > limit => Some(*id),
                _ if looked >= search.look_through => last,
                _ => None,
            };
            ids.truncate(limit);
            let rows = match (ids.last(), ids.first()) {
                (Some(low), Some(high)) => session.query(BY_IDS, &[&ids, low, high]).await,
                _ => Ok(Vec::new()),
            };
            let rows = rows.during("execution_list.by_ids")?;
            session.release();
            Ok(ExecutionPage { rows: rows.iter().map(record).collect::<Result<_, _>>()?, next })
        })
        .await
    }

    /// How many executions of a filter there are, when that is cheap to know:
    /// those in flight.
    pub async fn execution_count(&self, filter: &ExecutionFilter) -> Result<Option<i64>, StoreError> {
        let in_flight =
            |status: &ExecutionStatus| matches!(status, ExecutionStatus::Running | ExecutionStatus::Retrying);
        if !filter.statuses.as_ref().is_some_and(|statuses| statuses.iter().all(in_flight)) {
            return Ok(None);
        }
        self.bounded("execution_list.count", async {
            let session = self.session().await?;
            let Search { found, fits, .. } = Search::of(filter, None, 0);
            let text = format!(
                "-- execution_list.count\nselect count(*) from job_execution_log l where {} and {fits}",
                found.text()
            );
            let row = session.query_one(&text, &found.values()).await.during("execution_list.count")?;
            session.release();
            Ok(Some(row.get(0)))
        })
        .await
    }

    /// The newest executions of each of these jobs, at most `count`, without
    /// their outputs.
    pub async fn recent_executions(
        &self,
        jobs: &[Uuid],
        count: usize,
    ) -> Result<HashMap<Uuid, Vec<ExecutionRecord>>, StoreError> {
        self.bounded("execution_list.recent", async {
            let session = self.session().await?;
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            let rows = session.query(RECENT, &[&jobs, &count]).await.during("execution_list.recent")?;
            session.release();
            let mut recent: HashMap<Uuid, Vec<ExecutionRecord>> = HashMap::new();
            for row in &rows {
                recent.entry(row.get("job_id")).or_default().push(record(row)?);
            }
            Ok(recent)
        })
        .await
    }

    /// How many executions of each of these jobs are in flight.
    pub async fn in_flight(&self, jobs: &[Uuid]) -> Result<HashMap<Uuid, i64>, StoreError> {
        self.bounded("execution_list.in_flight", async {
            let session = self.session().await?;
            let rows = session.query(IN_FLIGHT, &[&jobs]).await.during("execution_list.in_flight")?;
            session.release();
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
        .await
    }
}
