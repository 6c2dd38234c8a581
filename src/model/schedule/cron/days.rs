//! The two fields for days: which days of a month an expression means.
//!
//! Plain numbers are the crate's; `L`, `L-n`, `nW`, `LW`, `L-nW`, `dL` and `d#n`
//! are ours, as Quartz 2.3.2 defines them. A month becomes a mask with bit 1 for
//! its first day, so that the search asks once per month.

use super::column::{Column, DAY_OF_MONTH, QUARTZ_DAY_OF_WEEK, UNIX_DAY_OF_WEEK, number};
use super::field::{Field, Grammar, Token};
use super::{CronError, Dialect};
use chrono::{Datelike, NaiveDate};

/// Furthest day before the last that `L-n` may name.
const BEFORE_LAST_MAX: u32 = 30;
/// Repeats a pattern of seven bits five times.
const WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;

/// A day of the month that depends on the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MonthDay {
    /// `L`, `L-n`; with `workday` `LW`, `L-nW`: the workday nearest to it.
    BeforeLast {
        /// How many days before the last one.
        days: u32,
        /// Whether Saturday and Sunday move to the nearest workday.
        workday: bool,
    },
    /// `nW`: the workday nearest to a day.
    Nearest(u32),
}

/// Days of the week, Sunday is 0.
#[derive(Debug, Clone)]
pub(super) enum Week {
    /// Plain days.
    On(Field),
    /// `dL`: the last such day of the month.
    Last(u32),
    /// `d#n`: the n-th such day of the month.
    Nth(u32, u32),
}

/// Both fields.
#[derive(Debug, Clone)]
pub(super) struct Days {
    /// Plain days of the month; none when all are special.
    pub month: Field,
    /// Special days of the month, besides the plain ones.
    pub special: Vec<MonthDay>,
    /// Days of the week.
    pub week: Week,
    /// Whether one of the two fields is enough.
    pub either: bool,
}

/// The days that fire, as masks.
#[derive(Debug)]
pub(super) struct DayMasks {
    /// Bit 1 is the first of the month.
    pub month: u64,
    /// Bit 0 is Sunday.
    pub week: u64,
}

/// One month of one year.
#[derive(Debug, Clone, Copy)]
pub(super) struct Month {
    /// Its first day, counted from 1970-01-01.
    pub first: i64,
    /// How many days it has.
    length: u32,
    /// The weekday of its first day, Sunday is 0.
    weekday: u32,
}

impl Month {
    /// None beyond chrono's years.
    pub fn of(year: i32, month: u32) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let weekday = first.weekday().num_days_from_sunday();
        Some(Self { first: i64::from(first.to_epoch_days()), length: u32::from(first.num_days_in_month()), weekday })
    }

    fn all(self) -> u64 {
        (1 << (self.length + 1)) - 2
    }

    fn weekday_of(self, day: u32) -> u32 {
        (self.weekday + day - 1) % 7
    }

    /// The first day with a weekday.
    fn first_on(self, weekday: u32) -> u32 {
        (weekday + 7 - self.weekday) % 7 + 1
    }

    /// The workday nearest to a day, never in another month.
    fn workday(self, day: u32) -> u32 {
        match self.weekday_of(day) {
            6 if day == 1 => 3,
            6 => day - 1,
            0 if day == self.length => day - 2,
            0 => day + 1,
            _ => day,
        }
    }

    fn special(self, day: MonthDay) -> Option<u32> {
        match day {
            MonthDay::BeforeLast { days, workday } => {
                let day = self.length.checked_sub(days).filter(|day| *day > 0)?;
                Some(if workday { self.workday(day) } else { day })
            }
            MonthDay::Nearest(day) => (day <= self.length).then(|| self.workday(day)),
        }
    }
}

impl Days {
    /// Parses both fields of five.
    pub fn unix(month: Token<'_>, week: Token<'_>, grammar: Grammar<'_>) -> Result<Self, CronError> {
        // As Vixie cron has it: alternatives, unless one begins with `*`; with `*/2` both must match.
        let either = !month.text.starts_with('*') && !week.text.starts_with('*');
        let (plain, special) = days_of_month(month, grammar)?;
        let week = days_of_week(&UNIX_DAY_OF_WEEK, week, grammar)?;
        Ok(Self { month: plain, special, week, either })
    }

    /// Parses both fields of six or seven.
    pub fn quartz(month: Token<'_>, week: Token<'_>, grammar: Grammar<'_>) -> Result<Self, CronError> {
        let every_day =
            |token| if let Token { text: "?", position } = token { Token { text: "*", position } } else { token };
        let (plain, special) = days_of_month(every_day(month), grammar)?;
        let parsed = days_of_week(&QUARTZ_DAY_OF_WEEK, every_day(week), grammar)?;
        one_of_two(month, week)?;
        Ok(Self { month: plain, special, week: parsed, either: false })
    }

