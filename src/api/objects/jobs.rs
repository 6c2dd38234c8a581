//! Jobs, as the API shows them.

use crate::api::context::{store, texts};
use crate::api::date_time::DateTime;
use crate::api::enums::{DstGapName, DstOverlapName, JobScheduleType};
use crate::api::job_loader::{
    self, ExclusionsKey, InFlightKey, NowKey, OutcomesKey, RecentKey, StateKey,
};
use crate::api::json::Json;
use crate::api::lists::{ExecutionConnection, ExecutionFilterInput, size};
use crate::api::masks::Masks;
use crate::api::{cost, errors};
use crate::model::exclusions::{Exclusions, JobExclusion, Pending};
use crate::model::job::{Job, JobChange, JobState, JobStatus, Recovery};
use crate::model::lists::ExecutionFilter;
use crate::model::outcomes::{CELLS_MAX, OutcomeAxis};
use crate::model::policies::{MisfirePolicy, OverlapPolicy};
use crate::model::schedule::Schedule;
use crate::model::target::Target;
use crate::model::{Timestamp, rfc3339};
use crate::store::jobs::versions::JobVersion;
use crate::store::queries::executions::{ExecutionRecord, ExecutionTexts};
use crate::store::queries::job_states::{Failing, JobStateRecord};
use crate::store::queries::outcomes::RecentOutcomes;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use std::borrow::Cow;
use std::sync::Arc;

/// Most fire times of `nextFireTimes`.
const FIRE_TIMES_MAX: usize = 1_000;
/// Most executions of `recentExecutions`.
const RECENT_MAX: usize = 50;

/// When and how often a failed attempt is tried again.
#[derive(SimpleObject)]
pub struct Retry {
    /// Attempts that may end by themselves without success.
    pub max_attempts: i32,
    /// Upper end of the first delay.
    pub initial_backoff_seconds: i32,
    /// Upper end of every delay.
    pub max_backoff_seconds: i32,
    /// Growth of the upper end from one delay to the next.
    pub multiplier: f64,
}

/// The failure of a job.
#[Object(name = "JobFailing")]
impl Failing {
    /// Id of the execution that failed last. The log may have purged it.
    async fn execution_id(&self) -> ID {
        self.execution_id.into()
    }
    /// End of the first execution that failed since the last success.
    async fn since(&self) -> DateTime {
        DateTime(self.since)
    }
    /// End of the execution that failed last.
    async fn failed_at(&self) -> DateTime {
        DateTime(self.failed_at)
    }
    /// Error of that execution, at most 200 characters.
    async fn message(&self) -> &str {
        &self.message
    }
}

/// One version of a job's definition.
#[Object(name = "JobVersion")]
impl JobVersion {
    /// `Job.version` after the change.
    async fn version(&self) -> i32 {
        self.version
    }
    /// Time of the change.
    async fn changed_at(&self) -> DateTime {
        DateTime(self.changed_at)
    }
    /// The user who made the change.
    async fn changed_by(&self) -> &str {
        &self.changed_by
    }
    /// What the version changed.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn change(&self) -> Result<JobChange> {
        errors::named(&self.change)
    }
    /// The whole row after the change, with every policy; secrets are masked as in the job.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn definition(&self, ctx: &Context<'_>) -> Result<Json> {
        Ok(Masks::of(ctx)?.hide(Json::read(&self.definition).map_err(errors::unshowable)?))
    }
}

