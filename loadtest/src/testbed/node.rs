//! Node processes: `horolog serve`, each with wires of its own to the servers.
//!
//! A slot is a place for a node; each process in a slot is a new life with a unique name. A fault
//! holds the slot of its node, so that two faults never meet on one process unless a drill is about
//! that.

use super::http::Http;
use super::network::Namespace;
use super::postgres::Postgres;
use super::proxy::{Proxy, Wire};
use super::{clock, now};
use crate::micros::Micros;
use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a node may take to lease.
const READY_MAX: Duration = Duration::from_mins(1);
/// How long a node may take to leave.
const LEAVE_MAX: Duration = Duration::from_mins(1);

/// Settings of all nodes of a drill.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// Path of the program.
    pub program: PathBuf,
    /// More flags of `serve`.
    pub flags: Vec<String>,
    /// The safeguard that is switched off, if any (feature `fault-injection`).
    pub disabled_safeguard: Option<String>,
    /// Directory of the logs.
    pub directory: PathBuf,
}

/// A place for a node.
pub struct Slot {
    number: usize,
    lives: usize,
    settings: NodeSettings,
    namespace: Option<Namespace>,
    wires: Vec<Proxy>,
    url: String,
    clock: Option<PathBuf>,
    can_sleep: bool,
    process: Option<Process>,
}

/// One life of a node.
struct Process {
    name: String,
    address: SocketAddr,
    child: Child,
}

impl Slot {
    /// A place with a wire to each of `servers`, as yet empty.
    pub async fn new(
        number: usize,
        settings: NodeSettings,
        servers: &[&Postgres],
    ) -> Result<Self, anyhow::Error> {
        let mut wires = Vec::new();
        for server in servers {
            wires.push(Proxy::to(server.address).await?);
        }
        let through: Vec<SocketAddr> = wires.iter().map(|wire| wire.address).collect();
        let url = servers
            .first()
            .context("a node needs a server")?
            .url(&through);
        Ok(Self {
            number,
            lives: 0,
            settings,
            namespace: None,
            wires,
            url,
            clock: None,
            can_sleep: false,
            process: None,
        })
    }

    /// A place without wires: straight to `server`.
    pub fn straight(number: usize, settings: NodeSettings, server: &Postgres) -> Self {
        let url = server.url(&[server.address]);
        Self {
            number,
            lives: 0,
            settings,
            namespace: None,
            wires: Vec::new(),
            url,
            clock: None,
            can_sleep: false,
            process: None,
        }
    }

    /// Moves the nodes of the slot to a network namespace, directly on the wire to the servers.
    pub fn move_to(
        &mut self,
        namespace: Namespace,
        servers: &[&Postgres],
    ) -> Result<(), anyhow::Error> {
        let through: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
        self.url = servers
            .first()
            .context("a node needs a server")?
            .url(&through);
        // The namespace is cut off by its cable: a proxy would hide that.
        self.wires.clear();
        self.namespace = Some(namespace);
        Ok(())
    }

    /// The namespace of the slot, if any.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// Gives later lives a wall clock of their own, correct at first; with `can_sleep` also a
    /// monotonic clock, which stands still while their machine sleeps.
    pub fn fake_clock(&mut self, can_sleep: bool) -> Result<(), anyhow::Error> {
        ensure!(
            clock::library().is_some(),
            "libfaketime is not installed (Debian: apt-get install libfaketime)"
        );
        let file = self
            .settings
            .directory
            .join(format!("clock-{}", self.number));
        std::fs::write(&file, "+0")?;
        self.clock = Some(file);
        self.can_sleep = can_sleep;
        Ok(())
    }

    /// Sets the clocks of the slot back by more seconds, those of its sleep.
    pub fn sleep_for(&self, seconds: u64) -> Result<(), anyhow::Error> {
        ensure!(self.can_sleep, "the nodes of this drill cannot sleep");
        let file = self.clock.as_ref().context("there is no clock")?;
        let before: i64 = std::fs::read_to_string(file)?.parse()?;
        self.skew(before.saturating_sub_unsigned(seconds))
    }

    /// Shifts the wall clock of the slot by seconds, at once.
    pub fn skew(&self, seconds: i64) -> Result<(), anyhow::Error> {
        let file = self
            .clock
            .as_ref()
            .context("the nodes of this drill have no clocks of their own")?;
        std::fs::write(file, format!("{seconds:+}"))?;
        Ok(())
    }

