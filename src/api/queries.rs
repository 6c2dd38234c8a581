//! Queries: read the store.

use super::allowance::{self, StoreTurn};
use super::inputs::CreateJobInput;
use super::objects::jobs::SchedulePreview;
use super::objects::nodes::Cluster;
use super::{cost, errors};
use crate::model::exclusions::Pending;
use crate::model::job::{Job, JobDefinition};
use crate::model::job_request::JobRequest;
use crate::model::node::NodeState;
use crate::model::schedule::Schedule;
use crate::model::schedule::cron::CronSchedule;
use crate::model::schedule::preview::COUNT_MAX;
use crate::model::schedule::zone::tzdb_version;
use crate::model::{InvalidInput, Timestamp, rfc3339};
use crate::store::Store;
use crate::store::executions::{ExecutionRecord, ExecutionTexts};
use crate::store::jobs::{JobParts, JobVersion};
use crate::store::nodes::NodeRecord;
use async_graphql::{Context, ID, Object, Result};
use uuid::Uuid;

/// Most rows of a list without paging.
pub(super) const LIST_MAX: u32 = 1_000;

/// Most rows of a list without paging whose rows are large.
const LARGE_LIST_MAX: u32 = 200;
/// Fields of a job that may take 256 KB.
pub(super) const LARGE_OF_JOBS: [&str; 2] = ["payload", "target"];
/// Fields of an execution that may take 64 KB and more.
pub(super) const LARGE_OF_EXECUTIONS: [&str; 3] = ["output", "previousAttempts", "payload"];
/// Nodes that a list of them counts for: it has no bound, but clusters do.
const NODES: usize = 100;

/// The queries.
#[derive(Default)]
pub struct Query;

#[Object(name = "JobQuery")]
impl Query {
    /// The newest jobs that are not deleted, at most 1,000; with `payload` or `target`, at most
    /// 200.
    #[graphql(complexity = "cost::jobs(child_complexity)")]
    async fn jobs(&self, ctx: &Context<'_>) -> Result<Vec<Job>> {
        let (limit, parts) = if asks_for(ctx, &[], &LARGE_OF_JOBS) {
            allowance::of(ctx)?.take_place().await?;
            (LARGE_LIST_MAX, JobParts::All)
        } else {
            (LIST_MAX, JobParts::Small)
        };
        store(ctx)
            .await?
            .newest_jobs(limit, parts)
            .await
            .map_err(errors::store)
    }

    /// A job, also a deleted one.
    #[graphql(complexity = "cost::list(1, child_complexity)")]
    async fn job(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Job>> {
        let id = errors::uuid("id", &id)?;
        store(ctx).await?.job(id).await.map_err(errors::store)
    }

    /// The newest executions of a job, at most 1,000; with `output`, `payload` or
    /// `previousAttempts`, at most 200. An unknown job has none.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn job_logs(&self, ctx: &Context<'_>, job_id: ID) -> Result<Vec<ExecutionRecord>> {
        let id = errors::uuid("jobId", &job_id)?;
        let texts = texts(ctx, &[&[]]).await?;
        let limit = if texts == ExecutionTexts::All {
            LARGE_LIST_MAX
        } else {
            LIST_MAX
        };
        let store = store(ctx).await?;
        store
            .executions_of(id, limit, texts)
            .await
            .map_err(errors::store)
    }

    /// The newest versions of a job, at most 1,000; with `definition`, at most 200.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn job_versions(&self, ctx: &Context<'_>, job_id: ID) -> Result<Vec<JobVersion>> {
        let id = errors::uuid("jobId", &job_id)?;
        let limit = if asks_for(ctx, &[], &["definition"]) {
            allowance::of(ctx)?.take_place().await?;
            LARGE_LIST_MAX
        } else {
            LIST_MAX
        };
        store(ctx)
            .await?
            .job_versions(id, limit)
            .await
            .map_err(errors::store)
    }

    /// What a schedule means: words, the next fire times, and what may surprise.
    /// Only the fields of the schedule matter. With `jobId`: as if that job were
    /// edited so, with its own phase and hash. Its fire times are what
    /// `nextFireTimes` of the job would be.
    #[graphql(
        complexity = "3 * cost::STATEMENT + cost::FIRE_TIMES + cost::FIRE_TIME * cost::bound(Some(count), 0, COUNT_MAX) + child_complexity"
    )]
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
        let now = store(ctx).await?.now().await.map_err(errors::store)?;
        let refuse = |invalid: InvalidInput| errors::invalid(&invalid);
        // No job gets the name.
        let request = JobRequest {
            name: "preview".to_owned(),
            ..input.into_request().map_err(refuse)?
        };
        let edited = match job_id.map(|id| errors::uuid("jobId", &id)).transpose()? {
            Some(id) => {
                let job = store(ctx).await?.job(id).await.map_err(errors::store)?;
                Some(job.ok_or_else(|| errors::not_found("job", id))?)
            }
            None => None,
        };
        let id = edited.as_ref().map_or_else(Uuid::now_v7, |job| job.id);
        let definition = match &edited {
            Some(job) => request.validate_edit(id, now, &job.definition),
            None => request.validate(id, now),
        };
        let definition = definition.map_err(refuse)?;
        let exclusions = store(ctx)
            .await?
            .exclusions(&[&definition])
            .await
            .map_err(errors::store)?;
        exclusions
            .validate_edit(
                id,
                &definition,
                now,
                edited.as_ref().map(|job| &job.definition),
            )
            .map_err(refuse)?;
        let first = match &edited {
            Some(_) => definition.next_fire_time(now),
            None => definition.first_fire_time(now),
        };
        let count = count.min(definition.runs_left(edited.as_ref().map_or(0, |job| job.runs)));
        let pending = first.map(|fire_time| Pending {
            fire_time,
            excluded_from: None,
        });
        let fire_times =
            pending.map(|pending| exclusions.fire_times(id, &definition, pending, count));
        Ok(preview(&definition, now, fire_times.unwrap_or_default()))
    }

    /// An execution.
    #[graphql(complexity = "cost::list(1, child_complexity)")]
    async fn execution(&self, ctx: &Context<'_>, id: ID) -> Result<Option<ExecutionRecord>> {
        let id = errors::uuid("id", &id)?;
        store(ctx).await?.execution(id).await.map_err(errors::store)
    }

    /// Living nodes first, then those that ended within a day.
    #[graphql(complexity = "cost::list(NODES, child_complexity)")]
    async fn nodes(&self, ctx: &Context<'_>) -> Result<Vec<NodeRecord>> {
        store(ctx).await?.nodes().await.map_err(errors::store)
    }

    /// The cluster as this node sees it.
    #[graphql(complexity = "5 * cost::STATEMENT + child_complexity")]
    async fn cluster(&self, ctx: &Context<'_>) -> Result<Cluster> {
        cluster(&*store(ctx).await?).await
    }
}

