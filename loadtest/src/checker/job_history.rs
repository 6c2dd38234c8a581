//! The history, sorted by job and execution. The only decision is which executions are manual or
//! reruns.

use super::{Rules, job_states::JobStates};
use crate::history::{Call, CallOutcome, Delivery, History, Operation, Row, Transition};
use crate::micros::Micros;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// The evidence of one execution.
#[derive(Debug)]
pub(super) struct Execution<'a> {
    pub(super) id: Uuid,
    /// Requested by a command, by its row or by any delivery: `Horolog-Kind` is the kind of the
    /// attempt's trigger, so the second attempt has `RETRY` or `RECOVERY`. The label excuses no
    /// execution: manual executions are matched with calls.
    pub(super) manual: bool,
    /// For a rerun, the instant of its request: reruns are matched with calls by the instant of the
    /// call, as runs on request are by their own fire time.
    pub(super) asked: Option<Micros>,
    /// Deliveries in the order of arrival.
    pub(super) deliveries: Vec<&'a Delivery>,
    pub(super) row: Option<&'a Row>,
}

impl<'a> Execution<'a> {
    /// The fire time of the labels; of a rerun the instant of its request.
    pub(super) fn fire_time(&self) -> Option<Micros> {
        self.asked
            .or(self.first().map(|first| first.fire_time))
            .or(self.row.map(|row| row.fire_time))
    }

    /// The fire time of the labels; 0 without labels.
    fn claimed(&self) -> Micros {
        self.fire_time().unwrap_or(0)
    }

    /// The kind in the row and in the first delivery.
    fn kinds(&self) -> impl Iterator<Item = &'a str> {
        let row = self.row.map(|row| row.kind.as_str());
        row.into_iter()
            .chain(self.first().map(|first| first.kind.as_str()))
    }

    pub(super) fn first(&self) -> Option<&'a Delivery> {
        self.deliveries.first().copied()
    }

    /// The delivery of the highest attempt: by the fencing token, the attempt whose end counts.
    pub(super) fn last(&self) -> Option<&'a Delivery> {
        self.deliveries
            .iter()
            .copied()
            .max_by_key(|delivery| delivery.attempt)
    }

    pub(super) fn status(&self) -> Option<&'a str> {
        self.row.map(|row| row.status.as_str())
    }

    pub(super) fn successes(&self) -> impl Iterator<Item = &'a Delivery> {
        self.deliveries
            .iter()
            .copied()
            .filter(|delivery| succeeded(delivery))
    }
}

/// Whether the sink answered 2xx.
pub(super) fn succeeded(delivery: &Delivery) -> bool {
    delivery
        .status
        .is_some_and(|status| (200..300).contains(&status))
}

/// Whether the sink never answered, or the client had gone.
pub(super) fn unanswered(delivery: &Delivery) -> bool {
    matches!(delivery.status, None | Some(499))
}

/// The evidence of one job.
#[derive(Debug)]
pub(super) struct JobHistory<'a> {
    pub(super) id: Uuid,
    pub(super) states: JobStates<'a>,
    /// Executions with a delivery or a row of their own, by fire time; skipped ranges are apart.
    pub(super) executions: Vec<Execution<'a>>,
    /// Rows of fire times that did not run.
    pub(super) skips: Vec<&'a Row>,
    /// The same of run-now.
    pub(super) manual_skips: Vec<&'a Row>,
    /// Instants of the requests of reruns that did not run, by their rows.
    pub(super) skipped_reruns: Vec<Micros>,
}

impl JobHistory<'_> {
    /// Finds manual executions without the label: every fire that waited is called `BUFFERED`. A
    /// buffered fire is a run on request if its fire time is not of the schedule, and lies within a
    /// call of `runJobNow`.
    pub(super) fn classify_manual(&mut self, on_grid: impl Fn(Micros) -> bool, rules: &Rules) {
        let calls = &self.states.calls;
        // A call in the very millisecond of a fire time: of two executions, the buffered one
        // belongs to the call.
        let scheduled = self.executions.iter().filter(|execution| !execution.manual);
        let mut taken: HashSet<Micros> = scheduled
            .filter(|execution| {
                !execution
                    .kinds()
                    .any(|kind| may_be_run_now(kind, execution.claimed(), calls, rules))
            })
            .filter_map(Execution::fire_time)
            .collect();
        for execution in self
            .executions
            .iter_mut()
            .filter(|execution| !execution.manual)
        {
            let at = execution.claimed();
            let may_be_run_now = execution
                .kinds()
                .any(|kind| may_be_run_now(kind, at, calls, rules));
            let is_named_manual = execution.kinds().any(is_on_request);
            let is_duplicate = may_be_run_now && !taken.insert(at);
            execution.manual = is_duplicate || is_named_manual || (may_be_run_now && !on_grid(at));
        }
        let skips = std::mem::take(&mut self.skips);
        let (reruns, skips): (Vec<&Row>, Vec<&Row>) =
            skips.into_iter().partition(|row| is_rerun(row));
        let asked = reruns
            .iter()
            .map(|row| asked_for(calls, row.execution, Some(row)).unwrap_or(row.due_time));
        self.skipped_reruns = asked.collect();
        (self.manual_skips, self.skips) = skips.into_iter().partition(|row| {
            let at = row.fire_time;
            is_on_request(&row.kind)
                || (may_be_run_now(&row.kind, at, calls, rules) && !on_grid(at))
        });
    }

    /// The earliest instant in the evidence.
    pub(super) fn first_seen(&self) -> Option<Micros> {
        let deliveries = self
            .executions
            .iter()
            .flat_map(|execution| &execution.deliveries);
        deliveries
            .map(|delivery| delivery.arrived)
            .chain(self.executions.iter().filter_map(Execution::fire_time))
            .chain(self.skips.iter().map(|row| row.fire_time))
            .min()
    }

    /// Whether an answered creation named the job.
    pub(super) fn has_known_creation(&self) -> bool {
        self.states.calls.iter().any(|call| {
            matches!(call.operation, Operation::Create(_)) && call.outcome == CallOutcome::Done
        })
    }
}

