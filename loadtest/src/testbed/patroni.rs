//! Patroni with etcd: two members, each with a PostgreSQL that Patroni starts, promotes and demotes.
//!
//! Every commit waits for the standby (`synchronous_mode`), so that no change of the leader loses
//! anything that a node was told.

use super::http::Http;
use super::postgres::{Postgres, free_port};
use anyhow::{Context, bail, ensure};
use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Seconds after which a leader that does not renew its key is replaced; Patroni takes no less.
const TTL: u64 = 20;
/// Longest wait for a state of the members: several times the TTL.
const STATE_MAX: Duration = Duration::from_mins(2);
/// Pause between two looks at the members.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Longest time for a look at a member.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// Longest time for a switchover, which is answered at its end.
const SWITCHOVER_MAX: Duration = Duration::from_mins(1);

/// etcd and the members. A drop kills all; the servers end with [`Postgres`].
pub struct Patroni {
    _etcd: Child,
    etcd_address: SocketAddr,
    members: Vec<Member>,
    http: Http,
}

/// A Patroni process with the address of its server.
struct Member {
    name: &'static str,
    api: SocketAddr,
    server: SocketAddr,
    process: Child,
}

/// The first requirement that this machine lacks.
pub fn missing() -> Option<&'static str> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let are_there = ["patroni", "etcd"]
        .into_iter()
        .all(|program| std::env::split_paths(&paths).any(|path| path.join(program).is_file()));
    (!are_there)
        .then_some("Patroni or etcd is not installed (Debian: apt-get install patroni etcd-server)")
}

impl Patroni {
    /// Starts etcd and two members; returns them with the leader's server and the standby.
    pub async fn start(directory: &Path) -> Result<(Self, Postgres, Postgres), anyhow::Error> {
        let leader = Postgres::managed(&directory.join("postgres-1"), None).await?;
        let standby = Postgres::managed(&directory.join("postgres-2"), Some(&leader)).await?;
        let etcd_address = free_address()?;
        let mut patroni = Self {
            _etcd: start_etcd(directory, etcd_address)?,
            etcd_address,
            members: Vec::new(),
            http: Http::default(),
        };
        // The first member makes the database cluster, and the second one copies it.
        patroni.add("a", &leader)?;
        patroni.leader().await?;
        leader.create_database().await?;
        patroni.add("b", &standby)?;
        patroni.wait_for_the_standby().await?;
        Ok((patroni, leader, standby))
    }

    fn add(&mut self, name: &'static str, server: &Postgres) -> Result<(), anyhow::Error> {
        let api = free_address()?;
        let settings = configuration(name, server, api, self.etcd_address);
        server.write("patroni.yml", &settings.to_string())?;
        self.members.push(Member {
            name,
            api,
            server: server.address,
            process: start_member(server)?,
        });
        Ok(())
    }

    /// Starts the Patroni of a server again, which makes the server a standby.
    pub fn restart_member(&mut self, server: &Postgres) -> Result<(), anyhow::Error> {
        let process = start_member(server)?;
        self.member_mut(server)?.process = process;
        Ok(())
    }

    /// Kills the Patroni of a server.
    pub async fn kill_member(&mut self, server: &Postgres) -> Result<(), anyhow::Error> {
        Ok(self.member_mut(server)?.process.kill().await?)
    }

    /// Stops or continues the Patroni of a server.
    pub fn signal_member(
        &mut self,
        server: &Postgres,
        signal: Signal,
    ) -> Result<(), anyhow::Error> {
        let pid = self.member_mut(server)?.process.id();
        let pid = pid.and_then(|pid| Pid::from_raw(pid.cast_signed()));
        Ok(kill_process(pid.context("the member has ended")?, signal)?)
    }

    fn member_mut(&mut self, server: &Postgres) -> Result<&mut Member, anyhow::Error> {
        let found = self
            .members
            .iter_mut()
            .find(|member| member.server == server.address);
        found.context("no member has this server")
    }

    /// Makes the standby the leader, as an operator would.
    pub async fn switchover(&self) -> Result<(), anyhow::Error> {
        let leader = self.leader().await?;
        let other = self
            .members
            .iter()
            .find(|member| member.server != leader)
            .context("there is no other member")?;
        let current = self
            .members
            .iter()
            .find(|member| member.server == leader)
            .context("the leader is no member")?;
        let url = format!("http://{}/switchover", current.api);
        let order = json!({"leader": current.name, "candidate": other.name});
        let answer = self.http.post(&url, &order, SWITCHOVER_MAX).await;
        let Ok((status, _)) = answer else {
            bail!("Patroni does not answer to the switchover")
        };
        ensure!(
            status.is_success(),
            "Patroni refuses the switchover: {status}"
        );
        Ok(())
    }

