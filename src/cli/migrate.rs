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
    /// Gives this role of the database the right to enqueue runs with the SQL function
    /// horolog_enqueue, in each namespace, and no other right.
    #[arg(long, value_name = "ROLE")]
    enqueuer_role: Option<String>,
}

/// Brings the schema up to date and gives the roles their rights.
pub async fn run(config: MigrateConfig) -> Result<i32, anyhow::Error> {
    let database = Database::parse(&config.database_url, CALL_TIMEOUT)?;
    if let Some(problem) = problem(&config) {
        output::complain(problem);
        return Ok(USAGE);
    }
    let roles = Roles {
        node: config.node_role,
        reader: config.reader_role,
        enqueuer: config.enqueuer_role,
    };
    migrate_for(&database, &roles).await?;
    tracing::info!("the schema is up to date");
    Ok(CLEAN)
}

/// Why the roles cannot get their rights: each gets exactly its own, and loses others.
fn problem(config: &MigrateConfig) -> Option<&'static str> {
    let is_same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
    if is_same(&config.node_role, &config.reader_role) {
        return Some("--reader-role: must be another role than --node-role");
    }
    let enqueuer = &config.enqueuer_role;
    (is_same(enqueuer, &config.node_role) || is_same(enqueuer, &config.reader_role))
        .then_some("--enqueuer-role: must be another role than --node-role and --reader-role")
}
