//! Calendars and blackouts in the API.

use super::enums::{BlackoutEndPolicyName, ExclusionKindName, WeekdayName};
use super::mutations::command;
use super::queries::store;
use super::{cost, errors};
use crate::actors::job_manager::exclusions::{
    CalendarRequest, CreateBlackout, CreateCalendar, DeleteCalendar, SetBlackoutEnd, UpdateCalendar,
};
use crate::model::exclusions::{Blackout, BlackoutEndPolicy, JobExclusion, Scope};
use crate::model::schedule::calendar::{CalendarRules, DayOfWeek, DayWindow};
use crate::model::{rfc3339, text};
use crate::store::calendars::CalendarRecord;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

/// Most rows of a list.
const LIST_MAX: u32 = 1_000;

/// A calendar: which fire times of the jobs that name it count. A date beats a
/// weekday. A date that no rule names counts, unless weekdays are included, or
/// dates are included and no day is excluded.
#[derive(InputObject)]
pub struct CalendarInput {
    /// What jobs call it: from 1 to 100 characters.
    name: String,
    /// For people, at most 2,000 characters.
    description: Option<String>,
    /// IANA zone of its dates and times of day; UTC unless said.
    time_zone: Option<String>,
    /// Dates that do not count: 2026-12-25, each year 12-25, or from and to 2026-12-24/2027-01-02.
    exclude_dates: Option<Vec<String>>,
    /// Dates that count whatever else is excluded.
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

/// A time of day from `from` to before `to`; over midnight when `to` is not
/// later, and then it belongs to the day it began.
#[derive(InputObject)]
pub struct DayWindowInput {
    /// HH:MM or HH:MM:SS.
    from: String,
    /// HH:MM or HH:MM:SS, not included; 24:00 is the end of the day.
    to: String,
    /// Days on which it begins; all unless said.
    weekdays: Option<Vec<WeekdayName>>,
}

/// A stretch of time in which nothing starts by schedule: of all jobs, or of
/// those with a tag, or of one job.
#[derive(InputObject)]
pub struct BlackoutInput {
    /// Why, for people: at most 500 characters.
    reason: String,
    /// Its start (RFC 3339); now unless said.
    starts_at: Option<String>,
    /// Its end (RFC 3339), not included; within a year of its start.
    ends_at: String,
    /// Only jobs with this tag.
    tag: Option<String>,
    /// Only this job.
    job_id: Option<ID>,
    /// What becomes of its fire times at its end; COLLAPSE unless said.
    afterwards: Option<BlackoutEndPolicyName>,
}

/// A time of day.
#[derive(SimpleObject)]
#[graphql(name = "DayWindow")]
pub struct DayWindowObject {
    /// HH:MM or HH:MM:SS.
    from: String,
    /// HH:MM or HH:MM:SS, not included.
    to: String,
    /// Days on which it begins; all when empty.
    weekdays: Vec<WeekdayName>,
}

/// The queries about closures.
#[derive(Default)]
pub struct ExclusionQuery;

/// The mutations of closures.
#[derive(Default)]
pub struct ExclusionMutation;

#[Object]
impl ExclusionQuery {
    /// All calendars by name, at most 1,000.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn calendars(&self, ctx: &Context<'_>) -> Result<Vec<CalendarRecord>> {
        store(ctx)
            .await?
            .calendars(LIST_MAX)
            .await
            .map_err(errors::store)
    }

    /// A calendar.
    #[graphql(complexity = "cost::list(1, child_complexity)")]
    async fn calendar(&self, ctx: &Context<'_>, name: String) -> Result<Option<CalendarRecord>> {
        text::CALENDAR_NAME
            .check("name", &name)
            .map_err(|invalid| errors::invalid(&invalid))?;
        store(ctx)
            .await?
            .calendar(&name)
            .await
            .map_err(errors::store)
    }

    /// Blackouts, those that are not over first, at most 1,000.
    #[graphql(complexity = "cost::list(LIST_MAX as usize, child_complexity)")]
    async fn blackouts(&self, ctx: &Context<'_>) -> Result<Vec<Blackout>> {
        store(ctx)
            .await?
            .blackouts(LIST_MAX)
            .await
            .map_err(errors::store)
    }
}

