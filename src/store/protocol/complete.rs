//! Settling: the end of an attempt, written by the node that holds it and by no other.
//!
//! The fence is the primary key plus (attempt, node, RUNNING). A node that was declared dead finds
//! no such row: its settlement is fenced. A settlement with an unknown outcome is sent again. A row
//! that has its values already counts as settled, not as fenced.

use super::failing::Verdicts;
use super::fixed_delay::rearm_fixed_delay;
use super::overlap::{lock_jobs, release_buffered};
use crate::model::Timestamp;
use crate::model::execution::{ExecutionStatus, Outcome, Reason, Settlement};
use crate::model::text::storable_text;
use crate::safeguards::{Safeguard, unless_off};
use crate::store::db::row::column;
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError, both};
use std::collections::HashSet;
use uuid::Uuid;

/// Settles attempts that are still current. A failed attempt with a retry goes into the history of
/// its execution; with a requested cancellation there is no retry. `between` lets the generic plan
/// prune partitions. `any` limits the look-ups to these ids: a join alone may read all ids between
/// them.
pub(crate) const SETTLE: &str = "-- settlements.settle
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
returning l.id";

/// The part of [`SETTLE`] that refuses an attempt that is no longer current.
const FENCE: &str =
    "\n  and l.attempt = x.attempt and l.node_id = x.node_id and l.status = 'RUNNING'";

/// The retries of failed attempts, after their delays (seconds). An execution of a deleted job ends
/// instead.
pub(crate) const RETRY: &str = "-- settlements.retry
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
on conflict (id) do nothing";

/// Ends leases without an execution in flight.
pub(crate) const END_LEASES: &str = "-- settlements.end_leases
delete from job_lease where id = any($1::uuid[])";

/// Compacts a lease: most of its executions have ended.
const SHORTEN_LEASE: &str = "-- settlements.shorten_lease
update job_lease set execution_ids = $2 where id = $1";

/// The refused settlements that an earlier try has written: its answer was lost. A node never
/// writes `LOST` or `CRASH_LOOP` about its own attempt, so an equal status and reason is its own.
pub(crate) const ALREADY_SETTLED: &str = "-- settlements.already_settled
select l.id from job_execution_log l
join unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[])
    as x (id, attempt, node_id, status, reason)
  on l.id = x.id
where l.id between $6 and $7 and l.id = any($1::uuid[]) and l.attempt = x.attempt and l.node_id = x.node_id and l.reason is not distinct from x.reason
  and (l.status = x.status or x.status = 'RETRYING' and l.status = 'CANCELLED')";

/// The result of a batch of settlements.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Written by this try or an earlier one.
    pub settled: Vec<Uuid>,
    /// Refused: the attempt is no longer current.
    pub fenced: Vec<Uuid>,
}

/// The changes of the node's leases by a batch of settlements.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeaseUpdates {
    /// Leases without an execution in flight.
    pub ended: Vec<Uuid>,
    /// Leases to compact.
    pub compacted: Vec<CompactedLease>,
}

/// The new list of a lease.
#[derive(Debug, PartialEq, Eq)]
pub struct CompactedLease {
    /// Lease with the new list.
    pub id: Uuid,
    /// Its executions that are still in flight.
    pub remaining: Vec<Uuid>,
}

