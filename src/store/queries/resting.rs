//! Jobs at rest: the database's clock was ahead, and the fire times up to then were taken.
//!
//! Nodes that see a jump pause the cluster (`clock_jumps`). No node sees a jump when all nodes
//! started while the clock was ahead and none ran at the correction. Such a jump leaves rows in the
//! log with fire times in the future. Nothing else writes such rows, so the query normally reads
//! nothing.

use crate::model::{Timestamp, rfc3339};
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// Most rows of the future read: the jobs at rest are counted among the rows.
pub(super) const ROWS_MAX: i64 = 10_000;

/// Nodes lease less than a minute ahead. A trigger before the last taken fire time has been
/// repaired already.
pub(super) const RESTING: Statement = Statement::new(
    "-- resting.read
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now),
ahead as materialized (
    select l.job_id, greatest(l.fire_time, l.through_fire_time) as taken from job_execution_log l
    where l.kind in ('SCHEDULE', 'BUFFERED')
      and l.id >= (select (lpad(to_hex(((extract(epoch from now) + 60) * 1000)::bigint), 12,
          '0') || repeat('0', 20))::uuid from clock)
    limit $2
), last as (select job_id, max(taken) as taken from ahead group by job_id)
select count(*) as jobs, max(t.fire_time) as until
from last join job_trigger t on t.id = last.job_id, clock
where not t.paused and t.due_at > clock.now and t.fire_time > last.taken",
);

/// The jobs at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resting {
    /// Jobs found by a statement.
    pub jobs: i64,
    /// The latest next fire time.
    pub until: Timestamp,
}

impl std::fmt::Display for Resting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} jobs rest, the last of them until {}: the database's clock was ahead, and their fire times until then were taken. \
             pauseJobs and resumeJobs schedule them from now on",
            self.jobs,
            rfc3339(self.until)
        )
    }
}

impl Store {
    /// The jobs at rest until the clock reaches the fire times taken by a clock ahead. None without
    /// such jobs.
    pub async fn resting(&self) -> Result<Option<Resting>, StoreError> {
        self.on_session(RESTING.name(), async |session| {
            let values: [&(dyn ToSql + Sync); 2] = [&self.clock().stub(), &ROWS_MAX];
            record(&RESTING.query_one(session, &values).await?)
        })
        .await
    }
}

pub(crate) fn record(row: &Row) -> Result<Option<Resting>, StoreError> {
    let row = Values::of(RESTING.name(), row);
    let jobs = row.get("jobs")?;
    let until: Option<Timestamp> = row.get("until")?;
    Ok(until.map(|until| Resting { jobs, until }))
}
