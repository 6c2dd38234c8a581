//! The database is restored from a backup, as docs/postgresql.md says: what fired since then may
//! fire again, under the same execution ids, after the operator has resumed the cluster.

use crate::drill::testbed::DrillTestbed;
use crate::history::Scope;
use crate::testbed::now;
use crate::testbed::postgres::Postgres;
use anyhow::{Context, ensure};
use std::time::Duration;

/// How long a paused cluster is watched: nothing may start.
const PAUSED: Duration = Duration::from_secs(5);

/// How soon nodes must notice that the database was set back.
const NOTICE_MAX: Duration = Duration::from_secs(15);

/// All nodes are stopped; the operator pauses the cluster before the first one starts.
pub(super) async fn restore(testbed: &DrillTestbed, lost: Duration) -> Result<(), anyhow::Error> {
    let mut slots = Vec::new();
    for slot in testbed.slots() {
        slots.push(slot.lock_owned().await);
    }
    let servers = testbed.servers.write().await;
    servers.primary.back_up().await?;
    tokio::time::sleep(lost).await; // of which the archive alone knows
    let from = now();
    let until = servers.primary.archived_instant().await?;
    tokio::time::sleep(lost).await;
    let mut names = Vec::new();
    for slot in slots.iter_mut().filter(|slot| slot.name().is_some()) {
        names.extend(slot.name().map(str::to_owned));
        slot.stop().await?;
    }
    servers.primary.restore(&until).await?;
    testbed.horolog(&servers.primary, "pause-cluster").await?;
    for slot in &mut slots {
        slot.start()?;
    }
    for slot in &mut slots {
        slot.ready(&testbed.http).await?;
    }
    resume(testbed, &servers.primary, "restore").await?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    testbed
        .records
        .fault("restore", Scope::Cluster, &names, from, now());
    Ok(())
}

/// The nodes run on, and pause the cluster by themselves.
pub(super) async fn restore_under_nodes(
    testbed: &DrillTestbed,
    lost: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.write().await;
    servers.primary.back_up().await?;
    let from = now();
    let until = servers.primary.archived_instant().await?;
    tokio::time::sleep(lost).await;
    servers.primary.restore(&until).await?;
    let sql = servers.primary.sql().await?;
    let noticed = tokio::time::timeout(NOTICE_MAX, async {
        let paused = "select from cluster_pause where set_back_to is not null";
        while sql.query_opt(paused, &[]).await?.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, anyhow::Error>(())
    });
    noticed
        .await
        .context("no node noticed that the database was set back")??;
    resume(testbed, &servers.primary, "restore-under-nodes").await?;
    testbed
        .records
        .fault("restore-under-nodes", Scope::Cluster, &[], from, now());
    Ok(())
}

/// Watches the paused cluster, and resumes it; keeps what the command says.
async fn resume(
    testbed: &DrillTestbed,
    database: &Postgres,
    kind: &str,
) -> Result<(), anyhow::Error> {
    // What had been sent before the database went away may still arrive.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let known = testbed.sink.count();
    tokio::time::sleep(PAUSED).await;
    ensure!(
        testbed.sink.count() == known,
        "{kind}: an execution started while the cluster was paused"
    );
    testbed.records.measurement(
        format!("{kind}: `horolog resume-cluster` says"),
        testbed.horolog(database, "resume-cluster").await?,
    );
    Ok(())
}
