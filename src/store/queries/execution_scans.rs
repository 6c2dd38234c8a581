//! Scans of the log: stretches read to a limited depth, and the common parts.
//!
//! A page with several sources holds the executions above the highest depth, and the next page
//! starts there.

use super::filters::Conditions;
use crate::store::StoreError;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Session;
use crate::store::db::statement::Statement;
use std::collections::BTreeSet;
use tokio_postgres::Row;
use uuid::Uuid;

/// Rows read for a page by a filter without an index: 20 to 30 ms.
pub(crate) const SCAN_LIMIT: usize = 20_000;
/// Most jobs with a look-up of executions by job: 2 to 20 ms. With more jobs all executions are
/// searched, with many matches.
pub(super) const JOBS_MAX: usize = 200;

/// The jobs within reach, up to the limit plus one.
const JOBS: Statement = Statement::new(
    "-- execution_scans.jobs
select id from job_definition limit $1",
);

/// See [`of_jobs`].
const OF_JOBS: Statement = Statement::new(
    "-- execution_scans.of_jobs
select of_job.* from unnest({jobs}::uuid[]) as x (id) cross join lateral (
    with looked as materialized (
        select l.id, l.job_id, l.status, l.kind, l.reason, l.node_id from job_execution_log l
        where l.job_id = x.id and {found} order by l.id desc limit {through}
    )
    select (select count(*) from looked), (select id from looked order by id limit 1),
           array(select l.id from looked l where {fits} order by l.id desc limit {limit})
) as of_job (looked_at, last, ids)",
);

/// Result of a search through a stretch of the log.
pub(crate) struct Searched {
    /// Number of rows read for the page.
    pub(crate) looked_at: i64,
    /// The last row read.
    pub(crate) last: Option<Uuid>,
    /// Matching rows, newest first.
    pub(crate) ids: Vec<Uuid>,
}

/// The executions of a source, and the depth of the search; no depth at the end.
#[derive(Default)]
pub(super) struct Found {
    ids: Vec<Uuid>,
    depth: Option<Uuid>,
}

/// The jobs within reach, at most [`JOBS_MAX`] + 1.
pub(super) async fn jobs(session: &Session) -> Result<Vec<Uuid>, StoreError> {
    let most = i64::try_from(JOBS_MAX + 1).unwrap_or(i64::MAX);
    let rows = JOBS.query(session, &[&most]).await?;
    column(JOBS.name(), &rows, 0)
}

/// The row of a statement about a stretch of the log.
pub(super) fn searched(row: &Row) -> Result<Searched, StoreError> {
    let row = Values::of("job_execution_log", row);
    Ok(Searched {
        looked_at: row.get("looked_at")?,
        last: row.get("last")?,
        ids: row.get("ids")?,
    })
}

/// The newest executions of each job.
pub(super) async fn of_jobs(
    session: &Session,
    jobs: &[Uuid],
    mut conditions: Conditions,
    limit: usize,
) -> Result<Vec<Found>, StoreError> {
    let through = if conditions.are_selective() {
        (SCAN_LIMIT / jobs.len().max(1)).max(limit + 1)
    } else {
        limit + 1
    };
    let jobs = conditions.value(jobs.to_vec());
    let text = OF_JOBS.filled(&[
        ("{jobs}", &jobs),
        ("{found}", &conditions.found()),
        ("{fits}", &conditions.fits()),
        ("{through}", &through.to_string()),
        ("{limit}", &(limit + 1).to_string()),
    ]);
    let rows = OF_JOBS
        .with_sql(&text)
        .query_unprepared(session, &conditions.values())
        .await?;
    rows.iter().map(|row| found(row, through)).collect()
}

/// The executions of a row of a statement limited to `through` rows.
pub(super) fn found(row: &Row, through: usize) -> Result<Found, StoreError> {
    let Searched {
        looked_at,
        last,
        ids,
    } = searched(row)?;
    let depth = last.filter(|_| usize::try_from(looked_at) == Ok(through));
    Ok(Found { ids, depth })
}

/// The newest of all sources above the highest depth, at most `limit`, and the key before the next
/// page.
pub(super) fn merged(found: &[Found], limit: usize) -> (Vec<Uuid>, Option<Uuid>) {
    // Below the highest depth a source may have more rows, not read yet.
    let depth = found.iter().filter_map(|source| source.depth).max();
    let ids: BTreeSet<Uuid> = found
        .iter()
        .flat_map(|source| source.ids.iter().copied())
        .collect();
    let mut newest: Vec<Uuid> = ids
        .into_iter()
        .rev()
        .filter(|id| depth.is_none_or(|depth| *id >= depth))
        .collect();
    if newest.len() <= limit {
        return (newest, depth);
    }
    newest.truncate(limit);
    let next = newest.last().copied();
    (newest, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(ids: &[u128], depth: Option<u128>) -> Found {
        Found {
            ids: ids.iter().copied().map(Uuid::from_u128).collect(),
            depth: depth.map(Uuid::from_u128),
        }
    }

    fn page(found: &[Found], limit: usize) -> (Vec<u128>, Option<u128>) {
        let (ids, next) = merged(found, limit);
        (
            ids.iter().map(Uuid::as_u128).collect(),
            next.map(|id| id.as_u128()),
        )
    }

    #[test]
    fn a_page_holds_nothing_below_the_depth_of_any_source() {
        let found = [
            source(&[90, 40], None),
            source(&[80, 70], Some(60)),
            source(&[90, 50], Some(50)),
        ];
        assert_eq!(page(&found, 10), (vec![90, 80, 70], Some(60)));
        assert_eq!(page(&found, 2), (vec![90, 80], Some(80)));
        assert_eq!(
            page(&[source(&[5], None), source(&[9], None)], 10),
            (vec![9, 5], None)
        );
        assert_eq!(
            page(&[source(&[], Some(30))], 10),
            (vec![], Some(30)),
            "none, and there may be more"
        );
    }
}
