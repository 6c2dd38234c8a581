//! Handing over: the executions of a node that is gone run again or end, as `recovery` of their
//! jobs says.
//!
//! Each is a compare-and-set on (node, RUNNING): an execution that the node settled before stays
//! settled.

use super::failing;
use super::fixed_delay::rearm_fixed_delay;
use super::overlap::{lock_jobs, release_buffered};
use crate::store::db::listener::WAKE_UP_CHANNEL;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, bounds, column, partition};
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError};
use std::collections::BTreeSet;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The leases of a node. One that names a job lists an execution of a serialized job, whose end
/// buffered fires may wait for.
pub(crate) const LEASES: &str = "-- takeovers.leases
select id, job_id, execution_ids from job_lease where node_id = $1";

/// A node that is gone holds nothing.
pub(crate) const END_LEASES: &str = "-- takeovers.end_leases
delete from job_lease where node_id = $1";

/// Ends or hands over the executions of a node, of those that its leases list. An execution of a
/// deleted job is not run again. `between` prunes partitions.
pub(crate) const TAKE_OVER: &str = "-- takeovers.take_over
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
    l.status = 'FAILED' and v.pauses as pauses";

/// The next attempts: due at once, under the id of their execution. An execution that was leased
/// ahead of its due time is not due before it.
pub(crate) const NEXT_ATTEMPTS: &str = "-- takeovers.next_attempts
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select x.id, x.job_id, $2, x.fire_time,
    greatest(x.due_time, coalesce($1::timestamptz, clock_timestamp())),
       (select j.priority from job_definition j where j.id = x.job_id)
from unnest($3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[])
    as x (id, job_id, fire_time, due_time)
on conflict (id) do nothing";

/// Ends executions that cannot be handed over.
const FAIL: &str = "-- takeovers.fail
update job_execution_log l set status = 'FAILED', reason = 'CRASH_LOOP',
    error_message = 'the node died in the middle of attempt ' || l.attempt || ', and the execution cannot be taken over: ' || $4::text,
    finished_at = coalesce($1::timestamptz, clock_timestamp())
where l.id = any($3::uuid[]) and l.node_id = $2 and l.status = 'RUNNING'";

/// Lists executions that could not be taken over, for the slow sweep.
const KEEP_LEASE: &str = "-- takeovers.keep_lease
insert into job_lease (id, node_id, job_id, execution_ids) values ($1, $2, null, $3)";

/// How the executions of a node are handed over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HandOver {
    /// All executions in one statement.
    Whole,
    /// In parts: one execution makes the others fail.
    InParts,
}

/// The result of a takeover.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakeoverReport {
    /// Executions that run again.
    pub rerun: Vec<Uuid>,
    /// Executions that ended: `LOST`, `CRASH_LOOP`, or cancelled with their job.
    pub ended: Vec<Uuid>,
}

impl TakeoverReport {
    /// Number of executions in all leases.
    pub fn executions(&self) -> usize {
        self.rerun.len() + self.ended.len()
    }
}

/// The executions that leases list.
pub(crate) fn executions(leases: &[Row]) -> Result<Vec<Uuid>, StoreError> {
    let listed: Vec<Vec<Uuid>> = column("job_lease", leases, "execution_ids")?;
    Ok(listed.concat())
}

/// The jobs that leases name: serialized ones, whose buffered fires may wait.
pub(crate) fn waited_for(leases: &[Row]) -> Result<Vec<Uuid>, StoreError> {
    let jobs: BTreeSet<Option<Uuid>> = column("job_lease", leases, "job_id")?;
    Ok(jobs.into_iter().flatten().collect())
}

