//! Due times counted by a clock ahead, repaired after the return of the clock.
//!
//! A due time counted from "now" lies as far in the future as the clock was ahead. Each kind of
//! trigger shows whether the due time is such a due time:
//!
//! - `MANUAL` and `BUFFERED` are due when they are made or released, `RERUN` within seconds,
//!   `BACKFILL` and `RECOVERY` within a minute;
//! - `OWED` has the due time of the schedule, except for a ONCE run by a resume;
//! - `RETRY` and `RECOVERY` wait from the end of the last attempt on, and the end lies in the
//!   future as well;
//! - a fixed delay waits for an interval from an end, a resume or an edit on;
//! - cron expressions and rates were computed from the time of the creation, edit or resume on, and
//!   the time lies in the future;
//! - triggers due again because of a change of a calendar or blackout are due at once.
//!
//! Due times move. Fire times of executions stay: the ids contain the fire times.

use super::{ClockVerdict, Jump};
use crate::store::db::listener::notify;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::jobs::exclusions;
use crate::store::{During, Store, StoreError};
use uuid::Uuid;

/// Jobs of a transaction.
const SLICE: i64 = 10_000;

/// Next attempts after an attempt with an end in the future.
const MEND_ATTEMPTS: Statement = Statement::new(
    "-- clock_jumps.mend_attempts
update job_trigger t set due_at = t.due_at - make_interval(secs => $1::float8)
from job_execution_log l
where l.id = t.id and t.kind in ('RETRY', 'RECOVERY') and t.due_at > clock_timestamp()
  and ((l.previous_attempts -> -1 ->> 'endedAt')::timestamptz > clock_timestamp()
       or t.kind = 'RECOVERY' and t.due_at > clock_timestamp() + interval '1 minute')",
);

/// Triggers made on request, and triggers due at once. (A batch of reruns is due at most ten
/// seconds ahead, a backfill a minute.) A ONCE does not run before the time.
const MEND_ONE_OFFS: Statement = Statement::new(
    "-- clock_jumps.mend_one_offs
update job_trigger t
set due_at = greatest(t.due_at - make_interval(secs => $1::float8),
    case when t.kind = 'OWED' then t.fire_time end)
where t.due_at > clock_timestamp() and case t.kind
    when 'MANUAL' then true
    when 'BUFFERED' then true
    when 'RERUN' then t.due_at > clock_timestamp() + interval '10 seconds'
    when 'BACKFILL' then t.due_at > clock_timestamp() + interval '1 minute'
        or exists (select from job_backfill b where b.id = t.id
            and b.created_at > clock_timestamp())
    when 'OWED' then exists (
        select from job_definition j where j.id = t.job_id and j.schedule_type = 'ONCE'
          and t.due_at > t.fire_time
           + make_interval(secs => coalesce((j.policies ->> 'jitterSeconds')::float8, 0)))
    else false end",
);

/// Due times to be restored by the resume of a job.
const MEND_HELD: Statement = Statement::new(
    "-- clock_jumps.mend_held
update job_trigger set paused_due_at = paused_due_at - make_interval(secs => $1::float8)
where kind in ('RETRY', 'BUFFERED') and paused_due_at > clock_timestamp()",
);

/// The last job of the next slice, by id; no row when fewer jobs are left.
const SLICE_END: Statement = Statement::new(
    "-- clock_jumps.slice_end
select id from job_definition where id > $1 order by id offset $2::bigint - 1 limit 1",
);

