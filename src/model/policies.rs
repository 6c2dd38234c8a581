//! Policies: what becomes of fire times that come late, too often or in vain.
//!
//! Stored as one JSON object in the words of the API (`job_definition.policies`),
//! of what differs from the defaults: small, and a new policy needs no migration.

use super::retry::RetryPolicy;
use super::schedule::cron::{CronOptions, DstGap, DstOverlap};
use super::schedule::zone::Zone;
use super::{InvalidInput, Timestamp, text_enum};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::LazyLock;
use uuid::Uuid;

/// Longest grace, window, jitter and time-out, in seconds: a year.
const SECONDS_MAX: i32 = 366 * 86_400;
/// Most missed fire times that a job may ask to run after an outage.
const CATCH_UP_MAX: i32 = 100_000;
/// Most executions that a job may keep by count.
const KEEP_MAX: i32 = 1_000_000;
/// Most fire times that wait behind a running execution; more are skipped.
pub const BUFFER_MAX: usize = 1_000;

text_enum! {
    /// What happens to fire times that are found later than the grace.
    #[derive(async_graphql::Enum)]
    MisfirePolicy, "misfire policy" {
        /// The last missed one runs, the others are folded into it.
        FireOnce = "FIRE_ONCE",
        /// Every one runs, oldest first, within the catch-up bounds.
        FireAll = "FIRE_ALL",
        /// None runs.
        Skip = "SKIP",
    }
}

text_enum! {
    /// What happens to a fire time that comes due while an execution of its job is in flight
    /// anywhere in the cluster (the policies are Temporal's).
    #[derive(async_graphql::Enum)]
    OverlapPolicy, "overlap policy" {
        /// Both run at the same time.
        Allow = "ALLOW",
        /// It is skipped.
        Skip = "SKIP",
        /// It waits for the end; a second one that would wait is skipped.
        BufferOne = "BUFFER_ONE",
        /// All wait, and run one by one.
        BufferAll = "BUFFER_ALL",
        /// The running one is cancelled; the latest waits for its end.
        CancelOther = "CANCEL_OTHER",
    }
}

/// Everything about a job that is neither what it runs nor which instants its
/// schedule names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policies {
    /// No fire time before it; the fire time of `ONCE`.
    pub start_at: Option<Timestamp>,
    /// No fire time after it.
    pub end_at: Option<Timestamp>,
    /// No fire time runs after so many have.
    pub max_runs: Option<i64>,
    /// Largest delay between fire time and due time; a hash of both job and
    /// fire time, so that every node computes the same.
    pub jitter_seconds: i32,
    /// See [`MisfirePolicy`].
    pub misfire_policy: MisfirePolicy,
    /// How late a fire time may be found and still simply run late.
    pub misfire_grace_seconds: i32,
    /// `FIRE_ALL`: older fire times are skipped.
    pub catch_up_window_seconds: Option<i32>,
    /// `FIRE_ALL`: only so many of the newest run.
    pub max_catch_up: Option<i32>,
    /// See [`OverlapPolicy`].
    pub overlap_policy: OverlapPolicy,
    /// How long one attempt may take.
    pub timeout_seconds: Option<i32>,
    /// When and how often a failed attempt is tried again.
    pub retry: RetryPolicy,
    /// Whether an execution that fails for good pauses its job.
    pub pause_on_failure: bool,
    /// How many of its newest executions the log keeps, whatever their age; by age
    /// unless said.
    pub keep_executions: Option<i32>,
    /// What a cron does when the clock goes forward over its time.
    pub dst_gap: DstGap,
    /// What a cron does when the clock goes back over its time.
    pub dst_overlap: DstOverlap,
}

/// Made once: each new job is compared with them.
static DEFAULTS: LazyLock<Policies> = LazyLock::new(Policies::default);
/// The same by name.
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
            keep_executions: None,
            dst_gap: DstGap::default(),
            dst_overlap: DstOverlap::default(),
        }
    }
}

