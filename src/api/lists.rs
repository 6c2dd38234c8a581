//! Lists of jobs and executions: Relay connections, filters, bulk commands.

use super::enums::{JobOrderName, JobScheduleType, JobStateName, JobStatusName};
use super::job_loader::{self, RecentKey};
use super::mutations::{command, missed_once, validate_reason};
use super::queries::{LARGE_OF_JOBS, asks_for, store, texts};
use super::{allowance, cost, errors};
use crate::actors::job_manager::bulk::{Bulk, BulkAction, BulkReport};
use crate::model::execution::ExecutionStatus;
use crate::model::job::Job;
use crate::model::lists::{ExecutionFilter, JobFilter, JobOrder, LastOutcome, PAGE_MAX};
use crate::model::{Timestamp, UnknownName, text};
use crate::store::execution_list::ExecutionPage;
use crate::store::executions::ExecutionRecord;
use crate::store::job_list::{JobKey, JobPage};
use crate::store::jobs::JobParts;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::Datelike;
use std::sync::Arc;
use uuid::Uuid;

/// Most tags that are listed.
const TAGS_MAX: u32 = 1_000;
/// Rows of a page unless said.
pub(super) const PAGE_DEFAULT: i32 = 50;
/// The paths from a page to its rows.
pub(super) const ROWS_OF_A_PAGE: [&[&str]; 2] = [&["nodes"], &["edges", "node"]];
/// Most values that one condition of a filter names.
const NAMES_MAX: usize = 50;

/// Which jobs; every condition that is given must hold.
#[derive(InputObject, Default)]
#[graphql(name = "JobFilter")]
pub struct JobFilterInput {
    /// Exactly these, at most 1,000.
    ids: Option<Vec<ID>>,
    /// Part of the name or the description in any case, or the id.
    search: Option<String>,
    /// ACTIVE and PAUSED unless said.
    status: Option<Vec<JobStatusName>>,
    /// How they stand, beyond their status. FAILING is what `overview { failingJobs }` counts.
    state: Option<Vec<JobStateName>>,
    /// How their fire times are made.
    schedule_type: Option<Vec<JobScheduleType>>,
    /// All of these.
    tags: Option<Vec<String>>,
    /// Status of the newest execution, whatever it is; NONE for a job that has none. A newer one
    /// that runs, was skipped or was cancelled hides a failure here, and not from `state:
    /// [FAILING]`, which is about the newest settled one. Of what ended badly only the newest
    /// 10,000 within 30 days are found.
    last_outcome: Option<Vec<String>>,
}

/// Which executions; every condition that is given must hold.
#[derive(InputObject, Default)]
#[graphql(name = "ExecutionFilter")]
pub struct ExecutionFilterInput {
    /// Exactly these, at most 1,000.
    ids: Option<Vec<ID>>,
    /// Of this job.
    job_id: Option<ID>,
    /// RUNNING, RETRYING, SUCCESS, FAILED, CANCELLED, LOST, SKIPPED.
    status: Option<Vec<String>>,
    /// SCHEDULE, MANUAL, BACKFILL, BUFFERED, RERUN.
    kind: Option<Vec<String>>,
    /// ERROR, TIMEOUT, CRASH_LOOP, MISFIRE, OVERLAP, CALENDAR, COALESCED, PAUSED, DELETED.
    reason: Option<Vec<String>>,
    /// Whose current or last attempt was on this node.
    node_id: Option<ID>,
    /// No fire time before it (RFC 3339).
    from: Option<String>,
    /// No fire time from it on (RFC 3339).
    to: Option<String>,
}

/// Where a page lies in its list.
#[derive(SimpleObject)]
pub struct PageInfo {
    /// Whether there are rows behind it.
    has_next_page: bool,
    /// Whether there are rows before it.
    has_previous_page: bool,
    /// Cursor of its first row.
    start_cursor: Option<String>,
    /// Where the next page begins: give it as `after`.
    end_cursor: Option<String>,
}

