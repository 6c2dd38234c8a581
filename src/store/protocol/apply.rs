//! The writes of a lease, column by column as they travel, in one round trip.

use super::acquire::{ConflictMode, Jobs};
use super::complete::{rearm_fixed_delay, release_buffered};
use super::lease_groups::LeaseGroups;
use super::own::{Begun, Own, payload};
use super::plan::LeasePlan;
use crate::model::Timestamp;
use crate::model::schedule::zone::tzdb_edition;
use crate::model::trigger::{NewExecution, SkippedRange, Trigger, TriggerKind};
use crate::store::db::listener::WAKE_UP_CHANNEL;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::{During, StoreError, both};
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Moves schedule triggers on: to the next fire time, to awaiting the end of
/// their execution, or to rest. The rows are locked by `LOCK_DUE`. A schedule's that
/// bears no cache tag gets $7: its job was read under that lock.
pub const MOVE_ON: &str = "-- leases.move_on
update job_trigger t set fire_time = x.fire_time, due_at = x.due_at, awaits = x.awaits, runs = t.runs + x.ran,
    closed_from = x.closed_from, job_stamp = case when t.kind = 'SCHEDULE' then coalesce(t.job_stamp, $7) end,
    zone_rules = x.zone_rules, tzdb = case when x.zone_rules is not null then $9 end
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::uuid[], $5::bigint[], $6::timestamptz[], $8::bigint[])
    as x (id, fire_time, due_at, awaits, ran, closed_from, zone_rules)
where t.id = x.id";

/// Removes triggers that were for one execution.
pub const REMOVE: &str = "-- leases.remove
delete from job_trigger where id = any($1::uuid[])";

macro_rules! insert {
    () => {
        "-- leases.insert
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, node_id, started_at, created_at, job_version)
select x.id, x.job_id, x.kind, x.fire_time, x.due_time, 'RUNNING', 1, $1, greatest(x.due_time, $2), $2, x.job_version
from unnest($3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::int[])
    as x (id, job_id, kind, fire_time, due_time, job_version)"
    };
}

/// Takes fire times. A row that exists already is an error.
pub const INSERT: &str = insert!();

/// Takes those fire times that were not taken before. A row that exists already was (the trigger
/// came back, say after a failover that lost its last writes): it stays as it is.
/// The server finds out with a look-up and a second record in the WAL for each row.
pub const INSERT_OR_SKIP: &str = concat!(insert!(), "\non conflict (id) do nothing\nreturning id");

/// Starts the next attempt of executions that wait for one. `between` lets the
/// generic plan prune partitions.
pub const RESUME: &str = "-- leases.resume
update job_execution_log l
set status = 'RUNNING', retrying = null, attempt = l.attempt + 1, node_id = $1, started_at = greatest(x.due_time, $2),
    due_time = x.due_time, reason = null, error_message = null
from unnest($3::uuid[], $4::timestamptz[]) as x (id, due_time)
where l.id between $5 and $6 and l.id = any($3::uuid[]) and l.id = x.id and l.status = 'RETRYING'
returning l.id, l.attempt, l.failures, l.payload";

/// Says where to look for what this lease puts in flight, or nobody would find it when the node is
/// gone: one lease for what may run beside its like, and one each for executions of a job that may
/// not.
pub const LIST: &str = "-- leases.list
insert into job_lease (id, node_id, job_id, execution_ids)
select $2::uuid, $1::uuid, null::uuid, $3::uuid[] where cardinality($3::uuid[]) > 0
union all
select x.id, $1, x.job_id, array[x.execution_id] from unnest($4::uuid[], $5::uuid[], $6::uuid[]) as x (id, job_id, execution_id)";

/// Lets triggers wait until their jobs are resumed, which gives them their due times back.
const HOLD_BACK: &str = "-- leases.hold_back
update job_trigger set held_due_at = due_at, due_at = null where id = any($1::uuid[])";

/// Lets fire times wait behind a running execution, under the id that they will
/// run as. A one-off trigger becomes the waiting one.
const BUFFER: &str = "-- leases.buffer
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select x.id, x.job_id, 'BUFFERED', x.fire_time, null, (select j.priority from job_definition j where j.id = x.job_id)
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as x (id, job_id, fire_time)
on conflict (id) do update set kind = 'BUFFERED', due_at = null";

/// Records fire times that are not run.
pub const RECORD_SKIPPED: &str = "-- leases.record_skipped
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time, occurrences,
     coalesced_into, error_message, finished_at, created_at)
select x.id, x.job_id, x.kind, x.fire_time, x.fire_time, 'SKIPPED', x.reason, 0, x.through_fire_time,
       x.occurrences, x.coalesced_into, x.because, $1, $1
