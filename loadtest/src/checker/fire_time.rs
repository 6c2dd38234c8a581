//! One fire time after the other: taken once, in time, and skipped only by a policy.
//!
//! The database is never asked whether a fire time ran, only why one did not.

use super::{
    expected::{Expected, latest_due},
    job::{Checker, WAITING},
    job_history::{Execution, JobHistory},
    matching::Interval,
    overlaps::OverlapIndex,
    rows::{last_fire_time, status_and_reason},
    subject::{Finding, Subject},
};
use crate::micros::Micros;
use crate::{
    history::{Delivery, Operation, Row},
    job::Misfire,
};

/// A fire time of a job, with all evidence for it.
pub(super) struct FireTime<'c, 'a> {
    pub(super) job: &'c JobHistory<'a>,
    pub(super) at: Micros,
    pub(super) expected: &'c Expected<'a>,
    pub(super) overlaps: &'c OverlapIndex,
}

impl<'a> FireTime<'_, 'a> {
    /// Whether the fire time may wait for a run while runs of its job followed each other until the
    /// final read or a deletion.
    fn waits(&self, checker: &Checker<'a>) -> bool {
        self.expected.policies.may_overlap(&WAITING)
            && self.overlaps.occupied(checker, self.job, self.at)
    }
}

impl<'a> Checker<'a> {
    /// Checks one fire time; returns the demand on the matching.
    pub(super) fn fire_time(
        &mut self,
        due: &FireTime<'_, 'a>,
        executions: &[&Execution<'a>],
        skips: &[&'a Row],
    ) -> Interval {
        let expected = due.expected;
        let first = executions.first().map(|execution| execution.id);
        let subject = Subject {
            execution: first,
            ..Subject::fire_time(due.job.id, due.at)
        };
        let is_normal = expected.must && expected.normal;
        let counts = self.counts();
        counts.must += usize::from(expected.must);
        counts.may += usize::from(!expected.must);
        counts.normal += usize::from(is_normal);
        if executions.len() > 1 {
            self.report(
                "DOUBLE-EXECUTION",
                subject,
                format!("{} executions of one fire time", executions.len()),
            );
        }
        let mut interval = Interval {
            from: due.at - self.rules.earliness,
            until: expected.deadline,
            required: is_normal,
        };
        let delivered: Vec<_> = executions
            .iter()
            .filter(|execution| execution.first().is_some())
            .collect();
        for execution in &delivered {
            interval.until = interval.until.max(self.first_start(due, execution));
            // A database that was set back decides again about what it forgot.
            let is_forgotten = execution
                .first()
                .is_some_and(|first| self.faults.rewound(first.arrived, first.arrived));
            if let Some(row) = skips.first()
                && !is_forgotten
            {
                let text = format!(
                    "was delivered, and execution {} says {}",
                    row.execution,
                    status_and_reason(row)
                );
                self.report("SKIPPED-BUT-RUN", subject, text);
            }
        }
        if delivered.is_empty() {
            match self.absence(due, executions, skips) {
                Ok(absence) => {
                    self.counts().skipped += usize::from(absence == Absence::Skipped);
                    interval.required = false;
                }
                Err(Finding { rule, text }) => self.report(rule, subject, text),
            }
        }
        interval
    }

    /// Why nothing was delivered for a fire time; else the violation.
    fn absence(
        &self,
        due: &FireTime<'_, 'a>,
        executions: &[&Execution<'a>],
        skips: &[&'a Row],
    ) -> Result<Absence, Finding> {
        if let Some(execution) = executions.first() {
            // The end is checked by `settlement`.
            let cancelled = execution.status() == Some("CANCELLED");
            return Ok(if cancelled {
                Absence::Skipped
            } else {
                Absence::Open
            });
        }
        if let Some(row) = skips.first() {
            return self.skip_allowed(due, row).map(|()| Absence::Skipped);
        }
        if !due.expected.must {
            return Ok(Absence::Open);
        }
        // A deletion writes a row for every waiting fire time.
        if !due.waits(self) || due.job.states.surely_deleted(self.history.ended) {
            return Err(Finding::new("LOST", lost_text(due)));
        }
        if let Some(start) = due
            .overlaps
            .overtaken_at(self, due.job, due.at, due.expected)
        {
            return Err(Finding::new(
                "LOST",
                format!("it would wait still, but a later fire time started at {start}"),
            ));
        }
        Ok(Absence::Open)
    }

    /// The first start of an execution; the latest allowed start.
    fn first_start(&mut self, due: &FireTime<'_, 'a>, execution: &Execution<'a>) -> Micros {
        let FireTime {
            job,
            expected,
            overlaps,
            ..
        } = *due;
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else {
            return expected.deadline;
        };
        let subject = Subject::execution(job, execution);
        let late = first.arrived - at;
        let mut deadline = expected.deadline;
        // A start after the deadline may have waited for the end of a run, and then for the end of
        // a pause.
        if first.arrived > deadline
            && expected.policies.may_overlap(&WAITING)
            && let Some(end) = overlaps.waited(execution, at, deadline)
        {
            deadline = deadline.max(self.deadline_after_pauses(job, end));
        }
        if first.arrived < at - self.rules.earliness {
            self.report(
                "EARLY",
                subject,
                format!("arrived {} us before its fire time", -late),
            );
        }
        if first.arrived > deadline {
            self.report(
                "LATE",
                subject,
                format!(
                    "arrived {late} us after its fire time; {} us were allowed",
                    deadline - at
                ),
            );
        }
        if first.kind == "SCHEDULE" && first.attempt == 1 {
            self.due_time(job, execution, first, at);
        }
        // A fire time that waited for the end of a run was late by its policy, not by the cluster.
        if first.kind != "BUFFERED" {
            let due = if first.attempt == 1 {
                first
                    .due_time
                    .clamp(at, at + expected.policies.longest_jitter())
            } else {
                at
            };
            self.analysis
                .lateness(expected.normal)
                .push(first.arrived - due);
        }
        self.misfired(job, execution, expected);
        self.fired_after_pause(job, execution);
        deadline
    }

    /// A jitter lies within the bounds of a version that may own the fire time.
    fn due_time(
        &mut self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        first: &Delivery,
        at: Micros,
    ) {
        let latest = latest_due(&job.states, at, &self.rules);
        if !(at - self.rules.earliness..=latest + self.rules.earliness).contains(&first.due_time) {
            let text = format!(
                "due {} us after its fire time; {} us were allowed",
                first.due_time - at,
                latest - at
            );
            self.report("FORGED-LABEL", Subject::execution(job, execution), text);
        }
    }

    /// A fire time or a retry that started when its job had surely been paused or deleted for
    /// longer than the look-ahead. During a fault the lease may be older and the request late.
    fn fired_after_pause(&mut self, job: &JobHistory<'a>, execution: &Execution<'a>) {
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else {
            return;
        };
        for attempt in &execution.deliveries {
            let fires = attempt.kind == "RETRY"
                || (attempt.attempt == 1
                    && matches!(attempt.kind.as_str(), "SCHEDULE" | "BUFFERED"));
            let since = attempt.arrived - self.rules.look_ahead - self.rules.lateness;
            let leased = if attempt.attempt == first.attempt {
                at
            } else {
                since
            };
            if fires
                && !job.states.possibly_active(since, attempt.arrived)
                && self
                    .faults
                    .hitting(
                        attempt.node,
                        leased - self.rules.look_ahead,
                        attempt.arrived,
                    )
                    .next()
                    .is_none()
            {
                let text = format!(
                    "attempt {} started after its job was paused or deleted",
                    attempt.attempt
                );
                self.report("GHOST", Subject::execution(job, execution), text);
            }
        }
    }

    /// Whether a policy allows the absence of the fire time.
    fn skip_allowed(&self, due: &FireTime<'_, 'a>, row: &Row) -> Result<(), Finding> {
        let FireTime {
            job,
            at,
            expected,
            overlaps,
        } = *due;
        let policies = &expected.policies;
        // The instant at which the cluster noticed a misfire is unknown. But only a fault can have
        // made that instant late, and it cannot be later than the latest allowed start.
        let missed = !expected.normal && self.oldest_missed(job, at, expected, row);
        let allowed = match row.reason.as_deref() {
            // A pause or a deletion that comes before the lease writes the row.
            Some("PAUSED") => job.states.possibly_paused(at, expected.deadline),
            // A fire time that waits for a run outlives a pause, but not a deletion.
            Some("DELETED") => job.states.possibly_deleted(expected.deadline) || due.waits(self),
            Some("MISFIRE") => missed && policies.may_misfire(Misfire::Skip),
            Some("COALESCED") if missed && policies.may_misfire(Misfire::FireOnce) => {
                // While runs follow each other, the target of the row may not have started.
                return if due.waits(self) {
                    Ok(())
                } else {
                    coalesced(due, row)
                };
            }
            Some("OVERLAP") => overlaps.may_skip(self, job, at, expected),
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        let text = format!(
            "left out as {}, which nothing allows (policies {policies:?})",
            status_and_reason(row)
        );
        Err(Finding::new("LOST", text))
    }
}

/// Why nothing was delivered of a fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absence {
    /// Skipped by a policy or a command.
    Skipped,
    /// Not required yet at the final read.
    Open,
}

/// The violation of a fire time without any trace.
fn lost_text(due: &FireTime<'_, '_>) -> String {
    let deadline = due.expected.deadline;
    // The usual cause is a command that came between the instant and the lease.
    let command = due
        .job
        .states
        .calls
        .iter()
        .filter(|call| {
            !matches!(
                call.operation,
                Operation::RunNow | Operation::Rerun(_) | Operation::Enqueue(_) | Operation::Cancel
            )
        })
        .find(|call| (due.at..=deadline).contains(&call.invoked));
    let gap = command.map_or_else(String::new, |call| {
        let after = call.invoked - due.at;
        format!(
            ": lost in the gap, {} came {after} us after it",
            call.operation.name()
        )
    });
    format!(
        "nothing was delivered by {} us after it, and no row says why{gap}",
        deadline - due.at
    )
}

/// Whether the target of a coalesced row exists: a later execution that ran, or that another policy
/// skipped.
fn coalesced(due: &FireTime<'_, '_>, row: &Row) -> Result<(), Finding> {
    let into = row.coalesced_into;
    // Later than this fire time and than the whole range of the row.
    let earliest = last_fire_time(row).max(due.at + 1);
    let run = due
        .job
        .executions
        .iter()
        .find(|execution| Some(execution.id) == into);
    let ran = run.is_some_and(|run| {
        run.fire_time() >= Some(earliest)
            && (run.first().is_some() || run.status() != Some("SUCCESS"))
    });
    let mut skips = due
        .job
        .skips
        .iter()
        .filter(|skip| Some(skip.execution) == into);
    if ran
        || skips.any(|skip| skip.reason.as_deref() == Some("OVERLAP") && skip.fire_time >= earliest)
    {
        return Ok(());
    }
    let text = format!("folded into {into:?}, which is no later execution of its job that ran");
    Err(Finding::new("COALESCED-INTO-NOTHING", text))
}
