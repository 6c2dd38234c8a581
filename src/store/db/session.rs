//! Pooled connections, and transactions on pooled connections.
//!
//! A connection never returns to the pool in an unknown state: an error, a timeout or a panic
//! closes the connection, and the server rolls back.

use super::pool::Pooled;
use super::statement::Statement;
use crate::store::StoreError;
use crate::store::audit::entry::{self, Entries, Entry};
use crate::store::author::Author;
use deadpool_postgres::ClientWrapper;
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use std::ops::Deref;

/// A pooled connection that returns to the pool only after a call without an error.
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

    /// Returns the connection to the pool.
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
            // Not released: the state of the connection is unknown, so the connection is closed.
            drop(Pooled::take(client));
        }
    }
}

/// A transaction with a separate session. The driver's transaction waits for the answers to BEGIN
/// and COMMIT; a [`Transaction`] can send both together with statements.
pub struct Transaction {
    session: Session,
    author: Author,
    /// Entries of the audit log, written with COMMIT.
    entries: Mutex<Entries>,
}

impl Transaction {
    /// A transaction before its [`begin`](Self::begin).
    pub fn new(session: Session, author: Author) -> Self {
        Self {
            session,
            author,
            entries: Mutex::default(),
        }
    }

    /// The author of the changes.
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// Records an action of the author's command. Actions of a node without a command are not
    /// recorded.
    pub fn record(&self, entry: Entry) {
        if let Some(command) = &self.author.command {
            let entry = entry.with_all(self.author.details.clone());
            self.entries.lock().push(command, entry);
        }
    }

    /// Records a decision of a node.
    pub(crate) fn record_decision(&self, action: &str, entry: Entry) {
        self.entries.lock().push(action, entry);
    }

    /// The number of entries so far.
    pub(super) fn recorded(&self) -> usize {
        self.entries.lock().len()
    }

    /// Forgets the entries after the first `recorded`: the work of the entries was undone.
    pub(super) fn forget_after(&self, recorded: usize) {
        self.entries.lock().truncate(recorded);
    }

    /// Begins the transaction on the server.
    pub async fn begin(&self) -> Result<(), tokio_postgres::Error> {
        self.session.batch_execute("begin").await
    }

    /// Begins the transaction and sends the statements, in a single round trip.
    pub async fn begin_with(&self, statements: &str) -> Result<(), tokio_postgres::Error> {
        self.session
            .batch_execute(&format!("begin; {statements}"))
            .await
    }

    /// Prepares statements for later, in a single round trip for all statements new to the
    /// connection.
    pub async fn prepare(&self, statements: &[Statement<'_>]) -> Result<(), StoreError> {
        let prepare = statements.iter().map(|statement| statement.prepare(self));
        try_join_all(prepare).await?;
        Ok(())
    }

    /// Commits. (After a failed statement the server would roll back without an error: callers
    /// never commit after an error.)
    pub async fn commit(self) -> Result<(), tokio_postgres::Error> {
        let entries = std::mem::take(&mut *self.entries.lock());
        if entries.len() == 0 {
            self.session.batch_execute("commit").await?;
        } else {
            // Prepared before, so the two travel together and in order.
            let insert = self.session.prepare_cached(entry::INSERT.sql()).await?;
            let (written, committed) = futures_util::join!(
                entries.write(&self.session, &insert, &self.author.caller),
                self.session.batch_execute("commit"),
            );
            // After a failed statement COMMIT rolls back, without an error.
            written?;
            committed?;
        }
        self.session.release();
        Ok(())
    }

    /// Releases the locks and keeps the connection.
    pub async fn rollback(self) -> Result<(), tokio_postgres::Error> {
        self.session.batch_execute("rollback").await?;
        self.session.release();
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = ClientWrapper;
    fn deref(&self) -> &Self::Target {
        &self.session
    }
}