    /// Starts a new life without a wait: see [`Slot::ready`].
    pub fn start(&mut self) -> Result<(), anyhow::Error> {
        ensure!(self.process.is_none(), "node {} lives already", self.number);
        // A new name for each life: the history must tell lives apart.
        self.lives += 1;
        let name = format!("n{}-{}", self.number, self.lives);
        let ip = self
            .namespace
            .as_ref()
            .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), Namespace::ip);
        // A namespace has all ports for itself; on loopback the system names a free one.
        let address = match self.namespace {
            Some(_) => SocketAddr::new(ip, 8081),
            None => SocketAddr::new(ip, TcpListener::bind((ip, 0))?.local_addr()?.port()),
        };
        let child = self.command(&name, address)?.spawn().with_context(|| {
            format!(
                "cannot start {}: build it, or name it with --program",
                self.settings.program.display()
            )
        })?;
        self.process = Some(Process {
            name,
            address,
            child,
        });
        Ok(())
    }

    fn command(&self, name: &str, address: SocketAddr) -> Result<Command, anyhow::Error> {
        let program = &self.settings.program;
        let mut command = self
            .namespace
            .as_ref()
            .map_or_else(|| Command::new(program), |n| n.command(program));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log(name))?;
        command
            .args([
                "serve",
                "--node-name",
                name,
                "--listen",
                &address.to_string(),
            ])
            .args(["--http-allow", "127.0.0.0/8,10.0.0.0/8"])
            .args(&self.settings.flags)
            .env("DATABASE_URL", &self.url)
            .env("HOROLOG_LOG", "info")
            // There is no load balancer that must notice the end first.
            .env("HOROLOG_DRAIN_DELAY", "0s")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the harness alone, which stops its nodes.
            .process_group(0)
            .kill_on_drop(true);
        // In a network of its own a drill's cluster has no users.
        if !address.ip().is_loopback() {
            command.arg("--insecure-no-auth");
        }
        if let Some(disabled) = &self.settings.disabled_safeguard {
            command.env("HOROLOG_DISABLED_SAFEGUARD", disabled);
        }
        if let (Some(file), Some(library)) = (&self.clock, clock::library()) {
            if self.can_sleep {
                clock::by_file_with_monotonic(&mut command, library, file);
            } else {
                clock::by_file(&mut command, library, file);
            }
        }
        Ok(command)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.settings.directory.join(format!("{name}.log"))
    }

    /// The name of the life in the slot.
    pub fn name(&self) -> Option<&str> {
        self.process.as_ref().map(|process| process.name.as_str())
    }

    /// Address of the node's API.
    pub fn address(&self) -> Option<SocketAddr> {
        self.process.as_ref().map(|process| process.address)
    }

    /// The process id of the life in the slot.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(|process| process.child.id())
    }

    /// Whether a process of the slot lives, as far as is known.
    pub fn lives(&mut self) -> bool {
        match &mut self.process {
            Some(process) => matches!(process.child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Waits until the node leases.
    pub async fn ready(&mut self, http: &Http) -> Result<(), anyhow::Error> {
        let address = self.address().context("no node runs in this slot")?;
        let log = self.log(self.name().unwrap_or_default());
        let mut last = String::new();
        let waited = tokio::time::timeout(READY_MAX, async {
            loop {
                match http
                    .get(&format!("http://{address}/readyz"), Duration::from_secs(2))
                    .await
                {
                    Ok((status, _)) if status.is_success() => return Ok(()),
                    Ok((status, answer)) => last = format!("{status} {answer}"),
                    Err(error) => last = format!("{error:?}"),
                }
                // A process that refused to start never answers: its log has the reason.
                if !self.lives() {
                    bail!("the node has ended: see {}", log.display());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let waited = waited.await;
        waited.with_context(|| {
            format!(
                "{address} was not ready within {READY_MAX:?} (it said {last}): see {}",
                log.display()
            )
        })?
    }

    /// Sends a signal to the life in the slot, if there is one.
    pub fn signal(&self, signal: Signal) -> Result<(), anyhow::Error> {
        let id = self
            .process
            .as_ref()
            .and_then(|process| process.child.id())
            .context("no node runs in this slot")?;
        let pid = Pid::from_raw(id.cast_signed()).context("no process id")?;
        kill_process(pid, signal).context("the process has ended")?;
        Ok(())
    }

    /// Kills the life like a crash; returns the instant.
    pub async fn kill(&mut self) -> Result<Micros, anyhow::Error> {
        self.signal(Signal::KILL)?;
        // The instant of the signal: the wait for the end takes longer.
        let killed = now();
        self.ended(LEAVE_MAX).await?;
        Ok(killed)
    }

    /// Asks the life to leave, and waits for its end.
    pub async fn stop(&mut self) -> Result<ExitStatus, anyhow::Error> {
        self.signal(Signal::TERM)?;
        let status = self.ended(LEAVE_MAX).await?;
        ensure!(
            status.success(),
            "a node that was asked to stop ended with {status}"
        );
        Ok(status)
    }

    /// Waits for the end of the life.
    pub async fn ended(&mut self, longest: Duration) -> Result<ExitStatus, anyhow::Error> {
        let process = self.process.as_mut().context("no node runs in this slot")?;
        let name = process.name.clone();
        let status = tokio::time::timeout(longest, process.child.wait()).await;
        let status = status.with_context(|| format!("{name} did not end within {longest:?}"))??;
        // Only after the end: until then the slot has its name and address.
        self.process = None;
        Ok(status)
    }

    /// Changes all wires to the servers.
    pub fn set_wires(&self, wire: Wire) -> Result<(), anyhow::Error> {
        ensure!(
            !self.wires.is_empty(),
            "the nodes of this drill have no proxies: they live in network namespaces"
        );
        self.wires.iter().for_each(|proxy| proxy.set(wire));
        Ok(())
    }
}
