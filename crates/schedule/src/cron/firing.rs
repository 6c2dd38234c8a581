//! From local times to instants: the effects of clock changes.
//!
//! A local time that exists once is one instant. If the clock goes back, a local time exists twice;
//! the schedule decides for the first, the second or both. If the clock goes forward, a local time
//! does not exist; the schedule decides for the instant of the change (once for all times in that
//! gap, and only with fixed hours), for nothing, or for the old offset.
//!
//! A zone is a list of stretches with one offset each. In a stretch, the instants are the matches
//! of the rule, shifted by the offset and cut at both ends; the gap before a stretch adds its own.
//! The earliest instant is therefore in the stretch of `from`, or in the stretch of the rule's next
//! match.

use super::options::{CronOptions, DstGap, DstOverlap};
use super::rule::{Civil, Rule};
use crate::zone::{Stretch, Zone};

/// More than the offset of any zone from UTC, in seconds.
const OFFSET_MAX: i64 = 26 * 3_600;

/// The instants of a local time that exists twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passes {
    First,
    Second,
    Both,
}

impl Passes {
    /// The meaning of an option for a rule.
    pub fn of(overlap: DstOverlap, rule: &Rule) -> Self {
        match overlap {
            DstOverlap::Auto if rule.expression.interval_like() => Self::Both,
            DstOverlap::Auto | DstOverlap::First => Self::First,
            DstOverlap::Second => Self::Second,
            DstOverlap::Both => Self::Both,
        }
    }
}

/// The first second in UTC, at or after `from`, at which the rule fires.
pub(super) fn at_or_after(
    rule: &Rule,
    options: &CronOptions,
    passes: Passes,
    from: i64,
) -> Option<i64> {
    let (zone, mut from) = (&options.zone, from.max(0));
    let mut index = zone.index_at(from);
    loop {
        let stretch = zone.stretch(index);
        let (opens, closes) = open_times(stretch, passes);
        let match_from = (from + stretch.offset).max(opens);
        let next_match = rule.at_or_after(match_from);
        let regular = next_match
            .filter(|civil| *civil < closes)
            .map(|civil| civil - stretch.offset);
        let skipped = of_the_gap(rule, options.dst_gap, stretch, from);
        if let Some(found) = [regular, skipped].into_iter().flatten().min() {
            return Some(found);
        }
        (index, from) = continue_search(zone, index, match_from, next_match)?;
    }
}

/// The local times of a stretch that count, from the first to before the second.
fn open_times(stretch: Stretch, passes: Passes) -> (Civil, Civil) {
    let mut opens = stretch.start.saturating_add(stretch.offset);
    let mut closes = stretch.end.saturating_add(stretch.offset);
    if passes == Passes::First {
        opens = opens.saturating_add((stretch.offset_before - stretch.offset).max(0));
    }
    if passes == Passes::Second {
        closes = closes.saturating_sub((stretch.offset - stretch.offset_after).max(0));
    }
    (opens, closes)
}

/// The instant that replaces the local times in the gap before a stretch.
fn of_the_gap(rule: &Rule, gap: DstGap, stretch: Stretch, from: i64) -> Option<i64> {
    let Stretch {
        start,
        end,
        offset,
        offset_before,
        ..
    } = stretch;
    if offset_before >= offset {
        return None;
    }
    let (first, end_of_gap) = (start + offset_before, start + offset);
    match gap {
        DstGap::Skip => None,
        // A schedule of every few hours continues with its next time: one more execution would be
        // a surprise.
        DstGap::RunAtGapEnd if rule.expression.hour.interval => None,
        DstGap::RunAtGapEnd => (from <= start)
            .then(|| match_within(rule, first, end_of_gap))
            .flatten()
            .map(|_| start),
        // By the old offset: as far after the change as it is after the start of the gap.
        DstGap::ShiftByGap => {
            let first = first.max(from + offset_before);
            let shifted = match_within(rule, first, end_of_gap)? - offset_before;
            (shifted < end).then_some(shifted)
        }
    }
}

/// The first match in a part of the wall clock.
fn match_within(rule: &Rule, from: Civil, end: Civil) -> Option<Civil> {
    rule.at_or_after(from).filter(|civil| *civil < end)
}

/// The stretch to search after one without a match, and the second to start from.
fn continue_search(
    zone: &Zone,
    index: usize,
    match_from: Civil,
    next_match: Option<Civil>,
) -> Option<(usize, i64)> {
    let stretch = zone.stretch(index);
    if index + 1 == zone.len() {
        return None;
    }
    let times_come_again = (stretch.offset - stretch.offset_after).max(0);
    if match_from > stretch.end + stretch.offset - times_come_again {
        // Local times before `match_from` come again, in the next stretch.
        return Some((index + 1, stretch.end));
    }
    // No instant matches before `next_match`, for any change of the clock until then.
    let from = stretch.end.max(next_match? - OFFSET_MAX);
    Some((zone.index_at(from), from))
}
