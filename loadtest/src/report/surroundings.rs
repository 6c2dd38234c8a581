//! The events around a violation.

use super::answer::Answer;
use super::format::{Names, clock_exact, duration, hit, scope, short};
use super::lanes::Window;
use crate::checker::Violation;
use crate::history::{Call, CallOutcome, Delivery, History, Operation, Row};
use crate::job::JobSpec;
use crate::micros::Micros;
use std::collections::BTreeSet;
use uuid::Uuid;

/// How far around the instants of the violation.
const REACH: Micros = 10_000_000;
/// Most events that are shown.
const ITEMS_MAX: usize = 60;
/// Most instants of one execution whose surroundings are shown.
const INSTANTS_MAX: usize = 40;
/// Most deliveries that are drawn.
const DELIVERIES_MAX: usize = 100;

/// One event of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub at: Micros,
    pub what: &'static str,
    /// Whether the event belongs to the execution of the violation.
    pub own: bool,
    pub execution: Option<Uuid>,
    pub text: String,
}

/// The events around a violation.
pub struct Surroundings<'a> {
    /// The job as last asked for before.
    pub spec: Option<&'a JobSpec>,
    /// Events in the order of time.
    pub items: Vec<Item>,
    /// How many more there were.
    pub left_out: usize,
    /// Deliveries of the job near the violation.
    pub deliveries: Vec<&'a Delivery>,
    /// Number of further deliveries that are not drawn.
    pub not_drawn: usize,
    pub window: Window,
}

/// Selects the events around a violation.
pub fn surroundings<'a>(
    history: &'a History,
    names: &Names,
    violation: &Violation,
) -> Surroundings<'a> {
    let finder = Finder::of(history, violation);
    let mut items = finder.deliveries(names);
    items.extend(finder.calls());
    items.extend(finder.rows(names));
    items.extend(finder.transitions());
    items.extend(finder.faults());
    items.extend(finder.stuck());

    let centre = finder.instants.first().copied().unwrap_or_default();
    items.sort_by_key(|item| {
        let distance = item.at.saturating_sub(centre).saturating_abs();
        // Own events and faults stay in a long list, whatever their distance.
        (!item.own && item.what != "fault", distance)
    });
    let left_out = items.len().saturating_sub(ITEMS_MAX);
    items.truncate(ITEMS_MAX);
    // By time again: the choice was by distance.
    items.sort_by_key(|item| item.at);

    let mut deliveries: Vec<&Delivery> = finder.near_deliveries().collect();
    // Own deliveries first, then by distance: the list is cut.
    deliveries.sort_by_key(|delivery| {
        (
            !finder.owns(delivery.execution),
            delivery.arrived.saturating_sub(centre).saturating_abs(),
        )
    });
    let not_drawn = deliveries.len().saturating_sub(DELIVERIES_MAX);
    deliveries.truncate(DELIVERIES_MAX);
    Surroundings {
        spec: finder.spec(),
        items,
        left_out,
        deliveries,
        not_drawn,
        window: finder.window(),
    }
}

/// When a violation is marked on the chart.
pub fn instant(history: &History, violation: &Violation) -> Option<Micros> {
    violation.fire_time.or_else(|| {
        let mut deliveries = history.deliveries.iter();
        let own = deliveries.find(|delivery| Some(delivery.execution) == violation.execution);
        own.map(|delivery| delivery.arrived)
    })
}

struct Finder<'a> {
    history: &'a History,
    job: Option<Uuid>,
    execution: Option<Uuid>,
    /// All executions of the job.
    executions: BTreeSet<Uuid>,
    /// The instants of interest, the fire time first.
    instants: Vec<Micros>,
}

