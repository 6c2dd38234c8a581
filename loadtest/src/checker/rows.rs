//! The log of the database against the sink: each statement of a row must be true, and each event
//! at the sink must have a row.
//!
//! The rows are checked, never trusted: they explain no deviation at the sink.

use super::{
    expected::Expected,
    job::{Checker, NOTICE},
    job_history::{Execution, JobHistory, succeeded, transitions_by_execution},
    policy_set::PolicySet,
    subject::{Finding, Subject},
};
use crate::history::{Delivery, Row, Scope, Transition};
use crate::micros::Micros;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// Whether a row says that a fire time was left out.
fn left_out(job: &JobHistory<'_>, fire_time: Micros) -> bool {
    job.skips
        .iter()
        .any(|row| (row.fire_time..=last_fire_time(row)).contains(&fire_time))
}

impl<'a> Checker<'a> {
    /// The end of an execution, and whether its row agrees.
    pub(super) fn settlement(
        &mut self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        policies: &PolicySet<'a>,
    ) {
        let subject = Subject::execution(job, execution);
        let Some(row) = execution.row else {
            let (Some(first), Some(last)) = (execution.first(), execution.deliveries.last()) else {
                return;
            };
            // A run on request has a random id: when its row is lost, it does not come again. Another
            // fire time may come again as part of a range that is left out.
            let is_forgotten = self.faults.rewound(first.arrived, last.arrived);
            if !is_forgotten || !(execution.manual || left_out(job, first.fire_time)) {
                self.report(
                    "NO-DB-ROW",
                    subject,
                    "was delivered, and no row stands for it",
                );
            }
            return;
        };
        if execution
            .first()
            .is_some_and(|first| first.fire_time != row.fire_time)
        {
            self.report(
                "FORGED-LABEL",
                subject,
                format!("its row says fire time {}", row.fire_time),
            );
        }
        if matches!(row.status.as_str(), "RUNNING" | "RETRYING") {
            return self.unfinished(job, execution, row, policies);
        }
        let effects: Vec<_> = execution.successes().collect();
        if row.status == "SUCCESS" {
            if effects.is_empty() {
                return self.report(
                    "PHANTOM-SUCCESS",
                    subject,
                    "SUCCESS, and the sink never answered 2xx",
                );
            }
            return self.fenced(subject, execution, row);
        }
        let end = self.allowed_end(job, execution, policies);
        // A node with a cancel request may have cancelled just before the success arrived.
        let cancelled_at =
            (row.status == "CANCELLED" && end.is_ok()).then(|| row.finished_at.unwrap_or(0));
        let forgotten = effects.iter().find(|delivery| {
            let ended = delivery.ended.unwrap_or(delivery.arrived);
            !self.may_be_unknown(delivery, policies)
                && cancelled_at.is_none_or(|at| ended + NOTICE < at)
        });
        if let Some(delivery) = forgotten {
            let text = format!(
                "attempt {} was answered 2xx, no fault hit its node, and its row says {}",
                delivery.attempt,
                status_and_reason(row)
            );
            return self.report("FORGOTTEN-SUCCESS", subject, text);
        }
        if let Err(Finding { rule, text }) = end {
            return self.report(rule, subject, text);
        }
        self.fenced(subject, execution, row);
    }

    /// Whether the node of an attempt, or the database, may not know of its success: a fault hit
    /// the node, the node was cut off from the target, or it was just giving up.
    fn may_be_unknown(&self, delivery: &Delivery, policies: &PolicySet<'a>) -> bool {
        let ended = delivery.ended.unwrap_or(delivery.arrived);
        self.faults.orphaning(delivery, Micros::MAX).is_some()
            || self.faults.unheard(delivery, Micros::MAX).is_some()
            || policies.timed_out(ended - delivery.arrived, NOTICE)
    }

