//! Executions of one job at the same time: delays of a start, and forbidden overlaps.
//!
//! An end is never taken from the database where the sink saw one.

use super::{
    expected::{Expected, latest_due},
    job::Checker,
    job_history::{Execution, JobHistory},
    spans::Spans,
    subject::Subject,
};
use crate::micros::Micros;
use crate::{history::Scope, job::Overlap};
use uuid::Uuid;

/// The times of a job's executions in flight, from the fire time to the latest instant at which the
/// end can have been written.
pub(super) struct OverlapIndex {
    spans: Spans<Run>,
}

struct Run {
    id: Uuid,
    fire_time: Micros,
    /// The first arrival; none without a delivery.
    start: Option<Micros>,
    manual: bool,
}

impl Run {
    fn of(execution: &Execution<'_>) -> Option<Self> {
        let first = execution.first();
        Some(Self {
            id: execution.id,
            fire_time: execution.fire_time()?,
            start: first.map(|first| first.arrived),
            manual: first.is_some_and(|first| {
                matches!(first.kind.as_str(), "MANUAL" | "RERUN" | "ENQUEUED")
            }),
        })
    }

    /// Whether the execution started while its job may have been paused, by a command.
    fn started_in_a_pause(&self, job: &JobHistory<'_>) -> bool {
        self.manual
            && self
                .start
                .is_some_and(|start| job.states.pause_end(start, start).is_some())
    }
}

impl OverlapIndex {
    pub(super) fn new(checker: &Checker<'_>, job: &JobHistory<'_>) -> Self {
        let until = |execution: &Execution<'_>| checker.settled(execution).1;
        let started = Self::of(job, until);
        // Without a cancellation in the queue the first pass is exact.
        if !job
            .executions
            .iter()
            .any(|execution| cancelled_in_line(execution).is_some())
        {
            return started;
        }
        Self::of(job, |execution| {
            let waited = started.waited_in_line(checker, job, execution);
            waited.map_or(until(execution), |waited| waited.max(until(execution)))
        })
    }

