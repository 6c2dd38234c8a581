//! Mutations: send a command to the JobManager actor.

use super::inputs::CreateJobInput;
use super::masks::{Masks, Stored};
use super::queries::store;
use super::{cost, errors};
use crate::actors::job_manager::executions::CancelExecutions;
use crate::actors::job_manager::{
    CommandError, CreateJob, CreateJobs, DeleteJob, DrainNode, JobManager, MissedOnce,
    PauseCluster, PauseJob, ResumeCluster, ResumeJob, UpdateJob,
};
use crate::model::execution::ExecutionStatus;
use crate::model::job::Job;
use crate::model::job_request::JobRequest;
use crate::model::lists::ExecutionFilter;
use crate::model::text;
use crate::traces::ApiCall;
use actix::dev::ToEnvelope;
use actix::{Addr, Handler, Message};
use async_graphql::{Context, ID, Object, Result};
use std::sync::Arc;
use uuid::Uuid;

/// Most jobs of one request.
const JOBS_MAX: usize = 1_000;

/// The mutations.
#[derive(Default)]
pub struct Mutation;

#[Object(name = "JobMutation")]
impl Mutation {
    /// Creates and schedules a job. With `maskedFrom`, a copy: masks (`********`) of its payload
    /// and headers stand for what that job has.
    #[graphql(complexity = "cost::COMMAND + cost::STATEMENT + child_complexity")]
    async fn create_job(
        &self,
        ctx: &Context<'_>,
        input: CreateJobInput,
        masked_from: Option<ID>,
    ) -> Result<Job> {
        let original = masked_from
            .map(|id| errors::uuid("maskedFrom", &id))
            .transpose()?;
        command(ctx, CreateJob(request(ctx, input, original).await?)).await
    }

    /// Creates and schedules up to 1,000 jobs: all or none. A refusal names the first that is
    /// wrong, counted from 0: `inputs.37.cronExpression`.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + cost::rows(JOBS_MAX, child_complexity)")]
    async fn create_jobs(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<CreateJobInput>,
    ) -> Result<Vec<Job>> {
        if inputs.len() > JOBS_MAX {
            return Err(errors::bad_input(
                "inputs",
                "inputs: must be at most 1000 jobs",
            ));
        }
        let masks = Masks::of(ctx)?;
        let indexed = |(index, input): (usize, CreateJobInput)| {
            let request = input.into_request_with(masks, &Stored::default());
            request.map_err(|invalid| errors::invalid(&invalid.at(&CreateJobs::place(index))))
        };
        let requests = inputs
            .into_iter()
            .enumerate()
            .map(indexed)
            .collect::<Result<_>>()?;
        command(ctx, CreateJobs(requests)).await
    }

    /// Replaces the definition of a job that still has this version. What is in flight ends on the
    /// old one; a fixed rate keeps its phase unless its interval changes; a paused job stays
    /// paused. Masks (`********`) keep what they stand for, unless it would go to another host.
    #[graphql(complexity = "cost::COMMAND + cost::STATEMENT + child_complexity")]
    async fn update_job(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: CreateJobInput,
        version: i32,
    ) -> Result<Job> {
        let id = errors::uuid("id", &id)?;
        let request = request(ctx, input, Some(id)).await?;
        command(
            ctx,
            UpdateJob {
                id,
                request,
                version,
            },
        )
        .await
    }

    /// Stops a job from firing and keeps its definition. With `cancelRunning: true` what it has in
    /// flight is cancelled after that.
    #[graphql(complexity = "cost::command(cancel_running) + child_complexity")]
    async fn pause_job(
        &self,
        ctx: &Context<'_>,
        id: ID,
        reason: Option<String>,
        #[graphql(default)] cancel_running: bool,
    ) -> Result<Job> {
        let id = errors::uuid("id", &id)?;
        let job = command(ctx, PauseJob(id, validate_reason(reason)?)).await?;
        if cancel_running {
            cancel_running_of(ctx, id).await?;
        }
        Ok(job)
    }

