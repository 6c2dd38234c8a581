//! Commands about executions in the API.

use super::inputs::payload;
use super::json::Json;
use super::lists::{ExecutionFilterInput, JobFilterInput, refuse_unbound, size};
use super::masks::{Masks, Stored};
use super::mutations::{command, starts};
use super::queries::store;
use super::{cost, errors};
use crate::actors::job_manager::executions::{
    CancelExecutions, CancelReport, Rerun, RerunExecution, RerunExecutions, RerunReport,
    RunWithPayload,
};
use crate::actors::job_manager::{CancelExecution, RunJobNow};
use crate::model::lists::{ExecutionFilter, JobFilter};
use crate::model::payload::Payload;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use uuid::Uuid;

/// What became of `cancelExecutions`.
#[derive(SimpleObject)]
pub struct CancelResult {
    /// Executions of the filter that had not ended.
    matched: i32,
    /// Those that ended, or whose nodes were asked to stop them; the others ended by themselves. 0
    /// with `dryRun`.
    cancelled: i32,
    /// Whether there are more than the 100,000 that one command takes: the same command goes on.
    more: bool,
}

/// What became of `rerunExecutions`, or would with `dryRun`.
#[derive(SimpleObject)]
pub struct RerunResult {
    /// Executions of the filter that have ended.
    matched: i32,
    /// Those that run again.
    reruns: i32,
    /// Those whose rerun was pending or in flight already: they get no second one.
    under_way: i32,
    /// Those whose rerun has ended: it stands for them, and runs again itself if the filter holds
    /// it.
    repeated: i32,
    /// Those of deleted jobs: they do not run.
    of_deleted_jobs: i32,
    /// Skipped rows that stand for several fire times: a backfill runs these.
    ranges: i32,
}

/// The execution that runs an ended one again.
#[derive(SimpleObject)]
pub struct RerunStart {
    /// Its identity.
    id: ID,
    /// False when it was pending or in flight already.
    created: bool,
}

/// The commands about executions.
#[derive(Default)]
pub struct ExecutionMutation;

#[Object]
impl ExecutionMutation {
    /// Fires a job now, once, somewhere in the cluster. With a payload its attempts have that one
    /// instead of the job's, within the same bounds; it is refused where the target gets no
    /// payload. Masks (`********`) stand for what the job has.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn run_job_now(&self, ctx: &Context<'_>, id: ID, payload: Option<Json>) -> Result<bool> {
        let id = errors::uuid("id", &id)?;
        let own = match payload {
            Some(payload) => {
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

    /// Cancels an execution wherever in the cluster it is.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn cancel_execution(&self, ctx: &Context<'_>, id: ID) -> Result<bool> {
        command(ctx, CancelExecution(errors::uuid("id", &id)?))
            .await
            .map(|()| true)
    }

    /// Cancels all executions of a filter that have not ended, at most 100,000, or with `all: true`
    /// all; with `dryRun` it only says how many there are. What has not begun is found by `ids`,
    /// `jobId`, `kind`, `from` and `to` alone. `jobs` leaves out the executions of other jobs.
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

    /// Runs the fire time of an ended execution again, as an execution of its own under the job as
    /// it is now. While that one is pending or in flight there is no second one. A paused job runs
    /// it too.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn rerun_execution(&self, ctx: &Context<'_>, id: ID) -> Result<RerunStart> {
        let Rerun { id, created } = command(ctx, RerunExecution(errors::uuid("id", &id)?)).await?;
        starts(ctx, id);
        Ok(RerunStart {
            id: id.into(),
            created,
        })
    }

    /// Runs the fire times of all ended executions of a filter again, at most 10,000, or with `all:
    /// true` of all: a thousand at once, and a thousand more each second. Without `status`: of what
    /// is FAILED, LOST or CANCELLED. With `dryRun` it only says how many. `jobs` leaves out the
    /// executions of other jobs.
    // A filter that no index serves looks through a hundred times as many rows as a search does for
    // a page.
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

/// The payload of a run of its own, with what its job has in place of masks.
async fn own_payload(ctx: &Context<'_>, job: Uuid, mut given: Json) -> Result<Payload> {
    let masks = Masks::of(ctx)?;
    if masks.are_in(Some(&given)) {
        let found = store(ctx).await?.job(job).await.map_err(errors::store)?;
        let found = found.ok_or_else(|| errors::not_found("job", job))?;
        let restored =
            masks.restore_payload(&mut given, &Stored::of(&found)?, &found.definition.target);
        restored.map_err(|invalid| errors::invalid(&invalid))?;
    }
    payload(given).map_err(|invalid| errors::invalid(&invalid))
}

/// The filters of a command about many executions, which leave some out unless all are meant.
fn bound(
    filter: Option<ExecutionFilterInput>,
    jobs: Option<JobFilterInput>,
    all: bool,
) -> Result<(ExecutionFilter, Option<JobFilter>)> {
    let filter = filter.unwrap_or_default().into_filter()?;
    let jobs = jobs
        .map(|jobs| jobs.into_filter("jobs"))
        .transpose()?
        .filter(JobFilter::has_condition);
    refuse_unbound(filter.has_condition() || jobs.is_some(), all, "executions")?;
    Ok((filter, jobs))
}
