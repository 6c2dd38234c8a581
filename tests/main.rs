//! One binary for every test that needs PostgreSQL, a socket or a process.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report; clippy.toml spares #[test] functions only")]
#![expect(clippy::disallowed_methods, reason = "the same: `Row::get` panics on a row that the test does not expect")]

mod api_node;
mod backfills;
mod bad_input;
mod closures;
mod dashboard;
mod database_clock;
mod database_tls;
mod deliveries;
mod deploy;
mod editing;
mod embedded_postgres;
mod graphql;
mod holding;
mod hosts;
mod http_client;
mod http_egress;
mod http_handler;
mod leases;
mod leasing;
mod lists;
mod live;
mod membership;
mod migrating;
mod misfires;
mod overlaps;
mod packages;
mod pausing;
mod previewing;
mod processes;
mod proxy;
mod reconciling;
mod remembering;
mod repair_slices;
mod repairing;
mod retention;
mod retries;
mod running;
mod scheduling;
mod sink;
mod statements;
mod support;
mod tidy;
mod unreadable;
mod waking;
