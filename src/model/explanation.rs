//! Why a job ran at an instant, or did not: decided from what is stored about it.
//!
//! Each step asks for less than the one before it: a row of the log knows best, then the version of
//! the job that was in force, then its schedule, then what still waits.

use super::exclusions::{Availability, Exclusions};
use super::execution::ExecutionStatus;
use super::job::{Job, JobDefinition, JobStatus};
use super::schedule::Schedule;
use super::{Timestamp, rfc3339, text_enum};
use chrono::TimeDelta;
use uuid::Uuid;

/// How far back a previous fire time is looked for, nearest first.
const REACHES: [TimeDelta; 6] = [
    TimeDelta::minutes(1),
    TimeDelta::hours(1),
    TimeDelta::days(1),
    TimeDelta::days(8),
    TimeDelta::days(62),
    TimeDelta::days(800),
];
/// Steps from one fire time to a later one before the search gives up: each halves what is left.
const STEPS_MAX: usize = 128;

text_enum! {
    /// Why a job ran at an instant, or did not.
    #[derive(async_graphql::Enum)]
    FireTimeReason, "reason of an explanation" {
        /// It was taken: the execution says how it ended.
        Ran = "RAN",
        /// It was recorded and not run: the execution says why.
        Skipped = "SKIPPED",
        /// It has come and has not begun.
        Waiting = "WAITING",
        /// A blackout holds it back, and it runs afterwards.
        HeldBack = "HELD_BACK",
        /// The cluster is held.
        ClusterHeld = "CLUSTER_HELD",
        /// The job is or was paused.
        Paused = "PAUSED",
        /// The job is or was deleted.
        Deleted = "DELETED",
        /// A calendar or a blackout closes it.
        Closed = "CLOSED",
        /// The schedule does not name it.
        NotAFireTime = "NOT_A_FIRE_TIME",
        /// The job was created later.
        BeforeCreation = "BEFORE_CREATION",
        /// It comes before `startAt`.
        BeforeStart = "BEFORE_START",
        /// It comes after `endAt`, or after the last of `maxRuns`.
        AfterEnd = "AFTER_END",
        /// The log keeps nothing of that time any more.
        NotKept = "NOT_KEPT",
        /// Nothing is recorded.
        Unknown = "UNKNOWN",
        /// It runs, if nothing is changed.
        WillRun = "WILL_RUN",
    }
}

/// What is stored about a job and an instant.
#[derive(Debug, Clone)]
pub struct FireTimeFacts {
    /// The database's now.
    pub now: Timestamp,
    /// The job as it is.
    pub job: Job,
    /// The job as it was then, if that version can be read.
    pub version: Option<VersionThen>,
    /// The row of the log that covers the instant.
    pub row: Option<RowThen>,
    /// When the pending fire time of the schedule is due.
    pub due_at: Option<Timestamp>,
    /// Whether a trigger besides the schedule's waits for this fire time, and when it is due; never
    /// while it waits behind an execution.
    pub one_off: Option<Option<Timestamp>>,
    /// What judges fire times from the instant on.
    pub exclusions: Exclusions,
    /// Since when the cluster is paused, and why.
    pub cluster_paused: Option<(Timestamp, String)>,
    /// The first instant of which the log still has its day.
    pub kept_from: Option<Timestamp>,
    /// The oldest fire time of the job in the log.
    pub oldest: Option<Timestamp>,
    /// The fire times in the log before and after the instant.
    pub neighbours: (Option<Timestamp>, Option<Timestamp>),
}

/// The job as it was.
#[derive(Debug, Clone)]
pub struct VersionThen {
    /// The job.
    pub job: Job,
    /// When it got its status, and by whom.
    pub since: Option<(Timestamp, String)>,
    /// When it was resumed.
    pub until: Option<Timestamp>,
}

/// A row of the log.
#[derive(Debug, Clone)]
pub struct RowThen {
    /// The execution.
    pub id: Uuid,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Why.
    pub reason: Option<String>,
    /// What was said about it.
    pub message: Option<String>,
}

