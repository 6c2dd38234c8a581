//! Relay connections of jobs and executions.
//!
//! `async_graphql::connection` does not fit: a page of a search may be empty and still have a next
//! page. The end cursor is then no cursor of a row (docs/decisions/0045).

use crate::api::context::{store, texts};
use crate::api::cost::PAGE_DEFAULT;
use crate::api::errors;
use crate::api::job_loader::{self, RecentKey};
use crate::model::job::Job;
use crate::model::lists::{ExecutionFilter, JobFilter, JobOrder, PAGE_MAX};
use crate::model::{Timestamp, text};
use crate::store::queries::execution_list::ExecutionPage;
use crate::store::queries::executions::ExecutionRecord;
use crate::store::queries::jobs::{JobKey, JobPage};
use async_graphql::{Context, Object, Result, SimpleObject};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::Datelike;
use std::sync::Arc;
use uuid::Uuid;

/// The paths from a page to its rows.
pub const ROWS_OF_A_PAGE: [&[&str]; 2] = [&["nodes"], &["edges", "node"]];

/// The place of a page in its list.
#[derive(SimpleObject)]
pub struct PageInfo {
    /// Whether rows follow the page.
    pub has_next_page: bool,
    /// Whether rows precede the page.
    pub has_previous_page: bool,
    /// Cursor of the first row.
    pub start_cursor: Option<String>,
    /// Where the next page starts: the value for `after`.
    pub end_cursor: Option<String>,
}

/// A page of jobs.
pub struct JobConnection {
    filter: JobFilter,
    page: JobPage,
    has_previous: bool,
}

/// A job and its place in the list.
#[derive(SimpleObject)]
pub struct JobEdge {
    /// The value for `after`.
    cursor: String,
    /// The job.
    node: Arc<Job>,
}

/// A page of executions.
pub struct ExecutionConnection {
    filter: ExecutionFilter,
    page: ExecutionPage,
    has_previous: bool,
}

/// An execution and its place in the list.
#[derive(SimpleObject)]
pub struct ExecutionEdge {
    /// The value for `after`.
    cursor: String,
    /// The execution.
    node: Arc<ExecutionRecord>,
}

impl JobConnection {
    /// A page of the jobs of a filter.
    pub fn new(filter: JobFilter, page: JobPage, has_previous: bool) -> Self {
        Self {
            filter,
            page,
            has_previous,
        }
    }
}

#[Object]
impl JobConnection {
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<JobEdge> {
        let mut edges = Vec::with_capacity(self.page.rows.len());
        for (key, job) in &self.page.rows {
            edges.push(JobEdge {
                cursor: cursor(key),
                node: job.clone(),
            });
        }
        edges
    }
    /// The rows without cursors.
    async fn nodes(&self) -> Vec<Arc<Job>> {
        self.page.rows.iter().map(|(_, job)| job.clone()).collect()
    }
    /// The place of the page in its list.
    async fn page_info(&self) -> PageInfo {
        let rows = &self.page.rows;
        // The scan of a search has gone past the last row found.
        let end = self.page.next.as_ref().or(rows.last().map(|(key, _)| key));
        PageInfo {
            has_next_page: self.page.next.is_some(),
            has_previous_page: self.has_previous,
            start_cursor: rows.first().map(|(key, _)| cursor(key)),
            end_cursor: end.map(cursor),
        }
    }
    /// Number of jobs of the filter; none when a count would cost too much.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        if !self.has_previous && self.page.next.is_none() {
            // The page is the whole list.
            return Ok(Some(size(self.page.rows.len())));
        }
        if self.page.is_short {
            // A page that was cut short searches without an index, and so would the count.
            return Ok(None);
        }
        let total = store(ctx).await?.job_count(&self.filter).await?;
        Ok(total.map(size))
    }
}

