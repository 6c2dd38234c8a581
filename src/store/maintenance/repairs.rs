//! Repairs: states that the protocol never leaves behind, put right anyway.
//!
//! Every combination of job, trigger and execution that a lost write, a restored
//! backup or a person with psql can produce has its repair here. A repair
//! touches what is broken only: it never moves a healthy trigger and never fires
//! again what was fired. What is in flight is looked at whole, jobs a slice at a time:
//! a look that grows with the number of jobs would at some number never end in time.

use super::zones::Followed;
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::job::Job;
use crate::model::schedule::Schedule;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, bounds, column, partition};
use crate::store::db::session::Transaction;
use crate::store::jobs::commands::{SCHEDULE, schedule};
use crate::store::jobs::{exclusions, job_rows};
use crate::store::protocol::complete::{rearm_fixed_delay, release_buffered};
use crate::store::protocol::takeover::NEXT_ATTEMPTS;
use crate::store::{During, Store, StoreError};
use chrono::TimeDelta;
use futures_util::future::try_join_all;
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Most rows that one repair takes on at once; the next one takes the rest.
pub(crate) const BATCH: i64 = 1_000;
/// Jobs of a slice: read in some 50 ms.
const SLICE: i64 = 50_000;

/// The last job of the next slice, in the order of their ids; none when it holds no more than the
/// rest.
const SLICE_END: &str = "-- repairs.slice_end
select id from job_definition where id > $1 order by id offset $2::bigint - 1 limit 1";

/// Whether a schedule trigger is missing, paused although its job is not, or awaits what nothing
/// but a fixed delay does.
macro_rules! is_unscheduled {
    () => {
        "(t.id is null or t.paused or t.awaits is not null and j.schedule_type <> 'FIXED_DELAY')"
    };
}

/// Active jobs of the slice without a schedule that may fire. (Both tables by the bounds of the
/// slice: without those of the triggers the planner read all of them.)
const UNSCHEDULED: &str = concat!(
    "-- repairs.unscheduled
select j.id from job_definition j left join job_trigger t on t.id = j.id and t.id > $2 and t.id <= $3
where j.id > $2 and j.id <= $3 and j.status = 'ACTIVE' and ",
    is_unscheduled!(),
    "
order by j.id limit $1 for no key update of j skip locked"
);

/// How those stand now that nobody else may schedule them: another node may have done it since the
/// statement before began, and its trigger may have fired. The last fire time that was taken of
/// each, and the execution of its schedule that is in flight.
const STILL_UNSCHEDULED: &str = concat!(
    "-- repairs.still_unscheduled
with in_flight as materialized (select id, job_id from execution_in_flight where kind = 'SCHEDULE')
select j.id, j.updated_at, coalesce($1::timestamptz, clock_timestamp()) as now,
       (select greatest(l.fire_time, l.through_fire_time) from job_execution_log l
        where l.job_id = j.id and l.kind = 'SCHEDULE' order by l.id desc limit 1) as last_fire_time,
       (select f.id from in_flight f where f.job_id = j.id order by f.id desc limit 1) as in_flight
from job_definition j left join job_trigger t on t.id = j.id
where j.id = any($2::uuid[]) and ",
    is_unscheduled!()
);

/// Gives a fixed delay a trigger that awaits the execution in flight ($3), or
/// lets the one that is there await it.
const AWAIT: &str = "-- repairs.await
insert into job_trigger as t (id, job_id, kind, fire_time, awaits) values ($1, $1, 'SCHEDULE', $2, $3)
on conflict (id) do update set paused = false, due_at = null, awaits = coalesce(t.awaits, excluded.awaits)";

/// Schedules of the slice that may not fire: the job is deleted or paused. A schedule's trigger has
/// the job's id.
const UNWANTED: &str = "-- repairs.unwanted
select t.id, j.status = 'DELETED' as is_deleted from job_definition j join job_trigger t on t.id = j.id and t.id > $2 and t.id <= $3
where j.id > $2 and j.id <= $3 and (j.status = 'DELETED' or (j.status = 'PAUSED' and t.kind = 'SCHEDULE' and not t.paused))
order by t.id limit $1 for update of j, t skip locked";

