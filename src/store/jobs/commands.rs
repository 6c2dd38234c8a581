//! Commands: what changes a job, each one transaction.
//!
//! A command locks the job's row first and its trigger's second; a lease locks
//! triggers and only reads jobs. So a command and a lease of the same trigger
//! wait for each other, and whoever comes second sees what the first did. Every
//! change leaves its version behind.

use super::job_rows::{DefinitionRow, GET, job, whole_millis};
use super::passed::Locked;
use super::pauses::{MissedOnce, reschedule_paused};
use super::{exclusions, passed};
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::execution::{Reason, one_off_execution_id};
use crate::model::job::{Job, JobDefinition, JobStatus};
use crate::model::payload::Payload;
use crate::model::schedule::Schedule;
use crate::model::schedule::zone::tzdb_edition;
use crate::model::trigger::{NextState, schedule_next};
use crate::store::db::listener::WAKE_UP_CHANNEL;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::maintenance::zones;
use crate::store::protocol::failing;
use crate::store::{During, Store, StoreError};
use chrono::TimeDelta;
use tokio_postgres::Row;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{Json, ToSql, Type};
use uuid::Uuid;

/// Makes a schedule trigger for fire time $2, due at $4, or gives the one that
/// is there that fire time. While a fixed delay ($7) awaits the end of a run,
/// that end makes the due time; after its last run ($6) nothing does.
pub(crate) const SCHEDULE: &str = "-- commands.schedule
insert into job_trigger as t (id, job_id, kind, fire_time, due_at, priority, closed_from, zone_rules, tzdb)
values ($1, $1, 'SCHEDULE', coalesce($2::timestamptz, $3::timestamptz), $4, $5, $8, $9, case when $9::bigint is not null then $10 end)
on conflict (id) do update set paused = false, held_due_at = null, priority = excluded.priority, closed_from = excluded.closed_from,
    zone_rules = excluded.zone_rules, tzdb = excluded.tzdb,
    awaits = case when $7 then t.awaits end,
    fire_time = case when $7 and t.awaits is not null then t.fire_time else excluded.fire_time end,
    due_at = case when (t.awaits is null or not $7) and t.runs < $6 then excluded.due_at end";

/// Makes the schedule triggers of new jobs.
const INSERT_TRIGGERS: &str = "-- commands.insert_triggers
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority, closed_from, zone_rules, tzdb)
select x.id, x.id, 'SCHEDULE', x.fire_time, x.due_at, x.priority, x.closed_from, x.zone_rules,
       case when x.zone_rules is not null then $7 end
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::smallint[], $5::timestamptz[], $6::bigint[])
    as x (id, fire_time, due_at, priority, closed_from, zone_rules)";

const SET_STATUS: &str = "-- commands.set_status
update job_definition set status = $2, version = version + 1, paused_because = $5,
    updated_at = coalesce($1::timestamptz, clock_timestamp())
where id = any($3::uuid[]) and status = any($4::text[])
returning id, updated_at";

const SET_PRIORITY: &str = "-- commands.set_priority
update job_trigger set priority = $2 where id = $1";

