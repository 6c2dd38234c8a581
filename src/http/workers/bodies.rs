//! Bodies of the calls of workers: their shape and their bounds.

use super::problem::Problem;
use crate::http::bodies::NoBody::{Broken, Busy, TooLarge};
use crate::http::bodies::{BODY_BYTES_MAX, Bodies};
use crate::http::graphql::is_json;
use crate::model::execution::{Outcome, Reason};
use crate::model::namespace;
use crate::model::payload::Payload;
use crate::model::target::validate_handler_name;
use crate::model::text::{NODE_NAME, REASON};
use crate::model::{InvalidInput, text};
use crate::store::protocol::workers::{HeldByWorker, Progress, WorkerProfile, WorkerResult};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;

/// Most handlers of a worker: a poll asks for each.
const HANDLERS_MAX: usize = 100;
/// Most executions that a worker runs at once.
const SLOTS_MAX: i32 = 1_000;
/// Most attempts in one body: those in slots, and those that are being settled.
const ATTEMPTS_MAX: usize = 2_000;
/// Most results in one body, which is one transaction.
const RESULTS_MAX: usize = 1_000;
/// Bounds of the TTL in seconds.
const TTL_SECONDS: std::ops::RangeInclusive<i32> = 5..=300;
/// Default of the TTL in seconds.
const TTL_SECONDS_DEFAULT: i32 = 15;
/// Longest wait of a poll in seconds.
const WAIT_SECONDS_MAX: u64 = 60;
/// Longest delay that a failure asks for, in seconds: a week.
const RETRY_AFTER_SECONDS_MAX: f64 = 604_800.0;

/// `POST /workers`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Join {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default = "default_namespace")]
    namespace: String,
    handlers: Vec<String>,
    slots: i32,
    #[serde(default = "default_ttl")]
    ttl_seconds: i32,
}

/// An attempt.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    id: Uuid,
    attempt: i32,
}

/// `POST /workers/{id}/poll`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Poll {
    #[serde(rename = "poll")]
    number: i64,
    free: i32,
    holding: Vec<Held>,
    #[serde(default)]
    wait_seconds: u64,
}

/// `POST /workers/{id}/heartbeat`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    holding: Vec<Held>,
    #[serde(default)]
    progress: Vec<Said>,
}

/// What a worker says of an attempt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    id: Uuid,
    attempt: i32,
    percent: Option<f64>,
    message: Option<String>,
    checkpoint: Option<Box<RawValue>>,
}

/// `POST /workers/{id}/settle`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    results: Vec<Ended>,
}

/// How an attempt ended.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Ended {
    id: Uuid,
    attempt: i32,
    outcome: EndedAs,
    output: Option<Box<RawValue>>,
    error: Option<String>,
    /// Whether a failure may be followed by a retry.
    #[serde(default = "yes")]
    retry: bool,
    retry_after_seconds: Option<f64>,
    /// Whether the time limit of the job ended it.
    #[serde(default)]
    timed_out: bool,
    checkpoint: Option<Box<RawValue>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum EndedAs {
    Success,
    Failed,
    Cancelled,
}

/// `POST /workers/{id}/release`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    executions: Vec<Held>,
}

/// A poll within its bounds.
pub struct PollRequest {
    /// Number of the poll.
    pub number: i64,
    /// Most executions to lease.
    pub free: usize,
    /// Attempts that the worker holds.
    pub holding: Vec<HeldByWorker>,
    /// Longest wait.
    pub wait: Duration,
}

fn default_namespace() -> String {
    namespace::DEFAULT.to_owned()
}

fn default_ttl() -> i32 {
    TTL_SECONDS_DEFAULT
}

fn yes() -> bool {
    true
}

/// Reads the body of a call.
pub async fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    bodies: &Bodies,
    payload: web::Payload,
) -> Result<T, Problem> {
    if !is_json(request) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "BAD_USER_INPUT",
            "send the body as application/json",
        ));
    }
    let body = bodies
        .read(request, payload)
        .await
        .map_err(|reason| match reason {
            TooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "BAD_USER_INPUT",
                format!("the body must be at most {BODY_BYTES_MAX} bytes: send it in parts"),
            ),
            Busy => Problem::unavailable("this node reads other large bodies: try again"),
            Broken(_) => Problem::bad_input("the body broke off"),
        })?;
    serde_json::from_slice(&body.bytes)
        .map_err(|error| Problem::bad_input(format!("the body does not fit: {error}")))
}

impl Join {
    /// The profile within its bounds.
    pub fn into_profile(mut self) -> Result<WorkerProfile, InvalidInput> {
        NODE_NAME.check("name", &self.name)?;
        text::TOKEN_NAME.check_given(
            "version",
            Some(self.version.as_str()).filter(|version| !version.is_empty()),
        )?;
        namespace::validate_name("namespace", &self.namespace)?;
        if !(1..=HANDLERS_MAX).contains(&self.handlers.len()) {
            return Err(InvalidInput::new("handlers", "must be from 1 to 100 names"));
        }
        for (index, handler) in self.handlers.iter().enumerate() {
            validate_handler_name(format!("handlers.{index}"), handler)?;
        }
        self.handlers.sort_unstable();
        self.handlers.dedup();
        if !(1..=SLOTS_MAX).contains(&self.slots) {
            return Err(InvalidInput::new("slots", "must be from 1 to 1000"));
        }
        if !TTL_SECONDS.contains(&self.ttl_seconds) {
            return Err(InvalidInput::new("ttlSeconds", "must be from 5 to 300"));
        }
        Ok(WorkerProfile {
            name: self.name,
            version: self.version,
            namespace: self.namespace,
            handlers: self.handlers,
            slots: self.slots,
            ttl_seconds: self.ttl_seconds,
        })
    }
}