/// Why a job ran at an instant, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Why.
    pub reason: FireTimeReason,
    /// The same in words; times in UTC.
    pub message: String,
    /// The execution, or the row of skipped fire times.
    pub execution_id: Option<Uuid>,
    /// Since when what keeps it from running does so.
    pub since: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Who did it.
    pub by: Option<String>,
    /// The nearest fire time before it.
    pub before: Option<Timestamp>,
    /// The nearest fire time after it.
    pub after: Option<Timestamp>,
}

impl Explanation {
    fn new(reason: FireTimeReason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            reason,
            message,
            execution_id: None,
            since: None,
            until: None,
            by: None,
            before: None,
            after: None,
        }
    }
}

impl FireTimeFacts {
    /// Why the job ran at the instant, or did not, or will.
    pub fn explain(&self, at: Timestamp) -> Explanation {
        use FireTimeReason::{BeforeCreation, Ran, Skipped};
        if let Some(row) = &self.row {
            let reason = if row.status == ExecutionStatus::Skipped {
                Skipped
            } else {
                Ran
            };
            let explained = Explanation::new(reason, row.in_words());
            return Explanation {
                execution_id: Some(row.id),
                ..explained
            };
        }
        if at < self.job.created_at {
            let created = self.job.created_at;
            let message = format!("the job was created later, at {}", rfc3339(created));
            return Explanation {
                until: Some(created),
                ..Explanation::new(BeforeCreation, message)
            };
        }
        self.out_of_service(at)
            .or_else(|| self.off_schedule(at))
            .unwrap_or_else(|| {
                if at > self.now {
                    self.ahead(at)
                } else {
                    self.passed(at)
                }
            })
    }

    /// The job as it was at the instant; as it is for one ahead.
    fn then(&self, at: Timestamp) -> &Job {
        self.version
            .as_ref()
            .filter(|_| at <= self.now)
            .map_or(&self.job, |version| &version.job)
    }

    /// The job was paused or deleted.
    fn out_of_service(&self, at: Timestamp) -> Option<Explanation> {
        let then = self.then(at);
        let (reason, word) = match then.status {
            JobStatus::Active => return None,
            JobStatus::Paused => (FireTimeReason::Paused, "paused"),
            JobStatus::Deleted => (FireTimeReason::Deleted, "deleted"),
        };
        let version = self.version.as_ref();
        let (since, by) = version.and_then(|version| version.since.clone()).unzip();
        let until = version.and_then(|version| version.until);
        let verb = if at > self.now { "is" } else { "was" };
        let parts = [
            Some(format!("the job {verb} {word}")),
            since.map(|since| format!(" since {}", rfc3339(since))),
            by.as_ref().map(|by| format!(" by {by}")),
            then.pause_reason
                .as_ref()
                .map(|reason| format!(" ({reason})")),
            until.map(|until| format!(", until {}", rfc3339(until))),
        ];
        let message: String = parts.into_iter().flatten().collect();
        Some(Explanation {
            since,
            until,
            by,
            ..Explanation::new(reason, message)
        })
    }

    /// The schedule does not name the instant.
    fn off_schedule(&self, at: Timestamp) -> Option<Explanation> {
        use FireTimeReason::{AfterEnd, BeforeStart, NotAFireTime};
        let definition = &self.then(at).definition;
        if let Some(start) = definition.policies.start_at.filter(|start| at < *start) {
            let message = format!("the schedule starts later, at {}", rfc3339(start));
            return Some(Explanation {
                until: Some(start),
                ..Explanation::new(BeforeStart, message)
            });
        }
        if let Some(end) = definition.policies.end_at.filter(|end| at > *end) {
            let message = format!("the schedule had its end at {}", rfc3339(end));
            return Some(Explanation {
                since: Some(end),
                ..Explanation::new(AfterEnd, message)
            });
        }
        if matches!(definition.schedule, Schedule::FixedDelay { .. }) {
            // Only the pending one is known before it is taken.
            if self.job.next_fire_time == Some(at) {
                return None;
            }
            let (before, after) = (
                self.neighbours.0,
                self.neighbours.1.or(self.job.next_fire_time),
            );
            let message =
                "a fixed delay names no fire times: each run follows the end of the one before it";
            return Some(Explanation {
                before,
                after,
                ..Explanation::new(NotAFireTime, message)
            });
        }
        let just_before = at - TimeDelta::microseconds(1);
        if definition.next_fire_time(just_before) == Some(at) {
            return None;
        }
        let (before, after) = (
            previous_fire_time(definition, at),
            definition.next_fire_time(at),
        );
        let parts = [
            Some("it is not a fire time of the schedule".to_owned()),
            before.map(|before| format!("; the one before is {}", rfc3339(before))),
            after.map(|after| format!("; the one after is {}", rfc3339(after))),
        ];
        let message: String = parts.into_iter().flatten().collect();
        Some(Explanation {
            before,
            after,
            ..Explanation::new(NotAFireTime, message)
        })
    }

