//! Versions of jobs: every change adds a version. The only writer of `job_definition_version`.

use crate::model::Timestamp;
use crate::model::policies::Policies;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// Records the current versions of jobs after a change.
const RECORD_VERSIONS: Statement = Statement::new(
    "-- versions.record
insert into job_definition_version (job_id, version, changed_at, changed_by, change, definition)
select j.id, j.version, j.updated_at, $3, $2, to_json(j) from job_definition j
where j.id = any($1::uuid[])",
);

/// Every version of a job, newest first.
const VERSIONS: Statement = Statement::new(
    "-- versions.list
select version, changed_at, changed_by, change, definition::text from job_definition_version
where job_id = $1 order by version desc limit $2",
);

/// A version of a job's definition.
#[derive(Debug, Clone)]
pub struct JobVersion {
    /// Version of the job after the change.
    pub version: i32,
    /// Instant of the change.
    pub changed_at: Timestamp,
    /// Author of the change.
    pub changed_by: String,
    /// `CREATED`, `UPDATED`, …
    pub change: String,
    /// The whole row after the change, with every policy, as JSON.
    pub definition: String,
}

impl Store {
    /// The newest versions of a job, at most `limit`.
    pub async fn job_versions(&self, id: Uuid, limit: u32) -> Result<Vec<JobVersion>, StoreError> {
        self.read_all(VERSIONS, &[&id, &i64::from(limit)], version)
            .await
    }
}

pub(super) async fn record_versions(
    transaction: &Transaction,
    ids: &[Uuid],
    change: &str,
) -> Result<(), StoreError> {
    let author = transaction.author().caller.label();
    RECORD_VERSIONS
        .execute(transaction, &[&ids, &change, &author])
        .await?;
    Ok(())
}

fn version(row: &Row) -> Result<JobVersion, StoreError> {
    let row = Values::of("job_definition_version", row);
    Ok(JobVersion {
        version: row.get(0)?,
        changed_at: row.get(1)?,
        changed_by: row.get(2)?,
        change: row.get(3)?,
        definition: with_every_policy(row.get(4)?).map_err(|error| row.unreadable(error))?,
    })
}

/// Completes the policies; the rest stays as written.
fn with_every_policy(row: &str) -> serde_json::Result<String> {
    const POLICIES: &str = "policies";
    let mut row: BTreeMap<&str, &RawValue> = serde_json::from_str(row)?;
    let stored: Map<String, Value> = row
        .get(POLICIES)
        .map_or(Ok(Map::new()), |json| serde_json::from_str(json.get()))?;
    // A row stores only the policies that differ from the defaults.
    let policies = to_raw_value(&Policies::completed(stored))?;
    row.insert(POLICIES, &policies);
    serde_json::to_string(&row)
}