    /// A row that another attempt than the last wrote, or that was written before the end of its
    /// attempt.
    fn fenced(&mut self, subject: Subject, execution: &Execution<'a>, row: &Row) {
        let finished = row.finished_at.unwrap_or(Micros::MIN);
        let highest = execution.last().map_or(0, |last| last.attempt);
        if self
            .faults
            .rewound(row.fire_time, finished.max(row.fire_time))
        {
            return; // numbers and ends that were lost with the writes come again
        }
        if highest > row.attempt {
            let text = format!(
                "attempt {highest} was delivered, and its row ended as {} by attempt {}",
                status_and_reason(row),
                row.attempt
            );
            return self.report("STALE-COMPLETION", subject, text);
        }
        let mut winners = execution
            .deliveries
            .iter()
            .filter(|delivery| delivery.attempt == row.attempt);
        if row.status == "SUCCESS" {
            let earned = winners.clone().any(|delivery| {
                succeeded(delivery)
                    && delivery
                        .ended
                        .is_some_and(|ended| ended <= finished + self.rules.earliness)
            });
            if !earned {
                let text = format!(
                    "SUCCESS of attempt {} at {finished}, which had not been answered 2xx by then",
                    row.attempt
                );
                self.report("STALE-COMPLETION", subject, text);
            }
        } else if row.status == "FAILED" && row.reason.as_deref() != Some("CRASH_LOOP") {
            // A failure is written at the end of its attempt; the hang-up of a node that is cut off
            // from the target stays unheard.
            let open = winners
                .find(|delivery| delivery.ended.is_none_or(|ended| ended > finished + NOTICE));
            if let Some(open) = open {
                let unheard = self
                    .faults
                    .hitting(open.node, open.arrived, finished)
                    .any(|fault| fault.scope == Scope::CutsTarget);
                if !unheard {
                    let text = format!(
                        "{} at {finished}, and attempt {} was still with the sink",
                        status_and_reason(row),
                        row.attempt
                    );
                    self.report("STALE-COMPLETION", subject, text);
                }
            }
        }
    }

    /// A row that is still open at the final read.
    fn unfinished(
        &mut self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        row: &Row,
        policies: &PolicySet<'a>,
    ) {
        let subject = Subject::execution(job, execution);
        let end = self.history.ended;
        let last = execution.last();
        let orphaning = last.and_then(|last| self.faults.orphaning(last, end));
        if let Some(last) = last
            && row.status == "RUNNING"
            && (last.attempt, last.ended, orphaning) == (row.attempt, None, None)
            && !policies.timed_out(end - last.arrived, -self.rules.lateness)
        {
            return; // it hangs, on a node that lives
        }
        let moved = last
            .map_or(row.fire_time, |last| last.ended.unwrap_or(last.arrived))
            .max(row.fire_time);
        let orphaned = orphaning.map_or(moved, |fault| moved.max(fault.from));
        // One retry more may be waiting, and one lost attempt more may have left no delivery.
        let retry = self.faults.redelivery(orphaned + crate::job::SECOND);
        if row.status == "RETRYING" && job.states.pause_end(orphaned, retry) == Some(Micros::MAX) {
            return; // a retry of a paused job waits for the resume
        }
        let started = self.faults.redelivery(row.started_at.unwrap_or(0));
        if retry.max(started) < end {
            let text = format!(
                "{} at the final read; nothing moved since {moved}",
                row.status
            );
            self.report("UNRECOVERED", subject, text);
        }
    }

