//! How connections are made: one place for the URL, the pool and the
//! connections that must not be pooled (membership, watch, listener).
//!
//! Keepalives alone do not notice a partition while data is in flight, and
//! `tcp_user_timeout` alone does not notice an idle one: both are set. Waits for
//! locks and idle transactions are bounded by the server as well, so that a
//! frozen node cannot hide rows from the others for longer.

use super::StoreError;
use super::timeline::NewestTimeline;
use super::tls::{SslMode, TlsKeys};
use deadpool_postgres::{Connect, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use futures_util::future::BoxFuture;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Config, config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Oldest supported major version of PostgreSQL, as `server_version_num`.
pub const SERVER_VERSION_MIN: i32 = 140_000;

/// Where the database is and how it is spoken to.
#[derive(Clone)]
pub struct Database {
    /// One host each, in the order of the URL.
    hosts: Arc<[Config]>,
    /// Which of them was the writable one; asked first.
    writable: Arc<AtomicUsize>,
    newest: Arc<NewestTimeline>,
    tls: MakeRustlsConnect,
}

/// Why none of the hosts gave a connection: each with its reason.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|(host, why)| format!("{host}: {why}")).collect::<Vec<_>>().join("; "))]
struct NoHost(Vec<(String, String)>);

/// Why a database URL was refused.
#[derive(Debug, thiserror::Error)]
#[error("DATABASE_URL cannot be understood (expected postgresql://user:password@host:port/database): {0}")]
pub struct BadDatabaseUrl(String);

/// Ends its connection when it is dropped.
pub(super) struct Guard(JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Database {
    /// Parses the URL and adds what every connection needs. `timeout` bounds
    /// connecting, lock waits, idle transactions and unacknowledged data; it is
    /// half the node TTL, so that no call outlives the node's trust in itself.
    pub fn parse(url: &str, timeout: Duration) -> Result<Self, BadDatabaseUrl> {
        // The driver's message names the odd part and never the password.
        let (url, keys) = TlsKeys::taken_from(url);
        let config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            BadDatabaseUrl(std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        let millis = timeout.as_millis();
        // No statement of ours runs long enough to be worth compiling, but over a month of partitions the planner
        // takes some for it: compiling took 117 of 200 ms (`cargo bench --bench lists`).
        let settings = format!(
            "{} -c lock_timeout={millis} -c idle_in_transaction_session_timeout={millis} -c timezone=UTC -c jit=off",
            config.get_options().unwrap_or_default()
        );
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(BadDatabaseUrl("it names no host".to_owned()));
        }
        let mode = keys.mode(&config).map_err(BadDatabaseUrl)?;
        let tls = keys.connector(mode).map_err(BadDatabaseUrl)?;
        match mode {
            SslMode::Disable => {}
            SslMode::Require => tracing::warn!(
                "sslmode=require: the connection to PostgreSQL is encrypted, but anybody may be at the other end; verify-full checks who"
            ),
            SslMode::VerifyCa | SslMode::VerifyFull => {
                tracing::info!(
                    "PostgreSQL must prove who it is, by TLS (sslmode={mode}; `disable` only inside a network that you trust)"
                );
            }
        }
        let mut common = without_hosts(&config);
        common
            .ssl_mode(if mode == SslMode::Disable { config::SslMode::Disable } else { config::SslMode::Require })
            // A standby cannot lease.
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .application_name(config.get_application_name().unwrap_or("horolog"))
            .options(settings.trim())
            .connect_timeout(timeout)
            .tcp_user_timeout(timeout)
            .keepalives(true)
            // Whole seconds: the kernel refuses 0, which is what less than one becomes.
            .keepalives_idle(timeout.max(Duration::from_secs(1)))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3);
        let hosts = each_host(&config, &common).map_err(BadDatabaseUrl)?.into();
        Ok(Self { hosts, writable: Arc::default(), newest: Arc::default(), tls })
    }

    /// Whether a connection made at that time may go to a primary that has been replaced since.
    pub(super) fn outdates(&self, connected_at: Instant) -> bool {
        self.newest.outdates(connected_at)
    }

    /// A pool whose connections live on the runtime that makes the pool: a
    /// connection made on an HTTP worker's runtime would die with that worker.
    pub(super) fn pool(&self, connections: usize, timeout: Duration) -> Pool {
        let connect = OnRuntime { runtime: Handle::current(), database: self.clone() };
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let newest = self.newest.clone();
        let still_current = Hook::sync_fn(move |_, metrics| {
            let outdated = newest.outdates(metrics.created);
            if outdated { Err(HookError::message("it was made before the database failed over")) } else { Ok(()) }
        });
        let manager = Manager::from_connect(self.hosts[0].clone(), connect, manager_config);
        Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .pre_recycle(still_current)
            .build()
            .expect("a pool with timeouts builds when it has a runtime, and it has one")
    }

    /// Opens a connection of its own. Its messages (NOTIFY) arrive on the
    /// receiver, which closes when the connection ends, for whatever reason.
    pub async fn connect(&self) -> Result<(Client, mpsc::UnboundedReceiver<AsyncMessage>), StoreError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (client, _) = self.open(&sender).await.map_err(|failures| self.unavailable(&failures))?;
        Ok((client, receiver))
    }

    /// Opens a connection that ends with its guard, also in the middle of a statement: without one a client that is
    /// dropped waits for the answer.
    pub(super) async fn connect_guarded(&self) -> Result<(Client, Guard), StoreError> {
        let (nobody, _) = mpsc::unbounded_channel();
        let (client, connection) = self.open(&nobody).await.map_err(|failures| self.unavailable(&failures))?;
        Ok((client, Guard(connection)))
    }

    fn unavailable(&self, failures: &[(usize, tokio_postgres::Error)]) -> StoreError {
        let named = failures.iter().map(|(host, error)| (name_of(&self.hosts[*host]), why(error)));
        StoreError::Unavailable(Box::new(NoHost(named.collect())))
    }

    /// Connects to the writable host of the newest timeline, asking first where
    /// it was the last time; else each host's error. Ours is the loop, and not the
    /// driver's, because only we can tell an old primary from a new one.
    async fn open(
        &self,
        messages: &mpsc::UnboundedSender<AsyncMessage>,
    ) -> Result<(Client, JoinHandle<()>), Vec<(usize, tokio_postgres::Error)>> {
        let first = self.writable.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for host in (first..self.hosts.len()).chain(0..first) {
            match self.open_at(&self.hosts[host], messages.clone()).await {
                Ok(opened) => {
                    self.writable.store(host, Ordering::Relaxed);
                    return Ok(opened);
                }
                Err(error) => failures.push((host, error)),
            }
        }
        Err(failures)
    }

    async fn open_at(
        &self,
        host: &Config,
        messages: mpsc::UnboundedSender<AsyncMessage>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (client, mut connection) = host.connect(self.tls.clone()).await?;
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                // Whether or not somebody listens, the connection must be driven.
                drop(messages.send(message));
            }
        });
        self.newest.admit(&client).await?;
        Ok((client, driver))
    }
}

