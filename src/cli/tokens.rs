//! `horolog token`: API tokens of programs.

use super::CLEAN;
use super::access::{ClusterDatabase, carried_out, grant, print_table, role, time};
use super::output::{complain, print, say};
use crate::actors::job_manager::Command;
use crate::actors::job_manager::accounts::{CreateApiToken, RevokeApiToken};
use crate::model::access::{NamespaceRoles, Role, roles_in_words};
use crate::model::rfc3339;
use crate::store::Store;
use crate::store::access::tokens::TokenRecord;
use anyhow::bail;
use clap::{Args, Subcommand};

/// A command about API tokens.
#[derive(Debug, Args)]
pub struct TokenConfig {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Creates a token, and prints its text, which is shown this once.
    Create {
        /// Display only: from 1 to 100 characters.
        name: String,
        /// Role in the whole cluster: MONITOR, VIEWER, OPERATOR, EDITOR or ADMIN.
        #[arg(long, value_parser = role, required_unless_present = "grant")]
        role: Option<Role>,
        /// Role in a namespace: NAMESPACE=ROLE. May be given several times.
        #[arg(long, value_name = "NAMESPACE=ROLE", value_parser = grant)]
        grant: Vec<(String, Role)>,
        /// How long the token counts: 1 to 365 days.
        #[arg(long, default_value_t = 90)]
        days: i32,
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Prints all tokens, those that are not revoked first.
    List {
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Revokes a token for good, on all nodes within five seconds.
    Revoke {
        /// Id of the token, or its name if no other token that counts has it.
        token: String,
        #[command(flatten)]
        database: ClusterDatabase,
    },
}

/// Carries out a command about API tokens.
pub async fn run(config: TokenConfig) -> Result<i32, anyhow::Error> {
    match config.command {
        TokenCommand::Create {
            name,
            role,
            grant,
            days,
            database,
        } => {
            let create = CreateApiToken {
                name,
                role,
                namespace_roles: NamespaceRoles::validate(grant)?,
                expires_in_days: days,
            };
            let store = database.store("createApiToken").await?;
            create_token(&store, create).await
        }
        TokenCommand::List { database } => {
            let store = database.store("apiTokens").await?;
            list(&store).await
        }
        TokenCommand::Revoke { token, database } => {
            let store = database.store("revokeApiToken").await?;
            revoke(&store, &token).await
        }
    }
}

/// The text alone goes to standard output, so that a script can take it.
async fn create_token(store: &Store, create: CreateApiToken) -> Result<i32, anyhow::Error> {
    let created = carried_out(create.carry_out(store).await)?;
    complain(&format!(
        "token {} ({}) counts until {}; its text is shown this once",
        created.token.id,
        roles_in_words(created.token.role, &created.token.namespace_roles),
        rfc3339(created.token.expires_at)
    ));
    Ok(print(format!("{}\n", created.secret.expose()).as_bytes()))
}

async fn list(store: &Store) -> Result<i32, anyhow::Error> {
    let rows: Vec<_> = store.tokens().await?.into_iter().map(row).collect();
    let heads = [
        "ID",
        "NAME",
        "ROLE",
        "EXPIRES",
        "LAST USED",
        "REVOKED",
        "CREATED BY",
    ];
    print_table(heads, &rows);
    Ok(CLEAN)
}

fn row(token: TokenRecord) -> [String; 7] {
    [
        token.id.to_string(),
        token.name,
        roles_in_words(token.role, &token.namespace_roles),
        rfc3339(token.expires_at),
        token.last_used_on.unwrap_or_else(|| "-".to_owned()),
        time(token.revoked_at),
        token.created_by,
    ]
}

async fn revoke(store: &Store, wanted: &str) -> Result<i32, anyhow::Error> {
    let tokens = store.tokens().await?;
    let by_id = tokens.iter().find(|token| token.id.to_string() == wanted);
    let mut named = tokens
        .iter()
        .filter(|token| token.name == wanted && token.revoked_at.is_none());
    let token = match (by_id, named.next(), named.next()) {
        // An id is exact; a name counts only when a single valid token has the name.
        (Some(token), _, _) | (None, Some(token), None) => token,
        (None, Some(_), Some(_)) => bail!("several tokens have this name: say the id of one"),
        (None, None, _) => bail!("there is no token `{}`", wanted.escape_debug()),
    };
    carried_out(RevokeApiToken(token.id).carry_out(store).await)?;
    say(format_args!(
        "token {} ({}) is revoked",
        token.id, token.name
    ));
    Ok(CLEAN)
}
