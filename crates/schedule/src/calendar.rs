//! Calendars: named rules that say which fire times count.
//!
//! A calendar decides about an instant by the local date, weekday and time of day. It is therefore
//! closed in stretches, never at single instants. [`Calendar::open_again`] skips a stretch in one
//! step, so no schedule walks through a closed year. A calendar names no fire time.
//!
//! ```
//! use horolog_schedule::calendar::{Calendar, CalendarRules};
//! use horolog_schedule::zone::Zone;
//!
//! let rules = CalendarRules { exclude_dates: vec!["12-25".to_owned()], ..CalendarRules::default() };
//! let holidays = Calendar::new("holidays", Zone::default(), &rules)?;
//! assert!(!holidays.is_open("2026-12-25T09:00:00Z".parse()?));
//! let reopens = holidays.open_again("2026-12-25T09:00:00Z".parse()?, "2027-01-01T00:00:00Z".parse()?);
//! assert_eq!(reopens, Some("2026-12-26T00:00:00Z".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;

pub use self::error::{CalendarError, CalendarProblem};

use crate::zone::Zone;
use crate::{Timestamp, text_enum};
use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, Timelike, Weekday};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::iter::once;
use std::ops::Range;

/// Most dates, weekdays or windows of a kind.
const RULES_MAX: usize = 1_000;
/// Seconds of a day.
const DAY: i64 = 86_400;
/// Reach of a search for a fire time that counts. Dates and weekdays repeat within 28 years, and
/// within 40 around a year that is divisible by four and is no leap year.
const SIGHT: TimeDelta = TimeDelta::days(40 * 366);

text_enum! {
    /// A day of the week.
    DayOfWeek, "weekday" {
        /// Monday.
        Monday = "MONDAY",
        /// Tuesday.
        Tuesday = "TUESDAY",
        /// Wednesday.
        Wednesday = "WEDNESDAY",
        /// Thursday.
        Thursday = "THURSDAY",
        /// Friday.
        Friday = "FRIDAY",
        /// Saturday.
        Saturday = "SATURDAY",
        /// Sunday.
        Sunday = "SUNDAY",
    }
}

/// The rules of a calendar as their author writes them; stored as JSON with the names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CalendarRules {
    /// Dates that do not count: `2026-12-25`, each year `12-25`, or from and to
    /// `2026-12-24/2027-01-02`.
    pub exclude_dates: Vec<String>,
    /// Dates that count in spite of all exclusions.
    pub include_dates: Vec<String>,
    /// Weekdays that do not count.
    pub exclude_weekdays: Vec<DayOfWeek>,
    /// The only weekdays that count.
    pub include_weekdays: Vec<DayOfWeek>,
    /// Times of day that do not count.
    pub exclude_windows: Vec<DayWindow>,
    /// The only times of day that count.
    pub include_windows: Vec<DayWindow>,
}

/// A time of day from `from` to before `to`, `HH:MM` or `HH:MM:SS`. It crosses midnight if `to` is
/// not later than `from`; then it belongs to the day of the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayWindow {
    /// First day of the range, which is part of it.
    pub from: String,
    /// End, not included; `24:00` is the end of the day.
    pub to: String,
    /// Days on which it begins. Default: all.
    #[serde(default)]
    pub weekdays: Vec<DayOfWeek>,
}

/// A calendar whose rules have been read.
#[derive(Debug, Clone)]
pub struct Calendar {
    name: String,
    zone: Zone,
    excluded_dates: Dates,
    included_dates: Dates,
    excluded_weekdays: [bool; 7],
    included_weekdays: [bool; 7],
    /// Seconds of the day that count, for each weekday.
    open: [Stretches; 7],
    changed_at: Timestamp,
}

/// Dates, in order and without overlaps: a search in them is a binary one, for any number of rules.
#[derive(Debug, Clone, Default)]
struct Dates {
    ranges: Vec<(NaiveDate, NaiveDate)>,
    /// Month and day of each yearly rule.
    yearly: BTreeSet<(u32, u32)>,
}

/// Seconds of a day, in order and without overlaps.
type Stretches = Vec<Range<i64>>;

#[derive(Debug, Clone, Copy)]
struct Window {
    from: i64,
    to: i64,
    weekdays: [bool; 7],
}

