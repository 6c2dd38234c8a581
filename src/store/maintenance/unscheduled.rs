//! Repairs of active jobs with a schedule unable to fire: the trigger is missing or broken.

use super::job_slice::{BATCH, JobSlice, is_batch};
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::job::Job;
use crate::model::schedule::Schedule;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, bounds, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::jobs::triggers::{SCHEDULE, schedule};
use crate::store::jobs::{exclusions, job_rows};
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use futures_util::future::try_join_all;
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// Whether a schedule trigger is missing, paused although the job is active, or awaits an end
/// although the schedule is no fixed delay. A job without a schedule has none.
macro_rules! is_unscheduled {
    () => {
        "(j.schedule_type <> 'ON_DEMAND' and (t.id is null or t.paused
    or t.awaits is not null and j.schedule_type <> 'FIXED_DELAY'))"
    };
}

/// Active jobs of the slice with a schedule unable to fire. (Both tables have the bounds of the
/// slice: without bounds on the triggers the planner reads all triggers.)
const UNSCHEDULED: Statement = Statement::new(concat!(
    "-- repairs.unscheduled
select j.id from job_definition j left join job_trigger t on t.id = j.id and t.id > $2
  and t.id <= $3
where j.id > $2 and j.id <= $3 and j.status = 'ACTIVE' and ",
    is_unscheduled!(),
    "
order by j.id limit $1 for no key update of j skip locked"
));

/// The same jobs, locked: another node may have repaired a job since the statement before, and the
/// trigger may have fired. With the last taken fire time, and the execution of the schedule in
/// flight.
const STILL_UNSCHEDULED: Statement = Statement::new(concat!(
    "-- repairs.still_unscheduled
with in_flight as materialized (select id, job_id from execution_in_flight where kind = 'SCHEDULE')
select j.id, j.updated_at, coalesce($1::timestamptz, clock_timestamp()) as now,
       (select greatest(l.fire_time, l.through_fire_time) from job_execution_log l
        where l.job_id = j.id and l.kind = 'SCHEDULE' order by l.id desc limit 1) as last_fire_time,
       (select f.id from in_flight f where f.job_id = j.id order by f.id desc limit 1) as in_flight
from job_definition j left join job_trigger t on t.id = j.id
where j.id = any($2::uuid[]) and ",
    is_unscheduled!()
));

/// Makes a fixed delay await the execution in flight ($3); inserts a missing trigger.
const AWAIT: Statement = Statement::new(
    "-- repairs.await
insert into job_trigger as t (id, job_id, kind, fire_time, awaits) values ($1, $1, 'SCHEDULE', $2,
    $3)
on conflict (id) do update set paused = false, due_at = null,
    awaits = coalesce(t.awaits, excluded.awaits)",
);

impl Store {
    /// A job with a fire time in the past continues after the last fire time (missed fire times are
    /// misfires), any other job after the last change. A fixed delay with an execution in flight
    /// awaits the end. Returns the number of jobs, and whether there are more.
    pub(super) async fn schedule_unscheduled(
        &self,
        transaction: &Transaction,
        slice: JobSlice,
    ) -> Result<(usize, bool), StoreError> {
        let found = UNSCHEDULED
            .query(transaction, &[&BATCH, &slice.after, &slice.end])
            .await?;
        let ids: Vec<Uuid> = column(UNSCHEDULED.name(), &found, 0)?;
        if ids.is_empty() {
            return Ok((0, false));
        }
        let rows = STILL_UNSCHEDULED
            .query(transaction, &[&self.clock().stub(), &ids])
            .await?;
        let ids: Vec<Uuid> = column(STILL_UNSCHEDULED.name(), &rows, "id")?;
        let jobs: HashMap<Uuid, Job> =
            job_rows::by_ids(transaction, &ids, &self.unreadable).await?;
        let updated: Vec<Timestamp> = bounds(STILL_UNSCHEDULED.name(), &rows, "updated_at")?;
        // Another node has repaired them since the first statement.
        let Some(oldest) = updated.into_iter().min() else {
            return Ok((0, true));
        };
        // The lock on exclusions is tried, not waited for: triggers are locked already, and a
        // change of exclusions may wait for them.
        let definitions = jobs.values().map(|job| &job.definition);
        let locked =
            exclusions::try_lock_shared(transaction, definitions, oldest, &self.unreadable).await?;
        // A change of exclusions is under way: the next pass tries again.
        let Some(exclusions) = locked else {
            return Ok((0, true));
        };
        transaction.prepare(&[SCHEDULE, AWAIT]).await?;
        // Sent together: a round trip per statement would exceed the time limit.
        let readable = ids
            .iter()
            .zip(&rows)
            .filter_map(|(id, row)| Some((row, jobs.get(id)?)));
        let readable: Vec<(&Row, &Job)> = readable.collect();
        let parts = in_parts(transaction, &readable, async |part: &[(&Row, &Job)]| {
            let scheduled = part
                .iter()
                .map(async |(row, job)| schedule_one(transaction, row, job, &exclusions).await);
            try_join_all(scheduled)
                .await
                .map(|scheduled| scheduled.len())
        })
        .await?;
        self.note_odd(
            "job_trigger",
            parts
                .odd
                .into_iter()
                .map(|((_, job), error)| (job.id, error))
                .collect(),
        );
        let scheduled = parts.done.into_iter().sum();
        // Rows that the node cannot read or write are found again in each pass, so they alone do
        // not keep the slice.
        Ok((scheduled, is_batch(found.len()) && scheduled > 0))
    }
}

/// Schedules a job that has lost its trigger.
async fn schedule_one(
    transaction: &Transaction,
    row: &Row,
    job: &Job,
    exclusions: &Exclusions,
) -> Result<(), StoreError> {
    let row = Values::of(STILL_UNSCHEDULED.name(), row);
    let now: Timestamp = row.get("now")?;
    // Just before the change: the anchor of a fixed rate may be that instant, and the next fire
    // time lies strictly after.
    let changed = row.get::<Timestamp>("updated_at")? - TimeDelta::microseconds(1);
    let last: Option<Timestamp> = row.get("last_fire_time")?;
    let next = match (
        &job.definition.schedule,
        row.get::<Option<Uuid>>("in_flight")?,
    ) {
        (Schedule::FixedDelay { .. }, Some(execution)) => {
            let fire_time = last.unwrap_or(now);
            let awaiting = AWAIT
                .execute(transaction, &[&job.id, &fire_time, &execution])
                .await;
            return awaiting.map(drop);
        }
        (Schedule::FixedDelay { .. }, None) => Some(job_rows::whole_millis(now)),
        _ => job
            .definition
            .next_fire_time(last.map_or(changed, |last| last.max(changed))),
    };
    schedule(transaction, job.id, &job.definition, exclusions, next, now)
        .await
        .map(drop)
}
