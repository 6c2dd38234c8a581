//! Backfills: asking for one, stopping it, and how far it is.

use crate::model::Timestamp;
use crate::model::UnknownName;
use crate::model::backfill::{Backfill, BackfillRequest};
use crate::model::policies::OverlapPolicy;
use crate::store::db::listener::WAKE_UP_CHANNEL;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError};
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// The newest backfills of a job, or of all, with their triggers.
const LIST: &str = "-- backfills.list
select b.id, b.job_id, b.starts_at, b.ends_at, b.fire_times, b.overlap_policy, b.fires_per_minute, b.created_at,
       b.cancelled_at, coalesce(b.taken, t.runs, b.fire_times)::int as taken, t.fire_time as next_fire_time
from job_backfill b left join job_trigger t on t.id = b.id
where ($1::uuid is null or b.job_id = $1) and ($2::uuid is null or b.id = $2)
order by b.created_at desc, b.id limit $3";

/// Nothing when the job is gone.
const INSERT: &str = "-- backfills.insert
with made as (
    insert into job_backfill (id, job_id, starts_at, ends_at, fire_times, overlap_policy, fires_per_minute, created_at)
    select $2, j.id, $4, $5, $6, $7, $8, coalesce($1::timestamptz, clock_timestamp())
    from job_definition j where j.id = $3 and j.status <> 'DELETED' for share
    returning *
)
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select made.id, made.job_id, 'BACKFILL', $9, made.created_at, j.priority
from made join job_definition j on j.id = made.job_id";

const CANCEL: &str = "-- backfills.cancel
with removed as (delete from job_trigger where id = $2 and kind = 'BACKFILL' returning id, runs)
update job_backfill b set cancelled_at = coalesce($1::timestamptz, clock_timestamp()), taken = r.runs
from removed r where b.id = r.id";

/// What leases need of those whose triggers are due.
const BY_IDS: &str = "-- backfills.by_ids
select id, ends_at, overlap_policy, fires_per_minute from job_backfill where id = any($1::uuid[])";

/// A backfill as it stands.
#[derive(Debug, Clone)]
pub struct BackfillRecord {
    /// Its identity.
    pub id: Uuid,
    /// The job.
    pub job_id: Uuid,
    /// First instant of the range.
    pub from: Timestamp,
    /// Last instant of the range.
    pub to: Timestamp,
    /// Fire times in the range when it was asked for.
    pub fire_times: i32,
    /// How many of them were taken.
    pub taken: i32,
    /// What becomes of a fire time while an execution of the job is in flight.
    pub overlap_policy: OverlapPolicy,
    /// Most fire times taken in a minute.
    pub fires_per_minute: i32,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When somebody stopped it.
    pub cancelled_at: Option<Timestamp>,
    /// The fire time that it takes next; none when it is over.
    pub next_fire_time: Option<Timestamp>,
}

impl Store {
    /// Begins a backfill of a range that has fire times. None when there is no
    /// such job.
    pub async fn begin_backfill(
        &self,
        (id, job_id): (Uuid, Uuid),
        request: &BackfillRequest,
        (first, fire_times): (Timestamp, usize),
    ) -> Result<Option<BackfillRecord>, StoreError> {
        let (stub, fire_times) = (
            self.clock().stub(),
            i32::try_from(fire_times).unwrap_or(i32::MAX),
        );
        let policy = request.overlap_policy.as_str();
        let BackfillRequest {
            from,
            to,
            fires_per_minute,
            ..
        } = request;
        let values: [&(dyn ToSql + Sync); 9] = [
            &stub,
            &id,
            &job_id,
            from,
            to,
            &fire_times,
            &policy,
            fires_per_minute,
            &first,
        ];
        self.bounded("backfills.begin", async {
            let transaction = self.begin("backfills.begin").await?;
            transaction
                .execute(INSERT, &values)
                .await
                .during("backfills.insert")?;
            transaction
                .execute("select pg_notify($1, '')", &[&WAKE_UP_CHANNEL])
                .await
                .during("backfills.notify")?;
            let row = transaction
                .query_opt(LIST, &[&None::<Uuid>, &Some(id), &1_i64])
                .await;
            let begun = row
                .during("backfills.get")?
                .as_ref()
                .map(record)
                .transpose()?;
            transaction.commit().await.during("backfills.commit")?;
            Ok(begun)
        })
        .await
    }

    /// Stops a backfill: what it started goes on. False when it is over or does
    /// not exist.
    pub async fn cancel_backfill(&self, id: Uuid) -> Result<bool, StoreError> {
        self.bounded("backfills.cancel", async {
            let session = self.session().await?;
            let cancelled = session
                .execute(CANCEL, &[&self.clock().stub(), &id])
                .await
                .during("backfills.cancel")?;
            session.release();
            Ok(cancelled == 1)
        })
        .await
    }

    /// The newest backfills of a job, or of all jobs, at most `limit`.
    pub async fn backfills(
        &self,
        job_id: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<BackfillRecord>, StoreError> {
        self.bounded("backfills.list", async {
            let session = self.session().await?;
            let rows = session
                .query(LIST, &[&job_id, &None::<Uuid>, &i64::from(limit)])
                .await;
            let rows = rows.during("backfills.list")?;
            session.release();
            Ok(self.unreadable.readable(&rows, record))
        })
        .await
    }
}

/// Backfills by id; an error for each that cannot be read.
pub(crate) type Found = HashMap<Uuid, Result<Backfill, StoreError>>;

/// Those whose triggers are due.
pub(crate) async fn by_ids(transaction: &Transaction, ids: &[Uuid]) -> Result<Found, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = transaction
        .query(BY_IDS, &[&ids])
        .await
        .during("backfills.by_ids")?;
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