/// A job: definition, state and history.
#[Object(name = "Job")]
impl Job {
    /// Id of the job.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// Name of the namespace; never changes.
    async fn namespace(&self) -> &str {
        &self.namespace
    }
    /// Display only; two jobs may have the same name.
    async fn name(&self) -> &str {
        &self.definition.name
    }
    /// How the fire times are made.
    async fn schedule_type(&self) -> JobScheduleType {
        self.definition.schedule.schedule_type().into()
    }
    /// The schedule in English words: `at 09:00 on weekdays`, `every 5 minutes`.
    async fn schedule_description(&self) -> String {
        self.definition.schedule.description()
    }
    /// CRON: the expression as typed.
    async fn cron_expression(&self) -> Option<&str> {
        match &self.definition.schedule {
            Schedule::Cron(cron) => Some(cron.expression()),
            _ => None,
        }
    }
    /// FIXED_RATE and FIXED_DELAY: the interval.
    async fn interval_seconds(&self) -> Option<i32> {
        match &self.definition.schedule {
            Schedule::FixedRate { interval, .. } | Schedule::FixedDelay { interval } => {
                int(interval.num_seconds())
            }
            Schedule::Cron(_) | Schedule::Once { .. } | Schedule::OnDemand => None,
        }
    }
    /// Seconds from creation to the first fire time, as typed.
    async fn initial_delay_seconds(&self) -> Option<i32> {
        self.definition.initial_delay_seconds.and_then(int)
    }
    /// Data for the target, as JSON text. Values with names of secrets (`--mask`) are shown as
    /// `********`; the target gets the values.
    async fn payload(&self, ctx: &Context<'_>) -> Result<Option<Cow<'_, str>>> {
        match &self.definition.payload {
            Some(payload) => Masks::shown(ctx, payload).await.map(Some),
            None => Ok(None),
        }
    }
    /// Whether the job fires.
    async fn status(&self) -> JobStatus {
        self.status
    }
    /// State beyond the status.
    #[graphql(complexity = "cost::BATCHED")]
    async fn state(&self, ctx: &Context<'_>) -> Result<JobState> {
        let state_record = state_record(ctx, self).await?;
        Ok(state_record.map_or(JobState::Deleted, |state_record| state_record.state))
    }
    /// Whether the schedule has no fire time left: ONCE has run, `maxRuns` is reached, or `endAt`
    /// has passed. False for a paused or deleted job.
    #[graphql(complexity = "cost::BATCHED")]
    async fn has_ended(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(state_record(ctx, self)
            .await?
            .is_some_and(|state_record| state_record.has_ended))
    }
    /// The failure; none unless the newest settled execution failed or was lost.
    #[graphql(complexity = "cost::BATCHED + child_complexity")]
    async fn failing(&self, ctx: &Context<'_>) -> Result<Option<Failing>> {
        Ok(state_record(ctx, self)
            .await?
            .and_then(|state_record| state_record.failing))
    }
    /// Incremented by each change.
    async fn version(&self) -> i32 {
        self.version
    }
    /// Time of the creation.
    async fn created_at(&self) -> Option<String> {
        Some(rfc3339(self.created_at))
    }
    /// Time of the last change.
    async fn updated_at(&self) -> Option<String> {
        Some(rfc3339(self.updated_at))
    }
    /// The first of `nextFireTimes`; none while the job is paused, and while a fixed delay runs.
    #[graphql(complexity = "cost::BATCHED")]
    async fn next_fire_time(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        Ok(fire_times(ctx, self, 1).await?.pop().map(DateTime))
    }
    /// The next fire times under the present definition, at most 1,000. A fire time is the instant
    /// that the schedule names; the execution starts then, or later by the jitter or at the end of
    /// a blackout. A fixed delay has only its pending fire time, and a paused job has none. Fire
    /// times that a calendar or a blackout with SKIP excludes are left out. Of the fire times that
    /// another blackout defers, COLLAPSE shows the last and RUN_ALL shows all. A late fire time is
    /// shown until it is taken; its misfire policy decides then. The list is shorter than `count`
    /// when hundreds of excluded fire times lie between two others.
    #[graphql(complexity = "cost::BATCHED + cost::FIRE_TIMES \
                      + cost::FIRE_TIME * cost::bound(Some(count), 0, FIRE_TIMES_MAX)")]
    async fn next_fire_times(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 10)] count: i32,
    ) -> Result<Vec<String>> {
        let count = usize::try_from(count).unwrap_or(0).min(FIRE_TIMES_MAX);
        let fire_times = fire_times(ctx, self, count).await?;
        Ok(fire_times.into_iter().map(rfc3339).collect())
    }
    /// The calendar or blackout that keeps the job from firing now, or the coming blackout that
    /// defers its next fire time; none when no fire time of the job is concerned, and for a paused
    /// job.
    #[graphql(complexity = "2 * cost::BATCHED + cost::FIRE_TIME + child_complexity")]
    async fn excluded_by(&self, ctx: &Context<'_>) -> Result<Option<JobExclusion>> {
        // A paused job and a fixed delay in flight have no pending fire time.
        let Some(pending) = pending(self) else {
            return Ok(None);
        };
        let now = job_loader::load(ctx, NowKey)
            .await?
            .unwrap_or(pending.fire_time);
        let exclusions = exclusions(ctx, self, pending).await?;
        Ok(exclusions.exclusion_of(self.id, &self.definition, pending, now))
    }
    /// The newest fire time that was taken.
    #[graphql(complexity = "cost::NEWEST")]
    async fn previous_fire_time(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        let newest = RecentKey {
            job: self.id,
            limit: 1,
            texts: ExecutionTexts::None,
        };
        let newest = job_loader::first_page(ctx, newest).await?;
        Ok(newest
            .rows
            .first()
            // The newest fire time of a skipped range is its last one.
            .map(|execution| DateTime(execution.through_fire_time.unwrap_or(execution.fire_time))))
    }
    /// Number of executions that run or wait for their next attempt.
    #[graphql(complexity = "cost::BATCHED")]
    async fn in_flight(&self, ctx: &Context<'_>) -> Result<i32> {
        let in_flight = job_loader::load(ctx, InFlightKey(self.id))
            .await?
            .unwrap_or(0);
        Ok(size(in_flight))
    }
    /// The newest executions, newest fire time first; at most 50.
    #[graphql(complexity = "cost::NEWEST \
                      + cost::rows(cost::bound(count, 20, RECENT_MAX), child_complexity)")]
    async fn recent_executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20)] count: Option<i32>,
    ) -> Result<Vec<Arc<ExecutionRecord>>> {
        let limit = usize::try_from(count.unwrap_or(20))
            .unwrap_or(0)
            .min(RECENT_MAX);
        let newest = RecentKey {
            job: self.id,
            limit,
            texts: texts(ctx, &[&[]]).await?,
        };
        Ok(job_loader::first_page(ctx, newest).await?.rows)
    }
    /// How the executions of the last minutes ended, at most a day, in at most 100 cells of equal
    /// length. A cell shows its newest failure, else its newest execution.
    #[graphql(complexity = "cost::NEWEST \
                      + cost::rows(cost::bound(Some(cells), 0, CELLS_MAX), child_complexity)")]
    async fn recent_outcomes(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 1440)] minutes: i32,
        #[graphql(default = 48)] cells: i32,
    ) -> Result<Arc<RecentOutcomes>> {
        let axis = OutcomeAxis::new(minutes, cells)?;
        let outcomes = job_loader::load(ctx, OutcomesKey { job: self.id, axis }).await?;
        outcomes.ok_or_else(|| errors::not_found("job", self.id))
    }
    /// The executions, newest fire time first, a page at a time: at most 200.
    #[graphql(complexity = "if after.is_none() && filter.is_none() { \
                        cost::first_page(first, child_complexity) \
                      } else { \
                        cost::page(first, filter.is_some(), child_complexity) \
                      }")]
    async fn executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
        filter: Option<ExecutionFilterInput>,
    ) -> Result<ExecutionConnection> {
        // The first pages of all jobs of an answer share a statement.
        if after.is_none() && filter.is_none() {
            return ExecutionConnection::first_of(ctx, self.id, first).await;
        }
        let filter = ExecutionFilter {
            job_id: Some(self.id),
            ..filter.unwrap_or_default().into_filter()?
        };
        ExecutionConnection::read(ctx, filter, first, after).await
    }
    /// Display only; at most 2,000 characters.
    async fn description(&self) -> Option<&str> {
        self.definition.description.as_deref()
    }
    /// For search and grouping.
    async fn tags(&self) -> &[String] {
        &self.definition.tags
    }
    /// Order among equal due times; 9 comes first.
    async fn priority(&self) -> i32 {
        self.definition.priority.into()
    }
    /// Name of the calendar that restricts the fire times.
    async fn calendar(&self) -> Option<&str> {
        self.definition.calendar.as_deref()
    }
    /// Zone of the cron expression; UTC for other schedules.
    async fn time_zone(&self) -> &str {
        match &self.definition.schedule {
            Schedule::Cron(cron) => cron.zone().name(),
            _ => "UTC",
        }
    }
    /// CRON: what happens when the clock goes forward over a fire time.
    async fn dst_gap(&self) -> DstGapName {
        self.definition.policies.dst_gap.into()
    }
    /// CRON: what happens when the clock goes back over a fire time.
    async fn dst_overlap(&self) -> DstOverlapName {
        self.definition.policies.dst_overlap.into()
    }
    /// Why the job is paused, if the user gave a reason; display only.
    async fn pause_reason(&self) -> Option<&str> {
        self.pause_reason.as_deref()
    }
    /// The time of a ONCE that passed during a pause: `resumeJob` runs it now with `runMissed:
    /// true`, and records it as SKIPPED otherwise.
    #[graphql(complexity = "cost::STATEMENT")]
    async fn missed_fire_time(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        // Only a paused ONCE has such a time: other jobs cost no read of the clock.
        let Some(held) = self.paused_fire_time else {
            return Ok(None);
        };
        let now = store(ctx).await?.now().await?;
        Ok(Some(held).filter(|held| *held <= now).map(DateTime))
    }
    /// No fire time before this instant.
    async fn start_at(&self) -> Option<DateTime> {
        self.definition.policies.start_at.map(DateTime)
    }
    /// No fire time after this instant.
    async fn end_at(&self) -> Option<DateTime> {
        self.definition.policies.end_at.map(DateTime)
    }
    /// Number of fire times that run; further ones do not.
    async fn max_runs(&self) -> Option<i32> {
        self.definition.policies.max_runs.and_then(int)
    }
    /// Largest delay between fire time and due time.
    async fn jitter_seconds(&self) -> i32 {
        self.definition.policies.jitter_seconds
    }
    /// What happens to fire times that are found later than the grace.
    async fn misfire_policy(&self) -> MisfirePolicy {
        self.definition.policies.misfire_policy
    }
    /// Grace: a fire time found within it runs late, without the misfire policy.
    async fn misfire_grace_seconds(&self) -> i32 {
        self.definition.policies.misfire_grace_seconds
    }
    /// FIRE_ALL: fire times older than this are skipped.
    async fn catch_up_window_seconds(&self) -> Option<i32> {
        self.definition.policies.catch_up_window_seconds
    }
    /// FIRE_ALL: number of missed fire times that run, the newest ones.
    async fn max_catch_up(&self) -> Option<i32> {
        self.definition.policies.max_catch_up
    }
    /// What happens to a fire time that comes due while an execution is in flight.
    async fn overlap_policy(&self) -> OverlapPolicy {
        self.definition.policies.overlap_policy
    }
    /// Time limit of one attempt.
    async fn timeout_seconds(&self) -> Option<i32> {
        self.definition.policies.timeout_seconds
    }
    /// When and how often a failed attempt is tried again.
    async fn retry(&self) -> Retry {
        let retry = self.definition.policies.retry;
        Retry {
            max_attempts: retry.max_attempts,
            initial_backoff_seconds: retry.initial_backoff_seconds,
            max_backoff_seconds: retry.max_backoff_seconds,
            multiplier: retry.multiplier,
        }
    }
    /// Whether an execution that fails for good pauses the job.
    async fn pause_on_failure(&self) -> bool {
        self.definition.policies.pause_on_failure
    }
    /// Number of executions that the log keeps, whatever their age, the newest ones.
    async fn retain_executions(&self) -> Option<i32> {
        self.definition.policies.retain_executions
    }
    /// What the job runs, as JSON with the kind as its one key. Headers with names of secrets
    /// (`--mask`) are shown as `********`.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn target(&self, ctx: &Context<'_>) -> Result<Json> {
        Ok(Masks::of(ctx)?.hide(target(&self.definition.target).map_err(errors::unshowable)?))
    }
    /// What happens when a node dies during an attempt.
    async fn recovery(&self) -> Recovery {
        self.definition.recovery
    }
    /// Number of times that a lost attempt is run again before CRASH_LOOP.
    async fn max_recoveries(&self) -> i32 {
        self.definition.max_recoveries
    }
}

