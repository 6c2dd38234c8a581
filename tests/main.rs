//! One binary for all tests that need PostgreSQL, a socket or a process.
#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy.toml spares #[test] functions only"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the same: `Row::get` panics on a row that the test does not expect"
)]

mod admission;
mod agendas;
mod answers;
mod api_node;
mod arguments;
mod audit;
mod audit_chain;
mod audit_decisions;
mod backfills;
mod bad_input;
mod base_path;
mod blackouts;
mod bulk_reruns;
mod cancellations;
mod changes;
mod clients;
mod clock_jumps;
mod clock_mends;
mod cluster_pause;
mod cost;
mod creating;
mod dashboard;
mod database_clock;
mod database_tls;
mod deletions;
mod deliveries;
mod deploy;
mod documents;
mod editing;
mod embedded_postgres;
mod every_field;
mod exclusions;
mod exclusions_api;
mod explaining;
mod failing;
mod fixed_delays;
mod fuzzing;
mod graphql;
mod hosts;
mod http_answers;
mod http_client;
mod http_connections;
mod http_egress;
mod http_handler;
mod job_cache;
mod job_states;
mod large_answers;
mod lease_crashes;
mod lease_races;
mod lease_rows;
mod lists;
mod live;
mod loads;
mod masking;
mod membership;
mod migrating;
mod misfires;
mod node_tls;
mod notifications;
mod outcomes;
mod overlaps;
mod overview;
mod own_payloads;
mod ownership;
mod packages;
mod partitions;
mod pausing;
mod payloads;
mod poisoned;
mod preemption;
mod previewing;
mod processes;
mod proxy;
mod reclaims;
mod reconciling;
mod repairs;
mod rerun_locks;
mod reruns;
mod resting;
mod retention;
mod retries;
mod running;
mod schedule_bounds;
mod scheduling;
mod searches;
mod sessions;
mod shares;
mod sink;
mod sockets;
mod statements;
mod successors;
mod support;
mod sweeping;
mod text;
mod tidy;
mod unreadable;
mod values;
mod zones;
