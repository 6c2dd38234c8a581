//! Drills: jobs and commands for a cluster, faults during the run, and the recorded history. A
//! drill file is TOML; an unknown key is refused.

mod disk_watch;
pub mod fault_spec;
pub mod faults;
pub mod figures;
pub mod file;
pub mod operations;
pub mod records;
pub mod run;
mod small_disk;
pub mod testbed;
pub mod workload;
