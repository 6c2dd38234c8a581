//! Faults of the network: between a node and the database, and between nodes and their target.

use crate::drill::fault_spec::{FaultSpec, Kind, NodeChoice};
use crate::drill::testbed::DrillTestbed;
use crate::history::Scope;
use crate::testbed::now;
use crate::testbed::proxy::Wire;
use anyhow::Context;
use std::time::Duration;

/// A node and the database hear each other badly or not at all; the node still reaches its target,
/// and has to stop its attempts without help.
pub(super) async fn cut_from_database(
    testbed: &DrillTestbed,
    fault: &FaultSpec,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let delay = Duration::from_millis(u64::try_from(fault.amount).unwrap_or(0));
    let (kind, wire) = match fault.kind {
        Kind::PartitionOut => (
            "partition-out",
            Wire {
                silent_out: true,
                ..Wire::default()
            },
        ),
        Kind::PartitionBack => (
            "partition-back",
            Wire {
                silent_back: true,
                ..Wire::default()
            },
        ),
        Kind::SlowWire => (
            "slow-wire",
            Wire {
                delay,
                ..Wire::default()
            },
        ),
        Kind::Reset => (
            "reset",
            Wire {
                refused: true,
                ..Wire::default()
            },
        ),
        _ => (
            "partition",
            Wire {
                silent_out: true,
                silent_back: true,
                ..Wire::default()
            },
        ),
    };
    let slot = testbed.pick_node(fault.node).await?;
    let from = now();
    slot.set_wires(wire)?;
    tokio::time::sleep(lasting).await;
    slot.set_wires(Wire::default())?;
    // A reset session is taken over at once, while the attempts continue until the node has learnt
    // of the death: the overlap is no fault of the node.
    let scope = if fault.kind == Kind::Reset {
        Scope::Freezes
    } else {
        Scope::CutsOff
    };
    testbed
        .records
        .fault(kind, scope, &[slot.name().unwrap_or_default()], from, now());
    Ok(())
}

/// No node reaches the target.
pub(super) async fn target_away(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let wire = testbed
        .sink_wire
        .as_ref()
        .context("the target of this drill has no wire of its own")?;
    let from = now();
    wire.set(Wire {
        refused: true,
        ..Wire::default()
    });
    tokio::time::sleep(lasting).await;
    wire.set(Wire::default());
    testbed
        .records
        .fault("target-away", Scope::CutsTarget, &[], from, now());
    Ok(())
}

/// The cable is pulled: the target hears nothing either, not even that the node gives up.
pub(super) async fn unplug(
    testbed: &DrillTestbed,
    who: NodeChoice,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let slot = testbed.pick_node(who).await?;
    let namespace = slot
        .namespace()
        .context("the nodes of this drill have no namespaces")?;
    let from = now();
    namespace.cut().await?;
    tokio::time::sleep(lasting).await;
    namespace.join().await?;
    testbed.records.fault(
        "unplug",
        Scope::Freezes,
        &[slot.name().unwrap_or_default()],
        from,
        now(),
    );
    Ok(())
}

/// A third of the packets from the database gets lost.
pub(super) async fn lossy(
    testbed: &DrillTestbed,
    who: NodeChoice,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let slot = testbed.pick_node(who).await?;
    let namespace = slot
        .namespace()
        .context("the nodes of this drill have no namespaces")?;
    // Only the packets of the database: the path to the target stays whole.
    let port = testbed.servers.read().await.primary.address.port();
    let from = now();
    namespace
        .filter(&format!("tcp sport {port} numgen random mod 100 < 30 drop"))
        .await?;
    tokio::time::sleep(lasting).await;
    namespace.unfilter().await?;
    testbed.records.fault(
        "lossy",
        Scope::CutsOff,
        &[slot.name().unwrap_or_default()],
        from,
        now(),
    );
    Ok(())
}
