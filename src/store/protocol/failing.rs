//! Failing jobs: jobs with a failed or lost newest settled execution.
//!
//! The overview, the lists, the metric and the alert share the definition. `job_failing` has a row
//! for each such job, written in the transaction of the settlement (docs/decisions/0039). A failure
//! waits for the row, in the order of the jobs. A success removes the row unless another
//! transaction has locked the row. So two settlements never wait for each other in a circle; the
//! review of the reconciler removes the remaining rows.

use crate::model::Timestamp;
use crate::model::execution::{ExecutionStatus, Settlement};
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Failing jobs of a review.
const REVIEWED: i64 = 500;
/// The newest executions with an error of a review.
const ERRORS_REVIEWED: i64 = 1_000;

/// Records the failures among the executions. A fenced settlement records nothing: the row of the
/// log decides.
pub(crate) const MARK: Statement = Statement::new(
    "-- failing.mark
insert into job_failing as f (job_id, execution_id, since, failed_at, message)
select distinct on (l.job_id) l.job_id, l.id, l.finished_at, l.finished_at,
    left(coalesce(l.error_message, l.reason, l.status), 200)
from job_execution_log l join job_definition j on j.id = l.job_id and j.status <> 'DELETED'
where l.id between $2 and $3 and l.id = any($1::uuid[]) and l.status in ('FAILED', 'LOST')
    and l.finished_at is not null
order by l.job_id, l.finished_at desc, l.id desc
on conflict (job_id) do update set execution_id = excluded.execution_id,
    failed_at = excluded.failed_at, message = excluded.message
where f.failed_at <= excluded.failed_at",
);

/// Removes jobs ($1) with a later success among the executions ($2). The look-up in the log names
/// `f`, so only failing jobs cost a look-up. The last condition is evaluated first and once: while
/// no job is failing, a batch of 500 takes 0.06 ms instead of 0.83 ms.
pub(crate) const CLEAR: Statement = Statement::new(
    "-- failing.clear
delete from job_failing where job_id = any(array(
    select f.job_id from job_failing f join unnest($1::uuid[], $2::uuid[])
        as x (job_id, execution_id) on x.job_id = f.job_id
    cross join lateral (
        select l.status, l.finished_at from job_execution_log l where l.id = x.execution_id
            and l.job_id = f.job_id offset 0) as l
    where f.job_id = any($1::uuid[]) and l.status = 'SUCCESS' and l.finished_at >= f.failed_at
    for update of f skip locked)) and exists (select from job_failing)",
);

/// Deleted jobs are not failing.
const DELETE: Statement = Statement::new(
    "-- failing.forget
delete from job_failing where job_id = any(array(
    select job_id from job_failing where job_id = any($1::uuid[]) for update skip locked))",
);

/// True of a job ($job) with a success at or after an instant ($after), by the hundred newest
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

/// The next rows behind a job ($1), and whether to remove each row.
const OVER: Statement = Statement::new(concat!(
    "-- failing.over
select f.job_id, f.failed_at, coalesce(j.status, 'DELETED') = 'DELETED' or ",
    succeeded_since!("f.job_id", "f.failed_at"),
    " as is_over
from (select job_id, failed_at from job_failing where job_id > $1 order by job_id limit $2) as f
left join job_definition j on j.id = f.job_id order by f.job_id"
));

/// A job that failed again after the reading stays.
const REMOVE: Statement = Statement::new(
    "-- failing.remove
delete from job_failing where job_id = any(array(
    select f.job_id from job_failing f
    join unnest($1::uuid[], $2::timestamptz[]) as x (job_id, failed_at) on x.job_id = f.job_id
        and x.failed_at = f.failed_at
    for update of f skip locked))",
);

/// Failures settled by a node of a version before V18. (The status is no condition of the inner
/// select: with such a condition the planner expects a few rows, and sorts all.)
const MARK_MISSED: Statement = Statement::new(concat!(
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
));

/// The verdicts of a batch of settlements on failing jobs.
pub(super) struct Verdicts {
    /// Failed executions without a further attempt.
    failed: Vec<Uuid>,
    /// Jobs of the successful executions, by position in `succeeded`.
    jobs: Vec<Uuid>,
    /// Successful executions of the batch.
    succeeded: Vec<Uuid>,
}

/// The result of a review.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Jobs wrongly recorded as failing, removed.
    pub cleared: u64,
    /// Failing jobs without a record, added.
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
                // A retry, a cancellation: neither a failure nor a success of the job.
                _ => {}
            }
        }
        verdicts
    }

    /// Prepares the statements of [`Self::record`]. Only prepared statements reach the server in
    /// the order of the calls.
    pub(crate) async fn prepare(&self, transaction: &Transaction) -> Result<(), StoreError> {
        transaction.prepare(&[MARK, CLEAR]).await
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
        CLEAR
            .execute(transaction, &[&self.jobs, &self.succeeded])
            .await
            .map(drop)
    }
}

/// Records the failed and lost executions.
pub(crate) async fn mark(transaction: &Transaction, executions: &[Uuid]) -> Result<(), StoreError> {
    let (Some(low), Some(high)) = (executions.iter().min(), executions.iter().max()) else {
        return Ok(());
    };
    MARK.execute(transaction, &[&executions, low, high])
        .await
        .map(drop)
}

/// The jobs are deleted.
pub(crate) async fn delete(transaction: &Transaction, jobs: &[Uuid]) -> Result<(), StoreError> {
    DELETE.execute(transaction, &[&jobs]).await.map(drop)
}

impl Store {
    /// Reviews the failing jobs behind `after`, moves `after` on, and reviews the newest failures.
    /// Corrects errors left by an older node, or by two settlements at the same moment.
    pub async fn review_failing(&self, after: &mut Uuid) -> Result<Reviewed, StoreError> {
        self.on_session("failing.review", async |session| {
            // Unprepared: both statements read as many rows as their limits say, and a plan without
            // the values would expect a tenth of the table.
            let rows = OVER.query_unprepared(session, &[after, &REVIEWED]).await?;
            let is_full = usize::try_from(REVIEWED).is_ok_and(|most| rows.len() >= most);
            let last = rows
                .last()
                .filter(|_| is_full)
                .map(|row| Values::of("job_failing", row).get("job_id"));
            // A page that is not full was the last: the next review starts from the beginning.
            *after = last.transpose()?.unwrap_or_default();
            let (over, _) = crate::store::db::row::partition("job_failing", &rows, "is_over")?;
            let jobs: Vec<Uuid> = column("job_failing", over.iter().copied(), "job_id")?;
            let failed_at: Vec<Timestamp> = column("job_failing", over, "failed_at")?;
            let mut reviewed = Reviewed::default();
            if !jobs.is_empty() {
                // With the instant of the failure: a job may have failed again since.
                let values: [&(dyn ToSql + Sync); 2] = [&jobs, &failed_at];
                reviewed.cleared = REMOVE.execute(session, &values).await?;
            }
            reviewed.marked = MARK_MISSED
                .execute_unprepared(session, &[&ERRORS_REVIEWED])
                .await?;
            Ok(reviewed)
        })
        .await
    }
}