impl Store {
    /// Settles a batch in one transaction. After an error the outcome is unknown: settle the same
    /// batch again.
    pub async fn settle(
        &self,
        batch: &[Settlement],
        leases: &LeaseUpdates,
    ) -> Result<Settled, StoreError> {
        if batch.is_empty() {
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
            // The job before its trigger: commands lock them in this order.
            self.pause_failed(&transaction, batch, &settled).await?;
            rearm_fixed_delay(&transaction, &columns.awaited).await?;
            self.retry(&transaction, &columns).await?;
            release_buffered(&transaction, self.clock().stub(), &columns.waited_for).await?;
            // A refused settlement may be written already: the answer of an earlier try was lost.
            if settled.len() < batch.len() {
                settled.extend(already_settled(&transaction, &columns).await?);
            }
            transaction.commit().await.during("settlements.commit")?;
            Ok(self.settled(batch, &settled))
        })
        .await
    }

    /// Settles one attempt without its consequences, for an attempt whose consequences fail. There
    /// is no retry, and the job is not paused. The repairs release its buffered fires and record
    /// whether the job is failing.
    pub async fn settle_alone(
        &self,
        settlement: &Settlement,
        leases: &LeaseUpdates,
    ) -> Result<Settled, StoreError> {
        let alone = Settlement {
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
            update_leases(&transaction, leases).await?;
            transaction.commit().await.during("settlements.commit")?;
            Ok(self.settled(std::slice::from_ref(&alone), &settled))
        })
        .await
    }

    /// Counts the settled attempts, and tells them from the fenced ones.
    fn settled(&self, batch: &[Settlement], written: &HashSet<Uuid>) -> Settled {
        let is_written = |settlement: &&Settlement| written.contains(&settlement.execution_id);
        self.activity_counter
            .settled(batch.iter().filter(is_written));
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
        transaction
            .execute(
                RETRY,
                &[
                    &stub,
                    &c.retried,
                    &c.retried_attempts,
                    &c.delays,
                    &c.low,
                    &c.high,
                ],
            )
            .await
            .during("settlements.retry")?;
        Ok(())
    }

    /// Pauses jobs with `pauseOnFailure` whose execution has failed for good.
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
        failed.sort_by_key(|settlement| settlement.job_id);
        for settlement in failed {
            let (job, execution) = (settlement.job_id, settlement.execution_id);
            self.pause_on_failure(transaction, job, execution).await?;
        }
        Ok(())
    }

    /// Settles current attempts, and records which jobs are failing, in one round trip.
    async fn settle_and_record(
        &self,
        transaction: &Transaction,
        columns: &Columns<'_>,
        verdicts: &Verdicts,
        leases: &LeaseUpdates,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let settle = unless_off(Safeguard::SettlementFence, SETTLE, FENCE);
        // Prepared before, so that the three statements travel together and in this order.
        transaction
            .prepare_cached(&settle)
            .await
            .during("settlements.prepare")?;
        verdicts.prepare(transaction).await?;
        let (settled, updated, recorded) = futures_util::join!(
            self.settle_current(transaction, columns),
            update_leases(transaction, leases),
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
        let settle = unless_off(Safeguard::SettlementFence, SETTLE, FENCE);
        let statement = transaction
            .prepare_cached(&settle)
            .await
            .during("settlements.prepare")?;
        let rows = transaction
            .query(
                &statement,
                &[
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
                ],
            )
            .await
            .during("settlements.settle")?;
        column("settlements.settle", &rows, 0)
    }
}

/// Ends and compacts leases. They only list executions in flight: the rows decide.
async fn update_leases(
    transaction: &Transaction,
    updates: &LeaseUpdates,
) -> Result<(), StoreError> {
    if !updates.ended.is_empty() {
        let statement = transaction
            .prepare_cached(END_LEASES)
            .await
            .during("settlements.prepare")?;
        transaction
            .execute(&statement, &[&updates.ended])
            .await
            .during("settlements.end_leases")?;
    }
    for lease in &updates.compacted {
        let statement = transaction
            .prepare_cached(SHORTEN_LEASE)
            .await
            .during("settlements.prepare")?;
        transaction
            .execute(&statement, &[&lease.id, &lease.remaining])
            .await
            .during("settlements.shorten_lease")?;
    }
    Ok(())
}

async fn already_settled(
    transaction: &Transaction,
    c: &Columns<'_>,
) -> Result<Vec<Uuid>, StoreError> {
    let statement = transaction
        .prepare_cached(ALREADY_SETTLED)
        .await
        .during("settlements.prepare")?;
    let rows = transaction
        .query(
            &statement,
            &[
                &c.ids,
                &c.attempts,
                &c.node_ids,
                &c.statuses,
                &c.reasons,
                &c.low,
                &c.high,
            ],
        )
        .await
        .during("settlements.already_settled")?;
    column("settlements.already_settled", &rows, 0)
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
    /// Serialized jobs: buffered fires may wait for these ends.
    waited_for: Vec<Uuid>,
    /// Executions that fixed delays may await: mostly none. (A repair may let a trigger await an
    /// execution that began under another schedule; a repair rearms it as well.)
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
