//! Backfills in the API.

use super::allowance::COMPUTATIONS;
use super::enums::OverlapPolicyName;
use super::mutations::command;
use super::queries::store;
use super::{cost, errors};
use crate::actors::job_manager::backfills::{BackfillJob, CancelBackfill, fire_times};
use crate::model::backfill::{BackfillRequest, FIRES_PER_MINUTE_DEFAULT};
use crate::model::policies::OverlapPolicy;
use crate::model::rfc3339;
use crate::store::backfills::BackfillRecord;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

/// Most rows of a list.
const LIST_MAX: u32 = 1_000;
/// Fire times that a preview shows.
const PREVIEW: usize = 10;

/// The queries about backfills.
#[derive(Default)]
pub struct BackfillQuery;

/// The mutations of backfills.
#[derive(Default)]
pub struct BackfillMutation;

/// Where a backfill stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum BackfillState {
    /// It goes on.
    Running,
    /// All its fire times were taken.
    Done,
    /// Somebody stopped it, or its job was deleted.
    Cancelled,
}

/// What a backfill would run.
#[derive(SimpleObject)]
pub struct BackfillPreview {
    /// How many fire times.
    count: i32,
    /// The first of them, at most ten.
    fire_times: Vec<String>,
    /// The last of them.
    last: Option<String>,
}

#[Object]
impl BackfillQuery {
    /// The newest backfills of a job, or of all jobs, at most 1,000.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn backfills(
        &self,
        ctx: &Context<'_>,
        job_id: Option<ID>,
    ) -> Result<Vec<BackfillRecord>> {
        let job_id = job_id.map(|id| errors::uuid("jobId", &id)).transpose()?;
        store(ctx)
            .await?
            .backfills(job_id, LIST_MAX)
            .await
            .map_err(errors::store)
    }

    /// What a backfill from the first instant `from` to the last instant `to`
    /// would run.
    #[graphql(complexity = "cost::BACKFILL + child_complexity")]
    async fn preview_backfill(
        &self,
        ctx: &Context<'_>,
        id: ID,
        from: String,
        to: String,
    ) -> Result<BackfillPreview> {
        let (id, request) = (errors::uuid("id", &id)?, request(&from, &to, None, None)?);
        let found = fire_times(&*store(ctx).await?, id, request, &COMPUTATIONS).await;
        let (fire_times, _) = found.map_err(errors::command)?;
        Ok(BackfillPreview {
            count: i32::try_from(fire_times.len()).unwrap_or(i32::MAX),
            last: fire_times.last().copied().map(rfc3339),
            fire_times: fire_times.into_iter().take(PREVIEW).map(rfc3339).collect(),
        })
    }
}

#[Object]
impl BackfillMutation {
    /// Runs the fire times of a past range, from the first instant `from` to the
    /// last instant `to`, oldest first, under ids of their own: at most 100,000.
    /// While an execution of the job is in flight they wait (`BUFFER_ALL`, unless
    /// said), are skipped, or run beside it (`ALLOW`).
    #[graphql(complexity = "cost::BACKFILL + child_complexity")]
    async fn backfill_job(
        &self,
        ctx: &Context<'_>,
        id: ID,
        from: String,
        to: String,
        overlap_policy: Option<OverlapPolicyName>,
        fires_per_minute: Option<i32>,
    ) -> Result<BackfillRecord> {
        let request = request(&from, &to, overlap_policy, fires_per_minute)?;
        command(ctx, BackfillJob(errors::uuid("id", &id)?, request)).await
    }

    /// Stops a backfill; what it started goes on.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn cancel_backfill(&self, ctx: &Context<'_>, id: ID) -> Result<bool> {
        command(ctx, CancelBackfill(errors::uuid("id", &id)?))
            .await
            .map(|()| true)
    }
}

/// A past range of a job's schedule that a person asked to run.
#[Object(name = "Backfill")]
impl BackfillRecord {
    /// Its identity.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// The job.
    async fn job_id(&self) -> ID {
        self.job_id.into()
    }
    /// First instant of the range.
    async fn from(&self) -> String {
        rfc3339(self.from)
    }
    /// Last instant of the range.
    async fn to(&self) -> String {
        rfc3339(self.to)
    }
    /// Where it stands.
    async fn state(&self) -> BackfillState {
        match (self.next_fire_time, self.cancelled_at) {
            (_, Some(_)) => BackfillState::Cancelled,
            (Some(_), None) => BackfillState::Running,
            (None, None) => BackfillState::Done,
        }
    }
    /// Fire times in the range when it was asked for.
    async fn fire_times(&self) -> i32 {
        self.fire_times
    }
    /// How many of them were taken.
    async fn taken(&self) -> i32 {
        self.taken
    }
    /// The fire time that it takes next.
    async fn next_fire_time(&self) -> Option<String> {
        self.next_fire_time.map(rfc3339)
    }
    /// What becomes of a fire time while an execution of the job is in flight.
    async fn overlap_policy(&self) -> OverlapPolicyName {
        self.overlap_policy.into()
    }
    /// Most fire times taken in a minute.
    async fn fires_per_minute(&self) -> i32 {
        self.fires_per_minute
    }
    /// When it was asked for.
    async fn created_at(&self) -> String {
        rfc3339(self.created_at)
    }
    /// When somebody stopped it, or its job was deleted.
    async fn cancelled_at(&self) -> Option<String> {
        self.cancelled_at.map(rfc3339)
    }
}

fn request(
    from: &str,
    to: &str,
    overlap_policy: Option<OverlapPolicyName>,
    fires_per_minute: Option<i32>,
) -> Result<BackfillRequest> {
    Ok(BackfillRequest {
        from: errors::instant("from", from)?,
        to: errors::instant("to", to)?,
        overlap_policy: overlap_policy.map_or(OverlapPolicy::BufferAll, Into::into),
        fires_per_minute: fires_per_minute.unwrap_or(FIRES_PER_MINUTE_DEFAULT),
    })
}
