//! Faults of a database that Patroni manages: its leader is replaced.
//!
//! Each fault ends when a leader takes writes again. Then it waits for the standby: a leader without
//! a standby could not be replaced by the next fault.

use crate::drill::testbed::{DrillTestbed, Servers};
use crate::history::Scope;
use crate::micros::Micros;
use crate::testbed::now;
use crate::testbed::patroni::Patroni;
use crate::testbed::postgres::Postgres;
use anyhow::Context;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::time::Duration;

/// Pause between two looks at the servers.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub(super) async fn switchover(testbed: &DrillTestbed) -> Result<(), anyhow::Error> {
    let mut servers = testbed.servers.write().await;
    let (patroni, primary, other) = parts(&mut servers)?;
    let (from, former) = (now(), primary.address);
    patroni.switchover().await?;
    let leader = patroni.leader_other_than(former).await?;
    follow(leader, primary, other);
    record(testbed, "patroni-switchover", from);
    patroni.wait_for_the_standby().await
}

pub(super) async fn postgres_killed(testbed: &DrillTestbed) -> Result<(), anyhow::Error> {
    let mut servers = testbed.servers.write().await;
    let (patroni, primary, other) = parts(&mut servers)?;
    let from = now();
    primary.kill().await?;
    // Patroni calls the member its leader until it notices; the server itself cannot be wrong.
    while !(takes_writes(primary).await || takes_writes(other).await) {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    let leader = patroni.leader().await?;
    follow(leader, primary, other);
    record(testbed, "patroni-postgres-killed", from);
    patroni.wait_for_the_standby().await
}

pub(super) async fn member_killed(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let mut servers = testbed.servers.write().await;
    let (patroni, primary, other) = parts(&mut servers)?;
    let (from, former) = (now(), primary.address);
    // Patroni first: it would start its server again.
    patroni.kill_member(primary).await?;
    primary.kill().await?;
    let leader = patroni.leader_other_than(former).await?;
    follow(leader, primary, other);
    record(testbed, "patroni-member-killed", from);
    tokio::time::sleep(lasting).await;
    patroni.restart_member(other)?;
    patroni.wait_for_the_standby().await
}

pub(super) async fn member_paused(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let mut servers = testbed.servers.write().await;
    let (patroni, primary, other) = parts(&mut servers)?;
    let (from, former) = (now(), primary.address);
    // Patroni stops before its server: a running Patroni would start another one.
    patroni.signal_member(primary, Signal::STOP)?;
    primary.signal_all(Signal::STOP)?;
    let leader = patroni.leader_other_than(former).await?;
    follow(leader, primary, other);
    record(testbed, "patroni-member-paused", from);
    tokio::time::sleep(lasting).await;
    // The former leader believes that it still is: nodes must not listen to it.
    let from = now();
    // After `follow` the former leader is `other`.
    other.signal_all(Signal::CONT)?;
    patroni.signal_member(other, Signal::CONT)?;
    patroni.wait_for_the_standby().await?;
    let records = &testbed.records;
    records.fault("patroni-member-returned", Scope::Harmless, &[], from, now());
    Ok(())
}

fn parts(
    servers: &mut Servers,
) -> Result<(&mut Patroni, &mut Postgres, &mut Postgres), anyhow::Error> {
    let Servers {
        patroni,
        primary,
        other,
    } = servers;
    Ok((
        patroni.as_mut().context("the drill has no Patroni")?,
        primary,
        other.as_mut().context("there is no standby")?,
    ))
}

/// Whether a server answers as a primary.
async fn takes_writes(server: &Postgres) -> bool {
    let Ok(sql) = server.sql().await else {
        return false;
    };
    let answer = sql.query_one("select not pg_is_in_recovery()", &[]).await;
    answer.is_ok_and(|row| row.get(0))
}

/// The server of the leader becomes the primary of the drill.
fn follow(leader: SocketAddr, primary: &mut Postgres, other: &mut Postgres) {
    if primary.address != leader {
        std::mem::swap(primary, other);
    }
}

fn record(testbed: &DrillTestbed, kind: &str, from: Micros) {
    testbed
        .records
        .fault(kind, Scope::Cluster, &[], from, now());
}
