//! The listener: wake-ups from other sessions, as hints.
//!
//! A NOTIFY is lost while the connection is down, so every (re)connection counts as a wake-up
//! itself. A lost NOTIFY costs at most a poll interval.

use super::database::Database;
use super::statement::Statement;
use crate::store::{During, StoreError};
use deadpool_postgres::ClientWrapper;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};

/// Channel of the wake-up hints, which carry no data.
pub const WAKE_UP_CHANNEL: &str = "horolog_wakeup";
/// Channel of the hints that a node joined, drains or left (migration V8).
pub const MEMBERSHIP_CHANNEL: &str = "horolog_membership";

const NOTIFY: Statement = Statement::new(
    "-- listener.notify
select pg_notify($1, '')",
);

/// Pause before connecting again.
const PAUSE: Duration = Duration::from_millis(250);

/// Wakes the acquirers of all nodes at COMMIT: the acquirers may be asleep until later.
pub(crate) async fn notify(client: &ClientWrapper) -> Result<(), StoreError> {
    NOTIFY.execute(client, &[&WAKE_UP_CHANNEL]).await?;
    Ok(())
}

/// Calls `wake` with the channel of every hint; never returns. A new connection is a hint on all
/// channels, because messages in between are lost.
pub async fn listen(database: Database, channels: &[&str], wake: impl Fn(&str)) {
    loop {
        match Listener::connect(&database, channels).await {
            Ok(mut listener) => {
                channels.iter().copied().for_each(&wake);
                while let Some(channel) = listener.wake_up().await {
                    wake(&channel);
                }
                tracing::warn!("the listener lost its connection: polling until it is back");
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no listener"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A listening connection; replaced at the end.
pub struct Listener {
    // Keeps the connection open.
    _client: Client,
    messages: mpsc::UnboundedReceiver<AsyncMessage>,
}

impl Listener {
    /// Connects and listens to the channels.
    pub async fn connect(database: &Database, channels: &[&str]) -> Result<Self, StoreError> {
        let (client, messages) = database.connect().await?;
        for channel in channels {
            client
                .batch_execute(&format!("listen {channel}"))
                .await
                .during("listener.listen")?;
        }
        Ok(Self {
            _client: client,
            messages,
        })
    }

    /// The channel of the next wake-up; none when the connection has ended.
    pub async fn wake_up(&mut self) -> Option<String> {
        loop {
            if let AsyncMessage::Notification(hint) = self.messages.recv().await? {
                return Some(hint.channel().to_owned());
            }
        }
    }
}
