//! Locking the due triggers: the first round trip of a lease.

use super::lease_store::{Batch, LeaseStore};
use super::lessee::Lessee;
use super::scan_cursor::ScanStart;
use crate::model::trigger::{Trigger, TriggerKind};
use crate::model::{Timestamp, UnknownName};
use crate::safeguards::{Safeguard, unless_off};
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::{Prepared, Statement};
use crate::store::maintenance::clock_jumps::Moment;
use crate::store::{During, StoreError};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Locks the triggers due within the look-ahead ($2, seconds), for $3 fire times in all. A trigger
/// due for a second is overdue, and counts for $6 fire times. Three lanes:
///
/// 1. `overdue`: at most $4 triggers, the backlog of an outage or a flood. The backlog must not
///    delay the triggers on time.
/// 2. `on_time`.
/// 3. `more`: overdue triggers, in the remaining room. Only when the first lane was full. The `not
///    in` excludes the rows of the first lane: locks are no obstacle within a transaction.
///
/// Left out are the jobs $5 (`not in (select …)` is hashed; `<> all` would compare each row with
/// each job) and what was due before $7, default: five seconds ago (see `scan_cursor`).
/// `bears_own`: see `own`; the statement that takes a payload reads it. The clock is read once, so
/// that no trigger falls between two lanes. `(select …)` lets the bounds use the index
/// `job_trigger_due`; a bare `clock_timestamp()` would filter every trigger. The condition on the
/// route selects the index.
macro_rules! lock_due {
    ($name:literal, $route:literal) => {
        concat!(
            $name,
            "
with clock as materialized (
    select now, coalesce($7::timestamptz, now - interval '5 seconds') as since
    from (select coalesce($1::timestamptz, clock_timestamp()) as now) as x
), overdue as materialized (
    select true as overdue, id, job_id, kind, fire_time, due_at, priority, runs, excluded_from,
        cache_tag, (repeats is not null or payload is not null or unique_key is not null)
            as bears_own from job_trigger
    where ",
            $route,
            " and due_at >= (select since from clock)
        and due_at < (select now - interval '1 second' from clock)
      and job_id not in (select unnest($5::uuid[]))
    order by due_at limit $4 for update skip locked
), on_time as materialized (
    select false as overdue, id, job_id, kind, fire_time, due_at, priority, runs, excluded_from,
        cache_tag, (repeats is not null or payload is not null or unique_key is not null)
            as bears_own from job_trigger
    where ",
            $route,
            " and due_at >= (select now - interval '1 second' from clock)
      and due_at <= (select now + make_interval(secs => $2) from clock)
      and job_id not in (select unnest($5::uuid[]))
    order by due_at, priority desc limit $3 - (select count(*) from overdue) * $6
    for update skip locked
), more as materialized (
    select true as overdue, id, job_id, kind, fire_time, due_at, priority, runs, excluded_from,
        cache_tag, (repeats is not null or payload is not null or unique_key is not null)
            as bears_own from job_trigger
    where ",
            $route,
            " and due_at >= (select since from clock)
        and due_at < (select now - interval '1 second' from clock)
      and job_id not in (select unnest($5::uuid[])) and id not in (select id from overdue)
    order by due_at limit case when (select count(*) from overdue) = $4
        then ($3 - (select count(*) from overdue) * $6 - (select count(*) from on_time)
              + $6 - 1) / $6 else 0 end
    for update skip locked
)
select * from overdue union all select * from on_time union all select * from more"
        )
    };
}

/// The statement of nodes.
pub const LOCK_DUE: Statement = Statement::new(lock_due!("-- leases.lock_due", "route is null"));

/// The statement of workers, for the route $8.
pub const LOCK_ROUTE: Statement = Statement::new(lock_due!("-- leases.lock_route", "route = $8"));

