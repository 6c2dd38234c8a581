//! The checker: compares the recorded events with the requests. Pure.
//!
//! Trusted are the sink, the calls and the faults, which the harness recorded. The cluster is never
//! trusted: the database is read to find contradictions, and for the reason of a fire time that did
//! not run, which must be an allowed one. Every allowance is bounded, in time and to a fault
//! (`deadlines`).
//!
//! Inside out: `spans` finds overlaps with a window · `deadlines` has the effects of faults ·
//! `job_states` the possible states of a job · `policy_set` the policies that may hold ·
//! `job_history` the history by job and execution · `subject` the subject of a violation ·
//! `expected` the expected fire times · `job` applies the rules to one job: `fire_time` `misfires`
//! `attempts` `ends` `rows` `overlaps` `fixed_delay` `manual` `enqueues` `cancels` · `matching` the
//! same without labels · `clock_stays` drills whose clock stays wrong. `docs/internals/drills.md`
//! explains each rule.

mod attempts;
mod cancels;
mod clock_stays;
mod deadlines;
mod ends;
mod enqueues;
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

use crate::history::History;
use crate::micros::Micros;
pub use clock_stays::{AHEAD, BACK, check_clock_stays};
use job::Checker;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Parameters of the cluster and the harness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// `--node-ttl`, the time to live of a node.
    pub ttl: Micros,
    /// How long after a fault everything may take to be as before.
    pub recovery: Micros,
    /// How late a start may be in calm times.
    pub lateness: Micros,
    /// How early a delivery may seem (the clocks are one; 0 but for rounding to milliseconds).
    pub earliness: Micros,
    /// Look-ahead of the nodes: a command that comes within it may come too late.
    pub look_ahead: Micros,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Violations; empty when every promise was kept.
    pub violations: Vec<Violation>,
    /// Numbers of checked items.
    pub counts: Counts,
    /// First starts, microseconds after the due time, of fire times checked under normal rules.
    pub lateness_calm: Vec<Micros>,
    /// Lateness of starts during the effects of faults.
    pub lateness_disturbed: Vec<Micros>,
    /// For each execution that a fault orphaned, the time from the fault to the next attempt.
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

/// A violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// E.g. `LOST`, `DOUBLE-EXECUTION`; the names of `docs/internals/drills.md`.
    pub rule: String,
    /// The violation in words, with the numbers.
    pub text: String,
    /// The job of the violation.
    pub job: Option<Uuid>,
    /// The fire time of the violation.
    pub fire_time: Option<Micros>,
    /// The execution of the violation, if known.
    pub execution: Option<Uuid>,
}

/// Numbers of checked items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Jobs with an answered creation.
    pub jobs: usize,
    /// Fire times that had to be taken.
    pub must: usize,
    /// Fire times that were optional: a command was in progress.
    pub may: usize,
    /// Of these, the number that was checked under normal rules: no fault explained anything.
    pub normal: usize,
    /// Deliveries to the sink.
    pub deliveries: usize,
    /// Faults that were injected.
    pub faults: usize,
    /// Number of manual runs.
    pub manual: usize,
    /// Fire times that a policy skipped, as allowed.
    pub skipped: usize,
    /// Deliveries beyond the first success of an execution, each explained by a
    /// named fault and the policy `RERUN`.
    pub surplus_effects: usize,
    /// Pairs of attempts that overlapped because a node was frozen.
    pub frozen_overlaps: usize,
    /// Refusals of fenced targets.
    pub fenced: usize,
}

/// An attempt that a fault orphaned, and the next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redelivery {
    /// The kind of the fault.
    pub fault: String,
    /// The execution that was orphaned.
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