    /// Rows that stand for a range: they count the fire times that the schedule names in the range.
    pub(super) fn ranges(
        &mut self,
        job: &JobHistory<'a>,
        expected: &BTreeMap<Micros, Expected<'a>>,
    ) {
        for row in &job.skips {
            let subject = Subject::row(row);
            if self.is_fixed_delay_time(job, row.fire_time)
                && !expected.contains_key(&row.fire_time)
            {
                let allowed = match row.reason.as_deref() {
                    Some("OVERLAP") => job.states.policies().exclusive(),
                    Some("PAUSED") => job
                        .states
                        .possibly_paused(row.fire_time, self.faults.deadline(row.fire_time)),
                    Some("DELETED") => job
                        .states
                        .possibly_deleted(self.faults.deadline(row.fire_time)),
                    _ => false,
                };
                if !allowed {
                    self.report(
                        "LOST",
                        subject,
                        format!(
                            "a fire time of a fixed delay left out as {}",
                            status_and_reason(row)
                        ),
                    );
                }
                continue;
            }
            let within = expected.range(row.fire_time..=last_fire_time(row));
            // Fire times that a command may have removed count as possible, not as required.
            let (mut most, mut fewest) = (0, 0);
            for (_, this) in within {
                most += 1;
                fewest += i32::from(this.must);
            }
            let ends = [row.fire_time, last_fire_time(row)]
                .iter()
                .all(|at| expected.contains_key(at));
            let said = row.occurrences.unwrap_or(1);
            if !ends {
                self.report(
                    "GHOST",
                    subject,
                    format!(
                        "{} of a fire time that its job had not",
                        status_and_reason(row)
                    ),
                );
            } else if !(fewest..=most).contains(&said) {
                let text = format!(
                    "{} says {said} fire times, the schedule names {fewest} to {most}",
                    status_and_reason(row)
                );
                self.report("RANGE-COUNT", subject, text);
            }
        }
    }

    /// Two rows for one fire time of a job, one of them possibly a range.
    pub(super) fn duplicate_rows(&mut self, job: &JobHistory<'a>) {
        let taken = job
            .executions
            .iter()
            .filter(|execution| !execution.manual)
            .filter_map(|execution| execution.row);
        let mut rows: Vec<&Row> = taken.chain(job.skips.iter().copied()).collect();
        rows.sort_by_key(|row| (row.fire_time, last_fire_time(row)));
        let mut latest: Option<&Row> = None;
        for row in rows {
            if let Some(before) = latest.filter(|before| last_fire_time(before) >= row.fire_time) {
                let subject = Subject::row(row);
                let text = format!(
                    "{} and {} of {} both stand for it",
                    status_and_reason(row),
                    status_and_reason(before),
                    before.execution
                );
                self.report("DB-TWO-ROWS", subject, text);
            }
            // A long range may cover several later rows: the widest one stays for comparison.
            if latest.is_none_or(|before| last_fire_time(before) < last_fire_time(row)) {
                latest = Some(row);
            }
        }
    }

    /// Ends are final, numbers of attempts only grow, and each row has transitions and each of these
    /// a row: the database records both in one transaction, and drills remove no row.
    pub(super) fn transitions(&mut self) {
        let rows: HashMap<Uuid, &Row> = self
            .history
            .rows
            .iter()
            .map(|row| (row.execution, row))
            .collect();
        let by_execution = transitions_by_execution(self.history);
        // A history without any comes from a drill that recorded none.
        let unwritten =
            self.history.rows.iter().filter(|row| {
                !by_execution.is_empty() && !by_execution.contains_key(&row.execution)
            });
        for row in unwritten {
            let text = format!(
                "its row says {}, and nothing wrote it",
                status_and_reason(row)
            );
            self.report("HISTORY-MISMATCH", Subject::row(row), text);
        }
        for (execution, transitions) in by_execution {
            let row = rows.get(&execution).copied();
            let subject = Subject {
                job: row.map_or(Uuid::nil(), |row| row.job),
                fire_time: row.map(|row| row.fire_time),
                execution: Some(execution),
            };
            for pair in transitions.windows(2) {
                self.transition(subject, pair[0], pair[1]);
            }
            let last = transitions
                .last()
                .map(|last| (last.status.as_str(), last.attempt));
            let stands = row.map(|row| (row.status.as_str(), row.attempt));
            // No row at all is a mismatch as well.
            if last != stands {
                self.report(
                    "HISTORY-MISMATCH",
                    subject,
                    format!("its row says {stands:?}, the last that was written is {last:?}"),
                );
            }
        }
    }

