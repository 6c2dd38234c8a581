//! The safeguards of the protocol. Each one can be switched off.

use std::fmt;

/// One rule without which a property is violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// A settlement writes only where id, attempt, node and `RUNNING` still match.
    FenceOnSettlement,
    /// A lease holds its own node's row shared; a takeover locks the row exclusively first.
    LockOnNode,
    /// A lease finds its own node's row `ACTIVE`, or takes nothing.
    LeaseWhileActive,
    /// Past 7/8 of a TTL after the last good heartbeat a node starts nothing and cancels its
    /// attempts.
    Deadline,
    /// The execution id is a hash of job, kind and fire time.
    DeterministicId,
    /// A node whose critical actor makes no progress ends itself.
    Attestation,
    /// A node whose own session has lasted less than a TTL declares no other node dead.
    SeasonedObserver,
    /// The same check by the database, in the statement that declares the death.
    AttestedObserver,
    /// The same for the observer's own heartbeat: by a clock that has jumped every heartbeat is
    /// old.
    YoungObserver,
    /// A takeover checks under the lock that the node is still gone.
    StillGone,
    /// Attempts are reclaimed only between two leases.
    ReclaimBetweenLeases,
    /// Attempts are reclaimed at every audit, not only after a lease without an answer.
    AuditAgain,
    /// A living node reclaims attempts that had not started under the former id.
    ReclaimAfterFence,
    /// The node remembers which attempts had started.
    RememberStarted,
    /// A command runs or records the fire time whose instant has passed.
    OwnedFireTimes,
    /// A lease moves its trigger on and inserts its execution in a single transaction.
    OneLeaseTransaction,
    /// A settlement and the next due time of a fixed delay are one transaction.
    OneSettlementTransaction,
}

impl Safeguard {
    /// Every safeguard of the protocol.
    pub const ALL: [Self; 17] = [
        Self::FenceOnSettlement,
        Self::LockOnNode,
        Self::LeaseWhileActive,
        Self::Deadline,
        Self::DeterministicId,
        Self::Attestation,
        Self::SeasonedObserver,
        Self::AttestedObserver,
        Self::YoungObserver,
        Self::StillGone,
        Self::ReclaimBetweenLeases,
        Self::AuditAgain,
        Self::ReclaimAfterFence,
        Self::RememberStarted,
        Self::OwnedFireTimes,
        Self::OneLeaseTransaction,
        Self::OneSettlementTransaction,
    ];
}

/// The safeguards that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Safeguards(u32);

impl Safeguards {
    /// All safeguards in force.
    pub const fn all() -> Self {
        Self(u32::MAX)
    }

    /// All safeguards except one.
    #[must_use]
    pub const fn without(self, safeguard: Safeguard) -> Self {
        Self(self.0 & !(1 << safeguard as u16))
    }

    /// Whether a safeguard is in force.
    pub const fn has(self, safeguard: Safeguard) -> bool {
        self.0 & (1 << safeguard as u16) != 0
    }
}

impl fmt::Display for Safeguard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FenceOnSettlement => "the fence on settlement",
            Self::LockOnNode => "the lock on the node row",
            Self::LeaseWhileActive => "a lease needs an ACTIVE node",
            Self::Deadline => "the self-fencing deadline",
            Self::DeterministicId => "the deterministic execution id",
            Self::Attestation => "the attestation of progress",
            Self::SeasonedObserver => "one TTL of unbroken session, by the node's clock",
            Self::AttestedObserver => "one TTL of unbroken session, seen by the database",
            Self::YoungObserver => "a young heartbeat of the observer",
            Self::StillGone => "a take-over checks again that the node is gone",
            Self::ReclaimBetweenLeases => "reclaiming only between leases",
            Self::AuditAgain => "an audit once per TTL",
            Self::ReclaimAfterFence => "reclaiming under the id that was given up",
            Self::RememberStarted => "remembering what has started",
            Self::OwnedFireTimes => "a version's claim to its fire times",
            Self::OneLeaseTransaction => "one transaction per lease",
            Self::OneSettlementTransaction => "settlement and next fixed delay in one transaction",
        })
    }
}
