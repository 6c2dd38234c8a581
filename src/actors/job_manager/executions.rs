//! Commands about executions: bulk cancels, reruns, and runs with a payload.

use super::{Command, CommandError, found, noted};
use crate::model::InvalidInput;
use crate::model::execution::ExecutionStatus;
use crate::model::lists::{ExecutionFilter, JobFilter};
use crate::model::payload::Payload;
use crate::model::rerun::{Asked, Verdict};
use crate::store::audit::entry::Entry;
use crate::store::jobs::reruns::Found;
use crate::store::jobs::{cancellations, reruns};
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use std::time::Duration;
use uuid::Uuid;

/// Most executions cancelled by a command; the next command continues.
pub const CANCELLED_MAX: usize = 100_000;
/// Most executions that one command reruns.
pub const RERUNS_MAX: usize = 10_000;
/// Tries for executions that a node leases or settles at the moment.
const TRIES: u32 = 20;
/// The wait before each retry.
const PAUSE: Duration = Duration::from_millis(50);
/// Time between the batches of reruns: other due triggers wait for at most a single batch.
const DISTANCE: TimeDelta = TimeDelta::seconds(1);

/// Makes a job due now, once, with a payload for the execution. Returns the id.
pub struct RunWithPayload(pub Uuid, pub Payload);

/// Cancels all unfinished executions of a filter, or only counts them.
pub struct CancelExecutions {
    /// Filter of the executions.
    pub filter: ExecutionFilter,
    /// Limits the filter to the jobs.
    pub jobs: Option<JobFilter>,
    /// Whether the command only counts.
    pub dry_run: bool,
}

/// The result of a bulk cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CancelReport {
    /// Unfinished executions of the filter.
    pub matched: usize,
    /// Executions ended, or with a requested cancellation.
    pub cancelled: usize,
    /// Whether the filter has more executions than the limit of a command.
    pub more: bool,
}

/// Reruns an ended execution.
pub struct RerunExecution(pub Uuid);

/// A rerun of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rerun {
    /// The id of the new execution.
    pub id: Uuid,
    /// False when the rerun was under way already.
    pub created: bool,
}

/// Reruns all ended executions of a filter, or only counts. Default status: failed, lost and
/// cancelled.
pub struct RerunExecutions {
    /// Filter of the executions.
    pub filter: ExecutionFilter,
    /// Limits the filter to the jobs.
    pub jobs: Option<JobFilter>,
    /// Whether the command only counts.
    pub dry_run: bool,
}

/// The result of bulk reruns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RerunReport {
    /// Executions of the filter.
    pub matched: usize,
    /// Executions to run again.
    pub reruns: usize,
    /// Executions with a pending or running rerun.
    pub under_way: usize,
    /// Executions with an ended rerun.
    pub repeated: usize,
    /// Executions of deleted jobs.
    pub of_deleted: usize,
    /// Rows of several fire times.
    pub ranges: usize,
}

impl RerunReport {
    fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Run => &mut self.reruns,
            Verdict::UnderWay(_) => &mut self.under_way,
            Verdict::Repeated => &mut self.repeated,
            Verdict::OfDeleted => &mut self.of_deleted,
            Verdict::Range => &mut self.ranges,
            // The execution runs again since the first statement: no match any more.
            Verdict::NotEnded => return,
        };
        *counter += 1;
        self.matched += 1;
    }
}

