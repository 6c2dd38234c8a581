//! The rules of Horolog: jobs, schedules, triggers, executions, nodes. Pure.
//!
//! No code in the module does I/O or reads a clock: callers pass the `now` of the database. Every
//! rule of firing is therefore tested as a table of cases.

pub mod access;
pub mod activity;
pub mod agenda;
pub mod audit;
pub mod backfill;
pub mod client;
pub mod enqueue;
pub mod exclusions;
pub mod execution;
pub mod explanation;
pub mod grant;
pub mod instant;
pub mod introspection;
pub mod job;
pub mod job_request;
pub mod lists;
pub mod namespace;
pub mod node;
pub mod occurrence;
pub mod outcomes;
pub mod overlap;
pub mod payload;
pub mod policies;
pub mod rerun;
pub mod retry;
pub mod role;
pub mod secret;
pub mod secret_host;
pub mod secret_reference;
pub mod target;
pub mod text;
pub mod trigger;
pub mod upcoming;
mod validate;

pub use self::validate::InvalidInput;

/// Schedules, zones and calendars: a separate crate, for other programs.
pub use horolog_schedule as schedule;
pub use horolog_schedule::UnknownName;
pub(crate) use horolog_schedule::text_enum;

use chrono::{DateTime, SecondsFormat, Utc};

/// An instant by the database's clock, the only clock for decisions.
pub type Timestamp = DateTime<Utc>;

/// RFC 3339 with milliseconds in UTC, the only spelling of times in the API and in headers:
/// `2026-11-23T07:15:00.000Z`.
pub fn rfc3339(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
