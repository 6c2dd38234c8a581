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
use std::fmt::Write;

/// The database of the cluster. The command line is not asked for a role: the URL opens more.
#[derive(Debug, Args)]
pub struct ClusterDatabase {
    /// PostgreSQL, e.g. postgresql://user:password@host:5432/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

impl ClusterDatabase {
    /// The store for a command, named like the mutation, whose author is the command line. The
    /// schema is brought up to date: the first user may be created before the first node starts.
    pub async fn store(&self, command: &str) -> Result<Store, anyhow::Error> {
        let database = Database::parse(&self.database_url, CALL_TIMEOUT)?;
        migrate(&database).await?;
        let store = Store::new(&database, 1, CALL_TIMEOUT, Clock::Database);
        Ok(store.by(author(command)))
    }
}

/// The name of a role, in small or capital letters.
pub fn role(text: &str) -> Result<Role, String> {
    text.to_ascii_uppercase()
        .parse()
        .map_err(|_| "expected monitor, viewer, operator, editor or admin".to_owned())
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
    let lines = || std::iter::once(&heads).chain(rows);
    let mut widths = [0; N];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for line in lines() {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            write!(text, "{cell:width$}  ").expect("a string takes all text");
        }
        say(text.trim_end());
    }
}
