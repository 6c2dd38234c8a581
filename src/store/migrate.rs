//! Migrations: forward-only, one node at a time.
//!
//! refinery takes no lock, and six nodes that start at once on an empty
//! database trample each other; so the run stands under an advisory lock of
//! ours. An applied migration that this binary does not know is no error: a
//! newer node may have run it. Whether the binary can live with it is written in
//! the schema itself (`horolog_schema.compatible_since`).

use super::connect::{Database, SERVER_VERSION_MIN};
use super::{During, StoreError};
use tokio_postgres::Client;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Advisory lock of the migration run: "HOROLOG" in ASCII.
const MIGRATION_LOCK: i64 = 0x0048_4f52_4f4c_4f47;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is too old.
    #[error("PostgreSQL {found} is too old: horolog needs 14 or newer")]
    ServerTooOld {
        /// What the server says it is.
        found: String,
    },
    /// A migration failed, or an applied one was edited.
    #[error("a migration failed; nothing of it was kept")]
    Migration(#[source] Box<refinery::Error>),
    /// A newer horolog has changed the schema in a way this one cannot live with.
    #[error(
        "the database's schema needs a horolog that knows migration {needed}, and this one knows up to {known}: upgrade this node"
    )]
    Incompatible {
        /// What the schema asks for.
        needed: i32,
        /// What this binary has.
        known: i32,
    },
}

impl MigrateError {
    /// Whether trying again can help: the server is away or busy.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_passing())
    }
}

/// Number of the newest migration in this binary.
pub fn newest_known() -> i32 {
    embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0)
}

/// Brings the schema up to date and checks that this binary may work on it.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    let (mut client, _messages) = database.connect().await?;
    require_server_version(&client).await?;
    // Others may be migrating: wait for them without a limit, run bounded.
    client.batch_execute("set lock_timeout = 0").await.during("migrate.wait")?;
    client.execute("select pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await.during("migrate.lock")?;
    client.batch_execute("set lock_timeout = '5s'").await.during("migrate.bound")?;
    let report = embedded::migrations::runner()
        .set_abort_missing(false)
        .set_migration_table_name("horolog_migration")
        .run_async(&mut client)
        .await
        .map_err(|error| MigrateError::Migration(Box::new(error)))?;
    for migration in report.applied_migrations() {
        tracing::info!(migration = %migration, "migration applied");
    }
    require_compatible(&client).await
    // The connection ends here, and the lock with it.
}

async fn require_server_version(client: &Client) -> Result<(), MigrateError> {
    let row = client
        .query_one("select current_setting('server_version_num')::int, current_setting('server_version')", &[])
        .await
        .during("migrate.server_version")?;
    check_server_version(row.get(0), row.get(1))
}

fn check_server_version(number: i32, shown: String) -> Result<(), MigrateError> {
    if number < SERVER_VERSION_MIN {
        return Err(MigrateError::ServerTooOld { found: shown });
    }
    Ok(())
}

async fn require_compatible(client: &Client) -> Result<(), MigrateError> {
    let row = client
        .query_one("select compatible_since from horolog_schema", &[])
        .await
        .during("migrate.compatible_since")?;
    let (needed, known) = (row.get(0), newest_known());
    if needed > known {
        return Err(MigrateError::Incompatible { needed, known });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_older_than_14_is_refused_for_good() {
        let error = check_server_version(130_022, "13.22".into()).expect_err("too old");
        assert_eq!(error.to_string(), "PostgreSQL 13.22 is too old: horolog needs 14 or newer");
        assert!(!error.is_passing());
        assert!(check_server_version(140_000, "14.0".into()).is_ok());
    }
}
