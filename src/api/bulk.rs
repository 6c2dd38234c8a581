//! Commands about all jobs of a filter.

use super::context::command;
use super::lists::{JobFilterInput, size};
use super::mutations::{missed_once, validate_reason};
use super::{cost, errors};
use crate::actors::job_manager::bulk::{Bulk, BulkAction};
use async_graphql::{Context, Object, Result, SimpleObject};

/// The result of a command about many jobs.
#[derive(SimpleObject)]
pub struct BulkResult {
    /// Number of jobs of the filter.
    matched: i32,
    /// Number of jobs that were changed; the others were in the wanted state already.
    changed: i32,
}

/// Commands about all jobs of a filter.
#[derive(Default)]
pub struct BulkMutation;

#[Object]
impl BulkMutation {
    /// Pauses all active jobs of a filter. The filter has a condition, or `all: true` stands for
    /// all jobs. With `cancelRunning: true` the executions in flight of these jobs are cancelled
    /// afterwards.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn pause_jobs(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilterInput>,
        reason: Option<String>,
        #[graphql(default)] all: bool,
        #[graphql(default)] cancel_running: bool,
    ) -> Result<BulkResult> {
        let action = BulkAction::Pause(validate_reason(reason)?);
        bulk(ctx, filter, all, action, cancel_running).await
    }

    /// Resumes all paused jobs of a filter. The filter has a condition, or `all: true` stands for
    /// all jobs. `runMissed` as in `resumeJob`.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn resume_jobs(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilterInput>,
        #[graphql(default)] all: bool,
        #[graphql(default)] run_missed: bool,
    ) -> Result<BulkResult> {
        let action = BulkAction::Resume(missed_once(run_missed));
        bulk(ctx, filter, all, action, false).await
    }

    /// Deletes all jobs of a filter; their logs stay. The filter has a condition, or `all: true`
    /// stands for all jobs. With `cancelRunning: true` the executions in flight of these jobs are
    /// cancelled afterwards.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn delete_jobs(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilterInput>,
        #[graphql(default)] all: bool,
        #[graphql(default)] cancel_running: bool,
    ) -> Result<BulkResult> {
        bulk(ctx, filter, all, BulkAction::Delete, cancel_running).await
    }

    /// Fires all jobs of a filter now, once each; refused for more than 1,000 jobs. The filter has
    /// a condition, or `all: true` stands for all jobs.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn run_jobs_now(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilterInput>,
        #[graphql(default)] all: bool,
    ) -> Result<BulkResult> {
        bulk(ctx, filter, all, BulkAction::RunNow, false).await
    }
}

async fn bulk(
    ctx: &Context<'_>,
    filter: Option<JobFilterInput>,
    all: bool,
    action: BulkAction,
    cancels: bool,
) -> Result<BulkResult> {
    let filter = filter.unwrap_or_default().into_filter("filter")?;
    // A filter that is empty by mistake must not mean every job.
    refuse_unbound(filter.has_condition(), all, "jobs")?;
    let bulk = Bulk {
        filter,
        action,
        cancels,
    };
    let report = command(ctx, bulk).await?;
    Ok(BulkResult {
        matched: size(report.matched),
        changed: size(report.changed),
    })
}

/// Refuses a bulk command whose filter has no condition, unless the request asks for all.
pub fn refuse_unbound(has_condition: bool, all: bool, what: &str) -> Result<()> {
    match (has_condition, all) {
        (true, true) => Err(errors::bad_input(
            "all",
            "all: does not go with a filter: leave one out",
        )),
        (false, false) => {
            let message = format!(
                "filter: has no condition, so that it means all {what}: say which, or say \
                 `all: true`"
            );
            Err(errors::bad_input("filter", message))
        }
        (true, false) | (false, true) => Ok(()),
    }
}
