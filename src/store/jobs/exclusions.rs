//! Exclusions: the calendars and blackouts in force, and the locks for changes.
//!
//! A transaction that schedules a trigger holds `LOCK` shared until COMMIT; a change of exclusions
//! holds `LOCK` exclusively. A change therefore finds every trigger scheduled by the old rules, and
//! makes the trigger due for another poll. A lease only tries the lock, because the change may wait
//! for triggers locked by the lease. After a failed try the next lease waits for a turn before
//! locking anything ([`Turn`]).

use crate::model::Timestamp;
use crate::model::exclusions::{Blackout, BlackoutEndPolicy, Exclusions, Scope};
use crate::model::job::JobDefinition;
use crate::model::schedule::calendar::{Calendar, CalendarRules};
use crate::model::schedule::zone::Zone;
use crate::store::db::listener::notify;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::db::unreadable::UnreadableRows;
use crate::store::{Store, StoreError};
use deadpool_postgres::ClientWrapper;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_postgres::Row;
use uuid::Uuid;

/// Key of the advisory lock: an unused number.
const LOCK: i64 = 0x484f_524f_4c4f_4701;
/// Key of the lock on which changes queue for `LOCK`, so at most a single change is ahead of a
/// waiting lease.
const LINE: i64 = 0x484f_524f_4c4f_4702;
/// Longest wait of a lease for a turn.
const TURN_MILLIS: u32 = 250;

const LOCK_SHARED: Statement = Statement::new(
    "-- exclusions.lock_shared
select pg_advisory_xact_lock_shared($1)",
);

const TRY_LOCK_SHARED: Statement = Statement::new(
    "-- exclusions.try_lock_shared
select pg_try_advisory_xact_lock_shared($1)",
);

const LOCK_EXCLUSIVE: Statement = Statement::new(
    "-- exclusions.lock_exclusive
select pg_advisory_xact_lock($1), pg_advisory_xact_lock($2)",
);

const CALENDARS: Statement = Statement::new(
    "-- exclusions.calendars
select name, time_zone, rules, updated_at from calendar where name = any($1::text[])",
);

/// Blackouts not over at $1, which may defer a later fire time.
const BLACKOUTS: Statement = Statement::new(
    "-- exclusions.blackouts
select id, scope, tag, job_id, starts_at, ends_at, on_end, reason, created_at from blackout
where ends_at > coalesce($1::timestamptz, clock_timestamp())",
);

/// Makes triggers due that moved past fire times excluded by the calendar.
const REPOLL_BY_CALENDAR: Statement = Statement::new(
    "-- exclusions.repoll_by_calendar
update job_trigger t set due_at = greatest(coalesce(t.excluded_from, t.fire_time),
    coalesce($1::timestamptz, clock_timestamp()))
from job_definition j
where j.calendar = $2 and t.id = j.id and t.due_at is not null
  and (t.excluded_from is not null or j.schedule_type = 'FIXED_DELAY')",
);

/// The same for triggers deferred by a blackout with end $2.
const REPOLL_BY_BLACKOUT: Statement = Statement::new(
    "-- exclusions.repoll_by_blackout
update job_trigger t set due_at = greatest(coalesce(t.excluded_from, t.fire_time),
    coalesce($1::timestamptz, clock_timestamp()))
from job_definition j, blackout b
where b.id = $3 and t.id = j.id and (t.due_at = $2 or t.due_at is not null
    and t.excluded_from is not null)
  and (b.scope = 'CLUSTER' or b.scope = 'TAG' and b.tag = any(j.tags) or b.scope = 'JOB'
      and b.job_id = j.id)",
);

/// Whether the last lease failed to get the lock. Then the next lease waits for a turn: with tries
/// alone, changes without a pause in between would block leases for ever.
#[derive(Clone, Default)]
pub struct Turn(Arc<AtomicBool>);

impl Turn {
    pub(crate) fn kept_out(&self) {
        // Relaxed is enough: a lease that misses the news tries once more.
        self.0.store(true, Ordering::Relaxed);
    }

    /// The statements of a waiting lease, sent before the lock of any row.
    pub(crate) fn wait(&self) -> Option<String> {
        self.0.swap(false, Ordering::Relaxed).then(|| {
            format!(
                "set local lock_timeout = '{TURN_MILLIS}ms'; \
                 select pg_catalog.pg_advisory_xact_lock_shared({LOCK})"
            )
        })
    }
}

impl Store {
    /// The exclusions in force for the jobs, for display.
    pub async fn exclusions(&self, jobs: &[&JobDefinition]) -> Result<Exclusions, StoreError> {
        let since = self.clock().stub();
        self.on_session("exclusions.read", async |session| {
            read(session, jobs.iter().copied(), since, &self.unreadable).await
        })
        .await
    }

    /// The exclusions of fire times from `since` on, for jobs with the calendars, for display.
    pub async fn exclusions_since(
        &self,
        calendars: &[&str],
        since: Timestamp,
    ) -> Result<Exclusions, StoreError> {
        self.on_session("exclusions.read", async |session| {
            read_named(session, calendars, Some(since), &self.unreadable).await
        })
        .await
    }
}

/// The exclusions for the jobs from `since` on, locked until the end of the transaction.
pub(super) async fn lock_shared<'a>(
    transaction: &Transaction,
    jobs: impl Iterator<Item = &'a JobDefinition>,
    since: Timestamp,
    unreadable: &UnreadableRows,
) -> Result<Exclusions, StoreError> {
    hold_as_they_are(transaction).await?;
    read(transaction, jobs, Some(since), unreadable).await
}