/// The database's clock, the next due time beyond the look-ahead, and the end of the last blackout.
macro_rules! look_ahead {
    ($name:literal, $route:literal) => {
        concat!(
            $name,
            "
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
select now, (select min(due_at) from job_trigger
             where ",
            $route,
            " and due_at > (select now + make_interval(secs => $2) from clock)) as next_due,
       (select max(ends_at) from blackout) as blackouts_until
from clock"
        )
    };
}

/// The statement of nodes.
pub const LOOK_AHEAD: Statement =
    Statement::new(look_ahead!("-- leases.look_ahead", "route is null"));

/// The statement of workers, for the route $3.
pub const LOOK_AHEAD_ROUTE: Statement =
    Statement::new(look_ahead!("-- leases.look_ahead_route", "route = $3"));

/// The due triggers locked by a poll.
pub struct LockedTriggers {
    /// Locked triggers that the program can read.
    pub triggers: Vec<Trigger>,
    /// Most fire times of a trigger.
    pub fires_per_trigger: usize,
    /// Most fire times of all, without the first of each.
    pub remaining: usize,
    /// Whether the limit was reached, so more may be due.
    pub is_full: bool,
    /// Overdue triggers not read by the scan are due at the instant or later.
    pub low_watermark: Option<Timestamp>,
    /// The ids of the triggers with own values.
    pub own: HashSet<Uuid>,
    /// By job: the cache tag of the schedule trigger, else the new tag.
    pub cache_tags: HashMap<Uuid, i64>,
    /// The cache tag for the triggers without a tag. A single tag for all: a cache tag need only be
    /// unique within the job.
    pub new_cache_tag: i64,
    /// Instant of the poll, by the database's clock.
    pub now: Timestamp,
    /// When the reading arrived.
    pub read_at: Instant,
    /// The first due time beyond the look-ahead.
    pub upcoming: Option<Timestamp>,
    /// The end of the last blackout.
    pub blackouts_until: Option<Timestamp>,
}

/// A scan of the due triggers by a node.
pub struct DueScan<'a> {
    /// Member that leases.
    pub lessee: Lessee,
    /// The route of a worker. None: built-in targets.
    pub route: Option<&'a str>,
    /// Most fire times and triggers of one poll.
    pub batch: Batch,
    /// How long before the due time a trigger is taken.
    pub look_ahead: Duration,
    /// Where the scan starts.
    pub start: ScanStart,
    /// Jobs unreadable to the node, and jobs waiting for a share.
    pub left_out: &'a [Uuid],
}

/// A trigger locked by a poll.
struct Locked {
    trigger: Trigger,
    /// The cache tag of the trigger.
    cache_tag: Option<i64>,
    /// Whether the trigger has been due for a second.
    is_overdue: bool,
    /// Whether the trigger has own values.
    bears_own: bool,
}

/// The limits of [`LOCK_DUE`]'s lanes.
#[derive(Clone, Copy)]
struct Limits {
    fire_times: usize,
    /// Overdue triggers of the first lane.
    overdue: usize,
    fires_per_trigger: usize,
}

impl Limits {
    fn of(batch: Batch) -> Self {
        // Half of the slots for overdue triggers; a single slot at every other poll.
        let overdue_fire_times = usize::midpoint(batch.fire_times, fastrand::usize(0..=1));
        let fires_per_trigger = batch.fires_per_trigger.clamp(1, overdue_fire_times.max(1));
        Self {
            fire_times: batch.fire_times,
            overdue: overdue_fire_times / fires_per_trigger,
            fires_per_trigger,
        }
    }

    /// The fire times counted for a locked row.
    fn fire_times_of(self, is_overdue: bool) -> usize {
        if is_overdue {
            self.fires_per_trigger
        } else {
            1
        }
    }
}

