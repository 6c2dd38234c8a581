//! From times on the wall to instants: what a zone's changes of the clock do.
//!
//! A time that exists once is that instant. One that exists twice, because the
//! clock goes back, is the first, the second or both, as the schedule says. One
//! that does not exist, because the clock goes forward, is the instant at which
//! it goes forward (once for all times in that gap, and only when the hours are
//! fixed), or nothing, or as far after that instant as it is after the start of
//! the gap.
//!
//! The zone is a list of stretches with one offset each. In one stretch the
//! matches are the rule's, shifted by the offset and cut at both ends; the gap
//! before a stretch adds its own. So the earliest instant is found in the
//! stretch of `from`, or else in the one where the rule matches next.

use super::rule::{Civil, Rule};
use super::{CronOptions, DstGap, DstOverlap};
use crate::model::schedule::zone::{Stretch, Zone};

/// More than any zone is ahead of UTC or behind it, in seconds.
const OFFSET_MAX: i64 = 26 * 3_600;

/// Which instants of a time that comes twice count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passes {
    /// The first.
    First,
    /// The second.
    Second,
    /// Both.
    Both,
}

impl Passes {
    /// What the options mean for a rule.
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
        (index, from) = go_on(zone, index, match_from, next_match)?;
    }
}

/// The times on the wall that count in a stretch, the last one excluded.
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

/// What fires in place of the times that the gap before a stretch left out.
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
    let skipped = |from: Civil| rule.at_or_after(from).filter(|civil| *civil < end_of_gap);
    match gap {
        DstGap::Skip => None,
        // It comes every few hours and goes on with its next time: a run more would be one that
        // nobody asked for.
        DstGap::RunAtGapEnd if rule.expression.hour.interval => None,
        DstGap::RunAtGapEnd => (from <= start)
            .then(|| skipped(first))
            .flatten()
            .map(|_| start),
        // By the old offset: as far after the change as it is after the start of the gap.
        DstGap::ShiftByGap => {
            let shifted = skipped(first.max(from + offset_before))? - offset_before;
            (shifted < end).then_some(shifted)
        }
    }
}

/// The stretch to look at after one without a match, and from which second.
fn go_on(
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
        // Times before `match_from` come again: only the next stretch can tell.
        return Some((index + 1, stretch.end));
    }
    // Nothing matches before `next_match`, whatever the clock does until then.
    let from = stretch.end.max(next_match? - OFFSET_MAX);
    Some((zone.index_at(from), from))
}
