//! Search for executions by a text.

use super::context::{store, texts};
use super::cost::{self, PAGE_DEFAULT};
use super::errors;
use super::lists::{
    ExecutionConnection, ExecutionFilterInput, ROWS_OF_A_PAGE, after_id, page_size,
};
use crate::model::lists::PAGE_MAX;
use crate::model::text;
use crate::store::queries::execution_search::ExecutionSearch;
use async_graphql::{Context, Object, Result};

/// A search reads up to 20,000 errors, and as many executions of jobs found by name.
const SEARCHES: usize = 4;

/// The query of the search.
#[derive(Default)]
pub struct SearchQuery;

#[Object]
impl SearchQuery {
    /// Executions with a text in the name of their job or in their error, in any case, or with the
    /// text as id. With `outputs` the output is searched, too. Of an error and an output the first
    /// 4,000 characters are searched. Newest fire time first, a page at a time: at most 200. The
    /// number of rows read for a page is limited: a page may have fewer rows than `first`, or none,
    /// and still have a next one. With `outputs` the limit is 20,000 executions of any outcome:
    /// give a range of time.
    #[graphql(complexity = "SEARCHES * cost::SEARCH \
                      + cost::rows(cost::bound(first, PAGE_DEFAULT, PAGE_MAX), child_complexity)")]
    async fn search_executions(
        &self,
        ctx: &Context<'_>,
        text: String,
        #[graphql(default)] outputs: bool,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
        filter: Option<ExecutionFilterInput>,
    ) -> Result<ExecutionConnection> {
        text::SEARCH.check("text", &text)?;
        let looked_for = text.trim();
        // An empty text is part of every name: the search would read the whole log.
        if looked_for.is_empty() {
            return Err(errors::bad_input(
                "text",
                "text: must hold something to look for",
            ));
        }
        let filter = filter.unwrap_or_default().into_filter()?;
        let (limit, after) = (page_size(first)?, after_id(after)?);
        let texts = texts(ctx, &ROWS_OF_A_PAGE).await?;
        let search = ExecutionSearch {
            text: looked_for,
            outputs,
        };
        let page = store(ctx)
            .await?
            .execution_search(search, &filter, after, limit, texts)
            .await;
        Ok(ExecutionConnection::found(page?, after.is_some()))
    }
}
