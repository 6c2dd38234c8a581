//! Namespaces: the only writer of `namespace`, with the quotas.

use super::Change;
use crate::model::Timestamp;
use crate::model::namespace::{DEFAULT, NAMESPACES_MAX};
use crate::store::audit::entry::Entry;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use serde_json::json;
use std::collections::BTreeMap;
use tokio_postgres::Row;
use uuid::Uuid;

const LIST: Statement = Statement::new(
    "-- namespaces.list
select n.name, n.description, n.max_jobs, n.created_at, n.created_by,
       (select count(*) from job_definition j where j.namespace = n.name
           and j.status <> 'DELETED') as jobs
from namespace n where n.deleted_at is null and ($1::text is null or n.name = $1)
order by n.name limit $2",
);

const INSERT: Statement = Statement::new(
    "-- namespaces.insert
insert into namespace (name, description, max_jobs, created_by, created_at)
select $2, $3, $4, $5, coalesce($1::timestamptz, clock_timestamp())
where (select count(*) from namespace where deleted_at is null) < $6
on conflict (name) do nothing",
);

const IS_TAKEN: Statement = Statement::new(
    "-- namespaces.is_taken
select deleted_at is not null as is_deleted from namespace where name = $1",
);

/// Against a creation of jobs, and another change, at the same moment.
const LOCK: Statement = Statement::new(
    "-- namespaces.lock
select description, max_jobs from namespace where name = $1 and deleted_at is null for update",
);

const UPDATE: Statement = Statement::new(
    "-- namespaces.update
update namespace set description = $2, max_jobs = $3 where name = $1",
);

/// The content of a namespace: jobs, deleted jobs, calendars.
const CONTENT: Statement = Statement::new(
    "-- namespaces.content
select (select count(*) from job_definition where namespace = $1 and status <> 'DELETED') as jobs,
       exists (select from job_definition where namespace = $1) as has_history,
       (select count(*) from calendar where split_part(name, '/', 1) = $1
           and name like '%/%') as calendars,
       (select count(*) from secret where namespace = $1) as secrets",
);

const DELETE: Statement = Statement::new(
    "-- namespaces.delete
delete from namespace where name = $1",
);

/// The name stays taken: the log of the deleted jobs must not come into other hands.
const RETIRE: Statement = Statement::new(
    "-- namespaces.retire
with unbound as (delete from role_binding where namespace = $2)
update namespace set deleted_at = coalesce($1::timestamptz, clock_timestamp()) where name = $2",
);

/// Against the deletion of the namespaces of new jobs. `default` is never deleted, and the row of
/// `default` is not locked without need.
const LOCK_SHARED: Statement = Statement::new(
    "-- namespaces.lock_shared
select name, max_jobs from namespace
where name = any($1::text[]) and deleted_at is null order by name for key share",
);

/// Against other creations in a namespace with a limit.
const LOCK_LIMITED: Statement = Statement::new(
    "-- namespaces.lock_limited
select name, max_jobs from namespace
where name = any($1::text[]) and max_jobs is not null order by name for no key update",
);

const LIMITS: Statement = Statement::new(
    "-- namespaces.limits
select name, max_jobs from namespace where name = any($1::text[]) and deleted_at is null",
);

/// Counted to the limit plus one.
const COUNT: Statement = Statement::new(
    "-- namespaces.count
select count(*) from (
    select from job_definition where namespace = $1 and status <> 'DELETED' limit $2) as j",
);

const OF_JOB: Statement = Statement::new(
    "-- namespaces.of_job
select namespace from job_definition where id = $1",
);

const OF_EXECUTION: Statement = Statement::new(
    "-- namespaces.of_execution
select j.namespace from job_definition j where j.id in (
    select job_id from job_execution_log where id = $1
    union all select job_id from job_trigger where id = $1 and kind <> 'SCHEDULE')",
);

const OF_BACKFILL: Statement = Statement::new(
    "-- namespaces.of_backfill
select j.namespace from job_backfill b join job_definition j on j.id = b.job_id where b.id = $1",
);

const OF_BLACKOUT: Statement = Statement::new(
    "-- namespaces.of_blackout
select j.namespace from blackout b join job_definition j on j.id = b.job_id where b.id = $1",
);

/// A namespace, as shown by the API.
#[derive(Debug, Clone)]
pub struct NamespaceRecord {
    /// Name of the namespace.
    pub name: String,
    /// A text for display only.
    pub description: Option<String>,
    /// Most jobs, without deleted jobs.
    pub max_jobs: Option<i32>,
    /// Time of the creation.
    pub created_at: Timestamp,
    /// The creator of the namespace. Display only.
    pub created_by: String,
    /// Jobs, without deleted jobs.
    pub jobs: i64,
}

