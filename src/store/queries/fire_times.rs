//! The stored facts about an instant of a job, for the explanation of a run, or of a missing run.

use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::execution::lowest_execution_id;
use crate::model::explanation::{FireTimeFacts, RowThen, VersionThen};
use crate::model::job::{Job, JobStatus};
use crate::store::db::row::Values;
use crate::store::db::session::Session;
use crate::store::db::statement::Statement;
use crate::store::jobs::job_rows::{COLUMNS, job};
use crate::store::maintenance::partitions;
use crate::store::{Store, StoreError};
use chrono::{NaiveTime, TimeDelta};
use tokio_postgres::Row;
use uuid::Uuid;

/// The row of the log for the instant: of the fire time, or of a skipped range started at most 200
/// rows before. A schedule's row explains more than other rows.
const ROW: Statement = Statement::new(
    "-- fire_times.row
select id, status, reason, error_message from (
    select id, status, reason, error_message, kind, fire_time, through_fire_time
    from job_execution_log where job_id = $1 and id < $2 order by id desc limit 200) as l
where fire_time <= $3 and coalesce(through_fire_time, fire_time) >= $3
order by kind = 'SCHEDULE' desc, fire_time desc, id desc limit 1",
);

/// The version in force, read as a job: the whole row is kept as JSON.
const VERSION: Statement = Statement::new(
    "-- fire_times.version
select {columns}, null::timestamptz as next_fire_time, null::timestamptz as paused_fire_time,
       null::timestamptz as excluded_from, null::bigint as runs,
       (select s.changed_at from job_definition_version s where s.job_id = $1
           and s.version <= v.version and s.change = $3
        order by s.version desc limit 1) as since,
       (select s.changed_by from job_definition_version s where s.job_id = $1
           and s.version <= v.version and s.change = $3
        order by s.version desc limit 1) as by,
       (select s.changed_at from job_definition_version s where s.job_id = $1
           and s.version > v.version and s.change in ('RESUMED', 'DELETED')
        order by s.version limit 1) as until
from (select version, definition from job_definition_version where job_id = $1 and changed_at <= $2
      order by version desc limit 1) as v
cross join lateral json_populate_record(null::job_definition, v.definition) as j",
);

const STATUS_THEN: Statement = Statement::new(
    "-- fire_times.status_then
select definition ->> 'status' from job_definition_version where job_id = $1 and changed_at <= $2
order by version desc limit 1",
);

/// The due time of the schedule's trigger; and whether another trigger waits for the instant, with
/// the due time.
const TRIGGERS: Statement = Statement::new(
    "-- fire_times.triggers
select (select due_at from job_trigger where id = $1) as due_at, o.id is not null as is_one_off,
       o.due_at as one_off_due_at,
       (select count(*) from cluster_node where state = 'ACTIVE' and kind = 'WORKER'
           and namespace = $3 and $4::text = any(handlers)) as workers
from (select 1) as one left join lateral (
    select id, due_at from job_trigger where job_id = $1 and kind <> 'SCHEDULE' and fire_time = $2
    limit 1) as o on true",
);

const CLUSTER_PAUSE: Statement = Statement::new(
    "-- fire_times.cluster_pause
select paused_at, reason from cluster_pause",
);

/// The oldest fire time of the job, and the nearest before and after the instant.
const NEIGHBOURS: Statement = Statement::new(
    "-- fire_times.neighbours
select (select fire_time from job_execution_log where job_id = $1 order by id limit 1) as oldest,
       (select fire_time from job_execution_log where job_id = $1 and id < $2 order by id desc
           limit 1) as before,
       (select fire_time from job_execution_log where job_id = $1 and id >= $3 order by id
           limit 1) as after",
);

impl Store {
    /// The stored facts about the job and an instant.
    pub async fn fire_time_facts(
        &self,
        job: Job,
        at: Timestamp,
    ) -> Result<FireTimeFacts, StoreError> {
        let calendars: Vec<&str> = job.definition.calendar.as_deref().into_iter().collect();
        let exclusions = self.exclusions_since(&calendars, at).await?;
        self.on_session("fire_times.read", async |session| {
            self.read_facts(session, job, at, exclusions).await
        })
        .await
    }

