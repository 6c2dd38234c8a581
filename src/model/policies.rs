//! Policies: the rules for late, overlapping and failing fire times.
//!
//! A JSON object with the names of the API (`job_definition.policies`) stores the differences from
//! the defaults. The object is small, and a new policy needs no migration.

use super::retry::RetryPolicy;
use super::schedule::cron::{CronOptions, DstGap, DstOverlap};
use super::schedule::zone::Zone;
use super::validate::within;
use super::{InvalidInput, Timestamp, text_enum};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::LazyLock;
use uuid::Uuid;

/// Longest grace, window, jitter and time-out, in seconds: a year.
const SECONDS_MAX: i32 = 366 * 86_400;
/// Largest value of `maxCatchUp`: missed fire times to run after an outage.
const CATCH_UP_MAX: i32 = 100_000;
/// Largest value of `retainExecutions`.
const RETAIN_MAX: i32 = 1_000_000;
/// Most fire times waiting behind a running execution; more are skipped.
pub const BUFFER_MAX: usize = 1_000;

text_enum! {
    /// The rule for fire times found later than the grace.
    #[derive(async_graphql::Enum)]
    MisfirePolicy, "misfire policy" {
        /// The last missed fire time runs; the others are coalesced into the last.
        FireOnce = "FIRE_ONCE",
        /// All run, oldest first, within the catch-up bounds.
        FireAll = "FIRE_ALL",
        /// No such fire time runs.
        Skip = "SKIP",
    }
}

text_enum! {
    /// The rule for a fire time due while an execution of the job is in flight anywhere in the
    /// cluster (the table of Temporal).
    #[derive(async_graphql::Enum)]
    OverlapPolicy, "overlap policy" {
        /// Both run at the same time.
        Allow = "ALLOW",
        /// No such fire time runs.
        Skip = "SKIP",
        /// The fire time waits for the end; a second waiting fire time is skipped.
        BufferOne = "BUFFER_ONE",
        /// All fire times wait, and run in turn.
        BufferAll = "BUFFER_ALL",
        /// The running execution is cancelled; the latest fire time waits for the end.
        CancelOther = "CANCEL_OTHER",
    }
}

/// The rules of a job, without target and schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policies {
    /// Earliest fire time; for `ONCE` the only fire time.
    pub start_at: Option<Timestamp>,
    /// Latest fire time of the schedule. `None`: no end.
    pub end_at: Option<Timestamp>,
    /// Most fire times to run.
    pub max_runs: Option<i64>,
    /// Largest delay between fire time and due time, in seconds. The delay is a hash of job and
    /// fire time, so all nodes compute the same delay.
    pub jitter_seconds: i32,
    /// Rule for late fire times.
    pub misfire_policy: MisfirePolicy,
    /// Lateness, in seconds, up to which a fire time runs late without a misfire.
    pub misfire_grace_seconds: i32,
    /// For `FIRE_ALL`: largest age in seconds; older fire times are skipped.
    pub catch_up_window_seconds: Option<i32>,
    /// For `FIRE_ALL`: most fire times to run, the newest.
    pub max_catch_up: Option<i32>,
    /// Rule for fire times during an execution.
    pub overlap_policy: OverlapPolicy,
    /// Longest attempt, in seconds.
    pub timeout_seconds: Option<i32>,
    /// Rule for failed attempts.
    pub retry: RetryPolicy,
    /// Whether the final failure of an execution pauses the job.
    pub pause_on_failure: bool,
    /// Number of the newest executions retained in the log, of any age. Default: retention by age.
    pub retain_executions: Option<i32>,
    /// Rule of a cron expression for missing local times.
    pub dst_gap: DstGap,
    /// Rule of a cron expression for repeated local times.
    pub dst_overlap: DstOverlap,
}

/// Made once, because each new job is compared with the defaults.
static DEFAULTS: LazyLock<Policies> = LazyLock::new(Policies::default);
/// The defaults by name.
static NAMED_DEFAULTS: LazyLock<Map<String, Value>> = LazyLock::new(|| DEFAULTS.to_map());

impl Default for Policies {
    fn default() -> Self {
        Self {
            start_at: None,
            end_at: None,
            max_runs: None,
            jitter_seconds: 0,
            misfire_policy: MisfirePolicy::FireOnce,
            misfire_grace_seconds: 60,
            catch_up_window_seconds: None,
            max_catch_up: None,
            overlap_policy: OverlapPolicy::Allow,
            timeout_seconds: None,
            retry: RetryPolicy::default(),
            pause_on_failure: false,
            retain_executions: None,
            dst_gap: DstGap::default(),
            dst_overlap: DstOverlap::default(),
        }
    }
}

impl Policies {
    /// The stored form: the differences from the defaults. Most jobs have no difference, and each
    /// new job is written twice, with the first version: `createJobs` is an eighth faster with the
    /// short form (docs/internals/performance.md).
    pub fn stored(&self) -> Map<String, Value> {
        if *self == *DEFAULTS {
            return Map::new();
        }
        let mut named = self.to_map();
        named.retain(|name, value| NAMED_DEFAULTS.get(name) != Some(value));
        named
    }

    /// The stored form with all defaults; display only.
    pub fn completed(stored: Map<String, Value>) -> Map<String, Value> {
        let mut all = NAMED_DEFAULTS.clone();
        all.extend(stored);
        all
    }

    fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            other => unreachable!("a struct without odd keys is an object: {other:?}"),
        }
    }

    /// Whether the executions of the job run in turn.
    pub fn is_serialized(&self) -> bool {
        self.overlap_policy != OverlapPolicy::Allow
    }

    /// Refuses impossible values. The error names the field.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        if let (Some(start), Some(end)) = (self.start_at, self.end_at)
            && end < start
        {
            return Err(InvalidInput::new("endAt", "must not be before startAt"));
        }
        if self.max_runs.is_some_and(|runs| runs < 1) {
            return Err(InvalidInput::new("maxRuns", "must be at least 1"));
        }
        within("jitterSeconds", Some(self.jitter_seconds), 0, SECONDS_MAX)?;
        within(
            "misfireGraceSeconds",
            Some(self.misfire_grace_seconds),
            0,
            SECONDS_MAX,
        )?;
        within(
            "catchUpWindowSeconds",
            self.catch_up_window_seconds,
            1,
            SECONDS_MAX,
        )?;
        within("maxCatchUp", self.max_catch_up, 1, CATCH_UP_MAX)?;
        within("retainExecutions", self.retain_executions, 1, RETAIN_MAX)?;
        within("timeoutSeconds", self.timeout_seconds, 1, SECONDS_MAX)?;
        self.retry.validate()
    }

    /// The options for the cron expression of the job `id`.
    pub fn cron_options(&self, zone: Zone, id: Uuid) -> CronOptions {
        CronOptions {
            zone,
            dst_gap: self.dst_gap,
            dst_overlap: self.dst_overlap,
            seed: Some(id),
        }
    }

    /// [`Policies::misfire_grace_seconds`] as a duration.
    pub fn misfire_grace(&self) -> TimeDelta {
        TimeDelta::seconds(self.misfire_grace_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_has_every_default() {
        let stored: Policies = serde_json::from_str("{}").expect("parses");
        assert_eq!(stored, Policies::default());
        let text = serde_json::to_string(&stored).expect("serializes");
        assert_eq!(
            serde_json::from_str::<Policies>(&text).expect("parses"),
            stored
        );
    }

    #[test]
    fn what_differs_is_stored_and_people_see_all() {
        assert!(Policies::default().stored().is_empty());
        let mut policies = Policies {
            jitter_seconds: 7,
            timeout_seconds: Some(30),
            ..Policies::default()
        };
        policies.retry.max_attempts = 3;
        let stored = policies.stored();
        assert_eq!(
            stored.keys().collect::<Vec<_>>(),
            ["jitterSeconds", "retry", "timeoutSeconds"]
        );
        assert_eq!(
            serde_json::from_value::<Policies>(Value::Object(stored.clone())).expect("parses"),
            policies
        );
        assert_eq!(Policies::completed(stored), policies.to_map());
    }

    /// Jobs do not store defaults, and nodes of different versions must agree: they never change.
    #[test]
    fn no_default_has_changed() {
        let defaults = serde_json::json!({
            "startAt": null, "endAt": null, "maxRuns": null, "jitterSeconds": 0,
            "misfirePolicy": "FIRE_ONCE", "misfireGraceSeconds": 60, "catchUpWindowSeconds": null, "maxCatchUp": null,
            "overlapPolicy": "ALLOW", "timeoutSeconds": null,
            "retry": {"maxAttempts": 1, "initialBackoffSeconds": 5, "maxBackoffSeconds": 3600, "multiplier": 2.0},
            "pauseOnFailure": false, "retainExecutions": null,
            "dstGap": "RUN_AT_GAP_END", "dstOverlap": "AUTO",
        });
        assert_eq!(Value::Object(Policies::default().to_map()), defaults);
    }

    #[test]
    fn every_bound_is_named() {
        type Change = fn(&mut Policies);
        let cases: [(&str, Change); 13] = [
            ("endAt", |p| {
                (p.start_at, p.end_at) = (Some(Timestamp::MAX_UTC), Some(Timestamp::MIN_UTC));
            }),
            ("maxRuns", |p| p.max_runs = Some(0)),
            ("jitterSeconds", |p| p.jitter_seconds = -1),
            ("misfireGraceSeconds", |p| {
                p.misfire_grace_seconds = i32::MAX;
            }),
            ("catchUpWindowSeconds", |p| {
                p.catch_up_window_seconds = Some(0);
            }),
            ("maxCatchUp", |p| p.max_catch_up = Some(0)),
            ("retainExecutions", |p| p.retain_executions = Some(0)),
            ("timeoutSeconds", |p| p.timeout_seconds = Some(0)),
            ("retry.maxAttempts", |p| p.retry.max_attempts = 0),
            ("retry.initialBackoffSeconds", |p| {
                p.retry.initial_backoff_seconds = -1;
            }),
            ("retry.maxBackoffSeconds", |p| {
                p.retry.max_backoff_seconds = -1;
            }),
            ("retry.multiplier", |p| p.retry.multiplier = 0.5),
            ("retry.multiplier", |p| p.retry.multiplier = f64::NAN),
        ];
        for (field, change) in cases {
            let mut policies = Policies::default();
            change(&mut policies);
            assert_eq!(policies.validate().expect_err(field).field, field);
        }
    }
}
