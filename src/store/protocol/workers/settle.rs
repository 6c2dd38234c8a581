//! Settling by a worker: the settlement of a node, made from the rows instead of from slots.
//!
//! The worker sends results until they are answered, so each may arrive twice, late, or after the
//! execution was handed over. The fence of a settlement decides. The rows are read before, to tell
//! a result that was written before from one that is refused.

use super::membership::{knows, note_progress};
use super::{Answer, HeldByWorker, Progress, Refusal, WorkerKey};
use crate::model::execution::{ExecutionStatus, Outcome, Settlement};
use crate::model::job::Job;
use crate::model::payload::Payload;
use crate::model::policies::Policies;
use crate::model::{Timestamp, UnknownName};
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::jobs::job_rows;
use crate::store::protocol::complete::{LeaseUpdates, Settled};
use crate::store::{Store, StoreError};
use std::collections::{BTreeSet, HashMap};
use tokio_postgres::Row;
use uuid::Uuid;

/// The executions of results, as far as the worker has, or had, an attempt of them as the last
/// one. `between` prunes partitions.
const READ: Statement = Statement::new(
    "-- workers.read
select id, job_id, attempt, status, reason, due_time, started_at, failures,
       previous_attempts -> -1 ->> 'outcome' as last_outcome
from job_execution_log
where id between $3 and $4 and id = any($2::uuid[]) and node_id = $1",
);

/// The end of an attempt, as a worker reports it.
#[derive(Debug, Clone)]
pub struct WorkerResult {
    /// The attempt.
    pub held: HeldByWorker,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether a failure may be followed by a retry, by the policy of the job.
    pub may_retry: bool,
    /// What the next attempt gets.
    pub checkpoint: Option<Payload>,
}

/// What happened to a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleCode {
    /// It was written.
    Settled,
    /// An earlier request has written it.
    AlreadySettled,
    /// The execution was cancelled before.
    Cancelled,
    /// It is refused: the attempt is no longer current.
    Fenced,
}

impl SettleCode {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "SETTLED",
            Self::AlreadySettled => "ALREADY_SETTLED",
            Self::Cancelled => "CANCELLED",
            Self::Fenced => "FENCED",
        }
    }
}

/// The row of an execution.
struct Execution {
    id: Uuid,
    job_id: Uuid,
    attempt: i32,
    status: ExecutionStatus,
    reason: Option<String>,
    due_time: Timestamp,
    started_at: Option<Timestamp>,
    failures: i32,
    last_outcome: Option<String>,
}

impl Store {
    /// Settles results of a worker, also of one whose life has ended: they are fenced, or were
    /// written before. The answer has a code for each, in their order. After an error the outcome
    /// is unknown: settle the same results again.
    pub async fn settle_of_worker(
        &self,
        worker: &WorkerKey,
        results: &[WorkerResult],
    ) -> Result<Answer<Vec<SettleCode>>, StoreError> {
        let Some(read) = self.read_for_settling(worker, results).await? else {
            return Ok(Err(Refusal::Unknown));
        };
        let batch: Vec<Settlement> = results
            .iter()
            .filter_map(|result| read.settlement(worker.id, result))
            .collect();
        let settled = self.settle_for_worker(worker.id, &batch).await?;
        let code = |result: &WorkerResult| {
            if !settled.settled.contains(&result.held.id) {
                return read.code_of_refused(result);
            }
            SettleCode::Settled
        };
        Ok(Ok(results.iter().map(code).collect()))
    }

    /// Reads the rows of results and their jobs, and notes checkpoints. None: the caller has no
    /// such worker.
    async fn read_for_settling(
        &self,
        worker: &WorkerKey,
        results: &[WorkerResult],
    ) -> Result<Option<Rows>, StoreError> {
        let ids: Vec<Uuid> = results.iter().map(|result| result.held.id).collect();
        let low = ids.iter().min().copied().unwrap_or_default();
        let high = ids.iter().max().copied().unwrap_or_default();
        let checkpoints: Vec<Progress> = results
            .iter()
            .filter(|result| result.checkpoint.is_some())
            .map(|result| Progress {
                held: result.held,
                progress: None,
                checkpoint: result.checkpoint.clone(),
            })
            .collect();
        self.bounded("workers.read", async {
            let session = self.session().await?;
            if !knows(&session, worker).await? {
                session.release();
                return Ok(None);
            }
            note_progress(&session, worker.id, &checkpoints).await?;
            let rows = READ
                .query(&session, &[&worker.id, &ids, &low, &high])
                .await?;
            let executions = self.unreadable.readable(&rows, execution);
            let job_ids: BTreeSet<Uuid> = executions.iter().map(|read| read.job_id).collect();
            let job_ids: Vec<Uuid> = job_ids.into_iter().collect();
            let jobs = job_rows::small_by_ids(&session, &job_ids, &self.unreadable).await?;
            session.release();
            let executions = executions.into_iter().map(|read| (read.id, read));
            Ok(Some(Rows {
                executions: executions.collect(),
                jobs,
            }))
        })
        .await
    }

