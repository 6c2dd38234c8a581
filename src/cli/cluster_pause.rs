//! `horolog pause-cluster` and `horolog resume-cluster`: the two that must work while no node runs.

use super::account::author;
use super::output::say;
use super::{CALL_TIMEOUT, CLEAN};
use crate::clock::Clock;
use crate::model::rfc3339;
use crate::store::Store;
use crate::store::db::database::Database;
use crate::store::db::migrate::migrate;

/// Brings the schema up to date, so that the backup of an older version can be paused, and pauses
/// the cluster.
pub async fn pause(database_url: String, reason: String) -> Result<i32, anyhow::Error> {
    let database = Database::parse(&database_url, CALL_TIMEOUT)?;
    migrate(&database).await?;
    let paused = store(&database, "pauseCluster")
        .pause_cluster(&reason)
        .await?;
    say(if paused {
        "the cluster is paused: no node starts anything"
    } else {
        "the cluster was paused already"
    });
    Ok(CLEAN)
}

/// Says what is due, and resumes the cluster.
pub async fn resume(database_url: String) -> Result<i32, anyhow::Error> {
    let database = Database::parse(&database_url, CALL_TIMEOUT)?;
    // A restored backup of an older version may lack what the statements below read.
    migrate(&database).await?;
    let store = store(&database, "resumeCluster");
    let Some(pause) = store.cluster_pause().await? else {
        say("the cluster is not paused");
        return Ok(CLEAN);
    };
    say(format_args!(
        "paused since {}: {}\ndue by now: {} triggers; lost with their nodes: {} attempts",
        rfc3339(pause.paused_at),
        pause.reason,
        pause.due,
        pause.lost
    ));
    store.resume_cluster().await?;
    say("the cluster is resumed");
    Ok(CLEAN)
}

fn store(database: &Database, command: &str) -> Store {
    Store::new(database, 1, CALL_TIMEOUT, Clock::Database).by(author(command))
}