    fn transition(&mut self, subject: Subject, before: &Transition, after: &Transition) {
        let ended = !matches!(before.status.as_str(), "RUNNING" | "RETRYING");
        // An end that is written twice: the first or the second writer had no right to write.
        let same = !ended && (&before.status, before.attempt) == (&after.status, after.attempt);
        if same || self.faults.rewound(before.at, after.at) {
            return; // a failover takes back what it lost
        }
        if ended || after.attempt < before.attempt {
            let text = format!(
                "{} of attempt {} became {} of attempt {}",
                before.status, before.attempt, after.status, after.attempt
            );
            self.report("END-CHANGED", subject, text);
        }
    }

    /// The findings of the audits, unless explained by a fault; at the final read nothing explains
    /// them.
    pub(super) fn stuck(&mut self) {
        for finding in &self.history.stuck {
            let since = self.rules.ttl + self.rules.recovery;
            // The last audit belongs to the final read: the faults are long over.
            let last = finding.at + crate::job::SECOND >= self.history.ended;
            let mut faults = self
                .history
                .faults
                .iter()
                .filter(|fault| !matches!(fault.scope, Scope::Harmless | Scope::Stalls));
            if last || !faults.any(|fault| (fault.from..=fault.until + since).contains(&finding.at))
            {
                let subject = Subject {
                    execution: Some(finding.id),
                    ..Subject::CLUSTER
                };
                self.report(
                    "STUCK",
                    subject,
                    format!("{} at {}", finding.rule, finding.at),
                );
            }
        }
    }

    /// Nodes that were declared dead although no fault had hit them.
    pub(super) fn deaths(&mut self) {
        for node in self
            .history
            .nodes
            .iter()
            .filter(|node| node.state == "DEAD")
        {
            let died = node.ended_at.unwrap_or(self.history.ended);
            // Without an instant of the death, any fault of the lifetime explains the death.
            let since = if node.ended_at.is_some() {
                died
            } else {
                node.started_at
            };
            if self
                .faults
                .hitting(node.id, since, died)
                .any(|fault| fault.scope != Scope::CutsTarget)
            {
                continue;
            }
            let subject = Subject::CLUSTER;
            let text = format!(
                "{} was declared dead at {died} by {:?}, and nothing had hit it",
                node.name, node.ended_by
            );
            self.report("FALSE-DEATH", subject, text);
        }
    }

    /// Jobs without an answered creation: as many as creations without an answer, and not before
    /// those.
    pub(super) fn unknown_jobs(&mut self, jobs: &[JobHistory<'a>]) {
        let mut open: Vec<Micros> = self
            .history
            .calls
            .iter()
            .filter(|call| call.may_have_created())
            .map(|call| call.invoked)
            .collect();
        open.sort_unstable();
        let mut unknown: Vec<_> = jobs
            .iter()
            .filter(|job| !job.has_known_creation())
            .map(|job| (job.first_seen().unwrap_or(0), job))
            .collect();
        unknown.sort_by_key(|(at, job)| (*at, job.id));
        let mut taken = HashSet::new();
        for (at, job) in unknown {
            let creation = (0..open.len())
                // The latest creation that fits: an earlier one may belong to an earlier job.
                .rev()
                .find(|index| open[*index] <= at && !taken.contains(index));
            if let Some(index) = creation {
                taken.insert(index);
            } else {
                let subject = Subject::job(job.id);
                self.report("GHOST", subject, "a job without a possible creation");
            }
            for execution in &job.executions {
                let policies = PolicySet::default();
                self.attempts(job, execution, &policies);
                // Whether another end was allowed depends on policies that no call tells.
                if execution.row.is_none_or(|row| row.status == "SUCCESS") {
                    self.settlement(job, execution, &policies);
                }
            }
            self.duplicate_rows(job);
        }
    }
}

/// The last fire time of a row.
pub(super) fn last_fire_time(row: &Row) -> Micros {
    row.through_fire_time
        .unwrap_or(row.fire_time)
        .max(row.fire_time)
}

/// A row's status and reason.
pub(super) fn status_and_reason(row: &Row) -> String {
    row.reason.as_ref().map_or_else(
        || row.status.clone(),
        |reason| format!("{}/{reason}", row.status),
    )
}
