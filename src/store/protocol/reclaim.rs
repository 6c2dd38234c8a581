//! Reclaiming: a node takes back attempts that never started, although the database counts the
//! attempts to the node.
//!
//! The node itself knows the attempts and lives, so no takeover is needed: the attempts are tried
//! again under the same ids, and are neither lost nor recovered.

use super::fixed_delay::rearm_fixed_delay;
use super::hand_over::{LEASES, TakeoverReport, executions, waited_for};
use super::overlap::{lock_jobs, release_buffered};
use crate::store::db::parts::in_parts;
use crate::store::db::row::column;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use std::collections::HashSet;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Reclaims attempts that never began, without counting a recovery. With a deleted job or a
/// requested cancellation the execution ends. `between` prunes partitions.
pub(crate) const RECLAIM: Statement = Statement::new(
    "-- give_backs.give_back
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now),
verdict as materialized (
    select l.id, j.status = 'DELETED' or l.cancel_requested_at is not null as is_over
    from job_execution_log l join job_definition j on j.id = l.job_id
    where l.id between $4 and $5 and l.id = any($3::uuid[]) and l.node_id = $2
        and l.status = 'RUNNING'
    for update of l
)
update job_execution_log l
set status = case when v.is_over then 'CANCELLED' else 'RETRYING' end, retrying = case
    when not v.is_over then true end,
    finished_at = case when v.is_over then clock.now end,
    error_message = case when v.is_over then 'cancelled before attempt ' || l.attempt || ' began' end,
    previous_attempts = coalesce(l.previous_attempts, '[]') || jsonb_build_object(
        'attempt', l.attempt, 'nodeId', l.node_id, 'endedAt', clock.now, 'outcome', 'NOT_STARTED')
from verdict v, clock
where l.id between $4 and $5 and l.id = any($3::uuid[]) and l.id = v.id and l.node_id = $2
    and l.status = 'RUNNING'
returning l.id, l.job_id, not v.is_over as runs_again, l.fire_time, l.due_time",
);

/// Locks the node's own row. The lock waits for a lease under way, and excludes a takeover.
pub(crate) const LOCK_OWN: Statement = Statement::new(
    "-- takeovers.lock_own
select 1 from cluster_node where id = $1 and state in ('ACTIVE', 'DRAINING') for update",
);

/// Leases without a running execution.
const END_EMPTY_LEASES: Statement = Statement::new(
    "-- give_backs.end_empty_leases
delete from job_lease h where h.id = any($1::uuid[])
  and not exists (select from job_execution_log l
                  where l.id = any(h.execution_ids) and l.node_id = h.node_id
                      and l.status = 'RUNNING')",
);

/// The attempts possibly counted to a node by the database, as the node knows the attempts.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// Executions of the attempts in its slots.
    pub held: HashSet<Uuid>,
    /// The executions among `held` with a started handler.
    pub begun: HashSet<Uuid>,
    /// Executions of started attempts, given up unsettled.
    pub given_up: HashSet<Uuid>,
    /// Leases of the held attempts.
    pub leases: HashSet<Uuid>,
}

impl Store {
    /// Reclaims the attempts counted to `node_id` that the node neither holds nor has started,
    /// hands over the attempts given up, and ends leases unknown to the node. Returns the number of
    /// attempts. Only for the acquirer, while no lease is under way: the attempts of a lease
    /// committed a moment ago are not held yet.
    pub async fn reclaim_unacknowledged(
        &self,
        node_id: Uuid,
        holdings: &Holdings,
    ) -> Result<usize, StoreError> {
        self.bounded("give_backs.give_back", async {
            let session = self.session().await?;
            let listed = LEASES.query(&session, &[&node_id]).await?;
            let mut lost = executions(&listed)?;
            // Held attempts end with a settlement. Only the rest is lost.
            lost.retain(|execution| !holdings.held.contains(execution));
            if lost.is_empty() {
                session.release();
                return Ok(0);
            }
            let mut unknown: Vec<Uuid> = column("job_lease", &listed, "id")?;
            unknown.retain(|lease| !holdings.leases.contains(lease));
            let (given_up, unstarted): (Vec<Uuid>, Vec<Uuid>) = lost
                .into_iter()
                .partition(|execution| holdings.given_up.contains(execution));
            // Nothing is written in most audits: the transaction begins here.
            let transaction = Transaction::new(session, self.author.clone());
            transaction.begin().await.during("give_backs.begin")?;
            let jobs = waited_for(&listed)?;
            // The locks of serialized jobs before any row, as in every step.
            lock_jobs(&transaction, &jobs).await?;
            let handed_over = self.hand_over_own(&transaction, node_id, &given_up).await?;
            let reclaimed = self.reclaim_in(&transaction, node_id, &unstarted).await?;
            // After the statements that end executions: an execution ended here may block a
            // buffered fire.
            release_buffered(&transaction, self.clock().stub(), &jobs).await?;
            // An unknown lease may list an execution that could not be reclaimed: only empty leases
            // end.
            end_empty(&transaction, &unknown).await?;
            transaction.commit().await.during("give_backs.commit")?;
            Ok(reclaimed + handed_over)
        })
        .await
    }

