//! Settling: the end of an attempt, written by the node of the attempt and by no other.
//!
//! The fence is the primary key plus (attempt, node, RUNNING). A node declared dead finds no such
//! row: the settlement is fenced. A settlement with an unknown outcome is sent again. A row with
//! the same values counts as settled, not as fenced.

use super::failing::Verdicts;
use super::fixed_delay::rearm_fixed_delay;
use super::overlap::{lock_jobs, release_buffered};
use crate::model::Timestamp;
use crate::model::execution::{ExecutionStatus, Outcome, Reason, Settlement};
use crate::model::text::storable_text;
use crate::safeguards::{Safeguard, unless_off};
use crate::store::db::row::column;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError, both};
use std::borrow::Cow;
use std::collections::HashSet;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Settles current attempts. A failed attempt with a retry goes into the history of the execution;
/// with a requested cancellation there is no retry. `between` lets the generic plan prune
/// partitions. `any` limits the look-ups to the ids: a join alone may read all ids in between.
pub(crate) const SETTLE: Statement = Statement::new(
    "-- settlements.settle
update job_execution_log l
set status = case when x.status = 'RETRYING' and l.cancel_requested_at is not null then 'CANCELLED'
    else x.status end,
    retrying = case when x.status = 'RETRYING' and l.cancel_requested_at is null then true end,
    reason = x.reason, started_at = x.started_at, error_message = x.error_message,
    output = x.output, failures = l.failures + (x.status in ('FAILED', 'RETRYING'))::int,
    finished_at = case when x.status = 'RETRYING' and l.cancel_requested_at is null then null
        else coalesce($1::timestamptz, clock_timestamp()) end,
    previous_attempts = case when x.status <> 'RETRYING' then l.previous_attempts
        else coalesce(l.previous_attempts, '[]') || jsonb_build_object(
            'attempt', l.attempt, 'nodeId', l.node_id, 'startedAt', x.started_at,
            'endedAt', coalesce($1::timestamptz, clock_timestamp()), 'outcome', 'FAILED',
            'reason', x.reason, 'error', x.error_message) end
from unnest($2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[],
    $8::text[], $9::text[])
    as x (id, attempt, node_id, status, reason, started_at, error_message, output)
where l.id between $10 and $11 and l.id = any($2::uuid[]) and l.id = x.id
  and l.attempt = x.attempt and l.node_id = x.node_id and l.status = 'RUNNING'
returning l.id",
);

/// The part of [`SETTLE`] against attempts no longer current.
const FENCE: &str =
    "\n  and l.attempt = x.attempt and l.node_id = x.node_id and l.status = 'RUNNING'";

/// The retries of failed attempts, after the delays (seconds). An execution of a deleted job ends
/// instead.
pub(crate) const RETRY: Statement = Statement::new(
    "-- settlements.retry
with failed as materialized (
    select l.id, l.job_id, l.fire_time, x.delay, j.priority,
        j.status is not distinct from 'DELETED' as is_over
    from unnest($2::uuid[], $3::int[], $4::float8[]) as x (id, attempt, delay)
    join job_execution_log l on l.id = x.id left join job_definition j on j.id = l.job_id
    where l.id between $5 and $6 and l.id = any($2::uuid[]) and l.attempt = x.attempt
        and l.status = 'RETRYING'
), ended as (
    update job_execution_log l
    set status = 'CANCELLED', retrying = null,
        finished_at = coalesce($1::timestamptz, clock_timestamp())
    from failed f where f.is_over and l.id between $5 and $6 and l.id = any($2::uuid[])
        and l.id = f.id
)
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select f.id, f.job_id, 'RETRY', f.fire_time,
    coalesce($1::timestamptz, clock_timestamp()) + make_interval(secs => f.delay), f.priority
from failed f where not f.is_over
on conflict (id) do nothing",
);

/// Ends leases without an execution in flight.
pub(crate) const END_LEASES: Statement = Statement::new(
    "-- settlements.end_leases
delete from job_lease where id = any($1::uuid[])",
);

/// Compacts a lease: most of the executions have ended.
const SHORTEN_LEASE: Statement = Statement::new(
    "-- settlements.shorten_lease
update job_lease set execution_ids = $2 where id = $1",
);

