//! Jobs: the target, the schedule and the policies.

use super::payload::Payload;
use super::policies::Policies;
use super::schedule::Schedule;
use super::target::Target;
use super::{InvalidInput, Timestamp, text_enum};
use chrono::TimeDelta;
use uuid::Uuid;

pub const PRIORITY_DEFAULT: i16 = 5;
/// The first second of the year 10000. RFC 3339 has no such year, so no job fires from then on.
const YEAR_10000: i64 = 253_402_300_800;
/// Default number of recoveries of an execution.
pub const RECOVERIES_DEFAULT: i32 = 3;

text_enum! {
    /// Whether a job fires.
    #[derive(async_graphql::Enum)]
    JobStatus, "job status" {
        /// The job fires by the schedule.
        Active = "ACTIVE",
        /// The job does not fire; the definition stays.
        Paused = "PAUSED",
        /// The job was deleted; the log stays.
        Deleted = "DELETED",
    }
}

text_enum! {
    /// State of a job, in more detail than the status. The first true state counts.
    #[derive(async_graphql::Enum)]
    JobState, "job state" {
        /// The job was deleted.
        Deleted = "DELETED",
        /// The newest settled execution failed or was lost. SKIPPED and CANCELLED executions do not
        /// count. The job may be paused.
        Failing = "FAILING",
        /// The job is paused.
        Paused = "PAUSED",
        /// The schedule has no fire time left: ONCE has run, `maxRuns` is reached, or `endAt` has
        /// passed.
        Ended = "ENDED",
        /// A fire time has come and has not started: late, deferred by a blackout, or waiting behind
        /// an execution of the job.
        Waiting = "WAITING",
        /// The job fires: no other state is true.
        Active = "ACTIVE",
    }
}

text_enum! {
    /// The change of a version of a job.
    #[derive(async_graphql::Enum)]
    JobChange, "change of a job" {
        /// The job was created.
        Created = "CREATED",
        /// The definition was replaced.
        Updated = "UPDATED",
        /// The job was paused.
        Paused = "PAUSED",
        /// The job was resumed.
        Resumed = "RESUMED",
        /// The job was deleted.
        Deleted = "DELETED",
    }
}

text_enum! {
    /// The rule for an attempt of a dead node.
    #[derive(async_graphql::Enum)]
    Recovery, "recovery" {
        /// Run the fire time again: at least once.
        Rerun = "RERUN",
        /// Record the attempt as lost: at most once.
        MarkLost = "MARK_LOST",
    }
}

/// The definition of a job: everything except identity and history.
#[derive(Debug, Clone, PartialEq)]
pub struct JobDefinition {
    /// Display only; not unique.
    pub name: String,
    /// Description of at most 2,000 characters. Display only.
    pub description: Option<String>,
    /// Names for searches and groups of jobs.
    pub tags: Vec<String>,
    /// Order among equal due times: 9 comes first.
    pub priority: i16,
    /// Rules for limits, misfires, overlaps and retries.
    pub policies: Policies,
    /// The source of the fire times.
    pub schedule: Schedule,
    /// Name of the calendar for the fire times.
    pub calendar: Option<String>,
    /// Delay of the first fire time, in seconds.
    pub initial_delay_seconds: Option<i64>,
    /// The action of an execution.
    pub target: Target,
    /// Data for the target.
    pub payload: Option<Payload>,
    /// The rule for an attempt of a dead node.
    pub recovery: Recovery,
    /// Most recoveries of an execution; another loss ends the execution with `CRASH_LOOP`.
    pub max_recoveries: i32,
}

/// A job as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: Uuid,
    /// The namespace of the job, for good.
    pub namespace: String,
    pub definition: JobDefinition,
    /// Active, paused or deleted.
    pub status: JobStatus,
    /// Reason of the pause, if given; display only.
    pub pause_reason: Option<String>,
    /// Version, increased by every change.
    pub version: i32,
    /// Time of the creation.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// The fire time of the trigger. The fire time may be excluded, and with a blackout another
    /// fire time may run.
    pub next_fire_time: Option<Timestamp>,
    /// The first excluded fire time passed by the trigger.
    pub excluded_from: Option<Timestamp>,
    /// The fire time of a paused ONCE, if neither run nor recorded.
    pub paused_fire_time: Option<Timestamp>,
    /// Number of run fire times of the schedule, for `maxRuns`.
    pub runs: i64,
}

impl Job {
    /// Namespace and handler, as `team/report`: workers that offer it lease its triggers. None:
    /// the target is built in, and nodes do.
    pub fn route(&self) -> Option<String> {
        let handler = self.definition.target.handler()?;
        Some(route(&self.namespace, handler))
    }

    /// Whether that is its route.
    pub fn has_route(&self, route: Option<&str>) -> bool {
        let own = self.definition.target.handler();
        let own = own.map(|handler| (self.namespace.as_str(), handler));
        own == route.and_then(|route| route.split_once('/'))
    }
}

/// The route of a handler in a namespace. (`job_route` in SQL.)
pub fn route(namespace: &str, handler: &str) -> String {
    format!("{namespace}/{handler}")
}

