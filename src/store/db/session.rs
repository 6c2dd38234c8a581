//! Pooled connections, and transactions on them.
//!
//! A connection never goes back to the pool in a state that nobody knows: what does not end well
//! (an error, a timeout, a panic) closes it, and the server rolls back.

use super::pool::Pooled;
use deadpool_postgres::ClientWrapper;
use futures_util::future::try_join_all;
use std::ops::Deref;

/// A pooled connection that goes back to the pool only when its call ended
/// well.
pub struct Session {
    client: Option<Pooled>,
}

impl Session {
    /// A session on a connection from the pool.
    pub fn new(client: Pooled) -> Self {
        Self {
            client: Some(client),
        }
    }

    /// Gives the connection back.
    pub fn release(mut self) {
        drop(self.client.take());
    }
}

impl Deref for Session {
    type Target = ClientWrapper;
    fn deref(&self) -> &Self::Target {
        self.client
            .as_ref()
            .expect("a session has its client until it is released or dropped")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Pooled::take(client));
        }
    }
}

/// A transaction, which has its session for itself. The driver's own waits for
/// the answer to BEGIN and to COMMIT; this one lets them travel with statements.
pub struct Transaction(Session);

impl Transaction {
    /// A transaction that has yet to [begin](Self::begin).
    pub fn new(session: Session) -> Self {
        Self(session)
    }

    /// Begins it.
    pub async fn begin(&self) -> Result<(), tokio_postgres::Error> {
        self.0.batch_execute("begin").await
    }

    /// Begins it and takes what these statements take, before anything else.
    pub async fn begin_with(&self, statements: &str) -> Result<(), tokio_postgres::Error> {
        self.0.batch_execute(&format!("begin; {statements}")).await
    }

    /// Prepares statements that it will need, in one round trip for all that the connection does
    /// not know yet.
    pub async fn prepare_all(&self, statements: &[&str]) -> Result<(), tokio_postgres::Error> {
        try_join_all(
            statements
                .iter()
                .map(|statement| self.prepare_cached(statement)),
        )
        .await?;
        Ok(())
    }

    /// Makes it so. (After a failed statement it would roll back and say nothing: so nobody commits
    /// after an error.)
    pub async fn commit(self) -> Result<(), tokio_postgres::Error> {
        self.0.batch_execute("commit").await?;
        self.0.release();
        Ok(())
    }

    /// Lets go of its locks and keeps the connection.
    pub async fn rollback(self) -> Result<(), tokio_postgres::Error> {
        self.0.batch_execute("rollback").await?;
        self.0.release();
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = ClientWrapper;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
