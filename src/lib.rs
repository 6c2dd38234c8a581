//! Horolog: a clustered job scheduler on PostgreSQL.
//!
//! This crate is the program `horolog`. The library exists for its tests, benchmarks and fuzz
//! targets; its API is not stable. The book in `docs/` describes the program: concepts, guarantees,
//! operation, architecture.
//!
//! # Layers
//!
//! Imports point one way (`tests/tidy.rs` enforces it):
//!
//! | module | content |
//! |---|---|
//! | [`model`] | jobs, schedules, policies, triggers, executions: pure rules, no I/O, no clock |
//! | [`store`] | all SQL: leases, settlements, takeovers, commands, lists |
//! | [`handlers`] | the targets that executions run |
//! | [`actors`] | the periodic work of a node |
//! | [`api`] | GraphQL |
//! | [`http`] | routes, health, the dashboard |
//! | [`server`] | start and stop of a node |
//! | [`cli`] | the commands of the program |
//!
//! Supporting modules: [`clock`], [`config`], [`embedded_postgres`], [`safeguards`], [`telemetry`],
//! [`threads`], [`traces`].
//!
//! # Entry points for readers
//!
//! - A lease: [`store::leases`]. Its decisions: [`model::trigger`] and [`model::overlap`].
//! - A settlement: [`store::settlements`]. A takeover: [`store::takeovers`].
//! - The life of a node: [`actors::cluster_membership`].

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
