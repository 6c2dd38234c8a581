//! Commands about executions: cancelling all of a filter, running again, running with another
//! payload.

use super::{CommandError, JobManager, found};
use crate::model::InvalidInput;
use crate::model::execution::ExecutionStatus;
use crate::model::lists::{ExecutionFilter, JobFilter};
use crate::model::payload::Payload;
use crate::model::rerun::{Asked, Verdict};
use crate::store::jobs::reruns::Found;
use crate::store::jobs::{cancellations, reruns};
use crate::store::{Store, StoreError};
use actix::prelude::*;
use chrono::TimeDelta;
use std::time::Duration;
use uuid::Uuid;

/// Most executions that one command cancels; the next one goes on.
pub const CANCELLED_MAX: usize = 100_000;
/// Most executions that one command lets run again.
pub const RERUNS_MAX: usize = 10_000;
/// How often what a node leases or settles at the moment is tried again …
const TRIES: u32 = 20;
/// … and the wait before each.
const PAUSE: Duration = Duration::from_millis(50);
/// Time between the batches of reruns: what is due with them is not held up by more than one.
const DISTANCE: TimeDelta = TimeDelta::seconds(1);

/// Makes a job due now, once, with a payload of its own; the id of the execution.
#[derive(Message)]
#[rtype(result = "Result<Uuid, CommandError>")]
pub struct RunWithPayload(pub Uuid, pub Payload);

/// Cancels all executions of a filter that have not ended, or only says how many there are.
#[derive(Message)]
#[rtype(result = "Result<CancelReport, CommandError>")]
pub struct CancelExecutions {
    /// Which executions.
    pub filter: ExecutionFilter,
    /// Only those of these jobs.
    pub jobs: Option<JobFilter>,
    /// Whether nothing is done.
    pub dry_run: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CancelReport {
    /// Executions of the filter that had not ended.
    pub matched: usize,
    /// Those that ended, or whose nodes were asked to stop them.
    pub cancelled: usize,
    /// Whether there are more than one command takes.
    pub more: bool,
}

/// Lets an ended execution run again.
#[derive(Message)]
#[rtype(result = "Result<Rerun, CommandError>")]
pub struct RerunExecution(pub Uuid);

/// The execution that runs an ended one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rerun {
    /// Its identity.
    pub id: Uuid,
    /// False when it was under way already.
    pub created: bool,
}

/// Lets all ended executions of a filter run again, or only says what would become of them. Without
/// a status those that failed, were lost or cancelled.
#[derive(Message)]
#[rtype(result = "Result<RerunReport, CommandError>")]
pub struct RerunExecutions {
    /// Which executions.
    pub filter: ExecutionFilter,
    /// Only those of these jobs.
    pub jobs: Option<JobFilter>,
    /// Whether nothing is done.
    pub dry_run: bool,
}

/// What became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RerunReport {
    /// Executions of the filter.
    pub matched: usize,
    /// Those that run again, or would.
    pub reruns: usize,
    /// Those whose rerun was pending or in flight already.
    pub under_way: usize,
    /// Those whose rerun has ended, and stands for them.
    pub repeated: usize,
    /// Those of deleted jobs.
    pub of_deleted: usize,
    /// Rows that stand for several fire times.
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
            // It began to run again between two statements: it is no match any more.
            Verdict::NotEnded => return,
        };
        *counter += 1;
        self.matched += 1;
    }
}