impl Poll {
    /// The poll within its bounds.
    pub fn into_request(self) -> Result<PollRequest, InvalidInput> {
        if self.number < 1 {
            return Err(InvalidInput::new("poll", "must be 1 or more"));
        }
        let free = usize::try_from(self.free)
            .ok()
            .filter(|_| self.free <= SLOTS_MAX);
        let free = free.ok_or_else(|| InvalidInput::new("free", "must be from 0 to 1000"))?;
        if self.wait_seconds > WAIT_SECONDS_MAX {
            return Err(InvalidInput::new("waitSeconds", "must be from 0 to 60"));
        }
        Ok(PollRequest {
            number: self.number,
            free,
            holding: attempts("holding", &self.holding)?,
            wait: Duration::from_secs(self.wait_seconds),
        })
    }
}

impl Heartbeat {
    /// The held attempts, and what the worker says of them.
    pub fn into_parts(self) -> Result<(Vec<HeldByWorker>, Vec<Progress>), InvalidInput> {
        let holding = attempts("holding", &self.holding)?;
        let of_progress = self.progress.iter().map(|said| said.id);
        check_number("progress", ATTEMPTS_MAX, of_progress)?;
        let progress = self.progress.into_iter().enumerate();
        let progress = progress.map(|(index, said)| {
            said.into_progress()
                .map_err(|error| error.at(&format!("progress.{index}")))
        });
        Ok((holding, progress.collect::<Result<_, _>>()?))
    }
}

impl Said {
    fn into_progress(self) -> Result<Progress, InvalidInput> {
        if self
            .percent
            .is_some_and(|percent| !(0.0..=100.0).contains(&percent))
        {
            return Err(InvalidInput::new("percent", "must be from 0 to 100"));
        }
        REASON.check_given("message", self.message.as_deref())?;
        let is_said = self.percent.is_some() || self.message.is_some();
        let said = json!({"percent": self.percent, "message": self.message});
        Ok(Progress {
            held: HeldByWorker {
                id: self.id,
                attempt: self.attempt,
            },
            progress: is_said
                .then(|| Payload::of_json(said.to_string()))
                .transpose()
                .map_err(|error| InvalidInput::new("message", error.to_string()))?,
            checkpoint: checkpoint(self.checkpoint)?,
        })
    }
}

impl Settle {
    /// The results within their bounds.
    pub fn into_results(self) -> Result<Vec<WorkerResult>, InvalidInput> {
        let ids = self.results.iter().map(|ended| ended.id);
        check_number("results", RESULTS_MAX, ids)?;
        let results = self.results.into_iter().enumerate();
        results
            .map(|(index, ended)| {
                ended
                    .into_result()
                    .map_err(|error| error.at(&format!("results.{index}")))
            })
            .collect()
    }
}

impl Ended {
    fn into_result(self) -> Result<WorkerResult, InvalidInput> {
        let asked = self.retry_after_seconds.unwrap_or_default();
        if !(0.0..=RETRY_AFTER_SECONDS_MAX).contains(&asked) {
            let message = "must be from 0 to 604800 (a week)";
            return Err(InvalidInput::new("retryAfterSeconds", message));
        }
        let output = self.output.as_deref().map(text_of);
        let outcome = match self.outcome {
            EndedAs::Success => Outcome::Succeeded { output },
            EndedAs::Cancelled => Outcome::Cancelled,
            EndedAs::Failed => Outcome::Failed {
                reason: if self.timed_out {
                    Reason::Timeout
                } else {
                    Reason::Error
                },
                message: self
                    .error
                    .unwrap_or_else(|| "the handler failed".to_owned()),
                output,
                retry_after: self
                    .retry_after_seconds
                    .map(|_| Duration::from_secs_f64(asked)),
            },
        };
        Ok(WorkerResult {
            held: HeldByWorker {
                id: self.id,
                attempt: self.attempt,
            },
            outcome,
            may_retry: self.retry,
            checkpoint: checkpoint(self.checkpoint)?,
        })
    }
}

impl Release {
    /// The attempts to reclaim.
    pub fn into_attempts(self) -> Result<Vec<HeldByWorker>, InvalidInput> {
        attempts("executions", &self.executions)
    }
}

fn attempts(field: &'static str, held: &[Held]) -> Result<Vec<HeldByWorker>, InvalidInput> {
    check_number(field, ATTEMPTS_MAX, held.iter().map(|held| held.id))?;
    let attempts = held.iter().map(|held| HeldByWorker {
        id: held.id,
        attempt: held.attempt,
    });
    Ok(attempts.collect())
}

/// Refuses too many executions, and one that is named twice: one of the two would be wrong.
fn check_number(
    field: &'static str,
    most: usize,
    ids: impl ExactSizeIterator<Item = Uuid>,
) -> Result<(), InvalidInput> {
    if ids.len() > most {
        let message = format!("must be at most {most}: send the rest in another request");
        return Err(InvalidInput::new(field, message));
    }
    let mut known = HashSet::with_capacity(ids.len());
    for (index, id) in ids.enumerate() {
        if !known.insert(id) {
            let message = format!("names the execution {id} for the second time");
            return Err(InvalidInput::of_member(field, index, message));
        }
    }
    Ok(())
}

/// The text of a JSON string, or the JSON of another value.
fn text_of(json: &RawValue) -> String {
    serde_json::from_str(json.get()).unwrap_or_else(|_| json.get().to_owned())
}

fn checkpoint(json: Option<Box<RawValue>>) -> Result<Option<Payload>, InvalidInput> {
    let checkpoint = json.map(Payload::from);
    if let Some(checkpoint) = &checkpoint {
        checkpoint
            .validate()
            .map_err(|error| InvalidInput::new("checkpoint", error.message))?;
    }
    Ok(checkpoint)
}
