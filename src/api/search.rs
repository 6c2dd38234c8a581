//! Executions by a text.

use super::lists::{
    ExecutionConnection, ExecutionFilterInput, PAGE_DEFAULT, ROWS_OF_A_PAGE, after_id, page_size,
};
use super::queries::{store, texts};
use super::{cost, errors};
use crate::model::lists::PAGE_MAX;
use crate::model::text;
use crate::store::execution_search::ExecutionSearch;
use async_graphql::{Context, Object, Result};

/// Looks through up to 20,000 errors, and as many executions of jobs by their names.
const SEARCHES: usize = 4;

/// The query of the search.
#[derive(Default)]
pub struct SearchQuery;

#[Object]
impl SearchQuery {
    /// Executions whose job's name or error holds a text, in any case, or of that id;
    /// with `outputs` also those whose output does. Of errors and outputs the first
    /// 4,000 characters are looked at. Newest fire time first, a page at a time: at
    /// most 200. So many rows are looked through for a page: it may hold fewer rows
    /// than `first`, or none, and still have a next. With `outputs` 20,000 executions
    /// of any outcome count: give a range of time.
    #[graphql(
        complexity = "SEARCHES * cost::SEARCH + cost::rows(cost::bound(first, PAGE_DEFAULT, PAGE_MAX), child_complexity)"
    )]
    async fn search_executions(
        &self,
        ctx: &Context<'_>,
        text: String,
        #[graphql(default)] outputs: bool,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
        filter: Option<ExecutionFilterInput>,
    ) -> Result<ExecutionConnection> {
        text::SEARCH
            .check("text", &text)
            .map_err(|invalid| errors::invalid(&invalid))?;
        let looked_for = text.trim();
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
        Ok(ExecutionConnection::found(
            page.map_err(errors::store)?,
            after.is_some(),
        ))
    }
}
