//! Cron expressions: five fields of Unix, six or seven of Quartz, in a zone.
//!
//! Five fields are minute, hour, day of month, month, day of week (0–7, Sunday is 0 and 7). If both
//! days are restricted, one of them is enough, unless one begins with `*`. Six or seven fields
//! start with the second and may end with the year; days of the week are 1–7 from Sunday, and one
//! of the two days must be `?` (or a lone `*`). Both dialects take names, `L`, `W` and `#` for
//! days, `+FRI` for a weekday that must match as well, and `H` for a number that depends on the
//! job.
//!
//! | step | file |
//! |---|---|
//! | text to facts | `expression`, with its `column`s, `field`s, `days`, `week` and `hash` |
//! | facts to local times | `rule`, by bit masks; `month` |
//! | local times to instants | `firing` |
//! | facts to words | `describe`, `warnings`, `changes` |
//! | refusals | `error`; `foreign` for the notations of other schedulers |
//!
//! No input panics, no search passes the year 2199, and no fire time is at or before the instant
//! that was asked about.
//!
//! ```
//! use horolog_schedule::cron::{CronError, CronOptions, CronSchedule, FieldProblem};
//!
//! let refused = CronSchedule::parse("0 99 * * *", &CronOptions::default()).unwrap_err();
//! assert_eq!(refused.to_string(), "hours: `99` at position 3 is out of range 0-23");
//! let CronError::Field(error) = refused else { panic!("not a field") };
//! assert_eq!((error.field, error.position), ("hours", 3));
//! assert_eq!(error.problem, FieldProblem::OutOfRange { allowed: "0-23" });
//! ```

mod changes;
mod column;
mod days;
mod describe;
mod error;
mod expression;
mod field;
mod firing;
mod foreign;
mod hash;
mod intervals;
mod month;
mod options;
mod rule;
#[cfg(test)]
mod tests;
mod warnings;
mod week;

pub use self::error::{CronError, FieldError, FieldProblem, Instead, StepInterval};
pub use self::options::{CronOptions, Dialect, DstGap, DstOverlap};

use self::expression::Expression;
use self::firing::Passes;
use self::rule::{Rule, YEARS};
use crate::Timestamp;
use crate::zone::Zone;
use std::fmt;
use std::sync::Arc;

/// A parsed cron expression. A clone is cheap: it shares the parsed form.
#[derive(Clone)]
pub struct CronSchedule(Arc<Parsed>);

struct Parsed {
    text: String,
    options: CronOptions,
    rule: Rule,
    passes: Passes,
}

impl CronSchedule {
    /// Parses an expression of five, six or seven fields, or a nickname. An expression that matches
    /// no date of the years 1970 to 2199 is refused. The refusal of another scheduler's notation
    /// names the notation that means the same here.
    pub fn parse(expression: &str, options: &CronOptions) -> Result<Self, CronError> {
        Self::parse_own(expression, options).map_err(|error| foreign::explain(expression, error))
    }

    /// Parses without an explanation of other notations.
    fn parse_own(expression: &str, options: &CronOptions) -> Result<Self, CronError> {
        let schedule = Self::stored(expression, options)?;
        // New jobs must not use what only an earlier version accepted.
        match &schedule.0.rule.expression.days.week.outdated {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(schedule),
        }
    }

    /// Parses the expression of a stored job. Accepts also an expression that only an earlier
    /// version accepted, so no job stops after an upgrade.
    pub fn stored(expression: &str, options: &CronOptions) -> Result<Self, CronError> {
        let rule = Rule::new(Expression::parse(expression, options.seed)?)?;
        if rule.at_or_after(0).is_none() {
            return Err(CronError::NeverFires {
                first_year: *YEARS.start(),
                last_year: *YEARS.end(),
            });
        }
        // Computed once: the next fire times of a job are asked for at every lease.
        let passes = Passes::of(options.dst_overlap, &rule);
        let (text, options) = (expression.trim().to_owned(), options.clone());
        Ok(Self(Arc::new(Parsed {
            text,
            options,
            rule,
            passes,
        })))
    }

    /// The text, without white space around it.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.0.text
    }

    /// The zone of the local times.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.0.options.zone
    }

    /// How it was read, apart from the text.
    #[must_use]
    pub fn options(&self) -> &CronOptions {
        &self.0.options
    }

    /// The rules that it follows.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.rule.expression.dialect
    }

    /// The expression in English words: `at 09:00 on weekdays`.
    #[must_use]
    pub fn description(&self) -> String {
        describe::describe(&self.0.rule.expression)
    }

    /// Meanings that its author may not expect, in words.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        warnings::of(&self.0.rule.expression, self.0.options.seed.is_some())
    }

    /// Unusual parts of the expression and effects of the clock changes in the year after `after`,
    /// in words.
    #[must_use]
    pub fn all_warnings(&self, after: Timestamp) -> Vec<String> {
        [self.warnings(), self.clock_changes(after)].concat()
    }

    /// Effects of the clock changes in the year after `after`, in words.
    fn clock_changes(&self, after: Timestamp) -> Vec<String> {
        changes::within_a_year(
            &self.0.rule,
            self.options(),
            self.0.passes,
            after.timestamp(),
        )
    }

    /// The first fire time strictly after `after`, a whole second. `None`: none before the year
    /// 2200.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let Parsed {
            options,
            rule,
            passes,
            ..
        } = &*self.0;
        // `timestamp` rounds down, so the next whole second is strictly later.
        let second = firing::at_or_after(rule, options, *passes, after.timestamp() + 1)?;
        Timestamp::from_timestamp(second, 0)
    }
}

impl PartialEq for CronSchedule {
    fn eq(&self, other: &Self) -> bool {
        self.expression() == other.expression() && self.options() == other.options()
    }
}

impl fmt::Debug for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CronSchedule")
            .field("expression", &self.expression())
            .field("options", self.options())
            .finish()
    }
}
