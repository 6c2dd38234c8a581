//! Retention: what is purged from the log.
//!
//! Whole days go by dropping their partitions, which costs the same however much
//! was in them. A job with `keepExecutions` keeps so many of its newest
//! executions, whatever their age: what is above that is deleted row by row, and
//! what is left when a day goes moves to the DEFAULT partition. Nothing that is
//! in flight is ever purged, and nobody waits long for a day to go.

use super::partitions;
use super::partitions::{LOCK_LOG, PARTITION_LOCK, Partition};
use crate::model::Timestamp;
use crate::model::execution::lowest_execution_id;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError};
use chrono::{NaiveDate, TimeDelta};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Rows deleted by one statement.
const BATCH: i64 = 2_000;
/// How long a pass goes on deleting.
const DELETE_FOR: Duration = Duration::from_millis(500);
/// Jobs with `keepExecutions` that one pass looks at.
const JOBS: i64 = 2_000;

/// One node at a time, and none while one makes partitions; the others need not wait.
const TRY_LOCK: &str = "-- retention.try_lock
select pg_try_advisory_xact_lock($1)";

/// Whoever waits for the whole log holds up every lease behind him: a report that
/// reads it for minutes must not. It is tried again at the next pass.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '100ms'";

/// What is above the count of its job, of the next jobs by id; nothing unless it is alone, as for
/// [`TRY_LOCK`]. A count that is none, written by hand, keeps everything.
const DELETE_ABOVE: &str = "-- retention.delete_above
with alone as materialized (
    select pg_try_advisory_xact_lock($4) as is_alone
), keeping as (
    select id, case when policies ->> 'keepExecutions' ~ '^[0-9]{1,9}$' then (policies ->> 'keepExecutions')::integer
               else 2147483647 end as most
    from job_definition
    where (select is_alone from alone) and policies ->> 'keepExecutions' is not null and id > $1 order by id limit $2
), highest as (
    select k.id as job_id, (select l.id from job_execution_log l where l.job_id = k.id order by l.id desc offset k.most limit 1) as id
    from keeping k
), deleted as (
    delete from job_execution_log where id in (
        select l.id from highest h join job_execution_log l on l.job_id = h.job_id and l.id <= h.id
        where l.status not in ('RUNNING', 'RETRYING') limit $3)
    returning 1
)
select is_alone, (select count(*) from deleted) as deleted, (select count(*) from keeping) as jobs,
       (select id from keeping order by id desc limit 1) as last
from alone";

/// Of the DEFAULT partition, which is never dropped: fire times whose own partition was not there.
/// By their end, because one of long ago may have run today. Alone as well.
const DELETE_STRAY: &str = "-- retention.delete_stray
with alone as materialized (
    select pg_try_advisory_xact_lock($4) as is_alone
), deleted as (
    delete from job_execution_log_default where ctid = any(array(
        select l.ctid from job_execution_log_default l join job_definition j on j.id = l.job_id
        where (select is_alone from alone) and l.id < $1 and l.status not in ('RUNNING', 'RETRYING') and coalesce(l.finished_at, l.created_at) < $2
          and j.policies ->> 'keepExecutions' is null
        limit $3))
    returning 1
)
select count(*) from deleted";

const KEEPING_BEHIND: &str = "-- retention.keeping_behind
select id from job_definition where policies ->> 'keepExecutions' is not null and id > $1 order by id limit 1";

/// What a pass has purged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Partitions dropped.
    pub partitions: usize,
    /// Rows deleted one by one.
    pub rows: i64,
    /// Days that are left in the log.
    pub days_left: u32,
}

