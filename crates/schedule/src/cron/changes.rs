//! The effects of coming clock changes on a schedule, in words.
//!
//! Only effects that surprise: a schedule of every half hour follows the clock through a change.

use super::firing::Passes;
use super::options::{CronOptions, DstGap};
use super::rule::{Civil, Rule};
use crate::zone::Stretch;
use chrono::{DateTime, NaiveDateTime, Timelike};

/// Reach of the words, in seconds: a year, which has one change of each kind.
const AHEAD: i64 = 366 * 86_400;

/// A line for each change that matters, in order.
pub(super) fn within_a_year(
    rule: &Rule,
    options: &CronOptions,
    passes: Passes,
    after: i64,
) -> Vec<String> {
    let zone = &options.zone;
    let coming = (zone.index_at(after) + 1..zone.len()).map(|index| zone.stretch(index));
    // Stretches are in order, so the first one beyond the reach ends the search.
    let soon = coming.take_while(|stretch| stretch.start - AHEAD <= after);
    let told = soon.filter_map(|stretch| match stretch.offset - stretch.offset_before {
        length if length > 0 => gap(rule, options.dst_gap, stretch),
        _ => overlap(rule, passes, stretch),
    });
    told.collect()
}

fn gap(rule: &Rule, policy: DstGap, stretch: Stretch) -> Option<String> {
    let (start, end) = (
        stretch.start + stretch.offset_before,
        stretch.start + stretch.offset,
    );
    let (first, more) = matches(rule, start, end)?;
    let hour = &rule.expression.hour;
    // A schedule of every hour, or an interval that fires at the end of the gap, loses nothing
    // visible.
    if hour.all || rule.expression.interval_like() && rule.at_or_after(end) == Some(end) {
        return None;
    }
    let minutes = (end - start) / 60;
    let outcome = match (policy, more) {
        (DstGap::RunAtGapEnd, _) if hour.interval => "does not run".to_owned(),
        (DstGap::RunAtGapEnd, false) => format!("runs {}", clock(end, first)),
        (DstGap::RunAtGapEnd, true) => format!("runs once, at {}", clock(end, first)),
        (DstGap::Skip, _) => "does not run".to_owned(),
        (DstGap::ShiftByGap, false) => format!("runs {}", clock(first + end - start, first)),
        (DstGap::ShiftByGap, true) => format!("runs {minutes} minutes later"),
    };
    let (day, subject) = (date(first), clock(first, first));
    Some(if more {
        format!(
            "on {day} the clock goes from {} to {}: what falls between {outcome}",
            clock(start, first),
            clock(end, first)
        )
    } else {
        format!("on {day} {subject} does not exist: {outcome}")
    })
}

fn overlap(rule: &Rule, passes: Passes, stretch: Stretch) -> Option<String> {
    let (start, end) = (
        stretch.start + stretch.offset,
        stretch.start + stretch.offset_before,
    );
    let (first, more) = matches(rule, start, end)?;
    let outcome = match passes {
        // An interval through all hours follows the clock: no author expects a warning.
        Passes::Both if rule.expression.hour.all => return None,
        Passes::Both => "runs both times",
        Passes::First => "runs once, the first time",
        Passes::Second => "runs once, the second time",
    };
    let day = date(first);
    Some(if more {
        format!(
            "on {day} {} to {} happens twice: what falls there {outcome}",
            clock(start, first),
            clock(end, first)
        )
    } else {
        format!("on {day} {} happens twice: {outcome}", clock(first, first))
    })
}

/// The first match in a part of the wall clock, and whether there are more.
fn matches(rule: &Rule, start: Civil, end: Civil) -> Option<(Civil, bool)> {
    let first = rule.at_or_after(start).filter(|time| *time < end)?;
    let second = rule.at_or_after(first + 1).filter(|time| *time < end);
    Some((first, second.is_some()))
}

fn wall(time: Civil) -> NaiveDateTime {
    DateTime::from_timestamp(time, 0)
        .unwrap_or_default()
        .naive_utc()
}

fn date(time: Civil) -> String {
    wall(time).format("%Y-%m-%d").to_string()
}

/// `02:30`; with seconds unless they are 0, with the date unless it is that of `day`.
fn clock(time: Civil, day: Civil) -> String {
    let date = if wall(time).date() == wall(day).date() {
        ""
    } else {
        "%Y-%m-%d "
    };
    let seconds = if wall(time).second() == 0 { "" } else { ":%S" };
    wall(time)
        .format(&format!("{date}%H:%M{seconds}"))
        .to_string()
}
