//! Times in the API: one scalar, in and out.

use crate::model::{Timestamp, instant, rfc3339};
use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// A time of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub Timestamp);

/// A time (RFC 3339). Answers have it in UTC with milliseconds, 2026-11-23T07:15:00.000Z; a
/// request may name another offset, and no part of a millisecond.
#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        read(&value).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::String(rfc3339(self.0))
    }
}

/// The time that a value names, or what is wrong with it.
pub fn read(value: &Value) -> Result<DateTime, String> {
    match value {
        Value::String(text) => instant::instant("", text)
            .map(DateTime)
            .map_err(|invalid| invalid.message),
        _ => Err("is not a time such as \"2026-11-23T07:15:00Z\" (RFC 3339)".to_owned()),
    }
}
