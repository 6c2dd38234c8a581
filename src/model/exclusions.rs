//! Exclusions of fire times, and their effect.
//!
//! Two kinds exist. A *calendar* decides which fire times of a schedule count, evaluated at the
//! fire time. A *blackout* is a period without starts by schedule, evaluated at the due time.
//! Neither affects manual starts (run now, backfill) or earlier executions (retries, recoveries).

mod fire_times;
#[cfg(test)]
mod fire_times_tests;
mod job_exclusion;

pub use fire_times::Pending;
pub use job_exclusion::{ExclusionKind, JobExclusion};

use super::job::JobDefinition;
use super::schedule::Schedule;
use super::schedule::calendar::Calendar;
use super::{InvalidInput, Timestamp, namespace, text, text_enum};
use chrono::TimeDelta;
use std::collections::HashMap;
use uuid::Uuid;

/// Longest blackout: a year. For a longer time, pause the job.
const BLACKOUT_MAX: TimeDelta = TimeDelta::days(366);
/// Most excluded stretches skipped by a search.
const LEAPS_MAX: usize = 1_000;

text_enum! {
    /// What happens to the fire times of a blackout at the end.
    #[derive(async_graphql::Enum)]
    #[graphql(name = "BlackoutEndPolicy")]
    BlackoutEndPolicy, "onEnd" {
        /// No excluded fire time runs.
        Skip = "SKIP",
        /// The last fire time runs; the others are coalesced into the last.
        Collapse = "COLLAPSE",
        /// All run, oldest first.
        RunAll = "RUN_ALL",
    }
}

/// The jobs with fire times deferred by a blackout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Cluster,
    /// Jobs with the tag.
    Tag(String),
    Job(Uuid),
}

impl Scope {
    fn covers(&self, id: Uuid, job: &JobDefinition) -> bool {
        match self {
            Self::Cluster => true,
            Self::Tag(tag) => job.tags.contains(tag),
            Self::Job(job) => *job == id,
        }
    }
}

/// A period without starts by schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blackout {
    pub id: Uuid,
    /// The jobs with deferred fire times.
    pub scope: Scope,
    pub starts_at: Timestamp,
    /// End of the stretch, not included.
    pub ends_at: Timestamp,
    /// Effect of the end on the deferred fire times.
    pub on_end: BlackoutEndPolicy,
    /// The reason; display only.
    pub reason: String,
}

impl Blackout {
    /// Refuses impossible values. The error names the field.
    pub fn validate(&self, now: Timestamp) -> Result<(), InvalidInput> {
        if self.ends_at <= self.starts_at || self.ends_at <= now {
            return Err(InvalidInput::new(
                "endsAt",
                "must be later than startsAt, and than now",
            ));
        }
        if self.ends_at - self.starts_at > BLACKOUT_MAX {
            return Err(InvalidInput::new(
                "endsAt",
                "must be within a year of startsAt: pause the jobs instead",
            ));
        }
        if let Scope::Tag(tag) = &self.scope {
            text::TAG.check("tag", tag)?;
        }
        text::BLACKOUT_REASON.check("reason", &self.reason)
    }

    fn covers(&self, id: Uuid, job: &JobDefinition, time: Timestamp) -> bool {
        (self.starts_at..self.ends_at).contains(&time) && self.scope.covers(id, job)
    }
}

