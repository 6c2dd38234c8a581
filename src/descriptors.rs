//! File descriptors: the limit of the process and its distribution.
//!
//! A webhook, a connection to the database and a DNS query each need a descriptor at once; HTTP
//! clients use as many as they can get. The descriptors of the node itself are therefore reserved,
//! and HTTP clients share the rest.

/// Descriptors of one slot: its webhook's connection, and one that is kept for the next or ends.
const PER_SLOT: u64 = 2;
/// Descriptors of the rest of the node: listener, runtimes, log, names, membership, notifications.
const OTHERS: u64 = 128;
/// Most connections of HTTP clients.
const CONNECTIONS_MAX: u64 = 2_000;
/// Fewest connections of HTTP clients, also with a very low limit.
const CONNECTIONS_MIN: u64 = 32;

/// The distribution of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// Limit of the process.
    pub limit: u64,
    /// Descriptors that all settings of the node need together.
    pub wanted: u64,
    /// Most simultaneous connections of HTTP clients.
    pub connections: usize,
}

impl Descriptors {
    /// The distribution for a number of slots and database connections. Raises the limit of the
    /// process as far as the system allows.
    pub fn of(slots: usize, database_connections: usize) -> Self {
        Self::share(raised_limit(), slots, database_connections)
    }

    fn share(limit: u64, slots: usize, database_connections: usize) -> Self {
        let own = saturating(slots)
            .saturating_mul(PER_SLOT)
            .saturating_add(saturating(database_connections))
            .saturating_add(OTHERS);
        let connections = limit
            .saturating_sub(own)
            // The API stays reachable even if the reserve takes the whole limit.
            .clamp(CONNECTIONS_MIN, CONNECTIONS_MAX);
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Self {
            limit,
            wanted: own.saturating_add(CONNECTIONS_MAX),
            connections,
        }
    }

    /// Logs a warning if the limit is lower than the need of the settings.
    pub fn warn(&self) {
        if self.limit < self.wanted {
            tracing::warn!(
                limit = self.limit,
                wanted = self.wanted,
                connections = self.connections,
                "the limit of open files is low (ulimit -n, LimitNOFILE): http clients get fewer \
                 connections, so that webhooks have theirs"
            );
        }
    }
}

fn saturating(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The soft limit is 1,024 on most systems, for the sake of programs that use
/// select(2); the hard limit is what the operator means.
#[cfg(unix)]
fn raised_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // No part of the node uses select(2), so the higher limit is safe.
    if limit.current != limit.maximum {
        // macOS refuses "without limit"; then the soft limit stays.
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        )
        .ok();
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_node_needs_is_set_aside_and_the_clients_share_the_rest() {
        let usual = Descriptors::share(1_048_576, 64, 8);
        assert_eq!((usual.connections, usual.wanted), (2_000, 2_264));
        assert_eq!(Descriptors::share(1_024, 64, 8).connections, 760);
        assert_eq!(
            Descriptors::share(256, 64, 8).connections,
            32,
            "a node that nobody can ask is of no use"
        );
        assert_eq!(
            Descriptors::share(u64::MAX, usize::MAX, usize::MAX).connections,
            32
        );
    }
}
