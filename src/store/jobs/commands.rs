//! Commands: changes of a job, each in a single transaction. Writes `job_definition`.
//!
//! A command locks first the row of the job and then the trigger; a lease locks triggers and only
//! reads jobs. A command and a lease of the same trigger therefore wait for each other, and the
//! second sees the result of the first. Every change records a version.

use super::exclusions;
use super::job_rows::{DefinitionRow, GET, job, whole_millis};
use super::pauses::{MissedOnce, reschedule_paused};
use super::triggers::{REMOVE_TRIGGERS, insert_triggers, reschedule};
use super::versions::record_versions;
use crate::model::Timestamp;
use crate::model::access::Reach;
use crate::model::execution::{Reason, one_off_execution_id};
use crate::model::job::{Job, JobDefinition, JobStatus};
use crate::model::payload::Payload;
use crate::store::access::namespaces::{NoPlace, take_places};
use crate::store::audit::entry::Entry;
use crate::store::db::listener::notify;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::protocol::failing;
use crate::store::secrets::references;
use crate::store::{During, Store, StoreError};
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};
use uuid::Uuid;

const INSERT: Statement = Statement::new(
    "-- commands.insert
copy job_definition (id, namespace, status, version, created_at, updated_at, {columns})
from stdin (format binary)",
);

const REPLACE: Statement = Statement::new(
    "-- commands.replace
update job_definition set version = version + 1, updated_at = $2, ({columns}) = row ({values})
where id = $1",
);

const SET_STATUS: Statement = Statement::new(
    "-- commands.set_status
update job_definition set status = $2, version = version + 1, pause_reason = $5,
    updated_at = coalesce($1::timestamptz, clock_timestamp())
where id = any($3::uuid[]) and status = any($4::text[])
returning id, updated_at",
);

/// Against a deletion at the same moment.
pub(super) const LOCK_JOB_ROWS: Statement = Statement::new(
    "-- commands.lock_jobs
select coalesce($1::timestamptz, clock_timestamp()), id from job_definition
where id = any($2::uuid[]) and status <> 'DELETED' order by id for share",
);

/// Against another change at the same moment. Transactions with only a reference to the job do not
/// wait, such as a lease with the trigger locked.
const LOCK_JOB: Statement = Statement::new(
    "-- commands.lock_job
select coalesce($1::timestamptz, clock_timestamp()), version from job_definition
where id = $2 and status <> 'DELETED' for no key update",
);

const VERSION: Statement = Statement::new(
    "-- commands.version
select version from job_definition where id = $1",
);

const INSERT_MANUAL: Statement = Statement::new(
    "-- commands.insert_manual
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority, payload)
select x.id, j.id, 'MANUAL', $3, $3, j.priority, $4::json
from unnest($1::uuid[], $2::uuid[]) as x (id, job_id) join job_definition j on j.id = x.job_id",
);

/// The leases of a job without an overlap policy do not name the job. For a new policy, leases with
/// the name of the job list the executions in flight.
const NAME_LEASES: Statement = Statement::new(
    "-- commands.name_leases
insert into job_lease (id, node_id, job_id, execution_ids)
select gen_random_uuid(), f.node_id, f.job_id, array[f.id] from execution_in_flight f
where f.job_id = $1 and f.status = 'RUNNING'",
);

/// A job to be stored.
#[derive(Debug)]
pub struct NewJob {
    /// Id of the job.
    pub id: Uuid,
    /// Namespace of the job.
    pub namespace: String,
    /// Definition of the job.
    pub definition: JobDefinition,
}

/// Result of an update.
#[derive(Debug)]
pub enum UpdateOutcome {
    /// The job has been updated.
    Done(Box<Job>),
    /// The job has another version, the value.
    Stale(i32),
    /// There is no such job.
    NotFound,
}

