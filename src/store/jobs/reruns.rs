//! Reruns: triggers for the fire times of ended executions, under ids of their own.
//!
//! Batches wait for each other, whoever asks: so a batch sees every rerun that was asked for before
//! it, pending, in flight or ended, and no execution gets two at a time. From its trigger on a
//! rerun is taken like a run-now.

use super::commands::notify;
use super::job_rows::whole_millis;
use crate::model::Timestamp;
use crate::model::UnknownName;
use crate::model::execution::rerun_execution_id;
use crate::model::lists::ExecutionFilter;
use crate::model::rerun::{Asked, Candidate, Verdict};
use crate::store::db::row::Values;
use crate::store::queries::execution_list::{SCAN_LIMIT, conditions, search};
use crate::store::{During, Store, StoreError};
use chrono::TimeDelta;
use deadpool_postgres::ClientWrapper;
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// Executions of one transaction.
pub const BATCH: usize = 1_000;
/// Executions found at a time.
const FOUND_AT_A_TIME: usize = 5_000;
/// Rows of the log that a filter looks through: some three seconds.
const SCANNED_ROWS_MAX: i64 = 2_000_000;

/// The advisory lock of whoever asks for reruns.
const RERUN_LOCK: i64 = 0x0048_4f52_5245_5255;

const LOCK: &str = "-- reruns.lock
select pg_advisory_xact_lock($1)";

/// Against a deletion at the same moment.
const LOCK_JOB_ROWS: &str = "-- reruns.hold_jobs
select coalesce($1::timestamptz, clock_timestamp()), id from job_definition
where status <> 'DELETED' and id in (
    select l.job_id from unnest($2::uuid[]) as x (id)
    cross join lateral (select l.job_id from job_execution_log l where l.id = x.id offset 0) as l)
order by id for share";

/// How executions stand, and their reruns: those bear ids of the same millisecond.
pub(crate) const CANDIDATES: &str = "-- reruns.candidates
select l.id, l.fire_time, l.status, l.status = 'SKIPPED' and l.occurrences is distinct from 1 as is_range,
       coalesce(j.status, 'DELETED') = 'DELETED' as is_of_deleted, coalesce(t.id, r.in_flight) as under_way, r.is_repeated, r.reruns
from unnest($1::uuid[]) as x (id)
cross join lateral (
    select l.id, l.job_id, l.fire_time, l.status, l.occurrences, left(replace(l.id::text, '-', ''), 12) as millis
    from job_execution_log l where l.id = x.id offset 0
) as l
left join job_definition j on j.id = l.job_id
left join lateral (select t.id from job_trigger t where t.repeats = l.id limit 1) as t on true
cross join lateral (
    select (array_agg(r.id) filter (where r.repeats = l.id and r.status in ('RUNNING', 'RETRYING')))[1] as in_flight,
           coalesce(bool_or(r.repeats = l.id and r.status <> 'SKIPPED'), false) as is_repeated, count(*) as reruns
    from job_execution_log r
    where r.job_id = l.job_id and r.repeats is not null
      and r.id between (l.millis || repeat('0', 20))::uuid and (l.millis || repeat('f', 20))::uuid
) as r";

/// With the payload that the execution had of its own, for the job as it is now.
pub(crate) const INSERT: &str = "-- reruns.insert
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority, repeats, payload)
select x.id, l.job_id, 'RERUN', l.fire_time, $3, j.priority, l.id, l.payload
from unnest($1::uuid[], $2::uuid[]) as x (id, repeats)
cross join lateral (select l.id, l.job_id, l.fire_time, l.payload from job_execution_log l where l.id = x.repeats offset 0) as l
join job_definition j on j.id = l.job_id";

/// The reruns of executions, each with its job, newest first.
pub(crate) const OF: &str = "-- reruns.of
select x.id, array(
    select r.id from job_execution_log r
    where r.job_id = x.job_id and r.repeats = x.id
      and r.id between (left(replace(x.id::text, '-', ''), 12) || repeat('0', 20))::uuid
                   and (left(replace(x.id::text, '-', ''), 12) || repeat('f', 20))::uuid
    order by r.id desc limit 20) as reruns
from unnest($1::uuid[], $2::uuid[]) as x (id, job_id)";

/// What a filter holds.
#[derive(Debug)]
pub enum Found {
    /// These, oldest fire time first.
    All(Vec<Uuid>),
    /// More than were to be found.
    TooMany,
    /// Nobody knows: there is too much to look through.
    TooWide,
}

/// What becomes of each of a batch, and the executions that run again.
#[derive(Debug, Default)]
pub struct RerunBatch {
    /// In the order of the answer.
    pub verdicts: Vec<Verdict>,
    /// Their ids, of those that were made.
    pub reruns: Vec<Uuid>,
}

