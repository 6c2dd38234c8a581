//! The member: the plain struct that renews one membership after the other.

use super::{HeartbeatReport, MembershipConfig};
use crate::actors::periodic::WakeUp;
use crate::model::node::{Membership, MembershipState, NodeState};
use crate::model::{Timestamp, rfc3339};
use crate::safeguards::{Safeguard, is_off};
use crate::store::StoreError;
use crate::store::audit::entry::Entry;
use crate::store::protocol::hand_over::TakeoverReport;
use crate::store::protocol::membership::{MembershipSession, Renewal};
use chrono::TimeDelta;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The plain struct under the shell.
pub(super) struct Member {
    pub(super) config: MembershipConfig,
    session: Option<MembershipSession>,
    /// A session of the id without an answer in time. It is kept until another session has the
    /// lock, or trust has ended: without a session the node looks dead, and the attempts still run.
    unanswered: Option<MembershipSession>,
    pub(super) clock_offset: Option<TimeDelta>,
    acknowledged: Option<Acknowledged>,
    pub(super) cluster_paused: bool,
    failing_since: Option<Instant>,
    /// A fence not recorded yet.
    fenced: Option<Fence>,
    draining: bool,
    left: bool,
    wake_up: WakeUp,
}

/// A fence of the node. It is recorded after the next join: a fenced node may not reach the
/// database.
#[derive(Clone, Copy)]
struct Fence {
    /// The membership that ended.
    node_id: Uuid,
    why: &'static str,
    at: Instant,
}

/// The last heartbeat acknowledged by the database. A database restored from a backup does not know
/// it.
#[derive(Clone, Copy)]
struct Acknowledged {
    node_id: Uuid,
    /// The heartbeat as written by the database.
    heartbeat_at: Timestamp,
    sent: Instant,
}

impl Member {
    pub(super) fn new(config: MembershipConfig, wake_up: WakeUp) -> Self {
        Self {
            config,
            session: None,
            unanswered: None,
            clock_offset: None,
            acknowledged: None,
            cluster_paused: false,
            failing_since: None,
            fenced: None,
            draining: false,
            left: false,
            wake_up,
        }
    }

