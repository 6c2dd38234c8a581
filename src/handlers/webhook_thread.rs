//! The thread that sends webhooks and reads their answers.

use super::SetUpError;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a separate runtime; the drop of the value ends it. A single thread, because only
/// then a request notices the close of a kept connection before it uses it (ADR 40).
pub struct WebhookThread {
    handle: Handle,
    _ends_when_dropped: oneshot::Sender<()>,
}

impl WebhookThread {
    pub fn start() -> Result<Self, SetUpError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(SetUpError::Thread)?;
        let handle = runtime.handle().clone();
        // The thread runs until the sender is dropped: no other message is ever sent.
        let (ends, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("webhooks".to_owned())
            .spawn(move || drop(runtime.block_on(ended)))
            .map_err(SetUpError::Thread)?;
        Ok(Self {
            handle,
            _ends_when_dropped: ends,
        })
    }

    /// Handle for work on that thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}
