//! Pause and resume of jobs, within a transaction. Running executions continue. A buffered fire or
//! a next attempt due during the pause loses the due time in the next lease. The resume restores
//! the due time.

use super::passed::Locked;
use super::triggers::{REMOVE_SCHEDULE, SCHEDULE, next_fire_time_after_resume, schedule};
use super::versions::record_versions;
use super::{exclusions, job_rows, passed};
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::execution::Reason;
use crate::model::job::{Job, JobDefinition, JobStatus};
use crate::model::schedule::Schedule;
use crate::model::trigger::NewExecution;
use crate::store::audit::entry::Entry;
use crate::store::db::listener::notify;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use uuid::Uuid;

/// A ONCE keeps the due time, so the resume sees whether the time has passed.
const PAUSE_TRIGGER: Statement = Statement::new(
    "-- pauses.pause_trigger
update job_trigger t set paused = true, due_at = null,
    paused_due_at = case when j.schedule_type = 'ONCE' and t.fire_time > $2 then t.due_at end
from job_definition j
where t.id = any($1::uuid[]) and t.kind = 'SCHEDULE' and j.id = t.id",
);

/// Waits for a lease with a lock on a trigger: the lease may take the due time away …
const LOCK_ONE_OFFS: Statement = Statement::new(
    "-- pauses.lock_one_offs
select 1 from job_trigger where job_id = any($1::uuid[]) and kind <> 'SCHEDULE'
order by id for update",
);

/// … and the statement after the lock sees the change.
const GIVE_BACK_DUE_TIMES: Statement = Statement::new(
    "-- pauses.give_back_due_times
update job_trigger set due_at = paused_due_at, paused_due_at = null
where job_id = any($1::uuid[]) and kind <> 'SCHEDULE' and paused_due_at is not null",
);

/// The fire time of a paused ONCE.
const HOLD_ONCE: Statement = Statement::new(
    "-- pauses.hold_once
update job_trigger set paused_due_at = $3, fire_time = coalesce($2, fire_time), excluded_from = null
where id = $1 and paused",
);

/// What happens to a ONCE with a time during the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedOnce {
    /// The time is recorded as skipped.
    #[default]
    Skip,
    /// The job runs at the resume.
    Run,
}

impl Store {
    /// Pauses the active jobs of the list, within a transaction. Returns the number.
    pub(crate) async fn pause_in(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        reason: Option<&str>,
    ) -> Result<usize, StoreError> {
        let (paused, now) = self
            .set_status(transaction, ids, JobStatus::Paused, reason)
            .await?;
        let Some(now) = now else { return Ok(0) };
        self.leave_out_passed(transaction, &paused, now, Reason::Paused)
            .await?;
        PAUSE_TRIGGER.execute(transaction, &[&paused, &now]).await?;
        record_versions(transaction, &paused, "PAUSED").await?;
        Ok(paused.len())
    }

    /// Pauses a job with `pauseOnFailure` after the failure of the execution. The decision of the
    /// node is recorded.
    pub(crate) async fn pause_on_failure(
        &self,
        transaction: &Transaction,
        job: Uuid,
        execution: Uuid,
    ) -> Result<(), StoreError> {
        let reason = format!("execution {execution} failed");
        if self.pause_in(transaction, &[job], Some(&reason)).await? > 0 {
            let entry = Entry::of("job", job).with("executionId", execution.to_string());
            transaction.record_decision("pauseOnFailure", entry);
        }
        Ok(())
    }

