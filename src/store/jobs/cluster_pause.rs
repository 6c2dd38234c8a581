//! The pause of the cluster: while it lasts no node leases anything.
//!
//! A database that was restored from a backup has forgotten what fired since,
//! and would fire it again. A node that was running remembers the last
//! heartbeat that the database acknowledged; when it meets a database that has
//! forgotten more than a minute before that, it pauses the cluster, and a person
//! decides. What is less is the loss of an asynchronous failover, whose cure is
//! to fire again under the same execution ids.
//!
//! It must never resume by itself. (A pause for a jump of the clock may: see `clock_jumps`.)

use super::commands::notify;
use crate::model::Timestamp;
use crate::store::db::row::Values;
use crate::store::maintenance::clock_jumps::{ClockVerdict, paused_for};
use crate::store::{During, Store, StoreError};
use tokio_postgres::Row;

/// Most that is counted of anything.
pub(crate) const COUNT_MAX: i64 = 10_000;

/// The row that the node wrote and the database acknowledged ($2) is not there,
/// or as it was more than a minute before. An earlier pause stays as it is.
pub(crate) const PAUSE_IF_SET_BACK: &str = "-- hold.if_set_back
insert into cluster_hold (held_at, reason, set_back_to, last_known)
select coalesce($1::timestamptz, clock_timestamp()),
       'the database was set back: it knows nothing of what happened since',
       (select max(heartbeat_at) from cluster_node where heartbeat_at < $3), $3
where not exists (select from cluster_node where id = $2 and heartbeat_at >= $3::timestamptz - interval '1 minute')
on conflict do nothing";

const PAUSE: &str = "-- hold.hold
insert into cluster_hold (held_at, reason) values (coalesce($1::timestamptz, clock_timestamp()), $2) on conflict do nothing";

const RESUME: &str = "-- hold.release
delete from cluster_hold returning jumped_from, jumped_to";

/// With what a resume would start: triggers that are due by now, and attempts
/// that were lost with their nodes.
pub(crate) const READ: &str = "-- hold.read
select h.held_at, h.reason, h.set_back_to, h.last_known,
       (select count(*) from (select from job_trigger
            where due_at <= (select coalesce($1::timestamptz, clock_timestamp())) limit $2) as due) as due,
       (select count(*) from execution_in_flight l where l.status = 'RUNNING'
            and not exists (select from cluster_node n where n.id = l.node_id and n.state in ('ACTIVE', 'DRAINING'))) as lost
from cluster_hold h";

/// Why nothing starts, and what would when the cluster is resumed.
#[derive(Debug, Clone)]
pub struct ClusterPause {
    /// Since when.
    pub paused_at: Timestamp,
    /// Why, for people.
    pub reason: String,
    /// After a restore: the last moment that the database knows of.
    pub set_back_to: Option<Timestamp>,
    /// After a restore: the last moment that a running node remembers.
    pub last_known: Option<Timestamp>,
    /// Triggers that are due by now, counted to 10,000.
    pub due: i64,
    /// Attempts that were lost with their nodes and not taken over yet.
    pub lost: i64,
}

impl Store {
    /// Pauses the cluster; false when it was paused already.
    pub async fn pause_cluster(&self, reason: &str) -> Result<bool, StoreError> {
        self.bounded("hold.hold", async {
            let session = self.session().await?;
            let made = session
                .execute(PAUSE, &[&self.clock().stub(), &reason])
                .await
                .during("hold.hold")?;
            session.release();
            Ok(made == 1)
        })
        .await
    }

    /// Resumes the cluster, and wakes it; false when it was not paused. The time of a clock that
    /// has jumped is the time from then on.
    pub async fn resume_cluster(&self) -> Result<bool, StoreError> {
        let resumed = self.bounded("hold.release", async {
            let transaction = self.begin("hold.begin").await?;
            let ended = transaction
                .query_opt(RESUME, &[])
                .await
                .during("hold.release")?;
            let paused_for = ended
                .as_ref()
                .map(|row| paused_for(Values::of("cluster_hold", row)))
                .transpose()?;
            notify(&transaction).await?;
            transaction.commit().await.during("hold.commit")?;
            Ok(paused_for)
        });
        let paused_for = resumed.await?;
        if let Some(Some(jump)) = paused_for {
            self.mend_after(ClockVerdict::Accepted(jump)).await?;
        }
        Ok(paused_for.is_some())
    }

    /// The pause, if there is one.
    pub async fn cluster_pause(&self) -> Result<Option<ClusterPause>, StoreError> {
        self.bounded("hold.read", async {
            let session = self.session().await?;
            let statement = session.prepare_cached(READ).await.during("hold.prepare")?;
            let row = session
                .query_opt(&statement, &[&self.clock().stub(), &COUNT_MAX])
                .await
                .during("hold.read")?;
            session.release();
            row.as_ref().map(record).transpose()
        })
        .await
    }
}

pub(crate) fn record(row: &Row) -> Result<ClusterPause, StoreError> {
    let row = Values::of("cluster_hold", row);
    Ok(ClusterPause {
        paused_at: row.get("held_at")?,
        reason: row.get("reason")?,
        set_back_to: row.get("set_back_to")?,
        last_known: row.get("last_known")?,
        due: row.get("due")?,
        lost: row.get("lost")?,
    })
}
