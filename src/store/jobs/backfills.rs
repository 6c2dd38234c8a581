//! Backfills: start, cancellation and progress. Writes `job_backfill`, and the triggers of kind
//! `BACKFILL`; `protocol` takes the triggers.

use crate::model::UnknownName;
use crate::model::backfill::{Backfill, BackfillRequest};
use crate::model::policies::OverlapPolicy;
use crate::model::{Timestamp, rfc3339};
use crate::store::audit::entry::Entry;
use crate::store::db::listener::notify;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The newest backfills of a job, or of all, with their triggers.
const LIST: Statement = Statement::new(
    "-- backfills.list
select b.id, b.job_id, b.starts_at, b.ends_at, b.fire_times, b.overlap_policy, b.fires_per_minute,
       b.created_at,
       b.cancelled_at, coalesce(b.taken, t.runs, b.fire_times)::int as taken,
       t.fire_time as next_fire_time
from job_backfill b left join job_trigger t on t.id = b.id
where ($1::uuid is null or b.job_id = $1) and ($2::uuid is null or b.id = $2)
order by b.created_at desc, b.id limit $3",
);

/// Inserts nothing when the job is deleted.
const INSERT: Statement = Statement::new(
    "-- backfills.insert
with made as (
    insert into job_backfill (id, job_id, starts_at, ends_at, fire_times, overlap_policy,
        fires_per_minute, created_at)
    select $2, j.id, $4, $5, $6, $7, $8, coalesce($1::timestamptz, clock_timestamp())
    from job_definition j where j.id = $3 and j.status <> 'DELETED' for share
    returning *
)
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select made.id, made.job_id, 'BACKFILL', $9, made.created_at, j.priority
from made join job_definition j on j.id = made.job_id",
);

const CANCEL: Statement = Statement::new(
    "-- backfills.cancel
with removed as (delete from job_trigger where id = $2 and kind = 'BACKFILL' returning id, runs)
update job_backfill b set cancelled_at = coalesce($1::timestamptz, clock_timestamp()),
    taken = r.runs
from removed r where b.id = r.id
returning b.job_id, b.taken",
);

/// The values of a due backfill for leases.
const BY_IDS: Statement = Statement::new(
    "-- backfills.by_ids
select id, ends_at, overlap_policy, fires_per_minute from job_backfill where id = any($1::uuid[])",
);

/// A backfill to be stored.
#[derive(Debug, Clone)]
pub struct NewBackfill {
    /// Id of the backfill.
    pub id: Uuid,
    /// The job of the backfill.
    pub job_id: Uuid,
    /// The range and the policies.
    pub request: BackfillRequest,
    /// First fire time of the range.
    pub first_fire_time: Timestamp,
    /// Fire times in the range.
    pub fire_times: usize,
}

/// A backfill and its progress.
#[derive(Debug, Clone)]
pub struct BackfillRecord {
    /// Id of the backfill.
    pub id: Uuid,
    /// The job of the backfill.
    pub job_id: Uuid,
    /// First instant of the range.
    pub from: Timestamp,
    /// Last instant of the range.
    pub to: Timestamp,
    /// Fire times in the range at the creation.
    pub fire_times: i32,
    /// Fire times taken so far.
    pub taken: i32,
    /// What happens to a fire time while an execution of the job is in flight.
    pub overlap_policy: OverlapPolicy,
    /// Most fire times taken in a minute.
    pub fires_per_minute: i32,
    /// Instant of the creation.
    pub created_at: Timestamp,
    /// Instant of the cancellation.
    pub cancelled_at: Option<Timestamp>,
    /// The next fire time; none when the backfill has ended.
    pub next_fire_time: Option<Timestamp>,
}

