//! Passed fire times: found by a command after the instant, and not taken.
//!
//! The command records the fire times, or leaves the fire times to run, by the rules of the old
//! version of the job (`model::trigger::passed`). The command has locked the job, and then locks
//! the schedule's trigger. So a lease has taken a fire time before, or takes it no more.

use super::{exclusions, job_rows};
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::execution::Reason;
use crate::model::job::JobDefinition;
use crate::model::trigger::{NewExecution, SkippedRange, Trigger, TriggerKind};
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::db::unreadable::UnreadableRows;
use crate::store::protocol::skipped::{SkippedFireTimes, record_skipped};
use crate::store::{Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Most fire times of all jobs with a separate decision in a command.
const WALK_MAX: usize = 100_000;
/// The guaranteed number for each job, however many jobs there are.
const WALK_EACH: usize = 1_000;

const LOCK: Statement = Statement::new(
    "-- passed.lock
select id, fire_time, due_at, paused_due_at, runs, excluded_from from job_trigger
where id = any($1::uuid[]) and kind = 'SCHEDULE' order by id for update",
);

/// Read after the triggers are locked: a lease may have held a trigger, and taken fire times until
/// then.
const CLOCK: Statement = Statement::new(
    "-- passed.clock
select coalesce($1::timestamptz, clock_timestamp())",
);

/// The first fire time of the jobs neither taken nor recorded.
const SINCE: Statement = Statement::new(
    "-- passed.since
select min(coalesce(excluded_from, fire_time)) from job_trigger
where id = any($1::uuid[]) and kind = 'SCHEDULE'
    and (due_at is not null or paused_due_at is not null)",
);

/// Without the fire times taken before: a trigger may come back, for example after a failover with
/// lost writes.
const OWE: Statement = Statement::new(
    "-- passed.owe
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select x.id, $1, 'OWED', x.fire_time, x.due_at, $2
from unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[]) as x (id, fire_time, due_at)
where not exists (select from job_execution_log l where l.id = x.id)
on conflict (id) do nothing",
);

const COUNT_RUNS: Statement = Statement::new(
    "-- passed.count_runs
update job_trigger set runs = runs + $2 where id = $1",
);

/// Records fire times left to run by earlier edits as skipped.
const LEAVE_OUT_OWED: Statement = Statement::new(
    "-- passed.leave_out_owed
with removed as (delete from job_trigger where job_id = any($1::uuid[]) and kind = 'OWED'
    returning id, job_id, fire_time)
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time,
        occurrences, finished_at, created_at)
select id, job_id, 'SCHEDULE', fire_time, fire_time, 'SKIPPED', $2, 0, fire_time, 1, $3, $3
    from removed
on conflict (id) do nothing",
);

/// A schedule's trigger, locked by a command.
pub(crate) struct Locked {
    /// The trigger as a lease sees it. The due time may be one before a pause.
    pub(crate) trigger: Trigger,
    /// Whether the trigger has a due time.
    pub(super) is_due: bool,
    /// Whether the pause of the job has taken the due time.
    pub(super) is_held: bool,
}

fn locked(row: &Row) -> Result<Locked, StoreError> {
    let row = Values::of("job_trigger", row);
    let id = row.get("id")?;
    let fire_time = row.get("fire_time")?;
    let due_at: Option<Timestamp> = row.get("due_at")?;
    let paused_due_at: Option<Timestamp> = row.get("paused_due_at")?;
    let trigger = Trigger {
        id,
        job_id: id,
        kind: TriggerKind::Schedule,
        fire_time,
        due_at: due_at.or(paused_due_at).unwrap_or(fire_time),
        runs: row.get("runs")?,
        excluded_from: row.get("excluded_from")?,
    };
    Ok(Locked {
        trigger,
        is_due: due_at.is_some(),
        is_held: paused_due_at.is_some(),
    })
}

/// Locks the readable schedule triggers of the jobs. Waits for a lease with a lock.
pub(crate) async fn lock(
    transaction: &Transaction,
    ids: &[Uuid],
    unreadable: &UnreadableRows,
) -> Result<Vec<Locked>, StoreError> {
    let rows = LOCK.query(transaction, &[&ids]).await?;
    Ok(unreadable.readable(&rows, locked))
}

/// Locks the trigger of a schedule. Returns the database's clock after the lock as well.
pub(super) async fn lock_one(
    transaction: &Transaction,
    store: &Store,
    id: Uuid,
) -> Result<(Option<Locked>, Timestamp), StoreError> {
    let locked = lock(transaction, &[id], &store.unreadable).await?.pop();
    let row = CLOCK
        .query_one(transaction, &[&store.clock().stub()])
        .await?;
    Ok((locked, Values::of(CLOCK.name(), &row).get(0)?))
}

