//! Jobs as a drill asks for them: what `createJob` is told, and what the checker
//! holds the cluster to.

use crate::history::Micros;
use serde::{Deserialize, Serialize};

/// A job of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// For people; not unique.
    pub name: String,
    /// When it fires.
    pub schedule: Schedule,
    /// What becomes of fire times found later than the grace.
    #[serde(default)]
    pub misfire: Misfire,
    /// How late a fire time may be found and still simply run late, seconds.
    #[serde(default = "default_grace")]
    pub misfire_grace_seconds: u32,
    /// What becomes of a fire time that comes due during a run.
    #[serde(default)]
    pub overlap: Overlap,
    /// What happens to an attempt whose node died.
    #[serde(default)]
    pub recovery: Recovery,
    /// How often a lost attempt is run again before `CRASH_LOOP`.
    #[serde(default = "default_recoveries")]
    pub max_recoveries: u32,
    /// Attempts that may end by themselves, from 1. Back-off is fixed: 1 s.
    #[serde(default = "one")]
    pub max_attempts: u32,
    /// `timeoutSeconds` of an attempt.
    #[serde(default)]
    pub timeout_seconds: Option<u32>,
    /// `jitterSeconds`: a start is due at most so long after its fire time, and before the next
    /// one.
    #[serde(default)]
    pub jitter_seconds: u32,
    /// `endAt`: the last instant that may be a fire time.
    #[serde(default)]
    pub end_at: Option<Micros>,
    /// `maxRuns`. The checker does not count runs: drills give numbers that no run reaches.
    #[serde(default)]
    pub max_runs: Option<u32>,
    /// How the sink treats its deliveries.
    #[serde(default)]
    pub target: Target,
}

/// When a job fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Six fields of Quartz (seconds first) in an IANA zone.
    Cron {
        /// Fields of `*`, `?`, numbers, lists, ranges and steps.
        expression: String,
        /// IANA name.
        #[serde(default = "utc")]
        zone: String,
    },
    /// Anchor + k · seconds; the anchor is the first fire time that the API named.
    FixedRate {
        /// The period.
        seconds: u32,
    },
    /// So long after the end of the previous execution.
    FixedDelay {
        /// The rest.
        seconds: u32,
    },
    /// Once, so long after the creation was asked for.
    Once {
        /// Seconds from the call; the instant itself is [`crate::history::Call::start_at`].
        after_seconds: u32,
    },
    /// Never by itself in a drill (a cron years ahead): run-now alone.
    Manual,
}

/// `misfirePolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Misfire {
    /// The last missed one runs, the others are folded into it.
    #[default]
    FireOnce,
    /// All run, oldest first.
    FireAll,
    /// None runs.
    Skip,
}

/// `overlapPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Overlap {
    /// Runs beside it.
    #[default]
    Allow,
    /// `SKIPPED`/`OVERLAP`.
    Skip,
    /// One waits, later ones are skipped.
    BufferOne,
    /// All wait.
    BufferAll,
    /// Cancels what runs.
    CancelOther,
}

/// `recovery`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Recovery {
    /// Run again: at least once.
    #[default]
    Rerun,
    /// Recorded as lost: at most once.
    MarkLost,
}

/// How the sink treats a delivery. It travels in the URL's query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, named in drill files"
)]
pub struct Target {
    /// Milliseconds before the answer.
    pub delay: u32,
    /// The same for attempts from the second on; `delay` unless said.
    pub delay_later: Option<u32>,
    /// So many first attempts are answered with 500.
    pub fail: u32,
    /// Never answers.
    pub hang: bool,
    /// Refuses with 409 an attempt lower than one seen of its execution, and
    /// answers an execution that has succeeded with 200 without effect.
    pub fenced: bool,
    /// The node that sent a first attempt is killed once that was answered with 200.
    pub kill: bool,
    /// Every node that sends an attempt is killed when it has arrived.
    pub poison: bool,
    /// Bytes of the answer's body.
    pub body: u32,
    /// The body is no text: NUL, invalid UTF-8, what steers a terminal.
    pub odd: bool,
}

fn default_grace() -> u32 {
    60
}

fn default_recoveries() -> u32 {
    3
}

fn one() -> u32 {
    1
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A second, in [`Micros`].
pub const SECOND: Micros = 1_000_000;
