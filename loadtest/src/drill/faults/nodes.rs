//! Faults of nodes: dead, frozen, stopped, half dead, or with a wrong clock.

use super::reaches_ttl;
use crate::drill::fault_spec::{Actor, NodeChoice};
use crate::drill::testbed::DrillTestbed;
use crate::history::Scope;
use crate::testbed::node::Slot;
use crate::testbed::now;
use crate::testbed::postgres::Postgres;
use rustix::process::Signal;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// How soon a node must end after the loss of a critical actor.
const GIVE_UP_MAX: Duration = Duration::from_secs(20);

/// The exit code of a node that ends itself.
const GAVE_UP: i32 = 70;

fn name(slot: &Slot) -> String {
    slot.name().unwrap_or_default().to_owned()
}

/// Starts a new life, and waits until it leases.
async fn begin_again(
    testbed: &DrillTestbed,
    slot: &mut OwnedMutexGuard<Slot>,
) -> Result<(), anyhow::Error> {
    slot.start()?;
    slot.ready(&testbed.http).await
}

pub(super) async fn kill(
    testbed: &DrillTestbed,
    who: NodeChoice,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let mut slot = testbed.pick_node(who).await?;
    let (name, from) = (name(&slot), now());
    let dead = slot.kill().await?;
    testbed
        .records
        .fault("kill", Scope::Ends, &[&name], from, dead);
    tokio::time::sleep(lasting).await;
    begin_again(testbed, &mut slot).await
}

pub(super) async fn freeze(
    testbed: &DrillTestbed,
    who: NodeChoice,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let slot = testbed.pick_node(who).await?;
    let (name, from) = (name(&slot), now());
    slot.signal(Signal::STOP)?;
    tokio::time::sleep(lasting).await;
    slot.signal(Signal::CONT)?;
    let kind = if reaches_ttl(testbed, lasting) {
        "freeze"
    } else {
        "blip"
    };
    testbed
        .records
        .fault(kind, Scope::Freezes, &[&name], from, now());
    Ok(())
}

/// The machine of a node sleeps: to the node's monotonic clock, no time has passed when it wakes.
pub(super) async fn suspend(
    testbed: &DrillTestbed,
    who: NodeChoice,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let slot = testbed.pick_node(who).await?;
    let (name, from) = (name(&slot), now());
    slot.signal(Signal::STOP)?;
    tokio::time::sleep(lasting).await;
    // Whole seconds: a clock that went back by more would have run backwards.
    slot.sleep_for(lasting.as_secs())?;
    slot.signal(Signal::CONT)?;
    testbed
        .records
        .fault("suspend", Scope::Freezes, &[&name], from, now());
    Ok(())
}

/// A stop is no death: it must have no effect.
pub(super) async fn stop(
    testbed: &DrillTestbed,
    who: NodeChoice,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let mut slot = testbed.pick_node(who).await?;
    let (name, from) = (name(&slot), now());
    slot.stop().await?;
    testbed
        .records
        .fault("stop", Scope::Harmless, &[&name], from, now());
    tokio::time::sleep(lasting).await;
    begin_again(testbed, &mut slot).await
}

