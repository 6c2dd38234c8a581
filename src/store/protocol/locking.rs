//! Locking the due triggers: the first round trip of a lease.

use super::lease_store::{Batch, LeaseStore};
use super::scan_cursor::ScanStart;
use crate::model::trigger::{Trigger, TriggerKind};
use crate::model::{Timestamp, UnknownName};
use crate::safeguards::{Safeguard, unless_off};
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::maintenance::clock_jumps::Moment;
use crate::store::{During, StoreError};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

/// Locks the node's row against a takeover until the lease commits. A heartbeat changes no key and
/// does not wait. No row: the node is not `ACTIVE`, or the cluster is paused.
pub const LOCK_MEMBERSHIP: &str = "-- leases.lock_membership
select 1 from cluster_node where id = $1 and state = 'ACTIVE'
    and not exists (select from cluster_pause) for key share";

/// Locks the triggers due within the look-ahead ($2, seconds), for $3 fire times in all. A trigger
/// that has been due for a second is overdue, and counts for $6 fire times. Three lanes:
///
/// 1. `overdue`: at most $4 triggers, the backlog of an outage or a flood. It must not delay what
///    is on time.
/// 2. `on_time`.
/// 3. `more`: overdue triggers, in the room that is left. Only when the first lane was full. Its
///    `not in` excludes the rows of that lane, whose locks are no obstacle to their own
///    transaction.
///
/// Left out are the jobs $5 (`not in (select …)` is hashed; `<> all` would compare each row with
/// each job) and what was due before $7, default: five seconds ago (see `scan_cursor`).
/// `bears_own`: see `own`; the statement that takes a payload reads it. The clock is read once, so
/// that no trigger falls between two lanes. `(select …)` lets the bounds use the index
/// `job_trigger_due`; a bare `clock_timestamp()` would filter every trigger.
pub const LOCK_DUE: &str = "-- leases.lock_due
with clock as materialized (
    select now, coalesce($7::timestamptz, now - interval '5 seconds') as since
    from (select coalesce($1::timestamptz, clock_timestamp()) as now) as x
), overdue as materialized (
    select true as overdue, id, job_id, kind, fire_time, due_at, priority, runs, excluded_from,
        cache_tag, (repeats is not null or payload is not null) as bears_own from job_trigger
    where due_at >= (select since from clock)
        and due_at < (select now - interval '1 second' from clock)
      and job_id not in (select unnest($5::uuid[]))
    order by due_at limit $4 for update skip locked
), on_time as materialized (
    select false as overdue, id, job_id, kind, fire_time, due_at, priority, runs, excluded_from,
        cache_tag, (repeats is not null or payload is not null) as bears_own from job_trigger
    where due_at >= (select now - interval '1 second' from clock)
      and due_at <= (select now + make_interval(secs => $2) from clock)
      and job_id not in (select unnest($5::uuid[]))
    order by due_at, priority desc limit $3 - (select count(*) from overdue) * $6
    for update skip locked
), more as materialized (
    select true as overdue, id, job_id, kind, fire_time, due_at, priority, runs, excluded_from,
        cache_tag, (repeats is not null or payload is not null) as bears_own from job_trigger
    where due_at >= (select since from clock)
        and due_at < (select now - interval '1 second' from clock)
      and job_id not in (select unnest($5::uuid[])) and id not in (select id from overdue)
    order by due_at limit case when (select count(*) from overdue) = $4
        then ($3 - (select count(*) from overdue) * $6 - (select count(*) from on_time)
              + $6 - 1) / $6 else 0 end
    for update skip locked
)
select * from overdue union all select * from on_time union all select * from more";

/// The database's clock, the next due time beyond the look-ahead, and the end of the last blackout.
pub const LOOK_AHEAD: &str = "-- leases.look_ahead
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
select now, (select min(due_at) from job_trigger
             where due_at > (select now + make_interval(secs => $2) from clock)) as next_due,
       (select max(ends_at) from blackout) as blackouts_until
from clock";

/// The due triggers that a poll has locked.
pub struct LockedTriggers {
    /// Locked triggers that this binary can read.
    pub triggers: Vec<Trigger>,
    /// Most fire times of one of them.
    pub fires_per_trigger: usize,
    /// Most fire times of all, without the first of each.
    pub remaining: usize,
    /// Whether the limit was reached, so that more may be due.
    pub is_full: bool,
    /// Overdue triggers that the scan did not read are due at this instant or later.
    pub low_watermark: Option<Timestamp>,
    /// The ids of the triggers with own values.
    pub own: HashSet<Uuid>,
    /// By job: the cache tag that its schedule trigger bears, else the new one.
    pub cache_tags: HashMap<Uuid, i64>,
    /// The cache tag for the triggers that bear none. One for all, because a cache tag is unique
    /// within its job.
    pub new_cache_tag: i64,
    /// Instant of the poll, by the database's clock.
    pub now: Timestamp,
    /// When that reading arrived.
    pub read_at: Instant,
    /// The first due time beyond the look-ahead.
    pub upcoming: Option<Timestamp>,
    /// The end of the last blackout.
    pub blackouts_until: Option<Timestamp>,
}

