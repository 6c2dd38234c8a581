//! Enqueued runs: the commands, and the list of what is pending.

use super::context::{asks_for, command, store};
use super::date_time::DateTime;
use super::inputs::payload;
use super::json::Json;
use super::lists::{PageInfo, after_id, page_size};
use super::masks::Masks;
use super::{allowance, cost, errors};
use crate::actors::job_manager::enqueue::{EnqueueRun, EnqueueRuns};
use crate::model::InvalidInput;
use crate::model::enqueue::{EnqueueRequest, JobReference, RUNS_MAX};
use crate::model::payload::Payload;
use crate::model::trigger::TriggerKind;
use crate::store::jobs::enqueue::EnqueuedRun;
use crate::store::queries::pending_runs::PendingRun;
use crate::traces::ApiCall;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use std::borrow::Cow;
use std::sync::Arc;

/// A run to be enqueued.
#[derive(InputObject)]
pub struct EnqueueInput {
    /// Id of the job. Either this or `jobName`.
    job_id: Option<ID>,
    /// Name of the job, in its exact case; the only job of the namespace with this name.
    job_name: Option<String>,
    /// Namespace of `jobName`. Default: `default`.
    namespace: Option<String>,
    /// JSON for the target, within the bounds of the payload of a job. Default: the payload that
    /// the job has when the run starts.
    payload: Option<Json>,
    /// When the run is due, within ten years. An instant in the past is now. Default: now.
    due_at: Option<DateTime>,
    /// Seconds until the run is due; not together with `dueAt`.
    delay_seconds: Option<i32>,
    /// One line of at most 200 characters. While an execution of the job with this key is pending
    /// or in flight, no other one is created.
    unique_key: Option<String>,
    /// Order among equal due times, from 0 to 9; 9 comes first. Default: that of the job.
    priority: Option<i32>,
}

/// The execution of an enqueued run.
#[Object]
impl EnqueuedRun {
    /// Id of the execution.
    async fn execution_id(&self) -> ID {
        self.execution_id.into()
    }
    /// False when an execution with the unique key was pending or in flight: `executionId` is its
    /// id.
    async fn created(&self) -> bool {
        self.is_created
    }
}

/// A page of pending runs.
#[derive(SimpleObject)]
pub struct PendingRunPage {
    /// The runs, the earliest fire time first.
    nodes: Vec<PendingRun>,
    /// The place of the page in its list.
    page_info: PageInfo,
}