    /// Lets a paused job fire again, from now on. A ONCE whose time passed while it was paused
    /// (`missedFireTime`) runs now with `runMissed: true`, and is recorded as SKIPPED without.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn resume_job(
        &self,
        ctx: &Context<'_>,
        id: ID,
        #[graphql(default)] run_missed: bool,
    ) -> Result<Job> {
        command(
            ctx,
            ResumeJob(errors::uuid("id", &id)?, missed_once(run_missed)),
        )
        .await
    }

    /// Deletes a job; its log stays. With `cancelRunning: true` what it has in flight is cancelled
    /// after that.
    #[graphql(complexity = "cost::command(cancel_running) + child_complexity")]
    async fn delete_job(
        &self,
        ctx: &Context<'_>,
        id: ID,
        #[graphql(default)] cancel_running: bool,
    ) -> Result<bool> {
        let id = errors::uuid("id", &id)?;
        command(ctx, DeleteJob(id)).await?;
        if cancel_running {
            cancel_running_of(ctx, id).await?;
        }
        Ok(true)
    }

    /// Lets a node finish what runs and take nothing new.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn drain_node(&self, ctx: &Context<'_>, id: ID) -> Result<bool> {
        command(ctx, DrainNode(errors::uuid("id", &id)?))
            .await
            .map(|()| true)
    }

    /// Stops the whole cluster from starting anything; what runs goes on.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn hold_cluster(&self, ctx: &Context<'_>, reason: Option<String>) -> Result<bool> {
        command(ctx, PauseCluster(validate_reason(reason)?))
            .await
            .map(|()| true)
    }

    /// Lets a cluster that is held go on: what is due by then starts.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn release_cluster(&self, ctx: &Context<'_>) -> Result<bool> {
        command(ctx, ResumeCluster).await.map(|()| true)
    }
}

/// The request of the model. Masks stand for what `original` has.
async fn request(
    ctx: &Context<'_>,
    input: CreateJobInput,
    original: Option<Uuid>,
) -> Result<JobRequest> {
    let masks = Masks::of(ctx)?;
    let stored = match original.filter(|_| input.holds_masks(masks)) {
        Some(id) => {
            let job = store(ctx).await?.job(id).await.map_err(errors::store)?;
            // An edit between this look and the command has another version, and is a conflict.
            Stored::of(&job.ok_or_else(|| errors::not_found("job", id))?)?
        }
        None => Stored::default(),
    };
    input
        .into_request_with(masks, &stored)
        .map_err(|invalid| errors::invalid(&invalid))
}

/// What a resume does with a ONCE whose time has passed.
pub(super) fn missed_once(run_missed: bool) -> MissedOnce {
    if run_missed {
        MissedOnce::Run
    } else {
        MissedOnce::Skip
    }
}

/// Why a job is paused, or the cluster held, in so many words.
pub(super) fn validate_reason(reason: Option<String>) -> Result<Option<String>> {
    text::REASON
        .check_given("reason", reason.as_deref())
        .map_err(|invalid| errors::invalid(&invalid))?;
    Ok(reason)
}

/// Cancels what a job has in flight.
async fn cancel_running_of(ctx: &Context<'_>, job_id: Uuid) -> Result<()> {
    let statuses = Some(vec![ExecutionStatus::Running, ExecutionStatus::Retrying]);
    let filter = ExecutionFilter {
        job_id: Some(job_id),
        statuses,
        ..ExecutionFilter::default()
    };
    command(
        ctx,
        CancelExecutions {
            filter,
            jobs: None,
            dry_run: false,
        },
    )
    .await
    .map(drop)
}

/// Tells the trace of the call which execution it starts.
pub(super) fn starts(ctx: &Context<'_>, execution_id: Uuid) {
    if let Some(call) = ctx.data_opt::<Arc<ApiCall>>() {
        call.starts(execution_id);
    }
}

pub(super) async fn command<M, T>(ctx: &Context<'_>, message: M) -> Result<T>
where
    M: Message<Result = Result<T, CommandError>> + Send + 'static,
    T: Send + 'static,
    JobManager: Handler<M>,
    actix::Context<JobManager>: ToEnvelope<JobManager, M>,
{
    let manager = ctx.data::<Addr<JobManager>>()?;
    manager
        .send(message)
        .await
        .map_err(errors::mailbox)?
        .map_err(errors::command)
}
