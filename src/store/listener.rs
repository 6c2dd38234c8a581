//! The listener: wake-ups from other sessions, as hints.
//!
//! A NOTIFY is lost while the connection is down, so every (re)connection counts
//! as a wake-up itself. Losing one costs at most one poll interval.

use super::connect::Database;
use super::{During, StoreError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};

/// Pause before connecting again.
const PAUSE: Duration = Duration::from_millis(250);

/// Calls `wake` at every hint, for ever. A new connection is a hint itself: what was sent meanwhile is lost.
pub async fn listen(database: Database, channel: &str, wake: impl Fn()) {
    loop {
        match Listener::connect(&database, channel).await {
            Ok(mut listener) => {
                wake();
                while listener.wake_up().await.is_some() {
                    wake();
                }
                tracing::warn!("the listener lost its connection: polling until it is back");
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no listener"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A connection that listens; it must be read, and be replaced when it ends.
pub struct Listener {
    // Held so that the connection lasts.
    _client: Client,
    messages: mpsc::UnboundedReceiver<AsyncMessage>,
}

impl Listener {
    /// Connects and listens to a channel.
    pub async fn connect(database: &Database, channel: &str) -> Result<Self, StoreError> {
        let (client, messages) = database.connect().await?;
        client.batch_execute(&format!("listen {channel}")).await.during("listener.listen")?;
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
