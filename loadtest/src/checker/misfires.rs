//! Misfires: fire times that were found later than their grace.

use super::{
    deadlines::locks_log,
    expected::{Expected, latest_due},
    job::Checker,
    job_history::{Execution, JobHistory},
    subject::Subject,
};
use crate::micros::Micros;
use crate::{
    history::{Delivery, Row, Scope},
    job::Misfire,
};
use std::collections::BTreeMap;

impl<'a> Checker<'a> {
    /// A misfire that ran against the policy. A fire time that was found within the grace may still
    /// be sent late: see [`Self::decision_delay`].
    pub(super) fn misfired(
        &mut self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        this: &Expected<'a>,
    ) {
        let (Some(first), Some(at)) = (execution.first(), execution.fire_time()) else {
            return;
        };
        if first.attempt != 1
            || first.kind != "SCHEDULE"
            || !this.policies.must_misfire(Misfire::Skip)
        {
            return;
        }
        let delay = self.decision_delay(first, at);
        let most = this.policies.longest_jitter()
            + this.policies.longest_grace()
            + self.rules.lateness
            + delay;
        if first.arrived - at > most {
            let text = format!(
                "ran {} us late, later than its grace, with the policy SKIP",
                first.arrived - at
            );
            self.report("MISFIRE-FIRED", Subject::execution(job, execution), text);
        }
    }

    /// The longest time from a decision to the start: its node may stand still in between, or its
    /// lease may have read the clock and then waited for the log or the disk.
    fn decision_delay(&self, first: &Delivery, at: Micros) -> Micros {
        let mut faults = self.faults.hitting(first.node, at, first.arrived);
        if faults.any(|fault| fault.scope == Scope::Freezes) {
            // The node stops trusting its membership after one TTL.
            return self.rules.ttl;
        }
        // The node gives a call up after half a TTL.
        let call = self.rules.ttl / 2;
        let log_was_locked = self
            .faults
            .any(at, first.arrived)
            .any(|fault| locks_log(fault) && fault.until >= first.arrived - call);
        if log_was_locked || self.faults.stalled(at, first.arrived) {
            call
        } else {
            0
        }
    }

    /// `FIRE_ONCE` ran two fire times that were both later than the grace when the first of them
    /// started.
    pub(super) fn fire_once(
        &mut self,
        job: &JobHistory<'a>,
        expected: &BTreeMap<Micros, Expected<'a>>,
        taken: &BTreeMap<Micros, Vec<&Execution<'a>>>,
    ) {
        let runs: Vec<_> = taken
            .iter()
            .filter_map(|(at, executions)| once_run(*at, executions, expected))
            .collect();
        for pair in runs.windows(2) {
            let [run, next] = pair else { continue };
            if self.missed_both(run, next) {
                let text = format!(
                    "ran although the fire time at {} was missed as well: FIRE_ONCE runs the last",
                    next.fire_time
                );
                self.report(
                    "MISFIRE-FIRED",
                    Subject::execution(job, run.execution),
                    text,
                );
            }
        }
    }

    /// Whether the first of two runs was found so late that the second had been missed as well.
    fn missed_both(&self, run: &OnceRun<'_, 'a>, next: &OnceRun<'_, 'a>) -> bool {
        let found =
            run.first.arrived - self.rules.lateness - self.decision_delay(run.first, run.fire_time);
        // Fire times that are due when the first is found too late are missed as well, however
        // young.
        found > run.fire_time + run.grace && found > next.fire_time
    }

    /// Whether the fire time was missed, by the oldest fire time of its row: when the oldest is
    /// found later than the grace, the policy decides about every fire time that is due by then.
    pub(super) fn oldest_missed(
        &self,
        job: &JobHistory<'a>,
        at: Micros,
        this: &Expected<'a>,
        row: &Row,
    ) -> bool {
        // The most permissive version counts: during an edit either grace may hold.
        let grace = this.policies.shortest_grace();
        let oldest = row.fire_time.min(at);
        let found = self
            .faults
            .deadline(latest_due(&job.states, oldest, &self.rules));
        this.deadline >= at + grace || (found >= oldest + grace && found >= at)
    }
}

/// A scheduled run of a job that surely had the policy `FIRE_ONCE`.
struct OnceRun<'e, 'a> {
    fire_time: Micros,
    execution: &'e Execution<'a>,
    first: &'a Delivery,
    grace: Micros,
}

fn once_run<'e, 'a>(
    fire_time: Micros,
    executions: &[&'e Execution<'a>],
    expected: &BTreeMap<Micros, Expected<'a>>,
) -> Option<OnceRun<'e, 'a>> {
    let (execution, this) = (*executions.first()?, expected.get(&fire_time)?);
    let first = execution
        .first()
        .filter(|first| first.attempt == 1 && first.kind == "SCHEDULE")?;
    let grace = this.policies.longest_grace();
    this.policies
        .must_misfire(Misfire::FireOnce)
        .then_some(OnceRun {
            fire_time,
            execution,
            first,
            grace,
        })
}
