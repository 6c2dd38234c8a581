//! Requests for jobs, from outside.
//!
//! [`JobRequest::validate`] returns a working [`JobDefinition`], or an error with the wrong field.
//! Only validated values reach the database.

use super::job::{JobDefinition, PRIORITY_DEFAULT, RECOVERIES_DEFAULT, Recovery};
use super::payload::Payload;
use super::policies::Policies;
use super::schedule::cron::CronSchedule;
use super::schedule::zone::Zone;
use super::schedule::{INTERVAL_SECONDS_MAX, Schedule, ScheduleType};
use super::secret_reference::validate_references;
use super::target::Target;
use super::{InvalidInput, Timestamp, rfc3339, text};
use chrono::{Datelike, TimeDelta};
use uuid::Uuid;

/// Most tags of a job.
const TAGS_MAX: usize = 20;
/// First year too late for `startAt`: delays and intervals are added, and the API shows no year
/// beyond 9999.
const START_YEAR_MAX: i32 = 9_000;
/// Largest value of `maxRecoveries`.
const RECOVERIES_MAX: i32 = 100;

/// A request that is not validated yet.
#[derive(Debug, Clone)]
pub struct JobRequest {
    pub name: String,
    /// Namespace of the job. Default: `default`; in an edit the job's namespace.
    pub namespace: Option<String>,
    /// Cron, fixed rate, fixed delay, one instant, or no schedule.
    pub schedule_type: ScheduleType,
    /// Description of at most 2,000 characters. Display only.
    pub description: Option<String>,
    /// At most 20 names of at most 50 characters.
    pub tags: Vec<String>,
    /// From 0 to 9. Default: 5.
    pub priority: Option<i32>,
    /// Rules for limits, misfires, overlaps and retries.
    pub policies: Policies,
    /// Cron expression; only for `CRON`.
    pub cron_expression: Option<String>,
    /// For `CRON` only: an IANA name. Default: UTC.
    pub time_zone: Option<String>,
    /// Name of the calendar for the fire times.
    pub calendar: Option<String>,
    /// For `FIXED_RATE` and `FIXED_DELAY` only.
    pub interval_seconds: Option<i64>,
    /// For `FIXED_RATE` and `FIXED_DELAY` only. Default: 0.
    pub initial_delay_seconds: Option<i64>,
    /// JSON, at most 256 KB.
    pub payload: Option<Payload>,
    /// The action of an execution. Default: a log line.
    pub target: Target,
    /// Recovery of executions of dead nodes. Default: `RERUN`.
    pub recovery: Option<Recovery>,
    /// Most recoveries of an execution. Default: 3.
    pub max_recoveries: Option<i32>,
}

impl JobRequest {
    /// Validates all fields of the new job `id`, the seed of `H`. `now` anchors a fixed rate (the
    /// first fire time is `now` + the initial delay), and decides whether a cron expression fires
    /// again.
    pub fn validate(self, id: Uuid, now: Timestamp) -> Result<JobDefinition, InvalidInput> {
        self.checked(id, now, None)
    }

    /// Validates an edit of the `old` definition. An unchanged field is not compared with `now`,
    /// and a fixed rate keeps the phase.
    pub fn validate_edit(
        self,
        id: Uuid,
        now: Timestamp,
        old: &JobDefinition,
    ) -> Result<JobDefinition, InvalidInput> {
        self.checked(id, now, Some(old))
    }

