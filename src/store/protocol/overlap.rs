//! The overlap rule of serialized jobs: is the job busy, the lock under which that is decided, and
//! the release of the buffered fire that waits longest.
//!
//! A lease tries the lock ([`try_lock_in_flight`]) and never waits for it. Each step that ends an
//! execution waits for the lock ([`lock_jobs`]) before it touches a row, and releases the next
//! buffered fire ([`release_buffered`]) in the same transaction. So a lease either sees the
//! execution in flight and buffers the fire time, or sees its end; a fire time that waits for
//! nothing is never left behind. `model::overlap` has the policies.

use crate::model::Timestamp;
use crate::model::job::Job;
use crate::model::overlap::InFlight;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::{During, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// Whether a serialized job has an execution in flight: one that a lease of the job lists, or one
/// that waits for its next attempt.
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

/// Takes the locks that are free. A job whose lock another transaction holds is left out.
const TRY_LOCK_JOBS: &str = "-- leases.try_lock_jobs
select x.id from unnest($1::uuid[], $2::bigint[]) as x (id, key)
    where pg_try_advisory_xact_lock(x.key)";

/// Waits for the locks of jobs, in the order of their keys: two transactions cannot deadlock.
pub(crate) const LOCK_JOBS: &str = "-- settlements.lock_jobs
select pg_advisory_xact_lock(x.key) from unnest($1::bigint[]) as x (key) order by x.key";

/// The executions in flight of serialized jobs, read after their locks were taken.
pub(crate) const IN_FLIGHT: &str = concat!(
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
);

/// The same for a job that is not serialized, when its backfill is: its leases do not name the job,
/// so all executions in flight are read.
const ANY_IN_FLIGHT: &str = "-- leases.any_in_flight
select x.id, exists (select from execution_in_flight f where f.job_id = x.id) as running,
       null::timestamptz as latest, 0::bigint as buffered, false as released
from unnest($1::uuid[]) as x (id)";

/// Makes the buffered fire due that has waited longest in each job, if the job is not busy.
pub(crate) const RELEASE_BUFFERED: &str = concat!(
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
);

/// Locks these jobs for a decision about overlaps, and reads their executions in flight. A job is
/// missing in the answer while another transaction decides about it.
pub(crate) async fn try_lock_in_flight(
    transaction: &Transaction,
    job_ids: &[Uuid],
    jobs: &HashMap<Uuid, Arc<Job>>,
) -> Result<HashMap<Uuid, InFlight>, StoreError> {
    if job_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<i64> = job_ids.iter().map(|id| lock_key(*id)).collect();
    let locked = transaction
        .query(TRY_LOCK_JOBS, &[&job_ids, &keys])
        .await
        .during("leases.try_lock_jobs")?;
    let locked: Vec<Uuid> = column("leases.try_lock_jobs", &locked, 0)?;
    let (serialized, others): (Vec<Uuid>, Vec<Uuid>) = locked.into_iter().partition(|id| {
        jobs.get(id)
            .is_some_and(|job| job.definition.policies.is_serialized())
    });
    // Read after the locks: an execution that ended before them is not seen in flight.
    let mut rows = transaction
        .query(IN_FLIGHT, &[&serialized])
        .await
        .during("leases.in_flight")?;
    if !others.is_empty() {
        rows.extend(
            transaction
                .query(ANY_IN_FLIGHT, &[&others])
                .await
                .during("leases.any_in_flight")?,
        );
    }
    rows.iter().map(in_flight).collect()
}

fn in_flight(row: &Row) -> Result<(Uuid, InFlight), StoreError> {
    let row = Values::of("leases.in_flight", row);
    let in_flight = InFlight {
        running: row.get("running")?,
        latest: row.get("latest")?,
        buffered: usize::try_from(row.get::<i64>("buffered")?).unwrap_or(0),
        released: row.get("released")?,
    };
    Ok((row.get("id")?, in_flight))
}

/// Waits for the locks under which overlaps of these jobs are decided.
pub(crate) async fn lock_jobs(transaction: &Transaction, jobs: &[Uuid]) -> Result<(), StoreError> {
    // Most executions are of jobs that are not serialized.
    if jobs.is_empty() {
        return Ok(());
    }
    let keys: Vec<i64> = jobs.iter().map(|job_id| lock_key(*job_id)).collect();
    let statement = transaction
        .prepare_cached(LOCK_JOBS)
        .await
        .during("settlements.prepare")?;
    transaction
        .execute(&statement, &[&keys])
        .await
        .during("settlements.lock_jobs")?;
    Ok(())
}

/// Releases the next buffered fire of each of these jobs that is not busy. The transaction holds
/// their locks ([`lock_jobs`]). Returns how many were released.
pub(crate) async fn release_buffered(
    transaction: &Transaction,
    stub: Option<Timestamp>,
    jobs: &[Uuid],
) -> Result<u64, StoreError> {
    if jobs.is_empty() {
        return Ok(0);
    }
    let statement = transaction
        .prepare_cached(RELEASE_BUFFERED)
        .await
        .during("settlements.prepare")?;
    transaction
        .execute(&statement, &[&stub, &jobs])
        .await
        .during("settlements.release")
}

/// The advisory lock of a job's overlaps: its id, folded.
#[expect(
    clippy::cast_possible_wrap,
    reason = "any 64 bits will do as a lock key"
)]
fn lock_key(job_id: Uuid) -> i64 {
    let (high, low) = job_id.as_u64_pair();
    (high ^ low.rotate_left(1)) as i64
}