/// An execution that has not started.
#[Object]
impl PendingRun {
    /// Id of the execution, for `cancelExecution`.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// Id of the job.
    async fn job_id(&self) -> ID {
        self.job_id.into()
    }
    /// What made it: ENQUEUED, MANUAL, RERUN, BUFFERED, or SCHEDULE for a fire time that an edit of
    /// the job found not taken.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn kind(&self) -> Result<TriggerKind> {
        errors::named(&self.kind)
    }
    /// The nominal instant: of an enqueued run the one that it was enqueued for.
    async fn fire_time(&self) -> DateTime {
        DateTime(self.fire_time)
    }
    /// When it may start; none while it waits for the end of another execution, or for the resume
    /// of its job.
    async fn due_at(&self) -> Option<DateTime> {
        self.due_at.map(DateTime)
    }
    /// Whether it waits for the resume of its job.
    async fn awaits_resume(&self) -> bool {
        self.is_paused
    }
    /// Order among equal due times; 9 comes first.
    async fn priority(&self) -> i32 {
        self.priority.into()
    }
    /// Unique key of its request.
    async fn unique_key(&self) -> Option<&str> {
        self.unique_key.as_deref()
    }
    /// Id of the execution whose fire time runs again.
    async fn repeats(&self) -> Option<ID> {
        self.repeats.map(Into::into)
    }
    /// Payload of this execution, as JSON text with masks as in `Job.payload`; none when it gets
    /// the payload of the job.
    async fn payload(&self, ctx: &Context<'_>) -> Result<Option<Cow<'_, str>>> {
        match &self.payload {
            Some(payload) => Masks::shown(ctx, payload).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The query of pending runs.
#[derive(Default)]
pub struct PendingRunQuery;

#[Object]
impl PendingRunQuery {
    /// Executions of a job that have not started, the earliest fire time first, a page at a time:
    /// at most 200. `cancelExecution` and `cancelExecutions` cancel them. An unknown job has none.
    #[graphql(complexity = "cost::page(first, false, child_complexity)")]
    async fn pending_runs(
        &self,
        ctx: &Context<'_>,
        job_id: ID,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
    ) -> Result<PendingRunPage> {
        let job_id = errors::uuid("jobId", &job_id)?;
        let limit = page_size(first)?;
        let after = after_id(after)?;
        let with_payloads = asks_for(ctx, &["nodes"], &["payload"]);
        if with_payloads {
            allowance::of(ctx)?.take_place().await?;
        }
        let store = store(ctx).await?;
        let mut nodes = store
            .pending_runs(job_id, after, limit + 1, with_payloads)
            .await?;
        let has_next_page = nodes.len() > limit;
        nodes.truncate(limit);
        let cursor = |run: Option<&PendingRun>| run.map(|run| run.id.to_string());
        let page_info = PageInfo {
            has_next_page,
            has_previous_page: after.is_some(),
            start_cursor: cursor(nodes.first()),
            end_cursor: cursor(nodes.last()),
        };
        Ok(PendingRunPage { nodes, page_info })
    }
}

/// The commands that enqueue runs.
#[derive(Default)]
pub struct EnqueueMutation;

#[Object]
impl EnqueueMutation {
    /// Enqueues one run of a job: at a time, with a payload and a unique key of its own. A paused
    /// job accepts it, and it starts after the resume.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn enqueue(&self, ctx: &Context<'_>, input: EnqueueInput) -> Result<EnqueuedRun> {
        let enqueued = command(ctx, EnqueueRun(input.into_request(ctx)?)).await?;
        if let Some(call) = ctx.data_opt::<Arc<ApiCall>>() {
            call.starts(enqueued.execution_id);
        }
        Ok(enqueued)
    }

    /// Enqueues up to 1,000 runs: all or none. The answer has the order of the inputs. An error
    /// names the first bad run, counted from 0: `inputs.37.payload`.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn enqueue_many(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<EnqueueInput>,
    ) -> Result<Vec<EnqueuedRun>> {
        if inputs.len() > RUNS_MAX {
            return Err(errors::bad_input(
                "inputs",
                format!("inputs: must be at most {RUNS_MAX} runs"),
            ));
        }
        let mut requests = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.into_iter().enumerate() {
            let request = input.into_request(ctx);
            requests.push(request.map_err(|invalid| invalid.at(&EnqueueRuns::place(index)))?);
        }
        command(ctx, EnqueueRuns(requests)).await
    }
}

impl EnqueueInput {
    fn into_request(self, ctx: &Context<'_>) -> Result<EnqueueRequest, InvalidInput> {
        let id = self.job_id.map(|id| errors::uuid("jobId", &id)).transpose();
        let id = id.map_err(|error| InvalidInput::new("jobId", error.message))?;
        Ok(EnqueueRequest {
            job: JobReference {
                id,
                name: self.job_name,
                namespace: self.namespace,
            },
            payload: self
                .payload
                .map(|payload| own_payload(ctx, payload))
                .transpose()?,
            due_at: self.due_at.map(|DateTime(due_at)| due_at),
            delay_seconds: self.delay_seconds.map(i64::from),
            unique_key: self.unique_key,
            priority: self.priority,
        })
    }
}

/// The payload of one run. A mask would be sent as it is: there is no stored value at its place.
fn own_payload(ctx: &Context<'_>, given: Json) -> Result<Payload, InvalidInput> {
    if Masks::of(ctx).is_ok_and(|masks| masks.are_in(Some(&given))) {
        let message = "has a mask (`********`) in place of a value: send the value itself";
        return Err(InvalidInput::new("payload", message));
    }
    payload(given)
}
