//! A model of a cluster: nodes, how each ends, and a database that is away at times.
//!
//! It says what a right cluster does, step by step. It must never ask the checker what is allowed.

use crate::micros::Micros;
use crate::{
    checker::Rules,
    history::{Fault, NodeLife, Scope},
    job::SECOND,
};
use fastrand::Rng;
use uuid::Uuid;

pub(super) const MILLI: Micros = 1_000;
pub(super) const RULES: Rules = Rules {
    ttl: 4 * SECOND,
    recovery: 4 * SECOND,
    lateness: SECOND,
    earliness: 2 * MILLI,
    look_ahead: 250 * MILLI,
};

/// What ends a node's life early.
#[derive(Debug, Clone, Copy)]
pub(super) enum NodeEnd {
    /// Its process is gone at once.
    Killed,
    /// It stands still, and is declared dead.
    Frozen { until: Micros },
    /// It cannot reach the database, and lets go of what it runs at `fence`.
    Cut { fence: Micros, declared: Micros },
    /// It leaves; what it runs it finishes.
    Leaves,
}

pub(super) struct Life {
    pub(super) id: Uuid,
    name: String,
    from: Micros,
    /// From when on nothing is leased.
    pub(super) end: Option<(Micros, NodeEnd)>,
    /// Short freezes, that nobody takes for a death.
    freezes: Vec<(Micros, Micros)>,
    /// When its target is out of its reach.
    target_outages: Vec<(Micros, Micros)>,
}

impl Life {
    pub(super) fn short_freeze(&self, at: Micros) -> Option<Micros> {
        self.freezes
            .iter()
            .find(|(from, until)| (*from..*until).contains(&at))
            .map(|(_, until)| *until)
    }

    pub(super) fn target_outage(&self, at: Micros) -> Option<Micros> {
        self.target_outages
            .iter()
            .find(|(from, until)| (*from..*until).contains(&at))
            .map(|(_, until)| *until)
    }
}

pub(super) struct Outage {
    pub(super) from: Micros,
    pub(super) until: Micros,
}

pub(super) struct ModelCluster {
    pub(super) lives: Vec<Life>,
    pub(super) outages: Vec<Outage>,
    pub(super) faults: Vec<Fault>,
    names: usize,
}

impl ModelCluster {
    /// Four nodes, and `count` faults from `from` on, a few seconds from each other. The first node
    /// is spared by all but the database.
    pub(super) fn new(rng: &mut Rng, bursts: &[(Micros, usize)]) -> Self {
        let mut cluster = Self {
            lives: Vec::new(),
            outages: Vec::new(),
            faults: Vec::new(),
            names: 0,
        };
        for _ in 0..4 {
            cluster.start(rng, 0, None);
        }
        for (from, count) in bursts {
            let mut at = *from;
            for _ in 0..*count {
                at = cluster.inject_fault(rng, at) + rng.i64(4..16) * SECOND;
            }
        }
        cluster
    }

    fn start(&mut self, rng: &mut Rng, from: Micros, name: Option<String>) {
        let name = name.unwrap_or_else(|| format!("node-{}", self.names));
        self.names += 1;
        let id = Uuid::from_u128(rng.u128(..));
        self.lives.push(Life {
            id,
            name,
            from,
            end: None,
            freezes: Vec::new(),
            target_outages: Vec::new(),
        });
    }

    /// Does something to the cluster; when it is over.
    fn inject_fault(&mut self, rng: &mut Rng, at: Micros) -> Micros {
        let first = self.lives[0].name.clone();
        let able: Vec<usize> = (0..self.lives.len())
            .filter(|index| {
                self.lives[*index].end.is_none()
                    && self.lives[*index].from < at
                    && self.lives[*index].name != first
            })
            .collect();
        let Some(hit) = rng.choice(able) else {
            return at;
        };
        let injected = at + rng.i64(0..10) * MILLI;
        let (kind, scope, until) = match rng.u8(0..10) {
            0..3 => {
                self.lives[hit].end = Some((injected, NodeEnd::Killed));
                self.start(rng, at + 3 * SECOND, None);
                ("kill", Scope::Ends, at + 30 * MILLI)
            }
            3 | 4 => {
                let until = injected + rng.i64(6_000..14_000) * MILLI;
                self.lives[hit].end = Some((injected, NodeEnd::Frozen { until }));
                self.start(rng, until + 200 * MILLI, Some(self.lives[hit].name.clone()));
                ("freeze", Scope::Freezes, until + 10 * MILLI)
            }
            5 => {
                let until = injected + rng.i64(300..2_500) * MILLI;
                self.lives[hit].freezes.push((injected, until));
                ("freeze", Scope::Freezes, until + 10 * MILLI)
            }
            6 => {
                let until = injected + rng.i64(6_000..14_000) * MILLI;
                let end = NodeEnd::Cut {
                    fence: injected + RULES.ttl / 8 * 7 - rng.i64(0..1_000) * MILLI,
                    declared: injected + RULES.ttl + rng.i64(0..800) * MILLI,
                };
                self.lives[hit].end = Some((injected, end));
                self.start(rng, until + 200 * MILLI, Some(self.lives[hit].name.clone()));
                ("partition", Scope::CutsOff, until + 10 * MILLI)
            }
            7 => {
                self.lives[hit].end = Some((injected, NodeEnd::Leaves));
                self.start(rng, at + 3 * SECOND, None);
                ("stop", Scope::Ends, injected + 5 * SECOND)
            }
            8 if rng.bool() => {
                let until = injected + rng.i64(2_000..6_000) * MILLI;
                self.lives[hit].target_outages.push((injected, until));
                ("target", Scope::CutsTarget, until + 10 * MILLI)
            }
            8 => ("nuisance", Scope::Harmless, at + 20 * SECOND),
            _ => return self.outage(rng, at, injected),
        };
        let nodes = vec![self.lives[hit].name.clone()];
        self.faults.push(Fault {
            kind: kind.to_owned(),
            scope,
            nodes,
            from: at,
            until,
        });
        until
    }

