//! A PostgreSQL server in one directory, for a program that was started without a database URL.
//!
//! ```no_run
//! # async fn start() -> Result<(), horolog_embedded_postgres::EmbeddedPostgresError> {
//! use horolog_embedded_postgres::EmbeddedPostgres;
//! use std::path::Path;
//!
//! let server = EmbeddedPostgres::ensure_running(Path::new("/var/lib/example"), &[]).await?;
//! println!("connect to {}", server.url());
//! # Ok(())
//! # }
//! ```
//!
//! The directory has all files: `lock`, `used`, `pg` (the cluster), `run` (the unix socket),
//! `postgres.log`. The first process creates the cluster and starts the server; later processes
//! attach to it; the server outlives all of them. All steps run under a file lock, and only a
//! connection proves that the server runs: a pid file may name a zombie, or another process after a
//! restart of the container. The server binaries come from the system; nothing is downloaded.
//!
//! The server has checksums and fsync, and does not listen on TCP, unless the caller's settings say
//! otherwise. This crate never puts the socket where another user can reach it, changes a cluster
//! outside the given directory, deletes anything except its own incomplete clusters, or stops the
//! server together with the process that started it.
//!
//! Two variables matter: `HOROLOG_PG_BIN`, the directory of the server binaries, and
//! `HOROLOG_PG_USER`, the user that the server runs as when the process is root.

#![warn(missing_docs)]

mod account;
mod binaries;
mod cluster;
mod connection;
mod directory;
mod error;
mod program;
mod server;

pub use self::binaries::MAJOR_MIN;
pub use self::directory::{default_data_dir, has_cluster};
pub use self::error::EmbeddedPostgresError;

use self::account::Account;
use self::binaries::{cluster_major, find_binaries};
use self::directory::{lock, lock_file, prepare_data_dir};
use self::error::{Result, at};
use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// Name of the database, and of the superuser that owns it.
const NAME: &str = "horolog";
/// Longest directory of the socket: `sun_path` has 104 bytes (macOS; Linux 108), `/.s.PGSQL.5432`
/// takes 14.
const SOCKET_DIR_BYTES_MAX: usize = 85;

/// How the server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Ends all sessions, writes a checkpoint.
    Fast,
    /// Stops as in a crash; the next start recovers.
    Immediate,
}

/// A server in a directory. Dropping it leaves the server running, on purpose.
#[derive(Debug, Clone)]
pub struct EmbeddedPostgres {
    data_dir: PathBuf,
    binaries: PathBuf,
    account: Account,
    settings: Vec<(String, String)>,
    /// Has a shared lock, with other processes, as long as the process may use the server.
    used: Arc<File>,
    /// Whether the server was started here; `false`: it was running already.
    is_started: bool,
}

impl EmbeddedPostgres {
    /// Attaches to the server of a directory, or starts it: finds binaries, creates the cluster if
    /// there is none, starts the server if none answers, creates the database `horolog`. `settings`
    /// reach only a server that the call starts.
    pub async fn ensure_running(data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let asked = env::var_os("HOROLOG_PG_BIN")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from);
        Self::ensure_running_from(asked.as_deref(), data_dir, settings).await
    }

    /// [`Self::ensure_running`] with a directory of server binaries. `Some`: no other directory is
    /// searched.
    pub async fn ensure_running_from(
        binaries: Option<&Path>,
        dir: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let data_dir = prepare_data_dir(dir)?;
        let _lock = lock(&data_dir).await?;
        let (cluster, used) = (data_dir.join("pg"), data_dir.join("used"));
        let file = lock_file(&used).map_err(at("open", &used))?;
        // Does not wait: the exclusive lock is taken only under `lock`, which is ours.
        file.lock_shared().map_err(at("lock", &used))?;
        let mut server = Self {
            binaries: find_binaries(binaries, cluster_major(&cluster)?).await?,
            account: Account::for_cluster(&cluster).await?,
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            data_dir,
            used: Arc::new(file),
            is_started: false,
        };
        server.create_cluster_if_missing().await?;
        let mut is_started = false;
        let ready = async {
            let client = server.attach_or_start(&mut is_started).await?;
            server.create_database_if_missing(&client).await
        };
        let ready = ready.await;
        server.is_started = is_started;
        if let Err(error) = ready {
            server.stop_unless_used().await?;
            return Err(error);
        }
        Ok(server)
    }

    /// The URL for `tokio_postgres`, over the unix socket.
    #[must_use]
    pub fn url(&self) -> String {
        let directory = self.socket_dir();
        let host: String = directory
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .copied()
            .map(percent_encoded)
            .collect();
        format!("postgresql://{NAME}@{host}/{NAME}")
    }

    /// Stops the server for all processes. Sessions end; nothing that was committed is lost. A
    /// server that is down already is no error.
    pub async fn stop(&self) -> Result<()> {
        let _lock = lock(&self.data_dir).await?;
        self.stop_locked(StopMode::Fast).await
    }

    /// Undoes [`Self::ensure_running`], for a caller that fails afterwards: stops the server if the
    /// value started it and no other process has attached to it.
    pub async fn undo(&self) -> Result<()> {
        let _lock = lock(&self.data_dir).await?;
        self.stop_unless_used().await
    }

    async fn stop_unless_used(&self) -> Result<()> {
        if !self.is_started || self.used.try_lock().is_err() {
            return Ok(());
        }
        let stopped = self.stop_locked(StopMode::Fast).await;
        self.used
            .lock_shared()
            .map_err(at("lock", &self.data_dir.join("used")))?;
        stopped
    }

    /// Stops and starts the server while other processes are locked out. For tests of failures.
    pub async fn restart(&self, mode: StopMode) -> Result<()> {
        let _lock = lock(&self.data_dir).await?;
        self.stop_locked(mode).await?;
        self.attach_or_start(&mut false).await.map(drop)
    }

    fn cluster(&self) -> PathBuf {
        self.data_dir.join("pg")
    }

    fn log_file(&self) -> PathBuf {
        self.data_dir.join("postgres.log")
    }

    /// The directory of the socket: `run`, or one below `/tmp` if that path is too long. It depends
    /// on the data directory alone: with `XDG_RUNTIME_DIR` or `TMPDIR` in it, two processes with
    /// different environments would not find the same server.
    fn socket_dir(&self) -> PathBuf {
        let run = self.data_dir.join("run");
        if run.as_os_str().len() <= SOCKET_DIR_BYTES_MAX {
            return run;
        }
        let name = self.data_dir.as_os_str().as_encoded_bytes();
        Path::new("/tmp").join(format!(
            "{NAME}-{}",
            Uuid::new_v5(&Uuid::NAMESPACE_URL, name).simple()
        ))
    }
}

/// A byte of a path as a host of a URL spells it.
fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
