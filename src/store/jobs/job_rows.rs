//! Jobs: reading them, and how they stand in their row.

use crate::model::Timestamp;
use crate::model::UnknownName;
use crate::model::job::{Job, JobDefinition};
use crate::model::payload::Payload;
use crate::model::policies::Policies;
use crate::model::schedule::cron::CronSchedule;
use crate::model::schedule::zone::Zone;
use crate::model::schedule::{INTERVAL_SECONDS_MAX, Schedule, ScheduleType};
use crate::model::target::Target;
use crate::store::db::row::{Readable, Values};
use crate::store::db::session::Transaction;
use crate::store::db::unreadable::UnreadableRows;
use crate::store::{During, Store, StoreError};
use chrono::TimeDelta;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::str::FromStr;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};
use uuid::Uuid;

/// The columns that `job` reads, of a row `j`.
macro_rules! columns {
    () => {
        "j.id, j.name, j.description, j.tags, j.priority, j.policies, j.schedule_type, j.cron_expression, j.time_zone, \
         j.interval_seconds, j.calendar, j.initial_delay_seconds, j.anchor_at, j.payload, j.target, j.recovery, j.max_recoveries, \
         j.status, j.paused_because, j.version, j.created_at, j.updated_at"
    };
}

/// See `columns`.
pub(crate) const COLUMNS: &str = columns!();

/// Which parts of jobs a list reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobParts {
    /// All of them.
    All,
    /// Without payload and target, which may take 256 KB each: there is none, and `log`.
    Small,
}

impl JobParts {
    /// The columns that `job` reads, of a row `j`.
    pub(crate) fn columns(self) -> String {
        match self {
            Self::All => COLUMNS.to_owned(),
            Self::Small => COLUMNS.replace(
                "j.payload, j.target",
                "null::json as payload, '\"log\"'::jsonb as target",
            ),
        }
    }
}

pub(crate) const BY_IDS: &str = concat!(
    "-- jobs.by_ids
select ",
    columns!(),
    ", null::timestamptz as next_fire_time, null::timestamptz as held_fire_time, null::timestamptz as closed_from, null::bigint as runs from job_definition j where j.id = any($1::uuid[])"
);

/// The same with what their triggers say.
pub(crate) const GET: &str = concat!(
    "-- jobs.get
select ",
    columns!(),
    ", case when t.due_at is not null then t.fire_time end as next_fire_time,
    case when t.held_due_at is not null then t.fire_time end as held_fire_time, t.closed_from, t.runs
from job_definition j left join job_trigger t on t.id = j.id where j.id = any($1::uuid[])"
);

/// The newest jobs that are not deleted. Served by `job_definition_newest`.
const NEWEST: &str = "-- jobs.newest
select {columns}, case when t.due_at is not null then t.fire_time end as next_fire_time,
    case when t.held_due_at is not null then t.fire_time end as held_fire_time, t.closed_from, t.runs
from job_definition j left join job_trigger t on t.id = j.id
where j.status <> 'DELETED' order by j.created_at desc, j.id limit $1";

/// Jobs by their status. Only an active job has a schedule that has ended: `job_trigger_ended`
/// serves the third.
const COUNT: &str = "-- jobs.count
select count(*) filter (where status = 'ACTIVE') as active, count(*) filter (where status = 'PAUSED') as paused,
       (select count(*) from job_trigger where kind = 'SCHEDULE' and due_at is null and awaits is null and not paused
           and held_due_at is null) as ended
from job_definition where status <> 'DELETED'";

/// Every version of a job, newest first.
const VERSIONS: &str = "-- jobs.versions
select version, changed_at, changed_by, change, definition::text from job_definition_version
where job_id = $1 order by version desc limit $2";

/// How many jobs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobCounts {
    /// Active ones whose schedule goes on.
    pub active: i64,
    /// Paused ones.
    pub paused: i64,
    /// Active ones whose schedule has ended.
    pub ended: i64,
}

/// One version of a job's definition.
#[derive(Debug, Clone)]
pub struct JobVersion {
    /// As in the job after the change.
    pub version: i32,
    /// When.
    pub changed_at: Timestamp,
    /// Who.
    pub changed_by: String,
    /// What was done: `CREATED`, `UPDATED`, …
    pub change: String,
    /// The whole row after the change, with every policy, as JSON.
    pub definition: String,
}