impl Store {
    /// Hands over the executions that the leases of a gone node list.
    pub(crate) async fn hand_over_leases(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        how: HandOver,
    ) -> Result<TakeoverReport, StoreError> {
        let stub = self.clock().stub();
        let leases = transaction
            .prepare_cached(LEASES)
            .await
            .during("takeovers.prepare")?;
        let leases = transaction
            .query(&leases, &[&node_id])
            .await
            .during("takeovers.leases")?;
        // The locks of serialized jobs before any row, as in every step.
        let waited_for = waited_for(&leases)?;
        lock_jobs(transaction, &waited_for).await?;
        let held = executions(&leases)?;
        if held.is_empty() {
            return Ok(TakeoverReport::default());
        }
        let end_leases = transaction
            .prepare_cached(END_LEASES)
            .await
            .during("takeovers.prepare")?;
        transaction
            .execute(&end_leases, &[&node_id])
            .await
            .during("takeovers.end_leases")?;
        match how {
            HandOver::Whole => {
                let report = self.hand_over(transaction, node_id, &held).await?;
                release_buffered(transaction, stub, &waited_for).await?;
                Ok(report)
            }
            HandOver::InParts => {
                let report = self.hand_over_in_parts(transaction, node_id, &held).await?;
                let release = async |jobs: &[Uuid]| release_buffered(transaction, stub, jobs).await;
                // The repairs release a buffered fire that cannot be released now.
                let released = in_parts(transaction, &waited_for, release).await?;
                self.note_odd("job_trigger", released.odd);
                Ok(report)
            }
        }
    }

    /// Hands over all executions but those that make a statement fail. Such an execution ends as a
    /// failure that says why. If that cannot be written either, it stays as it is, and a lease of
    /// the gone node still lists it.
    async fn hand_over_in_parts(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        held: &[Uuid],
    ) -> Result<TakeoverReport, StoreError> {
        let stub = self.clock().stub();
        let hand_over = async |held: &[Uuid]| self.hand_over(transaction, node_id, held).await;
        let parts = in_parts(transaction, held, hand_over).await?;
        let mut taken = TakeoverReport::default();
        for part in parts.done {
            taken.rerun.extend(part.rerun);
            taken.ended.extend(part.ended);
        }
        let mut given_up = Vec::new();
        for (id, error) in parts.odd {
            let why = error.in_words();
            let fail = async |ids: &[Uuid]| {
                transaction
                    .execute(FAIL, &[&stub, &node_id, &ids, &why])
                    .await
                    .during("takeovers.fail")?;
                failing::mark(transaction, ids).await
            };
            let failed = in_parts(transaction, &[id], fail).await?;
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
            let keep = transaction
                .execute(KEEP_LEASE, &[&Uuid::new_v4(), &node_id, &given_up])
                .await;
            keep.during("takeovers.keep_lease")?;
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
        let take_over = transaction
            .prepare_cached(TAKE_OVER)
            .await
            .during("takeovers.prepare")?;
        let values: [&(dyn ToSql + Sync); 5] = [&self.clock().stub(), &node_id, &held, low, high];
        let rows = transaction
            .query(&take_over, &values)
            .await
            .during("takeovers.take_over")?;
        let (_, ended) = partition("takeovers.take_over", &rows, "runs_again")?;
        let ended: Vec<Uuid> = column("takeovers.take_over", ended, "id")?;
        // Before the rows of the jobs, as a settlement does: the same order of locks.
        failing::mark(transaction, &ended).await?;
        for row in partition("takeovers.take_over", &rows, "pauses")?.0 {
            let row = Values::of("takeovers.take_over", row);
            let (job, execution) = (row.get("job_id")?, row.get("id")?);
            self.pause_on_failure(transaction, job, execution).await?;
        }
        let taken = self.next_attempts(transaction, "RECOVERY", &rows).await?;
        rearm_fixed_delay(transaction, &taken.ended).await?;
        Ok(taken)
    }

    /// Creates the triggers of the executions that run again, and wakes the nodes.
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
            let next_attempts = transaction
                .prepare_cached(NEXT_ATTEMPTS)
                .await
                .during("takeovers.prepare")?;
            transaction
                .execute(
                    &next_attempts,
                    &[
                        &self.clock().stub(),
                        &kind,
                        &rerun,
                        &job_ids,
                        &fire_times,
                        &due_times,
                    ],
                )
                .await
                .during("takeovers.next_attempts")?;
            transaction
                .execute("select pg_notify($1, '')", &[&WAKE_UP_CHANNEL])
                .await
                .during("takeovers.notify")?;
        }
        Ok(TakeoverReport {
            rerun,
            ended: column("job_execution_log", ended, "id")?,
        })
    }
}
