//! How connections are made: one place for the URL, the pool and the
//! connections that must not be pooled (membership, watch, listener).
//!
//! Keepalives alone do not notice a partition while data is in flight, and
//! `tcp_user_timeout` alone does not notice an idle one: both are set. Waits for
//! locks and idle transactions are bounded by the server as well, so that a
//! frozen node cannot hide rows from the others for longer.

use super::StoreError;
use super::tls::{SslMode, TlsKeys};
use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use futures_util::future::BoxFuture;
use std::future::poll_fn;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{AsyncMessage, Client, Config, config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Oldest supported major version of PostgreSQL, as `server_version_num`.
pub const SERVER_VERSION_MIN: i32 = 140_000;

/// Where the database is and how it is spoken to.
#[derive(Clone)]
pub struct Database {
    config: Config,
    tls: MakeRustlsConnect,
}

/// Why a database URL was refused.
#[derive(Debug, thiserror::Error)]
#[error("DATABASE_URL cannot be understood (expected postgresql://user:password@host:port/database): {0}")]
pub struct BadDatabaseUrl(String);

impl Database {
    /// Parses the URL and adds what every connection needs. `timeout` bounds
    /// connecting, lock waits, idle transactions and unacknowledged data; it is
    /// half the node TTL, so that no call outlives the node's trust in itself.
    pub fn parse(url: &str, timeout: Duration) -> Result<Self, BadDatabaseUrl> {
        // The driver's message names the odd part and never the password.
        let (url, keys) = TlsKeys::taken_from(url);
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            BadDatabaseUrl(std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        let millis = timeout.as_millis();
        // No statement of ours runs long enough to be worth compiling, but over a month of partitions the planner
        // takes some for it: compiling took 117 of 200 ms (`cargo bench --bench lists`).
        let settings = format!(
            "{} -c lock_timeout={millis} -c idle_in_transaction_session_timeout={millis} -c timezone=UTC -c jit=off",
            config.get_options().unwrap_or_default()
        );
        if config.get_hosts().is_empty() {
            return Err(BadDatabaseUrl("it names no host".to_owned()));
        }
        let mode = keys.mode(&config).map_err(BadDatabaseUrl)?;
        let tls = keys.connector(mode).map_err(BadDatabaseUrl)?;
        config.ssl_mode(if mode == SslMode::Disable { config::SslMode::Disable } else { config::SslMode::Require });
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
        // Of several hosts the writable one: a standby cannot lease.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("horolog");
        }
        config
            .options(settings.trim())
            .connect_timeout(timeout)
            .tcp_user_timeout(timeout)
            .keepalives(true)
            // Whole seconds: the kernel refuses 0, which is what less than one becomes.
            .keepalives_idle(timeout.max(Duration::from_secs(1)))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3);
        Ok(Self { config, tls })
    }

    /// A pool whose connections live on the runtime that makes the pool: a
    /// connection made on an HTTP worker's runtime would die with that worker.
    pub(super) fn pool(&self, connections: usize, timeout: Duration) -> Pool {
        let connect = OnRuntime { runtime: Handle::current(), tls: self.tls.clone() };
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(self.config.clone(), connect, manager_config);
        Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .build()
            .expect("a pool with timeouts builds when it has a runtime, and it has one")
    }

    /// Opens a connection of its own. Its messages (NOTIFY) arrive on the
    /// receiver, which closes when the connection ends, for whatever reason.
    pub async fn connect(&self) -> Result<(Client, mpsc::UnboundedReceiver<AsyncMessage>), StoreError> {
        let (client, mut connection) =
            self.config.connect(self.tls.clone()).await.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                // Whether or not somebody listens, the connection must be driven.
                drop(sender.send(message));
            }
        });
        Ok((client, receiver))
    }
}

/// Connects on a given runtime, whoever asks.
struct OnRuntime {
    runtime: Handle,
    tls: MakeRustlsConnect,
}

impl Connect for OnRuntime {
    fn connect(
        &self,
        config: &Config,
    ) -> BoxFuture<'_, Result<(Client, tokio::task::JoinHandle<()>), tokio_postgres::Error>> {
        let (runtime, config, tls) = (self.runtime.clone(), config.clone(), self.tls.clone());
        let connected = self.runtime.spawn(async move {
            let (client, connection) = config.connect(tls).await?;
            // An error ends the connection, which its client then notices.
            let driver = runtime.spawn(async move { drop(connection.await) });
            Ok((client, driver))
        });
        Box::pin(async move {
            match connected.await {
                Ok(connected) => connected,
                // The runtime is shutting down, and the process with it.
                Err(_) => std::future::pending().await,
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
