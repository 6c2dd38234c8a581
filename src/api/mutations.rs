//! Commands about one job, one node or the cluster.

use super::context::{self, command, job_to_use};
use super::inputs::CreateJobInput;
use super::masks::{Masks, Stored};
use super::{cost, errors};
use crate::actors::job_manager::{
    CreateJob, CreateJobs, DeleteJob, DrainNode, MissedOnce, PauseCluster, PauseJob, ResumeCluster,
    ResumeJob, ThenCancel, UpdateJob,
};
use crate::model::job::Job;
use crate::model::job_request::JobRequest;
use crate::model::text;
use async_graphql::{Context, ID, Object, Result};
use uuid::Uuid;

/// Most jobs of one request.
const JOBS_MAX: usize = 1_000;

/// The mutations of single jobs, nodes and the cluster.
#[derive(Default)]
pub struct Mutation;

#[Object(name = "JobMutation")]
impl Mutation {
    /// Creates and schedules a job. With `maskedFrom` the job is a copy: masks (`********`) in its
    /// payload and headers stand for the values of that job.
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

    /// Creates and schedules up to 1,000 jobs: all or none. An error names the first bad job,
    /// counted from 0: `inputs.37.cronExpression`.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + cost::rows(JOBS_MAX, child_complexity)")]
    async fn create_jobs(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<CreateJobInput>,
    ) -> Result<Vec<Job>> {
        // The cost of the field is calculated for this bound.
        if inputs.len() > JOBS_MAX {
            return Err(errors::bad_input(
                "inputs",
                "inputs: must be at most 1000 jobs",
            ));
        }
        let masks = Masks::of(ctx)?;
        let mut requests = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.into_iter().enumerate() {
            // New jobs have no stored values: a mask is refused.
            let request = input.into_request_with(masks, &Stored::default());
            requests.push(request.map_err(|invalid| invalid.at(&CreateJobs::place(index)))?);
        }
        command(ctx, CreateJobs(requests)).await
    }

    /// Replaces the definition of a job that still has this version. Executions in flight end under
    /// the old definition; a fixed rate keeps its phase unless its interval changes; a paused job
    /// stays paused. Masks (`********`) keep the stored values, unless the values would be sent to
    /// another host.
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

    /// Pauses a job: it does not fire, and keeps its definition. With `cancelRunning: true` its
    /// executions in flight are cancelled afterwards.
    #[graphql(complexity = "cost::command(cancel_running) + child_complexity")]
    async fn pause_job(
        &self,
        ctx: &Context<'_>,
        id: ID,
        reason: Option<String>,
        #[graphql(default)] cancel_running: bool,
    ) -> Result<Job> {
        let id = errors::uuid("id", &id)?;
        let pause = PauseJob(id, validate_reason(reason)?);
        if cancel_running {
            let command = pause;
            // The pause comes first. After a cancellation alone, the job would start its next
            // execution.
            return context::command(ctx, ThenCancel { command, job: id }).await;
        }
        command(ctx, pause).await
    }

    /// Resumes a paused job: it fires again from now on. A ONCE whose time passed during the pause
    /// (`missedFireTime`) runs now with `runMissed: true`; otherwise it is recorded as SKIPPED.
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

    /// Deletes a job; its log stays. With `cancelRunning: true` its executions in flight are
    /// cancelled afterwards.
    #[graphql(complexity = "cost::command(cancel_running) + child_complexity")]
    async fn delete_job(
        &self,
        ctx: &Context<'_>,
        id: ID,
        #[graphql(default)] cancel_running: bool,
    ) -> Result<bool> {
        let id = errors::uuid("id", &id)?;
        if cancel_running {
            let command = DeleteJob(id);
            context::command(ctx, ThenCancel { command, job: id }).await?;
        } else {
            command(ctx, DeleteJob(id)).await?;
        }
        Ok(true)
    }

    /// Drains a node: its executions in flight finish, and nothing new starts there.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn drain_node(&self, ctx: &Context<'_>, id: ID) -> Result<bool> {
        command(ctx, DrainNode(errors::uuid("id", &id)?))
            .await
            .map(|()| true)
    }

    /// Pauses the whole cluster: nothing starts; executions in flight continue.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn pause_cluster(&self, ctx: &Context<'_>, reason: Option<String>) -> Result<bool> {
        command(ctx, PauseCluster(validate_reason(reason)?))
            .await
            .map(|()| true)
    }

    /// Resumes a paused cluster: everything that is due by then starts.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn resume_cluster(&self, ctx: &Context<'_>) -> Result<bool> {
        command(ctx, ResumeCluster).await.map(|()| true)
    }
}

/// The request of the model. Masks stand for values of the job `original`.
async fn request(
    ctx: &Context<'_>,
    input: CreateJobInput,
    original: Option<Uuid>,
) -> Result<JobRequest> {
    let masks = Masks::of(ctx)?;
    // Most inputs have no mask, and need no read of the job.
    let stored = match original.filter(|_| input.holds_masks(masks)) {
        Some(id) => {
            // An edit between this read and the command gives the job another version: a conflict.
            Stored::of(&job_to_use(ctx, id).await?)?
        }
        None => Stored::default(),
    };
    Ok(input.into_request_with(masks, &stored)?)
}

/// The fate of a ONCE that passed during a pause.
pub(super) fn missed_once(run_missed: bool) -> MissedOnce {
    if run_missed {
        MissedOnce::Run
    } else {
        MissedOnce::Skip
    }
}

/// The reason of a pause, within its bounds.
pub(super) fn validate_reason(reason: Option<String>) -> Result<Option<String>> {
    text::REASON.check_given("reason", reason.as_deref())?;
    Ok(reason)
}
