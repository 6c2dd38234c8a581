//! Executions: reading the log.

use crate::model::Timestamp;
use crate::model::UnknownName;
use crate::model::execution::ExecutionStatus;
use crate::model::payload::Payload;
use crate::store::db::listener::WAKE_UP_CHANNEL;
use crate::store::db::row::{Values, column};
use crate::store::protocol::complete::{lock_jobs, rearm_fixed_delay, release_buffered};
use crate::store::protocol::own::payload;
use crate::store::{During, Store, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

/// A job's executions, newest fire time first. Served by `job_execution_log_by_job`.
const OF_JOB: &str = "-- executions.of_job
select {columns}, n.name as node_name, j.name as job_name
from job_execution_log l left join cluster_node n on n.id = l.node_id left join job_definition j on j.id = l.job_id
where l.job_id = $1 order by l.id desc limit $2";

const GET: &str = "-- executions.get
select l.*, n.name as node_name, j.name as job_name
from job_execution_log l left join cluster_node n on n.id = l.node_id left join job_definition j on j.id = l.job_id
where l.id = $1";

/// `between` prunes partitions.
const BY_IDS: &str = "-- executions.by_ids
select {columns}, n.name as node_name, j.name as job_name
from job_execution_log l left join cluster_node n on n.id = l.node_id left join job_definition j on j.id = l.job_id
where l.id = any($1::uuid[]) and l.id between $2 and $3";

/// Which texts of executions a list reads; each may take 64 KB, a payload 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecutionTexts {
    /// None of them.
    None,
    /// Error messages.
    Errors,
    /// Outputs, error messages, previous attempts and payloads.
    All,
}

impl ExecutionTexts {
    /// The columns that `record` reads, of a row `l`.
    pub(crate) fn columns(self) -> String {
        const COLUMNS: &str = "l.id, l.job_id, l.kind, l.fire_time, l.due_time, l.status, l.reason, l.attempt, l.failures, \
            l.job_version, l.node_id, l.started_at, l.finished_at, l.error_message, l.output, l.through_fire_time, \
            l.occurrences, l.coalesced_into, l.repeats, l.payload, l.previous_attempts, l.created_at";
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

/// An execution, or a range of skipped fire times, as the log has it.
#[derive(Debug, Clone)]
pub struct ExecutionRecord {
    /// The occurrence's identity.
    pub id: Uuid,
    /// The job.
    pub job_id: Uuid,
    /// What made the trigger.
    pub kind: String,
    /// The instant that the schedule names.
    pub fire_time: Timestamp,
    /// When it could start.
    pub due_time: Timestamp,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// Current or last attempt.
    pub attempt: i32,
    /// Node of the current or last attempt.
    pub node_id: Option<Uuid>,
    /// Its name.
    pub node_name: Option<String>,
    /// The job's name.
    pub job_name: Option<String>,
    /// Version of the definition that it was taken under.
    pub job_version: Option<i32>,
    /// Attempts that ended by themselves without success.
    pub failures: i32,
    /// Start of the current or last attempt.
    pub started_at: Option<Timestamp>,
    /// When it was settled.
    pub finished_at: Option<Timestamp>,
    /// What went wrong.
    pub error_message: Option<String>,
    /// What the handler reported.
    pub output: Option<String>,
    /// Last fire time of a skipped range.
    pub through_fire_time: Option<Timestamp>,
    /// Fire times in a skipped range.
    pub occurrences: Option<i32>,
    /// The execution that a skipped range was folded into.
    pub coalesced_into: Option<Uuid>,
    /// The execution whose fire time it runs again.
    pub repeats: Option<Uuid>,
    /// The payload of its own.
    pub payload: Option<Payload>,
    /// When the fire time was taken.
    pub created_at: Timestamp,
    /// Earlier attempts, as JSON.
    pub previous_attempts: Option<serde_json::Value>,
}

/// Running attempts that somebody asked to cancel, of those that a node holds.
/// `between` prunes partitions.
const CANCELLATIONS: &str = "-- executions.cancellations
select id, attempt from job_execution_log
where id = any($1::uuid[]) and id between $2 and $3 and status = 'RUNNING' and cancel_requested_at is not null";

const JOB_OF: &str = "-- executions.job_of
select job_id from job_execution_log where id = $1 union select job_id from job_trigger where id = $1 and kind <> 'SCHEDULE'";

/// The triggers of next attempts, of jobs that are not paused: a pause holds an attempt back when
/// it comes due.
const NEXT_ATTEMPTS_AT: &str = "-- executions.next_attempts_at
select t.id, t.due_at from job_trigger t join job_definition j on j.id = t.job_id
where t.id = any($1::uuid[]) and t.kind in ('RETRY', 'RECOVERY') and t.due_at is not null and j.status <> 'PAUSED'";

const REQUEST_CANCEL: &str = "-- executions.request_cancel
update job_execution_log set cancel_requested_at = coalesce($1::timestamptz, clock_timestamp())
where id = $2 and status = 'RUNNING'";

/// An execution that waits for its next attempt ends at once.
const CANCEL_RETRYING: &str = "-- executions.cancel_retrying
with removed as (delete from job_trigger where id = $2 and kind in ('RETRY', 'RECOVERY') returning id)
update job_execution_log l
set status = 'CANCELLED', retrying = null, finished_at = coalesce($1::timestamptz, clock_timestamp()), error_message = 'cancelled'
from removed r where l.id = r.id and l.status = 'RETRYING'";

/// A one-off fire time that nobody has taken yet leaves its row.
const CANCEL_PENDING: &str = "-- executions.cancel_pending
with removed as (delete from job_trigger where id = $2 and kind in ('MANUAL', 'BUFFERED', 'OWED', 'RERUN') returning *),
clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, error_message, finished_at, created_at, repeats, payload)
select r.id, r.job_id, case r.kind when 'OWED' then 'SCHEDULE' else r.kind end, r.fire_time, coalesce(r.due_at, r.fire_time), 'CANCELLED', 0, 'cancelled',
       clock.now, clock.now, r.repeats, r.payload
from removed r, clock on conflict (id) do nothing";

/// What became of a wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Its node was asked to stop it, or it was pending and is gone.
    Requested,
    /// It had ended before.
    AlreadyEnded,
    /// There is no such execution.
    NotFound,
}

