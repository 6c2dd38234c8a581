//! The slow sweep: `RUNNING` executions not held by a living node.
//!
//! The protocol leaves no such execution behind. The causes are a restored backup, a change by hand
//! in psql, or a row refused during a takeover. The sweep reads a slice of the log at a time. An
//! unlisted execution gets a lease. Then an audit of the node finds the execution, or the second
//! half of the sweep, which hands over the leases of gone nodes.

use super::hand_over::{HandOver, TakeoverReport};
use crate::store::db::row::{Values, column};
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use uuid::Uuid;

/// Rows of the log in a slice: about 20 ms.
const SLICE: i64 = 10_000;
/// Most executions listed by a slice, and most nodes with leases handed over at once; the next
/// sweep takes the rest.
const BATCH: i64 = 100;

/// The last row of the next slice, by the primary key. None: the slice is the rest of the log.
pub(crate) const SLICE_END: Statement = Statement::new(
    "-- sweep.slice_end
select id from job_execution_log where id > $1 order by id offset $2::bigint - 1 limit 1",
);

/// Lists the unlisted running executions of the slice. A lease and a settlement write the row and
/// the list in a single transaction, so every snapshot shows both or none. No locks: a list of an
/// ended execution does no harm.
pub(super) const LIST_UNLISTED: Statement = Statement::new(
    "-- sweep.list_unlisted
insert into job_lease (id, node_id, job_id, execution_ids)
select gen_random_uuid(), l.node_id,
       case when coalesce(j.policies ->> 'overlapPolicy', 'ALLOW') <> 'ALLOW' then l.job_id end,
           array[l.id]
from job_execution_log l left join job_definition j on j.id = l.job_id
where l.id > $1 and l.id <= $2 and l.status = 'RUNNING' and l.node_id is not null
  and l.id not in (select x.id from job_lease h, unnest(h.execution_ids) as x (id)
      where x.id is not null)
limit $3",
);

/// Gone nodes with leases.
pub(super) const GONE: Statement = Statement::new(
    "-- sweep.gone
select distinct h.node_id from job_lease h
where not exists (select from cluster_node n where n.id = h.node_id
    and n.state in ('ACTIVE', 'DRAINING')) limit $1",
);

/// The result of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Executions without a lease.
    pub listed: u64,
    /// Executions listed by leases of gone nodes: run again or ended.
    pub handed_over: usize,
    /// Unique keys of executions that are neither pending nor in flight.
    pub freed_keys: u64,
}

impl Store {
    /// Sweeps the slice of the log behind `after`, moves `after` to the end of the slice, and
    /// sweeps the leases of all nodes.
    pub async fn sweep(&self, after: &mut Uuid) -> Result<Swept, StoreError> {
        let listed = self.list_unlisted(after).await?;
        let mut handed_over = 0;
        for node_id in self.gone().await? {
            handed_over += self.hand_over_left(node_id).await?.executions();
        }
        Ok(Swept {
            listed,
            handed_over,
            freed_keys: 0,
        })
    }

    /// A failed slice waits for the next round.
    async fn list_unlisted(&self, after: &mut Uuid) -> Result<u64, StoreError> {
        self.on_session("sweep.list_unlisted", async |session| {
            // Unprepared: each slice has another range, and the planner sees the size of the range.
            let end = SLICE_END
                .query_opt_unprepared(session, &[after, &SLICE])
                .await?;
            let end: Option<Uuid> = end
                .map(|row| Values::of(SLICE_END.name(), &row).get(0))
                .transpose()?;
            // Before the slice is swept: a slice that fails must not stop the sweep of the rest.
            let begin = std::mem::replace(after, end.unwrap_or_default());
            let last = end.unwrap_or(Uuid::max());
            LIST_UNLISTED
                .execute_unprepared(session, &[&begin, &last, &BATCH])
                .await
        })
        .await
    }

    async fn gone(&self) -> Result<Vec<Uuid>, StoreError> {
        self.on_session(GONE.name(), async |session| {
            let rows = GONE.query(session, &[&BATCH]).await?;
            column(GONE.name(), &rows, 0)
        })
        .await
    }

    /// A gone node does not come back, so no lock of the row is needed. Each row is a
    /// compare-and-set.
    async fn hand_over_left(&self, node_id: Uuid) -> Result<TakeoverReport, StoreError> {
        self.bounded("sweep.hand_over_left", async {
            let transaction = self.begin("sweep.begin").await?;
            let taken = self
                .hand_over_leases(&transaction, node_id, HandOver::InParts)
                .await?;
            if !self.commit_by_clock(transaction, "sweep.commit").await? {
                // A clock that has jumped gives the executions a wrong due time: the next sweep
                // tries again.
                return Ok(TakeoverReport::default());
            }
            Ok(taken)
        })
        .await
    }
}
