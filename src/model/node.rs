//! Nodes: the lifetimes of processes, and how long a node trusts its membership.
//!
//! The database decides whether a node is alive. A node trusts its membership only as long as no
//! other node can have declared it dead. The monotonic clock measures the window: a wrong wall
//! clock has no effect.

use super::text_enum;
use std::time::{Duration, Instant};
use uuid::Uuid;

text_enum! {
    /// State of a node in the database.
    #[derive(async_graphql::Enum)]
    NodeState, "node state" {
        /// The node leases and runs.
        Active = "ACTIVE",
        /// The node finishes its executions and takes no new ones.
        Draining = "DRAINING",
        /// The node stopped and handed over its executions.
        Left = "LEFT",
        /// The node was declared dead; other nodes took over its executions.
        Dead = "DEAD",
    }
}

/// The membership as known to the node, published by `ClusterMembership`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipState {
    /// Not a member: no attempt may start, running attempts are cancelled.
    Fenced,
    Member(Membership),
}

/// A membership and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The id of the process lifetime.
    pub node_id: Uuid,
    /// Until the instant no other node can have declared the node dead: start of the last
    /// successful heartbeat + TTL − margin.
    pub trusted_until: Instant,
    /// Start of the uninterrupted session on the membership connection. A node declares no other
    /// node dead during the first TTL: after a restart of the database all nodes look dead.
    pub session_opened_at: Instant,
    /// `false` from a break of the membership connection until the next session: running attempts
    /// continue, no attempt starts.
    pub session_alive: bool,
    /// Whether the node drains: it finishes its executions and takes no new ones.
    pub draining: bool,
}

impl MembershipState {
    /// The node id for leases. `None`: nothing may be leased now.
    pub fn may_lease(&self, now: Instant) -> Option<Uuid> {
        match self {
            Self::Member(m) if m.session_alive && !m.draining && now < m.trusted_until => {
                Some(m.node_id)
            }
            _ => None,
        }
    }

    /// The node id of a session with the database, also while the node drains. `None`: no session.
    pub fn session_node_id(&self, now: Instant) -> Option<Uuid> {
        match self {
            Self::Member(m) if m.session_alive && now < m.trusted_until => Some(m.node_id),
            _ => None,
        }
    }

    /// Whether the node may lease, and the reason if not; display only.
    pub fn description(&self, now: Instant) -> &'static str {
        match self {
            Self::Fenced => "not a member of the cluster (yet): waiting for the database",
            Self::Member(member) if member.draining => "draining",
            Self::Member(member) if !member.session_alive => {
                "suspended: the membership session is broken"
            }
            Self::Member(member) if now >= member.trusted_until => {
                "suspended: no good heartbeat lately"
            }
            Self::Member(_) => "leasing",
        }
    }

    /// Whether an attempt leased under `node_id` may run, or continue to run.
    pub fn may_run(&self, node_id: Uuid, now: Instant) -> bool {
        matches!(self, Self::Member(m) if m.node_id == node_id && now < m.trusted_until)
    }

    /// Whether an attempt leased under `node_id` may *start* its effect: a node without a session
    /// starts no effect.
    pub fn may_start(&self, node_id: Uuid, now: Instant) -> bool {
        matches!(self, Self::Member(m) if m.session_alive && m.node_id == node_id && now < m.trusted_until)
    }

    /// Whether the node has observed the cluster long enough to declare others dead.
    pub fn may_declare_dead(&self, node_ttl: Duration, now: Instant) -> bool {
        matches!(self, Self::Member(m) if m.session_alive && now < m.trusted_until
            && now.saturating_duration_since(m.session_opened_at) >= node_ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Uuid = Uuid::from_u128(1);

    fn member(change: impl FnOnce(&mut Membership), now: Instant) -> MembershipState {
        let mut membership = Membership {
            node_id: NODE,
            trusted_until: now + Duration::from_secs(3),
            session_opened_at: now,
            session_alive: true,
            draining: false,
        };
        change(&mut membership);
        MembershipState::Member(membership)
    }

    #[test]
    fn a_node_past_its_trust_neither_leases_nor_runs() {
        let now = Instant::now();
        let past = member(|m| m.trusted_until = now, now);
        assert_eq!(past.may_lease(now), None);
        assert!(!past.may_run(NODE, now) && !past.may_start(NODE, now));
        assert_eq!(MembershipState::Fenced.may_lease(now), None);
        assert!(!MembershipState::Fenced.may_run(NODE, now));
    }

    #[test]
    fn a_node_without_its_session_starts_nothing_but_lets_run_what_runs() {
        let now = Instant::now();
        let broken = member(|m| m.session_alive = false, now);
        assert_eq!(broken.may_lease(now), None);
        assert!(!broken.may_start(NODE, now));
        assert!(broken.may_run(NODE, now));
    }

    #[test]
    fn a_draining_node_runs_what_it_holds_and_leases_nothing() {
        let now = Instant::now();
        let draining = member(|m| m.draining = true, now);
        assert_eq!(draining.may_lease(now), None);
        assert!(draining.may_start(NODE, now));
    }

    #[test]
    fn work_leased_under_an_earlier_id_may_not_run() {
        let now = Instant::now();
        assert!(!member(|_| (), now).may_run(Uuid::from_u128(2), now));
    }

    #[test]
    fn nobody_is_declared_dead_before_one_ttl_of_unbroken_session() {
        let now = Instant::now();
        let ttl = Duration::from_secs(4);
        let fresh = member(|_| (), now);
        assert!(!fresh.may_declare_dead(ttl, now + Duration::from_secs(2)));
        let seasoned = member(|m| m.trusted_until = now + Duration::from_secs(9), now);
        assert!(seasoned.may_declare_dead(ttl, now + ttl));
    }
}
