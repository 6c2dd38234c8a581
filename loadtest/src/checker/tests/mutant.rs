//! A history to mutate: where in it a mutation breaks a rule.

use super::model::{MILLI, RULES};
use crate::micros::Micros;
use crate::{
    history::{CallOutcome, Delivery, History, Operation, Row, Scope},
    job::{JobSpec, Overlap, SECOND, Schedule},
};
use fastrand::Rng;
use uuid::Uuid;

pub(super) struct Mutant {
    pub(super) history: History,
    pub(super) rng: Rng,
}

impl Mutant {
    pub(super) fn id(&mut self) -> Uuid {
        Uuid::from_u128(self.rng.u128(..))
    }

    /// Whether no fault, nor what may follow from one, touches that stretch.
    pub(super) fn calm(&self, from: Micros, until: Micros) -> bool {
        let mut faults = self.history.faults.iter();
        // Two TTLs and the recovery are 12 s: the longest delay that a fault explains.
        until < self.history.ended - 12 * SECOND
            && !faults.any(|fault| {
                fault.scope != Scope::Harmless
                    && fault.from - 2 * SECOND <= until
                    && fault.until + 14 * SECOND >= from
            })
    }

    /// What a job that an answered creation names asked for at first.
    pub(super) fn spec(&self, job: Uuid) -> Option<&JobSpec> {
        self.history
            .calls
            .iter()
            .find_map(|call| match &call.operation {
                Operation::Create(spec)
                    if call.job == Some(job) && call.outcome == CallOutcome::Done =>
                {
                    Some(spec)
                }
                _ => None,
            })
    }

    /// Whether every call for the job was answered, and none but run-now came near that stretch.
    pub(super) fn sure(&self, job: Uuid, from: Micros, until: Micros) -> bool {
        let mut calls = self
            .history
            .calls
            .iter()
            .filter(|call| call.job == Some(job));
        self.spec(job).is_some()
            && calls.all(|call| {
                call.outcome == CallOutcome::Done
                    && (call.operation == Operation::RunNow
                        || call.completed + SECOND < from
                        || until + 8 * SECOND < call.invoked)
            })
    }

    pub(super) fn row(&mut self, execution: Uuid) -> Option<&mut Row> {
        self.history
            .rows
            .iter_mut()
            .find(|row| row.execution == execution)
    }

    pub(super) fn of(&self, execution: Uuid) -> Vec<Delivery> {
        let mut all: Vec<Delivery> = self
            .history
            .deliveries
            .iter()
            .filter(|delivery| delivery.execution == execution)
            .cloned()
            .collect();
        all.sort_by_key(|delivery| delivery.attempt);
        all
    }

    /// Any execution that fits, with its deliveries by attempt and its row.
    pub(super) fn any(
        &mut self,
        fits: impl Fn(&Self, &[Delivery], &Row) -> bool,
    ) -> Option<(Vec<Delivery>, Row)> {
        let mut rows: Vec<usize> = (0..self.history.rows.len()).collect();
        self.rng.shuffle(&mut rows);
        let mut by_id: std::collections::HashMap<Uuid, Vec<Delivery>> =
            std::collections::HashMap::new();
        for delivery in &self.history.deliveries {
            by_id
                .entry(delivery.execution)
                .or_default()
                .push(delivery.clone());
        }
        rows.into_iter()
            .map(|index| &self.history.rows[index])
            .find_map(|row| {
                let mut deliveries = by_id.get(&row.execution).cloned().unwrap_or_default();
                deliveries.sort_by_key(|delivery| delivery.attempt);
                fits(self, &deliveries, row).then(|| (deliveries, row.clone()))
            })
    }

    /// An execution of a grid in calm and sure times, of a job whose executions run beside each
    /// other.
    pub(super) fn plain(
        &mut self,
        fits: impl Fn(&[Delivery], &Row) -> bool,
    ) -> Option<(Vec<Delivery>, Row)> {
        self.any(|mutant, deliveries, row| {
            let (Some(first), Some(finished)) = (deliveries.first(), row.finished_at) else {
                return false;
            };
            let grid = |spec: &JobSpec| {
                spec.overlap == Overlap::Allow
                    && matches!(
                        spec.schedule,
                        Schedule::FixedRate { .. } | Schedule::Cron { .. }
                    )
            };
            row.kind == "SCHEDULE"
                && mutant.spec(row.job).is_some_and(grid)
                && mutant.calm(first.fire_time, finished)
                && mutant.sure(row.job, first.fire_time, finished)
                && fits(deliveries, row)
        })
    }

