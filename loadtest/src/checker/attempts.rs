//! The attempts of one execution at the sink: each has a reason, a higher token, and runs alone.
//!
//! The database is never trusted for a reason: the only reasons are a fault of the earlier
//! attempt's own node, and an answer that is no success.

use super::{
    Redelivery,
    deadlines::{kills, rewinds},
    job::{Checker, NOTICE},
    job_history::{Execution, JobHistory, succeeded, unanswered},
    policy_set::PolicySet,
    subject::Subject,
};
use crate::micros::Micros;
use crate::{
    history::{Delivery, Fault, Scope},
    job::{Recovery, SECOND},
};
use std::collections::BTreeSet;

impl<'a> Checker<'a> {
    /// All attempts of an execution.
    pub(super) fn attempts(
        &mut self,
        job: &JobHistory<'a>,
        execution: &Execution<'a>,
        policies: &PolicySet<'a>,
    ) {
        let subject = Subject::execution(job, execution);
        let mut attempts = execution.deliveries.clone();
        attempts.sort_by_key(|delivery| (delivery.attempt, delivery.arrived));
        for pair in attempts.windows(2) {
            self.pair(job, subject, pair[0], pair[1], policies);
        }
        for delivery in &attempts {
            // Both labels bound the start: a wrong due time excuses no early attempt.
            if delivery.arrived < delivery.due_time.max(delivery.fire_time) - self.rules.earliness {
                self.report(
                    "EARLY",
                    subject,
                    format!("attempt {} arrived before it was due", delivery.attempt),
                );
            }
            if (delivery.job, delivery.fire_time) != (attempts[0].job, attempts[0].fire_time) {
                let text = format!(
                    "attempt {} says fire time {}",
                    delivery.attempt, delivery.fire_time
                );
                self.report("FORGED-LABEL", subject, text);
            }
        }
        self.numbers(subject, execution, &attempts, policies);
        let effects = execution
            .successes()
            .filter(|delivery| delivery.effect)
            .count();
        self.counts().surplus_effects += effects.saturating_sub(1);
        self.counts().fenced += attempts
            .iter()
            .filter(|delivery| delivery.status == Some(409))
            .count();
        if effects > 1 && policies.fenced() {
            self.report(
                "DUP-EFFECT-FENCED",
                subject,
                format!("{effects} effects at a target that refuses stale attempts"),
            );
        }
    }

    /// Two attempts, the lower number first.
    fn pair(
        &mut self,
        job: &JobHistory<'a>,
        subject: Subject,
        a: &Delivery,
        b: &Delivery,
        policies: &PolicySet<'a>,
    ) {
        let (from, until) = (a.arrived.min(b.arrived), a.arrived.max(b.arrived));
        if a.attempt == b.attempt {
            // Only a failover that lost its last writes repeats an attempt under the same number.
            if !self.faults.rewound(from, until) {
                let text = format!(
                    "attempt {} arrived twice, {} us apart",
                    a.attempt,
                    until - from
                );
                self.report("DUP-ATTEMPT", subject, text);
            }
            return;
        }
        if b.arrived < a.arrived {
            // A node that froze between the last check of the clock and the request sends the
            // request on waking.
            let woke = self
                .faults
                .hitting(a.node, from, until)
                .any(|fault| fault.scope == Scope::Freezes || rewinds(fault));
            if woke {
                self.counts().frozen_overlaps += 1;
            } else {
                let text = format!(
                    "attempt {} arrived {} us after attempt {}",
                    a.attempt,
                    until - from,
                    b.attempt
                );
                self.report("TOKEN-REGRESSION", subject, text);
            }
            return;
        }
        self.justified(job, subject, a, b, policies);
        self.overlap("OVERLAP", subject, a, b);
    }

    /// Whether the later attempt had a reason, and came in time.
    fn justified(
        &mut self,
        job: &JobHistory<'a>,
        subject: Subject,
        a: &Delivery,
        b: &Delivery,
        policies: &PolicySet<'a>,
    ) {
        // The node may not have heard of a success: it was cut off from the target, or had just
        // given up.
        let unheard = self
            .faults
            .unheard(a, b.arrived)
            .filter(|_| b.kind == "RETRY");
        if let Some(cut) = unheard {
            // The node gives up when the time limit is over, or when the way is free again.
            let gave_up = cut
                .until
                .max(a.arrived + policies.longest_timeout())
                .max(a.ended.unwrap_or(a.arrived));
            return self.in_time("RETRY-LATE", job, gave_up + SECOND, a, b);
        }
        if let Some(fault) = self.faults.orphaning(a, b.arrived) {
            return self.recovered(job, fault, a, b, policies);
        }
        // A recovery needs a fault whatever was answered; any other next attempt needs an answer
        // that is no success. Where numbers are missing, the recovery may belong to an attempt that
        // the sink never saw: then a fault of any node is enough.
        let unseen =
            b.attempt > a.attempt + 1 && self.faults.any(a.arrived, b.arrived).next().is_some();
        let answered = if succeeded(a) {
            timed_out(a, policies)
        } else {
            a.status.is_some()
        };
        if !answered || (b.kind == "RECOVERY" && !unseen) {
            let text = format!(
                "attempt {} came {} us after attempt {}, which had {:?}, and no fault hit its node",
                b.attempt,
                b.arrived - a.arrived,
                a.attempt,
                a.status
            );
            self.report("REDELIVERY-UNJUSTIFIED", subject, text);
        } else {
            let due = a.ended.unwrap_or(a.arrived) + SECOND;
            self.in_time("RETRY-LATE", job, due, a, b);
        }
    }