/// What else waits for a fire time of a deleted job.
const UNWANTED_ONE_OFF: &str = "-- repairs.unwanted_one_off
select t.id, j.status = 'DELETED' as is_deleted from job_trigger t join job_definition j on j.id = t.job_id
where t.kind <> 'SCHEDULE' and j.status = 'DELETED'
limit $1 for update of j, t skip locked";

const SETTLE_UNWANTED: &str = "-- repairs.settle_unwanted
with removed as (delete from job_trigger where id = any($1::uuid[]))
update job_trigger set paused = true, due_at = null where id = any($2::uuid[])";

/// Fixed-delay triggers that await an execution which has ended (rearmed from
/// its end) or which the log does not have (due at once). A paused job that is no fixed delay any
/// more keeps what it awaited until it is resumed, an active one is unscheduled.
const STALLED: &str = "-- repairs.stalled
select t.awaits, l.id is null as vanished
from job_trigger t join job_definition j on j.id = t.job_id left join job_execution_log l on l.id = t.awaits
where t.awaits is not null and j.schedule_type = 'FIXED_DELAY' and (l.id is null or l.finished_at is not null)
order by t.awaits limit $1 for update of t skip locked";

const FREE_STALLED: &str = "-- repairs.free_stalled
update job_trigger set awaits = null,
    due_at = case when paused then null else coalesce($1::timestamptz, clock_timestamp()) end
where awaits = any($2::uuid[])";

/// Jobs with a fire time that waits behind nothing: neither an execution nor another that is due.
const UNRELEASED: &str = "-- repairs.unreleased
with in_flight as materialized (select job_id from execution_in_flight)
select b.job_id from job_trigger b where b.kind = 'BUFFERED' and b.held_due_at is null and b.job_id not in (select job_id from in_flight)
group by b.job_id having count(b.due_at) = 0 limit $1";

/// What waits for the resume of a job that is not paused: a node of before V15 has resumed it.
const UNHELD: &str = "-- repairs.unheld
update job_trigger t set due_at = t.held_due_at, held_due_at = null from job_definition j
where j.id = t.job_id and j.status = 'ACTIVE' and t.kind <> 'SCHEDULE' and t.held_due_at is not null";

/// Executions that wait for a next attempt which is no trigger. A deleted job's
/// get none: a take-over that met the deletion half-way left them.
const WITHOUT_TRIGGER: &str = "-- repairs.forgotten
select l.id, l.job_id, l.fire_time, l.due_time, j.status = 'DELETED' as deleted
from job_execution_log l join job_definition j on j.id = l.job_id
where l.retrying and l.status = 'RETRYING' and not exists (select from job_trigger t where t.id = l.id)
limit $1 for update of l skip locked";

const CANCEL: &str = "-- repairs.cancel
update job_execution_log
set status = 'CANCELLED', retrying = null, finished_at = coalesce($1::timestamptz, clock_timestamp()), error_message = 'the job was deleted'
where id = any($2::uuid[])";

/// What a round of repairs put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Active jobs that got their schedule trigger back.
    pub scheduled: usize,
    /// Triggers and next attempts of paused or deleted jobs that were stopped.
    pub stopped: usize,
    /// Fixed-delay chains that were continued.
    pub continued: usize,
    /// Executions that got their next attempt back.
    pub retried: usize,
    /// Fire times that waited behind nothing, or for the resume of a job that is not paused, and
    /// run now.
    pub released: usize,
    /// Fire times to come that the rules of their zones no longer name, and others in their place.
    pub recomputed: usize,
    /// The same, but the rules name them still: nothing was broken.
    pub confirmed: usize,
}

impl Repairs {
    /// Whether there may be more of the same: jobs were broken, which are looked at a slice at a
    /// time, or one of the others took on all that it may. (None counts what it found and could not
    /// change: that must not be tried without end.)
    pub fn may_be_more(&self) -> bool {
        let Self {
            scheduled,
            stopped,
            continued,
            retried,
            released,
            recomputed,
            confirmed,
        } = *self;
        let batches = [continued, retried, released, recomputed + confirmed];
        scheduled > 0 || stopped > 0 || batches.into_iter().any(is_batch)
    }

