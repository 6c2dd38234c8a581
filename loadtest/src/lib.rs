//! Failover drills for Horolog: real nodes, real PostgreSQL, real faults, and a checker that trusts
//! neither the nodes nor their log.
//!
//! The map, inside out; imports point one way: [`history`] the recorded events, the only input of
//! the checker · [`job`] the jobs of a drill · [`fire_times`] the instants that a schedule names,
//! by brute force · [`checker`] checks the history, pure · [`report`] shows history and findings.
//! [`bench`] measures on the same [`testbed`]; [`flood`] is a load for drills and benchmarks. The
//! crate never links `horolog`.

pub mod bench;
pub mod checker;
pub mod drill;
pub mod fire_times;
pub mod flood;
pub mod history;
pub mod job;
pub mod micros;
pub mod report;
pub mod testbed;
