//! Pending fire times follow the rules of the time zones: see docs/decisions/0041.
//!
//! A trigger stores the rules behind the fire time: a hash of the rules of the zones (of the cron
//! expression and of the calendar), and the edition of the tz database. Each repair compares the
//! rules with the tz database of the process, for a slice of the jobs. When a pending fire time was
//! computed by other rules, and the edition of the process is not lower, the trigger gets the next
//! fire time by the rules of the process, like after an edit of the schedule. The same edition
//! never computes a fire time twice, so two disagreeing nodes do not alternate for ever.
//!
//! The stored value is the hash xor the fire time: a node older than V16 writes the fire time
//! alone, and the result matches no rules.

use super::job_slice::{BATCH, JobSlice};
use crate::model::exclusions::{Exclusions, zone_rules};
use crate::model::execution::Reason;
use crate::model::job::Job;
use crate::model::schedule::zone::{Zone, tzdb_edition, tzdb_version};
use crate::model::trigger::Trigger;
use crate::model::{Timestamp, rfc3339};
use crate::store::db::listener::notify;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::jobs::triggers::{SCHEDULE, schedule};
use crate::store::jobs::{exclusions, job_rows, passed};
use crate::store::{Store, StoreError};
use futures_util::future::try_join_all;
use std::collections::{BTreeSet, HashMap};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Most excluded fire times checked separately in a pass, over all jobs; each job has at least
/// `WALK_EACH`.
const WALK_MAX: usize = 20_000;
const WALK_EACH: usize = 20;

/// The rules of the fire time of a trigger `t`; null when unknown. (The conversion fails for other
/// instants.)
macro_rules! rules {
    () => {
        "case when t.fire_time between '1970-01-01Z' and '9999-12-31Z'
              then t.zone_rules # (extract(epoch from t.fire_time) * 1000000)::bigint end"
    };
}

/// Triggers of active jobs of the slice with a pending fire time in a zone. (Both tables have the
/// bounds of the slice, as in `repairs`.)
macro_rules! named_in_a_zone {
    () => {
        "from job_definition j join job_trigger t on t.id = j.id and t.id > $2 and t.id <= $3
left join calendar c on c.name = j.calendar
where j.id > $2 and j.id <= $3 and j.status = 'ACTIVE' and j.schedule_type in ('CRON', 'FIXED_RATE')
  and (j.time_zone <> 'UTC' or c.time_zone <> 'UTC')
  and t.due_at is not null and t.fire_time > coalesce($1::timestamptz, clock_timestamp())
  and t.fire_time <= '9999-12-31Z'"
    };
}

/// The zones in use, the rules of the fire times, and whether the rules come from a process with a
/// higher edition.
const IN_USE: Statement = Statement::new(concat!(
    "-- zones.in_use
select j.time_zone, coalesce(c.time_zone, 'UTC') as calendar_zone, ",
    rules!(),
    " as rules, coalesce(t.tzdb collate \"C\" > $4, false) as is_ahead
",
    named_in_a_zone!(),
    "
group by 1, 2, 3, 4"
));

