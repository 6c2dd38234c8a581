//! One month: how its special days become dates.

use chrono::{Datelike, NaiveDate};

/// A day of the month that depends on the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MonthDay {
    /// `L`, `L-n`; with `workday` `LW`, `L-nW`: the workday nearest to it.
    BeforeLast {
        /// Days before the last one.
        days: u32,
        /// Whether Saturday and Sunday move to the nearest workday.
        workday: bool,
    },
    /// `nW`: the workday nearest to a day.
    Nearest(u32),
}

/// One month of one year.
#[derive(Debug, Clone, Copy)]
pub(super) struct Month {
    /// Its first day, in days since 1970-01-01.
    pub first: i64,
    /// Number of the days.
    pub length: u32,
    /// Weekday of the first day; Sunday is 0.
    pub weekday: u32,
}

impl Month {
    /// `None`: outside the years that chrono knows.
    pub fn of(year: i32, month: u32) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let weekday = first.weekday().num_days_from_sunday();
        Some(Self {
            first: i64::from(first.to_epoch_days()),
            length: u32::from(first.num_days_in_month()),
            weekday,
        })
    }

    /// All days, as bits from 1.
    pub fn all(self) -> u64 {
        (1 << (self.length + 1)) - 2
    }

    fn weekday_of(self, day: u32) -> u32 {
        (self.weekday + day - 1) % 7
    }

    /// The first date with a weekday.
    pub fn first_on(self, weekday: u32) -> u32 {
        (weekday + 7 - self.weekday) % 7 + 1
    }

    /// The workday nearest to a day, in the same month.
    fn workday(self, day: u32) -> u32 {
        // Saturday is 6: the Friday before it. Sunday is 0: the Monday after it.
        match self.weekday_of(day) {
            6 if day == 1 => 3,
            6 => day - 1,
            0 if day == self.length => day - 2,
            0 => day + 1,
            _ => day,
        }
    }

    /// The date of a special day. `None`: the month has no such day.
    pub fn special(self, day: MonthDay) -> Option<u32> {
        match day {
            MonthDay::BeforeLast { days, workday } => {
                let day = self.length.checked_sub(days).filter(|day| *day > 0)?;
                Some(if workday { self.workday(day) } else { day })
            }
            MonthDay::Nearest(day) => (day <= self.length).then(|| self.workday(day)),
        }
    }
}