    /// Settles a batch. One result that the database refuses does not keep the others.
    async fn settle_for_worker(
        &self,
        worker_id: Uuid,
        batch: &[Settlement],
    ) -> Result<Settled, StoreError> {
        let leases = LeaseUpdates {
            worker: Some(worker_id),
            ..LeaseUpdates::default()
        };
        match self.settle(batch, &leases).await {
            Err(error) if error.is_of_a_row() => {}
            answer => return answer,
        }
        let mut sum = Settled::default();
        for settlement in batch {
            let one = std::slice::from_ref(settlement);
            let settled = match self.settle(one, &leases).await {
                Err(error) if error.is_of_a_row() => {
                    let stored = settlement.not_storable(&error.in_words());
                    self.settle_alone(&stored, &leases).await?
                }
                answer => answer?,
            };
            sum.settled.extend(settled.settled);
            sum.fenced.extend(settled.fenced);
        }
        Ok(sum)
    }
}

/// What was read about results.
struct Rows {
    executions: HashMap<Uuid, Execution>,
    jobs: HashMap<Uuid, Job>,
}

impl Rows {
    /// The settlement of a result whose attempt is current.
    fn settlement(&self, worker_id: Uuid, result: &WorkerResult) -> Option<Settlement> {
        let execution = self.executions.get(&result.held.id)?;
        let is_current = execution.status == ExecutionStatus::Running
            && execution.attempt == result.held.attempt;
        if !is_current {
            return None;
        }
        let job = self.jobs.get(&execution.job_id);
        let policies = job.map_or_else(Policies::default, |job| job.definition.policies.clone());
        let retry_in = match &result.outcome {
            Outcome::Failed { retry_after, .. } if result.may_retry => policies.retry.delay(
                execution.failures.saturating_add(1),
                fastrand::f64(),
                *retry_after,
            ),
            _ => None,
        };
        Some(Settlement {
            execution_id: execution.id,
            job_id: execution.job_id,
            attempt: execution.attempt,
            node_id: worker_id,
            lease_id: Uuid::nil(),
            due_time: execution.due_time,
            started_at: execution.started_at.unwrap_or(execution.due_time),
            outcome: result.outcome.clone(),
            retry_in,
            is_serialized: policies.is_serialized(),
            // The kind of its trigger is not known any more.
            may_unblock_fixed_delay: true,
            pause_on_failure: policies.pause_on_failure,
        })
    }

    /// The code of a result that was not written now.
    fn code_of_refused(&self, result: &WorkerResult) -> SettleCode {
        let last = self.executions.get(&result.held.id);
        let Some(last) = last.filter(|last| last.attempt == result.held.attempt) else {
            return SettleCode::Fenced;
        };
        let is_written = match &result.outcome {
            Outcome::Succeeded { .. } => last.status == ExecutionStatus::Success,
            Outcome::Cancelled => false,
            Outcome::Failed { reason, .. } => {
                let has_reason = last.reason.as_deref() == Some(reason.as_str());
                // A takeover makes a row RETRYING, too, and adds another outcome.
                has_reason && last.status == ExecutionStatus::Failed
                    || last.status == ExecutionStatus::Retrying
                        && last.last_outcome.as_deref() == Some("FAILED")
            }
        };
        match last.status {
            _ if is_written => SettleCode::AlreadySettled,
            ExecutionStatus::Cancelled if result.outcome == Outcome::Cancelled => {
                SettleCode::AlreadySettled
            }
            ExecutionStatus::Cancelled => SettleCode::Cancelled,
            _ => SettleCode::Fenced,
        }
    }
}

fn execution(row: &Row) -> Result<Execution, StoreError> {
    let row = Values::of(READ.name(), row);
    let status: &str = row.get("status")?;
    Ok(Execution {
        id: row.get("id")?,
        job_id: row.get("job_id")?,
        attempt: row.get("attempt")?,
        status: status
            .parse()
            .map_err(|error: UnknownName| row.unreadable(error))?,
        reason: row.get("reason")?,
        due_time: row.get("due_time")?,
        started_at: row.get("started_at")?,
        failures: row.get("failures")?,
        last_outcome: row.get("last_outcome")?,
    })
}
