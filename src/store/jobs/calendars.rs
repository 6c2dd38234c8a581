//! Calendars: reading and changing them.

use super::exclusions::{lock_exclusive, repoll_by_calendar};
use crate::model::Timestamp;
use crate::model::schedule::calendar::CalendarRules;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

/// Calendars by name, with the jobs that name them.
const LIST: &str = "-- calendars.list
select c.name, c.description, c.time_zone, c.rules, c.version, c.created_at, c.updated_at,
       (select count(*) from job_definition j where j.calendar = c.name and j.status <> 'DELETED') as jobs
from calendar c where $1::text is null or c.name = $1 order by c.name limit $2";

const INSERT: &str = "-- calendars.insert
insert into calendar (name, description, time_zone, rules, created_at, updated_at)
select $2, $3, $4, $5, now, now from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
on conflict (name) do nothing";

const REPLACE: &str = "-- calendars.replace
update calendar set description = $3, time_zone = $4, rules = $5, version = version + 1,
    updated_at = coalesce($1::timestamptz, clock_timestamp())
where name = $2 and version = $6";

/// Deleted jobs let go of it; the log of their versions keeps its name.
const LET_GO: &str = "-- calendars.let_go
update job_definition set calendar = null where calendar = $1 and status = 'DELETED'";

const DELETE: &str = "-- calendars.delete
delete from calendar where name = $1";

/// A calendar as it is stored.
#[derive(Debug, Clone)]
pub struct CalendarRecord {
    /// What jobs call it.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// IANA zone of its dates and times of day.
    pub time_zone: String,
    /// Which fire times count.
    pub rules: CalendarRules,
    /// Raised by every change.
    pub version: i32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Jobs that name it and are not deleted.
    pub jobs: i64,
}

/// What a person asks for; validated by the model.
#[derive(Debug, Clone)]
pub struct CalendarDefinition {
    /// What jobs call it.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// IANA zone, as the tz database spells it.
    pub time_zone: String,
    /// Which fire times count.
    pub rules: CalendarRules,
}

/// What became of a change of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// It is done.
    Done,
    /// Its version is another.
    Stale(i32),
    /// So many jobs name it.
    InUse(i64),
    /// There is no such calendar.
    NotFound,
}

impl Store {
    /// All calendars by name, at most `limit`.
    pub async fn calendars(&self, limit: u32) -> Result<Vec<CalendarRecord>, StoreError> {
        self.bounded("calendars.list", async {
            let session = self.session().await?;
            let rows = session
                .query(LIST, &[&None::<&str>, &i64::from(limit)])
                .await
                .during("calendars.list")?;
            session.release();
            Ok(self.unreadable.readable(&rows, record))
        })
        .await
    }

    /// A calendar by its name.
    pub async fn calendar(&self, name: &str) -> Result<Option<CalendarRecord>, StoreError> {
        self.bounded("calendars.get", async {
            let session = self.session().await?;
            let row = session
                .query_opt(LIST, &[&Some(name), &1_i64])
                .await
                .during("calendars.get")?;
            session.release();
            row.as_ref()
                .map(record)
                .transpose()
                .inspect_err(|error| self.unreadable.note(error))
        })
        .await
    }

    /// Stores a new calendar; false when one has its name.
    pub async fn create_calendar(&self, calendar: &CalendarDefinition) -> Result<bool, StoreError> {
        let rules = rules(calendar)?;
        let (
            CalendarDefinition {
                name,
                description,
                time_zone,
                ..
            },
            stub,
        ) = (calendar, self.clock().stub());
        self.bounded("calendars.create", async {
            let session = self.session().await?;
            let created = session
                .execute(INSERT, &[&stub, name, description, time_zone, &rules])
                .await;
            let created = created.during("calendars.insert")?;
            session.release();
            Ok(created == 1)
        })
        .await
    }

    /// Replaces a calendar that still has this version, and has the triggers
    /// looked at again that it closed fire times of.
    pub async fn update_calendar(
        &self,
        calendar: &CalendarDefinition,
        version: i32,
    ) -> Result<UpdateOutcome, StoreError> {
        let rules = rules(calendar)?;
        let (
            CalendarDefinition {
                name,
                description,
                time_zone,
                ..
            },
            stub,
        ) = (calendar, self.clock().stub());
        self.bounded("calendars.update", async {
            let transaction = self.begin("calendars.begin").await?;
            lock_exclusive(&transaction).await?;
            let replaced = transaction
                .execute(
                    REPLACE,
                    &[&stub, name, description, time_zone, &rules, &version],
                )
                .await;
            let changed = if replaced.during("calendars.replace")? == 1 {
                repoll_by_calendar(&transaction, stub, name).await?;
                UpdateOutcome::Done
            } else {
                get_not_deleted(&transaction, name)
                    .await?
                    .map_or(UpdateOutcome::NotFound, |found| {
                        UpdateOutcome::Stale(found.version)
                    })
            };
            transaction.commit().await.during("calendars.commit")?;
            Ok(changed)
        })
        .await
    }

    /// Deletes a calendar that no job names.
    pub async fn delete_calendar(&self, name: &str) -> Result<UpdateOutcome, StoreError> {
        self.bounded("calendars.delete", async {
            let transaction = self.begin("calendars.begin").await?;
            let changed = match get_not_deleted(&transaction, name).await? {
                None => UpdateOutcome::NotFound,
                Some(found) if found.jobs > 0 => UpdateOutcome::InUse(found.jobs),
                Some(_) => {
                    transaction
                        .execute(LET_GO, &[&name])
                        .await
                        .during("calendars.let_go")?;
                    match transaction.execute(DELETE, &[&name]).await {
                        // A job named it since.
                        Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => {
                            return Ok(UpdateOutcome::InUse(1));
                        }
                        deleted => deleted
                            .during("calendars.delete")
                            .map(|_| UpdateOutcome::Done)?,
                    }
                }
            };
            transaction.commit().await.during("calendars.commit")?;
            Ok(changed)
        })
        .await
    }
}

async fn get_not_deleted(
    transaction: &Transaction,
    name: &str,
) -> Result<Option<CalendarRecord>, StoreError> {
    let row = transaction
        .query_opt(LIST, &[&Some(name), &1_i64])
        .await
        .during("calendars.get")?;
    row.as_ref().map(record).transpose()
}

fn rules(calendar: &CalendarDefinition) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(&calendar.rules).map_err(|error| unreadable(&calendar.name, &error))
}

fn record(row: &Row) -> Result<CalendarRecord, StoreError> {
    let row = Values::of("calendar", row);
    Ok(CalendarRecord {
        name: row.get("name")?,
        description: row.get("description")?,
        time_zone: row.get("time_zone")?,
        rules: serde_json::from_value(row.get("rules")?).map_err(|error| row.unreadable(error))?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        jobs: row.get("jobs")?,
    })
}

fn unreadable(name: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        table: "calendar",
        id: name.to_owned(),
        reason: error.to_string(),
    }
}