impl<'a> Finder<'a> {
    fn of(history: &'a History, violation: &Violation) -> Self {
        let execution = violation.execution;
        let rows = history.rows.iter().map(|row| (row.execution, row.job));
        let seen = history
            .deliveries
            .iter()
            .map(|delivery| (delivery.execution, delivery.job))
            .chain(rows);
        let own = seen.clone().find(|(id, _)| Some(*id) == execution);
        let job = violation.job.or(own.map(|(_, job)| job));
        let executions = seen
            .filter(|(_, of)| Some(*of) == job)
            .map(|(id, _)| id)
            // The execution of the violation may have neither a delivery nor a row.
            .chain(execution)
            .collect();
        let arrivals = history
            .deliveries
            .iter()
            .filter(|d| Some(d.execution) == execution)
            .map(|d| d.arrived);
        let changes = history
            .transitions
            .iter()
            .filter(|t| Some(t.execution) == execution)
            .map(|t| t.at);
        let mut instants: Vec<Micros> = violation
            .fire_time
            .into_iter()
            .chain(arrivals)
            .chain(changes)
            // Some executions have hundreds of attempts: the first instants suffice.
            .take(INSTANTS_MAX)
            .collect();
        // A violation without instants: the last delivery of the job is the best place.
        if instants.is_empty() {
            let last = history
                .deliveries
                .iter()
                .filter(|d| job.is_some() && Some(d.job) == job)
                .map(|d| d.arrived);
            instants.extend(last.max());
        }
        Self {
            history,
            job,
            execution,
            executions,
            instants,
        }
    }

    fn owns(&self, execution: Uuid) -> bool {
        Some(execution) == self.execution
    }

    fn near(&self, at: Micros) -> bool {
        self.meets(at, at)
    }

    fn meets(&self, from: Micros, until: Micros) -> bool {
        self.instants.iter().any(|at| {
            from <= at.saturating_add(REACH) && until.max(from) >= at.saturating_sub(REACH)
        })
    }

    fn window(&self) -> Window {
        let from = self
            .instants
            .iter()
            .min()
            .copied()
            .unwrap_or(self.history.began)
            .saturating_sub(REACH);
        let until = self
            .instants
            .iter()
            .max()
            .copied()
            .unwrap_or(self.history.ended)
            .saturating_add(REACH);
        Window { from, until }
    }

    fn since(&self, at: Micros) -> String {
        clock_exact(at.saturating_sub(self.history.began))
    }

