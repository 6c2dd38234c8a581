//! The acquirer: leases due triggers, as many as there are free slots.
//!
//! It is the only taker of slots and the only leaser of its node. One poll follows
//! the other; while more is due than a poll can take, two are under way at once,
//! because a lease is a chain of round trips in which its session waits.
//! [`Store::reclaim_unacknowledged`] is safe here and nowhere else, and only while no poll is
//! under way: an attempt that the database counts to this node then and the
//! node does not hold is one whose lease was never answered. And when the node has joined under
//! another id it reclaims, before it leases, what it had not begun under the earlier one.

use super::executor_pool::{ExecutorPool, LeaseTime, Run};
use super::periodic::{WakeUp, run_periodically};
use super::slots::{Slot, Slots};
use super::watchdog::{Watchdog, WatchdogGuard};
use crate::model::Timestamp;
use crate::model::node::MembershipState;
use crate::store::protocol::acquire::{Batch, Leased};
use crate::store::{Store, StoreError};
use actix::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{RwLock, watch};
use uuid::Uuid;

/// Most triggers of one lease: the knee of the curve in `limits` (batches of 500
/// reach nine tenths of what batches of 1,000 do, at half the latency).
const LEASE_BATCH_MAX: usize = 500;
/// How far ahead of its due time a trigger may be leased, so that it can start
/// to the millisecond. What was leased inside it runs although the job is paused
/// meanwhile.
pub const LOOK_AHEAD: Duration = Duration::from_millis(250);

/// Most fire times of one trigger that one poll takes. At eight, locking a trigger and
/// moving it on is an eighth of what it was for each, and what is as late as it waits
/// behind seven more of its fire times.
const FIRES_PER_TRIGGER_MAX: usize = 8;

/// Pause when all that was due is in the hands of another node.
const CONTENDED_PAUSE: Duration = Duration::from_millis(10);

/// Polls once for due triggers; carries no data, because the database says what
/// is due.
#[derive(Message)]
#[rtype(result = "PollReport")]
pub struct Poll;

/// What a poll found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, MessageResponse)]
pub struct PollReport {
    /// Attempts that this node now runs.
    pub leased: usize,
    /// Triggers taken, whether they run or not.
    pub triggers: usize,
    /// Attempts reclaimed: their lease was never answered, or they had not begun under an earlier
    /// id.
    pub reclaimed: usize,
    /// Whether the node could poll at all.
    pub polled: bool,
    /// How long until there may be something to do.
    pub next_poll: Duration,
}

/// See the module.
pub struct TriggerAcquirer {
    acquirer: Rc<Acquirer>,
    wake_up: WakeUp,
    /// Hints that more is due than a poll can take.
    flood: WakeUp,
    guard: WatchdogGuard,
    periodic: bool,
}

/// What an acquirer needs.
pub struct AcquirerConfig {
    /// Where the triggers are.
    pub store: Store,
    /// Who runs what is leased.
    pub pool: Addr<ExecutorPool>,
    /// The slots to fill.
    pub slots: Slots,
    /// Whether the node may lease.
    pub membership_state: watch::Receiver<MembershipState>,
    /// Longest time between two polls.
    pub poll_interval: Duration,
    /// Time between checks for attempts whose lease was never answered.
    pub audit_interval: Duration,
}

/// The plain struct under the shell.
struct Acquirer {
    config: AcquirerConfig,
    next_audit: Cell<Instant>,
    /// The id under which it has leased last.
    leased_as: Cell<Option<Uuid>>,
    /// How many fire times of one trigger the next poll takes.
    fires_per_trigger: Cell<usize>,
    /// Whether the last poll found nothing, and nothing to come before the longest sleep:
    /// most likely the next one finds nothing either.
    idle: Cell<bool>,
    /// Shared by polls; an audit has it alone.
    polling: RwLock<()>,
}

impl PollReport {
    /// Whether the poll ended with more to take at once.
    fn is_full(&self) -> bool {
        self.polled && self.next_poll.is_zero()
    }
}

