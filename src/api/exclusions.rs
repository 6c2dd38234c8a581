//! Calendars and blackouts in the API.

use super::context::{command, store};
use super::cost::{self, LIST_MAX};
use super::date_time::DateTime;
use super::enums::WeekdayName;
use super::errors;
use super::lists::size;
use crate::actors::job_manager::exclusions::{
    CalendarRequest, CreateBlackout, CreateCalendar, DeleteCalendar, SetBlackoutEnd, UpdateCalendar,
};
use crate::model::exclusions::{Blackout, BlackoutEndPolicy, ExclusionKind, JobExclusion, Scope};
use crate::model::schedule::calendar::{CalendarRules, DayOfWeek, DayWindow};
use crate::model::{namespace, text};
use crate::store::jobs::calendars::CalendarRecord;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

/// A calendar: which fire times of its jobs count. A date rule has precedence over a weekday rule.
/// A date without a rule counts, unless weekdays are included, or dates are included and no day is
/// excluded.
#[derive(InputObject)]
pub struct CalendarInput {
    /// The name in `CreateJobInput.calendar`: from 1 to 100 characters. A name with a slash belongs
    /// to the namespace before it: `team/holidays`.
    name: String,
    /// Display only; at most 2,000 characters.
    description: Option<String>,
    /// IANA zone of the dates and times of day. Default: UTC.
    time_zone: Option<String>,
    /// Dates that do not count: 2026-12-25, each year 12-25, or a range 2026-12-24/2027-01-02.
    exclude_dates: Option<Vec<String>>,
    /// Dates that count, whatever else is excluded.
    include_dates: Option<Vec<String>>,
    /// Weekdays that do not count.
    exclude_weekdays: Option<Vec<WeekdayName>>,
    /// The only weekdays that count.
    include_weekdays: Option<Vec<WeekdayName>>,
    /// Times of day that do not count.
    exclude_windows: Option<Vec<DayWindowInput>>,
    /// The only times of day that count.
    include_windows: Option<Vec<DayWindowInput>>,
}

/// A time of day from `from` to before `to`. With a `to` that is not later it extends over
/// midnight, and belongs to the day of its start.
#[derive(InputObject)]
pub struct DayWindowInput {
    /// Start, HH:MM or HH:MM:SS.
    from: String,
    /// End, HH:MM or HH:MM:SS, not included; 24:00 is the end of the day.
    to: String,
    /// Days of the start. Default: all.
    weekdays: Option<Vec<WeekdayName>>,
}

/// A period in which nothing starts by schedule: for all jobs, for the jobs with a tag, or for one
/// job.
#[derive(InputObject)]
pub struct BlackoutInput {
    /// Display only; at most 500 characters.
    reason: String,
    /// Start of the blackout. Default: now.
    starts_at: Option<DateTime>,
    /// End, not included; within a year of the start.
    ends_at: DateTime,
    /// Only jobs with this tag.
    tag: Option<String>,
    /// Only this job.
    job_id: Option<ID>,
    /// What happens to the fire times at the end. Default: COLLAPSE.
    on_end: Option<BlackoutEndPolicy>,
}

/// A time of day.
#[derive(SimpleObject)]
#[graphql(name = "DayWindow")]
pub struct DayWindowObject {
    /// Start, HH:MM or HH:MM:SS.
    from: String,
    /// End, HH:MM or HH:MM:SS, not included.
    to: String,
    /// Days of the start; all days when empty.
    weekdays: Vec<WeekdayName>,
}

/// The queries of calendars and blackouts.
#[derive(Default)]
pub struct ExclusionQuery;

/// The mutations of calendars and blackouts.
#[derive(Default)]
pub struct ExclusionMutation;

#[Object]
impl ExclusionQuery {
    /// All calendars by name; at most 1,000.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn calendars(&self, ctx: &Context<'_>) -> Result<Vec<CalendarRecord>> {
        Ok(store(ctx).await?.calendars(LIST_MAX).await?)
    }

    /// A calendar by its name; none for an unknown name.
    #[graphql(complexity = "cost::list(1, child_complexity)")]
    async fn calendar(&self, ctx: &Context<'_>, name: String) -> Result<Option<CalendarRecord>> {
        text::CALENDAR_NAME.check("name", &name)?;
        Ok(store(ctx).await?.calendar(&name).await?)
    }

    /// Blackouts, those that have not ended first; at most 1,000. Those of the whole cluster and of
    /// a tag concern the jobs of all namespaces.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn blackouts(&self, ctx: &Context<'_>) -> Result<Vec<Blackout>> {
        Ok(store(ctx).await?.blackouts(LIST_MAX).await?)
    }
}

