//! Takeover: a node is declared dead, and its executions are handed over.
//!
//! One transaction locks the node's row exclusively, so no lease of the node is half-way. The
//! transaction checks once more that the node is gone, marks the node, and hands over the
//! executions (`hand_over`).

use super::cluster_view::{EndedBy, Suspect, is_gone, joined_while_observed};
use super::failing;
use super::hand_over::{END_LEASES, HandOver, LEASES, NEXT_ATTEMPTS, TAKE_OVER, TakeoverReport};
use super::overlap::{LOCK_JOBS, RELEASE_BUFFERED};
use super::reclaim::{Holdings, LOCK_OWN};
use crate::store::audit::entry::{self, Entry};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use std::time::Duration;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// True of an observer ($4) with a membership session that has lasted a TTL, or since before the
/// suspect joined, and still lasts, as the database sees the session. The node's own membership
/// state (`may_declare_dead`) comes too late: the news that all sessions ended may not have
/// arrived, or the suspicion is older (docs/internals/lease-protocol.md). The observer's heartbeat
/// must be young as well: after a jump of the clock every heartbeat is old. (Not checked where a
/// test sets the clock.)
macro_rules! observer_has_watched {
    () => {
        concat!(
            "exists (select from cluster_node o join pg_locks k on k.locktype = 'advisory' and k.granted
            and k.mode = 'ExclusiveLock' and k.objsubid = 1
            and k.database = (select oid from pg_database where datname = current_database())
            and ((k.classid::bigint << 32) | k.objid::bigint) = o.lock_key
        where o.id = $4 and o.state in ('ACTIVE', 'DRAINING')
          and ($1::timestamptz is not null or o.heartbeat_at >= (select clock_timestamp()) - make_interval(secs => $2) / 2)
          and (o.session_at <= (select coalesce($1::timestamptz, clock_timestamp()))
              - make_interval(secs => coalesce(n.ttl_seconds::float8, $2)) or ",
            joined_while_observed!(),
            "))"
        )
    };
}

/// Locks the row of a node against its leases, if the node is still gone and the observer has
/// watched for long enough.
pub(crate) const LOCK_GONE: Statement = Statement::new(concat!(
    "-- takeovers.lock_gone
select 1 from cluster_node n
where n.id = $3 and n.state in ('ACTIVE', 'DRAINING') and ",
    is_gone!(),
    " and ",
    observer_has_watched!(),
    " for update of n"
));

const MARK_ENDED: Statement = Statement::new(
    "-- takeovers.mark_ended
update cluster_node set state = $2, ended_by = $3,
    ended_at = coalesce($4::timestamptz, clock_timestamp()),
    executions_running = 0
where id = $1",
);

/// The statements of a takeover, in their order.
const STATEMENTS: [Statement; 10] = [
    LOCK_GONE,
    MARK_ENDED,
    LEASES,
    LOCK_JOBS,
    TAKE_OVER,
    failing::MARK,
    END_LEASES,
    NEXT_ATTEMPTS,
    RELEASE_BUFFERED,
    entry::INSERT,
];

impl Store {
    /// Declares a suspect dead and takes over the executions. None when the suspect is alive,
    /// another node was faster, or `observer` has not watched for a TTL.
    pub async fn take_over(
        &self,
        suspect: &Suspect,
        observer: Uuid,
        node_ttl: Duration,
    ) -> Result<Option<TakeoverReport>, StoreError> {
        match self
            .try_take_over(suspect, observer, node_ttl, HandOver::Whole)
            .await
        {
            Err(error) if error.is_of_a_row() => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, node.id = %suspect.node_id, "a take-over fails for one execution: taking over in parts");
                self.try_take_over(suspect, observer, node_ttl, HandOver::InParts)
                    .await
            }
            answer => answer,
        }
    }

    async fn try_take_over(
        &self,
        suspect: &Suspect,
        observer: Uuid,
        node_ttl: Duration,
        how: HandOver,
    ) -> Result<Option<TakeoverReport>, StoreError> {
        self.bounded("takeovers.take_over", async {
            let transaction = Transaction::new(self.session().await?, self.author.clone());
            // Deaths are rare: the connection has prepared none of the statements, and each round
            // trip delays the takeover.
            transaction.prepare(&STATEMENTS).await?;
            let (stub, seconds) = (self.clock().stub(), node_ttl.as_secs_f64());
            let values: [&(dyn ToSql + Sync); 4] = [&stub, &seconds, &suspect.node_id, &observer];
            let ((), gone) = futures_util::try_join!(
                async { transaction.begin().await.during("takeovers.begin") },
                LOCK_GONE.query_opt(&transaction, &values),
            )?;
            let mut taken = None;
            if gone.is_some() {
                // The row is locked: no lease of the suspect can commit any more.
                let report = self
                    .end_node(&transaction, suspect.node_id, suspect.ended_by, how)
                    .await?;
                let entry = Entry::of("node", suspect.node_id)
                    .named(&suspect.name)
                    .with("endedBy", suspect.ended_by.as_str())
                    .with("rerun", report.rerun.len())
                    .with("ended", report.ended.len());
                // No user gave a command: the entry is a decision of the node.
                transaction.record_decision("takeOver", entry);
                taken = Some(report);
            }
            transaction.commit().await.during("takeovers.commit")?;
            Ok(taken)
        })
        .await
    }

    /// Leaves the cluster. Started attempts are handed over at once, as if the node had died; the
    /// others are reclaimed.
    pub async fn leave(
        &self,
        node_id: Uuid,
        holdings: &Holdings,
    ) -> Result<TakeoverReport, StoreError> {
        match self.try_leave(node_id, holdings, HandOver::Whole).await {
            Err(error) if error.is_of_a_row() => {
                self.try_leave(node_id, holdings, HandOver::InParts).await
            }
            answer => answer,
        }
    }

    async fn try_leave(
        &self,
        node_id: Uuid,
        holdings: &Holdings,
        how: HandOver,
    ) -> Result<TakeoverReport, StoreError> {
        self.bounded("takeovers.leave", async {
            let transaction = self.begin("takeovers.begin").await?;
            let own = LOCK_OWN.query_opt(&transaction, &[&node_id]).await?;
            let mut taken = TakeoverReport::default();
            // A takeover may have been faster: then the node has nothing left to hand over.
            if own.is_some() {
                self.reclaim_unstarted(&transaction, node_id, holdings)
                    .await?;
                taken = self
                    .end_node(&transaction, node_id, EndedBy::Left, how)
                    .await?;
            }
            transaction.commit().await.during("takeovers.commit")?;
            Ok(taken)
        })
        .await
    }

    pub(super) async fn end_node(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        ended_by: EndedBy,
        how: HandOver,
    ) -> Result<TakeoverReport, StoreError> {
        let stub = self.clock().stub();
        let state = if ended_by == EndedBy::Left {
            "LEFT"
        } else {
            "DEAD"
        };
        let values: [&(dyn ToSql + Sync); 4] = [&node_id, &state, &ended_by.as_str(), &stub];
        MARK_ENDED.execute(transaction, &values).await?;
        self.hand_over_leases(transaction, node_id, how).await
    }
}
