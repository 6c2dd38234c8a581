//! Executions and jobs with the fields outside the feeds, read once for all listeners of the same
//! moment: a thousand listeners of an execution cost the database a single row.

use crate::model::job::Job;
use crate::store::queries::executions::ExecutionRecord;
use crate::store::{Store, StoreError};
use async_graphql::dataloader::{DataLoader, Loader};
use std::collections::HashMap;
use std::hash::Hash;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Most executions of one statement: each may have 500 KB of texts and payload.
const EXECUTIONS_MAX: usize = 20;
/// Most jobs of one statement: each may have 512 KB of payload and target.
const JOBS_MAX: usize = 10;
/// Statements at the same time; the other connections are for requests.
const STATEMENTS_AT_ONCE: usize = 2;

/// Reads executions and jobs with all their fields.
pub struct Whole {
    executions: DataLoader<Rows>,
    jobs: DataLoader<Rows>,
}

struct Rows {
    store: Store,
    turns: Semaphore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ExecutionId(Uuid);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct JobId(Uuid);

impl Whole {
    /// For all listeners of a node.
    pub fn new(store: &Store) -> Self {
        Self {
            executions: Rows::loader(store, EXECUTIONS_MAX),
            jobs: Rows::loader(store, JOBS_MAX),
        }
    }

    /// An execution; none when it is purged, or the database does not answer.
    pub async fn execution(&self, id: Uuid) -> Option<ExecutionRecord> {
        self.executions.load_one(ExecutionId(id)).await.ok()?
    }

    /// A job; none when it is unknown, or the database does not answer.
    pub async fn job(&self, id: Uuid) -> Option<Job> {
        self.jobs.load_one(JobId(id)).await.ok()?
    }
}

impl Rows {
    fn loader(store: &Store, batch_max: usize) -> DataLoader<Self> {
        let rows = Self {
            store: store.clone(),
            turns: Semaphore::new(STATEMENTS_AT_ONCE),
        };
        DataLoader::new(rows, tokio::spawn).max_batch_size(batch_max)
    }
}

impl Loader<ExecutionId> for Rows {
    type Value = ExecutionRecord;
    type Error = ();

    async fn load(
        &self,
        keys: &[ExecutionId],
    ) -> Result<HashMap<ExecutionId, ExecutionRecord>, ()> {
        // The `DataLoader` starts a task for each batch: without turns, a burst of events would
        // take every connection of the pool.
        let _turn = self.turns.acquire().await.map_err(drop)?;
        let ids: Vec<Uuid> = keys.iter().map(|ExecutionId(id)| *id).collect();
        let found = self
            .store
            .executions(&ids)
            .await
            .map_err(|error| said(&error))?;
        Ok(found
            .into_iter()
            .map(|execution| (ExecutionId(execution.id), execution))
            .collect())
    }
}

impl Loader<JobId> for Rows {
    type Value = Job;
    type Error = ();

    async fn load(&self, keys: &[JobId]) -> Result<HashMap<JobId, Job>, ()> {
        let _turn = self.turns.acquire().await.map_err(drop)?;
        let ids: Vec<Uuid> = keys.iter().map(|JobId(id)| *id).collect();
        let found = self.store.jobs(&ids).await.map_err(|error| said(&error))?;
        Ok(found.into_iter().map(|job| (JobId(job.id), job)).collect())
    }
}

fn said(error: &StoreError) {
    tracing::debug!(
        error = error as &dyn std::error::Error,
        "events are left out: the database did not answer"
    );
}
