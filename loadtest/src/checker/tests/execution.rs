//! How an execution goes on that model, attempt by attempt.

use super::{
    model::{MILLI, ModelCluster, NodeEnd, RULES},
    synthetic::{END, Generator},
};
use crate::micros::Micros;
use crate::{
    history::{Delivery, Row, Transition},
    job::{JobSpec, Recovery, SECOND},
};
use uuid::Uuid;

/// What is to run.
pub(super) struct Demand<'a> {
    pub(super) job: Uuid,
    pub(super) spec: &'a JobSpec,
    pub(super) id: Uuid,
    pub(super) kind: &'a str,
    pub(super) first_kind: &'a str,
    pub(super) fire_time: Micros,
    /// Its fire time and its jitter.
    pub(super) due_time: Micros,
    /// When its job is deleted.
    pub(super) deleted: Micros,
    /// When its job is paused, for what waits out pauses.
    pub(super) pauses: Vec<(Micros, Micros)>,
}

impl Demand<'_> {
    /// The part of its row that does not depend on how it went.
    fn row(&self) -> Row {
        Row {
            execution: self.id,
            job: self.job,
            kind: self.kind.to_owned(),
            fire_time: self.fire_time,
            due_time: self.due_time,
            status: String::new(),
            reason: None,
            attempt: 0,
            recoveries: 0,
            node: None,
            started_at: None,
            finished_at: None,
            through_fire_time: None,
            occurrences: None,
            coalesced_into: None,
            repeats: None,
        }
    }

    /// The first instant from then on at which its job is not paused; after the final read when it
    /// stays so.
    pub(super) fn unpaused(&self, at: Micros) -> Micros {
        let paused = self
            .pauses
            .iter()
            .find(|(from, until)| (*from..*until).contains(&at));
        paused.map_or(at, |(_, until)| {
            until.saturating_add(5 * MILLI).min(END + SECOND)
        })
    }
}

/// What a row says of fire times that did not run.
pub(super) struct Skipped<'a> {
    pub(super) reason: &'a str,
    /// The last of them.
    pub(super) through: Micros,
    pub(super) occurrences: i32,
    /// The execution that runs instead.
    pub(super) into: Option<Uuid>,
    pub(super) at: Micros,
}

impl<'a> Skipped<'a> {
    /// A single fire time.
    pub(super) fn one(reason: &'a str, fire_time: Micros, at: Micros) -> Self {
        Self {
            reason,
            through: fire_time,
            occurrences: 1,
            into: None,
            at,
        }
    }
}

/// The result of an attempt.
enum AttemptResult {
    Settled { at: Micros, status: u16 },
    Lost { noticed: Micros },
}

impl Generator {
    /// Runs it from the lease on; when its end was written.
    pub(super) fn execute(&mut self, demand: &Demand<'_>, leased: Micros) -> Micros {
        let Demand { spec, .. } = *demand;
        let (mut attempt, mut failed, mut recoveries) = (0, 0, 0);
        let (mut due, mut kind) = (leased, demand.first_kind);
        let mut due_time = demand.due_time;
        loop {
            attempt += 1;
            let (life, at) = self.cluster.lease(&mut self.rng, due);
            self.transition(demand.id, attempt, "RUNNING", at);
            let result = self.attempt(demand, life, at, attempt, kind, due_time);
            let (status, reason, at) = match result {
                AttemptResult::Settled { at, status: 200 } => ("SUCCESS", None, at),
                AttemptResult::Settled { at, status } => {
                    failed += 1;
                    let retry = demand.unpaused(at + self.rng.i64(0..900) * MILLI);
                    if failed < spec.max_attempts && retry < demand.deleted {
                        (due, due_time, kind) = (retry, at, "RETRY");
                        self.transition(demand.id, attempt, "RETRYING", at);
                        continue;
                    }
                    if failed < spec.max_attempts {
                        ("CANCELLED", None, at.max(demand.deleted))
                    } else {
                        (
                            "FAILED",
                            Some(if status == 499 { "TIMEOUT" } else { "ERROR" }),
                            at,
                        )
                    }
                }
                AttemptResult::Lost { noticed } if spec.recovery == Recovery::MarkLost => {
                    ("LOST", None, noticed)
                }
                AttemptResult::Lost { noticed } if demand.deleted < noticed => {
                    ("CANCELLED", None, noticed)
                }
                AttemptResult::Lost { noticed } if recoveries == spec.max_recoveries => {
                    ("FAILED", Some("CRASH_LOOP"), noticed)
                }
                AttemptResult::Lost { noticed } => {
                    recoveries += 1;
                    (due, due_time, kind) =
                        (noticed + self.rng.i64(1..300) * MILLI, noticed, "RECOVERY");
                    self.transition(demand.id, attempt, "RETRYING", noticed);
                    continue;
                }
            };
            self.transition(demand.id, attempt, status, at);
            let node = Some(self.cluster.lives[life].id);
            self.history.rows.push(Row {
                status: status.to_owned(),
                reason: reason.map(ToOwned::to_owned),
                attempt,
                recoveries: i32::try_from(recoveries).unwrap(),
                node,
                started_at: Some(leased),
                finished_at: Some(at),
                ..demand.row()
            });
            return at;
        }
    }