    /// The database is away: shortly, then what runs goes on; or so long that all nodes let go.
    fn outage(&mut self, rng: &mut Rng, at: Micros, injected: Micros) -> Micros {
        let long = rng.bool();
        let until = injected
            + if long {
                rng.i64(8_000..20_000)
            } else {
                rng.i64(500..2_500)
            } * MILLI;
        self.outages.push(Outage {
            from: injected,
            until,
        });
        if long {
            for index in 0..self.lives.len() {
                if self.lives[index].end.is_none() && self.lives[index].from < injected {
                    let end = NodeEnd::Cut {
                        fence: injected + rng.i64(2_500..3_500) * MILLI,
                        declared: until,
                    };
                    self.lives[index].end = Some((injected, end));
                    self.start(
                        rng,
                        until + 100 * MILLI,
                        Some(self.lives[index].name.clone()),
                    );
                }
            }
            // The spared node keeps the first place.
            let first = self.lives[0].name.clone();
            if let Some(next) = self.lives.iter().rposition(|life| life.name == first) {
                self.lives.swap(0, next);
            }
        }
        self.faults.push(Fault {
            kind: "outage".to_owned(),
            scope: Scope::Cluster,
            nodes: Vec::new(),
            from: at,
            until: until + 10 * MILLI,
        });
        until
    }

    pub(super) fn outage_at(&self, at: Micros) -> Option<&Outage> {
        self.outages
            .iter()
            .find(|outage| (outage.from..outage.until).contains(&at))
    }

    /// When the database answers a write.
    pub(super) fn written(&self, rng: &mut Rng, at: Micros) -> Micros {
        let at = at + rng.i64(2..20) * MILLI;
        self.outage_at(at)
            .map_or(at, |outage| outage.until + rng.i64(50..500) * MILLI)
    }

    /// When a dead node is taken over: who watches has to have watched for a TTL after an outage.
    pub(super) fn taken_over(&self, rng: &mut Rng, at: Micros) -> Micros {
        let outage = self
            .outage_at(at)
            .or_else(|| self.outages.iter().find(|outage| outage.until == at));
        outage.map_or(at, |outage| {
            outage.until + RULES.ttl + rng.i64(0..1_500) * MILLI
        })
    }

    /// Who leases at that time or soon after, and when.
    pub(super) fn lease(&self, rng: &mut Rng, at: Micros) -> (usize, Micros) {
        let at = self
            .outage_at(at)
            .map_or(at, |outage| outage.until + rng.i64(150..1_500) * MILLI);
        let able = |life: &Life| {
            life.from <= at
                && life.end.is_none_or(|(from, _)| at < from)
                && life.short_freeze(at).is_none()
        };
        let lives: Vec<usize> = (0..self.lives.len())
            .filter(|index| able(&self.lives[*index]))
            .collect();
        match rng.choice(lives) {
            Some(life) => (life, at),
            None => self.lease(rng, at + 50 * MILLI),
        }
    }

    pub(super) fn nodes(&self) -> Vec<NodeLife> {
        let node = |life: &Life| NodeLife {
            id: life.id,
            name: life.name.clone(),
            state: match life.end {
                None => "ACTIVE",
                Some((_, NodeEnd::Leaves)) => "LEFT",
                Some(_) => "DEAD",
            }
            .to_owned(),
            started_at: life.from,
            ended_at: life.end.map(|(from, _)| from + 3 * SECOND),
            ended_by: None,
        };
        self.lives.iter().map(node).collect()
    }
}