    /// Reclaims the attempts not started under a former id of the process. Returns the number.
    /// Started attempts, also attempts still to be settled, are left to the takeover of the id.
    /// After the takeover there is nothing to reclaim.
    pub async fn reclaim_former(
        &self,
        node_id: Uuid,
        holdings: &Holdings,
    ) -> Result<usize, StoreError> {
        self.bounded("give_backs.give_back_former", async {
            let transaction = self.begin("give_backs.begin").await?;
            let reclaimed = self
                .reclaim_unstarted(&transaction, node_id, holdings)
                .await?;
            transaction.commit().await.during("give_backs.commit")?;
            Ok(reclaimed)
        })
        .await
    }

    /// The same in a transaction of the caller.
    pub(crate) async fn reclaim_unstarted(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        holdings: &Holdings,
    ) -> Result<usize, StoreError> {
        // Another node may have taken over the id: then nothing is left to reclaim.
        let own = LOCK_OWN.query_opt(transaction, &[&node_id]).await?;
        if own.is_none() {
            return Ok(0);
        }
        let listed = LEASES.query(transaction, &[&node_id]).await?;
        let mut unstarted = executions(&listed)?;
        unstarted.retain(|execution| {
            !holdings.begun.contains(execution) && !holdings.given_up.contains(execution)
        });
        let jobs = waited_for(&listed)?;
        lock_jobs(transaction, &jobs).await?;
        let reclaimed = self.reclaim_in(transaction, node_id, &unstarted).await?;
        release_buffered(transaction, self.clock().stub(), &jobs).await?;
        let leases: Vec<Uuid> = column("job_lease", &listed, "id")?;
        end_empty(transaction, &leases).await?;
        Ok(reclaimed)
    }

    pub(super) async fn reclaim_in(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        unstarted: &[Uuid],
    ) -> Result<usize, StoreError> {
        let (Some(low), Some(high)) = (unstarted.iter().min(), unstarted.iter().max()) else {
            return Ok(0);
        };
        let reclaimed = in_parts(transaction, unstarted, async |unstarted: &[Uuid]| {
            let values: [&(dyn ToSql + Sync); 5] =
                [&self.clock().stub(), &node_id, &unstarted, low, high];
            let rows = RECLAIM.query(transaction, &values).await?;
            let reclaimed = self.next_attempts(transaction, "RETRY", &rows).await?;
            rearm_fixed_delay(transaction, &reclaimed.ended).await?;
            Ok(rows.len())
        })
        .await?;
        // A row refused by the database stays RUNNING. The next audit tries again.
        self.note_odd("job_execution_log", reclaimed.odd);
        Ok(reclaimed.done.into_iter().sum())
    }

    /// Hands over started attempts of a living node that cannot be settled, like attempts of a dead
    /// node.
    async fn hand_over_own(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        given_up: &[Uuid],
    ) -> Result<usize, StoreError> {
        let hand_over =
            async |given_up: &[Uuid]| self.hand_over(transaction, node_id, given_up).await;
        let handed_over = in_parts(transaction, given_up, hand_over).await?;
        self.note_odd("job_execution_log", handed_over.odd);
        Ok(handed_over
            .done
            .iter()
            .map(TakeoverReport::executions)
            .sum())
    }
}

pub(super) async fn end_empty(
    transaction: &Transaction,
    leases: &[Uuid],
) -> Result<(), StoreError> {
    if !leases.is_empty() {
        END_EMPTY_LEASES.execute(transaction, &[&leases]).await?;
    }
    Ok(())
}
