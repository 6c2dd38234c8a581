//! The rules of Horolog: jobs, schedules, triggers, executions, nodes. Pure.
//!
//! No code in this module does I/O or reads a clock: callers pass the `now` of the database. Every
//! rule of firing is therefore tested as a table of cases.

pub mod activity;
pub mod agenda;
pub mod backfill;
pub mod exclusions;
pub mod execution;
pub mod explanation;
pub mod instant;
pub mod introspection;
pub mod job;
pub mod job_request;
pub mod lists;
pub mod node;
pub mod outcomes;
pub mod overlap;
pub mod payload;
pub mod policies;
pub mod rerun;
pub mod retry;
pub mod schedule;
pub mod target;
pub mod text;
pub mod trigger;
pub mod upcoming;

use chrono::{DateTime, SecondsFormat, Utc};
use std::borrow::Cow;

/// An instant by the database's clock, the only clock that decides anything.
pub type Timestamp = DateTime<Utc>;

/// Why a value was refused; becomes `BAD_USER_INPUT` with `field` in the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidInput {
    /// The place in the input as the API spells it, e.g. `cronExpression`, `retry.maxAttempts`,
    /// `tags.1`.
    pub field: Cow<'static, str>,
    /// What is wrong and what would be right, for the person who typed it.
    pub message: String,
}

impl InvalidInput {
    /// A refusal of `field` with the reason.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    /// The same, of what stands at a place in the input: `inputs.37`.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self {
            field: format!("{place}.{}", self.field).into(),
            ..self
        }
    }

    /// A refusal of one member of the list `field`, counted from 0.
    pub fn of_member(field: &str, index: usize, message: impl Into<String>) -> Self {
        Self::new(format!("{field}.{index}"), message)
    }
}

/// A value was read that the binary does not know, e.g. a status of a newer version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{value}`")]
pub struct UnknownName {
    /// The kind of name, e.g. `job status`.
    pub what: &'static str,
    /// The value as it was read.
    pub value: String,
}

/// RFC 3339 with milliseconds in UTC, the one spelling of times in the API and
/// in headers: `2026-11-23T07:15:00.000Z`.
pub fn rfc3339(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Declares an enum that is stored and shown by name: one table of variant ↔
/// name serves `as_str`, parsing and `Display`.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// The name in the database and in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::model::UnknownName;
            fn from_str(value: &str) -> Result<Self, Self::Err> {
                match value {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::model::UnknownName { what: $what, value: other.to_owned() }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                name.parse().map_err(serde::de::Error::custom)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use text_enum;
