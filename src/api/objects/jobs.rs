//! Jobs, as the API shows them.

use crate::api::enums::{
    DstGapName, DstOverlapName, JobScheduleType, JobStateName, JobStatusName, MisfirePolicyName,
    OverlapPolicyName, RecoveryPolicy,
};
use crate::api::job_loader::{
    self, ExclusionsKey, InFlightKey, NowKey, OutcomesKey, RecentKey, StateKey,
};
use crate::api::json::Json;
use crate::api::lists::{ExecutionConnection, ExecutionFilterInput, executions, first_executions};
use crate::api::masks::Masks;
use crate::api::queries::{store, texts};
use crate::api::{cost, errors};
use crate::model::exclusions::{Exclusions, JobExclusion, Pending};
use crate::model::job::Job;
use crate::model::lists::ExecutionFilter;
use crate::model::outcomes::{CELLS_MAX, OutcomeAxis};
use crate::model::rfc3339;
use crate::model::schedule::Schedule;
use crate::model::target::Target;
use crate::store::executions::{ExecutionRecord, ExecutionTexts};
use crate::store::job_states::{Failing, JobStateRecord};
use crate::store::jobs::JobVersion;
use crate::store::outcomes::RecentOutcomes;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use std::borrow::Cow;
use std::sync::Arc;

/// Most of `nextFireTimes`.
const FIRE_TIMES_MAX: usize = 1_000;
/// Most of `recentExecutions`.
const RECENT_MAX: usize = 50;

/// What a schedule means, before any job has it.
#[derive(SimpleObject)]
pub struct SchedulePreview {
    /// For CRON, as typed.
    pub expression: Option<String>,
    /// For CRON: UNIX or QUARTZ.
    pub dialect: Option<String>,
    /// The zone of the expression.
    pub zone: String,
    /// In English words.
    pub description: String,
    /// The next ones, in UTC.
    pub fire_times: Vec<String>,
    /// What may surprise.
    pub warnings: Vec<String>,
}

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

/// Why a job fails.
#[Object(name = "JobFailing")]
impl Failing {
    /// The execution that failed last. The log may have dropped it.
    async fn execution_id(&self) -> ID {
        self.execution_id.into()
    }
    /// End of the first execution that failed since the last success.
    async fn since(&self) -> String {
        rfc3339(self.since)
    }
    /// End of the execution that failed last.
    async fn failed_at(&self) -> String {
        rfc3339(self.failed_at)
    }
    /// What went wrong then, at most 200 characters.
    async fn message(&self) -> &str {
        &self.message
    }
}

/// One version of a job's definition.
#[Object(name = "JobVersion")]
impl JobVersion {
    /// As in the job after the change.
    async fn version(&self) -> i32 {
        self.version
    }
    /// When it was made.
    async fn changed_at(&self) -> String {
        rfc3339(self.changed_at)
    }
    /// Who made it.
    async fn changed_by(&self) -> &str {
        &self.changed_by
    }
    /// CREATED, UPDATED, PAUSED, RESUMED or DELETED.
    async fn change(&self) -> &str {
        &self.change
    }
    /// The whole row after the change, with every policy; secrets masked as in the job.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn definition(&self, ctx: &Context<'_>) -> Result<Json> {
        Ok(Masks::of(ctx)?.hide(Json::read(&self.definition).map_err(errors::unshowable)?))
    }
}