/// Cancels all of a filter, a batch in a transaction.
pub(super) async fn cancel(
    store: &Store,
    filter: &ExecutionFilter,
) -> Result<CancelReport, StoreError> {
    let mut left = store.unfinished(filter, CANCELLED_MAX).await?;
    let mut report = CancelReport {
        matched: left.len(),
        more: left.len() == CANCELLED_MAX,
        cancelled: 0,
    };
    for _ in 0..TRIES {
        let mut busy = Vec::new();
        for batch in left.chunks(cancellations::BATCH) {
            let done = store.cancel_batch(batch).await?;
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

/// What runs of these jobs, or waits for its next attempt.
pub(super) fn running_of(jobs: Vec<Uuid>) -> ExecutionFilter {
    let statuses = Some(vec![ExecutionStatus::Running, ExecutionStatus::Retrying]);
    ExecutionFilter {
        job_ids: Some(jobs),
        statuses,
        ..ExecutionFilter::default()
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

/// A node of before V17 would run it with the payload of the job.
async fn refuse_beside_older(store: &Store) -> Result<(), CommandError> {
    match store.node_of_before_own_runs().await? {
        Some(node) => Err(CommandError::Conflict(format!(
            "the node {node} runs an earlier version, which knows neither reruns nor payloads of a run: upgrade it first"
        ))),
        None => Ok(()),
    }
}

impl Handler<RunWithPayload> for JobManager {
    type Result = ResponseFuture<Result<Uuid, CommandError>>;

    fn handle(
        &mut self,
        RunWithPayload(id, payload): RunWithPayload,
        _: &mut Self::Context,
    ) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            payload.validate()?;
            let job = found(store.job(id).await?, "job", id)?;
            if !job.definition.target.sends_payload() {
                let message = "does not reach the target of the job, which gets the body that the job says, or none";
                return Err(InvalidInput::new("payload", message).into());
            }
            refuse_beside_older(&store).await?;
            found(store.run_job_now(id, Some(&payload)).await?, "job", id)
        })
    }
}

impl Handler<CancelExecutions> for JobManager {
    type Result = ResponseFuture<Result<CancelReport, CommandError>>;

    fn handle(&mut self, message: CancelExecutions, _: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            let CancelExecutions {
                filter,
                jobs,
                dry_run,
            } = message;
            let filter = of_jobs(&store, filter, jobs.as_ref()).await?;
            if !dry_run {
                return Ok(cancel(&store, &filter).await?);
            }
            let matched = store.unfinished(&filter, CANCELLED_MAX).await?.len();
            Ok(CancelReport {
                matched,
                cancelled: 0,
                more: matched == CANCELLED_MAX,
            })
        })
    }
}

impl Handler<RerunExecution> for JobManager {
    type Result = ResponseFuture<Result<Rerun, CommandError>>;

    fn handle(
        &mut self,
        RerunExecution(id): RerunExecution,
        _: &mut Self::Context,
    ) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            refuse_beside_older(&store).await?;
            let done = store.rerun(&[id], Asked::ById, TimeDelta::zero()).await?;
            let conflict = |message: &str| Err(CommandError::Conflict(message.to_owned()));
            match (
                found(done.verdicts.first(), "execution", id)?,
                done.reruns.first(),
            ) {
                (Verdict::Run, Some(id)) => Ok(Rerun {
                    id: *id,
                    created: true,
                }),
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
                // One that is named is never left out for its reruns.
                (Verdict::Run | Verdict::Repeated, _) => {
                    conflict("the execution has been run again")
                }
            }
        })
    }
}

impl Handler<RerunExecutions> for JobManager {
    type Result = ResponseFuture<Result<RerunReport, CommandError>>;

    fn handle(&mut self, message: RerunExecutions, _: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            let RerunExecutions {
                filter,
                jobs,
                dry_run,
            } = message;
            let filter = of_jobs(&store, ended(filter)?, jobs.as_ref()).await?;
            refuse_beside_older(&store).await?;
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
            let (mut report, mut due_in) = (RerunReport::default(), TimeDelta::zero());
            for batch in ids.chunks(reruns::BATCH) {
                let verdicts = if dry_run {
                    store.judge_reruns(batch, Asked::ByFilter).await?
                } else {
                    store.rerun(batch, Asked::ByFilter, due_in).await?.verdicts
                };
                for verdict in verdicts {
                    report.count(verdict);
                }
                due_in += DISTANCE;
            }
            Ok(report)
        })
    }
}

/// The filter with the statuses of what has ended and may be repeated.
fn ended(filter: ExecutionFilter) -> Result<ExecutionFilter, InvalidInput> {
    let default = || {
        vec![
            ExecutionStatus::Failed,
            ExecutionStatus::Lost,
            ExecutionStatus::Cancelled,
        ]
    };
    let mut statuses = filter.statuses.unwrap_or_else(default);
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
