//! Cancellation of an execution. `cancellations` cancels many at once.

use crate::store::audit::entry::Entry;
use crate::store::db::listener::notify;
use crate::store::db::row::column;
use crate::store::db::statement::Statement;
use crate::store::protocol::fixed_delay::rearm_fixed_delay;
use crate::store::protocol::overlap::{lock_jobs, release_buffered};
use crate::store::{During, Store, StoreError};
use uuid::Uuid;

const JOB_OF: Statement = Statement::new(
    "-- executions.job_of
select job_id from job_execution_log where id = $1 union select job_id from job_trigger
where id = $1 and kind <> 'SCHEDULE'",
);

const REQUEST_CANCEL: Statement = Statement::new(
    "-- executions.request_cancel
update job_execution_log set cancel_requested_at = coalesce($1::timestamptz, clock_timestamp())
where id = $2 and status = 'RUNNING'",
);

/// An execution waiting for the next attempt ends at once.
const CANCEL_RETRYING: Statement = Statement::new(
    "-- executions.cancel_retrying
with removed as (delete from job_trigger where id = $2 and kind in ('RETRY', 'RECOVERY')
    returning id)
update job_execution_log l
set status = 'CANCELLED', retrying = null,
    finished_at = coalesce($1::timestamptz, clock_timestamp()), error_message = 'cancelled'
from removed r where l.id = r.id and l.status = 'RETRYING'",
);

/// An execution not started yet gets a row in the log.
const CANCEL_PENDING: Statement = Statement::new(
    "-- executions.cancel_pending
with removed as (delete from job_trigger where id = $2
    and kind in ('MANUAL', 'ENQUEUED', 'BUFFERED', 'OWED', 'RERUN') returning *),
clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, error_message, finished_at, created_at,
        repeats, payload, unique_key)
select r.id, r.job_id, case r.kind when 'OWED' then 'SCHEDULE' else r.kind end, r.fire_time,
       coalesce(r.due_at, r.fire_time), 'CANCELLED', 0, 'cancelled',
       clock.now, clock.now, r.repeats, r.payload, r.unique_key
from removed r, clock on conflict (id) do nothing",
);

/// Whether the log has the execution.
const KNOWN: Statement = Statement::new(
    "-- executions.known
select id from job_execution_log where id = $1",
);

/// Result of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The node was asked to stop the execution, or the execution had not started and has ended.
    Requested,
    /// The execution had ended before.
    AlreadyEnded,
    /// There is no such execution.
    NotFound,
}

impl Store {
    /// Cancels an execution in any state: running (stopped by the node), waiting for the next
    /// attempt, or not started.
    pub async fn cancel_execution(&self, id: Uuid) -> Result<CancelOutcome, StoreError> {
        self.bounded("executions.cancel", async {
            let transaction = self.begin("executions.begin").await?;
            let stub = self.clock().stub();
            let jobs = JOB_OF.query(&transaction, &[&id]).await?;
            let jobs: Vec<Uuid> = column(JOB_OF.name(), &jobs, 0)?;
            // The overlap lock before any row, as in every step that ends executions.
            lock_jobs(&transaction, &jobs).await?;
            // An execution that fails between two statements is found by the second.
            let mut requested = REQUEST_CANCEL.execute(&transaction, &[&stub, &id]).await?;
            requested += CANCEL_RETRYING.execute(&transaction, &[&stub, &id]).await?;
            requested += CANCEL_PENDING.execute(&transaction, &[&stub, &id]).await?;
            rearm_fixed_delay(&transaction, &[id]).await?;
            release_buffered(&transaction, stub, &jobs).await?;
            // Last: a row written above exists as well.
            let known = KNOWN.query_opt(&transaction, &[&id]).await?;
            notify(&transaction).await?;
            if requested > 0
                && let Some(job) = jobs.first()
            {
                transaction.record(Entry::of("job", *job).with("executionId", id.to_string()));
            }
            transaction.commit().await.during("executions.commit")?;
            Ok(match (requested, known) {
                (1.., _) => CancelOutcome::Requested,
                (_, Some(_)) => CancelOutcome::AlreadyEnded,
                (_, None) => CancelOutcome::NotFound,
            })
        })
        .await
    }
}
