//! Notifications of a service manager by sd_notify(3): a node is ready, stops, makes progress.
//!
//! Without `NOTIFY_SOCKET` none is sent. No notification may claim progress of a node whose
//! critical actors make none: the service manager must end such a node, so that other nodes take
//! over.

use crate::server::Node;
use sd_notify::{NotifyState, notify, watchdog_enabled};
use std::time::{Duration, Instant};

/// Default pause between two checks.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Sends notifications as long as the process lives.
pub fn follow(node: &Node) {
    let systemd_limit = watchdog_enabled();
    if systemd_limit.is_none() && std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (mut membership_state, watchdog, ttl) =
        (node.membership_state(), node.watchdog(), node.ttl());
    // Twice as often as required, so that one late notification does not end the node.
    let poll_interval = systemd_limit.map_or(POLL_INTERVAL, |limit| (limit / 2).min(POLL_INTERVAL));
    actix::spawn(async move {
        let (mut ready, mut said) = (false, "");
        loop {
            let now = *membership_state.borrow_and_update();
            if !ready && now.may_lease(Instant::now()).is_some() {
                tell(&[NotifyState::Ready]);
                // Once: a service does not return to the state of its start.
                ready = true;
            }
            if said != now.description(Instant::now()) {
                said = now.description(Instant::now());
                tell(&[NotifyState::Status(said)]);
            }
            // Without this notification systemd ends the node: so a node whose actors stand still
            // sends none.
            if systemd_limit.is_some() && watchdog.stalled(ttl).is_none() {
                tell(&[NotifyState::Watchdog]);
            }
            // The sender is gone, and the node with it.
            if let Ok(Err(_)) =
                tokio::time::timeout(poll_interval, membership_state.changed()).await
            {
                return;
            }
        }
    });
}

/// Notifies that the node starts: until `READY=1` a unit would have no status.
pub fn starting() {
    tell(&[NotifyState::Status(
        "starting: waiting for the database and its migrations",
    )]);
}

/// Notifies that the node stops.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}
