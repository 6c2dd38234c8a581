//! Own values: the payload of an execution, its unique key, and the execution that it repeats.
//!
//! The trigger bears the values, and the row of the log gets the values from the trigger: a payload
//! waiting for a share or for the end of an execution does not travel at every poll. Few triggers
//! have own values, so separate statements keep the statements for schedules small.

use super::job_cache::Jobs;
use super::plan::{PlannedExecution, TakenAttempt};
use crate::model::Timestamp;
use crate::model::payload::Payload;
use crate::store::StoreError;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use serde_json::value::RawValue;
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

/// Takes fire times with own values, if not taken before: see `INSERT_OR_SKIP`.
pub const INSERT_OWN: Statement = Statement::new(
    "-- leases.insert_own
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, node_id, started_at, created_at,
        job_version, repeats, payload, unique_key)
select t.id, t.job_id, t.kind, t.fire_time, t.due_at, 'RUNNING', 1, $1, greatest(t.due_at, $2), $2,
    x.job_version, t.repeats, t.payload, t.unique_key
from unnest($3::uuid[], $4::int[]) as x (id, job_version) join job_trigger t on t.id = x.id
on conflict (id) do nothing
returning id, payload",
);

/// Records fire times with own values as skipped because of an execution in flight.
/// `RECORD_SKIPPED` then finds the rows and changes nothing.
pub const SKIP_OWN: Statement = Statement::new(
    "-- leases.skip_own
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time,
        occurrences, finished_at, created_at, repeats, payload, unique_key)
select t.id, t.job_id, t.kind, t.fire_time, t.fire_time, 'SKIPPED', 'OVERLAP', 0, t.fire_time, 1,
    $1, $1, t.repeats, t.payload, t.unique_key
from job_trigger t where t.id = any($2::uuid[])
on conflict (id) do nothing",
);

/// Writes the rows of executions with own values. Returns the taken attempts.
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
    let rows = INSERT_OWN
        .query(transaction, &[&node_id, &now, &ids, &versions])
        .await?;
    // A fire time taken before has a row, and returns none: the attempt belongs to another lease.
    rows.iter().map(taken).collect()
}

fn taken(row: &Row) -> Result<(Uuid, TakenAttempt), StoreError> {
    let taken = TakenAttempt {
        attempt: 1,
        failures: 0,
        payload: payload(row)?,
    };
    Ok((Values::of(INSERT_OWN.name(), row).get("id")?, taken))
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
    SKIP_OWN.execute(transaction, &[&now, &ids]).await.map(drop)
}

/// The own payload of an execution.
pub fn payload(row: &Row) -> Result<Option<Payload>, StoreError> {
    json_of(row, "payload")
}

/// JSON of a column, unchanged.
pub(super) fn json_of(row: &Row, column: &str) -> Result<Option<Payload>, StoreError> {
    let json: Option<Json<Box<RawValue>>> = Values::of("job_execution_log", row).get(column)?;
    Ok(json.map(|Json(json)| Payload::from(json)))
}
