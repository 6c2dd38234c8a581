//! Shared parts of the tests that need PostgreSQL.
//!
//! Each test owns a database. Nodes are driven by messages, and the tests assert their reports;
//! only events that happen by themselves (a backend that goes away, a handler that ends) are
//! awaited, by [`eventually`].

pub mod access;
mod cluster;
mod database;
mod gate;
mod node;

pub use cluster::{ENDLESS, TestCluster, at, cron, fixed_delay, fixed_rate, once, with};
pub use database::TestDatabase;
pub use gate::CommitGate;
pub use node::{TestNode, begun, failed, succeeded};

use std::time::{Duration, Instant};

/// The age at which a heartbeat means death, in all tests.
pub const NODE_TTL: Duration = Duration::from_secs(4);

/// Default limit: 2 min. Polls until there is something to see. A node on a busy machine waits for
/// its next repair for 200 times as long as the last one took.
pub async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = poll().await {
            return seen;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "waited in vain until {what}"
        );
        // Between two checks at a state of the database or of another process, neither of which
        // tells.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