/// A page of jobs.
pub struct JobConnection {
    filter: JobFilter,
    page: JobPage,
    begun: bool,
}

/// A job and where it stands in the list.
#[derive(SimpleObject)]
pub struct JobEdge {
    /// Give it as `after`.
    cursor: String,
    /// The job.
    node: Arc<Job>,
}

/// A page of executions.
pub struct ExecutionConnection {
    filter: ExecutionFilter,
    page: ExecutionPage,
    begun: bool,
}

/// An execution and where it stands in the list.
#[derive(SimpleObject)]
pub struct ExecutionEdge {
    /// Give it as `after`.
    cursor: String,
    /// The execution.
    node: Arc<ExecutionRecord>,
}

/// A tag.
#[derive(SimpleObject)]
pub struct TagCount {
    /// The tag.
    tag: String,
    /// Jobs that have it.
    jobs: i32,
}

/// What became of a command about many jobs.
#[derive(SimpleObject)]
pub struct BulkResult {
    /// Jobs that the filter held.
    matched: i32,
    /// Jobs that were changed; the others were so already.
    changed: i32,
}

/// The queries of lists.
#[derive(Default)]
pub struct ListQuery;

/// Commands about all jobs of a filter.
#[derive(Default)]
pub struct BulkMutation;

#[Object]
impl ListQuery {
    /// Jobs, a page at a time: at most 200. What no index finds (a part of a name,
    /// a last outcome) is looked for so many milliseconds at a time: then a page may
    /// hold fewer rows than `first`, and still have a next.
    #[graphql(complexity = "cost::page(first, filter.is_some(), child_complexity)")]
    async fn jobs_page(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
        filter: Option<JobFilterInput>,
        #[graphql(default_with = "Some(JobOrderName::Newest)")] order_by: Option<JobOrderName>,
    ) -> Result<JobConnection> {
        let (filter, order, limit) = (
            filter.unwrap_or_default().into_filter("filter")?,
            order_by.unwrap_or(JobOrderName::Newest).into(),
            page_size(first)?,
        );
        let after = after.map(|cursor| job_key(&cursor, order)).transpose()?;
        let is_large = |rows: &[&str]| asks_for(ctx, rows, &LARGE_OF_JOBS);
        let parts = if is_large(&["nodes"]) || is_large(&["edges", "node"]) {
            allowance::of(ctx)?.take_place().await?;
            JobParts::All
        } else {
            JobParts::Small
        };
        let page = store(ctx)
            .await?
            .job_page(&filter, order, after.as_ref(), limit, parts)
            .await;
        Ok(JobConnection {
            filter,
            page: page.map_err(errors::store)?,
            begun: after.is_some(),
        })
    }

    /// Executions, newest fire time first, a page at a time: at most 200. A filter
    /// that no index serves looks through so many rows at a time: then a page may
    /// hold fewer rows than `first`, and still have a next.
    #[graphql(complexity = "cost::page(first, filter.is_some(), child_complexity)")]
    async fn executions_page(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
        filter: Option<ExecutionFilterInput>,
    ) -> Result<ExecutionConnection> {
        executions(ctx, filter.unwrap_or_default().into_filter()?, first, after).await
    }

    /// All tags, the commonest first, at most 1,000.
    #[graphql(complexity = "cost::SEARCH + cost::list(TAGS_MAX as usize, child_complexity)")]
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<TagCount>> {
        let tags = store(ctx)
            .await?
            .tags(TAGS_MAX)
            .await
            .map_err(errors::store)?;
        Ok(tags
            .into_iter()
            .map(|(tag, jobs)| TagCount {
                tag,
                jobs: count(jobs),
            })
            .collect())
    }
}

