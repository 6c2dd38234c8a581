//! The faults of a drill file: kinds, times and targets.

use serde::Deserialize;

/// A fault, or a series of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultSpec {
    /// The kind of the fault.
    pub kind: Kind,
    /// When the first begins, seconds.
    pub at: f64,
    /// Number of faults in the series.
    #[serde(default = "one")]
    pub times: usize,
    /// Seconds from one's beginning to the next.
    #[serde(default = "ten")]
    pub every: f64,
    /// How long each lasts.
    #[serde(default = "two")]
    pub seconds: f64,
    /// The node of the fault, if the kind hits one.
    #[serde(default)]
    pub node: NodeChoice,
    /// The actor, for `half-dead`.
    #[serde(default)]
    pub actor: Actor,
    /// How wrong a clock is, seconds, or how slow a wire is, milliseconds, or how many triggers.
    #[serde(default)]
    pub amount: i64,
}

/// The choice of a node for a fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeChoice {
    /// The node with the most deliveries that wait for an answer.
    #[default]
    Busiest,
    /// A node by the seed.
    Random,
}

/// A critical actor of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "design.md names them")]
pub enum Actor {
    #[default]
    ExecutorPool,
    TriggerAcquirer,
    Reconciler,
    ClusterMembership,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `kill -9` of a node; a new life begins `seconds` later.
    Kill,
    /// `SIGSTOP` of a node for `seconds`.
    Freeze,
    /// A node's machine sleeps for `seconds`: the node stands still, and so does its monotonic
    /// clock (SIGSTOP and libfaketime).
    Suspend,
    /// `SIGTERM`; a new life begins `seconds` after the end.
    Stop,
    /// `kill -9` of all nodes at once; new lives begin after `seconds`.
    RestartAll,
    /// All nodes and the database stand still for `seconds` (SIGSTOP), and continue together.
    Standstill,
    /// Each node in turn is stopped and started.
    RollingRestart,
    /// Nodes start and end, one every two seconds.
    Churn,
    /// One actor of a node panics.
    HalfDead,
    /// A node's wall clock is wrong by `amount` seconds for `seconds`.
    Skew,
    /// `pg_ctl restart -m fast`.
    PostgresRestart,
    /// `pg_ctl stop -m immediate`; the server returns after `seconds`.
    PostgresCrash,
    /// The primary is killed and the standby promoted. An asynchronous standby lacks the writes of
    /// the last `seconds`.
    Failover,
    /// The database is restored to an instant `seconds` before its end, as docs/postgresql.md says:
    /// nodes stopped, `horolog pause-cluster`, nodes started, `horolog resume-cluster`.
    Restore,
    /// The same under nodes that run: they notice a loss of more than a minute.
    RestoreUnderNodes,
    /// The old primary returns for `seconds`, and is then made the standby.
    OldPrimary,
    /// The standby becomes the leader of Patroni by an operator's order.
    PatroniSwitchover,
    /// `kill -9` of the leader's PostgreSQL: Patroni starts it again, or changes the leader.
    PatroniPostgresKilled,
    /// `kill -9` of the leader's Patroni and PostgreSQL; they return `seconds` after the standby is
    /// the leader.
    PatroniMemberKilled,
    /// The leader's Patroni and PostgreSQL stand still until `seconds` after the standby is the
    /// leader, and continue.
    PatroniMemberPaused,
    /// The log is locked for `seconds`.
    TableLock,
    /// All free connections of the server are taken for `seconds`.
    Connections,
    /// A session holds the next due triggers for `seconds`.
    IdleHog,
    /// A snapshot is held open for `seconds`.
    Snapshot,
    /// The disk is full for `seconds`, then the server is started again if it died.
    DiskFull,
    /// The sessions that listen are ended.
    ListenersLost,
    /// A node's membership session is ended.
    MembershipCut,
    /// A node and the database do not hear each other for `seconds`.
    Partition,
    /// The database does not hear a node.
    PartitionOut,
    /// A node does not hear the database.
    PartitionBack,
    /// A node's wire to the database takes `amount` milliseconds each way.
    SlowWire,
    /// A node's sessions are reset, and new ones refused, for `seconds`.
    Reset,
    /// The target is unreachable for `seconds`.
    TargetAway,
    /// A node's network cable is pulled, from the target too (namespaces).
    Unplug,
    /// A node loses a third of the packets from the database (namespaces, nft).
    Lossy,
    /// `amount` triggers are due at once, of a job that does nothing.
    Backlog,
    /// The database's clock is wrong by `amount` seconds for `seconds` (libfaketime).
    ClockJump,
    /// The database's clock is off by `amount` seconds from then on (libfaketime); an operator
    /// resumes the cluster after `seconds`, or never when that is 0. Such a drill is checked by
    /// fewer rules (`checker::check_clock_stays`).
    ClockStays,
    /// Ten clients loop the dearest requests that the nodes accept, for `seconds`.
    Flood,
    /// Jobs with odd payloads, unreadable rows, deeply nested requests.
    PoisonedValues,
}

/// A random series of faults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Random {
    /// Number of random faults.
    pub faults: usize,
    /// Kinds to choose from.
    pub kinds: Vec<Kind>,
    /// Longest time between two faults, seconds; the shortest is half of it.
    pub gap: f64,
    /// Faults of a burst: after each burst ...
    #[serde(default = "usize_max")]
    pub burst: usize,
    /// ... nothing is done for `calm` seconds, so that something is checked under normal rules.
    #[serde(default)]
    pub calm: f64,
    /// Longest duration of a fault, seconds; the shortest is a tenth of it.
    #[serde(default = "six")]
    pub seconds: f64,
}

pub(super) fn one() -> usize {
    1
}

fn two() -> f64 {
    2.0
}

fn six() -> f64 {
    6.0
}

fn ten() -> f64 {
    10.0
}

fn usize_max() -> usize {
    usize::MAX
}
