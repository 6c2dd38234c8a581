//! An embedded PostgreSQL server, for a start without a `DATABASE_URL`.
//!
//! One directory has all files: `lock`, `pg` (the cluster), `run` (the unix socket),
//! `postgres.log`. The first process creates the cluster and starts the server; later processes
//! attach to it; the server outlives all of them. All steps run under a file lock, and only a
//! connection proves that the server runs: a pid file may name a zombie, or another process after a
//! restart of the container. The server binaries come from the system; nothing is downloaded.
//!
//! This module must never: disable fsync or checksums, listen on TCP, put the socket where another
//! user can reach it, change a cluster outside the given directory, delete anything except its own
//! incomplete clusters, or stop the server together with the node that started it.

mod error;
mod system;

pub use error::EmbeddedPostgresError;
pub use system::MAJOR_MIN;

use error::at;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use system::{Account, cluster_major, find_binaries, is_root};
use tokio::process::Command;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Name of the database, and of the superuser that owns it.
const NAME: &str = "horolog";
/// Longest directory of the socket: `sun_path` has 104 bytes (macOS; Linux 108), `/.s.PGSQL.5432`
/// takes 14.
const SOCKET_DIR_BYTES_MAX: usize = 85;
/// How long a server may say "starting up" or "shutting down", or say nothing.
const BUSY_MAX: Duration = Duration::from_secs(30);
/// How long one connection attempt may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Pause between two looks at a busy server; doubled after each failed start.
const PAUSE: Duration = Duration::from_millis(100);
/// Starts before giving up, after 6 s: backends of a killed postmaster need a moment to go.
const STARTS_MAX: u32 = 6;
/// What the product passes to the server; the caller's settings come after and win.
const SETTINGS: [(&str, &str); 3] = [
    ("listen_addresses", ""),
    ("fsync", "on"),
    ("max_connections", "200"),
];

type Result<T> = std::result::Result<T, EmbeddedPostgresError>;

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
    /// Locked, shared with other processes, for as long as this one may use the server.
    used: Arc<File>,
    /// Whether the server was started here, or was there already.
    is_started: bool,
}

/// What a connection attempt says about the server.
enum Answer {
    /// It works.
    Ready(Client),
    /// Somebody is there: wait.
    Busy(String),
    /// Nobody listens.
    Down,
}

impl EmbeddedPostgres {
    /// Finds binaries, creates the cluster when there is none, starts the server when none answers,
    /// creates the database `horolog`; attaches otherwise. `settings` reach only a server that this
    /// call starts.
    pub async fn ensure_running(data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let asked = env::var_os("HOROLOG_PG_BIN").map(PathBuf::from);
        Self::ensure_running_from(asked.as_deref(), data_dir, settings).await
    }

