//! A model of the lease protocol, checked exhaustively.
//!
//! Two names under which nodes live (`node`), one PostgreSQL (`database`), one job with one or two
//! fire times. `model` lists the possible steps of a state; `leases`, `membership` and `faults`
//! carry out each step, `steps` has the texts. `properties` must hold in every state;
//! `reachability` checks that everything is settled once nothing breaks any more; `safeguards` can
//! be switched off one by one. The tests check the whole protocol, and print the shortest violation
//! without each safeguard; `docs/internals/lease-protocol.md` explains the model.
//!
//! A step is a statement under the row locks, the arrival of an answer, or a check of one's own
//! membership. Time is ticks: a TTL is three, trust two; a node without a fault sends a heartbeat
//! in each tick.
//!
//! Left out, with the reason:
//!
//! - Misfires, overlaps, calendars, retries after a failure, cancellations: pure decisions inside a
//!   lease or a settlement that add no transaction.
//! - Edits, pauses, deletions: each is one transaction that locks the trigger as a lease does, and
//!   records or moves the fire times that no lease has taken (ADR 36).
//! - Batches and more slots than one: a batch is one transaction, and attempts in other slots share
//!   nothing but the membership. (Two attempts of an execution in one process, possible after a
//!   failover, are not modelled.)
//! - Repairs: the protocol never leaves a broken state behind; the model shows that none is needed.
//! - Wake-ups: any poll may come at any time.
//! - Draining and leaving: a node takes over its own executions, under the same lock.
//! - The request on its way to the target: an attempt that starts late by the network cannot be
//!   told from an attempt whose node froze just before.
//! - Heartbeats that a standby lacks: a heartbeat looks older then, and no node decides by it
//!   within a TTL of the failover.
//! - Two primaries at once, and the return of an old one: refused by the timeline (ADR 17). A
//!   restored backup: paused (ADR 19).

mod commands;
pub mod database;
mod faults;
mod leases;
mod membership;
pub mod model;
pub mod node;
pub mod properties;
pub mod reachability;
pub mod safeguards;
pub mod state;
pub mod steps;
pub mod unique_keys;

/// The job's policy for a death in the middle of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The execution runs again.
    Rerun,
    /// The execution ends as lost.
    MarkLost,
}

/// The rule that names the job's fire times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Each fire time is independent.
    FixedRate,
    /// Each fire time follows the end of the execution before.
    FixedDelay,
}
