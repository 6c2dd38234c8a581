//! Migrations: forward-only, a single node at a time.
//!
//! refinery takes no lock, and nodes starting together on an empty database disturb each other; so
//! the run holds an advisory lock. An applied migration unknown to the binary is no error: a newer
//! node may have run the migration. Whether the binary can use the schema is stored in the schema
//! (`horolog_schema.compatible_since`).
//!
//! Older nodes fire during a migration. A transaction waiting for a lock on a table makes all later
//! transactions wait, so a migration waits a quarter of a second, gives up, and tries again.
//!
//! A role other than the owner changes nothing, and only checks that the schema is new enough, and
//! that the role has the rights of a node.

use super::database::Database;
use super::grants::{self, Roles};
use super::row::Values;
use super::statement::Statement;
use crate::store::{During, StoreError};
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Advisory lock of the migration run: "HOROLOG" in ASCII.
const MIGRATION_LOCK: i64 = 0x0048_4f52_4f4c_4f47;

const TRY_LOCK: Statement = Statement::new(
    "-- migrate.try_lock
select pg_try_advisory_lock($1)",
);

/// The session with the lock, from `pg_stat_activity`; some columns are null for a role without the
/// right to read them.
const HOLDER: Statement = Statement::new(
    "-- migrate.holder
select format('pid %s, application %s, client %s, %s since %s', l.pid,
    coalesce(nullif(a.application_name, ''), '(none)'),
              coalesce(a.client_addr::text, 'local'), coalesce(a.state, '(hidden)'),
              to_char(a.state_change, 'YYYY-MM-DD HH24:MI:SS UTC'))
from pg_locks l left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
  and l.database = (select oid from pg_database where datname = current_database())
  and ((l.classid::bigint << 32) | l.objid::bigint) = $1",
);

/// Whether there is a history of migrations.
const HISTORY: Statement = Statement::new(
    "-- migrate.history
select to_regclass('horolog_migration') is not null",
);

const FIRST_MIGRATION: Statement = Statement::new(
    "-- migrate.first
select name from horolog_migration where version = 1",
);

/// The role; whether the role owns the tables; whether the role may make tables.
const ROLE: Statement = Statement::new(
    "-- migrate.role
select current_user::text, pg_has_role(c.relowner, 'usage'),
       coalesce(has_schema_privilege(current_schema(), 'create'), false)
from (select) as one
left join pg_class c on c.relname = 'horolog_migration' and c.relkind = 'r'
    and (current_schema() is null or c.relnamespace = (
        select n.oid from pg_namespace n where n.nspname = current_schema()))
limit 1",
);

const NEWEST_APPLIED: Statement = Statement::new(
    "-- migrate.newest_applied
select coalesce(max(version), 0) from horolog_migration",
);

const COMPATIBLE_SINCE: Statement = Statement::new(
    "-- migrate.compatible_since
select compatible_since from horolog_schema",
);

/// How long a wait for another session's migration is not logged.
const SILENT_FOR: Duration = Duration::from_secs(5);
/// Pause between two tries for the lock.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a migration waiting for a lock may delay others: the look-ahead of a lease.
const LOCK_TIMEOUT: &str = "250ms";
/// Tries before giving up, after about a minute: another transaction stays open.
const TRIES_MAX: u32 = 60;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A call of the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A migration failed, or an applied migration was edited.
    #[error("a migration failed; nothing of it was kept")]
    Migration(#[source] Box<refinery::Error>),
    /// Another transaction holds a lock needed by a migration.
    #[error(
        "a migration could not lock a table for a minute; who holds it: select pid, query from \
         pg_stat_activity where state <> 'idle' order by xact_start"
    )]
    Locked(#[source] Box<refinery::Error>),
    /// The schema is from the time before the first release, with replaced migrations.
    #[error(
        "the schema of the database was made by an unreleased horolog, and no release upgrades \
         it: create an empty database and use that one"
    )]
    Unreleased,
    /// A newer horolog has changed the schema, and the version cannot use the schema.
    #[error(
        "the database's schema needs a horolog that knows migration {needed}, and this one knows \
         up to {known}: upgrade this node"
    )]
    Incompatible {
        /// The migration required by the schema.
        needed: i32,
        /// The newest migration of the binary.
        known: i32,
    },
    /// There is no schema, and the role may not make a schema.
    #[error(
        "the database has no schema of horolog, and role {role} may not create tables: run \
         `horolog migrate --node-role {role}` as the owner of the schema"
    )]
    NoSchema {
        /// The role of the program.
        role: String,
    },
    /// The schema is older than the program, and the role of the program may not change the schema.
    #[error(
        "the schema of the database has migration {applied}, this horolog needs {known}, and role \
         {role} may not change it: run `horolog migrate --node-role {role}` as its owner"
    )]
    Behind {
        /// The role of the program.
        role: String,
        /// The newest migration of the schema.
        applied: i32,
        /// The newest migration of the binary.
        known: i32,
    },
    /// The role of the program lacks rights of a node.
    #[error(
        "role {role} lacks {missing}: run `horolog migrate --node-role {role}` as the owner of \
         the schema"
    )]
    Rights {
        /// The role of the program.
        role: String,
        /// The first missing rights.
        missing: String,
    },
    /// Only the owner can give rights to other roles.
    #[error("only the owner of the schema can give rights to other roles")]
    NotOwner,
    /// The role for a node or a reader owns the schema.
    #[error("role {0} may change the schema, and would lose that right: choose another role")]
    OwnerRole(String),
}