#[Object]
impl BulkMutation {
    /// Pauses all active jobs of a filter that has a condition, or with `all: true` all. With
    /// `cancelRunning: true` what the jobs of the filter have in flight is cancelled after that.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn pause_jobs(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilterInput>,
        reason: Option<String>,
        #[graphql(default)] all: bool,
        #[graphql(default)] cancel_running: bool,
    ) -> Result<BulkResult> {
        bulk(
            ctx,
            filter,
            all,
            (BulkAction::Pause(validate_reason(reason)?), cancel_running),
        )
        .await
    }

    /// Resumes all paused jobs of a filter that has a condition, or with `all: true` all.
    /// `runMissed` as in `resumeJob`.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn resume_jobs(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilterInput>,
        #[graphql(default)] all: bool,
        #[graphql(default)] run_missed: bool,
    ) -> Result<BulkResult> {
        bulk(
            ctx,
            filter,
            all,
            (BulkAction::Resume(missed_once(run_missed)), false),
        )
        .await
    }

    /// Deletes all jobs of a filter that has a condition, or with `all: true` all; their logs stay.
    /// With `cancelRunning: true` what the jobs of the filter have in flight is cancelled after
    /// that.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn delete_jobs(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilterInput>,
        #[graphql(default)] all: bool,
        #[graphql(default)] cancel_running: bool,
    ) -> Result<BulkResult> {
        bulk(ctx, filter, all, (BulkAction::Delete, cancel_running)).await
    }

    /// Fires all jobs of a filter that has a condition, or with `all: true` all, now,
    /// once; refused when they are more than 1,000.
    #[graphql(complexity = "cost::COMMAND_ABOUT_MANY + child_complexity")]
    async fn run_jobs_now(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilterInput>,
        #[graphql(default)] all: bool,
    ) -> Result<BulkResult> {
        bulk(ctx, filter, all, (BulkAction::RunNow, false)).await
    }
}

#[Object]
impl JobConnection {
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<JobEdge> {
        let edge = |(key, job): &(JobKey, Arc<Job>)| JobEdge {
            cursor: cursor(key),
            node: job.clone(),
        };
        self.page.rows.iter().map(edge).collect()
    }
    /// The rows.
    async fn nodes(&self) -> Vec<Arc<Job>> {
        self.page.rows.iter().map(|(_, job)| job.clone()).collect()
    }
    /// Where the page lies.
    async fn page_info(&self) -> PageInfo {
        let rows = &self.page.rows;
        PageInfo {
            has_next_page: self.page.next.is_some(),
            has_previous_page: self.begun,
            start_cursor: rows.first().map(|(key, _)| cursor(key)),
            end_cursor: self
                .page
                .next
                .as_ref()
                .or(rows.last().map(|(key, _)| key))
                .map(cursor),
        }
    }
    /// How many jobs the filter holds; none when that would be dear to know.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        if !self.begun && self.page.next.is_none() {
            return Ok(Some(size(self.page.rows.len())));
        }
        if self.page.is_short {
            return Ok(None);
        }
        let total = store(ctx)
            .await?
            .job_count(&self.filter)
            .await
            .map_err(errors::store)?;
        Ok(total.map(count))
    }
}

#[Object]
impl ExecutionConnection {
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<ExecutionEdge> {
        let edge = |row: &Arc<ExecutionRecord>| ExecutionEdge {
            cursor: row.id.to_string(),
            node: row.clone(),
        };
        self.page.rows.iter().map(edge).collect()
    }
    /// The rows.
    async fn nodes(&self) -> &[Arc<ExecutionRecord>] {
        &self.page.rows
    }
    /// Where the page lies.
    async fn page_info(&self) -> PageInfo {
        let last = self
            .page
            .next
            .or_else(|| self.page.rows.last().map(|row| row.id));
        PageInfo {
            has_next_page: self.page.next.is_some(),
            has_previous_page: self.begun,
            start_cursor: self.page.rows.first().map(|row| row.id.to_string()),
            end_cursor: last.map(|id| id.to_string()),
        }
    }
    /// How many executions the filter holds; none when that would be dear to
    /// know: it is known of those in flight.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        let total = store(ctx)
            .await?
            .execution_count(&self.filter)
            .await
            .map_err(errors::store)?;
        Ok(total.map(count))
    }
}

