//! Ends without success: each must follow from the policies of its execution.

use super::{
    deadlines::rewinds,
    job::Checker,
    job_history::{Execution, JobHistory, succeeded},
    policy_set::PolicySet,
    rows::status_and_reason,
    subject::Finding,
};
use crate::micros::Micros;
use crate::{
    history::{Fault, Row, Scope},
    job::Recovery,
};

impl<'a> Checker<'a> {
    /// Whether the end of an execution without success follows from its policies; else the
    /// violation.
    pub(super) fn allowed_end(
        &self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        policies: &PolicySet<'a>,
    ) -> Result<(), Finding> {
        let Some(row) = execution.row else {
            return Ok(());
        };
        match row.status.as_str() {
            "FAILED" => self.allowed_failure(execution, row, policies),
            "LOST" => self.allowed_loss(execution, row, policies),
            "CANCELLED"
                if self.allowed_cancellation(job, execution, policies, self.finished(row)) =>
            {
                Ok(())
            }
            "CANCELLED" => Err(Finding::new(
                "CANCELLED-WITHOUT-CAUSE",
                "no later fire replaced it, and no call cancelled it or deleted its job",
            )),
            status => Err(Finding::new("UNRECOVERED", format!("{status} is no end"))),
        }
    }

    /// A failure needs the number of failed attempts that the policies grant, or more crashes than
    /// they recover from.
    fn allowed_failure(
        &self,
        execution: &Execution<'a>,
        row: &Row,
        policies: &PolicySet<'a>,
    ) -> Result<(), Finding> {
        let failed = execution
            .deliveries
            .iter()
            .filter(|delivery| !succeeded(delivery))
            .count();
        let allowed = match row.reason.as_deref() {
            // The sink did not see the attempt fail: the node was cut off from its target, or
            // frozen until the attempt timed out.
            Some("ERROR" | "TIMEOUT") => {
                failed >= policies.fewest_attempts() || self.may_fail_unseen(row)
            }
            Some("CRASH_LOOP") => {
                let recovered =
                    u32::try_from(row.recoveries).is_ok_and(|n| n >= policies.fewest_recoveries());
                recovered && self.may_be_lost(execution, row)
            }
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        let text = format!(
            "{} after {failed} failed attempts, {} recoveries",
            status_and_reason(row),
            row.recoveries
        );
        Err(Finding::new("GAVE-UP-EARLY", text))
    }

    /// A loss needs the policy `MARK_LOST`, an attempt that may have started, and a fault that
    /// orphaned the attempt.
    fn allowed_loss(
        &self,
        execution: &Execution<'a>,
        row: &Row,
        policies: &PolicySet<'a>,
    ) -> Result<(), Finding> {
        if !policies.may_recover(Recovery::MarkLost) {
            return Err(Finding::new("UNRECOVERED", "LOST, and its policy is RERUN"));
        }
        if self.never_started(execution, row) {
            let text = format!(
                "attempt {} never started, and its node lived on",
                row.attempt
            );
            return Err(Finding::new("LOST-UNBEGUN", text));
        }
        if !self.may_be_lost(execution, row) {
            return Err(Finding::new(
                "LOST-WITHOUT-FAULT",
                "no fault hit the node of its last attempt",
            ));
        }
        Ok(())
    }

    /// Whether a fault may have orphaned the last attempt.
    fn may_be_lost(&self, execution: &Execution<'a>, row: &Row) -> bool {
        let finished = self.finished(row);
        match execution.last() {
            // The last attempt may have been lost before it reached the sink.
            Some(last) if row.attempt > last.attempt => {
                self.faults.any(last.arrived, finished).next().is_some()
            }
            Some(last) => self.faults.orphaning(last, finished).is_some(),
            // An execution that was buffered first can be lost without a delivery, too.
            None => {
                let leased = self.leased(row);
                let started = row.started_at.max(Some(row.fire_time)).unwrap_or(leased);
                self.faults
                    .any(leased, self.faults.deadline(started))
                    .next()
                    .is_some()
            }
        }
    }

    /// Whether a fault near the execution lets an attempt fail without a failure at the sink.
    fn may_fail_unseen(&self, row: &Row) -> bool {
        let mut faults = self.faults.any(self.leased(row), self.finished(row));
        faults.any(|fault| matches!(fault.scope, Scope::CutsTarget | Scope::Freezes))
    }

    /// Whether a lost attempt never reached the target although the node lived on and could have
    /// reclaimed the attempt: only the database was away.
    fn never_started(&self, execution: &Execution<'a>, row: &Row) -> bool {
        let Some(node) = row.node else { return false };
        let started = execution
            .deliveries
            .iter()
            .any(|delivery| delivery.attempt == row.attempt);
        let from = row
            .started_at
            .map_or(self.leased(row), |started| started - self.rules.look_ahead);
        // A fault of the whole cluster takes an attempt only if the fault ends the process or loses
        // writes.
        let takes_attempts = |fault: &Fault| {
            fault.scope != Scope::Cluster || rewinds(fault) || self.faults.ends(fault, node)
        };
        !started
            && self.faults.name(node).is_some()
            && !self
                .faults
                .hitting(node, from, self.finished(row))
                .any(takes_attempts)
    }

    /// The earliest instant at which the execution of a row can have been leased.
    fn leased(&self, row: &Row) -> Micros {
        row.fire_time - self.rules.look_ahead
    }

    fn finished(&self, row: &Row) -> Micros {
        row.finished_at.unwrap_or(self.history.ended)
    }
}
