//! Queries about jobs, executions and nodes.

use super::context::{LARGE_OF_JOBS, asks_for, store, texts};
use super::cost::{self, LIST_MAX};
use super::date_time::DateTime;
use super::inputs::CreateJobInput;
use super::lists::size;
use super::objects::nodes::Cluster;
use super::objects::schedule::SchedulePreview;
use super::{allowance, errors};
use crate::model::exclusions::{Pending, validate_namespace};
use crate::model::job::Job;
use crate::model::job_request::JobRequest;
use crate::model::node::NodeState;
use crate::model::schedule::preview::COUNT_MAX;
use crate::model::schedule::zone::tzdb_version;
use crate::model::{InvalidInput, namespace};
use crate::store::Store;
use crate::store::jobs::job_rows::JobParts;
use crate::store::jobs::versions::JobVersion;
use crate::store::protocol::membership::NodeRecord;
use crate::store::queries::executions::{ExecutionRecord, ExecutionTexts};
use async_graphql::{Context, ID, Object, Result};
use uuid::Uuid;

/// Most rows of a list without pages whose rows are large.
const LARGE_LIST_MAX: u32 = 200;
/// Number of nodes in the cost of a list of nodes; the list itself has no bound.
const NODES: usize = 100;

/// The queries of single jobs, executions and nodes.
#[derive(Default)]
pub struct Query;

#[Object(name = "JobQuery")]
impl Query {
    /// The newest jobs that are not deleted, at most 1,000; with `payload` or `target` at most 200.
    #[graphql(complexity = "cost::jobs(child_complexity)")]
    async fn jobs(&self, ctx: &Context<'_>) -> Result<Vec<Job>> {
        // A thousand payloads of 256 KB do not fit into an answer: a list with payloads is shorter,
        // and takes a place for large answers.
        let (limit, parts) = if asks_for(ctx, &[], &LARGE_OF_JOBS) {
            allowance::of(ctx)?.take_place().await?;
            (LARGE_LIST_MAX, JobParts::All)
        } else {
            (LIST_MAX, JobParts::Small)
        };
        Ok(store(ctx).await?.newest_jobs(limit, parts).await?)
    }

    /// A job by its id, also a deleted one; none for an unknown id.
    #[graphql(complexity = "cost::list(1, child_complexity)")]
    async fn job(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Job>> {
        let id = errors::uuid("id", &id)?;
        Ok(store(ctx).await?.job(id).await?)
    }

    /// The newest executions of a job, at most 1,000; with `output`, `payload` or
    /// `previousAttempts` at most 200. An unknown job has no executions.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn job_logs(&self, ctx: &Context<'_>, job_id: ID) -> Result<Vec<ExecutionRecord>> {
        let id = errors::uuid("jobId", &job_id)?;
        let texts = texts(ctx, &[&[]]).await?;
        // `texts` has already waited for the place of a large answer.
        let limit = if texts == ExecutionTexts::All {
            LARGE_LIST_MAX
        } else {
            LIST_MAX
        };
        let store = store(ctx).await?;
        Ok(store.executions_of(id, limit, texts).await?)
    }

