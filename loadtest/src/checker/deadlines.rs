//! Faults: which of them may have disturbed what, and until when.
//!
//! Every allowance of the checker comes from here and has an end: a fault moves a
//! start to a definite instant, and explains an attempt only if it hit the
//! node of that attempt while the attempt could not be settled. It must never look at
//! what the cluster said of itself, and a harmless fault explains nothing.

use super::{Rules, spans::Spans};
use crate::history::{Delivery, Fault, History, Micros, Scope};
use std::collections::HashMap;
use uuid::Uuid;

/// The faults of a drill.
pub(super) struct Faults<'a> {
    rules: Rules,
    /// From the beginning to the end of what they may hold up.
    delays: Spans<&'a Fault>,
    /// From the beginning to the end of their last consequence.
    effects: Spans<&'a Fault>,
    /// The names of the nodes, by all the ids that they had.
    names: HashMap<Uuid, &'a str>,
}

impl<'a> Faults<'a> {
    pub(super) fn new(history: &'a History, rules: &Rules) -> Self {
        let delaying = history
            .faults
            .iter()
            .filter(|fault| fault.scope != Scope::Harmless);
        // A stalled disk delays, and has no other consequence.
        let effective = delaying
            .clone()
            .filter(|fault| fault.scope != Scope::Stalls);
        Self {
            rules: *rules,
            delays: Spans::new(
                delaying
                    .map(|fault| (fault.from, delay_end(fault, rules), fault))
                    .collect(),
            ),
            effects: Spans::new(
                effective
                    .map(|fault| (fault.from, effect_end(fault, rules), fault))
                    .collect(),
            ),
            names: history
                .nodes
                .iter()
                .map(|node| (node.id, node.name.as_str()))
                .collect(),
        }
    }

    /// The latest allowed first start of what is due then.
    ///
    /// One fault may push it into the next. A fault that begins only after the deadline changes
    /// nothing: what was due should have started by then.
    pub(super) fn deadline(&self, due: Micros) -> Micros {
        let mut deadline = due + self.rules.lateness;
        loop {
            let latest = self
                .delays
                .overlapping(due, deadline)
                .map(|(_, _, fault)| self.moved_deadline(fault, due))
                .max();
            match latest {
                Some(later) if later > deadline => deadline = later,
                _ => return deadline,
            }
        }
    }

    /// Until when a fault may hold up what is due then.
    fn moved_deadline(&self, fault: &Fault, due: Micros) -> Micros {
        let Rules {
            ttl,
            recovery,
            lateness,
            ..
        } = self.rules;
        match fault.scope {
            Scope::Harmless => due,
            Scope::Stalls => due.max(fault.until) + lateness,
            // The session of a dead process is gone at once, and so is the share of one that
            // leaves.
            Scope::Ends => due.max(fault.from) + recovery + lateness,
            // Declared dead one TTL after its last heartbeat; what it had leased is found then.
            Scope::Freezes | Scope::CutsOff => {
                due.max(fault.until.min(fault.from + ttl)) + ttl + recovery
            }
            Scope::CutsTarget | Scope::Cluster => fault.until + recovery,
        }
    }

    /// The latest allowed next start of what was orphaned then. Beside a fault of the whole cluster
    /// it takes a TTL more: nobody is declared dead before whoever watches has watched for so long.
    pub(super) fn redelivery(&self, orphaned: Micros) -> Micros {
        let deadline = self.deadline(orphaned);
        let watched = self
            .effects
            .overlapping(orphaned, deadline)
            .any(|(_, _, fault)| fault.scope == Scope::Cluster);
        if watched {
            self.deadline(deadline + self.rules.ttl)
        } else {
            deadline
        }
    }

