//! The database of the URL: its hosts, and the connections, for the pools and for the unpooled
//! sessions (membership, watch, listener).
//!
//! Keepalives alone do not detect a partition while data is in flight, and `tcp_user_timeout` alone
//! does not detect a partition of an idle connection: both are set. `admission` has the settings of
//! each session, and refuses servers.

use super::admission::{SessionSettings, Statements, admit, search_path_of};
use super::pooler::{PROBES_MAX, Shown, probe};
use super::refusal::Refusal;
use super::timeline::NewestTimeline;
use super::tls::{SslMode, TlsKeys};
use crate::store::StoreError;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Config, config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The hosts of the database, and how to connect.
#[derive(Clone)]
pub struct Database {
    /// In the order of the URL.
    servers: Arc<[Server]>,
    /// The last writable host; tried first.
    writable: Arc<AtomicUsize>,
    newest: Arc<NewestTimeline>,
    settings: Arc<SessionSettings>,
    tls: MakeRustlsConnect,
}

/// A host of the URL.
struct Server {
    config: Config,
    /// Set when a probe has shown that a connection is a separate session. Concurrent connections
    /// probe separately: a probe of the API must not delay a connection of firing.
    gives_sessions: AtomicBool,
}

/// An admitted connection.
pub(crate) struct Opened {
    pub(crate) client: Client,
    /// Task that drives the connection.
    pub(super) driver: JoinHandle<()>,
    /// NOTIFY and the like; ends with the connection.
    messages: mpsc::UnboundedReceiver<AsyncMessage>,
}

/// The reason of each host without a connection.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|(host, why)| format!("{host}: {}", why.reason())).collect::<Vec<_>>().join("; "))]
struct NoHost(Vec<(String, Refusal)>);

/// Why a database URL was refused.
#[derive(Debug, thiserror::Error)]
#[error(
    "DATABASE_URL cannot be understood (expected postgresql://user:password@host:port/database): \
     {0}"
)]
pub struct BadDatabaseUrl(String);

