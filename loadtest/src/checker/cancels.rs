//! Cancellations: each cancelled execution has a cause, and a cancelled execution does not run on.
//!
//! A call never explains an execution that began after the call, nor an end long after the call
//! without a fault.

use super::{
    job::{Checker, NOTICE},
    job_history::{Execution, JobHistory},
    policy_set::PolicySet,
    subject::Subject,
};
use crate::micros::Micros;
use crate::{
    history::{Call, CallOutcome, Operation},
    job::Overlap,
};

impl<'a> Checker<'a> {
    /// Causes: a deleted job cancels its next attempts; `CANCEL_OTHER` cancels the running
    /// execution when another comes due; a call cancels the executions of its job in flight, and
    /// those that wait.
    pub(super) fn allowed_cancellation(
        &self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        policies: &PolicySet<'a>,
        finished: Micros,
    ) -> bool {
        job.states.possibly_deleted(finished)
            || (policies.may_overlap(&[Overlap::CancelOther])
                && was_replaced(job, execution, finished))
            || cancels(job).any(|call| self.cancelled_by(call, execution, finished))
    }

    /// Whether a call may have ended an execution at an instant: the execution was there by the
    /// time of the answer, and its node has had the time to stop it.
    fn cancelled_by(&self, call: &Call, execution: &Execution<'a>, finished: Micros) -> bool {
        let since = execution.fire_time().unwrap_or(Micros::MAX) - self.rules.look_ahead;
        let taken_by = self.faults.deadline(call.completed);
        since <= taken_by
            && (call.invoked - self.rules.earliness..=self.faults.redelivery(taken_by))
                .contains(&finished)
    }

    /// Executions in flight at a call that cancelled everything, and that ran on.
    pub(super) fn cancels(&mut self, job: &JobHistory<'a>) {
        // A call without an answer may have cancelled nothing.
        for call in cancels(job).filter(|call| call.outcome == CallOutcome::Done) {
            let stopped = call.completed + self.rules.lateness;
            if self
                .faults
                .any(call.invoked - self.rules.recovery, stopped)
                .next()
                .is_some()
            {
                continue;
            }
            for execution in &job.executions {
                let runs_on = execution.deliveries.iter().find(|delivery| {
                    // An attempt that begins with the call may have been leased after the
                    // cancellation.
                    delivery.arrived + NOTICE < call.invoked
                        && delivery.ended.is_none_or(|ended| ended > stopped)
                });
                if let Some(delivery) = runs_on {
                    let text = format!(
                        "attempt {} ran on after the cancellation at {}",
                        delivery.attempt, call.invoked
                    );
                    self.report("CANCEL-IGNORED", Subject::execution(job, execution), text);
                }
            }
        }
    }
}

/// Calls that cancel all executions of a job in flight, and may have done so.
fn cancels<'a>(job: &JobHistory<'a>) -> impl Iterator<Item = &'a Call> {
    let may_have =
        |call: &&Call| call.operation == Operation::Cancel && call.outcome != CallOutcome::Refused;
    job.states.calls.iter().copied().filter(may_have)
}

/// Whether another fire time of the job came due, or was asked for, before the execution was
/// cancelled.
fn was_replaced(job: &JobHistory<'_>, execution: &Execution<'_>, finished: Micros) -> bool {
    let Some(own) = execution.fire_time() else {
        return false;
    };
    let by_execution = job
        .executions
        .iter()
        .filter(|other| other.id != execution.id)
        .any(|other| {
            other
                .fire_time()
                .is_some_and(|at| (own..=finished).contains(&at))
        });
    // The replacement may have been replaced before a run: then only a row is left.
    let mut by_row = job
        .skips
        .iter()
        .chain(&job.manual_skips)
        .filter(|row| row.reason.as_deref() == Some("OVERLAP"))
        .map(|row| row.fire_time)
        .chain(job.skipped_reruns.iter().copied());
    by_execution || by_row.any(|at| own < at && at <= finished)
}
