//! The listener: wake-ups from other sessions, as hints.
//!
//! A NOTIFY is lost while the connection is down, so every (re)connection counts
//! as a wake-up itself. Losing one costs at most one poll interval.

use super::connect::Database;
use super::{During, StoreError, WAKE_UP_CHANNEL};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};

/// A connection that listens; it must be read, and be replaced when it ends.
pub struct Listener {
    // Held so that the connection lasts.
    _client: Client,
    messages: mpsc::UnboundedReceiver<AsyncMessage>,
}

impl Listener {
    /// Connects and listens.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        let (client, messages) = database.connect().await?;
        client.batch_execute(&format!("listen {WAKE_UP_CHANNEL}")).await.during("listener.listen")?;
        Ok(Self { _client: client, messages })
    }

    /// The next wake-up; none when the connection has ended.
    pub async fn wake_up(&mut self) -> Option<()> {
        loop {
            if let AsyncMessage::Notification(_) = self.messages.recv().await? {
                // One look serves however many hints have come.
                while self.messages.try_recv().is_ok() {}
                return Some(());
            }
        }
    }
}
