//! Sealing of the audit log, and the end of the chain in the log of the node now and then.

use crate::store::Store;
use std::time::{Duration, Instant};

/// Time between two lines with the end of the chain, while it grows.
const LOG_EVERY: Duration = Duration::from_mins(5);

/// The plain struct under the shell.
pub(super) struct Sealing {
    store: Store,
    next_line: Instant,
}

impl Sealing {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            next_line: Instant::now(),
        }
    }

    /// Seals the committed rows. Returns whether there were any.
    pub(super) async fn seal(&mut self) -> bool {
        // Before the seal: the row of the count is sealed in the same pass.
        if let Err(error) = self.store.record_counted_refusals().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "refusals are not in the audit log: trying again");
        }
        match self.store.seal_audit_log().await {
            Ok(None) => false,
            Ok(Some(end)) => {
                // The table alone cannot show the loss of the last rows: the line can.
                if Instant::now() >= self.next_line {
                    self.next_line = Instant::now() + LOG_EVERY;
                    tracing::info!(
                        position = end.position,
                        hash = end.hash_hex(),
                        "the audit log is sealed up to here"
                    );
                }
                true
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the audit log is not sealed: trying again");
                false
            }
        }
    }
}