impl ExecutionConnection {
    /// Reads a page of the executions of a filter.
    pub async fn read(
        ctx: &Context<'_>,
        filter: ExecutionFilter,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Self> {
        let limit = page_size(first)?;
        let after = after_id(after)?;
        let texts = texts(ctx, &ROWS_OF_A_PAGE).await?;
        let page = store(ctx)
            .await?
            .execution_page(&filter, after, limit, texts)
            .await?;
        Ok(Self {
            filter,
            page,
            has_previous: after.is_some(),
        })
    }

    /// The first page of a job's executions, read together with those of the other jobs of the
    /// answer.
    pub async fn first_of(ctx: &Context<'_>, job: Uuid, first: Option<i32>) -> Result<Self> {
        let limit = page_size(first)?;
        let texts = texts(ctx, &ROWS_OF_A_PAGE).await?;
        let page = job_loader::first_page(ctx, RecentKey { job, limit, texts }).await?;
        let filter = ExecutionFilter {
            job_id: Some(job),
            ..ExecutionFilter::default()
        };
        Ok(Self {
            filter,
            page,
            has_previous: false,
        })
    }

    /// A page of a search. Its total is unknown.
    pub fn found(page: ExecutionPage, has_previous: bool) -> Self {
        Self {
            filter: ExecutionFilter::default(),
            page,
            has_previous,
        }
    }
}

#[Object]
impl ExecutionConnection {
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<ExecutionEdge> {
        let mut edges = Vec::with_capacity(self.page.rows.len());
        for row in &self.page.rows {
            edges.push(ExecutionEdge {
                cursor: row.id.to_string(),
                node: row.clone(),
            });
        }
        edges
    }
    /// The rows without cursors.
    async fn nodes(&self) -> &[Arc<ExecutionRecord>] {
        &self.page.rows
    }
    /// The place of the page in its list.
    async fn page_info(&self) -> PageInfo {
        let rows = &self.page.rows;
        // The scan of a search has gone past the last row found.
        let end = self.page.next.or(rows.last().map(|row| row.id));
        PageInfo {
            has_next_page: self.page.next.is_some(),
            has_previous_page: self.has_previous,
            start_cursor: rows.first().map(|row| row.id.to_string()),
            end_cursor: end.map(|id| id.to_string()),
        }
    }
    /// Number of executions of the filter. Only executions in flight are counted; none for every
    /// other filter.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        let total = store(ctx).await?.execution_count(&self.filter).await?;
        Ok(total.map(size))
    }
}

/// Reads `first`. A variable without a value arrives as none, whatever the default in the schema.
pub fn page_size(first: Option<i32>) -> Result<usize> {
    let size = usize::try_from(first.unwrap_or(PAGE_DEFAULT))
        .ok()
        .filter(|size| (1..=PAGE_MAX).contains(size));
    size.ok_or_else(|| errors::bad_input("first", format!("first: must be from 1 to {PAGE_MAX}")))
}

/// Reads the cursor of a list of executions.
pub fn after_id(after: Option<String>) -> Result<Option<Uuid>> {
    match after {
        Some(cursor) => Ok(Some(Uuid::try_parse(&cursor).map_err(|_| bad_cursor())?)),
        None => Ok(None),
    }
}

/// Reads the cursor of a list of jobs in this order.
pub fn after_key(after: Option<String>, order: JobOrder) -> Result<Option<JobKey>> {
    let Some(cursor) = after else {
        return Ok(None);
    };
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| bad_cursor())?;
    let key: JobKey = serde_json::from_slice(&bytes).map_err(|_| bad_cursor())?;
    // A cursor of another order would compare a name with a time, for example.
    let fits = match &key {
        JobKey::Created(at, _) => {
            matches!(order, JobOrder::Newest | JobOrder::Oldest) && is_storable(at)
        }
        JobKey::Name(name, _) => {
            order == JobOrder::Name && text::NAME_KEY.check("after", name).is_ok()
        }
        JobKey::Due(at, _) => order == JobOrder::NextFireTime && at.iter().all(is_storable),
    };
    if fits {
        Ok(Some(key))
    } else {
        Err(bad_cursor())
    }
}

/// Whether the database can compare with the time: a cursor comes from outside.
pub fn is_storable(at: &Timestamp) -> bool {
    (0..=9999).contains(&at.year())
}

/// The place of a job in its list; opaque to clients.
pub fn cursor(key: &JobKey) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// The refusal of a cursor.
pub fn bad_cursor() -> async_graphql::Error {
    errors::bad_input(
        "after",
        "after: is no cursor of this list: take one from a page of it",
    )
}

/// A count as the API's Int, which has 32 bits.
pub fn size(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
