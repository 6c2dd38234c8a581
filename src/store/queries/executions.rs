//! Executions: reading the log.

use crate::model::Timestamp;
use crate::model::UnknownName;
use crate::model::execution::ExecutionStatus;
use crate::model::payload::Payload;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::protocol::own::payload;
use crate::store::{Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A job's executions, newest fire time first. Served by `job_execution_log_by_job`.
const OF_JOB: Statement = Statement::new(
    "-- executions.of_job
select {columns}, n.name as node_name, j.name as job_name, j.namespace
from job_execution_log l left join cluster_node n on n.id = l.node_id left join job_definition j
    on j.id = l.job_id
where l.job_id = $1 order by l.id desc limit $2",
);

const GET: Statement = Statement::new(
    "-- executions.get
select {columns}, n.name as node_name, j.name as job_name, j.namespace
from job_execution_log l left join cluster_node n on n.id = l.node_id left join job_definition j
    on j.id = l.job_id
where l.id = $1",
);

/// Executions by ids; `between` prunes partitions.
const BY_IDS: Statement = Statement::new(
    "-- executions.by_ids
select {columns}, n.name as node_name, j.name as job_name, j.namespace
from job_execution_log l left join cluster_node n on n.id = l.node_id left join job_definition j
    on j.id = l.job_id
where l.id = any($1::uuid[]) and l.id between $2 and $3",
);

/// The texts of executions in a list; a text may take 64 KB, a payload 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecutionTexts {
    /// No text of an execution.
    None,
    /// Only the error messages.
    Errors,
    /// Outputs, error messages, previous attempts and payloads.
    All,
}

impl ExecutionTexts {
    /// The columns for `record`, of a row `l`.
    pub(crate) fn columns(self) -> String {
        const COLUMNS: &str = "l.id, l.job_id, l.kind, l.fire_time, l.due_time, l.status, \
            l.reason, l.attempt, l.failures, l.job_version, l.node_id, l.started_at, \
            l.finished_at, l.error_message, l.output, l.through_fire_time, l.occurrences, \
            l.coalesced_into, l.repeats, l.unique_key, l.payload, l.previous_attempts, l.created_at";
        let without_outputs = || {
            let columns = COLUMNS.replace("l.output", "null::text as output");
            let columns = columns.replace("l.payload", "null::json as payload");
            columns.replace("l.previous_attempts", "null::jsonb as previous_attempts")
        };
        match self {
            Self::All => COLUMNS.to_owned(),
            Self::Errors => without_outputs(),
            Self::None => {
                without_outputs().replace("l.error_message", "null::text as error_message")
            }
        }
    }
}

/// A row of the log: an execution, or a range of skipped fire times.
#[derive(Debug, Clone)]
pub struct ExecutionRecord {
    /// Id of the execution, the same as the occurrence's.
    pub id: Uuid,
    /// Job of the execution, possibly deleted.
    pub job_id: Uuid,
    /// The kind of the trigger.
    pub kind: String,
    /// The instant of the schedule.
    pub fire_time: Timestamp,
    /// The earliest start.
    pub due_time: Timestamp,
    /// Status of the execution.
    pub status: ExecutionStatus,
    /// Reason of the status.
    pub reason: Option<String>,
    /// Current or last attempt.
    pub attempt: i32,
    /// Node of the current or last attempt.
    pub node_id: Option<Uuid>,
    /// Name of the node of the last attempt.
    pub node_name: Option<String>,
    /// Name of the job; deleted jobs keep the name.
    pub job_name: Option<String>,
    /// Namespace of the job.
    pub namespace: Option<String>,
    /// Version of the definition at the taking.
    pub job_version: Option<i32>,
    /// Failed attempts, without lost attempts.
    pub failures: i32,
    /// Start of the current or last attempt.
    pub started_at: Option<Timestamp>,
    /// Instant of the settlement.
    pub finished_at: Option<Timestamp>,
    /// Error of the last failed attempt, at most 64 KB.
    pub error_message: Option<String>,
    /// The report of the handler.
    pub output: Option<String>,
    /// Last fire time of a skipped range.
    pub through_fire_time: Option<Timestamp>,
    /// Fire times in a skipped range.
    pub occurrences: Option<i32>,
    /// The execution that stands for a skipped range.
    pub coalesced_into: Option<Uuid>,
    /// The execution repeated by a rerun.
    pub repeats: Option<Uuid>,
    /// Unique key of its request.
    pub unique_key: Option<String>,
    /// The payload of its own.
    pub payload: Option<Payload>,
    /// When the fire time was taken.
    pub created_at: Timestamp,
    /// Earlier attempts, as JSON.
    pub previous_attempts: Option<serde_json::Value>,
}

