//! Shares: no job and no target host holds more than half of a node's slots.
//!
//! A hanging target keeps a slot for each execution until the execution times out. The target gets
//! no more than a share, so the other half of the slots stays free for other targets. The limit
//! holds while no other job waits as well: an execution keeps the slot, so a slot given away in a
//! calm minute would be missing later.
//!
//! A poll reserves a share for each execution of the plan. A trigger without a share is left alone,
//! and the next polls leave its whole job out (`LOCK_DUE`): the triggers stay due, and would fill
//! every poll. At the end of an execution as many jobs are let in as there is room for, the longest
//! due first, so no poll locks triggers without need.

use crate::model::Timestamp;
use crate::model::execution::Attempt;
use crate::model::job::Job;
use crate::model::target::Target;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Jobs that wait for a share on the node.
const WAITING: &str = "horolog_jobs_waiting_for_share";
/// A job waiting for a share is let in after the time in any case: an edit may have changed the
/// target of the job.
const LEFT_OUT_MAX: Duration = Duration::from_secs(10);
/// Time between two log lines about the same job or host.
const REPORT_INTERVAL: Duration = Duration::from_mins(10);

/// The slots of a node by job and target host. Clones share the slots. No limit before
/// [`Shares::limit_to_half_of`].
#[derive(Clone, Default)]
pub struct Shares(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    slots: Option<usize>,
    /// Held or reserved slots. An execution counts for the job, and for the host if the target has
    /// a host.
    held: HashMap<Holder, usize>,
    waiting: HashMap<Uuid, Waiting>,
    /// The holders of the shares for which jobs wait.
    waited_for: HashSet<Holder>,
    /// Whether an execution of such a holder has ended.
    room_made: bool,
    reported: HashMap<Holder, Instant>,
}

/// The owner of a share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Job(Uuid),
    /// `name:port` of a target.
    Host(String),
}

/// A job left out of a poll because a share was used up.
struct Waiting {
    /// The job, and the host if the target has a host.
    holders: Vec<Holder>,
    /// The holder of the used-up share.
    full: Holder,
    due_at: Timestamp,
    since: Instant,
}

/// The jobs to leave out of a poll.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    pub jobs: Vec<Uuid>,
    /// Jobs no longer left out.
    pub let_in: usize,
}

/// A job waiting for a share; display only.
pub struct WaitingJob {
    pub job_id: Uuid,
    /// Due time of the trigger left alone.
    pub due_at: Timestamp,
    /// Why, in a sentence.
    pub message: String,
}

/// The share of an execution in a slot. A drop returns the share.
pub struct Share {
    shares: Shares,
    holders: Vec<Holder>,
}

/// The shares reserved by a poll. A drop returns the shares. Before the drop, each execution gets a
/// [`Share`].
#[derive(Default)]
pub struct Reservation {
    shares: Shares,
    taken: Vec<Holder>,
}

impl Shares {
    /// Sets the limit: half of the slots, rounded down, at least one.
    pub fn limit_to_half_of(&self, slots: usize) {
        self.state().slots = Some(slots);
    }

    /// The share of an attempt in a slot.
    pub fn hold(&self, attempt: &Attempt) -> Share {
        let holders = holders(attempt.job_id, &attempt.target);
        self.state().add(&holders);
        Share {
            shares: self.clone(),
            holders,
        }
    }

    /// Whether there may be new room for a waiting job. Resets the answer.
    pub fn take_room_made(&self) -> bool {
        std::mem::take(&mut self.state().room_made)
    }

    /// An empty reservation, for the executions of a poll.
    pub(super) fn reserve(&self) -> Reservation {
        Reservation {
            shares: self.clone(),
            taken: Vec::new(),
        }
    }

    /// The jobs to leave out of a poll. As many jobs as there is room for are let in.
    pub(crate) fn left_out(&self) -> LeftOut {
        let mut state = self.state();
        // The common case: no share is used up.
        if state.waiting.is_empty() {
            return LeftOut::default();
        }
        let waited = state.waiting.len();
        state.let_in();
        metrics::gauge!(WAITING)
            .set(u32::try_from(state.waiting.len()).map_or(f64::MAX, f64::from));
        LeftOut {
            jobs: state.waiting.keys().copied().collect(),
            let_in: waited - state.waiting.len(),
        }
    }

