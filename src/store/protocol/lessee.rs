//! The lessee: the member of the cluster that leases, and its row.

use crate::store::db::statement::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Locks the node's row against a takeover until the lease commits. A heartbeat changes no key and
/// does not wait. No row: the node is not `ACTIVE`, or the cluster is paused.
pub const LOCK_MEMBERSHIP: Statement = Statement::new(
    "-- leases.lock_membership
select 1 from cluster_node where id = $1 and state = 'ACTIVE'
    and not exists (select from cluster_pause) for key share",
);

/// The same of a worker: its poll ($2) is the newest one, and its heartbeat is younger than its
/// TTL. A node asks that of its own clock; a worker may have died while its poll waited.
const LOCK_WORKER: Statement = Statement::new(
    "-- leases.lock_worker
select 1 from cluster_node where id = $1 and state = 'ACTIVE' and poll = $2
    and heartbeat_at >= (select coalesce($3::timestamptz, clock_timestamp()))
        - make_interval(secs => ttl_seconds)
    and not exists (select from cluster_pause) for key share",
);

/// The member that leases.
#[derive(Debug, Clone, Copy)]
pub enum Lessee {
    /// A node.
    Node(Uuid),
    /// A worker, with the number of its poll.
    Worker {
        /// Id of the worker.
        id: Uuid,
        /// Number of the poll. A newer one forbids the lease.
        poll: i64,
    },
}

impl Lessee {
    /// Id of the member.
    pub fn id(self) -> Uuid {
        match self {
            Self::Node(id) | Self::Worker { id, .. } => id,
        }
    }

    /// The statement that locks its row.
    pub(super) fn lock(self) -> Statement<'static> {
        match self {
            Self::Node(_) => LOCK_MEMBERSHIP,
            Self::Worker { .. } => LOCK_WORKER,
        }
    }

    /// The values of that statement.
    pub(super) fn values<'a>(
        &'a self,
        stub: &'a (dyn ToSql + Sync),
    ) -> Vec<&'a (dyn ToSql + Sync)> {
        match self {
            Self::Node(id) => vec![id],
            Self::Worker { id, poll } => vec![id, poll, stub],
        }
    }
}

impl From<Uuid> for Lessee {
    fn from(node_id: Uuid) -> Self {
        Self::Node(node_id)
    }
}
