//! The pool: runs attempts and settles them.
//!
//! Each attempt is a tokio task. It waits for the due time, starts only while the node may start
//! effects, and ends early when the node may no longer run the attempt: the handler's future is
//! dropped. Results wait in a batch for [`Settle`]; a settlement with an unknown outcome is sent
//! again until the database answers. A slot becomes free when its attempt is settled, so results
//! never exceed the slots.

use super::periodic::{Passes, WakeUp, run_periodically};
use super::settler::{Ended, SettleReport, Settler};
use super::slots::{HeldAttempt, Slot, Slots};
use super::watchdog::{Watchdog, WatchdogGuard};
use crate::handlers::{Handlers, RunContext};
use crate::model::Timestamp;
use crate::model::execution::{Attempt, Outcome, Reason, Settlement};
use crate::model::node::MembershipState;
use crate::store::Store;
use crate::store::secrets::SecretReader;
use crate::traces;
use actix::prelude::*;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

/// Wait after a failed settlement.
const SETTLE_RETRY: Duration = Duration::from_millis(200);
/// Longest time between checks for cancellations; a hint comes sooner.
const CANCEL_INTERVAL: Duration = Duration::from_secs(1);
/// Time between passes while nothing ends. Such a pass touches no database; it proves that the pool
/// is alive. The time is below three of the shortest TTL: after three TTLs the pool would count as
/// stalled.
const IDLE_PASS: Duration = Duration::from_secs(1);

/// Runs leased attempts; each has a slot already.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Run {
    /// The attempts, each in a slot.
    pub attempts: Vec<(Attempt, Slot)>,
    /// The clock of the lease.
    pub time: LeaseTime,
}

/// Settles the attempts that have ended, once.
#[derive(Message)]
#[rtype(result = "SettleReport")]
pub struct Settle;

/// Checks once for requested cancellations of attempts of the node.
#[derive(Message)]
#[rtype(result = "CancelReport")]
pub struct Cancel;

/// Waits until nothing runs, at most this long. True: nothing runs.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Drain(pub Duration);

/// The result of a check for cancellations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, MessageResponse)]
pub struct CancelReport {
    /// Attempts told to stop.
    pub cancelled: usize,
}

/// The database's clock, mapped to the monotonic clock. The reading is older than its arrival, so a
/// mapped due time is never too early, and late by at most the way back.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTime {
    /// The database's now, as the lease read it.
    pub now: Timestamp,
    /// When the reading arrived.
    pub read_at: Instant,
}

impl LeaseTime {
    fn instant(&self, time: Timestamp) -> Instant {
        self.read_at + (time - self.now).to_std().unwrap_or_default()
    }

    fn database_now(&self) -> Timestamp {
        self.now + self.read_at.elapsed()
    }
}

/// The pool of a node.
pub struct ExecutorPool {
    runner: Runner,
    settler: Rc<tokio::sync::Mutex<Settler>>,
    store: Store,
    slots: Slots,
    wake_up: WakeUp,
    guard: WatchdogGuard,
    passes: Passes,
}

/// The parts of a pool.
pub struct PoolConfig {
    /// Store that takes the settlements.
    pub store: Store,
    /// Handlers that run the attempts.
    pub handlers: Handlers,
    /// Reads the secrets of the attempts.
    pub secrets: SecretReader,
    /// Slots of the node.
    pub slots: Slots,
    /// Whether attempts may start, and may run on.
    pub membership_state: watch::Receiver<MembershipState>,
    /// Hints that an execution is to be cancelled.
    pub wake_up: WakeUp,
    /// Watches over the settlements.
    pub watchdog: Watchdog,
}

/// Runs attempts on tokio tasks. Each attempt has a clone.
#[derive(Clone)]
struct Runner {
    work: Arc<Work>,
    membership_state: watch::Receiver<MembershipState>,
    slots: Slots,
    results: mpsc::UnboundedSender<Ended>,
    ended: WakeUp,
}

/// What attempts are run with.
struct Work {
    handlers: Handlers,
    secrets: SecretReader,
}

