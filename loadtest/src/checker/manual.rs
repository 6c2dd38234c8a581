//! Runs on request and reruns: each successful call is one execution, each call without an answer
//! at most one. An execution has one rerun at a time.
//!
//! A label alone never matches: a manual execution needs a call at its instant.

use super::{
    job::{Checker, NOTICE, WAITING},
    job_history::{Execution, JobHistory},
    matching::{Interval, unmatched},
    overlaps::OverlapIndex,
    subject::Subject,
};
use crate::history::{Call, CallOutcome, Operation};
use crate::micros::Micros;

impl<'a> Checker<'a> {
    /// The manual executions of a job against the calls; returns the demand on the matching.
    pub(super) fn manual(
        &mut self,
        job: &JobHistory<'a>,
        overlaps: &OverlapIndex,
    ) -> Vec<Interval> {
        let manual = job.executions.iter().filter(|execution| execution.manual);
        let (reruns, runs): (Vec<_>, Vec<_>) =
            manual.partition(|execution| execution.asked.is_some());
        self.counts().manual += runs.len() + reruns.len();
        // By the labels: the fire time of a run on request is the instant of the call.
        let mut points = fire_times(&runs);
        points.extend(job.manual_skips.iter().map(|row| row.fire_time));
        let calls = job.states.calls.iter().copied();
        let is_enqueue = |call: &&Call| matches!(call.operation, Operation::Enqueue(_));
        let run_nows: Vec<&Call> = calls
            .clone()
            .filter(|call| call.operation == Operation::RunNow || is_enqueue(call))
            // A call that found the holder of its key has made none.
            .filter(|call| call.found.is_none())
            .collect();
        self.match_calls(job, overlaps, &run_nows, points);
        let enqueues: Vec<&Call> = calls.clone().filter(is_enqueue).collect();
        self.enqueues(job, &enqueues, &runs);
        let mut points = fire_times(&reruns);
        points.extend(&job.skipped_reruns);
        let calls: Vec<&Call> = calls
            .filter(|call| matches!(call.operation, Operation::Rerun(_)))
            // A call that found a rerun in flight has made none.
            .filter(|call| call.made.is_some() || call.outcome != CallOutcome::Done)
            .collect();
        self.match_calls(job, overlaps, &calls, points);
        self.one_at_a_time(job, &calls, &reruns);
        // Their deliveries have intervals of their own: from the call to the latest first start.
        let mut seen = Vec::new();
        for run in runs.into_iter().chain(reruns) {
            let until = self.manual_start(job, run, overlaps);
            if let (Some(first), Some(at)) = (run.first(), run.fire_time()) {
                seen.push(Interval {
                    from: at - self.rules.earliness,
                    until: until.max(first.arrived),
                    required: false,
                });
            }
        }
        seen
    }

    /// The instants of the requests, by the executions, against the calls.
    fn match_calls(
        &mut self,
        job: &JobHistory<'a>,
        overlaps: &OverlapIndex,
        calls: &[&Call],
        mut points: Vec<Micros>,
    ) {
        points.sort_unstable();
        let waits = job.states.policies().may_overlap(&WAITING);
        let deleted = job.states.surely_deleted(self.history.ended);
        let asked = |call: &&Call| Interval {
            from: call.invoked - self.rules.earliness,
            until: self.taken_by(call),
            required: call.outcome == CallOutcome::Done
                && self.taken_by(call) < self.history.ended
                // A deletion records the executions that wait.
                && (!(waits && overlaps.occupied(self, job, call.invoked)) || deleted),
        };
        let intervals: Vec<Interval> = calls.iter().map(asked).collect();
        let subject = Subject::job(job.id);
        for extra in unmatched(&points, &intervals).1 {
            let subject = Subject::fire_time(job.id, points[extra]);
            self.report(
                "MANUAL-EXTRA",
                subject,
                format!("{} runs for {} calls", points.len(), calls.len()),
            );
        }
        let required: Vec<Interval> = intervals
            .iter()
            .copied()
            .filter(|interval| interval.required)
            .collect();
        for missing in unmatched(&points, &required).0 {
            // A failover may have lost the request after its answer.
            if !self
                .faults
                .rewound(required[missing].from, required[missing].until)
            {
                let text = format!(
                    "asked for at {}, and no run stands for it",
                    required[missing].from
                );
                self.report("MANUAL-LOST", subject, text);
            }
        }
    }

    /// A rerun was made while the earlier rerun of the same execution surely ran.
    fn one_at_a_time(&mut self, job: &JobHistory<'a>, calls: &[&Call], reruns: &[&Execution<'a>]) {
        for (index, call) in calls.iter().enumerate() {
            for before in calls[..index]
                .iter()
                .filter(|before| before.operation == call.operation)
            {
                // A call without an answer names no execution: nothing can be compared.
                let Some(run) = reruns.iter().find(|run| Some(run.id) == before.made) else {
                    continue;
                };
                let calm = self
                    .faults
                    .any(before.invoked, call.completed)
                    .next()
                    .is_none();
                let ended = self.settled(run).0;
                if calm
                    && call.made.is_some()
                    && run.first().is_some()
                    && call.completed + NOTICE < ended
                {
                    let text = format!(
                        "run again although {} ran until {} us after the answer",
                        run.id,
                        ended - call.completed
                    );
                    self.report(
                        "RERUN-TWICE",
                        Subject {
                            execution: call.made,
                            ..Subject::job(job.id)
                        },
                        text,
                    );
                }
            }
        }
    }

    /// When a call has surely taken effect or never will.
    fn taken_by(&self, call: &Call) -> Micros {
        match call.outcome {
            CallOutcome::Done => call.completed + self.rules.earliness,
            _ => self.faults.deadline(call.completed),
        }
    }

    /// The first start of a run on request is in time; its latest start.
    fn manual_start(
        &mut self,
        job: &JobHistory<'a>,
        run: &Execution<'a>,
        overlaps: &OverlapIndex,
    ) -> Micros {
        let Some(at) = run.fire_time() else { return 0 };
        let deadline = self.faults.deadline(at);
        let Some(first) = run.first() else {
            return deadline;
        };
        let waits = self.policies(job, run).may_overlap(&WAITING);
        let end = if waits {
            overlaps.waited(run, at, deadline)
        } else {
            None
        };
        let waited = end.map(|end| self.deadline_after_pauses(job, end));
        let deadline = waited.map_or(deadline, |waited| waited.max(deadline));
        let subject = Subject::execution(job, run);
        if first.arrived > deadline {
            self.report(
                "LATE",
                subject,
                format!("arrived {} us after it was asked for", first.arrived - at),
            );
        }
        deadline
    }
}

fn fire_times(executions: &[&Execution<'_>]) -> Vec<Micros> {
    executions
        .iter()
        .filter_map(|execution| execution.fire_time())
        .collect()
}

impl Call {
    /// Whether the call may have made a job without a known id.
    pub(super) fn may_have_created(&self) -> bool {
        matches!(self.operation, Operation::Create(_)) && self.outcome == CallOutcome::Unknown
    }
}