    pub(super) async fn heartbeat(&mut self) -> HeartbeatReport {
        if self.left {
            return HeartbeatReport::Fenced;
        }
        // Before the heartbeat: a node without progress must look dead to the others.
        if let Some(actor) = self.config.watchdog.watch(self.config.node_ttl) {
            self.config
                .watchdog
                .fail(format!("the critical actor {actor} makes no progress"));
            return HeartbeatReport::Withheld;
        }
        let sent = Instant::now();
        let membership_state = *self.config.membership_state.borrow();
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

    /// The call ends with the trust, also before the time limit of the call: the node is fenced on
    /// time.
    async fn renew(&mut self, membership: Membership, sent: Instant) -> HeartbeatReport {
        let node_id = membership.node_id;
        let trusted_until = membership.trusted_until.into();
        let Ok(answer) = tokio::time::timeout_at(trusted_until, self.try_renew(node_id)).await
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
                self.note_offset(&renewal);
                self.acknowledged = Some(Acknowledged {
                    node_id,
                    heartbeat_at: renewal.heartbeat_at,
                    sent,
                });
                self.note_pause(renewal.cluster_paused);
                self.watch_clock(&renewal).await;
                self.recovered();
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
        let needs_session = self
            .session
            .as_ref()
            .is_none_or(MembershipSession::is_closed);
        if needs_session {
            let session = self.open().await?;
            session.take_lock(node_id).await?;
            self.session = Some(session);
            self.unanswered = None;
        }
        // An atomic, not the map: a heartbeat must not wait for a busy lock.
        let held = self.config.slots.held_count().load(Ordering::Relaxed);
        self.config.store.note_load(held, self.config.profile.slots);
        let Some(session) = &self.session else {
            return Ok(None);
        };
        let since_last = self
            .acknowledged
            // A first heartbeat has no earlier one: no jump can be seen.
            .map_or(Duration::from_hours(24), |last| last.sent.elapsed());
        let longest = since_last.saturating_add(self.config.node_ttl / 2);
        session
            .heartbeat(node_id, held, self.clock_offset, longest)
            .await
    }

    /// Joins under a fresh id. Ids are never used again, so no write of an earlier life passes for
    /// a write of the new life.
    async fn join(&mut self, sent: Instant) -> HeartbeatReport {
        let node_id = Uuid::new_v4();
        match self.try_join(node_id).await {
            Ok(()) => {
                if let Some(joined) = self.membership(node_id, sent, false) {
                    self.config
                        .membership_state
                        .send_replace(MembershipState::Member(joined));
                }
                self.recovered();
                self.record_fence();
                tracing::info!(node.id = %node_id, node.name = %self.config.profile.name, "joined the cluster");
                HeartbeatReport::Joined(node_id)
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn try_join(&mut self, node_id: Uuid) -> Result<(), StoreError> {
        // A session of the earlier id would keep the earlier id alive.
        self.session = None;
        self.unanswered = None;
        let session = self.open().await?;
        let heartbeat_at = session.join(node_id, &self.config.profile).await?;
        self.acknowledged = Some(Acknowledged {
            node_id,
            heartbeat_at,
            sent: Instant::now(),
        });
        self.session = Some(session);
        Ok(())
    }

    /// Opens a session, and starts a task that publishes the end at once.
    async fn open(&self) -> Result<MembershipSession, StoreError> {
        let timeout = self.config.call_timeout;
        let clock = self.config.clock.clone();
        let (session, ended) =
            MembershipSession::open(&self.config.database, timeout, clock).await?;
        // Before the membership state lets the node lease.
        if let Some(last) = self.acknowledged
            && session
                .pause_if_set_back(last.node_id, last.heartbeat_at, self.config.store.caller())
                .await?
        {
            tracing::error!(
                last_known = %rfc3339(last.heartbeat_at),
                "the database was set back: the cluster is paused, because what fired in between would fire again; see `cluster {{ pause }}`, then resumeCluster"
            );
        }
        let membership_state = self.config.membership_state.clone();
        let wake_up = self.wake_up.clone();
        let opened_at = session.opened_at;
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

    /// Publishes the renewed membership. False when the trust ran out before: the attempts are
    /// cancelled already, and under a living id they would count as never started. The clock is
    /// read under the lock of the membership state, and by the executions before the lock, so no
    /// execution sees both the end of trust and a renewal.
    fn extend(&self, node_id: Uuid, sent: Instant, draining: bool) -> bool {
        let Some(renewed) = self.membership(node_id, sent, draining) else {
            return false;
        };
        self.config
            .membership_state
            .send_if_modified(|membership_state| {
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
            // The margin is for cancelling the attempts before another node starts them.
            trusted_until: sent + trust,
            session_opened_at: session.opened_at,
            session_alive: true,
            draining: draining || self.draining,
        })
    }

    fn fence(&mut self, why: &'static str) {
        tracing::error!(
            why,
            "this node is fenced: it cancels what it runs and joins again under a new id"
        );
        metrics::counter!("horolog_self_fenced_total").increment(1);
        // A dropped session ends: the other nodes see the node gone at once.
        self.session = None;
        self.unanswered = None;
        let former = self
            .config
            .membership_state
            .send_replace(MembershipState::Fenced);
        if let MembershipState::Member(member) = former {
            self.fenced = Some(Fence {
                node_id: member.node_id,
                why,
                at: Instant::now(),
            });
        }
        self.wake_up.notify_one();
    }

    /// In a separate task: heartbeats do not wait for the record. Without a record the fence is
    /// still in the log.
    fn record_fence(&mut self) {
        let Some(Fence { node_id, why, at }) = self.fenced.take() else {
            return;
        };
        let store = self.config.store.clone();
        let entry = Entry::of("node", node_id)
            .named(&self.config.profile.name)
            .with("reason", why)
            .with("secondsAgo", at.elapsed().as_secs());
        actix::spawn(async move {
            if let Err(error) = store.record_decision("fence", entry).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the fence is not in the audit log");
            }
        });
    }

    /// Suspends the node. A failed call leaves the connection in an unknown state: it is not used
    /// again.
    fn failed(&mut self, error: &StoreError) -> HeartbeatReport {
        if self.failing_since.is_none() {
            self.failing_since = Some(Instant::now());
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "no heartbeat: trying again until the database answers"
            );
        }
        if let Some(session) = self.session.take() {
            self.config
                .membership_state
                .send_if_modified(|membership_state| suspend(membership_state, session.opened_at));
            self.unanswered = Some(session);
        }
        HeartbeatReport::Failed
    }

    fn recovered(&mut self) {
        if let Some(since) = self.failing_since.take() {
            tracing::info!(
                after_ms = since.elapsed().as_millis(),
                "heartbeats go through again"
            );
        }
    }

    pub(super) async fn begin_drain(&mut self) {
        self.draining = true;
        self.config
            .membership_state
            .send_if_modified(|membership_state| match membership_state {
                MembershipState::Member(member) => !std::mem::replace(&mut member.draining, true),
                MembershipState::Fenced => false,
            });
        let MembershipState::Member(member) = *self.config.membership_state.borrow() else {
            return;
        };
        if let Err(error) = self.config.store.drain(member.node_id).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not tell the others that this node drains"
            );
        }
    }

    /// Fences first: nothing runs here any more at the takeover by other nodes.
    pub(super) async fn leave(&mut self) -> Result<TakeoverReport, StoreError> {
        self.left = true;
        let former = self
            .config
            .membership_state
            .send_replace(MembershipState::Fenced);
        let MembershipState::Member(member) = former else {
            return Ok(TakeoverReport::default());
        };
        let taken = self
            .config
            .store
            .leave(member.node_id, &self.config.slots.holdings())
            .await;
        self.session = None;
        self.unanswered = None;
        taken
    }
}

/// Marks the membership of the session as disconnected. False for the membership of another
/// session.
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
