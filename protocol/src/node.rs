//! What a process knows, and what it is in the middle of.

use crate::database::{Attempt, Database, Due, ExecutionId, Name, NodeId, TTL};

/// How long a node trusts itself after a good heartbeat, in ticks: 7/8 of a TTL,
/// rounded down.
pub const TRUST: u8 = TTL - 1;

/// What the process as a whole does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Body {
    /// All actors make progress.
    Alive,
    /// Stopped (SIGSTOP, a stalled machine); it does not know.
    Frozen,
    /// All but the membership have stopped making progress.
    Stuck,
    /// Gone.
    Down,
}

/// How far the lease of a TriggerAcquirer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lease {
    /// Between two leases.
    Idle,
    /// It has seen that it may lease, and asks.
    Asking(NodeId),
    /// Its transaction is open and holds the node's row and a trigger.
    Open(NodeId, Due),
    /// Only without one transaction per lease: the trigger has moved on.
    Moved(NodeId, u8),
    /// Committed; the answer is on its way.
    Answering(Option<Attempt>),
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It waits for its due time.
    Leased,
    /// Its handler runs: the effect happens.
    Running,
    /// It has ended by itself and is to be settled.
    Ended,
    /// Only without one transaction per settlement: the fixed delay is to be rearmed.
    Settled,
}

/// An attempt in the slot of an ExecutorPool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Of what.
    pub attempt: Attempt,
    /// How far.
    pub stage: Stage,
    /// Whether something happened that lets it overlap with a later attempt: its
    /// node was frozen, its session was broken off, the database forgot.
    pub may_overlap: bool,
}

/// A take-over by a Reconciler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TakeOver {
    /// Who looks dead.
    pub suspect: NodeId,
    /// Whether its heartbeat is too old; else its session has gone.
    pub by_ttl: bool,
    /// Whether its transaction is open and holds the suspect's row.
    pub open: bool,
}

/// An id that a process has given up, and under which the database may count attempts to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Former {
    /// The id.
    pub node: NodeId,
    /// The execution of which an attempt had started.
    pub started: Option<ExecutionId>,
}

/// A process.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is true or not whatever the others are"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    /// What it does.
    pub body: Body,
    /// Whether its packets vanish.
    pub cut_off: bool,
    /// The id as which it is a member.
    pub id: Option<NodeId>,
    /// Ticks for which it still trusts itself.
    pub trust: u8,
    /// Ticks for which it believes its session to have lasted; no more than a TTL.
    pub session_age: u8,
    /// Whether it believes its session to be whole.
    pub connected: bool,
    /// Whether its session, and no other, was broken off and is not back yet.
    pub broken_off: bool,
    /// Its lease.
    pub lease: Lease,
    /// Whether the outcome of its last lease is unknown.
    pub unsure: bool,
    /// A lease that it has given up and whose COMMIT is still on its way.
    pub late: Option<(NodeId, Due)>,
    /// Its one slot.
    pub slot: Option<Slot>,
    /// Its take-over.
    pub take_over: Option<TakeOver>,
    /// The id that it gave up last, until it has reclaimed what had not started under it.
    pub former: Option<Former>,
    /// Whether a fault of its own keeps it from the others' eyes: it was frozen or cut off, its
    /// session was broken off, an actor is stuck. Until its next heartbeat, or until it has
    /// reclaimed.
    pub hindered: bool,
}

impl Process {
    /// A member whose session has lasted a TTL.
    pub fn member(name: Name) -> Self {
        let id = NodeId { name, life: 0 };
        Self {
            body: Body::Alive,
            id: Some(id),
            trust: TRUST,
            session_age: TTL,
            connected: true,
            ..Self::gone()
        }
    }

    /// No process.
    pub const fn gone() -> Self {
        Self {
            body: Body::Down,
            cut_off: false,
            id: None,
            trust: 0,
            session_age: 0,
            connected: false,
            broken_off: false,
            lease: Lease::Idle,
            unsure: false,
            late: None,
            slot: None,
            take_over: None,
            former: None,
            hindered: false,
        }
    }

    /// Whether its actors can talk to a database.
    pub fn reaches(&self, database: &Database) -> bool {
        self.body == Body::Alive && !self.cut_off && database.up
    }

    /// Whether an attempt leased as `node` may run now.
    pub fn may_run(&self, node: NodeId, deadline: bool) -> bool {
        self.id == Some(node) && (self.trust > 0 || !deadline)
    }

    /// The id as which work may be leased now.
    pub fn may_lease(&self, deadline: bool) -> Option<NodeId> {
        self.id
            .filter(|id| self.connected && self.may_run(*id, deadline))
    }

    /// Whether it has watched for long enough, as it believes, to declare others dead.
    pub fn may_declare_dead(&self, deadline: bool, seasoned: bool) -> bool {
        self.may_lease(deadline).is_some() && (self.session_age >= TTL || !seasoned)
    }

    /// Stops being a member: what has not ended is cancelled.
    pub fn fence(&mut self, database: &mut Database) {
        if let Some(id) = self.id.take() {
            if !self.cut_off {
                database.set_session(id, false);
            }
            let started = self
                .slot
                .filter(|slot| slot.attempt.node == id && slot.stage != Stage::Leased);
            // It leases nothing before the earlier one is reclaimed: this one holds nothing then.
            self.former.get_or_insert(Former {
                node: id,
                started: started.map(|slot| slot.attempt.id),
            });
        }
        self.slot = self
            .slot
            .filter(|slot| matches!(slot.stage, Stage::Ended | Stage::Settled));
        (
            self.trust,
            self.session_age,
            self.connected,
            self.broken_off,
        ) = (0, 0, false, false);
    }

    /// Whether it lives in everybody's eyes and is, or was until it gave the id up, this node.
    pub fn lives_as(&self, node: NodeId) -> bool {
        let own = self.id == Some(node) || self.former.is_some_and(|former| former.node == node);
        own && self.body == Body::Alive && !self.cut_off && !self.hindered
    }

    /// Whether it is in the middle of a lease for this node.
    pub fn asks_as(&self, node: NodeId) -> bool {
        match self.lease {
            Lease::Idle | Lease::Answering(None) => false,
            Lease::Asking(id) | Lease::Open(id, _) | Lease::Moved(id, _) => id == node,
            Lease::Answering(Some(attempt)) => attempt.node == node,
        }
    }

    /// The node for which it has a lease open in the database, now or late.
    pub fn leases_for(&self, node: NodeId) -> bool {
        matches!(self.lease, Lease::Open(id, _) if id == node)
            || self.late.is_some_and(|(id, _)| id == node)
    }

    /// Whether it holds a trigger in an open transaction.
    pub fn locks(&self, due: Due) -> bool {
        matches!(self.lease, Lease::Open(_, held) if held == due)
            || self.late.is_some_and(|(_, held)| held == due)
    }

    /// Whether something that it does or sends speaks of a node.
    pub fn mentions(&self, node: NodeId) -> bool {
        self.asks_as(node)
            || self.id == Some(node)
            || self.late.is_some_and(|(id, _)| id == node)
            || self.slot.is_some_and(|slot| slot.attempt.node == node)
            || self
                .take_over
                .is_some_and(|take_over| take_over.suspect == node)
            || self.former.is_some_and(|former| former.node == node)
    }
}
