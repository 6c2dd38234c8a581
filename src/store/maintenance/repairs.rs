//! Repairs of states that the protocol never leaves behind.
//!
//! A lost write, a restored backup or manual SQL can produce every combination of job, trigger and
//! execution; each has a repair here. A repair changes broken rows only: it never moves a healthy
//! trigger, and never fires a fire time twice. Executions in flight are checked as a whole, jobs
//! slice by slice: a check of all jobs would exceed the time limit at some number of jobs.
//!
//! Most repairs decide by the present instant: a due time, the next fire time, the end of a
//! cancelled execution. While the clock of the database is not trusted, nothing is repaired.

use super::job_slice::{BATCH, JobSlice, is_batch};
use super::zones::Followed;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, bounds, column, partition};
use crate::store::db::session::Transaction;
use crate::store::db::statement::{Parameters, Statement};
use crate::store::protocol::fixed_delay::rearm_fixed_delay;
use crate::store::protocol::hand_over::NEXT_ATTEMPTS;
use crate::store::protocol::overlap::release_buffered;
use crate::store::{During, Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Jobs of a slice: read in some 50 ms.
const SLICE: i64 = 50_000;

/// The last job of the next slice, by id; no row when fewer jobs are left.
const SLICE_END: Statement = Statement::new(
    "-- repairs.slice_end
select id from job_definition where id > $1 order by id offset $2::bigint - 1 limit 1",
);

/// Schedules of the slice that must not fire: the job is deleted or paused. The trigger of a
/// schedule has the job's id.
const UNWANTED: Statement = Statement::new(
    "-- repairs.unwanted
select t.id, j.status = 'DELETED' as is_deleted from job_definition j join job_trigger t
       on t.id = j.id and t.id > $2 and t.id <= $3
where j.id > $2 and j.id <= $3
  and (j.status = 'DELETED' or (j.status = 'PAUSED' and t.kind = 'SCHEDULE' and not t.paused))
order by t.id limit $1 for update of j, t skip locked",
);

/// Other triggers of deleted jobs.
const UNWANTED_ONE_OFF: Statement = Statement::new(
    "-- repairs.unwanted_one_off
select t.id, j.status = 'DELETED' as is_deleted from job_trigger t join job_definition j
       on j.id = t.job_id
where t.kind <> 'SCHEDULE' and j.status = 'DELETED'
limit $1 for update of j, t skip locked",
);

const SETTLE_UNWANTED: Statement = Statement::new(
    "-- repairs.settle_unwanted
with removed as (delete from job_trigger where id = any($1::uuid[]))
update job_trigger set paused = true, due_at = null where id = any($2::uuid[])",
);

/// Fixed-delay triggers that await an execution which has ended (rearmed from
/// its end) or which the log does not have (due at once). A paused job that is no fixed delay any
/// more keeps what it awaited until it is resumed, an active one is unscheduled.
const STALLED: Statement = Statement::new(
    "-- repairs.stalled
select t.awaits, l.id is null as vanished
from job_trigger t join job_definition j on j.id = t.job_id left join job_execution_log l
    on l.id = t.awaits
where t.awaits is not null and j.schedule_type = 'FIXED_DELAY'
  and (l.id is null or l.finished_at is not null)
order by t.awaits limit $1 for update of t skip locked",
);

const FREE_STALLED: Statement = Statement::new(
    "-- repairs.free_stalled
update job_trigger set awaits = null,
    due_at = case when paused then null else coalesce($1::timestamptz, clock_timestamp()) end
where awaits = any($2::uuid[])",
);

/// Jobs with a buffered fire that waits for nothing: no execution is in flight, and no other
/// buffered fire is due.
const UNRELEASED: Statement = Statement::new(
    "-- repairs.unreleased
with in_flight as materialized (select job_id from execution_in_flight)
select b.job_id from job_trigger b where b.kind = 'BUFFERED' and b.paused_due_at is null
  and b.job_id not in (select job_id from in_flight)
group by b.job_id having count(b.due_at) = 0 limit $1",
);

/// Triggers that wait for the resume of an active job: a node older than V15 has resumed it.
const UNHELD: Statement = Statement::new(
    "-- repairs.unheld
update job_trigger t set due_at = t.paused_due_at, paused_due_at = null from job_definition j
where j.id = t.job_id and j.status = 'ACTIVE' and t.kind <> 'SCHEDULE'
  and t.paused_due_at is not null",
);

/// Executions in state `RETRYING` without a trigger. Those of a deleted job end: a takeover beside
/// the deletion left them.
const WITHOUT_TRIGGER: Statement = Statement::new(
    "-- repairs.forgotten
select l.id, l.job_id, l.fire_time, l.due_time, j.status = 'DELETED' as deleted
from job_execution_log l join job_definition j on j.id = l.job_id
where l.retrying and l.status = 'RETRYING'
  and not exists (select from job_trigger t where t.id = l.id)
limit $1 for update of l skip locked",
);

const CANCEL: Statement = Statement::new(
    "-- repairs.cancel
update job_execution_log
set status = 'CANCELLED', retrying = null,
    finished_at = coalesce($1::timestamptz, clock_timestamp()),
    error_message = 'the job was deleted'
where id = any($2::uuid[])",
);

/// Repairs of one pass.
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
    /// Fire times of other rules that the new rules compute as well: nothing was broken.
    pub confirmed: usize,
}

