//! Lists of jobs: filtered, ordered, a page at a time.
//!
//! A page starts after the key of the last row of the previous page, so created and deleted jobs
//! neither repeat nor hide others. The keys are scanned in order, then the rows of the page are
//! read. Conditions without an index (a part of a name, the newest execution) are checked job by
//! job, for at most `SCAN_TIME_MAX`: a page may hold fewer jobs than the limit, or none, and still
//! have a next page.

use super::filters::Conditions;
use super::{filters, job_states};
use crate::model::Timestamp;
use crate::model::execution::ExecutionStatus;
use crate::model::job::Job;
use crate::model::lists::{JobFilter, JobOrder, LastOutcome};
use crate::store::db::row::{Values, column, partition};
use crate::store::db::session::Session;
use crate::store::db::statement::Statement;
use crate::store::jobs::job_rows::{JobParts, job};
use crate::store::jobs::triggers::all_triggers;
use crate::store::{Store, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use uuid::Uuid;

/// Time limit of the scan of a page: lists answer within 50 ms.
const SCAN_TIME_MAX: Duration = Duration::from_millis(15);
/// Jobs scanned by a statement: 10 ms.
const SCAN_LIMIT: usize = 10_000;
/// The same with the triggers of each job: 10 ms.
const STATES_SCAN_LIMIT: usize = 2_000;
/// Jobs with a newest execution read by a statement: 1 to 10 ms.
const ASKED_AT_ONCE: usize = 100;

/// Jobs with an execution in flight, for a look-up each.
const IN_FLIGHT: Statement = Statement::new(
    "-- job_list.in_flight
select distinct job_id from execution_in_flight",
);

/// Jobs with an execution with a bad end within thirty days, among the newest 10,000. The status is
/// no condition: with such a condition the planner expects a handful, and sorts all rows.
const IN_TROUBLE: Statement = Statement::new(
    "-- job_list.in_trouble
select distinct job_id from (
    select job_id from job_execution_log
    where error_message is not null
      and id >= (select (lpad(to_hex((extract(epoch from clock_timestamp() - interval '30 days')
          * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid)
    order by id desc limit 10000
) as bad",
);

/// The status of each job's newest execution; null for a job without executions. Most jobs have run
/// within two days: four partitions are read instead of all (10 and 100 µs).
const NEWEST: Statement = Statement::new(
    "-- job_list.newest
select x.id, coalesce(
    (select l.status from job_execution_log l where l.job_id = x.id
       and l.id >= (select (lpad(to_hex((extract(epoch from clock_timestamp() - interval '2 days')
           * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid)
     order by l.id desc limit 1),
    (select l.status from job_execution_log l where l.job_id = x.id order by l.id desc limit 1))
from unnest($1::uuid[]) as x (id)",
);

/// Ends at the limit, so the cost has a bound of a millisecond.
const COUNT_UP_TO: Statement = Statement::new(
    "-- job_list.count_up_to
select count(*) from (select from job_definition where status <> 'DELETED' limit $1) as j",
);

const TAGS: Statement = Statement::new(
    "-- job_list.tags
select tag, count(*) from job_definition j, unnest(j.tags) as tag where j.status <> 'DELETED'
group by tag order by 2 desc, 1 limit $1",
);

const COUNT: Statement = Statement::new(
    "-- job_list.count
select count(*) from job_definition j where {found} and {fits}",
);

/// The rows of a page.
const BY_IDS: Statement = Statement::new(
    "-- job_list.by_ids
select {columns}, case when t.due_at is not null then t.fire_time end as next_fire_time,
    case when t.paused_due_at is not null then t.fire_time end as paused_fire_time, t.excluded_from,
    t.runs
from job_definition j left join job_trigger t on t.id = j.id where j.id = any($1::uuid[])",
);

/// A stretch of the list. The last scanned row is included, matching or not: the next scan starts
/// after it.
const SCAN: Statement = Statement::new(
    "-- job_list.scan
select * from (
    select *, row_number() over (order by {order}) as position from (
        select j.id, {key}, coalesce(({fits}), false) as fits from job_definition j {from}
        where {found}
    ) as k order by {order} limit {through}
) as l where fits or position = {through}
order by {order} limit {wanted}",
);

/// The key of a row in the order: the next page starts after the key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum JobKey {
    /// Position in the order of creation.
    #[serde(rename = "c")]
    Created(Timestamp, Uuid),
    /// By name, lower case.
    #[serde(rename = "n")]
    Name(String, Uuid),
    /// By due time; none without one.
    #[serde(rename = "d")]
    Due(Option<Timestamp>, Uuid),
}

impl JobKey {
    fn id(&self) -> Uuid {
        match self {
            Self::Created(_, id) | Self::Name(_, id) | Self::Due(_, id) => *id,
        }
    }
}

/// Some rows of a list.
#[derive(Debug, Clone)]
pub struct JobPage {
    /// The rows with their keys.
    pub rows: Vec<(JobKey, Arc<Job>)>,
    /// The key before the next page; none at the end.
    pub next: Option<JobKey>,
    /// Whether the scan reached its time limit before the page was full.
    pub is_short: bool,
}

/// The keys of some rows.
#[derive(Debug)]
pub struct JobKeys {
    keys: Vec<JobKey>,
    /// The key before the next page; none at the end.
    pub next: Option<JobKey>,
}

/// The part of the list scanned by a statement.
struct Stretch {
    keys: Vec<JobKey>,
    /// The key before the next page; none at the end.
    next: Option<JobKey>,
    /// Whether the part has more rows.
    is_full: bool,
}

impl JobKeys {
    /// The jobs, in the order of the list.
    pub fn ids(&self) -> Vec<Uuid> {
        self.keys.iter().map(JobKey::id).collect()
    }
}

impl Store {
    /// The jobs after a key, in order, at most `limit`. Unreadable jobs are left out and logged.
    pub async fn job_page(
        &self,
        filter: &JobFilter,
        order: JobOrder,
        after: Option<&JobKey>,
        limit: usize,
        parts: JobParts,
    ) -> Result<JobPage, StoreError> {
        self.on_session("job_list.page", async |session| {
            let found = walk(session, filter, order, after, limit).await?;
            let text = BY_IDS.filled(&[("{columns}", &parts.columns())]);
            let rows = self
                .rows(session, BY_IDS.with_sql(&text), &[&found.ids()])
                .await?;
            let readable = self.unreadable.readable(&rows, job);
            let mut jobs: HashMap<Uuid, Job> =
                readable.into_iter().map(|job| (job.id, job)).collect();
            let is_short = found.next.is_some() && found.keys.len() < limit;
            let rows = found
                .keys
                .into_iter()
                .filter_map(|key| jobs.remove(&key.id()).map(|job| (key, Arc::new(job))));
            Ok(JobPage {
                rows: rows.collect(),
                next: found.next,
                is_short,
            })
        })
        .await
    }

    /// The same, without the rows.
    pub async fn job_keys(
        &self,
        filter: &JobFilter,
        order: JobOrder,
        after: Option<&JobKey>,
        limit: usize,
    ) -> Result<JobKeys, StoreError> {
        self.on_session("job_list.keys", async |session| {
            walk(session, filter, order, after, limit).await
        })
        .await
    }

    /// The number of jobs of a filter; none for a filter on each job's newest execution or
    /// triggers.
    pub async fn job_count(&self, filter: &JobFilter) -> Result<Option<i64>, StoreError> {
        let states = filter.states.as_ref();
        let asks_triggers = states.is_some_and(|states| job_states::candidates(states).is_none());
        // A count would read the newest execution or the triggers of each job.
        if filter.last_outcomes.is_some() || asks_triggers {
            return Ok(None);
        }
        let conditions = filters::jobs(filter);
        let (found, fits) = (conditions.found(), conditions.fits());
        let text = COUNT.filled(&[("{found}", &found), ("{fits}", &fits)]);
        self.read_one(COUNT.with_sql(&text), &conditions.values(), |row| {
            Values::of(COUNT.name(), row).get(0).map(Some)
        })
        .await
    }

    /// The number of jobs, without deleted jobs, counted up to a limit.
    pub async fn jobs_up_to(&self, bound: u32) -> Result<usize, StoreError> {
        let count = self
            .read_one(COUNT_UP_TO, &[&i64::from(bound)], |row| {
                Values::of(COUNT_UP_TO.name(), row).get::<i64>(0)
            })
            .await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// All tags of jobs, without deleted jobs, with the numbers of jobs.
    pub async fn tags(&self, limit: u32) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = self.read_rows(TAGS, &[&i64::from(limit)]).await?;
        rows.iter()
            .map(|row| {
                let row = Values::of(TAGS.name(), row);
                Ok((row.get(0)?, row.get(1)?))
            })
            .collect()
    }
}

/// Scans the list after a key until the page is full, the list ends, or the time is over.
async fn walk(
    session: &Session,
    filter: &JobFilter,
    order: JobOrder,
    after: Option<&JobKey>,
    limit: usize,
) -> Result<JobKeys, StoreError> {
    let candidates = match &filter.last_outcomes {
        Some(outcomes) => candidates(session, outcomes).await?,
        None => None,
    };
    let begun = Instant::now();
    let (mut keys, mut next) = (Vec::new(), after.cloned());
    loop {
        // Each candidate costs a look-up of the newest execution.
        let wanted = if filter.last_outcomes.is_some() {
            ASKED_AT_ONCE
        } else {
            limit + 1 - keys.len()
        };
        let mut scanned = scan(
            session,
            filter,
            candidates.as_deref(),
            order,
            next.as_ref(),
            wanted,
        )
        .await?;
        if let Some(outcomes) = &filter.last_outcomes {
            let ids: Vec<Uuid> = scanned.keys.iter().map(JobKey::id).collect();
            let fit = with_outcome(session, outcomes, &ids).await?;
            scanned.keys.retain(|key| fit.contains(&key.id()));
        }
        keys.append(&mut scanned.keys);
        next = scanned.next;
        if keys.len() > limit {
            keys.truncate(limit);
            next = keys.last().cloned();
            break;
        }
        // The time is checked after a full stretch only: the end of a part does not show how long
        // the next part takes.
        if next.is_none() || scanned.is_full && begun.elapsed() > SCAN_TIME_MAX {
            break;
        }
    }
    Ok(JobKeys { keys, next })
}

/// All jobs possibly with an outcome of the list, if an index serves the outcomes; otherwise none.
async fn candidates(
    session: &Session,
    outcomes: &[LastOutcome],
) -> Result<Option<Vec<Uuid>>, StoreError> {
    use ExecutionStatus::{Cancelled, Failed, Lost, Retrying, Running};
    let in_flight = |outcome: &LastOutcome| matches!(outcome, LastOutcome::Is(Running | Retrying));
    let in_trouble =
        |outcome: &LastOutcome| matches!(outcome, LastOutcome::Is(Failed | Cancelled | Lost));
    if !outcomes
        .iter()
        .all(|outcome| in_flight(outcome) || in_trouble(outcome))
    {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (statement, is_asked_for) in [
        (IN_FLIGHT, outcomes.iter().any(in_flight)),
        (IN_TROUBLE, outcomes.iter().any(in_trouble)),
    ] {
        if is_asked_for {
            let rows = statement.query(session, &[]).await?;
            found.extend(column::<Uuid, Vec<_>>(statement.name(), &rows, 0)?);
        }
    }
    Ok(Some(found))
}

/// The jobs with an outcome of the list at the newest execution.
async fn with_outcome(
    session: &Session,
    outcomes: &[LastOutcome],
    jobs: &[Uuid],
) -> Result<HashSet<Uuid>, StoreError> {
    let rows = NEWEST.query(session, &[&jobs]).await?;
    let ids: Vec<Uuid> = column(NEWEST.name(), &rows, 0)?;
    let statuses: Vec<Option<&str>> = column(NEWEST.name(), &rows, 1)?;
    Ok(ids
        .into_iter()
        .zip(statuses)
        .filter(|(_, status)| {
            outcomes.iter().any(|outcome| match outcome {
                LastOutcome::Is(wanted) => *status == Some(wanted.as_str()),
                LastOutcome::None => status.is_none(),
            })
        })
        .map(|(id, _)| id)
        .collect())
}

/// Scans the next stretch of the list for at most `wanted` matching keys.
async fn scan(
    session: &Session,
    filter: &JobFilter,
    candidates: Option<&[Uuid]>,
    order: JobOrder,
    after: Option<&JobKey>,
    wanted: usize,
) -> Result<Stretch, StoreError> {
    let part = Part::of(order, after);
    let mut conditions = filters::jobs(filter);
    if let Some(candidates) = candidates {
        conditions.find("j.id = any(?::uuid[])", candidates.to_vec());
    }
    part.begin_behind(after, &mut conditions);
    let most = if filter.states.is_some() {
        STATES_SCAN_LIMIT
    } else {
        SCAN_LIMIT
    };
    // Without row conditions every job matches, so a statement reads only the wanted rows.
    let through = if conditions.are_selective() {
        most.max(wanted)
    } else {
        wanted
    };
    let text = part.statement(&conditions, through, wanted);
    let rows = SCAN
        .with_sql(&text)
        .query_unprepared(session, &conditions.values())
        .await?;
    let positions: Vec<i64> = column(SCAN.name(), &rows, "position")?;
    let is_end = rows.len() < wanted
        && positions
            .last()
            .is_none_or(|last| usize::try_from(*last) != Ok(through));
    let last = rows
        .last()
        .filter(|_| !is_end)
        .map(|row| part.key(row))
        .transpose()?;
    let (fitting, _) = partition(SCAN.name(), &rows, "fits")?;
    let keys = fitting
        .into_iter()
        .map(|row| part.key(row))
        .collect::<Result<_, _>>()?;
    Ok(Stretch {
        keys,
        is_full: last.is_some(),
        next: last.or_else(|| part.next()),
    })
}

/// A stretch of an order, served by an index.
#[derive(Clone, Copy)]
enum Part {
    Newest,
    Oldest,
    Name,
    /// Jobs with a due time, by the index.
    Due,
    /// The other jobs, after the jobs with a due time.
    NotDue,
}

impl Part {
    fn of(order: JobOrder, after: Option<&JobKey>) -> Self {
        match (order, after) {
            (JobOrder::Newest, _) => Self::Newest,
            (JobOrder::Oldest, _) => Self::Oldest,
            (JobOrder::Name, _) => Self::Name,
            (JobOrder::NextFireTime, Some(JobKey::Due(None, _))) => Self::NotDue,
            (JobOrder::NextFireTime, _) => Self::Due,
        }
    }

    /// The key at which the next part starts.
    fn next(self) -> Option<JobKey> {
        matches!(self, Self::Due).then_some(JobKey::Due(None, Uuid::nil()))
    }

    /// Restricts the part to rows after the key.
    fn begin_behind(self, after: Option<&JobKey>, conditions: &mut Conditions) {
        match self {
            Self::Due => conditions.find_plain("t.due_at is not null"),
            Self::NotDue => conditions.fit_plain("t.due_at is null"),
            Self::Newest | Self::Oldest | Self::Name => {}
        }
        // A condition on the first column alone lets the index scan start there.
        let (column, behind) = match self {
            Self::Newest => ("j.created_at <=", "(j.created_at < ? or j.id >"),
            Self::Oldest => ("j.created_at >=", "(j.created_at > ? or j.id <"),
            Self::Name => ("lower(j.name) >=", "(lower(j.name) > ? or j.id >"),
            Self::Due => ("t.due_at >=", "(t.due_at > ? or j.id >"),
            Self::NotDue => ("", "(j.id >"),
        };
        let (first, id) = match after.cloned() {
            Some(JobKey::Created(at, id) | JobKey::Due(Some(at), id)) => {
                (Some(conditions.value(at)), id)
            }
            Some(JobKey::Name(name, id)) => (Some(conditions.value(name)), id),
            Some(JobKey::Due(None, id)) => (None, id),
            None => return,
        };
        let id = conditions.value(id);
        if let Some(first) = first {
            conditions.find_plain(&format!("{column} {first}"));
            conditions.find_plain(&format!("{} {id})", behind.replace('?', &first)));
        } else {
            conditions.find_plain(&format!("{behind} {id})"));
        }
    }

    fn statement(self, conditions: &Conditions, through: usize, wanted: usize) -> String {
        let (key, from, order) = match self {
            Self::Newest => ("j.created_at", "", "created_at desc, id"),
            Self::Oldest => ("j.created_at", "", "created_at, id desc"),
            Self::Name => ("lower(j.name) as name_key", "", "name_key, id"),
            // A trigger of kind `SCHEDULE` has the id of the job.
            Self::Due => (
                "t.due_at",
                concat!("join ", all_triggers!(), " as t on t.id = j.id"),
                "due_at, id",
            ),
            Self::NotDue => ("t.due_at", "left join job_trigger t on t.id = j.id", "id"),
        };
        let (found, fits) = (conditions.found(), conditions.fits());
        SCAN.filled(&[
            ("{order}", order),
            ("{key}", key),
            ("{from}", from),
            ("{found}", &found),
            ("{fits}", &fits),
            ("{through}", &through.to_string()),
            ("{wanted}", &wanted.to_string()),
        ])
    }

    fn key(self, row: &Row) -> Result<JobKey, StoreError> {
        let row = Values::of(SCAN.name(), row);
        let id = row.get("id")?;
        Ok(match self {
            Self::Newest | Self::Oldest => JobKey::Created(row.bound("created_at")?, id),
            Self::Name => JobKey::Name(row.get("name_key")?, id),
            Self::Due => JobKey::Due(Some(row.bound("due_at")?), id),
            Self::NotDue => JobKey::Due(None, id),
        })
    }
}