/// Jobs that can be read, by id.
pub(crate) async fn by_ids(
    transaction: &Transaction,
    ids: &[Uuid],
    unreadable: &UnreadableRows,
) -> Result<HashMap<Uuid, Job>, StoreError> {
    let statement = transaction
        .prepare_cached(BY_IDS)
        .await
        .during("jobs.prepare")?;
    let rows = transaction
        .query(&statement, &[&ids])
        .await
        .during("jobs.by_ids")?;
    Ok(unreadable
        .readable(&rows, job)
        .into_iter()
        .map(|job| (job.id, job))
        .collect())
}

impl Store {
    /// The database's now, rounded up to a millisecond: jobs are anchored at it.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.bounded("jobs.now", async {
            let session = self.session().await?;
            let row = session
                .query_one(
                    "select coalesce($1::timestamptz, clock_timestamp())",
                    &[&self.clock().stub()],
                )
                .await
                .during("jobs.now")?;
            session.release();
            Values::of("jobs.now", &row).get(0).map(whole_millis)
        })
        .await
    }

    /// A job, deleted or not.
    pub async fn job(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        self.bounded("jobs.get", async {
            let session = self.session().await?;
            let rows = self
                .rows(&session, "jobs.get", GET, &[&[id].as_slice()])
                .await?;
            session.release();
            rows.first()
                .map(job)
                .transpose()
                .inspect_err(|error| self.unreadable.note(error))
        })
        .await
    }

    /// These jobs, deleted or not. Those that are not there are left out.
    pub async fn jobs(&self, ids: &[Uuid]) -> Result<Vec<Job>, StoreError> {
        self.bounded("jobs.get", async {
            let session = self.session().await?;
            let rows = self.rows(&session, "jobs.get", GET, &[&ids]).await?;
            session.release();
            Ok(self.unreadable.readable(&rows, job))
        })
        .await
    }

    /// The newest jobs that are not deleted, at most `limit`.
    pub async fn newest_jobs(&self, limit: u32, parts: JobParts) -> Result<Vec<Job>, StoreError> {
        self.bounded("jobs.newest", async {
            let session = self.session().await?;
            let statement = NEWEST.replace("{columns}", &parts.columns());
            let rows = self
                .rows(&session, "jobs.newest", &statement, &[&i64::from(limit)])
                .await?;
            session.release();
            Ok(self.unreadable.readable(&rows, job))
        })
        .await
    }

    /// The newest versions of a job, at most `limit`.
    pub async fn job_versions(&self, id: Uuid, limit: u32) -> Result<Vec<JobVersion>, StoreError> {
        self.bounded("jobs.versions", async {
            let session = self.session().await?;
            let rows = self
                .rows(
                    &session,
                    "jobs.versions",
                    VERSIONS,
                    &[&id, &i64::from(limit)],
                )
                .await?;
            session.release();
            Ok(self.unreadable.readable(&rows, version))
        })
        .await
    }

    /// How many jobs are active and how many paused.
    pub async fn job_counts(&self) -> Result<JobCounts, StoreError> {
        self.bounded("jobs.count", async {
            let session = self.session().await?;
            let row = session.query_one(COUNT, &[]).await.during("jobs.count")?;
            session.release();
            let row = Values::of("jobs.count", &row);
            let (active, ended): (i64, i64) = (row.get("active")?, row.get("ended")?);
            Ok(JobCounts {
                active: active.saturating_sub(ended).max(0),
                paused: row.get("paused")?,
                ended,
            })
        })
        .await
    }
}

fn version(row: &Row) -> Result<JobVersion, StoreError> {
    let row = Values::of("job_definition_version", row);
    Ok(JobVersion {
        version: row.get(0)?,
        changed_at: row.get(1)?,
        changed_by: row.get(2)?,
        change: row.get(3)?,
        definition: with_every_policy(row.get(4)?).map_err(|error| row.unreadable(error))?,
    })
}

