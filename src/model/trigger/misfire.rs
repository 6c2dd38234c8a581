//! Misfires: fire times of a schedule found later than the grace of the job.
//!
//! The oldest pending fire time speaks for all due fire times, also for fire times within the
//! grace.

use super::FireOutcome;
use super::context::FireContext;
use super::walk::{WalkEnd, WalkedFireTime, leading};
use crate::model::Timestamp;
use crate::model::execution::Reason;
use crate::model::policies::MisfirePolicy;
use chrono::TimeDelta;

impl FireContext<'_> {
    /// The outcome for late fire times, by the job's misfire policy. The first late fire time is
    /// open.
    pub(super) fn misfire(&self, rest: &[WalkedFireTime<'_>], end: WalkEnd) -> FireOutcome {
        match self.job.policies.misfire_policy {
            MisfirePolicy::FireOnce => {
                let decided = self.decided_by_this_poll(rest, end);
                self.fold(decided, end, is_missed)
            }
            MisfirePolicy::FireAll => self.catch_up(leading(rest, is_missed), end),
            MisfirePolicy::Skip => {
                let decided = self.decided_by_this_poll(rest, end);
                self.skip_missed(leading(decided, is_missed))
            }
        }
    }

    /// All walked fire times, if the walk saw all due fire times. Else the last late fire time is
    /// left to the next poll, and speaks there for the due fire times beyond the walk.
    fn decided_by_this_poll<'w, 'a>(
        &self,
        rest: &'w [WalkedFireTime<'a>],
        end: WalkEnd,
    ) -> &'w [WalkedFireTime<'a>] {
        let beyond = rest
            .last()
            .and_then(|last| self.job.next_fire_time(last.fire_time));
        let next_is_late = beyond.is_some_and(|fire_time| self.is_late(self.due_time(fire_time)));
        // A late fire time comes next, and speaks for the rest.
        if end == WalkEnd::Complete || next_is_late {
            return rest;
        }
        let late = rest.partition_point(|walked| self.is_late(self.due_time(walked.fire_time)));
        match late {
            // The grace covers more fire times than a walk: decide about all fire times, or no poll
            // would make progress.
            0 | 1 => rest,
            late => &rest[..late - 1],
        }
    }

    /// Runs the last fire time of the leading group without an exclusion, and coalesces the earlier
    /// fire times into the execution.
    pub(super) fn fold<'a>(
        &self,
        rest: &[WalkedFireTime<'a>],
        end: WalkEnd,
        belongs: impl Fn(&WalkedFireTime<'a>) -> bool,
    ) -> FireOutcome {
        let group = leading(rest, belongs);
        if end == WalkEnd::CutOff && group.len() == rest.len() {
            // The last of the group is not in sight: the next poll runs it.
            return FireOutcome {
                execution: None,
                skipped: self.trigger.ranges(group, Reason::Coalesced, None),
                next_state: self.next_state_after_skip(group[group.len() - 1].fire_time),
            };
        }
        // Never empty: the first of the group is not excluded.
        let last = group
            .iter()
            .rposition(|walked| !walked.is_excluded())
            .unwrap_or(0);
        let mut outcome = self.run_one(group[last].fire_time);
        let into = outcome.execution.map(|execution| execution.execution_id);
        outcome.skipped = self.trigger.ranges(&group[..last], Reason::Coalesced, into);
        outcome
    }

    fn skip_missed(&self, missed: &[WalkedFireTime<'_>]) -> FireOutcome {
        let last = missed
            .last()
            .map_or(self.trigger.fire_time, |walked| walked.fire_time);
        FireOutcome {
            execution: None,
            skipped: self.trigger.ranges(missed, Reason::Misfire, None),
            next_state: self.next_state_after_skip(last),
        }
    }

    /// `FIRE_ALL`: the oldest missed fire time within the bounds runs; fire times beyond the bounds
    /// are skipped. The trigger stays overdue, so the next poll takes the next fire time.
    fn catch_up(&self, missed: &[WalkedFireTime<'_>], end: WalkEnd) -> FireOutcome {
        let beyond = self
            .beyond_max_catch_up(missed)
            .max(self.beyond_window(missed));
        if beyond == 0 {
            return self.run_one(missed[0].fire_time);
        }
        // Up to the first open fire time within the bounds.
        let skipped = open_positions(missed).nth(beyond).unwrap_or(missed.len());
        let decided = self.decided_by_this_poll(missed, end).len();
        self.skip_missed(&missed[..skipped.min(decided)])
    }

    /// Open fire times in front, left out by `maxCatchUp`.
    fn beyond_max_catch_up(&self, missed: &[WalkedFireTime<'_>]) -> usize {
        let Some(most) = self.job.policies.max_catch_up else {
            return 0;
        };
        let most = usize::try_from(most).unwrap_or(0);
        open_positions(missed).count().saturating_sub(most)
    }

    /// Open fire times in front, older than `catchUpWindowSeconds`.
    fn beyond_window(&self, missed: &[WalkedFireTime<'_>]) -> usize {
        let Some(seconds) = self.job.policies.catch_up_window_seconds else {
            return 0;
        };
        let oldest: Timestamp = self.now - TimeDelta::seconds(seconds.into());
        open_positions(missed)
            .take_while(|position| missed[*position].fire_time < oldest)
            .count()
    }
}

/// A deferred fire time is not missed: the end policy of the blackout decides.
fn is_missed(walked: &WalkedFireTime<'_>) -> bool {
    !walked.is_deferred()
}

fn open_positions(fire_times: &[WalkedFireTime<'_>]) -> impl Iterator<Item = usize> {
    fire_times
        .iter()
        .enumerate()
        .filter(|(_, walked)| walked.is_open())
        .map(|(position, _)| position)
}
