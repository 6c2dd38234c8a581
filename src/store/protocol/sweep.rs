//! The slow sweep: executions that are `RUNNING` and that no living node holds.
//!
//! The protocol leaves none behind; a restored backup, a hand in psql, or a row that a takeover
//! could not write does. The sweep reads a slice of the log at a time. An execution that no lease
//! lists gets a lease: then an audit of its node finds it, or the second half of the sweep, which
//! hands over the leases of nodes that are gone.

use super::hand_over::{HandOver, TakeoverReport};
use crate::store::db::row::{Values, column};
use crate::store::{During, Store, StoreError};
use uuid::Uuid;

/// Rows of the log in a slice: about 20 ms.
const SLICE: i64 = 10_000;
/// Most executions that a slice lists, and most nodes whose leases are handed over at once; the
/// next sweep takes the rest.
const BATCH: i64 = 100;

/// The last row of the next slice, by the primary key. None: the slice is the rest of the log.
pub(crate) const SLICE_END: &str = "-- sweep.slice_end
select id from job_execution_log where id > $1 order by id offset $2::bigint - 1 limit 1";

/// Lists the executions of the slice that run and are not listed. A lease and a settlement write
/// the row and the list in one transaction, so no snapshot shows the one without the other. No
/// locks: an execution may end before it is listed, which does no harm.
pub(super) const LIST_UNLISTED: &str = "-- sweep.list_unlisted
insert into job_lease (id, node_id, job_id, execution_ids)
select gen_random_uuid(), l.node_id,
       case when coalesce(j.policies ->> 'overlapPolicy', 'ALLOW') <> 'ALLOW' then l.job_id end,
           array[l.id]
from job_execution_log l left join job_definition j on j.id = l.job_id
where l.id > $1 and l.id <= $2 and l.status = 'RUNNING' and l.node_id is not null
  and l.id not in (select x.id from job_lease h, unnest(h.execution_ids) as x (id)
      where x.id is not null)
limit $3";

/// Nodes that are gone and have leases.
pub(super) const GONE: &str = "-- sweep.gone
select distinct h.node_id from job_lease h
where not exists (select from cluster_node n where n.id = h.node_id
    and n.state in ('ACTIVE', 'DRAINING')) limit $1";

/// The result of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Executions that no lease listed.
    pub listed: u64,
    /// Executions that leases of gone nodes listed: they run again or have ended.
    pub handed_over: usize,
}

impl Store {
    /// Sweeps the slice of the log behind `after`, which it moves to the end of the slice, and the
    /// leases of all nodes.
    pub async fn sweep(&self, after: &mut Uuid) -> Result<Swept, StoreError> {
        let listed = self.list_unlisted(after).await?;
        let mut handed_over = 0;
        for node_id in self.gone().await? {
            handed_over += self.hand_over_left(node_id).await?.executions();
        }
        Ok(Swept {
            listed,
            handed_over,
        })
    }

    /// A slice that fails waits for the next round.
    async fn list_unlisted(&self, after: &mut Uuid) -> Result<u64, StoreError> {
        self.bounded("sweep.list_unlisted", async {
            let session = self.session().await?;
            let end = session
                .query_opt(SLICE_END, &[after, &SLICE])
                .await
                .during("sweep.slice_end")?;
            let end: Option<Uuid> = end
                .map(|row| Values::of("sweep.slice_end", &row).get(0))
                .transpose()?;
            let begin = std::mem::replace(after, end.unwrap_or_default());
            let last = end.unwrap_or(Uuid::max());
            let listed = session
                .execute(LIST_UNLISTED, &[&begin, &last, &BATCH])
                .await;
            let listed = listed.during("sweep.list_unlisted")?;
            session.release();
            Ok(listed)
        })
        .await
    }

    async fn gone(&self) -> Result<Vec<Uuid>, StoreError> {
        self.bounded("sweep.gone", async {
            let session = self.session().await?;
            let rows = session.query(GONE, &[&BATCH]).await.during("sweep.gone")?;
            session.release();
            column("sweep.gone", &rows, 0)
        })
        .await
    }

    /// A gone node does not come back, so no lock of its row is needed. Each row is a
    /// compare-and-set.
    async fn hand_over_left(&self, node_id: Uuid) -> Result<TakeoverReport, StoreError> {
        self.bounded("sweep.hand_over_left", async {
            let transaction = self.begin("sweep.begin").await?;
            let taken = self
                .hand_over_leases(&transaction, node_id, HandOver::InParts)
                .await?;
            if !self.commit_by_clock(transaction, "sweep.commit").await? {
                return Ok(TakeoverReport::default());
            }
            Ok(taken)
        })
        .await
    }
}
