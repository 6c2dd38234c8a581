//! Retention: the purge of executions from the log.
//!
//! A day is purged by a drop of the partition, at a cost independent of the number of rows. A job
//! with `retainExecutions` keeps the given number of the newest executions, of any age: older
//! executions are deleted row by row, and the kept executions of a dropped day move to the DEFAULT
//! partition. Executions in flight are never purged, and a lease waits at most 100 ms for a drop.

use super::partitions;
use super::partitions::PARTITION_LOCK;
use crate::model::Timestamp;
use crate::model::execution::lowest_execution_id;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use chrono::{NaiveDate, TimeDelta};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Rows deleted by a statement.
const BATCH: i64 = 2_000;
/// Time limit of the deletions of a pass.
const DELETE_FOR: Duration = Duration::from_millis(500);
/// Jobs with `retainExecutions` in a single pass.
const JOBS: i64 = 2_000;

/// A single node at a time, and no node while partitions are made. The lock is tried, not waited
/// for.
const TRY_LOCK: Statement = Statement::new(
    "-- retention.try_lock
select pg_try_advisory_xact_lock($1)",
);

/// A transaction waiting for the lock on the log blocks every later lease, and a report may hold
/// the log for minutes. The next pass tries again.
const LOCK_TIMEOUT: Statement = Statement::new(
    "-- retention.lock_timeout
set local lock_timeout = '100ms'",
);

/// Drops a day without executions in flight. Returns whether the day was dropped. Executions kept
/// by count move to the DEFAULT partition.
const DROP_DAY: Statement = Statement::new(
    "-- retention.drop_day
select drop_log_partition($1)",
);

/// Executions above the count of the job, for the next jobs by id; nothing without the lock of
/// [`TRY_LOCK`]. An invalid count keeps everything.
const DELETE_ABOVE: Statement = Statement::new(
    "-- retention.delete_above
with alone as materialized (
    select pg_try_advisory_xact_lock($4) as is_alone
), keeping as (
    select id, case when policies ->> 'retainExecutions' ~ '^[0-9]{1,9}$'
        then (policies ->> 'retainExecutions')::integer
               else 2147483647 end as most
    from job_definition
    where (select is_alone from alone) and policies ->> 'retainExecutions' is not null and id > $1
    order by id limit $2
), highest as (
    select k.id as job_id, (select l.id from job_execution_log l where l.job_id = k.id
        order by l.id desc offset k.most limit 1) as id
    from keeping k
), deleted as (
    delete from job_execution_log where id in (
        select l.id from highest h join job_execution_log l on l.job_id = h.job_id and l.id <= h.id
        where l.status not in ('RUNNING', 'RETRYING') limit $3)
    returning 1
)
select is_alone, (select count(*) from deleted) as deleted, (select count(*) from keeping) as jobs,
       (select id from keeping order by id desc limit 1) as last
from alone",
);

/// Executions in the DEFAULT partition, which is never dropped: the partition of the day did not
/// exist. The end of the execution decides, because an old fire time may have run today. Under the
/// same lock.
const DELETE_STRAY: Statement = Statement::new(
    "-- retention.delete_stray
with alone as materialized (
    select pg_try_advisory_xact_lock($4) as is_alone
), deleted as (
    delete from job_execution_log_default where ctid = any(array(
        select l.ctid from job_execution_log_default l join job_definition j on j.id = l.job_id
        where (select is_alone from alone) and l.id < $1 and l.status not in ('RUNNING', 'RETRYING')
          and coalesce(l.finished_at, l.created_at) < $2
          and j.policies ->> 'retainExecutions' is null
        limit $3))
    returning 1
)
select count(*) from deleted",
);

const RETAINING_AFTER: Statement = Statement::new(
    "-- retention.retaining_after
select id from job_definition where policies ->> 'retainExecutions' is not null and id > $1
order by id limit 1",
);

/// Result of a pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Number of dropped partitions.
    pub partitions: usize,
    /// Rows deleted one by one.
    pub rows: i64,
    /// Days left in the log.
    pub days_left: u32,
}

impl Store {
    /// Purges executions with a fire time older than `retention`, and executions above the count of
    /// the job, for the next jobs after `after`. Moves `after` forward. Does nothing while another
    /// node purges.
    pub async fn purge(
        &self,
        retention: Duration,
        after: &mut Uuid,
    ) -> Result<RetentionReport, StoreError> {
        let begun = Instant::now();
        let mut purged = RetentionReport::default();
        loop {
            let Some((deleted, last)) = self.delete_above_in_parts(*after).await? else {
                return Ok(purged);
            };
            purged.rows += deleted;
            // Less than a batch: the jobs are done.
            if deleted < BATCH {
                *after = last;
                break;
            }
            // The next pass continues with the same jobs.
            if begun.elapsed() > DELETE_FOR {
                break;
            }
        }
        let (now, days) = self.days().await?;
        // `Duration::MAX` reaches back before every instant: nothing is as old.
        let before = TimeDelta::from_std(retention)
            .ok()
            .and_then(|retention| now.checked_sub_signed(retention));
        let Some(before) = before else {
            return Ok(purged);
        };
        // A row with a failing deletion does not keep whole days. A database without an answer ends
        // the pass.
        match self.delete_stray(before).await {
            Ok(rows) => purged.rows += rows,
            Err(error) if error.is_of_a_row() => {
                self.note_odd("job_execution_log", vec![(Uuid::nil(), error)]);
            }
            Err(error) => return Err(error),
        }
        (purged.partitions, purged.days_left) = self.drop_days(days, before).await?;
        Ok(purged)
    }

