//! The faults: actions, targets, and records in the history.
//!
//! The record of a fault reaches from before the beginning until after the end. A fault holds the
//! target, and leaves nothing behind except work for the cluster's own repairs.

mod database;
mod network;
mod nodes;
mod patroni;
mod requests;
mod restore;

use super::fault_spec::{FaultSpec, Kind};
use super::testbed::DrillTestbed;
use crate::micros::Micros;
use std::time::Duration;

/// Injects a fault, and undoes it.
pub async fn inject(testbed: &DrillTestbed, fault: &FaultSpec) -> Result<(), anyhow::Error> {
    let lasting = Duration::from_secs_f64(fault.seconds);
    match fault.kind {
        Kind::Kill => nodes::kill(testbed, fault.node, lasting).await,
        Kind::Freeze => nodes::freeze(testbed, fault.node, lasting).await,
        Kind::Suspend => nodes::suspend(testbed, fault.node, lasting).await,
        Kind::Stop => nodes::stop(testbed, fault.node, lasting).await,
        Kind::RestartAll => nodes::restart_all(testbed, lasting).await,
        Kind::Standstill => nodes::standstill(testbed, lasting).await,
        Kind::RollingRestart => nodes::rolling_restart(testbed).await,
        Kind::Churn => nodes::churn(testbed, lasting).await,
        Kind::HalfDead => nodes::half_dead(testbed, fault.node, fault.actor, lasting).await,
        Kind::Skew => nodes::skew(testbed, fault.node, fault.amount, lasting).await,
        Kind::PostgresRestart => database::restart(testbed, "fast", Duration::ZERO).await,
        Kind::PostgresCrash => database::restart(testbed, "immediate", lasting).await,
        Kind::Failover => database::failover(testbed, lasting).await,
        Kind::Restore => restore::restore(testbed, lasting).await,
        Kind::RestoreUnderNodes => restore::restore_under_nodes(testbed, lasting).await,
        Kind::OldPrimary => database::old_primary(testbed, lasting).await,
        Kind::PatroniSwitchover => patroni::switchover(testbed).await,
        Kind::PatroniPostgresKilled => patroni::postgres_killed(testbed).await,
        Kind::PatroniMemberKilled => patroni::member_killed(testbed, lasting).await,
        Kind::PatroniMemberPaused => patroni::member_paused(testbed, lasting).await,
        Kind::TableLock => database::table_lock(testbed, lasting).await,
        Kind::Connections => database::connections(testbed, lasting).await,
        Kind::IdleHog => database::idle_hog(testbed, lasting).await,
        Kind::Snapshot => database::snapshot(testbed, lasting).await,
        Kind::DiskFull => database::disk_full(testbed, lasting).await,
        Kind::ListenersLost => database::listeners_lost(testbed).await,
        Kind::MembershipCut => database::membership_cut(testbed, fault.node, fault.amount).await,
        Kind::Backlog => database::backlog(testbed, fault.amount).await,
        Kind::Partition
        | Kind::PartitionOut
        | Kind::PartitionBack
        | Kind::SlowWire
        | Kind::Reset => network::cut_from_database(testbed, fault, lasting).await,
        Kind::TargetAway => network::target_away(testbed, lasting).await,
        Kind::Unplug => network::unplug(testbed, fault.node, lasting).await,
        Kind::Lossy => network::lossy(testbed, fault.node, lasting).await,
        Kind::ClockJump => database::clock_jump(testbed, fault.amount, lasting).await,
        Kind::ClockStays => database::clock_stays(testbed, fault.amount, lasting).await,
        Kind::Flood => requests::flood(testbed, lasting).await,
        Kind::PoisonedValues => requests::poisoned_values(testbed, fault.node).await,
    }
}

/// Whether a freeze of this length may be a reason to declare a node dead.
fn reaches_ttl(testbed: &DrillTestbed, lasting: Duration) -> bool {
    // The last heartbeat before the freeze may be a quarter of the TTL old.
    Micros::try_from(lasting.as_micros()).unwrap_or(Micros::MAX) > testbed.drill.rules().ttl * 3 / 4
}
