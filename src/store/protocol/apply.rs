//! The writes of a lease, in a single round trip. The rows of each table travel as columns.

use super::fixed_delay::rearm_fixed_delay;
use super::job_cache::Jobs;
use super::lease_groups::LeaseGroups;
use super::overlap::release_buffered;
use super::own::{insert_own, payload, skip_own};
use super::plan::{LeasePlan, PlannedExecution, TakenAttempt};
use super::preempt::preempt;
use super::skipped::record_skipped;
use crate::model::Timestamp;
use crate::model::schedule::zone::tzdb_edition;
use crate::model::trigger::NewExecution;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{StoreError, both};
use std::collections::{HashMap, HashSet};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Moves schedule triggers to the next state. `LOCK_DUE` has locked the rows. The trigger of a
/// schedule without a cache tag gets $7: the job was read under the lock.
pub const MOVE_ON: Statement = Statement::new(
    "-- leases.move_on
update job_trigger t set fire_time = x.fire_time, due_at = x.due_at, awaits = x.awaits,
    runs = t.runs + x.ran, excluded_from = x.excluded_from,
    cache_tag = case when t.kind = 'SCHEDULE' then coalesce(t.cache_tag, $7) end,
    zone_rules = x.zone_rules, tzdb = case when x.zone_rules is not null then $9 end
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::uuid[], $5::bigint[],
    $6::timestamptz[], $8::bigint[])
    as x (id, fire_time, due_at, awaits, ran, excluded_from, zone_rules)
where t.id = x.id",
);

/// Removes triggers of an execution.
pub const REMOVE: Statement = Statement::new(
    "-- leases.remove
delete from job_trigger where id = any($1::uuid[])",
);

macro_rules! insert {
    () => {
        "-- leases.insert
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, attempt, node_id, started_at, created_at,
        job_version)
select x.id, x.job_id, x.kind, x.fire_time, x.due_time, 'RUNNING', 1, $1, greatest(x.due_time, $2),
    $2, x.job_version
from unnest($3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::int[])
    as x (id, job_id, kind, fire_time, due_time, job_version)"
    };
}

/// Takes fire times. An existing row is an error.
pub const INSERT: Statement = Statement::new(insert!());

/// Takes the fire times not taken before. An existing row stays unchanged: the trigger came back,
/// for example after a failover with lost writes. The price is a look-up and a second WAL record
/// for each row.
pub const INSERT_OR_SKIP: Statement = Statement::new(concat!(
    insert!(),
    "\non conflict (id) do nothing\nreturning id"
));

/// Starts the next attempt of waiting executions. `between` lets the generic plan prune partitions.
pub const RESUME: Statement = Statement::new(
    "-- leases.resume
update job_execution_log l
set status = 'RUNNING', retrying = null, attempt = l.attempt + 1, node_id = $1,
    started_at = greatest(x.due_time, $2),
    due_time = x.due_time, reason = null, error_message = null
from unnest($3::uuid[], $4::timestamptz[]) as x (id, due_time)
where l.id between $5 and $6 and l.id = any($3::uuid[]) and l.id = x.id and l.status = 'RETRYING'
returning l.id, l.attempt, l.failures, l.payload",
);

/// Lists the executions of the lease, so a takeover finds the executions: a common lease for all
/// jobs without serialization, and a lease for each execution of a serialized job.
pub const LIST: Statement = Statement::new(
    "-- leases.list
insert into job_lease (id, node_id, job_id, execution_ids)
select $2::uuid, $1::uuid, null::uuid, $3::uuid[] where cardinality($3::uuid[]) > 0
union all
select x.id, $1, x.job_id, array[x.execution_id] from unnest($4::uuid[], $5::uuid[], $6::uuid[])
    as x (id, job_id, execution_id)",
);

/// Keeps triggers of paused jobs. The resume restores the due times.
const HOLD_BACK: Statement = Statement::new(
    "-- leases.hold_back
update job_trigger set paused_due_at = due_at, due_at = null where id = any($1::uuid[])",
);

/// Gives triggers the routes of their jobs.
const REROUTE: Statement = Statement::new(
    "-- leases.reroute
update job_trigger t set route = x.route from unnest($1::uuid[], $2::text[]) as x (id, route)
where t.id = x.id",
);