#[Object]
impl ExclusionMutation {
    /// Creates a calendar under a new name.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn create_calendar(
        &self,
        ctx: &Context<'_>,
        input: CalendarInput,
    ) -> Result<CalendarRecord> {
        command(ctx, CreateCalendar(input.into_request())).await
    }

    /// Replaces the calendar of this name, if it still has this version. The pending fire times of
    /// its jobs are recalculated at once; a fire time that was excluded before stays excluded.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn update_calendar(
        &self,
        ctx: &Context<'_>,
        input: CalendarInput,
        version: i32,
    ) -> Result<CalendarRecord> {
        command(ctx, UpdateCalendar(input.into_request(), version)).await
    }

    /// Deletes a calendar; refused while a job names it.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn delete_calendar(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        // GraphQL has no field without a value.
        command(ctx, DeleteCalendar(name)).await.map(|()| true)
    }

    /// Creates a blackout; for more than one job it needs EDITOR in the whole cluster. Executions
    /// in flight continue. Run-now, backfills, retries and recoveries start nevertheless.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn create_blackout(&self, ctx: &Context<'_>, input: BlackoutInput) -> Result<Blackout> {
        command(ctx, input.into_command()?).await
    }

    /// Moves the end of a blackout that has not ended.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn set_blackout_end(
        &self,
        ctx: &Context<'_>,
        id: ID,
        ends_at: DateTime,
    ) -> Result<Blackout> {
        let DateTime(ends_at) = ends_at;
        command(ctx, SetBlackoutEnd(errors::uuid("id", &id)?, Some(ends_at))).await
    }

    /// Ends a blackout now; a blackout in the future is removed.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn end_blackout(&self, ctx: &Context<'_>, id: ID) -> Result<Blackout> {
        // Without an end the transaction of the command takes the database's now.
        command(ctx, SetBlackoutEnd(errors::uuid("id", &id)?, None)).await
    }
}

/// A calendar, with the number of its jobs.
#[Object(name = "Calendar")]
impl CalendarRecord {
    /// The name in `Job.calendar`.
    async fn name(&self) -> &str {
        &self.name
    }
    /// Name of the namespace, whose jobs may name the calendar.
    async fn namespace(&self) -> &str {
        namespace::of_calendar(&self.name)
    }
    /// Display only; none without one.
    async fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
    /// Zone of the dates and times of day.
    async fn time_zone(&self) -> &str {
        &self.time_zone
    }
    /// Incremented by each change.
    async fn version(&self) -> i32 {
        self.version
    }
    /// Time of the creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.created_at)
    }
    /// Time of the last change.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.updated_at)
    }
    /// Number of jobs that name the calendar.
    async fn jobs(&self) -> i32 {
        size(self.jobs)
    }
    /// Dates that do not count.
    async fn exclude_dates(&self) -> &[String] {
        &self.rules.exclude_dates
    }
    /// Dates that count, whatever else is excluded.
    async fn include_dates(&self) -> &[String] {
        &self.rules.include_dates
    }
    /// Weekdays that do not count.
    async fn exclude_weekdays(&self) -> Vec<WeekdayName> {
        weekday_names(&self.rules.exclude_weekdays)
    }
    /// The only weekdays that count.
    async fn include_weekdays(&self) -> Vec<WeekdayName> {
        weekday_names(&self.rules.include_weekdays)
    }
    /// Times of day that do not count.
    async fn exclude_windows(&self) -> Vec<DayWindowObject> {
        self.rules
            .exclude_windows
            .iter()
            .map(DayWindowObject::of)
            .collect()
    }
    /// The only times of day that count.
    async fn include_windows(&self) -> Vec<DayWindowObject> {
        self.rules
            .include_windows
            .iter()
            .map(DayWindowObject::of)
            .collect()
    }
}