/// Only the policies are read: all else stays as it was written.
fn with_every_policy(row: &str) -> serde_json::Result<String> {
    const POLICIES: &str = "policies";
    let mut row: BTreeMap<&str, &RawValue> = serde_json::from_str(row)?;
    let stored: Map<String, Value> = row
        .get(POLICIES)
        .map_or(Ok(Map::new()), |json| serde_json::from_str(json.get()))?;
    let policies = to_raw_value(&Policies::completed(stored))?;
    row.insert(POLICIES, &policies);
    serde_json::to_string(&row)
}

/// Rounded up to a millisecond: fire times survive their trip through the API.
pub(crate) fn whole_millis(time: Timestamp) -> Timestamp {
    let beyond = time.timestamp_subsec_nanos() % 1_000_000;
    if beyond == 0 {
        time
    } else {
        time + TimeDelta::nanoseconds(i64::from(1_000_000 - beyond))
    }
}

/// A definition as it stands in its row.
pub(super) struct DefinitionRow<'a> {
    name: &'a str,
    description: Option<&'a str>,
    tags: &'a [String],
    priority: i16,
    policies: Json<Map<String, Value>>,
    schedule_type: &'static str,
    cron_expression: Option<&'a str>,
    time_zone: &'a str,
    interval_seconds: Option<i64>,
    calendar: Option<&'a str>,
    initial_delay_seconds: Option<i64>,
    anchor_at: Option<Timestamp>,
    payload: Option<Json<&'a RawValue>>,
    target: Json<&'a Target>,
    recovery: &'static str,
    max_recoveries: i32,
}