/// Running attempts with a request to cancel, among the executions held by a node. `between` prunes
/// partitions.
const CANCELLATIONS: Statement = Statement::new(
    "-- executions.cancellations
select id, attempt from job_execution_log
where id = any($1::uuid[]) and id between $2 and $3 and status = 'RUNNING'
  and cancel_requested_at is not null",
);

/// The triggers of next attempts. Paused jobs are left out: a pause stops the attempt at the due
/// time.
const NEXT_ATTEMPTS_AT: Statement = Statement::new(
    "-- executions.next_attempts_at
select t.id, t.due_at from job_trigger t join job_definition j on j.id = t.job_id
where t.id = any($1::uuid[]) and t.kind in ('RETRY', 'RECOVERY') and t.due_at is not null
  and j.status <> 'PAUSED'",
);

impl Store {
    /// The held executions with a request to cancel, with their attempts.
    pub async fn cancellations(&self, held: &[Uuid]) -> Result<Vec<(Uuid, i32)>, StoreError> {
        // The pool asks periodically, also without a held execution.
        let (Some(low), Some(high)) = (held.iter().min(), held.iter().max()) else {
            return Ok(Vec::new());
        };
        let rows = self.read_rows(CANCELLATIONS, &[&held, low, high]).await?;
        rows.iter()
            .map(|row| {
                let row = Values::of(CANCELLATIONS.name(), row);
                Ok((row.get(0)?, row.get(1)?))
            })
            .collect()
    }

    /// The times of the next attempts of the executions, where there is a next attempt.
    pub async fn next_attempts_at(
        &self,
        executions: &[Uuid],
    ) -> Result<Vec<(Uuid, Timestamp)>, StoreError> {
        let rows = self.read_rows(NEXT_ATTEMPTS_AT, &[&executions]).await?;
        rows.iter()
            .map(|row| {
                let row = Values::of("job_trigger", row);
                Ok((row.get("id")?, row.bound("due_at")?))
            })
            .collect()
    }

    /// The newest executions of a job, at most `limit`.
    pub async fn executions_of(
        &self,
        job_id: Uuid,
        limit: u32,
        texts: ExecutionTexts,
    ) -> Result<Vec<ExecutionRecord>, StoreError> {
        let text = OF_JOB.filled(&[("{columns}", &texts.columns())]);
        let values: [&(dyn ToSql + Sync); 2] = [&job_id, &i64::from(limit)];
        self.read_all(OF_JOB.with_sql(&text), &values, record).await
    }

    /// The executions, with all texts. Missing executions are left out.
    pub async fn executions(&self, ids: &[Uuid]) -> Result<Vec<ExecutionRecord>, StoreError> {
        let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(Vec::new());
        };
        let text = BY_IDS.filled(&[("{columns}", &ExecutionTexts::All.columns())]);
        self.read_all(BY_IDS.with_sql(&text), &[&ids, low, high], record)
            .await
    }

    /// An execution by id, with all texts.
    pub async fn execution(&self, id: Uuid) -> Result<Option<ExecutionRecord>, StoreError> {
        let text = GET.filled(&[("{columns}", &ExecutionTexts::All.columns())]);
        self.read_opt(GET.with_sql(&text), &[&id], record).await
    }
}

pub(crate) fn record(row: &Row) -> Result<ExecutionRecord, StoreError> {
    let payload = payload(row)?;
    let row = Values::of("job_execution_log", row);
    let status = row
        .get::<&str>("status")?
        .parse()
        .map_err(|error: UnknownName| row.unreadable(error))?;
    Ok(ExecutionRecord {
        id: row.get("id")?,
        job_id: row.get("job_id")?,
        kind: row.get("kind")?,
        fire_time: row.get("fire_time")?,
        due_time: row.get("due_time")?,
        status,
        reason: row.get("reason")?,
        attempt: row.get("attempt")?,
        node_id: row.get("node_id")?,
        node_name: row.get("node_name")?,
        job_name: row.get("job_name")?,
        namespace: row.get("namespace")?,
        job_version: row.get("job_version")?,
        failures: row.get("failures")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        error_message: row.get("error_message")?,
        output: row.get("output")?,
        through_fire_time: row.get("through_fire_time")?,
        occurrences: row.get("occurrences")?,
        coalesced_into: row.get("coalesced_into")?,
        repeats: row.get("repeats")?,
        unique_key: row.get("unique_key")?,
        payload,
        created_at: row.get("created_at")?,
        previous_attempts: row.get("previous_attempts")?,
    })
}
