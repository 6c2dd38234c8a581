//! The node's slots, the attempts in them, and the leases of the attempts.
//!
//! A slot is never freed before the attempt is settled or lost. A lease is known as long as an
//! attempt of the lease is held: a lease known only to the database is a lease with a lost answer.

use super::periodic::WakeUp;
use crate::model::execution::{Attempt, Settlement};
use crate::model::node::MembershipState;
use crate::store::protocol::complete::{CompactedLease, LeaseUpdates};
use crate::store::protocol::reclaim::Holdings;
use crate::store::protocol::shares::{Share, Shares};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

/// A lease is compacted when the list has more than four times the held executions. So the leases
/// of a node list at most four times the slots, and a lease of 500 is written at most five times.
const COMPACTION_RATIO: usize = 4;
/// A shorter list costs less than a compaction.
const COMPACTION_MIN: usize = 16;

/// The node's slots and the attempts in them. Clones share both.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Semaphore>,
    total: usize,
    held: Arc<Mutex<Holding>>,
    held_count: Arc<AtomicUsize>,
    /// Set by a poll that found no free slot: the next freed slot wakes the acquirer.
    starved: Arc<AtomicBool>,
    freed: WakeUp,
    shares: Shares,
}

/// A taken slot. A drop frees the slot.
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    share: Option<Share>,
}

#[derive(Default)]
struct Holding {
    attempts: HashMap<Uuid, Held>,
    leases: HashMap<Uuid, Lease>,
    /// Executions of started attempts given up unsettled, until an audit has handed them over, or the
    /// node has given up the id of the attempts.
    given_up: HashSet<Uuid>,
}

/// An attempt in a slot.
struct Held {
    attempt: i32,
    lease_id: Uuid,
    /// Whether the attempt was handed to the handler.
    begun: bool,
    cancel: Arc<Notify>,
}

/// The number of executions in the list of a lease, and the number held.
#[derive(Default)]
struct Lease {
    listed: usize,
    held: usize,
    /// Whether an attempt of the lease was given up unsettled. The attempt is running for the
    /// database, and only this lease lists it: an audit or a takeover ends the lease.
    lost: bool,
}

/// An attempt held by the node.
#[derive(Debug, Clone, Copy)]
pub struct HeldAttempt {
    /// Execution of the attempt.
    pub execution_id: Uuid,
    /// Number of the attempt, from 1.
    pub attempt: i32,
    /// The lease of the attempt.
    pub lease_id: Uuid,
}

impl From<&Attempt> for HeldAttempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            execution_id: attempt.execution_id,
            attempt: attempt.attempt,
            lease_id: attempt.lease_id,
        }
    }
}

impl From<&Settlement> for HeldAttempt {
    fn from(settlement: &Settlement) -> Self {
        Self {
            execution_id: settlement.execution_id,
            attempt: settlement.attempt,
            lease_id: settlement.lease_id,
        }
    }
}

impl Holding {
    fn give_up(&mut self, attempt: HeldAttempt) {
        if let Some(lease) = self.leases.get_mut(&attempt.lease_id) {
            // No settlement may end the lease any more: it is the only way for a takeover to the
            // attempt.
            lease.lost = true;
        }
        let has_begun = self
            .attempts
            .get(&attempt.execution_id)
            .is_some_and(|held| held.attempt == attempt.attempt && held.begun);
        // An attempt not started is reclaimed, not handed over.
        if has_begun {
            self.given_up.insert(attempt.execution_id);
        }
    }

    fn remove(&mut self, attempt: HeldAttempt) {
        let is_current = self
            .attempts
            .get(&attempt.execution_id)
            .is_some_and(|held| held.attempt == attempt.attempt);
        // A later attempt of the execution may run here already.
        if is_current {
            self.attempts.remove(&attempt.execution_id);
        }
        if let Some(lease) = self.leases.get_mut(&attempt.lease_id) {
            lease.held = lease.held.saturating_sub(1);
            if lease.held == 0 {
                self.leases.remove(&attempt.lease_id);
            }
        }
    }
}

impl Slots {
    /// `total` free slots; `shares` gives a holder at most half. `freed` is notified of a freed
    /// slot awaited by the acquirer.
    pub fn new(total: usize, freed: WakeUp, shares: &Shares) -> Self {
        shares.limit_to_half_of(total);
        Self {
            shares: shares.clone(),
            free: Arc::new(Semaphore::new(total)),
            total,
            held: Arc::default(),
            held_count: Arc::default(),
            starved: Arc::default(),
            freed,
        }
    }

    /// Up to `most` free slots, now.
    pub fn take(&self, most: usize) -> Vec<Slot> {
        let permits = (0..most).map_while(|_| self.free.clone().try_acquire_owned().ok());
        let slots: Vec<_> = permits
            .map(|permit| Slot {
                _permit: permit,
                share: None,
            })
            .collect();
        if slots.is_empty() {
            // The acquirer then sleeps for a whole interval, unless the next freed slot wakes it.
            self.starved.store(true, Ordering::Release);
        }
        slots
    }

    /// Executions in a slot now.
    pub fn held(&self) -> HashSet<Uuid> {
        self.map().attempts.keys().copied().collect()
    }

