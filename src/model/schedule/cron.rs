//! Cron expressions: five fields of Unix, six or seven of Quartz, in a zone.
//!
//! Five fields are minute, hour, day of month, month, day of week (0–7, Sunday
//! is 0 and 7); when both days are restricted, either of them fires, unless one
//! begins with `*`. Six or seven start with the second and may end with the year;
//! days of the week are 1–7 from Sunday, and one of the two days has to be `?` (or
//! a lone `*`). Both take names, `L`, `W` and `#` for days, `+FRI` for a weekday
//! that must match as well, and `H` for a number of the job's own.
//!
//! What was typed goes through `expression` (its `column`s, `field`s, `days`,
//! `week`, `hash`), which refuses or understands, to a `rule` of bit masks, which
//! knows the times on the wall; `firing` turns those into instants of a zone, and
//! `describe`, `warnings` and `changes` say it in words. `foreign` knows what other
//! schedulers take instead. Nothing here may panic, whatever the input, no search
//! passes the year 2199, and no fire time may be at or before the instant asked about.

mod changes;
mod column;
mod days;
mod describe;
mod expression;
mod field;
mod firing;
mod foreign;
mod hash;
mod rule;
#[cfg(test)]
mod tests;
mod warnings;
mod week;

use self::expression::Expression;
use self::firing::Passes;
use self::rule::{Rule, YEARS};
use super::zone::Zone;
use crate::model::{Timestamp, text_enum};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

text_enum! {
    /// Whose rules an expression follows; told by the number of its fields.
    Dialect, "cron dialect" {
        /// Five fields, and nicknames.
        Unix = "UNIX",
        /// Six or seven fields.
        Quartz = "QUARTZ",
    }
}

text_enum! {
    /// What becomes of a time that the clock skips when it goes forward.
    #[derive(Default)]
    DstGap, "dst gap" {
        /// It fires when the clock goes forward, once for all times in the gap, if its hours are
        /// fixed ones; with `*`, a range or a step of hours it goes on with its next time.
        #[default]
        RunAtGapEnd = "RUN_AT_GAP_END",
        /// It does not fire that day.
        Skip = "SKIP",
        /// It fires by the old offset: 02:30 at 03:30.
        ShiftByGap = "SHIFT_BY_GAP",
    }
}

text_enum! {
    /// What becomes of a time that comes twice when the clock goes back.
    #[derive(Default)]
    DstOverlap, "dst overlap" {
        /// Both when `*`, a range or a step makes its time of day, else the first.
        #[default]
        Auto = "AUTO",
        /// It fires the first time.
        First = "FIRST",
        /// It fires the second time.
        Second = "SECOND",
        /// It fires both times.
        Both = "BOTH",
    }
}

/// How an expression is read besides its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CronOptions {
    /// Whose local time it names.
    pub zone: Zone,
    /// When the clock goes forward.
    pub dst_gap: DstGap,
    /// When the clock goes back.
    pub dst_overlap: DstOverlap,
    /// The job's id, of which `H` is made; without it the text serves.
    pub seed: Option<Uuid>,
}

/// A parsed cron expression; a clone shares the parsed form.
#[derive(Clone)]
pub struct CronSchedule(Arc<Parsed>);

struct Parsed {
    text: String,
    options: CronOptions,
    rule: Rule,
    passes: Passes,
}

/// Why an expression was refused: field, part, position, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CronError(pub String);

impl CronSchedule {
    /// Parses an expression of five, six or seven fields, or a nickname. One that
    /// no date of the years 1970 to 2199 matches is refused.
    pub fn parse(expression: &str, options: &CronOptions) -> Result<Self, CronError> {
        Self::judged(expression, options).map_err(|error| foreign::explain(expression, error))
    }

    /// The same with a refusal that speaks of the expression alone.
    fn judged(expression: &str, options: &CronOptions) -> Result<Self, CronError> {
        let schedule = Self::stored(expression, options)?;
        schedule
            .0
            .rule
            .expression
            .days
            .week
            .outdated
            .clone()
            .map_or(Ok(schedule), Err)
    }

    /// The same of a stored job: also what an earlier version took and is refused now, so that no
    /// job stops at an upgrade.
    pub fn stored(expression: &str, options: &CronOptions) -> Result<Self, CronError> {
        let rule = Rule::new(Expression::parse(expression, options.seed)?)?;
        if rule.at_or_after(0).is_none() {
            return Err(CronError(format!(
                "never fires: no day of the years {}-{} matches its day, month and year together",
                YEARS.start(),
                YEARS.end()
            )));
        }
        let passes = Passes::of(options.dst_overlap, &rule);
        let text = expression.trim().to_owned();
        Ok(Self(Arc::new(Parsed {
            text,
            options: options.clone(),
            rule,
            passes,
        })))
    }

    /// The expression as typed, without the blanks around it.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.0.text
    }

    /// The zone whose local time it names.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.0.options.zone
    }

    /// How it was read besides its text.
    #[must_use]
    pub fn options(&self) -> &CronOptions {
        &self.0.options
    }

    /// Whose rules it follows.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.rule.expression.dialect
    }

    /// In English words, e.g. `at 09:00 on weekdays`.
    #[must_use]
    pub fn description(&self) -> String {
        describe::describe(&self.0.rule.expression)
    }

    /// What the person who typed it may not have meant, in words.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        warnings::of(&self.0.rule.expression, self.0.options.seed.is_some())
    }

    /// What the changes of the zone's clock in the year after `after` mean for it.
    #[must_use]
    fn clock_changes(&self, after: Timestamp) -> Vec<String> {
        changes::within_a_year(
            &self.0.rule,
            self.options(),
            self.0.passes,
            after.timestamp(),
        )
    }

    /// Everything that may surprise its author, in words: unusual parts of the expression, and the
    /// clock changes in the year after `after`.
    #[must_use]
    pub fn all_warnings(&self, after: Timestamp) -> Vec<String> {
        [self.warnings(), self.clock_changes(after)].concat()
    }

    /// The first fire time strictly after `after`, a whole second; none when
    /// there is none up to the year 2199, which ends every search.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let Parsed {
            options,
            rule,
            passes,
            ..
        } = &*self.0;
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