    /// The newest versions of a job, at most 1,000; with `definition` at most 200.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn job_versions(&self, ctx: &Context<'_>, job_id: ID) -> Result<Vec<JobVersion>> {
        let id = errors::uuid("jobId", &job_id)?;
        let limit = if asks_for(ctx, &[], &["definition"]) {
            allowance::of(ctx)?.take_place().await?;
            LARGE_LIST_MAX
        } else {
            LIST_MAX
        };
        Ok(store(ctx).await?.job_versions(id, limit).await?)
    }

    /// The meaning of a schedule: words, the next fire times, and warnings. Only the fields of the
    /// schedule are used. With `jobId` the preview is that of an edit of this job, with the phase
    /// and the hash of the job. The fire times equal `nextFireTimes` of the job after the command.
    #[graphql(complexity = "3 * cost::STATEMENT + cost::FIRE_TIMES \
                      + cost::FIRE_TIME * cost::bound(Some(count), 0, COUNT_MAX) \
                      + child_complexity")]
    async fn preview_schedule(
        &self,
        ctx: &Context<'_>,
        input: CreateJobInput,
        #[graphql(default = 10)] count: i32,
        job_id: Option<ID>,
    ) -> Result<SchedulePreview> {
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= COUNT_MAX);
        let count =
            count.ok_or_else(|| errors::bad_input("count", "count: must be from 0 to 1000"))?;
        // The clock of the database, as in the command: the clock of a node may be ahead.
        let now = store(ctx).await?.now().await?;
        // Only the schedule matters, but a request must have a name.
        let mut request = JobRequest {
            name: "preview".to_owned(),
            ..input.into_request()?
        };
        let edited = edited_job(ctx, job_id).await?;
        let namespace = namespace_of(edited.as_ref(), request.namespace.take())?;
        // The id is the seed of `H` in a cron expression, and of the jitter.
        let id = edited.as_ref().map_or_else(Uuid::now_v7, |job| job.id);
        let definition = match &edited {
            Some(job) => request.validate_edit(id, now, &job.definition),
            None => request.validate(id, now),
        };
        let definition = definition?;
        // As in `updateJob`: a job keeps the calendar that is named already.
        if edited
            .as_ref()
            .is_none_or(|job| job.definition.calendar != definition.calendar)
        {
            validate_namespace(&definition, &namespace)?;
        }
        let exclusions = store(ctx).await?.exclusions(&[&definition]).await?;
        exclusions.validate_edit(
            id,
            &definition,
            now,
            edited.as_ref().map(|job| &job.definition),
        )?;
        // An edit keeps the phase of its job; a new job waits for its initial delay.
        let first = match &edited {
            Some(_) => definition.next_fire_time(now),
            None => definition.first_fire_time(now),
        };
        // `maxRuns` counts the runs of the job so far.
        let count = count.min(definition.runs_left(edited.as_ref().map_or(0, |job| job.runs)));
        let fire_times = match first {
            Some(fire_time) => {
                let pending = Pending {
                    fire_time,
                    excluded_from: None,
                };
                exclusions.fire_times(id, &definition, pending, count)
            }
            None => Vec::new(),
        };
        Ok(SchedulePreview::new(&definition, now, fire_times))
    }

    /// An execution by its id; none for an unknown id.
    #[graphql(complexity = "cost::list(1, child_complexity)")]
    async fn execution(&self, ctx: &Context<'_>, id: ID) -> Result<Option<ExecutionRecord>> {
        let id = errors::uuid("id", &id)?;
        Ok(store(ctx).await?.execution(id).await?)
    }

    /// All living nodes, then nodes that ended within a day.
    #[graphql(complexity = "cost::list(NODES, child_complexity)")]
    async fn nodes(&self, ctx: &Context<'_>) -> Result<Vec<NodeRecord>> {
        Ok(store(ctx).await?.nodes().await?)
    }

    /// The cluster, as the answering node sees it.
    #[graphql(complexity = "5 * cost::STATEMENT + child_complexity")]
    async fn cluster(&self, ctx: &Context<'_>) -> Result<Cluster> {
        cluster(&*store(ctx).await?).await
    }
}

/// The job of a preview of an edit.
async fn edited_job(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<Job>> {
    let Some(id) = id.map(|id| errors::uuid("jobId", &id)).transpose()? else {
        return Ok(None);
    };
    let job = store(ctx).await?.job(id).await?;
    job.map(Some).ok_or_else(|| errors::not_found("job", id))
}

/// The namespace of a preview: that of the job, or of the input.
fn namespace_of(edited: Option<&Job>, asked: Option<String>) -> Result<String, InvalidInput> {
    if let Some(job) = edited {
        return Ok(job.namespace.clone());
    }
    let namespace = asked.unwrap_or_else(|| namespace::DEFAULT.to_owned());
    namespace::validate_name("namespace", &namespace)?;
    Ok(namespace)
}

/// Reads the state of the cluster.
pub(super) async fn cluster(store: &Store) -> Result<Cluster> {
    // In sequence: at once the statements would take all connections of the API.
    let nodes = store.nodes().await?;
    let jobs = store.job_counts().await?;
    let now = store.now().await?;
    let pause = store.cluster_pause().await?;
    let living = nodes
        .iter()
        // Executions in flight still run on a draining node.
        .filter(|node| matches!(node.state, NodeState::Active | NodeState::Draining));
    Ok(Cluster {
        active_nodes: in_state(&nodes, NodeState::Active),
        draining_nodes: in_state(&nodes, NodeState::Draining),
        slots: living.clone().map(|node| node.slots).sum(),
        executions_running: living.map(|node| node.executions_running).sum(),
        active_jobs: size(jobs.active),
        paused_jobs: size(jobs.paused),
        ended_jobs: size(jobs.ended),
        pause,
        database_time: DateTime(now),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tzdb_version: tzdb_version().to_owned(),
    })
}

fn in_state(nodes: &[NodeRecord], state: NodeState) -> i32 {
    size(nodes.iter().filter(|node| node.state == state).count())
}