/// Removes everything pending of jobs, and ends the executions whose next
/// attempt that was, and their backfills. What had not begun leaves its row.
const REMOVE_TRIGGERS: &str = "-- commands.remove_triggers
with removed as (delete from job_trigger where id = any($2::uuid[]) or job_id = any($2::uuid[]) and kind <> 'SCHEDULE' returning *),
stopped as (
    update job_backfill b set cancelled_at = coalesce($1::timestamptz, clock_timestamp()), taken = r.runs
    from removed r where r.kind = 'BACKFILL' and b.id = r.id
), recorded as (
    insert into job_execution_log
        (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time, occurrences, finished_at, created_at, repeats, payload)
    select id, job_id, kind, fire_time, fire_time, 'SKIPPED', 'DELETED', 0, fire_time, 1, now, now, repeats, payload
    from removed, (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock where kind in ('MANUAL', 'BUFFERED', 'RERUN')
    on conflict (id) do nothing
)
update job_execution_log l
set status = 'CANCELLED', retrying = null, finished_at = coalesce($1::timestamptz, clock_timestamp()), error_message = 'the job was deleted'
from removed r where l.id = r.id and l.status = 'RETRYING'";

/// Against a deletion at the same moment.
pub(super) const LOCK_JOB_ROWS: &str = "-- commands.hold_jobs
select coalesce($1::timestamptz, clock_timestamp()), id from job_definition
where id = any($2::uuid[]) and status <> 'DELETED' order by id for share";

/// Against any other change at the same moment; not against whoever only refers
/// to the job, such as a lease that holds the trigger already.
const LOCK_JOB: &str = "-- commands.lock_job
select coalesce($1::timestamptz, clock_timestamp()), version from job_definition
where id = $2 and status <> 'DELETED' for no key update";

const INSERT_MANUAL: &str = "-- commands.insert_manual
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority, payload)
select x.id, j.id, 'MANUAL', $3, $3, j.priority, $4::json
from unnest($1::uuid[], $2::uuid[]) as x (id, job_id) join job_definition j on j.id = x.job_id";

/// Keeps the versions that a change has made.
const RECORD_VERSIONS: &str = "-- commands.record_versions
insert into job_definition_version (job_id, version, changed_at, changed_by, change, definition)
select j.id, j.version, j.updated_at, 'api', $2, to_json(j) from job_definition j where j.id = any($1::uuid[])";

/// What runs beside its like was leased without naming its job; what may not, from now on, must see
/// it.
const NAME_LEASES: &str = "-- commands.name_leases
insert into job_lease (id, node_id, job_id, execution_ids)
select gen_random_uuid(), f.node_id, f.job_id, array[f.id] from execution_in_flight f
where f.job_id = $1 and f.status = 'RUNNING'";

/// What became of an edit.
#[derive(Debug)]
pub enum UpdateOutcome {
    /// It is done.
    Done(Box<Job>),
    /// Somebody else changed the job meanwhile; its version is this.
    Stale(i32),
    /// There is no such job.
    NotFound,
}

impl Store {
    /// Stores jobs created at `now` and their triggers: all or none.
    pub async fn create_jobs(
        &self,
        definitions: Vec<(Uuid, JobDefinition)>,
        now: Timestamp,
    ) -> Result<Vec<Job>, StoreError> {
        let mut jobs: Vec<Job> = definitions
            .into_iter()
            .map(|(id, definition)| new_job(id, definition, now))
            .collect();
        self.bounded("commands.create", async {
            let transaction = self.begin("commands.begin").await?;
            let exclusions = exclusions::lock_shared(
                &transaction,
                jobs.iter().map(|job| &job.definition),
                now,
                &self.unreadable,
            )
            .await?;
            insert(&transaction, &jobs, now).await?;
            insert_triggers(&transaction, &mut jobs, &exclusions, now).await?;
            let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
            record_versions(&transaction, &ids, "CREATED").await?;
            notify(&transaction).await?;
            transaction.commit().await.during("commands.commit")?;
            Ok(())
        })
        .await?;
        Ok(jobs)
    }