    /// A fire time to come.
    fn ahead(&self, at: Timestamp) -> Explanation {
        use FireTimeReason::{AfterEnd, WillRun};
        let job = &self.job;
        if job.definition.runs_left(job.runs) == 0
            || job.next_fire_time.is_none() && !self.awaits_an_end()
        {
            return Explanation::new(AfterEnd, "the schedule has ended: no fire time is left");
        }
        if let Some(excluded) = self.excluded(at) {
            return excluded;
        }
        let message = match &self.cluster_paused {
            None => "it runs, if nothing is changed".to_owned(),
            Some((_, why)) => format!("it runs when the cluster is released, which is held: {why}"),
        };
        Explanation::new(WillRun, message)
    }

    /// The end of a run names the next fire time.
    fn awaits_an_end(&self) -> bool {
        matches!(self.job.definition.schedule, Schedule::FixedDelay { .. })
    }

    /// A fire time that has passed and is in no row.
    fn passed(&self, at: Timestamp) -> Explanation {
        use FireTimeReason::{AfterEnd, NotKept, Unknown, Waiting};
        if let Some(due_at) = self.one_off {
            let message = match due_at {
                None => "it waits behind an execution of the job".to_owned(),
                Some(due_at) => format!("it waits: it is due at {}", rfc3339(due_at)),
            };
            return Explanation {
                until: due_at,
                ..Explanation::new(Waiting, message)
            };
        }
        if let Some(pending) = self.pending(at) {
            return pending;
        }
        let keeps = self
            .job
            .definition
            .policies
            .keep_executions
            .and(self.oldest);
        if let Some(from) = self.kept_from.max(keeps).filter(|from| at < *from) {
            let message = format!(
                "the log keeps nothing from before {} of this job any more",
                rfc3339(from)
            );
            return Explanation {
                until: Some(from),
                ..Explanation::new(NotKept, message)
            };
        }
        if self.job.status == JobStatus::Active
            && self.job.next_fire_time.is_none()
            && !self.awaits_an_end()
        {
            return Explanation::new(AfterEnd, "the schedule had ended: its last run came before");
        }
        if let Some(excluded) = self.excluded(at) {
            return excluded;
        }
        let message = "nothing is recorded: the job may have been edited at that moment, or its row was removed by hand";
        Explanation::new(Unknown, message)
    }

    /// The trigger of the schedule has not taken it yet.
    fn pending(&self, at: Timestamp) -> Option<Explanation> {
        use FireTimeReason::{ClusterHeld, Waiting};
        let next = self.job.next_fire_time?;
        if at < self.job.excluded_from.unwrap_or(next) {
            return None;
        }
        if let Some(excluded) = self.excluded(at) {
            return Some(excluded);
        }
        if let Some((since, why)) = &self.cluster_paused {
            let message = format!("the cluster is held since {}: {why}", rfc3339(*since));
            return Some(Explanation {
                since: Some(*since),
                ..Explanation::new(ClusterHeld, message)
            });
        }
        let due_at = self.due_at.unwrap_or(next);
        if due_at > self.now {
            let message = format!("it waits for its due time, {}", rfc3339(due_at));
            return Some(Explanation {
                until: Some(due_at),
                ..Explanation::new(Waiting, message)
            });
        }
        let message = "it is due, and no node has taken it: no node takes work, or no slot is free";
        Some(Explanation {
            since: Some(due_at),
            ..Explanation::new(Waiting, message)
        })
    }