    fn checked(
        self,
        id: Uuid,
        now: Timestamp,
        old: Option<&JobDefinition>,
    ) -> Result<JobDefinition, InvalidInput> {
        let name = validate_name(&self.name)?;
        text::DESCRIPTION.check_given("description", self.description.as_deref())?;
        text::CALENDAR_NAME.check_given("calendar", self.calendar.as_deref())?;
        validate_tags(&self.tags)?;
        let schedule = self.schedule(id, now, old)?;
        self.target.validate()?;
        if let Some(payload) = &self.payload {
            payload.validate()?;
        }
        validate_references(&self.target, self.payload.as_ref())?;
        let max_recoveries = self.max_recoveries.unwrap_or(RECOVERIES_DEFAULT);
        if !(0..=RECOVERIES_MAX).contains(&max_recoveries) {
            return Err(InvalidInput::new("maxRecoveries", "must be from 0 to 100"));
        }
        self.policies.validate()?;
        let mut definition = JobDefinition {
            name,
            description: self.description,
            tags: self.tags,
            priority: validate_priority(self.priority)?,
            policies: self.policies,
            schedule,
            calendar: self.calendar,
            initial_delay_seconds: self.initial_delay_seconds,
            target: self.target,
            payload: self.payload,
            recovery: self.recovery.unwrap_or(Recovery::Rerun),
            max_recoveries,
        };
        if let Some(old) = old {
            definition.keep_phase(old);
        }
        // Last: a more exact error about a single field comes first.
        definition.refuse_never_firing(now, old)?;
        Ok(definition)
    }

    fn schedule(
        &self,
        id: Uuid,
        now: Timestamp,
        old: Option<&JobDefinition>,
    ) -> Result<Schedule, InvalidInput> {
        if self
            .policies
            .start_at
            .is_some_and(|start| start.year() >= START_YEAR_MAX)
        {
            return Err(InvalidInput::new(
                "startAt",
                format!("must be before the year {START_YEAR_MAX}"),
            ));
        }
        let instants = matches!(
            self.schedule_type,
            ScheduleType::Cron | ScheduleType::Once | ScheduleType::OnDemand
        );
        refuse_given(
            "intervalSeconds",
            instants && self.interval_seconds.is_some(),
            self.schedule_type,
        )?;
        refuse_given(
            "initialDelaySeconds",
            instants && self.initial_delay_seconds.is_some(),
            self.schedule_type,
        )?;
        let zoned = self.time_zone.is_some() && self.schedule_type != ScheduleType::Cron;
        refuse_given("timeZone", zoned, self.schedule_type)?;
        match self.schedule_type {
            ScheduleType::Cron => self.cron(id, old),
            ScheduleType::Once => self.once(now, old),
            ScheduleType::FixedRate => {
                let interval = self.interval()?;
                // `startAt` anchors the grid. Default: the creation of the job.
                let anchor = self.policies.start_at.unwrap_or(now) + self.initial_delay()?;
                Ok(Schedule::FixedRate { interval, anchor })
            }
            ScheduleType::FixedDelay => {
                let interval = self.interval()?;
                self.initial_delay()?;
                refuse_given(
                    "jitterSeconds",
                    self.policies.jitter_seconds != 0,
                    self.schedule_type,
                )?;
                Ok(Schedule::FixedDelay { interval })
            }
            ScheduleType::OnDemand => self.on_demand(),
        }
    }

    /// Without a schedule nothing limits or moves fire times.
    fn on_demand(&self) -> Result<Schedule, InvalidInput> {
        let policies = &self.policies;
        for (field, given) in [
            ("cronExpression", self.cron_expression.is_some()),
            ("calendar", self.calendar.is_some()),
            ("startAt", policies.start_at.is_some()),
            ("endAt", policies.end_at.is_some()),
            ("maxRuns", policies.max_runs.is_some()),
            ("jitterSeconds", policies.jitter_seconds != 0),
        ] {
            refuse_given(field, given, self.schedule_type)?;
        }
        Ok(Schedule::OnDemand)
    }

    fn cron(&self, id: Uuid, old: Option<&JobDefinition>) -> Result<Schedule, InvalidInput> {
        let Some(expression) = &self.cron_expression else {
            return Err(InvalidInput::new(
                "cronExpression",
                "is required for scheduleType CRON",
            ));
        };
        let zone = Zone::named(self.time_zone.as_deref().unwrap_or("UTC"))
            .map_err(|error| InvalidInput::new("timeZone", error.to_string()))?;
        let options = self.policies.cron_options(zone, id);
        // A job keeps the expression even if the version refuses the expression in new jobs.
        let is_kept = old
            .is_some_and(|old| matches!(&old.schedule, Schedule::Cron(cron) if cron.expression() == expression.trim()));
        let parse = if is_kept {
            CronSchedule::stored
        } else {
            CronSchedule::parse
        };
        let cron = parse(expression, &options)
            .map_err(|error| InvalidInput::new("cronExpression", error.to_string()))?;
        Ok(Schedule::Cron(cron))
    }