    fn of(job: &JobHistory<'_>, until: impl Fn(&Execution<'_>) -> Micros) -> Self {
        let spans = job.executions.iter().filter_map(|execution| {
            let run = Run::of(execution)?;
            Some((
                run.fire_time.min(run.start.unwrap_or(run.fire_time)),
                until(execution),
                run,
            ))
        });
        Self {
            spans: Spans::new(spans.collect()),
        }
    }

    /// End of the place in the queue of an execution that was cancelled before the start: the
    /// cancellation, or an earlier instant of the turn.
    fn waited_in_line(
        &self,
        checker: &Checker<'_>,
        job: &JobHistory<'_>,
        execution: &Execution<'_>,
    ) -> Option<Micros> {
        let cancelled = cancelled_in_line(execution)?;
        let at = execution.fire_time()?;
        let due = latest_due(&job.states, at, &checker.rules);
        let deadline = checker.faults.deadline(due);
        let busy_until = self.busy_until(checker, job, due, |run| {
            passed(checker, job, run, at, deadline).is_none()
        });
        Some(cancelled.min(checker.deadline_after_pauses(job, busy_until)))
    }

    /// For a fire time that waited: the end of the execution before, if any execution of the job
    /// was in flight at the due time, at the latest by `deadline`. Each earlier fire time in the
    /// queue has a deadline, so the whole chain is bounded.
    pub(super) fn waited(
        &self,
        execution: &Execution<'_>,
        at: Micros,
        deadline: Micros,
    ) -> Option<Micros> {
        let start = execution.first()?.arrived;
        let mut had_to_wait = false;
        let mut end = None;
        for (from, until, run) in self.spans.overlapping(at, start) {
            // Only a run that started earlier can have been ahead in the queue.
            if run.id != execution.id && run.start.is_some_and(|other| other < start) {
                had_to_wait |= from <= deadline;
                end = end.max(Some(until));
            }
        }
        end.filter(|_| had_to_wait)
    }

    /// Whether executions of the job followed each other from that instant to the final read, so
    /// that a buffered fire still waits; or to the deletion of the job, which removes buffered
    /// fires.
    pub(super) fn occupied<'a>(
        &self,
        checker: &Checker<'a>,
        job: &JobHistory<'a>,
        at: Micros,
    ) -> bool {
        let end = checker.history.ended;
        let busy_until = self.busy_until(checker, job, at, |_| true);
        let until = checker.deadline_after_pauses(job, busy_until);
        until >= end || busy_until > at && job.states.possibly_deleted(until)
    }

    /// Until when executions of the job followed each other from an instant on; `counts` selects
    /// the executions.
    fn busy_until(
        &self,
        checker: &Checker<'_>,
        job: &JobHistory<'_>,
        at: Micros,
        counts: impl Fn(&Run) -> bool,
    ) -> Micros {
        let mut runs: Vec<(Micros, Micros)> = self
            .spans
            .overlapping(at, checker.history.ended)
            .filter(|(_, _, run)| counts(run))
            .filter_map(|(_, until, run)| Some((run.start?, until)))
            .collect();
        runs.sort_unstable();
        let mut busy_until = at;
        for (start, until) in runs {
            // A gap: the fire time would have started by now.
            if start > checker.deadline_after_pauses(job, busy_until) {
                break;
            }
            busy_until = busy_until.max(until);
        }
        busy_until
    }

    /// The start of a later fire time of the job that passed this fire time without a fault: a
    /// queue releases the oldest first. A buffered fire waits for the end of a pause; a run on
    /// request does not.
    pub(super) fn overtaken_at(
        &self,
        checker: &Checker<'_>,
        job: &JobHistory<'_>,
        at: Micros,
        this: &Expected<'_>,
    ) -> Option<Micros> {
        // Executions that may overlap have no queue, and a fault explains another order.
        if !this.normal || !job.states.policies().exclusive() {
            return None;
        }
        self.spans
            .overlapping(at, checker.history.ended)
            .find_map(|(_, _, run)| passed(checker, job, run, at, this.deadline))
    }

    /// Whether the overlap policy may have skipped the fire time.
    pub(super) fn may_skip(
        &self,
        checker: &Checker<'_>,
        job: &JobHistory<'_>,
        at: Micros,
        this: &Expected<'_>,
    ) -> bool {
        let mut running = 0;
        let mut waiting = 0;
        let mut free = this.deadline;
        for (_, until, run) in self.spans.overlapping(at, this.deadline) {
            // Late fire times may be found after later ones, and two nodes may decide in either
            // order.
            // The decision comes when the fire time is due: a manual run may come before it, within
            // the jitter.
            let latest = if this.normal {
                latest_due(&job.states, at, &checker.rules) + checker.rules.look_ahead
            } else {
                this.deadline
            };
            if run.fire_time == at || run.fire_time > latest {
                continue;
            }
            // During a fault the run in flight may have left no trace.
            running += usize::from(
                run.start
                    .map_or(!this.normal, |start| start <= this.deadline),
            );
            // A buffered fire comes first, also after the end of the execution before it.
            waiting += usize::from(run.start.is_none_or(|start| start > at));
            free = free.max(until);
        }
        let policies = &this.policies;
        if policies.may_overlap(&[Overlap::Skip]) && running > 0 {
            return true;
        }
        // The one place of the buffer is taken, or the running execution keeps the next one waiting
        // to the end.
        if policies.may_overlap(&[Overlap::BufferOne])
            && (waiting > 0 || (running > 0 && self.occupied(checker, job, at)))
        {
            return true;
        }
        // CANCEL_OTHER skips the buffered fire when a later one comes due, or comes due in the same
        // poll.
        let mut met = self.spans.overlapping(at, free + checker.rules.lateness);
        policies.may_overlap(&[Overlap::CancelOther]) && met.any(|(_, _, run)| run.fire_time > at)
    }
}

/// The start of a run that passed the fire time `at` in the queue. That fire time had to start by
/// `deadline` unless it waited.
fn passed(
    checker: &Checker<'_>,
    job: &JobHistory<'_>,
    run: &Run,
    at: Micros,
    deadline: Micros,
) -> Option<Micros> {
    run.start
        .filter(|_| run.fire_time > at && !run.started_in_a_pause(job))
        .filter(|start| *start > deadline)
        // Near a fault the queue may have been left to another node.
        .filter(|start| checker.faults.deadline(*start) == start + checker.rules.lateness)
}