/// Fixed delays at rest since an instant in the future; the length of the rest stays. An instant of
/// `startAt` does not depend on the clock. (Both tables have the bounds of the slice, as in
/// `repairs`.)
const MEND_RESTS: Statement = Statement::new(
    "-- clock_jumps.mend_rests
update job_trigger t
set due_at = greatest(date_trunc('milliseconds', t.due_at - make_interval(secs => $3::float8)),
    s.start_at),
    fire_time = greatest(date_trunc('milliseconds',
        t.fire_time - make_interval(secs => $3::float8)), s.start_at)
from job_definition j cross join lateral (
    select (j.policies ->> 'startAt')::timestamptz as start_at,
           make_interval(secs => coalesce(j.initial_delay_seconds, 0)) as delay
) as s
where j.id > $1 and j.id <= $2 and t.id > $1 and t.id <= $2 and j.id = t.id
  and j.schedule_type = 'FIXED_DELAY'
  and t.due_at is not null
  and (t.fire_time > clock_timestamp() + make_interval(secs => j.interval_seconds + 1)
       or t.runs = 0 and j.created_at > clock_timestamp() and t.fire_time > clock_timestamp())
  and not coalesce(t.fire_time in (s.start_at, s.start_at + s.delay), false)",
);

/// The order of the locks is the order of the commands: jobs, exclusions, triggers.
const LOCK_JOBS: Statement = Statement::new(
    "-- clock_jumps.lock_jobs
select from job_definition
where id > $1 and id <= $2 and (schedule_type = 'FIXED_RATE' or updated_at > clock_timestamp())
order by id for no key update",
);

/// Fixed rates with a grid from an instant in the future on, without a `startAt`: the grid moves
/// back by the distance. After a clock set back ($4) also rates with a last fire time in the
/// future: the rhythm stays; the fire times of the old grid were taken, and are not taken a second
/// time.
const MOVE_RATES: Statement = Statement::new(
    "-- clock_jumps.move_rates
with moved as (
    update job_definition j set anchor_at = j.anchor_at - make_interval(secs => $3::float8)
    from job_trigger t
    where j.id > $1 and j.id <= $2 and t.id > $1 and t.id <= $2 and t.id = j.id
      and j.schedule_type = 'FIXED_RATE'
      and ((j.policies ->> 'startAt') is null
           and j.anchor_at - make_interval(secs => coalesce(j.initial_delay_seconds,
               0)) > clock_timestamp()
           or $4::boolean and j.status = 'ACTIVE' and not t.paused and t.runs > 0
           and t.fire_time > clock_timestamp() + make_interval(secs => j.interval_seconds))
    returning j.id
)
update job_trigger t set fire_time = t.fire_time - make_interval(secs => $3::float8),
    due_at = t.due_at - make_interval(secs => $3::float8), cache_tag = null
from moved where t.id = moved.id",
);

/// Cron expressions and rates created, edited or resumed in the future. (Including resting
/// schedules: an `endAt` may lie between the two clocks.)
const CHANGED: Statement = Statement::new(
    "-- clock_jumps.changed
select j.id from job_definition j join job_trigger t on t.id = j.id and t.id > $1 and t.id <= $2
where j.id > $1 and j.id <= $2 and j.status = 'ACTIVE' and j.schedule_type in ('CRON', 'FIXED_RATE')
  and j.updated_at > clock_timestamp() and not t.paused and t.fire_time > clock_timestamp()
order by j.id",
);

/// Schedules made due in the future by a change of a calendar or blackout: due now, so the next
/// lease decides. The due time of other schedules is the fire time plus jitter, unless excluded
/// fire times come before.
const LOOK_AGAIN: Statement = Statement::new(
    "-- clock_jumps.look_again
update job_trigger t set due_at = greatest(coalesce(t.excluded_from, t.fire_time), clock_timestamp())
from job_definition j
where j.id > $1 and j.id <= $2 and t.id > $1 and t.id <= $2 and j.id = t.id
  and t.due_at > clock_timestamp()
  and (t.excluded_from is not null
       or t.due_at > t.fire_time
           + make_interval(secs => coalesce((j.policies ->> 'jitterSeconds')::float8, 0)))",
);

