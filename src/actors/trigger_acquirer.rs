//! The acquirer: leases due triggers, as many as there are free slots.
//!
//! It alone takes slots and leases triggers for a node. Polls follow each other. While more is due
//! than a poll can take, two polls are under way at once, because a lease is a chain of round trips
//! with a waiting session.
//!
//! The audit reclaims attempts of an unanswered lease: the database counts them to the node, and
//! the node does not hold them. The same is true of each lease under way, so an audit runs while no
//! poll does. A node with a new id first reclaims the attempts not started under the earlier id,
//! before any lease.

use super::executor_pool::{ExecutorPool, LeaseTime, Run};
use super::periodic::{Passes, WakeUp, run_periodically};
use super::slots::{Slot, Slots};
use super::watchdog::{Watchdog, WatchdogGuard};
use crate::model::Timestamp;
use crate::model::node::MembershipState;
use crate::store::StoreError;
use crate::store::protocol::lease_store::{Batch, LeaseStore, Leased, Remaining};
use actix::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{RwLock, watch};
use uuid::Uuid;

/// Most triggers of a lease: the knee of the curve in `limits` (batches of 500 reach nine tenths of
/// the throughput of batches of 1,000, at half the latency).
const LEASE_BATCH_MAX: usize = 500;
/// How long before the due time a trigger may be leased, for a start to the millisecond. An
/// execution leased ahead runs, also when the job is paused before the start.
pub const LOOK_AHEAD: Duration = Duration::from_millis(250);

/// Most fire times of a trigger in a poll. At eight, locking and updating a trigger costs an eighth
/// for each fire time, and an equally late trigger waits for seven fire times.
const FIRES_PER_TRIGGER_MAX: usize = 8;

/// Pause when all due triggers are locked by other nodes.
const CONTENDED_PAUSE: Duration = Duration::from_millis(10);

/// Polls once for due triggers. It carries no data: the database knows what is due.
#[derive(Message)]
#[rtype(result = "PollReport")]
pub struct Poll;

/// The result of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, MessageResponse)]
pub struct PollReport {
    /// New attempts of the node.
    pub leased: usize,
    /// Taken triggers, with or without an execution.
    pub triggers: usize,
    /// Reclaimed attempts: of an unanswered lease, or not started under an earlier id.
    pub reclaimed: usize,
    /// Whether the database was polled. Not while the node may not lease or has no free slot.
    pub polled: bool,
    /// Time until the next poll.
    pub next_poll: Duration,
}

/// The acquirer of a node.
pub struct TriggerAcquirer {
    acquirer: Rc<Acquirer>,
    wake_up: WakeUp,
    /// Starts the second chain of polls: more is due than a poll can take.
    flood: WakeUp,
    guard: WatchdogGuard,
    passes: Passes,
}

/// The parts of an acquirer.
pub struct AcquirerConfig {
    /// Store from which triggers are leased.
    pub leases: LeaseStore,
    /// Runs the leased attempts.
    pub pool: Addr<ExecutorPool>,
    /// The slots to fill.
    pub slots: Slots,
    /// Whether the node may lease.
    pub membership_state: watch::Receiver<MembershipState>,
    /// Hints that something is due, or that a slot is free.
    pub wake_up: WakeUp,
    /// Watches over the polls.
    pub watchdog: Watchdog,
    /// Longest time between two polls.
    pub poll_interval: Duration,
    /// Time between two audits.
    pub audit_interval: Duration,
}

/// The plain struct under the shell.
struct Acquirer {
    config: AcquirerConfig,
    next_audit: Cell<Instant>,
    /// The id of the last lease.
    leased_as: Cell<Option<Uuid>>,
    /// Most fire times of a trigger in the next poll.
    fires_per_trigger: Cell<usize>,
    /// Whether the last poll found nothing due before the end of the longest sleep: most likely the
    /// next poll finds nothing either.
    idle: Cell<bool>,
    /// Polls share the lock; an audit holds it alone.
    polling: RwLock<()>,
}

impl PollReport {
    /// Report without a poll of the database.
    fn not_polled(next_poll: Duration) -> Self {
        Self {
            leased: 0,
            triggers: 0,
            reclaimed: 0,
            polled: false,
            next_poll,
        }
    }

    /// Report of a poll in which nothing was due.
    fn nothing_due(next_poll: Duration) -> Self {
        Self {
            polled: true,
            ..Self::not_polled(next_poll)
        }
    }

    /// Whether the poll left more to take at once.
    fn is_full(&self) -> bool {
        self.polled && self.next_poll.is_zero()
    }
}

impl TriggerAcquirer {
    /// An acquirer. Its passes are polls.
    pub fn new(config: AcquirerConfig, passes: Passes) -> Self {
        let next_audit = Cell::new(Instant::now() + config.audit_interval);
        let wake_up = config.wake_up.clone();
        let guard = config.watchdog.guard("TriggerAcquirer");
        let acquirer = Rc::new(Acquirer {
            config,
            next_audit,
            leased_as: Cell::default(),
            fires_per_trigger: Cell::new(1),
            idle: Cell::default(),
            polling: RwLock::default(),
        });
        Self {
            acquirer,
            wake_up,
            flood: WakeUp::default(),
            guard,
            passes,
        }
    }
}

