//! Locking what is due: the first round trip of a lease.

use super::acquire::Batch;
use super::due::{LOCK_DUE, LOCK_MEMBERSHIP, LOOK_AHEAD};
use super::scan_cursor::ScanStart;
use crate::model::trigger::{Trigger, TriggerKind};
use crate::model::{Timestamp, UnknownName};
use crate::safeguards::{Safeguard, unless_off};
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::maintenance::clock_jumps::Moment;
use crate::store::{During, Store, StoreError};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use uuid::Uuid;

/// What was locked, and when.
pub struct Due {
    pub triggers: Vec<Trigger>,
    /// Most fire times of one of them …
    pub fires_per_trigger: usize,
    /// … and of all, those beyond the first of each.
    pub remaining: usize,
    /// Whether there may be more to lock.
    pub full: bool,
    /// What is overdue and was not read is due then or later.
    pub low_watermark: Option<Timestamp>,
    /// Those of them that bear what their executions have of their own.
    pub own: HashSet<Uuid>,
    /// Of each schedule trigger's job: the cache tag that the trigger bears, or else the new one.
    pub cache_tags: HashMap<Uuid, i64>,
    /// What this poll puts on the triggers that bear none: one for all, for a cache tag is of its
    /// job.
    pub new_cache_tag: i64,
    pub now: Timestamp,
    pub read_at: Instant,
    pub upcoming: Option<Timestamp>,
    pub blackouts_until: Option<Timestamp>,
}

impl Due {
    /// What of it is of these jobs.
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

    /// The oldest instant that is decided about.
    pub fn since(&self) -> Timestamp {
        let oldest = self
            .triggers
            .iter()
            .map(|trigger| trigger.excluded_from.unwrap_or(trigger.fire_time))
            .min();
        oldest.map_or(self.now, |oldest| oldest.min(self.now))
    }
}

impl Store {
    /// One round trip: BEGIN, the node's row, the due triggers, the clock.
    pub(super) async fn lock_due(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        Batch {
            fire_times: limit,
            fires_per_trigger,
        }: Batch,
        (look_ahead, from): (Duration, ScanStart),
        left_out: &[Uuid],
    ) -> Result<Option<Due>, StoreError> {
        // Half of the slots before what is on time; a single slot at every other poll.
        let overdue_limit = usize::midpoint(limit, fastrand::usize(0..=1));
        let fires_per_trigger = fires_per_trigger.clamp(1, overdue_limit.max(1));
        let (stub, seconds, since) = (
            self.clock().stub(),
            look_ahead.as_secs_f64(),
            from.due_time(),
        );
        let (at_most, overdue_at_most, each) = (
            as_limit(limit),
            as_limit(overdue_limit / fires_per_trigger),
            as_limit(fires_per_trigger),
        );
        let hold = unless_off(Safeguard::NodeRowLock, LOCK_MEMBERSHIP, " for key share");
        let hold = transaction
            .prepare_cached(&hold)
            .await
            .during("leases.prepare")?;
        let lock = transaction
            .prepare_cached(LOCK_DUE)
            .await
            .during("leases.prepare")?;
        let ahead = transaction
            .prepare_cached(LOOK_AHEAD)
            .await
            .during("leases.prepare")?;
        let turn = self.turn.wait();
        let begin = async {
            match &turn {
                Some(turn) => transaction.begin_with(turn).await,
                None => transaction.begin().await,
            }
        };
        let sent = Moment::now();
        // They are sent in this order.
        let ((), member, due, clock) = futures_util::try_join!(
            begin,
            async { transaction.query_opt(&hold, &[&node_id]).await },
            async {
                transaction
                    .query(
                        &lock,
                        &[
                            &stub,
                            &seconds,
                            &at_most,
                            &overdue_at_most,
                            &left_out,
                            &each,
                            &since,
                        ],
                    )
                    .await
            },
            async { transaction.query_one(&ahead, &[&stub, &seconds]).await },
        )
        .during("leases.lock_due")?;
        let read_at = Instant::now();
        let clock = Values::of("leases.look_ahead", &clock);
        let now = clock.get("now")?;
        if member.is_none() || stub.is_none() && !self.clock_watch.admits(sent, now) {
            return Ok(None);
        }
        let overdue: Vec<bool> = column("job_trigger", &due, "overdue")?;
        let fire_times: usize = overdue
            .iter()
            .map(|overdue| if *overdue { fires_per_trigger } else { 1 })
            .sum();
        // Each lane goes on until the limit, so that a poll that took less left nothing behind.
        let full = fire_times >= limit;
        let locked = due
            .iter()
            .filter_map(|row| self.locked(row))
            .collect::<Vec<_>>();
        let new_cache_tag = fastrand::i64(..);
        let of_schedules = locked
            .iter()
            .filter(|locked| locked.trigger.kind == TriggerKind::Schedule);
        let cache_tags = of_schedules
            .map(|locked| {
                (
                    locked.trigger.job_id,
                    locked.cache_tag.unwrap_or(new_cache_tag),
                )
            })
            .collect();
        let overdue = locked
            .iter()
            .filter(|locked| locked.overdue)
            .map(|locked| locked.trigger.due_at);
        let low_watermark = match overdue.max() {
            None if full && overdue_at_most == 0 => since,
            last_taken => last_taken.filter(|_| full),
        };
        let own = locked
            .iter()
            .filter(|locked| locked.bears_own)
            .map(|locked| locked.trigger.id)
            .collect();
        let triggers: Vec<Trigger> = locked.into_iter().map(|locked| locked.trigger).collect();
        Ok(Some(Due {
            fires_per_trigger,
            remaining: limit.saturating_sub(triggers.len()),
            full,
            low_watermark,
            triggers,
            own,
            cache_tags,
            new_cache_tag,
            now,
            read_at,
            // What is due at no time that can be counted with is not waited for.
            upcoming: clock.get("next_due").unwrap_or_default(),
            // Such an end of a blackout is later than all.
            blackouts_until: clock
                .get("blackouts_until")
                .unwrap_or(Some(Timestamp::MAX_UTC)),
        }))
    }

    /// A trigger that was locked; none when it cannot be read, which costs its job alone.
    fn locked(&self, row: &Row) -> Option<Locked> {
        let read = locked(row);
        if let Err(error) = &read
            && let Ok(job_id) = Values::of("job_trigger", row).get("job_id")
        {
            self.unreadable.leave_alone(job_id, &error.to_string());
        }
        read.ok()
    }
}

/// A trigger that a poll has locked.
struct Locked {
    trigger: Trigger,
    /// The cache tag that it bears.
    cache_tag: Option<i64>,
    /// Whether it has been due for a second.
    overdue: bool,
    /// Whether it bears what its execution has of its own.
    bears_own: bool,
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
        excluded_from: row.get("closed_from")?,
    };
    let (cache_tag, overdue, bears_own) = (
        row.get("job_stamp")?,
        row.get("overdue")?,
        row.get("bears_own")?,
    );
    Ok(Locked {
        trigger,
        cache_tag,
        overdue,
        bears_own,
    })
}

fn as_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
