//! Who does what, when: one Actix actor per file, each a thin shell over a plain
//! struct.
//!
//! A periodic message takes no input, does one bounded idempotent pass and
//! returns a report: metrics count it, tests assert it. The timer
//! ([`pacemaker`]) is a caller like any other, and so is a wake-up: both only
//! mean "look again". A pass never kills its actor; an actor that dies anyway
//! ends the process ([`vitals`]).

pub mod cluster_membership;
#[cfg(feature = "drill-bugs")]
pub mod detonator;
pub mod executor_pool;
pub mod job_manager;
pub mod pacemaker;
pub mod reconciler;
pub mod settler;
pub mod slots;
pub mod trigger_acquirer;
mod usage;
pub mod vitals;
