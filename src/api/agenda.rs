//! What fires in a stretch of time to come, job by job.

use super::allowance::COMPUTATIONS;
use super::lists::JobFilterInput;
use super::queries::store;
use super::{cost, errors};
use crate::model::agenda::{self, fires_every};
use crate::model::exclusions::Exclusions;
use crate::model::upcoming::{Group, MINUTES_MAX};
use crate::model::{Timestamp, rfc3339};
use crate::store::upcoming::Schedules;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use chrono::{Datelike, TimeDelta};

/// Most entries of an agenda.
const ENTRIES_MAX: usize = 500;
/// Entries by default.
const ENTRIES: i32 = 100;
/// Longest interval of what is hidden: a day.
const HIDE_SECONDS_MAX: i32 = 86_400;

/// What fires in a stretch of time.
#[derive(SimpleObject)]
pub struct Agenda {
    /// Its start.
    from: String,
    /// Its end.
    to: String,
    /// Instants at which jobs fire, in the order of time.
    entries: Vec<AgendaEntry>,
    /// Jobs with more than 12 fire times in the stretch, by schedule, each with its
    /// first; the rarest first.
    often: Vec<AgendaEntry>,
    /// False when something was left out to bound the work.
    complete: bool,
}

/// Jobs that fire at one time.
#[derive(SimpleObject)]
pub struct AgendaEntry {
    /// The instant that their schedules name.
    fire_time: String,
    /// How many they are.
    jobs: i32,
    /// Some of them, at most 10.
    named: Vec<AgendaJob>,
}

/// A job of an agenda.
#[derive(SimpleObject)]
pub struct AgendaJob {
    /// Its id.
    id: ID,
    /// Its name.
    name: String,
}

/// The query of the agenda.
#[derive(Default)]
pub struct AgendaQuery;

#[Object]
impl AgendaQuery {
    /// Which jobs fire from `from` (default: now) until before `to` (default: a day
    /// later, at most a week later): the first instants, 100 by default, at most 500. A
    /// fixed delay is not planned. `hideEverySeconds` leaves out what fires as often
    /// as that: schedules whose next 24 fire times are no further apart on average.
    #[graphql(
        complexity = "cost::PLAN + 2 * cost::rows(cost::bound(first, ENTRIES, ENTRIES_MAX), child_complexity)"
    )]
    async fn agenda(
        &self,
        ctx: &Context<'_>,
        from: Option<String>,
        to: Option<String>,
        filter: Option<JobFilterInput>,
        hide_every_seconds: Option<i32>,
        #[graphql(default = 100)] first: Option<i32>,
    ) -> Result<Agenda> {
        let first = usize::try_from(first.unwrap_or(ENTRIES))
            .ok()
            .filter(|first| (1..=ENTRIES_MAX).contains(first));
        let first =
            first.ok_or_else(|| errors::bad_input("first", "first: must be from 1 to 500"))?;
        let from = from
            .map(|text| errors::instant("from", &text))
            .transpose()?;
        let to = to.map(|text| errors::instant("to", &text)).transpose()?;
        let hidden = hidden(hide_every_seconds)?;
        let schedules = schedules(ctx, filter).await?;
        let now = schedules.now;
        // What is over is not planned.
        let from = from.map_or(now, |from| from.max(now));
        let to = to.unwrap_or(from + TimeDelta::days(1));
        let longest = TimeDelta::minutes(i64::try_from(MINUTES_MAX).unwrap_or(i64::MAX));
        if to <= from || to - from > longest || to.year() > 9_999 {
            return Err(errors::bad_input(
                "to",
                "to: must be after `from` and after now, by a week at most",
            ));
        }
        let complete = schedules.complete;
        let agenda = move || {
            let groups = shown(schedules.groups, &schedules.exclusions, now, hidden);
            agenda::Agenda::of(&groups, &schedules.exclusions, (from, to), first)
        };
        let agenda = COMPUTATIONS.run(agenda).await;
        Ok(Agenda {
            from: rfc3339(from),
            to: rfc3339(to),
            entries: agenda.entries.into_iter().map(entry).collect(),
            often: agenda.often.into_iter().map(entry).collect(),
            complete: agenda.complete && complete,
        })
    }
}

/// The schedules of a filter.
pub(super) async fn schedules(
    ctx: &Context<'_>,
    filter: Option<JobFilterInput>,
) -> Result<Schedules> {
    let filter = filter.unwrap_or_default().into_filter("filter")?;
    if filter.last_outcomes.is_some() {
        let message = "filter.lastOutcome: says nothing of what is to come: leave it out";
        return Err(errors::bad_input("filter.lastOutcome", message));
    }
    store(ctx)
        .await?
        .schedules(&filter)
        .await
        .map_err(errors::store)
}

/// The interval of `hideEverySeconds`.
pub(super) fn hidden(seconds: Option<i32>) -> Result<Option<TimeDelta>> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    if !(1..=HIDE_SECONDS_MAX).contains(&seconds) {
        let message = format!("hideEverySeconds: must be from 1 to {HIDE_SECONDS_MAX}");
        return Err(errors::bad_input("hideEverySeconds", message));
    }
    Ok(Some(TimeDelta::seconds(seconds.into())))
}

/// The schedules that fire less often than what is hidden.
pub(super) fn shown(
    groups: Vec<Group>,
    exclusions: &Exclusions,
    now: Timestamp,
    hidden: Option<TimeDelta>,
) -> Vec<Group> {
    let Some(interval) = hidden else {
        return groups;
    };
    groups
        .into_iter()
        .filter(|group| !fires_every(group, exclusions, now, interval))
        .collect()
}

fn entry(entry: agenda::AgendaEntry) -> AgendaEntry {
    let job = |(id, name): (uuid::Uuid, String)| AgendaJob {
        id: id.into(),
        name,
    };
    AgendaEntry {
        fire_time: rfc3339(entry.fire_time),
        jobs: i32::try_from(entry.jobs).unwrap_or(i32::MAX),
        named: entry.named.into_iter().map(job).collect(),
    }
}
