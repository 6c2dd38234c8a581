//! Blackouts: the only writer of `blackout`. Ended blackouts are kept, because ended blackouts
//! explain skipped fire times.

use super::exclusions::{blackout, lock_exclusive, repoll_by_blackout};
use crate::model::exclusions::{Blackout, Scope};
use crate::model::{Timestamp, rfc3339};
use crate::store::audit::entry::Entry;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use serde_json::json;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Current and future blackouts first, by start; then ended blackouts, newest first.
const LIST: Statement = Statement::new(
    "-- blackouts.list
select id, scope, tag, job_id, starts_at, ends_at, on_end, reason, created_at
from blackout, (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
order by ends_at <= now, case when ends_at > now then starts_at end, starts_at desc, id limit $2",
);

/// Blackouts in force, by end.
const IN_FORCE: Statement = Statement::new(
    "-- blackouts.in_force
select id, scope, tag, job_id, starts_at, ends_at, on_end, reason, created_at
from blackout, (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
where starts_at <= now and ends_at > now order by ends_at, id limit $2",
);

const GET: Statement = Statement::new(
    "-- blackouts.get
select id, scope, tag, job_id, starts_at, ends_at, on_end, reason, created_at from blackout
where id = $1",
);

/// Inserts nothing when the job does not exist.
const INSERT: Statement = Statement::new(
    "-- blackouts.insert
insert into blackout (id, scope, tag, job_id, starts_at, ends_at, on_end, reason, created_at)
select $2, $3, $4, $5, $6, $7, $8, $9, coalesce($1::timestamptz, clock_timestamp())
where $5::uuid is null or exists (select from job_definition
    where id = $5 and status <> 'DELETED')",
);

/// Moves the end of a blackout not over yet; returns the old end.
const SET_END: Statement = Statement::new(
    "-- blackouts.set_end
update blackout b set ends_at = greatest(b.starts_at, $3) from blackout old
where b.id = $2 and old.id = b.id and old.ends_at > coalesce($1::timestamptz, clock_timestamp())
returning old.ends_at, b.ends_at as new_end",
);

/// The number of blackouts not over, counted to $2.
const NOT_OVER: Statement = Statement::new(
    "-- blackouts.not_over
select count(*) from (select from blackout
    where ends_at > coalesce($1::timestamptz, clock_timestamp()) limit $2) as b",
);

impl Store {
    /// The number of blackouts not over, counted to `most`.
    pub async fn blackouts_not_over(&self, most: i64) -> Result<i64, StoreError> {
        self.read_one(NOT_OVER, &[&self.clock().stub(), &most], |row| {
            Values::of(NOT_OVER.name(), row).get(0)
        })
        .await
    }

    /// Blackouts, current and future blackouts first, at most `limit`.
    pub async fn blackouts(&self, limit: u32) -> Result<Vec<Blackout>, StoreError> {
        self.read_all(LIST, &[&self.clock().stub(), &i64::from(limit)], blackout)
            .await
    }

    /// Blackouts in force, by end, at most `limit`.
    pub async fn blackouts_in_force(&self, limit: u32) -> Result<Vec<Blackout>, StoreError> {
        let values: [&(dyn ToSql + Sync); 2] = [&self.clock().stub(), &i64::from(limit)];
        self.read_all(IN_FORCE, &values, blackout).await
    }

    /// A blackout by id.
    pub async fn blackout(&self, id: Uuid) -> Result<Option<Blackout>, StoreError> {
        self.read_opt(GET, &[&id], blackout).await
    }

    /// Stores a new blackout; false when the job does not exist. Fire times already leased still
    /// run.
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
            let transaction = self.begin("blackouts.begin").await?;
            // Without the exclusive lock: a new blackout moves no trigger. The lease checks
            // blackouts at the due time.
            let created = INSERT.execute(&transaction, &values).await? == 1;
            if created {
                let after = json!({
                    "scope": scope,
                    "tag": tag,
                    "jobId": job,
                    "startsAt": rfc3339(*starts_at),
                    "endsAt": rfc3339(*ends_at),
                    "onEnd": on_end,
                    "reason": reason,
                });
                transaction.record(Entry::of("blackout", *id).with("after", after));
            }
            transaction.commit().await.during("blackouts.commit")?;
            Ok(created)
        })
        .await
    }

    /// Moves the end of a blackout not over yet, at the earliest to the start, and lets leases
    /// decide again about deferred triggers. False when the blackout is over or does not exist.
    pub async fn set_blackout_end(&self, id: Uuid, ends_at: Timestamp) -> Result<bool, StoreError> {
        self.bounded("blackouts.set_end", async {
            let transaction = self.begin("blackouts.begin").await?;
            // A trigger scheduled at the same moment by the old end must be found below.
            lock_exclusive(&transaction).await?;
            let stub = self.clock().stub();
            let old = SET_END
                .query_opt(&transaction, &[&stub, &id, &ends_at])
                .await?;
            if let Some(ends) = &old {
                let ends = Values::of("blackout", ends);
                let (old, new): (Timestamp, Timestamp) = (ends.get(0)?, ends.get(1)?);
                repoll_by_blackout(&transaction, stub, id, old).await?;
                let entry = Entry::of("blackout", id)
                    .with("before", json!({"endsAt": rfc3339(old)}))
                    .with("after", json!({"endsAt": rfc3339(new)}));
                transaction.record(entry);
            }
            transaction.commit().await.during("blackouts.commit")?;
            Ok(old.is_some())
        })
        .await
    }
}
