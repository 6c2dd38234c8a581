//! The knowledge of a process, and its open transactions.

use crate::database::{Attempt, Database, Due, ExecutionId, Name, NodeId, TTL};

/// How long a node trusts itself after a good heartbeat, in ticks: 7/8 of a TTL,
/// rounded down.
pub const TRUST: u8 = TTL - 1;

/// The state of the process as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Body {
    /// All actors make progress.
    Alive,
    /// Stopped (SIGSTOP, a stalled machine); the process does not know.
    Frozen,
    /// All but the membership have stopped making progress.
    Stuck,
    /// No process of the name.
    Down,
}

/// How far the lease of a TriggerAcquirer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lease {
    /// Between two leases of the node.
    Idle,
    /// The node has seen that it may lease, and asks.
    Asking(NodeId),
    /// The transaction is open and holds the node's row and a trigger.
    Open(NodeId, Due),
    /// Only without one transaction per lease: the trigger has moved on.
    Moved(NodeId, u8),
    /// Committed; the answer is in transit.
    Answering(Option<Attempt>),
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Leased, and not due yet.
    Leased,
    /// The handler runs: the effect happens.
    Running,
    /// The attempt has ended on its own and is to be settled.
    Ended,
    /// Only without one transaction per settlement: the fixed delay is to be rearmed.
    Settled,
}

/// An attempt in the slot of an ExecutorPool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The attempt in the slot.
    pub attempt: Attempt,
    /// The progress of the attempt.
    pub stage: Stage,
    /// Whether the attempt may overlap with a later one: its node was frozen, its session was
    /// broken off, or the database forgot.
    pub may_overlap: bool,
}

/// A take-over by a Reconciler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TakeOver {
    /// The node that looks dead.
    pub suspect: NodeId,
    /// Whether the heartbeat of the suspect is too old; else its session has ended.
    pub by_ttl: bool,
    /// Whether the transaction is open and holds the suspect's row.
    pub open: bool,
}

/// A former id of a process, under which the database may still count attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Former {
    /// The former id of the process.
    pub node: NodeId,
    /// The execution of an attempt that had started under the id.
    pub started: Option<ExecutionId>,
}

/// A process, with its beliefs and its open transactions.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is true or not whatever the others are"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    /// The state of the process.
    pub body: Body,
    /// Whether packets vanish in both directions.
    pub cut_off: bool,
    /// The id of the membership.
    pub id: Option<NodeId>,
    /// Ticks until the node stops trusting its membership.
    pub trust: u8,
    /// Ticks for which the node believes its session to have lasted; at most a TTL.
    pub session_age: u8,
    /// Whether the node believes its session to be whole.
    pub connected: bool,
    /// Whether the membership session alone was broken off and is not back yet.
    pub broken_off: bool,
    /// The lease of the node.
    pub lease: Lease,
    /// Whether the outcome of the last lease is unknown.
    pub unsure: bool,
    /// An abandoned lease whose COMMIT is still in transit.
    pub late: Option<(NodeId, Due)>,
    /// The only slot of the node.
    pub slot: Option<Slot>,
    /// The takeover of the node.
    pub take_over: Option<TakeOver>,
    /// The last former id, until the attempts that had not started under it are reclaimed.
    pub former: Option<Former>,
    /// Whether a fault hides the node from the others: frozen, cut off, its session broken off, or
    /// an actor stuck. Until the next heartbeat, or until the node has reclaimed.
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

    /// A name without a process.
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

    /// Whether the actors can talk to a database.
    pub fn reaches(&self, database: &Database) -> bool {
        self.body == Body::Alive && !self.cut_off && database.up
    }

    /// Whether an attempt leased as `node` may run now.
    pub fn may_run(&self, node: NodeId, deadline: bool) -> bool {
        self.id == Some(node) && (self.trust > 0 || !deadline)
    }

    /// The id under which work may be leased now.
    pub fn may_lease(&self, deadline: bool) -> Option<NodeId> {
        self.id
            .filter(|id| self.connected && self.may_run(*id, deadline))
    }

    /// Whether the node has watched long enough, by its own belief, to declare others dead.
    pub fn may_declare_dead(&self, deadline: bool, seasoned: bool) -> bool {
        self.may_lease(deadline).is_some() && (self.session_age >= TTL || !seasoned)
    }

    /// Ends the membership: unfinished attempts are cancelled.
    pub fn fence(&mut self, database: &mut Database) {
        if let Some(id) = self.id.take() {
            // The node closes the session itself; packets of a node that is cut off do not arrive,
            // so the database keeps the session.
            if !self.cut_off {
                database.set_session(id, false);
            }
            let started = self
                .slot
                .filter(|slot| slot.attempt.node == id && slot.stage != Stage::Leased);
            // Nothing is leased before the former id is reclaimed: the present id holds nothing
            // then.
            self.former.get_or_insert(Former {
                node: id,
                started: started.map(|slot| slot.attempt.id),
            });
        }
        self.slot = self
            .slot
            // An attempt that has ended is kept: the settlement is still right if no takeover has
            // come before it.
            .filter(|slot| matches!(slot.stage, Stage::Ended | Stage::Settled));
        (
            self.trust,
            self.session_age,
            self.connected,
            self.broken_off,
        ) = (0, 0, false, false);
    }

    /// Whether the process lives, as the others see it, and is the node, or was until it gave the
    /// id up.
    pub fn lives_as(&self, node: NodeId) -> bool {
        // A node still reclaims under the former id, so its attempts are not lost yet.
        let own = self.id == Some(node) || self.former.is_some_and(|former| former.node == node);
        own && self.body == Body::Alive && !self.cut_off && !self.hindered
    }

    /// Whether a lease for the node is in progress.
    pub fn asks_as(&self, node: NodeId) -> bool {
        match self.lease {
            Lease::Idle | Lease::Answering(None) => false,
            // An asking lease counts: its first statement may be under way.
            Lease::Asking(id) | Lease::Open(id, _) | Lease::Moved(id, _) => id == node,
            Lease::Answering(Some(attempt)) => attempt.node == node,
        }
    }

    /// The node for which the process has a lease open in the database, now or late.
    pub fn leases_for(&self, node: NodeId) -> bool {
        matches!(self.lease, Lease::Open(id, _) if id == node)
            || self.late.is_some_and(|(id, _)| id == node)
    }

    /// Whether an open transaction holds a trigger.
    pub fn locks(&self, due: Due) -> bool {
        matches!(self.lease, Lease::Open(_, held) if held == due)
            || self.late.is_some_and(|(_, held)| held == due)
    }

    /// Whether the state or a message of the process refers to a node.
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
