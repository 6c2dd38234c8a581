//! Clean histories from a seed: what a right cluster leaves behind under faults and commands.

use super::{
    execution::{Demand, Skipped, found, millis},
    lives::Life,
    model::{MILLI, ModelCluster, RULES},
    specs::spec,
};
use crate::micros::Micros;
use crate::{
    history::{Delivery, History},
    job::{JobSpec, Misfire, Overlap, SECOND, Schedule},
};
use fastrand::Rng;
use std::collections::HashSet;
use uuid::Uuid;

/// When the final read is made.
pub(super) const END: Micros = 300 * SECOND;

pub(super) struct Generator {
    pub(super) rng: Rng,
    pub(super) cluster: ModelCluster,
    pub(super) history: History,
}

pub(super) fn history(seed: u64) -> History {
    let mut rng = Rng::with_seed(seed);
    let mut cluster = ModelCluster::new(&mut rng, &[(60 * SECOND, 4), (160 * SECOND, 3)]);
    cluster.faults.sort_by_key(|fault| fault.from);
    let history = History {
        ended: END,
        ..History::default()
    };
    let mut generator = Generator {
        rng,
        cluster,
        history,
    };
    for number in 0..22 {
        let spec = spec(&mut generator.rng, number);
        let life = generator.life(spec);
        generator.live(&life);
    }
    generator.finish()
}

impl Generator {
    fn live(&mut self, life: &Life) {
        let Some(era) = life.eras.first() else { return };
        let overlap = era.spec.overlap;
        let mut queue = Vec::new();
        match era.spec.schedule {
            Schedule::FixedDelay { .. } => self.fixed_delay(life),
            _ => self.schedule(life, &mut queue),
        }
        for (at, spec) in &life.manual {
            let id = Uuid::from_u128(self.rng.u128(..));
            let fire_time = at - at.rem_euclid(MILLI);
            let demand = Demand {
                job: life.job,
                spec,
                id,
                kind: "MANUAL",
                first_kind: "MANUAL",
                fire_time,
                due_time: fire_time,
                deleted: life.deleted,
                pauses: Vec::new(),
            };
            queue.push((at + self.rng.i64(1..20) * MILLI, demand));
        }
        queue.sort_by_key(|(at, demand)| (*at, demand.fire_time));
        if overlap == Overlap::Allow {
            for (at, demand) in queue {
                self.execute(&demand, at);
            }
        } else {
            self.one_by_one(queue, overlap);
        }
    }