    /// Replaces the definition of a job that still has this version. A paused
    /// job stays paused; what is in flight ends on the old version. The pending
    /// fire time moves only if the schedule or its limits did.
    pub async fn update_job(
        &self,
        old: &Job,
        definition: JobDefinition,
        version: i32,
    ) -> Result<UpdateOutcome, StoreError> {
        self.bounded("commands.update", async {
            let transaction = self.begin("commands.begin").await?;
            let held = transaction
                .query_opt(LOCK_JOB, &[&self.clock().stub(), &old.id])
                .await;
            let held = held.during("commands.lock_job")?;
            let edited = match held.as_ref().map(now_and_version).transpose()? {
                None => UpdateOutcome::NotFound,
                Some((_, stored)) if [stored, old.version] != [version, version] => {
                    UpdateOutcome::Stale(stored)
                }
                Some((now, _)) => {
                    replace(&transaction, old.id, &definition, now).await?;
                    match get_not_deleted(&transaction, old.id)
                        .await?
                        .map(|job| job.status)
                    {
                        Some(JobStatus::Active) => {
                            reschedule(&transaction, self, old, &definition, now).await?;
                        }
                        Some(JobStatus::Paused) => {
                            reschedule_paused(&transaction, self, old, &definition, now).await?;
                        }
                        Some(JobStatus::Deleted) | None => {}
                    }
                    // Now that the trigger is ours: a lease of it that read the old policy has
                    // committed.
                    if definition.policies.is_serialized()
                        && !old.definition.policies.is_serialized()
                    {
                        transaction
                            .execute(NAME_LEASES, &[&old.id])
                            .await
                            .during("commands.name_leases")?;
                    }
                    record_versions(&transaction, &[old.id], "UPDATED").await?;
                    get_not_deleted(&transaction, old.id)
                        .await?
                        .map_or(UpdateOutcome::NotFound, |job| {
                            UpdateOutcome::Done(Box::new(job))
                        })
                }
            };
            transaction.commit().await.during("commands.commit")?;
            Ok(edited)
        })
        .await
    }

    /// Pauses an active job; one that is paused stays as it is. None when there
    /// is no such job.
    pub async fn pause_job(
        &self,
        id: Uuid,
        reason: Option<&str>,
    ) -> Result<Option<Job>, StoreError> {
        self.bounded("commands.pause", async {
            let transaction = self.begin("commands.begin").await?;
            self.pause_in(&transaction, &[id], reason).await?;
            let job = get_not_deleted(&transaction, id).await?;
            transaction.commit().await.during("commands.commit")?;
            Ok(job)
        })
        .await
    }

    /// Resumes a paused job with its next fire time from now; what was due while
    /// it was paused does not exist, but for a ONCE. None when there is no such job.
    pub async fn resume_job(
        &self,
        id: Uuid,
        missed: MissedOnce,
    ) -> Result<Option<Job>, StoreError> {
        self.bounded("commands.resume", async {
            let transaction = self.begin("commands.begin").await?;
            self.resume_in(&transaction, &[id], missed).await?;
            let job = get_not_deleted(&transaction, id).await?;
            transaction.commit().await.during("commands.commit")?;
            Ok(job)
        })
        .await
    }

    /// Deletes a job: nothing of it starts any more, what runs ends, the log
    /// stays. False when there is no such job.
    pub async fn delete_job(&self, id: Uuid) -> Result<bool, StoreError> {
        self.bounded("commands.delete", async {
            let transaction = self.begin("commands.begin").await?;
            let deleted = self.delete_in(&transaction, &[id]).await?;
            transaction.commit().await.during("commands.commit")?;
            Ok(deleted > 0)
        })
        .await
    }

    /// Makes a job due now, once, whatever its schedule, with a payload of its own or that of the
    /// job; the id of the execution that will run. None when there is no such job.
    pub async fn run_job_now(
        &self,
        id: Uuid,
        payload: Option<&Payload>,
    ) -> Result<Option<Uuid>, StoreError> {
        self.bounded("commands.run_now", async {
            let transaction = self.begin("commands.begin").await?;
            let executions = self.run_now_in(&transaction, &[id], payload).await?;
            transaction.commit().await.during("commands.commit")?;
            Ok(executions.first().copied())
        })
        .await
    }

    /// Deletes those of the jobs that there are, within a transaction; how many.
    pub(super) async fn delete_in(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
    ) -> Result<usize, StoreError> {
        let (deleted, now) = self
            .set_status(transaction, ids, JobStatus::Deleted, None)
            .await?;
        if let Some(now) = now {
            self.leave_out_passed(transaction, &deleted, now, Reason::Deleted)
                .await?;
            let stub = self.clock().stub();
            transaction
                .execute(REMOVE_TRIGGERS, &[&stub, &deleted])
                .await
                .during("commands.remove_triggers")?;
            failing::delete(transaction, &deleted).await?;
            record_versions(transaction, &deleted, "DELETED").await?;
        }
        Ok(deleted.len())
    }

