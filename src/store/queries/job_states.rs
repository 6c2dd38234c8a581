//! The state of jobs, derived from status, triggers and failures; for lists and for the fields of a
//! job.
//!
//! Only `job_failing` is stored. `ENDED` and `WAITING` follow from the triggers
//! (docs/decisions/0039).

use crate::model::Timestamp;
use crate::model::job::JobState;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::jobs::triggers::all_triggers;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use tokio_postgres::Row;
use uuid::Uuid;

/// True of a job `j` without a fire time left. Served by `job_trigger_ended`.
const ENDED: &str = "exists (select from job_trigger s
    where s.id = j.id and s.kind = 'SCHEDULE' and s.due_at is null and s.awaits is null
      and not s.paused and s.paused_due_at is null)";

/// Jobs with a fire time that has passed without a start: due for more than a second, behind an
/// execution of the job, or deferred by a blackout, whose end is the due time.
const WAITING: &str = concat!(
    "select s.job_id from ",
    all_triggers!(),
    " as s
    where s.due_at <= (select {now} - interval '1 second')
    union all select s.job_id from job_trigger s where s.kind = 'BUFFERED' and s.due_at is null
      and s.paused_due_at is null
    union all select s.job_id from blackout b join ",
    all_triggers!(),
    " as s on s.due_at = b.ends_at
        where b.ends_at > (select {now}) and s.fire_time <= (select {now})"
);

/// The states of jobs. $2 is the clock of a test.
const READ: Statement = Statement::new(
    "-- job_states.read
select j.id, {state} as state, j.status = 'ACTIVE' and {ended} as has_ended,
       f.execution_id, f.since, f.failed_at, f.message
from job_definition j left join job_failing f on f.job_id = j.id where j.id = any($1::uuid[])",
);

/// The current time in a list.
const CLOCK: &str = "clock_timestamp()";

/// The state of a job `j`. The first matching line wins: a failing job is `FAILING` even when
/// paused.
fn state(now: &str) -> String {
    let waiting = WAITING.replace("{now}", now);
    format!(
        "case when j.status = 'DELETED' then 'DELETED'
    when j.id in (select job_id from job_failing) then 'FAILING'
    when j.status = 'PAUSED' then 'PAUSED'
    when {ENDED} then 'ENDED'
    when j.id in ({waiting}) then 'WAITING'
    else 'ACTIVE' end"
    )
}

/// A condition about a job `j`: the state is in `$n`.
pub(super) fn is_in() -> String {
    format!("{} = any(?::text[])", state(CLOCK))
}

/// A query for the ids of all jobs possibly in the states, if an index serves the query.
pub(crate) fn candidates(states: &[JobState]) -> Option<String> {
    if states
        .iter()
        .any(|state| !matches!(state, JobState::Failing | JobState::Waiting))
    {
        return None;
    }
    let failing = states
        .contains(&JobState::Failing)
        .then(|| "select job_id from job_failing".to_owned());
    let waiting = states
        .contains(&JobState::Waiting)
        .then(|| WAITING.replace("{now}", CLOCK));
    // An empty list leaves out all jobs.
    let none = states.is_empty().then(|| "select null::uuid".to_owned());
    let found: Vec<String> = failing.into_iter().chain(waiting).chain(none).collect();
    Some(found.join("\n    union all "))
}

/// The state of a job, with the reason.
#[derive(Debug, Clone)]
pub struct JobStateRecord {
    /// State of the job.
    pub state: JobState,
    /// Whether the schedule has no fire time left; false for a paused or deleted job.
    pub has_ended: bool,
    /// The execution behind the state FAILING.
    pub failing: Option<Failing>,
}

/// Why a job fails.
#[derive(Debug, Clone)]
pub struct Failing {
    /// The last failed execution.
    pub execution_id: Uuid,
    /// End of the first failed execution since the last success.
    pub since: Timestamp,
    /// End of the last failed execution.
    pub failed_at: Timestamp,
    /// The error of the last failed execution.
    pub message: String,
}

impl Store {
    /// The states of the jobs, by id.
    pub async fn job_state_records(
        &self,
        jobs: &[Uuid],
    ) -> Result<HashMap<Uuid, JobStateRecord>, StoreError> {
        let state = state("coalesce($2::timestamptz, clock_timestamp())");
        let text = READ.filled(&[("{state}", &state), ("{ended}", ENDED)]);
        let rows = self
            .read_rows(READ.with_sql(&text), &[&jobs, &self.clock().stub()])
            .await?;
        rows.iter().map(state_record).collect()
    }
}

fn state_record(row: &Row) -> Result<(Uuid, JobStateRecord), StoreError> {
    let row = Values::of("job_failing", row);
    let state = row
        .get::<&str>("state")?
        .parse()
        .map_err(|error: crate::model::UnknownName| row.unreadable(error))?;
    let failing = match row.get("execution_id")? {
        None => None,
        Some(execution_id) => Some(Failing {
            execution_id,
            since: row.bound("since")?,
            failed_at: row.bound("failed_at")?,
            message: row.get("message")?,
        }),
    };
    Ok((
        row.get("id")?,
        JobStateRecord {
            state,
            has_ended: row.get("has_ended")?,
            failing,
        },
    ))
}
