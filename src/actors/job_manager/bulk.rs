//! Commands about all jobs of a filter.

use super::{CommandError, JobManager};
use crate::model::InvalidInput;
use crate::model::lists::JobFilter;
pub use crate::store::bulk::BulkAction;
use crate::store::bulk::{BATCH, BulkBatch};
use actix::prelude::*;

/// Carries out a command for all jobs of a filter, a thousand in a transaction.
#[derive(Message)]
#[rtype(result = "Result<BulkReport, CommandError>")]
pub struct Bulk {
    /// Which jobs.
    pub filter: JobFilter,
    /// What to do with them.
    pub action: BulkAction,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BulkReport {
    /// Jobs that the filter held.
    pub matched: i64,
    /// Jobs that were changed; the others were so already.
    pub changed: i64,
}

impl Handler<Bulk> for JobManager {
    type Result = ResponseFuture<Result<BulkReport, CommandError>>;

    fn handle(&mut self, Bulk { filter, action }: Bulk, _: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
            if matches!(action, BulkAction::RunNow) && store.job_count(&filter).await?.is_none_or(|jobs| jobs > most) {
                let message = format!("must hold at most {BATCH} jobs (and be countable) to run them all now");
                return Err(InvalidInput::new("filter", message).into());
            }
            let (mut report, mut after) = (BulkReport::default(), None);
            loop {
                let BulkBatch { matched, changed, last } = store.bulk(&filter, &action, after).await?;
                report.matched += i64::try_from(matched).unwrap_or(i64::MAX);
                report.changed += i64::try_from(changed).unwrap_or(i64::MAX);
                after = last;
                if after.is_none() {
                    return Ok(report);
                }
            }
        })
    }
}
