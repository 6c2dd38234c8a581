//! Why a job ran at an instant, or did not run, by the stored rows.
//!
//! The first source with an answer wins: a row of the log, the version of the job in force, the
//! schedule, then the pending triggers.

use super::exclusions::{Availability, Exclusions};
use super::execution::ExecutionStatus;
use super::job::{Job, JobDefinition, JobStatus};
use super::schedule::Schedule;
use super::{Timestamp, rfc3339, text_enum};
use chrono::TimeDelta;
use uuid::Uuid;

/// Reach of the search for the previous fire time, the shortest first.
const REACHES: [TimeDelta; 6] = [
    TimeDelta::minutes(1),
    TimeDelta::hours(1),
    TimeDelta::days(1),
    TimeDelta::days(8),
    TimeDelta::days(62),
    TimeDelta::days(800),
];
/// Most steps of the search. Each step halves the rest.
const STEPS_MAX: usize = 128;
/// Most characters of a row's message in an explanation.
const MESSAGE_CHARS_MAX: usize = 200;

text_enum! {
    /// Why a job ran, did not run, or will run.
    #[derive(async_graphql::Enum)]
    FireTimeReason, "reason of an explanation" {
        /// The fire time was taken: the execution has the outcome.
        Ran = "RAN",
        /// The fire time was recorded and did not run.
        Skipped = "SKIPPED",
        /// The fire time has come and has not started.
        Waiting = "WAITING",
        /// A blackout defers the fire time to the end of the blackout.
        Deferred = "DEFERRED",
        /// The cluster is paused.
        ClusterPaused = "CLUSTER_PAUSED",
        /// The job is or was paused.
        Paused = "PAUSED",
        /// The job is or was deleted.
        Deleted = "DELETED",
        /// A calendar or a blackout excludes the fire time.
        Excluded = "EXCLUDED",
        /// The schedule does not name the instant.
        NotAFireTime = "NOT_A_FIRE_TIME",
        /// The job was created later.
        BeforeCreation = "BEFORE_CREATION",
        /// The instant is before `startAt`.
        BeforeStart = "BEFORE_START",
        /// The instant is after `endAt`, or after the last of `maxRuns`.
        AfterEnd = "AFTER_END",
        /// The log of the time was purged.
        NotRetained = "NOT_RETAINED",
        /// No row has an answer.
        Unknown = "UNKNOWN",
        /// The fire time runs, unless something changes.
        WillRun = "WILL_RUN",
    }
}

/// The stored facts about a job and an instant.
#[derive(Debug, Clone)]
pub struct FireTimeFacts {
    /// The present, by the clock of the database.
    pub now: Timestamp,
    /// The job in the present version.
    pub job: Job,
    /// The version of the job in force. `None`: the version cannot be read.
    pub version: Option<VersionThen>,
    /// The row of the log for the instant.
    pub row: Option<RowThen>,
    /// Due time of the pending fire time of the schedule.
    pub due_at: Option<Timestamp>,
    /// Due time of a trigger of the fire time, apart from the schedule's. `Some(None)`: the trigger
    /// waits for the end of an execution.
    pub one_off: Option<Option<Timestamp>>,
    /// Number of workers that offer the handler of the job.
    pub workers: i64,
    /// The exclusions in force from the instant on.
    pub exclusions: Exclusions,
    /// Start and reason of the pause of the cluster.
    pub cluster_paused: Option<(Timestamp, String)>,
    /// Start of the oldest day still in the log.
    pub kept_from: Option<Timestamp>,
    /// The oldest fire time of the job in the log.
    pub oldest: Option<Timestamp>,
    /// The fire times in the log before and after the instant.
    pub neighbours: (Option<Timestamp>, Option<Timestamp>),
}

/// The version of a job in force.
#[derive(Debug, Clone)]
pub struct VersionThen {
    pub job: Job,
    /// Start of the status, and the caller who set it.
    pub since: Option<(Timestamp, String)>,
    /// End of the pause.
    pub until: Option<Timestamp>,
}

/// The row of the log for an instant.
#[derive(Debug, Clone)]
pub struct RowThen {
    pub id: Uuid,
    pub status: ExecutionStatus,
    /// Reason of the status.
    pub reason: Option<String>,
    /// Message of the row.
    pub message: Option<String>,
}

