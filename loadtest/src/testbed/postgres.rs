//! PostgreSQL servers of a drill: durable settings, on loopback, with a random password; killed,
//! restarted and promoted like real ones.

use super::server_programs::{Account, account, binaries};
use super::{clock, now};
use crate::micros::Micros;
use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

/// How long a server may take to accept connections, after a crash too.
const ACCEPT_MAX: Duration = Duration::from_mins(1);

/// The database of the nodes, and the owner of its schema.
const DATABASE: &str = "horolog";

/// The role of the nodes, which reads and writes rows only.
const NODE_ROLE: &str = "horolog_node";

/// A server. Dropping it kills the server.
pub struct Postgres {
    binaries: PathBuf,
    account: Option<Account>,
    data: PathBuf,
    log: PathBuf,
    password: String,
    /// The file with the error of the server's clock, if it has a clock of its own.
    clock: Option<PathBuf>,
    /// Address of the server.
    pub address: SocketAddr,
}

impl Postgres {
    /// Makes a database cluster in `directory`, and starts the server. `data` places the files
    /// elsewhere (a small disk).
    pub async fn create(
        directory: &Path,
        ip: IpAddr,
        data: Option<&Path>,
    ) -> Result<Self, anyhow::Error> {
        let account = account().await?;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        give(directory, account)?;
        let password = uuid::Uuid::new_v4().simple().to_string();
        let server = Self {
            binaries: binaries()?,
            account,
            data: data.map_or_else(|| directory.join("data"), Path::to_owned),
            log: directory.join("postgres.log"),
            password,
            clock: None,
            address: SocketAddr::new(ip, free_port(ip)?),
        };
        // A file: the arguments of a process are visible to all users of the machine.
        server.write("password", &server.password)?;
        let pwfile = format!("--pwfile={}", directory.join("password").display());
        let arguments = [
            "--username=horolog",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            &pwfile,
        ];
        server
            .run(
                "initdb",
                &[&["-D", &server.data()], arguments.as_slice()].concat(),
            )
            .await?;
        server.configure(
            "max_connections = 150\nmax_prepared_transactions = 0\n\
             wal_level = replica\nmax_wal_senders = 5\n",
        )?;
        if !ip.is_loopback() {
            let hba = server.data.join("pg_hba.conf");
            let known = std::fs::read_to_string(&hba)?;
            // Nodes in network namespaces come from other addresses of the bridge.
            std::fs::write(&hba, known + "host all all samenet scram-sha-256\n")?;
        }
        server.start().await?;
        server.create_database().await?;
        Ok(server)
    }

