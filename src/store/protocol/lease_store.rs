//! The store of the acquirer: the database, and the state kept from lease to lease.

use super::job_cache::JobCache;
use super::scan_cursor::ScanCursor;
use super::shares::Reservation;
use crate::model::Timestamp;
use crate::model::execution::Attempt;
use crate::store::Store;
use crate::store::jobs::exclusions::Turn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long leases expect conflicts after a conflict: more triggers may have come back.
const CONFLICTS_EXPECTED_FOR: Duration = Duration::from_mins(1);

/// The store of the acquirer: the database, and the state kept from lease to lease. Clones share
/// the state.
#[derive(Clone)]
pub struct LeaseStore {
    pub(super) store: Store,
    /// The route whose triggers are leased. None: built-in targets.
    pub(super) route: Option<Arc<str>>,
    pub(super) job_cache: JobCache,
    pub(super) scan_cursor: ScanCursor,
    /// Whether the next lease waits for a change of exclusions.
    pub(super) turn: Turn,
    conflicts_expected_until: Arc<Mutex<Option<Instant>>>,
}

/// Limits of a poll.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Most fire times of all triggers: the free slots.
    pub fire_times: usize,
    /// Most fire times of a trigger.
    pub fires_per_trigger: usize,
}

impl Batch {
    /// One fire time of each trigger.
    pub fn of(fire_times: usize) -> Self {
        Self {
            fire_times,
            fires_per_trigger: 1,
        }
    }
}

/// The result of a poll.
#[derive(Debug)]
pub struct Leased {
    /// The new attempts of the node, by due time.
    pub attempts: Vec<Attempt>,
    /// Holds the shares of the attempts until each attempt has a [`Share`](super::shares::Share).
    pub reservation: Reservation,
    /// Taken triggers, with or without an execution.
    pub triggers: usize,
    /// Taken triggers with a next fire time due already.
    pub still_due: usize,
    /// The rest to take, and when.
    pub remaining: Remaining,
    /// The database's clock at the poll.
    pub now: Timestamp,
    /// When the reading arrived. The rest of the lease may have waited for a lock since.
    pub read_at: Instant,
}

/// The rest after a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// More is due now.
    Now,
    /// More is due, but locked by other transactions for a moment.
    Contended,
    /// Nothing more is due.
    Later {
        /// The next due time. None: nothing is scheduled.
        next_due: Option<Timestamp>,
        /// The first due time within the look-ahead with a decision about an overlap.
        deferred_until: Option<Timestamp>,
    },
}

impl Remaining {
    /// Whether more is due than the poll took.
    pub fn has_more(self) -> bool {
        matches!(self, Self::Now | Self::Contended)
    }
}

/// The answer for an idle node.
#[derive(Debug, Clone, Copy)]
pub struct Peeked {
    /// Instant of the poll, by the database's clock.
    pub now: Timestamp,
    /// The first due time, also a passed one. None: nothing is scheduled.
    pub next_due: Option<Timestamp>,
}

impl LeaseStore {
    /// With an empty cache and a cursor that starts with a full scan.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            route: None,
            job_cache: JobCache::default(),
            scan_cursor: ScanCursor::default(),
            turn: Turn::default(),
            conflicts_expected_until: Arc::default(),
        }
    }

    /// A store for the triggers of a route, with this job cache and a scan cursor of its own.
    #[must_use]
    pub fn of_route(&self, route: &str) -> Self {
        Self {
            route: Some(route.into()),
            job_cache: self.job_cache.clone(),
            ..Self::new(self.store.clone())
        }
    }

    /// The database without the state of the acquirer.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn expects_conflicts(&self) -> bool {
        let until = *self
            .conflicts_expected_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn expect_conflicts(&self) {
        *self
            .conflicts_expected_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) =
            Some(Instant::now() + CONFLICTS_EXPECTED_FOR);
    }
}
