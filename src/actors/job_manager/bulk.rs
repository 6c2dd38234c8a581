//! Commands about all jobs of a filter.

use super::executions::{cancel, running_of};
use super::{CommandError, JobManager};
use crate::model::InvalidInput;
use crate::model::lists::JobFilter;
use crate::store::jobs::bulk::BATCH;
pub use crate::store::jobs::bulk::BulkAction;
use actix::prelude::*;

/// Carries out a command for all jobs of a filter, in transactions of a thousand jobs.
#[derive(Message)]
#[rtype(result = "Result<BulkReport, CommandError>")]
pub struct Bulk {
    /// The jobs.
    pub filter: JobFilter,
    /// The command.
    pub action: BulkAction,
    /// Whether executions in flight are cancelled afterwards.
    pub cancels: bool,
}

/// The result of a bulk command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BulkReport {
    /// Jobs of the filter.
    pub matched: usize,
    /// Jobs that were changed. The others needed no change.
    pub changed: usize,
}

impl Handler<Bulk> for JobManager {
    type Result = ResponseFuture<Result<BulkReport, CommandError>>;

    fn handle(
        &mut self,
        Bulk {
            filter,
            action,
            cancels,
        }: Bulk,
        _: &mut Self::Context,
    ) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            // All matching jobs, before the first change: a command may change the matches.
            let jobs = store.matching_jobs(&filter).await?;
            if matches!(action, BulkAction::RunNow) && jobs.len() > BATCH {
                let message = format!(
                    "must hold at most {BATCH} jobs to run them all now, and holds {}",
                    jobs.len()
                );
                return Err(InvalidInput::new("filter", message).into());
            }
            let mut report = BulkReport::default();
            for batch in jobs.chunks(BATCH) {
                let (matched, changed) = store.bulk(batch, &action).await?;
                report.matched += matched;
                report.changed += changed;
            }
            if cancels {
                cancel(&store, &running_of(jobs)).await?;
            }
            Ok(report)
        })
    }
}