/// Buffers fire times, under the ids of the later executions. A one-off trigger becomes the
/// buffered trigger.
const BUFFER: Statement = Statement::new(
    "-- leases.buffer
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select x.id, x.job_id, 'BUFFERED', x.fire_time, null,
    (select j.priority from job_definition j where j.id = x.job_id)
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as x (id, job_id, fire_time)
on conflict (id) do update set kind = 'BUFFERED', due_at = null",
);

/// What a lease does about a fire time with an existing row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictMode {
    /// Not expected: such a row is an error.
    Fail,
    /// Skipped: triggers came back, for example after a failover with lost writes.
    Skip,
    /// Skipped, and each job is taken separately: one job makes the others fail.
    SkipPerJob,
}

/// The writes of a lease.
pub struct LeaseWrites<'a> {
    /// The rows to write.
    pub plan: &'a LeasePlan,
    /// The leases for the executions.
    pub groups: &'a LeaseGroups,
    /// The jobs of the plan.
    pub jobs: &'a Jobs,
    /// The triggers with own values.
    pub own: &'a HashSet<Uuid>,
    /// The node that leases.
    pub node_id: Uuid,
    /// Instant of the poll, by the database's clock.
    pub now: Timestamp,
    /// The cache tag for triggers without a tag.
    pub new_cache_tag: i64,
    /// What to do about fire times with a row.
    pub conflict_mode: ConflictMode,
}

/// The fire times taken by [`LeaseWrites::insert`].
enum Inserted {
    /// Every execution of the batch was inserted.
    All(Vec<Uuid>),
    /// The rows of `INSERT_OR_SKIP`: the fire times not taken before.
    New(Vec<Row>),
}

/// The columns of [`INSERT`].
struct InsertColumns {
    ids: Vec<Uuid>,
    job_ids: Vec<Uuid>,
    kinds: Vec<&'static str>,
    fire_times: Vec<Timestamp>,
    due_times: Vec<Timestamp>,
    job_versions: Vec<Option<i32>>,
}

impl InsertColumns {
    fn with_capacity(rows: usize) -> Self {
        Self {
            ids: Vec::with_capacity(rows),
            job_ids: Vec::with_capacity(rows),
            kinds: Vec::with_capacity(rows),
            fire_times: Vec::with_capacity(rows),
            due_times: Vec::with_capacity(rows),
            job_versions: Vec::with_capacity(rows),
        }
    }
}

/// The columns of [`LIST`].
#[derive(Default)]
struct ListColumns {
    /// Executions of the common lease.
    common: Vec<Uuid>,
    /// Separate leases for serialized jobs …
    lease_ids: Vec<Uuid>,
    /// … their jobs …
    job_ids: Vec<Uuid>,
    /// … and their executions.
    execution_ids: Vec<Uuid>,
}

/// The columns of [`MOVE_ON`].
struct UpdateColumns {
    ids: Vec<Uuid>,
    fire_times: Vec<Timestamp>,
    due_ats: Vec<Option<Timestamp>>,
    awaits: Vec<Option<Uuid>>,
    ran: Vec<i64>,
    excluded_from: Vec<Option<Timestamp>>,
    zone_rules: Vec<Option<i64>>,
}

impl UpdateColumns {
    fn with_capacity(rows: usize) -> Self {
        Self {
            ids: Vec::with_capacity(rows),
            fire_times: Vec::with_capacity(rows),
            due_ats: Vec::with_capacity(rows),
            awaits: Vec::with_capacity(rows),
            ran: Vec::with_capacity(rows),
            excluded_from: Vec::with_capacity(rows),
            zone_rules: Vec::with_capacity(rows),
        }
    }
}

