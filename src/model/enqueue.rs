//! Requests for one run of a job, with a time, a payload and a unique key of its own.

use super::job_request::validate_priority;
use super::payload::Payload;
use super::schedule::INTERVAL_SECONDS_MAX;
use super::{InvalidInput, Timestamp, namespace, text};
use chrono::{TimeDelta, Timelike};
use uuid::Uuid;

/// Most runs of one request.
pub const RUNS_MAX: usize = 1_000;

/// The job of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobKey {
    /// The job with this id.
    Id(Uuid),
    /// The only job of the namespace with this name.
    Name {
        /// Namespace of the job.
        namespace: String,
        /// Name of the job, in its exact case.
        name: String,
    },
}

impl JobKey {
    /// The field of a request with the key.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Id(_) => "jobId",
            Self::Name { .. } => "jobName",
        }
    }
}

/// The job of a request, which is not validated yet: its id, or its name.
#[derive(Debug, Clone, Default)]
pub struct JobReference {
    /// Id of the job.
    pub id: Option<Uuid>,
    /// Name of the job.
    pub name: Option<String>,
    /// Namespace of the name. Default: `default`.
    pub namespace: Option<String>,
}

impl JobReference {
    /// The job with this id.
    pub fn of_id(id: Uuid) -> Self {
        Self {
            id: Some(id),
            ..Self::default()
        }
    }

    fn key(self) -> Result<JobKey, InvalidInput> {
        if let Some(namespace) = &self.namespace {
            namespace::validate_name("namespace", namespace)?;
        }
        match (self.id, self.name, self.namespace) {
            (Some(_), None, Some(_)) => Err(InvalidInput::new(
                "namespace",
                "goes with jobName only: leave it out",
            )),
            (Some(id), None, None) => Ok(JobKey::Id(id)),
            (None, Some(name), namespace) => {
                text::JOB_NAME.check("jobName", &name)?;
                let namespace = namespace.unwrap_or_else(|| namespace::DEFAULT.to_owned());
                Ok(JobKey::Name { namespace, name })
            }
            (Some(_), Some(_), _) => Err(InvalidInput::new(
                "jobName",
                "does not go with jobId: leave one of them out",
            )),
            (None, None, _) => Err(InvalidInput::new("jobId", "is required, or jobName")),
        }
    }
}

/// A request that is not validated yet.
#[derive(Debug, Clone)]
pub struct EnqueueRequest {
    /// Job of the run.
    pub job: JobReference,
    /// JSON, at most 256 KB. Default: the payload of the job at the start of the run.
    pub payload: Option<Payload>,
    /// When the run is due. Default: now; an instant in the past is now.
    pub due_at: Option<Timestamp>,
    /// Seconds until the run is due; not with `due_at`.
    pub delay_seconds: Option<i64>,
    /// One line of at most 200 characters, which one pending or running execution of the job has.
    pub unique_key: Option<String>,
    /// From 0 to 9. Default: the priority of the job.
    pub priority: Option<i32>,
}

/// A valid run of a job that is still to be found.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Job of the run.
    pub job: JobKey,
    /// Payload of its own.
    pub payload: Option<Payload>,
    /// When the run is due, in whole milliseconds.
    pub due_at: Timestamp,
    /// The key that no other execution of the job may have at the same time.
    pub unique_key: Option<String>,
    /// Order among equal due times.
    pub priority: Option<i16>,
}

impl EnqueueRequest {
    /// Validates what needs no job, at `now` in whole milliseconds.
    pub fn validate(self, now: Timestamp) -> Result<RunRequest, InvalidInput> {
        let due_at = self.due_at(now)?;
        text::UNIQUE_KEY.check_given("uniqueKey", self.unique_key.as_deref())?;
        // JSON null is no payload of its own.
        let payload = self.payload.filter(|payload| !payload.is_null());
        if let Some(payload) = &payload {
            payload.validate()?;
        }
        let priority = self
            .priority
            .map(|priority| validate_priority(Some(priority)));
        Ok(RunRequest {
            job: self.job.key()?,
            payload,
            due_at,
            unique_key: self.unique_key,
            priority: priority.transpose()?,
        })
    }

