//! Search: executions with a text in their job's name, error or output, newest fire time first, a
//! page at a time.
//!
//! The texts have no index, which would cost each settlement (docs/decisions/0043). Names lead to
//! jobs, and the index by job to the executions. Errors are searched among executions with a bad
//! end, which are few and have an index. Only a search in outputs reads all executions. Each source
//! is read to a limited depth: a page holds the executions above the highest depth, and the next
//! page starts there.

use super::execution_list::{ExecutionPage, SCAN_LIMIT, conditions};
use super::execution_scans::{Found, JOBS_MAX, found, merged, of_jobs};
use super::executions::ExecutionTexts;
use super::filters::Conditions;
use crate::model::lists::ExecutionFilter;
use crate::store::db::row::column;
use crate::store::db::session::Session;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use uuid::Uuid;

/// Searched characters of an error or an output.
const TEXT_MAX: usize = 4_000;

const NAMED: Statement = Statement::new(
    "-- execution_search.named
select id from job_definition where strpos(lower(name), lower($1)) > 0 or id = $2 limit $3",
);

/// See [`of_texts`].
const OF_TEXTS: Statement = Statement::new(
    "-- execution_search.texts
with looked as materialized (
    select l.id, l.job_id, l.status, l.kind, l.reason, l.node_id, l.error_message{output}
    from job_execution_log l
    where {found} order by l.id desc limit {through}
)
select (select count(*) from looked) as looked_at,
       (select id from looked order by id limit 1) as last,
       array(select l.id from looked l where {fits} order by l.id desc limit {limit}) as ids",
);

/// A search in the names of jobs and in error messages.
#[derive(Debug, Clone, Copy)]
pub struct ExecutionSearch<'a> {
    /// Part of the job's name or of the error, in any case; or the id of a job or of an execution.
    pub text: &'a str,
    /// Whether outputs are searched as well.
    pub outputs: bool,
}

impl Store {
    /// The executions after a key, with matches of a text and a filter, newest first, at most
    /// `limit`.
    pub async fn execution_search(
        &self,
        search: ExecutionSearch<'_>,
        filter: &ExecutionFilter,
        after: Option<Uuid>,
        limit: usize,
        texts: ExecutionTexts,
    ) -> Result<ExecutionPage, StoreError> {
        self.on_session("execution_search.page", async |session| {
            let named = named(session, search.text).await?;
            let has_many = named.len() > JOBS_MAX;
            let mut found =
                vec![of_texts(session, search, has_many, conditions(filter, after), limit).await?];
            if !has_many && !named.is_empty() {
                found.extend(of_jobs(session, &named, conditions(filter, after), limit).await?);
            }
            let (mut ids, next) = merged(&found, limit);
            if let (Ok(id), None) = (Uuid::try_parse(search.text), after) {
                // An id in the search box: the execution itself comes first, without any condition.
                ids.insert(0, id);
            }
            let rows = self.rows_by_ids(session, &ids, texts).await?;
            Ok(ExecutionPage { rows, next })
        })
        .await
    }
}

/// Jobs named by the text, at most `JOBS_MAX` + 1.
async fn named(session: &Session, text: &str) -> Result<Vec<Uuid>, StoreError> {
    let most = i64::try_from(JOBS_MAX + 1).unwrap_or(i64::MAX);
    let id = Uuid::try_parse(text).ok();
    let rows = NAMED.query(session, &[&text, &id, &most]).await?;
    column(NAMED.name(), &rows, 0)
}

/// Matches in errors, in outputs, and in the names of many jobs.
async fn of_texts(
    session: &Session,
    search: ExecutionSearch<'_>,
    names: bool,
    mut conditions: Conditions,
    limit: usize,
) -> Result<Found, StoreError> {
    let text = conditions.value(search.text.to_owned());
    let holds =
        |column: &str| format!("strpos(lower(left({column}, {TEXT_MAX})), lower({text})) > 0");
    let mut any = vec![holds("l.error_message")];
    if search.outputs {
        any.push(holds("l.output"));
    }
    if names {
        any.push(format!(
            "l.job_id in (select j.id from job_definition j where {})",
            holds("j.name")
        ));
    }
    conditions.fit_plain(&format!("({})", any.join(" or ")));
    if !search.outputs && !names {
        conditions.find_plain("l.error_message is not null");
    }
    let output = if search.outputs { ", l.output" } else { "" };
    let text = OF_TEXTS.filled(&[
        ("{output}", output),
        ("{found}", &conditions.found()),
        ("{fits}", &conditions.fits()),
        ("{through}", &SCAN_LIMIT.to_string()),
        ("{limit}", &(limit + 1).to_string()),
    ]);
    let row = OF_TEXTS
        .with_sql(&text)
        .query_one_unprepared(session, &conditions.values())
        .await?;
    found(&row, SCAN_LIMIT)
}
