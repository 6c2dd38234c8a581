//! The overview, what was done, and what is to come.

use super::agenda::{hidden, schedules, shown};
use super::allowance::COMPUTATIONS;
use super::lists::JobFilterInput;
use super::objects::nodes::Cluster;
use super::queries::{cluster, store};
use super::{cost, errors};
use crate::model::activity::Activity;
use crate::model::exclusions::Blackout;
use crate::model::upcoming::{MINUTES_MAX, Plan};
use crate::model::{Timestamp, rfc3339};
use crate::store::Store;
use crate::store::overview::{Attention, OverviewRecord, UpcomingFire};
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use std::collections::BTreeMap;

/// Longest look back at the activity, in minutes: a day, as long as it is kept.
const ACTIVITY_MINUTES_MAX: i32 = 1_440;
/// Points of an activity chart.
const POINTS: i64 = 60;

/// Rows of `nextDue`.
const NEXT_DUE: usize = 10;
/// Most rows of `attention`.
const ATTENTION: usize = 50;
/// Most rows of `blackouts`.
const BLACKOUTS: u32 = 10;

/// Whether all is well.
#[derive(Clone)]
pub struct Overview {
    cluster: Cluster,
    record: OverviewRecord,
    blackouts: Vec<Blackout>,
}

/// Why a person should look at something.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum AttentionKind {
    /// The cluster is held: nothing starts. The message says why, and what ends the hold.
    Held,
    /// Jobs rest until the database's clock has come to fire times that were taken while it was
    /// ahead.
    Resting,
    /// Due for more than five seconds, and taken by no node.
    Late,
    /// Runs for longer than its interval, its time-out or an hour.
    Stuck,
    /// Waits for its next attempt.
    Retrying,
    /// Its newest settled execution failed or was lost, and none has succeeded since: FAILING in
    /// `jobsPage`.
    Failed,
    /// The answering node cannot read the job.
    Unreadable,
    /// Its executions, or those of its target host, hold half of the answering node's slots: what
    /// is due of it waits.
    Saturated,
    /// Its last failure paused the job.
    PausedByFailure,
}

/// What happened in a stretch of time, in the whole cluster.
#[derive(SimpleObject)]
#[graphql(name = "Activity")]
pub struct ActivityPoint {
    /// Its start.
    at: String,
    /// Its length.
    seconds: i32,
    /// Attempts that were leased.
    fires: i32,
    /// Executions that succeeded.
    succeeded: i32,
    /// Attempts that failed.
    failed: i32,
    /// Fire times that were recorded and not run.
    skipped: i32,
    /// Lateness that half of the attempts did not exceed.
    lateness_p50_millis: Option<f64>,
    /// Lateness that 99 of 100 attempts did not exceed.
    lateness_p99_millis: Option<f64>,
}

/// Fire times to come.
#[derive(SimpleObject)]
pub struct Upcoming {
    /// Start of the first bucket.
    from: String,
    /// Length of a bucket.
    step_seconds: i32,
    /// Fire times of each bucket.
    buckets: Vec<i32>,
    /// The ten fullest minutes, fullest first.
    crowded: Vec<CrowdedMinute>,
    /// Jobs that were planned: the active ones but fixed delays, whose next fire time depends on
    /// the end of a run.
    jobs: i32,
    /// False when something was left out to bound the work.
    complete: bool,
}

/// A minute with many fire times.
#[derive(SimpleObject)]
pub struct CrowdedMinute {
    /// Its start.
    at: String,
    /// Its fire times.
    fires: i32,
    /// Names of some of the jobs.
    jobs: Vec<String>,
}

/// The queries of the overview.
#[derive(Default)]
pub struct OverviewQuery;

#[Object]
impl OverviewQuery {
    /// Whether all is well.
    #[graphql(complexity = "20 * cost::STATEMENT + child_complexity")]
    async fn overview(&self, ctx: &Context<'_>) -> Result<Overview> {
        overview(&*store(ctx).await?).await
    }

    /// What happened in the last minutes, at most a day, in sixty stretches of
    /// equal length: oldest first, the last one still goes on.
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
        let rows = store.activity(minutes).await.map_err(errors::store)?;
        let now = store.now().await.map_err(errors::store)?;
        Ok(points(&rows, now, minutes))
    }

    /// How many fire times fall into each stretch of the hours to come. What a
    /// calendar or a blackout with SKIP closes is left out; what another blackout
    /// holds back counts at its fire time, folded or not. `filter` and
    /// `hideEverySeconds` as in `agenda`.
    #[graphql(
        complexity = "cost::PLAN + cost::PLAN_HOUR * cost::bound(hours, 24, MINUTES_MAX / 60) + child_complexity"
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

