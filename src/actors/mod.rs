//! The periodic work of a node: an Actix actor per file, each a thin shell around a plain struct.
//!
//! A periodic message has no input. It runs a bounded, idempotent pass and returns a report:
//! metrics count it, tests assert it. The timer ([`periodic`]) is an ordinary caller, and so is a
//! wake-up: both only mean "run a pass now". A pass never ends its actor; the death of an actor
//! ends the process ([`watchdog`]).
//!
//! Each actor has the same constructor: a `…Config` with all parts, and [`periodic::Passes`] for
//! the start of the passes.

pub mod cluster_membership;
pub mod executor_pool;
pub mod job_manager;
#[cfg(feature = "fault-injection")]
pub mod panic_injector;
pub mod periodic;
pub mod reconciler;
pub mod settler;
pub mod slots;
pub mod trigger_acquirer;
mod usage;
pub mod watchdog;
