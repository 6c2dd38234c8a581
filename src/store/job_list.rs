//! Lists of jobs: filtered, ordered, a page at a time.
//!
//! A page begins behind the key of the last row of the page before, so that jobs
//! which come and go meanwhile neither repeat nor hide others. The statements
//! are put together from fixed text; whatever a person typed travels as a value.

use super::jobs::{COLUMNS, job};
use super::{During, Store, StoreError};
use crate::model::Timestamp;
use crate::model::execution::ExecutionStatus;
use crate::model::job::{Job, JobStatus};
use crate::model::lists::{JobFilter, JobOrder, LastOutcome};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// How far back an execution that ended badly still makes its job's last outcome.
const TROUBLE_DAYS: i64 = 30;
/// And how many of them, newest first.
const TROUBLE_MAX: i64 = 10_000;

/// The key of a row in its order: a page goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum JobKey {
    /// By creation.
    #[serde(rename = "c")]
    Created(Timestamp, Uuid),
    /// By name, lower case.
    #[serde(rename = "n")]
    Name(String, Uuid),
    /// By due time; none for what is not due.
    #[serde(rename = "d")]
    Due(Option<Timestamp>, Uuid),
}

/// Some rows of a list, and whether there are more.
#[derive(Debug, Clone)]
pub struct JobPage {
    /// The rows with their keys.
    pub rows: Vec<(JobKey, Job)>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// Conditions and the values that they speak of.
#[derive(Default)]
pub(super) struct Conditions {
    text: Vec<String>,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Conditions {
    /// Adds a condition; each `?` in it stands for the value.
    pub(super) fn add(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'static) {
        self.bind(value);
        self.text.push(condition.replace('?', &format!("${}", self.bound())));
    }

    /// Adds a value alone.
    pub(super) fn bind(&mut self, value: impl ToSql + Sync + Send + 'static) {
        self.values.push(Box::new(value));
    }

    /// The number of the value added last.
    pub(super) fn bound(&self) -> usize {
        self.values.len()
    }

    pub(super) fn add_plain(&mut self, condition: &str) {
        self.text.push(condition.to_owned());
    }

    /// Them all, joined.
    pub(super) fn text(&self) -> String {
        if self.text.is_empty() { "true".to_owned() } else { self.text.join("\n  and ") }
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}

/// The jobs of a filter, as conditions about a row `j`.
pub(super) fn conditions(filter: &JobFilter) -> Conditions {
    let mut conditions = Conditions::default();
    match &filter.statuses {
        // As the partial indexes say it.
        None => conditions.add_plain("j.status <> 'DELETED'"),
        Some(statuses) => {
            if !statuses.contains(&JobStatus::Deleted) {
                conditions.add_plain("j.status <> 'DELETED'");
            }
            conditions.add("j.status = any(?::text[])", names(statuses.iter().map(|status| status.as_str())));
        }
    }
    if let Some(ids) = &filter.ids {
        conditions.add("j.id = any(?::uuid[])", ids.clone());
    }
    if let Some(search) = filter.search.as_deref().map(str::trim).filter(|search| !search.is_empty()) {
        match Uuid::try_parse(search) {
            Ok(id) => conditions.add("j.id = ?", id),
            Err(_) => conditions
                .add("(strpos(lower(j.name), ?) > 0 or strpos(lower(j.description), ?) > 0)", search.to_lowercase()),
        }
    }
    if let Some(types) = &filter.schedule_types {
        conditions.add("j.schedule_type = any(?::text[])", names(types.iter().map(|kind| kind.as_str())));
    }
    if !filter.tags.is_empty() {
        conditions.add("j.tags @> ?::text[]", filter.tags.clone());
    }
    if let Some(outcomes) = &filter.last_outcomes {
        last_outcome(&mut conditions, outcomes);
    }
    conditions
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(str::to_owned).collect()
}

/// In flight and in trouble are found by their own indexes; the others are asked
/// of each job in turn, until the page is full.
fn last_outcome(conditions: &mut Conditions, outcomes: &[LastOutcome]) {
    use ExecutionStatus::{Cancelled, Failed, Lost, Retrying, Running};
    let mut alternatives = vec!["false"];
    let chosen = |of: &[ExecutionStatus]| -> Vec<String> {
        let chosen = outcomes.iter().filter_map(|outcome| match outcome {
            LastOutcome::Is(status) if of.contains(status) => Some(status.as_str().to_owned()),
            _ => None,
        });
        chosen.collect()
    };
    let (in_flight, trouble) = (chosen(&[Running, Retrying]), chosen(&[Failed, Cancelled, Lost]));
    let others = chosen(&[ExecutionStatus::Success, ExecutionStatus::Skipped]);
    let mut alternative = |text: &'static str, statuses: Vec<String>| {
        if !statuses.is_empty() {
            conditions.bind(statuses);
            alternatives.push(text);
        }
        conditions.bound()
    };
    let a = alternative(
        "j.id in (select l.job_id from job_execution_log l where l.status in ('RUNNING', 'RETRYING') and l.status = any({a}::text[]))",
        in_flight,
    );
    let b = alternative(
        "j.id in (select b.job_id from (
            select id, job_id from job_execution_log
            where error_message is not null and status = any({b}::text[]) and id >= {since} order by id desc limit {most}
        ) b where not exists (select from job_execution_log n where n.job_id = b.job_id and n.id > b.id))",
        trouble,
    );
    let c = alternative(
        "(select l.status from job_execution_log l where l.job_id = j.id order by l.id desc limit 1) = any({c}::text[])",
        others,
    );
    if outcomes.contains(&LastOutcome::None) {
        alternatives.push("not exists (select from job_execution_log l where l.job_id = j.id)");
    }
    let since = format!(
        "(select (lpad(to_hex(((extract(epoch from clock_timestamp()) - {TROUBLE_DAYS} * 86400) * 1000)::bigint), 12, '0') || \
         repeat('0', 20))::uuid)"
    );
    let text = alternatives.join("\n    or ").replace("{since}", &since).replace("{most}", &TROUBLE_MAX.to_string());
    let text = text.replace("{a}", &format!("${a}")).replace("{b}", &format!("${b}")).replace("{c}", &format!("${c}"));
    conditions.text.push(format!("({text})"));
}

