//! Preemption: a later fire time of a job ends the job's other executions (`CANCEL_OTHER`).

use crate::model::Timestamp;
use crate::store::StoreError;
use crate::store::db::listener::notify;
use crate::store::db::row::column;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use uuid::Uuid;

/// Requests the end of running executions.
const CANCEL_RUNNING: Statement = Statement::new(
    "-- leases.cancel_running
update job_execution_log set cancel_requested_at = $2
where id = any(array(select id from execution_in_flight where job_id = any($1::uuid[])))
  and status = 'RUNNING' and cancel_requested_at is null",
);

/// Cancels executions waiting for the next attempt.
const CANCEL_RETRYING: Statement = Statement::new(
    "-- leases.cancel_retrying
with removed as (delete from job_trigger where job_id = any($1::uuid[])
    and kind in ('RETRY', 'RECOVERY') returning id)
update job_execution_log l
set status = 'CANCELLED', retrying = null, finished_at = $2,
    error_message = 'a later fire time of the job took its place'
from removed r where l.id = r.id and l.status = 'RETRYING' returning l.id",
);

/// Records the buffered fire times of the jobs as skipped.
const SKIP_BUFFERED: Statement = Statement::new(
    "-- leases.skip_buffered
with removed as (delete from job_trigger where job_id = any($1::uuid[]) and kind = 'BUFFERED'
    returning *)
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time,
        occurrences, finished_at, created_at, repeats, payload, unique_key)
select id, job_id, kind, fire_time, fire_time, 'SKIPPED', 'OVERLAP', 0, fire_time, 1, $2, $2,
    repeats, payload, unique_key from removed
on conflict (id) do nothing returning id",
);

/// Preempts all executions of the jobs, for a later fire time. Returns the executions ended here.
/// The nodes of running executions end the running executions.
pub async fn preempt(
    jobs: &[Uuid],
    transaction: &Transaction,
    now: Timestamp,
) -> Result<Vec<Uuid>, StoreError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    CANCEL_RUNNING.execute(transaction, &[&jobs, &now]).await?;
    // No node holds an execution between two attempts: the row ends here.
    let cancelled = CANCEL_RETRYING.query(transaction, &[&jobs, &now]).await?;
    // The policy keeps only the newest fire time, so older buffered fires are skipped.
    let skipped = SKIP_BUFFERED.query(transaction, &[&jobs, &now]).await?;
    // The nodes of the running executions check for cancellations.
    notify(transaction).await?;
    column(CANCEL_RETRYING.name(), cancelled.iter().chain(&skipped), 0)
}
