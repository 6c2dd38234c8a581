//! The walk: the pending fire times of a trigger, oldest first, each with its availability.

use super::context::FireContext;
use super::{SkippedRange, Trigger, TriggerKind};
use crate::model::Timestamp;
use crate::model::exclusions::Availability;
use crate::model::execution::{Reason, execution_id};
use uuid::Uuid;

/// Most fire times walked in a poll. A year of missed seconds then delays the triggers on time by a
/// single walk, not by the whole year.
const WALK_MAX: usize = 100_000;

/// A pending fire time, and whether it is available to run.
#[derive(Clone, Copy)]
pub(super) struct WalkedFireTime<'a> {
    pub(super) fire_time: Timestamp,
    pub(super) availability: Availability<'a>,
}

/// How a walk ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WalkEnd {
    /// No further fire time is due.
    Complete,
    /// The bound was reached, and more fire times are due.
    CutOff,
}

/// The result of a walk.
pub(super) struct Walk<'a> {
    pub(super) fire_times: Vec<WalkedFireTime<'a>>,
    pub(super) end: WalkEnd,
}

impl WalkedFireTime<'_> {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.availability, Availability::Open)
    }

    pub(super) fn is_excluded(&self) -> bool {
        matches!(self.availability, Availability::Excluded(_))
    }

    pub(super) fn is_deferred(&self) -> bool {
        matches!(self.availability, Availability::Deferred(_))
    }

    /// Whether both are recorded in the same row: two fire times under the same exclusion, or two
    /// without any exclusion.
    fn is_recorded_with(&self, next: &WalkedFireTime<'_>) -> bool {
        match (self.availability, next.availability) {
            (Availability::Excluded(this), Availability::Excluded(next)) => this.is_by(next),
            _ => !self.is_excluded() && !next.is_excluded(),
        }
    }
}

impl<'a> FireContext<'a> {
    /// The pending fire times to decide now: due fire times, and fire times passed as excluded
    /// before the edit of the calendar. Empty after an edit that only sends the trigger elsewhere.
    pub(super) fn walk(&self) -> Walk<'a> {
        let at = self.at();
        let mut walk = Walk {
            fire_times: Vec::new(),
            end: WalkEnd::Complete,
        };
        let mut next = Some(self.trigger.pending());
        while let Some(fire_time) = next {
            let is_decided_now =
                self.due_time(fire_time) <= at || self.has_passed_excluded(fire_time);
            if !is_decided_now {
                break;
            }
            // Checked before the push: a walk of exactly the bound is complete if nothing more is
            // due.
            if walk.fire_times.len() == WALK_MAX {
                walk.end = WalkEnd::CutOff;
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

    /// Whether the fire time had passed as excluded before the edit of the calendar. Such a fire
    /// time stays excluded, also under an opening calendar.
    pub(super) fn has_passed_excluded(&self, fire_time: Timestamp) -> bool {
        self.exclusions
            .passed_excluded(self.job, self.trigger.names(), fire_time)
    }
}

impl Trigger {
    /// Rows for skipped fire times. The row of an excluded fire time names the exclusion; the
    /// others have the `reason`, and are coalesced `into` an execution, if any.
    pub(super) fn ranges(
        &self,
        fire_times: &[WalkedFireTime<'_>],
        reason: Reason,
        into: Option<Uuid>,
    ) -> Vec<SkippedRange> {
        fire_times
            .chunk_by(WalkedFireTime::is_recorded_with)
            .filter_map(|alike| self.range(alike, reason, into))
            .collect()
    }

    /// A row. None without a fire time.
    fn range(
        &self,
        alike: &[WalkedFireTime<'_>],
        reason: Reason,
        into: Option<Uuid>,
    ) -> Option<SkippedRange> {
        let first = alike.first()?;
        let last = alike.last()?;
        let (reason, message, coalesced_into) = match first.availability {
            Availability::Excluded(by) => (Reason::Calendar, Some(by.reason()), None),
            // The caller's reason stands for all fire times without an exclusion.
            Availability::Open | Availability::Deferred(_) => (reason, None, into),
        };
        Some(SkippedRange {
            // The id of the first fire time: a second record of the same range changes nothing.
            execution_id: execution_id(self.job_id, TriggerKind::Schedule, first.fire_time),
            fire_time: first.fire_time,
            through_fire_time: last.fire_time,
            occurrences: i32::try_from(alike.len()).unwrap_or(i32::MAX),
            reason,
            message,
            coalesced_into,
        })
    }
}

/// The leading fire times of a group.
pub(super) fn leading<'w, 'a>(
    fire_times: &'w [WalkedFireTime<'a>],
    belongs: impl Fn(&WalkedFireTime<'a>) -> bool,
) -> &'w [WalkedFireTime<'a>] {
    let end = fire_times
        .iter()
        .position(|fire_time| !belongs(fire_time))
        .unwrap_or(fire_times.len());
    &fire_times[..end]
}
