//! Commands about all jobs of a filter.

use super::{CommandError, JobManager};
use crate::model::InvalidInput;
use crate::model::lists::{JobFilter, JobOrder};
use crate::store::Store;
use crate::store::bulk::BATCH;
pub use crate::store::bulk::BulkAction;
use actix::prelude::*;
use uuid::Uuid;

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
    pub matched: usize,
    /// Jobs that were changed; the others were so already.
    pub changed: usize,
}

impl Handler<Bulk> for JobManager {
    type Result = ResponseFuture<Result<BulkReport, CommandError>>;

    fn handle(&mut self, Bulk { filter, action }: Bulk, _: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            // All that match now, before anything is done: a command may change what matches.
            let jobs = matching(&store, &filter).await?;
            if matches!(action, BulkAction::RunNow) && jobs.len() > BATCH {
                let message = format!("must hold at most {BATCH} jobs to run them all now, and holds {}", jobs.len());
                return Err(InvalidInput::new("filter", message).into());
            }
            let mut report = BulkReport::default();
            for batch in jobs.chunks(BATCH) {
                let (matched, changed) = store.bulk(batch, &action).await?;
                report.matched += matched;
                report.changed += changed;
            }
            Ok(report)
        })
    }
}

async fn matching(store: &Store, filter: &JobFilter) -> Result<Vec<Uuid>, CommandError> {
    let (mut jobs, mut after) = (Vec::new(), None);
    loop {
        let page = store.job_keys(filter, JobOrder::Oldest, after.as_ref(), BATCH).await?;
        jobs.extend(page.ids());
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(jobs),
        }
    }
}
