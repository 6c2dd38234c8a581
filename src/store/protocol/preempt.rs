//! Preemption: a later fire time of a job ends the job's other executions (`CANCEL_OTHER`).

use crate::model::Timestamp;
use crate::store::db::listener::WAKE_UP_CHANNEL;
use crate::store::db::row::column;
use crate::store::db::session::Transaction;
use crate::store::{During, StoreError};
use uuid::Uuid;

/// Requests the end of running executions.
const CANCEL_RUNNING: &str = "-- leases.cancel_running
update job_execution_log set cancel_requested_at = $2
where id = any(array(select id from execution_in_flight where job_id = any($1::uuid[])))
  and status = 'RUNNING' and cancel_requested_at is null";

/// Cancels executions that wait for their next attempt.
const CANCEL_RETRYING: &str = "-- leases.cancel_retrying
with removed as (delete from job_trigger where job_id = any($1::uuid[])
    and kind in ('RETRY', 'RECOVERY') returning id)
update job_execution_log l
set status = 'CANCELLED', retrying = null, finished_at = $2,
    error_message = 'a later fire time of the job took its place'
from removed r where l.id = r.id and l.status = 'RETRYING' returning l.id";

/// Records the buffered fire times of the jobs as skipped.
const SKIP_BUFFERED: &str = "-- leases.skip_buffered
with removed as (delete from job_trigger where job_id = any($1::uuid[]) and kind = 'BUFFERED'
    returning *)
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time,
        occurrences, finished_at, created_at, repeats, payload)
select id, job_id, kind, fire_time, fire_time, 'SKIPPED', 'OVERLAP', 0, fire_time, 1, $2, $2,
    repeats, payload from removed
on conflict (id) do nothing returning id";

/// Preempts all executions of these jobs, for a later fire time. Returns those that ended here; the
/// nodes of the running ones end these.
pub async fn preempt(
    jobs: &[Uuid],
    transaction: &Transaction,
    now: Timestamp,
) -> Result<Vec<Uuid>, StoreError> {
    const CALL: &str = "leases.give_way";
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    transaction
        .execute(CANCEL_RUNNING, &[&jobs, &now])
        .await
        .during(CALL)?;
    let cancelled = transaction
        .query(CANCEL_RETRYING, &[&jobs, &now])
        .await
        .during(CALL)?;
    let skipped = transaction
        .query(SKIP_BUFFERED, &[&jobs, &now])
        .await
        .during(CALL)?;
    // The nodes that run them check for cancellations.
    transaction
        .execute("select pg_notify($1, '')", &[&WAKE_UP_CHANNEL])
        .await
        .during(CALL)?;
    column(CALL, cancelled.iter().chain(&skipped), 0)
}
