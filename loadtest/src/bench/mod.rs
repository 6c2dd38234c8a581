//! Benchmarks: each asks one question of real nodes and a real PostgreSQL with durable
//! settings, and answers with one JSON line that says how it was asked.
//!
//! They measure and check nothing: no number in here is a result or a target, and no test may
//! time anything. Every benchmark has a database server of its own, warms up, and runs several
//! times; what it counts it reads from the database or its own clock, never from a node's
//! metrics. A harness that needs a core for itself would measure itself: loads are made by SQL
//! where they can be.

mod api;
mod backlog;
mod bare;
mod failover;
mod flood;
mod idle;
mod latency;
mod lateness;
mod line;
mod machine;
mod process;
mod saturated;
mod statements;
mod testbed;
mod work;

pub use line::{Figure, Line};

use std::path::PathBuf;
use std::time::Duration;

/// A benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// Fires a second of one node with more due than can run, beside the bare SQL in turn.
    Throughput,
    /// Start minus due time at a steady rate, whole-second aligned and spread.
    Lateness,
    /// From `runJobNow` sent to its handler started.
    RunNow,
    /// From `kill -9` to the first redelivery.
    Failover,
    /// The rate of `throughput` beside ever more idle triggers.
    Growth,
    /// The rate of `throughput` of 1, 2, 4 and 8 nodes on the same cores.
    Nodes,
    /// Statements, CPU and memory of a node with nothing due.
    Idle,
    /// A backlog due at once: its drain, and the lateness of what is due on time meanwhile.
    Backlog,
    /// Queries and mutations a second over HTTP.
    Api,
    /// From the start of a process to `/readyz`, on a migrated database.
    Start,
    /// WAL bytes of a fire.
    Wal,
    /// The rate of `throughput` while somebody else holds a snapshot open.
    Snapshot,
    /// Jobs a second by `createJobs`.
    Create,
    /// The bare SQL of lease and settlement, without a node.
    Limit,
    /// Lateness at a steady rate while clients loop the dearest requests that the API lets through.
    Flood,
}

/// How to run benchmarks.
#[derive(Debug, Clone)]
pub struct Options {
    /// `horolog`.
    pub program: PathBuf,
    /// Where logs and data go; each benchmark has a directory of its own in it.
    pub directory: PathBuf,
    /// A second or two each, to see that they work: the figures say nothing.
    pub small: bool,
    /// `growth` goes to 10⁷.
    pub large: bool,
    /// How often each figure is measured.
    pub runs: usize,
    /// Before each measurement.
    pub warm_up: Duration,
    /// A measurement.
    pub window: Duration,
    /// `snapshot` holds one so long before it measures.
    pub hold: Duration,
    /// `--slots` of nodes under load.
    pub slots: usize,
    /// More flags of the nodes.
    pub flags: Vec<String>,
    /// Settings of PostgreSQL other than its defaults, as `name=value`.
    pub postgres: Vec<String>,
    /// SQL that saturated benchmarks run on the migrated database first: to try a lever.
    pub sql: Option<String>,
    /// Print on stderr which statements a saturated server spends its time on.
    pub statements: bool,
}

impl Options {
    /// One of two amounts.
    fn pick<T>(&self, full: T, small: T) -> T {
        if self.small { small } else { full }
    }
}

/// Runs a benchmark.
pub async fn run(name: Name, options: &Options) -> Result<Line, anyhow::Error> {
    match name {
        Name::Throughput => saturated::throughput(options).await,
        Name::Growth => saturated::growth(options).await,
        Name::Nodes => saturated::nodes(options).await,
        Name::Wal => saturated::wal(options).await,
        Name::Snapshot => saturated::snapshot(options).await,
        Name::Limit => bare::limit(options).await,
        Name::Lateness => lateness::lateness(options).await,
        Name::RunNow => latency::run_now(options).await,
        Name::Start => latency::start(options).await,
        Name::Failover => failover::failover(options).await,
        Name::Idle => idle::idle(options).await,
        Name::Backlog => backlog::backlog(options).await,
        Name::Api => api::api(options).await,
        Name::Create => api::create(options).await,
        Name::Flood => flood::flood(options).await,
    }
}
