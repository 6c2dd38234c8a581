//! The source of "now": the database in production, the test in tests.
//!
//! Rust code never reads the wall clock for a decision: every statement with the time takes
//! [`Clock::stub`] as its first parameter and reads `coalesce($1, clock_timestamp())`, so that one
//! clock decides on all nodes.

use crate::model::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// The source of "now".
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The database's clock.
    #[default]
    Database,
    /// Set by hand; all clones share it.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that stands still at `now` until it is advanced.
    pub fn manual(now: Timestamp) -> Self {
        Self::Manual(Arc::new(Mutex::new(now)))
    }

    /// First parameter of every statement that asks the time; none means the
    /// database's own.
    pub fn stub(&self) -> Option<Timestamp> {
        match self {
            Self::Database => None,
            Self::Manual(now) => Some(*now.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Moves a manual clock forward; the database's cannot be moved.
    pub fn advance(&self, by: std::time::Duration) {
        if let Self::Manual(now) = self {
            *now.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}
