//! The chain of a fixed delay: the trigger awaits the end of an execution, and gets the next due
//! time from the end.

use crate::store::StoreError;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use uuid::Uuid;

/// Rearms fixed delays: the next due time is one interval after the end of the awaited execution,
/// rounded up to a millisecond, so the API returns the same instant. After `endAt` there is no due
/// time. The only such statement, for settlements, takeovers, cancellations and repairs. `between`
/// prunes partitions.
pub(crate) const REARM_FIXED_DELAY: Statement = Statement::new(
    "-- settlements.rearm
update job_trigger t
set awaits = null,
    fire_time = ended.next_fire_time,
    due_at = case when t.paused or ended.next_fire_time > ended.end_at then null
        else ended.next_fire_time end
from (
    select l.id, l.job_id, (j.policies ->> 'endAt')::timestamptz as end_at,
           date_trunc('milliseconds', l.finished_at + interval '999 microseconds')
               + make_interval(secs => j.interval_seconds) as next_fire_time
    from job_execution_log l join job_definition j on j.id = l.job_id
    where l.id between $2 and $3 and l.id = any($1::uuid[]) and l.finished_at is not null
      and j.schedule_type = 'FIXED_DELAY'
) as ended
where t.id = ended.job_id and t.awaits = ended.id",
);

/// Rearms the triggers awaiting an execution of the list. Returns the number of rearmed triggers.
pub(crate) async fn rearm_fixed_delay(
    transaction: &Transaction,
    ended: &[Uuid],
) -> Result<u64, StoreError> {
    let (Some(low), Some(high)) = (ended.iter().min(), ended.iter().max()) else {
        return Ok(0);
    };
    REARM_FIXED_DELAY
        .execute(transaction, &[&ended, low, high])
        .await
}