    /// The same with the directory of the server binaries given; when it is, no other is looked at.
    pub async fn ensure_running_from(
        binaries: Option<&Path>,
        dir: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let data_dir = prepare_data_dir(dir)?;
        let _lock = lock(&data_dir).await?;
        let (cluster, used) = (data_dir.join("pg"), data_dir.join("used"));
        let file = lock_file(&used).map_err(at("open", &used))?;
        file.lock_shared().map_err(at("lock", &used))?; // waits for nobody: it is locked alone under the other lock only
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

    /// Where clients connect: a URL for `tokio_postgres`, over the unix socket.
    #[must_use]
    pub fn url(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let encode = |byte: &u8| {
            if plain(*byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        };
        let host: String = self
            .socket_dir()
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .map(encode)
            .collect();
        format!("postgresql://{NAME}@{host}/{NAME}")
    }

    /// Stops the server for everybody; sessions end, nothing committed is lost. No error when it is
    /// down already.
    pub async fn stop(&self) -> Result<()> {
        let _lock = lock(&self.data_dir).await?;
        self.stop_locked(StopMode::Fast).await
    }

    /// Takes back what [`Self::ensure_running`] did, for a caller that fails: stops the server if
    /// it was started here and no other process has attached to it.
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

    /// Stops and starts the server while others stay locked out; for drills.
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

    /// The directory of the socket: `run`, or below `/tmp` when that is too long. It depends on the
    /// data directory alone: with `XDG_RUNTIME_DIR` or `TMPDIR` in it, two nodes of unlike
    /// environments would miss each other.
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

    /// Creates the cluster under another name and renames it, so that a half-made one is never
    /// taken for good.
    async fn create_cluster_if_missing(&self) -> Result<()> {
        self.sweep_half_made_clusters()?;
        if self.cluster().join("PG_VERSION").exists() {
            return Ok(());
        }
        let half_made = self.data_dir.join(format!("pg.tmp-{}", std::process::id()));
        if let Err(error) = self.initdb(&half_made, "C.UTF-8").await {
            // macOS and old glibc have no C.UTF-8; any other trouble shows again with C.
            tracing::debug!(%error, "initdb with locale C.UTF-8 failed, trying C");
            self.initdb(&half_made, "C").await?;
        }
        fs::rename(&half_made, self.cluster())
            .map_err(at("rename the new cluster to", &self.cluster()))?;
        // The next sweep would delete the data if a power cut undid the rename.
        File::open(&self.data_dir)
            .and_then(|dir| dir.sync_all())
            .map_err(at("sync", &self.data_dir))?;
        tracing::info!(path = %self.cluster().display(), "created a PostgreSQL cluster");
        Ok(())
    }

    async fn initdb(&self, path: &Path, locale: &str) -> Result<()> {
        remove_dir_if_there(path)?;
        self.account.make_private_dir(path)?;
        let locale = format!("--locale={locale}");
        // Trust means: whoever can open the socket is let in. The socket lies in a directory of
        // mode 0700, so that is the owner and root, who could read the data files anyway. Over TCP
        // nobody is let in, should anybody ever turn it on.
        let auth = ["--auth-local=trust", "--auth-host=reject"];
        let kind = [
            "--username",
            NAME,
            "--encoding=UTF8",
            &locale,
            "--data-checksums",
            "--no-instructions",
        ];
        let args = [OsStr::new("--pgdata"), path.as_os_str()].into_iter();
        self.run(
            "initdb",
            args.chain(auth.into_iter().chain(kind).map(OsStr::new)),
        )
        .await
    }

    /// Removes what an initdb that was interrupted left behind: we hold the lock, so nobody is
    /// making one.
    fn sweep_half_made_clusters(&self) -> Result<()> {
        for entry in fs::read_dir(&self.data_dir)
            .map_err(at("list", &self.data_dir))?
            .flatten()
        {
            if entry.file_name().as_encoded_bytes().starts_with(b"pg.tmp-")
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                // An initdb whose starter was killed may still be writing; it is harmless, and gone
                // the next time.
                tracing::warn!(path = %entry.path().display(), %error, "cannot remove a half-made cluster");
            }
        }
        Ok(())
    }

    /// Connects, starting the server when nobody listens, which it notes also when it fails later;
    /// waits when somebody listens and is not ready.
    async fn attach_or_start(&self, is_started: &mut bool) -> Result<Client> {
        let begun = Instant::now();
        let mut failed_starts = 0;
        loop {
            match self.probe().await? {
                Answer::Ready(client) => return Ok(client),
                Answer::Busy(why) if begun.elapsed() >= BUSY_MAX => {
                    return Err(EmbeddedPostgresError::Busy {
                        path: self.data_dir.clone(),
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
                        failed_starts += 1
                    }
                    Err(error) => return Err(error),
                },
            }
            tokio::time::sleep(PAUSE * (1 << failed_starts)).await;
        }
    }

    /// Asks the socket whether the server is there. Errors are those which no waiting and no start
    /// can heal.
    async fn probe(&self) -> Result<Answer> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.socket_dir())
            .user(NAME)
            .dbname("postgres")
            .application_name("horolog launcher");
        let error = match tokio::time::timeout(CONNECT_MAX, config.connect(NoTls)).await {
            Ok(Ok((client, connection))) => {
                tokio::spawn(connection); // ends with the client
                return Ok(Answer::Ready(client));
            }
            Ok(Err(error)) => error,
            Err(_) => return Ok(Answer::Busy("no answer".to_owned())),
        };
        match io_error(&error).map(io::Error::kind) {
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(Answer::Down),
            Some(io::ErrorKind::PermissionDenied) => Err(self.refused("a connection", &error)),
            // A full backlog, or the server went away in the middle.
            Some(_) => Ok(Answer::Busy(reason(&error))),
            None if error.is_closed() || error.code().is_some_and(is_passing) => {
                Ok(Answer::Busy(reason(&error)))
            }
            None => Err(self.refused("a connection", &error)),
        }
    }