/// The cancellation of a buffered execution that never started. `settlement` checks its cause.
fn cancelled_in_line(execution: &Execution<'_>) -> Option<Micros> {
    let row = execution
        .row
        .filter(|_| execution.deliveries.is_empty())
        .filter(|row| (row.status.as_str(), row.attempt) == ("CANCELLED", 0))?;
    row.finished_at.filter(|_| row.kind == "BUFFERED")
}

impl<'a> Checker<'a> {
    /// The earliest and the latest instant at which the end of an execution can have been written.
    /// The attempt with the highest token counts: later work of a frozen node does not.
    pub(super) fn settled(&self, execution: &Execution<'_>) -> (Micros, Micros) {
        let end = self.history.ended;
        let finished = execution.row.and_then(|row| row.finished_at);
        let Some(last) = execution.last() else {
            // Without a delivery, only the row has the start, and the execution can have waited
            // before.
            let from = execution
                .row
                .and_then(|row| row.started_at)
                .max(execution.fire_time())
                .unwrap_or(end);
            return (
                from,
                finished.unwrap_or(end).min(self.faults.redelivery(from)),
            );
        };
        let seen = last.ended.unwrap_or(last.arrived);
        // Between two attempts the execution is in flight. An end is written soon after the
        // attempt; the row may have the exact instant, within bounds.
        let open = execution.row.is_some_and(|row| row.status == "RETRYING");
        // Later attempts without a delivery are in flight, too, but only during a fault.
        let unseen = execution
            .row
            .map_or(0, |row| (row.attempt - last.attempt).clamp(0, 10));
        match (self.faults.orphaning(last, end.min(seen)), last.ended) {
            (None, Some(ended)) if unseen == 0 => {
                let written = match (finished, self.faults.deadline(ended)) {
                    (None, _) if open => end.min(self.faults.deadline(ended + crate::job::SECOND)),
                    (_, later) if later > ended + self.rules.lateness => later,
                    (finished, calm) => finished.unwrap_or(ended).clamp(ended, calm),
                };
                (ended, written)
            }
            (None, None) => (last.arrived, end),
            _ => {
                let hits: Vec<Micros> = self
                    .faults
                    .hitting(last.node, last.arrived, self.faults.deadline(seen))
                    .map(|fault| fault.from)
                    .collect();
                let from = hits.iter().copied().max().unwrap_or(seen).max(seen);
                // A lost execution ends with the takeover, though the sink still holds the request
                // of a frozen node.
                let seen = hits
                    .iter()
                    .copied()
                    .min()
                    .unwrap_or(seen)
                    .max(last.arrived)
                    .min(seen);
                let until = (0..=unseen).fold(from, |until, _| self.faults.redelivery(until));
                (
                    seen,
                    until.min(finished.unwrap_or(until).max(seen)).max(seen),
                )
            }
        }
    }

    /// Executions of a job with an overlap policy, also those on request, must not be in flight
    /// together.
    pub(super) fn exclusive_runs(&mut self, job: &JobHistory<'a>) {
        let mut runs: Vec<&Execution<'a>> = job
            .executions
            .iter()
            .filter(|execution| execution.first().is_some())
            .collect();
        runs.sort_by_key(|execution| execution.first().map(|first| first.arrived));
        for pair in runs.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let Some(start) = after.first() else { continue };
            if !(self.policies(job, before).exclusive() && self.policies(job, after).exclusive()) {
                continue;
            }
            let subject = Subject::execution(job, after);
            for attempt in &before.deliveries {
                if attempt.arrived <= start.arrived {
                    self.overlap("OVERLAP-JOB", subject, attempt, start);
                    continue;
                }
                // A frozen node sends the request late, when another run is in flight.
                let woke = self
                    .faults
                    .hitting(attempt.node, start.arrived, attempt.arrived)
                    .any(|f| f.scope == Scope::Freezes);
                if !woke {
                    let text = format!(
                        "it started between two attempts of execution {}, which was in flight",
                        before.id
                    );
                    self.report("OVERLAP-JOB", subject, text);
                }
            }
        }
    }
}
