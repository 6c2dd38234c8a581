//! Pools of connections, each with a separate runtime.
//!
//! The runtime of a pool drives the connections: the connections of firing share no thread with the
//! API, and a connection on the runtime of an HTTP worker would end with the worker.

use super::admission::Statements;
use super::database::Database;
use super::statement::Statement;
use crate::store::StoreError;
use deadpool::Runtime;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use std::time::Duration;
use tokio::runtime::Handle;

/// A pool of connections.
pub(crate) type Pool = managed::Pool<Connections>;
/// A connection that returns to the pool when dropped.
pub(super) type Pooled = managed::Object<Connections>;

/// Makes the connections of a pool.
pub(crate) struct Connections {
    database: Database,
    runtime: Handle,
    /// The commands for a new connection.
    preparation: Option<Statement<'static>>,
}

/// Pools of the same settings.
#[derive(Clone)]
pub(crate) struct Pools {
    /// For access to the whole cluster.
    pub(crate) cluster: Pool,
    /// For access to some namespaces: each connection starts with the preparation.
    pub(crate) bounded: Pool,
}

impl Pools {
    /// Pools of at most `size` connections each on the runtime. Nothing connects yet.
    pub(crate) fn new(
        database: &Database,
        size: usize,
        timeout: Duration,
        runtime: Handle,
        preparation: Statement<'static>,
    ) -> Self {
        let pool = |runtime, preparation| {
            let connections = Connections {
                database: database.clone(),
                runtime,
                preparation,
            };
            pool(connections, size, timeout)
        };
        Self {
            cluster: pool(runtime.clone(), None),
            bounded: pool(runtime, Some(preparation)),
        }
    }
}

fn pool(connections: Connections, size: usize, timeout: Duration) -> Pool {
    Pool::builder(connections)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(timeout))
        .create_timeout(Some(timeout))
        .build()
        .expect("a pool with timeouts builds when it has a runtime, and it has one")
}

/// The error behind a pool without a connection.
pub(crate) fn pool_error(error: managed::PoolError<StoreError>) -> StoreError {
    match error {
        managed::PoolError::Backend(error) => error,
        other => StoreError::Unavailable(Box::new(other)),
    }
}

impl managed::Manager for Connections {
    type Type = ClientWrapper;
    type Error = StoreError;

    async fn create(&self) -> Result<ClientWrapper, StoreError> {
        let database = self.database.clone();
        let opened = self
            .runtime
            .spawn(async move { database.open(Statements::Bounded).await });
        let Ok(opened) = opened.await else {
            // The runtime is shutting down, and the process with it.
            return std::future::pending().await;
        };
        let client = opened.map(|opened| ClientWrapper::new(opened.client, opened.driver))?;
        if let Some(preparation) = &self.preparation {
            preparation.batch(&client).await?;
        }
        Ok(client)
    }

    async fn recycle(
        &self,
        client: &mut ClientWrapper,
        metrics: &Metrics,
    ) -> RecycleResult<StoreError> {
        if client.is_closed() {
            return Err(RecycleError::message("it has ended"));
        }
        if self.database.outdates(metrics.created) {
            return Err(RecycleError::message(
                "it was made before the database failed over",
            ));
        }
        Ok(())
    }
}
