//! Reruns: triggers for the fire times of ended executions, under separate ids.
//!
//! Batches wait for each other, in the whole cluster. A batch therefore sees every earlier rerun,
//! pending, in flight or ended, and no execution gets two reruns at a time. The trigger of a rerun
//! is taken like the trigger of a manual run.

use super::job_rows::whole_millis;
use crate::model::Timestamp;
use crate::model::UnknownName;
use crate::model::execution::rerun_execution_id;
use crate::model::lists::ExecutionFilter;
use crate::model::rerun::{Asked, Candidate, Verdict};
use crate::store::audit::entry::Entry;
use crate::store::db::listener::notify;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::queries::execution_list::{SCAN_LIMIT, SEARCH, conditions, search};
use crate::store::{During, Store, StoreError};
use chrono::TimeDelta;
use deadpool_postgres::ClientWrapper;
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// Executions of a transaction.
pub const BATCH: usize = 1_000;
/// Executions found at a time.
const FOUND_AT_A_TIME: usize = 5_000;
/// Most rows of the log read for a filter: about three seconds.
const SCANNED_ROWS_MAX: i64 = 2_000_000;

/// The advisory lock of a batch.
const RERUN_LOCK: i64 = 0x0048_4f52_5245_5255;

const LOCK: Statement = Statement::new(
    "-- reruns.lock
select pg_advisory_xact_lock($1)",
);

/// Against a deletion at the same moment.
const LOCK_JOB_ROWS: Statement = Statement::new(
    "-- reruns.lock_jobs
select coalesce($1::timestamptz, clock_timestamp()), id from job_definition
where status <> 'DELETED' and id in (
    select l.job_id from unnest($2::uuid[]) as x (id)
    cross join lateral (select l.job_id from job_execution_log l where l.id = x.id offset 0) as l)
order by id for share",
);

/// The state of executions and of the reruns. Ids of reruns share the millisecond of the fire time.
pub(crate) const CANDIDATES: Statement = Statement::new(
    "-- reruns.candidates
select l.id, l.fire_time, l.status, l.status = 'SKIPPED'
  and l.occurrences is distinct from 1 as is_range,
       coalesce(j.status, 'DELETED') = 'DELETED' as is_of_deleted,
       coalesce(t.id, r.in_flight) as under_way, r.is_repeated, r.reruns
from unnest($1::uuid[]) as x (id)
cross join lateral (
    select l.id, l.job_id, l.fire_time, l.status, l.occurrences,
           left(replace(l.id::text, '-', ''), 12) as millis
    from job_execution_log l where l.id = x.id offset 0
) as l
left join job_definition j on j.id = l.job_id
left join lateral (select t.id from job_trigger t where t.repeats = l.id limit 1) as t on true
cross join lateral (
    select (array_agg(r.id) filter (where r.repeats = l.id
        and r.status in ('RUNNING', 'RETRYING')))[1] as in_flight,
           coalesce(bool_or(r.repeats = l.id and r.status <> 'SKIPPED'), false) as is_repeated,
           count(*) as reruns
    from job_execution_log r
    where r.job_id = l.job_id and r.repeats is not null
      and r.id between (l.millis || repeat('0', 20))::uuid and (l.millis || repeat('f', 20))::uuid
) as r",
);

/// With the execution's own payload, for the current version of the job.
pub(crate) const INSERT: Statement = Statement::new(
    "-- reruns.insert
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority, repeats, payload)
select x.id, l.job_id, 'RERUN', l.fire_time, $3, j.priority, l.id, l.payload
from unnest($1::uuid[], $2::uuid[]) as x (id, repeats)
cross join lateral (select l.id, l.job_id, l.fire_time, l.payload from job_execution_log l
    where l.id = x.repeats offset 0) as l
join job_definition j on j.id = l.job_id",
);

/// The reruns of executions with the jobs, newest first.
pub(crate) const OF: Statement = Statement::new(
    "-- reruns.of
select x.id, array(
    select r.id from job_execution_log r
    where r.job_id = x.job_id and r.repeats = x.id
      and r.id between (left(replace(x.id::text, '-', ''), 12) || repeat('0', 20))::uuid
                   and (left(replace(x.id::text, '-', ''), 12) || repeat('f', 20))::uuid
    order by r.id desc limit 20) as reruns
from unnest($1::uuid[], $2::uuid[]) as x (id, job_id)",
);

/// The executions of a filter.
#[derive(Debug)]
pub enum Found {
    /// All executions, oldest fire time first.
    All(Vec<Uuid>),
    /// More executions than allowed by the caller.
    TooMany,
    /// Unknown: the filter reads too many rows.
    TooWide,
}

/// Result of a batch.
#[derive(Debug, Default)]
pub struct RerunBatch {
    /// The decision about each execution, in the order of the candidates.
    pub verdicts: Vec<Verdict>,
    /// Ids of the new executions.
    pub reruns: Vec<Uuid>,
}

impl Store {
    /// The executions of a filter with statuses, at most `most`.
    pub async fn ended(&self, filter: &ExecutionFilter, most: usize) -> Result<Found, StoreError> {
        let (mut found, mut scanned_rows, mut after) = (Vec::new(), 0, None);
        loop {
            let (ids, scanned, last) = self.find_ended(filter, after).await?;
            scanned_rows += scanned;
            let is_full = ids.len() > FOUND_AT_A_TIME;
            // A full page has more rows behind the last found one, not behind the last row read.
            found.extend(ids.into_iter().take(FOUND_AT_A_TIME));
            after = if is_full { found.last().copied() } else { last };
            if found.len() > most {
                return Ok(Found::TooMany);
            }
            if after.is_none() {
                // Found newest first; reruns start with the oldest.
                found.reverse();
                return Ok(Found::All(found));
            }
            // A filter with few matches would read the whole log.
            if scanned_rows > SCANNED_ROWS_MAX {
                return Ok(Found::TooWide);
            }
        }
    }

