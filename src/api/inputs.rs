//! Inputs: what people send, turned into requests of the model.

use super::enums::{
    DstGapName, DstOverlapName, HttpMethodName, JobScheduleType, MisfirePolicyName,
    OverlapPolicyName, RecoveryPolicy,
};
use super::json::Json;
use super::masks::{Masks, Stored};
use crate::model::InvalidInput;
use crate::model::instant::instant;
use crate::model::job_request::JobRequest;
use crate::model::payload::Payload;
use crate::model::policies::Policies;
use crate::model::retry::RetryPolicy;
use crate::model::target::{HttpTarget, NoopTarget, Target};
use async_graphql::{InputObject, OneofObject};
use std::collections::BTreeMap;
use url::Url;

/// What a new job is.
#[derive(InputObject)]
pub struct CreateJobInput {
    /// For people, at most 255 characters; not unique.
    name: String,
    /// How the fire times are made.
    schedule_type: JobScheduleType,
    /// For CRON: five fields (Unix), six to seven (Quartz), or a nickname such as @daily.
    cron_expression: Option<String>,
    /// For CRON: an IANA name such as Europe/Berlin; UTC unless said.
    time_zone: Option<String>,
    /// For CRON: what happens when the clock goes forward over its time; RUN_AT_GAP_END unless
    /// said.
    dst_gap: Option<DstGapName>,
    /// For CRON: what happens when the clock goes back over its time; AUTO unless said.
    dst_overlap: Option<DstOverlapName>,
    /// For FIXED_RATE and FIXED_DELAY: from 1.
    interval_seconds: Option<i32>,
    /// For FIXED_RATE and FIXED_DELAY: seconds before the first fire time; 0 unless said.
    initial_delay_seconds: Option<i32>,
    /// Handed to the target as it is: JSON of at most 262,144 bytes (256 KB) without white space
    /// between its tokens, nested at most 64 levels deep. Numbers keep their digits.
    payload: Option<Json>,
    /// What to run; a log line unless said.
    target: Option<TargetInput>,
    /// What happens when a node dies in the middle of a run; RERUN unless said.
    recovery: Option<RecoveryPolicy>,
    /// How often a lost attempt is run again before CRASH_LOOP; 3 unless said.
    max_recoveries: Option<i32>,
    /// For people, at most 2,000 characters.
    description: Option<String>,
    /// Name of the calendar that says which fire times count; all unless said.
    calendar: Option<String>,
    /// For finding and grouping: at most 20, of at most 50 characters.
    tags: Option<Vec<String>>,
    /// Tie-break among equal due times, from 0 to 9, 9 first; 5 unless said.
    priority: Option<i32>,
    /// No fire time before it (RFC 3339, to the millisecond); the fire time of ONCE.
    start_at: Option<String>,
    /// No fire time after it (RFC 3339, to the millisecond).
    end_at: Option<String>,
    /// No fire time runs after so many have.
    max_runs: Option<i32>,
    /// Largest delay between fire time and due time: a hash spreads it; 0 unless said.
    jitter_seconds: Option<i32>,
    /// What becomes of fire times that are found later than the grace; FIRE_ONCE unless said.
    misfire_policy: Option<MisfirePolicyName>,
    /// How late a fire time may be found and still simply run late; 60 unless said.
    misfire_grace_seconds: Option<i32>,
    /// FIRE_ALL: older fire times are skipped.
    catch_up_window_seconds: Option<i32>,
    /// FIRE_ALL: only so many of the newest run.
    max_catch_up: Option<i32>,
    /// What becomes of a fire time that comes due while an execution is in flight; ALLOW unless
    /// said.
    overlap_policy: Option<OverlapPolicyName>,
    /// How long one attempt may take.
    timeout_seconds: Option<i32>,
    /// When and how often a failed attempt is tried again; once unless said.
    retry: Option<RetryInput>,
    /// Whether an execution that fails for good pauses the job.
    pause_on_failure: Option<bool>,
    /// How many of its newest executions the log keeps, whatever their age; unless
    /// said, those of the days that the cluster keeps.
    keep_executions: Option<i32>,
}

/// When and how often a failed attempt is tried again: exponential, with full jitter.
#[derive(InputObject)]
pub struct RetryInput {
    /// Attempts that may end by themselves without success, from 1 to 1,000.
    max_attempts: Option<i32>,
    /// Upper end of the first delay; 5 unless said.
    initial_backoff_seconds: Option<i32>,
    /// Upper end of every delay; 3,600 unless said.
    max_backoff_seconds: Option<i32>,
    /// Growth of the upper end from one delay to the next; 2 unless said.
    multiplier: Option<f64>,
}

