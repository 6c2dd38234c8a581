//! The drill file.

use crate::checker::{Analysis, Rules, check, check_clock_stays};
use crate::history::{History, Micros};
use crate::job::{JobSpec, SECOND};
use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::path::Path;

/// A drill, as its file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Drill {
    /// What it is about, in a sentence.
    pub about: String,
    /// How many nodes it keeps running.
    #[serde(default = "three")]
    pub nodes: usize,
    /// How long the disturbed part takes at least.
    pub seconds: u64,
    /// How long everything is left alone before the final read, at least.
    #[serde(default = "fifteen")]
    pub quiesce_seconds: u64,
    /// Every choice comes from it; a new one for each run unless said.
    pub seed: Option<u64>,
    /// `--node-ttl`, seconds.
    #[serde(default = "four")]
    pub ttl_seconds: u64,
    /// More flags of `horolog serve`.
    #[serde(default)]
    pub flags: Vec<String>,
    /// The database.
    #[serde(default)]
    pub database: Database,
    /// Whether the nodes live in network namespaces (root).
    #[serde(default)]
    pub namespaces: bool,
    /// Whether the nodes have wall clocks of their own (libfaketime).
    #[serde(default)]
    pub clocks: bool,
    /// Whether the database has a wall clock of its own (libfaketime).
    #[serde(default)]
    pub database_clock: bool,
    /// What time it is for everybody, this program and the database too, when it begins
    /// (libfaketime).
    pub wall_clock: Option<DateTime<Utc>>,
    /// A safeguard that the drill can switch off, and what the checker must then say.
    pub bug: Option<Bug>,
    /// What the checker holds the cluster to.
    #[serde(default)]
    pub rules: RulesInFile,
    /// Jobs.
    #[serde(default)]
    pub jobs: Vec<JobGroup>,
    /// So many jobs of all schedules and policies.
    #[serde(default)]
    pub mix: usize,
    /// Milliseconds between two commands of an operator who does anything to any job.
    pub operator_millis: Option<u64>,
    /// Faults, each at its time.
    #[serde(default)]
    pub faults: Vec<FaultSpec>,
    /// Faults at random, from the seed.
    pub random: Option<Random>,
    /// Figures to reach.
    #[serde(default)]
    pub expect: Expect,
}

/// Which PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Database {
    /// One server.
    #[default]
    Single,
    /// One server on a disk of 160 MB (root).
    SmallDisk,
    /// A primary and a standby that every commit waits for.
    SynchronousStandby,
    /// A primary and a standby that may lag.
    AsynchronousStandby,
}

/// A safeguard, and what notices its absence.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// Its name for `HOROLOG_DRILL_BUG`.
    pub safeguard: String,
    /// Rules of the checker, at least one of which must be broken without it.
    pub finds: Vec<String>,
}

/// What the checker holds the cluster to.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RulesInFile {
    /// How late a start may be in calm times.
    pub lateness_millis: i64,
    /// How long after a fault everything may take to be as before.
    pub recovery_millis: i64,
}

impl Default for RulesInFile {
    fn default() -> Self {
        Self {
            lateness_millis: 1_000,
            recovery_millis: 5_000,
        }
    }
}

/// Jobs that are alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobGroup {
    /// How many.
    #[serde(default = "one")]
    pub count: usize,
    /// What they are.
    pub job: JobSpec,
}

/// A fault, or some of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultSpec {
    /// Which.
    pub kind: Kind,
    /// When the first begins, seconds.
    pub at: f64,
    /// How many.
    #[serde(default = "one")]
    pub times: usize,
    /// Seconds from one's beginning to the next.
    #[serde(default = "ten")]
    pub every: f64,
    /// How long each lasts.
    #[serde(default = "two")]
    pub seconds: f64,
    /// Which node, if it hits one.
    #[serde(default)]
    pub node: NodeChoice,
    /// Which actor, for `half-dead`.
    #[serde(default)]
    pub actor: Actor,
    /// How wrong a clock is, seconds, or how slow a wire is, milliseconds, or how many triggers.
    #[serde(default)]
    pub amount: i64,
}

/// Which node a fault hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeChoice {
    /// The one whose deliveries wait for most answers.
    #[default]
    Busiest,
    /// Any.
    Random,
}

/// A critical actor.
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

