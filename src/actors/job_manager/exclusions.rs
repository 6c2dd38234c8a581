//! Commands about calendars and blackouts.

use super::{Command, CommandError};
use crate::model::access::Reach;
use crate::model::exclusions::{Blackout, BlackoutEndPolicy, Scope};
use crate::model::namespace::validate_name;
use crate::model::schedule::calendar::{Calendar, CalendarRules};
use crate::model::schedule::zone::Zone;
use crate::model::{InvalidInput, Timestamp, namespace, rfc3339, text};
use crate::store::jobs::calendars::{CalendarDefinition, CalendarRecord, UpdateOutcome};
use crate::store::{Store, StoreError};
use uuid::Uuid;

/// Most blackouts not over: every lease reads them.
const BLACKOUTS_MAX: i64 = 1_000;

/// An unvalidated request for a calendar.
#[derive(Debug, Clone)]
pub struct CalendarRequest {
    /// Name of the calendar, for references from jobs.
    pub name: String,
    /// Description of the calendar. Display only.
    pub description: Option<String>,
    /// An IANA name. Default: UTC.
    pub time_zone: Option<String>,
    /// The rules about fire times that count.
    pub rules: CalendarRules,
}

/// Creates a calendar with its rules.
pub struct CreateCalendar(pub CalendarRequest);

/// Replaces the calendar of the name if the version still matches.
pub struct UpdateCalendar(pub CalendarRequest, pub i32);

/// Deletes a calendar without jobs.
pub struct DeleteCalendar(pub String);

/// Creates a blackout of jobs.
pub struct CreateBlackout {
    /// The jobs that the window concerns.
    pub scope: Scope,
    /// First instant. Default: now.
    pub starts_at: Option<Timestamp>,
    /// The instant after the last.
    pub ends_at: Timestamp,
    /// Effect of the end on deferred fire times.
    pub on_end: BlackoutEndPolicy,
    /// Reason of the blackout. Display only.
    pub reason: String,
}

/// Moves the end of a blackout. None: now.
pub struct SetBlackoutEnd(pub Uuid, pub Option<Timestamp>);

impl CalendarRequest {
    fn validate(self) -> Result<CalendarDefinition, InvalidInput> {
        let zone = Zone::named(self.time_zone.as_deref().unwrap_or("UTC"))
            .map_err(|error| InvalidInput::new("timeZone", error.to_string()))?;
        text::CALENDAR_NAME.check("name", &self.name)?;
        let calendar = Calendar::new(&self.name, zone.clone(), &self.rules)?;
        text::DESCRIPTION.check_given("description", self.description.as_deref())?;
        Ok(CalendarDefinition {
            name: calendar.name().to_owned(),
            description: self.description,
            time_zone: zone.name().to_owned(),
            rules: self.rules,
        })
    }
}

impl Command for CreateCalendar {
    type Output = CalendarRecord;

    async fn carry_out(self, store: &Store) -> Result<CalendarRecord, CommandError> {
        let CreateCalendar(request) = self;
        let calendar = request.validate()?;
        validate_name("name", namespace::of_calendar(&calendar.name))?;
        if !store.create_calendar(&calendar).await?? {
            return Err(CommandError::Conflict(format!(
                "there is a calendar `{}` already",
                calendar.name
            )));
        }
        stored(store, calendar.name).await
    }
}

impl Command for UpdateCalendar {
    type Output = CalendarRecord;

    async fn carry_out(self, store: &Store) -> Result<CalendarRecord, CommandError> {
        let UpdateCalendar(request, version) = self;
        let calendar = request.validate()?;
        match store.update_calendar(&calendar, version).await? {
            UpdateOutcome::Stale(current) => Err(CommandError::Conflict(format!(
                "the calendar has version {current}, not {version}: somebody changed it; load it again"
            ))),
            _ => stored(store, calendar.name).await,
        }
    }
}

impl Command for DeleteCalendar {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let DeleteCalendar(name) = self;
        text::CALENDAR_NAME.check("name", &name)?;
        match store.delete_calendar(&name).await? {
            UpdateOutcome::InUse(jobs) => Err(CommandError::Conflict(format!(
                "{jobs} job(s) name the calendar: edit or delete them first"
            ))),
            UpdateOutcome::Done => Ok(()),
            UpdateOutcome::NotFound | UpdateOutcome::Stale(_) => Err(CommandError::NotFound {
                what: "calendar",
                id: name,
            }),
        }
    }
}

impl Command for CreateBlackout {
    type Output = Blackout;

    async fn carry_out(self, store: &Store) -> Result<Blackout, CommandError> {
        let request = self;
        let now = store.now().await?;
        let blackout = Blackout {
            id: Uuid::now_v7(),
            scope: request.scope,
            starts_at: request.starts_at.unwrap_or(now),
            ends_at: request.ends_at,
            on_end: request.on_end,
            reason: request.reason,
        };
        blackout.validate(now)?;
        refuse_wide(store, &blackout.scope)?;
        // Each lease reads the blackouts of all namespaces.
        let store_of_all = store.within_reach(Reach::All);
        if store_of_all.blackouts_not_over(BLACKOUTS_MAX).await? >= BLACKOUTS_MAX {
            let message = format!(
                "{BLACKOUTS_MAX} blackouts are not over yet, and there may not be more: end those that are not \
                     needed, or give the jobs one tag and that tag one blackout"
            );
            return Err(CommandError::Conflict(message));
        }
        match (&blackout.scope, store.create_blackout(&blackout).await?) {
            // A job out of reach counts as missing.
            (Scope::Job(job), false) => Err(CommandError::NotFound {
                what: "job",
                id: job.to_string(),
            }),
            _ => Ok(blackout),
        }
    }
}

impl Command for SetBlackoutEnd {
    type Output = Blackout;

    async fn carry_out(self, store: &Store) -> Result<Blackout, CommandError> {
        let SetBlackoutEnd(id, end) = self;
        let now = store.now().await?;
        let old = existing_blackout(store, id).await?;
        refuse_wide(store, &old.scope)?;
        if let Some(end) = end {
            Blackout {
                ends_at: end,
                ..old.clone()
            }
            .validate(now)?;
        }
        if !store.set_blackout_end(id, end.unwrap_or(now)).await? {
            return Err(CommandError::Conflict(format!(
                "the blackout ended at {}",
                rfc3339(old.ends_at)
            )));
        }
        existing_blackout(store, id).await
    }
}

/// Refuses a command about a blackout of the whole cluster or of a tag, which concerns the jobs of
/// all namespaces.
fn refuse_wide(store: &Store, scope: &Scope) -> Result<(), CommandError> {
    match (scope, store.reach()) {
        (Scope::Cluster | Scope::Tag(_), Reach::Namespaces(_)) => Err(CommandError::ClusterWide),
        _ => Ok(()),
    }
}

async fn existing_blackout(store: &Store, id: Uuid) -> Result<Blackout, CommandError> {
    let blackout = store.blackout(id).await?;
    blackout.ok_or_else(|| CommandError::NotFound {
        what: "blackout",
        id: id.to_string(),
    })
}

async fn stored(store: &Store, name: String) -> Result<CalendarRecord, CommandError> {
    let calendar: Result<_, StoreError> = store.calendar(&name).await;
    calendar?.ok_or(CommandError::NotFound {
        what: "calendar",
        id: name,
    })
}
