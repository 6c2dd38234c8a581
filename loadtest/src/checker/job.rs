//! The rules of a job: for fire times, executions and rows.

use super::{
    Analysis, Counts, Rules, Violation,
    deadlines::Faults,
    expected::{expected, latest_due},
    fire_time::FireTime,
    job_history::{Execution, JobHistory},
    overlaps::OverlapIndex,
    policy_set::PolicySet,
    rows::last_fire_time,
    spans::Spans,
    subject::Subject,
};
use crate::micros::Micros;
use crate::{
    history::{History, Row},
    job::Overlap,
};
use std::collections::BTreeMap;

/// How long the sink may need to notice that a client has gone: two processes on one machine.
pub(super) const NOTICE: Micros = 250_000;

/// The policies under which a fire time waits for the end of the running execution.
pub(super) const WAITING: [Overlap; 3] =
    [Overlap::BufferOne, Overlap::BufferAll, Overlap::CancelOther];

/// Checks a history, and collects the violations.
pub(super) struct Checker<'a> {
    pub(super) history: &'a History,
    pub(super) rules: Rules,
    pub(super) faults: Faults<'a>,
    pub(super) analysis: Analysis,
}

impl<'a> Checker<'a> {
    pub(super) fn new(history: &'a History, rules: &Rules) -> Self {
        let faults = Faults::new(history, rules);
        Self {
            history,
            rules: *rules,
            faults,
            analysis: Analysis::default(),
        }
    }

    pub(super) fn report(&mut self, rule: &str, subject: Subject, text: impl Into<String>) {
        let Subject {
            job,
            fire_time,
            execution,
        } = subject;
        self.analysis.violations.push(Violation {
            rule: rule.to_owned(),
            text: text.into(),
            job: Some(job),
            fire_time,
            execution,
        });
    }

    pub(super) fn counts(&mut self) -> &mut Counts {
        &mut self.analysis.counts
    }

    /// Checks a job that an answered creation named.
    pub(super) fn job(&mut self, job: &mut JobHistory<'a>) {
        let expected = match expected(job, &self.faults, &self.rules, self.history.ended) {
            Ok(expected) => expected,
            Err(error) => {
                let subject = Subject::job(job.id);
                return self.report(
                    "SPECIFICATION",
                    subject,
                    format!("its fire times cannot be named: {error:#}"),
                );
            }
        };
        job.classify_manual(|at| expected.contains_key(&at), &self.rules);
        let job = &*job;
        self.anchors(job);
        let overlaps = OverlapIndex::new(self, job);
        let skips = Spans::new(
            job.skips
                .iter()
                .map(|row| (row.fire_time, last_fire_time(row), *row))
                .collect(),
        );
        let mut taken: BTreeMap<Micros, Vec<&Execution<'a>>> = BTreeMap::new();
        let mut fixed_delay_runs = Vec::new();
        for execution in job.executions.iter().filter(|execution| !execution.manual) {
            let Some(at) = execution.fire_time() else {
                continue;
            };
            // The grid comes first: its rules are stricter than those of a fixed delay.
            if expected.contains_key(&at) {
                taken.entry(at).or_default().push(execution);
            } else if self.is_fixed_delay_time(job, at) {
                fixed_delay_runs.push(execution);
            } else {
                let text =
                    "its job had no such fire time then: paused, deleted, or never scheduled";
                self.report("GHOST", Subject::execution(job, execution), text);
            }
        }
        let mut intervals = Vec::new();
        for (at, expected) in &expected {
            let executions = taken.get(at).map_or(&[][..], Vec::as_slice);
            let rows: Vec<&Row> = skips
                .overlapping(*at, *at)
                .map(|(_, _, row)| *row)
                .collect();
            let due = FireTime {
                job,
                at: *at,
                expected,
                overlaps: &overlaps,
            };
            intervals.push(self.fire_time(&due, executions, &rows));
        }
        self.fire_once(job, &expected, &taken);
        self.fixed_delay(job, &fixed_delay_runs);
        intervals.extend(self.manual(job, &overlaps));
        for execution in &job.executions {
            let policies = self.policies(job, execution);
            self.attempts(job, execution, &policies);
            self.settlement(job, execution, &policies);
        }
        self.cancels(job);
        self.exclusive_runs(job);
        self.ranges(job, &expected);
        self.duplicate_rows(job);
        self.matching(job, intervals, &fixed_delay_runs);
    }

    /// The policies of an execution at the lease. After a wait for the end of a run, the lease
    /// comes with the start.
    pub(super) fn policies(
        &self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
    ) -> PolicySet<'a> {
        let Some(at) = execution.fire_time() else {
            return PolicySet::default();
        };
        let waited = execution
            .first()
            .filter(|first| first.kind == "BUFFERED")
            .map_or(at, |first| first.arrived);
        let deadline = self
            .faults
            .deadline(latest_due(&job.states, at, &self.rules));
        let versions = job
            .states
            .versions(at - self.rules.look_ahead, deadline.max(waited));
        job.states.policies_of(&versions)
    }

    /// The latest allowed start of a retry or a buffered fire that may start from an instant on and
    /// waits for the end of a pause. `Micros::MAX` when the pause may have no end.
    pub(super) fn deadline_after_pauses(&self, job: &JobHistory<'a>, since: Micros) -> Micros {
        let mut since = since;
        loop {
            let deadline = self.faults.deadline(since);
            match job.states.pause_end(since, deadline) {
                Some(Micros::MAX) => return Micros::MAX,
                // The time after a pause may meet the next pause.
                Some(end) if end > since => since = end,
                _ => return deadline,
            }
        }
    }
}
