//! The overlap rule of serialized jobs: is the job busy, the lock for the decision, and the release
//! of the longest-waiting buffered fire.
//!
//! A lease tries the lock ([`try_lock_in_flight`]) and never waits for the lock. Each step that
//! ends an execution waits for the lock ([`lock_jobs`]) before touching a row, and releases the
//! next buffered fire ([`release_buffered`]) in the same transaction. So a lease either sees the
//! execution in flight and buffers the fire time, or sees the end. No fire time is left behind
//! waiting for nothing. `model::overlap` has the policies.

use crate::model::Timestamp;
use crate::model::job::Job;
use crate::model::overlap::InFlight;
use crate::store::StoreError;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// Whether a serialized job has an execution in flight: listed by a lease of the job, or waiting
/// for the next attempt.
macro_rules! is_busy {
    ($job:literal) => {
        concat!(
            "(exists (select from job_lease h
         cross join lateral (select l.status from job_execution_log l where l.id = h.execution_ids[1] offset 0) as l
         where h.job_id = ",
            $job,
            " and l.status = 'RUNNING')
     or exists (select from job_trigger r where r.job_id = ",
            $job,
            " and r.kind in ('RETRY', 'RECOVERY')))"
        )
    };
}

/// Takes the locks that are free. A job locked by another transaction is left out.
const TRY_LOCK_JOBS: Statement = Statement::new(
    "-- leases.try_lock_jobs
select x.id from unnest($1::uuid[], $2::bigint[]) as x (id, key)
    where pg_try_advisory_xact_lock(x.key)",
);

/// Waits for the locks of jobs, in the order of the keys: two transactions cannot deadlock.
pub(crate) const LOCK_JOBS: Statement = Statement::new(
    "-- settlements.lock_jobs
select pg_advisory_xact_lock(x.key) from unnest($1::bigint[]) as x (key) order by x.key",
);

/// The executions in flight of serialized jobs, read under the locks of the jobs.
pub(crate) const IN_FLIGHT: Statement = Statement::new(concat!(
    "-- leases.in_flight
select x.id,
       ",
    is_busy!("x.id"),
    " as running,
       greatest(
           (select max(l.due_time) from job_lease h cross join lateral
               (select l.status, l.due_time from job_execution_log l
                   where l.id = h.execution_ids[1] offset 0) as l
            where h.job_id = x.id and l.status = 'RUNNING'),
           (select max(t.fire_time) from job_trigger t where t.job_id = x.id
               and t.kind = 'BUFFERED')) as latest,
       (select count(*) from job_trigger t where t.job_id = x.id and t.kind = 'BUFFERED'
           and t.due_at is null) as buffered,
       exists (select from job_trigger t where t.job_id = x.id and t.kind = 'BUFFERED'
           and t.due_at is not null) as released
from unnest($1::uuid[]) as x (id)"
));

/// The same for a job without serialization, but with a serialized backfill: the leases do not name
/// the job, so all executions in flight are read.
const ANY_IN_FLIGHT: Statement = Statement::new(
    "-- leases.any_in_flight
select x.id, exists (select from execution_in_flight f where f.job_id = x.id) as running,
       null::timestamptz as latest, 0::bigint as buffered, false as released
from unnest($1::uuid[]) as x (id)",
);

/// Makes the longest-waiting buffered fire of each job due, if the job is not busy.
pub(crate) const RELEASE_BUFFERED: Statement = Statement::new(concat!(
    "-- settlements.release
update job_trigger t set due_at = coalesce($1::timestamptz, clock_timestamp())
from (
    select distinct on (b.job_id) b.id from job_trigger b
    where b.job_id = any($2::uuid[]) and b.kind = 'BUFFERED' and b.due_at is null
        and b.paused_due_at is null
      and not ",
    is_busy!("b.job_id"),
    "
    order by b.job_id, b.fire_time
) as next
where t.id = next.id and t.due_at is null and t.paused_due_at is null"
));

/// Locks the jobs for a decision about overlaps, and reads their executions in flight. A job is
/// missing in the answer while another transaction decides about the job.
pub(crate) async fn try_lock_in_flight(
    transaction: &Transaction,
    job_ids: &[Uuid],
    jobs: &HashMap<Uuid, Arc<Job>>,
) -> Result<HashMap<Uuid, InFlight>, StoreError> {
    if job_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<i64> = job_ids.iter().map(|id| lock_key(*id)).collect();
    let locked = TRY_LOCK_JOBS.query(transaction, &[&job_ids, &keys]).await?;
    let locked: Vec<Uuid> = column(TRY_LOCK_JOBS.name(), &locked, 0)?;
    // The leases of other jobs do not name the job, so `IN_FLIGHT` would find nothing.
    let (serialized, others): (Vec<Uuid>, Vec<Uuid>) = locked.into_iter().partition(|id| {
        jobs.get(id)
            .is_some_and(|job| job.definition.policies.is_serialized())
    });
    // Read after the locks: an execution ended before the locks is not seen in flight.
    let mut rows = IN_FLIGHT.query(transaction, &[&serialized]).await?;
    if !others.is_empty() {
        rows.extend(ANY_IN_FLIGHT.query(transaction, &[&others]).await?);
    }
    rows.iter().map(in_flight).collect()
}

fn in_flight(row: &Row) -> Result<(Uuid, InFlight), StoreError> {
    let row = Values::of(IN_FLIGHT.name(), row);
    let in_flight = InFlight {
        running: row.get("running")?,
        latest: row.get("latest")?,
        buffered: usize::try_from(row.get::<i64>("buffered")?).unwrap_or(0),
        released: row.get("released")?,
    };
    Ok((row.get("id")?, in_flight))
}

/// Waits for the locks for decisions about overlaps of the jobs.
pub(crate) async fn lock_jobs(transaction: &Transaction, jobs: &[Uuid]) -> Result<(), StoreError> {
    // Most executions are of jobs without serialization.
    if jobs.is_empty() {
        return Ok(());
    }
    let keys: Vec<i64> = jobs.iter().map(|job_id| lock_key(*job_id)).collect();
    LOCK_JOBS.execute(transaction, &[&keys]).await.map(drop)
}

/// Releases the next buffered fire of each job, unless the job is busy. The transaction holds the
/// locks of the jobs ([`lock_jobs`]). Returns the number of released fires.
pub(crate) async fn release_buffered(
    transaction: &Transaction,
    stub: Option<Timestamp>,
    jobs: &[Uuid],
) -> Result<u64, StoreError> {
    if jobs.is_empty() {
        return Ok(0);
    }
    RELEASE_BUFFERED.execute(transaction, &[&stub, &jobs]).await
}

/// The advisory lock of a job's overlaps: its id, folded.
#[expect(
    clippy::cast_possible_wrap,
    reason = "any 64 bits will do as a lock key"
)]
fn lock_key(job_id: Uuid) -> i64 {
    let (high, low) = job_id.as_u64_pair();
    // Without the rotation all ids with two equal halves would share a key. Two jobs with the same
    // key only wait for each other.
    (high ^ low.rotate_left(1)) as i64
}
