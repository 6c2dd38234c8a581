//! Objects: what the API shows, a file per noun.

mod executions;
pub mod jobs;
pub mod nodes;
mod outcomes;
