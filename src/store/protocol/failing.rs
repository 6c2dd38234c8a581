//! Failing jobs: those whose newest settled execution failed or was lost.
//!
//! The overview, the lists, the metric and the alert share this definition. `job_failing` has a row
//! for each such job, written in the transaction that settles the execution (docs/decisions/0039).
//! A failure waits for the row, in the order of the jobs. A success removes the row unless another
//! transaction has locked it. So two settlements never wait for each other in a circle; the review
//! of the reconciler removes the rows that remain.

use crate::model::Timestamp;
use crate::model::execution::{ExecutionStatus, Settlement};
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Failing jobs of one review.
const REVIEWED: i64 = 500;
/// The newest executions with an error of one review.
const ERRORS_REVIEWED: i64 = 1_000;

/// Records the failures among these executions. A fenced settlement records nothing: the row of the
/// log decides.
pub(crate) const MARK: &str = "-- failing.mark
insert into job_failing as f (job_id, execution_id, since, failed_at, message)
select distinct on (l.job_id) l.job_id, l.id, l.finished_at, l.finished_at,
    left(coalesce(l.error_message, l.reason, l.status), 200)
from job_execution_log l join job_definition j on j.id = l.job_id and j.status <> 'DELETED'
where l.id between $2 and $3 and l.id = any($1::uuid[]) and l.status in ('FAILED', 'LOST')
    and l.finished_at is not null
order by l.job_id, l.finished_at desc, l.id desc
on conflict (job_id) do update set execution_id = excluded.execution_id,
    failed_at = excluded.failed_at, message = excluded.message
where f.failed_at <= excluded.failed_at";

/// Removes jobs ($1) of which one of these executions ($2) succeeded later. The look-up in the log
/// names `f`, so only failing jobs cost one. The last condition is evaluated first and once: while
/// no job is failing, a batch of 500 takes 0.06 ms instead of 0.83 ms.
pub(crate) const CLEAR: &str = "-- failing.clear
delete from job_failing where job_id = any(array(
    select f.job_id from job_failing f join unnest($1::uuid[], $2::uuid[])
        as x (job_id, execution_id) on x.job_id = f.job_id
    cross join lateral (
        select l.status, l.finished_at from job_execution_log l where l.id = x.execution_id
            and l.job_id = f.job_id offset 0) as l
    where f.job_id = any($1::uuid[]) and l.status = 'SUCCESS' and l.finished_at >= f.failed_at
    for update of f skip locked)) and exists (select from job_failing)";

/// Deleted jobs are not failing.
const DELETE: &str = "-- failing.forget
delete from job_failing where job_id = any(array(
    select job_id from job_failing where job_id = any($1::uuid[]) for update skip locked))";

/// True of a job ($job) that succeeded at or after an instant ($after), by its hundred newest
/// executions.
macro_rules! succeeded_since {
    ($job:literal, $after:literal) => {
        concat!(
            "exists (select from (select l.status, l.finished_at from job_execution_log l where l.job_id = ",
            $job,
            " order by l.id desc limit 100) as l
        where l.status = 'SUCCESS' and l.finished_at >= ",
            $after,
            ")"
        )
    };
}

/// The next rows behind a job ($1), and whether they are to be removed.
const OVER: &str = concat!(
    "-- failing.over
select f.job_id, f.failed_at, coalesce(j.status, 'DELETED') = 'DELETED' or ",
    succeeded_since!("f.job_id", "f.failed_at"),
    " as is_over
from (select job_id, failed_at from job_failing where job_id > $1 order by job_id limit $2) as f
left join job_definition j on j.id = f.job_id order by f.job_id"
);

/// A job that has failed again since it was read stays.
const REMOVE: &str = "-- failing.remove
delete from job_failing where job_id = any(array(
    select f.job_id from job_failing f
    join unnest($1::uuid[], $2::timestamptz[]) as x (job_id, failed_at) on x.job_id = f.job_id
        and x.failed_at = f.failed_at
    for update of f skip locked))";

/// Failures that a node of a version before V18 settled. (The status is no condition of the inner
/// select: with it the planner expects a few rows, and sorts all.)
const MARK_MISSED: &str = concat!(
    "-- failing.mark_missed
insert into job_failing (job_id, execution_id, since, failed_at, message)
select d.job_id, d.id, d.finished_at, d.finished_at, d.message
from (
    select distinct on (b.job_id) b.job_id, b.id, b.finished_at,
        left(coalesce(b.error_message, b.reason, b.status), 200) as message
    from (select id, job_id, status, reason, finished_at, error_message from job_execution_log
          where error_message is not null order by id desc limit $1) as b
    where b.status in ('FAILED', 'LOST') and b.finished_at is not null
      and not exists (select from job_failing f where f.job_id = b.job_id)
    order by b.job_id, b.finished_at desc
) as d join job_definition j on j.id = d.job_id and j.status <> 'DELETED'
where not ",
    succeeded_since!("d.job_id", "d.finished_at"),
    " order by d.job_id
on conflict (job_id) do nothing"
);