    fn once(&self, now: Timestamp, old: Option<&JobDefinition>) -> Result<Schedule, InvalidInput> {
        refuse_given(
            "cronExpression",
            self.cron_expression.is_some(),
            self.schedule_type,
        )?;
        match self.policies.start_at {
            None => Err(InvalidInput::new(
                "startAt",
                "is required for scheduleType ONCE",
            )),
            // An edit of another field must not fail because the time of the ONCE has passed.
            Some(at) if at < now && old.is_none_or(|old| old.schedule != Schedule::Once { at }) => {
                Err(InvalidInput::new(
                    "startAt",
                    format!("is past: it is {} now", rfc3339(now)),
                ))
            }
            Some(at) => Ok(Schedule::Once { at }),
        }
    }

    fn interval(&self) -> Result<TimeDelta, InvalidInput> {
        refuse_given(
            "cronExpression",
            self.cron_expression.is_some(),
            self.schedule_type,
        )?;
        let field = "intervalSeconds";
        match self.interval_seconds {
            None => Err(InvalidInput::new(
                field,
                format!("is required for scheduleType {}", self.schedule_type),
            )),
            Some(seconds) if (1..=INTERVAL_SECONDS_MAX).contains(&seconds) => {
                Ok(TimeDelta::seconds(seconds))
            }
            Some(_) => Err(InvalidInput::new(
                field,
                format!("must be from 1 to {INTERVAL_SECONDS_MAX} (ten years)"),
            )),
        }
    }

    fn initial_delay(&self) -> Result<TimeDelta, InvalidInput> {
        let seconds = self.initial_delay_seconds.unwrap_or(0);
        if (0..=INTERVAL_SECONDS_MAX).contains(&seconds) {
            Ok(TimeDelta::seconds(seconds))
        } else {
            Err(InvalidInput::new(
                "initialDelaySeconds",
                format!("must be from 0 to {INTERVAL_SECONDS_MAX} (ten years)"),
            ))
        }
    }
}

fn refuse_given(
    field: &'static str,
    given: bool,
    schedule_type: ScheduleType,
) -> Result<(), InvalidInput> {
    if given {
        return Err(InvalidInput::new(
            field,
            format!("does not go with scheduleType {schedule_type}: leave it out"),
        ));
    }
    Ok(())
}

fn validate_name(name: &str) -> Result<String, InvalidInput> {
    text::JOB_NAME.check("name", name)?;
    Ok(name.trim().to_owned())
}

fn validate_tags(tags: &[String]) -> Result<(), InvalidInput> {
    if tags.len() > TAGS_MAX {
        return Err(InvalidInput::new("tags", "must be at most 20"));
    }
    text::TAG.check_each("tags", tags)
}

