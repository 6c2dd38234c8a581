//! What a job has in flight, under the lock under which its overlaps are decided.

use super::acquire::Jobs;
use crate::model::overlap::InFlight;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::{During, StoreError};
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// Takes the advisory locks of jobs whose executions may not overlap; those that
/// another transaction holds are left out. The key is the job's id, folded.
const TRY_LOCK_JOBS: &str = "-- leases.try_lock_jobs
select x.id from unnest($1::uuid[], $2::bigint[]) as x (id, key) where pg_try_advisory_xact_lock(x.key)";

/// Whether a job with an overlap policy has an execution in flight: one that a lease of the job
/// lists, or one that waits for its next attempt.
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
pub(crate) use is_busy;

/// What those jobs have in flight, read after the locks were taken.
pub const IN_FLIGHT: &str = concat!("-- leases.in_flight
select x.id,
       ", is_busy!("x.id"), " as running,
       greatest(
           (select max(l.due_time) from job_lease h cross join lateral
               (select l.status, l.due_time from job_execution_log l where l.id = h.execution_ids[1] offset 0) as l
            where h.job_id = x.id and l.status = 'RUNNING'),
           (select max(t.fire_time) from job_trigger t where t.job_id = x.id and t.kind = 'BUFFERED')) as latest,
       (select count(*) from job_trigger t where t.job_id = x.id and t.kind = 'BUFFERED' and t.due_at is null) as buffered,
       exists (select from job_trigger t where t.job_id = x.id and t.kind = 'BUFFERED' and t.due_at is not null) as released
from unnest($1::uuid[]) as x (id)");

/// The same of a job without an overlap policy, for its backfill that has one: its leases do not
/// name it, so all that is in flight is looked through.
const ANY_IN_FLIGHT: &str = "-- leases.any_in_flight
select x.id, exists (select from execution_in_flight f where f.job_id = x.id) as running,
       null::timestamptz as latest, 0::bigint as buffered, false as released
from unnest($1::uuid[]) as x (id)";

/// What these limited jobs have in flight; those that another transaction
/// decides about at this moment are left out.
pub async fn in_flight(
    transaction: &Transaction,
    limited: &[Uuid],
    jobs: &Jobs,
) -> Result<HashMap<Uuid, InFlight>, StoreError> {
    if limited.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<i64> = limited.iter().map(|id| overlap_lock(*id)).collect();
    let locked = transaction
        .query(TRY_LOCK_JOBS, &[&limited, &keys])
        .await
        .during("leases.try_lock_jobs")?;
    let locked: Vec<Uuid> = column("leases.try_lock_jobs", &locked, 0)?;
    let named = |id: &Uuid| {
        jobs.get(id)
            .is_some_and(|job| job.definition.policies.is_serialized())
    };
    let (named, others): (Vec<Uuid>, Vec<Uuid>) = locked.into_iter().partition(named);
    let mut rows = transaction
        .query(IN_FLIGHT, &[&named])
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
    let read = |row: &Row| {
        let row = Values::of("leases.in_flight", row);
        let buffered = usize::try_from(row.get::<i64>("buffered")?).unwrap_or(0);
        let (running, latest, released) = (
            row.get("running")?,
            row.get("latest")?,
            row.get("released")?,
        );
        Ok((
            row.get("id")?,
            InFlight {
                running,
                latest,
                buffered,
                released,
            },
        ))
    };
    rows.iter().map(read).collect()
}

/// The advisory lock under which a job's overlaps are decided.
#[expect(
    clippy::cast_possible_wrap,
    reason = "any 64 bits will do as a lock key"
)]
pub fn overlap_lock(job_id: Uuid) -> i64 {
    let (high, low) = job_id.as_u64_pair();
    (high ^ low.rotate_left(1)) as i64
}
