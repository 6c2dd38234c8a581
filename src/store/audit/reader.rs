//! Reading the whole audit log, in the order of the chain, in a single snapshot.

use super::chain;
use super::row::AuditRow;
use crate::model::rfc3339;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use serde_json::{Value, json};
use tokio_postgres::Row;

/// Rows of a statement.
const BATCH: i64 = 2_000;

/// A purge or a seal during the reading must not look like a gap.
const ONE_SNAPSHOT: Statement = Statement::new(
    "-- audit.one_snapshot
set transaction isolation level repeatable read, read only",
);

const SEALED: Statement = Statement::new(
    "-- audit.sealed
select seq, at, caller, caller_kind, caller_id, address, action, object_kind, object_id,
       object_name, outcome, details::text as details, position, previous_hash, hash
from audit_log where position > $1 order by position limit $2",
);

const UNSEALED: Statement = Statement::new(
    "-- audit.unsealed
select seq, at, caller, caller_kind, caller_id, address, action, object_kind, object_id,
       object_name, outcome, details::text as details, position, previous_hash, hash
from audit_log where position is null and seq > $1 order by seq limit $2",
);

impl AuditRow {
    /// The row as a JSON object with the names of the API, for an export.
    pub fn json(&self) -> Value {
        let details = self.details.as_deref();
        json!({
            "id": self.seq,
            "at": rfc3339(self.at),
            "caller": self.caller,
            "callerKind": self.caller_kind,
            "callerId": self.caller_id,
            "address": self.address,
            "action": self.action,
            "objectKind": self.object_kind,
            "objectId": self.object_id,
            "objectName": self.object_name,
            "outcome": self.outcome,
            "details": details.and_then(|text| serde_json::from_str::<Value>(text).ok()),
            "position": self.position,
            "hash": self.hash.as_deref().map(chain::hex),
        })
    }
}

/// A reader of the log, with a single snapshot for the whole reading.
pub struct AuditReader {
    store: Store,
    transaction: Transaction,
    after: i64,
}

impl Store {
    /// A reader of the sealed rows behind a position; 0 reads all.
    pub async fn read_audit_log(&self, after: i64) -> Result<AuditReader, StoreError> {
        let transaction = self
            .bounded("audit.begin", async {
                let transaction = self.begin("audit.begin").await?;
                // Before the first query: the snapshot is taken by the first query.
                ONE_SNAPSHOT.batch(&transaction).await?;
                Ok(transaction)
            })
            .await?;
        Ok(AuditReader {
            store: self.clone(),
            transaction,
            after,
        })
    }
}

impl AuditReader {
    /// The next rows in the order of the chain; none at the end.
    pub async fn sealed(&mut self) -> Result<Vec<AuditRow>, StoreError> {
        let rows = self.batch(SEALED).await?;
        if let Some(last) = rows.last() {
            // A sealed row always has a position; the largest one ends the reading instead of a
            // loop.
            self.after = last.position.unwrap_or(i64::MAX);
        }
        Ok(rows)
    }

    /// The unsealed rows, after the row with the number.
    pub async fn unsealed(&mut self, after: i64) -> Result<Vec<AuditRow>, StoreError> {
        self.after = after;
        self.batch(UNSEALED).await
    }

    /// Ends the transaction of the reading.
    pub async fn end(self) -> Result<(), StoreError> {
        self.transaction.commit().await.during("audit.commit")
    }

    /// The connection of the reader.
    pub(super) fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    async fn batch(&self, statement: Statement<'static>) -> Result<Vec<AuditRow>, StoreError> {
        self.store
            .bounded(statement.name(), async {
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&self.after, &BATCH];
                let rows = statement.query(&self.transaction, &values).await?;
                rows.iter().map(row).collect()
            })
            .await
    }
}

/// A row with the columns of [`SEALED`].
pub(super) fn row(row: &Row) -> Result<AuditRow, StoreError> {
    let row = Values::of("audit_log", row);
    Ok(AuditRow {
        seq: row.get("seq")?,
        at: row.get("at")?,
        caller: row.get("caller")?,
        caller_kind: row.get("caller_kind")?,
        caller_id: row.get("caller_id")?,
        address: row.get("address")?,
        action: row.get("action")?,
        object_kind: row.get("object_kind")?,
        object_id: row.get("object_id")?,
        object_name: row.get("object_name")?,
        outcome: row.get("outcome")?,
        details: row.get("details")?,
        position: row.get("position")?,
        previous_hash: bytes(row, "previous_hash")?,
        hash: bytes(row, "hash")?,
    })
}

fn bytes(row: Values<'_>, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(row.get::<Option<&[u8]>>(column)?.map(<[u8]>::to_vec))
}
