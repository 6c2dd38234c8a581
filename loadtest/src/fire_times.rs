//! Fire times of a schedule, by brute force: every second of the window is turned into a civil time
//! and compared with the fields as sets.
//!
//! No code is shared with Horolog or with its cron libraries: a common mistake would go unseen. The
//! code is slow and simple on purpose.
//!
//! The rule for clock changes is Horolog's default: a fixed hour that the clock skips fires once,
//! at the end of the gap (an hour field with `*`, a range or a step continues normally); a time
//! that comes twice fires twice when seconds, minutes or hours hold `*`, a range or a step, else
//! the first time.

use crate::{job::SECOND, micros::Micros};
use anyhow::{Context, bail, ensure};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Offsets change on whole minutes in every zone since 1972.
const MINUTE: i64 = 60;
/// Longer than any clock was ever turned back: a scan with such an earlier start finds the times
/// that come twice.
const LONGEST_FOLD: i64 = 3 * 3_600;

/// The fire times of a six-field cron expression in a zone, of the window with both ends.
pub fn cron(
    expression: &str,
    zone: &str,
    from: Micros,
    until: Micros,
) -> anyhow::Result<Vec<Micros>> {
    let fields = Fields::parse(expression)?;
    let zone = TimeZone::get(zone).with_context(|| format!("no zone {zone}"))?;
    let first = from.div_euclid(SECOND) + i64::from(from.rem_euclid(SECOND) != 0);
    let last = until.div_euclid(SECOND);
    let mut found = Vec::new();
    // Earlier than the window: a clock that was turned back before it makes times come twice.
    let mut minute = (first - LONGEST_FOLD).div_euclid(MINUTE) * MINUTE;
    let mut offset = offset_at(&zone, minute - MINUTE)?;
    // After the clock was turned back, instants before this show civil times for the second time.
    let mut twice_until = i64::MIN;
    while minute <= last {
        let now = offset_at(&zone, minute)?;
        let mut gap_end = false;
        if now > offset {
            gap_end = fields.fixed_hours
                && (minute + offset..minute + now).any(|local| fields.name(local));
        } else if now < offset {
            twice_until = minute + offset - now;
        }
        offset = now;
        for second in minute..minute + MINUTE {
            let again = second < twice_until && !fields.interval_like;
            let named = fields.name(second + offset) && !again;
            if (named || (gap_end && second == minute)) && (first..=last).contains(&second) {
                found.push(second * SECOND);
            }
        }
        minute += MINUTE;
    }
    Ok(found)
}

/// The fire times of a fixed rate, of the window with both ends: anchor + k · period, from the
/// anchor on.
pub fn fixed_rate(anchor: Micros, seconds: u32, from: Micros, until: Micros) -> Vec<Micros> {
    let period = i64::from(seconds.max(1)) * SECOND;
    let missed = (from - anchor).max(0);
    let first = anchor + (missed / period + i64::from(missed % period != 0)) * period;
    std::iter::successors(Some(first), |at| Some(at + period))
        .take_while(|at| *at <= until)
        .collect()
}

fn offset_at(zone: &TimeZone, second: i64) -> anyhow::Result<i64> {
    Ok(i64::from(
        zone.to_offset(Timestamp::from_second(second)?).seconds(),
    ))
}

/// The six fields as sets of numbers.
struct Fields {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    interval_like: bool,
    fixed_hours: bool,
}

impl Fields {
    fn parse(expression: &str) -> anyhow::Result<Self> {
        let texts: Vec<&str> = expression.split_whitespace().collect();
        let [second, minute, hour, day, month, weekday] = texts[..] else {
            bail!("{expression:?} has not six fields")
        };
        // Cron dialects differ where both days are restricted; drills need no such schedule.
        ensure!(
            is_free(day) || is_free(weekday),
            "{expression:?} restricts both days"
        );
        let interval_like = [second, minute, hour]
            .iter()
            .any(|text| text.contains(['*', '-', '/']));
        Ok(Self {
            seconds: set(second, 0, 59, &[])?,
            minutes: set(minute, 0, 59, &[])?,
            hours: set(hour, 0, 23, &[])?,
            days: set(day, 1, 31, &[])?,
            months: set(month, 1, 12, &MONTHS)?,
            weekdays: set(weekday, 1, 7, &WEEKDAYS)?,
            interval_like,
            fixed_hours: !hour.contains(['*', '-', '/']),
        })
    }

