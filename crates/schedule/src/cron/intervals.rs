//! Units of time, and the intervals in whole seconds that a fixed rate can have.

use super::error::StepInterval;
use crate::INTERVAL_SECONDS_MAX;

/// Units by the spellings, in seconds.
pub(super) const UNITS: [(&[&str], f64); 7] = [
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600.0),
    (&["d", "day", "days"], 86_400.0),
    (&["w", "week", "weeks"], 604_800.0),
    (&["ms"], 1e-3),
    (&["us", "µs"], 1e-6),
];

/// The interval of a step that is longer than its field: `*/90` of minutes. `None` for months and
/// years, which have no fixed length.
pub(super) fn of_step(step: u32, unit: &'static str) -> Option<StepInterval> {
    let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
    let seconds = whole_seconds(f64::from(step) * seconds)?;
    Some(StepInterval {
        step,
        unit,
        seconds,
    })
}

/// A length that an interval can have: whole seconds, up to ten years.
pub(super) fn whole_seconds(seconds: f64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within the bounds of an interval"
    )]
    let whole = seconds.round() as i64;
    #[expect(
        clippy::cast_precision_loss,
        reason = "within the bounds of an interval"
    )]
    let is_exact = (whole as f64 - seconds).abs() < 1e-6;
    ((1..=INTERVAL_SECONDS_MAX).contains(&whole) && is_exact).then_some(whole)
}