    /// Some executions after an id, the number of rows read, and the last row read if there may be
    /// more.
    async fn find_ended(
        &self,
        filter: &ExecutionFilter,
        after: Option<Uuid>,
    ) -> Result<(Vec<Uuid>, i64, Option<Uuid>), StoreError> {
        self.on_session(SEARCH.name(), async |session| {
            let conditions = conditions(filter, after);
            let found = search(session, &conditions, SCAN_LIMIT, FOUND_AT_A_TIME).await?;
            let is_end = usize::try_from(found.looked_at).is_ok_and(|rows| rows < SCAN_LIMIT);
            Ok((found.ids, found.looked_at, found.last.filter(|_| !is_end)))
        })
        .await
    }

    /// The started reruns of the executions: newest first, at most 20 of each execution.
    pub async fn reruns_of(
        &self,
        ids: &[Uuid],
        jobs: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<Uuid>>, StoreError> {
        let rows = self.read_rows(OF, &[&ids, &jobs]).await?;
        rows.iter()
            .map(|row| {
                let row = Values::of(OF.name(), row);
                Ok((row.get("id")?, row.get("reruns")?))
            })
            .collect()
    }

    /// The decision about each of at most `BATCH` executions, without writing.
    pub async fn judge_reruns(
        &self,
        ids: &[Uuid],
        asked: Asked,
    ) -> Result<Vec<Verdict>, StoreError> {
        self.on_session("reruns.judge", async |session| {
            let candidates = candidates(session, ids).await?;
            Ok(candidates
                .iter()
                .map(|(candidate, ..)| candidate.judge(asked))
                .collect())
        })
        .await
    }

    /// Makes reruns of at most `BATCH` executions, where allowed, due after `due_in`.
    pub async fn rerun(
        &self,
        ids: &[Uuid],
        asked: Asked,
        due_in: TimeDelta,
    ) -> Result<RerunBatch, StoreError> {
        self.bounded("reruns.rerun", async {
            let transaction = self.begin("reruns.begin").await?;
            LOCK.execute(&transaction, &[&RERUN_LOCK]).await?;
            let jobs = LOCK_JOB_ROWS
                .query(&transaction, &[&self.clock().stub(), &ids])
                .await?;
            // Read after the lock, so earlier reruns of other nodes are seen.
            let candidates = candidates(&transaction, ids).await?;
            let verdicts: Vec<Verdict> = candidates
                .iter()
                .map(|(candidate, ..)| candidate.judge(asked))
                .collect();
            let runs = candidates
                .iter()
                .zip(&verdicts)
                .filter(|(_, verdict)| **verdict == Verdict::Run);
            let (reruns, repeated): (Vec<Uuid>, Vec<Uuid>) = runs
                .map(|((of, fire_time, before), _)| {
                    (rerun_execution_id(*fire_time, *before), of.id)
                })
                .unzip();
            // One reading of the clock for the whole batch.
            if let Some(job) = jobs.first().filter(|_| !reruns.is_empty()) {
                let now: Timestamp = Values::of(LOCK_JOB_ROWS.name(), job).get(0)?;
                let due_at = whole_millis(now) + due_in;
                INSERT
                    .execute(&transaction, &[&reruns, &repeated, &due_at])
                    .await?;
                notify(&transaction).await?;
            }
            match (asked, jobs.first(), reruns.first()) {
                (Asked::ByFilter, ..) => transaction.record(Entry::about("execution")),
                (Asked::ById, Some(job), Some(rerun)) => {
                    let job: Uuid = Values::of(LOCK_JOB_ROWS.name(), job).get(1)?;
                    let of = repeated.first().map(Uuid::to_string);
                    let entry = Entry::of("job", job)
                        .with("executionId", of)
                        .with("rerunId", rerun.to_string());
                    transaction.record(entry);
                }
                // The rerun was refused, or is under way.
                (Asked::ById, ..) => {}
            }
            transaction.commit().await.during("reruns.commit")?;
            Ok(RerunBatch { verdicts, reruns })
        })
        .await
    }
}

/// The executions with their fire times, and the number of the reruns.
async fn candidates(
    client: &ClientWrapper,
    ids: &[Uuid],
) -> Result<Vec<(Candidate, Timestamp, usize)>, StoreError> {
    let rows = CANDIDATES.query(client, &[&ids]).await?;
    rows.iter().map(candidate).collect()
}

fn candidate(row: &Row) -> Result<(Candidate, Timestamp, usize), StoreError> {
    let row = Values::of("job_execution_log", row);
    let status = row
        .get::<&str>("status")?
        .parse()
        .map_err(|error: UnknownName| row.unreadable(error))?;
    let candidate = Candidate {
        id: row.get("id")?,
        status,
        is_range: row.get("is_range")?,
        is_of_deleted: row.get("is_of_deleted")?,
        under_way: row.get("under_way")?,
        is_repeated: row.get("is_repeated")?,
    };
    Ok((
        candidate,
        row.get("fire_time")?,
        usize::try_from(row.get::<i64>("reruns")?).unwrap_or(usize::MAX),
    ))
}