impl Store {
    /// Stores a backfill and the trigger. None when there is no such job.
    pub async fn begin_backfill(
        &self,
        backfill: &NewBackfill,
    ) -> Result<Option<BackfillRecord>, StoreError> {
        let NewBackfill { id, request, .. } = backfill;
        let stub = self.clock().stub();
        let fire_times = i32::try_from(backfill.fire_times).unwrap_or(i32::MAX);
        let values: [&(dyn ToSql + Sync); 9] = [
            &stub,
            id,
            &backfill.job_id,
            &request.from,
            &request.to,
            &fire_times,
            &request.overlap_policy.as_str(),
            &request.fires_per_minute,
            &backfill.first_fire_time,
        ];
        self.bounded("backfills.begin", async {
            let transaction = self.begin("backfills.begin").await?;
            INSERT.execute(&transaction, &values).await?;
            // The trigger is due at once.
            notify(&transaction).await?;
            let row = LIST
                .query_opt(&transaction, &[&None::<Uuid>, &Some(*id), &1_i64])
                .await?;
            // No row: the job does not exist, and nothing was inserted.
            let begun = row.as_ref().map(record).transpose()?;
            if let Some(started) = &begun {
                let entry = Entry::of("job", started.job_id)
                    .with("backfillId", id.to_string())
                    .with("from", rfc3339(started.from))
                    .with("to", rfc3339(started.to))
                    .with("fireTimes", started.fire_times)
                    .with("overlapPolicy", started.overlap_policy.as_str())
                    .with("firesPerMinute", started.fires_per_minute);
                transaction.record(entry);
            }
            transaction.commit().await.during("backfills.commit")?;
            Ok(begun)
        })
        .await
    }

    /// Cancels a backfill; executions in flight continue. False when the backfill has ended or does
    /// not exist.
    pub async fn cancel_backfill(&self, id: Uuid) -> Result<bool, StoreError> {
        self.bounded("backfills.cancel", async {
            let transaction = self.begin("backfills.begin").await?;
            let cancelled = CANCEL
                .query_opt(&transaction, &[&self.clock().stub(), &id])
                .await?;
            if let Some(row) = &cancelled {
                let row = Values::of("job_backfill", row);
                let entry = Entry::of("job", row.get::<Uuid>("job_id")?)
                    .with("backfillId", id.to_string())
                    .with("taken", row.get::<Option<i32>>("taken")?);
                transaction.record(entry);
            }
            transaction.commit().await.during("backfills.commit")?;
            Ok(cancelled.is_some())
        })
        .await
    }

    /// The newest backfills of a job, or of all jobs, at most `limit`.
    pub async fn backfills(
        &self,
        job_id: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<BackfillRecord>, StoreError> {
        self.read_all(LIST, &[&job_id, &None::<Uuid>, &i64::from(limit)], record)
            .await
    }
}

/// Backfills by id; an error for each unreadable backfill.
pub(crate) type Found = HashMap<Uuid, Result<Backfill, StoreError>>;

/// The backfills of due triggers.
pub(crate) async fn by_ids(transaction: &Transaction, ids: &[Uuid]) -> Result<Found, StoreError> {
    if ids.is_empty() {
        // Most leases have no backfill, and save the round trip.
        return Ok(HashMap::new());
    }
    let rows = BY_IDS.query(transaction, &[&ids]).await?;
    rows.iter()
        .map(|row| Ok((Values::of("job_backfill", row).get("id")?, backfill(row))))
        .collect()
}

fn backfill(row: &Row) -> Result<Backfill, StoreError> {
    let row = Values::of("job_backfill", row);
    Ok(Backfill {
        id: row.get("id")?,
        to: row.get("ends_at")?,
        overlap_policy: overlap_policy(row)?,
        fires_per_minute: row.get("fires_per_minute")?,
    })
}

fn overlap_policy(row: Values<'_>) -> Result<OverlapPolicy, StoreError> {
    row.get::<&str>("overlap_policy")?
        .parse()
        .map_err(|error: UnknownName| row.unreadable(error))
}

fn record(row: &Row) -> Result<BackfillRecord, StoreError> {
    let row = Values::of("job_backfill", row);
    Ok(BackfillRecord {
        id: row.get("id")?,
        job_id: row.get("job_id")?,
        from: row.get("starts_at")?,
        to: row.get("ends_at")?,
        fire_times: row.get("fire_times")?,
        taken: row.get("taken")?,
        overlap_policy: overlap_policy(row)?,
        fires_per_minute: row.get("fires_per_minute")?,
        created_at: row.get("created_at")?,
        cancelled_at: row.get("cancelled_at")?,
        next_fire_time: row.get("next_fire_time")?,
    })
}
