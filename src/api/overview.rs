//! The overview, the activity of the past, and the load of the coming hours.

use super::agenda::{hidden, schedules, shown};
use super::allowance::COMPUTATIONS;
use super::context::store;
use super::date_time::DateTime;
use super::lists::{JobFilterInput, size};
use super::objects::nodes::Cluster;
use super::queries::cluster;
use super::{cost, errors};
use crate::model::activity::Activity;
use crate::model::exclusions::Blackout;
use crate::model::trigger::TriggerKind;
use crate::model::upcoming::{MINUTES_MAX, Plan};
use crate::model::{Timestamp, text_enum};
use crate::store::Store;
use crate::store::queries::overview::{Attention, OverviewRecord, UpcomingFire};
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use std::collections::BTreeMap;

/// Longest period of `activity`, in minutes: a day, as long as the counts are kept.
const ACTIVITY_MINUTES_MAX: i32 = 1_440;
/// Points of an activity chart.
const POINTS: i64 = 60;

/// Most rows of `nextDue`.
const NEXT_DUE: usize = 10;
/// Most rows of `attention`.
const ATTENTION: usize = 50;
/// Most rows of `blackouts`.
const BLACKOUTS: u32 = 10;

/// The state of the cluster at a glance.
#[derive(Clone)]
pub struct Overview {
    cluster: Cluster,
    record: OverviewRecord,
    blackouts: Vec<Blackout>,
}

text_enum! {
    /// Why something needs attention.
    #[derive(async_graphql::Enum)]
    AttentionKind, "kind of attention" {
        /// The cluster is paused: nothing starts. The message says why, and what ends the pause.
        ClusterPaused = "CLUSTER_PAUSED",
        /// Jobs wait until the database's clock reaches fire times that were taken while the clock
        /// was ahead.
        Resting = "RESTING",
        /// Due for more than five seconds, and taken by no node.
        Late = "LATE",
        /// Runs for longer than its interval, its time-out or an hour.
        Stuck = "STUCK",
        /// Waits for its next attempt.
        Retrying = "RETRYING",
        /// The newest settled execution failed or was lost, and none has succeeded since: FAILING
        /// in `jobsPage`.
        Failed = "FAILED",
        /// The answering node cannot read the job.
        Unreadable = "UNREADABLE",
        /// The executions of the job, or those of its target host, hold half of the slots of the
        /// answering node: further due executions of the job wait.
        Saturated = "SATURATED",
        /// The last failure paused the job.
        PausedByFailure = "PAUSED_BY_FAILURE",
    }
}

/// Counts of the whole cluster in a period.
#[derive(SimpleObject)]
#[graphql(name = "Activity")]
pub struct ActivityPoint {
    /// Start of the period.
    at: DateTime,
    /// Length of the period.
    seconds: i32,
    /// Attempts that were leased.
    fires: i32,
    /// Executions that ended successfully.
    succeeded: i32,
    /// Attempts that ended without success.
    failed: i32,
    /// Fire times that were recorded and not run.
    skipped: i32,
    /// Median of the lateness.
    lateness_p50_millis: Option<f64>,
    /// 99th percentile of the lateness.
    lateness_p99_millis: Option<f64>,
}

/// Number of fire times in the coming hours.
#[derive(SimpleObject)]
pub struct Upcoming {
    /// Start of the first bucket.
    from: DateTime,
    /// Length of each bucket.
    step_seconds: i32,
    /// Number of fire times in each bucket.
    buckets: Vec<i32>,
    /// The ten minutes with the most fire times, the busiest first.
    crowded: Vec<CrowdedMinute>,
    /// Number of planned jobs: active jobs with a schedule, without the fixed delays, whose next
    /// fire time depends on the end of an execution.
    jobs: i32,
    /// False for an answer that was cut to bound the work.
    complete: bool,
}

/// A minute with many fire times.
#[derive(SimpleObject)]
pub struct CrowdedMinute {
    /// Start of the minute.
    at: DateTime,
    /// Number of fire times.
    fires: i32,
    /// Names of some of the jobs.
    jobs: Vec<String>,
}

/// The queries of the overview.
#[derive(Default)]
pub struct OverviewQuery;

#[Object]
impl OverviewQuery {
    /// The state of the cluster at a glance.
    #[graphql(complexity = "20 * cost::STATEMENT + child_complexity")]
    async fn overview(&self, ctx: &Context<'_>) -> Result<Overview> {
        overview(&*store(ctx).await?).await
    }

