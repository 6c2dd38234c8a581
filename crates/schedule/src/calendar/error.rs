//! Why the rules of a calendar were refused.

use std::fmt;

/// Most characters of a refused text that a message repeats.
const SHOWN_CHARS_MAX: usize = 40;

/// The first rule that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct CalendarError {
    /// The place in [`CalendarRules`](super::CalendarRules) as JSON spells it, counted from 0:
    /// `excludeDates.3`, `includeWindows.0.from`.
    pub field: String,
    /// What is wrong there.
    pub problem: CalendarProblem,
}

/// What is wrong with one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalendarProblem {
    /// The text is not a date, a date of each year, or a range of dates.
    NotADate(String),
    /// The text is not a time of day.
    NotATimeOfDay(String),
    /// The list is too long.
    TooMany {
        /// Most entries of one list.
        max: usize,
    },
}

impl fmt::Display for CalendarProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADate(text) => write!(
                f,
                "`{}` is none of 2026-12-25, 12-25 (each year), 2026-12-24/2027-01-02",
                shown(text.trim())
            ),
            Self::NotATimeOfDay(text) => {
                write!(f, "`{}` is no time of day such as 22:00", shown(text))
            }
            Self::TooMany { max } => write!(f, "must be at most {max}"),
        }
    }
}

/// The beginning of a text, with its control characters escaped.
fn shown(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    shown.escape_debug().to_string()
}
