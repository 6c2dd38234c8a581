//! Lists of executions: filtered, newest fire time first, a page at a time.
//!
//! Ids sort by fire time, so the id is the key of the order. A filter that no
//! index serves looks through so many rows at a time and no more: a page may
//! hold fewer rows than were asked for, or none, and still have a next.

use super::executions::{ExecutionRecord, ExecutionTexts, record};
use super::filters::Conditions;
use crate::model::execution::{ExecutionStatus, lowest_execution_id};
use crate::model::lists::ExecutionFilter;
use crate::store::db::row::Values;
use crate::store::{During, Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// Rows looked through for one page by a filter without an index: 20 to 30 ms.
pub(crate) const SCAN_LIMIT: usize = 20_000;

/// The newest executions of each job, one more than a page holds: for all jobs of an answer at
/// once.
const FIRST_PAGES: &str = "-- execution_list.first_pages
select {columns}, n.name as node_name, j.name as job_name
from unnest($1::uuid[]) as x (id) left join job_definition j on j.id = x.id
cross join lateral (select * from job_execution_log l where l.job_id = x.id order by l.id desc limit $2) as l
left join cluster_node n on n.id = l.node_id
order by l.id desc";

const IN_FLIGHT: &str = "-- execution_list.in_flight
select job_id, count(*) from execution_in_flight where job_id = any($1::uuid[]) group by job_id";

/// Some rows of a list.
#[derive(Debug, Clone)]
pub struct ExecutionPage {
    /// The rows.
    pub rows: Vec<Arc<ExecutionRecord>>,
    /// The key behind which the list goes on; none at its end.
    pub next: Option<Uuid>,
}

/// Rows by their ids, newest first. One at a time: so each asks its own partition
/// only (0.7 ms for 50 ids over 30 partitions; a join asked all of them for all
/// ids, 18 ms).
pub(crate) const BY_IDS: &str = "-- execution_list.by_ids
select {columns}, n.name as node_name, j.name as job_name from unnest($1::uuid[]) as x (id)
cross join lateral (select * from job_execution_log l where l.id = x.id offset 0) as l
left join cluster_node n on n.id = l.node_id left join job_definition j on j.id = l.job_id
order by l.id desc";

/// The conditions of a filter about a row `l`.
pub(crate) fn conditions(filter: &ExecutionFilter, after: Option<Uuid>) -> Conditions {
    let only = |of: &[ExecutionStatus]| {
        filter
            .statuses
            .as_ref()
            .is_some_and(|statuses| statuses.iter().all(|status| of.contains(status)))
    };
    let mut conditions = Conditions::default();
    if only(&[ExecutionStatus::Running, ExecutionStatus::Retrying]) {
        conditions.find_plain("l.id in (select id from execution_in_flight)");
    } else if only(&[
        ExecutionStatus::Failed,
        ExecutionStatus::Lost,
        ExecutionStatus::Cancelled,
    ]) {
        conditions.find_plain("l.error_message is not null");
    }
    if let Some(after) = after {
        conditions.find("l.id < ?", after);
    }
    if let Some(from) = filter.from {
        conditions.find("l.id >= ?", lowest_execution_id(from));
    }
    if let Some(to) = filter.to {
        conditions.find("l.id < ?", lowest_execution_id(to));
    }
    if let Some(ids) = &filter.ids {
        conditions.find("l.id = any(?::uuid[])", ids.clone());
    }
    if let Some(job_id) = filter.job_id {
        conditions.find("l.job_id = ?", job_id);
    }
    if let Some(job_ids) = &filter.job_ids {
        conditions.fit("l.job_id = any(?::uuid[])", job_ids.clone());
    }
    if let Some(statuses) = &filter.statuses {
        let names: Vec<String> = statuses
            .iter()
            .map(|status| status.as_str().to_owned())
            .collect();
        conditions.fit("l.status = any(?::text[])", names);
    }
    if let Some(kinds) = &filter.kinds {
        conditions.fit("l.kind = any(?::text[])", kinds.clone());
    }
    if let Some(reasons) = &filter.reasons {
        conditions.fit("l.reason = any(?::text[])", reasons.clone());
    }
    if let Some(node_id) = filter.node_id {
        conditions.fit("l.node_id = ?", node_id);
    }
    conditions
}

/// How many rows were looked at, the last of them, and the ids of those that
/// fit: one more than the page holds.
pub(crate) fn search(conditions: &Conditions, through: usize, limit: usize) -> String {
    format!(
        "-- execution_list.search
with looked as materialized (
    select l.id, l.job_id, l.status, l.kind, l.reason, l.node_id from job_execution_log l where {}
    order by l.id desc limit {through}
)
select (select count(*) from looked), (select id from looked order by id limit 1),
       array(select l.id from looked l where {} order by l.id desc limit {})",
        conditions.found(),
        conditions.fits(),
        limit + 1
    )
}

impl Store {
    /// The executions behind a key, newest first, at most `limit`.
    pub async fn execution_page(
        &self,
        filter: &ExecutionFilter,
        after: Option<Uuid>,
        limit: usize,
        texts: ExecutionTexts,
    ) -> Result<ExecutionPage, StoreError> {
        self.bounded("execution_list.page", async {
            let session = self.session().await?;
            let conditions = conditions(filter, after);
            let through = if conditions.are_selective() {
                SCAN_LIMIT
            } else {
                limit + 1
            };
            let text = search(&conditions, through, limit);
            let row = session
                .query_one(&text, &conditions.values())
                .await
                .during("execution_list.search")?;
            let row = Values::of("execution_list.search", &row);
            let (scanned, last, mut ids): (i64, Option<Uuid>, Vec<Uuid>) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let next = match ids.get(limit.saturating_sub(1)) {
                Some(id) if ids.len() > limit => Some(*id),
                _ if usize::try_from(scanned) == Ok(through) => last,
                _ => None,
            };
            ids.truncate(limit);
            let by_ids = BY_IDS.replace("{columns}", &texts.columns());
            let rows = self
                .rows(&session, "execution_list.by_ids", &by_ids, &[&ids])
                .await?;
            session.release();
            let record = |row: &Row| record(row).map(Arc::new);
            Ok(ExecutionPage {
                rows: self.unreadable.readable(&rows, record),
                next,
            })
        })
        .await
    }

    /// How many executions of a filter there are, when that is cheap to know:
    /// those in flight.
    pub async fn execution_count(
        &self,
        filter: &ExecutionFilter,
    ) -> Result<Option<i64>, StoreError> {
        let in_flight = |status: &ExecutionStatus| {
            matches!(status, ExecutionStatus::Running | ExecutionStatus::Retrying)
        };
        if !filter
            .statuses
            .as_ref()
            .is_some_and(|statuses| statuses.iter().all(in_flight))
        {
            return Ok(None);
        }
        self.bounded("execution_list.count", async {
            let session = self.session().await?;
            let conditions = conditions(filter, None);
            let (found, fits) = (conditions.found(), conditions.fits());
            let text =
                format!("-- execution_list.count\nselect count(*) from job_execution_log l where {found} and {fits}");
            let row = session.query_one(&text, &conditions.values()).await.during("execution_list.count")?;
            session.release();
            Values::of("execution_list.count", &row).get(0).map(Some)
        })
        .await
    }

    /// The first page of the executions of each of these jobs, without a filter; none for a job
    /// without executions.
    pub async fn first_pages(
        &self,
        jobs: &[Uuid],
        limit: usize,
        texts: ExecutionTexts,
    ) -> Result<HashMap<Uuid, ExecutionPage>, StoreError> {
        self.bounded("execution_list.first_pages", async {
            let session = self.session().await?;
            let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
            let statement = FIRST_PAGES.replace("{columns}", &texts.columns());
            let rows = self
                .rows(
                    &session,
                    "execution_list.first_pages",
                    &statement,
                    &[&jobs, &one_more],
                )
                .await?;
            session.release();
            let mut rows_of: HashMap<Uuid, Vec<&Row>> = HashMap::new();
            for row in &rows {
                rows_of
                    .entry(Values::of("job_execution_log", row).get("job_id")?)
                    .or_default()
                    .push(row);
            }
            rows_of
                .into_iter()
                .map(|(job, rows)| Ok((job, self.first_page(rows, limit)?)))
                .collect()
        })
        .await
    }

    fn first_page(&self, mut rows: Vec<&Row>, limit: usize) -> Result<ExecutionPage, StoreError> {
        let is_all = rows.len() <= limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| !is_all);
        let next = last
            .map(|row| Values::of("job_execution_log", row).get("id"))
            .transpose()?;
        let record = |row: &Row| record(row).map(Arc::new);
        Ok(ExecutionPage {
            rows: self.unreadable.readable(rows, record),
            next,
        })
    }

    /// How many executions of each of these jobs are in flight.
    pub async fn in_flight(&self, jobs: &[Uuid]) -> Result<HashMap<Uuid, i64>, StoreError> {
        self.bounded("execution_list.in_flight", async {
            let session = self.session().await?;
            let in_flight = session
                .prepare_cached(IN_FLIGHT)
                .await
                .during("execution_list.prepare")?;
            let rows = session
                .query(&in_flight, &[&jobs])
                .await
                .during("execution_list.in_flight")?;
            session.release();
            let read = |row: &Row| {
                let row = Values::of("execution_list.in_flight", row);
                Ok((row.get(0)?, row.get(1)?))
            };
            rows.iter().map(read).collect()
        })
        .await
    }
}