/// The jobs, by id.
pub(super) fn jobs(history: &History) -> Vec<JobHistory<'_>> {
    let mut calls: BTreeMap<Uuid, Vec<&Call>> = BTreeMap::new();
    for call in &history.calls {
        if let Some(job) = call.job {
            calls.entry(job).or_default().push(call);
        }
    }
    let mut deliveries: HashMap<(Uuid, Uuid), Vec<&Delivery>> = HashMap::new();
    for delivery in &history.deliveries {
        deliveries
            .entry((delivery.job, delivery.execution))
            .or_default()
            .push(delivery);
        // A job may be known by deliveries alone: no answer named its creation.
        calls.entry(delivery.job).or_default();
    }
    let mut rows: HashMap<(Uuid, Uuid), &Row> = HashMap::new();
    let mut skips: HashMap<Uuid, Vec<&Row>> = HashMap::new();
    for row in &history.rows {
        calls.entry(row.job).or_default();
        if row.status == "SKIPPED" {
            skips.entry(row.job).or_default().push(row);
        } else {
            rows.insert((row.job, row.execution), row);
        }
    }
    let mut executions: HashMap<Uuid, Vec<Execution<'_>>> = HashMap::new();
    for ((job, id), mut deliveries) in deliveries {
        deliveries.sort_by_key(|delivery| (delivery.arrived, delivery.attempt));
        // Removed: the rows that are left have no delivery.
        let row = rows.remove(&(job, id));
        executions
            .entry(job)
            .or_default()
            .push(execution(id, deliveries, row, &calls[&job]));
    }
    for ((job, id), row) in rows {
        executions
            .entry(job)
            .or_default()
            .push(execution(id, Vec::new(), Some(row), &calls[&job]));
    }
    let mut jobs = Vec::with_capacity(calls.len());
    for (id, calls) in calls {
        let mut executions = executions.remove(&id).unwrap_or_default();
        executions.sort_by_key(|execution| (execution.fire_time(), execution.id));
        let skips = skips.remove(&id).unwrap_or_default();
        let (manual_skips, skipped_reruns) = (Vec::new(), Vec::new());
        jobs.push(JobHistory {
            id,
            states: JobStates::new(calls),
            executions,
            skips,
            manual_skips,
            skipped_reruns,
        });
    }
    jobs
}

fn execution<'a>(
    id: Uuid,
    deliveries: Vec<&'a Delivery>,
    row: Option<&'a Row>,
    calls: &[&Call],
) -> Execution<'a> {
    let named = asked_for(calls, id, row);
    let first = deliveries.first().filter(|first| first.kind == "RERUN");
    // The due time of the first attempt is unknown when only a later attempt arrived.
    let due = first
        .filter(|first| first.attempt == 1)
        .map(|first| first.due_time);
    let is_rerun = named.is_some() || first.is_some() || row.is_some_and(is_rerun);
    let asked = named
        .or(due)
        .or(row.map(|row| row.due_time))
        .filter(|_| is_rerun);
    let manual = row.map_or_else(
        || {
            deliveries
                .iter()
                .any(|delivery| is_on_request(&delivery.kind))
        },
        |row| {
            is_on_request(&row.kind)
                || deliveries
                    .first()
                    .is_some_and(|first| is_on_request(&first.kind))
        },
    );
    Execution {
        id,
        manual: manual || is_rerun,
        asked,
        deliveries,
        row,
    }
}

/// Whether a buffered fire may be a run on request: its fire time lies within a call of
/// `runJobNow`.
fn may_be_run_now(kind: &str, at: Micros, calls: &[&Call], rules: &Rules) -> bool {
    kind == "BUFFERED"
        && calls
            .iter()
            .filter(|call| call.operation == Operation::RunNow)
            .any(|call| {
                (call.invoked - rules.earliness..=call.completed + rules.earliness).contains(&at)
            })
}

/// Whether the kind is one of runs on request: each belongs to a call.
fn is_on_request(kind: &str) -> bool {
    matches!(kind, "MANUAL" | "ENQUEUED")
}

fn is_rerun(row: &Row) -> bool {
    row.repeats.is_some() || row.kind == "RERUN"
}

/// The instant of the request of a rerun: of the call whose answer names the rerun, else of a call
/// without an answer for the same execution.
fn asked_for(calls: &[&Call], id: Uuid, row: Option<&Row>) -> Option<Micros> {
    let repeats = row.and_then(|row| row.repeats);
    let is_rerun = |call: &&&Call| matches!(call.operation, Operation::Rerun(_));
    let named = calls
        .iter()
        .filter(is_rerun)
        .find(|call| call.made == Some(id));
    let unanswered = calls.iter().find(|call| match call.operation {
        Operation::Rerun(of) => Some(of) == repeats && call.outcome == CallOutcome::Unknown,
        _ => false,
    });
    named.or(unanswered).map(|call| call.invoked)
}

/// The transitions of each execution, in their order.
pub(super) fn transitions_by_execution(history: &History) -> BTreeMap<Uuid, Vec<&Transition>> {
    let mut transitions_by_execution: BTreeMap<Uuid, Vec<&Transition>> = BTreeMap::new();
    for transition in &history.transitions {
        transitions_by_execution
            .entry(transition.execution)
            .or_default()
            .push(transition);
    }
    for transitions in transitions_by_execution.values_mut() {
        transitions.sort_by_key(|transition| transition.at);
    }
    transitions_by_execution
}