/// Ends the connection when dropped.
pub(crate) struct Guard(JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Database {
    /// Parses the URL and adds the settings of every connection. `timeout` bounds connecting, lock
    /// waits, idle transactions and unacknowledged data; the value is half the node TTL, so no call
    /// lasts longer than the membership is trusted.
    pub fn parse(url: &str, timeout: Duration) -> Result<Self, BadDatabaseUrl> {
        // The driver's message names the invalid part and never the password.
        let (url, keys) = TlsKeys::taken_from(url);
        let config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            BadDatabaseUrl(
                std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), ToString::to_string),
            )
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(BadDatabaseUrl("it names no host".to_owned()));
        }
        let mode = keys.mode(&config).map_err(BadDatabaseUrl)?;
        let tls = keys.connector(mode).map_err(BadDatabaseUrl)?;
        match mode {
            SslMode::Disable => {}
            SslMode::Require => tracing::warn!(
                "sslmode=require: the connection to PostgreSQL is encrypted, but anybody may be \
                 at the other end; verify-full checks who"
            ),
            SslMode::VerifyCa | SslMode::VerifyFull => {
                tracing::info!(
                    "PostgreSQL must prove who it is, by TLS (sslmode={mode}; `disable` only \
                     inside a network that you trust)"
                );
            }
        }
        let mut common = without_hosts(&config);
        common
            .ssl_mode(if mode == SslMode::Disable {
                config::SslMode::Disable
            } else {
                config::SslMode::Require
            })
            // The admission detects a standby: the driver would mistake a read-only default of the
            // role for a standby.
            .target_session_attrs(TargetSessionAttrs::Any)
            .application_name(config.get_application_name().unwrap_or("horolog"))
            .connect_timeout(timeout)
            .tcp_user_timeout(timeout)
            .keepalives(true)
            // Whole seconds: the kernel refuses 0, and the driver rounds less than a second to 0.
            .keepalives_idle(timeout.max(Duration::from_secs(1)))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3);
        let options = config.get_options().unwrap_or_default();
        if !options.is_empty() {
            // Poolers refuse start-up options: options are sent only if the URL has options.
            common.options(options);
        }
        let settings = Arc::new(SessionSettings {
            timeout,
            search_path: search_path_of(options),
        });
        let hosts = each_host(&config, &common).map_err(BadDatabaseUrl)?;
        let servers = hosts
            .into_iter()
            .map(|config| Server {
                config,
                gives_sessions: AtomicBool::new(false),
            })
            .collect();
        Ok(Self {
            servers,
            writable: Arc::default(),
            newest: Arc::default(),
            settings,
            tls,
        })
    }

    /// Name or address, and port, of each host of the URL reached over a network.
    pub fn tcp_hosts(&self) -> Vec<(String, u16)> {
        self.servers
            .iter()
            .filter_map(|server| {
                let host = match (
                    server.config.get_hostaddrs().first(),
                    server.config.get_hosts().first(),
                ) {
                    (Some(address), _) => address.to_string(),
                    (None, Some(Host::Tcp(name))) => name.clone(),
                    (None, _) => return None,
                };
                Some((
                    host,
                    server.config.get_ports().first().copied().unwrap_or(5432),
                ))
            })
            .collect()
    }

    /// Whether a connection of the age may lead to a replaced primary.
    pub(crate) fn outdates(&self, connected_at: Instant) -> bool {
        self.newest.outdates(connected_at)
    }

    /// Opens a separate connection. Messages (NOTIFY) arrive on the receiver, which closes at the
    /// end of the connection, for any reason.
    pub async fn connect(
        &self,
    ) -> Result<(Client, mpsc::UnboundedReceiver<AsyncMessage>), StoreError> {
        let opened = self.open(Statements::Unbounded).await?;
        Ok((opened.client, opened.messages))
    }

    /// Opens a connection that ends with the guard, even in the middle of a statement: without a
    /// guard a dropped client waits for the answer.
    pub(crate) async fn connect_guarded(&self) -> Result<(Client, Guard), StoreError> {
        let opened = self.open(Statements::Unbounded).await?;
        Ok((opened.client, Guard(opened.driver)))
    }

    /// Connects to the writable host of the newest timeline, the last writable host first. The loop
    /// over the hosts is here, not in the driver, because the driver cannot tell an old primary
    /// from a new primary.
    pub(crate) async fn open(&self, statements: Statements) -> Result<Opened, StoreError> {
        let first = self.writable.load(Ordering::Relaxed);
        let mut refusals = Vec::new();
        for index in (first..self.servers.len()).chain(0..first) {
            let server = &self.servers[index];
            match self.open_at(server, statements).await {
                Ok(opened) => {
                    // A hint: a wrong value costs another round through the hosts.
                    self.writable.store(index, Ordering::Relaxed);
                    return Ok(opened);
                }
                Err(refusal) => refusals.push((name_of(&server.config), refusal)),
            }
        }
        let for_good = refusals
            .iter()
            .all(|(_, refusal)| matches!(refusal, Refusal::ForGood(_)));
        let reasons = Box::new(NoHost(refusals));
        Err(if for_good {
            StoreError::Unfit(reasons)
        } else {
            StoreError::Unavailable(reasons)
        })
    }

    async fn open_at(&self, server: &Server, statements: Statements) -> Result<Opened, Refusal> {
        if !server.gives_sessions.load(Ordering::Relaxed) {
            self.require_sessions(server).await?;
            // A probe costs a connection, so each host is probed once.
            server.gives_sessions.store(true, Ordering::Relaxed);
        }
        let opened = self.dial(server).await?;
        admit(&opened.client, &self.settings, statements, &self.newest).await?;
        Ok(opened)
    }

    async fn require_sessions(&self, server: &Server) -> Result<(), Refusal> {
        for _ in 0..PROBES_MAX {
            let Opened { client, driver, .. } = self.dial(server).await?;
            if probe(client, driver).await? == Shown::Session {
                break;
            }
        }
        Ok(())
    }

    /// A connection before the admission.
    async fn dial(&self, server: &Server) -> Result<Opened, Refusal> {
        let (client, mut connection) = server
            .config
            .connect(self.tls.clone())
            .await
            .map_err(|error| Refusal::from(&error))?;
        let (sender, messages) = mpsc::unbounded_channel();
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                // The connection must be driven even without a receiver.
                drop(sender.send(message));
            }
        });
        Ok(Opened {
            client,
            driver,
            messages,
        })
    }
}

/// The settings of a URL without the hosts. (The driver can add hosts to a configuration, but not
/// remove a host.)
fn without_hosts(config: &Config) -> Config {
    let mut bare = Config::new();
    bare.ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding());
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

/// The hosts of a URL, each with the common settings.
fn each_host(url: &Config, common: &Config) -> Result<Vec<Config>, String> {
    let (names, addresses, ports) = (url.get_hosts(), url.get_hostaddrs(), url.get_ports());
    let count = names.len().max(addresses.len());
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(format!(
            "it names {} hosts and {} hostaddrs",
            names.len(),
            addresses.len()
        ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        let error = Database::parse(
            "postgresql://me:s3cret@host:notaport/db",
            Duration::from_secs(2),
        )
        .err()
        .expect("no such port")
        .to_string();
        assert!(
            error.contains("DATABASE_URL") && error.contains("port") && !error.contains("s3cret"),
            "{error}"
        );
        assert!(
            Database::parse("", Duration::from_secs(2)).is_err(),
            "an empty DATABASE_URL is a mistake"
        );
    }
}
