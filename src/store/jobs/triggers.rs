//! Schedule triggers of jobs, as commands write them: made with the job, moved by an edit or a
//! resume, removed with everything else pending by a deletion. The writes of leases and settlements
//! into `job_trigger` are in `protocol/apply.rs` and `protocol/complete.rs`.

use super::exclusions;
use super::job_rows::whole_millis;
use super::passed::{self, Locked};
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::job::{Job, JobDefinition};
use crate::model::schedule::Schedule;
use crate::model::schedule::zone::tzdb_edition;
use crate::model::trigger::{NextState, schedule_next};
use crate::store::db::listener::notify;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// All triggers, for what reads them by due time: those with a route have an index of their own.
macro_rules! all_triggers {
    () => {
        "(select * from job_trigger where route is null
    union all select * from job_trigger where coalesce(route, '') <> '')"
    };
}
pub(crate) use all_triggers;

/// Inserts a schedule trigger with fire time $2, due at $4, or updates the existing one. While a
/// fixed delay ($7) awaits the end of an execution, it keeps waiting; after its last run ($6) there
/// is no due time.
pub(crate) const SCHEDULE: Statement = Statement::new(
    "-- triggers.schedule
insert into job_trigger as t (id, job_id, kind, fire_time, due_at, priority, excluded_from,
    zone_rules, tzdb)
values ($1, $1, 'SCHEDULE', coalesce($2::timestamptz, $3::timestamptz), $4, $5, $8, $9,
    case when $9::bigint is not null then $10 end)
on conflict (id) do update set paused = false, paused_due_at = null, priority = excluded.priority,
    excluded_from = excluded.excluded_from,
    zone_rules = excluded.zone_rules, tzdb = excluded.tzdb,
    awaits = case when $7 then t.awaits end,
    fire_time = case when $7 and t.awaits is not null then t.fire_time else excluded.fire_time end,
    due_at = case when (t.awaits is null or not $7) and t.runs < $6 then excluded.due_at end",
);

/// Makes the schedule triggers of new jobs.
const INSERT_TRIGGERS: Statement = Statement::new(
    "-- triggers.insert
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority, excluded_from, zone_rules,
    tzdb)
select x.id, x.id, 'SCHEDULE', x.fire_time, x.due_at, x.priority, x.excluded_from, x.zone_rules,
       case when x.zone_rules is not null then $7 end
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::smallint[], $5::timestamptz[],
    $6::bigint[])
    as x (id, fire_time, due_at, priority, excluded_from, zone_rules)",
);

/// A job that has no schedule any more has no schedule trigger.
pub(super) const REMOVE_SCHEDULE: Statement = Statement::new(
    "-- triggers.remove_schedule
delete from job_trigger where id = $1 and kind = 'SCHEDULE'",
);

const SET_PRIORITY: Statement = Statement::new(
    "-- triggers.set_priority
update job_trigger set priority = $2 where id = $1",
);

