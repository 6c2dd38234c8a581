//! Rows of jobs, and how rows are read.

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
use crate::store::db::statement::Statement;
use crate::store::db::unreadable::UnreadableRows;
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use deadpool_postgres::ClientWrapper;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};
use uuid::Uuid;

/// The columns for `job`, of a row `j`.
macro_rules! columns {
    () => {
        "j.id, j.name, j.description, j.tags, j.priority, j.policies, j.schedule_type, \
         j.cron_expression, j.time_zone, j.interval_seconds, j.calendar, j.initial_delay_seconds, \
         j.anchor_at, j.payload, j.target, j.recovery, j.max_recoveries, \
         j.namespace, j.status, j.pause_reason, j.version, j.created_at, j.updated_at"
    };
}

/// Columns of the definition, in the order of `columns`.
pub(crate) const COLUMNS: &str = columns!();

/// The parts of jobs for a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobParts {
    /// All columns, with the payload and the target.
    All,
    /// Without payload and target, up to 256 KB each. Read as no payload and target `log`.
    Small,
}

impl JobParts {
    /// The columns for `job`, of a row `j`.
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

pub(crate) const BY_IDS: Statement = Statement::new(concat!(
    "-- jobs.by_ids
select ",
    columns!(),
    ", null::timestamptz as next_fire_time, null::timestamptz as paused_fire_time,
       null::timestamptz as excluded_from, null::bigint as runs
from job_definition j where j.id = any($1::uuid[])"
));

/// The same with the fire times of the triggers.
pub(crate) const GET: Statement = Statement::new(concat!(
    "-- jobs.get
select ",
    columns!(),
    ", case when t.due_at is not null then t.fire_time end as next_fire_time,
    case when t.paused_due_at is not null then t.fire_time end as paused_fire_time, t.excluded_from,
    t.runs
from job_definition j left join job_trigger t on t.id = j.id where j.id = any($1::uuid[])"
));

/// The database's clock. $1 is the clock of a test.
pub(crate) const NOW: Statement = Statement::new(
    "-- jobs.now
select coalesce($1::timestamptz, clock_timestamp())",
);

/// The newest jobs, without deleted jobs. Served by `job_definition_newest`.
const NEWEST: Statement = Statement::new(
    "-- jobs.newest
select {columns}, case when t.due_at is not null then t.fire_time end as next_fire_time,
    case when t.paused_due_at is not null then t.fire_time end as paused_fire_time, t.excluded_from,
    t.runs
from job_definition j left join job_trigger t on t.id = j.id
where j.status <> 'DELETED' order by j.created_at desc, j.id limit $1",
);

/// Jobs by status. Only an active job can have an ended schedule: `job_trigger_ended` serves the
/// third count.
const COUNT: Statement = Statement::new(
    "-- jobs.count
select count(*) filter (where status = 'ACTIVE') as active,
       count(*) filter (where status = 'PAUSED') as paused,
       (select count(*) from job_trigger where kind = 'SCHEDULE' and due_at is null
           and awaits is null and not paused
           and paused_due_at is null) as ended
from job_definition where status <> 'DELETED'",
);

/// Numbers of jobs, without deleted jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobCounts {
    /// Active jobs with further fire times.
    pub active: i64,
    /// Number of paused jobs.
    pub paused: i64,
    /// Active jobs with an ended schedule.
    pub ended: i64,
}

/// Readable jobs, by id.
pub(crate) async fn by_ids(
    transaction: &Transaction,
    ids: &[Uuid],
    unreadable: &UnreadableRows,
) -> Result<HashMap<Uuid, Job>, StoreError> {
    let rows = BY_IDS.query(transaction, &[&ids]).await?;
    Ok(unreadable
        .readable(&rows, job)
        .into_iter()
        .map(|job| (job.id, job))
        .collect())
}

/// Jobs without payload and target that can be read, by id.
pub(crate) async fn small_by_ids(
    client: &ClientWrapper,
    ids: &[Uuid],
    unreadable: &UnreadableRows,
) -> Result<HashMap<Uuid, Job>, StoreError> {
    let text = BY_IDS.sql().replace(COLUMNS, &JobParts::Small.columns());
    let rows = BY_IDS.with_sql(&text).query(client, &[&ids]).await?;
    let jobs = unreadable.readable(&rows, job).into_iter();
    Ok(jobs.map(|job| (job.id, job)).collect())
}

