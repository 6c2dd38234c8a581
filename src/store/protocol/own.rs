//! What an execution has of its own: the one that it repeats, and a payload.
//!
//! Its trigger bears both, and the row of the log gets them from there: a payload that waits behind
//! the share of a job or behind an execution does not travel at every poll. Few triggers bear
//! anything, so these statements are apart: what a schedule fires is written by the statements that
//! were there before, with the values that they had.

use super::acquire::Jobs;
use super::plan::LeasePlan;
use crate::model::Timestamp;
use crate::model::payload::Payload;
use crate::model::trigger::{NewExecution, SkippedRange, Trigger, TriggerKind};
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::{During, StoreError};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

/// Takes fire times that bear something, those that were not taken before: see `INSERT_OR_SKIP`.
pub const INSERT_OWN: &str = "-- leases.insert_own
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, node_id, started_at, created_at, job_version, repeats, payload)
select t.id, t.job_id, t.kind, t.fire_time, t.due_at, 'RUNNING', 1, $1, greatest(t.due_at, $2), $2, x.job_version, t.repeats, t.payload
from unnest($3::uuid[], $4::int[]) as x (id, job_version) join job_trigger t on t.id = x.id
on conflict (id) do nothing
returning id, payload";

/// Records those that an execution in flight keeps from running. `RECORD_SKIPPED` finds their rows
/// and leaves them.
pub const SKIP_OWN: &str = "-- leases.skip_own
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time, occurrences, finished_at, created_at, repeats, payload)
select t.id, t.job_id, t.kind, t.fire_time, t.fire_time, 'SKIPPED', 'OVERLAP', 0, t.fire_time, 1, $1, $1, t.repeats, t.payload
from job_trigger t where t.id = any($2::uuid[])
on conflict (id) do nothing";

/// An attempt that was really taken.
pub struct Begun {
    /// Its number.
    pub attempt: i32,
    /// How often the execution has failed before.
    pub failures: i32,
    /// The payload that the execution has of its own.
    pub payload: Option<Payload>,
}

/// The executions of a poll that have something of their own.
pub struct Own<'a>(&'a HashSet<Uuid>);

impl<'a> Own<'a> {
    /// Those of these triggers.
    pub fn of(triggers: &'a HashSet<Uuid>) -> Self {
        Self(triggers)
    }

    /// Whether a run is one of them. What is resumed has its row already.
    pub fn holds(&self, execution: &NewExecution) -> bool {
        !execution.resumes && self.0.contains(&execution.execution_id)
    }

    /// Writes them, before anything removes their triggers; those that were taken.
    pub async fn write(
        &self,
        plan: &LeasePlan,
        transaction: &Transaction,
        (node_id, now): (Uuid, Timestamp),
        jobs: &Jobs,
    ) -> Result<HashMap<Uuid, Begun>, StoreError> {
        if self.0.is_empty() {
            return Ok(HashMap::new());
        }
        self.skip(&plan.skipped, transaction, now).await?;
        let executions: Vec<&(Trigger, NewExecution)> = plan
            .executions
            .iter()
            .filter(|(_, execution)| self.holds(execution))
            .collect();
        if executions.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Uuid> = executions
            .iter()
            .map(|(_, execution)| execution.execution_id)
            .collect();
        let versions: Vec<Option<i32>> = executions
            .iter()
            .map(|(trigger, _)| jobs.get(&trigger.job_id).map(|job| job.version))
            .collect();
        let statement = transaction
            .prepare_cached(INSERT_OWN)
            .await
            .during("leases.prepare")?;
        let rows = transaction
            .query(&statement, &[&node_id, &now, &ids, &versions])
            .await;
        let rows = rows.during("leases.insert_own")?;
        let taken = |row: &Row| {
            let payload = payload(row)?;
            Ok((
                Values::of("leases.insert_own", row).get("id")?,
                Begun {
                    attempt: 1,
                    failures: 0,
                    payload,
                },
            ))
        };
        rows.iter().map(taken).collect()
    }

    async fn skip(
        &self,
        skipped: &[(Uuid, TriggerKind, SkippedRange)],
        transaction: &Transaction,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ids = skipped
            .iter()
            .map(|(_, _, range)| range.execution_id)
            .filter(|id| self.0.contains(id));
        let ids: Vec<Uuid> = ids.collect();
        if !ids.is_empty() {
            let statement = transaction
                .prepare_cached(SKIP_OWN)
                .await
                .during("leases.prepare")?;
            transaction
                .execute(&statement, &[&now, &ids])
                .await
                .during("leases.skip_own")?;
        }
        Ok(())
    }
}

/// The payload that an execution has of its own.
pub fn payload(row: &Row) -> Result<Option<Payload>, StoreError> {
    let payload: Option<Json<Box<RawValue>>> =
        Values::of("job_execution_log", row).get("payload")?;
    Ok(payload.map(|Json(json)| Payload::from(json)))
}
