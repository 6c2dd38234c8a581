//! Membership: the process's place in the cluster, renewed by heartbeats.
//!
//! The heartbeat renews everything the node holds. It runs on a separate thread (Arbiter) and a
//! separate connection, so neither a busy pool nor a busy actor can make a healthy node look dead.
//! A heartbeat is sent only while every critical actor makes progress, so a half-dead node cannot
//! look healthy.
//!
//! The node publishes the known state of the membership as a [`MembershipState`]:
//!
//! - *connected*: the session lasts and the last heartbeat is young. The node leases and runs.
//! - *suspended*: the session broke. Nothing starts. Attempts run until `trusted_until`: no other
//!   node runs them before (after a restart of the database no node is declared dead within a TTL).
//! - *fenced*: trust ran out, or the node was declared dead. The attempts are cancelled, and the
//!   node joins again under a fresh id.

mod clock;
mod member;

use super::periodic::{Passes, WakeUp, run_periodically};
use super::slots::Slots;
use super::watchdog::{Watchdog, WatchdogGuard};
use crate::clock::Clock;
use crate::model::node::MembershipState;
use crate::store::db::database::Database;
use crate::store::protocol::hand_over::TakeoverReport;
use crate::store::protocol::membership::NodeProfile;
use crate::store::{Store, StoreError};
use actix::prelude::*;
use member::Member;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

/// Renews the membership, or joins without a membership.
#[derive(Message)]
#[rtype(result = "HeartbeatReport")]
pub struct Heartbeat;

/// Drains: from now on the node takes no new work, and the other nodes know.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BeginDrain;

/// Leaves the cluster. Started attempts go to the other nodes at once, as if the node had died; the
/// others are reclaimed. The last message of a node's life.
#[derive(Message)]
#[rtype(result = "Result<TakeoverReport, StoreError>")]
pub struct Leave;

/// The result of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, MessageResponse)]
pub enum HeartbeatReport {
    /// The node joined under the id.
    Joined(Uuid),
    /// The node is a member until the new `trusted_until`.
    Renewed,
    /// The node learned that it was declared dead, or stopped trusting itself.
    Fenced,
    /// The database did not answer, or refused; the membership state has the effect.
    Failed,
    /// A critical actor makes no progress: the node gives itself up.
    Withheld,
}

/// Settings and channels of the membership of a node.
pub struct MembershipConfig {
    /// For the membership's own session.
    pub database: Database,
    /// Store for leaving the cluster.
    pub store: Store,
    /// The clock of heartbeats.
    pub clock: Clock,
    /// Name, address and slots of the node's row.
    pub profile: NodeProfile,
    /// Channel for the membership state.
    pub membership_state: watch::Sender<MembershipState>,
    /// Time from one heartbeat to the next.
    pub heartbeat_interval: Duration,
    /// Age at which a heartbeat means death.
    pub node_ttl: Duration,
    /// Time limit of an answer of the database. Short enough for another try by a new session
    /// before trust ends, and long enough for a checkpoint on a busy disk.
    pub call_timeout: Duration,
    /// What the node holds: their number is part of the node's row, and attempts that have not
    /// started are reclaimed when it leaves.
    pub slots: Slots,
    /// Progress of the other actors.
    pub watchdog: Watchdog,
}

/// The membership of a node.
pub struct ClusterMembership {
    member: Rc<Mutex<Member>>,
    heartbeat_interval: Duration,
    wake_up: WakeUp,
    // Its drop tells of the actor's death.
    _guard: WatchdogGuard,
    passes: Passes,
}

impl ClusterMembership {
    /// A membership that begins fenced. Its passes are heartbeats.
    pub fn new(config: MembershipConfig, passes: Passes) -> Self {
        let wake_up = WakeUp::default();
        Self {
            heartbeat_interval: config.heartbeat_interval,
            wake_up: wake_up.clone(),
            _guard: config.watchdog.passive_guard("ClusterMembership"),
            member: Rc::new(Mutex::new(Member::new(config, wake_up))),
            passes,
        }
    }
}

impl Actor for ClusterMembership {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.passes == Passes::OnMessage {
            return;
        }
        let interval = self.heartbeat_interval;
        let wake_up = self.wake_up.clone();
        actix::spawn(run_periodically(
            ctx.address(),
            || Heartbeat,
            wake_up,
            move |report: &HeartbeatReport| match report {
                // The process gives itself up.
                HeartbeatReport::Withheld => None,
                // Trust ends soon.
                HeartbeatReport::Failed => Some(interval / 4),
                _ => Some(interval),
            },
        ));
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
