//! The checker: compares what was seen with what was asked for. Pure.
//!
//! It trusts the sink, the calls and the faults, which the harness recorded. It must never
//! trust the cluster: the database is read to find contradictions, and for the reason, one of those
//! allowed, of what did not run. Every allowance is bounded, in time and to a fault (`deadlines`).
//!
//! Inside out: `spans` finds what overlaps a window · `deadlines` what faults explain ·
//! `job_states` the states that a job may be in · `policy_set` the policies that may hold ·
//! `job_history` the history by job and execution · `subject` what a violation is about ·
//! `expected` which fire times there were · `job` applies the rules to one job: `fire_time`
//! `misfires` `attempts` `ends` `rows` `overlaps` `fixed_delay` `manual` `cancels` · `matching` the
//! same without any label · `clock_stays` drills whose clock stays wrong. Each rule is explained in
//! `docs/internals/drills.md`.

mod attempts;
mod cancels;
mod clock_stays;
mod deadlines;
mod ends;
mod expected;
mod fire_time;
mod fixed_delay;
mod job;
mod job_history;
mod job_states;
mod manual;
mod matching;
mod misfires;
mod overlaps;
mod policy_set;
mod rows;
mod spans;
mod subject;

#[cfg(test)]
mod tests;

use crate::history::{History, Micros};
pub use clock_stays::{AHEAD, BACK, check_clock_stays};
use job::Checker;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the checker has to know of the cluster and the harness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// `--node-ttl`.
    pub ttl: Micros,
    /// How long after a fault everything may take to be as before.
    pub recovery: Micros,
    /// How late a start may be in calm times.
    pub lateness: Micros,
    /// How early a delivery may seem (the clocks are one; 0 but for rounding to milliseconds).
    pub earliness: Micros,
    /// What nodes lease ahead: a command that comes within it may come too late.
    pub look_ahead: Micros,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// What broke the promise; empty when it was kept.
    pub violations: Vec<Violation>,
    /// What was checked.
    pub counts: Counts,
    /// First starts, microseconds after the due time, of fire times checked under normal rules.
    pub lateness_calm: Vec<Micros>,
    /// The same of disturbed ones.
    pub lateness_disturbed: Vec<Micros>,
    /// From a fault to the next attempt of each execution that it orphaned.
    pub redeliveries: Vec<Redelivery>,
}

impl Analysis {
    /// Where the lateness of a start goes.
    fn lateness(&mut self, normal: bool) -> &mut Vec<Micros> {
        if normal {
            &mut self.lateness_calm
        } else {
            &mut self.lateness_disturbed
        }
    }
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// E.g. `LOST`, `DOUBLE-EXECUTION`; the names of `docs/internals/drills.md`.
    pub rule: String,
    /// What exactly, with the numbers.
    pub text: String,
    /// The job.
    pub job: Option<Uuid>,
    /// The fire time.
    pub fire_time: Option<Micros>,
    /// The execution, if it has one.
    pub execution: Option<Uuid>,
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Jobs.
    pub jobs: usize,
    /// Fire times that had to be taken.
    pub must: usize,
    /// Fire times that might be taken: a command was under way.
    pub may: usize,
    /// Of these, how many were checked under normal rules: no fault explained anything.
    pub normal: usize,
    /// Deliveries.
    pub deliveries: usize,
    /// Faults.
    pub faults: usize,
    /// Manual runs.
    pub manual: usize,
    /// Fire times that a policy left out, as allowed.
    pub skipped: usize,
    /// Deliveries beyond the first success of an execution, each explained by a
    /// named fault and the policy `RERUN`.
    pub surplus_effects: usize,
    /// Pairs of attempts that overlapped because a node was frozen.
    pub frozen_overlaps: usize,
    /// Refusals of fenced targets.
    pub fenced: usize,
}

/// An attempt that a fault orphaned, and the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redelivery {
    /// The fault's kind.
    pub fault: String,
    /// The execution.
    pub execution: Uuid,
    /// From the fault (or the orphan's arrival, if later) to the next arrival.
    pub took: Micros,
}

/// Checks a history against the rules.
pub fn check(history: &History, rules: &Rules) -> Analysis {
    let mut checker = Checker::new(history, rules);
    let mut jobs = job_history::jobs(history);
    for job in jobs.iter_mut().filter(|job| job.has_known_creation()) {
        checker.job(job);
    }
    checker.unknown_jobs(&jobs);
    checker.transitions();
    checker.stuck();
    checker.deaths();
    let counts = checker.counts();
    counts.jobs = jobs.len();
    counts.deliveries = history.deliveries.len();
    counts.faults = history.faults.len();
    checker.analysis
}
