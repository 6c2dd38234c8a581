//! Activity of a node in an interval, as counts for addition.

use super::execution::ExecutionStatus;
use std::time::Duration;

/// Upper bounds of the lateness buckets, in milliseconds; the last bucket has no bound. Stored rows
/// depend on the bounds: append, never change.
const BOUNDS_MILLIS: [f64; 19] = [
    0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 35.0, 60.0, 100.0, 200.0, 350.0, 600.0, 1_000.0,
    2_000.0, 5_000.0, 10_000.0, 60_000.0,
];

pub const BUCKETS: usize = BOUNDS_MILLIS.len() + 1;

/// Counts of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Number of leased attempts of all kinds.
    pub fires: i64,
    /// Executions settled as `SUCCESS`.
    pub succeeded: i64,
    /// Attempts settled as `FAILED` or `RETRYING`.
    pub failed: i64,
    /// Fire times recorded as skipped.
    pub skipped: i64,
    /// Settled attempts by bucket of lateness.
    pub lateness: [i64; BUCKETS],
}

impl Activity {
    /// Counts a settled attempt.
    pub fn settled(&mut self, status: ExecutionStatus, lateness: Duration) {
        match status {
            ExecutionStatus::Success => self.succeeded += 1,
            ExecutionStatus::Failed | ExecutionStatus::Retrying => self.failed += 1,
            _ => {}
        }
        let millis = lateness.as_secs_f64() * 1_000.0;
        self.lateness[BOUNDS_MILLIS.partition_point(|bound| *bound < millis)] += 1;
    }

    /// Adds the counts of another node or interval.
    pub fn add(&mut self, other: &Self) {
        self.fires += other.fires;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.skipped += other.skipped;
        for (bucket, more) in self.lateness.iter_mut().zip(other.lateness) {
            *bucket += more;
        }
    }

    /// Lateness in milliseconds not exceeded by a share of the attempts (0 to 1), interpolated
    /// within the bucket. `None`: there are no attempts.
    #[expect(clippy::cast_precision_loss, reason = "a percentile is displayed only")]
    pub fn lateness_percentile(&self, share: f64) -> Option<f64> {
        let total: i64 = self.lateness.iter().sum();
        let wanted = (total > 0).then_some(total as f64 * share)?;
        let mut below = 0.0;
        for (bucket, count) in self.lateness.iter().enumerate() {
            let count = *count as f64;
            if count > 0.0 && below + count >= wanted {
                let lower = bucket
                    .checked_sub(1)
                    .map_or(0.0, |lower| BOUNDS_MILLIS[lower]);
                let upper = BOUNDS_MILLIS.get(bucket).copied().unwrap_or(lower);
                return Some(lower + (upper - lower) * ((wanted - below) / count).clamp(0.0, 1.0));
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_in_the_bucket_of_their_attempt() {
        let mut activity = Activity::default();
        assert_eq!(activity.lateness_percentile(0.5), None);
        for _ in 0..98 {
            activity.settled(ExecutionStatus::Success, Duration::from_micros(2_500));
        }
        activity.settled(ExecutionStatus::Failed, Duration::from_millis(150));
        activity.settled(ExecutionStatus::Retrying, Duration::from_mins(10));
        assert_eq!((activity.succeeded, activity.failed), (98, 2));
        let percentile = |share| {
            activity
                .lateness_percentile(share)
                .expect("there are attempts")
        };
        assert!(
            (2.0..=3.0).contains(&percentile(0.5)),
            "{}",
            percentile(0.5)
        );
        assert!(
            (100.0..=200.0).contains(&percentile(0.99)),
            "{}",
            percentile(0.99)
        );
        assert!(
            (percentile(1.0) - 60_000.0).abs() < f64::EPSILON,
            "beyond the last bound it says the bound"
        );
    }

    #[test]
    fn activities_add_up() {
        let mut sum = Activity {
            fires: 1,
            skipped: 2,
            ..Activity::default()
        };
        let mut other = Activity {
            fires: 3,
            ..Activity::default()
        };
        other.settled(ExecutionStatus::Success, Duration::ZERO);
        sum.add(&other);
        assert_eq!(
            (sum.fires, sum.skipped, sum.succeeded, sum.lateness[0]),
            (4, 2, 1, 1)
        );
    }
}
