//! Retries: the number of attempts of an execution, and the delays between them.
//!
//! The back-off is exponential, with a cap and full jitter (Brooker, "Exponential Backoff And
//! Jitter", 2015), so executions failed together do not return together. The due time of the
//! trigger stores the delay.

use super::InvalidInput;
use super::validate::within;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest back-off, in seconds: a week.
const BACKOFF_SECONDS_MAX: i32 = 7 * 86_400;
/// Largest value of `maxAttempts`.
const ATTEMPTS_MAX: i32 = 1_000;
/// Largest growth of the back-off from one delay to the next.
const MULTIPLIER_MAX: f64 = 100.0;

/// The rule for failed attempts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryPolicy {
    /// Most attempts without success; lost attempts do not count.
    pub max_attempts: i32,
    /// Upper bound of the first delay, in seconds.
    pub initial_backoff_seconds: i32,
    /// Upper bound of all delays, in seconds.
    pub max_backoff_seconds: i32,
    /// Growth of the upper bound from one delay to the next.
    pub multiplier: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            initial_backoff_seconds: 5,
            max_backoff_seconds: 3_600,
            multiplier: 2.0,
        }
    }
}

impl RetryPolicy {
    /// Refuses impossible values. The error names the field.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        within(
            "retry.maxAttempts",
            Some(self.max_attempts),
            1,
            ATTEMPTS_MAX,
        )?;
        within(
            "retry.initialBackoffSeconds",
            Some(self.initial_backoff_seconds),
            0,
            BACKOFF_SECONDS_MAX,
        )?;
        within(
            "retry.maxBackoffSeconds",
            Some(self.max_backoff_seconds),
            0,
            BACKOFF_SECONDS_MAX,
        )?;
        if !(1.0..=MULTIPLIER_MAX).contains(&self.multiplier) {
            return Err(InvalidInput::new(
                "retry.multiplier",
                "must be from 1 to 100",
            ));
        }
        Ok(())
    }

    /// The delay of the attempt after `failures` failed attempts. `None`: no attempt is left.
    /// `random` is uniform in 0..1. `Retry-After` of the target is the shortest delay, within the
    /// cap.
    pub fn delay(&self, failures: i32, random: f64, asked: Option<Duration>) -> Option<Duration> {
        if failures >= self.max_attempts {
            return None;
        }
        let growth = self.multiplier.powi(failures.saturating_sub(1).max(0));
        let cap = f64::from(self.max_backoff_seconds);
        let upper = (f64::from(self.initial_backoff_seconds) * growth).min(cap);
        let asked = asked.map_or(0.0, |asked| asked.as_secs_f64().min(cap));
        Some(Duration::from_secs_f64((upper * random).max(asked)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 6,
        initial_backoff_seconds: 10,
        max_backoff_seconds: 100,
        multiplier: 2.0,
    };

    #[test]
    fn the_upper_end_doubles_up_to_the_cap_and_ends_with_the_attempts() {
        let upper = |failures| {
            POLICY
                .delay(failures, 1.0, None)
                .map(|delay| delay.as_secs())
        };
        assert_eq!(
            [1, 2, 3, 4, 5, 6].map(upper),
            [Some(10), Some(20), Some(40), Some(80), Some(100), None]
        );
        assert_eq!(
            RetryPolicy::default().delay(1, 1.0, None),
            None,
            "one attempt unless asked for more"
        );
    }

    #[test]
    fn retry_after_is_the_least_delay_within_the_cap() {
        let asked = |seconds| {
            POLICY
                .delay(1, 0.0, Some(Duration::from_secs(seconds)))
                .map(|delay| delay.as_secs())
        };
        assert_eq!((asked(30), asked(5_000)), (Some(30), Some(100)));
    }

    proptest! {
        #[test]
        fn a_delay_lies_between_nothing_and_the_cap(failures in 0_i32..2_000, random in 0.0..1.0, max in 1_i32..2_000) {
            let policy = RetryPolicy { max_attempts: max, multiplier: 100.0, ..POLICY };
            if let Some(delay) = policy.delay(failures, random, None) {
                prop_assert!(delay <= Duration::from_secs(100) && failures < max);
            }
        }
    }
}
