//! The program: commands, exit codes, signals.
//!
//! Exit codes: 0 clean stop, 1 failure, 2 wrong usage or configuration, 70 an actor died and the
//! node stopped itself.

mod access;
mod account;
mod audit_log;
mod cluster_pause;
mod demo;
mod documents;
mod health;
mod migrate;
mod nginx_upstreams;
mod output;
mod preview;
mod secrets;
mod serve;
#[cfg(target_os = "linux")]
mod service_manager;
mod tokens;
mod users;

use crate::config::{ServeConfig, refuse_unknown_variables};
use crate::{api, telemetry};
use anyhow::Context;
use audit_log::AuditLogCommand;
use clap::{CommandFactory, Parser, Subcommand};
use demo::DemoConfig;
use health::HealthConfig;
use migrate::MigrateConfig;
use nginx_upstreams::UpstreamsConfig;
use preview::{PreviewConfig, Refusal};
use secrets::SecretConfig;
use std::time::Duration;
use tokens::TokenConfig;
use tokio::signal::unix::{SignalKind, signal};
use users::UserConfig;

/// Exit code: success.
const CLEAN: i32 = 0;
/// Exit code: a failure, which the log has.
const FAILED: i32 = 1;
/// Exit code: bad usage or configuration.
const USAGE: i32 = 2;
/// Exit code: an actor died and the node stopped itself (EX_SOFTWARE of sysexits).
const NODE_FAILED: i32 = 70;
/// Longest call of a command to the database.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(
    name = "horolog",
    version,
    long_version = env!("LONG_VERSION"),
    about = "Clustered job scheduler on PostgreSQL: every fire time exactly once"
)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one node. Without DATABASE_URL it starts the embedded PostgreSQL.
    Serve(Box<ServeConfig>),
    /// Runs an embedded PostgreSQL, several nodes and sample jobs on this machine.
    Demo(DemoConfig),
    /// Brings the schema of the database up to date, and gives roles of the database their rights.
    Migrate(MigrateConfig),
    /// Pauses the cluster: no node starts anything until it is resumed. For a database restored
    /// from a backup, before the first node starts on it.
    PauseCluster {
        /// PostgreSQL, e.g. postgresql://user:password@host:5432/database
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        /// Reason. Display only.
        #[arg(long, default_value = "paused by `horolog pause-cluster`")]
        reason: String,
    },
    /// Resumes the cluster; prints before what is due.
    ResumeCluster {
        /// PostgreSQL, e.g. postgresql://user:password@host:5432/database
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
    },
    /// Verifies and exports the audit log.
    AuditLog {
        #[command(subcommand)]
        command: AuditLogCommand,
    },
    /// Manages users: the first admin, and the case that no admin can sign in.
    User(UserConfig),
    /// Manages the API tokens of programs.
    Token(TokenConfig),
    /// Manages secrets: values that jobs refer to by name.
    Secret(SecretConfig),
    /// Writes the ACTIVE nodes as an upstream of nginx; with --watch whenever they change.
    NginxUpstreams(UpstreamsConfig),
    /// Asks a node whether it is ready; 0 when it is.
    Health(HealthConfig),
    /// Says what a cron expression means and when it fires next; needs no database.
    Preview(PreviewConfig),
    /// Prints the GraphQL schema.
    Schema,
    /// Prints the completions for a shell.
    Completions {
        /// Which one.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page.
    Man {
        /// Writes one page for each command into this directory instead.
        #[arg(long, value_name = "DIR")]
        out: Option<std::path::PathBuf>,
    },
}

/// Runs the program; returns the exit code.
pub fn run() -> i32 {
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(error) => {
            let arguments: Vec<String> = std::env::args_os()
                .filter_map(|word| word.into_string().ok())
                .collect();
            match Refusal::of_command_line(&error, &arguments) {
                Some(refusal) => return refused(&refusal),
                // clap prints, and has its codes: 0 for --help, 2 for bad usage.
                None => error.exit(),
            }
        }
    };
    // A name that is no text is no setting.
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    // Before any command: a misspelt setting must not be ignored.
    if let Err(error) = refuse_unknown_variables(variables, &Program::command()) {
        return match program.command {
            Command::Preview(config) => refused(&config.refuse(error)),
            _ => misused(&error),
        };
    }
    match program.command {
        Command::Schema => output::print(api::sdl().as_bytes()),
        Command::Completions { shell } => documents::completions(shell, Program::command()),
        Command::Man { out } => documents::manual(out.as_deref(), Program::command()),
        Command::Preview(config) => match preview::run(&config) {
            Ok(text) => output::print(text.as_bytes()),
            Err(refusal) => refused(&refusal),
        },
        Command::Serve(config) => match config.validate() {
            Ok(()) => in_system(serve::run(*config)),
            Err(error) => misused(&error.to_string()),
        },
        Command::Demo(config) => in_system(demo::run(config)),
        Command::Health(config) => in_system(health::run(config)),
        Command::User(config) => in_system(users::run(config)),
        Command::Token(config) => in_system(tokens::run(config)),
        Command::Secret(config) => in_system(secrets::run(config)),
        Command::NginxUpstreams(config) => in_system(nginx_upstreams::run(config)),
        Command::Migrate(config) => in_system(migrate::run(config)),
        Command::AuditLog { command } => in_system(audit_log::run(command)),
        Command::PauseCluster {
            database_url,
            reason,
        } => in_system(cluster_pause::pause(database_url, reason)),
        Command::ResumeCluster { database_url } => in_system(cluster_pause::resume(database_url)),
    }
}

/// Prints the refusal of a preview; returns the exit code.
fn refused(refusal: &Refusal) -> i32 {
    match refusal {
        Refusal::Text(error) => misused(error),
        Refusal::Json(json) => match output::print(json.as_bytes()) {
            CLEAN => USAGE,
            failed => failed,
        },
    }
}

fn misused(error: &str) -> i32 {
    output::complain(error);
    USAGE
}

/// Runs a command on the actor system, whose runtime uses all cores.
fn in_system(command: impl Future<Output = Result<i32, anyhow::Error>>) -> i32 {
    if let Err(error) = telemetry::start_log() {
        return misused(&error);
    }
    let system = actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("the system gives threads and a poller, or nothing can run")
    });
    let code = match system.block_on(command) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            let is_open = matches!(
                error.downcast_ref(),
                Some(crate::server::StartError::Open { .. })
            );
            if is_open
                || error.is::<crate::store::db::database::BadDatabaseUrl>()
                || error.is::<crate::http::certificate::CertificateError>()
                || error.is::<crate::secrets::KeyFileError>()
                || error.is::<crate::access::openid::OpenIdSetUpError>()
                || error.is::<access::NoDatabase>()
            {
                USAGE
            } else {
                FAILED
            }
        }
    };
    // A thread writes the log, and ends with the process.
    telemetry::flush_log();
    code
}

/// Listens for SIGTERM and SIGINT from the call on. Resolves at the next signal.
fn stop_signal() -> Result<impl Future<Output = ()>, anyhow::Error> {
    any_signal(&[SignalKind::terminate(), SignalKind::interrupt()])
}

/// Listens for these signals from the call on. Resolves at the next signal.
fn any_signal(kinds: &[SignalKind]) -> Result<impl Future<Output = ()> + use<>, anyhow::Error> {
    let mut signals = Vec::new();
    for kind in kinds {
        signals.push(signal(*kind).context("cannot wait for signals")?);
    }
    Ok(async move {
        let received = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures_util::future::select_all(received).await;
    })
}