    pub(super) fn change(&mut self, execution: Uuid, attempt: i32, change: impl Fn(&mut Delivery)) {
        let all = self.history.deliveries.iter_mut();
        all.filter(|delivery| {
            delivery.execution == execution && (attempt == 0 || delivery.attempt == attempt)
        })
        .for_each(change);
    }

    pub(super) fn drop_delivery(&mut self, execution: Uuid, from_attempt: i32) {
        self.history
            .deliveries
            .retain(|delivery| delivery.execution != execution || delivery.attempt < from_attempt);
    }

    pub(super) fn drop_row(&mut self, execution: Uuid) {
        self.history.rows.retain(|row| row.execution != execution);
        self.history
            .transitions
            .retain(|transition| transition.execution != execution);
    }

    /// Another execution like that one, with its row, so much later and under another fire time.
    pub(super) fn copy(
        &mut self,
        deliveries: &[Delivery],
        row: &Row,
        later: Micros,
        fire_time: Micros,
    ) {
        let id = self.id();
        for delivery in deliveries {
            let mut delivery = Delivery {
                execution: id,
                fire_time,
                due_time: fire_time,
                ..delivery.clone()
            };
            delivery.arrived += later;
            delivery.ended = delivery.ended.map(|ended| ended + later);
            self.history.deliveries.push(delivery);
        }
        let mut row = Row {
            execution: id,
            fire_time,
            due_time: fire_time,
            ..row.clone()
        };
        row.started_at = row.started_at.map(|at| at + later);
        row.finished_at = row.finished_at.map(|at| at + later);
        self.history.rows.push(row);
    }

    /// One attempt more, so long after the last one's end; the row is settled by it.
    pub(super) fn again(
        &mut self,
        deliveries: &[Delivery],
        after: Micros,
        kind: &str,
        status: u16,
    ) {
        let last = deliveries.last().unwrap();
        let arrived = last.ended.unwrap() + after;
        let ended = arrived + 20 * MILLI;
        let attempt = last.attempt + 1;
        let again = Delivery {
            attempt,
            arrived,
            ended: Some(ended),
            kind: kind.to_owned(),
            status: Some(status),
            effect: status == 200,
            ..last.clone()
        };
        self.history.deliveries.push(again);
        if let Some(row) = self.row(last.execution) {
            (row.attempt, row.finished_at) = (attempt, Some(ended + 5 * MILLI));
            (row.status, row.reason) = if status == 200 {
                ("SUCCESS".to_owned(), None)
            } else {
                ("FAILED".to_owned(), Some("ERROR".to_owned()))
            };
        }
        self.forget(last.execution);
    }

    /// Removes the transitions of an execution, where another part of the history is broken.
    pub(super) fn forget(&mut self, execution: Uuid) {
        self.history
            .transitions
            .retain(|transition| transition.execution != execution);
    }

    /// The time between two fire times of a grid.
    pub(super) fn period(&self, job: Uuid) -> Option<Micros> {
        match &self.spec(job)?.schedule {
            Schedule::FixedRate { seconds } => Some(Micros::from(*seconds) * SECOND),
            Schedule::Cron { expression, .. } => expression[2..3]
                .parse::<Micros>()
                .ok()
                .map(|step| step * SECOND),
            _ => None,
        }
    }

    /// Whether nothing but this happened to the grid of the job.
    pub(super) fn one_grid(&self, job: Uuid) -> bool {
        let calls = self
            .history
            .calls
            .iter()
            .filter(|call| call.job == Some(job));
        self.period(job).is_some()
            && calls.clone().all(|call| {
                call.outcome == CallOutcome::Done && !matches!(call.operation, Operation::Update(_))
            })
    }

    /// The fault that lost an attempt, if one of its own node did.
    pub(super) fn hit(&self, delivery: &Delivery, scope: Scope) -> bool {
        let name = self
            .history
            .nodes
            .iter()
            .find(|node| node.id == delivery.node)
            .map(|node| &node.name);
        let mut faults = self.history.faults.iter().filter(|fault| {
            fault.scope == scope && fault.nodes.iter().any(|hit| Some(hit) == name)
        });
        faults.any(|fault| {
            (delivery.arrived..=delivery.ended.unwrap_or(Micros::MAX) + RULES.ttl)
                .contains(&fault.from)
        })
    }
}

/// How long the last of them was with the sink.
pub(super) fn took(deliveries: &[Delivery]) -> Micros {
    deliveries
        .last()
        .and_then(|last| Some(last.ended? - last.arrived))
        .unwrap_or(0)
}