/// A period in which nothing starts by schedule.
#[Object]
impl Blackout {
    /// Id of the blackout.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// Why there is a blackout; display only.
    async fn reason(&self) -> &str {
        &self.reason
    }
    /// Start of the blackout, included.
    async fn starts_at(&self) -> DateTime {
        DateTime(self.starts_at)
    }
    /// End of the blackout, not included.
    async fn ends_at(&self) -> DateTime {
        DateTime(self.ends_at)
    }
    /// Only jobs with this tag.
    async fn tag(&self) -> Option<&str> {
        if let Scope::Tag(tag) = &self.scope {
            Some(tag)
        } else {
            None
        }
    }
    /// Only this job; none for a wider scope.
    async fn job_id(&self) -> Option<ID> {
        if let Scope::Job(job) = &self.scope {
            Some((*job).into())
        } else {
            None
        }
    }
    /// What happens to the fire times at the end.
    async fn on_end(&self) -> BlackoutEndPolicy {
        self.on_end
    }
}

/// A calendar or a blackout that excludes fire times of a job.
#[Object]
impl JobExclusion {
    /// Calendar or blackout.
    async fn kind(&self) -> ExclusionKind {
        self.kind
    }
    /// Name of the calendar, or reason of the blackout.
    async fn name(&self) -> &str {
        &self.name
    }
    /// Start of the blackout; none for a calendar, which excludes now.
    async fn from(&self) -> Option<DateTime> {
        self.from.map(DateTime)
    }
    /// When the job may fire again; none when the calendar excludes every time in the next 40
    /// years.
    async fn until(&self) -> Option<DateTime> {
        self.until.map(DateTime)
    }
    /// What happens to the fire times of a blackout; none for a calendar, which skips them.
    async fn on_end(&self) -> Option<BlackoutEndPolicy> {
        self.on_end
    }
}

impl CalendarInput {
    fn into_request(self) -> CalendarRequest {
        CalendarRequest {
            name: self.name,
            description: self.description,
            time_zone: self.time_zone,
            rules: CalendarRules {
                exclude_dates: self.exclude_dates.unwrap_or_default(),
                include_dates: self.include_dates.unwrap_or_default(),
                exclude_weekdays: weekdays(self.exclude_weekdays),
                include_weekdays: weekdays(self.include_weekdays),
                exclude_windows: windows(self.exclude_windows),
                include_windows: windows(self.include_windows),
            },
        }
    }
}

impl DayWindowInput {
    fn into_window(self) -> DayWindow {
        DayWindow {
            from: self.from,
            to: self.to,
            weekdays: weekdays(self.weekdays),
        }
    }
}

impl DayWindowObject {
    fn of(window: &DayWindow) -> Self {
        let DayWindow { from, to, weekdays } = window;
        Self {
            from: from.clone(),
            to: to.clone(),
            weekdays: weekday_names(weekdays),
        }
    }
}

impl BlackoutInput {
    fn into_command(self) -> Result<CreateBlackout> {
        let scope = match (self.tag, self.job_id) {
            (None, None) => Scope::Cluster,
            (Some(tag), None) => Scope::Tag(tag),
            (None, Some(job)) => Scope::Job(errors::uuid("jobId", &job)?),
            // A job with the tag and a job by id are different scopes.
            (Some(_), Some(_)) => {
                return Err(errors::bad_input(
                    "jobId",
                    "jobId: does not go with tag: leave one out",
                ));
            }
        };
        Ok(CreateBlackout {
            scope,
            starts_at: self.starts_at.map(|DateTime(start)| start),
            ends_at: self.ends_at.0,
            // One fire time by default: the end of a long blackout must not be a flood.
            on_end: self.on_end.unwrap_or(BlackoutEndPolicy::Collapse),
            reason: self.reason,
        })
    }
}

fn windows(inputs: Option<Vec<DayWindowInput>>) -> Vec<DayWindow> {
    inputs
        .unwrap_or_default()
        .into_iter()
        .map(DayWindowInput::into_window)
        .collect()
}

fn weekdays(names: Option<Vec<WeekdayName>>) -> Vec<DayOfWeek> {
    names
        .unwrap_or_default()
        .into_iter()
        .map(Into::into)
        .collect()
}

fn weekday_names(days: &[DayOfWeek]) -> Vec<WeekdayName> {
    days.iter().map(|day| (*day).into()).collect()
}