/// A page of executions, wherever it hangs.
pub(super) async fn executions(
    ctx: &Context<'_>,
    filter: ExecutionFilter,
    first: Option<i32>,
    after: Option<String>,
) -> Result<ExecutionConnection> {
    let limit = page_size(first)?;
    let after = after_id(after)?;
    let texts = texts(ctx, &ROWS_OF_A_PAGE).await?;
    let page = store(ctx)
        .await?
        .execution_page(&filter, after, limit, texts)
        .await
        .map_err(errors::store)?;
    Ok(ExecutionConnection {
        filter,
        page,
        begun: after.is_some(),
    })
}

/// The cursor of a list of executions.
pub(super) fn after_id(after: Option<String>) -> Result<Option<Uuid>> {
    after
        .map(|cursor| Uuid::try_parse(&cursor).map_err(|_| bad_cursor()))
        .transpose()
}

impl ExecutionConnection {
    /// A page of what a search found: how many there are is not known.
    pub(super) fn found(page: ExecutionPage, begun: bool) -> Self {
        Self {
            filter: ExecutionFilter::default(),
            page,
            begun,
        }
    }
}

/// The first page of a job's executions, read with those of the other jobs of the answer.
pub(super) async fn first_executions(
    ctx: &Context<'_>,
    job: Uuid,
    first: Option<i32>,
) -> Result<ExecutionConnection> {
    let (limit, texts) = (page_size(first)?, texts(ctx, &ROWS_OF_A_PAGE).await?);
    let page = job_loader::first_page(ctx, RecentKey { job, limit, texts }).await?;
    Ok(ExecutionConnection {
        filter: ExecutionFilter {
            job_id: Some(job),
            ..Default::default()
        },
        page,
        begun: false,
    })
}

impl JobFilterInput {
    /// The filter, which stands at this place of the request.
    pub(super) fn into_filter(self, place: &str) -> Result<JobFilter> {
        let filter = JobFilter {
            ids: self
                .ids
                .map(|ids| each(&format!("{place}.ids"), &ids, errors::uuid))
                .transpose()?,
            search: self.search,
            statuses: self
                .status
                .map(|names| names.into_iter().map(Into::into).collect()),
            states: self
                .state
                .map(|names| names.into_iter().map(Into::into).collect()),
            schedule_types: self
                .schedule_type
                .map(|names| names.into_iter().map(Into::into).collect()),
            tags: self.tags.unwrap_or_default(),
            last_outcomes: self
                .last_outcome
                .map(|names| {
                    each(&format!("{place}.lastOutcome"), &names, |field, name| {
                        last_outcome(field, name)
                    })
                })
                .transpose()?,
        };
        filter
            .validate()
            .map_err(|invalid| errors::invalid(&invalid.at(place)))?;
        Ok(filter)
    }
}

impl ExecutionFilterInput {
    pub(super) fn into_filter(self) -> Result<ExecutionFilter> {
        let statuses = filter_names("filter.status", self.status)?;
        let filter = ExecutionFilter {
            ids: self
                .ids
                .map(|ids| each("filter.ids", &ids, errors::uuid))
                .transpose()?,
            job_ids: None,
            job_id: self
                .job_id
                .map(|id| errors::uuid("filter.jobId", &id))
                .transpose()?,
            statuses: statuses
                .map(|names| each("filter.status", &names, |field, name| status(field, name)))
                .transpose()?,
            kinds: filter_names("filter.kind", self.kind)?,
            reasons: filter_names("filter.reason", self.reason)?,
            node_id: self
                .node_id
                .map(|id| errors::uuid("filter.nodeId", &id))
                .transpose()?,
            from: self
                .from
                .map(|text| errors::instant("filter.from", &text))
                .transpose()?,
            to: self
                .to
                .map(|text| errors::instant("filter.to", &text))
                .transpose()?,
        };
        filter
            .validate()
            .map_err(|invalid| errors::invalid(&invalid))?;
        Ok(filter)
    }
}

