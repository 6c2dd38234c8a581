//! Rows that this node cannot read: each costs its own job alone.
//!
//! A reader of many rows goes on without such a row. The log says it once, a gauge counts them, and
//! the overview shows the jobs. Leases leave the triggers of such a job to nodes that can read it,
//! for a minute at a time: its due triggers must not fill this node's polls.

use crate::store::StoreError;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use uuid::Uuid;

/// How long leases leave a job alone before they try it again: it may have been edited.
const LEFT_ALONE_FOR: Duration = Duration::from_mins(1);
/// How long a row that no reader meets any more is remembered. Longer than a job is left alone, so
/// that a job that stays as it is is said once.
const REMEMBERED_FOR: Duration = Duration::from_mins(5);
/// Most rows whose reasons are remembered: what is beyond is left out and not said.
const REMEMBERED_MAX: usize = 10_000;
/// The table whose rows are jobs.
const JOBS: &str = "job_definition";

/// What the clones of a store cannot read.
#[derive(Clone, Default)]
pub(crate) struct UnreadableRows(Arc<Mutex<HashMap<Key, Met>>>);

type Key = (&'static str, String);

struct Met {
    reason: String,
    at: Instant,
}

impl UnreadableRows {
    /// What can be read of these rows.
    pub(crate) fn readable<'a, T>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        read: impl Fn(&'a Row) -> Result<T, StoreError>,
    ) -> Vec<T> {
        rows.into_iter()
            .filter_map(|row| read(row).inspect_err(|error| self.note(error)).ok())
            .collect()
    }

    /// Remembers what could not be read, and logs it when it is news. Other errors are not its
    /// business.
    pub(crate) fn note(&self, error: &StoreError) {
        if let StoreError::Unreadable { table, id, reason } = error
            && self.record((table, id.clone()), reason)
        {
            tracing::error!(
                table,
                row.id = id,
                reason,
                "a row cannot be understood by this node: it is left out"
            );
        }
    }

    /// Leaves a job to nodes that can read what this one cannot: something that it needs, say its
    /// calendar.
    pub(crate) fn leave_alone(&self, job_id: Uuid, reason: &str) {
        if self.record((JOBS, job_id.to_string()), reason) {
            tracing::error!(job.id = %job_id, reason, "a job is left to other nodes");
        }
    }

    /// Jobs whose triggers a lease leaves alone.
    pub(crate) fn left_alone(&self) -> Vec<Uuid> {
        self.jobs(LEFT_ALONE_FOR).map(|(id, _)| id).collect()
    }

    /// Jobs that this node could not read of late, and why.
    pub(crate) fn shown(&self) -> HashMap<Uuid, String> {
        self.jobs(REMEMBERED_FOR).collect()
    }

    fn jobs(&self, within: Duration) -> impl Iterator<Item = (Uuid, String)> + use<> {
        let met = self.met();
        let jobs = met
            .iter()
            .filter(|((table, _), met)| *table == JOBS && met.at.elapsed() < within);
        let jobs =
            jobs.filter_map(|((_, id), met)| Some((Uuid::try_parse(id).ok()?, met.reason.clone())));
        jobs.collect::<Vec<_>>().into_iter()
    }

    /// Whether it is news.
    fn record(&self, key: Key, reason: &str) -> bool {
        let mut met = self.met();
        if met.len() >= REMEMBERED_MAX && !met.contains_key(&key) {
            return false;
        }
        let now = Met {
            reason: reason.to_owned(),
            at: Instant::now(),
        };
        let before = met.insert(key, now);
        metrics::gauge!("horolog_unreadable_rows")
            .set(u32::try_from(met.len()).unwrap_or(u32::MAX));
        before.is_none_or(|before| before.reason != reason)
    }

    fn met(&self) -> MutexGuard<'_, HashMap<Key, Met>> {
        let mut met = self.0.lock();
        let before = met.len();
        met.retain(|_, met| met.at.elapsed() < REMEMBERED_FOR);
        if met.len() < before {
            metrics::gauge!("horolog_unreadable_rows")
                .set(u32::try_from(met.len()).unwrap_or(u32::MAX));
        }
        met
    }
}