/// A scan of the due triggers that one node starts.
pub struct DueScan<'a> {
    /// Node that leases.
    pub node_id: Uuid,
    /// Most fire times and triggers of one poll.
    pub batch: Batch,
    /// How long before its due time a trigger is taken.
    pub look_ahead: Duration,
    /// Where the scan starts.
    pub start: ScanStart,
    /// Jobs that this node cannot read, or that wait for a share.
    pub left_out: &'a [Uuid],
}

/// A trigger that a poll has locked.
struct Locked {
    trigger: Trigger,
    /// The cache tag that it bears.
    cache_tag: Option<i64>,
    /// Whether it has been due for a second.
    is_overdue: bool,
    /// Whether it has own values.
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

    /// Fire times that a locked row stands for.
    fn fire_times_of(self, is_overdue: bool) -> usize {
        if is_overdue {
            self.fires_per_trigger
        } else {
            1
        }
    }
}

impl LockedTriggers {
    /// The triggers of these jobs.
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
struct Prepared {
    lock_membership: Statement,
    lock_due: Statement,
    look_ahead: Statement,
}

impl Prepared {
    async fn on(transaction: &Transaction) -> Result<Self, tokio_postgres::Error> {
        let lock_membership = unless_off(Safeguard::NodeRowLock, LOCK_MEMBERSHIP, " for key share");
        Ok(Self {
            lock_membership: transaction.prepare_cached(&lock_membership).await?,
            lock_due: transaction.prepare_cached(LOCK_DUE).await?,
            look_ahead: transaction.prepare_cached(LOOK_AHEAD).await?,
        })
    }
}

impl LeaseStore {
    /// Locks what is due in one round trip: BEGIN, the node's row, the due triggers, the clock.
    /// None when the node is not `ACTIVE`, the cluster is paused, or the clock has jumped.
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
        let prepared = Prepared::on(transaction).await.during("leases.prepare")?;
        let due_values: [&(dyn ToSql + Sync); 7] = [
            &stub,
            &look_ahead,
            &limit,
            &overdue_limit,
            &scan.left_out,
            &each,
            &since,
        ];
        let turn = self.turn.wait();
        let begin = async {
            match &turn {
                Some(turn) => transaction.begin_with(turn).await,
                None => transaction.begin().await,
            }
        };
        let sent = Moment::now();
        // They are sent in this order: the node's row is locked before any trigger.
        let ((), member, due, clock) = futures_util::try_join!(
            begin,
            async {
                transaction
                    .query_opt(&prepared.lock_membership, &[&scan.node_id])
                    .await
            },
            async { transaction.query(&prepared.lock_due, &due_values).await },
            async {
                transaction
                    .query_one(&prepared.look_ahead, &[&stub, &look_ahead])
                    .await
            },
        )
        .during("leases.lock_due")?;
        let read_at = Instant::now();
        let clock = Values::of("leases.look_ahead", &clock);
        let now = clock.get("now")?;
        let is_clock_good = stub.is_some() || self.store.clock_watch.admits(sent, now);
        if member.is_none() || !is_clock_good {
            return Ok(None);
        }
        let locked = LockedTriggers {
            // A due time that is out of range is not waited for.
            upcoming: clock.get("next_due").unwrap_or_default(),
            // An end that is out of range is later than all others.
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
        // Also of rows that cannot be read: they fill the limit.
        let overdue: Vec<bool> = column("job_trigger", rows, "overdue")?;
        let fire_times: usize = overdue
            .iter()
            .map(|is_overdue| limits.fire_times_of(*is_overdue))
            .sum();
        // Each lane reads up to the limit: a poll below it left nothing behind.
        let is_full = fire_times >= limits.fire_times;
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
                last_overdue = last_overdue.max(Some(trigger.due_at));
            }
            triggers.push(trigger);
        }
        let low_watermark = match last_overdue {
            // The scan read nothing that is overdue: no room was left for it.
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

    /// Reads a locked trigger. One that cannot be read costs its job alone: this node leaves the
    /// job to others.
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

/// These ids in order, each once.
pub fn distinct(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn as_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