/// What a URL says besides its hosts. (The driver can add hosts to a
/// configuration, not take one away.)
fn without_hosts(config: &Config) -> Config {
    let mut bare = Config::new();
    bare.ssl_negotiation(config.get_ssl_negotiation()).channel_binding(config.get_channel_binding());
    if let Some(user) = config.get_user() {
        bare.user(user);
    }
    if let Some(password) = config.get_password() {
        bare.password(password);
    }
    if let Some(name) = config.get_dbname() {
        bare.dbname(name);
    }
    bare
}

/// The hosts of a URL, each with what is common to all.
fn each_host(url: &Config, common: &Config) -> Result<Vec<Config>, String> {
    let (names, addresses, ports) = (url.get_hosts(), url.get_hostaddrs(), url.get_ports());
    let count = names.len().max(addresses.len());
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(format!("it names {} hosts and {} hostaddrs", names.len(), addresses.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(format!("it names {count} hosts and {} ports", ports.len()));
    }
    Ok((0..count)
        .map(|index| {
            let mut one = common.clone();
            match names.get(index) {
                Some(Host::Tcp(name)) => drop(one.host(name)),
                Some(Host::Unix(path)) => drop(one.host_path(path)),
                None => {}
            }
            if let Some(address) = addresses.get(index) {
                one.hostaddr(*address);
            }
            if let Some(port) = ports.get(index).or(ports.first()) {
                one.port(*port);
            }
            one
        })
        .collect())
}

fn name_of(host: &Config) -> String {
    let port = host.get_ports().first().copied().unwrap_or(5432);
    match (host.get_hosts().first(), host.get_hostaddrs().first()) {
        (Some(Host::Tcp(name)), _) => format!("{name}:{port}"),
        (Some(Host::Unix(path)), _) => path.display().to_string(),
        (None, Some(address)) => format!("{address}:{port}"),
        (None, None) => "no host".to_owned(),
    }
}

/// The reason alone: the driver's own words are "error connecting to server" and "db error".
fn why(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match cause.as_str() {
        "database does not allow writes" => "a standby, which takes no writes; name the primary too".to_owned(),
        "server does not support TLS" => {
            "server does not support TLS; sslmode=disable does without, inside a network that you trust".to_owned()
        }
        _ => cause,
    }
}

/// Connects on a given runtime, whoever asks.
struct OnRuntime {
    runtime: Handle,
    database: Database,
}

impl Connect for OnRuntime {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let database = self.database.clone();
        let connected = self.runtime.spawn(async move {
            let (nobody, _) = mpsc::unbounded_channel();
            let opened = database.open(&nobody).await;
            // There is a host, so there is an error.
            opened.map_err(|mut failures| failures.pop().map(|(_, error)| error))
        });
        Box::pin(async move {
            match connected.await {
                Ok(Ok(connected)) => Ok(connected),
                Ok(Err(Some(error))) => Err(error),
                // The runtime is shutting down, and the process with it.
                Ok(Err(None)) | Err(_) => std::future::pending().await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        let error = Database::parse("postgresql://me:s3cret@host:notaport/db", Duration::from_secs(2))
            .err()
            .expect("no such port")
            .to_string();
        assert!(error.contains("DATABASE_URL") && error.contains("port") && !error.contains("s3cret"), "{error}");
        assert!(Database::parse("", Duration::from_secs(2)).is_err(), "an empty DATABASE_URL is a mistake");
    }
}
