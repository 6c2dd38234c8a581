//! The drill file: a drill in TOML, its defaults and its bounds.

use super::fault_spec::{FaultSpec, Kind, Random, one};
use crate::checker::{Analysis, Rules, check, check_clock_stays};
use crate::history::History;
use crate::job::{JobSpec, SECOND};
use crate::micros::Micros;
use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::path::Path;

/// A drill, with the keys of its file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Drill {
    /// Purpose of the drill, in a sentence.
    pub description: String,
    /// Number of running nodes.
    #[serde(default = "three")]
    pub nodes: usize,
    /// How long the disturbed part takes at least.
    pub seconds: u64,
    /// How long everything is left alone before the final read, at least.
    #[serde(default = "fifteen")]
    pub quiesce_seconds: u64,
    /// Seed of every choice. Default: a new one for each run.
    pub seed: Option<u64>,
    /// `--node-ttl` of the nodes, seconds.
    #[serde(default = "four")]
    pub ttl_seconds: u64,
    /// More flags of `horolog serve`.
    #[serde(default)]
    pub flags: Vec<String>,
    /// The kind of database servers.
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
    /// The time at the beginning, for nodes, database and this program (libfaketime).
    pub wall_clock: Option<DateTime<Utc>>,
    /// A safeguard that the drill can switch off, and the expected findings without it.
    pub disabled_safeguard: Option<DisabledSafeguard>,
    /// Parameters of the checker.
    #[serde(default)]
    pub rules: RulesInFile,
    /// Groups of equal jobs.
    #[serde(default)]
    pub jobs: Vec<JobGroup>,
    /// Number of mixed jobs, with all schedules and policies.
    #[serde(default)]
    pub mix: usize,
    /// Milliseconds between two random commands of an operator.
    pub operator_millis: Option<u64>,
    /// Callers that enqueue runs with unique keys at the same time.
    #[serde(default)]
    pub enqueuers: usize,
    /// Faults, each at its time.
    #[serde(default)]
    pub faults: Vec<FaultSpec>,
    /// Faults at random, from the seed.
    pub random: Option<Random>,
    /// Figures to reach, with their bounds.
    #[serde(default)]
    pub expect: Expect,
}

/// The servers of a drill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Database {
    /// One server, no standby.
    #[default]
    Single,
    /// One server on a disk of 160 MB (root).
    SmallDisk,
    /// A primary and a standby that every commit waits for.
    SynchronousStandby,
    /// A primary and a standby that may lag.
    AsynchronousStandby,
    /// One server that archives its WAL.
    Archived,
    /// Two members of Patroni, with etcd; every commit waits for the standby.
    Patroni,
}

/// A safeguard, and the rules that notice its absence.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisabledSafeguard {
    /// Value of `HOROLOG_DISABLED_SAFEGUARD`.
    pub name: String,
    /// Rules of the checker; at least one must be broken without the safeguard.
    pub findings: Vec<String>,
}

/// Parameters of the checker.
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

/// A group of equal jobs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobGroup {
    /// Number of jobs in the group.
    #[serde(default = "one")]
    pub count: usize,
    /// The definition of each job.
    pub job: JobSpec,
}

/// Figures to reach, milliseconds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Expect {
    /// From a fault to the next attempt of an orphaned execution: median.
    pub redelivery_median: Option<i64>,
    /// The same, but the maximum.
    pub redelivery_max: Option<i64>,
    /// From the end of a fault of the whole cluster to the next delivery, the longest.
    pub fires_again_max: Option<i64>,
    /// Lateness in the whole drill, faults or not: the longest.
    pub lateness_max: Option<i64>,
    /// Highest ratio of lateness during a flood to lateness in calm times (p99; `figures`).
    pub flood_factor: Option<f64>,
    /// Highest number of nodes that are declared dead without a kill.
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
    /// Reads and checks a file.
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
        // A drill without jobs would be kept whatever happens.
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
            Kind::PatroniSwitchover
            | Kind::PatroniPostgresKilled
            | Kind::PatroniMemberKilled
            | Kind::PatroniMemberPaused
                if self.database != Database::Patroni =>
            {
                "database = \"patroni\""
            }
            Kind::Restore | Kind::RestoreUnderNodes if self.database != Database::Archived => {
                "database = \"archived\""
            }
            Kind::DiskFull if self.database != Database::SmallDisk => "database = \"small-disk\"",
            Kind::Unplug | Kind::Lossy if !self.namespaces => "namespaces = true",
            Kind::Skew | Kind::Suspend if !self.clocks => "clocks = true",
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

    /// Whether machines sleep in the drill.
    pub fn suspends(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind == Kind::Suspend)
    }

    /// Checks a history by the rules of the drill.
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

    /// The parameters for the checker.
    pub fn rules(&self) -> Rules {
        Rules {
            ttl: i64::try_from(self.ttl_seconds).unwrap_or(i64::MAX) * SECOND,
            recovery: self.rules.recovery_millis * MILLISECOND,
            lateness: self.rules.lateness_millis * MILLISECOND,
            // Fire times have milliseconds, the sink's clock microseconds.
            earliness: MILLISECOND,
            // The look-ahead of the program, which has no setting.
            look_ahead: 250 * MILLISECOND,
        }
    }
}

/// A millisecond in microseconds.
const MILLISECOND: Micros = 1_000;

fn three() -> usize {
    3
}

fn four() -> u64 {
    4
}

fn fifteen() -> u64 {
    15
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
        let good = "description = \"x\"\nseconds = 5\nmix = 3\n";
        assert!(parse(good).is_ok());
        let cases = [
            ("nodess = 3", "nodess"),
            ("nodes = 0", "nodes"),
            ("[[faults]]\nkind = \"kill\"\nat = 1\nfor = 2", "for"),
            ("[[faults]]\nkind = \"nuke\"\nat = 1", "nuke"),
            ("[[faults]]\nkind = \"failover\"\nat = 1", "standby"),
            ("[[faults]]\nkind = \"disk-full\"\nat = 1", "small-disk"),
            ("[[faults]]\nkind = \"restore\"\nat = 1", "archived"),
            (
                "[[faults]]\nkind = \"patroni-switchover\"\nat = 1",
                "patroni",
            ),
            ("[[faults]]\nkind = \"skew\"\nat = 1", "clocks"),
            (
                "[[faults]]\nkind = \"clock-jump\"\nat = 1",
                "database-clock",
            ),
            (
                "database-clock = true\n[[faults]]\nkind = \"clock-stays\"\nat = 1\n\
                 [[faults]]\nkind = \"kill\"\nat = 1",
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
            parse("description = \"x\"\nseconds = 5\n")
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
