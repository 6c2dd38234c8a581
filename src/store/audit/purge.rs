//! Retention of the audit log: old rows are removed from the beginning of the chain.
//!
//! The purge is an entry of the log itself, with the place and the hash of the last removed row. A
//! chain with a later begin than 1 is whole if such an entry says so.

use super::chain;
use super::entry::Entry;
use super::seal::{AUDIT_LOCK, TRY_LOCK};
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use std::time::Duration;

/// Rows of a pass.
const BATCH: i32 = 10_000;

/// The action of a purge.
pub const PURGE: &str = "purgeAuditLog";

/// Whole days (UTC), so there is at most one purge a day while there is little to purge.
const REMOVE: Statement = Statement::new(
    "-- audit.purge
select removed, through, through_hash
from purge_audit_log(
    date_trunc('day', clock_timestamp() - make_interval(secs => $1), 'UTC'), $2)",
);

impl Store {
    /// Removes sealed rows of days older than `retention`, at most a batch. Returns the number.
    /// Does nothing while another node seals or purges.
    pub async fn purge_audit_log(&self, retention: Duration) -> Result<i64, StoreError> {
        // `Duration::MAX` stands for all times.
        if retention == Duration::MAX {
            return Ok(0);
        }
        self.bounded("audit.purge", async {
            let transaction = self.begin("audit.begin").await?;
            let locked = TRY_LOCK.query_one(&transaction, &[&AUDIT_LOCK]).await?;
            let mut removed = 0;
            if Values::of(TRY_LOCK.name(), &locked).get(0)? {
                let row = REMOVE
                    .query_one(&transaction, &[&retention.as_secs_f64(), &BATCH])
                    .await?;
                let row = Values::of(REMOVE.name(), &row);
                removed = row.get("removed")?;
                let through: Option<i64> = row.get("through")?;
                let hash: Option<&[u8]> = row.get("through_hash")?;
                if let (Some(through), Some(hash)) = (through, hash) {
                    let entry = Entry::about("audit log")
                        .with("rows", removed)
                        .with("through", through)
                        .with("hash", chain::hex(hash));
                    // In the transaction of the removal: a verification must always find both.
                    transaction.record_decision(PURGE, entry);
                }
            }
            transaction.commit().await.during("audit.commit")?;
            Ok(removed)
        })
        .await
    }
}
