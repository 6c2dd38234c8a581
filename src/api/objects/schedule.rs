//! Schedules, as the API shows them.

use crate::api::date_time::DateTime;
use crate::api::enums::DialectName;
use crate::model::Timestamp;
use crate::model::job::JobDefinition;
use crate::model::schedule::Schedule;
use async_graphql::SimpleObject;

/// The meaning of a schedule, before any job has it.
#[derive(SimpleObject)]
pub struct SchedulePreview {
    /// CRON: the expression as typed.
    expression: Option<String>,
    /// CRON: whose rules the expression follows.
    dialect: Option<DialectName>,
    /// The zone of the expression; UTC for other schedules.
    zone: String,
    /// The schedule in English words, as in `Job.scheduleDescription`.
    description: String,
    /// The next fire times.
    fire_times: Vec<DateTime>,
    /// What may surprise: unusual parts of the expression, and clock changes of the next year.
    warnings: Vec<String>,
}

impl SchedulePreview {
    /// The preview at `now` of a schedule with these fire times.
    pub fn new(definition: &JobDefinition, now: Timestamp, fire_times: Vec<Timestamp>) -> Self {
        let cron = match &definition.schedule {
            Schedule::Cron(cron) => Some(cron),
            Schedule::FixedRate { .. }
            | Schedule::FixedDelay { .. }
            | Schedule::Once { .. }
            | Schedule::OnDemand => None,
        };
        Self {
            expression: cron.map(|cron| cron.expression().to_owned()),
            dialect: cron.map(|cron| cron.dialect().into()),
            zone: cron.map_or_else(|| "UTC".to_owned(), |cron| cron.zone().name().to_owned()),
            description: definition.schedule.description(),
            fire_times: fire_times.into_iter().map(DateTime).collect(),
            warnings: definition.schedule.warnings(now),
        }
    }
}
