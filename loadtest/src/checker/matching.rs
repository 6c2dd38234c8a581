//! A second check without labels: labels may be wrong, arrivals cannot.
//!
//! Fire times are intervals from their instant to their latest allowed start, first arrivals are
//! points. The open interval with the earliest deadline gets the point: a maximum matching. No
//! header is ever read.

use super::{
    job::Checker,
    job_history::{Execution, JobHistory},
    subject::Subject,
};
use crate::micros::Micros;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

/// When something may or must start once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) from: Micros,
    pub(super) until: Micros,
    /// Whether nothing explains the absence of an arrival.
    pub(super) required: bool,
}

impl<'a> Checker<'a> {
    /// Whether the arrivals of a job agree with its expected fire times. Both conditions hold
    /// together: if all required intervals can be matched, and all points can, then one matching
    /// does both (Mendelsohn and Dulmage).
    pub(super) fn matching(
        &mut self,
        job: &JobHistory<'a>,
        mut intervals: Vec<Interval>,
        fixed_delay_runs: &[&Execution<'a>],
    ) {
        for run in fixed_delay_runs {
            let first = run.first().map_or(0, |first| first.arrived); // `fixed_delay` checks those
            intervals.push(Interval {
                from: first,
                until: first,
                required: false,
            });
        }
        let mut points: Vec<Micros> = job
            .executions
            .iter()
            .filter_map(Execution::first)
            .map(|first| first.arrived)
            .collect();
        points.sort_unstable();
        let subject = Subject::job(job.id);
        for extra in unmatched(&points, &intervals).1 {
            self.report(
                "MATCHING-EXTRA",
                subject,
                format!(
                    "without regard to labels, the start at {} is one too many",
                    points[extra]
                ),
            );
        }
        // The second half of the condition: every required interval has an arrival.
        intervals.retain(|interval| interval.required);
        for missing in unmatched(&points, &intervals).0 {
            let Interval { from, until, .. } = intervals[missing];
            self.report(
                "MATCHING-MISSING",
                subject,
                format!(
                    "without regard to labels, nothing started for the one of {from} to {until}"
                ),
            );
        }
    }
}

/// The intervals and the points (sorted) that a maximum matching leaves unmatched.
pub(super) fn unmatched(points: &[Micros], intervals: &[Interval]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    order.sort_unstable_by_key(|index| intervals[*index].from);
    let mut coming = order.into_iter().peekable();
    let mut open = BinaryHeap::new();
    let (mut missing, mut extra) = (Vec::new(), Vec::new());
    let mut used = HashSet::new();
    for (point, at) in points.iter().enumerate() {
        while let Some(index) = coming.next_if(|index| intervals[*index].from <= *at) {
            open.push(Reverse((intervals[index].until, index)));
        }
        loop {
            match open.pop() {
                None => break extra.push(point),
                // An interval that is over by now fits no later point either.
                Some(Reverse((until, _))) if until < *at => {}
                Some(Reverse((_, index))) => {
                    used.insert(index);
                    break;
                }
            }
        }
    }
    missing.extend((0..intervals.len()).filter(|index| !used.contains(index)));
    (missing, extra)
}
