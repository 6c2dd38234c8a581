//! Sealing: links committed rows to the end of the hash chain.
//!
//! A command writes a row without a place in the chain, because a chain made by the commands would
//! make each command wait for the command before. A single node at a time seals the committed rows,
//! in the order of `seq`. A row committed later than a row with a higher number gets the next
//! place: the place is given here.

use super::chain::{self, Hash};
use super::reader;
use super::row::AuditRow;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};

/// Rows of a transaction.
const BATCH: i64 = 1_000;

/// Advisory lock for sealing and purging: "HORAUDIT" in ASCII.
pub(super) const AUDIT_LOCK: i64 = 0x484f_5241_5544_4954;

/// Mostly there is nothing to seal: the check reads an empty index.
const ANY_UNSEALED: Statement = Statement::new(
    "-- audit.any_unsealed
select exists (select from audit_log where position is null)",
);

/// Tried, not waited for.
pub(super) const TRY_LOCK: Statement = Statement::new(
    "-- audit.try_lock
select pg_try_advisory_xact_lock($1)",
);

const LAST: Statement = Statement::new(
    "-- audit.last
select position, hash from audit_log where position is not null order by position desc limit 1",
);

const UNSEALED: Statement = Statement::new(
    "-- audit.to_seal
select seq, at, caller, caller_kind, caller_id, address, action, object_kind, object_id,
       object_name, outcome, details::text as details, position, previous_hash, hash
from audit_log where position is null order by seq limit $1",
);

const SEAL: Statement = Statement::new(
    "-- audit.seal
update audit_log l set position = x.position, previous_hash = x.previous_hash, hash = x.hash
from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])
    as x (seq, position, previous_hash, hash)
where l.seq = x.seq and l.position is null",
);

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// Place of the last row; 0 for an empty chain.
    pub position: i64,
    /// The hash of the last row.
    pub hash: Vec<u8>,
}

impl ChainEnd {
    /// The hash in hexadecimal digits.
    pub fn hash_hex(&self) -> String {
        chain::hex(&self.hash)
    }

    /// The chain before the first row.
    pub fn empty() -> Self {
        Self {
            position: 0,
            hash: chain::BEFORE_FIRST.to_vec(),
        }
    }
}

/// The seals of some rows, as columns.
#[derive(Default)]
struct Seals {
    seqs: Vec<i64>,
    positions: Vec<i64>,
    previous: Vec<Vec<u8>>,
    hashes: Vec<Vec<u8>>,
}

impl Store {
    /// Seals the rows committed so far. Returns the new end of the chain, or none when there was
    /// nothing to seal, or another node seals.
    pub async fn seal_audit_log(&self) -> Result<Option<ChainEnd>, StoreError> {
        let mut end = None;
        while self
            .read_one(ANY_UNSEALED, &[], |row| {
                Values::of(ANY_UNSEALED.name(), row).get(0)
            })
            .await?
        {
            match self.bounded("audit.seal", self.seal_batch()).await? {
                Some(sealed) => end = Some(sealed),
                // The other node seals the rest, too.
                None => break,
            }
        }
        Ok(end)
    }

    async fn seal_batch(&self) -> Result<Option<ChainEnd>, StoreError> {
        let transaction = self.begin("audit.begin").await?;
        let locked = TRY_LOCK.query_one(&transaction, &[&AUDIT_LOCK]).await?;
        if !Values::of(TRY_LOCK.name(), &locked).get::<bool>(0)? {
            transaction.commit().await.during("audit.commit")?;
            return Ok(None);
        }
        // Read after the lock, so the seals of the last node are seen.
        let last = chain_end(&transaction).await?;
        let rows = UNSEALED.query(&transaction, &[&BATCH]).await?;
        let rows = rows
            .iter()
            .map(reader::row)
            .collect::<Result<Vec<_>, _>>()?;
        let (seals, end) = Seals::of(&rows, last);
        SEAL.execute(
            &transaction,
            &[
                &seals.seqs,
                &seals.positions,
                &seals.previous,
                &seals.hashes,
            ],
        )
        .await?;
        transaction.commit().await.during("audit.commit")?;
        Ok(Some(end))
    }
}

impl Seals {
    /// The seals of rows behind the end of a chain, and the new end.
    fn of(rows: &[AuditRow], end: ChainEnd) -> (Self, ChainEnd) {
        let (mut seals, mut end) = (Self::default(), end);
        for row in rows {
            let position = end.position + 1;
            let hash: Hash = chain::hash(row, position, &end.hash);
            seals.seqs.push(row.seq);
            seals.positions.push(position);
            seals.previous.push(end.hash);
            seals.hashes.push(hash.to_vec());
            end = ChainEnd {
                position,
                hash: hash.to_vec(),
            };
        }
        (seals, end)
    }
}

/// The end of the chain, as the transaction sees it.
async fn chain_end(transaction: &Transaction) -> Result<ChainEnd, StoreError> {
    let Some(row) = LAST.query_opt(transaction, &[]).await? else {
        return Ok(ChainEnd::empty());
    };
    let row = Values::of("audit_log", &row);
    Ok(ChainEnd {
        position: row.get("position")?,
        hash: row.get::<&[u8]>("hash")?.to_vec(),
    })
}
