//! Inputs of the API, turned into requests of the model.

use super::date_time::DateTime;
use super::enums::{DstGapName, DstOverlapName, JobScheduleType};
use super::json::Json;
use super::masks::{Masks, Stored};
use crate::model::InvalidInput;
use crate::model::job::Recovery;
use crate::model::job_request::JobRequest;
use crate::model::payload::Payload;
use crate::model::policies::{MisfirePolicy, OverlapPolicy, Policies};
use crate::model::retry::RetryPolicy;
use crate::model::target::{HandlerTarget, HttpMethod, HttpTarget, NoopTarget, Target};
use async_graphql::{InputObject, OneofObject};
use std::collections::BTreeMap;
use url::Url;

/// A new job, or the new definition of a job.
#[derive(InputObject)]
pub struct CreateJobInput {
    /// Display only; at most 255 characters. Two jobs may have the same name.
    name: String,
    /// Name of the namespace, for good. Default: `default`; in an edit, that of the job.
    namespace: Option<String>,
    /// How the fire times are made.
    schedule_type: JobScheduleType,
    /// CRON: five fields (Unix), six to seven (Quartz), or a nickname such as @daily.
    cron_expression: Option<String>,
    /// CRON: an IANA zone such as Europe/Berlin. Default: UTC.
    time_zone: Option<String>,
    /// CRON: what happens when the clock goes forward over a fire time. Default: RUN_AT_GAP_END.
    dst_gap: Option<DstGapName>,
    /// CRON: what happens when the clock goes back over a fire time. Default: AUTO.
    dst_overlap: Option<DstOverlapName>,
    /// FIXED_RATE and FIXED_DELAY: the interval, from 1.
    interval_seconds: Option<i32>,
    /// FIXED_RATE and FIXED_DELAY: seconds before the first fire time. Default: 0.
    initial_delay_seconds: Option<i32>,
    /// JSON for the target, unchanged: at most 262,144 bytes (256 KB) without white space between
    /// tokens, nested at most 64 levels deep. Numbers keep their digits.
    payload: Option<Json>,
    /// What the job runs. Default: a log line.
    target: Option<TargetInput>,
    /// What happens when a node dies during an attempt. Default: RERUN.
    recovery: Option<Recovery>,
    /// Number of times that a lost attempt is run again before CRASH_LOOP. Default: 3.
    max_recoveries: Option<i32>,
    /// Display only; at most 2,000 characters.
    description: Option<String>,
    /// Name of the calendar that restricts the fire times. Default: no calendar.
    calendar: Option<String>,
    /// For search and grouping: at most 20 tags of at most 50 characters.
    tags: Option<Vec<String>>,
    /// Order among equal due times, from 0 to 9; 9 comes first. Default: 5.
    priority: Option<i32>,
    /// No fire time before this instant; for ONCE the fire time.
    start_at: Option<DateTime>,
    /// No fire time after this instant.
    end_at: Option<DateTime>,
    /// Number of fire times that run; further ones do not.
    max_runs: Option<i32>,
    /// Largest delay in seconds between fire time and due time, spread by a hash. Default: 0.
    jitter_seconds: Option<i32>,
    /// What happens to fire times that are found later than the grace. Default: FIRE_ONCE.
    misfire_policy: Option<MisfirePolicy>,
    /// Grace in seconds: a fire time found within it runs late, without the misfire policy.
    /// Default: 60.
    misfire_grace_seconds: Option<i32>,
    /// FIRE_ALL: fire times older than this many seconds are skipped.
    catch_up_window_seconds: Option<i32>,
    /// FIRE_ALL: number of missed fire times that run, the newest ones.
    max_catch_up: Option<i32>,
    /// What happens to a fire time that comes due while an execution is in flight. Default: ALLOW.
    overlap_policy: Option<OverlapPolicy>,
    /// Time limit of one attempt.
    timeout_seconds: Option<i32>,
    /// When and how often a failed attempt is tried again. Default: never.
    retry: Option<RetryInput>,
    /// Whether an execution that fails for good pauses the job. Default: false.
    pause_on_failure: Option<bool>,
    /// Number of executions that the log keeps, whatever their age, the newest ones. Default: the
    /// executions within the retention of the cluster.
    retain_executions: Option<i32>,
}