impl Repairs {
    /// Whether another pass may find more at once: jobs were broken, or another repair was full.
    /// (Rows that could not be repaired are not counted: an endless loop would follow.)
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

    /// Whether anything was broken. A change of a zone's rules is not.
    pub fn were_needed(&self) -> bool {
        Self {
            recomputed: 0,
            confirmed: 0,
            ..*self
        } != Self::default()
    }
}

impl Store {
    /// Repairs executions in flight, and the slice of jobs after `after`, which moves to the end of
    /// the slice. At most a batch of each kind.
    pub async fn repair(&self, after: &mut Uuid) -> Result<Repairs, StoreError> {
        let repairs = self.repair_what_is_in_flight().await?;
        let (slice, scheduled, stopped) = self.repair_slice(after).await?;
        let Followed {
            recomputed,
            confirmed,
        } = self.follow_zones(slice).await?;
        if is_batch(recomputed + confirmed) {
            *after = slice.after;
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
            let unheld = UNHELD.execute(&transaction, &[]).await?;
            let waiting = UNRELEASED.query(&transaction, &[&BATCH]).await?;
            let jobs: Vec<Uuid> = column(UNRELEASED.name(), &waiting, 0)?;
            let release = async |jobs: &[Uuid]| {
                release_buffered(&transaction, self.clock().stub(), jobs).await
            };
            let released = in_parts(&transaction, &jobs, release).await?;
            self.note_odd("job_trigger", released.odd);
            let released = usize::try_from(unheld + released.done.into_iter().sum::<u64>())
                .unwrap_or(usize::MAX);
            if !self.commit_by_clock(transaction, "repairs.commit").await? {
                return Ok(Repairs::default());
            }
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

    /// The slice after `after`, the number of its jobs that got a schedule back, and of those that
    /// lost it. `after` is nil after the last job, and stays while the slice has more to repair. A
    /// slice that fails is skipped until the next round: it must not block the others.
    async fn repair_slice(&self, after: &mut Uuid) -> Result<(JobSlice, usize, usize), StoreError> {
        self.bounded("repairs.slice", async {
            let transaction = self.begin("repairs.begin").await?;
            let end = SLICE_END.query_opt(&transaction, &[after, &SLICE]).await?;
            let end: Option<Uuid> = end
                .map(|row| Values::of(SLICE_END.name(), &row).get(0))
                .transpose()?;
            let slice = JobSlice {
                after: std::mem::replace(after, end.unwrap_or_default()),
                end: end.unwrap_or(Uuid::max()),
            };
            let stopped = self
                .stop_unwanted(&transaction, UNWANTED, &[&BATCH, &slice.after, &slice.end])
                .await?;
            let (scheduled, is_more) = self.schedule_unscheduled(&transaction, slice).await?;
            if !self.commit_by_clock(transaction, "repairs.commit").await? {
                *after = slice.after;
                return Ok((slice, 0, 0));
            }
            if is_more || is_batch(stopped) {
                *after = slice.after;
            }
            Ok((slice, scheduled, stopped))
        })
        .await
    }

    async fn continue_stalled(&self, transaction: &Transaction) -> Result<usize, StoreError> {
        let rows = STALLED.query(transaction, &[&BATCH]).await?;
        let (vanished, ended) = partition(STALLED.name(), &rows, "vanished")?;
        let (vanished, ended) = (
            column::<Uuid, Vec<_>>("repairs.stalled", vanished, "awaits")?,
            column::<Uuid, Vec<_>>("repairs.stalled", ended, "awaits")?,
        );
        let rearm = async |ended: &[Uuid]| rearm_fixed_delay(transaction, ended).await;
        let rearmed = in_parts(transaction, &ended, rearm).await?;
        let free = async |vanished: &[Uuid]| {
            FREE_STALLED
                .execute(transaction, &[&self.clock().stub(), &vanished])
                .await
        };
        let freed = in_parts(transaction, &vanished, free).await?;
        self.note_odd(
            "job_trigger",
            rearmed.odd.into_iter().chain(freed.odd).collect(),
        );
        let continued: u64 = rearmed.done.into_iter().chain(freed.done).sum();
        Ok(usize::try_from(continued).unwrap_or(usize::MAX))
    }

    /// The number of executions with a new next attempt, and of those that ended with their job.
    async fn retry_without_trigger(
        &self,
        transaction: &Transaction,
    ) -> Result<(usize, usize), StoreError> {
        let rows = WITHOUT_TRIGGER.query(transaction, &[&BATCH]).await?;
        let (deleted, without_trigger) = partition(WITHOUT_TRIGGER.name(), &rows, "deleted")?;
        let stub = self.clock().stub();
        let retry = async |without_trigger: &[&Row]| {
            let rows = || without_trigger.iter().copied();
            let ids: Vec<Uuid> = column(WITHOUT_TRIGGER.name(), rows(), "id")?;
            let job_ids: Vec<Uuid> = column(WITHOUT_TRIGGER.name(), rows(), "job_id")?;
            let fire_times = bounds(WITHOUT_TRIGGER.name(), rows(), "fire_time")?;
            let due_times = bounds(WITHOUT_TRIGGER.name(), rows(), "due_time")?;
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
            let ids: Vec<Uuid> = column(WITHOUT_TRIGGER.name(), deleted.iter().copied(), "id")?;
            CANCEL.execute(transaction, &[&stub, &ids]).await?;
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

    /// Stops the triggers that the statement finds; their number.
    async fn stop_unwanted(
        &self,
        transaction: &Transaction,
        find: Statement<'_>,
        values: Parameters<'_>,
    ) -> Result<usize, StoreError> {
        let rows = find.query(transaction, values).await?;
        let rows: Vec<&Row> = rows.iter().collect();
        let stop = async |part: &[&Row]| {
            let (mut deleted, mut paused): (Vec<Uuid>, Vec<Uuid>) = Default::default();
            for row in part {
                let row = Values::of(UNWANTED.name(), row);
                if row.get("is_deleted")? {
                    deleted.push(row.get("id")?);
                } else {
                    paused.push(row.get("id")?);
                }
            }
            let stopped = SETTLE_UNWANTED
                .execute(transaction, &[&deleted, &paused])
                .await;
            stopped.map(|_| part.len())
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