pub(super) fn validate_priority(priority: Option<i32>) -> Result<i16, InvalidInput> {
    let priority = priority.unwrap_or(PRIORITY_DEFAULT.into());
    i16::try_from(priority)
        .ok()
        .filter(|priority| (0..=9).contains(priority))
        .ok_or_else(|| InvalidInput::new("priority", "must be from 0 to 9"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-23T07:15:00Z".parse().expect("a time")
    }

    fn request(change: impl FnOnce(&mut JobRequest)) -> Result<JobDefinition, InvalidInput> {
        let mut request = JobRequest {
            name: "report".into(),
            namespace: None,
            schedule_type: ScheduleType::FixedRate,
            description: None,
            tags: Vec::new(),
            priority: None,
            policies: Policies::default(),
            cron_expression: None,
            time_zone: None,
            calendar: None,
            interval_seconds: Some(60),
            initial_delay_seconds: None,
            payload: None,
            target: Target::Log,
            recovery: None,
            max_recoveries: None,
        };
        change(&mut request);
        request.validate(Uuid::nil(), now())
    }

    fn cron(request: &mut JobRequest, expression: Option<&str>) {
        request.schedule_type = ScheduleType::Cron;
        request.interval_seconds = None;
        request.cron_expression = expression.map(str::to_owned);
    }

    #[test]
    fn a_valid_request_gets_the_documented_defaults() {
        let job = request(|_| ()).expect("valid");
        assert_eq!(job.recovery, Recovery::Rerun);
        assert_eq!(job.max_recoveries, 3);
        assert_eq!(job.first_fire_time(now()), Some(now()));
    }

    #[test]
    fn every_bad_field_is_named() {
        type Change = fn(&mut JobRequest);
        let cases: [(&str, Change); 29] = [
            ("timeZone", |r| r.time_zone = Some("Europe/Berlin".into())),
            ("timeZone", |r| {
                cron(r, Some("0 2 * * *"));
                r.time_zone = Some("Mars/Olympus".into());
            }),
            ("description", |r| r.description = Some("x".repeat(2_001))),
            ("description", |r| r.description = Some("a\0b".into())),
            ("calendar", |r| r.calendar = Some("a\0b".into())),
            ("tags.0", |r| r.tags = vec![String::new()]),
            ("tags", |r| r.tags = vec!["x".into(); 21]),
            ("priority", |r| r.priority = Some(10)),
            ("endAt", |r| {
                r.policies.end_at = Some(now() - TimeDelta::days(1));
            }),
            ("startAt", |r| {
                (r.schedule_type, r.interval_seconds) = (ScheduleType::Once, None);
            }),
            ("startAt", |r| {
                (r.schedule_type, r.interval_seconds) = (ScheduleType::Once, None);
                r.policies.start_at = Some(now() - TimeDelta::seconds(1));
            }),
            ("jitterSeconds", |r| {
                (r.schedule_type, r.policies.jitter_seconds) = (ScheduleType::FixedDelay, 5);
            }),
            ("name", |r| r.name = String::new()),
            ("name", |r| r.name = "  ".into()),
            ("name", |r| r.name = "x".repeat(256)),
            ("name", |r| r.name = "a\nb".into()),
            ("intervalSeconds", |r| r.interval_seconds = None),
            ("intervalSeconds", |r| r.interval_seconds = Some(0)),
            ("intervalSeconds", |r| r.interval_seconds = Some(-5)),
            ("intervalSeconds", |r| r.interval_seconds = Some(i64::MAX)),
            ("initialDelaySeconds", |r| {
                r.initial_delay_seconds = Some(-1);
            }),
            ("initialDelaySeconds", |r| {
                r.initial_delay_seconds = Some(i64::MAX);
            }),
            ("cronExpression", |r| {
                r.cron_expression = Some("* * * * *".into());
            }),
            ("cronExpression", |r| cron(r, None)),
            ("cronExpression", |r| cron(r, Some("0 99 * * * ?"))),
            ("cronExpression", |r| cron(r, Some("0 0 0 31 2 ?"))),
            ("intervalSeconds", |r| {
                cron(r, Some("0 2 * * *"));
                r.interval_seconds = Some(5);
            }),
            ("payload", |r| {
                r.payload = Payload::of_json(json!({"a": ["\u{0}"]}).to_string()).ok();
            }),
            ("maxRecoveries", |r| r.max_recoveries = Some(-1)),
        ];
        for (field, change) in cases {
            assert_eq!(request(change).expect_err(field).field, field);
        }
    }

    #[test]
    fn targets_that_could_never_run_are_refused() {
        let http = |url: &str, header: (&str, &str)| {
            let target = json!({"http": {"url": url, "method": "POST", "timeoutSeconds": 30, "headers": {header.0: header.1}}});
            let target = serde_json::from_value(target).expect("parses");
            request(|r| r.target = target)
        };
        assert!(http("https://example.com/hook", ("X-Team", "ops")).is_ok());
        for url in [
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://user:secret@example.com/",
        ] {
            assert_eq!(
                http(url, ("X-Team", "ops")).expect_err(url).field,
                "target.http.url"
            );
        }
        for header in [
            ("Host", "x"),
            ("Horolog-Attempt", "9"),
            ("a b", "x"),
            ("X-Team", "a\r\nEvil: 1"),
            ("", "x"),
        ] {
            assert_eq!(
                http("http://example.com/", header)
                    .expect_err(header.0)
                    .field,
                "target.http.headers"
            );
        }
    }
}
