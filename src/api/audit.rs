//! The audit log, a page at a time.

use super::context::store;
use super::date_time::DateTime;
use super::lists::{PageInfo, bad_cursor, is_storable, page_size};
use super::{cost, errors};
use crate::model::Timestamp;
use crate::model::access::CallerKind;
use crate::model::audit::{AuditFilter, AuditOutcome};
use crate::store::audit::list::{AuditKey, AuditPage};
use crate::store::audit::row::AuditRow;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

/// Conditions on entries of the audit log; all given ones must hold.
#[derive(InputObject, Default)]
#[graphql(name = "AuditFilter")]
pub struct AuditFilterInput {
    /// First instant, included.
    from: Option<DateTime>,
    /// Last instant, not included.
    to: Option<DateTime>,
    /// The caller as `AuditEntry.caller` names it.
    caller: Option<String>,
    /// Name of the mutation or the decision.
    action: Option<String>,
    /// `job`, `calendar`, `blackout`, `execution`, `node`, `cluster`, `user`, `token`, `secret`.
    object_kind: Option<String>,
    /// Id of the object; of a calendar its name. Commands about many jobs have no id: the versions
    /// of a job have their authors.
    object_id: Option<ID>,
    /// Outcome.
    outcome: Option<AuditOutcome>,
}

/// An entry of the audit log: what a caller did, or what a node decided by itself.
pub struct AuditEntry(AuditRow);

/// An entry and its place in the list.
#[derive(SimpleObject)]
pub struct AuditEdge {
    /// The value for `after`.
    cursor: String,
    /// The entry.
    node: AuditEntry,
}

/// A page of the audit log.
pub struct AuditConnection {
    page: AuditPage,
    has_previous: bool,
}

/// The query of the audit log.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// The audit log, newest first, a page at a time: at most 200. A condition without an index
    /// (`action`, `objectKind`, `outcome`) reads a limited number of rows per page: such a page may
    /// have fewer rows than `first`, and still have a next one.
    #[graphql(complexity = "cost::page(first, filter.is_some(), child_complexity)")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        filter: Option<AuditFilterInput>,
        #[graphql(default = 50)] first: Option<i32>,
        after: Option<String>,
    ) -> Result<AuditConnection> {
        let filter = filter.unwrap_or_default().into_filter();
        filter.validate()?;
        let (limit, after) = (page_size(first)?, after.as_deref().map(key).transpose()?);
        let page = store(ctx).await?.audit_page(&filter, after, limit).await?;
        Ok(AuditConnection {
            page,
            has_previous: after.is_some(),
        })
    }
}

#[Object]
impl AuditConnection {
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<AuditEdge> {
        let mut edges = Vec::with_capacity(self.page.rows.len());
        for row in &self.page.rows {
            edges.push(AuditEdge {
                cursor: cursor(row.key()),
                node: AuditEntry(row.clone()),
            });
        }
        edges
    }
    /// The rows without cursors.
    async fn nodes(&self) -> Vec<AuditEntry> {
        self.page.rows.iter().cloned().map(AuditEntry).collect()
    }
    /// The place of the page in its list.
    async fn page_info(&self) -> PageInfo {
        let rows = &self.page.rows;
        // The scan of a search has gone past the last row found.
        let end = self.page.next.or(rows.last().map(AuditRow::key));
        PageInfo {
            has_next_page: self.page.next.is_some(),
            has_previous_page: self.has_previous,
            start_cursor: rows.first().map(|row| cursor(row.key())),
            end_cursor: end.map(cursor),
        }
    }
}

/// An entry of the audit log: what a caller did, or what a node decided by itself.
#[Object]
impl AuditEntry {
    /// Unique id; later entries have higher numbers.
    async fn id(&self) -> ID {
        self.0.seq.into()
    }
    /// Time of the entry.
    async fn at(&self) -> DateTime {
        DateTime(self.0.at)
    }
    /// Name of the caller: `ada`, `token ci`, `node a`, `command line of root`, `anonymous`.
    async fn caller(&self) -> &str {
        &self.0.caller
    }
    /// Kind of the caller.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn caller_kind(&self) -> Result<CallerKind> {
        errors::named(&self.0.caller_kind)
    }
    /// Network address of the client; none for a node and the command line.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }
    /// Name of the mutation, or of the decision of a node.
    async fn action(&self) -> &str {
        &self.0.action
    }
    /// Kind of the object: `job`, `calendar`, `blackout`, `execution`, `node`, `cluster`, `user`,
    /// `token`, `secret`.
    async fn object_kind(&self) -> Option<&str> {
        self.0.object_kind.as_deref()
    }
    /// Id of the object; of a calendar its name. None for a command about many.
    async fn object_id(&self) -> Option<ID> {
        self.0.object_id.as_deref().map(ID::from)
    }
    /// Name of the object at that time.
    async fn object_name(&self) -> Option<&str> {
        self.0.object_name.as_deref()
    }
    /// Outcome.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn outcome(&self) -> Result<AuditOutcome> {
        errors::named(&self.0.outcome)
    }
    /// What was asked for and what changed, as JSON text. Without payloads, values of headers and
    /// secrets.
    async fn details(&self) -> Option<&str> {
        self.0.details.as_deref()
    }
}

impl AuditFilterInput {
    fn into_filter(self) -> AuditFilter {
        AuditFilter {
            from: self.from.map(|DateTime(from)| from),
            to: self.to.map(|DateTime(to)| to),
            caller: self.caller,
            action: self.action,
            object_kind: self.object_kind,
            object_id: self.object_id.map(|ID(id)| id),
            outcome: self.outcome,
        }
    }
}

/// The place of an entry in the list; opaque to clients.
fn cursor(key: AuditKey) -> String {
    format!("{}-{}", key.at.timestamp_micros(), key.seq)
}

/// Reads the cursor of the list.
fn key(cursor: &str) -> Result<AuditKey> {
    let key = cursor.split_once('-').and_then(|(at, seq)| {
        let at = Timestamp::from_timestamp_micros(at.parse().ok()?)?;
        let seq = seq.parse().ok()?;
        // The cursor comes from the client: PostgreSQL refuses a year beyond its range.
        is_storable(&at).then_some(AuditKey { at, seq })
    });
    key.ok_or_else(bad_cursor)
}
