//! The node's slots, what is in them, and the leases by which it is held.
//!
//! It must never free a slot before its attempt is settled or lost, nor forget a lease of which
//! something is held: a lease that the database lists and the node does not know is one whose
//! answer was lost.

use super::periodic::WakeUp;
use crate::model::execution::Attempt;
use crate::model::node::MembershipState;
use crate::store::protocol::complete::LeaseUpdates;
use crate::store::protocol::reclaim::Holdings;
use crate::store::protocol::shares::{Share, Shares};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

/// A lease is written anew when it lists so many times what is held of it. So the leases of a node
/// list at most so many times its slots, and a lease of 500 is written five times at most.
const COMPACTION_RATIO: usize = 4;
/// A list so short costs less than writing it anew.
const COMPACTION_MIN: usize = 16;

/// The node's slots and what is in them; clones share both.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Semaphore>,
    total: usize,
    held: Arc<Mutex<Holding>>,
    held_count: Arc<AtomicUsize>,
    /// Set by a poll that found no free slot: the next freed one wakes it.
    starved: Arc<AtomicBool>,
    freed: WakeUp,
    shares: Shares,
}

/// A slot that is taken; free again when it is dropped.
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    share: Option<Share>,
}

#[derive(Default)]
struct Holding {
    attempts: HashMap<Uuid, Held>,
    leases: HashMap<Uuid, Lease>,
    /// Executions of attempts that began and were let go of unsettled, until an audit has handed
    /// them over or the id is given up under which they are counted to this node.
    given_up: HashSet<Uuid>,
}

/// An attempt in a slot.
struct Held {
    attempt: i32,
    lease_id: Uuid,
    /// Whether it was handed to its handler.
    begun: bool,
    cancel: Arc<Notify>,
}

/// How many executions a lease lists, and how many of them are held.
#[derive(Default)]
struct Lease {
    listed: usize,
    held: usize,
    /// Whether an attempt of it was let go of unsettled: the database has it as running still, and
    /// only this lease says where to look. An audit or a take-over ends it then.
    lost: bool,
}

impl Slots {
    /// `total` free slots, of which `shares` gives half to one holder at most; `freed` is woken
    /// when one is freed that somebody waits for.
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
            self.starved.store(true, Ordering::Release);
        }
        slots
    }

    /// Executions held now.
    pub fn held(&self) -> HashSet<Uuid> {
        self.map().attempts.keys().copied().collect()
    }

    /// What is held, what of it has begun, and by which leases.
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

    /// Others have what was given up.
    pub fn clear_given_up(&self, handed_over: &HashSet<Uuid>) {
        self.map()
            .given_up
            .retain(|execution| !handed_over.contains(execution));
    }

    /// Number of executions held, for the heartbeat.
    pub fn held_count(&self) -> Arc<AtomicUsize> {
        self.held_count.clone()
    }

    /// Counts an attempt as held in its slot, before anybody could take it for lost.
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

    /// What changes in the leases when these executions of them are settled. A lease whose list is
    /// shortened counts as short at once: should that fail, it only lists more for a while.
    pub fn lease_updates(&self, settled: impl Iterator<Item = (Uuid, Uuid)>) -> LeaseUpdates {
        let mut ending: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
        for (lease_id, execution_id) in settled {
            ending.entry(lease_id).or_default().insert(execution_id);
        }
        let mut holding = self.map();
        let Holding {
            attempts, leases, ..
        } = &mut *holding;
        let mut updates = LeaseUpdates::default();
        for (lease_id, ended) in ending {
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
                updates
                    .shortened
                    .push((lease_id, remaining.map(|(id, _)| *id).collect()));
                lease.listed = remain;
            }
        }
        updates
    }

    /// Lets go of an attempt (execution and number) that is not settled, and frees its slot.
    pub fn lose(&self, execution: (Uuid, i32), lease_id: Uuid, slot: Slot) {
        {
            let mut holding = self.map();
            if let Some(lease) = holding.leases.get_mut(&lease_id) {
                lease.lost = true;
            }
            let (execution_id, attempt) = execution;
            if holding
                .attempts
                .get(&execution_id)
                .is_some_and(|held| held.attempt == attempt && held.begun)
            {
                holding.given_up.insert(execution_id);
            }
        }
        self.free(execution, lease_id, slot);
    }

    /// Lets go of an attempt (execution and number) that is settled, and frees its slot.
    pub fn free(&self, (execution_id, attempt): (Uuid, i32), lease_id: Uuid, slot: Slot) {
        {
            let mut holding = self.map();
            if holding
                .attempts
                .get(&execution_id)
                .is_some_and(|held| held.attempt == attempt)
            {
                holding.attempts.remove(&execution_id);
            }
            if let Some(lease) = holding.leases.get_mut(&lease_id) {
                lease.held = lease.held.saturating_sub(1);
                if lease.held == 0 {
                    holding.leases.remove(&lease_id);
                }
            }
            self.held_count
                .store(holding.attempts.len(), Ordering::Relaxed);
        }
        drop(slot);
        if self.starved.swap(false, Ordering::AcqRel) | self.shares.take_room_made() {
            self.freed.notify_one();
        }
    }

    /// Wakes the acquirer.
    pub fn wake(&self) {
        self.freed.notify_one();
    }

    /// Counts an attempt as begun if it may start still, and says what cancels it. Both under the
    /// lock under which [`Slots::holdings`] is read: what has not begun when it is reclaimed never
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

    /// What cancels an attempt, if it is held.
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
        // An error means that the semaphore was closed, and nobody closes it.
        drop(self.free.acquire_many(all).await);
    }

    fn map(&self) -> MutexGuard<'_, Holding> {
        self.held.lock()
    }
}