    /// Makes those of the jobs that there are due now, once, within a
    /// transaction; the ids of their executions.
    pub(super) async fn run_now_in(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        payload: Option<&Payload>,
    ) -> Result<Vec<Uuid>, StoreError> {
        let held = transaction
            .query(LOCK_JOB_ROWS, &[&self.clock().stub(), &ids])
            .await
            .during("commands.hold")?;
        let Some(first) = held.first() else {
            return Ok(Vec::new());
        };
        let now = whole_millis(Values::of("commands.hold", first).get(0)?);
        let jobs: Vec<Uuid> = column("commands.hold", &held, 1)?;
        let executions: Vec<Uuid> = jobs.iter().map(|_| one_off_execution_id(now)).collect();
        let payload = payload.map(|payload| Json(payload.json()));
        let inserted = transaction
            .execute(INSERT_MANUAL, &[&executions, &jobs, &now, &payload])
            .await;
        inserted.during("commands.insert_manual")?;
        notify(transaction).await?;
        Ok(executions)
    }

    /// Gives those of the jobs a status that can get it; which, and when.
    pub(super) async fn set_status(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        status: JobStatus,
        reason: Option<&str>,
    ) -> Result<(Vec<Uuid>, Option<Timestamp>), StoreError> {
        let from: &[&str] = match status {
            JobStatus::Active => &["PAUSED"],
            JobStatus::Paused => &["ACTIVE"],
            JobStatus::Deleted => &["ACTIVE", "PAUSED"],
        };
        let rows = transaction
            .query(
                SET_STATUS,
                &[&self.clock().stub(), &status.as_str(), &ids, &from, &reason],
            )
            .await
            .during("commands.set_status")?;
        let times: Vec<Timestamp> = column("commands.set_status", &rows, 1)?;
        Ok((
            column("commands.set_status", &rows, 0)?,
            times.into_iter().max(),
        ))
    }
}

fn now_and_version(row: &Row) -> Result<(Timestamp, i32), StoreError> {
    let row = Values::of("commands.lock_job", row);
    Ok((row.get(0)?, row.get(1)?))
}

fn new_job(id: Uuid, definition: JobDefinition, now: Timestamp) -> Job {
    Job {
        id,
        next_fire_time: definition.first_fire_time(now),
        definition,
        status: JobStatus::Active,
        pause_reason: None,
        held_fire_time: None,
        excluded_from: None,
        version: 0,
        created_at: now,
        updated_at: now,
        runs: 0,
    }
}

/// The next fire time of a job that is resumed, or whose schedule is replaced.
pub(super) fn next_fire_time_after_resume(
    definition: &JobDefinition,
    now: Timestamp,
) -> Option<Timestamp> {
    match &definition.schedule {
        Schedule::FixedDelay { interval } => {
            let next = whole_millis(now) + *interval;
            let next = definition
                .policies
                .start_at
                .map_or(next, |start| next.max(start));
            Some(next).filter(|at| definition.policies.end_at.is_none_or(|end| *at <= end))
        }
        _ => definition.next_fire_time(now),
    }
}

/// A job that is not deleted, as it stands in this transaction.
async fn get_not_deleted(transaction: &Transaction, id: Uuid) -> Result<Option<Job>, StoreError> {
    let row = transaction
        .query_opt(GET, &[&[id].as_slice()])
        .await
        .during("jobs.get")?;
    Ok(row
        .as_ref()
        .map(job)
        .transpose()?
        .filter(|job| job.status != JobStatus::Deleted))
}