impl Acquirer {
    async fn poll(&self) -> PollReport {
        // A new membership state does not wake the acquirer.
        let until_member = self.config.poll_interval.min(LOOK_AHEAD);
        let membership_state = *self.config.membership_state.borrow();
        let Some(node_id) = membership_state.session_node_id(Instant::now()) else {
            return PollReport::not_polled(until_member);
        };
        let reclaimed = match self.reclaim_former(node_id).await {
            Ok(reclaimed) => reclaimed,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "what had not begun is not reclaimed: trying again before anything is leased"
                );
                return PollReport::not_polled(until_member);
            }
        };
        // A draining member, or a member without trust, reclaims and does not lease.
        if membership_state.may_lease(Instant::now()).is_none() {
            return PollReport {
                reclaimed,
                ..PollReport::not_polled(until_member)
            };
        }
        match self.try_poll(node_id).await {
            Ok(report) => PollReport {
                reclaimed: reclaimed + report.reclaimed,
                ..report
            },
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the due triggers were not polled: trying again"
                );
                // The lease may have been committed: the audit finds out before the next lease.
                self.next_audit.set(Instant::now());
                PollReport::not_polled(self.config.poll_interval)
            }
        }
    }

    async fn try_poll(&self, node_id: Uuid) -> Result<PollReport, StoreError> {
        let reclaimed = self.audit(node_id).await?;
        let report = self.lease(node_id).await?;
        Ok(PollReport {
            reclaimed,
            ..report
        })
    }

    async fn lease(&self, node_id: Uuid) -> Result<PollReport, StoreError> {
        let _polling = self.polling.read().await;
        // An idle node peeks: a single statement instead of a transaction.
        if self.idle.take()
            && let Some(next_poll) = self.peek().await?
        {
            return Ok(PollReport::nothing_due(next_poll));
        }
        let slots = self.config.slots.take(LEASE_BATCH_MAX);
        if slots.is_empty() {
            // The next free slot wakes the acquirer.
            return Ok(PollReport::not_polled(self.config.poll_interval));
        }
        let batch = Batch {
            fire_times: slots.len(),
            fires_per_trigger: self.fires_per_trigger.get(),
        };
        let leased = self.config.leases.lease(node_id, batch, LOOK_AHEAD).await?;
        let Some(leased) = leased else {
            // Declared dead, draining, or the cluster is paused: the next heartbeat brings the
            // reason.
            return Ok(PollReport::not_polled(self.config.poll_interval));
        };
        let triggers = leased.triggers;
        let next_poll = self.next_poll(&leased);
        self.fires_per_trigger
            .set(next_fires_per_trigger(batch.fires_per_trigger, &leased));
        self.idle
            .set(triggers == 0 && next_poll == self.config.poll_interval);
        Ok(PollReport {
            leased: self.hand_over(leased, slots).await,
            triggers,
            ..PollReport::nothing_due(next_poll)
        })
    }

    /// Time until something may be due. None when something is due.
    async fn peek(&self) -> Result<Option<Duration>, StoreError> {
        let peeked = self.config.leases.peek().await?;
        let is_due = peeked
            .next_due
            .is_some_and(|due| due <= peeked.now + LOOK_AHEAD);
        let until_due = peeked.next_due.map_or(self.config.poll_interval, |due| {
            until_lease(due, peeked.now)
        });
        self.idle
            .set(!is_due && until_due >= self.config.poll_interval);
        Ok((!is_due).then(|| until_due.min(self.config.poll_interval)))
    }

    /// Reclaims attempts not started under an earlier id of the process: they never will start, and
    /// no other node need find them lost.
    async fn reclaim_former(&self, node_id: Uuid) -> Result<usize, StoreError> {
        if self.leased_as.get() == Some(node_id) {
            return Ok(0);
        }
        let _alone = self.polling.write().await;
        let mut reclaimed = 0;
        // Another poll may have reclaimed during the wait.
        if let Some(former) = self.leased_as.get()
            && former != node_id
        {
            let holdings = self.config.slots.holdings();
            let store = self.config.leases.store();
            reclaimed = store.reclaim_former(former, &holdings).await?;
            self.config.slots.clear_given_up(&holdings.given_up);
            if reclaimed > 0 {
                tracing::warn!(reclaimed, node.id = %former, "attempts reclaimed: they had not begun when this node gave up its id");
            }
        }
        // Only after a success: a failed reclaim is tried again.
        self.leased_as.set(Some(node_id));
        Ok(reclaimed)
    }

    async fn audit(&self, node_id: Uuid) -> Result<usize, StoreError> {
        if Instant::now() < self.next_audit.get() {
            return Ok(0);
        }
        let _alone = self.polling.write().await;
        // No poll is under way: every attempt counted to the node should be held.
        let holdings = self.config.slots.holdings();
        let store = self.config.leases.store();
        let reclaimed = store.reclaim_unacknowledged(node_id, &holdings).await?;
        self.config.slots.clear_given_up(&holdings.given_up);
        if reclaimed > 0 {
            tracing::warn!(
                reclaimed,
                "attempts reclaimed: their lease was never answered, or their end could not be written"
            );
        }
        self.next_audit
            .set(Instant::now() + self.config.audit_interval);
        Ok(reclaimed)
    }

    /// Hands the attempts to the pool, each in a slot. Returns the number.
    async fn hand_over(&self, leased: Leased, mut slots: Vec<Slot>) -> usize {
        let time = LeaseTime {
            now: leased.now,
            read_at: leased.read_at,
        };
        for (attempt, slot) in leased.attempts.iter().zip(&mut slots) {
            self.config.slots.hold(attempt, slot);
        }
        // Each attempt has a share now.
        drop(leased.reservation);
        let count = leased.attempts.len();
        if count > 0 {
            metrics::histogram!("horolog_lease_batch_size")
                .record(u32::try_from(count).map_or(f64::MAX, f64::from));
            let attempts = leased.attempts.into_iter().zip(slots).collect();
            if self.config.pool.send(Run { attempts, time }).await.is_err() {
                tracing::error!(
                    count,
                    "the executor pool died: this process gives itself up"
                );
            }
        }
        count
    }

    fn next_poll(&self, leased: &Leased) -> Duration {
        // The reading of the clock is older than its arrival, so the database's clock is not behind
        // `now`.
        let now = leased.now + leased.read_at.elapsed();
        match leased.remaining {
            Remaining::Now => Duration::ZERO,
            Remaining::Contended => CONTENDED_PAUSE,
            Remaining::Later {
                next_due,
                deferred_until,
            } => self.until_next(next_due, deferred_until, now),
        }
    }

    fn until_next(
        &self,
        next_due: Option<Timestamp>,
        deferred_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Duration {
        let mut wait = self.config.poll_interval;
        if let Some(due) = next_due {
            wait = wait.min(until_lease(due, now));
        }
        // An overlap is decided at the due time, not in the look-ahead.
        if let Some(due) = deferred_until {
            wait = wait.min((due - now).to_std().unwrap_or_default());
        }
        wait
    }
}

