//! Commands about one or many executions.

use super::bulk::refuse_unbound;
use super::context::{command, job_to_use};
use super::inputs::payload;
use super::json::Json;
use super::lists::{ExecutionFilterInput, JobFilterInput, size};
use super::masks::{Masks, Stored};
use super::{cost, errors};
use crate::actors::job_manager::executions::{
    CancelExecutions, CancelReport, Rerun, RerunExecution, RerunExecutions, RerunReport,
    RunWithPayload,
};
use crate::actors::job_manager::{CancelExecution, RunJobNow};
use crate::model::lists::{ExecutionFilter, JobFilter};
use crate::model::payload::Payload;
use crate::traces::ApiCall;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use std::sync::Arc;
use uuid::Uuid;

/// The result of `cancelExecutions`.
#[derive(SimpleObject)]
pub struct CancelResult {
    /// Executions of the filter that had not ended.
    matched: i32,
    /// Executions that ended, or that their nodes were asked to stop; the others ended by
    /// themselves. 0 with `dryRun`.
    cancelled: i32,
    /// Whether the filter has more than the 100,000 executions of one command: send the command
    /// again.
    more: bool,
}

/// The result of `rerunExecutions`, or its forecast with `dryRun`.
#[derive(SimpleObject)]
pub struct RerunResult {
    /// Executions of the filter that have ended.
    matched: i32,
    /// Executions that run again.
    reruns: i32,
    /// Executions with a rerun that is pending or in flight: there is no second rerun.
    under_way: i32,
    /// Executions with a rerun that has ended: that rerun can be repeated itself.
    repeated: i32,
    /// Executions of deleted jobs, which do not run.
    of_deleted_jobs: i32,
    /// Skipped rows that stand for several fire times: a backfill can run these.
    ranges: i32,
}

/// The execution that repeats an ended one.
#[derive(SimpleObject)]
pub struct RerunStart {
    /// Id of the rerun.
    id: ID,
    /// False for a rerun that was pending or in flight already.
    created: bool,
}

/// The commands about executions.
#[derive(Default)]
pub struct ExecutionMutation;

#[Object]
impl ExecutionMutation {
    /// Fires a job now, once, on any node. A payload replaces the job's payload for this execution,
    /// within the same bounds; it is refused for a target without payload. Masks (`********`) stand
    /// for the job's values.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn run_job_now(&self, ctx: &Context<'_>, id: ID, payload: Option<Json>) -> Result<bool> {
        let id = errors::uuid("id", &id)?;
        let own = match payload {
            Some(payload) => {
                // JSON null is no payload of its own.
                Some(own_payload(ctx, id, payload).await?).filter(|own| !own.is_null())
            }
            None => None,
        };
        let execution_id = match own {
            Some(own) => command(ctx, RunWithPayload(id, own)).await?,
            None => command(ctx, RunJobNow(id)).await?,
        };
        starts(ctx, execution_id);
        Ok(true)
    }

    /// Cancels an execution on any node.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn cancel_execution(&self, ctx: &Context<'_>, id: ID) -> Result<bool> {
        command(ctx, CancelExecution(errors::uuid("id", &id)?))
            .await
            .map(|()| true)
    }

    /// Cancels all executions of a filter that have not ended, at most 100,000. The filter has a
    /// condition, or `all: true` stands for all executions. With `dryRun` the command only counts.
    /// Executions that have not started are found by `ids`, `jobId`, `kind`, `from` and `to` alone.
    /// `jobs` restricts the command to the executions of these jobs.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn cancel_executions(
        &self,
        ctx: &Context<'_>,
        filter: Option<ExecutionFilterInput>,
        jobs: Option<JobFilterInput>,
        #[graphql(default)] all: bool,
        #[graphql(default)] dry_run: bool,
    ) -> Result<CancelResult> {
        let (filter, jobs) = bound(filter, jobs, all)?;
        let CancelReport {
            matched,
            cancelled,
            more,
        } = command(
            ctx,
            CancelExecutions {
                filter,
                jobs,
                dry_run,
            },
        )
        .await?;
        Ok(CancelResult {
            matched: size(matched),
            cancelled: size(cancelled),
            more,
        })
    }

    /// Runs the fire time of an ended execution again, as a new execution under the current
    /// definition of the job. There is one pending or running rerun of an execution at a time. A
    /// rerun of a paused job runs, too.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn rerun_execution(&self, ctx: &Context<'_>, id: ID) -> Result<RerunStart> {
        let Rerun { id, created } = command(ctx, RerunExecution(errors::uuid("id", &id)?)).await?;
        starts(ctx, id);
        Ok(RerunStart {
            id: id.into(),
            created,
        })
    }

    /// Runs the fire times of all ended executions of a filter again, at most 10,000: a thousand at
    /// once, and a thousand more each second. The filter has a condition, or `all: true` stands for
    /// all executions. Default of `status`: FAILED, LOST and CANCELLED. With `dryRun` the command
    /// only counts. `jobs` restricts the command to the executions of these jobs.
    // A filter without an index reads a hundred times as many rows as a search reads for a page.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + 10 * cost::SEARCH + child_complexity")]
    async fn rerun_executions(
        &self,
        ctx: &Context<'_>,
        filter: Option<ExecutionFilterInput>,
        jobs: Option<JobFilterInput>,
        #[graphql(default)] all: bool,
        #[graphql(default)] dry_run: bool,
    ) -> Result<RerunResult> {
        let (filter, jobs) = bound(filter, jobs, all)?;
        let report: RerunReport = command(
            ctx,
            RerunExecutions {
                filter,
                jobs,
                dry_run,
            },
        )
        .await?;
        Ok(RerunResult {
            matched: size(report.matched),
            reruns: size(report.reruns),
            under_way: size(report.under_way),
            repeated: size(report.repeated),
            of_deleted_jobs: size(report.of_deleted),
            ranges: size(report.ranges),
        })
    }
}

/// The payload of one execution, with the job's values in place of masks.
async fn own_payload(ctx: &Context<'_>, job: Uuid, mut given: Json) -> Result<Payload> {
    let masks = Masks::of(ctx)?;
    // Only masks need the stored payload of the job.
    if masks.are_in(Some(&given)) {
        let found = job_to_use(ctx, job).await?;
        let restored =
            masks.restore_payload(&mut given, &Stored::of(&found)?, &found.definition.target);
        restored?;
    }
    Ok(payload(given)?)
}

/// The filters of a command about many executions. Without a condition the request must ask for
/// all.
fn bound(
    filter: Option<ExecutionFilterInput>,
    jobs: Option<JobFilterInput>,
    all: bool,
) -> Result<(ExecutionFilter, Option<JobFilter>)> {
    let filter = filter.unwrap_or_default().into_filter()?;
    let jobs = jobs
        .map(|jobs| jobs.into_filter("jobs"))
        .transpose()?
        // A filter of jobs without a condition selects every job: no read is needed for that.
        .filter(JobFilter::has_condition);
    // A filter that is empty by mistake must not mean the whole log.
    refuse_unbound(filter.has_condition() || jobs.is_some(), all, "executions")?;
    Ok((filter, jobs))
}

/// Connects the trace of the request with the execution that it starts.
fn starts(ctx: &Context<'_>, execution_id: Uuid) {
    if let Some(call) = ctx.data_opt::<Arc<ApiCall>>() {
        call.starts(execution_id);
    }
}
