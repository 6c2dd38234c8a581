//! One binary for every test that needs PostgreSQL, a socket or a process.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report; clippy.toml spares #[test] functions only")]

mod api_node;
mod backfills;
mod bad_input;
mod closures;
mod dashboard;
mod database_clock;
mod deliveries;
mod editing;
mod embedded_postgres;
mod graphql;
mod hosts;
mod http_client;
mod http_egress;
mod http_handler;
mod leasing;
mod lists;
mod live;
mod membership;
mod migrating;
mod misfires;
mod overlaps;
mod previewing;
mod processes;
mod proxy;
mod reconciling;
mod repairing;
mod retention;
mod retries;
mod running;
mod scheduling;
mod sink;
mod statements;
mod support;
mod tidy;
mod waking;
