//! Maintenance: repairs, partitions, retention, and what a change of the clock or of the time zones
//! asks for. The reconciler runs it.

pub mod clock_jumps;
mod job_slice;
pub mod partitions;
pub mod repairs;
pub mod retention;
pub mod run_keys;
mod unscheduled;
pub(crate) mod zones;
