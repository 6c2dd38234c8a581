//! Periodic messages: an actor gets a message, the pass reports, and after a wait the message comes
//! again.
//!
//! One pass at a time, by construction. A wake-up only shortens the wait.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A hint to run a pass now. Many hints before the next pass count as a single hint.
pub type WakeUp = Arc<Notify>;

/// What starts the passes of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// The actor itself: periodically, and at wake-ups.
    Periodic,
    /// Messages of a caller: a test runs each pass separately.
    OnMessage,
}

/// Sends `message` at once, and again after each report: after the wait in the report, or at a
/// wake-up. Without a wait: at a wake-up only. Ends when the actor is gone.
pub async fn run_periodically<A, M>(
    actor: Addr<A>,
    message: impl Fn() -> M,
    wake_up: WakeUp,
    wait: impl Fn(&M::Result) -> Option<Duration>,
) where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    while let Ok(report) = actor.send(message()).await {
        match wait(&report) {
            // A busy loop leaves the thread to other tasks.
            Some(Duration::ZERO) => tokio::task::yield_now().await,
            Some(wait) => {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = wake_up.notified() => {}
                }
            }
            None => wake_up.notified().await,
        }
    }
}
