//! Passed fire times: found by a command after the instant, and not taken.
//!
//! The causes are jitter, a pause of the cluster, an outage or full slots. Passed fire times belong
//! to the old version of the job. The command decides as leases would, so no fire time is lost, and
//! the next version begins with the instants after the command.

use super::context::FireContext;
use super::walk::{WalkEnd, WalkedFireTime};
use super::{NewExecution, NextState, SkippedRange, Trigger, TriggerKind};
use crate::model::Timestamp;
use crate::model::exclusions::{Availability, Exclusions, Pending};
use crate::model::execution::{Reason, execution_id};
use crate::model::job::JobDefinition;
use crate::model::policies::Policies;
use crate::model::schedule::Schedule;

/// Most fire times of a job with a separate decision in an edit. A single uncounted row records the
/// others.
const WALK_MAX: usize = 100_000;
/// Most fire times of a job left to run by an edit.
pub(super) const RUNS_MAX: usize = 1_000;
/// Most consecutive exclusions awaited by a fixed delay.
const WAITS_MAX: usize = 100;

/// The outcome for the passed fire times of an edited job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Fire times to run, oldest first.
    pub executions: Vec<NewExecution>,
    /// Fire times to record, oldest first.
    pub skipped: Vec<SkippedRange>,
}

/// The passed fire times of a trigger, oldest first.
struct PassedWalk<'a> {
    fire_times: Vec<WalkedFireTime<'a>>,
    /// The first fire time beyond the walk.
    beyond: Option<Timestamp>,
}

impl Trigger {
    /// The first fire time neither taken nor recorded.
    pub fn pending(&self) -> Timestamp {
        self.excluded_from.unwrap_or(self.fire_time)
    }

    /// The fire times of the trigger.
    pub fn names(&self) -> Pending {
        Pending {
            fire_time: self.fire_time,
            excluded_from: self.excluded_from,
        }
    }

    /// Whether a fire time has passed untaken.
    pub fn has_passed(&self, now: Timestamp) -> bool {
        self.pending() <= now
    }

    /// The outcome for the passed fire times when an edit at `now` replaces `job`, the version of
    /// the fire times.
    pub fn passed(&self, job: &JobDefinition, exclusions: &Exclusions, now: Timestamp) -> Passed {
        if !self.has_passed(now) {
            return Passed::default();
        }
        let context = FireContext {
            trigger: self,
            job,
            exclusions,
            now,
        };
        if matches!(job.schedule, Schedule::FixedDelay { .. }) {
            return Passed {
                executions: vec![context.passed_delay()],
                skipped: Vec::new(),
            };
        }
        let walk = context.walk_passed(WALK_MAX);
        let mut passed = Passed::default();
        let Some(rest) = context.decide_passed(&walk.fire_times, &mut passed) else {
            return passed;
        };
        let mut left_out = self.ranges(rest, Reason::Misfire, None);
        for range in &mut left_out {
            // An excluded range keeps the message of the exclusion.
            if range.reason == Reason::Misfire {
                range.message = Some(format!(
                    "an edit leaves at most {RUNS_MAX} fire times to run"
                ));
            }
        }
        passed.skipped.extend(left_out);
        passed.skipped.extend(
            walk.beyond
                .map(|first| self.uncounted(first, now, Reason::Misfire)),
        );
        passed
    }

    /// Rows for the passed fire times of a job paused or deleted at `now`: no fire time runs. The
    /// row of an excluded fire time names the exclusion. At most `walk_max` fire times are decided
    /// separately.
    pub fn left_out(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
        walk_max: usize,
        reason: Reason,
    ) -> Vec<SkippedRange> {
        let context = FireContext {
            trigger: self,
            job,
            exclusions,
            now,
        };
        let walk = context.walk_passed(walk_max);
        let mut ranges = self.ranges(&walk.fire_times, reason, None);
        ranges.extend(walk.beyond.map(|first| self.uncounted(first, now, reason)));
        ranges
    }

