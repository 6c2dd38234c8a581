//! Reclaiming: attempts that the database counts to a node and that never began there.
//!
//! The node itself says which they are. It lives, so nobody needs to take them over: they are tried
//! again under their own ids, and are neither lost nor recovered.

use super::complete::{lock_jobs, rearm_fixed_delay, release_buffered};
use super::takeover::{LEASES, LOCK_OWN, TakeoverReport, executions};
use crate::store::db::parts::in_parts;
use crate::store::db::row::column;
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError};
use std::collections::{BTreeSet, HashSet};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Reclaims attempts that never began: this is no recovery. Of a deleted job, or when somebody
/// asked to cancel it, the execution ends. `between` prunes partitions.
pub(crate) const RECLAIM: &str = "-- give_backs.give_back
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now),
verdict as materialized (
    select l.id, j.status = 'DELETED' or l.cancel_requested_at is not null as is_over
    from job_execution_log l join job_definition j on j.id = l.job_id
    where l.id between $4 and $5 and l.id = any($3::uuid[]) and l.node_id = $2 and l.status = 'RUNNING'
    for update of l
)
update job_execution_log l
set status = case when v.is_over then 'CANCELLED' else 'RETRYING' end, retrying = case when not v.is_over then true end,
    finished_at = case when v.is_over then clock.now end,
    error_message = case when v.is_over then 'cancelled before attempt ' || l.attempt || ' began' end,
    previous_attempts = coalesce(l.previous_attempts, '[]') || jsonb_build_object(
        'attempt', l.attempt, 'nodeId', l.node_id, 'endedAt', clock.now, 'outcome', 'NOT_STARTED')
from verdict v, clock
where l.id between $4 and $5 and l.id = any($3::uuid[]) and l.id = v.id and l.node_id = $2 and l.status = 'RUNNING'
returning l.id, l.job_id, not v.is_over as runs_again, l.fire_time, l.due_time";

/// Leases of which nothing runs any more.
const END_EMPTY_LEASES: &str = "-- give_backs.end_empty_leases
delete from job_lease h where h.id = any($1::uuid[])
  and not exists (select from job_execution_log l
                  where l.id = any(h.execution_ids) and l.node_id = h.node_id and l.status = 'RUNNING')";

/// What a node knows of the attempts that are counted to it.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// Executions of the attempts in its slots.
    pub held: HashSet<Uuid>,
    /// Those of them that were handed to a handler.
    pub begun: HashSet<Uuid>,
    /// Executions of attempts that began, and that it let go of unsettled.
    pub given_up: HashSet<Uuid>,
    /// Leases of which it holds something.
    pub leases: HashSet<Uuid>,
}

impl Store {
    /// Reclaims what the database counts to `node_id` and what the node neither holds nor has
    /// begun, hands over what it has given up, and ends leases that it does not know; the number of
    /// attempts. Only for the taker of leases itself, between two leases: anybody else would
    /// reclaim what is just being handed over.
    pub async fn reclaim_unacknowledged(
        &self,
        node_id: Uuid,
        holdings: &Holdings,
    ) -> Result<usize, StoreError> {
        self.bounded("give_backs.give_back", async {
            let session = self.session().await?;
            let listed = session
                .query(LEASES, &[&node_id])
                .await
                .during("give_backs.leases")?;
            let mut lost = executions(&listed)?;
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
            let transaction = Transaction::new(session);
            transaction.begin().await.during("give_backs.begin")?;
            let jobs = waited_for(&listed)?;
            lock_jobs(&transaction, &jobs).await?;
            let handed_over = self.hand_over_own(&transaction, node_id, &given_up).await?;
            let reclaimed = self.reclaim_in(&transaction, node_id, &unstarted).await?;
            release_buffered(&transaction, self.clock().stub(), &jobs).await?;
            end_empty(&transaction, &unknown).await?;
            transaction.commit().await.during("give_backs.commit")?;
            Ok(reclaimed + handed_over)
        })
        .await
    }

    /// Reclaims what has not begun under an id that this process has given up; how many. What began
    /// is left to whoever takes the id over, and so is what is still to be settled. The lock on the
    /// node's row waits for a lease of the id that is under way, and excludes a take-over; after
    /// the take-over there is nothing to reclaim.
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

    /// The same as a part of a transaction.
    pub(super) async fn reclaim_unstarted(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        Holdings {
            begun, given_up, ..
        }: &Holdings,
    ) -> Result<usize, StoreError> {
        let own = transaction
            .query_opt(LOCK_OWN, &[&node_id])
            .await
            .during("give_backs.lock_own")?;
        if own.is_none() {
            return Ok(0);
        }
        let listed = transaction
            .query(LEASES, &[&node_id])
            .await
            .during("give_backs.leases")?;
        let mut unstarted = executions(&listed)?;
        unstarted.retain(|execution| !begun.contains(execution) && !given_up.contains(execution));
        let jobs = waited_for(&listed)?;
        lock_jobs(transaction, &jobs).await?;
        let reclaimed = self.reclaim_in(transaction, node_id, &unstarted).await?;
        release_buffered(transaction, self.clock().stub(), &jobs).await?;
        let leases: Vec<Uuid> = column("job_lease", &listed, "id")?;
        end_empty(transaction, &leases).await?;
        Ok(reclaimed)
    }

    async fn reclaim_in(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        unstarted: &[Uuid],
    ) -> Result<usize, StoreError> {
        let (Some(low), Some(high)) = (unstarted.iter().min(), unstarted.iter().max()) else {
            return Ok(0);
        };
        let statement = transaction
            .prepare_cached(RECLAIM)
            .await
            .during("give_backs.prepare")?;
        let reclaim = async |unstarted: &[Uuid]| {
            let values: [&(dyn ToSql + Sync); 5] =
                [&self.clock().stub(), &node_id, &unstarted, low, high];
            let rows = transaction
                .query(&statement, &values)
                .await
                .during("give_backs.give_back")?;
            let reclaimed = self.next_attempts(transaction, "RETRY", &rows).await?;
            rearm_fixed_delay(transaction, &reclaimed.ended).await?;
            Ok(rows.len())
        };
        let reclaimed = in_parts(transaction, unstarted, reclaim).await?;
        self.note_odd("job_execution_log", reclaimed.odd);
        Ok(reclaimed.done.into_iter().sum())
    }

    /// What a living node began and cannot settle goes the way of what a dead one held.
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
        let count = |taken: &TakeoverReport| taken.rerun.len() + taken.ended.len();
        Ok(handed_over.done.iter().map(count).sum())
    }
}

/// The jobs of leases that name one: later fire times may wait for the ends of what they list.
pub(super) fn waited_for(leases: &[Row]) -> Result<Vec<Uuid>, StoreError> {
    let jobs: BTreeSet<Option<Uuid>> = column("job_lease", leases, "job_id")?;
    Ok(jobs.into_iter().flatten().collect())
}

async fn end_empty(transaction: &Transaction, leases: &[Uuid]) -> Result<(), StoreError> {
    if !leases.is_empty() {
        transaction
            .execute(END_EMPTY_LEASES, &[&leases])
            .await
            .during("give_backs.end_empty_leases")?;
    }
    Ok(())
}
