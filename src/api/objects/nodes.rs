//! Nodes and the cluster, as the API shows them.

use crate::api::date_time::DateTime;
use crate::api::errors;
use crate::api::lists::size;
use crate::model::node::NodeState;
use crate::store::jobs::cluster_pause::ClusterPause;
use crate::store::protocol::cluster_view::EndedBy;
use crate::store::protocol::membership::NodeRecord;
use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use ipnet::IpNet;

/// A node: one process lifetime.
#[Object(name = "Node")]
impl NodeRecord {
    /// Id of the process lifetime.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// Display only; two nodes may have the same name.
    async fn name(&self) -> &str {
        &self.name
    }
    /// host:port under which other programs reach the node.
    async fn address(&self) -> &str {
        &self.address
    }
    /// Version of the binary.
    async fn version(&self) -> &str {
        &self.version
    }
    /// State of the node.
    async fn state(&self) -> NodeState {
        self.state
    }
    /// Number of executions that the node can run at once.
    async fn slots(&self) -> i32 {
        self.slots
    }
    /// Executions at the last heartbeat.
    async fn executions_running(&self) -> i32 {
        self.executions_running
    }
    /// Wall clock of the node minus the database's clock; display only.
    async fn clock_offset_millis(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a clock offset for display")]
        let micros = self.clock_offset_micros as f64;
        micros / 1_000.0
    }
    /// When the node joined.
    async fn started_at(&self) -> DateTime {
        DateTime(self.started_at)
    }
    /// Time of the last heartbeat.
    async fn heartbeat_at(&self) -> DateTime {
        DateTime(self.heartbeat_at)
    }
    /// Age of the last heartbeat, by the database's clock.
    async fn heartbeat_age_seconds(&self) -> f64 {
        self.heartbeat_age_seconds
    }
    /// Start of the present series of heartbeats without a free slot; none while a slot is free.
    async fn full_since(&self) -> Option<DateTime> {
        self.full_since.map(DateTime)
    }
    /// When the node ended.
    async fn ended_at(&self) -> Option<DateTime> {
        self.ended_at.map(DateTime)
    }
    /// How the end was noticed.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn ended_by(&self) -> Result<Option<EndedBy>> {
        self.ended_by.as_deref().map(errors::named).transpose()
    }
}

/// The pause of the cluster, and the work that starts at its end.
#[Object]
impl ClusterPause {
    /// Start of the pause.
    async fn since(&self) -> DateTime {
        DateTime(self.paused_at)
    }
    /// Why the cluster is paused; display only.
    async fn reason(&self) -> &str {
        &self.reason
    }
    /// After a restore: the last moment in the database. Later fire times fire again at the end of
    /// the pause.
    async fn set_back_to(&self) -> Option<DateTime> {
        self.set_back_to.map(DateTime)
    }
    /// After a restore: the last moment that a running node remembers.
    async fn last_known(&self) -> Option<DateTime> {
        self.last_known.map(DateTime)
    }
    /// Triggers that are due by now, counted to 10,000.
    async fn triggers_due(&self) -> i32 {
        size(self.due)
    }
    /// Attempts that were lost with their nodes and are not taken over yet.
    async fn attempts_lost(&self) -> i32 {
        size(self.lost)
    }
}

/// The cluster, as the answering node sees it.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Cluster {
    /// Nodes that lease and run.
    pub active_nodes: i32,
    /// Nodes that finish their executions in flight.
    pub draining_nodes: i32,
    /// Number of executions that all living nodes can run at once.
    pub slots: i32,
    /// Executions at the last heartbeats.
    pub executions_running: i32,
    /// ACTIVE jobs with fire times left.
    pub active_jobs: i32,
    /// Jobs that are PAUSED.
    pub paused_jobs: i32,
    /// ACTIVE jobs without fire times left.
    pub ended_jobs: i32,
    /// The pause of the cluster; while there is one, nothing starts.
    pub pause: Option<ClusterPause>,
    /// The database's clock, on which all decisions depend.
    pub database_time: DateTime,
    /// Version of the answering node.
    pub version: String,
    /// Version of the tz database of the answering node.
    pub tzdb_version: String,
}

/// Networks that webhooks of the answering node may reach in addition to public addresses.
pub struct WebhookNetworks(pub Vec<IpNet>);

#[expect(
    clippy::unused_async,
    reason = "the macro wants every field asynchronous"
)]
#[ComplexObject]
impl Cluster {
    /// Networks that webhooks of the answering node may reach in addition to public addresses
    /// (`--http-allow`), e.g. 10.0.0.0/8.
    async fn webhook_networks(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        Ok(ctx
            .data::<WebhookNetworks>()?
            .0
            .iter()
            .map(ToString::to_string)
            .collect())
    }
}
