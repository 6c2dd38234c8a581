//! Settling: the end of an attempt, written by whoever holds it and nobody else.
//!
//! The fence is the primary key plus (attempt, node, RUNNING): a node that was
//! declared dead finds no such row and is told so. Settling again after an
//! unknown outcome is safe: a row that already says what this settlement says is
//! settled, not fenced.

use super::failing::Verdicts;
use super::in_flight::{is_busy, overlap_lock};
use crate::model::Timestamp;
use crate::model::execution::{ExecutionStatus, Outcome, Reason, Settlement};
use crate::model::text::storable_text;
use crate::safeguards::{Safeguard, unless_off};
use crate::store::db::row::column;
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError, both};
use std::collections::HashSet;
use uuid::Uuid;

/// Settles attempts that are still current. An attempt that is tried again is kept in the
/// execution's history; one that somebody asked to cancel is not tried again. `between` lets the
/// generic plan prune partitions; `any` keeps the look-ups to these ids, because a join alone may
/// read all between them.
pub(crate) const SETTLE: &str = "-- settlements.settle
update job_execution_log l
set status = case when x.status = 'RETRYING' and l.cancel_requested_at is not null then 'CANCELLED' else x.status end,
    retrying = case when x.status = 'RETRYING' and l.cancel_requested_at is null then true end, reason = x.reason, started_at = x.started_at, error_message = x.error_message,
    output = x.output, failures = l.failures + (x.status in ('FAILED', 'RETRYING'))::int,
    finished_at = case when x.status = 'RETRYING' and l.cancel_requested_at is null then null else coalesce($1::timestamptz, clock_timestamp()) end,
    previous_attempts = case when x.status <> 'RETRYING' then l.previous_attempts
        else coalesce(l.previous_attempts, '[]') || jsonb_build_object('attempt', l.attempt, 'nodeId', l.node_id,
            'startedAt', x.started_at, 'endedAt', coalesce($1::timestamptz, clock_timestamp()), 'outcome', 'FAILED',
            'reason', x.reason, 'error', x.error_message) end
from unnest($2::uuid[], $3::int[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::text[])
    as x (id, attempt, node_id, status, reason, started_at, error_message, output)
where l.id between $10 and $11 and l.id = any($2::uuid[]) and l.id = x.id and l.attempt = x.attempt and l.node_id = x.node_id
  and l.status = 'RUNNING'
returning l.id";

/// What makes [`SETTLE`] refuse an attempt that is no longer the current one.
const FENCE: &str = " and l.attempt = x.attempt and l.node_id = x.node_id
  and l.status = 'RUNNING'";

/// The next attempts of what failed and may be tried again, after their delays
/// (seconds). What a deleted job has left is not tried again: it ends.
pub(crate) const RETRY: &str = "-- settlements.retry
with failed as materialized (
    select l.id, l.job_id, l.fire_time, x.delay, j.priority, j.status is not distinct from 'DELETED' as is_over
    from unnest($2::uuid[], $3::int[], $4::float8[]) as x (id, attempt, delay)
    join job_execution_log l on l.id = x.id left join job_definition j on j.id = l.job_id
    where l.id between $5 and $6 and l.id = any($2::uuid[]) and l.attempt = x.attempt and l.status = 'RETRYING'
), ended as (
    update job_execution_log l
    set status = 'CANCELLED', retrying = null, finished_at = coalesce($1::timestamptz, clock_timestamp())
    from failed f where f.is_over and l.id between $5 and $6 and l.id = any($2::uuid[]) and l.id = f.id
)
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select f.id, f.job_id, 'RETRY', f.fire_time, coalesce($1::timestamptz, clock_timestamp()) + make_interval(secs => f.delay), f.priority
from failed f where not f.is_over
on conflict (id) do nothing";

/// Makes the fire time due that has waited longest behind the executions of a
/// job, if none is in flight any more.
pub(crate) const RELEASE_BUFFERED: &str = concat!(
    "-- settlements.release
update job_trigger t set due_at = coalesce($1::timestamptz, clock_timestamp())
from (
    select distinct on (b.job_id) b.id from job_trigger b
    where b.job_id = any($2::uuid[]) and b.kind = 'BUFFERED' and b.due_at is null and b.held_due_at is null
      and not ",
    is_busy!("b.job_id"),
    "
    order by b.job_id, b.fire_time
) as next
where t.id = next.id and t.due_at is null and t.held_due_at is null"
);

/// Leases of which nothing is in flight any more …
pub(crate) const END_LEASES: &str = "-- settlements.end_leases
delete from job_lease where id = any($1::uuid[])";

/// … and one that lists little else than what has ended.
const SHORTEN_LEASE: &str = "-- settlements.shorten_lease
update job_lease set execution_ids = $2 where id = $1";

/// A lease decides about the job's overlaps under the same lock: it sees this
/// execution in flight and its fire time waits, or it does not and it runs;
/// never the one without the other.
pub(crate) const LOCK_JOBS: &str = "-- settlements.lock_jobs
select pg_advisory_xact_lock(x.key) from unnest($1::bigint[]) as x (key) order by x.key";

/// Which of the refused settlements are in the database already: the answer to
/// an earlier try was lost. `LOST` and `CRASH_LOOP` are never written by a node
/// about its own attempt, so an equal status and reason can only be ours.
pub(crate) const ALREADY_SETTLED: &str = "-- settlements.already_settled
select l.id from job_execution_log l
join unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[]) as x (id, attempt, node_id, status, reason)
  on l.id = x.id