#[Object]
impl ExclusionMutation {
    /// Creates a calendar.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn create_calendar(
        &self,
        ctx: &Context<'_>,
        input: CalendarInput,
    ) -> Result<CalendarRecord> {
        command(ctx, CreateCalendar(input.into_request())).await
    }

    /// Replaces the calendar of that name if it still has this version. The
    /// pending fire times of its jobs follow at once; what it closed before its
    /// change stays closed.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn update_calendar(
        &self,
        ctx: &Context<'_>,
        input: CalendarInput,
        version: i32,
    ) -> Result<CalendarRecord> {
        command(ctx, UpdateCalendar(input.into_request(), version)).await
    }

    /// Deletes a calendar that no job names.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn delete_calendar(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        command(ctx, DeleteCalendar(name)).await.map(|()| true)
    }

    /// Creates a blackout. What runs goes on; run-now, backfills, retries and
    /// recoveries are not held back.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn create_blackout(&self, ctx: &Context<'_>, input: BlackoutInput) -> Result<Blackout> {
        command(ctx, input.into_command()?).await
    }

    /// Moves the end of a blackout that is not over.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn set_blackout_end(
        &self,
        ctx: &Context<'_>,
        id: ID,
        ends_at: String,
    ) -> Result<Blackout> {
        command(
            ctx,
            SetBlackoutEnd(
                errors::uuid("id", &id)?,
                Some(errors::instant("endsAt", &ends_at)?),
            ),
        )
        .await
    }

    /// Ends a blackout now; one that has not begun never begins.
    #[graphql(complexity = "cost::COMMAND + child_complexity")]
    async fn end_blackout(&self, ctx: &Context<'_>, id: ID) -> Result<Blackout> {
        command(ctx, SetBlackoutEnd(errors::uuid("id", &id)?, None)).await
    }
}

/// A calendar.
#[Object(name = "Calendar")]
impl CalendarRecord {
    /// What jobs call it.
    async fn name(&self) -> &str {
        &self.name
    }
    /// For people.
    async fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
    /// Zone of its dates and times of day.
    async fn time_zone(&self) -> &str {
        &self.time_zone
    }
    /// Raised by every change.
    async fn version(&self) -> i32 {
        self.version
    }
    /// When it was created.
    async fn created_at(&self) -> String {
        rfc3339(self.created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> String {
        rfc3339(self.updated_at)
    }
    /// Jobs that name it.
    async fn jobs(&self) -> i32 {
        i32::try_from(self.jobs).unwrap_or(i32::MAX)
    }
    /// Dates that do not count.
    async fn exclude_dates(&self) -> &[String] {
        &self.rules.exclude_dates
    }
    /// Dates that count whatever else is excluded.
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

/// A stretch of time in which nothing starts by schedule.
#[Object]
impl Blackout {
    /// Its identity.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// Why.
    async fn reason(&self) -> &str {
        &self.reason
    }
    /// Its start.
    async fn starts_at(&self) -> String {
        rfc3339(self.starts_at)
    }
    /// Its end, not included.
    async fn ends_at(&self) -> String {
        rfc3339(self.ends_at)
    }
    /// Only jobs with this tag.
    async fn tag(&self) -> Option<&str> {
        if let Scope::Tag(tag) = &self.scope {
            Some(tag)
        } else {
            None
        }
    }
    /// Only this job.
    async fn job_id(&self) -> Option<ID> {
        if let Scope::Job(job) = &self.scope {
            Some((*job).into())
        } else {
            None
        }
    }
    /// What becomes of its fire times at its end.
    async fn afterwards(&self) -> BlackoutEndPolicyName {
        self.on_end.into()
    }
}

/// A closure that takes fire times of a job.
#[Object(name = "JobClosure")]
impl JobExclusion {
    /// What kind it is.
    async fn kind(&self) -> ExclusionKindName {
        self.kind.into()
    }
    /// The name of the calendar, or the reason of the blackout.
    async fn name(&self) -> &str {
        &self.name
    }
    /// Start of the blackout; none for a calendar, which closes now.
    async fn from(&self) -> Option<String> {
        self.from.map(rfc3339)
    }
    /// When the job may fire again; none when the calendar does not open in sight.
    async fn until(&self) -> Option<String> {
        self.until.map(rfc3339)
    }
    /// What becomes of the fire times of a blackout; none for a calendar, whose fire times are
    /// skipped.
    async fn afterwards(&self) -> Option<BlackoutEndPolicyName> {
        self.on_end.map(Into::into)
    }
}

impl CalendarInput {
    fn into_request(self) -> CalendarRequest {
        let windows = |windows: Option<Vec<DayWindowInput>>| {
            windows
                .unwrap_or_default()
                .into_iter()
                .map(DayWindowInput::into_window)
                .collect()
        };
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
            (Some(_), Some(_)) => {
                return Err(errors::bad_input(
                    "jobId",
                    "jobId: does not go with tag: leave one out",
                ));
            }
        };
        Ok(CreateBlackout {
            scope,
            starts_at: self
                .starts_at
                .as_deref()
                .map(|text| errors::instant("startsAt", text))
                .transpose()?,
            ends_at: errors::instant("endsAt", &self.ends_at)?,
            on_end: self
                .afterwards
                .map_or(BlackoutEndPolicy::Collapse, Into::into),
            reason: self.reason,
        })
    }
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
