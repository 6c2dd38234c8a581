//! Fire times that a command finds past their instant and not taken: they wait out a jitter, a
//! pause of the cluster, an outage, full slots. They belong to the version of the job that named
//! them, and the command decides about them as leases would: none is lost, and the version after it
//! begins with the instants after the command.

use super::fire::Walked;
use super::{NewExecution, NextState, SkippedRange, Trigger, TriggerKind};
use crate::model::Timestamp;
use crate::model::exclusions::{Availability, Exclusions, Pending};
use crate::model::execution::{Reason, execution_id};
use crate::model::job::JobDefinition;
use crate::model::policies::Policies;
use crate::model::schedule::Schedule;

/// Most fire times of a job that an edit looks at one by one. One row that does not count them
/// stands for the rest.
const WALK_MAX: usize = 100_000;
/// Most fire times of a job that an edit leaves to run.
pub(super) const RUNS_MAX: usize = 1_000;
/// Closed stretches that a fixed delay waits out one after the other.
const WAITS_MAX: usize = 100;

/// What becomes of the passed fire times of an edited job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Those that run yet, oldest first.
    pub executions: Vec<NewExecution>,
    /// Those that do not, oldest first.
    pub skipped: Vec<SkippedRange>,
}

impl Trigger {
    /// The first fire time that is neither taken nor recorded.
    pub fn pending(&self) -> Timestamp {
        self.excluded_from.unwrap_or(self.fire_time)
    }

    /// What it names.
    pub fn names(&self) -> Pending {
        Pending {
            fire_time: self.fire_time,
            excluded_from: self.excluded_from,
        }
    }

    /// Whether there is a fire time that has passed and is not taken.
    pub fn has_passed(&self, now: Timestamp) -> bool {
        self.pending() <= now
    }

    /// What the version of the job that named the passed fire times does with them, for an edit at
    /// `now`.
    pub fn passed(&self, job: &JobDefinition, exclusions: &Exclusions, now: Timestamp) -> Passed {
        if !self.has_passed(now) {
            return Passed::default();
        }
        if matches!(job.schedule, Schedule::FixedDelay { .. }) {
            return Passed {
                executions: vec![self.passed_delay(job, exclusions, now)],
                skipped: Vec::new(),
            };
        }
        let (walked, beyond) = self.walk_passed(job, exclusions, (now, WALK_MAX));
        let mut passed = Passed::default();
        let rest = self.decide_passed(job, exclusions, now, &walked, &mut passed);
        let Some(rest) = rest else { return passed };
        let mut left_out = self.ranges(rest, Reason::Misfire, None);
        for range in left_out
            .iter_mut()
            .filter(|range| range.reason == Reason::Misfire)
        {
            range.message = Some(format!(
                "an edit leaves at most {RUNS_MAX} fire times to run"
            ));
        }
        passed.skipped.extend(left_out);
        passed
            .skipped
            .extend(beyond.map(|first| self.uncounted(first, now, Reason::Misfire)));
        passed
    }

    /// The passed fire times as rows, when none of them runs: the job is paused or deleted at
    /// `now`. What was excluded says what excluded it. At most so many are looked at one by one.
    pub fn left_out(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        (now, most): (Timestamp, usize),
        reason: Reason,
    ) -> Vec<SkippedRange> {
        let (walked, beyond) = self.walk_passed(job, exclusions, (now, most));
        let mut ranges = self.ranges(&walked, reason, None);
        ranges.extend(beyond.map(|first| self.uncounted(first, now, reason)));
        ranges
    }

    /// One row for all fire times from `first` through `now`, not counted.
    pub fn uncounted(&self, first: Timestamp, now: Timestamp, reason: Reason) -> SkippedRange {
        SkippedRange {
            execution_id: execution_id(self.job_id, TriggerKind::Schedule, first),
            fire_time: first,
            through_fire_time: now,
            occurrences: 0,
            reason,
            message: Some(
                "all fire times between these two: they were too many to be counted".to_owned(),
            ),
            coalesced_into: None,
        }
    }

    /// The passed fire times, oldest first, and the first that is beyond the bound.
    fn walk_passed<'a>(
        &self,
        job: &JobDefinition,
        exclusions: &'a Exclusions,
        (now, most): (Timestamp, usize),
    ) -> (Vec<(Timestamp, Availability<'a>)>, Option<Timestamp>) {
        if matches!(job.schedule, Schedule::FixedDelay { .. }) {
            let only = self
                .has_passed(now)
                .then_some((self.fire_time, Availability::Open));
            return (only.into_iter().collect(), None);
        }
        let mut walked = Vec::new();
        let mut next = Some(self.pending());
        while let Some(fire_time) = next.filter(|fire_time| *fire_time <= now) {
            if walked.len() == most {
                return (walked, Some(fire_time));
            }
            walked.push((fire_time, self.availability(job, exclusions, fire_time)));
            next = job.next_fire_time(fire_time);
        }
        (walked, None)
    }

    /// Decides as the polls would that follow each other until all are taken. What is left when as
    /// many run as may; none when the schedule has run out.
    fn decide_passed<'w, 'a>(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
        walked: &'w Walked<'a>,
        passed: &mut Passed,
    ) -> Option<&'w Walked<'a>> {
        // Of a backlog that FIRE_ALL would run for hours the newest run, as with `maxCatchUp`.
        let most = i32::try_from(RUNS_MAX).unwrap_or(i32::MAX);
        let most = job
            .policies
            .max_catch_up
            .map_or(most, |given| given.min(most));
        let job = JobDefinition {
            policies: Policies {
                max_catch_up: Some(most),
                ..job.policies.clone()
            },
            ..job.clone()
        };
        let mut at = self.clone();
        // A poll that was to judge an excluded stretch again may be due before the fire time is.
        at.due_at = at.due_at.max(job.due_time(self.job_id, self.fire_time));
        let mut rest = walked;
        while let Some((first, _)) = rest.first() {
            if passed.executions.len() >= RUNS_MAX {
                return Some(rest);
            }
            let polled_at = now.max(at.due_at).max(job.due_time(self.job_id, *first));
            let due = rest.partition_point(|(fire_time, _)| {
                job.due_time(self.job_id, *fire_time) <= polled_at
            });
            let outcome = at.fire_walked(&job, exclusions, polled_at, (&rest[..due], false));
            passed.skipped.extend(outcome.skipped);
            if let Some(execution) = outcome.execution {
                at.runs += 1;
                // Not before the poll that would have taken it: the end of a blackout.
                let due_time = if polled_at > now {
                    execution.due_time.max(polled_at)
                } else {
                    execution.due_time
                };
                passed.executions.push(NewExecution {
                    due_time,
                    ..execution
                });
            }
            let NextState::Advance {
                fire_time,
                due_at,
                excluded_from,
            } = outcome.next_state
            else {
                return None;
            };
            (at.fire_time, at.due_at, at.excluded_from) = (fire_time, due_at, excluded_from);
            let pending = at.pending();
            rest = &rest[rest.partition_point(|(fire_time, _)| *fire_time < pending)..];
        }
        Some(rest)
    }

    /// The fire time of a fixed delay, due when nothing closes it any more.
    fn passed_delay(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
    ) -> NewExecution {
        let mut at = self.clone();
        for _ in 0..WAITS_MAX {
            let outcome = at.fire_delay(job, exclusions, now.max(at.due_at));
            let NextState::Advance { due_at, .. } = outcome.next_state else {
                break;
            };
            at.due_at = due_at;
        }
        at.execution(at.fire_time, at.due_at)
    }
}
