//! The thread on which webhooks are sent and their answers read.

use super::SetUpError;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a runtime that nothing else has; it ends with this. One and not several: only so
/// does a request hear of the close of a kept connection before it takes it (ADR 40).
pub struct WebhookThread {
    handle: Handle,
    _ends_when_dropped: oneshot::Sender<()>,
}

impl WebhookThread {
    /// Starts it.
    pub fn start() -> Result<Self, SetUpError> {
        let set_up = |error: std::io::Error| SetUpError(error.to_string());
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(set_up)?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<()>();
        let run = move || drop(runtime.block_on(ended));
        std::thread::Builder::new()
            .name("webhooks".to_owned())
            .spawn(run)
            .map_err(set_up)?;
        Ok(Self {
            handle,
            _ends_when_dropped: ends,
        })
    }

    /// Where work is given to it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}