pub(super) async fn restart_all(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let mut slots = Vec::new();
    for slot in testbed.slots() {
        slots.push(slot.lock_owned().await);
    }
    let from = now();
    let names: Vec<String> = slots.iter().map(|slot| name(slot)).collect();
    for slot in slots.iter_mut().filter(|slot| slot.name().is_some()) {
        slot.kill().await?;
    }
    tokio::time::sleep(lasting).await;
    for slot in &mut slots {
        slot.start()?;
    }
    for slot in &mut slots {
        slot.ready(&testbed.http).await?;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    testbed
        .records
        .fault("restart-all", Scope::Cluster, &names, from, now());
    Ok(())
}

/// Freezes all processes except the harness and the target. All continue afterwards, whatever
/// fails.
pub(super) async fn standstill(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let mut slots = Vec::new();
    for slot in testbed.slots() {
        slots.push(slot.lock_owned().await);
    }
    // An empty slot has no process that a signal could reach.
    slots.retain_mut(|slot| slot.lives());
    let servers = testbed.servers.read().await;
    let (from, names) = (
        now(),
        slots.iter().map(|slot| name(slot)).collect::<Vec<_>>(),
    );
    // Even after an error everything continues: a stopped process would outlive the drill.
    let mut stopped = signal_all(&slots, &servers.primary, Signal::STOP);
    if stopped.is_ok() {
        tokio::time::sleep(lasting).await;
        // One machine sleeps, with the database on it.
        if testbed.drill.suspends() {
            stopped = slots
                .iter()
                .try_for_each(|slot| slot.sleep_for(lasting.as_secs()));
        }
    }
    let continued = signal_all(&slots, &servers.primary, Signal::CONT);
    stopped.and(continued)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    testbed
        .records
        .fault("standstill", Scope::Freezes, &names, from, now());
    testbed
        .records
        .fault("standstill: database", Scope::Cluster, &[], from, now());
    Ok(())
}

/// Sends a signal to nodes and database. An error of one does not spare the others.
fn signal_all(
    slots: &[OwnedMutexGuard<Slot>],
    primary: &Postgres,
    signal: Signal,
) -> Result<(), anyhow::Error> {
    let mut sent = primary.signal_all(signal);
    for slot in slots {
        sent = sent.and(slot.signal(signal));
    }
    sent
}

pub(super) async fn rolling_restart(testbed: &DrillTestbed) -> Result<(), anyhow::Error> {
    for slot in testbed.slots() {
        let mut slot = slot.lock_owned().await;
        if !slot.lives() {
            continue;
        }
        let (name, from) = (name(&slot), now());
        slot.stop().await?;
        testbed
            .records
            .fault("rolling-restart", Scope::Harmless, &[&name], from, now());
        begin_again(testbed, &mut slot).await?;
    }
    Ok(())
}

/// Two more slots; in each a node starts, and ends by kill or stop.
pub(super) async fn churn(testbed: &DrillTestbed, lasting: Duration) -> Result<(), anyhow::Error> {
    let mut places = [
        testbed.add_slot().await?.lock_owned().await,
        testbed.add_slot().await?.lock_owned().await,
    ];
    let begun = tokio::time::Instant::now();
    let mut turn = 0;
    while begun.elapsed() < lasting {
        let slot = &mut places[turn % 2];
        if slot.lives() {
            let (name, from) = (name(slot), now());
            // Both places end in both ways.
            if turn % 4 < 2 {
                let dead = slot.kill().await?;
                testbed
                    .records
                    .fault("churn: kill", Scope::Ends, &[&name], from, dead);
            } else {
                slot.stop().await?;
                testbed
                    .records
                    .fault("churn: stop", Scope::Harmless, &[&name], from, now());
            }
        } else {
            begin_again(testbed, slot).await?;
        }
        turn += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// One actor panics; the process has to end.
pub(super) async fn half_dead(
    testbed: &DrillTestbed,
    who: NodeChoice,
    actor: Actor,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let mut slot = testbed.pick_node(who).await?;
    let (name, from) = (name(&slot), now());
    slot.signal(match actor {
        Actor::ExecutorPool => Signal::USR1,
        Actor::TriggerAcquirer => Signal::USR2,
        Actor::Reconciler => Signal::ALARM,
        Actor::ClusterMembership => Signal::IO,
    })?;
    // The record ends with its beginning: the actor is dead at once, whatever follows.
    let ended = slot.ended(GIVE_UP_MAX).await;
    testbed
        .records
        .fault("half-dead", Scope::Ends, &[&name], from, from);
    match ended {
        Ok(status) => {
            anyhow::ensure!(
                status.code() == Some(GAVE_UP),
                "{name} ended with {status} instead of {GAVE_UP}: was it built \
                 with the feature fault-injection?"
            );
            tokio::time::sleep(lasting).await;
            begin_again(testbed, &mut slot).await
        }
        // The node lives on, half dead. Its executions are lost, and the checker will report them.
        Err(_) => Ok(()),
    }
}

/// No effect is allowed: the database's clock decides.
pub(super) async fn skew(
    testbed: &DrillTestbed,
    who: NodeChoice,
    seconds: i64,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let slot = testbed.pick_node(who).await?;
    let (name, from) = (name(&slot), now());
    slot.skew(seconds)?;
    tokio::time::sleep(lasting).await;
    slot.skew(0)?;
    testbed
        .records
        .fault("skew", Scope::Harmless, &[&name], from, now());
    Ok(())
}
