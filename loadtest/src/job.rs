//! Jobs of a drill: the input of `createJob`, and the rules that the checker applies.

use crate::micros::Micros;
use serde::{Deserialize, Serialize};

/// A job of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Display only; not unique.
    pub name: String,
    /// When the job fires.
    pub schedule: Schedule,
    /// Policy for fire times that are found later than the grace.
    #[serde(default)]
    pub misfire: Misfire,
    /// How late a fire time may be found and still simply run late, seconds.
    #[serde(default = "default_grace")]
    pub misfire_grace_seconds: u32,
    /// Policy for a fire time that comes due during a run.
    #[serde(default)]
    pub overlap: Overlap,
    /// Policy for an attempt whose node died.
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
    /// `jitterSeconds`, the largest delay of a start after its fire time; a start is due before the
    /// next fire time.
    #[serde(default)]
    pub jitter_seconds: u32,
    /// `endAt`: the last instant that may be a fire time.
    #[serde(default)]
    pub end_at: Option<Micros>,
    /// `maxRuns`. The checker does not count runs: drills give numbers that no run reaches.
    #[serde(default)]
    pub max_runs: Option<u32>,
    /// How the sink answers deliveries of the job.
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
        /// IANA name of a time zone.
        #[serde(default = "utc")]
        zone: String,
    },
    /// Anchor + k · seconds; the anchor is the first fire time that the API named.
    FixedRate {
        /// Period in whole seconds.
        seconds: u32,
    },
    /// Each fire time follows the end of the previous execution.
    FixedDelay {
        /// Delay in whole seconds.
        seconds: u32,
    },
    /// Once, some seconds after the request of the creation.
    Once {
        /// Seconds from the call; the instant itself is [`crate::history::Call::start_at`].
        after_seconds: u32,
    },
    /// No schedule (`ON_DEMAND`): runs only on request.
    Manual,
}

/// Misfire policy: `misfirePolicy` of the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Misfire {
    /// The last missed fire time runs, the others are coalesced into it.
    #[default]
    FireOnce,
    /// All run, oldest first.
    FireAll,
    /// No missed fire time runs.
    Skip,
}

/// Overlap policy: `overlapPolicy` of the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Overlap {
    /// Executions run at the same time.
    #[default]
    Allow,
    /// The fire time is recorded as `SKIPPED`/`OVERLAP`.
    Skip,
    /// One fire time is buffered, later ones are skipped.
    BufferOne,
    /// All fire times are buffered.
    BufferAll,
    /// The running execution is cancelled.
    CancelOther,
}

/// Recovery policy: `recovery` of the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Recovery {
    /// Run again: at least once.
    #[default]
    Rerun,
    /// Recorded as lost: at most once.
    MarkLost,
}

/// The sink's behaviour for a delivery, sent in the query of the URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, named in drill files"
)]
pub struct Target {
    /// Milliseconds before the answer.
    pub delay: u32,
    /// The same for attempts from the second on. Default: `delay`.
    pub delay_later: Option<u32>,
    /// Number of first attempts that are answered with 500.
    pub fail: u32,
    /// The sink never answers.
    pub hang: bool,
    /// Refuses with 409 an attempt lower than one seen of its execution, and answers an execution
    /// that has succeeded with 200 without effect.
    pub fenced: bool,
    /// The node that sent a first attempt is killed after the answer 200.
    pub kill: bool,
    /// Every node that sends an attempt is killed on arrival.
    pub poison: bool,
    /// Bytes of the answer's body.
    pub body: u32,
    /// The body is no text: NUL, invalid UTF-8, control characters of a terminal.
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