    /// An attempt after a fault of the earlier attempt's node: allowed by the policy, and in time.
    fn recovered(
        &mut self,
        job: &JobHistory<'a>,
        fault: &'a Fault,
        a: &Delivery,
        b: &Delivery,
        policies: &PolicySet<'a>,
    ) {
        let timed_out = timed_out(a, policies);
        // Lost, not failed: under MARK_LOST nothing may follow.
        let lost = succeeded(a)
            || a.status.is_none()
            || b.kind == "RECOVERY"
            || (a.status == Some(499) && !timed_out && b.kind != "RETRY");
        if lost && !policies.may_recover(Recovery::Rerun) && !rewinds(fault) {
            let text = format!(
                "attempt {} followed attempt {}, lost by {}, against MARK_LOST",
                b.attempt, a.attempt, fault.kind
            );
            self.report("REDELIVERY-AGAINST-POLICY", later(job, b), text);
        }
        let (orphaned, fault) = self.orphaned(a, b.arrived, fault);
        // An attempt that failed by itself on a node with a later fault is retried, or recovered.
        let retried = a
            .ended
            .filter(|_| timed_out || b.kind == "RETRY" || !unanswered(a))
            .map_or(0, |ended| ended + SECOND);
        if unanswered(a) || succeeded(a) {
            self.analysis.redeliveries.push(Redelivery {
                fault: fault.kind.clone(),
                execution: b.execution,
                took: b.arrived - a.arrived.max(fault.from),
            });
        }
        let due = if succeeded(a) {
            orphaned
        } else {
            orphaned.max(retried)
        };
        self.in_time("REDELIVERY-LATE", job, due, a, b);
    }

    /// The latest instant at which an attempt was orphaned, and the fault: the first fault of its
    /// node that the attempt surely did not outlive, else the latest that may have hit the attempt.
    fn orphaned(&self, a: &Delivery, next: Micros, latest: &'a Fault) -> (Micros, &'a Fault) {
        let surely = self.rules.ttl + self.rules.recovery;
        let fatal = |fault: &&Fault| match fault.scope {
            Scope::Ends => fault.until >= a.arrived,
            Scope::Freezes | Scope::CutsOff => {
                fault.until - fault.from >= surely && fault.until >= a.arrived
            }
            _ => false,
        };
        let end = self.faults.deadline(a.ended.unwrap_or(next).min(next));
        let fault = self
            .faults
            .hitting(a.node, a.arrived, end)
            .find(fatal)
            .unwrap_or(latest);
        // A graceful stop hands over unfinished attempts at the end of its patience: at the end of
        // the process.
        let from = if fault.scope == Scope::Ends && !kills(fault) {
            fault.until
        } else {
            fault.from
        };
        (a.arrived.max(from), fault)
    }

    /// Holds the next attempt to its deadline. Attempts with the numbers in between were leased and
    /// lost or reclaimed: under a fault each of them costs one recovery more. A retry waits for the
    /// end of a pause of its job.
    fn in_time(
        &mut self,
        rule: &str,
        job: &JobHistory<'a>,
        due: Micros,
        a: &Delivery,
        b: &Delivery,
    ) {
        let subject = later(job, b);
        let orphan = rule == "REDELIVERY-LATE";
        let mut deadline = if orphan {
            self.faults.redelivery(due)
        } else {
            self.faults.deadline(due)
        };
        if b.kind == "RETRY" {
            deadline = deadline.max(self.deadline_after_pauses(job, due));
        }
        for _ in a.attempt + 1..b.attempt {
            if deadline < Micros::MAX && self.faults.any(a.arrived, deadline).next().is_some() {
                deadline = self.faults.redelivery(deadline);
            }
        }
        if b.arrived > deadline {
            let text = format!(
                "attempt {} came {} us after it could, {} us were allowed",
                b.attempt,
                b.arrived - due,
                deadline - due
            );
            self.report(rule, subject, text);
        }
    }

