//! Handing over: the executions of a gone node run again or end, as `recovery` of the jobs says.
//!
//! Each step is a compare-and-set on (node, RUNNING): an execution settled before by the node stays
//! settled.

use super::failing;
use super::fixed_delay::rearm_fixed_delay;
use super::overlap::{lock_jobs, release_buffered};
use crate::store::db::listener::notify;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, bounds, column, partition};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The leases of a node. A lease with a job lists an execution of a serialized job: buffered fires
/// may wait for the end.
pub(crate) const LEASES: Statement = Statement::new(
    "-- takeovers.leases
select id, job_id, execution_ids from job_lease where node_id = $1",
);

/// A gone node holds nothing.
pub(crate) const END_LEASES: Statement = Statement::new(
    "-- takeovers.end_leases
delete from job_lease where node_id = $1",
);

/// Ends or hands over the executions listed by the leases of a node. An execution of a deleted job
/// is not run again. `between` prunes partitions.
pub(crate) const TAKE_OVER: Statement = Statement::new(
    "-- takeovers.take_over
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now),
verdict as materialized (
    select l.id, coalesce(j.policies ->> 'pauseOnFailure' = 'true', false) as pauses,
           case when j.status = 'DELETED' or l.cancel_requested_at is not null then 'CANCELLED'
                when j.recovery = 'MARK_LOST' then 'LOST'
                when l.recoveries >= j.max_recoveries then 'FAILED'
                else 'RETRYING' end as status
    from job_execution_log l join job_definition j on j.id = l.job_id
    where l.id between $4 and $5 and l.id = any($3::uuid[]) and l.node_id = $2
        and l.status = 'RUNNING'
    for update of l
)
update job_execution_log l
set status = v.status, retrying = case when v.status = 'RETRYING' then true end,
    reason = case when v.status = 'FAILED' then 'CRASH_LOOP' end,
    error_message = case when v.status = 'RETRYING' then null
        else 'the node died in the middle of attempt ' || l.attempt end,
    finished_at = case when v.status = 'RETRYING' then null else clock.now end,
    recoveries = l.recoveries + 1,
    previous_attempts = coalesce(l.previous_attempts, '[]') || jsonb_build_object(
        'attempt', l.attempt, 'nodeId', l.node_id, 'startedAt', l.started_at, 'endedAt', clock.now,
            'outcome', 'LOST')
from verdict v, clock
where l.id between $4 and $5 and l.id = any($3::uuid[]) and l.id = v.id and l.node_id = $2
    and l.status = 'RUNNING'
returning l.id, l.job_id, l.status = 'RETRYING' as runs_again, l.fire_time, l.due_time,
    l.status = 'FAILED' and v.pauses as pauses",
);

/// The next attempts: due at once, under the id of the execution. An execution leased ahead of the
/// due time is not due before the due time.
pub(crate) const NEXT_ATTEMPTS: Statement = Statement::new(
    "-- takeovers.next_attempts
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select x.id, x.job_id, $2, x.fire_time,
    greatest(x.due_time, coalesce($1::timestamptz, clock_timestamp())),
       (select j.priority from job_definition j where j.id = x.job_id)
from unnest($3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[])
    as x (id, job_id, fire_time, due_time)
on conflict (id) do nothing",
);

/// Ends executions that cannot be handed over.
const FAIL: Statement = Statement::new(
    "-- takeovers.fail
update job_execution_log l set status = 'FAILED', reason = 'CRASH_LOOP',
    error_message = 'the node died in the middle of attempt ' || l.attempt || ', and the execution cannot be taken over: ' || $4::text,
    finished_at = coalesce($1::timestamptz, clock_timestamp())
where l.id = any($3::uuid[]) and l.node_id = $2 and l.status = 'RUNNING'",
);

/// Lists executions left without a takeover, for the slow sweep.
const KEEP_LEASE: Statement = Statement::new(
    "-- takeovers.keep_lease
insert into job_lease (id, node_id, job_id, execution_ids) values ($1, $2, null, $3)",
);

/// How the executions of a node are handed over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HandOver {
    /// All executions in a single statement.
    Whole,
    /// In parts: one execution makes the others fail.
    InParts,
}

/// The result of a takeover.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakeoverReport {
    /// Executions to run again.
    pub rerun: Vec<Uuid>,
    /// Ended executions: `LOST`, `CRASH_LOOP`, or cancelled with the job.
    pub ended: Vec<Uuid>,
}

impl TakeoverReport {
    /// Number of executions in all leases.
    pub fn executions(&self) -> usize {
        self.rerun.len() + self.ended.len()
    }
}

/// The executions listed by leases.
pub(crate) fn executions(leases: &[Row]) -> Result<Vec<Uuid>, StoreError> {
    let listed: Vec<Vec<Uuid>> = column("job_lease", leases, "execution_ids")?;
    Ok(listed.concat())
}

/// The jobs named by leases: serialized jobs, with possibly waiting buffered fires.
pub(crate) fn waited_for(leases: &[Row]) -> Result<Vec<Uuid>, StoreError> {
    let jobs: BTreeSet<Option<Uuid>> = column("job_lease", leases, "job_id")?;
    Ok(jobs.into_iter().flatten().collect())
}