impl Calendar {
    /// Reads the rules. The error names the first one that is wrong.
    pub fn new(name: &str, zone: Zone, rules: &CalendarRules) -> Result<Self, CalendarError> {
        let excluded_windows = windows("excludeWindows", &rules.exclude_windows)?;
        let included_windows = windows("includeWindows", &rules.include_windows)?;
        Ok(Self {
            name: name.trim().to_owned(),
            zone,
            excluded_dates: dates("excludeDates", &rules.exclude_dates)?,
            included_dates: dates("includeDates", &rules.include_dates)?,
            excluded_weekdays: weekdays(&rules.exclude_weekdays),
            included_weekdays: weekdays(&rules.include_weekdays),
            open: std::array::from_fn(|day| {
                open_stretches(day, &included_windows, &excluded_windows)
            }),
            changed_at: Timestamp::MIN_UTC,
        })
    }

    /// The calendar with the instant of the last change.
    #[must_use]
    pub fn changed(self, at: Timestamp) -> Self {
        Self {
            changed_at: at,
            ..self
        }
    }

    /// Instant of the last change. Earlier decisions followed other rules.
    pub fn changed_at(&self) -> Timestamp {
        self.changed_at
    }

    /// The zone of the dates and times of day.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The name, without white space around it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a fire time at the instant counts.
    pub fn is_open(&self, time: Timestamp) -> bool {
        let local = self.zone.local(time).naive_local();
        let second = i64::from(local.time().num_seconds_from_midnight());
        self.opens_on(local.date(), second) == Some(second)
    }

    /// The end of a search that starts at `after` for a fire time that counts.
    pub fn sight(after: Timestamp) -> Timestamp {
        after
            .checked_add_signed(SIGHT)
            .unwrap_or(Timestamp::MAX_UTC)
    }

    /// The next instant that counts, from an instant that does not. `None`: none before `until`.
    pub fn open_again(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let (mut second, until) = (after.timestamp(), until.timestamp());
        while second < until {
            let stretch = self.zone.stretch(self.zone.index_at(second));
            // The offset to UTC is constant within a stretch, so each stretch is searched in local
            // time.
            let end = until.min(stretch.end);
            if let Some(opens) = self.opens_within(second + stretch.offset..end + stretch.offset) {
                return Timestamp::from_timestamp(opens - stretch.offset, 0);
            }
            second = end;
        }
        None
    }

    /// The first second of a stretch of local time that counts; seconds since 1970.
    fn opens_within(&self, local: Range<i64>) -> Option<i64> {
        let mut at = local.start;
        while at < local.end {
            let (midnight, second) = (at - at.rem_euclid(DAY), at.rem_euclid(DAY));
            // Local seconds read as UTC: the date is the local one.
            let date = Timestamp::from_timestamp(at, 0)?.date_naive();
            if let Some(opens) = self.opens_on(date, second) {
                return Some(midnight + opens).filter(|opens| *opens < local.end);
            }
            at = midnight + DAY;
        }
        None
    }

    /// The first second of a date that counts, from `second` on.
    fn opens_on(&self, date: NaiveDate, second: i64) -> Option<i64> {
        let open = &self.open[index(date.weekday())];
        let next = open.get(open.partition_point(|stretch| stretch.end <= second))?;
        self.counts(date).then(|| next.start.max(second))
    }

    /// A rule for a date wins over a rule for a weekday. A date without a rule counts, unless the
    /// calendar lists the only dates or weekdays that do.
    fn counts(&self, date: NaiveDate) -> bool {
        let day = index(date.weekday());
        if self.included_dates.hold(date) {
            return true;
        }
        if self.excluded_dates.hold(date) || self.excluded_weekdays[day] {
            return false;
        }
        let only_weekdays = self.included_weekdays.contains(&true);
        let nothing_excluded =
            self.excluded_dates.is_empty() && !self.excluded_weekdays.contains(&true);
        let only_dates = !self.included_dates.is_empty() && nothing_excluded && !only_weekdays;
        if only_weekdays {
            self.included_weekdays[day]
        } else {
            !only_dates
        }
    }
}

impl Dates {
    fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.yearly.is_empty()
    }

    fn hold(&self, date: NaiveDate) -> bool {
        let range = self
            .ranges
            .get(self.ranges.partition_point(|(_, to)| *to < date));
        range.is_some_and(|(from, _)| *from <= date)
            || !self.yearly.is_empty() && self.yearly.contains(&(date.month(), date.day()))
    }
}

/// The seconds of a weekday that count: those of the included windows (default: all) without those
/// of the excluded windows.
fn open_stretches(day: usize, included: &[Window], excluded: &[Window]) -> Stretches {
    let mut from = 0;
    let mut open = Stretches::new();
    let included = if included.is_empty() {
        once(0..DAY).collect()
    } else {
        stretches_on(day, included)
    };
    let mut excluded = stretches_on(day, excluded).into_iter().peekable();
    for stretch in included {
        from = stretch.start.max(from);
        // A closed stretch may reach into the next open one: `from` stays behind its end.
        while let Some(closed) = excluded.next_if(|closed| closed.start < stretch.end) {
            open.push(from..closed.start);
            from = closed.end.max(from);
        }
        open.push(from..stretch.end);
    }
    open.retain(|stretch| !stretch.is_empty());
    open
}