impl Store {
    /// The database's now, rounded up to a millisecond: the anchor of new jobs.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.read_one(NOW, &[&self.clock().stub()], |row| {
            Values::of(NOW.name(), row).get(0).map(whole_millis)
        })
        .await
    }

    /// A job, deleted or not.
    pub async fn job(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        self.read_opt(GET, &[&[id].as_slice()], job).await
    }

    /// The jobs, deleted or not. Missing jobs are left out.
    pub async fn jobs(&self, ids: &[Uuid]) -> Result<Vec<Job>, StoreError> {
        self.read_all(GET, &[&ids], job).await
    }

    /// The newest jobs, without deleted jobs, at most `limit`.
    pub async fn newest_jobs(&self, limit: u32, parts: JobParts) -> Result<Vec<Job>, StoreError> {
        let text = NEWEST.filled(&[("{columns}", &parts.columns())]);
        self.read_all(NEWEST.with_sql(&text), &[&i64::from(limit)], job)
            .await
    }

    /// The numbers of active, paused and ended jobs.
    pub async fn job_counts(&self) -> Result<JobCounts, StoreError> {
        self.read_one(COUNT, &[], counts).await
    }
}

fn counts(row: &Row) -> Result<JobCounts, StoreError> {
    let row = Values::of(COUNT.name(), row);
    let (active, ended): (i64, i64) = (row.get("active")?, row.get("ended")?);
    Ok(JobCounts {
        active: active.saturating_sub(ended).max(0),
        paused: row.get("paused")?,
        ended,
    })
}

/// Rounded up to a millisecond: fire times survive the trip through the API.
pub(crate) fn whole_millis(time: Timestamp) -> Timestamp {
    let beyond = time.timestamp_subsec_nanos() % 1_000_000;
    if beyond == 0 {
        time
    } else {
        // Up and not down: the anchor of a new job must not lie in the past.
        time + TimeDelta::nanoseconds(i64::from(1_000_000 - beyond))
    }
}

/// A definition as the values of the row.
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
    /// The columns, in the order of the values.
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
            Schedule::Once { .. } | Schedule::OnDemand => (None, None, None),
        };
        Self {
            name: &definition.name,
            description: definition.description.as_deref(),
            tags: &definition.tags,
            priority: definition.priority,
            policies: Json(definition.policies.stored()),
            schedule_type: definition.schedule.schedule_type().as_str(),
            cron_expression: cron.map(CronSchedule::expression),
            // The column has no null: only cron expressions have a zone.
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
        namespace: row.get("namespace")?,
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
        pause_reason: row.get("pause_reason")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        next_fire_time: row.get("next_fire_time")?,
        paused_fire_time: row.get("paused_fire_time")?,
        excluded_from: row.get("excluded_from")?,
        runs: row.get::<Option<i64>>("runs")?.unwrap_or(0),
    })
}

fn named<T: FromStr<Err = UnknownName>>(row: Values<'_>, column: &str) -> Result<T, StoreError> {
    row.get::<&str>(column)?
        .parse()
        .map_err(|error: UnknownName| row.unreadable(error))
}

/// Policies within the bounds: arithmetic with policies relies on the bounds.
fn read_policies(row: Values<'_>) -> Result<Policies, StoreError> {
    let odd = |error: &dyn Display| row.unreadable(format_args!("column policies: {error}"));
    // A newer version may have written a policy that the program does not know.
    let policies: Policies =
        serde_json::from_value(row.get("policies")?).map_err(|error| odd(&error))?;
    policies
        .validate()
        .map_err(|invalid| odd(&format_args!("{}: {invalid}", invalid.field)))?;
    // PostgreSQL has instants, such as infinity, beyond the range of the program.
    for (name, instant) in [("startAt", policies.start_at), ("endAt", policies.end_at)] {
        if let Some(oddity) = instant.oddity() {
            return Err(odd(&format_args!("{name}: {oddity}")));
        }
    }
    Ok(policies)
}

/// A number of seconds for an addition to an instant.
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

/// The checks of the table guarantee the columns of each type.
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
            // `H` in an expression is a hash of the job's id.
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
        ScheduleType::OnDemand => Schedule::OnDemand,
    })
}