    /// The latest fault that may have made the cluster lose that attempt before it was settled, if
    /// any did.
    ///
    /// It hit the attempt's own node, or the cluster, between the arrival and the time by which the
    /// end must have been written (`next` stands for the end of an attempt that never ended).
    pub(super) fn orphaning(&self, attempt: &Delivery, next: Micros) -> Option<&'a Fault> {
        let settled = self.deadline(attempt.ended.unwrap_or(next).min(next));
        self.hitting(attempt.node, attempt.arrived, settled)
            // What came after the next attempt cannot have caused it.
            .filter(|fault| fault.scope != Scope::CutsTarget && fault.from <= next)
            .max_by_key(|fault| fault.from)
    }

    /// The fault that may have kept the answer of that attempt from its node, or its end from the
    /// sink: the node was cut off from its target while the attempt was there.
    pub(super) fn unheard(&self, attempt: &Delivery, next: Micros) -> Option<&'a Fault> {
        let until = attempt.ended.unwrap_or(next).min(next);
        let mut cut = self
            .hitting(attempt.node, attempt.arrived, until)
            .filter(|fault| fault.scope == Scope::CutsTarget);
        cut.find(|fault| fault.until >= attempt.arrived)
    }

    /// Faults of a node or of the whole cluster whose consequences meet the window.
    pub(super) fn hitting(
        &self,
        node: Uuid,
        from: Micros,
        until: Micros,
    ) -> impl Iterator<Item = &'a Fault> {
        let name = self.names.get(&node).copied();
        self.effects
            .overlapping(from, until)
            .map(|(_, _, fault)| *fault)
            .filter(move |fault| {
                fault.scope == Scope::Cluster
                    || name.is_some_and(|name| fault.nodes.iter().any(|hit| hit == name))
            })
    }

    /// Any faults whose consequences meet the window.
    pub(super) fn any(&self, from: Micros, until: Micros) -> impl Iterator<Item = &'a Fault> {
        self.effects
            .overlapping(from, until)
            .map(|(_, _, fault)| *fault)
    }

    /// Whether everybody waited for the machine at some instant of the window.
    pub(super) fn stalled(&self, from: Micros, until: Micros) -> bool {
        self.delays
            .overlapping(from, until)
            .any(|(_, _, fault)| fault.scope == Scope::Stalls)
    }

    /// Whether a failover that may have lost writes meets the window.
    pub(super) fn rewound(&self, from: Micros, until: Micros) -> bool {
        self.any(from, until).any(rewinds)
    }

    /// Whether a fault of the whole cluster ends that node's process.
    pub(super) fn ends(&self, fault: &Fault, node: Uuid) -> bool {
        self.name(node)
            .is_some_and(|name| fault.nodes.iter().any(|hit| hit == name))
    }

    pub(super) fn name(&self, node: Uuid) -> Option<&'a str> {
        self.names.get(&node).copied()
    }
}

/// Whether nobody got at the log: whoever had read something else by then waited in the middle of a
/// transaction.
pub(super) fn locks_log(fault: &Fault) -> bool {
    fault.kind == "table-lock"
}

/// Whether the database may have lost what it had acknowledged.
pub(super) fn rewinds(fault: &Fault) -> bool {
    fault.kind == "failover-async"
}

/// Whether the processes die at its beginning; others that end may finish first what they run.
pub(super) fn kills(fault: &Fault) -> bool {
    fault.kind.starts_with("kill")
}

/// When it no longer holds up what is due: a node that stands still or is cut off is dead after one
/// TTL, others have its share another TTL and the recovery later, and its return takes nothing from
/// them.
fn delay_end(fault: &Fault, rules: &Rules) -> Micros {
    match fault.scope {
        Scope::Harmless => fault.from,
        Scope::Stalls => fault.until,
        Scope::Ends => fault.from + rules.recovery,
        Scope::Freezes | Scope::CutsOff => {
            fault.until.min(fault.from + rules.ttl) + rules.ttl + rules.recovery
        }
        Scope::CutsTarget | Scope::Cluster => fault.until + rules.recovery,
    }
}

/// When the last consequence of a fault is over.
fn effect_end(fault: &Fault, rules: &Rules) -> Micros {
    match fault.scope {
        Scope::Harmless | Scope::Stalls => fault.from,
        // A kill ends with the process; a graceful stop hands over what still runs when it is done.
        Scope::Ends if kills(fault) => fault.from + rules.recovery,
        Scope::Ends | Scope::CutsTarget | Scope::Cluster => fault.until + rules.recovery,
        Scope::Freezes | Scope::CutsOff => fault.until + rules.ttl + rules.recovery,
    }
}
