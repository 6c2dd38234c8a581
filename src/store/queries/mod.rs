//! Queries: lists, the overview and charts. A query only reads, and locks nothing.

pub mod activity;
pub mod changes;
pub mod execution_list;
pub(crate) mod execution_scans;
pub mod execution_search;
pub mod executions;
pub(crate) mod filters;
pub(crate) mod fire_times;
pub mod job_states;
pub mod jobs;
pub mod load;
pub mod outcomes;
pub mod overview;
pub mod pending_runs;
pub mod resting;
pub mod upcoming;
