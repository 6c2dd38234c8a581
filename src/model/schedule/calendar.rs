//! Calendars: named rules that say which fire times count.
//!
//! A calendar judges an instant by its local date, weekday and time of day, so
//! it is closed in stretches, never at single instants; [`Calendar::open_again`]
//! leaps over them, and no schedule has to walk through a closed year. It never
//! names a fire time itself.

use super::Timestamp;
use super::zone::Zone;
use crate::model::{InvalidInput, text, text_enum};
use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, Timelike, Weekday};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::iter::once;
use std::ops::Range;

/// Most dates, weekdays or windows of one kind.
const RULES_MAX: usize = 1_000;
/// Seconds of a day.
const DAY: i64 = 86_400;
/// How far a search for a fire time that counts looks: dates and weekdays meet again within 28
/// years, and within 40 when one of them is no leap year although its number is divisible by four.
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

/// What a person says about a calendar; stored as JSON in these words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CalendarRules {
    /// Dates that do not count: `2026-12-25`, each year `12-25`, or from and to
    /// `2026-12-24/2027-01-02`.
    pub exclude_dates: Vec<String>,
    /// Dates that count whatever else is excluded.
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

/// A time of day from `from` to before `to`, `HH:MM` or `HH:MM:SS`; over
/// midnight when `to` is not later, and then it belongs to the day it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayWindow {
    /// Its start.
    pub from: String,
    /// Its end, not included.
    pub to: String,
    /// Days on which it begins; all when empty.
    #[serde(default)]
    pub weekdays: Vec<DayOfWeek>,
}

/// A calendar, ready to judge.
#[derive(Debug, Clone)]
pub struct Calendar {
    name: String,
    zone: Zone,
    excluded_dates: Dates,
    included_dates: Dates,
    excluded_weekdays: [bool; 7],
    included_weekdays: [bool; 7],
    /// Of the dates of each weekday the seconds that count.
    open: [Stretches; 7],
    changed_at: Timestamp,
}

