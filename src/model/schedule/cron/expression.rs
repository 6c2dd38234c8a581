//! A whole expression: nicknames, the two dialects, and their fields.

use super::column::{HOURS, MINUTES, MONTH, SECONDS, YEAR};
use super::days::Days;
use super::field::{Field, Grammar, Token};
use super::hash::Seed;
use super::{CronError, Dialect};

/// Longest expression, in characters: checked before anything is expanded.
const EXPRESSION_CHARS_MAX: usize = 255;

/// Nicknames and what they stand for in five fields.
const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The parsed fields of an expression.
#[derive(Debug)]
pub(super) struct Expression {
    /// Told by the number of fields.
    pub dialect: Dialect,
    /// 0 alone in five fields.
    pub second: Field,
    /// Minutes.
    pub minute: Field,
    /// Hours.
    pub hour: Field,
    /// Both fields for days.
    pub days: Days,
    /// Months.
    pub month: Field,
    /// Every year unless given.
    pub year: Field,
    /// What begins after the year; Quartz ignores it, so do we, with a warning.
    pub ignored: Option<String>,
}

impl Expression {
    /// Parses what a person typed; `seed` is what `H` is made of.
    pub fn parse(typed: &str, seed: Option<uuid::Uuid>) -> Result<Self, CronError> {
        let text = typed.trim();
        if text.is_empty() {
            return Err(CronError("must not be empty".to_owned()));
        }
        if text.chars().count() > EXPRESSION_CHARS_MAX {
            return Err(CronError(format!(
                "must be at most {EXPRESSION_CHARS_MAX} characters long"
            )));
        }
        let seed = seed.map_or(Seed::Text(text), Seed::Job);
        if text.starts_with('@') {
            return parse(
                Token {
                    text: nickname(text)?,
                    position: 1,
                },
                seed,
            );
        }
        // Positions count what was typed, so that an editor can point at the part.
        let blank = typed
            .chars()
            .take_while(|char| char.is_whitespace())
            .count();
        parse(
            Token {
                text,
                position: blank + 1,
            },
            seed,
        )
    }

    /// The plain fields as the crate reads them, without the year.
    pub fn compile(&self) -> Result<cron::Schedule, CronError> {
        let (month_days, week_days) = self.days.lists();
        let [second, minute, hour, month] =
            [&self.second, &self.minute, &self.hour, &self.month].map(Field::list);
        let normal = format!("{second} {minute} {hour} {month_days} {month} {week_days}");
        // Cannot fail while our bounds are the crate's: a test holds them together.
        normal
            .parse()
            .map_err(|error| CronError(format!("cannot be matched as `{normal}`: {error}")))
    }

    /// Whether it means an interval rather than times of the day (the rule of
    /// Cronos): such a schedule follows the clock through both passes of an hour
    /// that comes twice.
    pub fn interval_like(&self) -> bool {
        self.second.interval || self.minute.interval || self.hour.interval
    }

    /// All fields that hold plain numbers.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        let Days {
            month: month_days,
            week,
            ..
        } = &self.days;
        [
            &self.second,
            &self.minute,
            &self.hour,
            month_days,
            &self.month,
            &week.plain,
            &self.year,
        ]
        .into_iter()
    }
}

fn nickname(typed: &str) -> Result<&'static str, CronError> {
    let known = NICKNAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(typed));
    known.map(|(_, fields)| *fields).ok_or_else(|| {
        let names = NICKNAMES.map(|(name, _)| name).join(", ");
        CronError(format!(
            "`{}` is not a known nickname, allowed are {names}",
            typed.escape_debug()
        ))
    })
}

fn parse(expression: Token<'_>, seed: Seed<'_>) -> Result<Expression, CronError> {
    let fields: Vec<_> = expression.words().collect();
    match fields[..] {
        [minute, hour, month_day, month, week_day] => {
            unix([minute, hour, month_day, month, week_day], seed)
        }
        [second, minute, hour, month_day, month, week_day] => quartz(
            [second, minute, hour, month_day, month, week_day],
            None,
            seed,
        ),
        [
            second,
            minute,
            hour,
            month_day,
            month,
            week_day,
            year,
            ref ignored @ ..,
        ] => {
            let mut parsed = quartz(
                [second, minute, hour, month_day, month, week_day],
                Some(year),
                seed,
            )?;
            parsed.ignored = ignored.first().map(|first| first.text.to_owned());
            Ok(parsed)
        }
        _ => Err(CronError(format!(
            "must have 5 fields (minute hour day-of-month month day-of-week), 6 (second first) or 7 (year last), \
             has {}",
            fields.len()
        ))),
    }
}

fn unix(fields: [Token<'_>; 5], seed: Seed<'_>) -> Result<Expression, CronError> {
    let [minute, hour, month_day, month, week_day] = fields;
    let grammar = Grammar {
        dialect: Dialect::Unix,
        seed,
    };
    Ok(Expression {
        dialect: Dialect::Unix,
        second: Field::only(0),
        minute: MINUTES.parse(minute, grammar)?,
        hour: HOURS.parse(hour, grammar)?,
        days: Days::unix(month_day, week_day, grammar)?,
        month: MONTH.parse(month, grammar)?,
        year: Field {
            all: true,
            ..Field::default()
        },
        ignored: None,
    })
}

fn quartz(
    fields: [Token<'_>; 6],
    year: Option<Token<'_>>,
    seed: Seed<'_>,
) -> Result<Expression, CronError> {
    let [second, minute, hour, month_day, month, week_day] = fields;
    let grammar = Grammar {
        dialect: Dialect::Quartz,
        seed,
    };
    let every_year = || {
        Ok(Field {
            all: true,
            ..Field::default()
        })
    };
    Ok(Expression {
        dialect: Dialect::Quartz,
        second: SECONDS.parse(second, grammar)?,
        minute: MINUTES.parse(minute, grammar)?,
        hour: HOURS.parse(hour, grammar)?,
        month: MONTH.parse(month, grammar)?,
        days: Days::quartz(month_day, week_day, grammar)?,
        year: year.map_or_else(every_year, |year| YEAR.parse(year, grammar))?,
        ignored: None,
    })
}
