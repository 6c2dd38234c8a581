//! The watchdog: whether every critical actor of the process makes progress.
//!
//! An Actix actor that panics dies silently while the others run: such a node would send heartbeats
//! for ever and fire nothing. So each critical actor holds a [`WatchdogGuard`], and touches it at
//! the end of a pass. A guard untouched for too long stops the heartbeats. A guard dropped without
//! being disarmed (a panic drops the actor) ends the process with exit code 70.

use crate::safeguards::{Safeguard, is_off};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The watchdog of a process. Clones share it.
#[derive(Clone)]
pub struct Watchdog {
    touched: Arc<Mutex<Vec<(&'static str, Instant)>>>,
    watched: Arc<Mutex<Instant>>,
    failure: watch::Sender<Option<String>>,
}

/// The guard of a critical actor.
pub struct WatchdogGuard {
    name: &'static str,
    watchdog: Watchdog,
    disarmed: bool,
}

impl Default for Watchdog {
    fn default() -> Self {
        let watched = Arc::new(Mutex::new(Instant::now()));
        Self {
            touched: Arc::default(),
            watched,
            failure: watch::Sender::new(None),
        }
    }
}

impl Watchdog {
    /// A guard for the critical actor `name`, touched now.
    pub fn guard(&self, name: &'static str) -> WatchdogGuard {
        self.touched().push((name, Instant::now()));
        self.passive_guard(name)
    }

    /// A guard without touches, for an actor without passes, and for the actor that asks the
    /// watchdog: only the death of the actor counts.
    pub fn passive_guard(&self, name: &'static str) -> WatchdogGuard {
        WatchdogGuard {
            name,
            watchdog: self.clone(),
            disarmed: false,
        }
    }

    /// The first critical actor with a guard untouched for three TTLs of the node. A pass may wait
    /// for a silent database: half a TTL for each call.
    pub fn stalled(&self, node_ttl: Duration) -> Option<&'static str> {
        let stalled = self
            .touched()
            .iter()
            .find(|(_, touched_at)| touched_at.elapsed() > node_ttl * 3)
            .map(|(name, _)| *name);
        stalled.filter(|_| !is_off(Safeguard::ProgressAttestation))
    }

    /// The same, for a caller that asks at least once in a TTL. After a longer time the whole
    /// process stood still, and no actor could touch its guard: that time does not count.
    /// (Otherwise all nodes of a host that was suspended would give themselves up.)
    pub fn watch(&self, node_ttl: Duration) -> Option<&'static str> {
        let now = Instant::now();
        let watched = std::mem::replace(&mut *self.watched.lock(), now);
        let stood_still = now.saturating_duration_since(watched);
        if stood_still > node_ttl {
            self.touched()
                .iter_mut()
                .for_each(|(_, touched_at)| *touched_at = now.min(*touched_at + stood_still));
        }
        self.stalled(node_ttl)
    }

    /// Gives the process up: [`Watchdog::failed`] resolves with the reason.
    pub fn fail(&self, reason: String) {
        self.failure
            .send_if_modified(|failure| failure.is_none() && failure.replace(reason).is_none());
    }

    /// Resolves when the process must give itself up, with the reason.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The sender lives in `self`.
            Err(_) => std::future::pending().await,
        }
    }

    fn touched(&self) -> MutexGuard<'_, Vec<(&'static str, Instant)>> {
        self.touched.lock()
    }
}

impl WatchdogGuard {
    /// A pass has ended, with or without an error: the actor is alive.
    pub fn touch(&self) {
        if let Some((_, touched_at)) = self
            .watchdog
            .touched()
            .iter_mut()
            .find(|(name, _)| *name == self.name)
        {
            *touched_at = Instant::now();
        }
    }

    /// The actor stops on purpose: no failure.
    pub fn disarm(&mut self) {
        self.disarmed = true;
        self.watchdog
            .touched()
            .retain(|(name, _)| *name != self.name);
    }
}

impl Drop for WatchdogGuard {
    fn drop(&mut self) {
        if !self.disarmed && !is_off(Safeguard::ProgressAttestation) {
            self.watchdog
                .fail(format!("the critical actor {} died", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_whose_guard_is_not_touched_is_stalled() {
        let watchdog = Watchdog::default();
        let guard = watchdog.guard("Acquirer");
        assert_eq!(watchdog.stalled(Duration::from_mins(1)), None);
        assert_eq!(watchdog.stalled(Duration::ZERO), Some("Acquirer"));
        drop(guard);
    }

    #[test]
    fn only_time_that_was_watched_counts() {
        let (watchdog, ttl) = (Watchdog::default(), Duration::from_secs(10));
        let _guard = watchdog.guard("Acquirer");
        let long_ago = Instant::now()
            .checked_sub(ttl * 4)
            .expect("this machine runs for 40 s");
        watchdog.touched()[0].1 = long_ago;
        *watchdog.watched.lock() = long_ago;
        assert_eq!(watchdog.watch(ttl), None, "everybody stood still");
        watchdog.touched()[0].1 = long_ago;
        assert_eq!(watchdog.watch(ttl), Some("Acquirer"));
    }

    #[tokio::test]
    async fn a_dropped_guard_fails_the_process_and_a_disarmed_one_does_not() {
        let watchdog = Watchdog::default();
        let mut disarmed = watchdog.guard("Reconciler");
        disarmed.disarm();
        drop(disarmed);
        assert!(watchdog.failure.borrow().is_none());
        drop(watchdog.guard("Acquirer"));
        assert_eq!(watchdog.failed().await, "the critical actor Acquirer died");
    }
}
