//! The field for the day of the week: plain days, and days that depend on the
//! month, such as its last (`FRIL`) and its third Friday (`FRI#3`).

use super::column::{Column, number};
use super::error::{CronError, FieldProblem};
use super::field::{Field, Grammar, Token};
use super::month::Month;
use super::options::Dialect;

/// Repeats a pattern of seven bits five times.
const WEEKS: u64 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;

/// A weekday of a month; Sunday is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WeekDay {
    /// `dL`, `d#L`: the last such day of the month.
    Last(u32),
    /// `d#n`: the n-th such day of the month.
    Nth(u32, u32),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Week {
    /// Plain days; empty if all are special.
    pub plain: Field,
    /// Days that depend on the month, in addition to the plain ones.
    pub special: Vec<WeekDay>,
    /// Why a new expression with such a field is refused. Jobs of earlier versions keep it.
    pub outdated: Option<CronError>,
}

impl Week {
    pub fn parse(
        column: &'static Column,
        field: Token<'_>,
        grammar: Grammar<'_>,
    ) -> Result<Self, CronError> {
        if is_l(field) {
            return Ok(Self::last_day_of_the_week(column, field, grammar.dialect));
        }
        let mut week = Self::default();
        for item in field.split(&[',']) {
            if !item.text.contains('#') && !item.ends_with(b'L') {
                column.item(item, grammar, &mut week.plain)?;
            } else if grammar.dialect == Dialect::Quartz && item.text.len() < field.text.len() {
                return Err(column.refuse(item, FieldProblem::SpecialDayInList));
            } else {
                for day in special(column, item, grammar)? {
                    if !week.special.contains(&day) {
                        week.special.push(day);
                    }
                }
            }
        }
        week.plain = column.finish(week.plain);
        Ok(week)
    }

    /// `L` alone. In Quartz it is Saturday, the last day of the week; most authors mean another
    /// day.
    fn last_day_of_the_week(column: &'static Column, field: Token<'_>, dialect: Dialect) -> Self {
        Self {
            plain: Field::only(7),
            special: Vec::new(),
            outdated: (dialect == Dialect::Unix).then(|| refuse_l(column, field)),
        }
    }

    /// The days of a month, bit 1 for the first; bit 0 of `plain` is Sunday.
    pub fn in_month(&self, plain: u64, month: Month) -> u64 {
        // The week's pattern, turned so that it begins with the weekday of the first.
        let plain = ((((plain | plain << 7) >> month.weekday) & 0x7f) * WEEKS) << 1;
        self.special.iter().fold(plain, |days, special| {
            days | match *special {
                WeekDay::Last(day) => {
                    let first = month.first_on(day);
                    1 << (first + (month.length - first) / 7 * 7)
                }
                WeekDay::Nth(day, nth) => 1 << (month.first_on(day) + 7 * (nth - 1)),
            }
        })
    }
}

fn is_l(word: Token<'_>) -> bool {
    word.text.eq_ignore_ascii_case("L")
}

fn refuse_l(column: &Column, word: Token<'_>) -> CronError {
    column.refuse(word, FieldProblem::LastWithoutWeekday)
}

/// The days of one item: one, or those of a range such as `MON-FRI#2`.
fn special(
    column: &'static Column,
    item: Token<'_>,
    grammar: Grammar<'_>,
) -> Result<Vec<WeekDay>, CronError> {
    let parts: Vec<_> = item.split(&['#']).collect();
    let (days, nth) = match parts[..] {
        [_] if is_l(item) => return Err(refuse_l(column, item)),
        [days] => (days.inner(0, 1), None),
        [days, nth] if is_l(nth) => (days, None),
        [days, nth] => (days, Some(number_after(column, nth)?)),
        _ => return Err(column.refuse(item, FieldProblem::Repeated { separator: '#' })),
    };
    let days = weekdays(column, days, grammar)?.into_iter();
    Ok(days
        .map(|day| nth.map_or(WeekDay::Last(day), |nth| WeekDay::Nth(day, nth)))
        .collect())
}

fn number_after(column: &Column, nth: Token<'_>) -> Result<u32, CronError> {
    match number(nth.text) {
        Some(nth) if (1..=5).contains(&nth) => Ok(nth),
        None if nth.text.is_empty() => {
            Err(column.missing(nth, "1-5, or L for the last, after `#`"))
        }
        _ => Err(column.refuse(nth, FieldProblem::NthOutOfRange)),
    }
}

fn weekdays(
    column: &'static Column,
    days: Token<'_>,
    grammar: Grammar<'_>,
) -> Result<Vec<u32>, CronError> {
    if grammar.dialect == Dialect::Unix && days.text.contains('-') {
        let mut range = Field::default();
        column.item(days, grammar, &mut range)?;
        // Sunday is 1 in the crate `cron`.
        return Ok(range.numbers.into_iter().map(|day| day - 1).collect());
    }
    Ok(vec![(column.value(days)? - column.min) % 7])
}
