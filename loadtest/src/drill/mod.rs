//! Drills: what is asked of a cluster, what is done to it meanwhile, and how the
//! history is recorded. A drill file says it in TOML; a key that nobody knows is refused.

mod disk_watch;
pub mod faults;
pub mod figures;
pub mod file;
pub mod operations;
pub mod run;
pub mod testbed;
pub mod workload;
