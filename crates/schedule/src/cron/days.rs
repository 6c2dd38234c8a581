//! The two fields for days: which days of a month an expression means.
//!
//! The crate `cron` reads plain numbers; `L`, `L-n`, `nW`, `LW`, `L-nW` and the special days of
//! `week` are read here, as Quartz 2.3.2 defines them. A month becomes a mask with bit 1 for the
//! first day, so the search asks once per month.

use super::column::{DAY_OF_MONTH, QUARTZ_DAY_OF_WEEK, UNIX_DAY_OF_WEEK, number};
use super::error::{CronError, FieldProblem};
use super::field::{Field, Grammar, Token};
use super::month::{Month, MonthDay};
use super::week::Week;

/// Furthest day before the last that `L-n` may name.
const BEFORE_LAST_MAX: u32 = 30;

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
    /// Both fields as they were written, for warnings.
    pub typed: TypedDays,
}

/// Both fields as they were written.
#[derive(Debug, Clone)]
pub(super) struct TypedDays {
    /// Day of the month.
    pub month: String,
    /// Day of the week, without a `+`.
    pub week: String,
    /// Whether a `+` before the day of the week demands that both match (OCPS 1.4).
    pub is_week_demanded: bool,
}

impl TypedDays {
    fn new(month: Token<'_>, week: Token<'_>) -> Self {
        Self {
            month: month.text.to_owned(),
            week: without_plus(week).text.to_owned(),
            is_week_demanded: week.text.starts_with('+'),
        }
    }
}

/// The days that fire, as masks.
#[derive(Debug)]
pub(super) struct DayMasks {
    /// Bit 1 is the first of the month.
    pub month: u64,
    /// Bit 0 is Sunday.
    pub week: u64,
}

impl Days {
    /// Parses both fields of five.
    pub fn unix(
        month: Token<'_>,
        week: Token<'_>,
        grammar: Grammar<'_>,
    ) -> Result<Self, CronError> {
        let typed = TypedDays::new(month, week);
        // As in Vixie cron: one of the two is enough, unless one begins with `*`. With `*/2` both
        // must match.
        let begins_with_star = [month, week]
            .iter()
            .any(|field| field.text.starts_with(['*', '?']));
        let (plain, special) = days_of_month(every_day(month), grammar)?;
        Ok(Self {
            month: plain,
            special,
            week: Week::parse(&UNIX_DAY_OF_WEEK, every_day(without_plus(week)), grammar)?,
            either: !typed.is_week_demanded && !begins_with_star,
            typed,
        })
    }

    /// Parses both fields of six or seven.
    pub fn quartz(
        month: Token<'_>,
        week: Token<'_>,
        grammar: Grammar<'_>,
    ) -> Result<Self, CronError> {
        let typed = TypedDays::new(month, week);
        let (plain, special) = days_of_month(every_day(month), grammar)?;
        let parsed = Week::parse(&QUARTZ_DAY_OF_WEEK, every_day(without_plus(week)), grammar)?;
        if !typed.is_week_demanded {
            one_of_two(month, week)?;
        }
        Ok(Self {
            month: plain,
            special,
            week: parsed,
            either: false,
            typed,
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

    /// The plain fields, for the crate `cron`: special days are `*` to it.
    pub fn lists(&self) -> [String; 2] {
        [&self.month, &self.week.plain].map(|field| {
            if field.numbers.is_empty() {
                "*".to_owned()
            } else {
                field.list()
            }
        })
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

/// The day of the week behind a `+`.
fn without_plus(week: Token<'_>) -> Token<'_> {
    if week.text.starts_with('+') {
        week.inner(1, 0)
    } else {
        week
    }
}

/// Quartz wants exactly one `?`. A lone `*` may stand for it, because its meaning is clear. Two
/// real restrictions are refused: other schedulers read them as AND or as OR.
fn one_of_two(month: Token<'_>, week: Token<'_>) -> Result<(), CronError> {
    let problem = match (month.text, week.text) {
        ("?", "?") => FieldProblem::NoDay,
        ("?" | "*", _) | (_, "?" | "*") => return Ok(()),
        (text, _) => FieldProblem::TwoDays {
            day_of_month: text.to_owned(),
        },
    };
    Err(QUARTZ_DAY_OF_WEEK.refuse(week, problem))
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
            return Err(DAY_OF_MONTH.refuse(item, FieldProblem::NotAWorkday));
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
            let problem = FieldProblem::BeforeLastOutOfRange {
                max: BEFORE_LAST_MAX,
            };
            Err(DAY_OF_MONTH.refuse(item, problem))
        }
        None => Err(DAY_OF_MONTH.refuse(item, FieldProblem::NotALastDay)),
    }
}
