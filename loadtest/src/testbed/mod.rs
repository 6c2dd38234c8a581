//! The testbed: PostgreSQL servers, node processes, the wires between them, and the target of the
//! jobs. All are real; nothing here checks.

mod backup;
pub mod clock;
pub mod database;
pub mod http;
pub mod journal;
pub mod network;
pub mod node;
pub mod operator;
pub mod patroni;
pub mod postgres;
pub mod proxy;
mod server_programs;
pub mod sink;

use crate::micros::Micros;
use std::time::{SystemTime, UNIX_EPOCH};

/// The tester's clock, the one of the whole history.
pub fn now() -> Micros {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}
