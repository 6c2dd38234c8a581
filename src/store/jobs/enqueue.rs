//! Enqueued runs: one-off triggers with a time, a payload and a unique key of their own.
//!
//! The function `enqueue_runs` of the schema writes them, for the API and for `horolog_enqueue`
//! alike. It locks no job: a caller may keep its transaction open, and neither a settlement that
//! pauses a job nor a command may wait for it. A run that was enqueued at the moment of a deletion
//! is recorded by the repairs.

use crate::model::Timestamp;
use crate::model::enqueue::JobKey;
use crate::model::execution::one_off_execution_id;
use crate::model::payload::Payload;
use crate::store::audit::entry::Entry;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

/// Jobs that are not deleted: by id ($1), and by namespace and name ($2, $3), at most two of a
/// name. The second part is served by `job_definition_by_name`.
const JOBS: Statement = Statement::new(
    "-- enqueue.jobs
select j.id, null::text as namespace, null::text as name, sends_payload(j.target) as sends_payload
from job_definition j where j.id = any($1::uuid[]) and j.status <> 'DELETED'
union all
select j.id, x.namespace, x.name, sends_payload(j.target)
from unnest($2::text[], $3::text[]) as x (namespace, name)
cross join lateral (
    select j.id, j.target from job_definition j
    where lower(j.name) = lower(x.name) and j.name = x.name and j.namespace = x.namespace
      and j.status <> 'DELETED' limit 2) as j",
);

const ENQUEUE: Statement = Statement::new(
    "-- enqueue.runs
select r.execution_id, r.is_created
from enqueue_runs(coalesce($1::timestamptz, clock_timestamp()), $2::uuid[], $3::uuid[],
    $4::timestamptz[], $5::json[], $6::text[], $7::smallint[]) as r
order by r.place",
);

/// A job that accepts runs.
#[derive(Debug, Clone, Copy)]
pub struct FoundJob {
    /// Id of the job.
    pub id: Uuid,
    /// Whether its target gets a payload.
    pub sends_payload: bool,
    /// Whether another job has the same name.
    pub is_ambiguous: bool,
}

/// A run to be enqueued.
#[derive(Debug)]
pub struct NewRun {
    /// Job of the run.
    pub job_id: Uuid,
    /// Payload of its own.
    pub payload: Option<Payload>,
    /// When it is due, in whole milliseconds.
    pub due_at: Timestamp,
    /// The key that no other execution of the job may have at the same time.
    pub unique_key: Option<String>,
    /// Order among equal due times. Default: that of the job.
    pub priority: Option<i16>,
}

/// An enqueued run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnqueuedRun {
    /// Id of the execution.
    pub execution_id: Uuid,
    /// False when an execution with the unique key was pending or in flight: its id.
    pub is_created: bool,
}

impl Store {
    /// The jobs of these keys that are not deleted.
    pub async fn jobs_to_enqueue(
        &self,
        keys: &[&JobKey],
    ) -> Result<BTreeMap<JobKey, FoundJob>, StoreError> {
        let (mut ids, mut namespaces, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys {
            match key {
                JobKey::Id(id) => ids.push(*id),
                JobKey::Name { namespace, name } => {
                    namespaces.push(namespace);
                    names.push(name);
                }
            }
        }
        let rows = self.read_rows(JOBS, &[&ids, &namespaces, &names]).await?;
        let mut jobs: BTreeMap<JobKey, FoundJob> = BTreeMap::new();
        for row in &rows {
            let (key, job) = found_job(row)?;
            let of_key = jobs.entry(key).or_insert(job);
            of_key.is_ambiguous = of_key.id != job.id;
        }
        Ok(jobs)
    }

    /// Enqueues runs, all or none: a result for each, in their order.
    pub async fn enqueue(&self, runs: &[NewRun]) -> Result<Vec<EnqueuedRun>, StoreError> {
        let ids: Vec<Uuid> = runs
            .iter()
            .map(|run| one_off_execution_id(run.due_at))
            .collect();
        self.bounded(ENQUEUE.name(), async {
            let transaction = self.begin("enqueue.begin").await?;
            let columns = Columns::of(runs);
            let values: [&(dyn ToSql + Sync); 7] = [
                &self.clock().stub(),
                &columns.job_ids,
                &ids,
                &columns.due_ats,
                &columns.payloads,
                &columns.unique_keys,
                &columns.priorities,
            ];
            let rows = ENQUEUE.query(&transaction, &values).await?;
            let enqueued: Vec<EnqueuedRun> =
                rows.iter().map(enqueued_run).collect::<Result<_, _>>()?;
            // Requests that created nothing changed nothing.
            if enqueued.iter().any(|run| run.is_created) {
                transaction.record(entry(runs, &enqueued));
            }
            transaction.commit().await.during("enqueue.commit")?;
            Ok(enqueued)
        })
        .await
    }
}

/// The values of [`ENQUEUE`].
struct Columns<'a> {
    job_ids: Vec<Uuid>,
    due_ats: Vec<Timestamp>,
    payloads: Vec<Option<Json<&'a RawValue>>>,
    unique_keys: Vec<Option<&'a str>>,
    priorities: Vec<Option<i16>>,
}

impl<'a> Columns<'a> {
    fn of(runs: &'a [NewRun]) -> Self {
        let payload = |run: &'a NewRun| run.payload.as_ref().map(|payload| Json(payload.json()));
        Self {
            job_ids: runs.iter().map(|run| run.job_id).collect(),
            due_ats: runs.iter().map(|run| run.due_at).collect(),
            payloads: runs.iter().map(payload).collect(),
            unique_keys: runs.iter().map(|run| run.unique_key.as_deref()).collect(),
            priorities: runs.iter().map(|run| run.priority).collect(),
        }
    }
}

fn found_job(row: &Row) -> Result<(JobKey, FoundJob), StoreError> {
    let row = Values::of(JOBS.name(), row);
    let id = row.get("id")?;
    let key = match (row.get("namespace")?, row.get("name")?) {
        (Some(namespace), Some(name)) => JobKey::Name { namespace, name },
        _ => JobKey::Id(id),
    };
    let job = FoundJob {
        id,
        sends_payload: row.get("sends_payload")?,
        is_ambiguous: false,
    };
    Ok((key, job))
}

fn enqueued_run(row: &Row) -> Result<EnqueuedRun, StoreError> {
    let row = Values::of(ENQUEUE.name(), row);
    Ok(EnqueuedRun {
        execution_id: row.get("execution_id")?,
        is_created: row.get("is_created")?,
    })
}

/// The entry of one or many runs.
fn entry(runs: &[NewRun], enqueued: &[EnqueuedRun]) -> Entry {
    if let ([run], [done]) = (runs, enqueued) {
        return Entry::of("job", run.job_id)
            .with("executionId", done.execution_id.to_string())
            .with("hasOwnPayload", run.payload.is_some());
    }
    let created = enqueued.iter().filter(|run| run.is_created).count();
    Entry::about("job")
        .with("count", runs.len())
        .with("created", created)
}
