//! The cluster view: the other nodes, as observed by a node.

use crate::model::text_enum;
use crate::store::db::row::{Values, partition};
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

text_enum! {
    /// How the end of a node was noticed.
    #[derive(async_graphql::Enum)]
    #[graphql(name = "NodeEnd")]
    EndedBy, "end of a node" {
        /// The node left on request.
        Left = "LEFT",
        /// The heartbeat is older than the TTL: the node is frozen or cut off.
        Ttl = "TTL",
        /// The session has ended: the node was killed or cut off.
        Session = "SESSION",
    }
}

/// True of a member `n` that is gone: its heartbeat is older than its TTL ($2, seconds, for nodes),
/// or the advisory lock of a node is free, so its session has ended. (A successor that waits for the
/// lock holds it `ShareLock` for a moment.) A worker has no session.
macro_rules! is_gone {
    () => {
        "(n.heartbeat_at < (select coalesce($1::timestamptz, clock_timestamp()))
      - make_interval(secs => coalesce(n.ttl_seconds::float8, $2))
  or n.kind = 'NODE' and not exists (select from pg_locks k where k.locktype = 'advisory' and k.granted and k.mode = 'ExclusiveLock'
                 and k.objsubid = 1 and k.database = (select oid from pg_database where datname = current_database())
                 and ((k.classid::bigint << 32) | k.objid::bigint) = n.lock_key))"
    };
}
pub(crate) use is_gone;

/// True of a node `n` that joined during the session of the observer `o`, without another session
/// since (a later session is noted before the lock is taken). A restart of the server would have
/// ended both sessions, so the session of `n` ended alone. False when the clock was set back since.
macro_rules! joined_while_observed {
    () => {
        "n.session_at = n.started_at and o.session_at <= n.started_at
  and n.heartbeat_at between n.started_at and (select coalesce($1::timestamptz, clock_timestamp()))"
    };
}
pub(crate) use joined_while_observed;

/// The other members in the ring of ids, from the observer ($3) on: whether a member looks dead, and
/// why. After a restart of the database all nodes look dead; only an observer with a session of at
/// least a TTL may declare a member dead (`takeover::LOCK_GONE`).
pub(crate) const CLUSTER_VIEW: Statement = Statement::new(concat!(
    "-- takeovers.others
select n.id, n.name, n.lock_key, ",
    is_gone!(),
    " as gone,
       n.heartbeat_at < (select coalesce($1::timestamptz, clock_timestamp()))
           - make_interval(secs => coalesce(n.ttl_seconds::float8, $2)) as by_ttl,
       n.kind,
       exists (select from cluster_node o where o.id = $3 and ",
    joined_while_observed!(),
    ") as joined_under_eyes
from cluster_node n
where n.state in ('ACTIVE', 'DRAINING') and n.id <> $3
order by n.id < $3, n.id"
));

/// A node that looks dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Node of the row.
    pub node_id: Uuid,
    /// The name, for the log.
    pub name: String,
    /// Why the node looks dead.
    pub ended_by: EndedBy,
    /// Whether the node joined during the observer's session. Then the observer need not have
    /// watched for a TTL.
    pub joined_while_observed: bool,
}

/// The other nodes, as an observer sees them.
#[derive(Debug, Default)]
pub struct ClusterView {
    /// The nodes that look dead.
    pub suspects: Vec<Suspect>,
    /// Number of living workers.
    pub workers: usize,
    /// The lock key of the next living node in the ring of ids.
    pub successor: Option<i64>,
}

fn suspect(row: &Row) -> Result<Suspect, StoreError> {
    let row = Values::of(CLUSTER_VIEW.name(), row);
    let ended_by = if row.get("by_ttl")? {
        EndedBy::Ttl
    } else {
        EndedBy::Session
    };
    let joined_while_observed = row.get("joined_under_eyes")?;
    Ok(Suspect {
        node_id: row.get("id")?,
        name: row.get("name")?,
        ended_by,
        joined_while_observed,
    })
}

impl Store {
    /// The nodes other than `observer`, and the suspects among the nodes.
    pub async fn cluster_view(
        &self,
        observer: Uuid,
        node_ttl: Duration,
    ) -> Result<ClusterView, StoreError> {
        self.on_session(CLUSTER_VIEW.name(), async |session| {
            let values: [&(dyn ToSql + Sync); 3] =
                [&self.clock().stub(), &node_ttl.as_secs_f64(), &observer];
            let rows = CLUSTER_VIEW.query(session, &values).await?;
            let (gone, living) = partition(CLUSTER_VIEW.name(), &rows, "gone")?;
            let mut members = Vec::with_capacity(living.len());
            for row in living {
                let row = Values::of(CLUSTER_VIEW.name(), row);
                members.push((row.get::<&str>("kind")?, row.get("lock_key")?));
            }
            // The rows come in the order of the ring from the observer on. A worker has no session
            // to watch.
            let successor = members.iter().find(|(kind, _)| *kind == "NODE");
            Ok(ClusterView {
                workers: members.iter().filter(|(kind, _)| *kind == "WORKER").count(),
                successor: successor.map(|(_, lock_key)| *lock_key),
                suspects: gone.into_iter().map(suspect).collect::<Result<_, _>>()?,
            })
        })
        .await
    }
}
