//! Pending executions of a job: those that have not started, by fire time, a page at a time.

use crate::model::Timestamp;
use crate::model::payload::Payload;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::jobs::cancellations::has_not_begun;
use crate::store::protocol::own::payload;
use crate::store::{Store, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

/// Served by `job_trigger_one_off`.
pub(crate) const OF_JOB: Statement = Statement::new(concat!(
    "-- pending_runs.of_job
select t.id, t.job_id, case t.kind when 'OWED' then 'SCHEDULE' else t.kind end as kind,
       t.fire_time, t.due_at, t.paused_due_at is not null as is_paused, t.priority, t.unique_key,
       t.repeats, case when $4 then t.payload end as payload
from job_trigger t
where t.job_id = $1 and t.kind <> 'SCHEDULE' and t.id > $2 and ",
    has_not_begun!("t"),
    " order by t.id limit $3"
));

/// An execution that has not started.
#[derive(Debug, Clone)]
pub struct PendingRun {
    /// Id of the execution.
    pub id: Uuid,
    /// Job of the execution.
    pub job_id: Uuid,
    /// The kind that the log will have.
    pub kind: String,
    /// The nominal instant.
    pub fire_time: Timestamp,
    /// When it may start; none while it waits for another execution or for the resume of its job.
    pub due_at: Option<Timestamp>,
    /// Whether it waits for the resume of its job.
    pub is_paused: bool,
    /// Order among equal due times.
    pub priority: i16,
    /// Unique key of its request.
    pub unique_key: Option<String>,
    /// The execution whose fire time runs again.
    pub repeats: Option<Uuid>,
    /// Payload of its own, if it was asked for.
    pub payload: Option<Payload>,
}

impl Store {
    /// The pending executions of a job after an id, at most `limit`.
    pub async fn pending_runs(
        &self,
        job_id: Uuid,
        after: Option<Uuid>,
        limit: usize,
        with_payloads: bool,
    ) -> Result<Vec<PendingRun>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let after = after.unwrap_or_default();
        self.read_all(OF_JOB, &[&job_id, &after, &limit, &with_payloads], pending)
            .await
    }
}

fn pending(row: &Row) -> Result<PendingRun, StoreError> {
    let payload = payload(row)?;
    let row = Values::of("job_trigger", row);
    Ok(PendingRun {
        id: row.get("id")?,
        job_id: row.get("job_id")?,
        kind: row.get("kind")?,
        fire_time: row.bound("fire_time")?,
        due_at: row.get("due_at")?,
        is_paused: row.get("is_paused")?,
        priority: row.get("priority")?,
        unique_key: row.get("unique_key")?,
        repeats: row.get("repeats")?,
        payload,
    })
}
