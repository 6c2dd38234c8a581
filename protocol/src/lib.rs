//! A model of the lease protocol.

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