    /// Resumes the paused jobs of the list, within a transaction. Returns the number.
    pub(super) async fn resume_in(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        missed: MissedOnce,
    ) -> Result<usize, StoreError> {
        let (resumed, now) = self
            .set_status(transaction, ids, JobStatus::Active, None)
            .await?;
        let Some(now) = now else { return Ok(0) };
        let jobs = job_rows::by_ids(transaction, &resumed, &self.unreadable).await?;
        let since = passed::since(transaction, &resumed, now).await?;
        let definitions = jobs.values().map(|job| &job.definition);
        let exclusions =
            exclusions::lock_shared(transaction, definitions, since, &self.unreadable).await?;
        for locked in passed::lock(transaction, &resumed, &self.unreadable).await? {
            if let Some(job) = jobs.get(&locked.trigger.job_id)
                && locked.has_missed(now)
            {
                settle_missed(transaction, &locked, job, &exclusions, now, missed).await?;
            }
        }
        // The updates of all jobs travel together, so the statement must be prepared.
        transaction.prepare(&[SCHEDULE]).await?;
        let scheduled = jobs.values().map(|job| {
            let next = next_fire_time_after_resume(&job.definition, now);
            schedule(transaction, job.id, &job.definition, &exclusions, next, now)
        });
        futures_util::future::try_join_all(scheduled).await?;
        LOCK_ONE_OFFS.query(transaction, &[&resumed]).await?;
        GIVE_BACK_DUE_TIMES
            .execute(transaction, &[&resumed])
            .await?;
        notify(transaction).await?;
        record_versions(transaction, &resumed, "RESUMED").await?;
        Ok(resumed.len())
    }
}

impl Locked {
    /// True of a ONCE with a time passed during the pause.
    fn has_missed(&self, now: Timestamp) -> bool {
        self.is_held && self.trigger.has_passed(now)
    }
}

/// An excluded fire time does not run, even when the request says so.
async fn settle_missed(
    transaction: &Transaction,
    Locked { trigger, .. }: &Locked,
    job: &Job,
    exclusions: &Exclusions,
    now: Timestamp,
    missed: MissedOnce,
) -> Result<(), StoreError> {
    // A ONCE has a single fire time, so one row is enough.
    let left_out = trigger.left_out(&job.definition, exclusions, now, 1, Reason::Paused);
    match (missed, left_out.first()) {
        // The run gets the id of the missed fire time: the fire time cannot run a second time.
        (MissedOnce::Run, Some(once)) if once.reason == Reason::Paused => {
            let execution = NewExecution {
                execution_id: once.execution_id,
                fire_time: once.fire_time,
                due_time: now,
                resumes: false,
            };
            passed::owe(transaction, job.id, job.definition.priority, &[execution]).await
        }
        _ => passed::record(transaction, job.id, left_out, now).await,
    }
}

/// After an edit of a paused job: a ONCE with a passed time is recorded, unless the edit keeps the
/// time; a future ONCE waits at the new time.
pub(super) async fn reschedule_paused(
    transaction: &Transaction,
    store: &Store,
    old: &Job,
    new: &JobDefinition,
    now: Timestamp,
) -> Result<(), StoreError> {
    if new.fires_like(&old.definition) {
        return Ok(());
    }
    let once = match new.schedule {
        Schedule::Once { at } => Some(at),
        _ => None,
    };
    for locked in passed::lock(transaction, &[old.id], &store.unreadable).await? {
        // The answer about the missed time is the caller's, at the resume.
        let same = once.is_some_and(|at| at == locked.trigger.fire_time);
        if locked.has_missed(now) && same {
            return Ok(());
        }
        if locked.has_missed(now) {
            let definitions = std::iter::once(&old.definition);
            let since = Some(locked.trigger.fire_time);
            let exclusions =
                exclusions::read(transaction, definitions, since, &store.unreadable).await?;
            let left_out =
                locked
                    .trigger
                    .left_out(&old.definition, &exclusions, now, 1, Reason::Paused);
            passed::record(transaction, old.id, left_out, now).await?;
        }
        if new.schedule == Schedule::OnDemand {
            REMOVE_SCHEDULE.execute(transaction, &[&old.id]).await?;
            return Ok(());
        }
        let next = once.filter(|_| new.next_fire_time(now).is_some());
        let due_at = next.map(|at| new.due_time(old.id, at));
        HOLD_ONCE
            .execute(transaction, &[&old.id, &next, &due_at])
            .await?;
    }
    Ok(())
}