/// The target in the form of the input: `{"log": {}}`, `{"noop": {…}}`, `{"http": {…}}`.
fn target(target: &Target) -> serde_json::Result<Json> {
    match target {
        // serde writes a variant without fields as the text `"log"`; the input takes an object.
        Target::Log => Json::read(r#"{"log":{}}"#),
        other => Json::of(other),
    }
}

/// Seconds as the API's Int, which has 32 bits: ten years fit.
fn int(seconds: i64) -> Option<i32> {
    i32::try_from(seconds).ok()
}

/// The pending fire time of the job's trigger.
fn pending(job: &Job) -> Option<Pending> {
    job.next_fire_time.map(|fire_time| Pending {
        fire_time,
        excluded_from: job.excluded_from,
    })
}

/// The calendars and blackouts that apply to fire times from the pending one on.
async fn exclusions(ctx: &Context<'_>, job: &Job, pending: Pending) -> Result<Arc<Exclusions>> {
    // The trigger was moved past the excluded fire times, which are not recorded yet.
    let since = pending.excluded_from.unwrap_or(pending.fire_time);
    let calendar = job.definition.calendar.clone();
    Ok(job_loader::load(ctx, ExclusionsKey { calendar, since })
        .await?
        .unwrap_or_default())
}

async fn state_record(ctx: &Context<'_>, job: &Job) -> Result<Option<JobStateRecord>> {
    job_loader::load(ctx, StateKey(job.id)).await
}

/// The next fire times of a job. `count` changes the length of the list, not its start.
async fn fire_times(ctx: &Context<'_>, job: &Job, count: usize) -> Result<Vec<Timestamp>> {
    // A job with `maxRuns` ends before the list does.
    let count = count.min(job.definition.runs_left(job.runs));
    let Some(pending) = pending(job).filter(|_| count > 0) else {
        return Ok(Vec::new());
    };
    let exclusions = exclusions(ctx, job, pending).await?;
    Ok(exclusions.fire_times(job.id, &job.definition, pending, count))
}
