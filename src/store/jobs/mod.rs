//! Commands: what changes jobs, calendars, blackouts and the pause of the cluster on request.

pub mod backfills;
pub mod blackouts;
pub mod bulk;
pub mod calendars;
pub mod cancellations;
pub mod cluster_pause;
pub mod commands;
pub mod enqueue;
pub mod exclusions;
pub mod executions;
pub mod job_rows;
pub(crate) mod passed;
pub mod pauses;
pub mod reruns;
pub(crate) mod triggers;
pub mod versions;