/// Triggers with zones of other rules in the process. Locked triggers are skipped: the lease or
/// command with the lock computes the fire time.
const STALE: Statement = Statement::new(concat!(
    "-- zones.stale
select t.id ",
    named_in_a_zone!(),
    "
  and coalesce(t.tzdb collate \"C\" <= $4, true)
  and exists (select from unnest($5::text[], $6::text[], $7::bigint[]) as x (time_zone,
      calendar_zone, rules)
              where x.time_zone = j.time_zone and x.calendar_zone = coalesce(c.time_zone, 'UTC')
                and x.rules is distinct from ",
    rules!(),
    ")
order by t.id limit $8 for no key update of j, t skip locked"
));

/// The last taken fire time, per job, read after the lock on the trigger.
const TAKEN: Statement = Statement::new(
    "-- zones.taken
select x.id, coalesce($1::timestamptz, clock_timestamp()) as now,
       (select greatest(l.fire_time, l.through_fire_time) from job_execution_log l
        where l.job_id = x.id and l.kind in ('SCHEDULE', 'BUFFERED') order by l.id desc
        limit 1) as last_fire_time
from unnest($2::uuid[]) as x (id)",
);

/// Fire times of other or unknown rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Followed {
    /// The number of changed fire times.
    pub(super) recomputed: usize,
    /// Fire times with the same result in the process.
    pub(super) confirmed: usize,
}

/// Zones with fire times of other rules; and the rules of the process.
#[derive(Default)]
struct Stale {
    of_schedules: Vec<String>,
    of_calendars: Vec<String>,
    rules: Vec<i64>,
}

/// A fire time to compute again.
pub(super) struct Pending {
    trigger: Trigger,
    job: Job,
    now: Timestamp,
    last_taken: Option<Timestamp>,
}

impl Store {
    /// Computes the pending fire times of the slice again where the zones have other rules now.
    pub(super) async fn follow_zones(&self, slice: JobSlice) -> Result<Followed, StoreError> {
        let stale = self
            .bounded("zones.in_use", self.stale_zones(slice))
            .await?;
        // With a clock a day ahead, the fire times of a day would be skipped.
        if stale.rules.is_empty() || !self.is_clock_trusted().await? {
            return Ok(Followed::default());
        }
        self.bounded("zones.follow", async {
            let transaction = self.begin("zones.begin").await?;
            let pending = self.lock_stale(&transaction, slice, &stale).await?;
            let named = self.name_again(&transaction, &pending).await?;
            notify(&transaction).await?;
            if !self.commit_by_clock(transaction, "zones.commit").await? {
                return Ok(Followed::default());
            }
            Ok(said(&named))
        })
        .await
    }

    async fn stale_zones(&self, slice: JobSlice) -> Result<Stale, StoreError> {
        let session = self.session().await?;
        let values: [&(dyn ToSql + Sync); 4] = [
            &self.clock().stub(),
            &slice.after,
            &slice.end,
            &tzdb_edition(),
        ];
        let rows = IN_USE.query(&session, &values).await?;
        session.release();
        let (mut stale, mut outdated) = (BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            let row = Values::of(IN_USE.name(), row);
            let zones: (&str, &str) = (row.get("time_zone")?, row.get("calendar_zone")?);
            // A zone unreadable to the node is left to other nodes.
            let hash = |name| Zone::named(name).ok().map(|zone| zone.rules_hash());
            let (Some(of_schedule), Some(of_calendar)) = (hash(zones.0), hash(zones.1)) else {
                continue;
            };
            let here = zone_rules(of_schedule, of_calendar);
            match (here, row.get::<Option<i64>>("rules")?) {
                (Some(here), there) if there != Some(here) => {
                    let differing = if row.get("is_ahead")? {
                        &mut outdated
                    } else {
                        &mut stale
                    };
                    differing.insert((zones, here));
                }
                _ => {}
            }
        }
        if let Some((zones, _)) = outdated.first() {
            tracing::warn!(
                tzdb = tzdb_version(),
                count = outdated.len(),
                time_zone = zones.0,
                calendar.time_zone = zones.1,
                "the tz database of this node names other fire times than that of another node, \
                 which counts"
            );
        }
        let mut found = Stale::default();
        for ((of_schedule, of_calendar), rules) in stale {
            found.of_schedules.push(of_schedule.to_owned());
            found.of_calendars.push(of_calendar.to_owned());
            found.rules.push(rules);
        }
        Ok(found)
    }

    /// The stale triggers not locked by another transaction, locked.
    async fn lock_stale(
        &self,
        transaction: &Transaction,
        slice: JobSlice,
        stale: &Stale,
    ) -> Result<Vec<Pending>, StoreError> {
        let stub = self.clock().stub();
        let Stale {
            of_schedules,
            of_calendars,
            rules,
        } = stale;
        let values: [&(dyn ToSql + Sync); 8] = [
            &stub,
            &slice.after,
            &slice.end,
            &tzdb_edition(),
            of_schedules,
            of_calendars,
            rules,
            &BATCH,
        ];
        let rows = STALE.query(transaction, &values).await?;
        let ids: Vec<Uuid> = column(STALE.name(), &rows, 0)?;
        self.lock_pending(transaction, &ids).await
    }

    /// The pending fire times of the jobs locked by the transaction.
    pub(super) async fn lock_pending(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
    ) -> Result<Vec<Pending>, StoreError> {
        let mut jobs = job_rows::by_ids(transaction, ids, &self.unreadable).await?;
        let triggers = passed::lock(transaction, ids, &self.unreadable).await?;
        let mut triggers: HashMap<Uuid, Trigger> = triggers
            .into_iter()
            .map(|locked| (locked.trigger.id, locked.trigger))
            .collect();
        let rows = TAKEN
            .query(transaction, &[&self.clock().stub(), &ids])
            .await?;
        Ok(self
            .unreadable
            .readable(&rows, taken)
            .into_iter()
            .filter_map(
                |(id, now, last_taken): (Uuid, Timestamp, Option<Timestamp>)| {
                    Some(Pending {
                        trigger: triggers.remove(&id)?,
                        job: jobs.remove(&id)?,
                        now,
                        last_taken,
                    })
                },
            )
            .collect())
    }

    /// Each pending fire time with the new fire time.
    pub(super) async fn name_again<'a>(
        &self,
        transaction: &Transaction,
        pending: &'a [Pending],
    ) -> Result<Vec<(&'a Pending, Option<Timestamp>)>, StoreError> {
        let Some(since) = pending
            .iter()
            .map(|pending| pending.trigger.pending().min(pending.now))
            .min()
        else {
            return Ok(Vec::new());
        };
        let definitions = pending.iter().map(|pending| &pending.job.definition);
        // The lock on exclusions is tried, not waited for: triggers are locked already, and a
        // change of exclusions may wait for the triggers.
        let locked =
            exclusions::try_lock_shared(transaction, definitions, since, &self.unreadable).await?;
        let Some(exclusions) = locked else {
            return Ok(Vec::new());
        };
        transaction.prepare(&[SCHEDULE]).await?;
        let walk = (WALK_MAX / pending.len()).max(WALK_EACH);
        let to_come: Vec<&Pending> = pending
            .iter()
            .filter(|pending| {
                let Pending {
                    trigger, job, now, ..
                } = pending;
                // A fire time passed in the meantime stays.
                trigger.fire_time > *now && exclusions.obstacle(job.id, &job.definition).is_none()
            })
            .collect();
        let parts = in_parts(transaction, &to_come, async |part: &[&'a Pending]| {
            let named = part.iter().map(async |pending| {
                let named = pending.name_again(transaction, &exclusions, walk).await?;
                Ok::<_, StoreError>((*pending, named))
            });
            try_join_all(named).await
        })
        .await?;
        self.note_odd(
            "job_trigger",
            parts
                .odd
                .into_iter()
                .map(|(pending, error)| (pending.job.id, error))
                .collect(),
        );
        Ok(parts.done.into_iter().flatten().collect())
    }
}

