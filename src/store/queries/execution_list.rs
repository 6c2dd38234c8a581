//! Lists of executions: filtered, newest fire time first, a page at a time.
//!
//! Ids sort by fire time, so the id is the key of the order. A filter without an index reads a
//! limited number of rows per page: a page may hold fewer rows than the limit, or none, and still
//! have a next page.

pub(crate) use super::execution_scans::SCAN_LIMIT;
use super::execution_scans::{JOBS_MAX, Searched, jobs, merged, of_jobs, searched};
use super::executions::{ExecutionRecord, ExecutionTexts, record};
use super::filters::Conditions;
use crate::model::execution::{ExecutionStatus, lowest_execution_id};
use crate::model::lists::ExecutionFilter;
use crate::model::namespace::Reach;
use crate::store::db::row::Values;
use crate::store::db::session::Session;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// The newest executions of each job, a page and a row more, for all jobs of an answer in a single
/// statement.
const FIRST_PAGES: Statement = Statement::new(
    "-- execution_list.first_pages
select {columns}, n.name as node_name, j.name as job_name, j.namespace
from unnest($1::uuid[]) as x (id) left join job_definition j on j.id = x.id
cross join lateral (select * from job_execution_log l where l.job_id = x.id order by l.id desc
    limit $2) as l
left join cluster_node n on n.id = l.node_id
order by l.id desc",
);

const IN_FLIGHT: Statement = Statement::new(
    "-- execution_list.in_flight
select job_id, count(*) from execution_in_flight where job_id = any($1::uuid[]) group by job_id",
);

/// Some rows of a list.
#[derive(Debug, Clone)]
pub struct ExecutionPage {
    /// Rows of the page.
    pub rows: Vec<Arc<ExecutionRecord>>,
    /// The key before the next page; none at the end.
    pub next: Option<Uuid>,
}

