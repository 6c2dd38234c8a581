//! Jobs: what to run, when, and with which policies.

use super::payload::Payload;
use super::policies::Policies;
use super::schedule::Schedule;
use super::target::Target;
use super::{InvalidInput, Timestamp, text_enum};
use chrono::TimeDelta;
use uuid::Uuid;

/// Priority unless the job says otherwise.
pub const PRIORITY_DEFAULT: i16 = 5;
/// The first second of the year 10000, which RFC 3339 cannot write: no job fires from then on.
const YEAR_10000: i64 = 253_402_300_800;
/// How often a lost attempt is run again unless the job says otherwise.
pub const RECOVERIES_DEFAULT: i32 = 3;

text_enum! {
    /// How a job's fire times are made.
    #[derive(async_graphql::Enum)]
    #[graphql(name = "JobScheduleType")]
    ScheduleType, "schedule type" {
        /// By a cron expression.
        Cron = "CRON",
        /// At anchor + k · interval: a grid that nothing moves.
        FixedRate = "FIXED_RATE",
        /// One interval after the end of the previous execution.
        FixedDelay = "FIXED_DELAY",
        /// At one instant, `startAt`.
        Once = "ONCE",
    }
}

text_enum! {
    /// Whether a job fires.
    #[derive(async_graphql::Enum)]
    JobStatus, "job status" {
        /// It fires.
        Active = "ACTIVE",
        /// It keeps its definition and does not fire.
        Paused = "PAUSED",
        /// It is gone for good; its log stays.
        Deleted = "DELETED",
    }
}

text_enum! {
    /// How a job stands, beyond its status. Of those that are true the first counts.
    #[derive(async_graphql::Enum)]
    JobState, "job state" {
        /// It is gone for good.
        Deleted = "DELETED",
        /// Its newest settled execution failed or was lost. SKIPPED and CANCELLED executions do not
        /// count. It may be paused.
        Failing = "FAILING",
        /// It is paused.
        Paused = "PAUSED",
        /// Its schedule has no fire time left: ONCE has run, `maxRuns` is reached, or `endAt` has
        /// passed.
        Ended = "ENDED",
        /// A fire time has come and has not begun: it is late, a blackout holds it back, or it waits
        /// behind an execution of the job.
        Waiting = "WAITING",
        /// None of these: it fires.
        Active = "ACTIVE",
    }
}

text_enum! {
    /// What a version of a job changed.
    #[derive(async_graphql::Enum)]
    JobChange, "change of a job" {
        /// The job was created.
        Created = "CREATED",
        /// Its definition was replaced.
        Updated = "UPDATED",
        /// It was paused.
        Paused = "PAUSED",
        /// It was resumed.
        Resumed = "RESUMED",
        /// It was deleted.
        Deleted = "DELETED",
    }
}

text_enum! {
    /// What happens to an attempt whose node died.
    #[derive(async_graphql::Enum)]
    Recovery, "recovery" {
        /// Run it again: at least once.
        Rerun = "RERUN",
        /// Record it as lost: at most once.
        MarkLost = "MARK_LOST",
    }
}

/// What a job is, apart from its identity and history.
#[derive(Debug, Clone, PartialEq)]
pub struct JobDefinition {
    /// For people; not unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// For finding and grouping.
    pub tags: Vec<String>,
    /// Tie-break among equal due times, 9 first.
    pub priority: i16,
    /// Limits, misfires, overlaps, retries.
    pub policies: Policies,
    /// When it fires.
    pub schedule: Schedule,
    /// Name of the calendar that says which fire times count.
    pub calendar: Option<String>,
    /// Seconds before the first fire time, as given.
    pub initial_delay_seconds: Option<i64>,
    /// What it runs.
    pub target: Target,
    /// Handed to the target.
    pub payload: Option<Payload>,
    /// What happens when a node dies in the middle of a run.
    pub recovery: Recovery,
    /// How often a lost attempt is run again before `CRASH_LOOP`.
    pub max_recoveries: i32,
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its identity.
    pub id: Uuid,
    /// What it is.
    pub definition: JobDefinition,
    /// Whether it fires.
    pub status: JobStatus,
    /// Why it is paused, if somebody said.
    pub pause_reason: Option<String>,
    /// Raised by every change.
    pub version: i32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its next fire time, if the trigger names one: it may be closed, or not the one of a blackout
    /// that runs.
    pub next_fire_time: Option<Timestamp>,
    /// The first closed fire time that the trigger was sent past.
    pub excluded_from: Option<Timestamp>,
    /// The fire time of a ONCE that is paused, if it was neither run nor recorded.
    pub held_fire_time: Option<Timestamp>,
    /// Fire times of its schedule that were run, for `maxRuns`.
    pub runs: i64,
}

impl JobDefinition {
    /// A job with every default.
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
            // The very instant of `now` counts: a job may start at once.
            Schedule::Once { at } => Some(*at).filter(|at| *at >= now && self.within_end(*at)),
            _ => self.next_fire_time(now),
        }
    }

    /// The first fire time after `after`, between `startAt` and `endAt`.
    pub fn next_fire_time(&self, after: Timestamp) -> Option<Timestamp> {
        let just_before = |start: Timestamp| start - TimeDelta::microseconds(1);
        let after = self
            .policies
            .start_at
            .map_or(after, |start| after.max(just_before(start)));
        self.schedule
            .next_after(after)
            .filter(|at| self.within_end(*at))
    }

    /// When a fire time may start: later by a jitter that is a hash of job and
    /// fire time, the same on every node, and less than the distance to the next
    /// fire time, so that order is kept (Temporal's rule).
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

    /// How many more fire times may run, when so many have.
    pub fn runs_left(&self, runs: i64) -> usize {
        self.policies
            .max_runs
            .map_or(usize::MAX, |most| usize::try_from(most - runs).unwrap_or(0))
    }

    /// Whether it fires when another definition does: an edit between the two
    /// moves nothing that is pending.
    pub fn fires_like(&self, other: &Self) -> bool {
        let (this, that) = (&self.policies, &other.policies);
        (&self.schedule, &self.calendar) == (&other.schedule, &other.calendar)
            && (this.start_at, this.end_at, this.max_runs)
                == (that.start_at, that.end_at, that.max_runs)
            && this.jitter_seconds == that.jitter_seconds
    }

    /// Keeps the phase of an earlier definition: the grid of a fixed rate moves
    /// only with its interval, its start or its delay.
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

    /// Whether it names the same fire times as another definition, not counting `maxRuns`.
    pub fn names_like(&self, other: &Self) -> bool {
        self.begins_like(other) && self.policies.end_at == other.policies.end_at
    }

    /// The same without a look at the end.
    fn begins_like(&self, other: &Self) -> bool {
        (&self.schedule, self.policies.start_at) == (&other.schedule, other.policies.start_at)
            && self.initial_delay_seconds.unwrap_or(0) == other.initial_delay_seconds.unwrap_or(0)
    }

    /// Only what is not as it was in the `old` definition is a reason.
    pub(super) fn refuse_never_firing(
        &self,
        now: Timestamp,
        old: Option<&Self>,
    ) -> Result<(), InvalidInput> {
        if self.first_fire_time(now).is_some() || old.is_some_and(|old| self.names_like(old)) {
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