impl LeaseWrites<'_> {
    /// Writes the plan. Returns the taken attempts, by execution.
    pub async fn execute(
        &self,
        transaction: &Transaction,
    ) -> Result<HashMap<Uuid, TakenAttempt>, StoreError> {
        // Before the triggers are deleted: the rows get the values from the triggers.
        let mut taken = self.write_own(transaction).await?;
        self.reroute(transaction).await?;
        let mut ended = preempt(&self.plan.preempted_jobs, transaction, self.now).await?;
        // All answers are awaited: the first error to arrive may only be the echo of the cause.
        let (inserted, resumed, listed, updated, removed, paused, buffered, recorded) = futures_util::join!(
            self.insert(transaction),
            self.resume(transaction),
            self.list(transaction),
            self.update_triggers(transaction),
            self.remove_triggers(transaction),
            self.pause_triggers(transaction),
            self.buffer(transaction),
            record_skipped(&self.plan.skipped, transaction, self.now),
        );
        let rest = both(
            both(listed, updated),
            both(both(removed, paused), both(buffered, recorded)),
        );
        let ((inserted, resumed), _) = both(both(inserted, resumed), rest)?;
        ended.extend(&self.plan.rearm_after_skip);
        // After the rows of skipped executions are written: the next due time is computed from the
        // rows.
        rearm_fixed_delay(transaction, &ended).await?;
        // A fire time waits for nothing after the preemption of an execution between two attempts.
        release_buffered(transaction, Some(self.now), &self.plan.preempted_jobs).await?;
        let inserted = match inserted {
            Inserted::All(ids) => ids,
            Inserted::New(rows) => column(INSERT_OR_SKIP.name(), &rows, 0)?,
        };
        for id in inserted {
            let first = TakenAttempt {
                attempt: 1,
                // The first attempt has no history to read.
                failures: 0,
                payload: None,
            };
            taken.insert(id, first);
        }
        for row in &resumed {
            let values = Values::of(RESUME.name(), row);
            let next = TakenAttempt {
                attempt: values.get("attempt")?,
                failures: values.get("failures")?,
                payload: payload(row)?,
            };
            taken.insert(values.get("id")?, next);
        }
        Ok(taken)
    }

    /// Writes the executions with own values. Returns the taken attempts.
    async fn write_own(
        &self,
        transaction: &Transaction,
    ) -> Result<HashMap<Uuid, TakenAttempt>, StoreError> {
        if self.own.is_empty() {
            return Ok(HashMap::new());
        }
        let skipped: Vec<Uuid> = self
            .plan
            .skipped
            .iter()
            .map(|skipped| skipped.range.execution_id)
            .filter(|id| self.own.contains(id))
            .collect();
        skip_own(transaction, &skipped, self.now).await?;
        let executions: Vec<&PlannedExecution> = self
            .plan
            .executions
            .iter()
            .filter(|planned| self.has_own(&planned.execution))
            .collect();
        insert_own(transaction, &executions, self.jobs, self.node_id, self.now).await
    }

    /// Whether an execution has own values not yet in the row.
    fn has_own(&self, execution: &NewExecution) -> bool {
        !execution.resumes && self.own.contains(&execution.execution_id)
    }

    async fn insert(&self, transaction: &Transaction) -> Result<Inserted, StoreError> {
        let mut columns = InsertColumns::with_capacity(self.plan.executions.len());
        for PlannedExecution { trigger, execution } in &self.plan.executions {
            // `RESUME` and `INSERT_OWN` write the other rows.
            if execution.resumes || self.has_own(execution) {
                continue;
            }
            columns.ids.push(execution.execution_id);
            columns.job_ids.push(trigger.job_id);
            columns.kinds.push(trigger.kind.in_log().as_str());
            columns.fire_times.push(execution.fire_time);
            columns.due_times.push(execution.due_time);
            let job = self.jobs.get(&trigger.job_id);
            columns.job_versions.push(job.map(|job| job.version));
        }
        if columns.ids.is_empty() {
            return Ok(Inserted::All(Vec::new()));
        }
        let values: [&(dyn ToSql + Sync); 8] = [
            &self.node_id,
            &self.now,
            &columns.ids,
            &columns.job_ids,
            &columns.kinds,
            &columns.fire_times,
            &columns.due_times,
            &columns.job_versions,
        ];
        // `returning` tells which rows are new. Without conflicts the ids are known, and no row
        // travels back.
        if self.conflict_mode != ConflictMode::Fail {
            let rows = INSERT_OR_SKIP.query(transaction, &values).await?;
            return Ok(Inserted::New(rows));
        }
        INSERT.execute(transaction, &values).await?;
        Ok(Inserted::All(columns.ids))
    }

    async fn resume(&self, transaction: &Transaction) -> Result<Vec<Row>, StoreError> {
        let (ids, due_times): (Vec<Uuid>, Vec<Timestamp>) = self
            .plan
            .executions
            .iter()
            .map(|planned| planned.execution)
            .filter(|execution| execution.resumes)
            .map(|execution| (execution.execution_id, execution.due_time))
            .unzip();
        let (Some(low), Some(high)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(Vec::new());
        };
        let values: [&(dyn ToSql + Sync); 6] =
            [&self.node_id, &self.now, &ids, &due_times, low, high];
        RESUME.query(transaction, &values).await
    }

    async fn list(&self, transaction: &Transaction) -> Result<(), StoreError> {
        if self.plan.executions.is_empty() {
            return Ok(());
        }
        let mut columns = ListColumns::default();
        for PlannedExecution { trigger, execution } in &self.plan.executions {
            let execution_id = execution.execution_id;
            // `job_lease.job_id` marks a serialized job, and such a lease lists a single execution.
            if self.groups.names_job_of(execution_id) {
                columns
                    .lease_ids
                    .push(self.groups.of_execution(execution_id));
                columns.job_ids.push(trigger.job_id);
                columns.execution_ids.push(execution_id);
            } else {
                columns.common.push(execution_id);
            }
        }
        let values: [&(dyn ToSql + Sync); 6] = [
            &self.node_id,
            &self.groups.common(),
            &columns.common,
            &columns.lease_ids,
            &columns.job_ids,
            &columns.execution_ids,
        ];
        LIST.execute(transaction, &values).await.map(drop)
    }

    async fn update_triggers(&self, transaction: &Transaction) -> Result<(), StoreError> {
        if self.plan.trigger_updates.is_empty() {
            return Ok(());
        }
        let mut columns = UpdateColumns::with_capacity(self.plan.trigger_updates.len());
        for update in &self.plan.trigger_updates {
            columns.ids.push(update.id);
            columns.fire_times.push(update.fire_time);
            columns.due_ats.push(update.due_at);
            columns.awaits.push(update.awaits);
            columns.ran.push(update.ran);
            columns.excluded_from.push(update.excluded_from);
            columns.zone_rules.push(update.zone_rules);
        }
        let values: [&(dyn ToSql + Sync); 9] = [
            &columns.ids,
            &columns.fire_times,
            &columns.due_ats,
            &columns.awaits,
            &columns.ran,
            &columns.excluded_from,
            &self.new_cache_tag,
            &columns.zone_rules,
            &tzdb_edition(),
        ];
        MOVE_ON.execute(transaction, &values).await.map(drop)
    }

    async fn remove_triggers(&self, transaction: &Transaction) -> Result<(), StoreError> {
        if self.plan.deleted_triggers.is_empty() {
            return Ok(());
        }
        REMOVE
            .execute(transaction, &[&self.plan.deleted_triggers])
            .await
            .map(drop)
    }

    async fn pause_triggers(&self, transaction: &Transaction) -> Result<(), StoreError> {
        if self.plan.paused_triggers.is_empty() {
            return Ok(());
        }
        HOLD_BACK
            .execute(transaction, &[&self.plan.paused_triggers])
            .await
            .map(drop)
    }

    async fn reroute(&self, transaction: &Transaction) -> Result<(), StoreError> {
        if self.plan.rerouted.is_empty() {
            return Ok(());
        }
        let (ids, routes): (Vec<Uuid>, Vec<Option<String>>) =
            self.plan.rerouted.iter().cloned().unzip();
        REROUTE
            .execute(transaction, &[&ids, &routes])
            .await
            .map(drop)
    }

    async fn buffer(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let buffered = &self.plan.buffered;
        if buffered.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = buffered
            .iter()
            .map(|planned| planned.execution.execution_id)
            .collect();
        let job_ids: Vec<Uuid> = buffered
            .iter()
            .map(|planned| planned.trigger.job_id)
            .collect();
        let fire_times: Vec<Timestamp> = buffered
            .iter()
            .map(|planned| planned.execution.fire_time)
            .collect();
        BUFFER
            .execute(transaction, &[&ids, &job_ids, &fire_times])
            .await
            .map(drop)
    }
}