    /// The number of attempts, and whether their numbers are complete.
    fn numbers(
        &mut self,
        subject: Subject,
        execution: &Execution<'a>,
        attempts: &[&'a Delivery],
        policies: &PolicySet<'a>,
    ) {
        let (Some(first), Some(last)) = (attempts.first(), attempts.last()) else {
            return;
        };
        let from = first.fire_time.min(first.arrived) - self.rules.look_ahead;
        let until = execution
            .row
            .and_then(|row| row.finished_at)
            .unwrap_or(0)
            .max(last.arrived);
        if self.faults.rewound(from, until) {
            return; // numbers that were lost with the writes come again
        }
        let orphans = attempts
            .iter()
            .filter(|delivery| self.faults.orphaning(delivery, until).is_some())
            .count();
        // An orphaned attempt is no failure, and its recovery has a limit of its own.
        let most = policies.most_attempts() + orphans.min(policies.most_recoveries());
        if attempts.len() > most {
            self.report(
                "TOO-MANY-ATTEMPTS",
                subject,
                format!("{} attempts, {most} were allowed", attempts.len()),
            );
        }
        // The last number may have been leased a moment before the final read, or before a
        // cancellation.
        let ended = execution
            .row
            .filter(|row| matches!(row.status.as_str(), "SUCCESS" | "FAILED" | "LOST"));
        let highest = ended.map_or(last.attempt, |row| row.attempt.max(last.attempt));
        let numbers: BTreeSet<i32> = attempts.iter().map(|delivery| delivery.attempt).collect();
        let all = numbers.iter().copied().eq(1..=highest);
        if !all && self.faults.any(from, until).next().is_none() {
            self.report(
                "ATTEMPT-GAP",
                subject,
                format!("attempts {numbers:?} of {highest}, and no fault is near"),
            );
        }
    }

    /// Two attempts that must not run at the same time; true if they did, explained or not.
    ///
    /// Explained are: a frozen node, which cannot know (until it has woken and had the time to
    /// hear); a killed node, which does nothing more, though the sink may notice late; and the
    /// duplicate of an attempt that a failover lost. A node that is cut off can know, and must have
    /// stopped: never explained.
    pub(super) fn overlap(&mut self, rule: &str, subject: Subject, a: &Delivery, b: &Delivery) {
        let ended = a.ended.unwrap_or(Micros::MAX);
        if ended <= b.arrived {
            return;
        }
        let recovery = self.rules.recovery;
        // An attempt without an end may still run at the final read.
        let known_end = a.ended.unwrap_or(self.history.ended);
        let mut cut_off = false;
        for fault in self.faults.hitting(a.node, a.arrived, b.arrived) {
            let explained = match fault.scope {
                Scope::Freezes => {
                    a.arrived <= fault.until + NOTICE && known_end <= fault.until + recovery
                }
                Scope::Ends | Scope::Cluster => {
                    (kills(fault) && fault.from <= b.arrived) || rewinds(fault)
                }
                // The node had given up, and could not tell the sink.
                Scope::CutsTarget => fault.until >= a.arrived && b.kind == "RETRY",
                _ => false,
            };
            // A node that was cut off could fence itself: no notice of the sink excuses it.
            cut_off |= fault.scope == Scope::CutsOff;
            if explained {
                self.analysis.counts.frozen_overlaps +=
                    usize::from(!kills(fault) && fault.scope != Scope::CutsTarget);
                return;
            }
        }
        if a.status == Some(499) && ended - b.arrived <= NOTICE && !cut_off {
            return; // the client had gone; the sink noticed a moment later
        }
        let rule = if cut_off { "SELF-FENCING" } else { rule };
        let by = a.ended.map_or_else(
            || "for ever".to_owned(),
            |ended| format!("by {} us", ended - b.arrived),
        );
        let (from, to) = (
            self.faults.name(a.node).unwrap_or("?"),
            self.faults.name(b.node).unwrap_or("?"),
        );
        let text = format!(
            "attempt {} on {from} ran into attempt {} on {to} {by}",
            a.attempt, b.attempt
        );
        self.report(rule, subject, text);
    }
}

/// The later attempt of a pair, as the subject of a report.
fn later(job: &JobHistory<'_>, attempt: &Delivery) -> Subject {
    Subject {
        job: job.id,
        fire_time: Some(attempt.fire_time),
        execution: Some(attempt.execution),
    }
}

/// Whether an attempt ended by its time limit.
fn timed_out(attempt: &Delivery, policies: &PolicySet<'_>) -> bool {
    attempt
        .ended
        .is_some_and(|ended| policies.timed_out(ended - attempt.arrived, NOTICE))
}