/// What can be done to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `kill -9` of a node; a new life begins `seconds` later.
    Kill,
    /// `SIGSTOP` for so long.
    Freeze,
    /// `SIGTERM`; a new life begins `seconds` after the end.
    Stop,
    /// `kill -9` of all nodes at once; they are back after so long.
    RestartAll,
    /// All nodes and the database stand still for so long (SIGSTOP), and go on together.
    Standstill,
    /// Each node in turn is stopped and started.
    RollingRestart,
    /// Nodes come and go, one every two seconds.
    Churn,
    /// One actor of a node panics.
    HalfDead,
    /// A node's wall clock is wrong by `amount` seconds for so long.
    Skew,
    /// `pg_ctl restart -m fast`.
    PostgresRestart,
    /// `pg_ctl stop -m immediate`, and back after so long.
    PostgresCrash,
    /// The primary is killed and the standby promoted. An asynchronous one has heard nothing
    /// for so long before.
    Failover,
    /// The old primary comes back for so long, and is then made the standby.
    OldPrimary,
    /// Nobody gets at the log for so long.
    TableLock,
    /// Every connection that the server has left is taken for so long.
    Connections,
    /// A session holds the next due triggers for so long.
    IdleHog,
    /// A snapshot is held open for so long.
    Snapshot,
    /// The disk is full for so long, then the server is started again if it died.
    DiskFull,
    /// The sessions that listen are ended.
    ListenersLost,
    /// A node's membership session is ended.
    MembershipCut,
    /// A node and the database do not hear each other for so long.
    Partition,
    /// The database does not hear a node.
    PartitionOut,
    /// A node does not hear the database.
    PartitionBack,
    /// A node's wire to the database takes `amount` milliseconds each way.
    SlowWire,
    /// A node's sessions are reset, and new ones refused, for so long.
    Reset,
    /// Nobody reaches the target for so long.
    TargetAway,
    /// A node's network cable is pulled, from the target too (namespaces).
    Unplug,
    /// A node loses a third of the packets from the database (namespaces, nft).
    Lossy,
    /// `amount` triggers are due at once, of a job that does nothing.
    Backlog,
    /// The database's clock is wrong by `amount` seconds for so long (libfaketime).
    ClockJump,
    /// The database's clock is off by `amount` seconds from then on (libfaketime); `seconds` later
    /// somebody releases the cluster, or nobody when that is 0. Such a drill is checked by fewer
    /// rules (`checker::check_clock_stays`).
    ClockStays,
    /// Ten clients loop the dearest requests that the nodes let through, for so long.
    Flood,
    /// Jobs with odd payloads, rows that nobody can read, requests nested deep.
    PoisonedValues,
}

/// Faults at random.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Random {
    /// How many.
    pub faults: usize,
    /// Of which kinds.
    pub kinds: Vec<Kind>,
    /// Seconds between two, at most; half of it at least.
    pub gap: f64,
    /// After so many of them ...
    #[serde(default = "usize_max")]
    pub burst: usize,
    /// ... nothing is done for so many seconds, so that something is checked under normal rules.
    #[serde(default)]
    pub calm: f64,
    /// How long each lasts, seconds, at most; a tenth of it at least.
    #[serde(default = "six")]
    pub seconds: f64,
}

/// Figures to reach, milliseconds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Expect {
    /// From a fault to the next attempt of what it orphaned: median.
    pub redelivery_median: Option<i64>,
    /// The longest.
    pub redelivery_max: Option<i64>,
    /// From the end of a fault of the whole cluster to the next delivery, the longest.
    pub fires_again_max: Option<i64>,
    /// Lateness in the whole drill, faults or not: the longest.
    pub lateness_max: Option<i64>,
    /// How many times that of the calm time lateness may be during a flood (p99; `figures`).
    pub flood_factor: Option<f64>,
    /// How many nodes may be declared dead that were not killed.
    pub false_deaths: Option<usize>,
    /// How many executions may have a second attempt.
    pub second_attempts: Option<usize>,
    /// How many faults there must have been.
    pub faults_min: Option<usize>,
    /// How many fire times must have been checked.
    pub fire_times_min: Option<usize>,
    /// Share checked under normal rules, percent.
    pub normal_min: Option<usize>,
}

