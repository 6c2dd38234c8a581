//! Membership: this process's place in the cluster, renewed by heartbeats.
//!
//! The heartbeat is the lease of everything that the node holds. It runs on its
//! own thread (Arbiter) and its own connection, so that neither a busy pool nor
//! a busy actor can make a healthy node look dead; and it is sent only while
//! every critical actor makes progress, so that a half-dead node cannot look
//! healthy.
//!
//! What the node may believe of itself is published as a [`MembershipState`]:
//!
//! - *connected*: the session holds, the last heartbeat is young: lease and run.
//! - *suspended*: the session broke. Nothing starts; what runs goes on until
//!   `trusted_until`, because until then nobody else has run it either (after a
//!   restart of the database nobody is declared dead before one TTL).
//! - *fenced*: trust ran out, or the node was declared dead. What runs is
//!   cancelled, and the node joins again under a fresh id.

use super::periodic::{WakeUp, run_periodically};
use super::slots::Slots;
use super::watchdog::{Watchdog, WatchdogGuard};
use crate::clock::Clock;
use crate::model::node::{Membership, MembershipState, NodeState};
use crate::model::{Timestamp, rfc3339};
use crate::safeguards::{Safeguard, is_off};
use crate::store::db::database::Database;
use crate::store::maintenance::clock_jumps::ClockVerdict;
use crate::store::protocol::membership::{MembershipSession, NodeProfile, Renewal};
use crate::store::protocol::takeover::TakeoverReport;
use crate::store::{Store, StoreError};
use actix::prelude::*;
use chrono::TimeDelta;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, watch};
use uuid::Uuid;

/// Renews the membership, or joins when there is none.
#[derive(Message)]
#[rtype(result = "HeartbeatReport")]
pub struct Heartbeat;

/// Takes nothing new from now on; tells the others.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BeginDrain;

/// Leaves the cluster: what has begun goes to the others as if the node had died, at once, and what
/// has not is given back. The last message of a node's life.
#[derive(Message)]
#[rtype(result = "Result<TakeoverReport, StoreError>")]
pub struct Leave;

/// What a heartbeat achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, MessageResponse)]
pub enum HeartbeatReport {
    /// The node joined under this id.
    Joined(Uuid),
    /// The membership is renewed.
    Renewed,
    /// The node learned that it was declared dead, or stopped trusting itself.
    Fenced,
    /// The database did not do its part; the membership state says what that means.
    Failed,
    /// A critical actor makes no progress: the node gives itself up.
    Withheld,
}

/// What membership needs.
pub struct MembershipConfig {
    /// Where the session goes.
    pub database: Database,
    /// For leaving.
    pub store: Store,
    /// The clock of heartbeats.
    pub clock: Clock,
    /// What the node says of itself.
    pub profile: NodeProfile,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// Age at which a heartbeat means death.
    pub node_ttl: Duration,
    /// How long the database may take for an answer: as long as leaves time for another try, by a
    /// new session, before trust ends. A checkpoint on a busy disk is no death.
    pub call_timeout: Duration,
    /// What the node holds: its number is shown in the node's row, and what has not begun is
    /// reclaimed when it leaves.
    pub slots: Slots,
    /// Whether the other actors make progress.
    pub watchdog: Watchdog,
}

/// See the module.
pub struct ClusterMembership {
    member: Rc<Mutex<Member>>,
    heartbeat_interval: Duration,
    wake_up: WakeUp,
    // Held so that its drop tells of a death.
    _guard: WatchdogGuard,
    periodic: bool,
}

/// The plain struct under the shell.
struct Member {
    config: MembershipConfig,
    membership_state: watch::Sender<MembershipState>,
    session: Option<MembershipSession>,
    /// A session of this id that has not answered in time. It is kept until another has taken its
    /// place or trust has ended: to close it is to look dead, and what runs goes on.
    unanswered: Option<MembershipSession>,
    clock_offset: Option<TimeDelta>,
    /// The last heartbeat that the database has acknowledged, and whose: what a
    /// database that was restored from a backup has forgotten.
    acknowledged: Option<(Uuid, Timestamp)>,
    /// When that heartbeat was sent.
    acknowledged_at: Option<Instant>,
    cluster_paused: bool,
    failing_since: Option<Instant>,
    draining: bool,
    left: bool,
    wake_up: WakeUp,
}

