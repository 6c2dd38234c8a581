//! The faults: what each does, to whom, and what the history says of it.
//!
//! Each is written down from before it begins until after it is undone. It holds what it
//! is done to, and leaves nothing behind but what is meant to be mended by the
//! cluster itself.

mod database;
mod network;
mod nodes;
mod requests;

use super::file::{FaultSpec, Kind};
use super::stage::Stage;
use crate::history::Micros;
use std::time::Duration;

/// Does it, and undoes it.
pub async fn inflict(stage: &Stage, fault: &FaultSpec) -> Result<(), anyhow::Error> {
    let lasting = Duration::from_secs_f64(fault.seconds);
    match fault.kind {
        Kind::Kill => nodes::kill(stage, fault.node, lasting).await,
        Kind::Freeze => nodes::freeze(stage, fault.node, lasting).await,
        Kind::Stop => nodes::stop(stage, fault.node, lasting).await,
        Kind::RestartAll => nodes::restart_all(stage, lasting).await,
        Kind::Standstill => nodes::standstill(stage, lasting).await,
        Kind::RollingRestart => nodes::rolling_restart(stage).await,
        Kind::Churn => nodes::churn(stage, lasting).await,
        Kind::HalfDead => nodes::half_dead(stage, fault.node, fault.actor, lasting).await,
        Kind::Skew => nodes::skew(stage, fault.node, fault.amount, lasting).await,
        Kind::PostgresRestart => database::restart(stage, "fast", Duration::ZERO).await,
        Kind::PostgresCrash => database::restart(stage, "immediate", lasting).await,
        Kind::Failover => database::failover(stage, lasting).await,
        Kind::OldPrimary => database::old_primary(stage, lasting).await,
        Kind::TableLock => database::table_lock(stage, lasting).await,
        Kind::Connections => database::connections(stage, lasting).await,
        Kind::IdleHog => database::idle_hog(stage, lasting).await,
        Kind::Snapshot => database::snapshot(stage, lasting).await,
        Kind::DiskFull => database::disk_full(stage, lasting).await,
        Kind::ListenersLost => database::listeners_lost(stage).await,
        Kind::MembershipCut => database::membership_cut(stage, fault.node, fault.amount).await,
        Kind::Backlog => database::backlog(stage, fault.amount).await,
        Kind::Partition | Kind::PartitionOut | Kind::PartitionBack | Kind::SlowWire | Kind::Reset => {
            network::cut_from_database(stage, fault, lasting).await
        }
        Kind::TargetAway => network::target_away(stage, lasting).await,
        Kind::Unplug => network::unplug(stage, fault.node, lasting).await,
        Kind::Lossy => network::lossy(stage, fault.node, lasting).await,
        Kind::ClockJump => database::clock_jump(stage, fault.amount, lasting).await,
        Kind::ClockStays => database::clock_stays(stage, fault.amount, lasting).await,
        Kind::Flood => requests::flood(stage, lasting).await,
        Kind::PoisonedValues => requests::poisoned_values(stage, fault.node).await,
    }
}

/// Whether a freeze of so long is one that somebody may be declared dead for.
fn reaches_ttl(stage: &Stage, lasting: Duration) -> bool {
    Micros::try_from(lasting.as_micros()).unwrap_or(Micros::MAX) > stage.drill.rules().ttl * 3 / 4
}
