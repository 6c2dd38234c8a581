//! Benchmarks: each asks one question of real nodes and a real PostgreSQL with durable settings,
//! and answers with one JSON line that has the conditions, too.
//!
//! Benchmarks measure and check nothing: no number in here is a result or a target, and no test may
//! time anything. Every benchmark has a database server of its own, warms up, and runs several
//! times; counts come from the database or the harness's own clock, never from a node's metrics. A
//! harness that needs a core for itself would measure itself: loads are made by SQL where possible.

mod api;
mod backlog;
mod bare;
mod enqueue;
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

/// The name of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// Fires a second of one node with more due than can run, alternating with the bare SQL.
    Throughput,
    /// Start minus due time at a steady rate, whole-second aligned and spread.
    Lateness,
    /// From `runJobNow` sent to its handler started.
    RunNow,
    /// From `kill -9` to the first redelivery.
    Failover,
    /// The rate of `throughput` with more and more idle triggers.
    Growth,
    /// The rate of `throughput` of 1, 2, 4 and 8 nodes on the same cores.
    Nodes,
    /// Statements, CPU and memory of a node with nothing due.
    Idle,
    /// A backlog due at once: its drain, and the lateness of punctual jobs during the drain.
    Backlog,
    /// Queries and mutations a second over HTTP.
    Api,
    /// From the start of a process to `/readyz`, on a migrated database.
    Start,
    /// WAL bytes of a fire.
    Wal,
    /// The rate of `throughput` while another session holds a snapshot open.
    Snapshot,
    /// Jobs a second by `createJobs`.
    Create,
    /// Runs a second by `enqueueMany` and by the SQL function, and from `enqueue` to the start.
    Enqueue,
    /// The bare SQL of lease and settlement, without a node.
    Limit,
    /// Lateness at a steady rate while clients loop the dearest requests that the API accepts.
    Flood,
}

/// How to run benchmarks.
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the program `horolog`.
    pub program: PathBuf,
    /// Directory of logs and data; each benchmark has a directory of its own in it.
    pub directory: PathBuf,
    /// A second or two each, as a test of the benchmarks: the figures mean nothing.
    pub small: bool,
    /// `growth` goes to 10⁷.
    pub large: bool,
    /// How often each figure is measured.
    pub runs: usize,
    /// Warm-up before each measurement.
    pub warm_up: Duration,
    /// Length of one measurement.
    pub window: Duration,
    /// How long `snapshot` holds a snapshot before it measures.
    pub hold: Duration,
    /// `--slots` of nodes under load.
    pub slots: usize,
    /// More flags of the nodes.
    pub flags: Vec<String>,
    /// Settings of PostgreSQL other than its defaults, as `name=value`.
    pub postgres: Vec<String>,
    /// SQL that saturated benchmarks run on the migrated database first: to try an optimisation.
    pub sql: Option<String>,
    /// Prints on stderr the statements that take most of a saturated server's time.
    pub statements: bool,
}

impl Options {
    /// The full or the small amount.
    fn pick<T>(&self, full: T, small: T) -> T {
        if self.small { small } else { full }
    }
}

/// Runs a benchmark to its line.
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
        Name::Enqueue => enqueue::enqueue(options).await,
        Name::Flood => flood::flood(options).await,
    }
}