where l.id between $6 and $7 and l.id = any($1::uuid[]) and l.attempt = x.attempt and l.node_id = x.node_id and l.reason is not distinct from x.reason
  and (l.status = x.status or x.status = 'RETRYING' and l.status = 'CANCELLED')";

/// Gives fixed-delay triggers their next due time: one interval after the end of the execution they
/// await, rounded up to a millisecond so that the fire time survives its trip through the API. The
/// one statement for settlement, take-over and repair; after `endAt` there is none. $1 limits it to
/// some executions, `between` to their partitions.
pub(crate) const REARM_FIXED_DELAY: &str = "-- settlements.rearm
update job_trigger t
set awaits = null,
    fire_time = ended.next_fire_time,
    due_at = case when t.paused or ended.next_fire_time > ended.end_at then null else ended.next_fire_time end
from (
    select l.id, l.job_id, (j.policies ->> 'endAt')::timestamptz as end_at,
           date_trunc('milliseconds', l.finished_at + interval '999 microseconds')
               + make_interval(secs => j.interval_seconds) as next_fire_time
    from job_execution_log l join job_definition j on j.id = l.job_id
    where l.id between $2 and $3 and l.id = any($1::uuid[]) and l.finished_at is not null
      and j.schedule_type = 'FIXED_DELAY'
) as ended
where t.id = ended.job_id and t.awaits = ended.id";

/// What became of a batch of settlements.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Written, now or by an earlier try.
    pub settled: Vec<Uuid>,
    /// Refused: another attempt, or nobody, is current.
    pub fenced: Vec<Uuid>,
}

/// What a batch of settlements changes in the node's leases.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeaseUpdates {
    /// Leases of which nothing is left.
    pub ended: Vec<Uuid>,
    /// Long leases of which little is left, and what.
    pub shortened: Vec<(Uuid, Vec<Uuid>)>,
}

impl Store {
    /// Settles a batch in one transaction. After an error the outcome is
    /// unknown; settle the same batch again.
    pub async fn settle(
        &self,
        batch: &[Settlement],
        leases: &LeaseUpdates,
    ) -> Result<Settled, StoreError> {
        if batch.is_empty() {
            return Ok(Settled::default());
        }
        let (columns, verdicts) = (Columns::of(batch), Verdicts::of(batch));
        self.bounded("settlements.settle", async {
            let transaction = self.begin("settlements.begin").await?;
            lock_jobs(&transaction, &columns.waited_for).await?;
            let mut settled = self
                .settle_and_record(&transaction, &columns, &verdicts, leases)
                .await?;
            // The job before its trigger, as the commands do.
            self.pause_failed(&transaction, batch, &settled).await?;
            rearm_fixed_delay(&transaction, &columns.awaited).await?;
            self.retry(&transaction, &columns).await?;
            release_buffered(&transaction, self.clock().stub(), &columns.waited_for).await?;
            if settled.len() < batch.len() {
                settled.extend(already_settled(&transaction, &columns).await?);
            }
            transaction.commit().await.during("settlements.commit")?;
            self.activity_counter.settled(
                batch
                    .iter()
                    .filter(|settlement| settled.contains(&settlement.execution_id)),
            );
            let (settled, fenced) = columns.ids.iter().partition(|id| settled.contains(id));
            Ok(Settled { settled, fenced })
        })
        .await
    }