from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::int[], $9::uuid[],
            $10::text[])
    as x (id, job_id, kind, reason, fire_time, through_fire_time, occurrences, coalesced_into, because)
on conflict (id) do nothing";

/// Preempts what these jobs run: asks it to end …
const CANCEL_RUNNING: &str = "-- leases.cancel_running
update job_execution_log set cancel_requested_at = $2
where id = any(array(select id from execution_in_flight where job_id = any($1::uuid[])))
  and status = 'RUNNING' and cancel_requested_at is null";

/// … ends what waits for its next attempt …
const CANCEL_RETRYING: &str = "-- leases.cancel_retrying
with removed as (delete from job_trigger where job_id = any($1::uuid[]) and kind in ('RETRY', 'RECOVERY') returning id)
update job_execution_log l
set status = 'CANCELLED', retrying = null, finished_at = $2, error_message = 'a later fire time of the job took its place'
from removed r where l.id = r.id and l.status = 'RETRYING' returning l.id";

/// … and skips what waits behind it.
const SKIP_BUFFERED: &str = "-- leases.skip_buffered
with removed as (delete from job_trigger where job_id = any($1::uuid[]) and kind = 'BUFFERED' returning *)
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time, occurrences, finished_at, created_at, repeats, payload)
select id, job_id, kind, fire_time, fire_time, 'SKIPPED', 'OVERLAP', 0, fire_time, 1, $2, $2, repeats, payload from removed
on conflict (id) do nothing returning id";

/// Writes a plan. Returns what is known of every execution that was really taken.
pub async fn execute(
    plan: &LeasePlan,
    own: &Own<'_>,
    transaction: &Transaction,
    (node_id, leases): (Uuid, &LeaseGroups),
    (now, new_cache_tag): (Timestamp, i64),
    (jobs, conflict_mode): (&Jobs, ConflictMode),
) -> Result<HashMap<Uuid, Begun>, StoreError> {
    let mut begun = own.write(plan, transaction, (node_id, now), jobs).await?;
    let mut ended = preempt(&plan.preempted_jobs, transaction, now).await?;
    // All are waited for: the first error to arrive may be no more than the echo of another's.
    let (inserted, resumed, listed, moved, removed, held, buffered, recorded) = futures_util::join!(
        insert(
            (&plan.executions, own),
            transaction,
            node_id,
            now,
            (jobs, conflict_mode)
        ),
        resume(&plan.executions, transaction, node_id, now),
        list(&plan.executions, transaction, node_id, leases),
        move_on(plan, transaction, new_cache_tag),
        remove(plan, transaction),
        hold_back(plan, transaction),
        buffer(&plan.buffered, transaction),
        record_skipped(&plan.skipped, transaction, now),
    );
    let [listed, moved, removed, held, buffered, recorded] =
        [listed, moved, removed, held, buffered, recorded]
            .map(|written| written.during("leases.write"));
    let rest = both(
        both(listed, moved),
        both(both(removed, held), both(buffered, recorded)),
    );
    let taken = both(
        inserted.during("leases.write"),
        resumed.during("leases.write"),
    );
    let ((inserted, resumed), _) = both(taken, rest)?;
    ended.extend(&plan.rearm_after_skip);
    rearm_fixed_delay(transaction, &ended).await?;
    // What replaced an execution between two attempts waits for nothing.
    release_buffered(transaction, Some(now), &plan.preempted_jobs).await?;
    let inserted = match inserted {
        Inserted::All(ids) => ids,
        Inserted::New(rows) => column("leases.insert", &rows, 0)?,
    };
    begun.extend(inserted.into_iter().map(|id| {
        (
            id,
            Begun {
                attempt: 1,
                failures: 0,
                payload: None,
            },
        )
    }));
    for resumed in &resumed {
        let (row, payload) = (Values::of("leases.resume", resumed), payload(resumed)?);
        let taken = Begun {
            attempt: row.get("attempt")?,
            failures: row.get("failures")?,
            payload,
        };
        begun.insert(row.get("id")?, taken);
    }
    Ok(begun)
}

/// The executions that this ended.
async fn preempt(
    jobs: &[Uuid],
    transaction: &Transaction,
    now: Timestamp,
) -> Result<Vec<Uuid>, StoreError> {
    const CALL: &str = "leases.give_way";
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    transaction
        .execute(CANCEL_RUNNING, &[&jobs, &now])
        .await
        .during(CALL)?;
    let cancelled = transaction
        .query(CANCEL_RETRYING, &[&jobs, &now])
        .await
        .during(CALL)?;
    let skipped = transaction
        .query(SKIP_BUFFERED, &[&jobs, &now])
        .await
        .during(CALL)?;
    // The nodes that run them look for it.
    transaction
        .execute("select pg_notify($1, '')", &[&WAKE_UP_CHANNEL])
        .await
        .during(CALL)?;
    column(CALL, cancelled.iter().chain(&skipped), 0)
}

