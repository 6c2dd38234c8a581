//! Outcomes over time: an axis of equal cells for the newest executions of many jobs.

use super::{InvalidInput, Timestamp};
use chrono::{DateTime, TimeDelta};

/// Longest range of an axis, in minutes: a day.
pub const MINUTES_MAX: i32 = 1_440;
/// Most cells of an axis.
pub const CELLS_MAX: usize = 100;

/// Range of an axis, and number of the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutcomeAxis {
    minutes: i32,
    cells: i32,
}

impl OutcomeAxis {
    /// An axis of at most a day and 100 cells.
    pub fn new(minutes: i32, cells: i32) -> Result<Self, InvalidInput> {
        if !(1..=MINUTES_MAX).contains(&minutes) {
            return Err(InvalidInput::new(
                "minutes",
                format!("must be from 1 to {MINUTES_MAX}"),
            ));
        }
        if !usize::try_from(cells).is_ok_and(|cells| (1..=CELLS_MAX).contains(&cells)) {
            return Err(InvalidInput::new(
                "cells",
                format!("must be from 1 to {CELLS_MAX}"),
            ));
        }
        Ok(Self { minutes, cells })
    }

    /// Start of each cell, the oldest first, and the end of the last cell. The end is the first
    /// multiple of the cell length after `now`, so an execution stays in the same cell while time
    /// passes.
    pub fn bounds(self, now: Timestamp) -> Vec<Timestamp> {
        let length = i64::from(self.minutes) * 60_000 / i64::from(self.cells);
        let end = (now.timestamp_millis().div_euclid(length) + 1) * length;
        let end = DateTime::from_timestamp_millis(end).unwrap_or(now);
        (0..=self.cells)
            .rev()
            .map(|back| end - TimeDelta::milliseconds(i64::from(back) * length))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn cells_are_of_equal_length_and_the_last_one_goes_on() {
        let axis = OutcomeAxis::new(60, 4).expect("it fits");
        let quarters = ["06:30", "06:45", "07:00", "07:15", "07:30"];
        let expected = quarters.map(|time| at(&format!("2026-11-23T{time}:00Z")));
        assert_eq!(axis.bounds(at("2026-11-23T07:15:00Z")), expected);
        assert_eq!(axis.bounds(at("2026-11-23T07:29:59.999Z")), expected);
    }

    #[test]
    fn an_axis_is_at_most_a_day_and_a_hundred_cells_long() {
        let field = |minutes, cells| {
            OutcomeAxis::new(minutes, cells)
                .err()
                .map(|invalid| invalid.field.into_owned())
        };
        assert_eq!(field(1_440, 100), None);
        for minutes in [i32::MIN, 0, 1_441, i32::MAX] {
            assert_eq!(field(minutes, 1).as_deref(), Some("minutes"));
        }
        for cells in [i32::MIN, 0, 101, i32::MAX] {
            assert_eq!(field(1, cells).as_deref(), Some("cells"));
        }
        assert_eq!(
            OutcomeAxis::new(1, 100)
                .expect("it fits")
                .bounds(at("2026-11-23T07:15:00Z"))
                .len(),
            101
        );
    }
}
