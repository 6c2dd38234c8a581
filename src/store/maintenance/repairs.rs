//! Repairs of states never left behind by the protocol.
//!
//! A lost write, a restored backup or manual SQL can produce every combination of job, trigger and
//! execution; each combination has a repair here. A repair changes broken rows only, never moves a
//! healthy trigger, and never fires a fire time twice. Executions in flight are checked as a whole,
//! jobs slice by slice: a check of all jobs would exceed the time limit at some number of jobs.
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
use crate::store::{Store, StoreError};
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

/// Schedules of the slice that must not fire: the job is deleted or paused, or has no schedule. The
/// trigger of a schedule has the job's id.
const UNWANTED: Statement = Statement::new(
    "-- repairs.unwanted
select t.id, j.status = 'DELETED' or j.schedule_type = 'ON_DEMAND' as is_deleted
from job_definition j join job_trigger t on t.id = j.id and t.id > $2 and t.id <= $3
where j.id > $2 and j.id <= $3
  and (j.status = 'DELETED' or j.schedule_type = 'ON_DEMAND' or (j.status = 'PAUSED' and t.kind = 'SCHEDULE' and not t.paused))
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

/// A run on request gets its row: it was enqueued at the moment of the deletion, and neither command
/// waited for the other.
const SETTLE_UNWANTED: Statement = Statement::new(
    "-- repairs.settle_unwanted
with removed as (delete from job_trigger where id = any($1::uuid[]) returning *),
recorded as (
    insert into job_execution_log
        (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time,
            occurrences, finished_at, created_at, repeats, payload, unique_key)
    select id, job_id, kind, fire_time, fire_time, 'SKIPPED', 'DELETED', 0, fire_time, 1, now, now,
           repeats, payload, unique_key
    from removed, (select coalesce($3::timestamptz, clock_timestamp()) as now) as clock
    where kind in ('MANUAL', 'ENQUEUED', 'BUFFERED', 'RERUN')
    on conflict (id) do nothing
)
update job_trigger set paused = true, due_at = null where id = any($2::uuid[])",
);

/// Fixed-delay triggers awaiting an ended execution (rearmed from the end), or an execution missing
/// in the log (due at once). A paused former fixed delay keeps the awaited execution until the
/// resume; an active former fixed delay counts as unscheduled.
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

/// Jobs with a buffered fire waiting for nothing: no execution is in flight, and no other buffered
/// fire is due.
const UNRELEASED: Statement = Statement::new(
    "-- repairs.unreleased
with in_flight as materialized (select job_id from execution_in_flight)
select b.job_id from job_trigger b where b.kind = 'BUFFERED' and b.paused_due_at is null
  and b.job_id not in (select job_id from in_flight)
group by b.job_id having count(b.due_at) = 0 limit $1",
);

/// Triggers waiting for the resume of an active job: a node older than V15 has resumed the job.
const UNHELD: Statement = Statement::new(
    "-- repairs.unheld
update job_trigger t set due_at = t.paused_due_at, paused_due_at = null from job_definition j
where j.id = t.job_id and j.status = 'ACTIVE' and t.kind <> 'SCHEDULE'
  and t.paused_due_at is not null",
);

/// Executions in state `RETRYING` without a trigger. Executions of a deleted job end: a takeover at
/// the same time as the deletion left such executions.
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

/// Repairs of a pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Active jobs whose trigger was restored.
    pub scheduled: usize,
    /// Stopped triggers and next attempts of paused or deleted jobs.
    pub stopped: usize,
    /// Chains of fixed delays that continue.
    pub continued: usize,
    /// Executions with a restored next attempt.
    pub retried: usize,
    /// Released fire times: waiting behind nothing, or for the resume of an active job.
    pub released: usize,
    /// Future fire times replaced because of changed rules of the zones.
    pub recomputed: usize,
    /// Fire times of other rules, confirmed by the new rules: nothing was broken.
    pub confirmed: usize,
}

impl Repairs {
    /// Whether another pass may find more at once: jobs were broken, or another repair was full.
    /// (Rows with a failed repair are not counted: an endless loop would follow.)
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

    /// Whether anything was broken. A change of a zone's rules breaks nothing.
    pub fn were_needed(&self) -> bool {
        Self {
            recomputed: 0,
            confirmed: 0,
            ..*self
        } != Self::default()
    }
}

