//! `horolog serve`: a node, from the settings to the exit code.

#[cfg(target_os = "linux")]
use super::service_manager;
use super::{CLEAN, NODE_FAILED, stop_signal};
use crate::config::ServeConfig;
use crate::server::{Exit, Node, StartError};
use crate::traces;
use anyhow::Context;
use horolog_embedded_postgres::{EmbeddedPostgres, default_data_dir};

/// Runs the node until a signal or its own end.
pub async fn run(config: ServeConfig) -> Result<i32, anyhow::Error> {
    if config.stop_with_parent {
        stop_with_parent()?;
    }
    #[cfg(feature = "fault-injection")]
    crate::safeguards::announce().map_err(anyhow::Error::msg)?;
    traces::start().map_err(anyhow::Error::msg)?;
    // Before anything is started: a signal during the start must lead to an orderly end.
    ignore_signals()?;
    let stop = stop_signal()?;
    tokio::pin!(stop);
    // Kept until the end: later nodes attach to the server, and no node stops it for the others.
    let postgres = tokio::select! {
        postgres = embedded(&config) => postgres?,
        () = &mut stop => return Ok(stopped_early()),
    };
    #[cfg(target_os = "linux")]
    service_manager::starting();
    let started = tokio::select! {
        started = start(&config, postgres.as_ref()) => started.map(Some),
        () = &mut stop => Ok(None),
    };
    let started = match (started, &postgres) {
        (Ok(Some(started)), _) => started,
        (failed, postgres) => {
            undo(postgres.as_ref()).await;
            return failed.map(|_| stopped_early());
        }
    };
    let scheme = config.scheme();
    tracing::info!(url = %format!("{scheme}://{}", started.address), "serving");
    #[cfg(target_os = "linux")]
    service_manager::follow(&started);
    let stop = async {
        stop.await;
        #[cfg(target_os = "linux")]
        service_manager::stopping();
    };
    // Waits for a second signal only after the first one.
    let force_stop = async {
        match stop_signal() {
            Ok(again) => again.await,
            Err(_) => std::future::pending().await,
        }
    };
    let exit = started.run_until(stop, force_stop).await;
    // Waits for the collector, on a thread that may block.
    tokio::task::spawn_blocking(traces::stop).await?;
    Ok(match exit {
        Exit::Clean => CLEAN,
        Exit::Failed => NODE_FAILED,
    })
}

/// Signals that end a process by default and have no meaning for a node: a closed terminal, or the
/// signal of another daemon (rotate the log, read the configuration). In builds for drills SIGUSR1
/// and SIGUSR2 kill actors.
fn ignore_signals() -> Result<(), anyhow::Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut ignored = vec![(SignalKind::hangup(), "SIGHUP")];
    if !cfg!(feature = "fault-injection") {
        ignored.extend([
            (SignalKind::user_defined1(), "SIGUSR1"),
            (SignalKind::user_defined2(), "SIGUSR2"),
        ]);
    }
    for (kind, name) in ignored {
        let mut received = signal(kind).context("cannot wait for signals")?;
        actix::spawn(async move {
            while received.recv().await.is_some() {
                tracing::warn!(
                    signal = name,
                    "signal ignored: settings are read at the start only; SIGTERM stops the node"
                );
            }
        });
    }
    Ok(())
}

/// Ends the process with the parent: a killed demo leaves no nodes.
#[cfg(target_os = "linux")]
fn stop_with_parent() -> Result<(), anyhow::Error> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::TERM)).context("cannot follow the parent process")
}

#[cfg(not(target_os = "linux"))]
fn stop_with_parent() -> Result<(), anyhow::Error> {
    Ok(())
}

async fn start(
    config: &ServeConfig,
    postgres: Option<&EmbeddedPostgres>,
) -> Result<Node, anyhow::Error> {
    let embedded = postgres.map(EmbeddedPostgres::url);
    let url = embedded
        .as_ref()
        .or(config.database_url.as_ref())
        .context("there is no database")?;
    Node::start(config, url).await.map_err(|error| match error {
        // Errors with their own types: `in_system` gives the exit code of bad settings.
        StartError::DatabaseUrl(error) => error.into(),
        StartError::Certificate(error) => error.into(),
        StartError::KeyFile(error) => error.into(),
        StartError::OpenId(error) => error.into(),
        error => error.into(),
    })
}

fn stopped_early() -> i32 {
    tracing::info!("stopped before it had started");
    CLEAN
}

/// Stops the server after a failed start of a node, if this node has started the server.
async fn undo(postgres: Option<&EmbeddedPostgres>) {
    if let Some(postgres) = postgres
        && let Err(error) = postgres.undo().await
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the embedded postgresql goes on"
        );
    }
}

/// The embedded PostgreSQL, unless the settings name a database.
async fn embedded(config: &ServeConfig) -> Result<Option<EmbeddedPostgres>, anyhow::Error> {
    if config.database_url.is_some() {
        return Ok(None);
    }
    let data_dir = match &config.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => default_data_dir()?,
    };
    tracing::warn!(
        data_dir = %data_dir.display(),
        "using the embedded postgresql of this machine: set DATABASE_URL in production"
    );
    Ok(Some(
        EmbeddedPostgres::ensure_running(&data_dir, &[]).await?,
    ))
}