/// The store, as soon as the request may run one more statement.
pub(super) async fn store<'a>(ctx: &Context<'a>) -> Result<StoreTurn<'a>> {
    allowance::of(ctx)?.store(ctx.data::<Store>()?).await
}

/// Whether any of these is selected of the rows of a list; the names before the last lead to its
/// rows.
pub(super) fn asks_for(ctx: &Context<'_>, path: &[&str], fields: &[&str]) -> bool {
    let rows = path
        .iter()
        .fold(ctx.look_ahead(), |ahead, name| ahead.field(name));
    fields.iter().any(|field| rows.field(field).exists())
}

/// Which texts of the executions of a list are asked for, at any of the paths to its rows. All of
/// them are a large answer.
pub(super) async fn texts(ctx: &Context<'_>, paths: &[&[&str]]) -> Result<ExecutionTexts> {
    let at = |path: &&[&str]| {
        if asks_for(ctx, path, &LARGE_OF_EXECUTIONS) {
            ExecutionTexts::All
        } else if asks_for(ctx, path, &["errorMessage"]) {
            ExecutionTexts::Errors
        } else {
            ExecutionTexts::None
        }
    };
    let texts = paths.iter().map(at).max().unwrap_or(ExecutionTexts::None);
    if texts == ExecutionTexts::All {
        allowance::of(ctx)?.take_place().await?;
    }
    Ok(texts)
}

fn preview(
    definition: &JobDefinition,
    now: Timestamp,
    fire_times: Vec<Timestamp>,
) -> SchedulePreview {
    let (cron, description) = match &definition.schedule {
        Schedule::Cron(cron) => (Some(cron), cron.description()),
        Schedule::FixedRate { interval, anchor } => (
            None,
            format!(
                "every {} seconds from {}",
                interval.num_seconds(),
                rfc3339(*anchor)
            ),
        ),
        Schedule::FixedDelay { interval } => (
            None,
            format!(
                "{} seconds after the end of the previous execution",
                interval.num_seconds()
            ),
        ),
        Schedule::Once { at } => (None, format!("once, at {}", rfc3339(*at))),
    };
    let warnings = |cron: &CronSchedule| [cron.warnings(), cron.clock_changes(now)].concat();
    SchedulePreview {
        expression: cron.map(|cron| cron.expression().to_owned()),
        dialect: cron.map(|cron| cron.dialect().as_str().to_owned()),
        zone: cron.map_or_else(|| "UTC".to_owned(), |cron| cron.zone().name().to_owned()),
        description,
        fire_times: fire_times.into_iter().map(rfc3339).collect(),
        warnings: cron.map(warnings).unwrap_or_default(),
    }
}

/// The cluster, as this node sees it now.
pub(super) async fn cluster(store: &Store) -> Result<Cluster> {
    // One after the other: at once they would take all connections of the API.
    let nodes = store.nodes().await.map_err(errors::store)?;
    let jobs = store.job_counts().await.map_err(errors::store)?;
    let now = store.now().await.map_err(errors::store)?;
    let pause = store.cluster_pause().await.map_err(errors::store)?;
    let alive = |node: &&NodeRecord| matches!(node.state, NodeState::Active | NodeState::Draining);
    let in_state = |state| count(nodes.iter().filter(|node| node.state == state).count());
    Ok(Cluster {
        active_nodes: in_state(NodeState::Active),
        draining_nodes: in_state(NodeState::Draining),
        slots: nodes.iter().filter(alive).map(|node| node.slots).sum(),
        executions_running: nodes
            .iter()
            .filter(alive)
            .map(|node| node.executions_running)
            .sum(),
        active_jobs: count(jobs.active),
        paused_jobs: count(jobs.paused),
        ended_jobs: count(jobs.ended),
        hold: pause,
        database_time: rfc3339(now),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tzdb_version: tzdb_version().to_owned(),
    })
}

fn count(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
