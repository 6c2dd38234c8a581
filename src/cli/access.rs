//! What the commands about users and API tokens share: the database, the author, and tables.

use super::CALL_TIMEOUT;
use super::account::author;
use super::output::say;
use crate::actors::job_manager::CommandError;
use crate::clock::Clock;
use crate::model::access::Role;
use crate::model::{Timestamp, rfc3339};
use crate::store::Store;
use crate::store::db::database::Database;
use crate::store::db::migrate::migrate;
use anyhow::Context;
use clap::Args;
use horolog_embedded_postgres::{EmbeddedPostgres, default_data_dir, has_cluster};
use std::fmt::Write;
use std::ops::Deref;
use std::path::PathBuf;

/// The database of the cluster. The command line is not asked for a role: the URL opens more.
#[derive(Debug, Args)]
pub struct ClusterDatabase {
    /// PostgreSQL, e.g. postgresql://user:password@host:5432/database. [default: the embedded
    /// PostgreSQL of this machine, which is started if it does not run]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,

    /// Where the embedded PostgreSQL lives. [default: as for `serve`]
    #[arg(long, env = "HOROLOG_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// Directory of the demo in the data directory.
pub const DEMO: &str = "demo";

/// There is no URL, and no cluster in the data directory. A command about users creates none.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no database: DATABASE_URL is not set, and {} has no embedded PostgreSQL; set \
     DATABASE_URL or --data-dir, or start `horolog serve` first",
    data_dir.display()
)]
pub struct NoDatabase {
    data_dir: PathBuf,
}

/// The store for a command, and the server behind the store.
pub struct ClusterStore {
    store: Store,
    _postgres: Option<EmbeddedPostgres>,
}

impl Deref for ClusterStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl ClusterDatabase {
    /// The store for a command, named like the mutation, whose author is the command line. The
    /// schema is brought up to date: the first user may be created before the first node starts.
    pub async fn store(&self, command: &str) -> Result<ClusterStore, anyhow::Error> {
        let postgres = match &self.database_url {
            Some(_) => None,
            None => Some(self.embedded().await?),
        };
        let embedded = postgres.as_ref().map(EmbeddedPostgres::url);
        let url = embedded.as_ref().or(self.database_url.as_ref());
        let database = Database::parse(url.context("there is no database")?, CALL_TIMEOUT)?;
        migrate(&database).await?;
        let store = Store::new(&database, 1, CALL_TIMEOUT, Clock::Database);
        Ok(ClusterStore {
            store: store.by(author(command)),
            _postgres: postgres,
        })
    }

    /// The server that `horolog serve` or `horolog demo` has created on this machine.
    async fn embedded(&self) -> Result<EmbeddedPostgres, anyhow::Error> {
        let data_dir = match &self.data_dir {
            Some(data_dir) => data_dir.clone(),
            None => default_data_dir()?,
        };
        // `horolog demo`, and so `make run`, has another one than `horolog serve`.
        let candidates = [data_dir.clone(), data_dir.join(DEMO)];
        let found = candidates.iter().find(|directory| has_cluster(directory));
        let found = found.ok_or(NoDatabase { data_dir })?;
        tracing::info!(data_dir = %found.display(), "using the embedded postgresql");
        Ok(EmbeddedPostgres::ensure_running(found, &[]).await?)
    }
}

/// The name of a role, in small or capital letters.
pub fn role(text: &str) -> Result<Role, String> {
    text.to_ascii_uppercase()
        .parse()
        .map_err(|_| "expected monitor, viewer, operator, editor or admin".to_owned())
}

/// A role in a namespace: `team=EDITOR`.
pub fn grant(text: &str) -> Result<(String, Role), String> {
    let (namespace, name) = text
        .split_once('=')
        .ok_or("expected NAMESPACE=ROLE, e.g. team=EDITOR")?;
    Ok((namespace.to_owned(), role(name)?))
}

/// The error of a command, with its cause.
pub fn carried_out<T>(result: Result<T, CommandError>) -> Result<T, anyhow::Error> {
    result.context("nothing was changed")
}

/// A time in a table; a dash for none.
pub fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), rfc3339)
}

/// Prints rows in columns that are as wide as their longest cell.
pub fn print_table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) {
    let heads = heads.map(str::to_owned);
    let lines: Vec<&[String; N]> = std::iter::once(&heads).chain(rows).collect();
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line.iter()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            write!(text, "{cell:width$}  ").expect("a string takes all text");
        }
        say(text.trim_end());
    }
}
