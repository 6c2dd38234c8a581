//! The preparation of the database, before a node joins.

use crate::store::Store;
use crate::store::db::database::Database;
use crate::store::db::migrate::{self, MigrateError};
use std::time::Duration;

/// Longest pause between tries to reach the database at the start.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// First pause between tries to reach the database.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(250);

/// Prepares the schema as soon as the database answers; tries again with back-off.
pub(super) async fn prepare_when_possible(
    database: &Database,
    store: &Store,
) -> Result<(), MigrateError> {
    let mut pause = RETRY_PAUSE_MIN;
    loop {
        match prepare(database, store).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_passing() => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, retry_in = ?pause, "the database is not ready");
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_PAUSE_MAX);
    }
}

/// Migrates, and creates today's partition before any write.
async fn prepare(database: &Database, store: &Store) -> Result<(), MigrateError> {
    migrate::migrate(database).await?;
    store.create_partitions().await?;
    Ok(())
}