/// Why a job ran at an instant, did not run, or will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The reason as a name.
    pub reason: FireTimeReason,
    /// The reason in words; times in UTC.
    pub message: String,
    /// The execution, or the row of skipped fire times.
    pub execution_id: Option<Uuid>,
    /// Start of the obstacle.
    pub since: Option<Timestamp>,
    /// End of the obstacle.
    pub until: Option<Timestamp>,
    /// The author of the obstacle.
    pub by: Option<String>,
    /// The nearest earlier fire time.
    pub before: Option<Timestamp>,
    /// The nearest later fire time.
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
    /// Why the job ran at the instant, did not run, or will run.
    pub fn explain(&self, at: Timestamp) -> Explanation {
        use FireTimeReason::{BeforeCreation, Ran, Skipped};
        // The log first: a row is a fact, and the schedule may have been edited since.
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
        // A paused or deleted job explains more than the schedule of the job.
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

    /// The version in force at the instant; for a coming instant the present version.
    fn then(&self, at: Timestamp) -> &Job {
        self.version
            .as_ref()
            // The past version says nothing about a time to come.
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
        // The versions know who paused the job and when; the job itself does not.
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
        if definition.schedule == Schedule::OnDemand {
            let message = "the job has no schedule: it runs on request only";
            // A run may have been enqueued for the instant.
            return self
                .one_off
                .is_none()
                .then(|| Explanation::new(NotAFireTime, message));
        }
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
            // Only the pending fire time of a fixed delay is known in advance.
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
        // The search is strictly after an instant, and PostgreSQL counts microseconds.
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
        // A fixed delay without a fire time waits for the end of a run: the schedule has not ended.
        if job.definition.runs_left(job.runs) == 0
            || job.next_fire_time.is_none() && !self.awaits_an_end() && self.one_off.is_none()
        {
            return Explanation::new(AfterEnd, "the schedule has ended: no fire time is left");
        }
        if let Some(excluded) = self.excluded(at) {
            return excluded;
        }
        let message = match &self.cluster_paused {
            None => "it runs, if nothing is changed".to_owned(),
            Some((_, why)) => format!("it runs when the cluster is resumed; it is paused: {why}"),
        };
        Explanation::new(WillRun, message)
    }

    /// Whether the end of an execution decides the next fire time.
    fn awaits_an_end(&self) -> bool {
        matches!(self.job.definition.schedule, Schedule::FixedDelay { .. })
    }

    /// A passed fire time without a row.
    fn passed(&self, at: Timestamp) -> Explanation {
        use FireTimeReason::{AfterEnd, NotRetained, Unknown, Waiting};
        // A buffered fire has a trigger of its own: the trigger of the schedule may be far ahead.
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
        // Before the log's limits: a pending fire time has no row yet.
        if let Some(pending) = self.pending(at) {
            return pending;
        }
        let keeps = self
            .job
            .definition
            .policies
            .retain_executions
            // Rows of a job with `retainExecutions` end at the oldest row, not at the oldest day.
            .and(self.oldest);
        if let Some(from) = self.kept_from.max(keeps).filter(|from| at < *from) {
            let message = format!(
                "the log keeps nothing from before {} of this job any more",
                rfc3339(from)
            );
            return Explanation {
                until: Some(from),
                ..Explanation::new(NotRetained, message)
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
        let message = "nothing is recorded: the job may have been edited at that moment, or its \
             row was removed by hand";
        Explanation::new(Unknown, message)
    }

    /// The trigger of the schedule has not taken the fire time yet.
    fn pending(&self, at: Timestamp) -> Option<Explanation> {
        use FireTimeReason::{ClusterPaused, Waiting};
        let next = self.job.next_fire_time?;
        // The trigger has moved past excluded fire times: they have no row yet either.
        if at < self.job.excluded_from.unwrap_or(next) {
            return None;
        }
        if let Some(excluded) = self.excluded(at) {
            return Some(excluded);
        }
        if let Some((since, why)) = &self.cluster_paused {
            let message = format!("the cluster is paused since {}: {why}", rfc3339(*since));
            return Some(Explanation {
                since: Some(*since),
                ..Explanation::new(ClusterPaused, message)
            });
        }
        // The jitter makes a fire due after its fire time.
        let due_at = self.due_at.unwrap_or(next);
        if due_at > self.now {
            let message = format!("it waits for its due time, {}", rfc3339(due_at));
            return Some(Explanation {
                until: Some(due_at),
                ..Explanation::new(Waiting, message)
            });
        }
        let message = match self.job.definition.target.handler() {
            None => "it is due, and no node has taken it: no node takes work, or no slot is free"
                .to_owned(),
            Some(handler) if self.workers == 0 => {
                format!("it is due, and waits: no worker offers the handler `{handler}`")
            }
            Some(handler) => {
                format!("it is due, and no worker with the handler `{handler}` has a free slot")
            }
        };
        Some(Explanation {
            since: Some(due_at),
            ..Explanation::new(Waiting, message)
        })
    }

    /// The answer of the present calendars and blackouts.
    fn excluded(&self, at: Timestamp) -> Option<Explanation> {
        use FireTimeReason::{Deferred, Excluded};
        match self
            .exclusions
            .availability(self.job.id, &self.job.definition, at)
        {
            Availability::Open => None,
            Availability::Excluded(excluded) => Some(Explanation::new(
                Excluded,
                format!("it is excluded by the {}", excluded.reason()),
            )),
            Availability::Deferred(blackout) => {
                let (until, reason) = (blackout.ends_at, &blackout.reason);
                let message = format!(
                    "a blackout holds it back until {}: {reason}",
                    rfc3339(until)
                );
                let explained = Explanation::new(Deferred, message);
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
        let parts = [
            Some(if skipped {
                "it was not run".to_owned()
            } else {
                format!("it was taken: {}", self.status)
            }),
            self.reason.as_ref().map(|reason| format!(", {reason}")),
            self.message.as_ref().map(|message| {
                // The message of an execution may have 64 KB.
                let short: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
                format!(" ({short})")
            }),
        ];
        parts.into_iter().flatten().collect()
    }
}

/// The last fire time before an instant, within two years. A schedule only searches forward, so the
/// search halves the time between a known fire time and the instant.
fn previous_fire_time(definition: &JobDefinition, at: Timestamp) -> Option<Timestamp> {
    let mut last = REACHES.iter().find_map(|reach| {
        let since = at.checked_sub_signed(*reach)?;
        fire_time_between(definition, since, at)
    })?;
    // Known: `last` is a fire time, and none lies between `bound` and the instant.
    let mut bound = at;
    for _ in 0..STEPS_MAX {
        let Some(next) = fire_time_between(definition, last, at) else {
            return Some(last);
        };
        last = next;
        let middle = last + (bound - last) / 2;
        match fire_time_between(definition, middle, at) {
            Some(beyond) => last = beyond,
            None => bound = middle,
        }
    }
    Some(last)
}

/// The first fire time strictly between two instants.
fn fire_time_between(
    definition: &JobDefinition,
    after: Timestamp,
    before: Timestamp,
) -> Option<Timestamp> {
    definition
        .next_fire_time(after)
        .filter(|fire_time| *fire_time < before)
}

#[cfg(test)]
mod tests;
