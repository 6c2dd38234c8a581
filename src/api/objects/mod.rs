//! Objects of the API, a file for each noun.

mod executions;
pub mod jobs;
pub mod nodes;
mod outcomes;
pub mod schedule;