/// The seconds of a weekday inside windows. A window over midnight also covers the next day.
fn stretches_on(day: usize, windows: &[Window]) -> Stretches {
    let mut all = Stretches::new();
    for window in windows {
        let over_midnight = window.to <= window.from;
        if window.weekdays[day] {
            all.push(window.from..if over_midnight { DAY } else { window.to });
        }
        // The rest of a window that began yesterday.
        if over_midnight && window.weekdays[(day + 6) % 7] {
            all.push(0..window.to);
        }
    }
    all.sort_unstable_by_key(|stretch| stretch.start);
    let mut merged = Stretches::new();
    for stretch in all {
        match merged.last_mut() {
            Some(last) if stretch.start <= last.end => last.end = last.end.max(stretch.end),
            _ => merged.push(stretch),
        }
    }
    merged
}

fn index(day: Weekday) -> usize {
    day.num_days_from_monday() as usize
}

fn weekdays(days: &[DayOfWeek]) -> [bool; 7] {
    let mut chosen = [false; 7];
    for day in days {
        chosen[*day as usize] = true;
    }
    chosen
}

fn dates(field: &'static str, texts: &[String]) -> Result<Dates, CalendarError> {
    bounded(field, texts.len())?;
    let mut dates = Dates::default();
    for (index, text) in texts.iter().enumerate() {
        if add_dates(&mut dates, text.trim()).is_none() {
            return Err(CalendarError {
                field: format!("{field}.{index}"),
                problem: CalendarProblem::NotADate(text.clone()),
            });
        }
    }
    dates.ranges.sort_unstable();
    // Two ranges that overlap become one.
    dates.ranges.dedup_by(|second, first| {
        let overlap = second.0 <= first.1;
        if overlap {
            first.1 = first.1.max(second.1);
        }
        overlap
    });
    Ok(dates)
}

fn add_dates(dates: &mut Dates, text: &str) -> Option<()> {
    if let Some((from, to)) = text.split_once('/') {
        let (from, to) = (full_date(from)?, full_date(to)?);
        // A range backwards is refused, not turned round: one of the years is probably wrong.
        dates.ranges.push((from <= to).then_some((from, to))?);
    } else if let Some(date) = full_date(text) {
        dates.ranges.push((date, date));
    } else {
        // A leap year, so 02-29 is a date.
        let yearly = full_date(&format!("2028-{text}"))?;
        dates.yearly.insert((yearly.month(), yearly.day()));
    }
    Some(())
}

fn windows(field: &'static str, windows: &[DayWindow]) -> Result<Vec<Window>, CalendarError> {
    bounded(field, windows.len())?;
    let mut read = Vec::with_capacity(windows.len());
    for (index, window) in windows.iter().enumerate() {
        let every_day = window.weekdays.is_empty();
        read.push(Window {
            from: second_of_day(&format!("{field}.{index}.from"), &window.from)?,
            to: second_of_day(&format!("{field}.{index}.to"), &window.to)?,
            weekdays: if every_day {
                [true; 7]
            } else {
                weekdays(&window.weekdays)
            },
        });
    }
    Ok(read)
}

fn second_of_day(field: &str, text: &str) -> Result<i64, CalendarError> {
    // The end of the day may be written as such.
    let time = if text == "24:00" {
        Some(NaiveTime::MIN)
    } else {
        time_of_day(text)
    };
    time.map(|time| i64::from(time.num_seconds_from_midnight()))
        .ok_or_else(|| CalendarError {
            field: field.to_owned(),
            problem: CalendarProblem::NotATimeOfDay(text.to_owned()),
        })
}

/// `2026-12-25`; chrono alone also accepts shorter years.
fn full_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|_| text.len() == 10)
}

/// `22:00` or `22:00:30`, without a leap second.
fn time_of_day(text: &str) -> Option<NaiveTime> {
    let format = match text.len() {
        5 => "%H:%M",
        8 => "%H:%M:%S",
        _ => return None,
    };
    let time = NaiveTime::parse_from_str(text, format).ok()?;
    (time.nanosecond() < 1_000_000_000).then_some(time)
}

fn bounded(field: &'static str, count: usize) -> Result<(), CalendarError> {
    if count > RULES_MAX {
        let problem = CalendarProblem::TooMany { max: RULES_MAX };
        return Err(CalendarError {
            field: field.to_owned(),
            problem,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
