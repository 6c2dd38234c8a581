//! The server process: start, stop, and the pid file between them.

use crate::connection::Answer;
use crate::error::{EmbeddedPostgresError, Result, at};
use crate::{EmbeddedPostgres, StopMode};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// How long a server may be starting, stopping or silent.
const BUSY_MAX: Duration = Duration::from_secs(30);
/// Pause between two probes of a busy server; doubled after each failed start.
const PAUSE: Duration = Duration::from_millis(100);
/// Starts before the launcher fails, after 6 s: backends of a killed postmaster need a moment to
/// exit.
const STARTS_MAX: u32 = 6;
/// Settings of every server. The caller's settings come after them and win.
const SETTINGS: [(&str, &str); 3] = [
    ("listen_addresses", ""),
    ("fsync", "on"),
    ("max_connections", "200"),
];

impl EmbeddedPostgres {
    /// Connects. Starts the server if no process listens, and sets `is_started` then, also if a
    /// later step fails; waits if the server is not ready.
    pub(crate) async fn attach_or_start(&self, is_started: &mut bool) -> Result<Client> {
        let started = Instant::now();
        let mut failed_starts = 0;
        loop {
            match self.probe().await? {
                Answer::Ready(client) => return Ok(client),
                Answer::Busy(why) if started.elapsed() >= BUSY_MAX => {
                    return Err(EmbeddedPostgresError::Busy {
                        path: self.data_dir.clone(),
                        seconds: BUSY_MAX.as_secs(),
                        why,
                    });
                }
                Answer::Busy(_) => {}
                Answer::Down => match self.start().await {
                    Ok(()) => {
                        *is_started = true;
                        continue;
                    }
                    Err(EmbeddedPostgresError::Program { .. })
                        if failed_starts + 1 < STARTS_MAX =>
                    {
                        failed_starts += 1;
                    }
                    Err(error) => return Err(error),
                },
            }
            tokio::time::sleep(PAUSE * (1 << failed_starts)).await;
        }
    }

    /// One `pg_ctl start`. It gives the server a separate session, so no Ctrl-C, hang-up or death
    /// of the process reaches it.
    async fn start(&self) -> Result<()> {
        self.account.make_private_dir(&self.socket_dir())?;
        let log = self.log_file();
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&log)
            .map_err(at("open", &log))?;
        self.account.own(&log)?;
        self.remove_stale_pid_file()?;
        let (seconds, options) = (BUSY_MAX.as_secs().to_string(), self.server_options());
        let (cluster, flags) = (self.cluster(), ["-w", "-s", "-t", &seconds, "-o", &options]);
        let paths = [
            "start".as_ref(),
            "-D".as_ref(),
            cluster.as_os_str(),
            "-l".as_ref(),
            log.as_os_str(),
        ];
        self.run("pg_ctl", paths.into_iter().chain(flags.map(OsStr::new)))
            .await?;
        tracing::info!(
            path = %self.data_dir.display(),
            binaries = %self.binaries.display(),
            "started PostgreSQL"
        );
        Ok(())
    }

    /// The settings as `-c` options, quoted for the shell that `pg_ctl` hands them to.
    fn server_options(&self) -> String {
        // The setting is a list; the quotes keep a comma of the path in one entry.
        let sockets = format!("\"{}\"", self.socket_dir().display());
        let mut options = shell_option("unix_socket_directories", &sockets);
        for (name, value) in SETTINGS {
            options += &shell_option(name, value);
        }
        self.settings
            .iter()
            .fold(options, |options, (name, value)| {
                options + &shell_option(name, value)
            })
    }

    /// Removes the pid file of a killed server; no process listens. PostgreSQL ignores the file if
    /// its process is gone, but takes a zombie, or another process of the same user and number, for
    /// a server. Two servers still cannot run: since version 12 PostgreSQL finds the shared memory
    /// by the directory, not by the file (a backend that outlived its postmaster was seen to block
    /// the start).
    fn remove_stale_pid_file(&self) -> Result<()> {
        let path = self.cluster().join("postmaster.pid");
        if !path.exists() || self.server_process_exists() {
            return Ok(());
        }
        tracing::warn!(path = %path.display(), "removing the pid file of a server that is gone");
        fs::remove_file(&path).map_err(at("remove", &path))
    }

    /// Whether the process in the pid file works in the cluster's directory, as every server
    /// process does. In doubt: yes.
    fn server_process_exists(&self) -> bool {
        let Ok(text) = fs::read_to_string(self.cluster().join("postmaster.pid")) else {
            return false;
        };
        let Some(Ok(pid)) = text.lines().next().map(|line| line.trim().parse::<u32>()) else {
            return true;
        };
        match fs::read_link(format!("/proc/{pid}/cwd")) {
            Ok(cwd) => fs::canonicalize(self.cluster()).map_or(true, |cluster| cwd == cluster),
            // Without /proc (macOS) PostgreSQL's own check decides.
            Err(error) => {
                error.kind() != io::ErrorKind::NotFound || !Path::new("/proc/self/cwd").exists()
            }
        }
    }

    pub(crate) async fn stop_locked(&self, mode: StopMode) -> Result<()> {
        // A server that is not ready is stopped, too; pg_ctl would wait for a zombie.
        if matches!(self.probe().await, Ok(Answer::Down)) && !self.server_process_exists() {
            return Ok(());
        }
        let mode = match mode {
            StopMode::Fast => "fast",
            StopMode::Immediate => "immediate",
        };
        let cluster = self.cluster();
        let args = ["stop".as_ref(), "-D".as_ref(), cluster.as_os_str()].into_iter();
        self.run(
            "pg_ctl",
            args.chain(["-m", mode, "-w", "-s"].map(OsStr::new)),
        )
        .await?;
        tracing::info!(path = %self.data_dir.display(), mode, "stopped PostgreSQL");
        if !self.socket_dir().starts_with(&self.data_dir) {
            // An empty directory in /tmp: a failure to remove it is harmless.
            drop(fs::remove_dir(self.socket_dir()));
        }
        Ok(())
    }
}

fn shell_option(name: &str, value: &str) -> String {
    format!(" -c '{name}={}'", value.replace('\'', r"'\''"))
}
