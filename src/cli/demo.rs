//! `horolog demo`: a cluster on one machine, for a first look and for experiments.
//!
//! The demo starts the embedded PostgreSQL, node *processes* (to be killed), sample jobs of every
//! schedule type, and an HTTP endpoint for the jobs, with a count of deliveries by execution and
//! attempt. A dead node is started again, as by a service manager. Ctrl-C and a closing terminal
//! stop everything.

mod nodes;
mod samples;
mod sink;

use super::access::DEMO;
use super::output::say;
use super::{CLEAN, any_signal};
use anyhow::Context;
use clap::Args;
use horolog_embedded_postgres::{EmbeddedPostgres, default_data_dir};
use nodes::DemoNodes;
use sink::Sink;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::SignalKind;

/// Pause between two lines about deliveries.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);

/// Settings of `horolog demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoConfig {
    /// Node processes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// Port of the first node; the others follow. 0 takes free ports.
    #[arg(long, default_value_t = 8081)]
    port: u16,
    /// Where the embedded PostgreSQL lives.
    /// [default: `demo` in the user's data directory; /var/lib/horolog/demo as root]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Kills a node with SIGKILL this long after the start, to show that it
    /// costs nothing.
    #[arg(long, value_parser = humantime::parse_duration)]
    kill_after: Option<Duration>,
}

/// Runs the demo until Ctrl-C.
pub async fn run(config: DemoConfig) -> Result<i32, anyhow::Error> {
    let data_dir = match &config.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => default_data_dir()?.join(DEMO),
    };
    // From this line on, because a Ctrl-C while PostgreSQL starts must not leave it running.
    let stop = any_signal(&[
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ])?;
    say(format_args!(
        "starting postgresql in {} …",
        data_dir.display()
    ));
    let postgres = EmbeddedPostgres::ensure_running(&data_dir, &[]).await?;
    let played = play(&config, &postgres, stop).await;
    say("stopping postgresql …");
    postgres.stop().await?;
    played?;
    Ok(CLEAN)
}

async fn play(
    config: &DemoConfig,
    postgres: &EmbeddedPostgres,
    stop: impl Future<Output = ()>,
) -> Result<(), anyhow::Error> {
    let sink = Sink::start().context("cannot start the endpoint that the sample jobs call")?;
    let mut nodes = DemoNodes::start(config.nodes, config.port, &postgres.url())?;
    let hosted = tokio::select! {
        hosted = host(config, &mut nodes, &sink) => hosted,
        () = stop => Ok(()),
    };
    say("\nstopping the nodes: they finish what runs …");
    nodes.stop().await;
    say(sink.summary());
    hosted
}

async fn host(
    config: &DemoConfig,
    nodes: &mut DemoNodes,
    sink: &Sink,
) -> Result<(), anyhow::Error> {
    nodes.wait_until_ready().await?;
    let created = samples::create(&nodes.url(0), &sink.url()).await?;
    say(welcome(nodes, sink, created));
    let kill = async {
        match config.kill_after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(kill);
    let mut killed = false;
    let mut summary = tokio::time::interval(SUMMARY_INTERVAL);
    // The first tick comes at once.
    summary.tick().await;
    loop {
        tokio::select! {
            () = &mut kill, if !killed => {
                killed = true;
                nodes.kill_last();
            }
            // A cancelled pass was still in its pause: nothing is lost.
            () = nodes.revive_dead() => {}
            _ = summary.tick() => say(sink.summary()),
        }
    }
}

fn welcome(nodes: &DemoNodes, sink: &Sink, created: usize) -> String {
    let list: Vec<String> = nodes.lines();
    let first = nodes.url(0);
    format!(
        "
horolog is running: {} nodes, {created} sample jobs
{}
  endpoint that the jobs call   {}

  try    curl -s {first}/graphql -H 'content-type: application/json' \\
           -d '{{\"query\":\"{{ nodes {{ name state executionsRunning }} jobs {{ id name nextFireTime }} }}\"}}'
  hurt   kill -9 <pid of a node>      (it is started again after a few seconds)
  stop   Ctrl-C
",
        list.len(),
        list.join("\n"),
        sink.url(),
    )
}