impl MigrateError {
    /// Whether trying again can help: the server is away or busy.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Locked(_)) || matches!(self, Self::Store(error) if error.is_passing())
    }
}

/// Number of the newest migration in the binary.
pub fn newest_known() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0)
}

/// Brings the schema up to date and checks that the binary may use the schema.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    migrate_for(database, &Roles::default()).await
}

/// The same, and gives roles their rights; the owner of the schema may.
pub async fn migrate_for(database: &Database, roles: &Roles) -> Result<(), MigrateError> {
    let (mut client, _messages) = database.connect().await?;
    take_lock(&client).await?;
    client
        .batch_execute(&format!("set lock_timeout = '{LOCK_TIMEOUT}'"))
        .await
        .during("migrate.bound")?;
    if may_change(&client).await? {
        refuse_unreleased(&client).await?;
        apply(&mut client).await?;
        grants::give(&mut client, roles).await?;
    } else if !roles.is_empty() {
        return Err(MigrateError::NotOwner);
    }
    require_compatible(&client).await
    // The connection ends here, together with the lock.
}

/// Whether the role owns the schema, or may make the schema. Otherwise the schema must be there and
/// new enough, and the role needs the rights of a node.
async fn may_change(client: &Client) -> Result<bool, MigrateError> {
    let row = ROLE.query_one_unprepared(client, &[]).await?;
    let row = Values::of(ROLE.name(), &row);
    let (role, is_owner): (String, Option<bool>) = (row.get(0)?, row.get(1)?);
    match is_owner {
        Some(true) => return Ok(true),
        None if row.get(2)? => return Ok(true),
        None => return Err(MigrateError::NoSchema { role }),
        Some(false) => {}
    }
    if let Some(missing) = grants::missing(client).await? {
        return Err(MigrateError::Rights { role, missing });
    }
    refuse_unreleased(client).await?;
    let newest = NEWEST_APPLIED.query_one_unprepared(client, &[]).await?;
    let (applied, known) = (
        Values::of(NEWEST_APPLIED.name(), &newest).get(0)?,
        newest_known(),
    );
    if applied < known {
        return Err(MigrateError::Behind {
            role,
            applied,
            known,
        });
    }
    Ok(false)
}

/// Waits without a limit while another session migrates. Polls instead of waiting in the server, in
/// order to log the holder, and to keep no snapshot.
async fn take_lock(client: &Client) -> Result<(), StoreError> {
    let begun = Instant::now();
    let mut said = None;
    loop {
        let row = TRY_LOCK
            .query_one_unprepared(client, &[&MIGRATION_LOCK])
            .await?;
        if Values::of(TRY_LOCK.name(), &row).get(0)? {
            return Ok(());
        }
        if begun.elapsed() >= SILENT_FOR {
            let holder = holder(client).await?;
            if holder.is_some() && holder != said {
                said.clone_from(&holder);
                tracing::warn!(
                    holder = holder.unwrap_or_default(),
                    "the schema is being migrated by another session: waiting for it; if it is \
                     none of horolog's, end it with pg_terminate_backend(pid)"
                );
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn holder(client: &Client) -> Result<Option<String>, StoreError> {
    let rows = HOLDER.query_unprepared(client, &[&MIGRATION_LOCK]).await?;
    rows.first()
        .map(|row| Values::of(HOLDER.name(), row).get(0))
        .transpose()
}

/// Before the first release, migration 1 had another name.
async fn refuse_unreleased(client: &Client) -> Result<(), MigrateError> {
    let row = HISTORY.query_one_unprepared(client, &[]).await?;
    if !Values::of(HISTORY.name(), &row).get::<bool>(0)? {
        return Ok(());
    }
    let rows = FIRST_MIGRATION.query_unprepared(client, &[]).await?;
    let name = rows
        .first()
        .map(|row| Values::of(FIRST_MIGRATION.name(), row).get::<String>(0))
        .transpose()?;
    let own = embedded::migrations::runner();
    let first = own.get_migrations().first().map(refinery::Migration::name);
    match name.as_deref() {
        Some(name) if Some(name) != first => Err(MigrateError::Unreleased),
        _ => Ok(()),
    }
}

/// Each migration is a transaction: migrations applied before a lock timeout stay.
async fn apply(client: &mut Client) -> Result<(), MigrateError> {
    let mut tries = 0;
    loop {
        // An applied migration unknown to the binary comes from a newer node.
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
            // Not a lock: another try would fail in the same way.
            false => return Err(MigrateError::Migration(error)),
            true if tries == TRIES_MAX => return Err(MigrateError::Locked(error)),
            true if tries == 1 => {
                tracing::info!("a migration waits for a lock: trying again until it has it");
            }
            true => {}
        }
        // A random pause: transactions queued behind the lock run in between.
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
    let row = COMPATIBLE_SINCE.query_one_unprepared(client, &[]).await?;
    let (needed, known) = (Values::of("horolog_schema", &row).get(0)?, newest_known());
    if needed > known {
        return Err(MigrateError::Incompatible { needed, known });
    }
    Ok(())
}