impl Store {
    /// Hands over the executions listed by the leases of a gone node.
    pub(crate) async fn hand_over_leases(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        how: HandOver,
    ) -> Result<TakeoverReport, StoreError> {
        let stub = self.clock().stub();
        let leases = LEASES.query(transaction, &[&node_id]).await?;
        // The locks of serialized jobs before any row, as in every step.
        let waited_for = waited_for(&leases)?;
        lock_jobs(transaction, &waited_for).await?;
        let held = executions(&leases)?;
        if held.is_empty() {
            return Ok(TakeoverReport::default());
        }
        // In the same transaction as the rows: a crash in between must not leave executions
        // unlisted.
        END_LEASES.execute(transaction, &[&node_id]).await?;
        match how {
            HandOver::Whole => {
                let report = self.hand_over(transaction, node_id, &held).await?;
                release_buffered(transaction, stub, &waited_for).await?;
                Ok(report)
            }
            HandOver::InParts => {
                let report = self.hand_over_in_parts(transaction, node_id, &held).await?;
                // The repairs release the buffered fires left here.
                let released = in_parts(transaction, &waited_for, async |jobs: &[Uuid]| {
                    release_buffered(transaction, stub, jobs).await
                })
                .await?;
                self.note_odd("job_trigger", released.odd);
                Ok(report)
            }
        }
    }

    /// Hands over all executions except for executions that make a statement fail. Such an
    /// execution ends as a failure with the reason. If the failure cannot be written either, the
    /// execution stays unchanged, and a lease of the gone node still lists the execution.
    async fn hand_over_in_parts(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        held: &[Uuid],
    ) -> Result<TakeoverReport, StoreError> {
        let stub = self.clock().stub();
        let parts = in_parts(transaction, held, async |held: &[Uuid]| {
            self.hand_over(transaction, node_id, held).await
        })
        .await?;
        let mut taken = TakeoverReport::default();
        for part in parts.done {
            taken.rerun.extend(part.rerun);
            taken.ended.extend(part.ended);
        }
        let mut given_up = Vec::new();
        for (id, error) in parts.odd {
            let why = error.in_words();
            let failed = in_parts(transaction, &[id], async |ids: &[Uuid]| {
                FAIL.execute(transaction, &[&stub, &node_id, &ids, &why])
                    .await?;
                failing::mark(transaction, ids).await
            })
            .await?;
            if failed.odd.is_empty() {
                tracing::error!(execution.id = %id, why, "an execution cannot be taken over: it ends as a failure");
                taken.ended.push(id);
            } else {
                tracing::error!(execution.id = %id, why, "an execution cannot be taken over, and stays RUNNING");
                given_up.push(id);
            }
        }
        metrics::counter!("horolog_takeovers_given_up_total").increment(given_up.len() as u64);
        if !given_up.is_empty() {
            KEEP_LEASE
                // The old leases were deleted above: without a new lease no takeover would find the
                // execution.
                .execute(transaction, &[&Uuid::new_v4(), &node_id, &given_up])
                .await?;
        }
        Ok(taken)
    }

    pub(crate) async fn hand_over(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        held: &[Uuid],
    ) -> Result<TakeoverReport, StoreError> {
        let (Some(low), Some(high)) = (held.iter().min(), held.iter().max()) else {
            return Ok(TakeoverReport::default());
        };
        let values: [&(dyn ToSql + Sync); 5] = [&self.clock().stub(), &node_id, &held, low, high];
        let rows = TAKE_OVER.query(transaction, &values).await?;
        let (_, ended) = partition(TAKE_OVER.name(), &rows, "runs_again")?;
        let ended: Vec<Uuid> = column(TAKE_OVER.name(), ended, "id")?;
        // Before the rows of the jobs, as a settlement does: the same order of locks.
        failing::mark(transaction, &ended).await?;
        for row in partition(TAKE_OVER.name(), &rows, "pauses")?.0 {
            let row = Values::of(TAKE_OVER.name(), row);
            let (job, execution) = (row.get("job_id")?, row.get("id")?);
            self.pause_on_failure(transaction, job, execution).await?;
        }
        let taken = self.next_attempts(transaction, "RECOVERY", &rows).await?;
        // Executions to run again keep the chain waiting: the chain continues from the final end.
        rearm_fixed_delay(transaction, &taken.ended).await?;
        Ok(taken)
    }

    /// Creates the triggers of the executions to run again, and wakes the nodes.
    pub(crate) async fn next_attempts(
        &self,
        transaction: &Transaction,
        kind: &str,
        rows: &[Row],
    ) -> Result<TakeoverReport, StoreError> {
        let (again, ended) = partition("job_execution_log", rows, "runs_again")?;
        let rerun: Vec<Uuid> = column("job_execution_log", again.iter().copied(), "id")?;
        let job_ids: Vec<Uuid> = column("job_execution_log", again.iter().copied(), "job_id")?;
        let fire_times = bounds("job_execution_log", again.iter().copied(), "fire_time")?;
        let due_times = bounds("job_execution_log", again.iter().copied(), "due_time")?;
        if !rerun.is_empty() {
            let values: [&(dyn ToSql + Sync); 6] = [
                &self.clock().stub(),
                &kind,
                &rerun,
                &job_ids,
                &fire_times,
                &due_times,
            ];
            NEXT_ATTEMPTS.execute(transaction, &values).await?;
            // The new triggers are due at once, and the acquirers may be asleep.
            notify(transaction).await?;
        }
        Ok(TakeoverReport {
            rerun,
            ended: column("job_execution_log", ended, "id")?,
        })
    }
}