/// A namespace to be stored.
#[derive(Debug, Clone)]
pub struct NamespaceDefinition {
    /// Name of the namespace.
    pub name: String,
    /// A text for display only.
    pub description: Option<String>,
    /// Most jobs, without deleted jobs.
    pub max_jobs: Option<i32>,
}

/// Result of the creation of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The namespace has been created.
    Done,
    /// A namespace has the name.
    NameTaken,
    /// A deleted namespace has the name.
    Retired,
    /// There are [`NAMESPACES_MAX`] namespaces.
    TooMany,
}

/// Result of the deletion of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The namespace has been deleted.
    Done,
    /// There is no such namespace.
    NotFound,
    /// The namespace is not empty.
    InUse {
        /// Jobs, without deleted jobs.
        jobs: i64,
        /// The number of calendars.
        calendars: i64,
        /// Secrets.
        secrets: i64,
    },
}

/// Why jobs were not created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlace {
    /// There is no such namespace, or the namespace is out of reach.
    Unknown(String),
    /// The namespace would have more jobs than the limit.
    Full {
        /// Name of the namespace.
        namespace: String,
        /// Most jobs, without deleted jobs.
        max_jobs: i32,
    },
}

/// An object of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// A job.
    Job(Uuid),
    /// An execution, also before the start.
    Execution(Uuid),
    /// A backfill.
    Backfill(Uuid),
    /// A blackout of a job.
    Blackout(Uuid),
}

impl Store {
    /// The namespaces within reach, by name.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceRecord>, StoreError> {
        self.read_all(LIST, &[&None::<&str>, &NAMESPACES_MAX], record)
            .await
    }

    /// A namespace by name.
    pub async fn namespace(&self, name: &str) -> Result<Option<NamespaceRecord>, StoreError> {
        self.read_opt(LIST, &[&Some(name), &1_i64], record).await
    }

    /// The namespace of an object within reach.
    pub async fn namespace_of(&self, member: Member) -> Result<Option<String>, StoreError> {
        let (statement, id) = match member {
            Member::Job(id) => (OF_JOB, id),
            Member::Execution(id) => (OF_EXECUTION, id),
            Member::Backfill(id) => (OF_BACKFILL, id),
            Member::Blackout(id) => (OF_BLACKOUT, id),
        };
        self.read_opt(statement, &[&id], |row| {
            Values::of(statement.name(), row).get(0)
        })
        .await
    }

    /// Stores a new namespace.
    pub async fn create_namespace(
        &self,
        namespace: &NamespaceDefinition,
    ) -> Result<CreateOutcome, StoreError> {
        let NamespaceDefinition {
            name,
            description,
            max_jobs,
        } = namespace;
        self.in_transaction("namespaces.create", async |transaction| {
            let label = transaction.author().caller.label();
            let stub = self.clock().stub();
            let inserted = INSERT
                .execute(
                    transaction,
                    &[&stub, name, description, max_jobs, &label, &NAMESPACES_MAX],
                )
                .await?;
            if inserted == 1 {
                transaction.record(entry(name).with("after", content(namespace)));
                return Ok(Change::Commit(CreateOutcome::Done));
            }
            let taken = IS_TAKEN.query_opt(transaction, &[name]).await?;
            let is_deleted = taken
                .map(|row| Values::of(IS_TAKEN.name(), &row).get(0))
                .transpose()?;
            Ok(Change::Undo(match is_deleted {
                Some(true) => CreateOutcome::Retired,
                Some(false) => CreateOutcome::NameTaken,
                None => CreateOutcome::TooMany,
            }))
        })
        .await
    }

    /// Replaces the description and the limit of a namespace; false when no namespace has the name.
    pub async fn update_namespace(
        &self,
        namespace: &NamespaceDefinition,
    ) -> Result<bool, StoreError> {
        let NamespaceDefinition {
            name,
            description,
            max_jobs,
        } = namespace;
        self.in_transaction("namespaces.update", async |transaction| {
            let Some(row) = LOCK.query_opt(transaction, &[name]).await? else {
                return Ok(Change::Undo(false));
            };
            let row = Values::of("namespace", &row);
            let before = NamespaceDefinition {
                name: name.clone(),
                description: row.get("description")?,
                max_jobs: row.get("max_jobs")?,
            };
            UPDATE
                .execute(transaction, &[name, description, max_jobs])
                .await?;
            let entry = entry(name).with_change(&content(&before), &content(namespace));
            transaction.record(entry);
            Ok(Change::Commit(true))
        })
        .await
    }

    /// Deletes a namespace without jobs and calendars, with the roles in it. `default` stays.
    pub async fn delete_namespace(&self, name: &str) -> Result<DeleteOutcome, StoreError> {
        self.in_transaction("namespaces.delete", async |transaction| {
            let locked = LOCK.query_opt(transaction, &[&name]).await?;
            if locked.is_none() || name == DEFAULT {
                return Ok(Change::Undo(DeleteOutcome::NotFound));
            }
            let row = CONTENT.query_one(transaction, &[&name]).await?;
            let row = Values::of(CONTENT.name(), &row);
            let (jobs, calendars) = (row.get("jobs")?, row.get("calendars")?);
            let secrets = row.get("secrets")?;
            if jobs > 0 || calendars > 0 || secrets > 0 {
                return Ok(Change::Undo(DeleteOutcome::InUse {
                    jobs,
                    calendars,
                    secrets,
                }));
            }
            if row.get("has_history")? {
                let stub = self.clock().stub();
                // The log of deleted jobs refers to the namespace by name.
                RETIRE.execute(transaction, &[&stub, &name]).await?;
            } else {
                DELETE.execute(transaction, &[&name]).await?;
            }
            transaction.record(entry(name));
            Ok(Change::Commit(DeleteOutcome::Done))
        })
        .await
    }
}