impl LockedTriggers {
    /// The triggers of the jobs.
    pub fn of_jobs(&self, jobs: &[Uuid]) -> Self {
        let triggers = self
            .triggers
            .iter()
            .filter(|trigger| jobs.contains(&trigger.job_id))
            .cloned()
            .collect();
        let cache_tags = self
            .cache_tags
            .iter()
            .filter(|(id, _)| jobs.contains(id))
            .map(|(id, cache_tag)| (*id, *cache_tag))
            .collect();
        Self {
            triggers,
            cache_tags,
            own: self.own.clone(),
            ..*self
        }
    }

    /// The jobs of the triggers, each once.
    pub fn job_ids(&self) -> Vec<Uuid> {
        distinct(self.triggers.iter().map(|trigger| trigger.job_id))
    }

    /// The oldest instant about which the exclusions decide.
    pub fn since(&self) -> Timestamp {
        self.triggers
            .iter()
            .map(Trigger::pending)
            .min()
            .map_or(self.now, |oldest| oldest.min(self.now))
    }
}

/// The statements of the first round trip.
struct FirstRoundTrip {
    lock_membership: Prepared,
    lock_due: Prepared,
    look_ahead: Prepared,
}

impl FirstRoundTrip {
    async fn on(transaction: &Transaction, scan: &DueScan<'_>) -> Result<Self, StoreError> {
        let lock = scan.lessee.lock();
        let text = unless_off(Safeguard::NodeRowLock, lock.sql(), " for key share");
        let (lock_due, look_ahead) = match scan.route {
            None => (LOCK_DUE, LOOK_AHEAD),
            Some(_) => (LOCK_ROUTE, LOOK_AHEAD_ROUTE),
        };
        Ok(Self {
            lock_membership: lock.with_sql(&text).prepare(transaction).await?,
            lock_due: lock_due.prepare(transaction).await?,
            look_ahead: look_ahead.prepare(transaction).await?,
        })
    }
}

impl LeaseStore {
    /// Locks what is due in a single round trip: BEGIN, the member's row, the due triggers, the
    /// clock. None when the member is not `ACTIVE`, the cluster is paused, or the clock has jumped.
    pub(super) async fn lock_due(
        &self,
        transaction: &Transaction,
        scan: &DueScan<'_>,
    ) -> Result<Option<LockedTriggers>, StoreError> {
        let limits = Limits::of(scan.batch);
        let stub = self.store.clock().stub();
        let look_ahead = scan.look_ahead.as_secs_f64();
        let since = scan.start.due_time();
        let limit = as_limit(limits.fire_times);
        let overdue_limit = as_limit(limits.overdue);
        let each = as_limit(limits.fires_per_trigger);
        let first = FirstRoundTrip::on(transaction, scan).await?;
        let member_values = scan.lessee.values(&stub);
        let mut due_values: Vec<&(dyn ToSql + Sync)> = vec![
            &stub,
            &look_ahead,
            &limit,
            &overdue_limit,
            &scan.left_out,
            &each,
            &since,
        ];
        let mut ahead_values: Vec<&(dyn ToSql + Sync)> = vec![&stub, &look_ahead];
        if let Some(route) = &scan.route {
            due_values.push(route);
            ahead_values.push(route);
        }
        let turn = self.turn.wait();
        let begin = async {
            let started = match &turn {
                Some(turn) => transaction.begin_with(turn).await,
                None => transaction.begin().await,
            };
            started.during("leases.begin")
        };
        let sent = Moment::now();
        // The order of sending counts: the node's row is locked before any trigger.
        let ((), member, due, clock) = futures_util::try_join!(
            begin,
            first.lock_membership.query_opt(transaction, &member_values),
            first.lock_due.query(transaction, &due_values),
            first.look_ahead.query_one(transaction, &ahead_values),
        )?;
        let read_at = Instant::now();
        let clock = Values::of(LOOK_AHEAD.name(), &clock);
        let now = clock.get("now")?;
        // A stub clock stands still, and would look like a jump.
        let is_clock_good = stub.is_some() || self.store.clock_watch.admits(sent, now);
        if member.is_none() || !is_clock_good {
            // The triggers are locked already: the caller rolls back, and no other node has to
            // wait.
            return Ok(None);
        }
        let locked = LockedTriggers {
            // A due time out of range is not waited for.
            upcoming: clock.get("next_due").unwrap_or_default(),
            // An end out of range is later than all others.
            blackouts_until: clock
                .get("blackouts_until")
                .unwrap_or(Some(Timestamp::MAX_UTC)),
            ..self.read_locked(&due, limits, since, now, read_at)?
        };
        Ok(Some(locked))
    }