/// Whether a fire time is available to run.
#[derive(Debug, Clone, Copy)]
pub enum Availability<'a> {
    /// The fire time may run.
    Open,
    /// The fire time does not run.
    Excluded(ExcludedBy<'a>),
    /// The fire time runs after the blackout.
    Deferred(&'a Blackout),
}

/// The exclusion of a fire time.
#[derive(Debug, Clone, Copy)]
pub enum ExcludedBy<'a> {
    Calendar(&'a Calendar),
    /// A blackout with skipped fire times.
    Blackout(&'a Blackout),
}

/// The calendars and blackouts in force. Default: none.
#[derive(Debug, Clone, Default)]
pub struct Exclusions {
    /// The calendars by their names.
    pub calendars: HashMap<String, Calendar>,
    /// In any order. Includes blackouts ended a short time ago: the fire times may still be
    /// undecided.
    pub blackouts: Vec<Blackout>,
    /// Scopes of the blackouts that the node cannot read.
    pub unknown: Vec<Scope>,
}

impl Exclusions {
    /// The reason, in words, why the node cannot decide about fire times of a job: an unreadable
    /// calendar or blackout. A blackout of the whole cluster is no reason: no single row may stop
    /// all jobs.
    pub fn obstacle(&self, id: Uuid, job: &JobDefinition) -> Option<String> {
        if let Some(name) = job
            .calendar
            .as_ref()
            .filter(|_| self.calendar_of(job).is_none())
        {
            return Some(format!("its calendar `{name}` cannot be read"));
        }
        let may_defer = self.unknown.iter().any(|scope| match scope {
            Scope::Cluster => false,
            scope => scope.covers(id, job),
        });
        may_defer.then(|| "a blackout that may hold it back cannot be read".to_owned())
    }

    /// Whether a fire time of a job is available.
    pub fn availability(
        &self,
        id: Uuid,
        job: &JobDefinition,
        fire_time: Timestamp,
    ) -> Availability<'_> {
        // The calendar first: a fire time that does not count is not deferred by a blackout.
        if let Some(calendar) = self.calendar_of(job)
            && !calendar.is_open(fire_time)
        {
            return Availability::Excluded(ExcludedBy::Calendar(calendar));
        }
        self.availability_by_blackouts(id, job, fire_time)
    }

    /// Availability by the blackouts alone, for a fire time open in the job's calendar.
    pub fn availability_by_blackouts(
        &self,
        id: Uuid,
        job: &JobDefinition,
        fire_time: Timestamp,
    ) -> Availability<'_> {
        if self.blackouts.is_empty() {
            return Availability::Open;
        }
        // The due time decides: the job would start at the due time, after the jitter.
        match self.blackout_at(id, job, job.due_time(id, fire_time)) {
            None => Availability::Open,
            Some(blackout) if blackout.on_end == BlackoutEndPolicy::Skip => {
                Availability::Excluded(ExcludedBy::Blackout(blackout))
            }
            Some(blackout) => Availability::Deferred(blackout),
        }
    }

    /// Refuses a job with a missing calendar, or with a calendar that excludes all fire times.
    pub fn validate(
        &self,
        id: Uuid,
        job: &JobDefinition,
        now: Timestamp,
    ) -> Result<(), InvalidInput> {
        let Some(name) = &job.calendar else {
            return Ok(());
        };
        if self.calendar_of(job).is_none() {
            return Err(unknown_calendar(name));
        }
        let before = now - TimeDelta::microseconds(1);
        // A schedule without a further fire time is not the fault of the calendar.
        if job.next_fire_time(before).is_some() && self.next_open(id, job, before).is_none() {
            return Err(InvalidInput::new(
                "calendar",
                "excludes every fire time of the schedule that is in sight",
            ));
        }
        Ok(())
    }

    /// Validates an edit of the `old` definition. A calendar edited later is no reason to refuse an
    /// edit of another field.
    pub fn validate_edit(
        &self,
        id: Uuid,
        job: &JobDefinition,
        now: Timestamp,
        old: Option<&JobDefinition>,
    ) -> Result<(), InvalidInput> {
        if old.is_some_and(|old| job.names_like(old) && job.calendar == old.calendar) {
            return Ok(());
        }
        self.validate(id, job, now)
    }

    /// Whether a fire time may run at the instant `at`.
    pub fn is_open(
        &self,
        id: Uuid,
        job: &JobDefinition,
        fire_time: Timestamp,
        at: Timestamp,
    ) -> bool {
        matches!(self.availability(id, job, fire_time), Availability::Open)
            && self.blackout_at(id, job, at).is_none()
    }

    /// The blackout that stops starts of a job at the instant; of several, the one that ends last.
    pub fn blackout_at(&self, id: Uuid, job: &JobDefinition, time: Timestamp) -> Option<&Blackout> {
        let covering = self
            .blackouts
            .iter()
            .filter(|blackout| blackout.covers(id, job, time));
        // A fire time that is deferred to the earlier end would be deferred again there.
        covering.max_by_key(|blackout| blackout.ends_at)
    }

    /// The instant until which the blackout decides. From the start of another blackout with a
    /// later end on, the other one decides.
    fn decides_until(&self, id: Uuid, job: &JobDefinition, blackout: &Blackout) -> Timestamp {
        let next = self
            .blackouts
            .iter()
            .filter(|other| {
                (blackout.starts_at..blackout.ends_at).contains(&other.starts_at)
                    && other.ends_at >= blackout.ends_at
                    && other.on_end != BlackoutEndPolicy::Skip
                    && other.scope.covers(id, job)
            })
            .map(|other| other.starts_at)
            .min();
        next.unwrap_or(blackout.ends_at)
    }

    /// The calendar of a job. A missing calendar excludes nothing.
    pub fn calendar_of(&self, job: &JobDefinition) -> Option<&Calendar> {
        self.calendars.get(job.calendar.as_ref()?)
    }

    /// A hash of the rules of the zones behind the fire times of a job. `None`: no zone, or only
    /// UTC.
    pub fn zone_rules(&self, job: &JobDefinition) -> Option<i64> {
        let of_schedule = match &job.schedule {
            Schedule::Cron(cron) => cron.zone().rules_hash(),
            Schedule::FixedRate { .. } => 0,
            Schedule::FixedDelay { .. } | Schedule::Once { .. } | Schedule::OnDemand => {
                return None;
            }
        };
        zone_rules(
            of_schedule,
            self.calendar_of(job)
                .map_or(0, |calendar| calendar.zone().rules_hash()),
        )
    }

    /// The `zone_rules` of a trigger with the fire time. `None`: no zone decides the fire time.
    pub fn zone_mark(&self, job: &JobDefinition, fire_time: Timestamp) -> Option<i64> {
        self.zone_rules(job)
            // With the fire time in the mark, the mark of an earlier fire time does not match.
            .map(|rules| rules ^ fire_time.timestamp_micros())
    }

    /// The first fire time after `after` that is not excluded. `None`: the schedule ends before, or
    /// the search gives up.
    pub fn next_open(&self, id: Uuid, job: &JobDefinition, after: Timestamp) -> Option<Timestamp> {
        let mut leaps = LEAPS_MAX;
        self.next_open_within(id, job, after, &mut leaps)
    }

    /// The same search with a budget: each skipped stretch takes a leap from `leaps`. `None` also
    /// if the budget is used up.
    fn next_open_within(
        &self,
        id: Uuid,
        job: &JobDefinition,
        mut after: Timestamp,
        leaps: &mut usize,
    ) -> Option<Timestamp> {
        // Beyond the sight of a calendar the dates repeat: a later fire time would not count
        // either.
        let sight = Calendar::sight(after);
        while let Some(left) = leaps.checked_sub(1) {
            *leaps = left;
            let fire_time = job.next_fire_time(after)?;
            let Availability::Excluded(excluded) = self.availability(id, job, fire_time) else {
                return Some(fire_time);
            };
            let opens = match excluded {
                ExcludedBy::Calendar(calendar) => calendar.open_again(fire_time, sight)?,
                // The due time decides: the fire time may be before the end by the jitter.
                ExcludedBy::Blackout(blackout) => {
                    self.decides_until(id, job, blackout)
                        - TimeDelta::seconds(job.policies.jitter_seconds.into())
                }
            };
            after = fire_time.max(opens - TimeDelta::microseconds(1));
        }
        None
    }
}

