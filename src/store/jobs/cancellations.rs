//! Cancelling many executions: all that a filter holds, a batch in a transaction.
//!
//! A batch takes its locks in the order of the settlements: first those under which the overlaps of
//! its jobs are decided, then the jobs, as every command does, then triggers and executions. Of
//! these it takes what nobody else holds and waits for none: what a node leases or settles at this
//! moment is busy, and is tried again. So it never waits for a lease, and a lease or a settlement
//! waits for one batch at most.

use super::commands::{LOCK_JOB_ROWS, notify};
use crate::model::execution::ExecutionStatus;
use crate::model::lists::ExecutionFilter;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::protocol::complete::{lock_jobs, rearm_fixed_delay, release_buffered};
use crate::store::queries::execution_list::conditions;
use crate::store::{During, Store, StoreError};
use std::collections::{BTreeSet, HashSet};
use tokio_postgres::Row;
use uuid::Uuid;

/// Executions of one transaction.
pub const BATCH: usize = 500;

/// What stands in for an execution that has not begun.
macro_rules! has_not_begun {
    ($trigger:literal) => {
        concat!($trigger, ".kind in ('MANUAL', 'BUFFERED', 'OWED', 'RERUN')")
    };
}

/// Those of the triggers that nobody holds.
pub(crate) const LOCK_TRIGGERS: &str = "-- cancellations.lock_triggers
select id from job_trigger
where id = any($1::uuid[]) and kind in ('MANUAL', 'BUFFERED', 'OWED', 'RERUN', 'RETRY', 'RECOVERY')
for update skip locked";

/// What has not begun leaves its row.
pub(crate) const CANCEL_PENDING: &str = concat!(
    "-- cancellations.cancel_pending
with removed as (delete from job_trigger r where r.id = any($2::uuid[]) and ",
    has_not_begun!("r"),
    " returning *),
clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, error_message, finished_at, created_at, repeats, payload)
select r.id, r.job_id, case r.kind when 'OWED' then 'SCHEDULE' else r.kind end, r.fire_time, coalesce(r.due_at, r.fire_time), 'CANCELLED', 0, 'cancelled',
       clock.now, clock.now, r.repeats, r.payload
from removed r, clock on conflict (id) do nothing returning id"
);

/// What waits for its next attempt ends.
pub(crate) const CANCEL_RETRYING: &str = "-- cancellations.cancel_retrying
with removed as (delete from job_trigger where id = any($2::uuid[]) and kind in ('RETRY', 'RECOVERY') returning id)
update job_execution_log l
set status = 'CANCELLED', retrying = null, finished_at = coalesce($1::timestamptz, clock_timestamp()), error_message = 'cancelled'
from removed r where l.id between $3 and $4 and l.id = any($2::uuid[]) and l.id = r.id and l.status = 'RETRYING' returning l.id";

/// The nodes of what runs are asked to stop it.
pub(crate) const REQUEST: &str = "-- cancellations.request
with free as materialized (
    select l.id from job_execution_log l
    where l.id between $3 and $4 and l.id = any($2::uuid[]) and l.status = 'RUNNING' and l.cancel_requested_at is null
    for no key update skip locked
)
update job_execution_log l set cancel_requested_at = coalesce($1::timestamptz, clock_timestamp())
from free f where l.id between $3 and $4 and l.id = any($2::uuid[]) and l.id = f.id returning l.id";

