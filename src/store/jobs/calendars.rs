//! Calendars: the only writer of `calendar`.

use super::exclusions::{lock_exclusive, repoll_by_calendar};
use crate::model::schedule::calendar::CalendarRules;
use crate::model::{Timestamp, namespace};
use crate::store::access::namespaces::{NoPlace, take_places};
use crate::store::audit::entry::Entry;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use serde_json::json;
use std::collections::BTreeMap;
use tokio_postgres::Row;

/// Calendars by name, with the number of jobs.
const LIST: Statement = Statement::new(
    "-- calendars.list
select c.name, c.description, c.time_zone, c.rules, c.version, c.created_at, c.updated_at,
       (select count(*) from job_definition j where j.calendar = c.name
           and j.status <> 'DELETED') as jobs
from calendar c where $1::text is null or c.name = $1 order by c.name limit $2",
);

const INSERT: Statement = Statement::new(
    "-- calendars.insert
insert into calendar (name, description, time_zone, rules, created_at, updated_at)
select $2, $3, $4, $5, now, now
from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
on conflict (name) do nothing",
);

const REPLACE: Statement = Statement::new(
    "-- calendars.replace
update calendar set description = $3, time_zone = $4, rules = $5, version = version + 1,
    updated_at = coalesce($1::timestamptz, clock_timestamp())
where name = $2 and version = $6",
);

/// Deleted jobs drop the reference. The versions of the jobs keep the name.
const LET_GO: Statement = Statement::new(
    "-- calendars.let_go
update job_definition set calendar = null where calendar = $1 and status = 'DELETED'",
);

const DELETE: Statement = Statement::new(
    "-- calendars.delete
delete from calendar where name = $1",
);

/// A calendar as stored.
#[derive(Debug, Clone)]
pub struct CalendarRecord {
    /// Unique name, for references from jobs.
    pub name: String,
    /// A text for display only.
    pub description: Option<String>,
    /// IANA zone of the dates and times of day.
    pub time_zone: String,
    /// Which fire times count.
    pub rules: CalendarRules,
    /// Version, raised by every change.
    pub version: i32,
    /// Instant of the creation.
    pub created_at: Timestamp,
    /// Instant of the last change.
    pub updated_at: Timestamp,
    /// Jobs with the calendar, without deleted jobs.
    pub jobs: i64,
}

/// A calendar to be stored; validated by the model.
#[derive(Debug, Clone)]
pub struct CalendarDefinition {
    /// Unique name, for references from jobs.
    pub name: String,
    /// A text for display only.
    pub description: Option<String>,
    /// IANA zone, as the tz database spells it.
    pub time_zone: String,
    /// Which fire times count.
    pub rules: CalendarRules,
}

/// Result of a change of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The calendar has been changed.
    Done,
    /// The stored version differs: the value.
    Stale(i32),
    /// The number of jobs with the calendar.
    InUse(i64),
    /// There is no such calendar.
    NotFound,
}

impl Store {
    /// All calendars by name, at most `limit`.
    pub async fn calendars(&self, limit: u32) -> Result<Vec<CalendarRecord>, StoreError> {
        self.read_all(LIST, &[&None::<&str>, &i64::from(limit)], record)
            .await
    }

    /// A calendar by name.
    pub async fn calendar(&self, name: &str) -> Result<Option<CalendarRecord>, StoreError> {
        self.read_opt(LIST, &[&Some(name), &1_i64], record).await
    }

    /// Stores a new calendar in the namespace of the name; false when the name is taken.
    pub async fn create_calendar(
        &self,
        calendar: &CalendarDefinition,
    ) -> Result<Result<bool, NoPlace>, StoreError> {
        let namespace = namespace::of_calendar(&calendar.name);
        if !self.reach().includes(namespace) {
            return Ok(Err(NoPlace::Unknown(namespace.to_owned())));
        }
        let wanted = BTreeMap::from([(namespace.to_owned(), 0)]);
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
            let transaction = self.begin("calendars.begin").await?;
            if let Err(no_place) = take_places(&transaction, &wanted).await? {
                transaction.rollback().await.during("calendars.rollback")?;
                return Ok(Err(no_place));
            }
            let created = INSERT
                .execute(&transaction, &[&stub, name, description, time_zone, &rules])
                .await?
                == 1;
            if created {
                transaction.record(entry(name).with("after", content(calendar)));
            }
            transaction.commit().await.during("calendars.commit")?;
            Ok(Ok(created))
        })
        .await
    }

    /// Replaces a calendar if the version still matches, and lets leases decide again about
    /// triggers with fire times excluded by the calendar.
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
            // A trigger scheduled at the same moment by the old rules must be found by the repoll.
            lock_exclusive(&transaction).await?;
            let old = LIST.query_opt(&transaction, &[&Some(name), &1_i64]).await?;
            let replaced = REPLACE
                .execute(
                    &transaction,
                    &[&stub, name, description, time_zone, &rules, &version],
                )
                .await;
            let changed = if replaced? == 1 {
                repoll_by_calendar(&transaction, stub, name).await?;
                // The change may replace an unreadable row.
                let old = old.and_then(|row| record(&row).ok());
                let before = old.map_or(json!({}), |old| content(&old.into()));
                transaction.record(entry(name).with_change(&before, &content(calendar)));
                UpdateOutcome::Done
            } else {
                let found = old.as_ref().map(record).transpose()?;
                found.map_or(UpdateOutcome::NotFound, |found| {
                    UpdateOutcome::Stale(found.version)
                })
            };
            transaction.commit().await.during("calendars.commit")?;
            Ok(changed)
        })
        .await
    }

    /// Deletes a calendar without jobs.
    pub async fn delete_calendar(&self, name: &str) -> Result<UpdateOutcome, StoreError> {
        self.bounded("calendars.delete", async {
            let transaction = self.begin("calendars.begin").await?;
            let changed = match get_not_deleted(&transaction, name).await? {
                None => UpdateOutcome::NotFound,
                Some(found) if found.jobs > 0 => UpdateOutcome::InUse(found.jobs),
                Some(found) => {
                    transaction.record(entry(name).with("before", content(&found.into())));
                    LET_GO.execute(&transaction, &[&name]).await?;
                    match DELETE.execute(&transaction, &[&name]).await {
                        // A job has got the calendar since the count.
                        Err(error) if error.is_of_a_reference() => {
                            // The drop of the transaction rolls back: the failed statement has
                            // ended the transaction.
                            return Ok(UpdateOutcome::InUse(1));
                        }
                        deleted => deleted.map(|_| UpdateOutcome::Done)?,
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
    let row = LIST.query_opt(transaction, &[&Some(name), &1_i64]).await?;
    row.as_ref().map(record).transpose()
}

fn entry(name: &str) -> Entry {
    Entry::of("calendar", name).named(name)
}

/// The part of a calendar in the audit log.
fn content(calendar: &CalendarDefinition) -> serde_json::Value {
    json!({
        "description": calendar.description,
        "timeZone": calendar.time_zone,
        "rules": calendar.rules,
    })
}

impl From<CalendarRecord> for CalendarDefinition {
    fn from(record: CalendarRecord) -> Self {
        Self {
            name: record.name,
            description: record.description,
            time_zone: record.time_zone,
            rules: record.rules,
        }
    }
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