    /// Everything held by the node, as a single reading.
    pub fn holdings(&self) -> Holdings {
        let holding = self.map();
        let begun = holding.attempts.iter().filter(|(_, held)| held.begun);
        Holdings {
            held: holding.attempts.keys().copied().collect(),
            begun: begun.map(|(id, _)| *id).collect(),
            given_up: holding.given_up.clone(),
            leases: holding.leases.keys().copied().collect(),
        }
    }

    /// Forgets given-up executions after the handover.
    pub fn clear_given_up(&self, handed_over: &HashSet<Uuid>) {
        self.map()
            .given_up
            .retain(|execution| !handed_over.contains(execution));
    }

    /// Number of executions held, for the heartbeat.
    pub fn held_count(&self) -> Arc<AtomicUsize> {
        self.held_count.clone()
    }

    /// Holds an attempt in the slot. Called before the next audit could reclaim the attempt.
    pub fn hold(&self, attempt: &Attempt, slot: &mut Slot) {
        slot.share = Some(self.shares.hold(attempt));
        let mut holding = self.map();
        let lease_id = attempt.lease_id;
        let held = Held {
            attempt: attempt.attempt,
            lease_id,
            begun: false,
            cancel: Arc::default(),
        };
        holding.attempts.insert(attempt.execution_id, held);
        let lease = holding.leases.entry(lease_id).or_default();
        lease.listed += 1;
        lease.held += 1;
        self.held_count
            .store(holding.attempts.len(), Ordering::Relaxed);
    }

    /// The changes of the leases when the attempts are settled. A compacted lease counts as short
    /// at once: after a failed write the list is too long for a while.
    pub fn lease_updates(&self, settled: impl Iterator<Item = HeldAttempt>) -> LeaseUpdates {
        let mut ending: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
        for attempt in settled {
            ending
                .entry(attempt.lease_id)
                .or_default()
                .insert(attempt.execution_id);
        }
        let mut holding = self.map();
        let Holding {
            attempts, leases, ..
        } = &mut *holding;
        let mut updates = LeaseUpdates::default();
        for (lease_id, ended) in ending {
            // An audit or a takeover ends a lost lease.
            let Some(lease) = leases.get_mut(&lease_id).filter(|lease| !lease.lost) else {
                continue;
            };
            let remain = lease.held.saturating_sub(ended.len());
            if remain == 0 {
                updates.ended.push(lease_id);
            } else if lease.listed > COMPACTION_MIN && lease.listed > COMPACTION_RATIO * remain {
                let remaining = attempts
                    .iter()
                    .filter(|(id, held)| held.lease_id == lease_id && !ended.contains(id));
                updates.compacted.push(CompactedLease {
                    id: lease_id,
                    remaining: remaining.map(|(id, _)| *id).collect(),
                });
                lease.listed = remain;
            }
        }
        updates
    }

    /// Gives up an unsettled attempt, and frees the slot.
    pub fn lose(&self, attempt: HeldAttempt, slot: Slot) {
        self.map().give_up(attempt);
        self.free(attempt, slot);
    }

    /// Removes a settled attempt, and frees the slot.
    pub fn free(&self, attempt: HeldAttempt, slot: Slot) {
        {
            let mut holding = self.map();
            holding.remove(attempt);
            self.held_count
                .store(holding.attempts.len(), Ordering::Relaxed);
        }
        // After the count: the next poll must see the slot free and the attempt gone.
        drop(slot);
        // Both flags are reset, even if only one is set.
        let was_starved = self.starved.swap(false, Ordering::AcqRel);
        let has_room = self.shares.take_room_made();
        if was_starved || has_room {
            self.freed.notify_one();
        }
    }

    /// Wakes the acquirer, because a slot is free.
    pub fn wake(&self) {
        self.freed.notify_one();
    }

    /// Marks an attempt as started, if it may start, and returns its cancellation.
    /// [`Slots::holdings`] reads under the same lock: an attempt reclaimed before the start never
    /// begins.
    pub fn begin(
        &self,
        attempt: &Attempt,
        membership_state: &watch::Receiver<MembershipState>,
    ) -> Option<Arc<Notify>> {
        let mut holding = self.map();
        if !membership_state
            .borrow()
            .may_start(attempt.node_id, Instant::now())
        {
            return None;
        }
        let held = holding
            .attempts
            .get_mut(&attempt.execution_id)
            .filter(|held| held.attempt == attempt.attempt);
        Some(held.map_or_else(Arc::default, |held| {
            held.begun = true;
            held.cancel.clone()
        }))
    }

    /// The cancellation of an attempt; without effect for an attempt not held.
    pub fn cancellation(&self, execution_id: Uuid, attempt: i32) -> Arc<Notify> {
        let holding = self.map();
        let held = holding
            .attempts
            .get(&execution_id)
            .filter(|held| held.attempt == attempt);
        held.map(|held| held.cancel.clone()).unwrap_or_default()
    }

    /// Resolves when nothing is held.
    pub async fn all_free(&self) {
        let all = u32::try_from(self.total).unwrap_or(u32::MAX);
        // An error means that the semaphore was closed: no code closes it.
        drop(self.free.acquire_many(all).await);
    }

    fn map(&self) -> MutexGuard<'_, Holding> {
        self.held.lock()
    }
}
