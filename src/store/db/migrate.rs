//! Migrations: forward-only, one node at a time.
//!
//! refinery takes no lock, and six nodes that start at once on an empty
//! database trample each other; so the run stands under an advisory lock of
//! ours. An applied migration that this binary does not know is no error: a
//! newer node may have run it. Whether the binary can live with it is written in
//! the schema itself (`horolog_schema.compatible_since`).
//!
//! Older nodes go on firing meanwhile. Who waits for a lock on a table makes all
//! who come later wait too, so a migration waits for a moment only, gives up, lets
//! the others through, and tries again.

use super::database::Database;
use super::row::Values;
use crate::store::{During, StoreError};
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Advisory lock of the migration run: "HOROLOG" in ASCII.
const MIGRATION_LOCK: i64 = 0x0048_4f52_4f4c_4f47;

const TRY_LOCK: &str = "-- migrate.try_lock
select pg_try_advisory_lock($1)";

/// The session that holds the lock, in the words of `pg_stat_activity`; to a role that may not read
/// them, some are null.
const HOLDER: &str = "-- migrate.holder
select format('pid %s, application %s, client %s, %s since %s', l.pid, coalesce(nullif(a.application_name, ''), '(none)'),
              coalesce(a.client_addr::text, 'local'), coalesce(a.state, '(hidden)'),
              to_char(a.state_change, 'YYYY-MM-DD HH24:MI:SS UTC'))
from pg_locks l left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
  and l.database = (select oid from pg_database where datname = current_database())
  and ((l.classid::bigint << 32) | l.objid::bigint) = $1";

/// Whether there is a history of migrations.
const HISTORY: &str = "-- migrate.history
select to_regclass('horolog_migration') is not null";
const FIRST_MIGRATION: &str = "-- migrate.first
select name from horolog_migration where version = 1";

/// How long a wait for another session's migration is nothing to speak of.
const SILENT_FOR: Duration = Duration::from_secs(5);
/// Between two tries to have the lock.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a migration may hold up the others while it waits for a lock: the
/// look-ahead of a lease.
const LOCK_TIMEOUT: &str = "250ms";
/// Tries before giving up, after a minute: somebody has a transaction open.
const TRIES_MAX: u32 = 60;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A migration failed, or an applied one was edited.
    #[error("a migration failed; nothing of it was kept")]
    Migration(#[source] Box<refinery::Error>),
    /// Somebody holds a lock that a migration needs, and does not let go.
    #[error(
        "a migration could not lock a table for a minute; who holds it: select pid, query from pg_stat_activity where state <> 'idle' order by xact_start"
    )]
    Locked(#[source] Box<refinery::Error>),
    /// The schema is one of the time before the first release, whose migrations were replaced.
    #[error(
        "the schema of the database was made by an unreleased horolog, and no release upgrades it: create an empty database and use that one"
    )]
    Unreleased,
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
        matches!(self, Self::Locked(_)) || matches!(self, Self::Store(error) if error.is_passing())
    }
}

/// Number of the newest migration in this binary.
pub fn newest_known() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0)
}

/// Brings the schema up to date and checks that this binary may work on it.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    let (mut client, _messages) = database.connect().await?;
    take_lock(&client).await?;
    client
        .batch_execute(&format!("set lock_timeout = '{LOCK_TIMEOUT}'"))
        .await
        .during("migrate.bound")?;
    refuse_unreleased(&client).await?;
    apply(&mut client).await?;
    require_compatible(&client).await
    // The connection ends here, and the lock with it.
}

/// Waits for its turn for as long as it takes: somebody else migrates. It asks again and again
/// instead of waiting in the server, so that it can say for whom it waits, and keeps no snapshot
/// while it does.
async fn take_lock(client: &Client) -> Result<(), StoreError> {
    let begun = Instant::now();
    let mut said = None;
    loop {
        let row = client
            .query_one(TRY_LOCK, &[&MIGRATION_LOCK])
            .await
            .during("migrate.lock")?;
        if Values::of("migrate.lock", &row).get(0)? {
            return Ok(());
        }
        if begun.elapsed() >= SILENT_FOR {
            let holder = holder(client).await?;
            if holder.is_some() && holder != said {
                said.clone_from(&holder);
                tracing::warn!(
                    holder = holder.unwrap_or_default(),
                    "the schema is being migrated by another session: waiting for it; if it is none of horolog's, end it with pg_terminate_backend(pid)"
                );
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn holder(client: &Client) -> Result<Option<String>, StoreError> {
    let row = client
        .query_opt(HOLDER, &[&MIGRATION_LOCK])
        .await
        .during("migrate.holder")?;
    row.map(|row| Values::of("migrate.holder", &row).get(0))
        .transpose()
}

/// Before the first release, migration 1 had another name.
async fn refuse_unreleased(client: &Client) -> Result<(), MigrateError> {
    let row = client
        .query_one(HISTORY, &[])
        .await
        .during("migrate.history")?;
    if !Values::of("migrate.history", &row).get::<bool>(0)? {
        return Ok(());
    }
    let row = client
        .query_opt(FIRST_MIGRATION, &[])
        .await
        .during("migrate.first")?;
    let name = row
        .map(|row| Values::of("migrate.first", &row).get::<String>(0))
        .transpose()?;
    let own = embedded::migrations::runner();
    let first = own.get_migrations().first().map(refinery::Migration::name);
    match name.as_deref() {
        Some(name) if Some(name) != first => Err(MigrateError::Unreleased),
        _ => Ok(()),
    }
}

/// Each migration is a transaction: what was applied before a lock could not be had stays.
async fn apply(client: &mut Client) -> Result<(), MigrateError> {
    let mut tries = 0;
    loop {
        let mut runner = embedded::migrations::runner().set_abort_missing(false);
        let error = match runner
            .set_migration_table_name("horolog_migration")
            .run_async(client)
            .await
        {
            Ok(report) => {
                for migration in report.applied_migrations() {
                    tracing::info!(migration = %migration, "migration applied");
                }
                return Ok(());
            }
            Err(error) => Box::new(error),
        };
        tries += 1;
        match is_locked_out(&error) {
            false => return Err(MigrateError::Migration(error)),
            true if tries == TRIES_MAX => return Err(MigrateError::Locked(error)),
            true if tries == 1 => {
                tracing::info!("a migration waits for a lock: trying again until it has it")
            }
            true => {}
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(500..1_000))).await;
    }
}

fn is_locked_out(error: &refinery::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let codes = causes.filter_map(|cause| cause.downcast_ref::<tokio_postgres::Error>()?.code());
    codes
        .into_iter()
        .any(|code| *code == SqlState::LOCK_NOT_AVAILABLE)
}

async fn require_compatible(client: &Client) -> Result<(), MigrateError> {
    let row = client
        .query_one("select compatible_since from horolog_schema", &[])
        .await
        .during("migrate.compatible_since")?;
    let (needed, known) = (Values::of("horolog_schema", &row).get(0)?, newest_known());
    if needed > known {
        return Err(MigrateError::Incompatible { needed, known });
    }
    Ok(())
}
