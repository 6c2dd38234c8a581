//! `horolog nginx-upstreams`: the ACTIVE nodes as an upstream block of nginx.
//!
//! The membership table is the service discovery. The file is always one that nginx accepts: it is
//! replaced as a whole, checked, and restored if the check fails. Without a node or a database the
//! last valid file stays. An upstream without a server is never written, nor an invalid address.

use super::{CLEAN, FAILED, stop_signal};
use crate::clock::Clock;
use crate::config::is_host_and_port;
use crate::model::node::NodeState;
use crate::store::Store;
use crate::store::db::database::Database;
use crate::store::db::listener::{MEMBERSHIP_CHANNEL, listen};
use crate::store::protocol::membership::NodeRecord;
use anyhow::{Context, bail};
use clap::Args;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Notify;

/// Longest pause between two polls: a change is in the file within a second, also if its wake-up is
/// lost.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Longest read of the table.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest check, and longest reload.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// Name of the upstream in the configuration that includes the file.
const NAME: &str = "horolog";

/// Settings of the command.
#[derive(Debug, Clone, Args)]
pub struct UpstreamsConfig {
    /// PostgreSQL, e.g. postgresql://user:password@host:5432/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,

    /// The file, which the configuration of nginx includes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Run after a change that was checked, e.g. 'nginx -s reload'.
    #[arg(long, value_name = "COMMAND")]
    reload: Option<String>,

    /// Says whether nginx would take the file; a bad one is put back. [default:
    /// 'nginx -t', if there is a --reload]
    #[arg(long, value_name = "COMMAND")]
    check: Option<String>,

    /// Go on: follow the membership until SIGTERM or SIGINT.
    #[arg(long)]
    watch: bool,
}

/// Writes the file once, or after each change of the membership.
pub async fn run(config: UpstreamsConfig) -> Result<i32, anyhow::Error> {
    let database = Database::parse(&config.database_url, CALL_TIMEOUT)?;
    let mut upstreams = Upstreams {
        store: Store::new(&database, 1, CALL_TIMEOUT, Clock::Database),
        check: config
            .check
            .or_else(|| config.reload.is_some().then(|| "nginx -t".to_owned())),
        reload: config.reload,
        out: config.out,
        applied: None,
    };
    if !config.watch {
        upstreams.refresh().await?;
        return Ok(CLEAN);
    }
    let hint = Rc::new(Notify::new());
    let hinted = hint.clone();
    actix::spawn(listen(database, &[MEMBERSHIP_CHANNEL], move |_| {
        hinted.notify_one();
    }));
    let stop = stop_signal()?;
    tokio::pin!(stop);
    let mut trouble = None;
    loop {
        let said = upstreams
            .refresh()
            .await
            .err()
            .map(|error| format!("{error:#}"));
        // Logged at each change, not twice a second.
        if said != trouble {
            if let Some(said) = &said {
                tracing::error!("{said}; what nginx has stays, trying again");
            } else {
                tracing::info!("all is well again");
            }
        }
        trouble = said;
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = hint.notified() => {}
            () = &mut stop => return Ok(if trouble.is_none() { CLEAN } else { FAILED }),
        }
    }
}

struct Upstreams {
    store: Store,
    out: PathBuf,
    check: Option<String>,
    reload: Option<String>,
    /// The text that nginx has. `None` before the first write.
    applied: Option<String>,
}

impl Upstreams {
    /// Writes the file if it differs from the table.
    async fn refresh(&mut self) -> Result<(), anyhow::Error> {
        let nodes = self.store.nodes().await.context("cannot read the nodes")?;
        let Some(text) = render(&nodes) else {
            bail!("no node is ACTIVE")
        };
        if self.applied.as_ref() == Some(&text) {
            return Ok(());
        }
        let before = match fs::read_to_string(&self.out) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.out.display()));
            }
        };
        // An earlier run may have written this text; check and reload follow in any case.
        if before.as_ref() != Some(&text) {
            replace(&self.out, &text)?;
        }
        if let Some(check) = &self.check
            && let Err(error) = succeeds(check).await
        {
            match &before {
                Some(before) => replace(&self.out, before)?,
                None => fs::remove_file(&self.out).context("cannot take back the new file")?,
            }
            return Err(error.context("the new upstreams were refused and taken back"));
        }
        if let Some(reload) = &self.reload {
            succeeds(reload)
                .await
                .context("the upstreams are written, but nginx was not told")?;
        }
        tracing::info!(nodes = text.matches("\n    server ").count(), file = %self.out.display(), "upstreams changed");
        self.applied = Some(text);
        Ok(())
    }
}

