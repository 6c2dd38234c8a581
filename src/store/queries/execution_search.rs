//! Search: executions whose job's name, error or output holds a text, newest fire time first, a
//! page at a time.
//!
//! No index holds the texts: it would cost each settlement (docs/decisions/0043). Names lead to
//! jobs, and the index by job to their executions. Errors are looked for among what ended badly,
//! which has an index and is rare. Only who wants outputs looks through all executions. Each of
//! these sources is looked through so far and no further: a page holds what lies above the highest
//! of these depths, and the next begins there.

use super::execution_list::{BY_IDS, ExecutionPage, SCAN_LIMIT, conditions};
use super::executions::{ExecutionTexts, record};
use super::filters::Conditions;
use crate::model::lists::ExecutionFilter;
use crate::store::db::row::{Values, column};
use crate::store::db::session::Session;
use crate::store::{During, Store, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;

/// Jobs found by name whose executions are looked up one by one: 2 to 20 ms. The executions of more
/// are looked for among all, where there are many of them.
const NAMED_MAX: usize = 200;
/// Characters of an error or an output that are looked at.
const TEXT_MAX: usize = 4_000;

const NAMED: &str = "-- execution_search.named
select id from job_definition where strpos(lower(name), lower($1)) > 0 or id = $2 limit $3";

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct ExecutionSearch<'a> {
    /// Part of the job's name or of the error, in any case; or the id of a job or of an execution.
    pub text: &'a str,
    /// Whether outputs are looked at too.
    pub outputs: bool,
}

/// What a source found, and how deep it was looked through, unless to its end.
#[derive(Default)]
struct Found {
    ids: Vec<Uuid>,
    depth: Option<Uuid>,
}

impl Store {
    /// The executions behind a key that a text finds among those of a filter, newest first, at most
    /// `limit`.
    pub async fn execution_search(
        &self,
        search: ExecutionSearch<'_>,
        filter: &ExecutionFilter,
        after: Option<Uuid>,
        limit: usize,
        texts: ExecutionTexts,
    ) -> Result<ExecutionPage, StoreError> {
        self.bounded("execution_search.page", async {
            let session = self.session().await?;
            let named = named(&session, search.text).await?;
            let has_many = named.len() > NAMED_MAX;
            let mut found =
                vec![of_texts(&session, search, has_many, conditions(filter, after), limit).await?];
            if !has_many && !named.is_empty() {
                found.extend(of_jobs(&session, &named, conditions(filter, after), limit).await?);
            }
            let (mut ids, next) = merged(&found, limit);
            if let (Ok(id), None) = (Uuid::try_parse(search.text), after) {
                ids.insert(0, id);
            }
            let by_ids = BY_IDS.replace("{columns}", &texts.columns());
            let rows = self
                .rows(&session, "execution_list.by_ids", &by_ids, &[&ids])
                .await?;
            session.release();
            let record = |row: &Row| record(row).map(Arc::new);
            Ok(ExecutionPage {
                rows: self.unreadable.readable(&rows, record),
                next,
            })
        })
        .await
    }
}

/// Jobs that the text names, one more than are looked up one by one.
async fn named(session: &Session, text: &str) -> Result<Vec<Uuid>, StoreError> {
    let most = i64::try_from(NAMED_MAX + 1).unwrap_or(i64::MAX);
    let statement = session
        .prepare_cached(NAMED)
        .await
        .during("execution_search.prepare")?;
    let id = Uuid::try_parse(text).ok();
    let rows = session
        .query(&statement, &[&text, &id, &most])
        .await
        .during("execution_search.named")?;
    column("execution_search.named", &rows, 0)
}