    /// Whether the expression names this civil time, given as seconds since 1970 of the wall clock.
    fn name(&self, local: i64) -> bool {
        let time = local.rem_euclid(86_400);
        if !(has(self.seconds, time % 60)
            && has(self.minutes, time / 60 % 60)
            && has(self.hours, time / 3_600))
        {
            return false;
        }
        let Ok(instant) = Timestamp::from_second(local) else {
            return false;
        };
        let date: DateTime = TimeZone::UTC.to_datetime(instant);
        has(self.days, i64::from(date.day()))
            && has(self.months, i64::from(date.month()))
            && has(
                self.weekdays,
                i64::from(date.weekday().to_sunday_one_offset()),
            )
    }
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn is_free(text: &str) -> bool {
    matches!(text, "*" | "?")
}

fn has(set: u64, number: i64) -> bool {
    set >> number & 1 == 1
}

/// A number or a name; `low` is the number of the first name.
fn number(text: &str, low: u32, high: u32, names: &[&str]) -> anyhow::Result<u32> {
    let name = names
        .iter()
        .zip(low..)
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    let value = match name {
        Some((_, value)) => value,
        None => text
            .parse()
            .with_context(|| format!("{text:?} is no number"))?,
    };
    ensure!(
        (low..=high).contains(&value),
        "{value} is not in {low}-{high}"
    );
    Ok(value)
}

/// A field as a set of bits.
fn set(text: &str, low: u32, high: u32, names: &[&str]) -> anyhow::Result<u64> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (
                range,
                Some(
                    step.parse::<u32>()
                        .with_context(|| format!("step of {part:?}"))?,
                ),
            ),
            None => (part, None),
        };
        ensure!(step != Some(0), "{part:?} steps by nothing");
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (low, high),
            (_, Some((from, to))) => (
                number(from, low, high, names)?,
                number(to, low, high, names)?,
            ),
            (_, None) => (
                number(range, low, high, names)?,
                if step.is_some() {
                    high
                } else {
                    number(range, low, high, names)?
                },
            ),
        };
        let to = if to < from { to + (high - low + 1) } else { to }; // Quartz: FRI-MON goes round
        for value in (from..=to).step_by(step.unwrap_or(1) as usize) {
            bits |= 1 << (low + (value - low) % (high - low + 1));
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn named(expression: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
        let found = cron(expression, zone, at(from), at(until)).unwrap();
        found
            .iter()
            .map(|at| Timestamp::from_microsecond(*at).unwrap().to_string()[5..16].to_owned())
            .collect()
    }

    #[test]
    fn a_gap_fires_once_at_its_end() {
        let new_york = |expression: &str| {
            named(
                expression,
                "America/New_York",
                "2026-03-07T12:00:00Z",
                "2026-03-09T06:31:00Z",
            )
        };
        assert_eq!(new_york("0 30 2 * * ?"), ["03-08T07:00", "03-09T06:30"]);
        assert_eq!(new_york("0 0,15,30 2 * * ?").len(), 1 + 3);
        assert_eq!(
            new_york("0 30 1-3 * * ?").len(),
            2 + 2,
            "a range of hours continues normally"
        );
        let howe = named(
            "0 15 2 * * ?",
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00Z",
            "2026-10-04T15:15:00Z",
        );
        assert_eq!(howe, ["10-03T15:30", "10-04T15:15"]);
    }

    #[test]
    fn what_comes_twice_fires_once_unless_interval_like() {
        let new_york = |expression: &str| {
            named(
                expression,
                "America/New_York",
                "2026-11-01T04:30:01Z",
                "2026-11-01T07:00:00Z",
            )
        };
        assert_eq!(new_york("0 30 1 * * ?"), ["11-01T05:30"]);
        assert_eq!(
            new_york("0 */30 * * * ?"),
            [
                "11-01T05:00",
                "11-01T05:30",
                "11-01T06:00",
                "11-01T06:30",
                "11-01T07:00"
            ]
        );
        let howe = named(
            "0 */15 * * * ?",
            "Australia/Lord_Howe",
            "2026-04-04T14:15:01Z",
            "2026-04-04T15:30:00Z",
        );
        assert_eq!(
            howe,
            [
                "04-04T14:30",
                "04-04T14:45",
                "04-04T15:00",
                "04-04T15:15",
                "04-04T15:30"
            ]
        );
        let once = named(
            "0 45 1 * * ?",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00Z",
            "2026-04-04T20:00:00Z",
        );
        assert_eq!(once, ["04-04T14:45"]);
        let starts_within = named(
            "0 30 1 * * ?",
            "America/New_York",
            "2026-11-01T06:10:00Z",
            "2026-11-01T07:00:00Z",
        );
        assert_eq!(
            starts_within, [""; 0],
            "the second pass is known although the window opens in it"
        );
    }

    #[test]
    fn lists_ranges_steps_and_names() {
        let day = |expression: &str| {
            named(
                expression,
                "UTC",
                "2026-11-23T00:00:00Z",
                "2026-11-23T23:59:59Z",
            )
        };
        assert_eq!(
            day("0 0 8-10,20/2 * * ?"),
            [
                "11-23T08:00",
                "11-23T09:00",
                "11-23T10:00",
                "11-23T20:00",
                "11-23T22:00"
            ]
        );
        assert_eq!(day("0 0 12 ? NOV MON").len(), 1);
        assert_eq!(day("0 0 12 ? * FRI-MON").len(), 1);
        assert_eq!(day("0 0 12 ? * 3-7").len(), 0, "Quartz: Monday is 2");
        assert_eq!(day("*/5 * * * * ?").len(), 86_400 / 5);
        for bad in [
            "* * * * *",
            "60 * * * * ?",
            "0 0 0 1 * 2",
            "*/0 * * * * ?",
            "x * * * * ?",
        ] {
            assert!(Fields::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fixed_rate_keeps_its_phase() {
        assert_eq!(
            fixed_rate(1_500_000, 2, 0, 6_000_000),
            [1_500_000, 3_500_000, 5_500_000]
        );
        assert_eq!(fixed_rate(1_500_000, 2, 3_500_001, 6_000_000), [5_500_000]);
        assert_eq!(fixed_rate(9_000_000, 2, 0, 6_000_000), [0; 0]);
    }
}
