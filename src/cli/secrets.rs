//! `horolog secret`: the key file, and secrets from the command line.

use super::CLEAN;
use super::access::{ClusterDatabase, carried_out, print_table};
use super::output::say;
use crate::actors::job_manager::Command;
use crate::actors::job_manager::secrets::{
    CreateSecret, DeleteSecret, RotateSecrets, SecretRequest, UpdateSecret,
};
use crate::model::namespace;
use crate::model::rfc3339;
use crate::model::secret::Secret;
use crate::secrets::Keys;
use crate::store::Store;
use crate::store::secrets::rows::SecretRecord;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::io::Read;
use std::path::PathBuf;

/// Most bytes of standard input that are read as a value. More are refused as too long.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// A command about secrets.
#[derive(Debug, Args)]
pub struct SecretConfig {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Creates a file with a new key, which only its owner may read.
    CreateKey {
        /// Path of the new file.
        file: PathBuf,
    },
    /// Creates a secret, or replaces its value, with a value from standard input.
    Set {
        /// The name in references: from 1 to 100 letters, digits, `.`, `_` and `-`.
        name: String,
        /// Hosts that it is sent to, separated by commas: api.example.com, api.example.com:8443.
        /// An existing secret keeps its hosts without it.
        #[arg(long, value_delimiter = ',')]
        host: Vec<String>,
        /// Display only: at most 2,000 characters.
        #[arg(long)]
        description: Option<String>,
        /// Namespace of the jobs that may refer to it.
        #[arg(long, default_value = namespace::DEFAULT)]
        namespace: String,
        #[command(flatten)]
        keys: KeyFile,
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Prints all secrets, without their values.
    List {
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Deletes a secret that no job refers to.
    Delete {
        /// The secret.
        name: String,
        /// Namespace of the secret.
        #[arg(long, default_value = namespace::DEFAULT)]
        namespace: String,
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Encrypts all secrets with the first key of the file, so that the second is not needed any
    /// more.
    Rotate {
        #[command(flatten)]
        keys: KeyFile,
        #[command(flatten)]
        database: ClusterDatabase,
    },
}

#[derive(Debug, Args)]
struct KeyFile {
    /// File with the keys that encrypt secrets, as the nodes have it.
    #[arg(long, env = "HOROLOG_SECRETS_KEY_FILE")]
    secrets_key_file: PathBuf,
}

/// Carries out a command about secrets.
pub async fn run(config: SecretConfig) -> Result<i32, anyhow::Error> {
    match config.command {
        SecretCommand::CreateKey { file } => {
            let keys = Keys::create_file(&file)?;
            say(format_args!(
                "{} has the key {}",
                file.display(),
                keys.current()?
            ));
            Ok(CLEAN)
        }
        SecretCommand::Set {
            name,
            host,
            description,
            namespace,
            keys,
            database,
        } => {
            let keys = Keys::read(&keys.secrets_key_file)?;
            let request = SecretRequest {
                namespace,
                name,
                // Not an argument: the arguments of a process are visible to all users of the
                // machine.
                value: Some(value_of_input()?),
                // Without --host an existing secret keeps the hosts.
                hosts: Some(host).filter(|hosts| !hosts.is_empty()),
                description: description.map(Some),
            };
            set(&database, request, keys).await
        }
        SecretCommand::List { database } => {
            let store = database.store("secrets").await?;
            list(&store).await
        }
        SecretCommand::Delete {
            name,
            namespace,
            database,
        } => {
            let delete = DeleteSecret { namespace, name };
            let store = database.store("deleteSecret").await?;
            let done = format!("secret {} is deleted", delete.name);
            carried_out(delete.carry_out(&store).await)?;
            say(done);
            Ok(CLEAN)
        }
        SecretCommand::Rotate { keys, database } => {
            let keys = Keys::read(&keys.secrets_key_file)?;
            let key = keys.current()?.to_owned();
            let store = database.store("rotateSecrets").await?;
            let rotated = carried_out(RotateSecrets(keys).carry_out(&store).await)?;
            say(format_args!(
                "{rotated} secret(s) are now encrypted with the key {key}"
            ));
            Ok(CLEAN)
        }
    }
}

/// Standard input without the line feed at its end.
fn value_of_input() -> Result<Secret, anyhow::Error> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(INPUT_BYTES_MAX);
    input
        .read_to_string(&mut text)
        .context("cannot read the value from standard input")?;
    // One line end only: `echo` adds one, and a value may have others.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(Secret::new(text))
}

async fn set(
    database: &ClusterDatabase,
    request: SecretRequest,
    keys: Keys,
) -> Result<i32, anyhow::Error> {
    let store = database.store("updateSecret").await?;
    let named = [(request.namespace.as_str(), request.name.as_str())];
    let known = store.secrets_named(&named).await?;
    let secret = if known.is_empty() {
        if request.hosts.is_none() {
            bail!("a new secret needs --host: the hosts that it is sent to");
        }
        // The audit log has the name of the command that was carried out.
        let store = database.store("createSecret").await?;
        carried_out(CreateSecret(request, keys).carry_out(&store).await)?
    } else {
        carried_out(UpdateSecret(request, keys).carry_out(&store).await)?
    };
    say(format_args!(
        "secret {} has version {}",
        secret.name, secret.version
    ));
    Ok(CLEAN)
}

async fn list(store: &Store) -> Result<i32, anyhow::Error> {
    let rows: Vec<_> = store.secrets(None).await?.into_iter().map(row).collect();
    let heads = [
        "NAMESPACE",
        "NAME",
        "VERSION",
        "HOSTS",
        "JOBS",
        "UPDATED",
        "CREATED BY",
    ];
    print_table(heads, &rows);
    Ok(CLEAN)
}

fn row(secret: SecretRecord) -> [String; 7] {
    let hosts: Vec<String> = secret.hosts.iter().map(ToString::to_string).collect();
    [
        secret.namespace,
        secret.name,
        secret.version.to_string(),
        hosts.join(","),
        secret.jobs.to_string(),
        rfc3339(secret.updated_at),
        secret.created_by,
    ]
}
