//! The walk: the pending fire times of a trigger, oldest first, each with its availability.

use super::context::FireContext;
use super::{SkippedRange, Trigger, TriggerKind};
use crate::model::Timestamp;
use crate::model::exclusions::Availability;
use crate::model::execution::{Reason, execution_id};
use uuid::Uuid;

/// Most fire times that one poll walks. A year of missed seconds then delays the triggers that are
/// on time by one walk, not by all of it.
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

    /// Whether both are recorded in the same row: two that the same exclusion excludes, or two that
    /// nothing excludes.
    fn is_recorded_with(&self, next: &WalkedFireTime<'_>) -> bool {
        match (self.availability, next.availability) {
            (Availability::Excluded(this), Availability::Excluded(next)) => this.is_by(next),
            _ => !self.is_excluded() && !next.is_excluded(),
        }
    }
}

impl<'a> FireContext<'a> {
    /// The pending fire times that are decided now: due ones, and those that had passed as excluded
    /// when the calendar was edited. Empty after an edit that only sends the trigger elsewhere.
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

    /// Whether the fire time had passed as excluded when the calendar was edited: it stays
    /// excluded, also under a calendar that now opens it.
    pub(super) fn has_passed_excluded(&self, fire_time: Timestamp) -> bool {
        self.exclusions
            .passed_excluded(self.job, self.trigger.names(), fire_time)
    }
}

impl Trigger {
    /// Rows for fire times that do not run. An excluded one names its exclusion; the others have
    /// this `reason`, and are coalesced `into` an execution if there is one.
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

    /// One row. None for no fire time.
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
            Availability::Open | Availability::Deferred(_) => (reason, None, into),
        };
        Some(SkippedRange {
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

/// The fire times in front that belong together.
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