    /// The days of a month that fire, bit 1 for the first.
    pub fn in_month(&self, masks: &DayMasks, month: Month) -> u64 {
        let special = self.special.iter().filter_map(|day| month.special(*day));
        let by_month = special.fold(masks.month, |mask, day| mask | 1 << day);
        let by_week = match self.week {
            // The week's pattern, turned so that it begins with the weekday of the first.
            Week::On(_) => ((((masks.week | masks.week << 7) >> month.weekday) & 0x7f) * WEEKS) << 1,
            Week::Last(day) => {
                let first = month.first_on(day);
                1 << (first + (month.length - first) / 7 * 7)
            }
            Week::Nth(day, nth) => 1 << (month.first_on(day) + 7 * (nth - 1)),
        };
        month.all() & if self.either { by_month | by_week } else { by_month & by_week }
    }

    /// The plain fields, for the crate: special ones are `*` to it.
    pub fn lists(&self) -> (String, String) {
        let month = if self.month.numbers.is_empty() { "*".to_owned() } else { self.month.list() };
        let week = if let Week::On(days) = &self.week { days.list() } else { "*".to_owned() };
        (month, week)
    }
}

/// Quartz wants exactly one `?`. A lone `*` may stand for it, since nothing
/// else can be meant; two real restrictions are AND to some and OR to others.
fn one_of_two(month: Token<'_>, week: Token<'_>) -> Result<(), CronError> {
    let problem = match (month.text, week.text) {
        ("?", "?") => "`?`: one of the two must be given, `*` is every day".to_owned(),
        ("?" | "*", _) | (_, "?" | "*") => return Ok(()),
        (text, _) => format!("`{text}`: with six or seven fields one of the two must be `?`"),
    };
    Err(QUARTZ_DAY_OF_WEEK.refuse(week, &format!("does not go with day of month {problem}")))
}

fn days_of_month(field: Token<'_>, grammar: Grammar<'_>) -> Result<(Field, Vec<MonthDay>), CronError> {
    let (mut plain, mut special) = (Field::default(), Vec::new());
    for item in field.split(&[',']) {
        if item.starts_with(b'L') || item.ends_with(b'W') {
            special.push(month_day(item, grammar.dialect)?);
        } else {
            DAY_OF_MONTH.item(item, grammar, &mut plain)?;
        }
    }
    Ok((DAY_OF_MONTH.finish(plain), special))
}

fn month_day(item: Token<'_>, dialect: Dialect) -> Result<MonthDay, CronError> {
    let workday = item.ends_with(b'W');
    let day = item.inner(0, usize::from(workday));
    if !day.starts_with(b'L') {
        if day.text.is_empty() || number(day.text).is_none() {
            return Err(DAY_OF_MONTH.refuse(item, "is not valid: `W` follows one day, as in 15W or LW"));
        }
        return Ok(MonthDay::Nearest(DAY_OF_MONTH.value(day, dialect)?));
    }
    let days = match day.text.as_bytes() {
        [_] => Some(0),
        [_, b'-', ..] => number(day.inner(2, 0).text),
        _ => None,
    };
    match days {
        Some(days) if days <= BEFORE_LAST_MAX => Ok(MonthDay::BeforeLast { days, workday }),
        Some(_) => Err(DAY_OF_MONTH.refuse(item, &format!("is out of range L-0 to L-{BEFORE_LAST_MAX}"))),
        None => Err(DAY_OF_MONTH.refuse(item, "is not valid, allowed with `L` is L, L-n, LW or L-nW")),
    }
}

fn days_of_week(column: &Column, field: Token<'_>, grammar: Grammar<'_>) -> Result<Week, CronError> {
    let last = |word: Token<'_>| word.ends_with(b'L');
    let special = field.split(&[',']).find(|item| item.text.contains('#') || last(*item));
    match special {
        None => Ok(Week::On(column.parse(field, grammar)?)),
        Some(item) if item.text.len() < field.text.len() => {
            Err(column.refuse(item, "must stand alone in its field: make a job for each"))
        }
        // The week's last day, which surprises those who mean the month's last week.
        Some(_) if field.text.len() == 1 => Ok(Week::On(Field::only(7))),
        Some(item) if last(item) => Ok(Week::Last(weekday(column, item.inner(0, 1), grammar)?)),
        Some(item) => nth(column, item, grammar),
    }
}

fn nth(column: &Column, item: Token<'_>, grammar: Grammar<'_>) -> Result<Week, CronError> {
    let parts: Vec<_> = item.split(&['#']).collect();
    let [day, nth] = parts[..] else {
        return Err(column.refuse(item, "has more than one `#`"));
    };
    let day = weekday(column, day, grammar)?;
    match number(nth.text) {
        Some(nth) if (1..=5).contains(&nth) => Ok(Week::Nth(day, nth)),
        _ => Err(column.refuse(nth, "is out of range 1-5 after `#`")),
    }
}

fn weekday(column: &Column, word: Token<'_>, grammar: Grammar<'_>) -> Result<u32, CronError> {
    Ok((column.value(word, grammar.dialect)? - column.min) % 7)
}