/// Whether all is well.
#[Object]
impl Overview {
    /// Nodes and jobs.
    async fn cluster(&self) -> Cluster {
        self.cluster.clone()
    }
    /// Executions that failed for good within the last hour, counted to 10,000.
    async fn failures_last_hour(&self) -> i32 {
        int(self.record.failures_last_hour)
    }
    /// Jobs that fail: the newest execution that succeeded, failed or was lost did not succeed,
    /// however long ago that was. Counted to 10,000. `jobsPage(filter: {state: [FAILING]})` lists
    /// them.
    async fn failing_jobs(&self) -> i32 {
        int(self.record.failing_jobs)
    }
    /// Triggers that are due and not taken, counted to 10,000.
    async fn due_now(&self) -> i32 {
        int(self.record.due_now)
    }
    /// The ten next.
    #[graphql(complexity = "cost::rows(NEXT_DUE, child_complexity)")]
    async fn next_due(&self) -> &[UpcomingFire] {
        &self.record.next_due
    }
    /// What a person should look at: the whole cluster, then late or stuck jobs, then the others;
    /// at most 50.
    #[graphql(complexity = "cost::rows(ATTENTION, child_complexity)")]
    async fn attention(&self) -> &[Attention] {
        &self.record.attention
    }
    /// Blackouts that are in force, the one that ends first first; at most 10.
    #[graphql(complexity = "cost::rows(BLACKOUTS as usize, child_complexity)")]
    async fn blackouts(&self) -> &[Blackout] {
        &self.blackouts
    }
    /// How many entries `attention` would have without its bound, each kind counted to 10,000.
    async fn attention_total(&self) -> i32 {
        int(self.record.attention_total)
    }
}

/// A trigger that is due soon.
#[Object]
impl UpcomingFire {
    /// The job.
    async fn job_id(&self) -> ID {
        self.job_id.into()
    }
    /// Its name.
    async fn job_name(&self) -> &str {
        &self.job_name
    }
    /// When it may start.
    async fn due_time(&self) -> String {
        rfc3339(self.due_time)
    }
    /// The instant that the schedule names.
    async fn fire_time(&self) -> String {
        rfc3339(self.fire_time)
    }
    /// What made the trigger.
    async fn kind(&self) -> &str {
        &self.kind
    }
}

/// What a person should look at.
#[Object]
impl Attention {
    /// Why.
    async fn kind(&self) -> AttentionKind {
        match self.kind.as_str() {
            "HELD" => AttentionKind::Held,
            "RESTING" => AttentionKind::Resting,
            "LATE" => AttentionKind::Late,
            "STUCK" => AttentionKind::Stuck,
            "RETRYING" => AttentionKind::Retrying,
            "UNREADABLE" => AttentionKind::Unreadable,
            "SATURATED" => AttentionKind::Saturated,
            "PAUSED_BY_FAILURE" => AttentionKind::PausedByFailure,
            _ => AttentionKind::Failed,
        }
    }
    /// The job; none when it is about the whole cluster.
    async fn job_id(&self) -> Option<ID> {
        self.job_id.map(Into::into)
    }
    /// Its name.
    async fn job_name(&self) -> Option<&str> {
        self.job_name.as_deref()
    }
    /// The execution, if it is about one.
    async fn execution_id(&self) -> Option<ID> {
        self.execution_id.map(Into::into)
    }
    /// Since when.
    async fn since(&self) -> String {
        rfc3339(self.since)
    }
    /// What is the matter, in words.
    async fn message(&self) -> &str {
        &self.message
    }
}

/// Reads the overview.
pub(super) async fn overview(store: &Store) -> Result<Overview> {
    let cluster = cluster(store).await?;
    let blackouts = store
        .blackouts_in_force(BLACKOUTS)
        .await
        .map_err(errors::store)?;
    Ok(Overview {
        cluster,
        record: store.overview().await.map_err(errors::store)?,
        blackouts,
    })
}

/// Sums the rows into stretches of equal length, also those without any.
fn points(rows: &[(Timestamp, Activity)], now: Timestamp, minutes: i32) -> Vec<ActivityPoint> {
    let step = (i64::from(minutes) * 60 / POINTS).max(10);
    let start = |at: i64| at.div_euclid(step) * step;
    let last = start(now.timestamp());
    let all = (0..POINTS).map(|back| (last - back * step, Activity::default()));
    let mut stretches: BTreeMap<i64, Activity> = all.collect();
    for (at, activity) in rows {
        if let Some(stretch) = stretches.get_mut(&start(at.timestamp())) {
            stretch.add(activity);
        }
    }
    let point = |(at, activity): (i64, Activity)| ActivityPoint {
        at: Timestamp::from_timestamp(at, 0)
            .map(rfc3339)
            .unwrap_or_default(),
        seconds: int(step),
        fires: int(activity.fires),
        succeeded: int(activity.succeeded),
        failed: int(activity.failed),
        skipped: int(activity.skipped),
        lateness_p50_millis: activity.lateness_percentile(0.5),
        lateness_p99_millis: activity.lateness_percentile(0.99),
    };
    stretches.into_iter().map(point).collect()
}

fn upcoming(plan: &Plan, step: usize, jobs: u32, complete: bool) -> Upcoming {
    let crowded = |(at, fires, jobs): &(Timestamp, u32, Vec<String>)| CrowdedMinute {
        at: rfc3339(*at),
        fires: int((*fires).into()),
        jobs: jobs.clone(),
    };
    let sum = |minutes: &[u32]| int(minutes.iter().map(|fires| i64::from(*fires)).sum());
    Upcoming {
        from: rfc3339(plan.from),
        step_seconds: i32::try_from(step * 60).unwrap_or(i32::MAX),
        buckets: plan.minutes.chunks(step).map(sum).collect(),
        crowded: plan.crowded.iter().map(crowded).collect(),
        jobs: int(jobs.into()),
        complete: plan.complete && complete,
    }
}

fn int(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
