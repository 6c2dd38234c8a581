//! Nodes and the cluster, as the API shows them.

use crate::api::enums::NodeStateName;
use crate::model::rfc3339;
use crate::store::cluster_pause::ClusterPause;
use crate::store::nodes::NodeRecord;
use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use ipnet::IpNet;

/// A node: one process lifetime.
#[Object(name = "Node")]
impl NodeRecord {
    /// This process lifetime.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// For people.
    async fn name(&self) -> &str {
        &self.name
    }
    /// host:port by which other programs reach it.
    async fn address(&self) -> &str {
        &self.address
    }
    /// Version of its binary.
    async fn version(&self) -> &str {
        &self.version
    }
    /// Whether it lives.
    async fn state(&self) -> NodeStateName {
        self.state.into()
    }
    /// Executions it can run at once.
    async fn slots(&self) -> i32 {
        self.slots
    }
    /// Executions it held at its last heartbeat.
    async fn executions_running(&self) -> i32 {
        self.executions_running
    }
    /// Its wall clock minus the database's; shown, decides nothing.
    async fn clock_offset_millis(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a clock offset for people")]
        let micros = self.clock_offset_micros as f64;
        micros / 1_000.0
    }
    /// When it joined.
    async fn started_at(&self) -> String {
        rfc3339(self.started_at)
    }
    /// Its last heartbeat.
    async fn heartbeat_at(&self) -> String {
        rfc3339(self.heartbeat_at)
    }
    /// Age of the last heartbeat, by the database's clock.
    async fn heartbeat_age_seconds(&self) -> f64 {
        self.heartbeat_age_seconds
    }
    /// The first of its heartbeats since which each found no slot free; none while one
    /// is.
    async fn full_since(&self) -> Option<String> {
        self.full_since.map(rfc3339)
    }
    /// When it ended.
    async fn ended_at(&self) -> Option<String> {
        self.ended_at.map(rfc3339)
    }
    /// Why it ended: LEFT, TTL or SESSION.
    async fn ended_by(&self) -> Option<&str> {
        self.ended_by.as_deref()
    }
}

/// Why nothing starts, and what would when the cluster is released.
#[Object(name = "Hold")]
impl ClusterPause {
    /// Since when.
    async fn since(&self) -> String {
        rfc3339(self.paused_at)
    }
    /// Why, for people.
    async fn reason(&self) -> &str {
        &self.reason
    }
    /// After a restore: the last moment that the database knows of. What fired
    /// after it fires again at the release.
    async fn set_back_to(&self) -> Option<String> {
        self.set_back_to.map(rfc3339)
    }
    /// After a restore: the last moment that a running node remembers.
    async fn last_known(&self) -> Option<String> {
        self.last_known.map(rfc3339)
    }
    /// Triggers that are due by now, counted to 10,000.
    async fn triggers_due(&self) -> i32 {
        i32::try_from(self.due).unwrap_or(i32::MAX)
    }
    /// Attempts that were lost with their nodes and not taken over yet.
    async fn attempts_lost(&self) -> i32 {
        i32::try_from(self.lost).unwrap_or(i32::MAX)
    }
}

/// The cluster as the answering node sees it.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Cluster {
    /// Nodes that lease and run.
    pub active_nodes: i32,
    /// Nodes that finish what they hold.
    pub draining_nodes: i32,
    /// Executions that all living nodes can run at once.
    pub slots: i32,
    /// Executions held at their last heartbeats.
    pub executions_running: i32,
    /// Jobs that fire: ACTIVE ones whose schedule goes on.
    pub active_jobs: i32,
    /// Jobs that are paused.
    pub paused_jobs: i32,
    /// ACTIVE jobs whose schedule has no fire time left.
    pub ended_jobs: i32,
    /// While it is there, nothing starts.
    pub hold: Option<ClusterPause>,
    /// The database's clock, the only one that decides.
    pub database_time: String,
    /// Version of the answering node.
    pub version: String,
    /// Version of the tz database that the answering node goes by.
    pub tzdb_version: String,
}

/// Networks that webhooks of the answering node may reach besides public addresses.
pub struct WebhookNetworks(pub Vec<IpNet>);

#[expect(
    clippy::unused_async,
    reason = "the macro wants every field asynchronous"
)]
#[ComplexObject]
impl Cluster {
    /// Networks that webhooks of the answering node may reach besides public
    /// addresses (`--http-allow`), e.g. 10.0.0.0/8.
    async fn webhook_networks(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        Ok(ctx
            .data::<WebhookNetworks>()?
            .0
            .iter()
            .map(ToString::to_string)
            .collect())
    }
}
