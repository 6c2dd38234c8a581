//! Verification of the hash chain.
//!
//! The verification finds a row changed, removed, inserted or moved after the seal. Missing last
//! rows cannot be found; for such a case, the log of the nodes has the hash of the end now and
//! then, and a verification can begin there.

use super::chain::{self, BEFORE_FIRST, Hash};
use super::purge::PURGE;
use super::reader::AuditReader;
use super::row::AuditRow;
use super::seal::ChainEnd;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use serde_json::Value;

const FIND: Statement = Statement::new(
    "-- audit.find
select position from audit_log where hash = $1",
);

const COUNT_UNSEALED: Statement = Statement::new(
    "-- audit.count_unsealed
select count(*) from audit_log where position is null",
);

/// The result of a verification.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The chain is whole.
    Whole {
        /// The number of verified rows.
        rows: u64,
        /// The end of the chain.
        end: ChainEnd,
        /// The number of unsealed rows.
        unsealed: i64,
    },
    /// The chain is broken.
    Broken {
        /// The first broken place.
        position: i64,
        /// The error at the place.
        reason: &'static str,
    },
    /// No row has the hash for the begin of the verification.
    NoSuchHash,
}

/// A walk along the chain.
struct Walk {
    /// The end of the walked part.
    end: ChainEnd,
    rows: u64,
    /// The end that a purge must have recorded when the chain does not begin at 1.
    removed: Option<ChainEnd>,
}

impl Store {
    /// Verifies the whole chain, or the rows behind the row with the hash `since`.
    pub async fn verify_audit_log(&self, since: Option<Hash>) -> Result<Verdict, StoreError> {
        let end = match since {
            None => ChainEnd::empty(),
            Some(hash) => match self.position_of(&hash).await? {
                Some(position) => ChainEnd {
                    position,
                    hash: hash.to_vec(),
                },
                None => return Ok(Verdict::NoSuchHash),
            },
        };
        let mut reader = self.read_audit_log(end.position).await?;
        let mut walk = Walk {
            end,
            rows: 0,
            removed: None,
        };
        loop {
            let rows = reader.sealed().await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                if let Err(reason) = walk.step(row, since.is_some()) {
                    let position = walk.end.position + 1;
                    return Ok(Verdict::Broken { position, reason });
                }
            }
        }
        self.conclude(walk, reader).await
    }

    async fn conclude(
        &self,
        mut walk: Walk,
        mut reader: AuditReader,
    ) -> Result<Verdict, StoreError> {
        let count = COUNT_UNSEALED.query_one(reader.transaction(), &[]).await?;
        let unsealed = Values::of(COUNT_UNSEALED.name(), &count).get(0)?;
        // The entry of the last purge may not be sealed yet.
        let mut after = 0;
        while walk.removed.is_some() {
            let rows = reader.unsealed(after).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                walk.note_purge(row);
            }
        }
        reader.end().await?;
        Ok(match walk.removed {
            Some(removed) => Verdict::Broken {
                position: removed.position,
                reason: "rows were removed, and no purge says so",
            },
            None => Verdict::Whole {
                rows: walk.rows,
                end: walk.end,
                unsealed,
            },
        })
    }

    async fn position_of(&self, hash: &[u8]) -> Result<Option<i64>, StoreError> {
        Ok(self
            .read_opt::<Option<i64>>(FIND, &[&hash], |row| Values::of(FIND.name(), row).get(0))
            .await?
            .flatten())
    }
}

impl Walk {
    /// Verifies the next row of the chain.
    fn step(&mut self, row: &AuditRow, has_begun: bool) -> Result<(), &'static str> {
        let (Some(position), Some(previous), Some(hash)) = (
            row.position,
            row.previous_hash.as_deref(),
            row.hash.as_deref(),
        ) else {
            return Err("the row has no seal");
        };
        let is_first = self.rows == 0 && !has_begun;
        if is_first && position > 1 {
            self.removed = Some(ChainEnd {
                position: position - 1,
                hash: previous.to_vec(),
            });
        } else if is_first && previous != BEFORE_FIRST {
            return Err("the first row has another one before it");
        } else if position != self.end.position + 1 {
            return Err("the row is missing");
        } else if previous != self.end.hash {
            return Err("the row does not follow the one before it");
        }
        if hash != chain::hash(row, position, previous) {
            self.end.position = position - 1;
            return Err("the row was changed");
        }
        self.rows += 1;
        self.end = ChainEnd {
            position,
            hash: hash.to_vec(),
        };
        self.note_purge(row);
        Ok(())
    }

    /// Whether the row is the purge that explains the beginning of the chain.
    fn note_purge(&mut self, row: &AuditRow) {
        let Some(removed) = &self.removed else { return };
        if row.action != PURGE || row.caller_kind != "NODE" {
            return;
        }
        let details: Value = row
            .details
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        if details["through"] == removed.position && details["hash"] == chain::hex(&removed.hash) {
            self.removed = None;
        }
    }
}
