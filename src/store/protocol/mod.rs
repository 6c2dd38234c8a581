//! The protocol: how nodes join, lease due triggers, settle attempts, and take over what a dead
//! node held. The order of the locks in each step is the safety of the cluster.

pub mod acquire;
pub(crate) mod apply;
pub mod complete;
pub(crate) mod due;
pub mod failing;
pub(crate) mod in_flight;
pub(crate) mod job_cache;
pub(crate) mod lease_groups;
pub(crate) mod locking;
pub mod membership;
pub(crate) mod own;
pub(crate) mod plan;
pub mod reclaim;
pub(crate) mod scan_cursor;
pub mod shares;
pub mod sweep;
pub mod takeover;
