//! The fire times of the coming hours, job by job.

use super::allowance::COMPUTATIONS;
use super::context::store;
use super::date_time::DateTime;
use super::lists::{JobFilterInput, size};
use super::{cost, errors};
use crate::model::Timestamp;
use crate::model::agenda::{self, fires_every};
use crate::model::exclusions::Exclusions;
use crate::model::upcoming::{Group, MINUTES_MAX};
use crate::store::queries::upcoming::Schedules;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use chrono::{Datelike, TimeDelta};

/// Most entries of an agenda.
const ENTRIES_MAX: usize = 500;
/// Default number of entries.
const ENTRIES: i32 = 100;
/// Longest interval of `hideEverySeconds`: a day.
const HIDE_SECONDS_MAX: i32 = 86_400;

/// The fire times of a period.
#[derive(SimpleObject)]
pub struct Agenda {
    /// Start of the period.
    from: DateTime,
    /// End of the period, not included.
    to: DateTime,
    /// Fire times in order.
    entries: Vec<AgendaEntry>,
    /// Jobs with more than 12 fire times in the period: one entry for each schedule, with its first
    /// fire time, the rarest schedule first.
    often: Vec<AgendaEntry>,
    /// False for an answer that was cut to bound the work.
    complete: bool,
}

/// Jobs with the same fire time.
#[derive(SimpleObject)]
pub struct AgendaEntry {
    /// The fire time of the jobs.
    fire_time: DateTime,
    /// Number of jobs with this fire time.
    jobs: i32,
    /// Some of the jobs, at most 10.
    named: Vec<AgendaJob>,
}

/// A job of an agenda.
#[derive(SimpleObject)]
pub struct AgendaJob {
    /// Id of the job.
    id: ID,
    /// Name of the job.
    name: String,
}

/// The query of the agenda.
#[derive(Default)]
pub struct AgendaQuery;

#[Object]
impl AgendaQuery {
    /// The fire times of all jobs from `from` (default: now) to before `to` (default: a day later;
    /// at most a week later), at most `first` (default: 100; at most 500). A fixed delay has no
    /// planned fire times. `hideEverySeconds` leaves out frequent schedules: those whose next 24
    /// fire times lie no further apart on average.
    #[graphql(complexity = "cost::PLAN \
                      + 2 * cost::rows(cost::bound(first, ENTRIES, ENTRIES_MAX), \
                      child_complexity)")]
    async fn agenda(
        &self,
        ctx: &Context<'_>,
        from: Option<DateTime>,
        to: Option<DateTime>,
        filter: Option<JobFilterInput>,
        hide_every_seconds: Option<i32>,
        #[graphql(default = 100)] first: Option<i32>,
    ) -> Result<Agenda> {
        let first = usize::try_from(first.unwrap_or(ENTRIES))
            .ok()
            .filter(|first| (1..=ENTRIES_MAX).contains(first));
        let first =
            first.ok_or_else(|| errors::bad_input("first", "first: must be from 1 to 500"))?;
        let hidden = hidden(hide_every_seconds)?;
        let schedules = schedules(ctx, filter).await?;
        let now = schedules.now;
        // A period in the past has no plan.
        let from = from.map_or(now, |DateTime(from)| from.max(now));
        let to = to.map_or(from + TimeDelta::days(1), |DateTime(to)| to);
        let longest = TimeDelta::minutes(i64::try_from(MINUTES_MAX).unwrap_or(i64::MAX));
        // RFC 3339 writes a year with four digits.
        if to <= from || to - from > longest || to.year() > 9_999 {
            return Err(errors::bad_input(
                "to",
                "to: must be after `from` and after now, by a week at most",
            ));
        }
        let complete = schedules.complete;
        let agenda = move || {
            let groups = shown(schedules.groups, &schedules.exclusions, now, hidden);
            agenda::Agenda::of(&groups, &schedules.exclusions, &(from..to), first)
        };
        // A week of fire times is too much arithmetic for the thread of the requests.
        let agenda = COMPUTATIONS.run(agenda).await;
        Ok(Agenda {
            from: DateTime(from),
            to: DateTime(to),
            entries: agenda.entries.into_iter().map(entry).collect(),
            often: agenda.often.into_iter().map(entry).collect(),
            complete: agenda.complete && complete,
        })
    }
}

/// Reads the schedules of a filter.
pub(super) async fn schedules(
    ctx: &Context<'_>,
    filter: Option<JobFilterInput>,
) -> Result<Schedules> {
    let filter = filter.unwrap_or_default().into_filter("filter")?;
    if filter.last_outcomes.is_some() {
        let message = "filter.lastOutcome: says nothing of what is to come: leave it out";
        return Err(errors::bad_input("filter.lastOutcome", message));
    }
    Ok(store(ctx).await?.schedules(&filter).await?)
}

/// Reads `hideEverySeconds`, from 1 second to a day.
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

/// The schedules without the frequent ones.
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
    let mut named = Vec::with_capacity(entry.named.len());
    for (id, name) in entry.named {
        named.push(AgendaJob {
            id: id.into(),
            name,
        });
    }
    AgendaEntry {
        fire_time: DateTime(entry.fire_time),
        jobs: size(entry.jobs),
        named,
    }
}