/// What a job runs: exactly one of these.
#[derive(OneofObject)]
pub enum TargetInput {
    /// One line in the node's log.
    Log(LogTargetInput),
    /// Sleeps, for drills.
    Noop(NoopTargetInput),
    /// An HTTP request.
    Http(HttpTargetInput),
}

/// One line in the node's log, with the payload.
#[derive(InputObject)]
pub struct LogTargetInput {
    /// Not used: GraphQL wants a field. Send `{log: {}}`.
    #[graphql(default)]
    level: Option<String>,
}

/// Sleeps, then succeeds.
#[derive(InputObject)]
pub struct NoopTargetInput {
    /// How long, at most a day.
    #[graphql(default)]
    sleep_millis: i32,
}

/// An HTTP request; 2xx is success, redirects are not followed.
#[derive(InputObject)]
pub struct HttpTargetInput {
    /// Absolute http or https address. Private and loopback addresses are
    /// refused when the connection is made, unless the node allows them.
    url: String,
    /// POST unless said.
    method: Option<HttpMethodName>,
    /// Names and values, as a JSON object.
    headers: Option<Json>,
    /// The payload as JSON unless said; at most 262,144 characters.
    body: Option<String>,
    /// For the whole exchange, from 1 to 3600; 30 unless said.
    timeout_seconds: Option<i32>,
}

impl CreateJobInput {
    /// Whether it holds masks, for which something must be stored.
    pub fn holds_masks(&self, masks: &Masks) -> bool {
        let headers = match &self.target {
            Some(TargetInput::Http(http)) => http.headers.as_ref(),
            _ => None,
        };
        masks.are_in(self.payload.as_ref()) || masks.are_in(headers)
    }

    /// The request of the model with what is stored in place of masks.
    pub fn into_request_with(
        mut self,
        masks: &Masks,
        stored: &Stored,
    ) -> Result<JobRequest, InvalidInput> {
        let (mut headers, mut payload) = (None, self.payload.take());
        if let Some(TargetInput::Http(http)) = &mut self.target {
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

    /// The request of the model; what the types cannot say is refused there.
    pub fn into_request(self) -> Result<JobRequest, InvalidInput> {
        let policies = self.policies()?;
        Ok(JobRequest {
            policies,
            description: self.description,
            tags: self.tags.unwrap_or_default(),
            priority: self.priority,
            name: self.name,
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
            recovery: self.recovery.map(Into::into),
            max_recoveries: self.max_recoveries,
        })
    }
}

impl CreateJobInput {
    fn policies(&self) -> Result<Policies, InvalidInput> {
        let default = Policies::default();
        Ok(Policies {
            start_at: self
                .start_at
                .as_deref()
                .map(|text| instant("startAt", text))
                .transpose()?,
            end_at: self
                .end_at
                .as_deref()
                .map(|text| instant("endAt", text))
                .transpose()?,
            max_runs: self.max_runs.map(i64::from),
            jitter_seconds: self.jitter_seconds.unwrap_or(default.jitter_seconds),
            misfire_policy: self
                .misfire_policy
                .map_or(default.misfire_policy, Into::into),
            misfire_grace_seconds: self
                .misfire_grace_seconds
                .unwrap_or(default.misfire_grace_seconds),
            catch_up_window_seconds: self.catch_up_window_seconds,
            max_catch_up: self.max_catch_up,
            overlap_policy: self
                .overlap_policy
                .map_or(default.overlap_policy, Into::into),
            timeout_seconds: self.timeout_seconds,
            retry: self
                .retry
                .as_ref()
                .map_or(default.retry, RetryInput::policy),
            pause_on_failure: self.pause_on_failure.unwrap_or(default.pause_on_failure),
            keep_executions: self.keep_executions,
            dst_gap: self.dst_gap.map_or(default.dst_gap, Into::into),
            dst_overlap: self.dst_overlap.map_or(default.dst_overlap, Into::into),
        })
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
                let sleep_millis = u64::try_from(sleep_millis).map_err(|_| {
                    InvalidInput::new("target.noop.sleepMillis", "must not be negative")
                })?;
                Ok(Target::Noop(NoopTarget { sleep_millis }))
            }
            Self::Http(http) => http.into_target(),
        }
    }
}

impl HttpTargetInput {
    fn into_target(self) -> Result<Target, InvalidInput> {
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
            method: self.method.map(Into::into).unwrap_or_default(),
            headers: self.headers.map(headers).transpose()?.unwrap_or_default(),
            body: self.body,
            timeout_seconds: seconds.map_err(|_| {
                InvalidInput::new("target.http.timeoutSeconds", "must be from 1 to 3600")
            })?,
        }))
    }
}