fn filter_names(field: &'static str, names: Option<Vec<String>>) -> Result<Option<Vec<String>>> {
    let given = names.as_deref().unwrap_or_default();
    if given.len() > NAMES_MAX {
        return Err(errors::bad_input(
            field,
            format!("{field}: must be at most {NAMES_MAX} names"),
        ));
    }
    text::FILTER_NAME
        .check_each(field, given)
        .map_err(|invalid| errors::invalid(&invalid))?;
    Ok(names)
}

async fn bulk(
    ctx: &Context<'_>,
    filter: Option<JobFilterInput>,
    all: bool,
    (action, cancels): (BulkAction, bool),
) -> Result<BulkResult> {
    let filter = filter.unwrap_or_default().into_filter("filter")?;
    refuse_unbound(filter.has_condition(), all, "jobs")?;
    let BulkReport { matched, changed } = command(
        ctx,
        Bulk {
            filter,
            action,
            cancels,
        },
    )
    .await?;
    Ok(BulkResult {
        matched: size(matched),
        changed: size(changed),
    })
}

/// Refuses a command about many whose filter leaves out none, unless all are meant.
pub(super) fn refuse_unbound(has_condition: bool, all: bool, what: &str) -> Result<()> {
    match (has_condition, all) {
        (true, true) => Err(errors::bad_input(
            "all",
            "all: does not go with a filter: leave one out",
        )),
        (false, false) => {
            let message = format!(
                "filter: has no condition, so that it means all {what}: say which, or say `all: true`"
            );
            Err(errors::bad_input("filter", message))
        }
        (true, false) | (false, true) => Ok(()),
    }
}

/// Reads each member of a list that is at this place.
fn each<T, R>(place: &str, members: &[T], read: impl Fn(&str, &T) -> Result<R>) -> Result<Vec<R>> {
    let read = |(index, member)| read(&format!("{place}.{index}"), member);
    members.iter().enumerate().map(read).collect()
}

fn status(field: &str, name: &str) -> Result<ExecutionStatus> {
    name.parse()
        .map_err(|error: UnknownName| errors::bad_input(field, format!("{field}: {error}")))
}

fn last_outcome(field: &str, name: &str) -> Result<LastOutcome> {
    if name == "NONE" {
        Ok(LastOutcome::None)
    } else {
        status(field, name).map(LastOutcome::Is)
    }
}

/// A variable that was left out comes as none, whatever the default says.
pub(super) fn page_size(first: Option<i32>) -> Result<usize> {
    let size = usize::try_from(first.unwrap_or(PAGE_DEFAULT))
        .ok()
        .filter(|size| (1..=PAGE_MAX).contains(size));
    size.ok_or_else(|| errors::bad_input("first", format!("first: must be from 1 to {PAGE_MAX}")))
}

/// Where a row stands, for whoever asks for what follows; not to be read.
fn cursor(key: &JobKey) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// A cursor of this order.
fn job_key(cursor: &str, order: JobOrder) -> Result<JobKey> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| bad_cursor())?;
    let key: JobKey = serde_json::from_slice(&bytes).map_err(|_| bad_cursor())?;
    // The database knows no earlier years.
    let is_sane = |at: &Timestamp| (0..=9999).contains(&at.year());
    let fits = match &key {
        JobKey::Created(at, _) => {
            matches!(order, JobOrder::Newest | JobOrder::Oldest) && is_sane(at)
        }
        JobKey::Name(name, _) => {
            order == JobOrder::Name && text::NAME_KEY.check("after", name).is_ok()
        }
        JobKey::Due(at, _) => order == JobOrder::NextFireTime && at.iter().all(is_sane),
    };
    if fits { Ok(key) } else { Err(bad_cursor()) }
}

fn bad_cursor() -> async_graphql::Error {
    errors::bad_input(
        "after",
        "after: is no cursor of this list: take one from a page of it",
    )
}

fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) fn size(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