impl Store {
    /// The jobs behind a key, in order, at most `limit`.
    pub async fn job_page(
        &self,
        filter: &JobFilter,
        order: JobOrder,
        after: Option<&JobKey>,
        limit: usize,
    ) -> Result<JobPage, StoreError> {
        self.bounded("job_list.page", async {
            let session = self.session().await?;
            let mut rows = Vec::new();
            for part in parts(order, after) {
                let mut conditions = conditions(filter);
                part.add_to(&mut conditions, after);
                conditions.bind(i64::try_from(limit + 1 - rows.len()).unwrap_or(i64::MAX));
                let text = part.statement(&conditions);
                rows.extend(session.query(&text, &conditions.values()).await.during("job_list.page")?);
                if rows.len() > limit {
                    break;
                }
            }
            session.release();
            let more = rows.len() > limit;
            let read = |row: &Row| Ok((key(order, row), job(row)?));
            Ok(JobPage { rows: rows.iter().take(limit).map(read).collect::<Result<_, StoreError>>()?, more })
        })
        .await
    }

    /// How many jobs a filter holds; none when counting would mean asking each
    /// for its last outcome.
    pub async fn job_count(&self, filter: &JobFilter) -> Result<Option<i64>, StoreError> {
        let dear = |outcome: &LastOutcome| {
            matches!(outcome, LastOutcome::None | LastOutcome::Is(ExecutionStatus::Success | ExecutionStatus::Skipped))
        };
        if filter.last_outcomes.as_ref().is_some_and(|outcomes| outcomes.iter().any(dear)) {
            return Ok(None);
        }
        self.bounded("job_list.count", async {
            let session = self.session().await?;
            let conditions = conditions(filter);
            let text = format!("-- job_list.count\nselect count(*) from job_definition j where {}", conditions.text());
            let row = session.query_one(&text, &conditions.values()).await.during("job_list.count")?;
            session.release();
            Ok(Some(row.get(0)))
        })
        .await
    }

