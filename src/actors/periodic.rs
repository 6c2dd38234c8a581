//! Periodic messages: sends an actor its message, waits for the report, and
//! sends it again when the pass has ended and it is time.
//!
//! One pass at a time by construction. A wake-up only shortens the wait.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A hint to poll again. Many hints before the next poll are one.
pub type WakeUp = Arc<Notify>;

/// Sends `message` now and again, `wait` after each report or at a wake-up,
/// until the actor is gone.
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
            // Yields, so that a busy loop leaves the thread to others.
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