impl<'a> DefinitionRow<'a> {
    /// The columns of its values, in their order.
    pub(crate) const COLUMNS: [(&'static str, Type); 16] = [
        ("name", Type::TEXT),
        ("description", Type::TEXT),
        ("tags", Type::TEXT_ARRAY),
        ("priority", Type::INT2),
        ("policies", Type::JSONB),
        ("schedule_type", Type::TEXT),
        ("cron_expression", Type::TEXT),
        ("time_zone", Type::TEXT),
        ("interval_seconds", Type::INT8),
        ("calendar", Type::TEXT),
        ("initial_delay_seconds", Type::INT8),
        ("anchor_at", Type::TIMESTAMPTZ),
        ("payload", Type::JSON),
        ("target", Type::JSONB),
        ("recovery", Type::TEXT),
        ("max_recoveries", Type::INT4),
    ];

    pub(crate) fn of(definition: &'a JobDefinition) -> Self {
        let (cron, interval, anchor) = match &definition.schedule {
            Schedule::Cron(cron) => (Some(cron), None, None),
            Schedule::FixedRate { interval, anchor } => {
                (None, Some(interval.num_seconds()), Some(*anchor))
            }
            Schedule::FixedDelay { interval } => (None, Some(interval.num_seconds()), None),
            Schedule::Once { .. } => (None, None, None),
        };
        Self {
            name: &definition.name,
            description: definition.description.as_deref(),
            tags: &definition.tags,
            priority: definition.priority,
            policies: Json(definition.policies.stored()),
            schedule_type: definition.schedule.schedule_type().as_str(),
            cron_expression: cron.map(CronSchedule::expression),
            time_zone: cron.map_or("UTC", |cron| cron.zone().name()),
            interval_seconds: interval,
            calendar: definition.calendar.as_deref(),
            initial_delay_seconds: definition.initial_delay_seconds,
            anchor_at: anchor,
            payload: definition
                .payload
                .as_ref()
                .map(|payload| Json(payload.json())),
            target: Json(&definition.target),
            recovery: definition.recovery.as_str(),
            max_recoveries: definition.max_recoveries,
        }
    }

    pub(crate) fn values(&self) -> [&(dyn ToSql + Sync); 16] {
        [
            &self.name,
            &self.description,
            &self.tags,
            &self.priority,
            &self.policies,
            &self.schedule_type,
            &self.cron_expression,
            &self.time_zone,
            &self.interval_seconds,
            &self.calendar,
            &self.initial_delay_seconds,
            &self.anchor_at,
            &self.payload,
            &self.target,
            &self.recovery,
            &self.max_recoveries,
        ]
    }

    /// The names of the columns, for a statement.
    pub(super) fn column_names() -> String {
        Self::COLUMNS.map(|(name, _)| name).join(", ")
    }
}

pub(crate) fn job(row: &Row) -> Result<Job, StoreError> {
    let row = Values::of("job_definition", row);
    let policies = read_policies(row)?;
    Ok(Job {
        id: row.get("id")?,
        definition: JobDefinition {
            name: row.get("name")?,
            description: row.get("description")?,
            tags: row.get("tags")?,
            priority: row.get("priority")?,
            schedule: read_schedule(row, &policies)?,
            calendar: row.get("calendar")?,
            policies,
            initial_delay_seconds: seconds(row, "initial_delay_seconds")?,
            target: serde_json::from_value(row.get("target")?)
                .map_err(|error| row.unreadable(format_args!("column target: {error}")))?,
            payload: row
                .get::<Option<Json<Box<RawValue>>>>("payload")?
                .map(|Json(json)| Payload::from(json)),
            recovery: named(row, "recovery")?,
            max_recoveries: row.get("max_recoveries")?,
        },
        status: named(row, "status")?,
        pause_reason: row.get("paused_because")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        next_fire_time: row.get("next_fire_time")?,
        held_fire_time: row.get("held_fire_time")?,
        excluded_from: row.get("closed_from")?,
        runs: row.get::<Option<i64>>("runs")?.unwrap_or(0),
    })
}

fn named<T: FromStr<Err = UnknownName>>(row: Values<'_>, column: &str) -> Result<T, StoreError> {
    row.get::<&str>(column)?
        .parse()
        .map_err(|error: UnknownName| row.unreadable(error))
}

/// Within the bounds that everything which counts with them relies on.
fn read_policies(row: Values<'_>) -> Result<Policies, StoreError> {
    let odd = |error: &dyn Display| row.unreadable(format_args!("column policies: {error}"));
    let policies: Policies =
        serde_json::from_value(row.get("policies")?).map_err(|error| odd(&error))?;
    policies
        .validate()
        .map_err(|invalid| odd(&format_args!("{}: {invalid}", invalid.field)))?;
    for (name, instant) in [("startAt", policies.start_at), ("endAt", policies.end_at)] {
        if let Some(oddity) = instant.oddity() {
            return Err(odd(&format_args!("{name}: {oddity}")));
        }
    }
    Ok(policies)
}

/// A number of seconds that can be added to an instant.
fn seconds(row: Values<'_>, column: &str) -> Result<Option<i64>, StoreError> {
    let seconds: Option<i64> = row.get(column)?;
    match seconds {
        Some(seconds) if !(0..=INTERVAL_SECONDS_MAX).contains(&seconds) => {
            Err(row.unreadable(format_args!(
                "column {column}: {seconds} is not from 0 to {INTERVAL_SECONDS_MAX} (ten years)"
            )))
        }
        seconds => Ok(seconds),
    }
}

/// The table's checks make sure that each type has its columns.
fn read_schedule(row: Values<'_>, policies: &Policies) -> Result<Schedule, StoreError> {
    let interval = || {
        let seconds = seconds(row, "interval_seconds")?.filter(|seconds| *seconds > 0);
        seconds
            .map(TimeDelta::seconds)
            .ok_or_else(|| row.unreadable("column interval_seconds: there is no interval"))
    };
    Ok(match named(row, "schedule_type")? {
        ScheduleType::Cron => {
            let zone = Zone::named(row.get("time_zone")?).map_err(|error| row.unreadable(error))?;
            let options = policies.cron_options(zone, row.get("id")?);
            let cron = CronSchedule::stored(row.get("cron_expression")?, &options);
            Schedule::Cron(cron.map_err(|error| row.unreadable(error))?)
        }
        ScheduleType::FixedRate => Schedule::FixedRate {
            interval: interval()?,
            anchor: row.get("anchor_at")?,
        },
        ScheduleType::FixedDelay => Schedule::FixedDelay {
            interval: interval()?,
        },
        ScheduleType::Once => {
            let at = policies
                .start_at
                .ok_or_else(|| row.unreadable("ONCE without startAt"))?;
            Schedule::Once { at }
        }
    })
}