impl Drill {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, anyhow::Error> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let drill: Self =
            toml::from_str(&text).with_context(|| format!("{} is no drill", path.display()))?;
        drill
            .validate()
            .with_context(|| format!("{} is no drill", path.display()))?;
        Ok(drill)
    }

    fn validate(&self) -> Result<(), anyhow::Error> {
        ensure!((1..=20).contains(&self.nodes), "nodes must be from 1 to 20");
        ensure!(self.ttl_seconds >= 1, "ttl-seconds must be at least 1");
        ensure!(
            !self.jobs.is_empty() || self.mix > 0,
            "there is nothing to run: say `mix`, or [[jobs]]"
        );
        let kinds = self.faults.iter().map(|fault| fault.kind);
        for kind in kinds.chain(
            self.random
                .iter()
                .flat_map(|random| random.kinds.iter().copied()),
        ) {
            self.validate_kind(kind)?;
        }
        if let Some(random) = &self.random {
            ensure!(!random.kinds.is_empty(), "[random] names no kinds");
            ensure!(
                random.gap >= 0.0 && random.seconds > 0.0,
                "[random] has a negative time"
            );
        }
        ensure!(
            !self.database_clock || self.wall_clock.is_none(),
            "database-clock and wall-clock would fake each other's"
        );
        ensure!(
            !self.clocks || self.wall_clock.is_none(),
            "clocks and wall-clock would each fake the other's"
        );
        let stays = self
            .faults
            .iter()
            .filter(|fault| fault.kind == Kind::ClockStays)
            .count();
        ensure!(
            stays == 0 || (stays == self.faults.len() && self.random.is_none()),
            "clock-stays has a checker of its own: no other fault may be in its drill"
        );
        for fault in &self.faults {
            ensure!(
                fault.at >= 0.0 && fault.every >= 0.0 && fault.seconds >= 0.0,
                "a fault has a negative time"
            );
        }
        Ok(())
    }

    fn validate_kind(&self, kind: Kind) -> Result<(), anyhow::Error> {
        let standby = matches!(
            self.database,
            Database::SynchronousStandby | Database::AsynchronousStandby
        );
        let needs = match kind {
            Kind::Failover | Kind::OldPrimary if !standby => "a standby",
            Kind::DiskFull if self.database != Database::SmallDisk => "database = \"small-disk\"",
            Kind::Unplug | Kind::Lossy if !self.namespaces => "namespaces = true",
            Kind::Skew if !self.clocks => "clocks = true",
            Kind::ClockJump | Kind::ClockStays if !self.database_clock => "database-clock = true",
            Kind::Partition
            | Kind::PartitionOut
            | Kind::PartitionBack
            | Kind::SlowWire
            | Kind::Reset
            | Kind::TargetAway
                if self.namespaces =>
            {
                "namespaces = false: a namespace has no proxy"
            }
            _ => return Ok(()),
        };
        bail!("{kind:?} needs {needs}")
    }

    /// Checks what was seen.
    pub fn check(&self, history: &History) -> Analysis {
        let stays = self
            .faults
            .iter()
            .any(|fault| fault.kind == Kind::ClockStays);
        if stays {
            check_clock_stays(history, &self.rules())
        } else {
            check(history, &self.rules())
        }
    }

    /// What the checker holds the cluster to.
    pub fn rules(&self) -> Rules {
        Rules {
            ttl: i64::try_from(self.ttl_seconds).unwrap_or(i64::MAX) * SECOND,
            recovery: self.rules.recovery_millis * MILLISECOND,
            lateness: self.rules.lateness_millis * MILLISECOND,
            // Fire times have milliseconds, the sink's clock microseconds.
            earliness: MILLISECOND,
            look_ahead: 250 * MILLISECOND,
        }
    }
}

/// A millisecond.
const MILLISECOND: Micros = 1_000;

fn one() -> usize {
    1
}

fn three() -> usize {
    3
}

fn four() -> u64 {
    4
}

fn fifteen() -> u64 {
    15
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Drill, String> {
        let drill: Drill = toml::from_str(text).map_err(|error| error.to_string())?;
        drill
            .validate()
            .map(|()| drill)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_drill_that_cannot_mean_what_it_says_is_refused() {
        let good = "about = \"x\"\nseconds = 5\nmix = 3\n";
        assert!(parse(good).is_ok());
        let cases = [
            ("nodess = 3", "nodess"),
            ("nodes = 0", "nodes"),
            ("[[faults]]\nkind = \"kill\"\nat = 1\nfor = 2", "for"),
            ("[[faults]]\nkind = \"nuke\"\nat = 1", "nuke"),
            ("[[faults]]\nkind = \"failover\"\nat = 1", "standby"),
            ("[[faults]]\nkind = \"disk-full\"\nat = 1", "small-disk"),
            ("[[faults]]\nkind = \"skew\"\nat = 1", "clocks"),
            (
                "[[faults]]\nkind = \"clock-jump\"\nat = 1",
                "database-clock",
            ),
            (
                "database-clock = true\n[[faults]]\nkind = \"clock-stays\"\nat = 1\n[[faults]]\nkind = \"kill\"\nat = 1",
                "a checker of its own",
            ),
            ("[[faults]]\nkind = \"unplug\"\nat = 1", "namespaces"),
            ("[[faults]]\nkind = \"kill\"\nat = -1.0", "negative"),
            (
                "clocks = true\nwall-clock = \"2027-03-28T00:59:35Z\"",
                "wall-clock",
            ),
            ("[random]\nfaults = 1\nkinds = []\ngap = 1.0", "kinds"),
        ];
        for (more, expected) in cases {
            let error = parse(&format!("{good}{more}\n")).expect_err(more);
            assert!(error.contains(expected), "{more}: {error}");
        }
        assert!(
            parse("about = \"x\"\nseconds = 5\n")
                .expect_err("no jobs")
                .contains("nothing to run")
        );
    }

    #[test]
    fn every_drill_of_the_project_is_one() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("drills");
        let mut count = 0;
        for entry in std::fs::read_dir(directory).expect("the drills") {
            let path = entry.expect("an entry").path();
            Drill::read(&path).unwrap_or_else(|error| panic!("{error:#}"));
            count += 1;
        }
        assert!(count > 0);
    }
}