/// A job.
#[Object(name = "Job")]
impl Job {
    /// Its identity.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// For people.
    async fn name(&self) -> &str {
        &self.definition.name
    }
    /// How its fire times are made.
    async fn schedule_type(&self) -> JobScheduleType {
        self.definition.schedule.schedule_type().into()
    }
    /// For CRON, as typed.
    async fn cron_expression(&self) -> Option<&str> {
        match &self.definition.schedule {
            Schedule::Cron(cron) => Some(cron.expression()),
            _ => None,
        }
    }
    /// For FIXED_RATE and FIXED_DELAY.
    async fn interval_seconds(&self) -> Option<i32> {
        match &self.definition.schedule {
            Schedule::FixedRate { interval, .. } | Schedule::FixedDelay { interval } => {
                int(interval.num_seconds())
            }
            Schedule::Cron(_) | Schedule::Once { .. } => None,
        }
    }
    /// Seconds from creation to the first fire time, as typed.
    async fn initial_delay_seconds(&self) -> Option<i32> {
        self.definition.initial_delay_seconds.and_then(int)
    }
    /// Handed to the target, as JSON text. Values whose names look like secrets (`--mask`) are
    /// `********`; the target gets them.
    async fn payload(&self, ctx: &Context<'_>) -> Result<Option<Cow<'_, str>>> {
        match &self.definition.payload {
            Some(payload) => Masks::shown(ctx, payload).await.map(Some),
            None => Ok(None),
        }
    }
    /// Whether it fires.
    async fn status(&self) -> JobStatusName {
        self.status.into()
    }
    /// How it stands, beyond its status.
    #[graphql(complexity = "cost::BATCHED")]
    async fn state(&self, ctx: &Context<'_>) -> Result<JobStateName> {
        Ok(state_record(ctx, self)
            .await?
            .map_or(JobStateName::Deleted, |state_record| {
                state_record.state.into()
            }))
    }
    /// Whether its schedule has no fire time left: ONCE has run, `maxRuns` is reached, or `endAt`
    /// has passed. False of a job that is paused or deleted.
    #[graphql(complexity = "cost::BATCHED")]
    async fn has_ended(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(state_record(ctx, self)
            .await?
            .is_some_and(|state_record| state_record.has_ended))
    }
    /// Why it fails; none unless its newest settled execution failed or was lost.
    #[graphql(complexity = "cost::BATCHED + child_complexity")]
    async fn failing(&self, ctx: &Context<'_>) -> Result<Option<Failing>> {
        Ok(state_record(ctx, self)
            .await?
            .and_then(|state_record| state_record.failing))
    }
    /// Raised by every change.
    async fn version(&self) -> i32 {
        self.version
    }
    /// When it was created.
    async fn created_at(&self) -> Option<String> {
        Some(rfc3339(self.created_at))
    }
    /// When it was last changed.
    async fn updated_at(&self) -> Option<String> {
        Some(rfc3339(self.updated_at))
    }
    /// The first of its next fire times; none while it is paused, or while a fixed delay runs.
    #[graphql(complexity = "cost::BATCHED")]
    async fn next_fire_time(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(fire_times(ctx, self, 1).await?.pop())
    }
    /// Its next fire times, if nothing is changed: at most 1,000. A fire time is the
    /// instant that the schedule names: what runs starts then, or later by its
    /// jitter, or when the blackout ends that holds it back. Only the pending one
    /// for a fixed delay, whose next depends on the end of its run; none while it
    /// is paused. What its calendar or a blackout with SKIP closes is left out, and
    /// what comes after its last run. Of those that a blackout holds back stand here
    /// with COLLAPSE the last, into which the others are folded, and with RUN_ALL
    /// every one. What is late stands here until it is taken: then its misfire
    /// policy decides. Fewer than asked for when hundreds that do not run lie
    /// between two that do.
    #[graphql(
        complexity = "cost::BATCHED + cost::FIRE_TIMES + cost::FIRE_TIME * cost::bound(Some(count), 0, FIRE_TIMES_MAX)"
    )]
    async fn next_fire_times(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 10)] count: i32,
    ) -> Result<Vec<String>> {
        fire_times(
            ctx,
            self,
            usize::try_from(count).unwrap_or(0).min(FIRE_TIMES_MAX),
        )
        .await
    }
    /// The calendar or blackout that keeps it from firing now, or the blackout ahead that holds its
    /// next fire time; none when that takes no fire time of the job, and while it is paused.
    #[graphql(complexity = "2 * cost::BATCHED + cost::FIRE_TIME + child_complexity")]
    async fn closed_by(&self, ctx: &Context<'_>) -> Result<Option<JobExclusion>> {
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
    async fn previous_fire_time(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let newest = RecentKey {
            job: self.id,
            limit: 1,
            texts: ExecutionTexts::None,
        };
        let newest = job_loader::first_page(ctx, newest).await?;
        Ok(newest
            .rows
            .first()
            .map(|execution| rfc3339(execution.through_fire_time.unwrap_or(execution.fire_time))))
    }
    /// Executions that run or wait for their next attempt.
    #[graphql(complexity = "cost::BATCHED")]
    async fn in_flight(&self, ctx: &Context<'_>) -> Result<i32> {
        let in_flight = job_loader::load(ctx, InFlightKey(self.id))
            .await?
            .unwrap_or(0);
        Ok(i32::try_from(in_flight).unwrap_or(i32::MAX))
    }
    /// The newest executions, newest fire time first: at most 50.
    #[graphql(
        complexity = "cost::NEWEST + cost::rows(cost::bound(count, 20, RECENT_MAX), child_complexity)"
    )]
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
    /// How its executions of the last minutes ended, at most a day, in cells of equal
    /// length, at most 100: of each cell what failed, else the newest.
    #[graphql(
        complexity = "cost::NEWEST + cost::rows(cost::bound(Some(cells), 0, CELLS_MAX), child_complexity)"
    )]
    async fn recent_outcomes(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 1440)] minutes: i32,
        #[graphql(default = 48)] cells: i32,
    ) -> Result<Arc<RecentOutcomes>> {
        let axis = OutcomeAxis::new(minutes, cells).map_err(|invalid| errors::invalid(&invalid))?;
        let outcomes = job_loader::load(ctx, OutcomesKey { job: self.id, axis }).await?;
        outcomes.ok_or_else(|| errors::not_found("job", self.id))
    }
    /// The executions, newest fire time first, a page at a time: at most 200.
    #[graphql(
        complexity = "if after.is_none() && filter.is_none() { cost::first_page(first, child_complexity) } else { cost::page(first, filter.is_some(), child_complexity) }"
    )]
    async fn executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
        filter: Option<ExecutionFilterInput>,
    ) -> Result<ExecutionConnection> {
        if after.is_none() && filter.is_none() {
            return first_executions(ctx, self.id, first).await;
        }
        let filter = ExecutionFilter {
            job_id: Some(self.id),
            ..filter.unwrap_or_default().into_filter()?
        };
        executions(ctx, filter, first, after).await
    }
    /// For people.
    async fn description(&self) -> Option<&str> {
        self.definition.description.as_deref()
    }
    /// For finding and grouping.
    async fn tags(&self) -> &[String] {
        &self.definition.tags
    }
    /// Tie-break among equal due times, 9 first.
    async fn priority(&self) -> i32 {
        self.definition.priority.into()
    }
    /// Name of the calendar that says which fire times count.
    async fn calendar(&self) -> Option<&str> {
        self.definition.calendar.as_deref()
    }
    /// The zone of its cron expression.
    async fn time_zone(&self) -> &str {
        match &self.definition.schedule {
            Schedule::Cron(cron) => cron.zone().name(),
            _ => "UTC",
        }
    }
    /// What its cron does when the clock goes forward over its time.
    async fn dst_gap(&self) -> DstGapName {
        self.definition.policies.dst_gap.into()
    }
    /// What its cron does when the clock goes back over its time.
    async fn dst_overlap(&self) -> DstOverlapName {
        self.definition.policies.dst_overlap.into()
    }
    /// Why it is paused, if somebody said.
    async fn paused_because(&self) -> Option<&str> {
        self.pause_reason.as_deref()
    }
    /// The time of a ONCE that passed while it was paused: `resumeJob` runs it now with
    /// `runMissed: true`, and records it as SKIPPED without.
    #[graphql(complexity = "cost::STATEMENT")]
    async fn missed_fire_time(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let Some(held) = self.held_fire_time else {
            return Ok(None);
        };
        let now = store(ctx).await?.now().await.map_err(errors::store)?;
        Ok(Some(held).filter(|held| *held <= now).map(rfc3339))
    }
    /// No fire time before it.
    async fn start_at(&self) -> Option<String> {
        self.definition.policies.start_at.map(rfc3339)
    }
    /// No fire time after it.
    async fn end_at(&self) -> Option<String> {
        self.definition.policies.end_at.map(rfc3339)
    }
    /// No fire time runs after so many have.
    async fn max_runs(&self) -> Option<i32> {
        self.definition.policies.max_runs.and_then(int)
    }
    /// Largest delay between fire time and due time.
    async fn jitter_seconds(&self) -> i32 {
        self.definition.policies.jitter_seconds
    }
    /// What becomes of fire times that are found later than the grace.
    async fn misfire_policy(&self) -> MisfirePolicyName {
        self.definition.policies.misfire_policy.into()
    }
    /// How late a fire time may be found and still simply run late.
    async fn misfire_grace_seconds(&self) -> i32 {
        self.definition.policies.misfire_grace_seconds
    }
    /// FIRE_ALL: older fire times are skipped.
    async fn catch_up_window_seconds(&self) -> Option<i32> {
        self.definition.policies.catch_up_window_seconds
    }
    /// FIRE_ALL: only so many of the newest run.
    async fn max_catch_up(&self) -> Option<i32> {
        self.definition.policies.max_catch_up
    }
    /// What becomes of a fire time that comes due while an execution is in flight.
    async fn overlap_policy(&self) -> OverlapPolicyName {
        self.definition.policies.overlap_policy.into()
    }
    /// How long one attempt may take.
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
    /// How many of its newest executions the log keeps, whatever their age.
    async fn keep_executions(&self) -> Option<i32> {
        self.definition.policies.keep_executions
    }
    /// What it runs, as JSON with the kind as its one key. Headers whose names look like secrets
    /// (`--mask`) are `********`.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn target(&self, ctx: &Context<'_>) -> Result<Json> {
        Ok(Masks::of(ctx)?.hide(target(&self.definition.target).map_err(errors::unshowable)?))
    }
    /// What happens when a node dies in the middle of a run.
    async fn recovery(&self) -> RecoveryPolicy {
        self.definition.recovery.into()
    }
    /// How often a lost attempt is run again before CRASH_LOOP.
    async fn max_recoveries(&self) -> i32 {
        self.definition.max_recoveries
    }
}

