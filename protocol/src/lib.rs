//! A model of the lease protocol, checked exhaustively.
//!
//! Two names under which nodes live (`node`), one PostgreSQL (`database`), one
//! job with one or two fire times. `model` says which steps are possible in a
//! state; `leases`, `membership` and `faults` say what each does, `steps` how it
//! reads. `properties` is what must hold in every state, `reachability` that
//! everything is settled once nothing breaks any more, `safeguards` what can be
//! taken away. The tests check the whole, and print what goes wrong without each
//! safeguard; `docs/internals/lease-protocol.md` tells it for people.
//!
//! A step is a statement under its row locks, the arrival of an answer, or a check
//! of one's own membership. Time is ticks: a TTL is three, trust two, and a node
//! that nothing hinders sends a heartbeat in each.
//!
//! Left out, and why that is safe:
//!
//! - Misfires, overlaps, calendars, retries after a failure, cancellations: pure
//!   decisions inside a lease or a settlement that add no transaction.
//! - Edits, pauses, deletions: each is one transaction that locks the trigger as a
//!   lease does, and records or moves what no lease has taken (ADR 36).
//! - Batches and more slots than one: a batch is one transaction, and attempts in
//!   other slots share nothing but the membership. (Two attempts of one execution in
//!   one process, which takes a failover, are not seen.)
//! - Repairs: they put right what the protocol never leaves behind; the model
//!   shows that it needs none.
//! - Wake-ups: any poll may come at any time.
//! - Draining and leaving: a node that takes over itself, under the same lock.
//! - The request on its way to the target: an attempt that starts late by that
//!   cannot be told from one whose node froze just before.
//! - Heartbeats that a standby lacks: a heartbeat looks older then, and nobody
//!   decides by it within a TTL of the failover.
//! - Two primaries at once, and an old one that returns: refused by its timeline
//!   (ADR 17). A restored backup: held (ADR 19).

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

/// What a job asks for after a death in the middle of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Run again.
    Rerun,
    /// Never run again.
    MarkLost,
}

/// What names the job's fire times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Each by itself.
    FixedRate,
    /// Each after the end of the one before.
    FixedDelay,
}
