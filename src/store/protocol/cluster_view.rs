//! The cluster view: the other nodes, as one of them observes them.

use crate::model::text_enum;
use crate::store::db::row::{Values, partition};
use crate::store::{During, Store, StoreError};
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

text_enum! {
    /// How the end of a node was noticed.
    #[derive(async_graphql::Enum)]
    #[graphql(name = "NodeEnd")]
    EndedBy, "end of a node" {
        /// It left by itself.
        Left = "LEFT",
        /// Its heartbeat is older than the TTL: it is frozen or cut off.
        Ttl = "TTL",
        /// Its session has ended: it was killed or cut off.
        Session = "SESSION",
    }
}

/// True of a node `n` that is gone: its heartbeat is older than the TTL ($2, seconds), or its
/// advisory lock is free, so its session has ended. (A successor that waits for the lock holds it
/// `ShareLock` for a moment.)
macro_rules! is_gone {
    () => {
        "(n.heartbeat_at < (select coalesce($1::timestamptz, clock_timestamp())) - make_interval(secs => $2)
  or not exists (select from pg_locks k where k.locktype = 'advisory' and k.granted and k.mode = 'ExclusiveLock'
                 and k.objsubid = 1 and k.database = (select oid from pg_database where datname = current_database())
                 and ((k.classid::bigint << 32) | k.objid::bigint) = n.lock_key))"
    };
}
pub(crate) use is_gone;

/// True of a node `n` that joined during the session of the observer `o`, and has had no other
/// session since (a later session is noted before its lock is taken). A restart of the server would
/// have ended both sessions, so this one ended by itself. False when the clock was set back since.
macro_rules! joined_while_observed {
    () => {
        "n.session_at = n.started_at and o.session_at <= n.started_at
  and n.heartbeat_at between n.started_at and (select coalesce($1::timestamptz, clock_timestamp()))"
    };
}
pub(crate) use joined_while_observed;

/// The other nodes in the ring of ids, from the observer ($3) on: whether they look dead, and why.
/// After a restart of the database all of them do; only an observer whose own session has lasted a
/// TTL may declare one dead (`takeover::LOCK_GONE`).
pub(crate) const CLUSTER_VIEW: &str = concat!(
    "-- takeovers.others
select n.id, n.name, n.lock_key, ",
    is_gone!(),
    " as gone,
       n.heartbeat_at < (select coalesce($1::timestamptz, clock_timestamp()))
           - make_interval(secs => $2) as by_ttl,
       exists (select from cluster_node o where o.id = $3 and ",
    joined_while_observed!(),
    ") as joined_under_eyes
from cluster_node n
where n.state in ('ACTIVE', 'DRAINING') and n.id <> $3
order by n.id < $3, n.id"
);

/// A node that looks dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Node of this row.
    pub node_id: Uuid,
    /// Its name, for the log.
    pub name: String,
    /// Why it looks dead.
    pub ended_by: EndedBy,
    /// Whether it joined during the observer's session. Then the observer need not have watched for
    /// a TTL.
    pub joined_while_observed: bool,
}

/// The other nodes, as an observer sees them.
#[derive(Debug, Default)]
pub struct ClusterView {
    /// The nodes that look dead.
    pub suspects: Vec<Suspect>,
    /// The lock key of the next living node in the ring of ids.
    pub successor: Option<i64>,
}

fn suspect(row: &Row) -> Result<Suspect, StoreError> {
    let row = Values::of("takeovers.others", row);
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
    /// The nodes other than `observer`, and which of them look dead.
    pub async fn cluster_view(
        &self,
        observer: Uuid,
        node_ttl: Duration,
    ) -> Result<ClusterView, StoreError> {
        self.bounded("takeovers.others", async {
            let session = self.session().await?;
            let statement = session
                .prepare_cached(CLUSTER_VIEW)
                .await
                .during("takeovers.prepare")?;
            let rows = session
                .query(
                    &statement,
                    &[&self.clock().stub(), &node_ttl.as_secs_f64(), &observer],
                )
                .await
                .during("takeovers.others")?;
            session.release();
            let (gone, living) = partition("takeovers.others", &rows, "gone")?;
            let successor = living
                .first()
                .map(|row| Values::of("takeovers.others", row).get("lock_key"))
                .transpose()?;
            Ok(ClusterView {
                suspects: gone.into_iter().map(suspect).collect::<Result<_, _>>()?,
                successor,
            })
        })
        .await
    }
}
