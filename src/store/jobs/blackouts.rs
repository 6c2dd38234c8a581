//! Blackouts: reading and changing them. Those that are over are kept: they
//! explain what did not run.

use super::exclusions::{blackout, lock_exclusive, repoll_by_blackout};
use crate::model::Timestamp;
use crate::model::exclusions::{Blackout, Scope};
use crate::store::db::row::Values;
use crate::store::{During, Store, StoreError};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Those that are not over first, by their start; then the others, newest first.
const LIST: &str = "-- blackouts.list
select id, scope, tag, job_id, starts_at, ends_at, afterwards, reason, created_at
from blackout, (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
order by ends_at <= now, case when ends_at > now then starts_at end, starts_at desc, id limit $2";

/// Those in force, the one that ends first first.
const IN_FORCE: &str = "-- blackouts.in_force
select id, scope, tag, job_id, starts_at, ends_at, afterwards, reason, created_at
from blackout, (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
where starts_at <= now and ends_at > now order by ends_at, id limit $2";

/// Nothing when there is no such job.
const INSERT: &str = "-- blackouts.insert
insert into blackout (id, scope, tag, job_id, starts_at, ends_at, afterwards, reason, created_at)
select $2, $3, $4, $5, $6, $7, $8, $9, coalesce($1::timestamptz, clock_timestamp())
where $5::uuid is null or exists (select from job_definition where id = $5 and status <> 'DELETED')";

/// Moves the end of one that is not over; the end that it had.
const SET_END: &str = "-- blackouts.set_end
update blackout b set ends_at = greatest(b.starts_at, $3) from blackout old
where b.id = $2 and old.id = b.id and old.ends_at > coalesce($1::timestamptz, clock_timestamp())
returning old.ends_at";

/// How many are not over, counted to $2.
const NOT_OVER: &str = "-- blackouts.not_over
select count(*) from (select from blackout where ends_at > coalesce($1::timestamptz, clock_timestamp()) limit $2) as b";

impl Store {
    /// How many blackouts are not over, counted to `most`.
    pub async fn blackouts_not_over(&self, most: i64) -> Result<i64, StoreError> {
        self.bounded("blackouts.not_over", async {
            let session = self.session().await?;
            let row = session
                .query_one(NOT_OVER, &[&self.clock().stub(), &most])
                .await
                .during("blackouts.not_over")?;
            session.release();
            Values::of("blackouts.not_over", &row).get(0)
        })
        .await
    }

    /// Blackouts, those that are not over first, at most `limit`.
    pub async fn blackouts(&self, limit: u32) -> Result<Vec<Blackout>, StoreError> {
        self.bounded("blackouts.list", async {
            let session = self.session().await?;
            let rows = session
                .query(LIST, &[&self.clock().stub(), &i64::from(limit)])
                .await
                .during("blackouts.list")?;
            session.release();
            Ok(self.unreadable.readable(&rows, blackout))
        })
        .await
    }

    /// Blackouts that are in force, the one that ends first first, at most `limit`.
    pub async fn blackouts_in_force(&self, limit: u32) -> Result<Vec<Blackout>, StoreError> {
        self.bounded("blackouts.in_force", async {
            let session = self.session().await?;
            let values: [&(dyn ToSql + Sync); 2] = [&self.clock().stub(), &i64::from(limit)];
            let rows = session
                .query(IN_FORCE, &values)
                .await
                .during("blackouts.in_force")?;
            session.release();
            Ok(self.unreadable.readable(&rows, blackout))
        })
        .await
    }

    /// A blackout by its id.
    pub async fn blackout(&self, id: Uuid) -> Result<Option<Blackout>, StoreError> {
        self.bounded("blackouts.get", async {
            let session = self.session().await?;
            let row = session
                .query_opt("select * from blackout where id = $1", &[&id])
                .await
                .during("blackouts.get")?;
            session.release();
            row.as_ref().map(blackout).transpose()
        })
        .await
    }

    /// Stores a new blackout; false when its job does not exist. What is leased
    /// at this moment still runs.
    pub async fn create_blackout(&self, blackout: &Blackout) -> Result<bool, StoreError> {
        let (scope, tag, job) = match &blackout.scope {
            Scope::Cluster => ("CLUSTER", None, None),
            Scope::Tag(tag) => ("TAG", Some(tag), None),
            Scope::Job(job) => ("JOB", None, Some(job)),
        };
        let (stub, on_end) = (self.clock().stub(), blackout.on_end.as_str());
        let Blackout {
            id,
            starts_at,
            ends_at,
            reason,
            ..
        } = blackout;
        let values: [&(dyn ToSql + Sync); 9] = [
            &stub, id, &scope, &tag, &job, starts_at, ends_at, &on_end, reason,
        ];
        self.bounded("blackouts.create", async {
            let session = self.session().await?;
            let created = session
                .execute(INSERT, &values)
                .await
                .during("blackouts.insert")?;
            session.release();
            Ok(created == 1)
        })
        .await
    }

    /// Moves the end of a blackout that is not over, to no earlier than its
    /// start, and has the triggers looked at again that it holds back. False
    /// when it is over or does not exist.
    pub async fn set_blackout_end(&self, id: Uuid, ends_at: Timestamp) -> Result<bool, StoreError> {
        self.bounded("blackouts.set_end", async {
            let transaction = self.begin("blackouts.begin").await?;
            lock_exclusive(&transaction).await?;
            let stub = self.clock().stub();
            let old = transaction
                .query_opt(SET_END, &[&stub, &id, &ends_at])
                .await
                .during("blackouts.set_end")?;
            if let Some(old) = &old {
                repoll_by_blackout(&transaction, stub, id, Values::of("blackout", old).get(0)?)
                    .await?;
            }
            transaction.commit().await.during("blackouts.commit")?;
            Ok(old.is_some())
        })
        .await
    }
}