    fn read_locked(
        &self,
        rows: &[Row],
        limits: Limits,
        since: Option<Timestamp>,
        now: Timestamp,
        read_at: Instant,
    ) -> Result<LockedTriggers, StoreError> {
        // Also of unreadable rows, which fill the limit.
        let overdue: Vec<bool> = column("job_trigger", rows, "overdue")?;
        let fire_times: usize = overdue
            .iter()
            .map(|is_overdue| limits.fire_times_of(*is_overdue))
            .sum();
        // Each lane reads up to the limit: a poll below the limit left nothing behind.
        let is_full = fire_times >= limits.fire_times;
        // Random, not a counter: a tag lost in a failover must never come back.
        let new_cache_tag = fastrand::i64(..);
        let mut triggers = Vec::with_capacity(rows.len());
        let mut own = HashSet::new();
        let mut cache_tags = HashMap::with_capacity(rows.len());
        let mut last_overdue = None;
        for locked in rows.iter().filter_map(|row| self.locked(row)) {
            let trigger = locked.trigger;
            if trigger.kind == TriggerKind::Schedule {
                let cache_tag = locked.cache_tag.unwrap_or(new_cache_tag);
                cache_tags.insert(trigger.job_id, cache_tag);
            }
            if locked.bears_own {
                own.insert(trigger.id);
            }
            if locked.is_overdue {
                // The lanes read overdue triggers by due time: an unread overdue trigger is due at
                // the last one read or later.
                last_overdue = last_overdue.max(Some(trigger.due_at));
            }
            triggers.push(trigger);
        }
        let low_watermark = match last_overdue {
            // The scan read nothing overdue: the limit left no room for the first lane.
            None if is_full && limits.overdue == 0 => since,
            last_overdue => last_overdue.filter(|_| is_full),
        };
        Ok(LockedTriggers {
            fires_per_trigger: limits.fires_per_trigger,
            remaining: limits.fire_times.saturating_sub(triggers.len()),
            is_full,
            low_watermark,
            triggers,
            own,
            cache_tags,
            new_cache_tag,
            now,
            read_at,
            upcoming: None,
            blackouts_until: None,
        })
    }

    /// Reads a locked trigger. An unreadable trigger costs only the job: the node leaves the job to
    /// others.
    fn locked(&self, row: &Row) -> Option<Locked> {
        let read = locked(row);
        if let Err(error) = &read
            && let Ok(job_id) = Values::of("job_trigger", row).get("job_id")
        {
            self.store
                .unreadable
                .leave_alone(job_id, &error.to_string());
        }
        read.ok()
    }
}

fn locked(row: &Row) -> Result<Locked, StoreError> {
    let row = Values::of("job_trigger", row);
    let trigger = Trigger {
        id: row.get("id")?,
        job_id: row.get("job_id")?,
        kind: row
            .get::<&str>("kind")?
            .parse()
            .map_err(|error: UnknownName| row.unreadable(error))?,
        fire_time: row.get("fire_time")?,
        due_at: row.get("due_at")?,
        runs: row.get("runs")?,
        excluded_from: row.get("excluded_from")?,
    };
    Ok(Locked {
        trigger,
        cache_tag: row.get("cache_tag")?,
        is_overdue: row.get("overdue")?,
        bears_own: row.get("bears_own")?,
    })
}

/// The distinct ids, in order.
pub fn distinct(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.collect();
    // A fixed order, so two transactions never wait for each other.
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn as_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
