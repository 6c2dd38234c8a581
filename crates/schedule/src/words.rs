//! A schedule in English words.

use crate::{Schedule, Timestamp};
use chrono::TimeDelta;

/// Seconds of a unit, and its name.
const UNITS: [(i64, &str); 4] = [
    (86_400, "day"),
    (3_600, "hour"),
    (60, "minute"),
    (1, "second"),
];

impl Schedule {
    /// The schedule in words: `at 09:00 on weekdays`, `every 5 minutes`.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Cron(cron) => cron.description(),
            Self::FixedRate { interval, .. } => format!("every {}", every(*interval)),
            Self::FixedDelay { interval } => format!("{} after each execution", span(*interval)),
            Self::Once { .. } => "once".to_owned(),
            Self::OnDemand => "on demand".to_owned(),
        }
    }

    /// What may surprise the author of the schedule, in words.
    #[must_use]
    pub fn warnings(&self, after: Timestamp) -> Vec<String> {
        match self {
            Self::Cron(cron) => cron.all_warnings(after),
            Self::FixedRate { .. }
            | Self::FixedDelay { .. }
            | Self::Once { .. }
            | Self::OnDemand => Vec::new(),
        }
    }
}

/// `minute`, `5 minutes`, `1 hour 30 minutes`: what follows *every*.
fn every(interval: TimeDelta) -> String {
    let seconds = interval.num_seconds();
    for (unit, name) in UNITS {
        if seconds == unit {
            return name.to_owned();
        }
    }
    span(interval)
}

/// `1 minute`, `5 minutes`, `1 hour 30 minutes`.
fn span(interval: TimeDelta) -> String {
    let mut rest = interval.num_seconds();
    let mut words = Vec::new();
    for (unit, name) in UNITS {
        let count = rest / unit;
        rest %= unit;
        match count {
            0 => {}
            1 => words.push(format!("1 {name}")),
            _ => words.push(format!("{count} {name}s")),
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_named_in_the_largest_units() {
        for (seconds, rate, delay) in [
            (1, "every second", "1 second after each execution"),
            (60, "every minute", "1 minute after each execution"),
            (300, "every 5 minutes", "5 minutes after each execution"),
            (
                5_400,
                "every 1 hour 30 minutes",
                "1 hour 30 minutes after each execution",
            ),
            (
                172_801,
                "every 2 days 1 second",
                "2 days 1 second after each execution",
            ),
        ] {
            let interval = TimeDelta::seconds(seconds);
            let anchor = Timestamp::UNIX_EPOCH;
            assert_eq!(Schedule::FixedRate { interval, anchor }.description(), rate);
            assert_eq!(Schedule::FixedDelay { interval }.description(), delay);
        }
    }
}
