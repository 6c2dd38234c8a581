//! Hints: notifications of the database, and whom they wake.

use crate::actors::periodic::WakeUp;
use crate::http::Gateway;
use crate::store::db::listener::MEMBERSHIP_CHANNEL;

/// What a notification of the database wakes.
pub(super) struct Hints {
    /// The acquirer.
    pub due: WakeUp,
    /// The pool, which then reads cancellations.
    pub cancellation: WakeUp,
    /// The reconciler.
    pub membership: WakeUp,
    /// The polls of workers that wait.
    pub workers: Gateway,
}

impl Hints {
    pub(super) fn route(&self, channel: &str) {
        if channel == MEMBERSHIP_CHANNEL {
            self.membership.notify_one();
        } else {
            // One channel for all: commands that make something due may cancel as well.
            self.due.notify_one();
            self.cancellation.notify_one();
            self.workers.wake();
        }
    }
}