fn taken(row: &Row) -> Result<(Uuid, Timestamp, Option<Timestamp>), StoreError> {
    let row = Values::of("job_execution_log", row);
    Ok((row.get("id")?, row.get("now")?, row.get("last_fire_time")?))
}

impl Pending {
    /// Whether the fire time changed.
    pub(super) fn is_moved(&self, to: Option<Timestamp>) -> bool {
        to != Some(self.trigger.fire_time)
    }

    /// Like an edit of the schedule: fire times after now, and after the last taken fire time,
    /// follow the new rules. Passed excluded fire times are recorded.
    async fn name_again(
        &self,
        transaction: &Transaction,
        exclusions: &Exclusions,
        walk: usize,
    ) -> Result<Option<Timestamp>, StoreError> {
        let Self {
            trigger,
            job,
            now,
            last_taken,
        } = self;
        if trigger.has_passed(*now) {
            let closed =
                trigger.left_out(&job.definition, exclusions, *now, walk, Reason::Calendar);
            passed::record(transaction, job.id, closed, *now).await?;
        }
        let next = job
            .definition
            .next_fire_time(last_taken.map_or(*now, |last| last.max(*now)));
        schedule(transaction, job.id, &job.definition, exclusions, next, *now).await
    }
}

/// Logs the changes and counts them.
fn said(named: &[(&Pending, Option<Timestamp>)]) -> Followed {
    let moved = |(pending, to): &&(&Pending, Option<Timestamp>)| pending.is_moved(*to);
    let recomputed = named.iter().filter(moved).count();
    if let Some((Pending { trigger, job, .. }, to)) = named.iter().find(moved) {
        tracing::warn!(
            count = recomputed,
            tzdb = tzdb_version(),
            job.id = %job.id,
            from = %rfc3339(trigger.fire_time),
            to = to.map(rfc3339),
            "pending fire times recomputed: the rules of their time zones are others than those \
             that named them"
        );
    }
    Followed {
        recomputed,
        confirmed: named.len() - recomputed,
    }
}
