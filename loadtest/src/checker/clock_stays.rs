//! A drill in which the database's clock jumps and stays: checked by fewer rules.
//!
//! The checker has one clock; in such a drill the fire times come from another. Checked are the
//! rules that are independent of the clock: nothing starts while the cluster is paused, every
//! schedule continues within seconds after the pause, nothing runs twice, and no node is declared
//! dead. Not checked are the fire times that a jump passes over, and transitions: they are in the
//! order of the database's clock, which was set back.

use super::{Analysis, Rules, job::Checker, subject::Subject};
use crate::micros::Micros;
use crate::{
    fire_times,
    history::{Delivery, Fault, History, Operation},
    job::{JobSpec, SECOND, Schedule},
};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// The clock went ahead.
pub const AHEAD: &str = "clock-stays: ahead";
/// The clock was set back: the fire times that a cron expression names from then on were taken
/// already.
pub const BACK: &str = "clock-stays: back";

/// How long a jump may go unseen: a heartbeat, and the attempts that handlers had by then.
const UNSEEN: Micros = 2 * SECOND;

/// Checks a history against the rules.
pub fn check_clock_stays(history: &History, rules: &Rules) -> Analysis {
    let mut checker = Checker::new(history, rules);
    checker.no_duplicates();
    checker.no_deaths();
    let mut arrivals: HashMap<Uuid, Vec<Micros>> = HashMap::new();
    for delivery in history
        .deliveries
        .iter()
        .filter(|delivery| delivery.attempt == 1)
    {
        arrivals
            .entry(delivery.job)
            .or_default()
            .push(delivery.arrived);
    }
    for call in &history.calls {
        if let (Operation::Create(spec), Some(job)) = (&call.operation, call.job) {
            checker.counts().jobs += 1;
            let arrivals = arrivals.remove(&job).unwrap_or_default();
            checker.keeps_firing(job, spec, &arrivals);
        }
    }
    checker.counts().deliveries = history.deliveries.len();
    checker.counts().faults = history.faults.len();
    checker.analysis
}