    /// Whether anything was as it never should be: the rules of a zone may change.
    pub fn were_needed(&self) -> bool {
        Self {
            recomputed: 0,
            confirmed: 0,
            ..*self
        } != Self::default()
    }
}

fn is_batch(repaired: usize) -> bool {
    usize::try_from(BATCH).is_ok_and(|batch| repaired >= batch)
}

impl Store {
    /// Looks for every broken state of what is in flight, and of the slice of jobs behind `after`,
    /// which it moves on. Repairs up to a batch of each.
    pub async fn repair(&self, after: &mut Uuid) -> Result<Repairs, StoreError> {
        let repairs = self.repair_what_is_in_flight().await?;
        let (slice, scheduled, stopped) = self.repair_slice(after).await?;
        let Followed {
            recomputed,
            confirmed,
        } = self.follow_zones(slice).await?;
        if is_batch(recomputed + confirmed) {
            *after = slice.0;
        }
        Ok(Repairs {
            scheduled,
            stopped: repairs.stopped + stopped,
            recomputed,
            confirmed,
            ..repairs
        })
    }

    async fn repair_what_is_in_flight(&self) -> Result<Repairs, StoreError> {
        self.bounded("repairs.in_flight", async {
            let transaction = self.begin("repairs.begin").await?;
            let stopped = self
                .stop_unwanted(&transaction, UNWANTED_ONE_OFF, &[&BATCH])
                .await?;
            let continued = self.continue_stalled(&transaction).await?;
            let (retried, cancelled) = self.retry_without_trigger(&transaction).await?;
            let unheld = transaction
                .execute(UNHELD, &[])
                .await
                .during("repairs.unheld")?;
            let waiting = transaction
                .query(UNRELEASED, &[&BATCH])
                .await
                .during("repairs.unreleased")?;
            let jobs: Vec<Uuid> = column("repairs.unreleased", &waiting, 0)?;
            let release = async |jobs: &[Uuid]| {
                release_buffered(&transaction, self.clock().stub(), jobs).await
            };
            let released = in_parts(&transaction, &jobs, release).await?;
            self.note_odd("job_trigger", released.odd);
            let released = usize::try_from(unheld + released.done.into_iter().sum::<u64>())
                .unwrap_or(usize::MAX);
            transaction.commit().await.during("repairs.commit")?;
            Ok(Repairs {
                stopped: stopped + cancelled,
                continued,
                retried,
                released,
                ..Repairs::default()
            })
        })
        .await
    }

    /// The slice behind `after`, how many of its jobs got their schedule back, and how many lost
    /// it. It is nil after the last job, and stays where it is while there is more to repair. A
    /// slice that fails is left behind until its next turn: it must not bar the way to the others.
    async fn repair_slice(
        &self,
        after: &mut Uuid,
    ) -> Result<((Uuid, Uuid), usize, usize), StoreError> {
        self.bounded("repairs.slice", async {
            let transaction = self.begin("repairs.begin").await?;
            let end = transaction
                .query_opt(SLICE_END, &[after, &SLICE])
                .await
                .during("repairs.slice_end")?;
            let end: Option<Uuid> = end
                .map(|row| Values::of("repairs.slice_end", &row).get(0))
                .transpose()?;
            let begin = std::mem::replace(after, end.unwrap_or_default());
            let slice = (begin, end.unwrap_or(Uuid::max()));
            let stopped = self
                .stop_unwanted(&transaction, UNWANTED, &[&BATCH, &slice.0, &slice.1])
                .await?;
            let (scheduled, is_more) = self.schedule_unscheduled(&transaction, slice).await?;
            transaction.commit().await.during("repairs.commit")?;
            if is_more || is_batch(stopped) {
                *after = begin;
            }
            Ok((slice, scheduled, stopped))
        })
        .await
    }

