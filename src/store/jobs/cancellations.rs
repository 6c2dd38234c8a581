//! Cancellation of many executions: all matches of a filter, a batch per transaction.
//!
//! A batch locks in the order of the settlements: the overlap locks of the jobs, the jobs, then
//! triggers and executions. Triggers and executions locked by another transaction are skipped: a
//! node leases or settles the rows at the moment, and the caller tries again. A batch therefore
//! never waits for a lease, and a lease or a settlement waits for at most a single batch.

use super::commands::LOCK_JOB_ROWS;
use crate::model::execution::ExecutionStatus;
use crate::model::lists::ExecutionFilter;
use crate::store::audit::entry::Entry;
use crate::store::db::listener::notify;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::protocol::fixed_delay::rearm_fixed_delay;
use crate::store::protocol::overlap::{lock_jobs, release_buffered};
use crate::store::queries::execution_list::conditions;
use crate::store::{During, Store, StoreError};
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

/// Executions of a transaction.
pub const BATCH: usize = 500;

/// A trigger of an execution not started yet.
macro_rules! has_not_begun {
    ($trigger:literal) => {
        concat!(
            $trigger,
            ".kind in ('MANUAL', 'ENQUEUED', 'BUFFERED', 'OWED', 'RERUN')"
        )
    };
}
pub(crate) use has_not_begun;

/// Triggers not locked by another transaction.
pub(crate) const LOCK_TRIGGERS: Statement = Statement::new(
    "-- cancellations.lock_triggers
select id from job_trigger
where id = any($1::uuid[]) and kind in ('MANUAL', 'ENQUEUED', 'BUFFERED', 'OWED', 'RERUN', 'RETRY', 'RECOVERY')
for update skip locked",
);

/// An execution not started yet gets a row in the log.
pub(crate) const CANCEL_PENDING: Statement = Statement::new(concat!(
    "-- cancellations.cancel_pending
with removed as (delete from job_trigger r where r.id = any($2::uuid[]) and ",
    has_not_begun!("r"),
    " returning *),
clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, error_message, finished_at, created_at,
        repeats, payload, unique_key)
select r.id, r.job_id, case r.kind when 'OWED' then 'SCHEDULE' else r.kind end, r.fire_time,
       coalesce(r.due_at, r.fire_time), 'CANCELLED', 0, 'cancelled',
       clock.now, clock.now, r.repeats, r.payload, r.unique_key
from removed r, clock on conflict (id) do nothing returning id"
));

/// An execution waiting for the next attempt ends.
pub(crate) const CANCEL_RETRYING: Statement = Statement::new(
    "-- cancellations.cancel_retrying
with removed as (delete from job_trigger where id = any($2::uuid[])
    and kind in ('RETRY', 'RECOVERY') returning id)
update job_execution_log l
set status = 'CANCELLED', retrying = null,
    finished_at = coalesce($1::timestamptz, clock_timestamp()), error_message = 'cancelled'
from removed r where l.id between $3 and $4 and l.id = any($2::uuid[]) and l.id = r.id
  and l.status = 'RETRYING' returning l.id",
);

/// Asks the nodes of running executions for a stop.
pub(crate) const REQUEST: Statement = Statement::new(
    "-- cancellations.request
with free as materialized (
    select l.id from job_execution_log l
    where l.id between $3 and $4 and l.id = any($2::uuid[]) and l.status = 'RUNNING'
      and l.cancel_requested_at is null
    for no key update skip locked
)
update job_execution_log l set cancel_requested_at = coalesce($1::timestamptz, clock_timestamp())
from free f where l.id between $3 and $4 and l.id = any($2::uuid[]) and l.id = f.id
returning l.id",
);