    /// Counts of the last minutes, at most a day, in sixty periods of equal length, oldest first.
    /// The last period is not complete.
    #[graphql(complexity = "5 * cost::STATEMENT + cost::rows(POINTS as usize, child_complexity)")]
    async fn activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 60)] minutes: Option<i32>,
    ) -> Result<Vec<ActivityPoint>> {
        let minutes = minutes.unwrap_or(60);
        if !(1..=ACTIVITY_MINUTES_MAX).contains(&minutes) {
            return Err(errors::bad_input(
                "minutes",
                format!("minutes: must be from 1 to {ACTIVITY_MINUTES_MAX}"),
            ));
        }
        let store = store(ctx).await?;
        let rows = store.activity(minutes).await?;
        let now = store.now().await?;
        Ok(points(&rows, now, minutes))
    }

    /// Number of fire times in each period of the coming hours. Fire times that a calendar or a
    /// blackout with SKIP excludes are left out; fire times that another blackout defers count at
    /// their fire time. `filter` and `hideEverySeconds` as in `agenda`.
    #[graphql(
        complexity = "cost::PLAN + cost::PLAN_HOUR * cost::bound(hours, 24, MINUTES_MAX / 60) \
                      + child_complexity"
    )]
    async fn upcoming(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 24)] hours: Option<i32>,
        #[graphql(default = 10)] step_minutes: Option<i32>,
        filter: Option<JobFilterInput>,
        hide_every_seconds: Option<i32>,
    ) -> Result<Upcoming> {
        let minutes = usize::try_from(hours.unwrap_or(24))
            .unwrap_or(0)
            // Saturating: the bound below refuses large numbers.
            .saturating_mul(60);
        if !(1..=MINUTES_MAX).contains(&minutes) {
            return Err(errors::bad_input("hours", "hours: must be from 1 to 168"));
        }
        let step = usize::try_from(step_minutes.unwrap_or(10))
            .ok()
            .filter(|step| (1..=1_440).contains(step));
        let step = step.ok_or_else(|| {
            errors::bad_input("stepMinutes", "stepMinutes: must be from 1 to 1440")
        })?;
        let (schedules, hidden) = (schedules(ctx, filter).await?, hidden(hide_every_seconds)?);
        let complete = schedules.complete;
        // Passed to a thread for arithmetic: a plan of a week takes longer than a request may
        // block.
        let plan = move || {
            let groups = shown(
                schedules.groups,
                &schedules.exclusions,
                schedules.now,
                hidden,
            );
            let jobs = groups.iter().map(|group| group.jobs).sum::<u32>();
            (
                Plan::of(&groups, &schedules.exclusions, schedules.now, minutes),
                jobs,
            )
        };
        let (plan, jobs) = COMPUTATIONS.run(plan).await;
        Ok(upcoming(&plan, step, jobs, complete))
    }
}

/// The state of the cluster at a glance.
#[Object]
impl Overview {
    /// Numbers of nodes and jobs.
    async fn cluster(&self) -> Cluster {
        self.cluster.clone()
    }
    /// Executions that failed for good within the last hour, counted to 10,000.
    async fn failures_last_hour(&self) -> i32 {
        size(self.record.failures_last_hour)
    }
    /// Jobs that fail: the newest execution that succeeded, failed or was lost did not succeed,
    /// whatever its age. Counted to 10,000. `jobsPage(filter: {state: [FAILING]})` lists them.
    async fn failing_jobs(&self) -> i32 {
        size(self.record.failing_jobs)
    }
    /// Triggers that are due and not taken, counted to 10,000.
    async fn due_now(&self) -> i32 {
        size(self.record.due_now)
    }
    /// The next ten triggers.
    #[graphql(complexity = "cost::rows(NEXT_DUE, child_complexity)")]
    async fn next_due(&self) -> &[UpcomingFire] {
        &self.record.next_due
    }
    /// Problems: first those of the whole cluster, then late or stuck jobs, then the others; at
    /// most 50.
    #[graphql(complexity = "cost::rows(ATTENTION, child_complexity)")]
    async fn attention(&self) -> &[Attention] {
        &self.record.attention
    }
    /// Blackouts in force, by their ends; at most 10.
    #[graphql(complexity = "cost::rows(BLACKOUTS as usize, child_complexity)")]
    async fn blackouts(&self) -> &[Blackout] {
        &self.blackouts
    }
    /// Number of problems without the bound of `attention`, each kind counted to 10,000.
    async fn attention_total(&self) -> i32 {
        size(self.record.attention_total)
    }
}