impl Store {
    /// Stores jobs created at `now` and their triggers: all or none.
    pub async fn create_jobs(
        &self,
        jobs: Vec<NewJob>,
        now: Timestamp,
    ) -> Result<Result<Vec<Job>, NoPlace>, StoreError> {
        let jobs: Vec<Job> = jobs.into_iter().map(|job| new_job(job, now)).collect();
        if let Some(job) = jobs
            .iter()
            .find(|job| !self.reach().includes(&job.namespace))
        {
            return Ok(Err(NoPlace::Unknown(job.namespace.clone())));
        }
        // COPY needs the tables themselves. All jobs are within reach.
        self.within_reach(Reach::All).insert_jobs(jobs, now).await
    }

    async fn insert_jobs(
        &self,
        mut jobs: Vec<Job>,
        now: Timestamp,
    ) -> Result<Result<Vec<Job>, NoPlace>, StoreError> {
        let mut wanted = BTreeMap::new();
        for job in &jobs {
            *wanted.entry(job.namespace.clone()).or_default() += 1;
        }
        self.bounded("commands.create", async {
            let transaction = self.begin("commands.begin").await?;
            if let Err(no_place) = take_places(&transaction, &wanted).await? {
                transaction.rollback().await.during("commands.rollback")?;
                return Ok(Err(no_place));
            }
            let exclusions = exclusions::lock_shared(
                &transaction,
                jobs.iter().map(|job| &job.definition),
                now,
                &self.unreadable,
            )
            .await?;
            insert(&transaction, &jobs, now).await?;
            insert_triggers(&transaction, &mut jobs, &exclusions, now).await?;
            let new = jobs.iter().map(|job| (job.id, &job.definition));
            references::insert(&transaction, new).await?;
            let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
            record_versions(&transaction, &ids, "CREATED").await?;
            transaction.record(created(&jobs));
            notify(&transaction).await?;
            transaction.commit().await.during("commands.commit")?;
            Ok(Ok(jobs))
        })
        .await
    }