    fn near_deliveries(&self) -> impl Iterator<Item = &'a Delivery> {
        self.history.deliveries.iter().filter(|delivery| {
            let until = delivery.ended.unwrap_or(delivery.arrived);
            self.owns(delivery.execution)
                || Some(delivery.job) == self.job && self.meets(delivery.arrived, until)
        })
    }

    fn delivery_text(&self, names: &Names, delivery: &Delivery) -> String {
        let took = delivery.ended.map_or_else(String::new, |ended| {
            format!(
                " after {}",
                duration(ended.saturating_sub(delivery.arrived))
            )
        });
        let status = delivery
            .status
            .map_or_else(String::new, |status| format!(" ({status})"));
        format!(
            "attempt {} from {}, {}, fire time {}: {}{status}{took}{}",
            delivery.attempt,
            names.name(delivery.node),
            delivery.kind,
            self.since(delivery.fire_time),
            Answer::of(delivery).label().trim_end_matches(" (499)"),
            if delivery.effect || Answer::of(delivery) != Answer::Done {
                ""
            } else {
                ", without effect"
            },
        )
    }

    fn deliveries(&self, names: &Names) -> Vec<Item> {
        self.near_deliveries()
            .map(|delivery| {
                self.item(
                    delivery.arrived,
                    "delivery",
                    Some(delivery.execution),
                    self.delivery_text(names, delivery),
                )
            })
            .collect()
    }

    fn item(&self, at: Micros, what: &'static str, execution: Option<Uuid>, text: String) -> Item {
        Item {
            at,
            what,
            own: execution.is_some_and(|execution| self.owns(execution)),
            execution,
            text,
        }
    }

    fn calls_of_job(&self) -> impl Iterator<Item = &'a Call> {
        self.history
            .calls
            .iter()
            // Two unknown ids are no equal jobs.
            .filter(|call| call.job.is_some() && call.job == self.job)
    }

    /// The calls near the instants, and the last one before: it shows the job's state.
    fn calls(&self) -> Vec<Item> {
        let from = self.window().from;
        let before = self
            .calls_of_job()
            .filter(|call| call.completed < from)
            .max_by_key(|call| call.invoked);
        let near = self
            .calls_of_job()
            .filter(|call| call.completed >= from && self.meets(call.invoked, call.completed));
        before
            .into_iter()
            .chain(near)
            .map(|call| self.item(call.invoked, "call", None, self.call_text(call)))
            .collect()
    }

    fn call_text(&self, call: &Call) -> String {
        let operation = match &call.operation {
            Operation::Create(_) => "createJob",
            Operation::Update(_) => "updateJob",
            Operation::Pause => "pauseJob",
            Operation::Resume => "resumeJob",
            Operation::Delete => "deleteJob",
            Operation::RunNow => "runJobNow",
            Operation::Rerun(_) => "rerunExecution",
            Operation::Enqueue(_) => "enqueue",
            Operation::Cancel => "cancelExecutions",
        };
        let outcome = match call.outcome {
            CallOutcome::Done => "done",
            CallOutcome::Refused => "refused",
            CallOutcome::Unknown => "outcome unknown",
        };
        let next = call
            .next_fire_time
            .map(|at| format!(", next fire time {}", self.since(at)));
        let took = duration(call.completed.saturating_sub(call.invoked));
        format!(
            "{operation}: {outcome} after {took}{}",
            next.unwrap_or_default()
        )
    }

    fn spec(&self) -> Option<&'a JobSpec> {
        let at = self.instants.first().copied().unwrap_or(Micros::MAX);
        let specs = self
            .calls_of_job()
            .filter(|call| call.outcome != CallOutcome::Refused)
            .filter_map(|call| {
                let (Operation::Create(spec) | Operation::Update(spec)) = &call.operation else {
                    return None;
                };
                Some((call.invoked, spec))
            });
        let (before, after): (Vec<_>, Vec<_>) = specs.partition(|(invoked, _)| *invoked <= at);
        // Without an earlier definition the next one is better than none.
        before.last().or(after.first()).map(|(_, spec)| *spec)
    }

    fn rows(&self, names: &Names) -> Vec<Item> {
        let near = self.history.rows.iter().filter(|row| {
            self.owns(row.execution) || Some(row.job) == self.job && self.near(row.fire_time)
        });
        near.map(|row| {
            self.item(
                row.fire_time,
                "row at the end",
                Some(row.execution),
                self.row_text(names, row),
            )
        })
        .collect()
    }

    fn row_text(&self, names: &Names, row: &Row) -> String {
        let mut parts = vec![format!(
            "{} {}, attempt {}",
            row.kind, row.status, row.attempt
        )];
        parts.extend(row.reason.clone());
        if row.recoveries > 0 {
            parts.push(format!("recoveries {}", row.recoveries));
        }
        parts.extend(row.node.map(|node| names.name(node)));
        for (what, at) in [
            ("started", row.started_at),
            ("finished", row.finished_at),
            ("through", row.through_fire_time),
        ] {
            parts.extend(at.map(|at| format!("{what} {}", self.since(at))));
        }
        let occurrences = row
            .occurrences
            .map(|number| format!("{number} occurrences"));
        parts.extend(occurrences);
        let into = row.coalesced_into.map(short);
        parts.extend(into.map(|into| format!("folded into {into}")));
        parts.join(", ")
    }

    fn transitions(&self) -> Vec<Item> {
        let near = self.history.transitions.iter().filter(|transition| {
            self.owns(transition.execution)
                || self.near(transition.at) && self.executions.contains(&transition.execution)
        });
        near.map(|transition| {
            let text = format!(
                "attempt {} became {}",
                transition.attempt, transition.status
            );
            self.item(transition.at, "status", Some(transition.execution), text)
        })
        .collect()
    }

    fn faults(&self) -> Vec<Item> {
        let near = self
            .history
            .faults
            .iter()
            .filter(|fault| self.meets(fault.from, fault.until));
        near.map(|fault| {
            let lasted = duration(fault.until.saturating_sub(fault.from));
            let text = format!(
                "{} of {} for {lasted} ({})",
                fault.kind,
                hit(fault),
                scope(fault.scope)
            );
            self.item(fault.from, "fault", None, text)
        })
        .collect()
    }

    fn stuck(&self) -> Vec<Item> {
        let near = self.history.stuck.iter().filter(|stuck| {
            // A stuck row is a job or an execution; the id does not say which.
            let is_of_job = Some(stuck.id) == self.job || self.executions.contains(&stuck.id);
            self.owns(stuck.id) || is_of_job && (self.near(stuck.at) || self.instants.is_empty())
        });
        near.map(|stuck| self.item(stuck.at, "stuck", Some(stuck.id), stuck.rule.clone()))
            .collect()
    }
}