/// Gives a job's schedule trigger its next fire time, or the first after it that
/// is not excluded; none: it rests. Returns the fire time.
pub(crate) async fn schedule(
    transaction: &Transaction,
    id: Uuid,
    definition: &JobDefinition,
    exclusions: &Exclusions,
    (next, now): (Option<Timestamp>, Timestamp),
) -> Result<Option<Timestamp>, StoreError> {
    let is_delay = matches!(definition.schedule, Schedule::FixedDelay { .. });
    let (fire_time, due_at, excluded_from) = next_trigger_state(id, definition, exclusions, next);
    let runs_max = definition.policies.max_runs.unwrap_or(i64::MAX);
    let zone_rules = fire_time.and_then(|fire_time| zones::mark(definition, exclusions, fire_time));
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
    let statement = transaction
        .prepare_cached(SCHEDULE)
        .await
        .during("commands.prepare")?;
    transaction
        .execute(&statement, &values)
        .await
        .during("commands.schedule")?;
    Ok(fire_time)
}

/// The next fire time of a trigger that is to fire at `next` unless that is excluded, when it is
/// due, and from where on it is sent past excluded ones.
fn next_trigger_state(
    id: Uuid,
    definition: &JobDefinition,
    exclusions: &Exclusions,
    next: Option<Timestamp>,
) -> (Option<Timestamp>, Option<Timestamp>, Option<Timestamp>) {
    let before = |next: Timestamp| next - TimeDelta::microseconds(1);
    let next_state = match next {
        Some(next) if matches!(definition.schedule, Schedule::FixedDelay { .. }) => {
            NextState::Advance {
                fire_time: next,
                due_at: next,
                excluded_from: None,
            }
        }
        Some(next) => schedule_next(id, definition, exclusions, before(next)),
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

/// Moves the pending fire time of a job edited at `began` if what makes it was edited. What has
/// passed and is not taken is left to the old version. The new one begins when the trigger is
/// locked: a lease that held it may have taken a fire time after `began`, which must not come
/// again.
async fn reschedule(
    transaction: &Transaction,
    store: &Store,
    old: &Job,
    new: &JobDefinition,
    began: Timestamp,
) -> Result<(), StoreError> {
    if new.fires_like(&old.definition) {
        transaction
            .execute(SET_PRIORITY, &[&old.id, &new.priority])
            .await
            .during("commands.set_priority")?;
        return Ok(());
    }
    let since = passed::since(transaction, &[old.id], began).await?;
    let definitions = [&old.definition, new].into_iter();
    let exclusions =
        exclusions::lock_shared(transaction, definitions, since, &store.unreadable).await?;
    let is_delay = |job: &JobDefinition| matches!(job.schedule, Schedule::FixedDelay { .. });
    let (locked, now) = passed::lock_one(transaction, store, old.id).await?;
    if let Some(Locked { trigger, .. }) =
        locked.filter(|locked| locked.is_due && locked.trigger.has_passed(now))
    {
        if is_delay(new) && is_delay(&old.definition) {
            // The chain has one fire time at most: it stays that.
            transaction
                .execute(SET_PRIORITY, &[&old.id, &new.priority])
                .await
                .during("commands.set_priority")?;
            return notify(transaction).await;
        }
        passed::leave_to(transaction, &trigger, &old.definition, &exclusions, now).await?;
    }
    schedule(
        transaction,
        old.id,
        new,
        &exclusions,
        (next_fire_time_after_resume(new, now), now),
    )
    .await?;
    notify(transaction).await
}

/// Wakes the nodes, which may be asleep until later.
pub(crate) async fn notify(transaction: &Transaction) -> Result<(), StoreError> {
    transaction
        .execute("select pg_notify($1, '')", &[&WAKE_UP_CHANNEL])
        .await
        .during("commands.notify")?;
    Ok(())
}

pub(super) async fn record_versions(
    transaction: &Transaction,
    ids: &[Uuid],
    change: &str,
) -> Result<(), StoreError> {
    let statement = transaction
        .prepare_cached(RECORD_VERSIONS)
        .await
        .during("commands.prepare")?;
    transaction
        .execute(&statement, &[&ids, &change])
        .await
        .during("commands.record_versions")?;
    Ok(())
}

/// A COPY: as an INSERT of JSON the same rows took half as much again of the database's time
/// (docs/internals/performance.md).
async fn insert(transaction: &Transaction, jobs: &[Job], now: Timestamp) -> Result<(), StoreError> {
    let text = format!(
        "-- commands.insert
copy job_definition (id, status, version, created_at, updated_at, {columns}) from stdin (format binary)",
        columns = DefinitionRow::column_names()
    );
    let own = [
        Type::UUID,
        Type::TEXT,
        Type::INT4,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
    ];
    let types: Vec<Type> = own
        .into_iter()
        .chain(DefinitionRow::COLUMNS.map(|(_, of)| of))
        .collect();
    let statement = transaction
        .prepare_cached(&text)
        .await
        .during("commands.prepare")?;
    let copy = async {
        let rows = BinaryCopyInWriter::new(transaction.copy_in(&statement).await?, &types);
        let mut rows = std::pin::pin!(rows);
        for job in jobs {
            let definition = DefinitionRow::of(&job.definition);
            let own: [&(dyn ToSql + Sync); 5] =
                [&job.id, &job.status.as_str(), &job.version, &now, &now];
            let values: Vec<_> = own.into_iter().chain(definition.values()).collect();
            rows.as_mut().write(&values).await?;
        }
        rows.finish().await
    };
    copy.await.during("commands.insert")?;
    Ok(())
}

/// Makes the schedule triggers of new jobs, and tells these their first fire times.
async fn insert_triggers(
    transaction: &Transaction,
    jobs: &mut [Job],
    exclusions: &Exclusions,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut due_ats = Vec::with_capacity(jobs.len());
    let mut excluded_froms = Vec::with_capacity(jobs.len());
    let mut zone_rules = Vec::with_capacity(jobs.len());
    for job in jobs.iter_mut() {
        let (fire_time, due_at, excluded_from) =
            next_trigger_state(job.id, &job.definition, exclusions, job.next_fire_time);
        (job.next_fire_time, job.excluded_from) = (fire_time, excluded_from);
        due_ats.push(due_at);
        excluded_froms.push(excluded_from);
        zone_rules.push(
            fire_time.and_then(|fire_time| zones::mark(&job.definition, exclusions, fire_time)),
        );
    }
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
    let fire_times: Vec<Timestamp> = jobs
        .iter()
        .map(|job| job.next_fire_time.unwrap_or(now))
        .collect();
    let priorities: Vec<i16> = jobs.iter().map(|job| job.definition.priority).collect();
    let statement = transaction
        .prepare_cached(INSERT_TRIGGERS)
        .await
        .during("commands.prepare")?;
    let values: [&(dyn ToSql + Sync); 7] = [
        &ids,
        &fire_times,
        &due_ats,
        &priorities,
        &excluded_froms,
        &zone_rules,
        &tzdb_edition(),
    ];
    transaction
        .execute(&statement, &values)
        .await
        .during("commands.insert_triggers")?;
    Ok(())
}

async fn replace(
    transaction: &Transaction,
    id: Uuid,
    definition: &JobDefinition,
    now: Timestamp,
) -> Result<(), StoreError> {
    let text = format!(
        "-- commands.replace
update job_definition set version = version + 1, updated_at = $2, ({columns}) = row ({values})
where id = $1",
        columns = DefinitionRow::column_names(),
        values = (3..3 + DefinitionRow::COLUMNS.len())
            .map(|number| format!("${number}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let definition = DefinitionRow::of(definition);
    let own: [&(dyn ToSql + Sync); 2] = [&id, &now];
    let values: Vec<_> = own.into_iter().chain(definition.values()).collect();
    transaction
        .execute(&text, &values)
        .await
        .during("commands.replace")?;
    Ok(())
}