    fn attempt(
        &mut self,
        demand: &Demand<'_>,
        life: usize,
        at: Micros,
        attempt: i32,
        kind: &str,
        due_time: Micros,
    ) -> AttemptResult {
        let mut arrived = at.max(demand.due_time) + self.rng.i64(1..30) * MILLI;
        let (id, end, short_freeze, deaf) = {
            let life = &self.cluster.lives[life];
            (
                life.id,
                life.end,
                life.short_freeze(arrived),
                life.target_outage(arrived).is_some(),
            )
        };
        if let Some((injected, end)) = end
            && arrived >= injected
            && !matches!(end, NodeEnd::Leaves)
            && !matches!(end, NodeEnd::Cut { fence, .. } if arrived < fence)
        {
            return AttemptResult::Lost {
                noticed: self.noticed(injected, end),
            };
        }
        if let Some(until) = short_freeze {
            arrived = until + self.rng.i64(1..20) * MILLI;
        }
        if deaf {
            return AttemptResult::Settled {
                at: self.cluster.written(&mut self.rng, arrived),
                status: 0,
            };
        }
        let answer = self.answer(demand.spec, attempt, arrived);
        let ((ended, status), lost) = match end {
            Some((injected, end)) => self.cut_short(answer, injected, end),
            None => (answer, None),
        };
        self.history.deliveries.push(Delivery {
            job: demand.job,
            execution: demand.id,
            fire_time: demand.fire_time,
            due_time,
            attempt,
            node: id,
            kind: kind.to_owned(),
            arrived,
            ended: Some(ended),
            status: Some(status),
            effect: status == 200,
        });
        if let Some(noticed) = lost {
            return AttemptResult::Lost { noticed };
        }
        if let Some(until) = self.cluster.lives[life].target_outage(ended) {
            // The answer does not reach the node, which gives up when the way is free again.
            let given_up = until + self.rng.i64(1..300) * MILLI;
            return AttemptResult::Settled {
                at: self.cluster.written(&mut self.rng, given_up),
                status: 0,
            };
        }
        let read = self.cluster.lives[life]
            .short_freeze(ended)
            .unwrap_or(ended);
        AttemptResult::Settled {
            at: self.cluster.written(&mut self.rng, read),
            status,
        }
    }

    /// An answer, as the end of its node leaves it; and when the others notice that it is lost.
    fn cut_short(
        &mut self,
        (ended, status): (Micros, u16),
        injected: Micros,
        end: NodeEnd,
    ) -> ((Micros, u16), Option<Micros>) {
        let settles = ended + 15 * MILLI >= injected;
        // Since when the sink sees it go, if it had not answered by then.
        let gone = match end {
            NodeEnd::Leaves => Micros::MAX,
            NodeEnd::Killed => injected + self.rng.i64(0..20) * MILLI,
            NodeEnd::Frozen { until } => until + self.rng.i64(1..300) * MILLI,
            NodeEnd::Cut { fence, .. } => fence,
        };
        let lost =
            (settles && !matches!(end, NodeEnd::Leaves)).then(|| self.noticed(injected, end));
        let answer = if ended > gone {
            (gone, 499)
        } else {
            (ended, status)
        };
        (answer, lost)
    }