/// Cancels all executions of a filter, with a transaction for each batch.
pub(super) async fn cancel(
    store: &Store,
    filter: &ExecutionFilter,
) -> Result<CancelReport, StoreError> {
    // The list is read once: executions that start later are not meant.
    let mut left = store.unfinished(filter, CANCELLED_MAX).await?;
    let recorded = store.noting("matched", left.len());
    if left.is_empty() {
        // A command without a match has no transaction of its own for the entry.
        recorded.record_alone(Entry::about("execution")).await?;
    }
    let mut batches = 0;
    let mut report = CancelReport {
        matched: left.len(),
        more: left.len() == CANCELLED_MAX,
        cancelled: 0,
    };
    // Skipped rows are locked for milliseconds, so a few tries reach nearly all.
    for _ in 0..TRIES {
        let mut busy = Vec::new();
        for batch in left.chunks(cancellations::BATCH) {
            let done = recorded.of_batch(batches).cancel_batch(batch).await?;
            batches += 1;
            report.cancelled += done.cancelled;
            busy.extend(batch.iter().filter(|(id, _)| done.busy.contains(id)));
        }
        if busy.is_empty() {
            break;
        }
        left = busy;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(report)
}

/// The executions of the jobs, running or waiting for the next attempt.
pub(super) fn running_of(jobs: Vec<Uuid>) -> ExecutionFilter {
    let statuses = Some(vec![ExecutionStatus::Running, ExecutionStatus::Retrying]);
    ExecutionFilter {
        job_ids: Some(jobs),
        statuses,
        ..ExecutionFilter::default()
    }
}

/// The store, with the filters for the entry in the audit log.
fn noting(store: &Store, filter: &ExecutionFilter, jobs: Option<&JobFilter>) -> Store {
    let store = store.noting("filter", noted::executions(filter));
    match jobs {
        Some(jobs) => store.noting("jobs", noted::jobs(jobs)),
        None => store,
    }
}

async fn of_jobs(
    store: &Store,
    filter: ExecutionFilter,
    jobs: Option<&JobFilter>,
) -> Result<ExecutionFilter, CommandError> {
    match jobs {
        Some(jobs) => Ok(ExecutionFilter {
            job_ids: Some(store.matching_jobs(jobs).await?),
            ..filter
        }),
        None => Ok(filter),
    }
}

/// Refused while a node of a version before V17 lives: such a node would use the payload of the
/// job.
async fn refuse_beside_older(store: &Store) -> Result<(), CommandError> {
    match store.node_of_before_own_runs().await? {
        Some(node) => Err(CommandError::Conflict(format!(
            "the node {node} runs an earlier version, which knows neither reruns nor payloads of a run: upgrade it first"
        ))),
        None => Ok(()),
    }
}

impl Command for RunWithPayload {
    type Output = Uuid;

    async fn carry_out(self, store: &Store) -> Result<Uuid, CommandError> {
        let RunWithPayload(id, payload) = self;
        payload.validate()?;
        let job = found(store.job(id).await?, "job", id)?;
        // A payload that no request carries would be a silent mistake of the caller.
        if !job.definition.target.sends_payload() {
            let message = "does not reach the target of the job, which gets the body that the job says, or none";
            return Err(InvalidInput::new("payload", message).into());
        }
        job.definition.validate_own_payload(&payload)?;
        refuse_beside_older(store).await?;
        found(store.run_job_now(id, Some(&payload)).await?, "job", id)
    }
}

impl Command for CancelExecutions {
    type Output = CancelReport;

    async fn carry_out(self, store: &Store) -> Result<CancelReport, CommandError> {
        let CancelExecutions {
            filter,
            jobs,
            dry_run,
        } = self;
        let recorded = noting(store, &filter, jobs.as_ref());
        let filter = of_jobs(store, filter, jobs.as_ref()).await?;
        if !dry_run {
            return Ok(cancel(&recorded, &filter).await?);
        }
        let matched = store.unfinished(&filter, CANCELLED_MAX).await?.len();
        Ok(CancelReport {
            matched,
            cancelled: 0,
            more: matched == CANCELLED_MAX,
        })
    }
}

impl Command for RerunExecution {
    type Output = Rerun;

    async fn carry_out(self, store: &Store) -> Result<Rerun, CommandError> {
        let RerunExecution(id) = self;
        refuse_beside_older(store).await?;
        let done = store.rerun(&[id], Asked::ById, TimeDelta::zero()).await?;
        match (
            found(done.verdicts.first(), "execution", id)?,
            done.reruns.first(),
        ) {
            (Verdict::Run, Some(id)) => Ok(Rerun {
                id: *id,
                created: true,
            }),
            // A second call, for example after a lost answer, gets the id of the first rerun.
            (Verdict::UnderWay(id), _) => Ok(Rerun {
                id: *id,
                created: false,
            }),
            (Verdict::NotEnded, _) => {
                conflict("the execution has not ended: cancel it, or wait for its end")
            }
            (Verdict::OfDeleted, _) => conflict("the job of the execution is deleted"),
            (Verdict::Range, _) => {
                conflict("the row stands for several fire times: run them with a backfill")
            }
            // A rerun by id is never refused because of an earlier rerun.
            (Verdict::Run | Verdict::Repeated, _) => conflict("the execution has been run again"),
        }
    }
}

fn conflict(message: &str) -> Result<Rerun, CommandError> {
    Err(CommandError::Conflict(message.to_owned()))
}

impl Command for RerunExecutions {
    type Output = RerunReport;

    async fn carry_out(self, store: &Store) -> Result<RerunReport, CommandError> {
        let RerunExecutions {
            filter,
            jobs,
            dry_run,
        } = self;
        let filter = ended(filter)?;
        let recorded = noting(store, &filter, jobs.as_ref());
        let filter = of_jobs(store, filter, jobs.as_ref()).await?;
        refuse_beside_older(store).await?;
        let ids = match store.ended(&filter, RERUNS_MAX).await? {
            Found::All(ids) => ids,
            Found::TooMany => {
                let message = format!(
                    "must hold at most {RERUNS_MAX} executions, and holds more: say `from` and `to`"
                );
                return Err(InvalidInput::new("filter", message).into());
            }
            Found::TooWide => {
                let message = "leaves more than 2000000 executions to look through: say `from` and `to`, or `jobId`";
                return Err(InvalidInput::new("filter", message).into());
            }
        };
        let recorded = recorded.noting("matched", ids.len());
        if ids.is_empty() && !dry_run {
            recorded.record_alone(Entry::about("execution")).await?;
        }
        let mut report = RerunReport::default();
        let mut due_in = TimeDelta::zero();
        for (index, batch) in ids.chunks(reruns::BATCH).enumerate() {
            let verdicts = if dry_run {
                store.judge_reruns(batch, Asked::ByFilter).await?
            } else {
                let store = recorded.of_batch(index);
                store.rerun(batch, Asked::ByFilter, due_in).await?.verdicts
            };
            for verdict in verdicts {
                report.count(verdict);
            }
            // Without the distance thousands of reruns would be due at once, ahead of the
            // schedules.
            due_in += DISTANCE;
        }
        Ok(report)
    }
}

/// The filter, limited to the statuses of ended executions.
fn ended(filter: ExecutionFilter) -> Result<ExecutionFilter, InvalidInput> {
    let mut statuses = filter.statuses.unwrap_or_else(|| {
        vec![
            ExecutionStatus::Failed,
            ExecutionStatus::Lost,
            ExecutionStatus::Cancelled,
        ]
    });
    statuses
        .retain(|status| !matches!(status, ExecutionStatus::Running | ExecutionStatus::Retrying));
    if statuses.is_empty() {
        return Err(InvalidInput::new(
            "filter.status",
            "must name a status of executions that have ended",
        ));
    }
    Ok(ExecutionFilter {
        statuses: Some(statuses),
        ..filter
    })
}