/// Deletes all triggers of jobs, and ends the backfills and the executions waiting for a next
/// attempt. An execution not started yet gets a row.
pub(super) const REMOVE_TRIGGERS: Statement = Statement::new(
    "-- triggers.remove
with removed as (delete from job_trigger where id = any($2::uuid[]) or job_id = any($2::uuid[])
    and kind <> 'SCHEDULE' returning *),
stopped as (
    update job_backfill b set cancelled_at = coalesce($1::timestamptz, clock_timestamp()),
        taken = r.runs
    from removed r where r.kind = 'BACKFILL' and b.id = r.id
), recorded as (
    insert into job_execution_log
        (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time,
            occurrences, finished_at, created_at, repeats, payload, unique_key)
    select id, job_id, kind, fire_time, fire_time, 'SKIPPED', 'DELETED', 0, fire_time, 1, now, now,
           repeats, payload, unique_key
    from removed, (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
    where kind in ('MANUAL', 'ENQUEUED', 'BUFFERED', 'RERUN')
    on conflict (id) do nothing
)
update job_execution_log l
set status = 'CANCELLED', retrying = null,
    finished_at = coalesce($1::timestamptz, clock_timestamp()),
    error_message = 'the job was deleted'
from removed r where l.id = r.id and l.status = 'RETRYING'",
);

/// The next fire time of a job after a resume, or after a change of the schedule.
pub(super) fn next_fire_time_after_resume(
    definition: &JobDefinition,
    now: Timestamp,
) -> Option<Timestamp> {
    match &definition.schedule {
        Schedule::FixedDelay { interval } => {
            // The rest counts from the resume or edit, not from the last end.
            let next = whole_millis(now) + *interval;
            let next = definition
                .policies
                .start_at
                .map_or(next, |start| next.max(start));
            // After `endAt` the schedule has ended.
            Some(next).filter(|at| definition.policies.end_at.is_none_or(|end| *at <= end))
        }
        _ => definition.next_fire_time(now),
    }
}

/// Gives the schedule trigger of a job the fire time `next`, or the first one after it that is not
/// excluded; with none the trigger rests. Without a schedule the trigger is removed. Returns the
/// fire time.
pub(crate) async fn schedule(
    transaction: &Transaction,
    id: Uuid,
    definition: &JobDefinition,
    exclusions: &Exclusions,
    next: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    if definition.schedule == Schedule::OnDemand {
        REMOVE_SCHEDULE.execute(transaction, &[&id]).await?;
        return Ok(None);
    }
    let is_delay = matches!(definition.schedule, Schedule::FixedDelay { .. });
    let (fire_time, due_at, excluded_from) = next_trigger_state(id, definition, exclusions, next);
    let runs_max = definition.policies.max_runs.unwrap_or(i64::MAX);
    let zone_rules = fire_time.and_then(|fire_time| exclusions.zone_mark(definition, fire_time));
    let priority = &definition.priority;
    let values: [&(dyn ToSql + Sync); 10] = [
        &id,
        &fire_time,
        &now,
        &due_at,
        priority,
        &runs_max,
        &is_delay,
        &excluded_from,
        &zone_rules,
        &tzdb_edition(),
    ];
    SCHEDULE.execute(transaction, &values).await?;
    Ok(fire_time)
}

/// Fire time, due time and `excluded_from` of a trigger with next fire time `next`, unless `next`
/// is excluded.
fn next_trigger_state(
    id: Uuid,
    definition: &JobDefinition,
    exclusions: &Exclusions,
    next: Option<Timestamp>,
) -> (Option<Timestamp>, Option<Timestamp>, Option<Timestamp>) {
    let next_state = match next {
        // A fixed delay keeps the fire time: the lease checks exclusions at the due time.
        Some(next) if is_fixed_delay(definition) => NextState::Advance {
            fire_time: next,
            due_at: next,
            excluded_from: None,
        },
        // `schedule_next` searches strictly after an instant, and `next` itself may fire.
        Some(next) => {
            let before = next - TimeDelta::microseconds(1);
            schedule_next(id, definition, exclusions, before)
        }
        None => NextState::Exhaust,
    };
    match next_state {
        NextState::Advance {
            fire_time,
            due_at,
            excluded_from,
        } => (Some(fire_time), Some(due_at), excluded_from),
        NextState::Await(_) | NextState::Exhaust | NextState::Remove => (None, None, None),
    }
}

const fn is_fixed_delay(job: &JobDefinition) -> bool {
    matches!(job.schedule, Schedule::FixedDelay { .. })
}

/// Moves the pending fire time of a job edited at `began`, if the edit concerns fire times. Passed
/// fire times not taken yet belong to the old version. The new version starts at the lock of the
/// trigger: a lease with the lock may have taken a fire time after `began`, and no fire time may
/// fire a second time.
pub(super) async fn reschedule(
    transaction: &Transaction,
    store: &Store,
    old: &Job,
    new: &JobDefinition,
    began: Timestamp,
) -> Result<(), StoreError> {
    // The fire times stay. The trigger has its own copy of the priority.
    if new.fires_like(&old.definition) {
        SET_PRIORITY
            .execute(transaction, &[&old.id, &new.priority])
            .await?;
        return Ok(());
    }
    // Read before the exclusions are locked: the exclusions must reach back to the oldest passed
    // fire time.
    let since = passed::since(transaction, &[old.id], began).await?;
    let definitions = [&old.definition, new].into_iter();
    let exclusions =
        exclusions::lock_shared(transaction, definitions, since, &store.unreadable).await?;
    // The order of all commands: exclusions before triggers.
    let (locked, now) = passed::lock_one(transaction, store, old.id).await?;
    if let Some(Locked { trigger, .. }) =
        locked.filter(|locked| locked.is_due && locked.trigger.has_passed(now))
    {
        if is_fixed_delay(new) && is_fixed_delay(&old.definition) {
            // A fixed delay has a single pending fire time, and keeps the fire time.
            SET_PRIORITY
                .execute(transaction, &[&old.id, &new.priority])
                .await?;
            return notify(transaction).await;
        }
        passed::leave_to(transaction, &trigger, &old.definition, &exclusions, now).await?;
    }
    schedule(
        transaction,
        old.id,
        new,
        &exclusions,
        next_fire_time_after_resume(new, now),
        now,
    )
    .await?;
    notify(transaction).await
}

/// Inserts the schedule triggers of new jobs that have a schedule, and sets their first fire times.
pub(super) async fn insert_triggers(
    transaction: &Transaction,
    jobs: &mut [Job],
    exclusions: &Exclusions,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut jobs: Vec<&mut Job> = jobs
        .iter_mut()
        .filter(|job| job.definition.schedule != Schedule::OnDemand)
        .collect();
    let mut due_ats = Vec::with_capacity(jobs.len());
    let mut excluded_froms = Vec::with_capacity(jobs.len());
    let mut zone_rules = Vec::with_capacity(jobs.len());
    for job in &mut jobs {
        let (fire_time, due_at, excluded_from) =
            next_trigger_state(job.id, &job.definition, exclusions, job.next_fire_time);
        (job.next_fire_time, job.excluded_from) = (fire_time, excluded_from);
        due_ats.push(due_at);
        excluded_froms.push(excluded_from);
        zone_rules
            .push(fire_time.and_then(|fire_time| exclusions.zone_mark(&job.definition, fire_time)));
    }
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
    let fire_times: Vec<Timestamp> = jobs
        .iter()
        // The column has no null. Without a due time nothing reads the fire time.
        .map(|job| job.next_fire_time.unwrap_or(now))
        .collect();
    let priorities: Vec<i16> = jobs.iter().map(|job| job.definition.priority).collect();
    let values: [&(dyn ToSql + Sync); 7] = [
        &ids,
        &fire_times,
        &due_ats,
        &priorities,
        &excluded_froms,
        &zone_rules,
        &tzdb_edition(),
    ];
    INSERT_TRIGGERS.execute(transaction, &values).await?;
    Ok(())
}