    /// What the calendars and blackouts of now say.
    fn excluded(&self, at: Timestamp) -> Option<Explanation> {
        use FireTimeReason::{Closed, HeldBack};
        match self
            .exclusions
            .availability(self.job.id, &self.job.definition, at)
        {
            Availability::Open => None,
            Availability::Excluded(excluded) => Some(Explanation::new(
                Closed,
                format!("it is closed by the {}", excluded.reason()),
            )),
            Availability::Deferred(blackout) => {
                let (until, reason) = (blackout.ends_at, &blackout.reason);
                let message = format!(
                    "a blackout holds it back until {}: {reason}",
                    rfc3339(until)
                );
                let explained = Explanation::new(HeldBack, message);
                Some(Explanation {
                    since: Some(blackout.starts_at),
                    until: Some(until),
                    ..explained
                })
            }
        }
    }
}

impl RowThen {
    fn in_words(&self) -> String {
        let skipped = self.status == ExecutionStatus::Skipped;
        let short = |message: &String| message.chars().take(200).collect::<String>();
        let parts = [
            Some(if skipped {
                "it was not run".to_owned()
            } else {
                format!("it was taken: {}", self.status)
            }),
            self.reason.as_ref().map(|reason| format!(", {reason}")),
            self.message
                .as_ref()
                .map(|message| format!(" ({})", short(message))),
        ];
        parts.into_iter().flatten().collect()
    }
}

