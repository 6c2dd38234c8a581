//! The node processes of the demo.

use crate::cli::output::say;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Longest time until all nodes are ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// Pause before a dead node is restarted, so that the takeover can be seen.
const REVIVE_AFTER: Duration = Duration::from_secs(5);
/// Longest stop of a node: drain, leave, open sockets.
const STOP_MAX: Duration = Duration::from_secs(45);
/// Pause between two checks of a process.
const CHECK_PAUSE: Duration = Duration::from_millis(100);

/// The processes, in order of their ports.
pub struct DemoNodes {
    database_url: String,
    nodes: Vec<DemoNode>,
}

struct DemoNode {
    name: String,
    port: u16,
    child: Child,
    died_at: Option<Instant>,
}

impl DemoNode {
    fn line(&self) -> String {
        let pid = self
            .child
            .id()
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        format!(
            "  {}   http://127.0.0.1:{}   pid {pid}",
            self.name, self.port
        )
    }
}

impl DemoNodes {
    /// Starts `count` processes of this program.
    pub fn start(count: u16, first_port: u16, database_url: &str) -> Result<Self, anyhow::Error> {
        let mut nodes = Self {
            database_url: database_url.to_owned(),
            nodes: Vec::new(),
        };
        for number in 1..=count {
            let port = if first_port == 0 {
                free_port()?
            } else {
                first_port + number - 1
            };
            let name = format!("node-{number}");
            let child = nodes.spawn(&name, port)?;
            nodes.nodes.push(DemoNode {
                name,
                port,
                child,
                died_at: None,
            });
        }
        Ok(nodes)
    }

    fn spawn(&self, name: &str, port: u16) -> Result<Child, anyhow::Error> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        // At `info` the lines of the nodes would hide those of the demo.
        let level = std::env::var("HOROLOG_LOG").unwrap_or_else(|_| "warn".to_owned());
        Command::new(program)
            // The sink listens on loopback, which webhooks reach only when allowed.
            .args(["serve", "--node-name", name, "--http-allow", "127.0.0.0/8"])
            .args([
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--stop-with-parent",
            ])
            .env("DATABASE_URL", &self.database_url)
            .env("HOROLOG_LOG", level)
            .stdin(Stdio::null())
            // In a group of its own: Ctrl-C reaches only the demo, which stops the nodes in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))
    }

    /// URL of a node.
    pub fn url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.nodes[index].port)
    }

    /// One line per node.
    pub fn lines(&self) -> Vec<String> {
        self.nodes.iter().map(DemoNode::line).collect()
    }

    /// Waits until all nodes are ready to lease.
    pub async fn wait_until_ready(&mut self) -> Result<(), anyhow::Error> {
        let http = super::samples::client()?;
        let until = Instant::now() + READY_MAX;
        for index in 0..self.nodes.len() {
            let url = format!("{}/readyz", self.url(index));
            while !http
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                let node = &mut self.nodes[index];
                if let Ok(Some(status)) = node.child.try_wait() {
                    bail!(
                        "{} ended with {status}: its message stands above (is port {} taken?)",
                        node.name,
                        node.port
                    );
                }
                if Instant::now() > until {
                    bail!("{} was not ready within {READY_MAX:?}", node.name);
                }
                tokio::time::sleep(CHECK_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Kills the last node with SIGKILL.
    pub fn kill_last(&mut self) {
        if let Some(node) = self.nodes.last_mut() {
            say(format_args!("killing {} with SIGKILL …", node.name));
            signal(&node.child, Signal::KILL);
        }
    }

    /// After a pause, finds dead nodes, and restarts those whose pause is over.
    pub async fn revive_dead(&mut self) {
        tokio::time::sleep(CHECK_PAUSE).await;
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            match (node.died_at, node.child.try_wait()) {
                (None, Ok(Some(status))) => {
                    say(format_args!(
                        "{} died ({status}): the others take over; started again in \
                         {REVIVE_AFTER:?}",
                        node.name
                    ));
                    node.died_at = Some(Instant::now());
                }
                (Some(died_at), _) if died_at.elapsed() > REVIVE_AFTER => self.revive(index),
                _ => {}
            }
        }
    }

    fn revive(&mut self, index: usize) {
        let (name, port) = (self.nodes[index].name.clone(), self.nodes[index].port);
        match self.spawn(&name, port) {
            Ok(child) => {
                say(format_args!(
                    "{name} started again   pid {}",
                    child.id().unwrap_or_default()
                ));
                self.nodes[index].child = child;
                self.nodes[index].died_at = None;
            }
            Err(error) => say(format_args!("{error:#}")),
        }
    }

    /// Drains and stops all nodes.
    pub async fn stop(&mut self) {
        // All first: the nodes drain at the same time.
        for node in &self.nodes {
            signal(&node.child, Signal::TERM);
        }
        for node in &mut self.nodes {
            if tokio::time::timeout(STOP_MAX, node.child.wait())
                .await
                .is_err()
            {
                say(format_args!("{} does not stop: killed", node.name));
                signal(&node.child, Signal::KILL);
            }
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    // Without an id the process was reaped, and another process may have the number.
    let Some(pid) = child
        .id()
        .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
    else {
        return;
    };
    if let Err(error) = kill_process(pid, signal) {
        tracing::debug!(%error, "a node could not be signalled: it has ended");
    }
}

/// A port that was free a moment before.
fn free_port() -> Result<u16, anyhow::Error> {
    Ok(TcpListener::bind("127.0.0.1:0")
        .context("no free port")?
        .local_addr()?
        .port())
}
