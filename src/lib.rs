//! Horolog: a clustered job scheduler on PostgreSQL.
//!
//! This crate is the program `horolog`. The library exists for the tests, benchmarks and fuzz
//! targets; its API is not stable. The book in `docs/` describes the program: concepts, guarantees,
//! operation, architecture.
//!
//! # Layers
//!
//! Imports point one way (`tests/tidy.rs` enforces it):
//!
//! | module | content |
//! |---|---|
//! | [`model`] | jobs, policies, triggers, executions: pure rules, no I/O, no clock |
//! | [`secrets`] | encrypted values for targets, signatures of webhooks |
//! | [`store`] | all SQL: leases, settlements, takeovers, commands, lists |
//! | [`access`] | users, tokens, sessions: who a caller is |
//! | [`handlers`] | the targets that executions run |
//! | [`actors`] | the periodic work of a node |
//! | [`api`] | GraphQL |
//! | [`http`] | routes, health, the dashboard |
//! | [`server`] | start and stop of a node |
//! | [`cli`] | the commands of the program |
//!
//! Two crates of the repository are independent of the program: `horolog_schedule` (re-exported as
//! [`model::schedule`]) and `horolog_embedded_postgres`.
//!
//! Supporting modules: [`clock`], [`config`], [`safeguards`], [`telemetry`],
//! [`threads`], [`traces`].
//!
//! # Entry points for readers
//!
//! - A fire time: [`model::schedule`]. Its identity: [`model::occurrence`].
//! - A lease: [`store::protocol::acquire`]. Its decisions: [`model::trigger`] and
//!   [`model::overlap`].
//! - A settlement: [`store::protocol::complete`]. A takeover: [`store::protocol::takeover`].
//! - The life of a node: [`actors::cluster_membership`].

// The macros panic if the output is full or closed: `telemetry` logs, `cli::output` prints.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod access;
pub mod actors;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
mod descriptors;
pub mod handlers;
pub mod http;
pub mod model;
pub mod safeguards;
pub mod secrets;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod threads;
pub mod traces;