/// Ends the leases of a worker ($1) that list some of these executions and nothing in flight.
const END_LEASES_OF_WORKER: Statement = Statement::new(
    "-- settlements.end_leases_of_worker
delete from job_lease h where h.node_id = $1
  and (h.execution_ids && $2::uuid[] or h.execution_ids = '{}')
  and not exists (select from job_execution_log l where l.id = any(h.execution_ids)
                      and l.node_id = h.node_id and l.status = 'RUNNING')",
);

/// Removes what has ended from the other ones.
const COMPACT_OF_WORKER: Statement = Statement::new(
    "-- settlements.compact_of_worker
update job_lease h set execution_ids = array(
    select x.id from unnest(h.execution_ids) as x (id)
    where exists (select from job_execution_log l
                  where l.id = x.id and l.node_id = h.node_id and l.status = 'RUNNING'))
where h.node_id = $1 and h.execution_ids && $2::uuid[]",
);

/// The refused settlements written by an earlier try with a lost answer. A node never writes `LOST`
/// or `CRASH_LOOP` about an own attempt, so an equal status and reason comes from the node.
pub(crate) const ALREADY_SETTLED: Statement = Statement::new(
    "-- settlements.already_settled
select l.id from job_execution_log l
join unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[])
    as x (id, attempt, node_id, status, reason)
  on l.id = x.id
where l.id between $6 and $7 and l.id = any($1::uuid[]) and l.attempt = x.attempt and l.node_id = x.node_id and l.reason is not distinct from x.reason
  and (l.status = x.status or x.status = 'RETRYING' and l.status = 'CANCELLED')",
);

/// The result of a batch of settlements.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Written by the try or an earlier try.
    pub settled: Vec<Uuid>,
    /// Refused: the attempt is no longer current.
    pub fenced: Vec<Uuid>,
}

/// The changes of the node's leases by a batch of settlements.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeaseUpdates {
    /// Leases without an execution in flight.
    pub ended: Vec<Uuid>,
    /// The leases to compact.
    pub compacted: Vec<CompactedLease>,
    /// A worker, whose leases are compacted by the rows of the executions: no slots of a node know
    /// them.
    pub worker: Option<Uuid>,
}

/// The new list of a lease.
#[derive(Debug, PartialEq, Eq)]
pub struct CompactedLease {
    /// Lease with the new list.
    pub id: Uuid,
    /// The executions still in flight.
    pub remaining: Vec<Uuid>,
}

impl Store {
    /// Settles a batch in a single transaction. After an error the outcome is unknown: settle the
    /// same batch again.
    pub async fn settle(
        &self,
        batch: &[Settlement],
        leases: &LeaseUpdates,
    ) -> Result<Settled, StoreError> {
        if batch.is_empty() {
            // An empty batch would cost a transaction for nothing.
            return Ok(Settled::default());
        }
        let columns = Columns::of(batch);
        let verdicts = Verdicts::of(batch);
        self.bounded("settlements.settle", async {
            let transaction = self.begin("settlements.begin").await?;
            // The locks of serialized jobs before any row: see `overlap`.
            lock_jobs(&transaction, &columns.waited_for).await?;
            let mut settled = self
                .settle_and_record(&transaction, &columns, &verdicts, leases)
                .await?;
            // The job before the trigger: commands lock them in the order.
            self.pause_failed(&transaction, batch, &settled).await?;
            rearm_fixed_delay(&transaction, &columns.awaited).await?;
            self.retry(&transaction, &columns).await?;
            release_buffered(&transaction, self.clock().stub(), &columns.waited_for).await?;
            // A refused settlement may be written already: the answer of an earlier try was lost.
            // Rare, so a separate statement, not a part of `SETTLE`.
            if settled.len() < batch.len() {
                settled.extend(already_settled(&transaction, &columns).await?);
            }
            transaction.commit().await.during("settlements.commit")?;
            Ok(self.settled(batch, &settled))
        })
        .await
    }

