//! Vital signs: whether every critical actor of this process makes progress.
//!
//! An Actix actor that panics dies silently while the others go on: such a node
//! would heartbeat for ever and fire nothing. So each critical actor holds a
//! [`Pulse`]. It beats at the end of a pass; when it stops beating the heartbeat
//! stops too, and when it is dropped unretired (a panic drops the actor) the
//! process gives itself up with exit code 70.

use crate::safeguards::{Safeguard, is_off};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The vital signs of one process; clones share them.
#[derive(Clone)]
pub struct Vitals {
    beats: Arc<Mutex<Vec<(&'static str, Instant)>>>,
    watched: Arc<Mutex<Instant>>,
    failure: watch::Sender<Option<String>>,
}

/// Proof of life of one critical actor.
pub struct Pulse {
    name: &'static str,
    vitals: Vitals,
    retired: bool,
}

impl Default for Vitals {
    fn default() -> Self {
        let watched = Arc::new(Mutex::new(Instant::now()));
        Self { beats: Arc::default(), watched, failure: watch::Sender::new(None) }
    }
}

impl Vitals {
    /// A pulse for the critical actor `name`, which begins with a beat.
    pub fn pulse(&self, name: &'static str) -> Pulse {
        self.beats().push((name, Instant::now()));
        self.lifeline(name)
    }

    /// A pulse that need not beat, for an actor that has no passes or watches over the others:
    /// only its death counts.
    pub fn lifeline(&self, name: &'static str) -> Pulse {
        Pulse { name, vitals: self.clone(), retired: false }
    }

    /// The first critical actor without a beat for longer than three TTLs of the node: a pass may
    /// wait for a silent database, bounded by half a TTL a call.
    pub fn stalled(&self, node_ttl: Duration) -> Option<&'static str> {
        let stalled = self.beats().iter().find(|(_, beat)| beat.elapsed() > node_ttl * 3).map(|(name, _)| *name);
        stalled.filter(|_| !is_off(Safeguard::ProgressAttestation))
    }

    /// The same, for who looks at least once in a TTL. When longer has passed the whole process stood still, and nobody could
    /// beat: that time does not count. (All nodes of a host that is stopped and goes on would give themselves up.)
    pub fn watch(&self, node_ttl: Duration) -> Option<&'static str> {
        let now = Instant::now();
        let watched = std::mem::replace(&mut *self.watched.lock().unwrap_or_else(PoisonError::into_inner), now);
        let stood_still = now.saturating_duration_since(watched);
        if stood_still > node_ttl {
            self.beats().iter_mut().for_each(|(_, beat)| *beat = now.min(*beat + stood_still));
        }
        self.stalled(node_ttl)
    }

    /// Gives the process up: [`Vitals::failed`] resolves with the reason.
    pub fn fail(&self, reason: String) {
        self.failure.send_if_modified(|failure| failure.is_none() && failure.replace(reason).is_none());
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

    fn beats(&self) -> MutexGuard<'_, Vec<(&'static str, Instant)>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// A pass has ended, well or not: the actor is alive.
    pub fn beat(&self) {
        if let Some((_, beat)) = self.vitals.beats().iter_mut().find(|(name, _)| *name == self.name) {
            *beat = Instant::now();
        }
    }

    /// The actor stops because it should: no failure.
    pub fn retire(&mut self) {
        self.retired = true;
        self.vitals.beats().retain(|(name, _)| *name != self.name);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if !self.retired && !is_off(Safeguard::ProgressAttestation) {
            self.vitals.fail(format!("the critical actor {} died", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_without_a_beat_is_stalled() {
        let vitals = Vitals::default();
        let pulse = vitals.pulse("Acquirer");
        assert_eq!(vitals.stalled(Duration::from_mins(1)), None);
        assert_eq!(vitals.stalled(Duration::ZERO), Some("Acquirer"));
        drop(pulse);
    }

    #[test]
    fn only_time_that_was_watched_counts() {
        let (vitals, ttl) = (Vitals::default(), Duration::from_secs(10));
        let _pulse = vitals.pulse("Acquirer");
        let long_ago = Instant::now().checked_sub(ttl * 4).expect("this machine runs for 40 s");
        vitals.beats()[0].1 = long_ago;
        *vitals.watched.lock().unwrap() = long_ago;
        assert_eq!(vitals.watch(ttl), None, "everybody stood still");
        vitals.beats()[0].1 = long_ago;
        assert_eq!(vitals.watch(ttl), Some("Acquirer"));
    }

    #[tokio::test]
    async fn a_dropped_pulse_gives_the_process_up_and_a_retired_one_does_not() {
        let vitals = Vitals::default();
        let mut retired = vitals.pulse("Reconciler");
        retired.retire();
        drop(retired);
        assert!(vitals.failure.borrow().is_none());
        drop(vitals.pulse("Acquirer"));
        assert_eq!(vitals.failed().await, "the critical actor Acquirer died");
    }
}