    /// Waits for a leader; returns the address of its server.
    pub async fn leader(&self) -> Result<SocketAddr, anyhow::Error> {
        self.wait_for("primary", None).await
    }

    /// Waits for a leader with another server than `former`.
    pub async fn leader_other_than(&self, former: SocketAddr) -> Result<SocketAddr, anyhow::Error> {
        self.wait_for("primary", Some(former)).await
    }

    /// Waits until the other member is a synchronous standby.
    pub async fn wait_for_the_standby(&self) -> Result<(), anyhow::Error> {
        self.wait_for("sync", None).await?;
        Ok(())
    }

    /// Waits for a member in a role, as its health check for balancers says it.
    async fn wait_for(
        &self,
        role: &str,
        not: Option<SocketAddr>,
    ) -> Result<SocketAddr, anyhow::Error> {
        let started = Instant::now();
        while started.elapsed() < STATE_MAX {
            for member in self.members.iter().filter(|it| Some(it.server) != not) {
                let url = format!("http://{}/{role}", member.api);
                let answer = self.http.get(&url, LOOK_MAX).await;
                if answer.is_ok_and(|(status, _)| status == StatusCode::OK) {
                    return Ok(member.server);
                }
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        bail!("no member of Patroni became `{role}` within {STATE_MAX:?}: see patroni.log")
    }
}

fn free_address() -> Result<SocketAddr, anyhow::Error> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Ok(SocketAddr::new(ip, free_port(ip)?))
}

fn start_etcd(directory: &Path, address: SocketAddr) -> Result<Child, anyhow::Error> {
    // etcd needs an address for peers, even without peers.
    let peer = free_address()?;
    let log = std::fs::File::create(directory.join("etcd.log"))?;
    let mut command = Command::new("etcd");
    command
        .args(["--name", "drill", "--data-dir"])
        .arg(directory.join("etcd"))
        .args(["--listen-client-urls", &format!("http://{address}")])
        .args(["--advertise-client-urls", &format!("http://{address}")])
        .args(["--listen-peer-urls", &format!("http://{peer}")])
        .args(["--initial-advertise-peer-urls", &format!("http://{peer}")])
        .args(["--initial-cluster", &format!("drill=http://{peer}")])
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // An interrupted drill leaves no process behind.
        .kill_on_drop(true);
    command.spawn().context("cannot run etcd")
}

fn start_member(server: &Postgres) -> Result<Child, anyhow::Error> {
    let configuration: PathBuf = server.directory().join("patroni.yml");
    let log = std::fs::OpenOptions::new()
        .create(true)
        // A restarted member continues the log.
        .append(true)
        .open(server.directory().join("patroni.log"))?;
    let mut command = server.command(Path::new("patroni"));
    command
        .arg(configuration)
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    command.spawn().context("cannot run patroni")
}

/// The configuration of a member, as JSON: every JSON text is one of YAML.
fn configuration(name: &str, server: &Postgres, api: SocketAddr, etcd: SocketAddr) -> Value {
    let directory = server.directory().display().to_string();
    let superuser = json!({"username": "horolog", "password": server.password()});
    let replication = json!({"username": "replicator", "password": server.password()});
    json!({
        "scope": "drill",
        "name": name,
        "restapi": {"listen": api.to_string(), "connect_address": api.to_string()},
        "etcd3": {"host": etcd.to_string()},
        "bootstrap": {
            "dcs": {
                "ttl": TTL, "loop_wait": 2, "retry_timeout": 3, "synchronous_mode": true,
                "postgresql": {"use_pg_rewind": true, "parameters": {
                    "max_connections": 150, "max_prepared_transactions": 0, "wal_log_hints": "on"}},
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            "pg_hba": [
                "host all all 127.0.0.1/32 scram-sha-256",
                "host replication replicator 127.0.0.1/32 scram-sha-256",
            ],
        },
        "postgresql": {
            "listen": server.address.to_string(),
            "connect_address": server.address.to_string(),
            "bin_dir": server.binaries().display().to_string(),
            "data_dir": format!("{directory}/data"),
            "pgpass": format!("{directory}/pgpass"),
            "basebackup": [{"checkpoint": "fast"}],
            "authentication": {
                "superuser": superuser, "replication": replication, "rewind": superuser},
            "parameters": {"unix_socket_directories": directory},
        },
    })
}