    /// The jobs waiting for a share, the longest due first; at most `most`.
    pub(crate) fn waiting(&self, most: usize) -> Vec<WaitingJob> {
        let state = self.state();
        let mut waiting: Vec<_> = state.waiting.iter().collect();
        waiting.sort_by_key(|(_, waiting)| waiting.due_at);
        let shown = waiting.into_iter().take(most);
        shown
            .map(|(job_id, waiting)| state.shown(*job_id, waiting))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl State {
    fn limit(&self) -> usize {
        // A node with a single slot must still be able to run something.
        self.slots.map_or(usize::MAX, |slots| (slots / 2).max(1))
    }

    /// The first holder with a used-up share.
    fn full<'a>(
        &self,
        holders: &'a [Holder],
        promised: &HashMap<Holder, usize>,
    ) -> Option<&'a Holder> {
        holders.iter().find(|holder| {
            let held = self.held.get(holder).unwrap_or(&0);
            held + promised.get(holder).unwrap_or(&0) >= self.limit()
        })
    }

    fn add(&mut self, holders: &[Holder]) {
        for holder in holders {
            *self.held.entry(holder.clone()).or_default() += 1;
        }
    }

    fn subtract(&mut self, holders: &[Holder]) {
        for holder in holders {
            if let Some(held) = self.held.get_mut(holder) {
                *held -= 1;
                if *held == 0 {
                    // Otherwise the map would grow by every job that ever ran.
                    self.held.remove(holder);
                }
            }
            // Only an awaited holder wakes the acquirer: most ends make room for no waiting job.
            self.room_made |= self.waited_for.contains(holder);
        }
    }

    /// Lets waiting jobs in. Each job counts against the room for the next jobs.
    fn let_in(&mut self) {
        let mut waiting: Vec<(Uuid, Waiting)> = self.waiting.drain().collect();
        // The longest due first: otherwise the order of a hash map would decide.
        waiting.sort_by_key(|(_, waiting)| waiting.due_at);
        waiting.retain(|(_, waiting)| waiting.since.elapsed() < LEFT_OUT_MAX);
        self.waited_for.clear();
        let mut promised = HashMap::new();
        for (job_id, waiting) in waiting {
            match self.full(&waiting.holders, &promised).cloned() {
                None => waiting
                    .holders
                    .into_iter()
                    .for_each(|holder| *promised.entry(holder).or_default() += 1),
                // Another holder may be in the way by now.
                Some(full) => {
                    self.waited_for.insert(full.clone());
                    self.waiting.insert(job_id, Waiting { full, ..waiting });
                }
            }
        }
    }

    fn leave_out(&mut self, job_id: Uuid, holders: Vec<Holder>, full: Holder, due_at: Timestamp) {
        let now = Instant::now();
        let held = self.limit();
        let slots = self.slots.unwrap_or_default();
        self.reported
            .retain(|_, reported| now.duration_since(*reported) < REPORT_INTERVAL);
        if !self.reported.contains_key(&full) {
            // Once per holder and interval: every poll meets the same obstacle.
            tracing::warn!(holder = %full, held, slots, "a job or a target host holds half of this node's slots: what else is due of it waits");
            self.reported.insert(full.clone(), now);
        }
        self.waited_for.insert(full.clone());
        let waiting = self.waiting.entry(job_id).or_insert(Waiting {
            holders,
            full,
            due_at,
            since: now,
        });
        waiting.due_at = waiting.due_at.min(due_at);
        metrics::gauge!(WAITING).set(u32::try_from(self.waiting.len()).map_or(f64::MAX, f64::from));
    }

