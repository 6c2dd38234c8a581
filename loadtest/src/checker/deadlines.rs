//! Deadlines: what a fault may have disturbed, and until when.
//!
//! Every allowance of the checker comes from here and has an end: a fault moves a start to a
//! definite instant, and explains an attempt only if the fault hit the node of that attempt before
//! the attempt could be settled. Statements of the cluster about its own state are never used, and
//! a harmless fault explains nothing.

use super::{Rules, spans::Spans};
use crate::history::{Delivery, Fault, History, Scope};
use crate::micros::Micros;
use std::collections::HashMap;
use uuid::Uuid;

/// The faults of a drill.
pub(super) struct Faults<'a> {
    rules: Rules,
    /// Faults, from the beginning to the end of the delay that they may cause.
    delays: Spans<&'a Fault>,
    /// Faults, from the beginning to the end of their last consequence.
    effects: Spans<&'a Fault>,
    /// The names of the nodes, by every id that they had.
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

    /// The latest allowed first start of a fire time that is due at an instant.
    ///
    /// One fault may push the start into the next fault. A fault that begins only after the
    /// deadline changes nothing: the start was required before.
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

    /// The end of the delay that a fault may cause for a fire time that is due at an instant.
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
            // The session of a dead process ends at once; the share of a node that leaves is free
            // at once.
            Scope::Ends => due.max(fault.from) + recovery + lateness,
            // Declared dead one TTL after the last heartbeat; its leased executions are found then.
            Scope::Freezes | Scope::CutsOff => {
                due.max(fault.until.min(fault.from + ttl)) + ttl + recovery
            }
            Scope::CutsTarget | Scope::Cluster => fault.until + recovery,
        }
    }

    /// The latest allowed next start of an execution that was orphaned at an instant. A fault of
    /// the whole cluster adds a TTL: an observer declares no node dead before it has watched for a
    /// TTL.
    pub(super) fn redelivery(&self, orphaned: Micros) -> Micros {
        let deadline = self.deadline(orphaned);
        // An observer that loses the database begins its watch again.
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

    /// The latest fault that may have made the cluster lose an attempt before it was settled.
    ///
    /// The fault hit the attempt's own node, or the cluster, between the arrival and the time by
    /// which the end must have been written (`next` stands for the end of an attempt that never
    /// ended).
    pub(super) fn orphaning(&self, attempt: &Delivery, next: Micros) -> Option<&'a Fault> {
        let settled = self.deadline(attempt.ended.unwrap_or(next).min(next));
        self.hitting(attempt.node, attempt.arrived, settled)
            // A fault after the next attempt cannot be its cause.
            .filter(|fault| fault.scope != Scope::CutsTarget && fault.from <= next)
            .max_by_key(|fault| fault.from)
    }

    /// The fault that may have kept an answer from the node, or the end of the attempt from the
    /// sink: the node was cut off from its target during the attempt.
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

    /// All faults whose consequences meet the window.
    pub(super) fn any(&self, from: Micros, until: Micros) -> impl Iterator<Item = &'a Fault> {
        self.effects
            .overlapping(from, until)
            .map(|(_, _, fault)| *fault)
    }

    /// Whether every process waited for the machine at some instant of the window.
    pub(super) fn stalled(&self, from: Micros, until: Micros) -> bool {
        self.delays
            .overlapping(from, until)
            .any(|(_, _, fault)| fault.scope == Scope::Stalls)
    }

    /// Whether a failover that may have lost writes meets the window.
    pub(super) fn rewound(&self, from: Micros, until: Micros) -> bool {
        self.any(from, until).any(rewinds)
    }

    /// Whether a fault of the whole cluster ends the process of a node.
    pub(super) fn ends(&self, fault: &Fault, node: Uuid) -> bool {
        self.name(node)
            .is_some_and(|name| fault.nodes.iter().any(|hit| hit == name))
    }

    pub(super) fn name(&self, node: Uuid) -> Option<&'a str> {
        self.names.get(&node).copied()
    }
}

/// Whether no process reached the log: a transaction that had read other tables by then waited in
/// the middle.
pub(super) fn locks_log(fault: &Fault) -> bool {
    fault.kind == "table-lock"
}

/// Whether the database may have lost acknowledged writes.
pub(super) fn rewinds(fault: &Fault) -> bool {
    ["failover-async", "restore", "restore-under-nodes"].contains(&fault.kind.as_str())
}

/// Whether the processes die at the beginning of the fault; other ends may let attempts finish
/// first.
pub(super) fn kills(fault: &Fault) -> bool {
    fault.kind.starts_with("kill")
}

/// The instant from which a fault delays nothing any more: a frozen or cut-off node is dead after a
/// TTL, others have the share another TTL and the recovery later, and the return of the node takes
/// nothing away.
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
        // A kill ends with the process; a graceful stop hands over unfinished attempts when it is
        // done.
        Scope::Ends if kills(fault) => fault.from + rules.recovery,
        Scope::Ends | Scope::CutsTarget | Scope::Cluster => fault.until + rules.recovery,
        Scope::Freezes | Scope::CutsOff => fault.until + rules.ttl + rules.recovery,
    }
}
