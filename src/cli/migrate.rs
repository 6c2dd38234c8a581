//! `horolog migrate`: the schema, and the rights of the roles of the database.

use super::{CALL_TIMEOUT, CLEAN, USAGE, output};
use crate::store::db::database::Database;
use crate::store::db::grants::Roles;
use crate::store::db::migrate::migrate_for;
use clap::Args;

/// Options of `horolog migrate`.
#[derive(Debug, Args)]
pub struct MigrateConfig {
    /// PostgreSQL, e.g. postgresql://user:password@host:5432/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Gives this role of the database the rights of a node, and no others on the tables: nodes
    /// with it read and write rows, and cannot change the schema or the audit log.
    #[arg(long, value_name = "ROLE")]
    node_role: Option<String>,
    /// Gives this role of the database the right to read what holds no secrets.
    #[arg(long, value_name = "ROLE")]
    reader_role: Option<String>,
}

/// Brings the schema up to date and gives the roles their rights.
pub async fn run(config: MigrateConfig) -> Result<i32, anyhow::Error> {
    let database = Database::parse(&config.database_url, CALL_TIMEOUT)?;
    if config.node_role.is_some() && config.node_role == config.reader_role {
        output::complain("--reader-role: must be another role than --node-role");
        return Ok(USAGE);
    }
    let roles = Roles {
        node: config.node_role,
        reader: config.reader_role,
    };
    migrate_for(&database, &roles).await?;
    tracing::info!("the schema is up to date");
    Ok(CLEAN)
}