/// Refuses a calendar of another namespace than the job's. The name alone decides, so the answer is
/// the same whether such a calendar exists or not.
pub fn validate_namespace(job: &JobDefinition, namespace: &str) -> Result<(), InvalidInput> {
    match &job.calendar {
        Some(name) if namespace::of_calendar(name) != namespace => Err(unknown_calendar(name)),
        _ => Ok(()),
    }
}

fn unknown_calendar(name: &str) -> InvalidInput {
    // The name comes from a request and may be long.
    let shown: String = name.chars().take(100).collect();
    let message = format!("there is no calendar `{}`", shown.escape_debug());
    InvalidInput::new("calendar", message)
}

/// The hash of the rules of two zones: the schedule's and the calendar's.
pub fn zone_rules(of_schedule: i64, of_calendar: i64) -> Option<i64> {
    // Rotated, because the same zone twice would give 0.
    Some(of_schedule ^ of_calendar.rotate_left(1)).filter(|rules| *rules != 0)
}

impl ExcludedBy<'_> {
    /// The exclusion in words; display only.
    pub fn reason(self) -> String {
        match self {
            Self::Calendar(calendar) => format!("calendar {}", calendar.name()),
            Self::Blackout(blackout) => format!("blackout: {}", blackout.reason),
        }
    }

    /// Whether both are the same calendar or blackout.
    pub fn is_by(self, other: Self) -> bool {
        match (self, other) {
            (Self::Calendar(_), Self::Calendar(_)) => true,
            (Self::Blackout(this), Self::Blackout(that)) => this.id == that.id,
            _ => false,
        }
    }
}