impl Store {
    /// Repairs executions in flight, and the slice of jobs after `after`. Moves `after` to the end
    /// of the slice. At most a batch of each kind.
    pub async fn repair(&self, after: &mut Uuid) -> Result<Repairs, StoreError> {
        let repairs = self.repair_what_is_in_flight().await?;
        let (slice, scheduled, stopped) = self.repair_slice(after).await?;
        let Followed {
            recomputed,
            confirmed,
        } = self.follow_zones(slice).await?;
        // A full batch: the zones of the slice need another pass.
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
            // Before `UNRELEASED`: a fire with a restored due time needs no release.
            let unheld = UNHELD.execute(&transaction, &[]).await?;
            let waiting = UNRELEASED.query(&transaction, &[&BATCH]).await?;
            let jobs: Vec<Uuid> = column(UNRELEASED.name(), &waiting, 0)?;
            let released = in_parts(&transaction, &jobs, async |jobs: &[Uuid]| {
                release_buffered(&transaction, self.clock().stub(), jobs).await
            })
            .await?;
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

    /// The slice after `after`, the number of jobs with a restored schedule, and of jobs with a
    /// stopped schedule. `after` is nil after the last job, and stays while the slice has more to
    /// repair. A failing slice is skipped until the next round, so other slices are not blocked.
    async fn repair_slice(&self, after: &mut Uuid) -> Result<(JobSlice, usize, usize), StoreError> {
        self.bounded("repairs.slice", async {
            let transaction = self.begin("repairs.begin").await?;
            let end = SLICE_END.query_opt(&transaction, &[after, &SLICE]).await?;
            let end: Option<Uuid> = end
                .map(|row| Values::of(SLICE_END.name(), &row).get(0))
                .transpose()?;
            let slice = JobSlice {
                // `after` moves before the repair, so a failure skips the slice.
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
        let rearmed = in_parts(transaction, &ended, async |ended: &[Uuid]| {
            rearm_fixed_delay(transaction, ended).await
        })
        .await?;
        let freed = in_parts(transaction, &vanished, async |vanished: &[Uuid]| {
            FREE_STALLED
                .execute(transaction, &[&self.clock().stub(), &vanished])
                .await
        })
        .await?;
        self.note_odd(
            "job_trigger",
            rearmed.odd.into_iter().chain(freed.odd).collect(),
        );
        let continued: u64 = rearmed.done.into_iter().chain(freed.done).sum();
        Ok(usize::try_from(continued).unwrap_or(usize::MAX))
    }

    /// The number of executions with a new next attempt, and of executions ended with the job.
    async fn retry_without_trigger(
        &self,
        transaction: &Transaction,
    ) -> Result<(usize, usize), StoreError> {
        let rows = WITHOUT_TRIGGER.query(transaction, &[&BATCH]).await?;
        let (deleted, without_trigger) = partition(WITHOUT_TRIGGER.name(), &rows, "deleted")?;
        let stub = self.clock().stub();
        let retried = in_parts(
            transaction,
            &without_trigger,
            async |without_trigger: &[&Row]| {
                let rows = || without_trigger.iter().copied();
                let ids: Vec<Uuid> = column(WITHOUT_TRIGGER.name(), rows(), "id")?;
                let job_ids: Vec<Uuid> = column(WITHOUT_TRIGGER.name(), rows(), "job_id")?;
                let fire_times = bounds(WITHOUT_TRIGGER.name(), rows(), "fire_time")?;
                let due_times = bounds(WITHOUT_TRIGGER.name(), rows(), "due_time")?;
                let values: [&(dyn ToSql + Sync); 6] =
                    [&stub, &"RECOVERY", &ids, &job_ids, &fire_times, &due_times];
                NEXT_ATTEMPTS.execute(transaction, &values).await?;
                Ok(ids.len())
            },
        )
        .await?;
        let cancelled = in_parts(transaction, &deleted, async |deleted: &[&Row]| {
            let ids: Vec<Uuid> = column(WITHOUT_TRIGGER.name(), deleted.iter().copied(), "id")?;
            CANCEL.execute(transaction, &[&stub, &ids]).await?;
            Ok(ids.len())
        })
        .await?;
        self.note_odd_rows(
            "job_execution_log",
            retried.odd.into_iter().chain(cancelled.odd),
        );
        Ok((
            retried.done.into_iter().sum(),
            cancelled.done.into_iter().sum(),
        ))
    }

    /// Stops the triggers found by the statement. Returns the number.
    async fn stop_unwanted(
        &self,
        transaction: &Transaction,
        find: Statement<'_>,
        values: Parameters<'_>,
    ) -> Result<usize, StoreError> {
        let rows = find.query(transaction, values).await?;
        let rows: Vec<&Row> = rows.iter().collect();
        let parts = in_parts(transaction, &rows, async |part: &[&Row]| {
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
                .execute(transaction, &[&deleted, &paused, &self.clock().stub()])
                .await;
            stopped.map(|_| part.len())
        })
        .await?;
        self.note_odd_rows("job_trigger", parts.odd);
        Ok(parts.done.into_iter().sum())
    }

    fn note_odd_rows<'a>(
        &self,
        table: &'static str,
        odd: impl IntoIterator<Item = (&'a Row, StoreError)>,
    ) {
        self.note_odd(
            table,
            odd.into_iter()
                .map(|(row, error)| {
                    let id = Values::of(table, row).get("id").unwrap_or_default();
                    (id, error)
                })
                .collect(),
        );
    }
}
