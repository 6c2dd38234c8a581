//! A row of the audit log.

use crate::model::Timestamp;
use uuid::Uuid;

/// A row of the audit log, as stored.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// Number in the order of writing.
    pub seq: i64,
    /// Instant of the entry, by the database's clock.
    pub at: Timestamp,
    /// Label of the caller.
    pub caller: String,
    /// Kind of the caller.
    pub caller_kind: String,
    /// Id of the user or the token.
    pub caller_id: Option<Uuid>,
    /// Address of the client.
    pub address: Option<String>,
    /// Name of the mutation or of the decision.
    pub action: String,
    /// Kind of the object.
    pub object_kind: Option<String>,
    /// Id of the object.
    pub object_id: Option<String>,
    /// Name of the object at that time.
    pub object_name: Option<String>,
    /// Outcome: `DONE` or `REFUSED`.
    pub outcome: String,
    /// The details, as JSON.
    pub details: Option<String>,
    /// Place in the chain.
    pub position: Option<i64>,
    /// Hash of the row before.
    pub previous_hash: Option<Vec<u8>>,
    /// Hash of the row.
    pub hash: Option<Vec<u8>>,
}
