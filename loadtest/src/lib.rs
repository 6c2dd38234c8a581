//! Failover drills for Horolog: real nodes, real PostgreSQL, real faults, and a
//! checker that trusts neither the nodes nor their log.
//!
//! The map, inside out; imports point one way: [`history`] what was seen, the only input of the
//! checker · [`job`] what a drill asks the cluster to run · [`fire_times`] which instants a
//! schedule names, by brute force · [`checker`] checks it, pure · [`report`] shows both to people.
//! Beside them [`bench`] measures on the same [`testbed`]; [`flood`] is a load for both. It never
//! links `horolog`.

pub mod bench;
pub mod checker;
pub mod drill;
pub mod fire_times;
pub mod flood;
pub mod history;
pub mod job;
pub mod report;
pub mod testbed;
