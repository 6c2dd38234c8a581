//! The protocol: how nodes join, lease due triggers, settle attempts, and take over what a dead
//! node held. The order of the locks in each step is the safety of the cluster.

pub(crate) mod acquire;
pub(crate) mod apply;
pub mod cluster_view;
pub mod complete;
pub(crate) mod context;
pub mod failing;
pub(crate) mod fixed_delay;
pub mod hand_over;
pub(crate) mod job_cache;
pub(crate) mod lease_groups;
pub mod lease_store;
pub(crate) mod lessee;
pub(crate) mod locking;
pub mod membership;
pub(crate) mod overlap;
pub(crate) mod own;
pub(crate) mod plan;
pub(crate) mod preempt;
pub mod reclaim;
pub(crate) mod scan_cursor;
pub mod shares;
pub(crate) mod skipped;
pub mod sweep;
pub(crate) mod taken;
pub mod takeover;
pub mod workers;
