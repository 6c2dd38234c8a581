//! Outcomes: the executions of many jobs in the cells of a time axis, for all jobs of a page in two
//! statements.
//!
//! A job may fire each second, so not all executions of a day are read. The newest execution of
//! each cell is looked up, and from there the newest execution before the cell: a look-up per cell
//! with executions. Failures among the others are in the index of executions with a bad end; the
//! newest `TROUBLE_MAX` are read.

use crate::model::execution::{ExecutionStatus, lowest_execution_id};
use crate::model::outcomes::OutcomeAxis;
use crate::model::{Timestamp, UnknownName};
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// Executions with a bad end read for a page: 5 to 10 ms.
const TROUBLE_MAX: i64 = 5_000;

/// The newest execution of each cell of each job, and the newest before the first cell. `$4` holds
/// the lowest ids of the cells, so the number of a row's cell is the place of the bound below.
/// Before the first bound there is no cell, and the search ends.
pub const NEWEST: Statement = Statement::new(
    "-- outcomes.newest
with recursive found as (
    select x.id as of_job, n.* from unnest($1::uuid[]) as x (id) cross join lateral (
        select two.*, lead(two.id) over (order by two.id desc) as next_id from (
            select l.id, l.status, l.reason, l.fire_time, l.started_at, l.finished_at
            from job_execution_log l
            where l.job_id = x.id and l.id >= $2 and l.id < $3 order by l.id desc limit 2
        ) as two order by two.id desc limit 1
    ) as n
    union all
    select f.of_job, n.* from found f cross join lateral (
        select two.*, lead(two.id) over (order by two.id desc) as next_id from (
            select l.id, l.status, l.reason, l.fire_time, l.started_at, l.finished_at
            from job_execution_log l
            where l.job_id = f.of_job and l.id >= $2
              and l.id < ($4::uuid[])[width_bucket(f.id, $4::uuid[])]
            order by l.id desc limit 2
        ) as two order by two.id desc limit 1
    ) as n
    where f.id >= ($4::uuid[])[1]
)
select of_job, width_bucket(id, $4::uuid[]) - 1 as cell, id, status, reason, fire_time, started_at,
       finished_at,
    coalesce(width_bucket(next_id, $4::uuid[]) = width_bucket(id, $4::uuid[]), false) as several,
    0 as failures
from found",
);

/// For each cell of each job the newest failed or lost execution, and the number of such
/// executions; and the number of executions with a bad end read, with the oldest. The status is no
/// condition of the search: see `job_list.in_trouble`.
pub const FAILED: Statement = Statement::new(
    "-- outcomes.failed
with trouble as materialized (
    select l.id, l.job_id, l.status, l.reason, l.fire_time, l.started_at, l.finished_at
    from job_execution_log l
    where l.error_message is not null and l.id >= $2 and l.id < $3 order by l.id desc limit $5
), failed as (
    select distinct on (of_job, cell) * from (
        select t.job_id as of_job, width_bucket(t.id, $4::uuid[]) - 1 as cell, t.id, t.status,
               t.reason, t.fire_time,
            t.started_at, t.finished_at, true as several,
            (count(*) over (partition by t.job_id,
                width_bucket(t.id, $4::uuid[])))::integer as failures
        from trouble t where t.job_id = any($1::uuid[]) and t.status in ('FAILED', 'LOST')
    ) as t order by of_job, cell, id desc
)
select f.*, looked.through, looked.oldest
from (select count(*) as through, (array_agg(id order by id))[1] as oldest from trouble) as looked
left join failed f on true",
);

/// How the executions of a job ended, over time.
#[derive(Debug, Clone)]
pub struct RecentOutcomes {
    /// Begin of the first cell.
    pub from: Timestamp,
    /// End of the last cell.
    pub to: Timestamp,
    /// All failures from the instant on are included.
    pub failures_from: Timestamp,
    /// Cells with an execution, the oldest first.
    pub cells: Vec<OutcomeCell>,
}

/// The executions of a job in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeCell {
    /// The place on the axis; -1 is before the axis.
    pub cell: i32,
    /// The newest failed or lost execution, else the newest.
    pub id: Uuid,
    /// Status of the executions of the count.
    pub status: ExecutionStatus,
    /// Reason of the status.
    pub reason: Option<String>,
    /// Start of the last attempt; else the fire time.
    pub at: Timestamp,
    /// Instant of the settlement.
    pub finished_at: Option<Timestamp>,
    /// Whether the last attempt has started.
    pub has_started: bool,
    /// Whether the cell has more executions.
    pub several: bool,
    /// The number of failed and lost executions.
    pub failures: i32,
}

