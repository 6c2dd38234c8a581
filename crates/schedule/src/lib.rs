//! Schedules: pure rules that name instants.
//!
//! A [`Schedule`] is a cron expression in a time zone, a fixed rate, a fixed delay, one instant, or
//! none.
//! It answers one question: which fire time comes next? No function of this crate reads a clock or
//! does I/O, except that the rules of a time zone are read once per process, from the tz database
//! of the system or from the one inside the crate, whichever is newer.
//!
//! ```
//! use horolog_schedule::cron::{CronOptions, CronSchedule};
//! use horolog_schedule::zone::Zone;
//!
//! let options = CronOptions { zone: Zone::named("Europe/Berlin")?, ..CronOptions::default() };
//! let schedule = CronSchedule::parse("30 8 * * MON-FRI", &options)?;
//! assert_eq!(schedule.description(), "at 08:30 on weekdays");
//!
//! // Friday, 27 November 2026, 12:00 in Berlin; the next weekday is a Monday.
//! let next = schedule.next_after("2026-11-27T11:00:00Z".parse()?);
//! assert_eq!(next, Some("2026-11-30T07:30:00Z".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`cron`] | expressions of Unix and Quartz: parser, search, description, warnings |
//! | [`zone`] | IANA time zones, and the changes of their clocks |
//! | [`calendar`] | rules that say which fire times count |
//! | [`preview`] | a cron expression in words, its next fire times and its surprises |
//!
//! # Promises
//!
//! - A fire time is strictly later than the instant that was asked about. The exactly-once firing
//!   of Horolog, for which this crate was written, depends on it.
//! - The same schedule, zone rules and instant give the same fire time on every machine.
//! - No input panics, and no search passes the year 2199.
//! - A refusal has the field, the position and the reason as values, and its `Display` says what is
//!   allowed: [`cron::CronError`], [`zone::ZoneError`], [`calendar::CalendarError`].

#![warn(missing_docs)]

pub mod calendar;
pub mod cron;
mod names;
pub mod preview;
mod words;
pub mod zone;

pub use self::names::UnknownName;

use self::cron::CronSchedule;
use chrono::{DateTime, TimeDelta, Utc};

/// An instant in UTC.
pub type Timestamp = DateTime<Utc>;

/// Longest interval of a fixed rate that a refusal proposes, in seconds: ten years.
pub const INTERVAL_SECONDS_MAX: i64 = 10 * 366 * 86_400;

text_enum! {
    /// How the fire times of a schedule are made.
    ScheduleType, "schedule type" {
        /// By a cron expression.
        Cron = "CRON",
        /// On a grid: anchor + k · interval.
        FixedRate = "FIXED_RATE",
        /// One interval after the end of the previous execution.
        FixedDelay = "FIXED_DELAY",
        /// At one instant, `startAt`.
        Once = "ONCE",
        /// Never by itself: on request only.
        OnDemand = "ON_DEMAND",
    }
}

/// When a job fires.
///
/// ```
/// use chrono::TimeDelta;
/// use horolog_schedule::Schedule;
///
/// let anchor = "2026-11-29T10:00:00Z".parse()?;
/// let hourly = Schedule::FixedRate { interval: TimeDelta::hours(1), anchor };
/// assert_eq!(hourly.next_after("2026-11-29T12:34:56Z".parse()?), Some("2026-11-29T13:00:00Z".parse()?));
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// By a cron expression, in the zone of the options.
    Cron(CronSchedule),
    /// At anchor + k · interval: a grid that no restart, pause or delay moves.
    FixedRate {
        /// Distance of two fire times, at least one second.
        interval: TimeDelta,
        /// The first fire time. A caller persists it, so the grid survives a restart.
        anchor: Timestamp,
    },
    /// One interval after the end of the previous execution.
    FixedDelay {
        /// Pause between two executions, at least one second.
        interval: TimeDelta,
    },
    /// The job fires once, at the instant.
    Once {
        /// The only fire time.
        at: Timestamp,
    },
    /// There are no fire times: the job runs on request only.
    OnDemand,
}

impl Schedule {
    /// The variant without its values.
    #[must_use]
    pub fn schedule_type(&self) -> ScheduleType {
        match self {
            Self::Cron(_) => ScheduleType::Cron,
            Self::FixedRate { .. } => ScheduleType::FixedRate,
            Self::FixedDelay { .. } => ScheduleType::FixedDelay,
            Self::Once { .. } => ScheduleType::Once,
            Self::OnDemand => ScheduleType::OnDemand,
        }
    }

    /// The first fire time strictly after `after`. `None`: the schedule is over, there is none, or
    /// it is a fixed delay, whose next fire time depends on the end of an execution.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next_after(after),
            Self::FixedRate { interval, anchor } => Some(next_on_grid(*anchor, *interval, after)),
            Self::FixedDelay { .. } | Self::OnDemand => None,
            Self::Once { at } => (*at > after).then_some(*at),
        }
    }
}

/// The smallest anchor + k · interval (k ≥ 0) after `after`. Arithmetic, not a loop: a job may have
/// been paused for years.
fn next_on_grid(anchor: Timestamp, interval: TimeDelta, after: Timestamp) -> Timestamp {
    if after < anchor {
        return anchor;
    }
    let step = interval.num_seconds().max(1);
    let elapsed = (after - anchor).num_milliseconds().div_euclid(step * 1_000);
    anchor + TimeDelta::seconds(step * (elapsed + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(millis).expect("in range")
    }

    proptest! {
        #[test]
        fn a_fixed_rate_keeps_its_phase_and_never_goes_back(
            anchor in 0_i64..4_000_000_000_000, step in 1_i64..100_000_000, after in 0_i64..4_000_000_000_000,
        ) {
            let next = next_on_grid(at(anchor), TimeDelta::seconds(step), at(after));
            prop_assert!(next > at(after) || next == at(anchor) && anchor > after);
            prop_assert_eq!((next - at(anchor)).num_milliseconds() % (step * 1_000), 0);
            prop_assert!(next == at(anchor) || next - TimeDelta::seconds(step) <= at(after));
        }
    }

    #[test]
    fn a_fire_time_is_strictly_after_the_instant_asked_about() {
        let schedule = Schedule::FixedRate {
            interval: TimeDelta::seconds(10),
            anchor: at(5_000),
        };
        assert_eq!(schedule.next_after(at(5_000)), Some(at(15_000)));
        assert_eq!(schedule.next_after(at(4_999)), Some(at(5_000)));
        assert_eq!(schedule.next_after(at(15_001)), Some(at(25_000)));
        let once = Schedule::Once { at: at(5_000) };
        assert_eq!(once.next_after(at(4_999)), Some(at(5_000)));
        assert_eq!(once.next_after(at(5_000)), None);
    }
}
