//! Own values: the payload of an execution, and the execution that it repeats.
//!
//! The trigger bears them, and the row of the log gets them from there: a payload that waits for a
//! share or for the end of an execution does not travel at every poll. Few triggers bear any, so
//! they have statements of their own, and the statements for schedules stay as small as they are.

use super::job_cache::Jobs;
use super::plan::{PlannedExecution, TakenAttempt};
use crate::model::Timestamp;
use crate::model::payload::Payload;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::{During, StoreError};
use serde_json::value::RawValue;
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

/// Takes fire times with own values, if they were not taken before: see `INSERT_OR_SKIP`.
pub const INSERT_OWN: &str = "-- leases.insert_own
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, node_id, started_at, created_at,
        job_version, repeats, payload)
select t.id, t.job_id, t.kind, t.fire_time, t.due_at, 'RUNNING', 1, $1, greatest(t.due_at, $2), $2,
    x.job_version, t.repeats, t.payload
from unnest($3::uuid[], $4::int[]) as x (id, job_version) join job_trigger t on t.id = x.id
on conflict (id) do nothing
returning id, payload";

/// Records fire times with own values that an execution in flight keeps from running.
/// `RECORD_SKIPPED` then finds their rows and leaves them.
pub const SKIP_OWN: &str = "-- leases.skip_own
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time,
        occurrences, finished_at, created_at, repeats, payload)
select t.id, t.job_id, t.kind, t.fire_time, t.fire_time, 'SKIPPED', 'OVERLAP', 0, t.fire_time, 1,
    $1, $1, t.repeats, t.payload
from job_trigger t where t.id = any($2::uuid[])
on conflict (id) do nothing";

/// Writes the rows of executions with own values. Returns those that were taken.
pub async fn insert_own(
    transaction: &Transaction,
    executions: &[&PlannedExecution],
    jobs: &Jobs,
    node_id: Uuid,
    now: Timestamp,
) -> Result<HashMap<Uuid, TakenAttempt>, StoreError> {
    if executions.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = executions
        .iter()
        .map(|planned| planned.execution.execution_id)
        .collect();
    let versions: Vec<Option<i32>> = executions
        .iter()
        .map(|planned| jobs.get(&planned.trigger.job_id).map(|job| job.version))
        .collect();
    let statement = transaction
        .prepare_cached(INSERT_OWN)
        .await
        .during("leases.prepare")?;
    let rows = transaction
        .query(&statement, &[&node_id, &now, &ids, &versions])
        .await
        .during("leases.insert_own")?;
    rows.iter().map(taken).collect()
}

fn taken(row: &Row) -> Result<(Uuid, TakenAttempt), StoreError> {
    let taken = TakenAttempt {
        attempt: 1,
        failures: 0,
        payload: payload(row)?,
    };
    Ok((Values::of("leases.insert_own", row).get("id")?, taken))
}

/// Writes the rows of skipped executions with own values.
pub async fn skip_own(
    transaction: &Transaction,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let statement = transaction
        .prepare_cached(SKIP_OWN)
        .await
        .during("leases.prepare")?;
    transaction
        .execute(&statement, &[&now, &ids])
        .await
        .during("leases.skip_own")?;
    Ok(())
}

/// The payload that an execution has of its own.
pub fn payload(row: &Row) -> Result<Option<Payload>, StoreError> {
    let payload: Option<Json<Box<RawValue>>> =
        Values::of("job_execution_log", row).get("payload")?;
    Ok(payload.map(|Json(json)| Payload::from(json)))
}