/// The text of the file. `None`: there is no node. Only addresses in it come from outside.
fn render(nodes: &[NodeRecord]) -> Option<String> {
    let active = nodes.iter().filter(|node| node.state == NodeState::Active);
    // An address with a semicolon or a brace would become configuration.
    let (good, bad): (Vec<_>, Vec<_>) = active.partition(|node| is_host_and_port(&node.address));
    for node in bad {
        let (name, address) = (node.name.escape_debug(), node.address.escape_debug());
        tracing::warn!(%name, %address, "a node advertises no host:port and is left out");
    }
    let mut addresses: Vec<_> = good.iter().map(|node| node.address.as_str()).collect();
    addresses.sort_unstable();
    // A restarted node and its predecessor share an address until the takeover.
    addresses.dedup();
    if addresses.is_empty() {
        return None;
    }
    let servers: Vec<_> = addresses
        .iter()
        .map(|address| format!("    server {address} max_fails=1 fail_timeout=2s;\n"))
        .collect();
    Some(format!(
        "# Written by `horolog nginx-upstreams` whenever nodes come and go. Do not edit.\n\
         upstream {NAME} {{\n{}    keepalive 16;\n}}\n",
        servers.concat()
    ))
}

/// Replaces the file in one step: a concurrent reader gets the old file.
fn replace(file: &Path, text: &str) -> Result<(), anyhow::Error> {
    // In the same directory: a rename replaces in one step only within a file system.
    let beside = file.with_extension(format!("{}.new", std::process::id()));
    let written = fs::File::create(&beside)
        .and_then(|mut new| new.write_all(text.as_bytes()).and_then(|()| new.sync_all()))
        .and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written.with_context(|| format!("cannot write {}", file.display()))
}

/// Runs a command of the operator in the shell. The error has its output.
async fn succeeds(command: &str) -> Result<(), anyhow::Error> {
    let output = Command::new("sh")
        .arg("-c")
        .arg(command)
        // After the time limit the drop ends the process.
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(COMMAND_TIMEOUT, output)
        .await
        .with_context(|| format!("`{command}` did not end within {COMMAND_TIMEOUT:?}"))?
        .with_context(|| format!("cannot run `{command}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{command}` ended with {}: {}",
            output.status,
            said.trim().escape_debug()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use uuid::Uuid;

    fn node(address: &str, state: NodeState) -> NodeRecord {
        NodeRecord {
            id: Uuid::nil(),
            name: "\n} evil {".to_owned(),
            address: address.to_owned(),
            version: String::new(),
            state,
            slots: 1,
            executions_running: 0,
            clock_offset_micros: 0,
            started_at: Timestamp::UNIX_EPOCH,
            heartbeat_at: Timestamp::UNIX_EPOCH,
            heartbeat_age_seconds: 0.0,
            full_since: None,
            ended_at: None,
            ended_by: None,
        }
    }

    #[test]
    fn active_nodes_are_servers_and_nothing_else_gets_in() {
        let nodes = [
            node("b:2", NodeState::Active),
            node("[::1]:3", NodeState::Active),
            node("a:1", NodeState::Active),
            node("c:4", NodeState::Draining),
            node("d:5", NodeState::Dead),
            node("e:6; } server evil:1", NodeState::Active),
            node("no-port", NodeState::Active),
        ];
        let text = render(&nodes).expect("there are nodes");
        let servers: Vec<_> = text
            .lines()
            .filter(|line| line.contains("server "))
            .collect();
        assert_eq!(servers.len(), 3, "{text}");
        assert!(
            servers[0].starts_with("    server [::1]:3 ")
                && servers[2].starts_with("    server b:2 ")
        );
        assert!(!text.contains("evil"));
    }

    #[test]
    fn an_upstream_without_a_server_is_never_written() {
        assert_eq!(render(&[]), None);
        assert_eq!(
            render(&[
                node("a:1", NodeState::Draining),
                node("x y:1", NodeState::Active)
            ]),
            None
        );
    }
}