    /// A single row for all fire times from `first` through `now`, not counted.
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
}

impl<'a> FireContext<'a> {
    /// The passed fire times, at most `walk_max` in the list.
    fn walk_passed(&self, walk_max: usize) -> PassedWalk<'a> {
        let mut walk = PassedWalk {
            fire_times: Vec::new(),
            beyond: None,
        };
        if matches!(self.job.schedule, Schedule::FixedDelay { .. }) {
            if self.trigger.has_passed(self.now) {
                walk.fire_times.push(WalkedFireTime {
                    fire_time: self.trigger.fire_time,
                    availability: Availability::Open,
                });
            }
            return walk;
        }
        let mut next = Some(self.trigger.pending());
        while let Some(fire_time) = next.filter(|fire_time| *fire_time <= self.now) {
            if walk.fire_times.len() == walk_max {
                walk.beyond = Some(fire_time);
                break;
            }
            walk.fire_times.push(WalkedFireTime {
                fire_time,
                availability: self.availability(fire_time),
            });
            next = self.job.next_fire_time(fire_time);
        }
        walk
    }

    /// Decides as consecutive polls would until all are taken. Returns the fire times left after
    /// [`RUNS_MAX`] runs; none at the end of the schedule.
    fn decide_passed<'w>(
        &self,
        walked: &'w [WalkedFireTime<'a>],
        passed: &mut Passed,
    ) -> Option<&'w [WalkedFireTime<'a>]> {
        let job = bounded_catch_up(self.job);
        let mut at = self.trigger.clone();
        // A trigger moved past excluded fire times may be due before the fire time, for another
        // decision about the excluded fire times.
        at.due_at = at.due_at.max(self.due_time(self.trigger.fire_time));
        let mut rest = walked;
        while let Some(first) = rest.first() {
            if passed.executions.len() >= RUNS_MAX {
                return Some(rest);
            }
            let polled_at = self.now.max(at.due_at).max(self.due_time(first.fire_time));
            let due = rest.partition_point(|walked| self.due_time(walked.fire_time) <= polled_at);
            let poll = FireContext {
                trigger: &at,
                job: &job,
                exclusions: self.exclusions,
                now: polled_at,
            };
            let outcome = poll.fire_walked(&rest[..due], WalkEnd::Complete);
            passed.skipped.extend(outcome.skipped);
            if let Some(mut execution) = outcome.execution {
                at.runs += 1;
                // A poll in the future would have waited for the end of a blackout.
                if polled_at > self.now {
                    execution.due_time = execution.due_time.max(polled_at);
                }
                passed.executions.push(execution);
            }
            if !at.advance(outcome.next_state) {
                return None;
            }
            let pending = at.pending();
            let decided = rest.partition_point(|walked| walked.fire_time < pending);
            rest = &rest[decided..];
        }
        Some(rest)
    }

    /// The fire time of a fixed delay, due after all exclusions.
    fn passed_delay(&self) -> NewExecution {
        let mut at = self.trigger.clone();
        for _ in 0..WAITS_MAX {
            let poll = FireContext {
                trigger: &at,
                ..*self
            };
            let next_state = poll.fire_fixed_delay().next_state;
            // Anything but a later due time means a run.
            let NextState::Advance { due_at, .. } = next_state else {
                break;
            };
            at.due_at = due_at;
        }
        at.execution(at.fire_time, at.due_at)
    }
}

/// The job with `maxCatchUp` of at most [`RUNS_MAX`]: of a backlog of hours under `FIRE_ALL`, only
/// the newest fire times run.
fn bounded_catch_up(job: &JobDefinition) -> JobDefinition {
    let runs_max = i32::try_from(RUNS_MAX).unwrap_or(i32::MAX);
    let max_catch_up = job
        .policies
        .max_catch_up
        .map_or(runs_max, |most| most.min(runs_max));
    JobDefinition {
        policies: Policies {
            max_catch_up: Some(max_catch_up),
            ..job.policies.clone()
        },
        ..job.clone()
    }
}