/// Executions neither ended nor asked to end, because of a lock of another transaction.
const BUSY: Statement = Statement::new(concat!(
    "-- cancellations.busy
select x.id from unnest($1::uuid[]) as x (id)
left join lateral (select true as waits from job_trigger t where t.id = x.id and ",
    has_not_begun!("t"),
    " offset 0) as t on true
left join lateral (select l.status, l.cancel_requested_at from job_execution_log l
    where l.id = x.id offset 0) as l on true
where t.waits or l.status = 'RETRYING' or l.status = 'RUNNING' and l.cancel_requested_at is null"
));

/// An execution and its job.
pub type OfJob = (Uuid, Uuid);

/// Result of a batch.
#[derive(Debug, Default)]
pub struct CancelledBatch {
    /// Executions ended, or with a node asked to stop the execution.
    pub cancelled: usize,
    /// Executions locked by another transaction.
    pub busy: HashSet<Uuid>,
}

impl Store {
    /// The unfinished executions of a filter, at most `most`: first executions not started yet,
    /// because the end of another execution could start such an execution; then by fire time. A
    /// filter of statuses, reasons or nodes matches rows of the log only, so no execution before
    /// the start.
    pub async fn unfinished(
        &self,
        filter: &ExecutionFilter,
        most: usize,
    ) -> Result<Vec<OfJob>, StoreError> {
        let mut found = Vec::new();
        // An execution not started yet has no status, reason or node.
        if (&filter.statuses, &filter.reasons, filter.node_id) == (&None, &None, None) {
            found = self.find_unfinished(&pending(filter, most)).await?;
        }
        let statuses = [ExecutionStatus::Running, ExecutionStatus::Retrying];
        let statuses: Vec<&str> = statuses
            .iter()
            .filter(|status| {
                let asked = filter.statuses.as_ref();
                asked.is_none_or(|asked| asked.contains(status))
            })
            .map(|s| s.as_str())
            .collect();
        if !statuses.is_empty() && found.len() < most {
            let in_flight = in_flight(filter, &statuses, most - found.len());
            found.extend(self.find_unfinished(&in_flight).await?);
        }
        Ok(found)
    }

    async fn find_unfinished(&self, find: &Find) -> Result<Vec<OfJob>, StoreError> {
        let name = find.of.name();
        self.on_session(name, async |session| {
            let statement = find.of.with_sql(&find.text);
            let rows = statement
                .query_unprepared(session, &find.conditions.values())
                .await?;
            rows.iter()
                .map(|row| {
                    let row = Values::of(name, row);
                    Ok((row.get(0)?, row.get(1)?))
                })
                .collect()
        })
        .await
    }

    /// Cancels a batch by the rules of [`Store::cancel_execution`].
    pub async fn cancel_batch(&self, batch: &[OfJob]) -> Result<CancelledBatch, StoreError> {
        let jobs: BTreeSet<Uuid> = batch.iter().map(|(_, job_id)| *job_id).collect();
        let jobs: Vec<Uuid> = jobs.into_iter().collect();
        let ids: Vec<Uuid> = batch.iter().map(|(id, _)| *id).collect();
        self.bounded("cancellations.batch", async {
            let transaction = self.begin("cancellations.begin").await?;
            lock_jobs(&transaction, &jobs).await?;
            let stub = self.clock().stub();
            // A deletion at the same moment would write the same rows.
            LOCK_JOB_ROWS.query(&transaction, &[&stub, &jobs]).await?;
            let parts = in_parts(&transaction, &ids, async |ids: &[Uuid]| {
                self.cancel_in(&transaction, ids).await
            })
            .await?;
            let cancelled: HashSet<Uuid> = parts.done.into_iter().flatten().collect();
            let left: Vec<Uuid> = ids
                .iter()
                .filter(|id| !cancelled.contains(id))
                .copied()
                .collect();
            let busy = BUSY.query(&transaction, &[&left]).await?;
            let mut busy: HashSet<Uuid> = column(BUSY.name(), &busy, 0)?;
            // A row refused by the database is not busy: another try would fail as well.
            busy.retain(|id| !parts.odd.iter().any(|(odd, _)| odd == id));
            release_buffered(&transaction, stub, &jobs).await?;
            notify(&transaction).await?;
            transaction.record(Entry::about("execution"));
            transaction.commit().await.during("cancellations.commit")?;
            // Executions refused by the database are not counted.
            self.note_odd("job_execution_log", parts.odd);
            Ok(CancelledBatch {
                cancelled: cancelled.len(),
                busy,
            })
        })
        .await
    }

    /// Cancels the executions not locked by another transaction. Returns the ids.
    async fn cancel_in(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
    ) -> Result<Vec<Uuid>, StoreError> {
        // The lowest and the highest id prune partitions.
        let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(Vec::new());
        };
        let stub = self.clock().stub();
        let locked = LOCK_TRIGGERS.query(transaction, &[&ids]).await?;
        let locked: Vec<Uuid> = column(LOCK_TRIGGERS.name(), &locked, 0)?;
        let mut rows = CANCEL_PENDING.query(transaction, &[&stub, &locked]).await?;
        let retrying = CANCEL_RETRYING
            .query(transaction, &[&stub, &locked, low, high])
            .await;
        rows.extend(retrying?);
        let ended: Vec<Uuid> = column(CANCEL_RETRYING.name(), &rows, 0)?;
        rearm_fixed_delay(transaction, &ended).await?;
        rows.extend(
            REQUEST
                .query(transaction, &[&stub, &ids, low, high])
                .await?,
        );
        column(CANCEL_RETRYING.name(), &rows, 0)
    }
}

/// A statement with its conditions.
struct Find {
    of: Statement<'static>,
    text: String,
    conditions: crate::store::queries::filters::Conditions,
}

/// See [`pending`].
const PENDING: Statement = Statement::new(concat!(
    "-- cancellations.pending
select l.id, l.job_id
from (select t.id, t.job_id, case t.kind when 'OWED' then 'SCHEDULE' else t.kind end as kind
      from job_trigger t where t.kind <> 'SCHEDULE' and ",
    has_not_begun!("t"),
    ") as l
where {found} and {fits} order by l.id limit {most}"
));

/// See [`in_flight`].
const IN_FLIGHT: Statement = Statement::new(
    "-- cancellations.in_flight
select l.id, l.job_id
from (select unnest(execution_ids) as id from job_lease
      union select id from job_execution_log where retrying) as x
cross join lateral (select l.id, l.job_id, l.kind, l.status, l.reason, l.node_id
                    from job_execution_log l where l.id = x.id offset 0) as l
where {found} and {fits} order by l.id limit {most}",
);

/// Executions not started yet: the triggers, with the columns of a row of the log.
fn pending(filter: &ExecutionFilter, most: usize) -> Find {
    let conditions = conditions(filter, None);
    let text = PENDING.filled(&[
        ("{found}", &conditions.found()),
        ("{fits}", &conditions.fits()),
        ("{most}", &most.to_string()),
    ]);
    Find {
        of: PENDING,
        text,
        conditions,
    }
}

/// Executions in flight: ids from leases and from next attempts, and a look-up per id, in the
/// partition of the id.
fn in_flight(filter: &ExecutionFilter, statuses: &[&str], most: usize) -> Find {
    let mut conditions = conditions(
        &ExecutionFilter {
            statuses: None,
            ..filter.clone()
        },
        None,
    );
    let statuses: Vec<String> = statuses.iter().map(|status| (*status).to_owned()).collect();
    conditions.fit("l.status = any(?::text[])", statuses);
    let text = IN_FLIGHT.filled(&[
        ("{found}", &conditions.found()),
        ("{fits}", &conditions.fits()),
        ("{most}", &most.to_string()),
    ]);
    Find {
        of: IN_FLIGHT,
        text,
        conditions,
    }
}