/// The verdicts of a batch of settlements on failing jobs.
pub(super) struct Verdicts {
    /// Executions that failed for good.
    failed: Vec<Uuid>,
    /// Jobs of the successful executions, one for each of `succeeded`.
    jobs: Vec<Uuid>,
    /// Executions of the batch that succeeded.
    succeeded: Vec<Uuid>,
}

/// The result of a review.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Jobs that were recorded as failing and are not.
    pub cleared: u64,
    /// Jobs that are failing and were not recorded.
    pub marked: u64,
}

impl Verdicts {
    pub(crate) fn of(batch: &[Settlement]) -> Self {
        let mut verdicts = Self {
            failed: Vec::new(),
            jobs: Vec::new(),
            succeeded: Vec::new(),
        };
        for settlement in batch {
            match settlement.status() {
                ExecutionStatus::Failed => verdicts.failed.push(settlement.execution_id),
                ExecutionStatus::Success => {
                    verdicts.jobs.push(settlement.job_id);
                    verdicts.succeeded.push(settlement.execution_id);
                }
                // A retry, a cancellation: neither a failure nor a success of its job.
                _ => {}
            }
        }
        verdicts
    }

    /// Prepares the statements of [`Self::record`]. Only prepared statements reach the server in
    /// the order of their calls.
    pub(crate) async fn prepare(&self, transaction: &Transaction) -> Result<(), StoreError> {
        transaction
            .prepare_all(&[MARK, CLEAR])
            .await
            .during("failing.prepare")
    }

    /// Records the verdicts. Sent after the settlements themselves.
    pub(crate) async fn record(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let (marked, cleared) =
            futures_util::join!(mark(transaction, &self.failed), self.clear(transaction));
        crate::store::both(marked, cleared).map(drop)
    }

    async fn clear(&self, transaction: &Transaction) -> Result<(), StoreError> {
        if self.jobs.is_empty() {
            return Ok(());
        }
        let clear = transaction
            .prepare_cached(CLEAR)
            .await
            .during("failing.prepare")?;
        transaction
            .execute(&clear, &[&self.jobs, &self.succeeded])
            .await
            .during("failing.clear")
            .map(drop)
    }
}

/// Records those of the executions that failed or were lost.
pub(crate) async fn mark(transaction: &Transaction, executions: &[Uuid]) -> Result<(), StoreError> {
    let (Some(low), Some(high)) = (executions.iter().min(), executions.iter().max()) else {
        return Ok(());
    };
    let mark = transaction
        .prepare_cached(MARK)
        .await
        .during("failing.prepare")?;
    transaction
        .execute(&mark, &[&executions, low, high])
        .await
        .during("failing.mark")
        .map(drop)
}

/// The jobs are deleted.
pub(crate) async fn delete(transaction: &Transaction, jobs: &[Uuid]) -> Result<(), StoreError> {
    transaction
        .execute(DELETE, &[&jobs])
        .await
        .during("failing.forget")
        .map(drop)
}

impl Store {
    /// Looks at the failing jobs behind `after`, which it moves on, and at the newest failures:
    /// what the settlements of an older node, or two settlements at the same moment, left wrong is
    /// put right.
    pub async fn review_failing(&self, after: &mut Uuid) -> Result<Reviewed, StoreError> {
        self.bounded("failing.review", async {
            let session = self.session().await?;
            let rows = session
                .query(OVER, &[after, &REVIEWED])
                .await
                .during("failing.over")?;
            let is_full = usize::try_from(REVIEWED).is_ok_and(|most| rows.len() >= most);
            let last = rows
                .last()
                .filter(|_| is_full)
                .map(|row| Values::of("job_failing", row).get("job_id"));
            *after = last.transpose()?.unwrap_or_default();
            let (over, _) = crate::store::db::row::partition("job_failing", &rows, "is_over")?;
            let jobs: Vec<Uuid> = column("job_failing", over.iter().copied(), "job_id")?;
            let failed_at: Vec<Timestamp> = column("job_failing", over, "failed_at")?;
            let mut reviewed = Reviewed::default();
            if !jobs.is_empty() {
                let values: [&(dyn ToSql + Sync); 2] = [&jobs, &failed_at];
                reviewed.cleared = session
                    .execute(REMOVE, &values)
                    .await
                    .during("failing.remove")?;
            }
            reviewed.marked = session
                .execute(MARK_MISSED, &[&ERRORS_REVIEWED])
                .await
                .during("failing.mark_missed")?;
            session.release();
            Ok(reviewed)
        })
        .await
    }
}
