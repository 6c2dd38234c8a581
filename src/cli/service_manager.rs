//! What a service manager is told of a node, by sd_notify(3): that it is ready, stops, and lives.
//!
//! Without `NOTIFY_SOCKET` nobody is told. It must never say that a node lives whose critical
//! actors do not: the watchdog then ends it, and the others take over what it held.

use crate::server::Node;
use sd_notify::{NotifyState, notify, watchdog_enabled};
use std::time::{Duration, Instant};

/// Between two checks while nothing is asked for more often.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Tells of a node for as long as the process lives.
pub fn follow(node: &Node) {
    let systemd_limit = watchdog_enabled();
    if systemd_limit.is_none() && std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (mut membership_state, watchdog, ttl) =
        (node.membership_state(), node.watchdog(), node.ttl());
    // Twice as often as asked for, so that one late turn is no death.
    let poll_interval = systemd_limit.map_or(POLL_INTERVAL, |limit| (limit / 2).min(POLL_INTERVAL));
    actix::spawn(async move {
        let (mut ready, mut said) = (false, "");
        loop {
            let now = *membership_state.borrow_and_update();
            if !ready && now.may_lease(Instant::now()).is_some() {
                tell(&[NotifyState::Ready]);
                ready = true;
            }
            if said != now.description(Instant::now()) {
                said = now.description(Instant::now());
                tell(&[NotifyState::Status(said)]);
            }
            if systemd_limit.is_some() && watchdog.stalled(ttl).is_none() {
                tell(&[NotifyState::Watchdog]);
            }
            // The node is gone with the sender.
            if let Ok(Err(_)) =
                tokio::time::timeout(poll_interval, membership_state.changed()).await
            {
                return;
            }
        }
    });
}

/// The node has been asked to stop.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}