impl Store {
    /// The executions of a filter that names statuses, at most `most`.
    pub async fn ended(&self, filter: &ExecutionFilter, most: usize) -> Result<Found, StoreError> {
        let (mut found, mut scanned_rows, mut after) = (Vec::new(), 0, None);
        loop {
            let (ids, scanned, last) = self.find_ended(filter, after).await?;
            scanned_rows += scanned;
            let is_full = ids.len() > FOUND_AT_A_TIME;
            found.extend(ids.into_iter().take(FOUND_AT_A_TIME));
            after = if is_full { found.last().copied() } else { last };
            if found.len() > most {
                return Ok(Found::TooMany);
            }
            if after.is_none() {
                found.reverse();
                return Ok(Found::All(found));
            }
            if scanned_rows > SCANNED_ROWS_MAX {
                return Ok(Found::TooWide);
            }
        }
    }

    /// Some of them behind that one, how many rows were looked at, and the last of these if there
    /// may be more.
    async fn find_ended(
        &self,
        filter: &ExecutionFilter,
        after: Option<Uuid>,
    ) -> Result<(Vec<Uuid>, i64, Option<Uuid>), StoreError> {
        self.bounded("reruns.find", async {
            let session = self.session().await?;
            let conditions = conditions(filter, after);
            let text = search(&conditions, SCAN_LIMIT, FOUND_AT_A_TIME);
            let row = session
                .query_one(&text, &conditions.values())
                .await
                .during("reruns.find")?;
            session.release();
            let row = Values::of("reruns.find", &row);
            let (scanned, last): (i64, Option<Uuid>) = (row.get(0)?, row.get(1)?);
            let is_end = usize::try_from(scanned).is_ok_and(|scanned| scanned < SCAN_LIMIT);
            Ok((row.get(2)?, scanned, last.filter(|_| !is_end)))
        })
        .await
    }

    /// The reruns of these executions, which have these jobs, that began: newest first, at most 20
    /// of each.
    pub async fn reruns_of(
        &self,
        ids: &[Uuid],
        jobs: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<Uuid>>, StoreError> {
        self.bounded("reruns.of", async {
            let session = self.session().await?;
            let rows = session
                .query(OF, &[&ids, &jobs])
                .await
                .during("reruns.of")?;
            session.release();
            let read = |row: &Row| {
                let row = Values::of("reruns.of", row);
                Ok((row.get("id")?, row.get("reruns")?))
            };
            rows.iter().map(read).collect()
        })
        .await
    }

    /// What would become of each of these, at most `BATCH`.
    pub async fn judge_reruns(
        &self,
        ids: &[Uuid],
        asked: Asked,
    ) -> Result<Vec<Verdict>, StoreError> {
        self.bounded("reruns.judge", async {
            let session = self.session().await?;
            let candidates = candidates(&session, ids).await?;
            session.release();
            Ok(candidates
                .iter()
                .map(|(candidate, ..)| candidate.judge(asked))
                .collect())
        })
        .await
    }

    /// Lets those of them run again that may, at most `BATCH`, due in so long.
    pub async fn rerun(
        &self,
        ids: &[Uuid],
        asked: Asked,
        due_in: TimeDelta,
    ) -> Result<RerunBatch, StoreError> {
        self.bounded("reruns.rerun", async {
            let transaction = self.begin("reruns.begin").await?;
            transaction
                .execute(LOCK, &[&RERUN_LOCK])
                .await
                .during("reruns.lock")?;
            let jobs = transaction
                .query(LOCK_JOB_ROWS, &[&self.clock().stub(), &ids])
                .await
                .during("reruns.hold_jobs")?;
            // After the lock: the reruns that others asked for before it are seen.
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
            if let Some(job) = jobs.first().filter(|_| !reruns.is_empty()) {
                let now: Timestamp = Values::of("reruns.hold_jobs", job).get(0)?;
                let due_at = whole_millis(now) + due_in;
                transaction
                    .execute(INSERT, &[&reruns, &repeated, &due_at])
                    .await
                    .during("reruns.insert")?;
                notify(&transaction).await?;
            }
            transaction.commit().await.during("reruns.commit")?;
            Ok(RerunBatch { verdicts, reruns })
        })
        .await
    }
}

/// The executions with their fire times, and how many reruns of these there were.
async fn candidates(
    client: &ClientWrapper,
    ids: &[Uuid],
) -> Result<Vec<(Candidate, Timestamp, usize)>, StoreError> {
    let rows = client
        .query(CANDIDATES, &[&ids])
        .await
        .during("reruns.candidates")?;
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
