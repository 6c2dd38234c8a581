//! Faults of nodes: they die, stand still, leave, are half dead, or have a wrong clock.

use super::reaches_ttl;
use crate::cluster::node::Slot;
use crate::cluster::now;
use crate::drill::file::{Actor, Who};
use crate::drill::stage::Stage;
use crate::history::Scope;
use rustix::process::Signal;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// How soon a node that lost a critical actor must have given itself up.
const GIVE_UP_MAX: Duration = Duration::from_secs(20);

/// What a node that gave itself up ends with.
const GAVE_UP: i32 = 70;

fn name(slot: &Slot) -> String {
    slot.name().unwrap_or_default().to_owned()
}

/// A new life, that leases.
async fn begin_again(stage: &Stage, slot: &mut OwnedMutexGuard<Slot>) -> Result<(), anyhow::Error> {
    slot.start()?;
    slot.ready(&stage.http).await
}

pub(super) async fn kill(stage: &Stage, who: Who, lasting: Duration) -> Result<(), anyhow::Error> {
    let mut slot = stage.pick(who).await?;
    let (name, from) = (name(&slot), now());
    let dead = slot.kill().await?;
    stage.note("kill", Scope::Ends, &[&name], from, dead);
    tokio::time::sleep(lasting).await;
    begin_again(stage, &mut slot).await
}

pub(super) async fn freeze(stage: &Stage, who: Who, lasting: Duration) -> Result<(), anyhow::Error> {
    let slot = stage.pick(who).await?;
    let (name, from) = (name(&slot), now());
    slot.signal(Signal::STOP)?;
    tokio::time::sleep(lasting).await;
    slot.signal(Signal::CONT)?;
    let kind = if reaches_ttl(stage, lasting) { "freeze" } else { "blip" };
    stage.note(kind, Scope::Freezes, &[&name], from, now());
    Ok(())
}

/// Leaving is no death: nobody may notice.
pub(super) async fn stop(stage: &Stage, who: Who, lasting: Duration) -> Result<(), anyhow::Error> {
    let mut slot = stage.pick(who).await?;
    let (name, from) = (name(&slot), now());
    slot.stop().await?;
    stage.note("stop", Scope::Harmless, &[&name], from, now());
    tokio::time::sleep(lasting).await;
    begin_again(stage, &mut slot).await
}

pub(super) async fn restart_all(stage: &Stage, lasting: Duration) -> Result<(), anyhow::Error> {
    let mut slots = Vec::new();
    for slot in stage.slots() {
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
        slot.ready(&stage.http).await?;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.note("restart-all", Scope::Cluster, &names, from, now());
    Ok(())
}

/// Everything but who calls and who is called. Whatever fails, all go on afterwards.
pub(super) async fn standstill(stage: &Stage, lasting: Duration) -> Result<(), anyhow::Error> {
    let mut slots = Vec::new();
    for slot in stage.slots() {
        slots.push(slot.lock_owned().await);
    }
    slots.retain_mut(|slot| slot.lives());
    let servers = stage.servers.read().await;
    let (from, names) = (now(), slots.iter().map(|slot| name(slot)).collect::<Vec<_>>());
    let signal_all = |signal| {
        let nodes: Vec<_> = slots.iter().map(|slot| slot.signal(signal)).collect();
        let database = servers.primary.signal_all(signal);
        nodes.into_iter().chain([database]).collect::<Result<Vec<()>, _>>()
    };
    let stopped = signal_all(Signal::STOP);
    if stopped.is_ok() {
        tokio::time::sleep(lasting).await;
    }
    let continued = signal_all(Signal::CONT);
    stopped.and(continued)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.note("standstill", Scope::Freezes, &names, from, now());
    stage.note("standstill: database", Scope::Cluster, &[], from, now());
    Ok(())
}

pub(super) async fn rolling_restart(stage: &Stage) -> Result<(), anyhow::Error> {
    for slot in stage.slots() {
        let mut slot = slot.lock_owned().await;
        if !slot.lives() {
            continue;
        }
        let (name, from) = (name(&slot), now());
        slot.stop().await?;
        stage.note("rolling-restart", Scope::Harmless, &[&name], from, now());
        begin_again(stage, &mut slot).await?;
    }
    Ok(())
}

/// Two more places; in each a node comes, and goes by one way or the other.
pub(super) async fn churn(stage: &Stage, lasting: Duration) -> Result<(), anyhow::Error> {
    let mut places = [stage.add_slot().await?.lock_owned().await, stage.add_slot().await?.lock_owned().await];
    let begun = tokio::time::Instant::now();
    let mut turn = 0;
    while begun.elapsed() < lasting {
        let slot = &mut places[turn % 2];
        if slot.lives() {
            let (name, from) = (name(slot), now());
            if turn % 4 < 2 {
                let dead = slot.kill().await?;
                stage.note("churn: kill", Scope::Ends, &[&name], from, dead);
            } else {
                slot.stop().await?;
                stage.note("churn: stop", Scope::Harmless, &[&name], from, now());
            }
        } else {
            begin_again(stage, slot).await?;
        }
        turn += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// One actor dies; the process has to follow it.
pub(super) async fn half_dead(stage: &Stage, who: Who, actor: Actor, lasting: Duration) -> Result<(), anyhow::Error> {
    let mut slot = stage.pick(who).await?;
    let (name, from) = (name(&slot), now());
    slot.signal(match actor {
        Actor::ExecutorPool => Signal::USR1,
        Actor::TriggerAcquirer => Signal::USR2,
        Actor::Reconciler => Signal::ALARM,
        Actor::ClusterMembership => Signal::IO,
    })?;
    let ended = slot.ended(GIVE_UP_MAX).await;
    stage.note("half-dead", Scope::Ends, &[&name], from, from);
    match ended {
        Ok(status) => {
            anyhow::ensure!(
                status.code() == Some(GAVE_UP),
                "{name} ended with {status} instead of {GAVE_UP}: was it built with the feature drill-bugs?"
            );
            tokio::time::sleep(lasting).await;
            begin_again(stage, &mut slot).await
        }
        // It lives on, half dead. What it holds is lost; the checker will say so.
        Err(_) => Ok(()),
    }
}

/// Nobody may notice: the database's clock decides.
pub(super) async fn skew(stage: &Stage, who: Who, seconds: i64, lasting: Duration) -> Result<(), anyhow::Error> {
    let slot = stage.pick(who).await?;
    let (name, from) = (name(&slot), now());
    slot.skew(seconds)?;
    tokio::time::sleep(lasting).await;
    slot.skew(0)?;
    stage.note("skew", Scope::Harmless, &[&name], from, now());
    Ok(())
}
