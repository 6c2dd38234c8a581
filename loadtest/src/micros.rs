//! The unit of all times.

/// Microseconds: a duration, or an instant since 1970.
pub type Micros = i64;