    /// Makes the schema as its owner, and gives the role of the nodes its rights.
    pub async fn migrate(&self, program: &Path) -> Result<(), anyhow::Error> {
        let url = self.url_of(DATABASE, &[self.address]);
        let output = Command::new(program)
            .args(["migrate", "--node-role", NODE_ROLE])
            .env("DATABASE_URL", url)
            .output()
            .await
            .with_context(|| format!("cannot start {}", program.display()))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "horolog migrate failed: {error}");
        Ok(())
    }

    /// A server that another program makes and starts, in `directory`. With the password of `other`,
    /// which replicates with it.
    pub async fn managed(directory: &Path, other: Option<&Self>) -> Result<Self, anyhow::Error> {
        let account = account().await?;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        give(directory, account)?;
        let ip = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let password = match other {
            Some(other) => other.password.clone(),
            None => uuid::Uuid::new_v4().simple().to_string(),
        };
        Ok(Self {
            binaries: binaries()?,
            account,
            data: directory.join("data"),
            log: directory.join("postgres.log"),
            password,
            clock: None,
            address: SocketAddr::new(ip, free_port(ip)?),
        })
    }

    /// Creates the database and the role of the nodes.
    pub async fn create_database(&self) -> Result<(), anyhow::Error> {
        let sql = self.sql_in("postgres").await?;
        sql.batch_execute(&format!("create database {DATABASE}"))
            .await?;
        let password = &self.password;
        sql.batch_execute(&format!(
            "create role {NODE_ROLE} login password '{password}'"
        ))
        .await?;
        Ok(())
    }

    /// Directory of the server's files.
    pub fn directory(&self) -> &Path {
        self.log.parent().unwrap_or(Path::new("/"))
    }

    /// Directory of the database cluster.
    pub(super) fn data_directory(&self) -> &Path {
        &self.data
    }

    /// Directory of the server's programs.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// The password of its users.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Writes a file that only the server's user can read into its directory.
    pub fn write(&self, name: &str, text: &str) -> Result<(), anyhow::Error> {
        self.own_file(&self.directory().join(name), text)
    }

    /// Writes a file that only the server's user can read.
    pub(super) fn own_file(&self, path: &Path, text: &str) -> Result<(), anyhow::Error> {
        std::fs::write(path, text)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        give(path, self.account)
    }

    /// Makes a directory of the server's user.
    pub(super) fn own_directory(&self, path: &Path) -> Result<(), anyhow::Error> {
        std::fs::create_dir_all(path)?;
        give(path, self.account)
    }

    /// A command that runs as the server's user.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            // The environment of the harness may have settings of libpq.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/");
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives the server a wall clock of its own, correct at first; restarts the server.
    pub async fn fake_clock(&mut self) -> Result<(), anyhow::Error> {
        ensure!(
            clock::library().is_some(),
            "libfaketime is not installed (Debian: apt-get install libfaketime)"
        );
        let directory = self.log.parent().context("a server has a directory")?;
        self.clock = Some(directory.join("clock"));
        self.skew(0)?;
        self.stop("fast").await?;
        self.start().await?;
        Ok(())
    }

    /// Shifts the server's wall clock by seconds, at once.
    pub fn skew(&self, seconds: i64) -> Result<(), anyhow::Error> {
        let file = self
            .clock
            .as_ref()
            .context("the database of this drill has no clock of its own")?;
        // By a rename, or a process might read half of the file.
        let new = file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}"))?;
        std::fs::rename(new, file)?;
        Ok(())
    }

    /// A streaming standby of this server, named `standby` for it.
    pub async fn standby(&self, directory: &Path) -> Result<Self, anyhow::Error> {
        std::fs::create_dir_all(directory)?;
        give(directory, self.account)?;
        let ip = self.address.ip();
        let standby = Self {
            binaries: self.binaries.clone(),
            account: self.account,
            data: directory.join("data"),
            log: directory.join("postgres.log"),
            password: self.password.clone(),
            clock: None,
            address: SocketAddr::new(ip, free_port(ip)?),
        };
        standby.copy_of(self).await?;
        standby.start().await?;
        Ok(standby)
    }

    /// Turns the server into a standby of `primary`, with none of its former data. The server must
    /// be down.
    pub async fn follow(&self, primary: &Self) -> Result<(), anyhow::Error> {
        std::fs::remove_dir_all(&self.data)?;
        self.copy_of(primary).await?;
        self.start().await?;
        Ok(())
    }

    async fn copy_of(&self, primary: &Self) -> Result<(), anyhow::Error> {
        let primary = primary.connection() + " application_name=standby";
        self.run(
            "pg_basebackup",
            &[
                "-D",
                &self.data(),
                "-d",
                &primary,
                "-R",
                "-c",
                "fast",
                "-X",
                "stream",
            ],
        )
        .await
    }

    /// Where tools of PostgreSQL find this server.
    pub(super) fn connection(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        format!(
            "host={ip} port={port} user=horolog password={}",
            self.password
        )
    }

    fn data(&self) -> String {
        self.data.display().to_string()
    }

    pub(super) fn configure(&self, settings: &str) -> Result<(), anyhow::Error> {
        let file = self.data.join("postgresql.auto.conf");
        let known = std::fs::read_to_string(&file)?;
        std::fs::write(&file, known + settings)?;
        Ok(())
    }

    /// Starts the server, and waits until it accepts connections; returns that instant.
    pub async fn start(&self) -> Result<Micros, anyhow::Error> {
        // The lock file of a killed server names a process that is gone.
        let _ = std::fs::remove_file(self.data.join("postmaster.pid"));
        let options = format!(
            "-c listen_addresses={} -c port={} -c unix_socket_directories=''",
            self.address.ip(),
            self.address.port()
        );
        let log = self.log.display().to_string();
        self.run(
            "pg_ctl",
            &[
                "start",
                "-W",
                "-D",
                &self.data(),
                "-l",
                &log,
                "-o",
                &options,
            ],
        )
        .await?;
        self.accepts().await
    }

    /// Waits until the server accepts connections; returns that instant.
    pub async fn accepts(&self) -> Result<Micros, anyhow::Error> {
        let waited = tokio::time::timeout(ACCEPT_MAX, async {
            while self.sql_in("postgres").await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if waited.await.is_err() {
            bail!(
                "PostgreSQL did not accept connections within {ACCEPT_MAX:?}: see {}",
                self.log.display()
            );
        }
        Ok(now())
    }

    /// Stops the server: `fast` breaks sessions off, `immediate` is a crash.
    pub async fn stop(&self, mode: &str) -> Result<(), anyhow::Error> {
        self.run("pg_ctl", &["stop", "-w", "-D", &self.data(), "-m", mode])
            .await
    }

    /// Kills the server like a power cut. The postmaster's children notice its end.
    pub async fn kill(&self) -> Result<(), anyhow::Error> {
        kill_process(self.postmaster()?, Signal::KILL)?;
        // A child that still runs would keep the shared memory, and the next start would fail.
        let waited = tokio::time::timeout(ACCEPT_MAX, async {
            while self.sql_in("postgres").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.context("the killed server still answers")?;
        Ok(())
    }

    /// Sends a signal to the server's every process. (Not by its group: the sessions are leaders of
    /// their own.)
    pub fn signal_all(&self, signal: Signal) -> Result<(), anyhow::Error> {
        let postmaster = self.postmaster()?;
        let processes =
            std::fs::read_dir("/proc").context("the processes are looked for in /proc")?;
        kill_process(postmaster, signal)?;
        for entry in processes.flatten() {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // Behind the name, which may hold any character: state, then parent.
            let parent = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
            let pid = entry
                .file_name()
                .to_string_lossy()
                .parse()
                .ok()
                .and_then(Pid::from_raw);
            if let (Some(pid), true) = (pid, parent.and_then(Pid::from_raw) == Some(postmaster)) {
                // The process may have ended by now.
                let _ = kill_process(pid, signal);
            }
        }
        Ok(())
    }

    fn postmaster(&self) -> Result<Pid, anyhow::Error> {
        let file = std::fs::read_to_string(self.data.join("postmaster.pid"))
            .context("the server does not run")?;
        let pid = file
            .lines()
            .next()
            .and_then(|line| line.parse().ok())
            .and_then(Pid::from_raw);
        pid.context("postmaster.pid names no process")
    }

    /// Makes this standby the primary.
    pub async fn promote(&self) -> Result<(), anyhow::Error> {
        self.run("pg_ctl", &["promote", "-w", "-D", &self.data()])
            .await
    }

    /// The URL for a node, by way of `through` instead of the server's own addresses.
    pub fn url(&self, through: &[SocketAddr]) -> String {
        self.url_of(NODE_ROLE, through)
    }

    fn url_of(&self, role: &str, through: &[SocketAddr]) -> String {
        // All servers: after a failover `target_session_attrs` selects the primary.
        let hosts: Vec<String> = through.iter().map(ToString::to_string).collect();
        format!(
            "postgresql://{role}:{}@{}/{DATABASE}?sslmode=disable&target_session_attrs=read-write",
            self.password,
            hosts.join(",")
        )
    }

    /// A session of the harness's own, never by way of a proxy.
    pub async fn sql(&self) -> Result<Client, anyhow::Error> {
        self.sql_in(DATABASE).await
    }

    async fn sql_in(&self, database: &str) -> Result<Client, anyhow::Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(self.address.ip().to_string())
            .port(self.address.port())
            .user("horolog");
        config
            .password(&self.password)
            .dbname(database)
            .application_name("horolog-loadtest");
        // Not `connect_timeout`: the kernel accepts for a server that stands still.
        let connected = tokio::time::timeout(Duration::from_secs(3), config.connect(NoTls)).await;
        let (client, connection) = connected.context("the database does not answer")??;
        tokio::spawn(connection); // ends with the client
        Ok(client)
    }

    pub(super) async fn run(&self, program: &str, arguments: &[&str]) -> Result<(), anyhow::Error> {
        let mut command = self.command(&self.binaries.join(program));
        command.args(arguments).envs(clock::of_this_process());
        if let (Some(file), Some(library)) = (&self.clock, clock::library()) {
            clock::by_file(&mut command, library, file);
        }
        // `pg_ctl` starts a server that lives on: an inherited pipe would never end for its reader.
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log.with_extension("tools.log"))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let status = command
            .status()
            .await
            .with_context(|| format!("cannot run {program}"))?;
        ensure!(
            status.success(),
            "{program} ended with {status}: see {}",
            self.log.with_extension("tools.log").display()
        );
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Ok(postmaster) = self.postmaster() {
            // QUIT is an immediate shutdown: the children go too.
            let _ = kill_process(postmaster, Signal::QUIT);
            // A drill that ended in the middle may have left the processes stopped.
            let _ = self.signal_all(Signal::CONT);
        }
    }
}

/// A port of this address that no process listens on.
pub(super) fn free_port(ip: IpAddr) -> Result<u16, anyhow::Error> {
    Ok(TcpListener::bind((ip, 0))?.local_addr()?.port())
}

fn give(path: &Path, account: Option<Account>) -> Result<(), anyhow::Error> {
    if let Some(Account { uid, gid }) = account {
        chown(path, Some(uid), Some(gid))
            .with_context(|| format!("cannot give {} away", path.display()))?;
    }
    Ok(())
}