    /// Settles one attempt, and nothing that follows from it: for when that is what fails. The
    /// repairs go on with what waits for its end and record whether the job fails; it is not tried
    /// again, and does not pause its job.
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
            self.activity_counter.settled(
                std::iter::once(&alone).filter(|alone| settled.contains(&alone.execution_id)),
            );
            let (settled, fenced) = columns.ids.iter().partition(|id| settled.contains(id));
            Ok(Settled { settled, fenced })
        })
        .await
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

    /// Pauses jobs whose execution has failed for good and that ask for it.
    async fn pause_failed(
        &self,
        transaction: &Transaction,
        batch: &[Settlement],
        settled: &HashSet<Uuid>,
    ) -> Result<(), StoreError> {
        let failed = |s: &&Settlement| s.pause_on_failure && s.status() == ExecutionStatus::Failed;
        let mut failed: Vec<_> = batch
            .iter()
            .filter(failed)
            .filter(|s| settled.contains(&s.execution_id))
            .collect();
        failed.sort_by_key(|settlement| settlement.job_id);
        for settlement in failed {
            let reason = format!("execution {} failed", settlement.execution_id);
            self.pause_in(transaction, &[settlement.job_id], Some(&reason))
                .await?;
        }
        Ok(())
    }

    /// Settles what is current, and records which jobs fail by it, in one round trip.
    async fn settle_and_record(
        &self,
        transaction: &Transaction,
        columns: &Columns<'_>,
        verdicts: &Verdicts,
        leases: &LeaseUpdates,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let settle = unless_off(Safeguard::SettlementFence, SETTLE, FENCE);
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

/// Leases say where to look: which of them end here makes nothing true or false.
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
    for (lease, executions) in &updates.shortened {
        let statement = transaction
            .prepare_cached(SHORTEN_LEASE)
            .await
            .during("settlements.prepare")?;
        transaction
            .execute(&statement, &[lease, executions])
            .await
            .during("settlements.shorten_lease")?;
    }
    Ok(())
}

/// Takes the locks under which overlaps of these jobs are decided. Whoever ends
/// an execution and releases what waits behind it holds them, and takes them
/// before it touches a row.
pub(crate) async fn lock_jobs(transaction: &Transaction, jobs: &[Uuid]) -> Result<(), StoreError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let keys: Vec<i64> = jobs.iter().map(|job_id| overlap_lock(*job_id)).collect();
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

/// Lets the next fire time of these jobs run that waits for nothing any more.
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

/// Rearms the fixed-delay triggers that await one of these executions.
pub(crate) async fn rearm_fixed_delay(
    transaction: &Transaction,
    executions: &[Uuid],
) -> Result<u64, StoreError> {
    let (Some(low), Some(high)) = (executions.iter().min(), executions.iter().max()) else {
        return Ok(0);
    };
    let statement = transaction
        .prepare_cached(REARM_FIXED_DELAY)
        .await
        .during("settlements.prepare")?;
    transaction
        .execute(&statement, &[&executions, low, high])
        .await
        .during("settlements.rearm")
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

/// A batch, column by column as it travels.
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
    /// Jobs whose later fire times may wait for these ends.
    waited_for: Vec<Uuid>,
    /// Executions that their jobs' triggers may await: mostly none. (A repair may let a
    /// trigger await one that began under another schedule; a repair goes on with it.)
    awaited: Vec<Uuid>,
    low: Uuid,
    high: Uuid,
}

impl Columns<'_> {
    fn of(batch: &[Settlement]) -> Self {
        let ids: Vec<Uuid> = batch.iter().map(|s| s.execution_id).collect();
        let retried = || batch.iter().filter(|s| s.retry_in.is_some());
        Self {
            low: ids.iter().min().copied().unwrap_or_default(),
            high: ids.iter().max().copied().unwrap_or_default(),
            ids,
            attempts: batch.iter().map(|s| s.attempt).collect(),
            node_ids: batch.iter().map(|s| s.node_id).collect(),
            statuses: batch.iter().map(|s| s.status().as_str()).collect(),
            reasons: batch
                .iter()
                .map(|s| s.reason().map(Reason::as_str))
                .collect(),
            started: batch.iter().map(|s| s.started_at).collect(),
            errors: batch.iter().map(|s| error_message(&s.outcome)).collect(),
            outputs: batch.iter().map(|s| output(&s.outcome)).collect(),
            retried: retried().map(|s| s.execution_id).collect(),
            retried_attempts: retried().map(|s| s.attempt).collect(),
            delays: retried()
                .filter_map(|s| s.retry_in)
                .map(|delay| delay.as_secs_f64())
                .collect(),
            waited_for: batch
                .iter()
                .filter(|s| s.is_serialized)
                .map(|s| s.job_id)
                .collect(),
            awaited: batch
                .iter()
                .filter(|s| s.may_unblock_fixed_delay)
                .map(|s| s.execution_id)
                .collect(),
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
