//! Refusals of input: the field, and the reason in words.

use super::schedule::calendar::CalendarError;
use std::borrow::Cow;

/// A refused value. The API answers `BAD_USER_INPUT` with the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidInput {
    /// The place in the input, in the spelling of the API: `cronExpression`, `retry.maxAttempts`,
    /// `tags.1`.
    pub field: Cow<'static, str>,
    /// The problem, and the allowed values. Display only.
    pub message: String,
}

impl InvalidInput {
    /// A refusal of `field` with a reason.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    /// The refusal of a field below a place in the input: `name` at `inputs.37` is
    /// `inputs.37.name`.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self {
            field: format!("{place}.{}", self.field).into(),
            ..self
        }
    }

    /// A refusal of a member of the list `field`, counted from 0.
    pub fn of_member(field: &str, index: usize, message: impl Into<String>) -> Self {
        Self::new(format!("{field}.{index}"), message)
    }
}

impl From<CalendarError> for InvalidInput {
    fn from(error: CalendarError) -> Self {
        Self::new(error.field, error.problem.to_string())
    }
}

/// Refuses a number outside of the bounds. The reason has the bounds. `None` is within all bounds.
pub(super) fn within(
    field: &'static str,
    value: Option<i32>,
    least: i32,
    most: i32,
) -> Result<(), InvalidInput> {
    match value {
        Some(value) if !(least..=most).contains(&value) => Err(InvalidInput::new(
            field,
            format!("must be from {least} to {most}"),
        )),
        _ => Ok(()),
    }
}