/// Doubles the fire times of a trigger while most of the taken triggers are due again, and halves
/// them otherwise. A trigger on time has a single fire time to take.
fn next_fires_per_trigger(fires_per_trigger: usize, leased: &Leased) -> usize {
    let most_are_due = leased.still_due * 2 > leased.triggers;
    if most_are_due {
        (fires_per_trigger * 2).min(FIRES_PER_TRIGGER_MAX)
    } else {
        (fires_per_trigger / 2).max(1)
    }
}

/// Time until a trigger comes into the look-ahead, plus up to 40 ms, so not all nodes poll at the
/// same instant.
fn until_lease(due: Timestamp, now: Timestamp) -> Duration {
    let until = (due - now)
        .to_std()
        .unwrap_or_default()
        .saturating_sub(LOOK_AHEAD);
    until + Duration::from_millis(fastrand::u64(1..=40))
}

impl Actor for TriggerAcquirer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.passes == Passes::OnMessage {
            return;
        }
        let flood = self.flood.clone();
        let wake_up = self.wake_up.clone();
        actix::spawn(run_periodically(
            ctx.address(),
            || Poll,
            wake_up,
            move |report: &PollReport| {
                if report.is_full() {
                    flood.notify_one();
                }
                Some(report.next_poll)
            },
        ));
        // The second chain polls as long as polls are full, then waits for the next flood.
        let flood = self.flood.clone();
        actix::spawn(run_periodically(
            ctx.address(),
            || Poll,
            flood,
            |report: &PollReport| report.is_full().then_some(Duration::ZERO),
        ));
    }
}

impl Handler<Poll> for TriggerAcquirer {
    type Result = ResponseActFuture<Self, PollReport>;

    fn handle(&mut self, _: Poll, _: &mut Self::Context) -> Self::Result {
        let acquirer = self.acquirer.clone();
        let polled = async move { acquirer.poll().await }.into_actor(self);
        Box::pin(polled.map(|report, actor, _| {
            actor.guard.touch();
            report
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn the_next_poll_comes_when_the_due_time_enters_the_look_ahead() {
        let now = Timestamp::from_timestamp(1_795_000_000, 0).expect("in range");
        let wait = until_lease(now + TimeDelta::seconds(10), now);
        assert!(
            (Duration::from_millis(9_751)..=Duration::from_millis(9_790)).contains(&wait),
            "{wait:?}"
        );
        assert!(until_lease(now - TimeDelta::seconds(5), now) <= Duration::from_millis(40));
    }
}
