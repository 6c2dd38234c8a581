//! The source of "now": the database in production, a manual clock in tests.
//!
//! Rust code never reads the wall clock for a decision: every statement with the time takes
//! [`Clock::stub`] as its first parameter and reads `coalesce($1, clock_timestamp())`, so one clock
//! decides on all nodes.

use crate::model::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;

/// The source of "now".
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The clock of the database.
    #[default]
    Database,
    /// An instant that a test sets; all clones share it.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that stands still at `now` until it is advanced.
    pub fn manual(now: Timestamp) -> Self {
        Self::Manual(Arc::new(Mutex::new(now)))
    }

    /// First parameter of every statement with the time. `None`: the clock of the database.
    pub fn stub(&self) -> Option<Timestamp> {
        match self {
            Self::Database => None,
            Self::Manual(now) => Some(*now.lock()),
        }
    }

    /// Moves a manual clock forward. Has no effect on the clock of the database.
    pub fn advance(&self, by: std::time::Duration) {
        if let Self::Manual(now) = self {
            *now.lock() += by;
        }
    }
}