/// The last fire time before an instant, within two years.
fn previous_fire_time(definition: &JobDefinition, at: Timestamp) -> Option<Timestamp> {
    let first_since = |since: Timestamp| {
        definition
            .next_fire_time(since)
            .filter(|fire_time| *fire_time < at)
    };
    let first = |reach: &TimeDelta| at.checked_sub_signed(*reach).and_then(first_since);
    let mut last = REACHES.iter().find_map(first)?;
    let mut bound = at;
    for _ in 0..STEPS_MAX {
        let Some(next) = first_since(last) else {
            return Some(last);
        };
        last = next;
        let middle = last + (bound - last) / 2;
        match first_since(middle) {
            Some(beyond) => last = beyond,
            None => bound = middle,
        }
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schedule::cron::{CronOptions, CronSchedule};

    const JOB: Uuid = Uuid::from_u128(42);

    fn at(time: &str) -> Timestamp {
        format!("2026-11-23T{time}Z").parse().expect("a time")
    }

    fn hourly() -> JobDefinition {
        let cron = CronSchedule::parse("0 * * * *", &CronOptions::default()).expect("valid");
        JobDefinition::plain("job", Schedule::Cron(cron))
    }

    fn job(definition: JobDefinition) -> Job {
        Job {
            id: JOB,
            definition,
            status: JobStatus::Active,
            pause_reason: None,
            version: 1,
            created_at: at("00:30:00"),
            updated_at: at("00:30:00"),
            next_fire_time: Some(at("13:00:00")),
            excluded_from: None,
            held_fire_time: None,
            runs: 0,
        }
    }

    /// It is half past twelve, and the job fires each hour since half past midnight.
    fn facts() -> FireTimeFacts {
        FireTimeFacts {
            now: at("12:30:00"),
            job: job(hourly()),
            version: None,
            row: None,
            due_at: Some(at("13:00:00")),
            one_off: None,
            exclusions: Exclusions::default(),
            cluster_paused: None,
            kept_from: None,
            oldest: None,
            neighbours: (None, None),
        }
    }

    fn reason(facts: &FireTimeFacts, time: &str) -> FireTimeReason {
        facts.explain(at(time)).reason
    }

    #[test]
    fn an_instant_that_is_no_fire_time_has_neighbours() {
        let explained = facts().explain(at("09:10:30"));
        assert_eq!(explained.reason, FireTimeReason::NotAFireTime);
        assert_eq!(
            (explained.before, explained.after),
            (Some(at("09:00:00")), Some(at("10:00:00")))
        );
        assert_eq!(
            previous_fire_time(&hourly(), at("09:00:00")),
            Some(at("08:00:00"))
        );
    }

    #[test]
    fn what_is_ahead_runs_unless_something_keeps_it() {
        let mut facts = facts();
        assert_eq!(reason(&facts, "15:00:00"), FireTimeReason::WillRun);
        facts.job.next_fire_time = None;
        assert_eq!(reason(&facts, "15:00:00"), FireTimeReason::AfterEnd);
        facts.job.status = JobStatus::Paused;
        assert_eq!(reason(&facts, "15:00:00"), FireTimeReason::Paused);
        facts.job.definition.policies.end_at = Some(at("14:00:00"));
        facts.job.status = JobStatus::Active;
        assert_eq!(reason(&facts, "15:00:00"), FireTimeReason::AfterEnd);
    }

    #[test]
    fn a_pause_of_then_is_told_although_the_job_fires_now() {
        let then = Job {
            status: JobStatus::Paused,
            pause_reason: Some("the target moves".into()),
            ..job(hourly())
        };
        let since = Some((at("08:30:00"), "api".to_owned()));
        let version = VersionThen {
            job: then,
            since,
            until: Some(at("09:30:00")),
        };
        let explained = FireTimeFacts {
            version: Some(version),
            ..facts()
        }
        .explain(at("09:00:00"));
        assert_eq!(explained.reason, FireTimeReason::Paused);
        assert_eq!(
            (explained.since, explained.until),
            (Some(at("08:30:00")), Some(at("09:30:00")))
        );
        assert!(
            explained.message.contains("the target moves"),
            "{}",
            explained.message
        );
    }

    #[test]
    fn the_schedule_of_then_decides_not_the_one_of_now() {
        let daily = CronSchedule::parse("0 9 * * *", &CronOptions::default()).expect("valid");
        let then = job(JobDefinition::plain("job", Schedule::Cron(daily)));
        let version = VersionThen {
            job: then,
            since: None,
            until: None,
        };
        let facts = FireTimeFacts {
            version: Some(version),
            ..facts()
        };
        assert_eq!(reason(&facts, "10:00:00"), FireTimeReason::NotAFireTime);
        assert_eq!(
            reason(&facts, "15:00:00"),
            FireTimeReason::WillRun,
            "the schedule of now speaks of what is ahead"
        );
    }

    #[test]
    fn what_has_passed_and_is_in_no_row_waits_or_is_purged() {
        let mut facts = facts();
        assert_eq!(reason(&facts, "09:00:00"), FireTimeReason::Unknown);
        facts.kept_from = Some(at("10:00:00"));
        assert_eq!(reason(&facts, "09:00:00"), FireTimeReason::NotKept);
        facts.one_off = Some(None);
        assert_eq!(reason(&facts, "09:00:00"), FireTimeReason::Waiting);
        facts = FireTimeFacts {
            due_at: Some(at("12:00:00")),
            ..self::facts()
        };
        facts.job.next_fire_time = Some(at("12:00:00"));
        assert_eq!(reason(&facts, "12:00:00"), FireTimeReason::Waiting);
        facts.cluster_paused = Some((at("11:00:00"), "restored".into()));
        assert_eq!(reason(&facts, "12:00:00"), FireTimeReason::ClusterHeld);
        assert_eq!(reason(&facts, "00:00:00"), FireTimeReason::BeforeCreation);
    }

    #[test]
    fn a_row_knows_best() {
        let row = RowThen {
            id: JOB,
            status: ExecutionStatus::Skipped,
            reason: Some("OVERLAP".into()),
            message: None,
        };
        let explained = FireTimeFacts {
            row: Some(row),
            ..facts()
        }
        .explain(at("09:00:00"));
        assert_eq!(
            (explained.reason, explained.execution_id),
            (FireTimeReason::Skipped, Some(JOB))
        );
        assert_eq!(explained.message, "it was not run, OVERLAP");
    }
}
