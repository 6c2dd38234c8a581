//! A whole expression: nicknames, the two dialects, and their fields.

use super::column::{HOURS, MINUTES, MONTH, SECONDS, YEAR};
use super::days::Days;
use super::error::CronError;
use super::field::{Field, Grammar, Token};
use super::hash::Seed;
use super::options::Dialect;

/// Longest expression, in characters: checked before anything is expanded.
const EXPRESSION_CHARS_MAX: usize = 255;

/// Nicknames and their five fields.
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
    /// The number of fields decides it.
    pub dialect: Dialect,
    /// Only 0 in five fields.
    pub second: Field,
    pub minute: Field,
    pub hour: Field,
    /// Both fields for days.
    pub days: Days,
    pub month: Field,
    /// Field of the years. Default: every year.
    pub year: Field,
    /// The first word after the year. It is ignored with a warning, because Quartz ignores it.
    pub ignored: Option<String>,
}

impl Expression {
    /// Parses the text of an author; `seed` is the seed of `H`.
    pub fn parse(typed: &str, seed: Option<uuid::Uuid>) -> Result<Self, CronError> {
        let text = typed.trim();
        if text.is_empty() {
            return Err(CronError::Empty);
        }
        if text.chars().count() > EXPRESSION_CHARS_MAX {
            return Err(CronError::TooLong {
                chars_max: EXPRESSION_CHARS_MAX,
            });
        }
        // A preview has no job: the text as seed keeps the answer the same at each call.
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
        // Positions count from the start of the untrimmed text, so an editor can mark the part.
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

    /// The plain fields as the crate `cron` reads them, without the year.
    pub fn compile(&self) -> Result<cron::Schedule, CronError> {
        let [month_days, week_days] = self.days.lists();
        let [second, minute, hour, month] =
            [&self.second, &self.minute, &self.hour, &self.month].map(Field::list);
        let normal = format!("{second} {minute} {hour} {month_days} {month} {week_days}");
        // Cannot fail as long as both crates have the same bounds: a test compares them.
        normal
            .parse()
            .map_err(|error: cron::error::Error| CronError::Unmatchable {
                refusal: error.to_string(),
                fields: normal.clone(),
            })
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
    known
        .map(|(_, fields)| *fields)
        .ok_or_else(|| CronError::UnknownNickname {
            typed: typed.to_owned(),
            known: NICKNAMES.map(|(name, _)| name).to_vec(),
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
        _ => Err(CronError::FieldCount {
            found: fields.len(),
        }),
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
        year: Field::every(),
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
    Ok(Expression {
        dialect: Dialect::Quartz,
        second: SECONDS.parse(second, grammar)?,
        minute: MINUTES.parse(minute, grammar)?,
        hour: HOURS.parse(hour, grammar)?,
        month: MONTH.parse(month, grammar)?,
        days: Days::quartz(month_day, week_day, grammar)?,
        year: year.map_or(Ok(Field::every()), |year| YEAR.parse(year, grammar))?,
        ignored: None,
    })
}