impl ClusterMembership {
    /// A membership that publishes on `membership_state`. `periodic` heartbeats by itself;
    /// otherwise whoever sends [`Heartbeat`] sets the pace.
    pub fn new(
        config: MembershipConfig,
        membership_state: watch::Sender<MembershipState>,
        periodic: bool,
    ) -> Self {
        let wake_up = Arc::new(Notify::new());
        let (heartbeat_interval, guard) = (
            config.heartbeat_interval,
            config.watchdog.passive_guard("ClusterMembership"),
        );
        let member = Member {
            config,
            membership_state,
            session: None,
            unanswered: None,
            clock_offset: None,
            acknowledged: None,
            acknowledged_at: None,
            cluster_paused: false,
            failing_since: None,
            draining: false,
            left: false,
            wake_up: wake_up.clone(),
        };
        Self {
            member: Rc::new(Mutex::new(member)),
            heartbeat_interval,
            wake_up,
            _guard: guard,
            periodic,
        }
    }
}

impl Member {
    async fn heartbeat(&mut self) -> HeartbeatReport {
        if self.left {
            return HeartbeatReport::Fenced;
        }
        if let Some(actor) = self.config.watchdog.watch(self.config.node_ttl) {
            self.config
                .watchdog
                .fail(format!("the critical actor {actor} makes no progress"));
            return HeartbeatReport::Withheld;
        }
        let sent = Instant::now();
        let membership_state = *self.membership_state.borrow();
        match membership_state {
            MembershipState::Member(member) if sent < member.trusted_until => {
                self.renew(member, sent).await
            }
            MembershipState::Member(_) => {
                self.fence("its last good heartbeat is too old");
                self.join(sent).await
            }
            MembershipState::Fenced => self.join(sent).await,
        }
    }

