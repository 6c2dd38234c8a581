//! Commands about all jobs of a filter.

use super::executions::{cancel, running_of};
use super::{Command, CommandError, MissedOnce, noted};
use crate::model::InvalidInput;
use crate::model::lists::JobFilter;
use crate::store::Store;
use crate::store::audit::entry::Entry;
use crate::store::jobs::bulk::BATCH;
pub use crate::store::jobs::bulk::BulkAction;

/// Carries out a command for all jobs of a filter, in transactions of a thousand jobs.
pub struct Bulk {
    /// Filter of the jobs.
    pub filter: JobFilter,
    /// Command for each of the jobs.
    pub action: BulkAction,
    /// Whether executions in flight are cancelled afterwards.
    pub cancels: bool,
}

/// The result of a bulk command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BulkReport {
    /// Jobs of the filter.
    pub matched: usize,
    /// Changed jobs. The others needed no change.
    pub changed: usize,
}

impl Command for Bulk {
    type Output = BulkReport;

    async fn carry_out(self, store: &Store) -> Result<BulkReport, CommandError> {
        let Bulk {
            filter,
            action,
            cancels,
        } = self;
        // All matching jobs, before the first change: a command may change the matches.
        let jobs = store.matching_jobs(&filter).await?;
        if matches!(action, BulkAction::RunNow) && jobs.len() > BATCH {
            let message = format!(
                "must hold at most {BATCH} jobs to run them all now, and holds {}",
                jobs.len()
            );
            return Err(InvalidInput::new("filter", message).into());
        }
        let recorded = noted(store, &action, cancels)
            .noting("filter", noted::jobs(&filter))
            .noting("matched", jobs.len());
        if jobs.is_empty() {
            recorded.record_alone(Entry::about("job")).await?;
        }
        let mut report = BulkReport::default();
        for (index, batch) in jobs.chunks(BATCH).enumerate() {
            let (matched, changed) = recorded.of_batch(index).bulk(batch, &action).await?;
            report.matched += matched;
            report.changed += changed;
        }
        if cancels {
            cancel(&store.unrecorded(), &running_of(jobs)).await?;
        }
        Ok(report)
    }
}

/// The store, with the action for the entry in the audit log.
fn noted(store: &Store, action: &BulkAction, cancels: bool) -> Store {
    let store = match action {
        BulkAction::Pause(reason) => store.noting("reason", reason.as_deref()),
        BulkAction::Resume(missed) => store.noting("runMissed", *missed == MissedOnce::Run),
        BulkAction::Delete | BulkAction::RunNow => store.clone(),
    };
    if cancels {
        store.noting("cancelRunning", true)
    } else {
        store
    }
}