/// Rows by id, newest first. A look-up per id, so each look-up reads a single partition (0.7 ms for
/// 50 ids over 30 partitions; a join read all partitions for all ids, 18 ms).
pub(crate) const BY_IDS: Statement = Statement::new(
    "-- execution_list.by_ids
select {columns}, n.name as node_name, j.name as job_name, j.namespace
from unnest($1::uuid[]) as x (id)
cross join lateral (select * from job_execution_log l where l.id = x.id offset 0) as l
left join cluster_node n on n.id = l.node_id left join job_definition j on j.id = l.job_id
order by l.id desc",
);

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
        // The condition of the partial index over executions that ended badly.
        conditions.find_plain("l.error_message is not null");
    }
    if let Some(after) = after {
        conditions.find("l.id < ?", after);
    }
    if let Some(from) = filter.from {
        // An id begins with the milliseconds of the fire time, so a range of times is a range of
        // ids.
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
    if let Some(namespaces) = &filter.namespaces {
        conditions.fit(
            "(select j.namespace from job_definition j where j.id = l.job_id) = any(?::text[])",
            namespaces.clone(),
        );
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

/// The number of rows read, the last row read, and the ids of the matching rows.
pub(crate) const SEARCH: Statement = Statement::new(
    "-- execution_list.search
with looked as materialized (
    select l.id, l.job_id, l.status, l.kind, l.reason, l.node_id from job_execution_log l
    where {found} order by l.id desc limit {through}
)
select (select count(*) from looked) as looked_at,
       (select id from looked order by id limit 1) as last,
       array(select l.id from looked l where {fits} order by l.id desc limit {limit}) as ids",
);

const COUNT: Statement = Statement::new(
    "-- execution_list.count
select count(*) from job_execution_log l where {found} and {fits}",
);

/// Reads at most `through` rows for `limit` + 1 matches.
pub(crate) async fn search(
    session: &Session,
    conditions: &Conditions,
    through: usize,
    limit: usize,
) -> Result<Searched, StoreError> {
    let text = SEARCH.filled(&[
        ("{found}", &conditions.found()),
        ("{fits}", &conditions.fits()),
        ("{through}", &through.to_string()),
        ("{limit}", &(limit + 1).to_string()),
    ]);
    let row = SEARCH
        .with_sql(&text)
        .query_one_unprepared(session, &conditions.values())
        .await?;
    searched(&row)
}

impl Store {
    /// The executions after a key, newest first, at most `limit`.
    pub async fn execution_page(
        &self,
        filter: &ExecutionFilter,
        after: Option<Uuid>,
        limit: usize,
        texts: ExecutionTexts,
    ) -> Result<ExecutionPage, StoreError> {
        self.on_session("execution_list.page", async |session| {
            // A namespace may be a small part of a large log: the index by job leads to the rows.
            if self.reach() != &Reach::All && filter.job_id.is_none() {
                let jobs = jobs(session).await?;
                if jobs.len() <= JOBS_MAX {
                    let found = of_jobs(session, &jobs, conditions(filter, after), limit).await?;
                    let (ids, next) = merged(&found, limit);
                    let rows = self.rows_by_ids(session, &ids, texts).await?;
                    return Ok(ExecutionPage { rows, next });
                }
            }
            let conditions = conditions(filter, after);
            // Without row conditions every row matches, so a row more than the page is enough.
            let through = if conditions.are_selective() {
                SCAN_LIMIT
            } else {
                limit + 1
            };
            let Searched {
                looked_at,
                last,
                mut ids,
            } = search(session, &conditions, through, limit).await?;
            let next = match ids.get(limit.saturating_sub(1)) {
                Some(id) if ids.len() > limit => Some(*id),
                // The limit of rows was reached: the next page starts after the last row read.
                _ if usize::try_from(looked_at) == Ok(through) => last,
                _ => None,
            };
            ids.truncate(limit);
            let rows = self.rows_by_ids(session, &ids, texts).await?;
            Ok(ExecutionPage { rows, next })
        })
        .await
    }

    /// The number of executions of a filter, for a cheap filter: executions in flight.
    pub async fn execution_count(
        &self,
        filter: &ExecutionFilter,
    ) -> Result<Option<i64>, StoreError> {
        if !filter.statuses.as_ref().is_some_and(|statuses| {
            statuses.iter().all(|status| {
                matches!(status, ExecutionStatus::Running | ExecutionStatus::Retrying)
            })
        }) {
            return Ok(None);
        }
        let conditions = conditions(filter, None);
        let (found, fits) = (conditions.found(), conditions.fits());
        let text = COUNT.filled(&[("{found}", &found), ("{fits}", &fits)]);
        self.read_one(COUNT.with_sql(&text), &conditions.values(), |row| {
            Values::of(COUNT.name(), row).get(0).map(Some)
        })
        .await
    }

    /// Rows of a page, with the texts, newest first. Missing rows are left out.
    pub(super) async fn rows_by_ids(
        &self,
        session: &Session,
        ids: &[Uuid],
        texts: ExecutionTexts,
    ) -> Result<Vec<Arc<ExecutionRecord>>, StoreError> {
        let text = BY_IDS.filled(&[("{columns}", &texts.columns())]);
        let rows = self.rows(session, BY_IDS.with_sql(&text), &[&ids]).await?;
        Ok(self
            .unreadable
            .readable(&rows, |row| record(row).map(Arc::new)))
    }

    /// The first page of the executions of each job, without a filter; none for a job without
    /// executions.
    pub async fn first_pages(
        &self,
        jobs: &[Uuid],
        limit: usize,
        texts: ExecutionTexts,
    ) -> Result<HashMap<Uuid, ExecutionPage>, StoreError> {
        let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let text = FIRST_PAGES.filled(&[("{columns}", &texts.columns())]);
        let rows = self
            .read_rows(FIRST_PAGES.with_sql(&text), &[&jobs, &one_more])
            .await?;
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
    }

    fn first_page(&self, mut rows: Vec<&Row>, limit: usize) -> Result<ExecutionPage, StoreError> {
        let is_all = rows.len() <= limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| !is_all);
        let next = last
            .map(|row| Values::of("job_execution_log", row).get("id"))
            .transpose()?;
        Ok(ExecutionPage {
            rows: self
                .unreadable
                .readable(rows, |row: &Row| record(row).map(Arc::new)),
            next,
        })
    }

    /// The number of executions in flight of each job.
    pub async fn in_flight(&self, jobs: &[Uuid]) -> Result<HashMap<Uuid, i64>, StoreError> {
        let rows = self.read_rows(IN_FLIGHT, &[&jobs]).await?;
        rows.iter()
            .map(|row| {
                let row = Values::of(IN_FLIGHT.name(), row);
                Ok((row.get(0)?, row.get(1)?))
            })
            .collect()
    }
}