    /// [`Self::delete_above`] for fewer jobs at a time when the deletion of a row fails, and past
    /// the job of the row.
    async fn delete_above_in_parts(&self, after: Uuid) -> Result<Option<(i64, Uuid)>, StoreError> {
        let mut jobs = JOBS;
        loop {
            match self.delete_above(after, jobs).await {
                Err(error) if error.is_of_a_row() && jobs > 1 => jobs = (jobs / 2).max(1),
                Err(error) if error.is_of_a_row() => {
                    let next = self.retaining_after(after).await?;
                    self.note_odd("job_execution_log", vec![(next, error)]);
                    return Ok(Some((0, next)));
                }
                answer => return answer,
            }
        }
    }

    /// The next job with `retainExecutions`; nil after the last.
    async fn retaining_after(&self, after: Uuid) -> Result<Uuid, StoreError> {
        let next = self
            .read_opt(RETAINING_AFTER, &[&after], |row| {
                Values::of(RETAINING_AFTER.name(), row).get(0)
            })
            .await?;
        Ok(next.unwrap_or_default())
    }

    /// The number of deleted rows, and the last of at most `jobs` jobs; none when another node
    /// purges.
    async fn delete_above(
        &self,
        after: Uuid,
        jobs: i64,
    ) -> Result<Option<(i64, Uuid)>, StoreError> {
        self.bounded("retention.delete_above", async {
            let transaction = self.begin("retention.begin").await?;
            let row = DELETE_ABOVE
                .query_one(&transaction, &[&after, &jobs, &BATCH, &PARTITION_LOCK])
                .await;
            let row = match row {
                Err(error) if error.is_of_a_row() => {
                    // Without a rollback the error arrives before the lock is released, and the
                    // next try would find the lock taken.
                    transaction.rollback().await.during("retention.rollback")?;
                    return Err(error);
                }
                row => row?,
            };
            transaction.commit().await.during("retention.commit")?;
            let row = Values::of(DELETE_ABOVE.name(), &row);
            let (last, deleted): (Option<Uuid>, i64) = (row.get("last")?, row.get("deleted")?);
            // After the last job the first job follows.
            let is_end = row.get::<i64>("jobs")? != jobs;
            let last = last.filter(|_| !is_end).unwrap_or_default();
            Ok(row.get::<bool>("is_alone")?.then_some((deleted, last)))
        })
        .await
    }

    async fn delete_stray(&self, before: Timestamp) -> Result<i64, StoreError> {
        let values: [&(dyn ToSql + Sync); 4] = [
            &lowest_execution_id(before),
            &before,
            &BATCH,
            &PARTITION_LOCK,
        ];
        self.read_one(DELETE_STRAY, &values, |row| {
            Values::of(DELETE_STRAY.name(), row).get(0)
        })
        .await
    }

    /// Drops the partitions of days before `before`; returns the number of dropped days, and of
    /// days left.
    async fn drop_days(
        &self,
        mut days: Vec<NaiveDate>,
        before: Timestamp,
    ) -> Result<(usize, u32), StoreError> {
        let (mut dropped, mut kept, lowest) = (0, 0, lowest_execution_id(before));
        while let Some(day) = days.first().copied() {
            // The day is not completely older than the retention.
            if partitions::end_of(day) > lowest {
                break;
            }
            match self.drop_day(day).await {
                Ok(true) => dropped += 1,
                // Executions of the day are in flight, or another node purges. Days are dropped in
                // order, so later days wait.
                Ok(false) => break,
                Err(StoreError::Refused { source, .. })
                    if source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) =>
                {
                    tracing::info!(%day, "the log is being read: its oldest day is dropped later");
                    break;
                }
                // Later days can still be dropped.
                Err(error) if error.is_of_a_row() => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        %day,
                        "a day of the log cannot be dropped"
                    );
                    kept += 1;
                }
                Err(error) => return Err(error),
            }
            days.remove(0);
        }
        Ok((
            dropped,
            u32::try_from(kept + days.len()).unwrap_or(u32::MAX),
        ))
    }

    /// The database's clock, and the days with a partition, oldest first.
    async fn days(&self) -> Result<(Timestamp, Vec<NaiveDate>), StoreError> {
        self.on_session("retention.days", async |session| {
            let (now, names) = partitions::existing(session, self.clock().stub()).await?;
            let mut days: Vec<_> = names
                .iter()
                .filter_map(|name| partitions::day_of(name))
                .collect();
            days.sort_unstable();
            Ok((now, days))
        })
        .await
    }

    /// Drops a day without executions in flight, unless another node purges or makes partitions.
    /// Returns whether the day was dropped.
    async fn drop_day(&self, day: NaiveDate) -> Result<bool, StoreError> {
        self.bounded("retention.drop_day", async {
            let transaction = self.begin("retention.begin").await?;
            let alone = TRY_LOCK.query_one(&transaction, &[&PARTITION_LOCK]).await?;
            let dropped = Values::of(TRY_LOCK.name(), &alone).get(0)?
                && drop_partition(&transaction, day).await?;
            transaction.commit().await.during("retention.commit")?;
            Ok(dropped)
        })
        .await
    }
}

async fn drop_partition(transaction: &Transaction, day: NaiveDate) -> Result<bool, StoreError> {
    LOCK_TIMEOUT.batch(transaction).await?;
    let row = DROP_DAY.query_one(transaction, &[&day]).await?;
    Values::of(DROP_DAY.name(), &row).get(0)
}
