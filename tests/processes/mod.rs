//! Real processes, a real database, a real target, real signals: a black box.

mod alerting;
mod balancer;
mod failover;
mod hanging;
mod joining;
mod listeners;
mod logging;
pub mod node_process;
mod own_server;
mod panics;
mod partition;
mod pooler;
mod program;
mod restart;
mod restore;
mod service_manager;
mod standby;
mod start_rule;
mod starting;
#[cfg(target_os = "linux")]
mod threads;
#[cfg(feature = "otel")]
mod traces;
mod upgrade;
mod zones;
