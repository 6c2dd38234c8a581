//! Backfills: executions for a past range of fire times.

use super::allowance::COMPUTATIONS;
use super::context::{command, store};
use super::cost::{self, LIST_MAX};
use super::date_time::DateTime;
use super::errors;
use super::lists::size;
use crate::actors::job_manager::backfills::{BackfillJob, CancelBackfill, fire_times};
use crate::model::backfill::{BackfillRequest, FIRES_PER_MINUTE_DEFAULT};
use crate::model::policies::OverlapPolicy;
use crate::store::jobs::backfills::BackfillRecord;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

/// Most fire times of a preview.
const PREVIEW: usize = 10;

/// The queries of backfills.
#[derive(Default)]
pub struct BackfillQuery;

/// The mutations of backfills.
#[derive(Default)]
pub struct BackfillMutation;

/// State of a backfill.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum BackfillState {
    /// Fire times are left.
    Running,
    /// All fire times were taken.
    Done,
    /// A user stopped it, or its job was deleted.
    Cancelled,
}

/// The fire times of a backfill, before it is created.
#[derive(SimpleObject)]
pub struct BackfillPreview {
    /// Number of fire times.
    count: i32,
    /// The first fire times, at most ten.
    fire_times: Vec<DateTime>,
    /// The last fire time.
    last: Option<DateTime>,
}

#[Object]
impl BackfillQuery {
    /// The newest backfills of a job, or of all jobs; at most 1,000.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn backfills(
        &self,
        ctx: &Context<'_>,
        job_id: Option<ID>,
    ) -> Result<Vec<BackfillRecord>> {
        let job_id = job_id.map(|id| errors::uuid("jobId", &id)).transpose()?;
        Ok(store(ctx).await?.backfills(job_id, LIST_MAX).await?)
    }

    /// The fire times of a backfill from the instant `from` to the instant `to`, both included.
    #[graphql(complexity = "cost::BACKFILL + child_complexity")]
    async fn preview_backfill(
        &self,
        ctx: &Context<'_>,
        id: ID,
        from: DateTime,
        to: DateTime,
    ) -> Result<BackfillPreview> {
        let id = errors::uuid("id", &id)?;
        let request = request(from, to, None, None);
        // The function of the command: preview and backfill cannot differ.
        let (fire_times, _) = fire_times(&*store(ctx).await?, id, request, &COMPUTATIONS).await?;
        Ok(BackfillPreview {
            count: size(fire_times.len()),
            last: fire_times.last().copied().map(DateTime),
            fire_times: fire_times.into_iter().take(PREVIEW).map(DateTime).collect(),
        })
    }
}

#[Object]
impl BackfillMutation {
    /// Runs the fire times of a past range again or for the first time, oldest first, as executions
    /// with ids of their own: at most 100,000, from the instant `from` to the instant `to`, both
    /// included. `overlapPolicy` decides about fire times that meet an execution of the job in
    /// flight. Default: BUFFER_ALL, one after the other.
    #[graphql(complexity = "cost::BACKFILL + child_complexity")]
    async fn backfill_job(
        &self,
        ctx: &Context<'_>,
        id: ID,
        from: DateTime,
        to: DateTime,
        overlap_policy: Option<OverlapPolicy>,
        fires_per_minute: Option<i32>,
    ) -> Result<BackfillRecord> {
        let request = request(from, to, overlap_policy, fires_per_minute);
        command(ctx, BackfillJob(errors::uuid("id", &id)?, request)).await
    }

    /// Stops a backfill; executions that it started continue.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn cancel_backfill(&self, ctx: &Context<'_>, id: ID) -> Result<bool> {
        command(ctx, CancelBackfill(errors::uuid("id", &id)?))
            .await
            .map(|()| true)
    }
}

/// A past range of a job's schedule, to be run on request.
#[Object(name = "Backfill")]
impl BackfillRecord {
    /// Id of the backfill.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// Id of the job.
    async fn job_id(&self) -> ID {
        self.job_id.into()
    }
    /// First instant of the range.
    async fn from(&self) -> DateTime {
        DateTime(self.from)
    }
    /// Last instant of the range.
    async fn to(&self) -> DateTime {
        DateTime(self.to)
    }
    /// State of the backfill.
    async fn state(&self) -> BackfillState {
        match (self.next_fire_time, self.cancelled_at) {
            // A cancelled backfill may have fire times left.
            (_, Some(_)) => BackfillState::Cancelled,
            (Some(_), None) => BackfillState::Running,
            (None, None) => BackfillState::Done,
        }
    }
    /// Number of fire times in the range, at the creation.
    async fn fire_times(&self) -> i32 {
        self.fire_times
    }
    /// Number of fire times that were taken.
    async fn taken(&self) -> i32 {
        self.taken
    }
    /// The next fire time to be taken.
    async fn next_fire_time(&self) -> Option<DateTime> {
        self.next_fire_time.map(DateTime)
    }
    /// What happens to a fire time that meets an execution of the job in flight.
    async fn overlap_policy(&self) -> OverlapPolicy {
        self.overlap_policy
    }
    /// Most fire times that are taken in a minute.
    async fn fires_per_minute(&self) -> i32 {
        self.fires_per_minute
    }
    /// Time of the creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.created_at)
    }
    /// When a user stopped it, or its job was deleted.
    async fn cancelled_at(&self) -> Option<DateTime> {
        self.cancelled_at.map(DateTime)
    }
}

fn request(
    from: DateTime,
    to: DateTime,
    overlap_policy: Option<OverlapPolicy>,
    fires_per_minute: Option<i32>,
) -> BackfillRequest {
    BackfillRequest {
        from: from.0,
        to: to.0,
        overlap_policy: overlap_policy.unwrap_or(OverlapPolicy::BufferAll),
        fires_per_minute: fires_per_minute.unwrap_or(FIRES_PER_MINUTE_DEFAULT),
    }
}