impl JobDefinition {
    /// A definition with all defaults.
    pub fn plain(name: &str, schedule: Schedule) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
            tags: Vec::new(),
            priority: PRIORITY_DEFAULT,
            policies: Policies::default(),
            schedule,
            calendar: None,
            initial_delay_seconds: None,
            target: Target::Log,
            payload: None,
            recovery: Recovery::Rerun,
            max_recoveries: RECOVERIES_DEFAULT,
        }
    }

    /// The first fire time of a job created at `now`.
    pub fn first_fire_time(&self, now: Timestamp) -> Option<Timestamp> {
        let start = self.policies.start_at.unwrap_or(now);
        match &self.schedule {
            Schedule::FixedRate { anchor, .. } if *anchor >= now => {
                Some(*anchor).filter(|at| self.within_end(*at))
            }
            Schedule::FixedDelay { .. } => {
                let first =
                    start.max(now) + TimeDelta::seconds(self.initial_delay_seconds.unwrap_or(0));
                Some(first).filter(|at| self.within_end(*at))
            }
            // The instant `now` itself counts: a job may start at once.
            Schedule::Once { at } => Some(*at).filter(|at| *at >= now && self.within_end(*at)),
            _ => self.next_fire_time(now),
        }
    }

    /// The first fire time after `after`, between `startAt` and `endAt`.
    pub fn next_fire_time(&self, after: Timestamp) -> Option<Timestamp> {
        // A fire time at `startAt` itself counts.
        let after = match self.policies.start_at {
            Some(start) => after.max(start - TimeDelta::microseconds(1)),
            None => after,
        };
        self.schedule
            .next_after(after)
            .filter(|at| self.within_end(*at))
    }

    /// The due time of a fire time: later by a jitter. The jitter is a hash of job and fire time,
    /// so all nodes compute the same jitter, and shorter than the distance to the next fire time,
    /// so the order stays (the rule of Temporal).
    pub fn due_time(&self, job_id: Uuid, fire_time: Timestamp) -> Timestamp {
        if self.policies.jitter_seconds == 0 {
            return fire_time;
        }
        let jitter = TimeDelta::seconds(self.policies.jitter_seconds.into());
        let next = self
            .next_fire_time(fire_time)
            .map_or(jitter, |next| next - fire_time);
        let span = u64::try_from(jitter.min(next).num_milliseconds()).unwrap_or(0);
        let hash = Uuid::new_v5(&job_id, &fire_time.timestamp_micros().to_be_bytes())
            .as_u64_pair()
            .0
            >> 32;
        fire_time + TimeDelta::milliseconds(i64::try_from((hash * span) >> 32).unwrap_or(0))
    }

    /// Number of fire times that may still run after `runs` fire times.
    pub fn runs_left(&self, runs: i64) -> usize {
        self.policies
            .max_runs
            .map_or(usize::MAX, |most| usize::try_from(most - runs).unwrap_or(0))
    }

    /// Whether both definitions have the same due times: an edit between the two moves no pending
    /// trigger.
    pub fn fires_like(&self, other: &Self) -> bool {
        let (this, that) = (&self.policies, &other.policies);
        (&self.schedule, &self.calendar) == (&other.schedule, &other.calendar)
            && (this.start_at, this.end_at, this.max_runs)
                == (that.start_at, that.end_at, that.max_runs)
            && this.jitter_seconds == that.jitter_seconds
    }

    /// Takes over the phase of an earlier definition: the grid of a fixed rate moves only with the
    /// interval, the start or the delay.
    pub fn keep_phase(&mut self, old: &Self) {
        let same_start = (
            self.policies.start_at,
            self.initial_delay_seconds.unwrap_or(0),
        ) == (
            old.policies.start_at,
            old.initial_delay_seconds.unwrap_or(0),
        );
        if let (
            Schedule::FixedRate { interval, anchor },
            Schedule::FixedRate {
                interval: old_interval,
                anchor: kept,
            },
        ) = (&mut self.schedule, &old.schedule)
            && *interval == *old_interval
            && same_start
        {
            *anchor = *kept;
        }
    }

    fn within_end(&self, at: Timestamp) -> bool {
        at.timestamp() < YEAR_10000 && self.policies.end_at.is_none_or(|end| at <= end)
    }

    /// Whether both definitions have the same fire times, apart from `maxRuns`.
    pub fn names_like(&self, other: &Self) -> bool {
        self.begins_like(other) && self.policies.end_at == other.policies.end_at
    }

    /// Whether both definitions have the same fire times, apart from `endAt` and `maxRuns`.
    fn begins_like(&self, other: &Self) -> bool {
        (&self.schedule, self.policies.start_at) == (&other.schedule, other.policies.start_at)
            && self.initial_delay_seconds.unwrap_or(0) == other.initial_delay_seconds.unwrap_or(0)
    }

    /// Only a change from the `old` definition is a reason.
    pub(super) fn refuse_never_firing(
        &self,
        now: Timestamp,
        old: Option<&Self>,
    ) -> Result<(), InvalidInput> {
        let fires = self.first_fire_time(now).is_some() || self.schedule == Schedule::OnDemand;
        if fires || old.is_some_and(|old| self.names_like(old)) {
            return Ok(());
        }
        let end_is_old = old.is_some_and(|old| self.policies.end_at == old.policies.end_at);
        let ended = self.policies.end_at.is_some_and(|end| end < now);
        let endless = Self {
            policies: Policies {
                end_at: None,
                ..self.policies.clone()
            },
            ..self.clone()
        };
        // Tried without the end, so the error names the field behind the problem.
        if endless.first_fire_time(now).is_some() {
            return match (end_is_old, ended) {
                (true, true) => Ok(()),
                _ => Err(InvalidInput::new(
                    "endAt",
                    "comes before the first fire time: the job would never fire",
                )),
            };
        }
        if ended && !end_is_old {
            return Err(InvalidInput::new("endAt", "is past"));
        }
        if old.is_some_and(|old| self.begins_like(old)) {
            return Ok(());
        }
        Err(InvalidInput::new("cronExpression", "never fires again"))
    }
}