    /// All tags of jobs that are not deleted, with how many jobs have them.
    pub async fn tags(&self, limit: u32) -> Result<Vec<(String, i64)>, StoreError> {
        self.bounded("job_list.tags", async {
            let session = self.session().await?;
            let text = "-- job_list.tags
select tag, count(*) from job_definition j, unnest(j.tags) as tag where j.status <> 'DELETED'
group by tag order by 2 desc, 1 limit $1";
            let rows = session.query(text, &[&i64::from(limit)]).await.during("job_list.tags")?;
            session.release();
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
        .await
    }
}

/// A stretch of an order that one index serves.
#[derive(Clone, Copy)]
enum Part {
    Newest,
    Oldest,
    Name,
    /// What is due, by the index of the due times.
    Due,
    /// What is not.
    NotDue,
}

/// The parts that a page may reach into.
fn parts(order: JobOrder, after: Option<&JobKey>) -> Vec<Part> {
    match (order, after) {
        (JobOrder::Newest, _) => vec![Part::Newest],
        (JobOrder::Oldest, _) => vec![Part::Oldest],
        (JobOrder::Name, _) => vec![Part::Name],
        (JobOrder::NextFireTime, Some(JobKey::Due(None, _))) => vec![Part::NotDue],
        (JobOrder::NextFireTime, _) => vec![Part::Due, Part::NotDue],
    }
}

impl Part {
    /// Only what lies behind the key.
    fn add_to(self, conditions: &mut Conditions, after: Option<&JobKey>) {
        match self {
            Self::Due => conditions.add_plain("t.due_at is not null"),
            Self::NotDue => conditions.add_plain("t.due_at is null"),
            Self::Newest | Self::Oldest | Self::Name => {}
        }
        match (self, after.cloned()) {
            (Self::Newest, Some(JobKey::Created(at, id))) => {
                conditions.add("j.created_at <= ?", at);
                let behind = format!("(j.created_at < ${} or j.id > ?)", conditions.bound());
                conditions.add(&behind, id);
            }
            (Self::Oldest, Some(JobKey::Created(at, id))) => {
                conditions.add("j.created_at >= ?", at);
                let behind = format!("(j.created_at > ${} or j.id < ?)", conditions.bound());
                conditions.add(&behind, id);
            }
            (Self::Name, Some(JobKey::Name(name, id))) => {
                conditions.add("lower(j.name) >= ?", name);
                let behind = format!("(lower(j.name), j.id) > (${}, ?)", conditions.bound());
                conditions.add(&behind, id);
            }
            (Self::Due, Some(JobKey::Due(Some(at), id))) => {
                conditions.add("t.due_at >= ?", at);
                let behind = format!("(t.due_at, t.id) > (${}, ?)", conditions.bound());
                conditions.add(&behind, id);
            }
            (Self::NotDue, Some(JobKey::Due(None, id))) => conditions.add("j.id > ?", id),
            _ => {}
        }
    }

    fn statement(self, conditions: &Conditions) -> String {
        let order = match self {
            Self::Newest => "j.created_at desc, j.id",
            Self::Oldest => "j.created_at, j.id desc",
            Self::Name => "lower(j.name), j.id",
            Self::Due => "t.due_at, t.id",
            Self::NotDue => "j.id",
        };
        // A trigger of kind SCHEDULE has the job's id.
        let join = if matches!(self, Self::Due) { "join" } else { "left join" };
        format!(
            "-- job_list.page\nselect {COLUMNS}, lower(j.name) as name_key, t.due_at,
    case when t.due_at is not null then t.fire_time end as next_fire_time, t.runs
from job_definition j {join} job_trigger t on t.id = j.id
where {}
order by {order} limit ${}",
            conditions.text(),
            conditions.bound()
        )
    }
}

fn key(order: JobOrder, row: &Row) -> JobKey {
    let id = row.get("id");
    match order {
        JobOrder::Newest | JobOrder::Oldest => JobKey::Created(row.get("created_at"), id),
        JobOrder::Name => JobKey::Name(row.get("name_key"), id),
        JobOrder::NextFireTime => JobKey::Due(row.get("due_at"), id),
    }
}
