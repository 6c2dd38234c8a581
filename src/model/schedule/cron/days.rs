//! The two fields for days: which days of a month an expression means.
//!
//! Plain numbers are the crate's; `L`, `L-n`, `nW`, `LW`, `L-nW` and those of `week`
//! are ours, as Quartz 2.3.2 defines them. A month becomes a mask with bit 1 for
//! its first day, so that the search asks once per month.

use super::CronError;
use super::column::{DAY_OF_MONTH, QUARTZ_DAY_OF_WEEK, UNIX_DAY_OF_WEEK, number};
use super::field::{Field, Grammar, Token};
use super::warnings::{both_must_match, weekday_numbers};
use super::week::Week;
use chrono::{Datelike, NaiveDate};

/// Furthest day before the last that `L-n` may name.
const BEFORE_LAST_MAX: u32 = 30;

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
    pub length: u32,
    /// The weekday of its first day, Sunday is 0.
    pub weekday: u32,
}

impl Month {
    /// None beyond chrono's years.
    pub fn of(year: i32, month: u32) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let weekday = first.weekday().num_days_from_sunday();
        Some(Self {
            first: i64::from(first.to_epoch_days()),
            length: u32::from(first.num_days_in_month()),
            weekday,
        })
    }

    fn all(self) -> u64 {
        (1 << (self.length + 1)) - 2
    }

    fn weekday_of(self, day: u32) -> u32 {
        (self.weekday + day - 1) % 7
    }

    /// The first day with a weekday.
    pub fn first_on(self, weekday: u32) -> u32 {
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
    pub fn unix(
        month: Token<'_>,
        week: Token<'_>,
        grammar: Grammar<'_>,
    ) -> Result<Self, CronError> {
        let demanded = without_plus(week);
        // As Vixie cron has it: alternatives, unless one begins with `*`; with `*/2` both must
        // match.
        let either = demanded.is_none()
            && ![month, week]
                .iter()
                .any(|field| field.text.starts_with(['*', '?']));
        let (plain, special) = days_of_month(every_day(month), grammar)?;
        let mut parsed = Week::parse(
            &UNIX_DAY_OF_WEEK,
            every_day(demanded.unwrap_or(week)),
            grammar,
        )?;
        if demanded.is_none() && !either && !plain.all && !parsed.plain.all {
            parsed
                .plain
                .warnings
                .push(both_must_match(month.text, week.text));
        }
        Ok(Self {
            month: plain,
            special,
            week: parsed,
            either,
        })
    }

    /// Parses both fields of six or seven.
    pub fn quartz(
        month: Token<'_>,
        week: Token<'_>,
        grammar: Grammar<'_>,
    ) -> Result<Self, CronError> {
        let demanded = without_plus(week);
        let (plain, special) = days_of_month(every_day(month), grammar)?;
        let field = every_day(demanded.unwrap_or(week));
        let mut parsed = Week::parse(&QUARTZ_DAY_OF_WEEK, field, grammar)?;
        if demanded.is_none() {
            one_of_two(month, week)?;
        }
        parsed
            .plain
            .warnings
            .extend(weekday_numbers(month.text, field.text, &parsed));
        Ok(Self {
            month: plain,
            special,
            week: parsed,
            either: false,
        })
    }

    /// The days of a month that fire, bit 1 for the first.
    pub fn in_month(&self, masks: &DayMasks, month: Month) -> u64 {
        let special = self.special.iter().filter_map(|day| month.special(*day));
        let by_month = special.fold(masks.month, |mask, day| mask | 1 << day);
        let by_week = self.week.in_month(masks.week, month);
        month.all()
            & if self.either {
                by_month | by_week
            } else {
                by_month & by_week
            }
    }

    /// The plain fields, for the crate: special ones are `*` to it.
    pub fn lists(&self) -> (String, String) {
        let list = |field: &Field| {
            if field.numbers.is_empty() {
                "*".to_owned()
            } else {
                field.list()
            }
        };
        (list(&self.month), list(&self.week.plain))
    }
}

/// `?` leaves the day to the other field.
fn every_day(field: Token<'_>) -> Token<'_> {
    if field.text == "?" {
        Token { text: "*", ..field }
    } else {
        field
    }
}

/// `+FRI` (OCPS 1.4): the weekday and the day of the month must both match. What stands behind the
/// sign.
fn without_plus(week: Token<'_>) -> Option<Token<'_>> {
    week.text.starts_with('+').then(|| week.inner(1, 0))
}

/// Quartz wants exactly one `?`. A lone `*` may stand for it, since nothing
/// else can be meant; two real restrictions are AND to some and OR to others.
fn one_of_two(month: Token<'_>, week: Token<'_>) -> Result<(), CronError> {
    let problem = match (month.text, week.text) {
        ("?", "?") => "`?`: one of the two must be given, `*` is every day".to_owned(),
        ("?" | "*", _) | (_, "?" | "*") => return Ok(()),
        (text, day) => {
            format!(
                "`{text}`: with six or seven fields one of the two must be `?`, or write `+{day}` when both must match"
            )
        }
    };
    Err(QUARTZ_DAY_OF_WEEK.refuse(week, &format!("does not go with day of month {problem}")))
}

fn days_of_month(
    field: Token<'_>,
    grammar: Grammar<'_>,
) -> Result<(Field, Vec<MonthDay>), CronError> {
    let (mut plain, mut special) = (Field::default(), Vec::new());
    for item in field.split(&[',']) {
        if item.starts_with(b'L') || item.ends_with(b'W') {
            special.push(month_day(item)?);
        } else {
            DAY_OF_MONTH.item(item, grammar, &mut plain)?;
        }
    }
    Ok((DAY_OF_MONTH.finish(plain), special))
}

fn month_day(item: Token<'_>) -> Result<MonthDay, CronError> {
    let workday = item.ends_with(b'W');
    let day = item.inner(0, usize::from(workday));
    if !day.starts_with(b'L') {
        if day.text.is_empty() || number(day.text).is_none() {
            return Err(
                DAY_OF_MONTH.refuse(item, "is not valid: `W` follows one day, as in 15W or LW")
            );
        }
        return Ok(MonthDay::Nearest(DAY_OF_MONTH.value(day)?));
    }
    let days = match day.text.as_bytes() {
        [_] => Some(0),
        [_, b'-', ..] => number(day.inner(2, 0).text),
        _ => None,
    };
    match days {
        Some(days) if days <= BEFORE_LAST_MAX => Ok(MonthDay::BeforeLast { days, workday }),
        Some(_) => {
            Err(DAY_OF_MONTH.refuse(item, &format!("is out of range L-0 to L-{BEFORE_LAST_MAX}")))
        }
        None => {
            Err(DAY_OF_MONTH.refuse(item, "is not valid, allowed with `L` is L, L-n, LW or L-nW"))
        }
    }
}