    /// Replaces the definition of a job if the job still has the version. A paused job stays
    /// paused; executions in flight end under the old version. The pending fire time moves only
    /// when the schedule or its limits change.
    pub async fn update_job(
        &self,
        old: &Job,
        definition: JobDefinition,
        version: i32,
    ) -> Result<UpdateOutcome, StoreError> {
        self.bounded("commands.update", async {
            let transaction = self.begin("commands.begin").await?;
            let held = LOCK_JOB
                .query_opt(&transaction, &[&self.clock().stub(), &old.id])
                .await?;
            let edited = match held.as_ref().map(now_and_version).transpose()? {
                None => UpdateOutcome::NotFound,
                // The expected version must be the stored version, and the version validated by the
                // caller.
                Some((_, stored)) if [stored, old.version] != [version, version] => {
                    UpdateOutcome::Stale(stored)
                }
                Some((now, _)) => {
                    replace(&transaction, old.id, &definition, now).await?;
                    references::replace(&transaction, old, &definition).await?;
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
                        // Impossible: the row is locked, and was not deleted.
                        Some(JobStatus::Deleted) | None => {}
                    }
                    // After the lock on the trigger: a lease with the old policy has committed.
                    if definition.policies.is_serialized()
                        && !old.definition.policies.is_serialized()
                    {
                        NAME_LEASES.execute(&transaction, &[&old.id]).await?;
                    }
                    record_versions(&transaction, &[old.id], "UPDATED").await?;
                    let entry =
                        Entry::of("job", old.id).with_versions(Some(version), Some(version + 1));
                    transaction.record(entry);
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

    /// Pauses an active job; a paused job keeps the reason. None when there is no such job.
    pub async fn pause_job(
        &self,
        id: Uuid,
        reason: Option<&str>,
    ) -> Result<Option<Job>, StoreError> {
        self.bounded("commands.pause", async {
            let transaction = self.begin("commands.begin").await?;
            let paused = self.pause_in(&transaction, &[id], reason).await?;
            let job = get_not_deleted(&transaction, id).await?;
            if let Some(job) = &job {
                transaction.record(changed(job, paused).with("reason", reason));
            }
            transaction.commit().await.during("commands.commit")?;
            Ok(job)
        })
        .await
    }

    /// Resumes a paused job with its next fire time from now. Fire times during the pause do not
    /// fire, except for a ONCE. None when there is no such job.
    pub async fn resume_job(
        &self,
        id: Uuid,
        missed: MissedOnce,
    ) -> Result<Option<Job>, StoreError> {
        self.bounded("commands.resume", async {
            let transaction = self.begin("commands.begin").await?;
            let resumed = self.resume_in(&transaction, &[id], missed).await?;
            let job = get_not_deleted(&transaction, id).await?;
            if let Some(job) = &job {
                let runs_missed = missed == MissedOnce::Run;
                transaction.record(changed(job, resumed).with("runMissed", runs_missed));
            }
            transaction.commit().await.during("commands.commit")?;
            Ok(job)
        })
        .await
    }

    /// Deletes a job: nothing starts any more, running executions end, the log stays. False when
    /// there is no such job.
    pub async fn delete_job(&self, id: Uuid) -> Result<bool, StoreError> {
        self.bounded("commands.delete", async {
            let transaction = self.begin("commands.begin").await?;
            let deleted = self.delete_in(&transaction, &[id]).await?;
            if deleted > 0 {
                // The row itself may be unreadable to the node.
                let row = VERSION.query_one(&transaction, &[&id]).await?;
                let version: i32 = Values::of(VERSION.name(), &row).get(0)?;
                let entry = Entry::of("job", id).with_versions(Some(version - 1), Some(version));
                transaction.record(entry);
            }
            transaction.commit().await.during("commands.commit")?;
            Ok(deleted > 0)
        })
        .await
    }

    /// Makes a job due now, once, independently of the schedule. Default payload: the job's.
    /// Returns the id of the execution; none when there is no such job.
    pub async fn run_job_now(
        &self,
        id: Uuid,
        payload: Option<&Payload>,
    ) -> Result<Option<Uuid>, StoreError> {
        self.bounded("commands.run_now", async {
            let transaction = self.begin("commands.begin").await?;
            let executions = self.run_now_in(&transaction, &[id], payload).await?;
            if let Some(execution) = executions.first() {
                let entry = Entry::of("job", id)
                    .with("executionId", execution.to_string())
                    .with("hasOwnPayload", payload.is_some());
                transaction.record(entry);
            }
            transaction.commit().await.during("commands.commit")?;
            Ok(executions.first().copied())
        })
        .await
    }

    /// Deletes the existing jobs, within a transaction. Returns the number.
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
            REMOVE_TRIGGERS
                .execute(transaction, &[&stub, &deleted])
                .await?;
            failing::delete(transaction, &deleted).await?;
            references::delete(transaction, &deleted).await?;
            record_versions(transaction, &deleted, "DELETED").await?;
        }
        Ok(deleted.len())
    }

    /// Makes the existing jobs due now, once, within a transaction. Returns the ids of the
    /// executions.
    pub(super) async fn run_now_in(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        payload: Option<&Payload>,
    ) -> Result<Vec<Uuid>, StoreError> {
        let held = LOCK_JOB_ROWS
            .query(transaction, &[&self.clock().stub(), &ids])
            .await?;
        // All of the jobs are deleted.
        let Some(first) = held.first() else {
            return Ok(Vec::new());
        };
        // The API shows the fire time of a manual run, in milliseconds.
        let now = whole_millis(Values::of(LOCK_JOB_ROWS.name(), first).get(0)?);
        let jobs: Vec<Uuid> = column(LOCK_JOB_ROWS.name(), &held, 1)?;
        let executions: Vec<Uuid> = jobs.iter().map(|_| one_off_execution_id(now)).collect();
        let payload = payload.map(|payload| Json(payload.json()));
        let inserted = INSERT_MANUAL
            .execute(transaction, &[&executions, &jobs, &now, &payload])
            .await;
        inserted?;
        notify(transaction).await?;
        Ok(executions)
    }

    /// Sets the status where the old status allows the change. Returns the ids, and the time of the
    /// change.
    pub(super) async fn set_status(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        status: JobStatus,
        reason: Option<&str>,
    ) -> Result<(Vec<Uuid>, Option<Timestamp>), StoreError> {
        // A job with the status is left out, and gets no new version.
        let from: &[&str] = match status {
            JobStatus::Active => &["PAUSED"],
            JobStatus::Paused => &["ACTIVE"],
            JobStatus::Deleted => &["ACTIVE", "PAUSED"],
        };
        let rows = SET_STATUS
            .query(
                transaction,
                &[&self.clock().stub(), &status.as_str(), &ids, &from, &reason],
            )
            .await?;
        let times: Vec<Timestamp> = column(SET_STATUS.name(), &rows, 1)?;
        Ok((
            column(SET_STATUS.name(), &rows, 0)?,
            times.into_iter().max(),
        ))
    }
}

/// The entry of new jobs.
fn created(jobs: &[Job]) -> Entry {
    match jobs {
        [job] => Entry::of("job", job.id)
            .named(&job.definition.name)
            .with_versions(None, Some(job.version)),
        many => Entry::about("job").with("count", many.len()),
    }
}

/// The entry of a job after `changes` changes: one or none.
fn changed(job: &Job, changes: usize) -> Entry {
    let before = job.version - i32::from(changes > 0);
    Entry::of("job", job.id)
        .named(&job.definition.name)
        .with_versions(Some(before), Some(job.version))
}

fn now_and_version(row: &Row) -> Result<(Timestamp, i32), StoreError> {
    let row = Values::of(LOCK_JOB.name(), row);
    Ok((row.get(0)?, row.get(1)?))
}

fn new_job(new: NewJob, now: Timestamp) -> Job {
    let NewJob {
        id,
        namespace,
        definition,
    } = new;
    Job {
        id,
        namespace,
        next_fire_time: definition.first_fire_time(now),
        definition,
        status: JobStatus::Active,
        pause_reason: None,
        paused_fire_time: None,
        excluded_from: None,
        version: 0,
        created_at: now,
        updated_at: now,
        runs: 0,
    }
}

/// A job not deleted, as the transaction sees the row.
async fn get_not_deleted(transaction: &Transaction, id: Uuid) -> Result<Option<Job>, StoreError> {
    let row = GET.query_opt(transaction, &[&[id].as_slice()]).await?;
    Ok(row
        .as_ref()
        .map(job)
        .transpose()?
        .filter(|job| job.status != JobStatus::Deleted))
}

/// By COPY: an INSERT of JSON took 1.5 times the database's time for the same rows
/// (docs/internals/performance.md).
async fn insert(transaction: &Transaction, jobs: &[Job], now: Timestamp) -> Result<(), StoreError> {
    let text = INSERT.filled(&[("{columns}", &DefinitionRow::column_names())]);
    let own = [
        Type::UUID,
        Type::TEXT,
        Type::TEXT,
        Type::INT4,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
    ];
    let types: Vec<Type> = own
        .into_iter()
        .chain(DefinitionRow::COLUMNS.map(|(_, of)| of))
        .collect();
    let rows = INSERT.with_sql(&text).copy_in(transaction, &types).await?;
    let mut rows = std::pin::pin!(rows);
    for job in jobs {
        let definition = DefinitionRow::of(&job.definition);
        let own: [&(dyn ToSql + Sync); 6] = [
            &job.id,
            &job.namespace,
            &job.status.as_str(),
            &job.version,
            &now,
            &now,
        ];
        let values: Vec<_> = own.into_iter().chain(definition.values()).collect();
        let written = rows.as_mut().write(&values).await;
        written.during(INSERT.name())?;
    }
    rows.finish().await.during(INSERT.name())?;
    Ok(())
}

async fn replace(
    transaction: &Transaction,
    id: Uuid,
    definition: &JobDefinition,
    now: Timestamp,
) -> Result<(), StoreError> {
    let values: Vec<String> = (3..3 + DefinitionRow::COLUMNS.len())
        .map(|number| format!("${number}"))
        .collect();
    let text = REPLACE.filled(&[
        ("{columns}", &DefinitionRow::column_names()),
        ("{values}", &values.join(", ")),
    ]);
    let definition = DefinitionRow::of(definition);
    let own: [&(dyn ToSql + Sync); 2] = [&id, &now];
    let values: Vec<_> = own.into_iter().chain(definition.values()).collect();
    REPLACE
        .with_sql(&text)
        .execute(transaction, &values)
        .await?;
    Ok(())
}
