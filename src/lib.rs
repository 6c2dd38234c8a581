//! Horolog: a clustered job scheduler on PostgreSQL.
//!
//! The map, inside out; imports point one way only (`tests/tidy.rs` checks it):
//! [`model`] what the words mean, pure · `store` the only place that knows the
//! database · `handlers` what executions run · `actors` who does what, when ·
//! `api` GraphQL · `http` routes · `server` puts a node together · `cli` the
//! program.

// They panic when the output is full or closed: `telemetry` logs, `cli::output` prints.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod actors;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
mod descriptors;
pub mod embedded_postgres;
pub mod handlers;
pub mod http;
pub mod model;
pub mod safeguards;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod threads;
pub mod traces;
