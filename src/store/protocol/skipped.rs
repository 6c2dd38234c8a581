//! Skipped ranges: fire times recorded without an execution, a row for each range.

use crate::model::Timestamp;
use crate::model::trigger::{SkippedRange, TriggerKind};
use crate::store::StoreError;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Records skipped ranges. A fire time with a row keeps the row.
pub const RECORD_SKIPPED: Statement = Statement::new(
    "-- leases.record_skipped
insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, through_fire_time, occurrences,
     coalesced_into, error_message, finished_at, created_at)
select x.id, x.job_id, x.kind, x.fire_time, x.fire_time, 'SKIPPED', x.reason, 0,
       x.through_fire_time, x.occurrences, x.coalesced_into, x.because, $1, $1
from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::int[], $9::uuid[], $10::text[])
    as x (id, job_id, kind, reason, fire_time, through_fire_time, occurrences, coalesced_into,
          because)
on conflict (id) do nothing",
);

/// A skipped range of a job.
pub struct SkippedFireTimes {
    /// Job of the fire times.
    pub job_id: Uuid,
    /// The kind of the trigger.
    pub kind: TriggerKind,
    /// The first and the last fire time, and the reason.
    pub range: SkippedRange,
}

/// The columns of [`RECORD_SKIPPED`].
struct Columns<'a> {
    ids: Vec<Uuid>,
    job_ids: Vec<Uuid>,
    kinds: Vec<&'static str>,
    reasons: Vec<&'static str>,
    fire_times: Vec<Timestamp>,
    through_fire_times: Vec<Timestamp>,
    occurrences: Vec<Option<i32>>,
    coalesced_into: Vec<Option<Uuid>>,
    messages: Vec<Option<&'a str>>,
}

impl Columns<'_> {
    fn with_capacity(rows: usize) -> Self {
        Self {
            ids: Vec::with_capacity(rows),
            job_ids: Vec::with_capacity(rows),
            kinds: Vec::with_capacity(rows),
            reasons: Vec::with_capacity(rows),
            fire_times: Vec::with_capacity(rows),
            through_fire_times: Vec::with_capacity(rows),
            occurrences: Vec::with_capacity(rows),
            coalesced_into: Vec::with_capacity(rows),
            messages: Vec::with_capacity(rows),
        }
    }
}

impl<'a> Columns<'a> {
    fn of(skipped: &'a [SkippedFireTimes]) -> Self {
        let mut columns = Self::with_capacity(skipped.len());
        for SkippedFireTimes {
            job_id,
            kind,
            range,
        } in skipped
        {
            columns.ids.push(range.execution_id);
            columns.job_ids.push(*job_id);
            columns.kinds.push(kind.in_log().as_str());
            columns.reasons.push(range.reason.as_str());
            columns.fire_times.push(range.fire_time);
            columns.through_fire_times.push(range.through_fire_time);
            // Null: the fire times were not counted.
            columns
                .occurrences
                .push(Some(range.occurrences).filter(|occurrences| *occurrences > 0));
            columns.coalesced_into.push(range.coalesced_into);
            columns.messages.push(range.message.as_deref());
        }
        columns
    }
}

/// Records ranges of skipped fire times.
pub async fn record_skipped(
    skipped: &[SkippedFireTimes],
    transaction: &Transaction,
    now: Timestamp,
) -> Result<(), StoreError> {
    if skipped.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(skipped);
    let values: [&(dyn ToSql + Sync); 10] = [
        &now,
        &columns.ids,
        &columns.job_ids,
        &columns.kinds,
        &columns.reasons,
        &columns.fire_times,
        &columns.through_fire_times,
        &columns.occurrences,
        &columns.coalesced_into,
        &columns.messages,
    ];
    RECORD_SKIPPED.execute(transaction, &values).await.map(drop)
}
