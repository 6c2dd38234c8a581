//! Commands about all jobs of a filter: the statements of the single commands,
//! for a thousand jobs at a time. Each thousand is one transaction: what is done
//! stays done when a later one fails.

use super::job_list::conditions;
use super::{During, Store, StoreError};
use crate::model::lists::JobFilter;
use uuid::Uuid;

/// Jobs of one transaction.
pub const BATCH: usize = 1_000;

/// What to do with the jobs.
#[derive(Debug, Clone)]
pub enum BulkAction {
    /// Pause them, for this reason.
    Pause(Option<String>),
    /// Resume them.
    Resume,
    /// Delete them.
    Delete,
    /// Run them now, once.
    RunNow,
}

/// What became of one thousand.
#[derive(Debug, Clone, Copy)]
pub struct BulkBatch {
    /// Jobs that the filter held.
    pub matched: usize,
    /// Jobs that were changed.
    pub changed: usize,
    /// The last of them; none when there are no more.
    pub last: Option<Uuid>,
}

impl Store {
    /// Carries out a command for the next thousand jobs of a filter, by id,
    /// behind `after`.
    pub async fn bulk(
        &self,
        filter: &JobFilter,
        action: &BulkAction,
        after: Option<Uuid>,
    ) -> Result<BulkBatch, StoreError> {
        self.bounded("bulk.batch", async {
            let mut session = self.session().await?;
            let transaction = session.transaction().await.during("bulk.begin")?;
            let mut conditions = conditions(filter);
            // No command is about what is deleted.
            conditions.add_plain("j.status <> 'DELETED'");
            if let Some(after) = after {
                conditions.add("j.id > ?", after);
            }
            // In the order of the ids, and locked: two such commands wait for each other.
            let text = format!(
                "-- bulk.jobs\nselect j.id from job_definition j where {} order by j.id limit {BATCH} for no key update",
                conditions.text()
            );
            let rows = transaction.query(&text, &conditions.values()).await.during("bulk.jobs")?;
            let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
            let changed = match action {
                BulkAction::Pause(because) => self.pause_in(&transaction, &ids, because.as_deref()).await?,
                BulkAction::Resume => self.resume_in(&transaction, &ids).await?,
                BulkAction::Delete => self.delete_in(&transaction, &ids).await?,
                BulkAction::RunNow => self.run_now_in(&transaction, &ids).await?.len(),
            };
            transaction.commit().await.during("bulk.commit")?;
            session.release();
            let last = ids.last().copied().filter(|_| ids.len() == BATCH);
            Ok(BulkBatch { matched: ids.len(), changed, last })
        })
        .await
    }
}