    /// A job that fired before goes on after its last fire time (what was missed
    /// since is a misfire), one that never fired after its last change. A fixed
    /// delay whose execution is in flight waits for its end. How many, and whether there is more.
    async fn schedule_unscheduled(
        &self,
        transaction: &Transaction,
        (after, end): (Uuid, Uuid),
    ) -> Result<(usize, bool), StoreError> {
        let found = transaction
            .query(UNSCHEDULED, &[&BATCH, &after, &end])
            .await
            .during("repairs.unscheduled")?;
        let ids: Vec<Uuid> = column("repairs.unscheduled", &found, 0)?;
        if ids.is_empty() {
            return Ok((0, false));
        }
        let still = transaction
            .query(STILL_UNSCHEDULED, &[&self.clock().stub(), &ids])
            .await;
        let rows = still.during("repairs.still_unscheduled")?;
        let ids: Vec<Uuid> = column("repairs.still_unscheduled", &rows, "id")?;
        let jobs: HashMap<Uuid, Job> =
            job_rows::by_ids(transaction, &ids, &self.unreadable).await?;
        let updated: Vec<Timestamp> = bounds("repairs.still_unscheduled", &rows, "updated_at")?;
        let Some(oldest) = updated.into_iter().min() else {
            return Ok((0, true));
        };
        // Triggers may be locked by now: whoever changes exclusions is not waited for.
        let definitions = jobs.values().map(|job| &job.definition);
        let locked =
            exclusions::try_lock_shared(transaction, definitions, oldest, &self.unreadable).await?;
        let Some(exclusions) = locked else {
            return Ok((0, true));
        };
        transaction
            .prepare_all(&[SCHEDULE, AWAIT])
            .await
            .during("repairs.prepare")?;
        // All at once: a batch whose statements waited for each other's answers would not end in
        // time.
        let readable = ids
            .iter()
            .zip(&rows)
            .filter_map(|(id, row)| Some((row, jobs.get(id)?)));
        let readable: Vec<(&Row, &Job)> = readable.collect();
        let schedule = async |part: &[(&Row, &Job)]| {
            let scheduled = part
                .iter()
                .map(async |(row, job)| schedule_one(transaction, row, job, &exclusions).await);
            try_join_all(scheduled)
                .await
                .map(|scheduled| scheduled.len())
        };
        let parts = in_parts(transaction, &readable, schedule).await?;
        self.note_odd(
            "job_trigger",
            parts
                .odd
                .into_iter()
                .map(|((_, job), error)| (job.id, error))
                .collect(),
        );
        let scheduled = parts.done.into_iter().sum();
        // Those that this node cannot read or write are found again: alone they are no reason to
        // stay.
        Ok((scheduled, is_batch(found.len()) && scheduled > 0))
    }

    async fn continue_stalled(&self, transaction: &Transaction) -> Result<usize, StoreError> {
        let rows = transaction
            .query(STALLED, &[&BATCH])
            .await
            .during("repairs.stalled")?;
        let (vanished, ended) = partition("repairs.stalled", &rows, "vanished")?;
        let (vanished, ended) = (
            column::<Uuid, Vec<_>>("repairs.stalled", vanished, "awaits")?,
            column::<Uuid, Vec<_>>("repairs.stalled", ended, "awaits")?,
        );
        let rearm = async |ended: &[Uuid]| rearm_fixed_delay(transaction, ended).await;
        let rearmed = in_parts(transaction, &ended, rearm).await?;
        let free = async |vanished: &[Uuid]| {
            let freed = transaction
                .execute(FREE_STALLED, &[&self.clock().stub(), &vanished])
                .await;
            freed.during("repairs.free_stalled")
        };
        let freed = in_parts(transaction, &vanished, free).await?;
        self.note_odd(
            "job_trigger",
            rearmed.odd.into_iter().chain(freed.odd).collect(),
        );
        let continued: u64 = rearmed.done.into_iter().chain(freed.done).sum();
        Ok(usize::try_from(continued).unwrap_or(usize::MAX))
    }