    fn due_at(&self, now: Timestamp) -> Result<Timestamp, InvalidInput> {
        let (field, due_at) = match (self.due_at, self.delay_seconds) {
            (None, None) => return Ok(now),
            (Some(due_at), None) => ("dueAt", due_at),
            (None, Some(seconds)) if (0..=INTERVAL_SECONDS_MAX).contains(&seconds) => {
                ("delaySeconds", now + TimeDelta::seconds(seconds))
            }
            (None, Some(_)) => {
                return Err(InvalidInput::new(
                    "delaySeconds",
                    format!("must be from 0 to {INTERVAL_SECONDS_MAX} (ten years)"),
                ));
            }
            (Some(_), Some(_)) => {
                return Err(InvalidInput::new(
                    "delaySeconds",
                    "does not go with dueAt: leave one of them out",
                ));
            }
        };
        if due_at > now + TimeDelta::seconds(INTERVAL_SECONDS_MAX) {
            return Err(InvalidInput::new(field, "must be within ten years"));
        }
        let beyond = i64::from(due_at.nanosecond() % 1_000_000);
        let whole = match beyond {
            0 => due_at,
            _ => due_at + TimeDelta::nanoseconds(1_000_000 - beyond),
        };
        Ok(whole.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T07:00:00Z".parse().expect("a time")
    }

    fn request() -> EnqueueRequest {
        EnqueueRequest {
            job: JobReference::of_id(Uuid::nil()),
            payload: None,
            due_at: None,
            delay_seconds: None,
            unique_key: None,
            priority: None,
        }
    }

    fn due_at(due_at: Option<&str>, delay_seconds: Option<i64>) -> Result<String, String> {
        let due_at = due_at.map(|at| at.parse().expect("a time"));
        let run = EnqueueRequest {
            due_at,
            delay_seconds,
            ..request()
        }
        .validate(now());
        run.map(|run| run.due_at.to_rfc3339())
            .map_err(|invalid| invalid.field.into_owned())
    }

    #[test]
    fn a_run_is_due_now_at_an_instant_or_after_a_delay() {
        let is = |text: &str| Ok(text.to_owned());
        let of = |text: &str| Err(text.to_owned());
        for (at, delay, wanted) in [
            (None, None, is("2026-11-23T07:00:00+00:00")),
            (None, Some(90), is("2026-11-23T07:01:30+00:00")),
            (
                Some("2020-01-01T00:00:00Z"),
                None,
                is("2026-11-23T07:00:00+00:00"),
            ),
            (
                Some("2026-11-23T08:00:00.000001Z"),
                None,
                is("2026-11-23T08:00:00.001+00:00"),
            ),
            (Some("2037-01-01T00:00:00Z"), None, of("dueAt")),
            (None, Some(-1), of("delaySeconds")),
            (None, Some(INTERVAL_SECONDS_MAX + 1), of("delaySeconds")),
            (Some("2026-11-23T08:00:00Z"), Some(1), of("delaySeconds")),
        ] {
            assert_eq!(due_at(at, delay), wanted, "{at:?} {delay:?}");
        }
    }

    #[test]
    fn every_bad_value_of_a_run_is_named() {
        let field = |change: fn(&mut EnqueueRequest)| {
            let mut request = request();
            change(&mut request);
            let refusal = request.validate(now()).err();
            refusal.map(|invalid| invalid.field.into_owned())
        };
        let key = |length: usize| Some("k".repeat(length));
        assert_eq!(field(|_| {}), None);
        assert_eq!(field(|r| r.priority = Some(10)), Some("priority".into()));
        for (unique_key, is_refused) in [
            (key(200), false),
            (key(201), true),
            (Some("  ".into()), true),
            (Some("a\nb".into()), true),
            (Some("ä €".into()), false),
        ] {
            let request = EnqueueRequest {
                unique_key: unique_key.clone(),
                ..request()
            };
            let refusal = request.validate(now()).err();
            let named = refusal.map(|invalid| invalid.field.into_owned());
            let wanted = is_refused.then(|| "uniqueKey".to_owned());
            assert_eq!(named, wanted, "{unique_key:?}");
        }
        let large = |r: &mut EnqueueRequest| {
            let text = format!("\"{}\"", "x".repeat(262_144));
            r.payload = Some(Payload::of_json(text).expect("JSON"));
        };
        assert_eq!(field(large), Some("payload".into()));
    }
}