/// What the errors find, the outputs, and the names of many jobs.
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
    let text = format!(
        "-- execution_search.texts
with looked as materialized (
    select l.id, l.job_id, l.status, l.kind, l.reason, l.node_id, l.error_message{output} from job_execution_log l
    where {} order by l.id desc limit {SCAN_LIMIT}
)
select (select count(*) from looked), (select id from looked order by id limit 1),
       array(select l.id from looked l where {} order by l.id desc limit {})",
        conditions.found(),
        conditions.fits(),
        limit + 1
    );
    let row = session
        .query_one(&text, &conditions.values())
        .await
        .during("execution_search.texts")?;
    found(Values::of("execution_search.texts", &row), SCAN_LIMIT)
}

/// The newest executions of each of some jobs.
async fn of_jobs(
    session: &Session,
    jobs: &[Uuid],
    mut conditions: Conditions,
    limit: usize,
) -> Result<Vec<Found>, StoreError> {
    let through = if conditions.are_selective() {
        (SCAN_LIMIT / jobs.len()).max(limit + 1)
    } else {
        limit + 1
    };
    let jobs = conditions.value(jobs.to_vec());
    let text = format!(
        "-- execution_search.of_jobs
select of_job.* from unnest({jobs}::uuid[]) as x (id) cross join lateral (
    with looked as materialized (
        select l.id, l.job_id, l.status, l.kind, l.reason, l.node_id from job_execution_log l
        where l.job_id = x.id and {} order by l.id desc limit {through}
    )
    select (select count(*) from looked), (select id from looked order by id limit 1),
           array(select l.id from looked l where {} order by l.id desc limit {})
) as of_job (looked, last, ids)",
        conditions.found(),
        conditions.fits(),
        limit + 1
    );
    let rows = session
        .query(&text, &conditions.values())
        .await
        .during("execution_search.of_jobs")?;
    rows.iter()
        .map(|row| found(Values::of("execution_search.of_jobs", row), through))
        .collect()
}

fn found(row: Values<'_>, through: usize) -> Result<Found, StoreError> {
    let (scanned, last, ids): (i64, Option<Uuid>, Vec<Uuid>) =
        (row.get(0)?, row.get(1)?, row.get(2)?);
    let depth = last.filter(|_| usize::try_from(scanned) == Ok(through));
    Ok(Found { ids, depth })
}

/// The newest of all sources above the highest depth, at most `limit`, and the key behind which the
/// list goes on.
fn merged(found: &[Found], limit: usize) -> (Vec<Uuid>, Option<Uuid>) {
    let depth = found.iter().filter_map(|source| source.depth).max();
    let ids: BTreeSet<Uuid> = found
        .iter()
        .flat_map(|source| source.ids.iter().copied())
        .collect();
    let mut newest: Vec<Uuid> = ids
        .into_iter()
        .rev()
        .filter(|id| depth.is_none_or(|depth| *id >= depth))
        .collect();
    if newest.len() <= limit {
        return (newest, depth);
    }
    newest.truncate(limit);
    let next = newest.last().copied();
    (newest, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(ids: &[u128], depth: Option<u128>) -> Found {
        Found {
            ids: ids.iter().copied().map(Uuid::from_u128).collect(),
            depth: depth.map(Uuid::from_u128),
        }
    }

    fn page(found: &[Found], limit: usize) -> (Vec<u128>, Option<u128>) {
        let (ids, next) = merged(found, limit);
        (
            ids.iter().map(Uuid::as_u128).collect(),
            next.map(|id| id.as_u128()),
        )
    }

    #[test]
    fn a_page_holds_nothing_below_the_depth_of_any_source() {
        let found = [
            source(&[90, 40], None),
            source(&[80, 70], Some(60)),
            source(&[90, 50], Some(50)),
        ];
        assert_eq!(page(&found, 10), (vec![90, 80, 70], Some(60)));
        assert_eq!(page(&found, 2), (vec![90, 80], Some(80)));
        assert_eq!(
            page(&[source(&[5], None), source(&[9], None)], 10),
            (vec![9, 5], None)
        );
        assert_eq!(
            page(&[source(&[], Some(30))], 10),
            (vec![], Some(30)),
            "none, and there may be more"
        );
    }
}