impl Store {
    /// How the executions of each of the jobs ended, over time.
    pub async fn recent_outcomes(
        &self,
        jobs: &[Uuid],
        axis: OutcomeAxis,
    ) -> Result<HashMap<Uuid, Arc<RecentOutcomes>>, StoreError> {
        let bounds = axis.bounds(self.now().await?);
        let (Some(from), Some(to)) = (bounds.first().copied(), bounds.last().copied()) else {
            return Ok(HashMap::new());
        };
        let mut cells: Vec<Uuid> = bounds
            .iter()
            .map(|bound| lowest_execution_id(*bound))
            .collect();
        let (first, end) = (lowest_execution_id(from), lowest_execution_id(to));
        // Every bound but the last starts a cell.
        cells.truncate(bounds.len() - 1);
        // An execution started before the first cell may reach into the cell.
        let low = lowest_execution_id(from - TimeDelta::days(1));
        self.bounded("outcomes.read", async {
            let session = self.session().await?;
            let newest = self
                .rows(&session, NEWEST, &[&jobs, &low, &end, &cells])
                .await?;
            let bad: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&jobs, &first, &end, &cells, &TROUBLE_MAX];
            let bad = self.rows(&session, FAILED, &bad).await?;
            session.release();
            let failures_from = failures_from(&bad)?.unwrap_or(from);
            let mut found: BTreeMap<(Uuid, i32), OutcomeCell> = BTreeMap::new();
            for (job, cell) in self.unreadable.readable(&newest, outcome_cell) {
                found.insert((job, cell.cell), cell);
            }
            for (job, cell) in self.unreadable.readable(
                bad.iter().filter(|row| {
                    Values::of(FAILED.name(), row)
                        .get::<Option<Uuid>>("id")
                        .is_ok_and(|id| id.is_some())
                }),
                outcome_cell,
            ) {
                let several = found
                    .get(&(job, cell.cell))
                    .is_some_and(|newest| newest.several || newest.id != cell.id);
                found.insert((job, cell.cell), OutcomeCell { several, ..cell });
            }
            let mut cells_of: HashMap<Uuid, Vec<OutcomeCell>> =
                jobs.iter().map(|job| (*job, Vec::new())).collect();
            for ((job, _), cell) in found {
                if let Some(cells) = cells_of
                    .get_mut(&job)
                    .filter(|_| cell.cell >= 0 || cell.lasts_until(from))
                {
                    cells.push(cell);
                }
            }
            Ok(cells_of
                .into_iter()
                .map(|(job, cells)| {
                    let outcomes = RecentOutcomes {
                        from,
                        to,
                        failures_from,
                        cells,
                    };
                    (job, Arc::new(outcomes))
                })
                .collect())
        })
        .await
    }
}

impl OutcomeCell {
    /// Whether the execution still ran at the instant.
    fn lasts_until(&self, instant: Timestamp) -> bool {
        match self.finished_at {
            Some(finished_at) => self.has_started && finished_at > instant,
            None => true,
        }
    }
}

/// The instant from which on all failures were read, if some older failures were not.
fn failures_from(rows: &[Row]) -> Result<Option<Timestamp>, StoreError> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let row = Values::of(FAILED.name(), row);
    if row.get::<i64>("through")? < TROUBLE_MAX {
        return Ok(None);
    }
    let oldest: Option<Uuid> = row.get("oldest")?;
    Ok(oldest.and_then(milliseconds_of))
}

/// The instant in an execution's id.
fn milliseconds_of(id: Uuid) -> Option<Timestamp> {
    let millis = i64::try_from(id.as_u64_pair().0 >> 16).ok()?;
    Timestamp::from_timestamp_millis(millis)
}

fn outcome_cell(row: &Row) -> Result<(Uuid, OutcomeCell), StoreError> {
    let row = Values::of("job_execution_log", row);
    let status = row
        .get::<&str>("status")?
        .parse()
        .map_err(|error: UnknownName| row.unreadable(error))?;
    let started_at: Option<Timestamp> = row.get("started_at")?;
    let cell = OutcomeCell {
        cell: row.get("cell")?,
        id: row.get("id")?,
        status,
        reason: row.get("reason")?,
        at: started_at.map_or_else(|| row.get("fire_time"), Ok)?,
        finished_at: row.get("finished_at")?,
        has_started: started_at.is_some(),
        several: row.get("several")?,
        failures: row.get("failures")?,
    };
    let is_bad = matches!(cell.status, ExecutionStatus::Failed | ExecutionStatus::Lost);
    let failures = if is_bad {
        cell.failures.max(1)
    } else {
        cell.failures
    };
    Ok((row.get("of_job")?, OutcomeCell { failures, ..cell }))
}