/// Keeps exclusions from changing until the end of the transaction.
pub(crate) async fn hold_as_they_are(transaction: &Transaction) -> Result<(), StoreError> {
    LOCK_SHARED.execute(transaction, &[&LOCK]).await?;
    Ok(())
}

/// The same without a wait: none while a change holds the lock.
pub(crate) async fn try_lock_shared<'a>(
    transaction: &Transaction,
    jobs: impl Iterator<Item = &'a JobDefinition>,
    since: Timestamp,
    unreadable: &UnreadableRows,
) -> Result<Option<Exclusions>, StoreError> {
    let locked = TRY_LOCK_SHARED.query_one(transaction, &[&LOCK]).await?;
    if Values::of(TRY_LOCK_SHARED.name(), &locked).get(0)? {
        read(transaction, jobs, Some(since), unreadable)
            .await
            .map(Some)
    } else {
        Ok(None)
    }
}

/// Keeps all others from scheduling triggers until the end of the transaction.
pub(super) async fn lock_exclusive(transaction: &Transaction) -> Result<(), StoreError> {
    LOCK_EXCLUSIVE.execute(transaction, &[&LINE, &LOCK]).await?;
    Ok(())
}

/// After a change of a calendar.
pub(super) async fn repoll_by_calendar(
    transaction: &Transaction,
    stub: Option<Timestamp>,
    name: &str,
) -> Result<(), StoreError> {
    REPOLL_BY_CALENDAR
        .execute(transaction, &[&stub, &name])
        .await?;
    notify(transaction).await
}

/// After a change of the end of a blackout.
pub(super) async fn repoll_by_blackout(
    transaction: &Transaction,
    stub: Option<Timestamp>,
    id: Uuid,
    old_end: Timestamp,
) -> Result<(), StoreError> {
    REPOLL_BY_BLACKOUT
        .execute(transaction, &[&stub, &old_end, &id])
        .await?;
    notify(transaction).await
}

/// Unreadable rows (made by a newer version) are left out: the caller must leave the concerned jobs
/// alone.
pub(crate) async fn read<'a>(
    client: &ClientWrapper,
    jobs: impl Iterator<Item = &'a JobDefinition>,
    since: Option<Timestamp>,
    unreadable: &UnreadableRows,
) -> Result<Exclusions, StoreError> {
    let mut names: Vec<&str> = jobs.filter_map(|job| job.calendar.as_deref()).collect();
    // A list without repetitions: many jobs share a calendar.
    names.sort_unstable();
    names.dedup();
    read_named(client, &names, since, unreadable).await
}

async fn read_named(
    client: &ClientWrapper,
    names: &[&str],
    since: Option<Timestamp>,
    unreadable: &UnreadableRows,
) -> Result<Exclusions, StoreError> {
    let mut calendars = HashMap::new();
    if !names.is_empty() {
        let rows = CALENDARS.query(client, &[&names]).await?;
        let readable = unreadable.readable(&rows, calendar).into_iter();
        calendars = readable
            .map(|calendar| (calendar.name().to_owned(), calendar))
            .collect();
    }
    let rows = BLACKOUTS.query(client, &[&since]).await?;
    let mut exclusions = Exclusions {
        calendars,
        ..Exclusions::default()
    };
    for row in &rows {
        match blackout(row) {
            Ok(blackout) => exclusions.blackouts.push(blackout),
            Err(error) => {
                // The scope is known even of an unreadable blackout: only the jobs in the scope
                // stop.
                unreadable.note(&error);
                exclusions
                    .unknown
                    .extend(scope(Values::of("blackout", row)));
            }
        }
    }
    Ok(exclusions)
}

fn calendar(row: &Row) -> Result<Calendar, StoreError> {
    let row = Values::of("calendar", row);
    let zone = Zone::named(row.get("time_zone")?).map_err(|error| row.unreadable(error))?;
    let rules: CalendarRules =
        serde_json::from_value(row.get("rules")?).map_err(|error| row.unreadable(error))?;
    let calendar =
        Calendar::new(row.get("name")?, zone, &rules).map_err(|error| row.unreadable(error))?;
    Ok(calendar.changed(row.get("updated_at")?))
}

fn scope(row: Values<'_>) -> Result<Scope, StoreError> {
    match (
        row.get("scope")?,
        row.get::<Option<String>>("tag")?,
        row.get::<Option<Uuid>>("job_id")?,
    ) {
        ("CLUSTER", _, _) => Ok(Scope::Cluster),
        ("TAG", Some(tag), _) => Ok(Scope::Tag(tag)),
        ("JOB", _, Some(job)) => Ok(Scope::Job(job)),
        _ => Err(row.unreadable("unknown scope")),
    }
}

pub(crate) fn blackout(row: &Row) -> Result<Blackout, StoreError> {
    let row = Values::of("blackout", row);
    let on_end = row.get::<&str>("on_end")?.parse::<BlackoutEndPolicy>();
    Ok(Blackout {
        id: row.get("id")?,
        scope: scope(row)?,
        starts_at: row.bound("starts_at")?,
        ends_at: row.bound("ends_at")?,
        on_end: on_end.map_err(|error| row.unreadable(error))?,
        reason: row.get("reason")?,
    })
}
