//! The store of the acquirer: the database, and what one lease leaves for the next.

use super::job_cache::JobCache;
use super::scan_cursor::ScanCursor;
use super::shares::Reservation;
use crate::model::Timestamp;
use crate::model::execution::Attempt;
use crate::store::Store;
use crate::store::jobs::exclusions::Turn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long leases expect conflicts after one: where a trigger came back, others did too.
const CONFLICTS_EXPECTED_FOR: Duration = Duration::from_mins(1);

/// The store of the acquirer: the database, and what one lease leaves for the next. Clones share
/// both.
#[derive(Clone)]
pub struct LeaseStore {
    pub(super) store: Store,
    pub(super) job_cache: JobCache,
    pub(super) scan_cursor: ScanCursor,
    /// Whether the next lease waits for a change of exclusions.
    pub(super) turn: Turn,
    conflicts_expected_until: Arc<Mutex<Option<Instant>>>,
}

/// Limits of one poll.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Most fire times of all triggers: the free slots.
    pub fire_times: usize,
    /// Most fire times of one trigger.
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

/// The result of one poll.
#[derive(Debug)]
pub struct Leased {
    /// Attempts that this node now holds, by due time.
    pub attempts: Vec<Attempt>,
    /// Holds the shares of the attempts until each has its own.
    pub reservation: Reservation,
    /// Triggers that were taken, whether they run or not.
    pub triggers: usize,
    /// Those of them whose next fire time is due already.
    pub still_due: usize,
    /// What is left to take, and when.
    pub remaining: Remaining,
    /// The database's clock at the poll.
    pub now: Timestamp,
    /// When that reading arrived. The rest of the lease may have waited for a lock since.
    pub read_at: Instant,
}

/// What a poll left to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// More is due now.
    Now,
    /// More is due, but other transactions hold it for a moment.
    Contended,
    /// Nothing more is due.
    Later {
        /// The next due time. None: nothing is scheduled.
        next_due: Option<Timestamp>,
        /// The first due time within the look-ahead whose overlap is decided only then.
        deferred_until: Option<Timestamp>,
    },
}

impl Remaining {
    /// Whether more is due than the poll took.
    pub fn has_more(self) -> bool {
        matches!(self, Self::Now | Self::Contended)
    }
}

/// What an idle node needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Peeked {
    /// Instant of the poll, by the database's clock.
    pub now: Timestamp,
    /// The first due time; it may have passed. None: nothing is scheduled.
    pub next_due: Option<Timestamp>,
}

impl LeaseStore {
    /// With an empty cache and a cursor that starts with a full scan.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            job_cache: JobCache::default(),
            scan_cursor: ScanCursor::default(),
            turn: Turn::default(),
            conflicts_expected_until: Arc::default(),
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