/// What has neither ended nor was asked to: somebody holds it.
const BUSY: &str = concat!(
    "-- cancellations.busy
select x.id from unnest($1::uuid[]) as x (id)
left join lateral (select true as waits from job_trigger t where t.id = x.id and ",
    has_not_begun!("t"),
    " offset 0) as t on true
left join lateral (select l.status, l.cancel_requested_at from job_execution_log l where l.id = x.id offset 0) as l on true
where t.waits or l.status = 'RETRYING' or l.status = 'RUNNING' and l.cancel_requested_at is null"
);

/// An execution, and its job.
pub type OfJob = (Uuid, Uuid);

/// What became of a batch.
#[derive(Debug, Default)]
pub struct CancelledBatch {
    /// Those that ended, or whose nodes were asked to stop them.
    pub cancelled: usize,
    /// Those that somebody held.
    pub busy: HashSet<Uuid>,
}

impl Store {
    /// The executions of a filter that have not ended, at most `most`: first those that have not
    /// begun, or one that ends would let them begin; then by fire time. A filter that names a
    /// status, a reason or a node is about rows of the log: it holds none that has not begun.
    pub async fn unfinished(
        &self,
        filter: &ExecutionFilter,
        most: usize,
    ) -> Result<Vec<OfJob>, StoreError> {
        let mut found = Vec::new();
        if (&filter.statuses, &filter.reasons, filter.node_id) == (&None, &None, None) {
            found = self
                .find_unfinished("cancellations.pending", &pending(filter, most))
                .await?;
        }
        let statuses = [ExecutionStatus::Running, ExecutionStatus::Retrying];
        let is_asked = |status: &ExecutionStatus| {
            filter
                .statuses
                .as_ref()
                .is_none_or(|of| of.contains(status))
        };
        let statuses: Vec<&str> = statuses
            .iter()
            .filter(|status| is_asked(status))
            .map(|s| s.as_str())
            .collect();
        if !statuses.is_empty() && found.len() < most {
            let in_flight = in_flight(filter, &statuses, most - found.len());
            found.extend(
                self.find_unfinished("cancellations.in_flight", &in_flight)
                    .await?,
            );
        }
        Ok(found)
    }

    async fn find_unfinished(
        &self,
        call: &'static str,
        find: &Find,
    ) -> Result<Vec<OfJob>, StoreError> {
        self.bounded(call, async {
            let session = self.session().await?;
            let rows = session
                .query(&find.text, &find.conditions.values())
                .await
                .during(call)?;
            session.release();
            let read = |row: &Row| {
                let row = Values::of(call, row);
                Ok((row.get(0)?, row.get(1)?))
            };
            rows.iter().map(read).collect()
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
            transaction
                .query(LOCK_JOB_ROWS, &[&stub, &jobs])
                .await
                .during("cancellations.hold_jobs")?;
            let cancel = async |ids: &[Uuid]| self.cancel_in(&transaction, ids).await;
            let parts = in_parts(&transaction, &ids, cancel).await?;
            let cancelled: HashSet<Uuid> = parts.done.into_iter().flatten().collect();
            let left: Vec<Uuid> = ids
                .iter()
                .filter(|id| !cancelled.contains(id))
                .copied()
                .collect();
            let busy = transaction
                .query(BUSY, &[&left])
                .await
                .during("cancellations.busy")?;
            let mut busy: HashSet<Uuid> = column("cancellations.busy", &busy, 0)?;
            busy.retain(|id| !parts.odd.iter().any(|(odd, _)| odd == id));
            release_buffered(&transaction, stub, &jobs).await?;
            notify(&transaction).await?;
            transaction.commit().await.during("cancellations.commit")?;
            // They stay as they are, and are not counted.
            self.note_odd("job_execution_log", parts.odd);
            Ok(CancelledBatch {
                cancelled: cancelled.len(),
                busy,
            })
        })
        .await
    }

    /// Cancels those that nobody holds; which.
    async fn cancel_in(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
    ) -> Result<Vec<Uuid>, StoreError> {
        let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(Vec::new());
        };
        let stub = self.clock().stub();
        let locked = transaction
            .query(LOCK_TRIGGERS, &[&ids])
            .await
            .during("cancellations.lock_triggers")?;
        let locked: Vec<Uuid> = column("cancellations.lock_triggers", &locked, 0)?;
        let mut rows = transaction
            .query(CANCEL_PENDING, &[&stub, &locked])
            .await
            .during("cancellations.cancel")?;
        let retrying = transaction
            .query(CANCEL_RETRYING, &[&stub, &locked, low, high])
            .await;
        rows.extend(retrying.during("cancellations.cancel")?);
        let ended: Vec<Uuid> = column("cancellations.cancel", &rows, 0)?;
        rearm_fixed_delay(transaction, &ended).await?;
        rows.extend(
            transaction
                .query(REQUEST, &[&stub, &ids, low, high])
                .await
                .during("cancellations.request")?,
        );
        column("cancellations.cancel", &rows, 0)
    }
}

/// A statement with the values that it speaks of.
struct Find {
    text: String,
    conditions: crate::store::queries::filters::Conditions,
}

/// Executions that have not begun: their triggers, under the names that the log will know them by.
fn pending(filter: &ExecutionFilter, most: usize) -> Find {
    let conditions = conditions(filter, None);
    let text = format!(
        "-- cancellations.pending
select l.id, l.job_id
from (select t.id, t.job_id, case t.kind when 'OWED' then 'SCHEDULE' else t.kind end as kind
      from job_trigger t where t.kind <> 'SCHEDULE' and {}) as l
where {} and {} order by l.id limit {most}",
        has_not_begun!("t"),
        conditions.found(),
        conditions.fits()
    );
    Find { text, conditions }
}

/// Executions in flight: where leases and next attempts say, one look-up a row, each in its own
/// partition only.
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
    let text = format!(
        "-- cancellations.in_flight
select l.id, l.job_id
from (select unnest(execution_ids) as id from job_lease union select id from job_execution_log where retrying) as x
cross join lateral (select l.id, l.job_id, l.kind, l.status, l.reason, l.node_id from job_execution_log l
                    where l.id = x.id offset 0) as l
where {} and {} order by l.id limit {most}",
        conditions.found(),
        conditions.fits()
    );
    Find { text, conditions }
}
