//! The sweep of unique keys: a key whose execution is neither pending nor in flight is freed.
//!
//! The transaction that ends an execution frees its key (migration V8), so the sweep finds nothing,
//! except after a restored backup or manual SQL.

use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use uuid::Uuid;

/// Keys of a slice: about 30 ms.
const SLICE: i64 = 10_000;

/// A unique key of a job; the default comes before all others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunKey {
    job_id: Uuid,
    unique_key: String,
}

/// Frees the keys of a slice behind ($1, $2), and returns the last key of a full slice. An
/// execution moves from the triggers to the log in one transaction: no snapshot shows it in neither.
/// A key that is freed and taken again in between has another row, which is left alone. (By the
/// places of the rows: a join with few estimated rows reads the whole table.)
pub(crate) const SWEEP: Statement = Statement::new(
    "-- run_keys.sweep
with slice as materialized (
    select k.ctid as place, k.job_id, k.unique_key, k.execution_id from run_key k
    where (k.job_id, k.unique_key) > ($1, $2) order by k.job_id, k.unique_key limit $3
), held as materialized (
    select s.place,
        t.id is not null or coalesce(l.status in ('RUNNING', 'RETRYING'), false) as is_held
    from slice s
    left join lateral (select t.id from job_trigger t where t.id = s.execution_id offset 0) as t
        on true
    left join lateral (select l.status from job_execution_log l
        where l.id = s.execution_id offset 0) as l on true
), freed as (
    delete from run_key k
    where k.ctid = any(array(select h.place from held h where not h.is_held)) returning 1
)
select (select count(*) from freed) as freed, last.job_id, last.unique_key
from (select count(*) = $3 as is_full from slice) as size
left join lateral (select job_id, unique_key from slice where size.is_full
    order by job_id desc, unique_key desc limit 1) as last on true",
);

impl Store {
    /// Sweeps the slice of the unique keys behind `after`, which it moves to the end of the slice.
    pub async fn sweep_keys(&self, after: &mut RunKey) -> Result<u64, StoreError> {
        let begin = std::mem::take(after);
        self.bounded(SWEEP.name(), async {
            let session = self.session().await?;
            let row = SWEEP
                .query_one(&session, &[&begin.job_id, &begin.unique_key, &SLICE])
                .await?;
            session.release();
            let row = Values::of("run_key", &row);
            let last: Option<Uuid> = row.get("job_id")?;
            if let Some(job_id) = last {
                let unique_key = row.get("unique_key")?;
                *after = RunKey { job_id, unique_key };
            }
            let freed: i64 = row.get("freed")?;
            Ok(freed.unsigned_abs())
        })
        .await
    }
}
