//! Lists of the audit log: filtered, newest first, a page at a time.
//!
//! A filter without an index reads a limited number of rows per page, like the list of executions:
//! a page may hold fewer rows than the limit, and still have a next page.

use super::reader;
use super::row::AuditRow;
use crate::model::Timestamp;
use crate::model::audit::AuditFilter;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::queries::execution_list::SCAN_LIMIT;
use crate::store::queries::filters::Conditions;
use crate::store::{Store, StoreError};

/// The number of rows read, the last row read, and the numbers of the matching rows.
const SEARCH: Statement = Statement::new(
    "-- audit.search
with looked as materialized (
    select l.seq, l.at, l.action, l.object_kind, l.outcome from audit_log l
    where {found} order by l.at desc, l.seq desc limit {through}
)
select (select count(*) from looked) as looked_at, last.at, last.seq,
       array(select l.seq from looked l where {fits}
           order by l.at desc, l.seq desc limit {limit}) as seqs
from (select) as one left join lateral (
    select l.at, l.seq from looked l order by l.at, l.seq limit 1) as last on true",
);

const BY_SEQS: Statement = Statement::new(
    "-- audit.by_seqs
select seq, at, caller, caller_kind, caller_id, address, action, object_kind, object_id,
       object_name, outcome, details::text as details, position, previous_hash, hash
from audit_log where seq = any($1::bigint[]) order by at desc, seq desc",
);

/// The place of a row in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditKey {
    /// When the row was written.
    pub at: Timestamp,
    /// Number of the entry in the order of writing.
    pub seq: i64,
}

/// Some rows of the list.
#[derive(Debug)]
pub struct AuditPage {
    /// Rows of the page.
    pub rows: Vec<AuditRow>,
    /// The key before the next page; none at the end.
    pub next: Option<AuditKey>,
}

impl AuditRow {
    /// The place of the row in the list.
    pub fn key(&self) -> AuditKey {
        AuditKey {
            at: self.at,
            seq: self.seq,
        }
    }
}

impl Store {
    /// The rows after a key, newest first, at most `limit`.
    pub async fn audit_page(
        &self,
        filter: &AuditFilter,
        after: Option<AuditKey>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        self.on_session("audit.page", async |session| {
            let conditions = conditions(filter, after);
            // Without a selective condition every row read fits, so a page and a row more suffice.
            let through = if conditions.are_selective() {
                SCAN_LIMIT
            } else {
                limit + 1
            };
            let text = SEARCH.filled(&[
                ("{found}", &conditions.found()),
                ("{fits}", &conditions.fits()),
                ("{through}", &through.to_string()),
                ("{limit}", &(limit + 1).to_string()),
            ]);
            let found = SEARCH
                .with_sql(&text)
                .query_one_unprepared(session, &conditions.values())
                .await?;
            let found = Values::of(SEARCH.name(), &found);
            let mut seqs: Vec<i64> = found.get("seqs")?;
            let is_full = seqs.len() > limit;
            seqs.truncate(limit);
            let rows = self.rows(session, BY_SEQS, &[&seqs]).await?;
            let rows = rows
                .iter()
                .map(reader::row)
                .collect::<Result<Vec<_>, _>>()?;
            let next = if is_full {
                rows.last().map(AuditRow::key)
            } else if usize::try_from(found.get::<i64>("looked_at")?) == Ok(through) {
                // The limit of rows was reached: the next page starts after the last row read.
                let last: (Option<Timestamp>, Option<i64>) = (found.get("at")?, found.get("seq")?);
                last.0.zip(last.1).map(|(at, seq)| AuditKey { at, seq })
            } else {
                None
            };
            Ok(AuditPage { rows, next })
        })
        .await
    }
}

/// The conditions of a filter about a row `l`.
fn conditions(filter: &AuditFilter, after: Option<AuditKey>) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(AuditKey { at, seq }) = after {
        let (at, seq) = (conditions.value(at), conditions.value(seq));
        conditions.find_plain(&format!("(l.at, l.seq) < ({at}, {seq})"));
    }
    if let Some(from) = filter.from {
        conditions.find("l.at >= ?", from);
    }
    if let Some(to) = filter.to {
        conditions.find("l.at < ?", to);
    }
    if let Some(id) = &filter.object_id {
        conditions.find("l.object_id = ?", id.clone());
    }
    if let Some(caller) = &filter.caller {
        conditions.find("l.caller = ?", caller.clone());
    }
    if let Some(action) = &filter.action {
        conditions.fit("l.action = ?", action.clone());
    }
    if let Some(kind) = &filter.object_kind {
        conditions.fit("l.object_kind = ?", kind.clone());
    }
    if let Some(outcome) = filter.outcome {
        conditions.fit("l.outcome = ?", outcome.as_str().to_owned());
    }
    conditions
}