    /// One `pg_ctl start`. It gives the server a session of its own: no Ctrl-C, hang-up or death of
    /// ours reaches it.
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
        tracing::info!(path = %self.data_dir.display(), binaries = %self.binaries.display(), "started PostgreSQL");
        Ok(())
    }

    /// The settings as `-c` options, quoted for the shell that `pg_ctl` hands them to.
    fn server_options(&self) -> String {
        let sockets = format!("\"{}\"", self.socket_dir().display()); // a list: quotes keep commas inside
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

    /// Nobody listens, so a pid file is what a killed server left. PostgreSQL ignores it when its
    /// process is gone, but takes a zombie, or a stranger of the same user and number, for a
    /// server; then it is removed here. Two servers still cannot run: since version 12 the shared
    /// memory is found by the directory, not by this file (seen: a backend that outlived its
    /// postmaster still blocked the start).
    fn remove_stale_pid_file(&self) -> Result<()> {
        let path = self.cluster().join("postmaster.pid");
        if !path.exists() || self.server_process_exists() {
            return Ok(());
        }
        tracing::warn!(path = %path.display(), "removing the pid file of a server that is gone");
        fs::remove_file(&path).map_err(at("remove", &path))
    }

    /// Whether the process in the pid file works in our directory, as every server process does. A
    /// doubt means yes.
    fn server_process_exists(&self) -> bool {
        let Ok(text) = fs::read_to_string(self.cluster().join("postmaster.pid")) else {
            return false;
        };
        let Some(Ok(pid)) = text.lines().next().map(|line| line.trim().parse::<u32>()) else {
            return true;
        };
        match fs::read_link(format!("/proc/{pid}/cwd")) {
            Ok(cwd) => fs::canonicalize(self.cluster()).map_or(true, |cluster| cwd == cluster),
            // Without /proc (macOS) PostgreSQL's own check has to do.
            Err(error) => {
                error.kind() != io::ErrorKind::NotFound || !Path::new("/proc/self/cwd").exists()
            }
        }
    }

    async fn stop_locked(&self, mode: StopMode) -> Result<()> {
        // Not being ready is no reason not to stop it, and pg_ctl would wait for a zombie.
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
            drop(fs::remove_dir(self.socket_dir())); // only tidy: an empty directory in /tmp
        }
        Ok(())
    }

    async fn create_database_if_missing(&self, client: &Client) -> Result<()> {
        let known = client
            .query_opt("select from pg_database where datname = $1", &[&NAME])
            .await;
        if known
            .map_err(|error| self.refused("to list its databases", &error))?
            .is_none()
        {
            let made = client
                .batch_execute(&format!("create database {NAME}"))
                .await;
            made.map_err(|error| self.refused("to create a database", &error))?;
        }
        Ok(())
    }

    /// Runs one of PostgreSQL's programs as the right user, in a clean environment: no `PG*`
    /// variable, locale or unreadable working directory of the caller gets in.
    async fn run<'a>(&self, program: &str, args: impl Iterator<Item = &'a OsStr>) -> Result<()> {
        let path = self.binaries.join(program);
        let mut command = Command::new(&path);
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/");
        command.stdin(Stdio::null()).process_group(0); // a Ctrl-C in the middle is for us, not for initdb
        if is_root() {
            command.uid(self.account.uid).gid(self.account.gid); // std drops the supplementary groups, too
        }
        let output = command.output().await.map_err(at("run", &path))?;
        if output.status.success() {
            return Ok(());
        }
        Err(EmbeddedPostgresError::Program {
            command: format!("{:?}", command.as_std()),
            uid: self.account.uid,
            status: output.status.to_string(),
            output: text(&output) + &log_end(&self.log_file()),
        })
    }

    fn refused(
        &self,
        action: &'static str,
        error: &tokio_postgres::Error,
    ) -> EmbeddedPostgresError {
        EmbeddedPostgresError::Refused {
            path: self.data_dir.clone(),
            action,
            why: reason(error),
        }
    }
}

/// Where the data lives unless told otherwise: a place that an unprivileged server can reach also
/// when we are root.
pub fn default_data_dir() -> Result<PathBuf> {
    if is_root() {
        return Ok(Path::new("/var/lib").join(NAME));
    }
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data_home = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    Ok(data_home.ok_or(EmbeddedPostgresError::NoHome)?.join(NAME))
}

/// Creates the directory when there is none; resolves links, so that each of its names means the
/// same server.
fn prepare_data_dir(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(at("create", path))?;
        // As root, the unprivileged server passes through, whatever our umask; what it holds is
        // private anyway.
        let mode = if is_root() { 0o755 } else { 0o700 };
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(at("set the mode of", path))?;
    }
    let path = fs::canonicalize(path).map_err(at("find", path))?;
    let fits = |c: char| !c.is_control() && !matches!(c, '"' | '`' | '$' | '\\');
    if path.to_str().is_some_and(|text| text.chars().all(fits)) {
        Ok(path)
    } else {
        Err(EmbeddedPostgresError::UnusablePath(path))
    }
}

/// Takes the lock of the directory; dropping the file gives it back, and so does our death, because
/// std opens it close-on-exec and the server does not inherit it.
async fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("lock");
    let name = path.clone();
    let locked = tokio::task::spawn_blocking(move || {
        let file = lock_file(&name)?;
        file.lock().map(|()| file)
    });
    locked
        .await
        .map_err(io::Error::from)
        .flatten()
        .map_err(at("lock", &path))
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// States of a server that end by themselves: starting, stopping, all connections taken.
fn is_passing(code: &SqlState) -> bool {
    let passing = [
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    passing.contains(code)
}

fn io_error(error: &tokio_postgres::Error) -> Option<&io::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// The message with its cause: `tokio_postgres` alone says "db error".
fn reason(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn shell_option(name: &str, value: &str) -> String {
    format!(" -c '{name}={}'", value.replace('\'', r"'\''"))
}

/// The last lines of the server's log, where PostgreSQL says why it did not start.
fn log_end(path: &Path) -> String {
    let log = fs::read(path).unwrap_or_default();
    if log.is_empty() {
        return String::new();
    }
    let end = String::from_utf8_lossy(&log[log.len().saturating_sub(2000)..]).into_owned();
    let lines: Vec<_> = end.lines().rev().take(10).collect();
    lines
        .iter()
        .rev()
        .fold(format!("end of {}:", path.display()), |text, line| {
            text + "\n  " + line
        })
}

fn remove_dir_if_there(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