    async fn read_facts(
        &self,
        session: &Session,
        job: Job,
        at: Timestamp,
        exclusions: Exclusions,
    ) -> Result<FireTimeFacts, StoreError> {
        let behind = at + TimeDelta::milliseconds(1);
        let (low, high) = (lowest_execution_id(at), lowest_execution_id(behind));
        let (now, days) = partitions::existing(session, self.clock().stub()).await?;
        let first_day = days
            .iter()
            .filter_map(|name| partitions::day_of(name))
            .min();
        let row = ROW.query_opt(session, &[&job.id, &high, &at]).await?;
        let handler = job.definition.target.handler();
        let triggers = TRIGGERS
            .query_one(session, &[&job.id, &at, &job.namespace, &handler])
            .await?;
        let triggers = Values::of("job_trigger", &triggers);
        let pause = CLUSTER_PAUSE.query_opt(session, &[]).await?;
        let neighbours = NEIGHBOURS
            .query_one(session, &[&job.id, &low, &high])
            .await?;
        let neighbours = Values::of("job_execution_log", &neighbours);
        let one_off_due_at: Option<Timestamp> = triggers.get("one_off_due_at")?;
        Ok(FireTimeFacts {
            now,
            version: self.version_then(session, job.id, at).await?,
            row: row.as_ref().map(row_then).transpose()?,
            due_at: triggers.get("due_at")?,
            one_off: triggers
                .get::<bool>("is_one_off")?
                .then_some(one_off_due_at),
            workers: triggers.get("workers")?,
            exclusions,
            cluster_paused: pause.as_ref().map(paused_since).transpose()?,
            kept_from: first_day.map(|day| day.and_time(NaiveTime::MIN).and_utc()),
            oldest: neighbours.get("oldest")?,
            neighbours: (neighbours.get("before")?, neighbours.get("after")?),
            job,
        })
    }

    /// The version in force at an instant. None without a version, or for an unreadable version
    /// older than a column.
    async fn version_then(
        &self,
        session: &Session,
        id: Uuid,
        at: Timestamp,
    ) -> Result<Option<VersionThen>, StoreError> {
        let status = STATUS_THEN.query_opt(session, &[&id, &at]).await?;
        let Some(status) = status else {
            return Ok(None);
        };
        let status: Option<&str> = Values::of("job_definition_version", &status).get(0)?;
        let change = if status == Some(JobStatus::Deleted.as_str()) {
            "DELETED"
        } else {
            "PAUSED"
        };
        let text = VERSION.filled(&[("{columns}", COLUMNS)]);
        let row = VERSION
            .with_sql(&text)
            .query_opt(session, &[&id, &at, &change])
            .await?;
        Ok(row.as_ref().and_then(|row| version(row).ok()))
    }
}

fn row_then(row: &Row) -> Result<RowThen, StoreError> {
    let row = Values::of("job_execution_log", row);
    let status = row
        .get::<&str>("status")?
        .parse()
        .map_err(|error: crate::model::UnknownName| row.unreadable(error))?;
    Ok(RowThen {
        id: row.get("id")?,
        status,
        reason: row.get("reason")?,
        message: row.get("error_message")?,
    })
}

fn paused_since(row: &Row) -> Result<(Timestamp, String), StoreError> {
    let row = Values::of("cluster_pause", row);
    Ok((row.get("paused_at")?, row.get("reason")?))
}

fn version(row: &Row) -> Result<VersionThen, StoreError> {
    let job = job(row)?;
    let row = Values::of("job_definition_version", row);
    let (since, by): (Option<Timestamp>, Option<String>) = (row.get("since")?, row.get("by")?);
    // A version before the pause, or after the resume, has no time of the pause.
    let since = since.zip(by).filter(|_| job.status != JobStatus::Active);
    let until = row
        .get::<Option<Timestamp>>("until")?
        .filter(|_| job.status == JobStatus::Paused);
    Ok(VersionThen { job, since, until })
}