/// Holds a namespace against its deletion until the transaction ends. False when the namespace does
/// not exist, or is out of reach.
pub(in crate::store) async fn lock_namespace(
    transaction: &Transaction,
    name: &str,
) -> Result<bool, StoreError> {
    let locked = LOCK_SHARED.query(transaction, &[&vec![name]]).await?;
    Ok(!locked.is_empty())
}

/// Takes places for new jobs, a number in each namespace, until the transaction ends.
pub(in crate::store) async fn take_places(
    transaction: &Transaction,
    wanted: &BTreeMap<String, usize>,
) -> Result<Result<(), NoPlace>, StoreError> {
    let mut names: Vec<&str> = wanted.keys().map(String::as_str).collect();
    let rows = LIMITS.query(transaction, &[&names]).await?;
    let mut limits = limits(&rows)?;
    if limits.values().any(Option::is_some) {
        // Only a limit needs the exclusive lock. Without a limit creations run side by side.
        let rows = LOCK_LIMITED.query(transaction, &[&names]).await?;
        limits.extend(self::limits(&rows)?);
    }
    names.retain(|name| *name != DEFAULT);
    if !names.is_empty() {
        // Read again under the lock: a deletion may have committed.
        let rows = LOCK_SHARED.query(transaction, &[&names]).await?;
        let living = self::limits(&rows)?;
        limits.retain(|name, _| name == DEFAULT || living.contains_key(name));
    }
    for (name, count) in wanted {
        let Some(limit) = limits.get(name) else {
            return Ok(Err(NoPlace::Unknown(name.clone())));
        };
        if let Some(max_jobs) = *limit
            && *count > 0
            && !has_places(transaction, name, max_jobs, *count).await?
        {
            let namespace = name.clone();
            return Ok(Err(NoPlace::Full {
                namespace,
                max_jobs,
            }));
        }
    }
    Ok(Ok(()))
}

async fn has_places(
    transaction: &Transaction,
    namespace: &str,
    max_jobs: i32,
    wanted: usize,
) -> Result<bool, StoreError> {
    let most = i64::from(max_jobs) + 1;
    let row = COUNT.query_one(transaction, &[&namespace, &most]).await?;
    let jobs: i64 = Values::of(COUNT.name(), &row).get(0)?;
    let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
    Ok(jobs.saturating_add(wanted) <= i64::from(max_jobs))
}

fn limits(rows: &[Row]) -> Result<BTreeMap<String, Option<i32>>, StoreError> {
    rows.iter()
        .map(|row| {
            let row = Values::of("namespace", row);
            Ok((row.get("name")?, row.get("max_jobs")?))
        })
        .collect()
}

fn entry(name: &str) -> Entry {
    Entry::of("namespace", name).named(name)
}

/// What the audit log shows of a namespace.
fn content(namespace: &NamespaceDefinition) -> serde_json::Value {
    json!({"description": namespace.description, "maxJobs": namespace.max_jobs})
}

fn record(row: &Row) -> Result<NamespaceRecord, StoreError> {
    let row = Values::of("namespace", row);
    Ok(NamespaceRecord {
        name: row.get("name")?,
        description: row.get("description")?,
        max_jobs: row.get("max_jobs")?,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
        jobs: row.get("jobs")?,
    })
}