    /// Settles an attempt without the consequences, for an attempt with failing consequences. There
    /// is no retry, and the job is not paused. The repairs release the buffered fires and record
    /// whether the job is failing.
    pub async fn settle_alone(
        &self,
        settlement: &Settlement,
        leases: &LeaseUpdates,
    ) -> Result<Settled, StoreError> {
        let alone = Settlement {
            // The insert of the next attempt may be the failing consequence.
            retry_in: None,
            ..settlement.clone()
        };
        let columns = Columns::of(std::slice::from_ref(&alone));
        self.bounded("settlements.settle_alone", async {
            let transaction = self.begin("settlements.begin").await?;
            let mut settled = self.settle_current(&transaction, &columns).await?;
            if settled.is_empty() {
                settled.extend(already_settled(&transaction, &columns).await?);
            }
            update_leases(&transaction, leases, &columns.ids).await?;
            transaction.commit().await.during("settlements.commit")?;
            Ok(self.settled(std::slice::from_ref(&alone), &settled))
        })
        .await
    }

    /// Counts the settled attempts, apart from the fenced attempts.
    fn settled(&self, batch: &[Settlement], written: &HashSet<Uuid>) -> Settled {
        self.activity_counter.settled(
            batch
                .iter()
                .filter(|settlement| written.contains(&settlement.execution_id)),
        );
        let (settled, fenced) = batch
            .iter()
            .map(|settlement| settlement.execution_id)
            .partition(|id| written.contains(id));
        Settled { settled, fenced }
    }

    async fn retry(&self, transaction: &Transaction, c: &Columns<'_>) -> Result<(), StoreError> {
        if c.retried.is_empty() {
            return Ok(());
        }
        let stub = self.clock().stub();
        let values: [&(dyn ToSql + Sync); 6] = [
            &stub,
            &c.retried,
            &c.retried_attempts,
            &c.delays,
            &c.low,
            &c.high,
        ];
        RETRY.execute(transaction, &values).await.map(drop)
    }

    /// Pauses jobs with `pauseOnFailure` after an execution has failed for good.
    async fn pause_failed(
        &self,
        transaction: &Transaction,
        batch: &[Settlement],
        settled: &HashSet<Uuid>,
    ) -> Result<(), StoreError> {
        let mut failed: Vec<&Settlement> = batch
            .iter()
            .filter(|settlement| {
                settlement.pause_on_failure
                    && settlement.status() == ExecutionStatus::Failed
                    && settled.contains(&settlement.execution_id)
            })
            .collect();
        // The order in which every transaction locks jobs.
        // A batch has the order of the ends, and two nodes could settle the same jobs in opposite
        // orders.
        failed.sort_by_key(|settlement| settlement.job_id);
        for settlement in failed {
            let (job, execution) = (settlement.job_id, settlement.execution_id);
            self.pause_on_failure(transaction, job, execution).await?;
        }
        Ok(())
    }

    /// Settles current attempts, and records which jobs are failing, in a single round trip.
    async fn settle_and_record(
        &self,
        transaction: &Transaction,
        columns: &Columns<'_>,
        verdicts: &Verdicts,
        leases: &LeaseUpdates,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let settle = settle_text();
        // Prepared before, so the three statements travel together and in the order.
        transaction.prepare(&[SETTLE.with_sql(&settle)]).await?;
        verdicts.prepare(transaction).await?;
        let (settled, updated, recorded) = futures_util::join!(
            self.settle_current(transaction, columns),
            update_leases(transaction, leases, &columns.ids),
            verdicts.record(transaction),
        );
        let (settled, ((), ())) = both(settled, both(updated, recorded))?;
        Ok(settled)
    }

    async fn settle_current(
        &self,
        transaction: &Transaction,
        c: &Columns<'_>,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let stub = self.clock().stub();
        let values: [&(dyn ToSql + Sync); 11] = [
            &stub,
            &c.ids,
            &c.attempts,
            &c.node_ids,
            &c.statuses,
            &c.reasons,
            &c.started,
            &c.errors,
            &c.outputs,
            &c.low,
            &c.high,
        ];
        let settle = settle_text();
        let settle = SETTLE.with_sql(&settle);
        column(settle.name(), &settle.query(transaction, &values).await?, 0)
    }
}

/// The text of [`SETTLE`], which a drill sends without its fence.
fn settle_text() -> Cow<'static, str> {
    unless_off(Safeguard::SettlementFence, SETTLE.sql(), FENCE)
}