/// Dates, in order and without overlaps: to judge one must not take longer because of many rules.
#[derive(Debug, Clone, Default)]
struct Dates {
    ranges: Vec<(NaiveDate, NaiveDate)>,
    /// Month and day.
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
    /// Reads the rules; the error names the first that is wrong.
    pub fn new(name: &str, zone: Zone, rules: &CalendarRules) -> Result<Self, InvalidInput> {
        let excluded_windows = windows("excludeWindows", &rules.exclude_windows)?;
        let included_windows = windows("includeWindows", &rules.include_windows)?;
        Ok(Self {
            name: validate_name(name)?,
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

    /// The same with the instant of its last change.
    #[must_use]
    pub fn changed(self, at: Timestamp) -> Self {
        Self {
            changed_at: at,
            ..self
        }
    }

    /// Its last change: what it closed before was judged by other rules.
    pub fn changed_at(&self) -> Timestamp {
        self.changed_at
    }

    /// Whose local time its rules mean.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// What jobs call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a fire time at this instant counts.
    pub fn is_open(&self, time: Timestamp) -> bool {
        let local = self.zone.local(time).naive_local();
        let second = i64::from(local.time().num_seconds_from_midnight());
        self.opens_on(local.date(), second) == Some(second)
    }

    /// Where a search for a fire time after `after` that counts ends.
    pub fn sight(after: Timestamp) -> Timestamp {
        after
            .checked_add_signed(SIGHT)
            .unwrap_or(Timestamp::MAX_UTC)
    }

    /// A closed calendar's next opening after an instant, if it lies before `until`.
    pub fn open_again(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let (mut second, until) = (after.timestamp(), until.timestamp());
        while second < until {
            let stretch = self.zone.stretch(self.zone.index_at(second));
            let end = until.min(stretch.end);
            if let Some(opens) = self.opens_within(second + stretch.offset..end + stretch.offset) {
                return Timestamp::from_timestamp(opens - stretch.offset, 0);
            }
            second = end;
        }
        None
    }

    /// The first second that counts of a stretch of local time, both counted from 1970.
    fn opens_within(&self, local: Range<i64>) -> Option<i64> {
        let mut at = local.start;
        while at < local.end {
            let (midnight, second) = (at - at.rem_euclid(DAY), at.rem_euclid(DAY));
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

    /// A date beats a weekday. A date that no rule names counts, unless the
    /// calendar names the only ones that do.
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

/// The seconds of a weekday's dates that count: all, or those of the windows that are included, but
/// none of those that are excluded.
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
        while let Some(closed) = excluded.next_if(|closed| closed.start < stretch.end) {
            open.push(from..closed.start);
            from = closed.end.max(from);
        }
        open.push(from..stretch.end);
    }
    open.retain(|stretch| !stretch.is_empty());
    open
}

/// The seconds of a weekday's dates that windows hold: over midnight they belong to the day on
/// which they begin.
fn stretches_on(day: usize, windows: &[Window]) -> Stretches {
    let of_window = |window: &Window| {
        let over_midnight = window.to <= window.from;
        let today = window.weekdays[day]
            .then_some(window.from..if over_midnight { DAY } else { window.to });
        let yesterday = (over_midnight && window.weekdays[(day + 6) % 7]).then_some(0..window.to);
        [today, yesterday]
    };
    let mut all: Stretches = windows.iter().flat_map(of_window).flatten().collect();
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

fn validate_name(name: &str) -> Result<String, InvalidInput> {
    text::CALENDAR_NAME.check("name", name)?;
    Ok(name.trim().to_owned())
}

fn dates(field: &'static str, texts: &[String]) -> Result<Dates, InvalidInput> {
    bounded(field, texts.len())?;
    let mut dates = Dates::default();
    for (index, text) in texts.iter().enumerate() {
        if add_dates(&mut dates, text.trim()).is_none() {
            let shown: String = text.chars().take(40).collect();
            let shown = shown.escape_debug();
            let message = format!(
                "`{shown}` is none of 2026-12-25, 12-25 (each year), 2026-12-24/2027-01-02"
            );
            return Err(InvalidInput::of_member(field, index, message));
        }
    }
    dates.ranges.sort_unstable();
    // Of two that overlap, the first takes in the second.
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
    let date = |text: &str| {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .filter(|_| text.len() == 10)
    };
    if let Some((from, to)) = text.split_once('/') {
        let (from, to) = (date(from)?, date(to)?);
        dates.ranges.push((from <= to).then_some((from, to))?);
    } else if let Some(date) = date(text) {
        dates.ranges.push((date, date));
    } else {
        // A leap year, so that 02-29 is a date.
        let yearly = date(&format!("2028-{text}"))?;
        dates.yearly.insert((yearly.month(), yearly.day()));
    }
    Some(())
}

fn windows(field: &'static str, windows: &[DayWindow]) -> Result<Vec<Window>, InvalidInput> {
    bounded(field, windows.len())?;
    let time = |(index, end): (usize, &str), text: &str| {
        // The end of the day may be written as such.
        let parsed = if text == "24:00" {
            Some(NaiveTime::MIN)
        } else {
            time_of_day(text)
        };
        parsed
            .map(|time| i64::from(time.num_seconds_from_midnight()))
            .ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                let message = format!("`{}` is no time of day such as 22:00", shown.escape_debug());
                InvalidInput::new(format!("{field}.{index}.{end}"), message)
            })
    };
    let read = |(index, window): (usize, &DayWindow)| {
        let every_day = window.weekdays.is_empty();
        let days = if every_day {
            [true; 7]
        } else {
            weekdays(&window.weekdays)
        };
        Ok(Window {
            from: time((index, "from"), &window.from)?,
            to: time((index, "to"), &window.to)?,
            weekdays: days,
        })
    };
    windows.iter().enumerate().map(read).collect()
}

fn time_of_day(text: &str) -> Option<NaiveTime> {
    let parse = |format: &str| NaiveTime::parse_from_str(text, format).ok();
    match text.len() {
        5 => parse("%H:%M"),
        8 => parse("%H:%M:%S").filter(|time| time.nanosecond() < 1_000_000_000),
        _ => None,
    }
}

fn bounded(field: &'static str, count: usize) -> Result<(), InvalidInput> {
    if count > RULES_MAX {
        return Err(InvalidInput::new(field, "must be at most 1000"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