impl ExecutorPool {
    /// A pool. Its passes are settlements and checks for cancellations.
    pub fn new(config: PoolConfig, passes: Passes) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let settler = Settler::new(config.store.clone(), config.slots.clone(), receiver);
        Self {
            runner: Runner {
                work: Arc::new(Work {
                    handlers: config.handlers,
                    secrets: config.secrets,
                }),
                membership_state: config.membership_state,
                slots: config.slots.clone(),
                results: sender,
                ended: WakeUp::default(),
            },
            settler: Rc::new(tokio::sync::Mutex::new(settler)),
            store: config.store,
            slots: config.slots,
            wake_up: config.wake_up,
            guard: config.watchdog.guard("ExecutorPool"),
            passes,
        }
    }
}

impl Runner {
    async fn run(mut self, attempt: Attempt, slot: Slot, time: LeaseTime) {
        // Before the check of the membership: trust may run out during the sleep.
        tokio::time::sleep_until(time.instant(attempt.due_time).into()).await;
        let settlement = match self.begin(&attempt).await {
            Some(cancelled) => self.attempt(&attempt, time, &cancelled).await,
            None => None,
        };
        if let Some(settlement) = settlement {
            // An error means that the pool is gone, and the process with it: the takeover frees the
            // attempt.
            drop(self.results.send(Ended { settlement, slot }));
            self.ended.notify_one();
        } else {
            metrics::counter!("horolog_cancelled_by_fence_total").increment(1);
            tracing::warn!(execution.id = %attempt.execution_id, attempt = attempt.attempt, "attempt dropped: this node no longer holds it");
            self.slots.lose(HeldAttempt::from(&attempt), slot);
        }
    }

    /// Waits while the node is suspended. Returns the cancellation of the attempt; none when the
    /// node no longer holds the attempt.
    async fn begin(&mut self, attempt: &Attempt) -> Option<Arc<Notify>> {
        loop {
            // The clock before the membership state: see `ClusterMembership`'s `extend`.
            let now = Instant::now();
            let membership_state = *self.membership_state.borrow_and_update();
            let cancelled = self.slots.begin(attempt, &self.membership_state);
            if cancelled.is_some() {
                return cancelled;
            }
            if !membership_state.may_run(attempt.node_id, now) {
                return None;
            }
            self.membership_state_changes(membership_state).await;
        }
    }

    /// Resolves when the node may no longer run attempts leased under `node_id`.
    async fn fenced(&mut self, node_id: Uuid) {
        loop {
            let now = Instant::now();
            let membership_state = *self.membership_state.borrow_and_update();
            if !membership_state.may_run(node_id, now) {
                return;
            }
            self.membership_state_changes(membership_state).await;
        }
    }

    /// Resolves when the membership state changes, or the trust runs out.
    async fn membership_state_changes(&mut self, membership_state: MembershipState) {
        let MembershipState::Member(member) = membership_state else {
            drop(self.membership_state.changed().await);
            return;
        };
        tokio::select! {
            _ = self.membership_state.changed() => {}
            () = tokio::time::sleep_until(member.trusted_until.into()) => {}
        }
    }

    /// Runs the handler. None when the node was fenced before the end: dropping the handler's
    /// future cancels it.
    async fn attempt(
        &mut self,
        attempt: &Attempt,
        time: LeaseTime,
        cancelled: &Notify,
    ) -> Option<Settlement> {
        let started_at = time.database_now();
        record_start(attempt, started_at);
        let work = self.work.clone();
        let run = async {
            match work.secrets.of(attempt).await {
                Ok(secrets) => {
                    let now = time.database_now();
                    work.handlers
                        .run(attempt, RunContext { secrets, now })
                        .await
                }
                Err(error) => Outcome::failed(Reason::Error, error.to_string()),
            }
        };
        let outcome = tokio::select! {
            // The fence first: a fenced attempt has no result, even if another branch is ready.
            biased;
            () = self.fenced(attempt.node_id) => return None,
            () = cancelled.notified() => Outcome::Cancelled,
            seconds = time_out(attempt) => {
                Outcome::failed(Reason::Timeout, format!("the attempt took longer than timeoutSeconds ({seconds})"))
            }
            // A panic of a handler is a failure of the attempt, not of the node.
            outcome = AssertUnwindSafe(run).catch_unwind() => {
                outcome.unwrap_or_else(|panic| panicked(panic.as_ref()))
            }
        };
        let settlement = attempt.settlement(started_at, outcome, fastrand::f64());
        traces::attempt(attempt, &settlement, time.database_now());
        Some(settlement)
    }
}