    fn shown(&self, job_id: Uuid, waiting: &Waiting) -> WaitingJob {
        let limit = self.limit();
        let slots = self.slots.unwrap_or_default();
        let holder = match &waiting.full {
            Holder::Job(_) => "its executions hold".to_owned(),
            Holder::Host(host) => format!("its target host {host} holds"),
        };
        let message = format!(
            "{holder} {limit} of the {slots} slots of this node, the most that one may hold: it waits for an end"
        );
        WaitingJob {
            job_id,
            due_at: waiting.due_at,
            message,
        }
    }
}

impl Reservation {
    /// Reserves a share for an execution of the job. False when the share of the job or of the host
    /// is used up. Then the next polls leave out the job, due since `due_at`.
    pub(crate) fn take(&mut self, job: &Job, due_at: Timestamp) -> bool {
        let holders = holders(job.id, &job.definition.target);
        let mut state = self.shares.state();
        if let Some(full) = state.full(&holders, &HashMap::new()).cloned() {
            state.leave_out(job.id, holders, full, due_at);
            return false;
        }
        state.add(&holders);
        drop(state);
        self.taken.extend(holders);
        true
    }
}

impl Reservation {
    pub(crate) fn and(mut self, mut other: Self) -> Self {
        if self.taken.is_empty() {
            return other;
        }
        self.taken.append(&mut other.taken);
        self
    }
}

fn holders(job_id: Uuid, target: &Target) -> Vec<Holder> {
    let host = target.host().map(Holder::Host);
    [Holder::Job(job_id)].into_iter().chain(host).collect()
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.state().subtract(&self.holders);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shares.state().subtract(&self.taken);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(id) => write!(f, "job {id}"),
            Self::Host(host) => write!(f, "host {host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    fn at(seconds: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn host() -> Holder {
        Holder::Host("hung.example:443".to_owned())
    }

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// A node with four slots whose share for the host is used up; five jobs of that host wait, the
    /// last one the longest.
    fn used_up() -> Shares {
        let shares = Shares::default();
        shares.limit_to_half_of(4);
        let mut state = shares.state();
        state.add(&[host(), host()]);
        for number in 1..=5_u32 {
            let holders = vec![Holder::Job(id(number.into())), host()];
            let full = state.full(&holders, &HashMap::new()).cloned().unwrap();
            state.leave_out(id(number.into()), holders, full, at(10 - i64::from(number)));
        }
        drop(state);
        shares
    }

    /// The jobs that are left out, and how many are let in.
    fn left_out(shares: &Shares) -> (Vec<Uuid>, usize) {
        let mut left_out = shares.left_out();
        left_out.jobs.sort();
        (left_out.jobs, left_out.let_in)
    }

    #[test]
    fn a_share_is_half_of_the_slots_and_at_least_one() {
        for (slots, share) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (64, 32)] {
            let shares = Shares::default();
            shares.limit_to_half_of(slots);
            assert_eq!(shares.state().limit(), share, "{slots}");
        }
    }

    #[test]
    fn as_many_jobs_are_let_in_as_there_is_room_for_the_longest_due_first() {
        let shares = used_up();
        assert_eq!(left_out(&shares), ([1, 2, 3, 4, 5].map(id).to_vec(), 0));
        assert!(!shares.take_room_made());

        shares.state().subtract(&[host()]);
        assert!(shares.take_room_made() && !shares.take_room_made());
        assert_eq!(left_out(&shares), ([1, 2, 3, 4].map(id).to_vec(), 1));

        shares.state().subtract(&[host()]);
        assert_eq!(left_out(&shares), ([1, 2].map(id).to_vec(), 2));
    }

    #[test]
    fn the_end_of_something_else_makes_no_room() {
        let shares = used_up();
        shares.state().add(&[Holder::Job(id(9))]);
        shares.state().subtract(&[Holder::Job(id(9))]);
        assert!(!shares.take_room_made());
    }

    #[test]
    fn a_job_is_decided_about_again_after_a_while() {
        let shares = used_up();
        let long_ago = Instant::now().checked_sub(LEFT_OUT_MAX).unwrap();
        shares.state().waiting.get_mut(&id(1)).unwrap().since = long_ago;
        assert_eq!(left_out(&shares), ([2, 3, 4, 5].map(id).to_vec(), 1));
    }
}