/// When and how often a failed attempt is tried again: exponential back-off with full jitter.
#[derive(InputObject)]
pub struct RetryInput {
    /// Attempts that may end by themselves without success, from 1 to 1,000.
    max_attempts: Option<i32>,
    /// Upper end of the first delay. Default: 5.
    initial_backoff_seconds: Option<i32>,
    /// Upper end of every delay. Default: 3,600.
    max_backoff_seconds: Option<i32>,
    /// Growth of the upper end from one delay to the next. Default: 2.
    multiplier: Option<f64>,
}

/// What a job runs: exactly one of these.
#[derive(OneofObject)]
pub enum TargetInput {
    /// A line in the node's log.
    Log(LogTargetInput),
    /// A sleep, for drills.
    Noop(NoopTargetInput),
    /// An HTTP request.
    Http(HttpTargetInput),
    /// A handler of the workers.
    Handler(HandlerTargetInput),
}

/// A line in the node's log, with the payload.
#[derive(InputObject)]
pub struct LogTargetInput {
    /// Unused: GraphQL requires a field. Send `{log: {}}`.
    #[graphql(default)]
    level: Option<String>,
}

/// A sleep that succeeds.
#[derive(InputObject)]
pub struct NoopTargetInput {
    /// Length of the sleep, at most a day. Default: 0.
    #[graphql(default)]
    sleep_millis: i32,
}

/// A handler that workers offer over HTTP. A job whose handler no worker offers waits.
#[derive(InputObject)]
pub struct HandlerTargetInput {
    /// Name of the handler: letters, digits, dots, underscores and hyphens.
    name: String,
}

/// An HTTP request: 2xx is success, redirects are not followed.
#[derive(InputObject)]
pub struct HttpTargetInput {
    /// Absolute http or https address. Private and loopback addresses are refused at the
    /// connection, unless the node allows them.
    url: String,
    /// Method of the request. Default: POST.
    method: Option<HttpMethod>,
    /// Names and values, as a JSON object.
    headers: Option<Json>,
    /// At most 262,144 characters. Default: the payload as JSON.
    body: Option<String>,
    /// Time limit of the whole exchange, from 1 to 3,600. Default: 30.
    timeout_seconds: Option<i32>,
    /// Names of secrets that sign the requests by Standard Webhooks: at most two, the second while
    /// one replaces the other. Default: no signature.
    signing_secrets: Option<Vec<String>>,
}

impl CreateJobInput {
    /// Whether a mask stands for a stored value.
    pub fn holds_masks(&self, masks: &Masks) -> bool {
        let headers = match &self.target {
            Some(TargetInput::Http(http)) => http.headers.as_ref(),
            _ => None,
        };
        masks.are_in(self.payload.as_ref()) || masks.are_in(headers)
    }

    /// The request of the model, with stored values in place of masks.
    pub fn into_request_with(
        mut self,
        masks: &Masks,
        stored: &Stored,
    ) -> Result<JobRequest, InvalidInput> {
        let (mut headers, mut payload) = (None, self.payload.take());
        if let Some(TargetInput::Http(http)) = &mut self.target {
            // Headers and payload are set aside: a stored value may replace a mask only for the
            // host of the stored target, and the target is not read yet.
            headers = http.headers.take();
        }
        let mut request = self.into_request()?;
        if let Some(payload) = &mut payload {
            masks.restore_payload(payload, stored, &request.target)?;
        }
        if let Some(headers) = &mut headers {
            masks.restore_headers(headers, stored, &request.target)?;
        }
        request.payload = payload.map(self::payload).transpose()?;
        if let (Target::Http(http), Some(headers)) = (&mut request.target, headers) {
            http.headers = self::headers(headers)?;
        }
        Ok(request)
    }

    /// The request of the model. Rules that the types cannot express are checked there.
    pub fn into_request(self) -> Result<JobRequest, InvalidInput> {
        let policies = self.policies();
        Ok(JobRequest {
            policies,
            description: self.description,
            tags: self.tags.unwrap_or_default(),
            priority: self.priority,
            name: self.name,
            namespace: self.namespace,
            schedule_type: self.schedule_type.into(),
            cron_expression: self.cron_expression,
            time_zone: self.time_zone,
            calendar: self.calendar,
            interval_seconds: self.interval_seconds.map(i64::from),
            initial_delay_seconds: self.initial_delay_seconds.map(i64::from),
            payload: self.payload.map(payload).transpose()?,
            target: self
                .target
                .map_or(Ok(Target::Log), TargetInput::into_target)?,
            recovery: self.recovery,
            max_recoveries: self.max_recoveries,
        })
    }
}

