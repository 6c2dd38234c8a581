//! Quantiles, shares and bounds, computed here only.

use crate::micros::Micros;
use serde::Serialize;

/// The spread of values. Quantiles are by nearest rank, so each is one of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Number of measured values.
    pub n: usize,
    /// Median, by nearest rank.
    pub p50: Micros,
    /// 99th percentile, by nearest rank.
    pub p99: Micros,
    /// The highest of the values.
    pub max: Micros,
}

impl Spread {
    /// Of values in any order; none of none.
    pub fn of(values: &[Micros]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        Some(Self {
            n: sorted.len(),
            p50: quantile(&sorted, 500)?,
            p99: quantile(&sorted, 990)?,
            max: quantile(&sorted, 1000)?,
        })
    }
}

/// The nearest rank of a quantile, in thousandths, of sorted values.
pub fn quantile(sorted: &[Micros], thousandths: usize) -> Option<Micros> {
    let rank = (sorted.len() * thousandths).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

/// The median; none without values. Of two in the middle, the mean.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(sorted[middle - 1], upper)
    })
}

/// A part of a whole, 0 to 1; none of nothing.
pub fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| float(part) / float(whole))
}

/// The rule of three: after `trials` without a failure, the probability of one is below this with
/// 95 % confidence.
pub fn bound(trials: usize) -> Option<f64> {
    share(3, trials).map(|bound| bound.min(1.0))
}

/// Number of values in each slot of `edges` (ascending): slot 0 holds the values below the first
/// edge, the last slot those from the last edge on.
pub fn histogram(values: &[Micros], edges: &[Micros]) -> Vec<usize> {
    let mut slots = vec![0; edges.len() + 1];
    for value in values {
        slots[edges.partition_point(|edge| edge <= value)] += 1;
    }
    slots
}

/// For ratios and pixels, not for counts.
#[expect(
    clippy::cast_precision_loss,
    reason = "ratios and pixels need no more than 52 bits"
)]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

/// The same of a duration.
#[expect(
    clippy::cast_precision_loss,
    reason = "ratios and pixels need no more than 52 bits"
)]
pub(crate) fn micros(duration: Micros) -> f64 {
    duration as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen_by_nearest_rank() {
        let hundred: Vec<Micros> = (1..=100).rev().collect();
        assert_eq!(
            Spread::of(&hundred),
            Some(Spread {
                n: 100,
                p50: 50,
                p99: 99,
                max: 100
            })
        );
        let hundred_and_one: Vec<Micros> = (1..=101).collect();
        assert_eq!(
            Spread::of(&hundred_and_one),
            Some(Spread {
                n: 101,
                p50: 51,
                p99: 100,
                max: 101
            })
        );
        assert_eq!(
            Spread::of(&[7]),
            Some(Spread {
                n: 1,
                p50: 7,
                p99: 7,
                max: 7
            })
        );
        assert_eq!(
            Spread::of(&[9, 1]),
            Some(Spread {
                n: 2,
                p50: 1,
                p99: 9,
                max: 9
            })
        );
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(quantile(&[3, 4, 5], 0), Some(3));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let bits = |values: &[f64]| median(values).map(f64::to_bits);
        assert_eq!(bits(&[3.0, 1.0, 2.0]), Some(2.0_f64.to_bits()));
        assert_eq!(bits(&[4.0, 1.0]), Some(2.5_f64.to_bits()));
        assert_eq!(bits(&[]), None);
    }

    #[test]
    fn the_bound_is_three_by_n_and_never_more_than_certainty() {
        assert_eq!(bound(0), None);
        assert_eq!(bound(2), Some(1.0));
        assert_eq!(bound(12), Some(0.25));
    }

    #[test]
    fn every_value_is_in_one_slot() {
        assert_eq!(
            histogram(&[-5, 0, 9, 10, 11, 20, 999], &[10, 20]),
            [3, 2, 2]
        );
        assert_eq!(histogram(&[], &[10]), [0, 0]);
    }
}
