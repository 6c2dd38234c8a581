//! `horolog audit-log`: verifies and exports the audit log.

use super::output::{complain, say, written};
use super::{CALL_TIMEOUT, CLEAN, FAILED, USAGE};
use crate::clock::Clock;
use crate::store::audit::chain::parse_hex;
use crate::store::audit::row::AuditRow;
use crate::store::audit::verify::Verdict;
use crate::store::db::database::Database;
use crate::store::{Store, StoreError};
use clap::Subcommand;
use std::io::{self, BufWriter, Write};

/// The commands about the audit log.
#[derive(Subcommand)]
pub enum AuditLogCommand {
    /// Verifies the hash chain: 0 when it is whole, 1 with the first broken position.
    Verify {
        /// PostgreSQL, e.g. postgresql://user:password@host:5432/database
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        /// Verifies only what follows the row with this hash, for example the last one in the
        /// log of a node. Fails when no row has it: the end of the log was cut off.
        #[arg(long, value_name = "HASH")]
        since_hash: Option<String>,
    },
    /// Writes all rows as JSON, one a line, in the order of the chain; unsealed rows last.
    Export {
        /// PostgreSQL, e.g. postgresql://user:password@host:5432/database
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
}

/// Runs a command about the audit log; the exit code.
pub async fn run(command: AuditLogCommand) -> Result<i32, anyhow::Error> {
    match command {
        AuditLogCommand::Verify {
            database_url,
            since_hash,
        } => {
            let store = store(&database_url)?;
            let since = since_hash.as_deref().map(parse_hex);
            // A mistyped hash must not verify the whole log instead.
            if since == Some(None) {
                complain("--since-hash: expected 64 hexadecimal digits");
                return Ok(USAGE);
            }
            Ok(report(store.verify_audit_log(since.flatten()).await?))
        }
        AuditLogCommand::Export { database_url } => Ok(export(&store(&database_url)?).await?),
    }
}

fn report(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Whole {
            rows,
            end,
            unsealed,
        } => {
            say(format_args!(
                "the audit log is whole: {rows} rows up to position {}, {unsealed} not sealed yet\n\
                 hash {}",
                end.position,
                end.hash_hex()
            ));
            CLEAN
        }
        Verdict::Broken { position, reason } => {
            complain(&format!(
                "the audit log is broken at position {position}: {reason}"
            ));
            FAILED
        }
        Verdict::NoSuchHash => {
            complain(
                "no row of the audit log has this hash: the end of the log was cut off, or the \
                 row is older than --audit-retention",
            );
            FAILED
        }
    }
}

async fn export(store: &Store) -> Result<i32, StoreError> {
    let mut out = BufWriter::new(io::stdout());
    let mut reader = store.read_audit_log(0).await?;
    loop {
        let rows = reader.sealed().await?;
        if rows.is_empty() {
            break;
        }
        if let Err(error) = write(&mut out, &rows) {
            return Ok(written(Err(error)));
        }
    }
    // Unsealed rows have no position in the chain: their numbers give the order.
    let mut after = 0;
    loop {
        let rows = reader.unsealed(after).await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        if let Err(error) = write(&mut out, &rows) {
            return Ok(written(Err(error)));
        }
    }
    reader.end().await?;
    Ok(written(out.flush()))
}

fn write(out: &mut impl Write, rows: &[AuditRow]) -> io::Result<()> {
    for row in rows {
        writeln!(out, "{}", row.json())?;
    }
    Ok(())
}

fn store(database_url: &str) -> Result<Store, anyhow::Error> {
    let database = Database::parse(database_url, CALL_TIMEOUT)?;
    // One connection: the command runs one statement after the other.
    Ok(Store::new(&database, 1, CALL_TIMEOUT, Clock::Database))
}