impl Store {
    /// Purges executions whose fire time is older than `retention`, and what is
    /// above the count that its job keeps, of the next jobs behind `after`, which
    /// it moves on. Does nothing while another node does it.
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
            if deleted < BATCH {
                *after = last;
                break;
            }
            if begun.elapsed() > DELETE_FOR {
                break;
            }
        }
        let (now, days) = self.days().await?;
        // `Duration::MAX` reaches back before all time: nothing is that old.
        let before = TimeDelta::from_std(retention)
            .ok()
            .and_then(|retention| now.checked_sub_signed(retention));
        let Some(before) = before else {
            return Ok(purged);
        };
        // No reason to keep whole days: a row of it cannot be deleted, or the database does not
        // answer.
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

    /// [`Self::delete_above`] for fewer jobs at a time when a row of one cannot be deleted, and
    /// past that one.
    async fn delete_above_in_parts(&self, after: Uuid) -> Result<Option<(i64, Uuid)>, StoreError> {
        let mut jobs = JOBS;
        loop {
            match self.delete_above(after, jobs).await {
                Err(error) if error.is_of_a_row() && jobs > 1 => jobs = (jobs / 2).max(1),
                Err(error) if error.is_of_a_row() => {
                    let next = self.keeping_behind(after).await?;
                    self.note_odd("job_execution_log", vec![(next, error)]);
                    return Ok(Some((0, next)));
                }
                answer => return answer,
            }
        }
    }

    /// The next job that keeps executions by their count; nil behind the last.
    async fn keeping_behind(&self, after: Uuid) -> Result<Uuid, StoreError> {
        self.bounded("retention.keeping_behind", async {
            let session = self.session().await?;
            let row = session
                .query_opt(KEEPING_BEHIND, &[&after])
                .await
                .during("retention.keeping_behind")?;
            session.release();
            row.map_or(Ok(Uuid::nil()), |row| {
                Values::of("retention.keeping_behind", &row).get(0)
            })
        })
        .await
    }

    /// How many rows it deleted, and the last job it looked at, of so many; none when another
    /// node is at it.
    async fn delete_above(
        &self,
        after: Uuid,
        jobs: i64,
    ) -> Result<Option<(i64, Uuid)>, StoreError> {
        self.bounded("retention.delete_above", async {
            let transaction = self.begin("retention.begin").await?;
            let row = transaction
                .query_one(DELETE_ABOVE, &[&after, &jobs, &BATCH, &PARTITION_LOCK])
                .await;
            let row = match row.during("retention.delete_above") {
                Err(error) if error.is_of_a_row() => {
                    // The error arrives before its lock is gone: the next try would take it for
                    // another node's.
                    transaction.rollback().await.during("retention.rollback")?;
                    return Err(error);
                }
                row => row?,
            };
            transaction.commit().await.during("retention.commit")?;
            let row = Values::of("retention.delete_above", &row);
            let (last, deleted): (Option<Uuid>, i64) = (row.get("last")?, row.get("deleted")?);
            // Behind the last job it goes on with the first.
            let is_end = row.get::<i64>("jobs")? != jobs;
            let last = last.filter(|_| !is_end).unwrap_or_default();
            Ok(row.get::<bool>("is_alone")?.then_some((deleted, last)))
        })
        .await
    }

    async fn delete_stray(&self, before: Timestamp) -> Result<i64, StoreError> {
        self.bounded("retention.delete_stray", async {
            let session = self.session().await?;
            let values: [&(dyn ToSql + Sync); 4] = [
                &lowest_execution_id(before),
                &before,
                &BATCH,
                &PARTITION_LOCK,
            ];
            let row = session
                .query_one(DELETE_STRAY, &values)
                .await
                .during("retention.delete_stray")?;
            session.release();
            Values::of("retention.delete_stray", &row).get(0)
        })
        .await
    }

    /// Drops the partitions of days that were over before then; how many went, and
    /// how many there are.
    async fn drop_days(
        &self,
        mut days: Vec<NaiveDate>,
        before: Timestamp,
    ) -> Result<(usize, u32), StoreError> {
        let (mut dropped, mut kept, lowest) = (0, 0, lowest_execution_id(before));
        while let Some(day) = days.first().copied() {
            let partition = Partition::of(day);
            if partition.to > lowest {
                break;
            }
            match self.drop_day(&partition.name).await {
                Ok(true) => dropped += 1,
                Ok(false) => break,
                Err(StoreError::Refused { source, .. })
                    if source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) =>
                {
                    tracing::info!(%day, "the log is being read: its oldest day is dropped later");
                    break;
                }
                // The days behind it can go.
                Err(error) if error.is_of_a_row() => {
                    tracing::warn!(error = &error as &dyn std::error::Error, %day, "a day of the log cannot be dropped");
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

    /// What time it is, and the days that have a partition, oldest first.
    async fn days(&self) -> Result<(Timestamp, Vec<NaiveDate>), StoreError> {
        self.bounded("retention.days", async {
            let session = self.session().await?;
            let (now, names) = partitions::existing(&session, self.clock().stub()).await?;
            session.release();
            let mut days: Vec<_> = names
                .iter()
                .filter_map(|name| partitions::day_of(name))
                .collect();
            days.sort_unstable();
            Ok((now, days))
        })
        .await
    }

    /// Drops a day of which nothing is in flight, unless another node purges or makes partitions;
    /// whether it did.
    async fn drop_day(&self, name: &str) -> Result<bool, StoreError> {
        self.bounded("retention.drop_day", async {
            let transaction = self.begin("retention.begin").await?;
            let alone = transaction
                .query_one(TRY_LOCK, &[&PARTITION_LOCK])
                .await
                .during("retention.try_lock")?;
            let dropped = Values::of("retention.try_lock", &alone).get(0)?
                && drop_partition(&transaction, name).await?;
            transaction.commit().await.during("retention.commit")?;
            Ok(dropped)
        })
        .await
    }
}

/// Drops a partition unless something of it is in flight; whether it did. What
/// its job keeps by count moves to the DEFAULT partition.
async fn drop_partition(transaction: &Transaction, name: &str) -> Result<bool, StoreError> {
    transaction
        .batch_execute(LOCK_TIMEOUT)
        .await
        .during("retention.lock_timeout")?;
    transaction
        .batch_execute(LOCK_LOG)
        .await
        .during("retention.lock_log")?;
    let in_flight =
        format!("select exists (select from execution_in_flight f join {name} l on l.id = f.id)");
    let in_flight = transaction
        .query_one(&in_flight, &[])
        .await
        .during("retention.in_flight")?;
    if Values::of("retention.in_flight", &in_flight).get(0)? {
        return Ok(false);
    }
    let drop = format!(
        "alter table job_execution_log detach partition {name};
        insert into job_execution_log select p.* from {name} p join job_definition j on j.id = p.job_id
            where j.policies ->> 'keepExecutions' is not null;
        drop table {name}"
    );
    transaction
        .batch_execute(&drop)
        .await
        .during("retention.drop_day")?;
    Ok(true)
}