    /// No call outlasts the trust: the node lets go at its end, not when a call that is under way
    /// has given up.
    async fn renew(
        &mut self,
        Membership {
            node_id,
            trusted_until,
            ..
        }: Membership,
        sent: Instant,
    ) -> HeartbeatReport {
        let Ok(answer) =
            tokio::time::timeout_at(trusted_until.into(), self.try_renew(node_id)).await
        else {
            self.fence("its last good heartbeat is too old");
            return HeartbeatReport::Fenced;
        };
        match answer {
            Ok(Some(renewal)) => {
                if !self.extend(node_id, sent, renewal.state == NodeState::Draining) {
                    self.fence("its heartbeat was answered too late");
                    return HeartbeatReport::Fenced;
                }
                self.clock_offset = Some(renewal.clock_offset);
                (self.acknowledged, self.acknowledged_at) =
                    (Some((node_id, renewal.heartbeat_at)), Some(sent));
                self.note_pause(renewal.cluster_paused);
                self.watch_clock(&renewal).await;
                self.recovered();
                record(&renewal);
                HeartbeatReport::Renewed
            }
            Ok(None) => {
                self.fence("it was declared dead");
                HeartbeatReport::Fenced
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn try_renew(&mut self, node_id: Uuid) -> Result<Option<Renewal>, StoreError> {
        if self
            .session
            .as_ref()
            .is_none_or(MembershipSession::is_closed)
        {
            let session = self.open().await?;
            session.take_lock(node_id).await?;
            self.session = Some(session);
            self.unanswered = None;
        }
        let held = self.config.slots.held_count().load(Ordering::Relaxed);
        self.config.store.note_load(held, self.config.profile.slots);
        match &self.session {
            Some(session) => {
                let since = self
                    .acknowledged_at
                    .map_or(Duration::from_hours(24), |at| at.elapsed());
                let longest = since.saturating_add(self.config.node_ttl / 2);
                session
                    .heartbeat(node_id, held, self.clock_offset, longest)
                    .await
            }
            None => Ok(None),
        }
    }

    /// Joins under a fresh id: ids are never used again, so that no write of an
    /// earlier life can pass for one of this.
    async fn join(&mut self, sent: Instant) -> HeartbeatReport {
        let node_id = Uuid::new_v4();
        match self.try_join(node_id).await {
            Ok(()) => {
                if let Some(joined) = self.membership(node_id, sent, false) {
                    self.membership_state
                        .send_replace(MembershipState::Member(joined));
                }
                self.recovered();
                tracing::info!(node.id = %node_id, node.name = %self.config.profile.name, "joined the cluster");
                HeartbeatReport::Joined(node_id)
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn try_join(&mut self, node_id: Uuid) -> Result<(), StoreError> {
        // A session of an earlier id must not keep that id alive.
        (self.session, self.unanswered) = (None, None);
        let session = self.open().await?;
        let heartbeat_at = session.join(node_id, &self.config.profile).await?;
        (self.acknowledged, self.acknowledged_at) =
            (Some((node_id, heartbeat_at)), Some(Instant::now()));
        self.session = Some(session);
        Ok(())
    }

    /// Opens a session, and a task that publishes its end the moment it is seen.
    async fn open(&self) -> Result<MembershipSession, StoreError> {
        let timeout = self.config.call_timeout;
        let (session, ended) =
            MembershipSession::open(&self.config.database, timeout, self.config.clock.clone())
                .await?;
        // Before the membership state says that this node may lease.
        if let Some((node_id, acknowledged)) = self.acknowledged
            && session.pause_if_set_back(node_id, acknowledged).await?
        {
            tracing::error!(
                last_known = %rfc3339(acknowledged),
                "the database was set back: the cluster is held, because what fired in between would fire again; see `cluster {{ hold }}`, then releaseCluster"
            );
        }
        let (membership_state, wake_up, opened_at) = (
            self.membership_state.clone(),
            self.wake_up.clone(),
            session.opened_at,
        );
        actix::spawn(async move {
            ended.await;
            let suspended = membership_state
                .send_if_modified(|membership_state| suspend(membership_state, opened_at));
            if suspended {
                tracing::warn!("the membership session broke: nothing starts until it is back");
                wake_up.notify_one();
            }
        });
        Ok(session)
    }

    /// Publishes the renewed membership, unless its trust ran out meanwhile: then
    /// what ran is cancelled already, and must not count as never started under
    /// an id that lives on. The clock is read under the lock of the membership state, and
    /// before it by the executions, so that nobody sees the end of trust and a
    /// renewal.
    fn extend(&self, node_id: Uuid, sent: Instant, draining: bool) -> bool {
        let Some(renewed) = self.membership(node_id, sent, draining) else {
            return false;
        };
        self.membership_state.send_if_modified(|membership_state| {
            let trusted = membership_state.may_run(node_id, Instant::now());
            if trusted {
                *membership_state = MembershipState::Member(renewed);
            }
            trusted
        })
    }

    fn membership(&self, node_id: Uuid, sent: Instant, draining: bool) -> Option<Membership> {
        let session = self.session.as_ref()?;
        let trust = if is_off(Safeguard::SelfFencing) {
            Duration::from_hours(24)
        } else {
            self.config.node_ttl * 7 / 8
        };
        Some(Membership {
            node_id,
            // The margin is for cancelling what runs before anybody else starts it.
            trusted_until: sent + trust,
            session_opened_at: session.opened_at,
            session_alive: true,
            draining: draining || self.draining,
        })
    }

    fn fence(&mut self, why: &str) {
        tracing::error!(
            why,
            "this node is fenced: it cancels what it runs and joins again under a new id"
        );
        metrics::counter!("horolog_self_fenced_total").increment(1);
        (self.session, self.unanswered) = (None, None);
        self.membership_state.send_replace(MembershipState::Fenced);
        self.wake_up.notify_one();
    }

    /// A failed call leaves its connection in an unknown state: it is not used again.
    fn failed(&mut self, error: &StoreError) -> HeartbeatReport {
        if self.failing_since.is_none() {
            self.failing_since = Some(Instant::now());
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "no heartbeat: trying again until the database answers"
            );
        }
        if let Some(session) = self.session.take() {
            self.membership_state
                .send_if_modified(|membership_state| suspend(membership_state, session.opened_at));
            self.unanswered = Some(session);
        }
        HeartbeatReport::Failed
    }

    /// Says once that a pause has come or gone.
    fn note_pause(&mut self, paused: bool) {
        metrics::gauge!("horolog_held").set(if paused { 1.0 } else { 0.0 });
        match (std::mem::replace(&mut self.cluster_paused, paused), paused) {
            (false, true) => {
                tracing::warn!("the cluster is held: nothing starts until it is released")
            }
            (true, false) => tracing::info!("the cluster is released"),
            _ => {}
        }
    }

    /// What does not work here is tried again at the next heartbeat; until then every lease refuses
    /// by itself.
    async fn watch_clock(&self, renewal: &Renewal) {
        let verdict = match self
            .config
            .store
            .watch_clock(renewal.sent, renewal.now, renewal.paused_for)
            .await
        {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database's clock cannot be watched"
                );
                return;
            }
        };
        let paused_for = match verdict {
            ClockVerdict::Jumped(jump) | ClockVerdict::Waits(jump) => {
                jump.distance().as_seconds_f64()
            }
            _ => 0.0,
        };
        metrics::gauge!("horolog_clock_jump_seconds").set(paused_for);
        match verdict {
            ClockVerdict::Good | ClockVerdict::Waits(_) => {}
            ClockVerdict::Jumped(jump) => {
                metrics::counter!("horolog_clock_jumps_total").increment(1);
                tracing::error!(from = %rfc3339(jump.from), to = %rfc3339(jump.to), "{jump}");
            }
            ClockVerdict::Returned(_) => {
                tracing::warn!("the database's clock has come back: the cluster goes on")
            }
            ClockVerdict::Accepted(_) => {
                tracing::warn!("the database's clock stays as it is: the cluster goes on")
            }
        }
        if matches!(
            verdict,
            ClockVerdict::Returned(_) | ClockVerdict::Accepted(_)
        ) {
            let store = self.config.store.clone();
            actix::spawn(async move {
                match store.mend_after(verdict).await {
                    Ok(mended) => tracing::info!(
                        mended,
                        "triggers that were set by the other clock are put right"
                    ),
                    Err(error) => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "triggers that were set by the other clock may rest until it comes to them"
                    ),
                }
            });
        }
    }

    fn recovered(&mut self) {
        if let Some(since) = self.failing_since.take() {
            tracing::info!(
                after_ms = since.elapsed().as_millis(),
                "heartbeats go through again"
            );
        }
    }

    async fn begin_drain(&mut self) {
        self.draining = true;
        self.membership_state
            .send_if_modified(|membership_state| match membership_state {
                MembershipState::Member(member) => !std::mem::replace(&mut member.draining, true),
                MembershipState::Fenced => false,
            });
        let MembershipState::Member(member) = *self.membership_state.borrow() else {
            return;
        };
        if let Err(error) = self.config.store.drain(member.node_id).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not tell the others that this node drains"
            );
        }
    }