impl Store {
    /// Repairs the due times counted by the clock ahead, slice by slice. Returns the number of
    /// triggers.
    pub async fn mend_after(&self, verdict: ClockVerdict) -> Result<u64, StoreError> {
        let (ClockVerdict::Returned(jump) | ClockVerdict::Accepted(jump)) = verdict else {
            return Ok(0);
        };
        let was_set_back = jump.to < jump.from;
        // The clock is still ahead, so no earlier due time is in the future.
        if was_set_back != matches!(verdict, ClockVerdict::Accepted(_)) {
            return Ok(0);
        }
        let mut mended = self
            .bounded(
                "clock_jumps.mend_one_offs",
                self.mend_one_offs(seconds(jump)),
            )
            .await?;
        let mut after = Some(Uuid::nil());
        while let Some(begin) = after {
            let of_slice = self.bounded("clock_jumps.mend_slice", self.mend_slice(begin, jump));
            let (count, end) = of_slice.await?;
            (mended, after) = (mended + count, end);
        }
        Ok(mended)
    }

    /// All triggers of kinds other than `SCHEDULE`.
    async fn mend_one_offs(&self, distance: f64) -> Result<u64, StoreError> {
        let transaction = self.begin("clock_jumps.begin").await?;
        let attempts = MEND_ATTEMPTS.execute(&transaction, &[&distance]).await?;
        let one_offs = MEND_ONE_OFFS.execute(&transaction, &[&distance]).await?;
        let held = MEND_HELD.execute(&transaction, &[&distance]).await?;
        notify(&transaction).await?;
        transaction.commit().await.during("clock_jumps.commit")?;
        Ok(attempts + one_offs + held)
    }

    async fn mend_slice(&self, after: Uuid, jump: Jump) -> Result<(u64, Option<Uuid>), StoreError> {
        let (was_set_back, distance) = (jump.to < jump.from, seconds(jump));
        let transaction = self.begin("clock_jumps.begin").await?;
        let end = SLICE_END.query_opt(&transaction, &[&after, &SLICE]).await?;
        let end: Option<Uuid> = end
            .map(|row| Values::of("job_definition", &row).get(0))
            .transpose()?;
        let to = end.unwrap_or(Uuid::max());
        LOCK_JOBS.query(&transaction, &[&after, &to]).await?;
        // Before the triggers, in the order of the commands.
        exclusions::hold_as_they_are(&transaction).await?;
        let mut mended = MOVE_RATES
            .execute(&transaction, &[&after, &to, &distance, &was_set_back])
            .await?;
        // A clock set back was right before: the fire times were taken.
        if !was_set_back {
            mended += self.name_changed(&transaction, after, to).await?;
        }
        mended += MEND_RESTS
            .execute(&transaction, &[&after, &to, &distance])
            .await?;
        let looked_at = LOOK_AGAIN.execute(&transaction, &[&after, &to]).await?;
        notify(&transaction).await?;
        transaction.commit().await.during("clock_jumps.commit")?;
        Ok((mended + looked_at, end))
    }

    /// Computes the next fire times again that were computed from an instant in the future. Returns
    /// the number of changed fire times.
    async fn name_changed(
        &self,
        transaction: &Transaction,
        after: Uuid,
        to: Uuid,
    ) -> Result<u64, StoreError> {
        let rows = CHANGED.query(transaction, &[&after, &to]).await?;
        let ids: Vec<Uuid> = column(CHANGED.name(), &rows, 0)?;
        if ids.is_empty() {
            return Ok(0);
        }
        let pending = self.lock_pending(transaction, &ids).await?;
        let named = self.name_again(transaction, &pending).await?;
        Ok(named
            .iter()
            .filter(|(pending, to)| pending.is_moved(*to))
            .count() as u64)
    }
}

/// Whole milliseconds, but not whole seconds: whole seconds would move a grid of whole seconds onto
/// itself.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of some days are far below 2^53"
)]
fn seconds(jump: Jump) -> f64 {
    let millis = jump.distance().abs().num_milliseconds();
    (if millis % 1_000 == 0 {
        millis + 1
    } else {
        millis
    }) as f64
        / 1e3
}