impl CreateJobInput {
    fn policies(&self) -> Policies {
        let default = Policies::default();
        Policies {
            start_at: self.start_at.map(|DateTime(start)| start),
            end_at: self.end_at.map(|DateTime(end)| end),
            max_runs: self.max_runs.map(i64::from),
            jitter_seconds: self.jitter_seconds.unwrap_or(default.jitter_seconds),
            misfire_policy: self.misfire_policy.unwrap_or(default.misfire_policy),
            misfire_grace_seconds: self
                .misfire_grace_seconds
                .unwrap_or(default.misfire_grace_seconds),
            catch_up_window_seconds: self.catch_up_window_seconds,
            max_catch_up: self.max_catch_up,
            overlap_policy: self.overlap_policy.unwrap_or(default.overlap_policy),
            timeout_seconds: self.timeout_seconds,
            retry: self
                .retry
                .as_ref()
                .map_or(default.retry, RetryInput::policy),
            pause_on_failure: self.pause_on_failure.unwrap_or(default.pause_on_failure),
            retain_executions: self.retain_executions,
            dst_gap: self.dst_gap.map_or(default.dst_gap, Into::into),
            dst_overlap: self.dst_overlap.map_or(default.dst_overlap, Into::into),
        }
    }
}

impl RetryInput {
    fn policy(&self) -> RetryPolicy {
        let default = RetryPolicy::default();
        RetryPolicy {
            max_attempts: self.max_attempts.unwrap_or(default.max_attempts),
            initial_backoff_seconds: self
                .initial_backoff_seconds
                .unwrap_or(default.initial_backoff_seconds),
            max_backoff_seconds: self
                .max_backoff_seconds
                .unwrap_or(default.max_backoff_seconds),
            multiplier: self.multiplier.unwrap_or(default.multiplier),
        }
    }
}

pub(super) fn payload(json: Json) -> Result<Payload, InvalidInput> {
    let text = json
        .into_text()
        .map_err(|reason| InvalidInput::new("payload", reason))?;
    Payload::of_json(text).map_err(|error| InvalidInput::new("payload", error.to_string()))
}

fn headers(json: Json) -> Result<BTreeMap<String, String>, InvalidInput> {
    json.into_texts()
        .map_err(|reason| InvalidInput::new("target.http.headers", reason))
}

impl TargetInput {
    fn into_target(self) -> Result<Target, InvalidInput> {
        match self {
            Self::Log(_) => Ok(Target::Log),
            Self::Noop(NoopTargetInput { sleep_millis }) => {
                // The model has no sign; the upper bound is checked there.
                let sleep_millis = u64::try_from(sleep_millis).map_err(|_| {
                    InvalidInput::new("target.noop.sleepMillis", "must not be negative")
                })?;
                Ok(Target::Noop(NoopTarget { sleep_millis }))
            }
            Self::Http(http) => http.into_target(),
            Self::Handler(HandlerTargetInput { name }) => {
                Ok(Target::Handler(HandlerTarget { name }))
            }
        }
    }
}

impl HttpTargetInput {
    fn into_target(self) -> Result<Target, InvalidInput> {
        // Only the form is judged here. Schemes, hosts and credentials are rules of the model.
        let url = Url::parse(&self.url).map_err(|error| {
            InvalidInput::new(
                "target.http.url",
                format!("is not an absolute http or https address ({error})"),
            )
        })?;
        let seconds = self
            .timeout_seconds
            .map_or(Ok(HttpTarget::TIMEOUT_SECONDS_DEFAULT), u32::try_from);
        Ok(Target::Http(HttpTarget {
            url,
            method: self.method.unwrap_or_default(),
            headers: self.headers.map(headers).transpose()?.unwrap_or_default(),
            body: self.body,
            timeout_seconds: seconds.map_err(|_| {
                InvalidInput::new("target.http.timeoutSeconds", "must be from 1 to 3600")
            })?,
            signing_secrets: self.signing_secrets.unwrap_or_default(),
        }))
    }
}
