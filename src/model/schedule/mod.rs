//! Schedules: pure rules that name fire times.
//!
//! A schedule never returns a fire time at or before the given instant: the exactly-once of firing
//! depends on it.

pub mod calendar;
pub mod cron;
pub mod preview;
mod words;
pub mod zone;

use self::cron::CronSchedule;
use super::Timestamp;
use super::job::ScheduleType;
use chrono::TimeDelta;

/// When a job fires.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// By a cron expression, in the zone of its options.
    Cron(CronSchedule),
    /// At anchor + k · interval: a grid that no restart, pause or delay moves.
    FixedRate {
        /// The distance of two fire times, at least a second.
        interval: TimeDelta,
        /// The first fire time; persisted.
        anchor: Timestamp,
    },
    /// One interval after the end of the previous execution.
    FixedDelay {
        /// The rest between two executions, at least a second.
        interval: TimeDelta,
    },
    /// One time.
    Once {
        /// The only fire time.
        at: Timestamp,
    },
}

impl Schedule {
    /// The type's name.
    pub fn schedule_type(&self) -> ScheduleType {
        match self {
            Self::Cron(_) => ScheduleType::Cron,
            Self::FixedRate { .. } => ScheduleType::FixedRate,
            Self::FixedDelay { .. } => ScheduleType::FixedDelay,
            Self::Once { .. } => ScheduleType::Once,
        }
    }

    /// The first fire time after `after`; none when there is none, or when only
    /// the end of an execution names it (fixed delay).
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next_after(after),
            Self::FixedRate { interval, anchor } => Some(next_on_grid(*anchor, *interval, after)),
            Self::FixedDelay { .. } => None,
            Self::Once { at } => (*at > after).then_some(*at),
        }
    }
}

/// The smallest anchor + k · interval (k ≥ 0) after `after`, by arithmetic: no
/// walk, whatever the distance.
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