    /// How many got their next attempt back, and how many ended with their job.
    async fn retry_without_trigger(
        &self,
        transaction: &Transaction,
    ) -> Result<(usize, usize), StoreError> {
        let rows = transaction
            .query(WITHOUT_TRIGGER, &[&BATCH])
            .await
            .during("repairs.forgotten")?;
        let (deleted, without_trigger) = partition("repairs.forgotten", &rows, "deleted")?;
        let stub = self.clock().stub();
        let retry = async |without_trigger: &[&Row]| {
            let rows = || without_trigger.iter().copied();
            let ids: Vec<Uuid> = column("repairs.forgotten", rows(), "id")?;
            let job_ids: Vec<Uuid> = column("repairs.forgotten", rows(), "job_id")?;
            let fire_times = bounds("repairs.forgotten", rows(), "fire_time")?;
            let due_times = bounds("repairs.forgotten", rows(), "due_time")?;
            let values: [&(dyn ToSql + Sync); 6] =
                [&stub, &"RECOVERY", &ids, &job_ids, &fire_times, &due_times];
            transaction
                .execute(NEXT_ATTEMPTS, &values)
                .await
                .during("repairs.retry_forgotten")?;
            Ok(ids.len())
        };
        let retried = in_parts(transaction, &without_trigger, retry).await?;
        let cancel = async |deleted: &[&Row]| {
            let ids: Vec<Uuid> = column("repairs.forgotten", deleted.iter().copied(), "id")?;
            transaction
                .execute(CANCEL, &[&stub, &ids])
                .await
                .during("repairs.cancel")?;
            Ok(ids.len())
        };
        let cancelled = in_parts(transaction, &deleted, cancel).await?;
        self.note_odd_rows(
            "job_execution_log",
            retried.odd.into_iter().chain(cancelled.odd),
        );
        Ok((
            retried.done.into_iter().sum(),
            cancelled.done.into_iter().sum(),
        ))
    }

    /// Stops the triggers that the statement finds; how many.
    async fn stop_unwanted(
        &self,
        transaction: &Transaction,
        find: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<usize, StoreError> {
        let rows = transaction
            .query(find, values)
            .await
            .during("repairs.unwanted")?;
        let rows: Vec<&Row> = rows.iter().collect();
        let stop = async |part: &[&Row]| {
            let (mut deleted, mut paused): (Vec<Uuid>, Vec<Uuid>) = Default::default();
            for row in part {
                let row = Values::of("repairs.unwanted", row);
                if row.get("is_deleted")? {
                    deleted.push(row.get("id")?)
                } else {
                    paused.push(row.get("id")?)
                }
            }
            let stopped = transaction
                .execute(SETTLE_UNWANTED, &[&deleted, &paused])
                .await;
            stopped
                .during("repairs.settle_unwanted")
                .map(|_| part.len())
        };
        let parts = in_parts(transaction, &rows, stop).await?;
        self.note_odd_rows("job_trigger", parts.odd);
        Ok(parts.done.into_iter().sum())
    }

    fn note_odd_rows<'a>(
        &self,
        table: &'static str,
        odd: impl IntoIterator<Item = (&'a Row, StoreError)>,
    ) {
        let id = |row| Values::of(table, row).get("id").unwrap_or_default();
        self.note_odd(
            table,
            odd.into_iter()
                .map(|(row, error)| (id(row), error))
                .collect(),
        );
    }
}

/// Gives a job that has lost it its schedule back.
async fn schedule_one(
    transaction: &Transaction,
    row: &Row,
    job: &Job,
    exclusions: &Exclusions,
) -> Result<(), StoreError> {
    let row = Values::of("repairs.still_unscheduled", row);
    let now: Timestamp = row.get("now")?;
    // Just before the change: a fixed rate may be anchored at that very instant.
    let changed = row.get::<Timestamp>("updated_at")? - TimeDelta::microseconds(1);
    let last: Option<Timestamp> = row.get("last_fire_time")?;
    let next = match (
        &job.definition.schedule,
        row.get::<Option<Uuid>>("in_flight")?,
    ) {
        (Schedule::FixedDelay { .. }, Some(execution)) => {
            let fire_time = last.unwrap_or(now);
            let statement = transaction
                .prepare_cached(AWAIT)
                .await
                .during("repairs.prepare")?;
            let awaiting = transaction
                .execute(&statement, &[&job.id, &fire_time, &execution])
                .await;
            return awaiting.during("repairs.await").map(drop);
        }
        (Schedule::FixedDelay { .. }, None) => Some(job_rows::whole_millis(now)),
        _ => job
            .definition
            .next_fire_time(last.map_or(changed, |last| last.max(changed))),
    };
    schedule(
        transaction,
        job.id,
        &job.definition,
        exclusions,
        (next, now),
    )
    .await
    .map(drop)
}
