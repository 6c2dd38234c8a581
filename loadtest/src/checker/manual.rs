//! Run-now: each call that was done is one execution, each without an answer at most one.
//!
//! It must never match by label alone: an execution that calls itself manual has to be one that somebody asked for, then.

use super::{
    blind::{Interval, matched},
    case::{Execution, JobCase},
    judge::{About, Judge, WAITING},
    overlaps::Busy,
};
use crate::evidence::{Call, CallOutcome, Micros, Operation};

impl<'a> Judge<'a> {
    /// The manual executions of a job against the calls; what the second opinion has to find of them.
    pub(super) fn manual(&mut self, job: &JobCase<'a>, busy: &Busy) -> Vec<Interval> {
        let calls: Vec<&Call> =
            job.timeline.calls.iter().copied().filter(|call| call.operation == Operation::RunNow).collect();
        let runs: Vec<&Execution<'a>> = job.executions.iter().filter(|execution| execution.manual).collect();
        self.counts().manual += runs.len();
        // By what they claim: the fire time of a run-now is the instant of the call.
        let mut points: Vec<Micros> = runs.iter().filter_map(|run| run.fire_time()).collect();
        points.extend(job.manual_skips.iter().map(|row| row.fire_time));
        points.sort_unstable();
        let waits = job.timeline.terms().may_overlap(&WAITING);
        let deleted = job.timeline.surely_deleted(self.evidence.ended);
        let asked = |call: &&Call| Interval {
            from: call.invoked - self.rules.earliness,
            until: self.taken_by(call),
            required: call.outcome == CallOutcome::Done
                && self.taken_by(call) < self.evidence.ended
                // A deletion records what waits.
                && (!(waits && busy.occupied(self, job, call.invoked)) || deleted),
        };
        let intervals: Vec<Interval> = calls.iter().map(asked).collect();
        let about = About { job: job.id, fire_time: None, execution: None };
        for extra in matched(&points, &intervals).1 {
            let about = About { fire_time: Some(points[extra]), ..about };
            self.bad("MANUAL-EXTRA", about, format!("{} runs for {} calls", points.len(), calls.len()));
        }
        let required: Vec<Interval> = intervals.iter().copied().filter(|interval| interval.required).collect();
        for missing in matched(&points, &required).0 {
            if !self.faults.rewound(required[missing].from, required[missing].until) {
                let text = format!("asked for at {}, and no run stands for it", required[missing].from);
                self.bad("MANUAL-LOST", about, text);
            }
        }
        // What the sink saw of them has its own intervals: from the call to the latest first start.
        let mut seen = Vec::new();
        for run in runs {
            let until = self.manual_start(job, run, busy);
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

    /// When a call has surely taken effect or never will.
    fn taken_by(&self, call: &Call) -> Micros {
        match call.outcome {
            CallOutcome::Done => call.returned + self.rules.earliness,
            _ => self.faults.deadline(call.returned),
        }
    }

    /// The first start of a run-now, in time; its latest.
    fn manual_start(&mut self, job: &JobCase<'a>, run: &Execution<'a>, busy: &Busy) -> Micros {
        let Some(at) = run.fire_time() else { return 0 };
        let deadline = self.faults.deadline(at);
        let Some(first) = run.first() else { return deadline };
        let waits = self.terms(job, run).may_overlap(&WAITING);
        let end = if waits { busy.waited(run, at, deadline) } else { None };
        let waited = end.map(|end| self.after_pauses(job, end));
        let deadline = waited.map_or(deadline, |waited| waited.max(deadline));
        let about = About::execution(job, run);
        if first.arrived > deadline {
            self.bad("LATE", about, format!("arrived {} us after it was asked for", first.arrived - at));
        }
        deadline
    }
}

impl Call {
    /// Whether it may have made a job that nobody can name.
    pub(super) fn may_have_created(&self) -> bool {
        matches!(self.operation, Operation::Create(_)) && self.outcome == CallOutcome::Unknown
    }
}