/// Resolves at the attempt's time limit, with the seconds. Never without a limit.
async fn time_out(attempt: &Attempt) -> i32 {
    match attempt.policies.timeout_seconds {
        Some(seconds) => {
            tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or(1))).await;
            seconds
        }
        None => std::future::pending().await,
    }
}

/// Cancels the attempts with a requested cancellation.
async fn cancel_requested(store: &Store, slots: &Slots) -> CancelReport {
    let held: Vec<Uuid> = slots.held().into_iter().collect();
    // An idle node saves the statement.
    if held.is_empty() {
        return CancelReport::default();
    }
    match store.cancellations(&held).await {
        Ok(requested) => {
            for (id, attempt) in &requested {
                // With the number of the attempt: the request must not stop a later attempt.
                slots.cancellation(*id, *attempt).notify_one();
            }
            CancelReport {
                cancelled: requested.len(),
            }
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no check for cancellations: trying again"
            );
            CancelReport::default()
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Outcome {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Outcome::failed(Reason::Error, format!("the handler panicked: {text}"))
}

fn record_start(attempt: &Attempt, started_at: Timestamp) {
    let lateness = (started_at - attempt.due_time).to_std().unwrap_or_default();
    metrics::histogram!("horolog_lateness_seconds").record(lateness.as_secs_f64());
    metrics::counter!("horolog_attempts_started_total", "kind" => attempt.kind.as_str())
        .increment(1);
}

fn until_next_settlement(report: &SettleReport) -> Duration {
    if report.unsettled > 0 {
        SETTLE_RETRY
    } else if report.settled + report.fenced == 0 {
        IDLE_PASS
    } else {
        // More may have ended during the pass.
        Duration::ZERO
    }
}

impl Actor for ExecutorPool {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.passes == Passes::OnMessage {
            return;
        }
        let ended = self.runner.ended.clone();
        actix::spawn(run_periodically(
            ctx.address(),
            || Settle,
            ended,
            |report: &SettleReport| Some(until_next_settlement(report)),
        ));
        let wake_up = self.wake_up.clone();
        actix::spawn(run_periodically(
            ctx.address(),
            || Cancel,
            wake_up,
            |_: &CancelReport| Some(CANCEL_INTERVAL),
        ));
    }
}

impl Handler<Run> for ExecutorPool {
    type Result = ();

    fn handle(&mut self, run: Run, _: &mut Self::Context) {
        for (attempt, slot) in run.attempts {
            tokio::spawn(self.runner.clone().run(attempt, slot, run.time));
        }
    }
}

impl Handler<Settle> for ExecutorPool {
    type Result = AtomicResponse<Self, SettleReport>;

    fn handle(&mut self, _: Settle, _: &mut Self::Context) -> Self::Result {
        let settler = self.settler.clone();
        let settled = async move { settler.lock().await.settle().await }.into_actor(self);
        AtomicResponse::new(Box::pin(settled.map(|report, pool, _| {
            pool.guard.touch();
            report
        })))
    }
}

impl Handler<Cancel> for ExecutorPool {
    type Result = ResponseFuture<CancelReport>;

    fn handle(&mut self, _: Cancel, _: &mut Self::Context) -> Self::Result {
        let (store, slots) = (self.store.clone(), self.slots.clone());
        Box::pin(async move { cancel_requested(&store, &slots).await })
    }
}

impl Handler<Drain> for ExecutorPool {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, Drain(longest): Drain, _: &mut Self::Context) -> Self::Result {
        let slots = self.slots.clone();
        Box::pin(async move {
            tokio::time::timeout(longest, slots.all_free())
                .await
                .is_ok()
        })
    }
}