/// Fire times that a lease has taken.
enum Inserted {
    /// All that were to be.
    All(Vec<Uuid>),
    /// Those that were not taken before: the rows of `INSERT_OR_SKIP`.
    New(Vec<Row>),
}

async fn insert(
    (executions, own): (&[(Trigger, NewExecution)], &Own<'_>),
    transaction: &Transaction,
    node_id: Uuid,
    now: Timestamp,
    (jobs, conflict_mode): (&Jobs, ConflictMode),
) -> Result<Inserted, tokio_postgres::Error> {
    let fresh: Vec<_> = executions
        .iter()
        .filter(|(_, execution)| !execution.resumes && !own.holds(execution))
        .collect();
    if fresh.is_empty() {
        return Ok(Inserted::All(Vec::new()));
    }
    let ids: Vec<Uuid> = fresh
        .iter()
        .map(|(_, execution)| execution.execution_id)
        .collect();
    let job_ids: Vec<Uuid> = fresh.iter().map(|(trigger, _)| trigger.job_id).collect();
    let kinds: Vec<&str> = fresh
        .iter()
        .map(|(trigger, _)| trigger.kind.in_log().as_str())
        .collect();
    let fire_times: Vec<Timestamp> = fresh
        .iter()
        .map(|(_, execution)| execution.fire_time)
        .collect();
    let due_times: Vec<Timestamp> = fresh
        .iter()
        .map(|(_, execution)| execution.due_time)
        .collect();
    let versions: Vec<Option<i32>> = job_ids
        .iter()
        .map(|id| jobs.get(id).map(|job| job.version))
        .collect();
    let values: [&(dyn ToSql + Sync); 8] = [
        &node_id,
        &now,
        &ids,
        &job_ids,
        &kinds,
        &fire_times,
        &due_times,
        &versions,
    ];
    if conflict_mode != ConflictMode::Fail {
        let rows = transaction
            .query(&transaction.prepare_cached(INSERT_OR_SKIP).await?, &values)
            .await?;
        return Ok(Inserted::New(rows));
    }
    transaction
        .execute(&transaction.prepare_cached(INSERT).await?, &values)
        .await?;
    Ok(Inserted::All(ids))
}

async fn resume(
    executions: &[(Trigger, NewExecution)],
    transaction: &Transaction,
    node_id: Uuid,
    now: Timestamp,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let resumed = executions.iter().filter(|(_, execution)| execution.resumes);
    let (ids, due_times): (Vec<Uuid>, Vec<Timestamp>) = resumed
        .map(|(_, execution)| (execution.execution_id, execution.due_time))
        .unzip();
    let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
        return Ok(Vec::new());
    };
    let statement = transaction.prepare_cached(RESUME).await?;
    transaction
        .query(&statement, &[&node_id, &now, &ids, &due_times, low, high])
        .await
}

async fn list(
    executions: &[(Trigger, NewExecution)],
    transaction: &Transaction,
    node_id: Uuid,
    leases: &LeaseGroups,
) -> Result<(), tokio_postgres::Error> {
    if executions.is_empty() {
        return Ok(());
    }
    let is_single =
        |(_, execution): &&(Trigger, NewExecution)| leases.names_job_of(execution.execution_id);
    let (single, common): (Vec<_>, Vec<_>) = executions.iter().partition(is_single);
    let common: Vec<Uuid> = common
        .iter()
        .map(|(_, execution)| execution.execution_id)
        .collect();
    let ids: Vec<Uuid> = single
        .iter()
        .map(|(_, execution)| leases.of_execution(execution.execution_id))
        .collect();
    let job_ids: Vec<Uuid> = single.iter().map(|(trigger, _)| trigger.job_id).collect();
    let single_executions: Vec<Uuid> = single
        .iter()
        .map(|(_, execution)| execution.execution_id)
        .collect();
    let statement = transaction.prepare_cached(LIST).await?;
    transaction
        .execute(
            &statement,
            &[
                &node_id,
                &leases.common(),
                &common,
                &ids,
                &job_ids,
                &single_executions,
            ],
        )
        .await?;
    Ok(())
}

