//! Lists of jobs and executions, a page at a time.

mod connections;
mod filters;

pub use connections::{
    ExecutionConnection, JobConnection, PageInfo, ROWS_OF_A_PAGE, after_id, after_key, bad_cursor,
    cursor, is_storable, page_size, size,
};
pub use filters::{ExecutionFilterInput, JobFilterInput};

use super::context::{LARGE_OF_JOBS, asks_for, store};
use super::{allowance, cost};
use crate::model::lists::JobOrder;
use crate::store::jobs::job_rows::JobParts;
use async_graphql::{Context, Object, Result, SimpleObject};

/// Most tags that are listed.
const TAGS_MAX: u32 = 1_000;

/// A tag and its frequency.
#[derive(SimpleObject)]
pub struct TagCount {
    /// The tag, as typed.
    tag: String,
    /// Number of jobs that have it.
    jobs: i32,
}

/// The queries of lists.
#[derive(Default)]
pub struct ListQuery;

#[Object]
impl ListQuery {
    /// Jobs, a page at a time: at most 200. A condition without an index (a part of a name, a last
    /// outcome) is searched for a limited time per page: such a page may have fewer rows than
    /// `first`, and still have a next one.
    #[graphql(complexity = "cost::page(first, filter.is_some(), child_complexity)")]
    async fn jobs_page(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
        filter: Option<JobFilterInput>,
        #[graphql(default_with = "Some(JobOrder::Newest)")] order_by: Option<JobOrder>,
    ) -> Result<JobConnection> {
        let filter = filter.unwrap_or_default().into_filter("filter")?;
        let order = order_by.unwrap_or(JobOrder::Newest);
        let limit = page_size(first)?;
        let after = after_key(after, order)?;
        // Payloads and targets are read only when the rows select them.
        let mut parts = JobParts::Small;
        for rows in ROWS_OF_A_PAGE {
            if asks_for(ctx, rows, &LARGE_OF_JOBS) {
                parts = JobParts::All;
            }
        }
        if parts == JobParts::All {
            allowance::of(ctx)?.take_place().await?;
        }
        let page = store(ctx)
            .await?
            .job_page(&filter, order, after.as_ref(), limit, parts)
            .await?;
        Ok(JobConnection::new(filter, page, after.is_some()))
    }

    /// Executions, newest fire time first, a page at a time: at most 200. A filter without an index
    /// reads a limited number of rows per page: such a page may have fewer rows than `first`, and
    /// still have a next one.
    #[graphql(complexity = "cost::page(first, filter.is_some(), child_complexity)")]
    async fn executions_page(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
        filter: Option<ExecutionFilterInput>,
    ) -> Result<ExecutionConnection> {
        let filter = filter.unwrap_or_default().into_filter()?;
        ExecutionConnection::read(ctx, filter, first, after).await
    }

    /// All tags, the most frequent first; at most 1,000.
    #[graphql(complexity = "cost::SEARCH + cost::list(TAGS_MAX as usize, child_complexity)")]
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<TagCount>> {
        let counted = store(ctx).await?.tags(TAGS_MAX).await?;
        let mut tags = Vec::with_capacity(counted.len());
        for (tag, jobs) in counted {
            tags.push(TagCount {
                tag,
                jobs: size(jobs),
            });
        }
        Ok(tags)
    }
}
