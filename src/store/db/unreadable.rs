//! Rows that the node cannot read: each of them affects only its job.
//!
//! A reader of many rows leaves such a row out. The row is logged once, counted by a gauge, and
//! shown in the overview. Leases skip the triggers of such a job for a minute at a time, in favour
//! of other nodes: the due triggers must not fill the polls of the node.

use crate::store::StoreError;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use uuid::Uuid;

/// How long leases skip a job before another try: the job may have been edited.
const LEFT_ALONE_FOR: Duration = Duration::from_mins(1);
/// How long a row is remembered after the last read. Longer than `LEFT_ALONE_FOR`, so an unchanged
/// job is logged once.
const REMEMBERED_FOR: Duration = Duration::from_mins(5);
/// Most remembered rows; further rows are left out without a log line.
const REMEMBERED_MAX: usize = 10_000;
/// The table of the jobs.
const JOBS: &str = "job_definition";

/// Unreadable rows, shared by the clones of a store.
#[derive(Clone, Default)]
pub(crate) struct UnreadableRows(Arc<Mutex<HashMap<Key, Met>>>);

type Key = (&'static str, String);

struct Met {
    reason: String,
    at: Instant,
}

impl UnreadableRows {
    /// The rows that the program can read.
    pub(crate) fn readable<'a, T>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        read: impl Fn(&'a Row) -> Result<T, StoreError>,
    ) -> Vec<T> {
        rows.into_iter()
            .filter_map(|row| read(row).inspect_err(|error| self.note(error)).ok())
            .collect()
    }

    /// Remembers an unreadable row, and logs the row the first time. Other errors are ignored.
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

    /// Leaves a job to other nodes because a needed row is unreadable, for example the calendar.
    pub(crate) fn leave_alone(&self, job_id: Uuid, reason: &str) {
        if self.record((JOBS, job_id.to_string()), reason) {
            tracing::error!(job.id = %job_id, reason, "a job is left to other nodes");
        }
    }

    /// Jobs with triggers to be skipped by leases.
    pub(crate) fn left_alone(&self) -> Vec<Uuid> {
        self.jobs(LEFT_ALONE_FOR).map(|(id, _)| id).collect()
    }

    /// Jobs unreadable in the last five minutes, with the reasons.
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

    /// Whether the reason is new.
    fn record(&self, key: Key, reason: &str) -> bool {
        let mut met = self.met();
        // A bound on memory. Known rows are still updated.
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