    /// Fences first, so that nothing runs any more when the others take it.
    async fn leave(&mut self) -> Result<TakeoverReport, StoreError> {
        self.left = true;
        let MembershipState::Member(member) =
            self.membership_state.send_replace(MembershipState::Fenced)
        else {
            return Ok(TakeoverReport::default());
        };
        let taken = self
            .config
            .store
            .leave(member.node_id, &self.config.slots.holdings())
            .await;
        (self.session, self.unanswered) = (None, None);
        taken
    }
}

/// Marks the membership state of this very session as disconnected.
fn suspend(membership_state: &mut MembershipState, opened_at: Instant) -> bool {
    match membership_state {
        MembershipState::Member(member)
            if member.session_opened_at == opened_at && member.session_alive =>
        {
            member.session_alive = false;
            true
        }
        _ => false,
    }
}

fn record(renewal: &Renewal) {
    #[expect(clippy::cast_precision_loss, reason = "a clock offset for people")]
    let seconds = renewal.clock_offset.num_microseconds().unwrap_or(i64::MAX) as f64 / 1e6;
    metrics::gauge!("horolog_clock_offset_seconds").set(seconds);
}

impl Actor for ClusterMembership {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.periodic {
            let interval = self.heartbeat_interval;
            let wait = move |report: &HeartbeatReport| match report {
                HeartbeatReport::Withheld => None,
                // What is left of the trust is short.
                HeartbeatReport::Failed => Some(interval / 4),
                _ => Some(interval),
            };
            actix::spawn(run_periodically(
                ctx.address(),
                || Heartbeat,
                self.wake_up.clone(),
                wait,
            ));
        }
    }
}

impl Handler<Heartbeat> for ClusterMembership {
    type Result = AtomicResponse<Self, HeartbeatReport>;

    fn handle(&mut self, _: Heartbeat, _: &mut Self::Context) -> Self::Result {
        let member = self.member.clone();
        AtomicResponse::new(Box::pin(
            async move { member.lock().await.heartbeat().await }.into_actor(self),
        ))
    }
}

impl Handler<Leave> for ClusterMembership {
    type Result = AtomicResponse<Self, Result<TakeoverReport, StoreError>>;

    fn handle(&mut self, _: Leave, _: &mut Self::Context) -> Self::Result {
        let member = self.member.clone();
        AtomicResponse::new(Box::pin(
            async move { member.lock().await.leave().await }.into_actor(self),
        ))
    }
}

impl Handler<BeginDrain> for ClusterMembership {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: BeginDrain, _: &mut Self::Context) -> Self::Result {
        let member = self.member.clone();
        AtomicResponse::new(Box::pin(
            async move { member.lock().await.begin_drain().await }.into_actor(self),
        ))
    }
}
