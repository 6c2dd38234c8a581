//! The pause of the cluster: while it lasts no node leases anything.
//!
//! A database that was restored from a backup has lost the executions since, and would fire them a
//! second time. A running node remembers the last heartbeat that the database acknowledged. When
//! the database has lost more than the minute before the heartbeat, the node pauses the cluster,
//! and an operator decides. A smaller loss comes from an asynchronous failover: the lost fire times
//! fire again, under the same execution ids.
//!
//! The cluster never resumes without an operator. (Exception: a pause for a jump of the clock, see
//! `clock_jumps`.)

use super::triggers::all_triggers;
use crate::model::{Timestamp, rfc3339};
use crate::store::audit::entry::Entry;
use crate::store::db::listener::notify;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::maintenance::clock_jumps::{ClockVerdict, paused_for};
use crate::store::{During, Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// Most rows that a count reads.
pub(crate) const COUNT_MAX: i64 = 10_000;

/// Pauses the cluster when the node's row ($2), with a heartbeat acknowledged at $3, is missing or
/// more than a minute older. An earlier pause keeps its reason. $4: the label of the node.
pub(crate) const PAUSE_IF_SET_BACK: Statement = Statement::new(
    "-- cluster_pause.if_set_back
with paused as (
insert into cluster_pause (paused_at, reason, set_back_to, last_known)
select coalesce($1::timestamptz, clock_timestamp()),
       'the database was set back: it knows nothing of what happened since',
       (select max(heartbeat_at) from cluster_node where heartbeat_at < $3), $3
where not exists (select from cluster_node
    where id = $2 and heartbeat_at >= $3::timestamptz - interval '1 minute')
on conflict do nothing
returning set_back_to, last_known
)
insert into audit_log (at, caller, caller_kind, action, object_kind, outcome, details)
select clock_timestamp(), $4, 'NODE', 'pauseAfterRestore', 'cluster', 'DONE',
       json_build_object('setBackTo', set_back_to, 'lastKnown', last_known)
from paused",
);

const PAUSE: Statement = Statement::new(
    "-- cluster_pause.pause
insert into cluster_pause (paused_at, reason) values (coalesce($1::timestamptz, clock_timestamp()), $2)
on conflict do nothing",
);

const RESUME: Statement = Statement::new(
    "-- cluster_pause.resume
delete from cluster_pause returning paused_at, reason, jumped_from, jumped_to",
);

/// With what a resume would start: due triggers, and attempts that were lost with their nodes.
pub(crate) const READ: Statement = Statement::new(concat!(
    "-- cluster_pause.read
select h.paused_at, h.reason, h.set_back_to, h.last_known,
       (select count(*) from (select from ",
    all_triggers!(),
    " as t
            where due_at <= (select coalesce($1::timestamptz, clock_timestamp()))
            limit $2) as due) as due,
       (select count(*) from execution_in_flight l where l.status = 'RUNNING'
            and not exists (select from cluster_node n where n.id = l.node_id
                and n.state in ('ACTIVE', 'DRAINING'))) as lost
from cluster_pause h",
));

/// Why nothing starts, and the work after a resume.
#[derive(Debug, Clone)]
pub struct ClusterPause {
    /// Begin of the pause.
    pub paused_at: Timestamp,
    /// Reason of the pause. Display only.
    pub reason: String,
    /// After a restore: the last heartbeat in the database.
    pub set_back_to: Option<Timestamp>,
    /// After a restore: the last heartbeat known to a running node.
    pub last_known: Option<Timestamp>,
    /// Due triggers, counted to 10,000.
    pub due: i64,
    /// Attempts lost with the nodes, and not taken over yet.
    pub lost: i64,
}

impl Store {
    /// Pauses the cluster; false when the cluster was paused already.
    pub async fn pause_cluster(&self, reason: &str) -> Result<bool, StoreError> {
        self.bounded("cluster_pause.pause", async {
            let transaction = self.begin("cluster_pause.begin").await?;
            let values: [&(dyn ToSql + Sync); 2] = [&self.clock().stub(), &reason];
            let paused = PAUSE.execute(&transaction, &values).await? == 1;
            if paused {
                transaction.record(Entry::about("cluster").with("reason", reason));
            }
            transaction.commit().await.during("cluster_pause.commit")?;
            Ok(paused)
        })
        .await
    }

    /// Resumes the cluster, and wakes all nodes; false when the cluster was not paused. After a
    /// jump of the clock, the new time is accepted.
    pub async fn resume_cluster(&self) -> Result<bool, StoreError> {
        let resumed = self.bounded("cluster_pause.resume", async {
            let transaction = self.begin("cluster_pause.begin").await?;
            let ended = RESUME.query_opt(&transaction, &[]).await?;
            let paused_for = ended
                .as_ref()
                .map(|row| paused_for(Values::of("cluster_pause", row)))
                .transpose()?;
            if let Some(row) = &ended {
                let row = Values::of("cluster_pause", row);
                let entry = Entry::about("cluster")
                    .with("pausedAt", rfc3339(row.get("paused_at")?))
                    .with("reason", row.get::<String>("reason")?);
                transaction.record(entry);
            }
            // Also without a pause: a wake-up more does no harm.
            notify(&transaction).await?;
            transaction.commit().await.during("cluster_pause.commit")?;
            Ok(paused_for)
        });
        let paused_for = resumed.await?;
        // The pause was for a jump of the clock: the new time is accepted now.
        if let Some(Some(jump)) = paused_for {
            self.mend_after(ClockVerdict::Accepted(jump)).await?;
        }
        Ok(paused_for.is_some())
    }

    /// The pause, if any.
    pub async fn cluster_pause(&self) -> Result<Option<ClusterPause>, StoreError> {
        self.read_opt(READ, &[&self.clock().stub(), &COUNT_MAX], record)
            .await
    }
}

pub(crate) fn record(row: &Row) -> Result<ClusterPause, StoreError> {
    let row = Values::of("cluster_pause", row);
    Ok(ClusterPause {
        paused_at: row.get("paused_at")?,
        reason: row.get("reason")?,
        set_back_to: row.get("set_back_to")?,
        last_known: row.get("last_known")?,
        due: row.get("due")?,
        lost: row.get("lost")?,
    })
}