impl Store {
    /// Cancels an execution wherever it is: running (its node stops it), waiting
    /// for its next attempt, or pending.
    pub async fn cancel_execution(&self, id: Uuid) -> Result<CancelOutcome, StoreError> {
        self.bounded("executions.cancel", async {
            let transaction = self.begin("executions.begin").await?;
            let stub = self.clock().stub();
            let jobs = transaction
                .query(JOB_OF, &[&id])
                .await
                .during("executions.job_of")?;
            let jobs: Vec<Uuid> = column("executions.job_of", &jobs, 0)?;
            lock_jobs(&transaction, &jobs).await?;
            let mut requested = transaction
                .execute(REQUEST_CANCEL, &[&stub, &id])
                .await
                .during("executions.cancel")?;
            requested += transaction
                .execute(CANCEL_RETRYING, &[&stub, &id])
                .await
                .during("executions.cancel")?;
            requested += transaction
                .execute(CANCEL_PENDING, &[&stub, &id])
                .await
                .during("executions.cancel")?;
            rearm_fixed_delay(&transaction, &[id]).await?;
            release_buffered(&transaction, stub, &jobs).await?;
            let known = transaction
                .query_opt(GET, &[&id])
                .await
                .during("executions.get")?;
            let notify = "select pg_notify($1, '')";
            transaction
                .execute(notify, &[&WAKE_UP_CHANNEL])
                .await
                .during("executions.notify")?;
            transaction.commit().await.during("executions.commit")?;
            Ok(match (requested, known) {
                (1.., _) => CancelOutcome::Requested,
                (_, Some(_)) => CancelOutcome::AlreadyEnded,
                (_, None) => CancelOutcome::NotFound,
            })
        })
        .await
    }

    /// Which of the held executions are to be cancelled, with their attempts.
    pub async fn cancellations(&self, held: &[Uuid]) -> Result<Vec<(Uuid, i32)>, StoreError> {
        let (Some(low), Some(high)) = (held.iter().min(), held.iter().max()) else {
            return Ok(Vec::new());
        };
        self.bounded("executions.cancellations", async {
            let session = self.session().await?;
            let statement = session
                .prepare_cached(CANCELLATIONS)
                .await
                .during("executions.prepare")?;
            let rows = session
                .query(&statement, &[&held, low, high])
                .await
                .during("executions.cancellations")?;
            session.release();
            let read = |row: &Row| {
                let row = Values::of("executions.cancellations", row);
                Ok((row.get(0)?, row.get(1)?))
            };
            rows.iter().map(read).collect()
        })
        .await
    }

    /// When each of these executions is tried again, of those that are.
    pub async fn next_attempts_at(
        &self,
        executions: &[Uuid],
    ) -> Result<Vec<(Uuid, Timestamp)>, StoreError> {
        self.bounded("executions.next_attempts_at", async {
            let session = self.session().await?;
            let statement = session
                .prepare_cached(NEXT_ATTEMPTS_AT)
                .await
                .during("executions.prepare")?;
            let rows = session
                .query(&statement, &[&executions])
                .await
                .during("executions.next_attempts_at")?;
            session.release();
            let read = |row: &Row| {
                let row = Values::of("job_trigger", row);
                Ok((row.get("id")?, row.bound("due_at")?))
            };
            rows.iter().map(read).collect()
        })
        .await
    }

    /// The newest executions of a job, at most `limit`.
    pub async fn executions_of(
        &self,
        job_id: Uuid,
        limit: u32,
        texts: ExecutionTexts,
    ) -> Result<Vec<ExecutionRecord>, StoreError> {
        self.bounded("executions.of_job", async {
            let session = self.session().await?;
            let statement = OF_JOB.replace("{columns}", &texts.columns());
            let rows = self
                .rows(
                    &session,
                    "executions.of_job",
                    &statement,
                    &[&job_id, &i64::from(limit)],
                )
                .await?;
            session.release();
            Ok(self.unreadable.readable(&rows, record))
        })
        .await
    }

    /// These executions, with all their texts. Those that are not there are left out.
    pub async fn executions(&self, ids: &[Uuid]) -> Result<Vec<ExecutionRecord>, StoreError> {
        let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(Vec::new());
        };
        self.bounded("executions.by_ids", async {
            let session = self.session().await?;
            let statement = BY_IDS.replace("{columns}", &ExecutionTexts::All.columns());
            let rows = self
                .rows(
                    &session,
                    "executions.by_ids",
                    &statement,
                    &[&ids, low, high],
                )
                .await?;
            session.release();
            Ok(self.unreadable.readable(&rows, record))
        })
        .await
    }

    /// One execution.
    pub async fn execution(&self, id: Uuid) -> Result<Option<ExecutionRecord>, StoreError> {
        self.bounded("executions.get", async {
            let session = self.session().await?;
            let row = session
                .query_opt(GET, &[&id])
                .await
                .during("executions.get")?;
            session.release();
            row.as_ref()
                .map(record)
                .transpose()
                .inspect_err(|error| self.unreadable.note(error))
        })
        .await
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
        payload,
        created_at: row.get("created_at")?,
        previous_attempts: row.get("previous_attempts")?,
    })
}