impl TriggerAcquirer {
    /// An acquirer that polls by itself and at `wake_up` when it is `periodic`;
    /// otherwise only a [`Poll`] that is sent to it makes it poll.
    pub fn new(
        config: AcquirerConfig,
        wake_up: WakeUp,
        watchdog: &Watchdog,
        periodic: bool,
    ) -> Self {
        let next_audit = Cell::new(Instant::now() + config.audit_interval);
        let acquirer = Rc::new(Acquirer {
            config,
            next_audit,
            leased_as: Cell::default(),
            fires_per_trigger: Cell::new(1),
            idle: Cell::default(),
            polling: RwLock::default(),
        });
        let guard = watchdog.guard("TriggerAcquirer");
        Self {
            acquirer,
            wake_up,
            flood: WakeUp::default(),
            guard,
            periodic,
        }
    }
}

impl Acquirer {
    async fn poll(&self) -> PollReport {
        let idle = PollReport {
            leased: 0,
            triggers: 0,
            reclaimed: 0,
            polled: false,
            next_poll: self.config.poll_interval,
        };
        let waiting = PollReport {
            next_poll: self.config.poll_interval.min(LOOK_AHEAD),
            ..idle
        };
        let membership_state = *self.config.membership_state.borrow();
        let Some(node_id) = membership_state.session_node_id(Instant::now()) else {
            return waiting;
        };
        let reclaimed = match self.reclaim_former(node_id).await {
            Ok(reclaimed) => reclaimed,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "what had not begun is not reclaimed: trying again before anything is leased"
                );
                return waiting;
            }
        };
        if membership_state.may_lease(Instant::now()).is_none() {
            return PollReport {
                reclaimed,
                ..waiting
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
                // The lease may have been committed: find out before the next one.
                self.next_audit.set(Instant::now());
                idle
            }
        }
    }

    async fn try_poll(&self, node_id: Uuid) -> Result<PollReport, StoreError> {
        let reclaimed = self.audit(node_id).await?;
        let _polling = self.polling.read().await;
        if self.idle.take()
            && let Some(next_poll) = self.peek().await?
        {
            return Ok(PollReport {
                leased: 0,
                triggers: 0,
                reclaimed,
                polled: true,
                next_poll,
            });
        }
        let slots = self.config.slots.take(LEASE_BATCH_MAX);
        if slots.is_empty() {
            let next_poll = self.config.poll_interval;
            return Ok(PollReport {
                leased: 0,
                triggers: 0,
                reclaimed,
                polled: false,
                next_poll,
            });
        }
        let batch = Batch {
            fire_times: slots.len(),
            fires_per_trigger: self.fires_per_trigger.get(),
        };
        let Some(leased) = self.config.store.lease(node_id, batch, LOOK_AHEAD).await? else {
            // Declared dead, asked to drain, or the cluster is paused: the next heartbeat tells.
            let next_poll = self.config.poll_interval;
            return Ok(PollReport {
                leased: 0,
                triggers: 0,
                reclaimed,
                polled: false,
                next_poll,
            });
        };
        let (triggers, next_poll) = (leased.triggers, self.next_poll(&leased));
        self.fires_per_trigger
            .set(next_fires_per_trigger(batch.fires_per_trigger, &leased));
        self.idle
            .set(triggers == 0 && next_poll == self.config.poll_interval);
        let leased = self.hand_over(leased, slots).await;
        Ok(PollReport {
            leased,
            triggers,
            reclaimed,
            polled: true,
            next_poll,
        })
    }

    /// How long until there may be something to take; none when there is.
    async fn peek(&self) -> Result<Option<Duration>, StoreError> {
        let (now, next_due) = self.config.store.peek().await?;
        let until_due = next_due.map_or(self.config.poll_interval, |due| until_lease(due, now));
        let nothing = next_due.is_none_or(|due| due > now + LOOK_AHEAD);
        self.idle
            .set(nothing && until_due >= self.config.poll_interval);
        Ok(nothing.then(|| until_due.min(self.config.poll_interval)))
    }

    /// What has not begun under an earlier id of this process never will: nobody has to find it
    /// lost.
    async fn reclaim_former(&self, node_id: Uuid) -> Result<usize, StoreError> {
        if self.leased_as.get() == Some(node_id) {
            return Ok(0);
        }
        let _alone = self.polling.write().await;
        let reclaimed = match self.leased_as.get() {
            Some(former) if former != node_id => {
                let holdings = self.config.slots.holdings();
                let reclaimed = self.config.store.reclaim_former(former, &holdings).await?;
                self.config.slots.clear_given_up(&holdings.given_up);
                if reclaimed > 0 {
                    tracing::warn!(reclaimed, node.id = %former, "attempts reclaimed: they had not begun when this node gave up its id");
                }
                reclaimed
            }
            _ => 0,
        };
        self.leased_as.set(Some(node_id));
        Ok(reclaimed)
    }

    async fn audit(&self, node_id: Uuid) -> Result<usize, StoreError> {
        if Instant::now() < self.next_audit.get() {
            return Ok(0);
        }
        let _alone = self.polling.write().await;
        let holdings = self.config.slots.holdings();
        let reclaimed = self
            .config
            .store
            .reclaim_unacknowledged(node_id, &holdings)
            .await?;
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

    async fn hand_over(&self, leased: Leased, mut slots: Vec<Slot>) -> usize {
        let time = LeaseTime {
            now: leased.now,
            read_at: leased.read_at,
        };
        for (attempt, slot) in leased.attempts.iter().zip(&mut slots) {
            self.config.slots.hold(attempt, slot);
        }
        drop(leased.reservation);
        let count = leased.attempts.len();
        if count > 0 {
            metrics::histogram!("horolog_lease_batch_size")
                .record(u32::try_from(count).map_or(f64::MAX, f64::from));
            let attempts = leased.attempts.into_iter().zip(slots).collect();
            if self.config.pool.send(Run(attempts, time)).await.is_err() {
                tracing::error!(
                    count,
                    "the executor pool died: this process gives itself up"
                );
            }
        }
        count
    }

    fn next_poll(&self, leased: &Leased) -> Duration {
        if leased.more {
            // What waits for a share is left out of the next poll: there it stands in nobody's way.
            return if leased.triggers + leased.left_alone == 0 {
                CONTENDED_PAUSE
            } else {
                Duration::ZERO
            };
        }
        // The reading of the clock is older than its arrival: so long after it the due time has
        // come.
        let now = leased.now + leased.read_at.elapsed();
        let until_due = leased
            .next_due
            .map_or(self.config.poll_interval, |due| until_lease(due, now));
        let decided = leased.undecided_until.map_or(Duration::MAX, |due| {
            (due - now).to_std().unwrap_or_default()
        });
        until_due.min(self.config.poll_interval).min(decided)
    }
}

/// Triggers are taken deeper while most of them are due still, and less deep when they
/// are not. One that is on time has one fire time to take.
fn next_fires_per_trigger(fires_per_trigger: usize, leased: &Leased) -> usize {
    let most_are_due = leased.still_due * 2 > leased.triggers;
    if most_are_due {
        (fires_per_trigger * 2).min(FIRES_PER_TRIGGER_MAX)
    } else {
        (fires_per_trigger / 2).max(1)
    }
}

/// Time until a trigger comes into the look-ahead, spread a little so that the
/// nodes do not all poll in the same instant.
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
        if self.periodic {
            let flood = self.flood.clone();
            let wait = move |report: &PollReport| {
                if report.is_full() {
                    flood.notify_one();
                }
                Some(report.next_poll)
            };
            actix::spawn(run_periodically(
                ctx.address(),
                || Poll,
                self.wake_up.clone(),
                wait,
            ));
            let while_full = |report: &PollReport| report.is_full().then_some(Duration::ZERO);
            actix::spawn(run_periodically(
                ctx.address(),
                || Poll,
                self.flood.clone(),
                while_full,
            ));
        }
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