impl Policies {
    /// What is stored: that which differs from the defaults. Most jobs have them all, twice with
    /// their first version: `createJobs` is an eighth faster without
    /// (docs/internals/performance.md).
    pub fn stored(&self) -> Map<String, Value> {
        if *self == *DEFAULTS {
            return Map::new();
        }
        let mut named = self.to_map();
        named.retain(|name, value| NAMED_DEFAULTS.get(name) != Some(value));
        named
    }

    /// What was stored, with the defaults that it left out: for people.
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

    /// Whether fire times may wait for the end of what runs, or give way to it.
    pub fn is_serialized(&self) -> bool {
        self.overlap_policy != OverlapPolicy::Allow
    }

    /// Refuses what cannot be; the error names the field.
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
        within("keepExecutions", self.keep_executions, 1, KEEP_MAX)?;
        within("timeoutSeconds", self.timeout_seconds, 1, SECONDS_MAX)?;
        self.retry.validate()
    }

    /// How the cron expression of the job `id` is read.
    pub fn cron_options(&self, zone: Zone, id: Uuid) -> CronOptions {
        CronOptions {
            zone,
            dst_gap: self.dst_gap,
            dst_overlap: self.dst_overlap,
            seed: Some(id),
        }
    }

    /// See [`Policies::misfire_grace_seconds`].
    pub fn misfire_grace(&self) -> TimeDelta {
        TimeDelta::seconds(self.misfire_grace_seconds.into())
    }
}

/// Refuses a number outside its bounds, which the error names.
pub(super) fn within(
    field: &'static str,
    value: Option<i32>,
    least: i32,
    most: i32,
) -> Result<(), InvalidInput> {
    match value {
        Some(value) if !(least..=most).contains(&value) => Err(InvalidInput::new(
            field,
            format!("must be from {least} to {most}"),
        )),
        _ => Ok(()),
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

    /// Jobs do not store them, and nodes of several versions must read the same: they never change.
    #[test]
    fn no_default_has_changed() {
        let defaults = serde_json::json!({
            "startAt": null, "endAt": null, "maxRuns": null, "jitterSeconds": 0,
            "misfirePolicy": "FIRE_ONCE", "misfireGraceSeconds": 60, "catchUpWindowSeconds": null, "maxCatchUp": null,
            "overlapPolicy": "ALLOW", "timeoutSeconds": null,
            "retry": {"maxAttempts": 1, "initialBackoffSeconds": 5, "maxBackoffSeconds": 3600, "multiplier": 2.0},
            "pauseOnFailure": false, "keepExecutions": null,
            "dstGap": "RUN_AT_GAP_END", "dstOverlap": "AUTO",
        });
        assert_eq!(Value::Object(Policies::default().to_map()), defaults);
    }

    #[test]
    fn every_bound_is_named() {
        type Change = fn(&mut Policies);
        let cases: [(&str, Change); 13] = [
            ("endAt", |p| {
                (p.start_at, p.end_at) = (Some(Timestamp::MAX_UTC), Some(Timestamp::MIN_UTC))
            }),
            ("maxRuns", |p| p.max_runs = Some(0)),
            ("jitterSeconds", |p| p.jitter_seconds = -1),
            ("misfireGraceSeconds", |p| {
                p.misfire_grace_seconds = i32::MAX
            }),
            ("catchUpWindowSeconds", |p| {
                p.catch_up_window_seconds = Some(0)
            }),
            ("maxCatchUp", |p| p.max_catch_up = Some(0)),
            ("keepExecutions", |p| p.keep_executions = Some(0)),
            ("timeoutSeconds", |p| p.timeout_seconds = Some(0)),
            ("retry.maxAttempts", |p| p.retry.max_attempts = 0),
            ("retry.initialBackoffSeconds", |p| {
                p.retry.initial_backoff_seconds = -1
            }),
            ("retry.maxBackoffSeconds", |p| {
                p.retry.max_backoff_seconds = -1
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