/// A trigger that is due soon.
#[Object]
impl UpcomingFire {
    /// Id of the job.
    async fn job_id(&self) -> ID {
        self.job_id.into()
    }
    /// Name of the job.
    async fn job_name(&self) -> &str {
        &self.job_name
    }
    /// When the execution may start.
    async fn due_time(&self) -> DateTime {
        DateTime(self.due_time)
    }
    /// The fire time of the trigger.
    async fn fire_time(&self) -> DateTime {
        DateTime(self.fire_time)
    }
    /// What made the trigger.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn kind(&self) -> Result<TriggerKind> {
        errors::named(&self.kind)
    }
}

/// A problem that needs attention.
#[Object]
impl Attention {
    /// Kind of the problem.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn kind(&self) -> Result<AttentionKind> {
        errors::named(&self.kind)
    }
    /// Id of the job; none for a problem of the whole cluster.
    async fn job_id(&self) -> Option<ID> {
        self.job_id.map(Into::into)
    }
    /// Name of the job.
    async fn job_name(&self) -> Option<&str> {
        self.job_name.as_deref()
    }
    /// Id of the execution, for a problem of one execution.
    async fn execution_id(&self) -> Option<ID> {
        self.execution_id.map(Into::into)
    }
    /// Start of the problem.
    async fn since(&self) -> DateTime {
        DateTime(self.since)
    }
    /// The problem in words.
    async fn message(&self) -> &str {
        &self.message
    }
}

/// Reads all parts of the overview.
pub(super) async fn overview(store: &Store) -> Result<Overview> {
    let cluster = cluster(store).await?;
    let blackouts = store.blackouts_in_force(BLACKOUTS).await?;
    Ok(Overview {
        cluster,
        record: store.overview().await?,
        blackouts,
    })
}

/// Sums the rows into periods of equal length, with zeros for periods without rows.
fn points(rows: &[(Timestamp, Activity)], now: Timestamp, minutes: i32) -> Vec<ActivityPoint> {
    // Activity is counted in periods of ten seconds.
    let step = (i64::from(minutes) * 60 / POINTS).max(10);
    let last = start_of(now, step);
    // Periods without rows are zeros, not gaps.
    let mut periods: BTreeMap<i64, Activity> = (0..POINTS)
        .map(|back| (last - back * step, Activity::default()))
        .collect();
    for (at, activity) in rows {
        if let Some(period) = periods.get_mut(&start_of(*at, step)) {
            period.add(activity);
        }
    }
    let mut points = Vec::with_capacity(periods.len());
    for (at, activity) in periods {
        points.push(ActivityPoint {
            at: DateTime(Timestamp::from_timestamp(at, 0).unwrap_or_default()),
            seconds: size(step),
            fires: size(activity.fires),
            succeeded: size(activity.succeeded),
            failed: size(activity.failed),
            skipped: size(activity.skipped),
            lateness_p50_millis: activity.lateness_percentile(0.5),
            lateness_p99_millis: activity.lateness_percentile(0.99),
        });
    }
    points
}

/// Start of the period of `step` seconds that has the instant, in seconds since 1970.
fn start_of(at: Timestamp, step: i64) -> i64 {
    at.timestamp().div_euclid(step) * step
}

fn upcoming(plan: &Plan, step: usize, jobs: u32, complete: bool) -> Upcoming {
    let mut crowded = Vec::with_capacity(plan.crowded.len());
    for (at, fires, jobs) in &plan.crowded {
        crowded.push(CrowdedMinute {
            at: DateTime(*at),
            fires: size(*fires),
            jobs: jobs.clone(),
        });
    }
    Upcoming {
        from: DateTime(plan.from),
        step_seconds: size(step * 60),
        buckets: plan
            .minutes
            .chunks(step)
            .map(|minutes| size(minutes.iter().map(|fires| i64::from(*fires)).sum::<i64>()))
            .collect(),
        crowded,
        jobs: size(jobs),
        complete: plan.complete && complete,
    }
}