/// The first instant at which exclusions matter for the untaken fire times of the jobs. (Not
/// locked: the instant can only become later.)
pub(crate) async fn since(
    transaction: &Transaction,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    let row = SINCE.query_one(transaction, &[&ids]).await?;
    // A value out of range belongs to no fire time of the jobs.
    let since: Option<Timestamp> = Values::of(SINCE.name(), &row).get(0).unwrap_or_default();
    Ok(since.map_or(now, |since| since.min(now)))
}

/// Records skipped fire times of a schedule.
pub(crate) async fn record(
    transaction: &Transaction,
    job_id: Uuid,
    skipped: Vec<SkippedRange>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let skipped: Vec<_> = skipped
        .into_iter()
        .map(|range| SkippedFireTimes {
            job_id,
            kind: TriggerKind::Schedule,
            range,
        })
        .collect();
    record_skipped(&skipped, transaction, now).await
}

/// Leaves fire times of a schedule to run, independent of the edited schedule.
pub(super) async fn owe(
    transaction: &Transaction,
    job_id: Uuid,
    priority: i16,
    executions: &[NewExecution],
) -> Result<(), StoreError> {
    if executions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = executions
        .iter()
        .map(|execution| execution.execution_id)
        .collect();
    let fire_times: Vec<Timestamp> = executions
        .iter()
        .map(|execution| execution.fire_time)
        .collect();
    let due_ats: Vec<Timestamp> = executions
        .iter()
        .map(|execution| execution.due_time)
        .collect();
    let values: [&(dyn ToSql + Sync); 5] = [&job_id, &priority, &ids, &fire_times, &due_ats];
    let owed = OWE.execute(transaction, &values).await?;
    let owed = i64::try_from(owed).unwrap_or(i64::MAX);
    // Owed fire times count for `maxRuns`: the schedule must not run more often because of an edit.
    COUNT_RUNS
        .execute(transaction, &[&job_id, &owed])
        .await
        .map(drop)
}

/// Decides about the passed fire times of an edited job by `old`, the version of the fire times.
pub(super) async fn leave_to(
    transaction: &Transaction,
    trigger: &Trigger,
    old: &JobDefinition,
    exclusions: &Exclusions,
    now: Timestamp,
) -> Result<(), StoreError> {
    let passed = trigger.passed(old, exclusions, now);
    record(transaction, trigger.job_id, passed.skipped, now).await?;
    let job_id = trigger.job_id;
    owe(transaction, job_id, old.priority, &passed.executions).await
}

impl Store {
    /// Records the passed fire times of jobs paused or deleted by the transaction. An unreadable
    /// job gets a single uncounted row.
    pub(super) async fn leave_out_passed(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        now: Timestamp,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let locked = lock(transaction, ids, &self.unreadable).await?;
        LEAVE_OUT_OWED
            .execute(transaction, &[&ids, &reason.as_str(), &now])
            .await?;
        let passed: Vec<Trigger> = locked
            .into_iter()
            // A fixed delay awaiting an end, or an ended schedule, has no fire time to record.
            .filter(|locked| locked.is_due || locked.is_held)
            .map(|locked| locked.trigger)
            .filter(|trigger| trigger.has_passed(now))
            .collect();
        let Some(since) = passed.iter().map(Trigger::pending).min() else {
            return Ok(());
        };
        let ids: Vec<Uuid> = passed.iter().map(|trigger| trigger.job_id).collect();
        let jobs = job_rows::by_ids(transaction, &ids, &self.unreadable).await?;
        // The exclusions schedule nothing here, so a concurrent change does no harm.
        let definitions = jobs.values().map(|job| &job.definition);
        let exclusions =
            exclusions::read(transaction, definitions, Some(since), &self.unreadable).await?;
        let most = (WALK_MAX / passed.len()).max(WALK_EACH);
        let mut skipped = Vec::new();
        for trigger in &passed {
            let ranges = match jobs.get(&trigger.job_id) {
                Some(job) => trigger.left_out(&job.definition, &exclusions, now, most, reason),
                None => vec![trigger.uncounted(trigger.pending(), now, reason)],
            };
            skipped.extend(ranges.into_iter().map(|range| SkippedFireTimes {
                job_id: trigger.job_id,
                kind: TriggerKind::Schedule,
                range,
            }));
            // Each walk may take some milliseconds of the thread.
            tokio::task::yield_now().await;
        }
        record_skipped(&skipped, transaction, now).await
    }
}