/// In the words of the input: `{"log": {}}`, `{"noop": {…}}`, `{"http": {…}}`.
fn target(target: &Target) -> serde_json::Result<Json> {
    match target {
        Target::Log => Json::read(r#"{"log":{}}"#),
        other => Json::of(other),
    }
}

/// The API's Int has 32 bits; ten years of seconds fit.
fn int(seconds: i64) -> Option<i32> {
    i32::try_from(seconds).ok()
}

/// The fire time that the job's trigger names.
fn pending(job: &Job) -> Option<Pending> {
    job.next_fire_time.map(|fire_time| Pending {
        fire_time,
        excluded_from: job.excluded_from,
    })
}

/// What judges the fire times of a job from the pending one on.
async fn exclusions(ctx: &Context<'_>, job: &Job, pending: Pending) -> Result<Arc<Exclusions>> {
    let since = pending.excluded_from.unwrap_or(pending.fire_time);
    let calendar = job.definition.calendar.clone();
    Ok(job_loader::load(ctx, ExclusionsKey { calendar, since })
        .await?
        .unwrap_or_default())
}

async fn state_record(ctx: &Context<'_>, job: &Job) -> Result<Option<JobStateRecord>> {
    job_loader::load(ctx, StateKey(job.id)).await
}

/// The next fire times of a job. The first of them are the same, however many are asked for.
async fn fire_times(ctx: &Context<'_>, job: &Job, count: usize) -> Result<Vec<String>> {
    let count = count.min(job.definition.runs_left(job.runs));
    let Some(pending) = pending(job).filter(|_| count > 0) else {
        return Ok(Vec::new());
    };
    let exclusions = exclusions(ctx, job, pending).await?;
    let fire_times = exclusions.fire_times(job.id, &job.definition, pending, count);
    Ok(fire_times.into_iter().map(rfc3339).collect())
}
