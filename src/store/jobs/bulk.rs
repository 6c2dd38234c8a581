//! Commands about many jobs: the statements of the single commands, for a batch of jobs per
//! transaction. A committed batch stays when a later batch fails.

use super::pauses::MissedOnce;
use crate::model::lists::{JobFilter, JobOrder};
use crate::store::audit::entry::Entry;
use crate::store::db::parts::in_parts;
use crate::store::db::row::column;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use uuid::Uuid;

/// Most jobs of one transaction.
pub const BATCH: usize = 1_000;

/// Jobs without deleted jobs, locked in the order of the ids, so two bulk commands never deadlock.
const LOCK_JOBS: Statement = Statement::new(
    "-- bulk.lock_jobs
select id from job_definition where id = any($1::uuid[]) and status <> 'DELETED'
order by id for no key update",
);

/// What to do with the jobs.
#[derive(Debug, Clone)]
pub enum BulkAction {
    /// Pause the jobs, for the reason.
    Pause(Option<String>),
    /// Resume the jobs. The value says what happens to a ONCE with a passed time.
    Resume(MissedOnce),
    /// Delete the jobs with their triggers.
    Delete,
    /// Run the jobs now, once.
    RunNow,
}

impl Store {
    /// All jobs of a filter, oldest first.
    pub async fn matching_jobs(&self, filter: &JobFilter) -> Result<Vec<Uuid>, StoreError> {
        let (mut jobs, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .job_keys(filter, JobOrder::Oldest, after.as_ref(), BATCH)
                .await?;
            jobs.extend(page.ids());
            match page.next {
                Some(next) => after = Some(next),
                // Oldest first: jobs created in between only lengthen the list.
                None => return Ok(jobs),
            }
        }
    }

    /// Executes a command for at most `BATCH` jobs; returns the number of existing jobs, and the
    /// number of changed jobs.
    pub async fn bulk(
        &self,
        jobs: &[Uuid],
        action: &BulkAction,
    ) -> Result<(usize, usize), StoreError> {
        self.bounded("bulk.batch", async {
            let transaction = self.begin("bulk.begin").await?;
            let rows = LOCK_JOBS.query(&transaction, &[&jobs]).await?;
            let ids: Vec<Uuid> = column(LOCK_JOBS.name(), &rows, 0)?;
            let parts = in_parts(&transaction, &ids, async |ids: &[Uuid]| match action {
                BulkAction::Pause(reason) => {
                    self.pause_in(&transaction, ids, reason.as_deref()).await
                }
                BulkAction::Resume(missed) => self.resume_in(&transaction, ids, *missed).await,
                BulkAction::Delete => self.delete_in(&transaction, ids).await,
                BulkAction::RunNow => self
                    .run_now_in(&transaction, ids, None)
                    .await
                    .map(|executions| executions.len()),
            })
            .await?;
            transaction.record(Entry::about("job"));
            transaction.commit().await.during("bulk.commit")?;
            // A job refused by the database does not count as changed.
            self.note_odd("job_definition", parts.odd);
            Ok((ids.len(), parts.done.into_iter().sum()))
        })
        .await
    }
}