/// Ends and compacts leases. Leases only list executions in flight: the rows decide.
async fn update_leases(
    transaction: &Transaction,
    updates: &LeaseUpdates,
    executions: &[Uuid],
) -> Result<(), StoreError> {
    if let Some(worker) = updates.worker {
        // After the settlement: the rows of its executions decide.
        for statement in [END_LEASES_OF_WORKER, COMPACT_OF_WORKER] {
            statement
                .execute(transaction, &[&worker, &executions])
                .await?;
        }
    }
    if !updates.ended.is_empty() {
        END_LEASES.execute(transaction, &[&updates.ended]).await?;
    }
    for lease in &updates.compacted {
        SHORTEN_LEASE
            .execute(transaction, &[&lease.id, &lease.remaining])
            .await?;
    }
    Ok(())
}

async fn already_settled(
    transaction: &Transaction,
    c: &Columns<'_>,
) -> Result<Vec<Uuid>, StoreError> {
    let values: [&(dyn ToSql + Sync); 7] = [
        &c.ids,
        &c.attempts,
        &c.node_ids,
        &c.statuses,
        &c.reasons,
        &c.low,
        &c.high,
    ];
    let rows = ALREADY_SETTLED.query(transaction, &values).await?;
    column(ALREADY_SETTLED.name(), &rows, 0)
}

/// The columns of a batch.
struct Columns<'a> {
    ids: Vec<Uuid>,
    attempts: Vec<i32>,
    node_ids: Vec<Uuid>,
    statuses: Vec<&'a str>,
    reasons: Vec<Option<&'a str>>,
    started: Vec<Timestamp>,
    errors: Vec<Option<String>>,
    outputs: Vec<Option<String>>,
    retried: Vec<Uuid>,
    retried_attempts: Vec<i32>,
    delays: Vec<f64>,
    /// Serialized jobs: buffered fires may wait for the ends.
    waited_for: Vec<Uuid>,
    /// Executions possibly awaited by fixed delays: mostly none. (A repair may let a trigger await
    /// an execution started under another schedule; a repair rearms such a trigger as well.)
    awaited: Vec<Uuid>,
    low: Uuid,
    high: Uuid,
}

impl Columns<'_> {
    fn with_capacity(rows: usize) -> Self {
        Self {
            ids: Vec::with_capacity(rows),
            attempts: Vec::with_capacity(rows),
            node_ids: Vec::with_capacity(rows),
            statuses: Vec::with_capacity(rows),
            reasons: Vec::with_capacity(rows),
            started: Vec::with_capacity(rows),
            errors: Vec::with_capacity(rows),
            outputs: Vec::with_capacity(rows),
            retried: Vec::new(),
            retried_attempts: Vec::new(),
            delays: Vec::new(),
            waited_for: Vec::new(),
            awaited: Vec::new(),
            low: Uuid::nil(),
            high: Uuid::nil(),
        }
    }
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [Settlement]) -> Self {
        let mut columns = Self::with_capacity(batch.len());
        for settlement in batch {
            columns.push(settlement);
        }
        // The bounds of `between`: ids begin with the time, so a batch touches few partitions.
        columns.low = columns.ids.iter().min().copied().unwrap_or_default();
        columns.high = columns.ids.iter().max().copied().unwrap_or_default();
        columns
    }

    fn push(&mut self, settlement: &'a Settlement) {
        let execution_id = settlement.execution_id;
        self.ids.push(execution_id);
        self.attempts.push(settlement.attempt);
        self.node_ids.push(settlement.node_id);
        self.statuses.push(settlement.status().as_str());
        self.reasons.push(settlement.reason().map(Reason::as_str));
        self.started.push(settlement.started_at);
        self.errors.push(error_message(&settlement.outcome));
        self.outputs.push(output(&settlement.outcome));
        if let Some(delay) = settlement.retry_in {
            self.retried.push(execution_id);
            self.retried_attempts.push(settlement.attempt);
            self.delays.push(delay.as_secs_f64());
        }
        if settlement.is_serialized {
            // Only serialized jobs have buffered fires, and pay for the lock.
            self.waited_for.push(settlement.job_id);
        }
        if settlement.may_unblock_fixed_delay {
            self.awaited.push(execution_id);
        }
    }
}

fn error_message(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Succeeded { .. } => None,
        Outcome::Failed { message, .. } => Some(storable_text(message)),
        Outcome::Cancelled => Some("cancelled".to_owned()),
    }
}

fn output(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Succeeded { output } | Outcome::Failed { output, .. } => {
            output.as_deref().map(storable_text)
        }
        Outcome::Cancelled => None,
    }
}
