//! The local times of an expression, without a zone.
//!
//! The crate `cron` reads the plain fields; its numbers are copied into bit masks when the
//! expression is parsed. Its own search is not used: it ends in 2100 and knows neither `L`, `W`,
//! `#` nor alternative days. A search by bits is a few shifts for the time of day and one step per
//! month, for every expression. A test compares both searches.

use super::days::DayMasks;
use super::error::CronError;
use super::expression::Expression;
use super::month::Month;
use chrono::{Datelike, NaiveDate};
use cron::TimeUnitSpec;

/// First and last year of a search: no schedule fires outside them.
pub(super) const YEARS: std::ops::RangeInclusive<i32> = 1970..=2199;

const DAY: i64 = 86_400;

/// A local time, in seconds since 1970-01-01T00:00:00 of the same clock.
pub(super) type Civil = i64;

/// The times of day and the days that match.
#[derive(Debug)]
pub(super) struct Rule {
    /// The parsed text. The masks of days belong to the days.
    pub expression: Expression,
    seconds: u64,
    minutes: u64,
    hours: u64,
    months: u64,
    days: DayMasks,
    /// Years of the rule. `None`: every year.
    years: Option<Vec<i32>>,
    /// The first time of day, in seconds.
    first: i64,
}

impl Rule {
    /// The masks of a parsed expression.
    pub fn new(expression: Expression) -> Result<Self, CronError> {
        let plain = expression.compile()?;
        let years = &expression.year;
        let mut rule = Self {
            seconds: mask(plain.seconds()),
            minutes: mask(plain.minutes()),
            hours: mask(plain.hours()),
            months: mask(plain.months()),
            days: DayMasks {
                // The crate got `*` for a field with special days only.
                month: if expression.days.month.numbers.is_empty() {
                    0
                } else {
                    mask(plain.days_of_month())
                },
                week: if expression.days.week.plain.numbers.is_empty() {
                    0
                } else {
                    mask(plain.days_of_week()) >> 1
                },
            },
            years: (!years.all).then(|| {
                years
                    .numbers
                    .iter()
                    .filter_map(|year| i32::try_from(*year).ok())
                    .collect()
            }),
            first: 0,
            expression,
        };
        rule.first = rule.time_at_or_after(0).unwrap_or_default();
        Ok(rule)
    }

    /// The first match at or after a time. `None`: no match before 2200.
    pub fn at_or_after(&self, from: Civil) -> Option<Civil> {
        let from = from.max(0);
        let today = NaiveDate::from_epoch_days(i32::try_from(from / DAY).ok()?)?;
        let day = self.day_at_or_after(today)?;
        if day > from / DAY {
            return Some(day * DAY + self.first);
        }
        if let Some(time) = self.time_at_or_after(from % DAY) {
            return Some(day * DAY + time);
        }
        Some(self.day_at_or_after(today.succ_opt()?)? * DAY + self.first)
    }

    fn time_at_or_after(&self, time: i64) -> Option<i64> {
        let time = u32::try_from(time).ok()?;
        let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
        let first_minute = self.minutes.trailing_zeros();
        let first_second = self.seconds.trailing_zeros();
        if has(self.hours, hour) {
            if has(self.minutes, minute)
                && let Some(second) = next_bit(self.seconds, second)
            {
                return Some(second_of_day(hour, minute, second));
            }
            if let Some(minute) = next_bit(self.minutes, minute + 1) {
                return Some(second_of_day(hour, minute, first_second));
            }
        }
        let hour = next_bit(self.hours, hour + 1)?;
        Some(second_of_day(hour, first_minute, first_second))
    }

    /// One step per month; a year that does not match is skipped in one step.
    fn day_at_or_after(&self, from: NaiveDate) -> Option<i64> {
        let (mut year, mut month, mut day) = (from.year(), from.month(), from.day());
        while let Some(matching) = self.year_at_or_after(year) {
            if matching > year {
                (year, month, day) = (matching, 1, 1);
            }
            match next_bit(self.months, month) {
                None => {
                    (year, month, day) = (year + 1, 1, 1);
                    continue;
                }
                Some(later) if later > month => (month, day) = (later, 1),
                Some(_) => {}
            }
            let this = Month::of(year, month)?;
            if let Some(day) = next_bit(self.expression.days.in_month(&self.days, this), day) {
                return Some(this.first + i64::from(day) - 1);
            }
            (month, day) = (month + 1, 1);
        }
        None
    }

    fn year_at_or_after(&self, year: i32) -> Option<i32> {
        match &self.years {
            None => YEARS.contains(&year).then_some(year),
            Some(years) => years
                .get(years.partition_point(|listed| *listed < year))
                .copied(),
        }
    }
}

fn second_of_day(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3_600 + minute * 60 + second)
}

fn mask(numbers: &impl TimeUnitSpec) -> u64 {
    numbers.iter().fold(0, |mask, number| mask | 1 << number)
}

fn has(mask: u64, bit: u32) -> bool {
    mask >> bit & 1 == 1
}

/// The first bit that is set at or above `from`, which must be below 64.
fn next_bit(mask: u64, from: u32) -> Option<u32> {
    let rest = mask >> from;
    (rest != 0).then(|| from + rest.trailing_zeros())
}