    /// When an attempt ends on a node without a fault, and its status at the sink.
    fn answer(&mut self, spec: &JobSpec, attempt: i32, arrived: Micros) -> (Micros, u16) {
        let target = spec.target;
        let own: u16 = if u32::try_from(attempt).unwrap() <= target.fail {
            500
        } else {
            200
        };
        let delay = Micros::from(if attempt > 1 {
            target.delay_later.unwrap_or(target.delay)
        } else {
            target.delay
        });
        let took = delay * MILLI + self.rng.i64(0..5) * MILLI;
        let patience = spec
            .timeout_seconds
            .map_or(Micros::MAX / 2, |seconds| Micros::from(seconds) * SECOND);
        if target.hang || took > patience {
            (arrived + patience, 499)
        } else {
            (arrived + took, own)
        }
    }

    fn noticed(&mut self, injected: Micros, end: NodeEnd) -> Micros {
        let at = match end {
            NodeEnd::Killed | NodeEnd::Leaves => injected + self.rng.i64(25..1_500) * MILLI,
            NodeEnd::Frozen { .. } => injected + RULES.ttl + self.rng.i64(0..1_000) * MILLI,
            NodeEnd::Cut { declared, .. } => declared,
        };
        self.cluster.taken_over(&mut self.rng, at)
    }

    pub(super) fn transition(&mut self, execution: Uuid, attempt: i32, status: &str, at: Micros) {
        self.history.transitions.push(Transition {
            execution,
            attempt,
            status: status.to_owned(),
            at,
        });
    }

    /// A row that says what did not run.
    pub(super) fn skip(&mut self, demand: &Demand<'_>, skipped: &Skipped<'_>) {
        self.transition(demand.id, 0, "SKIPPED", skipped.at);
        self.history.rows.push(Row {
            status: "SKIPPED".to_owned(),
            reason: Some(skipped.reason.to_owned()),
            started_at: Some(skipped.at),
            finished_at: Some(skipped.at),
            through_fire_time: Some(skipped.through),
            occurrences: Some(skipped.occurrences),
            coalesced_into: skipped.into,
            ..demand.row()
        });
    }

    /// Ends an execution at that time, whatever it was doing: `CANCEL_OTHER` in calm times.
    pub(super) fn cancel(&mut self, execution: Uuid, at: Micros) -> Micros {
        let history = &mut self.history;
        history
            .deliveries
            .retain(|delivery| delivery.execution != execution || delivery.arrived <= at);
        for delivery in history
            .deliveries
            .iter_mut()
            .filter(|delivery| delivery.execution == execution)
        {
            if delivery.ended.is_none_or(|ended| ended > at) {
                (delivery.ended, delivery.status, delivery.effect) = (Some(at), Some(499), false);
            }
        }
        history
            .transitions
            .retain(|transition| transition.execution != execution || transition.at <= at);
        let attempt = history
            .transitions
            .iter()
            .rfind(|transition| transition.execution == execution)
            .map_or(1, |last| last.attempt);
        let finished = at + 5 * MILLI;
        if let Some(row) = history
            .rows
            .iter_mut()
            .find(|row| row.execution == execution)
        {
            (row.status, row.reason) = ("CANCELLED".to_owned(), None);
            (row.finished_at, row.attempt) = (Some(finished), attempt);
        }
        self.transition(execution, attempt, "CANCELLED", finished);
        finished
    }
}

/// What a cluster writes is rounded up to milliseconds.
pub(super) fn millis(at: Micros) -> Micros {
    at + (-at).rem_euclid(MILLI)
}

/// Keeps the borrow of the cluster short.
pub(super) fn found(cluster: &ModelCluster, at: Micros, back: Micros) -> Option<Micros> {
    cluster.outage_at(at).map(|outage| outage.until + back)
}