    /// Executions of a job that exclude each other.
    fn one_by_one(&mut self, queue: Vec<(Micros, Demand<'_>)>, overlap: Overlap) {
        let (mut free, mut waits_until, mut current) = (0, 0, Uuid::nil());
        for (at, mut demand) in queue {
            let at = at.max(
                self.cluster
                    .outage_at(at)
                    .map_or(at, |outage| outage.until + 2 * SECOND),
            );
            let start = if free <= at {
                at
            } else if overlap == Overlap::CancelOther && !self.succeeded(current, at) {
                (demand.kind, demand.first_kind) = ("BUFFERED", "BUFFERED");
                self.cancel(current, at) + 5 * MILLI
            } else if overlap == Overlap::Skip
                || (overlap == Overlap::BufferOne && at < waits_until)
            {
                self.skip(&demand, &Skipped::one("OVERLAP", demand.fire_time, at));
                continue;
            } else {
                (demand.kind, demand.first_kind) = ("BUFFERED", "BUFFERED");
                waits_until = demand.unpaused(free + 3 * MILLI);
                if waits_until >= demand.deleted {
                    self.skip(
                        &demand,
                        &Skipped::one("DELETED", demand.fire_time, demand.deleted),
                    );
                    continue;
                }
                waits_until
            };
            current = demand.id;
            free = self.execute(&demand, start);
        }
    }

    fn succeeded(&self, execution: Uuid, at: Micros) -> bool {
        let of_it =
            |delivery: &&Delivery| delivery.execution == execution && delivery.ended <= Some(at);
        self.history
            .deliveries
            .iter()
            .filter(of_it)
            .any(|delivery| delivery.status == Some(200))
    }

    /// The fire times of a grid, as they are found.
    fn schedule<'a>(&mut self, life: &'a Life, queue: &mut Vec<(Micros, Demand<'a>)>) {
        let back: Vec<Micros> = self
            .cluster
            .outages
            .iter()
            .map(|_| self.rng.i64(200..1_900) * MILLI)
            .collect();
        let mut missed: Vec<(usize, usize, Micros)> = Vec::new();
        let mut taken = HashSet::new();
        for (index, era) in life.eras.iter().enumerate() {
            for at in era.grid() {
                let due = at + self.jitter(&era.spec);
                let leased = if era.spec.overlap == Overlap::Allow {
                    (due - self.rng.i64(0..250) * MILLI).max(era.from + MILLI)
                } else {
                    // It is decided about when it is due. What changes its job right after that
                    // comes too late.
                    due + self
                        .rng
                        .i64(0..20)
                        .min((era.until - due - 1) / MILLI)
                        .max(0)
                        * MILLI
                };
                if (leased >= era.until && at > era.until) || !taken.insert(at) {
                    continue;
                }
                let edited = life
                    .eras
                    .get(index + 1)
                    .is_some_and(|next| next.from == era.until);
                if leased >= era.until && !edited {
                    // It was in the gap between its instant and its due time.
                    let demand = self.demand(life, index, at, due);
                    let reason = if life.deleted == era.until {
                        "DELETED"
                    } else {
                        "PAUSED"
                    };
                    self.skip(&demand, &Skipped::one(reason, at, era.until));
                    continue;
                }
                // A trigger goes through its fire times in order: what comes due before it is found
                // is found with it.
                let mut outages = self.cluster.outages.iter().zip(&back);
                let away = outages.position(|(outage, back)| {
                    (outage.from..outage.until + back).contains(&leased)
                });
                if let Some(outage) = away {
                    missed.push((outage, index, at));
                } else {
                    let demand = self.demand(life, index, at, due);
                    queue.push((leased, demand));
                }
            }
        }
        for (outage, back) in back.into_iter().enumerate() {
            let of_outage: Vec<_> = missed
                .iter()
                .filter(|(which, ..)| *which == outage)
                .map(|(_, era, at)| (*era, *at))
                .collect();
            let Some((era, _)) = of_outage.first() else {
                continue;
            };
            let now = found(&self.cluster, self.cluster.outages[outage].from, back).unwrap();
            self.misfire(life, &life.eras[*era].spec, &of_outage, now, queue);
        }
    }

    /// How long after a fire time it is due; before the next one.
    fn jitter(&mut self, spec: &JobSpec) -> Micros {
        if spec.jitter_seconds == 0 {
            return 0;
        }
        self.rng.i64(0..i64::from(spec.jitter_seconds) * 1_000) * MILLI
    }

    fn demand<'a>(
        &mut self,
        life: &'a Life,
        era: usize,
        fire_time: Micros,
        due_time: Micros,
    ) -> Demand<'a> {
        let id = Uuid::from_u128(self.rng.u128(..));
        let spec = &life.eras[era].spec;
        let (kind, first_kind) = ("SCHEDULE", "SCHEDULE");
        let pauses = life.pauses();
        Demand {
            job: life.job,
            spec,
            id,
            kind,
            first_kind,
            fire_time,
            due_time,
            deleted: life.deleted,
            pauses,
        }
    }

    /// What an outage left, found at once.
    fn misfire<'a>(
        &mut self,
        life: &'a Life,
        spec: &JobSpec,
        missed: &[(usize, Micros)],
        now: Micros,
        queue: &mut Vec<(Micros, Demand<'a>)>,
    ) {
        let grace = Micros::from(spec.misfire_grace_seconds) * SECOND;
        // The oldest decides; then the policy speaks about everything that is due by now.
        let is_late = missed.first().is_some_and(|(_, at)| now - at > grace);
        let late: Vec<_> = missed
            .iter()
            .copied()
            .filter(|(_, at)| is_late && *at <= now)
            .collect();
        let run = match spec.misfire {
            Misfire::FireAll => missed,
            Misfire::Skip => &missed[late.len()..],
            Misfire::FireOnce => &missed[late.len().saturating_sub(1)..],
        };
        let mut into = None;
        for (step, (era, at)) in run.iter().enumerate() {
            let demand = self.demand(life, *era, *at, *at);
            into = into.or(Some(demand.id));
            queue.push((
                now.max(*at) + i64::try_from(step).unwrap() * 10 * MILLI,
                demand,
            ));
        }
        let gone = missed.len() - run.len();
        if gone > 0 {
            let demand = self.demand(life, missed[0].0, missed[0].1, missed[0].1);
            let (reason, into) = if spec.misfire == Misfire::Skip {
                ("MISFIRE", None)
            } else {
                ("COALESCED", into)
            };
            let (through, occurrences) = (missed[gone - 1].1, i32::try_from(gone).unwrap());
            self.skip(
                &demand,
                &Skipped {
                    reason,
                    through,
                    occurrences,
                    into,
                    at: now,
                },
            );
        }
    }

    fn fixed_delay(&mut self, life: &Life) {
        let Some(first) = life.eras.first() else {
            return;
        };
        let Schedule::FixedDelay { seconds } = first.spec.schedule else {
            return;
        };
        let delay = Micros::from(seconds) * SECOND;
        let (mut due, mut era) = (first.anchor, 0);
        while due < END {
            while era < life.eras.len() && life.eras[era].until <= due {
                era += 1;
                // A resume restarts the delay.
                if let Some(next) = life.eras.get(era).filter(|next| !next.continues) {
                    due = due.max(millis(next.from) + delay);
                }
            }
            if era >= life.eras.len() {
                return;
            }
            let demand = self.demand(life, era, due, due);
            let leased = (due - self.rng.i64(0..100) * MILLI).max(life.eras[era].from + MILLI);
            due = millis(self.execute(&demand, leased)) + delay;
        }
    }

    /// The final read cuts off what is not over.
    fn finish(mut self) -> History {
        let history = &mut self.history;
        history
            .deliveries
            .retain(|delivery| delivery.arrived <= END);
        for delivery in history
            .deliveries
            .iter_mut()
            .filter(|delivery| delivery.ended > Some(END))
        {
            (delivery.ended, delivery.status) = (None, None);
        }
        history
            .transitions
            .retain(|transition| transition.at <= END);
        history.rows.retain(|row| row.started_at <= Some(END));
        for row in history
            .rows
            .iter_mut()
            .filter(|row| row.finished_at > Some(END))
        {
            let last = history
                .transitions
                .iter()
                .rfind(|transition| transition.execution == row.execution);
            (row.finished_at, row.reason) = (None, None);
            (row.attempt, row.status) = last.map_or((1, "RUNNING".to_owned()), |last| {
                (last.attempt, last.status.clone())
            });
        }
        let seen: HashSet<Uuid> = history
            .transitions
            .iter()
            .map(|transition| transition.execution)
            .collect();
        history.rows.retain(|row| seen.contains(&row.execution));
        history.deliveries.sort_by_key(|delivery| delivery.arrived);
        history.calls.sort_by_key(|call| call.invoked);
        history.transitions.sort_by_key(|transition| transition.at);
        history.faults = self.cluster.faults.clone();
        history.nodes = self.cluster.nodes();
        assert!(RULES.ttl > 0 && history.rows.len() > 100);
        self.history
    }
}