impl Checker<'_> {
    /// Nothing is doubled: no node died, so no attempt is lost, and none follows a success.
    fn no_duplicates(&mut self) {
        let mut executions: BTreeMap<Uuid, Vec<&Delivery>> = BTreeMap::new();
        let mut fire_times: HashMap<(Uuid, Micros), Uuid> = HashMap::new();
        for delivery in &self.history.deliveries {
            executions
                .entry(delivery.execution)
                .or_default()
                .push(delivery);
            let (job, at) = (delivery.job, delivery.fire_time);
            let subject = Subject {
                job,
                fire_time: Some(at),
                execution: Some(delivery.execution),
            };
            // A rerun repeats a fire time on purpose; a retry belongs to the same execution.
            let known = *fire_times.entry((job, at)).or_insert(delivery.execution);
            if known != delivery.execution && delivery.attempt == 1 && delivery.kind != "RERUN" {
                self.report(
                    "DOUBLE-EXECUTION",
                    subject,
                    format!("{known} stands for that fire time already"),
                );
            }
            if delivery.kind == "RECOVERY" {
                self.report(
                    "REDELIVERY-UNJUSTIFIED",
                    subject,
                    "a recovery, and no node died",
                );
            }
        }
        for attempts in executions.values() {
            let subject = Subject {
                job: attempts[0].job,
                fire_time: None,
                execution: Some(attempts[0].execution),
            };
            for (index, attempt) in attempts.iter().enumerate() {
                let before = &attempts[..index];
                if before
                    .iter()
                    .any(|before| before.attempt == attempt.attempt)
                {
                    self.report(
                        "DUP-ATTEMPT",
                        subject,
                        format!("attempt {} arrived twice", attempt.attempt),
                    );
                } else if before.iter().any(|before| before.status == Some(200)) {
                    let text = format!("attempt {} came after a success", attempt.attempt);
                    self.report("REDELIVERY-UNJUSTIFIED", subject, text);
                }
            }
        }
        let running = self.history.rows.iter();
        for row in running.filter(|row| row.status == "RUNNING") {
            let mut attempts = executions.get(&row.execution).into_iter().flatten();
            // An attempt at the sink continues.
            if attempts.any(|attempt| attempt.attempt == row.attempt && attempt.ended.is_none()) {
                continue;
            }
            let subject = Subject::row(row);
            self.report("UNRECOVERED", subject, "RUNNING at the final read");
        }
    }

    fn no_deaths(&mut self) {
        for node in self
            .history
            .nodes
            .iter()
            .filter(|node| node.state == "DEAD")
        {
            let subject = Subject::CLUSTER;
            self.report(
                "FALSE-DEATH",
                subject,
                format!("{} was declared dead by {:?}", node.name, node.ended_by),
            );
        }
    }

    /// A job starts nothing while the cluster is paused, and starts in its rhythm otherwise.
    fn keeps_firing(&mut self, job: Uuid, spec: &JobSpec, arrivals: &[Micros]) {
        let subject = Subject::job(job);
        // A stall of the disk is recorded as a fault, too. The stall may lie in a pause, and the
        // pause lasts longer.
        let faults: Vec<&Fault> = self
            .history
            .faults
            .iter()
            .filter(|fault| [AHEAD, BACK].contains(&fault.kind.as_str()))
            .collect();
        for fault in &faults {
            let early = arrivals
                .iter()
                .find(|at| (fault.from + UNSEEN..fault.until).contains(*at));
            if let Some(at) = early {
                let text = format!(
                    "started {} us after a jump, while the cluster was paused",
                    at - fault.from
                );
                self.report("RAN-WHILE-PAUSED", subject, text);
            }
        }
        let Some(most) = self.longest_gap(spec) else {
            return;
        };
        let pauses = self
            .history
            .calls
            .iter()
            .filter(|call| call.operation == Operation::Pause);
        let end = pauses
            .map(|call| call.invoked)
            .min()
            .unwrap_or(self.history.ended);
        for (index, fault) in faults.iter().enumerate() {
            let was_set_back = faults[..=index].iter().any(|fault| fault.kind == BACK);
            // The fire times of the repeated period were taken before: a cron expression rests.
            if was_set_back && matches!(spec.schedule, Schedule::Cron { .. }) {
                continue;
            }
            let until = faults.get(index + 1).map_or(end, |next| next.from);
            let within = arrivals
                .iter()
                .copied()
                .filter(|at| (fault.until..until).contains(at));
            let instants: Vec<Micros> = [fault.until]
                .into_iter()
                .chain(within)
                .chain([until])
                .collect();
            self.counts().must += 1;
            self.counts().normal += 1;
            if let Some(pair) = instants.windows(2).find(|pair| pair[1] - pair[0] > most) {
                let (rest, since) = (pair[1] - pair[0], pair[0] - fault.until);
                let text = format!(
                    "rested for {rest} us, {since} us after {}; {most} us were allowed",
                    fault.kind
                );
                self.report("RESTS", subject, text);
            }
        }
    }

    /// How long a job may rest between two starts: two periods or the length of a run, and the
    /// recovery.
    fn longest_gap(&self, spec: &JobSpec) -> Option<Micros> {
        let period = match &spec.schedule {
            Schedule::FixedRate { seconds } | Schedule::FixedDelay { seconds } => {
                Micros::from(*seconds) * SECOND
            }
            Schedule::Cron { expression, zone } => {
                // The longest pause of the expression within two minutes.
                let two = fire_times::cron(expression, zone, 0, 120 * SECOND).ok()?;
                two.windows(2).map(|pair| pair[1] - pair[0]).max()?
            }
            Schedule::Once { .. } | Schedule::Manual => return None,
        };
        let run = Micros::from(spec.target.delay) * 1_000
            + Micros::from(spec.timeout_seconds.unwrap_or(0)) * SECOND;
        let attempts = Micros::from(spec.max_attempts) * (run + 2 * SECOND);
        Some(2 * period + attempts + self.rules.recovery + self.rules.lateness)
    }
}