async fn move_on(
    plan: &LeasePlan,
    transaction: &Transaction,
    new_cache_tag: i64,
) -> Result<(), tokio_postgres::Error> {
    if plan.trigger_updates.is_empty() {
        return Ok(());
    }
    let trigger_updates = &plan.trigger_updates;
    let ids: Vec<Uuid> = trigger_updates.iter().map(|update| update.id).collect();
    let fire_times: Vec<Timestamp> = trigger_updates
        .iter()
        .map(|update| update.fire_time)
        .collect();
    let due_ats: Vec<Option<Timestamp>> =
        trigger_updates.iter().map(|update| update.due_at).collect();
    let awaits: Vec<Option<Uuid>> = trigger_updates.iter().map(|update| update.awaits).collect();
    let ran: Vec<i64> = trigger_updates.iter().map(|update| update.ran).collect();
    let statement = transaction.prepare_cached(MOVE_ON).await?;
    let excluded_from: Vec<Option<Timestamp>> = trigger_updates
        .iter()
        .map(|update| update.excluded_from)
        .collect();
    let zone_rules: Vec<Option<i64>> = trigger_updates
        .iter()
        .map(|update| update.zone_rules)
        .collect();
    let values: [&(dyn ToSql + Sync); 9] = [
        &ids,
        &fire_times,
        &due_ats,
        &awaits,
        &ran,
        &excluded_from,
        &new_cache_tag,
        &zone_rules,
        &tzdb_edition(),
    ];
    transaction.execute(&statement, &values).await?;
    Ok(())
}

async fn remove(plan: &LeasePlan, transaction: &Transaction) -> Result<(), tokio_postgres::Error> {
    if !plan.deleted_triggers.is_empty() {
        let statement = transaction.prepare_cached(REMOVE).await?;
        transaction
            .execute(&statement, &[&plan.deleted_triggers])
            .await?;
    }
    Ok(())
}

async fn hold_back(
    plan: &LeasePlan,
    transaction: &Transaction,
) -> Result<(), tokio_postgres::Error> {
    if !plan.paused_triggers.is_empty() {
        let statement = transaction.prepare_cached(HOLD_BACK).await?;
        transaction
            .execute(&statement, &[&plan.paused_triggers])
            .await?;
    }
    Ok(())
}

async fn buffer(
    buffered: &[(Trigger, NewExecution)],
    transaction: &Transaction,
) -> Result<(), tokio_postgres::Error> {
    if buffered.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = buffered
        .iter()
        .map(|(_, execution)| execution.execution_id)
        .collect();
    let job_ids: Vec<Uuid> = buffered.iter().map(|(trigger, _)| trigger.job_id).collect();
    let fire_times: Vec<Timestamp> = buffered
        .iter()
        .map(|(_, execution)| execution.fire_time)
        .collect();
    transaction
        .execute(BUFFER, &[&ids, &job_ids, &fire_times])
        .await?;
    Ok(())
}

/// Records fire times that are not run, with their jobs and what made their triggers.
pub async fn record_skipped(
    skipped: &[(Uuid, TriggerKind, SkippedRange)],
    transaction: &Transaction,
    now: Timestamp,
) -> Result<(), tokio_postgres::Error> {
    if skipped.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = skipped
        .iter()
        .map(|(_, _, range)| range.execution_id)
        .collect();
    let job_ids: Vec<Uuid> = skipped.iter().map(|(job_id, _, _)| *job_id).collect();
    let kinds: Vec<&str> = skipped
        .iter()
        .map(|(_, kind, _)| kind.in_log().as_str())
        .collect();
    let reasons: Vec<&str> = skipped
        .iter()
        .map(|(_, _, range)| range.reason.as_str())
        .collect();
    let first: Vec<Timestamp> = skipped
        .iter()
        .map(|(_, _, range)| range.fire_time)
        .collect();
    let through: Vec<Timestamp> = skipped
        .iter()
        .map(|(_, _, range)| range.through_fire_time)
        .collect();
    let counted =
        |range: &SkippedRange| Some(range.occurrences).filter(|occurrences| *occurrences > 0);
    let occurrences: Vec<Option<i32>> =
        skipped.iter().map(|(_, _, range)| counted(range)).collect();
    let into: Vec<Option<Uuid>> = skipped
        .iter()
        .map(|(_, _, range)| range.coalesced_into)
        .collect();
    let message: Vec<Option<&str>> = skipped
        .iter()
        .map(|(_, _, range)| range.message.as_deref())
        .collect();
    let statement = transaction.prepare_cached(RECORD_SKIPPED).await?;
    let values: [&(dyn ToSql + Sync); 10] = [
        &now,
        &ids,
        &job_ids,
        &kinds,
        &reasons,
        &first,
        &through,
        &occurrences,
        &into,
        &message,
    ];
    transaction.execute(&statement, &values).await?;
    Ok(())
}
