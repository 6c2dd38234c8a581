//! Partitions of the execution log: a partition per UTC day, made ahead.
//!
//! Functions of the schema make and drop partitions, with the rights of the owner of the tables
//! (`V7__database_roles.sql`): the role of the nodes has neither right. The attachment scans the
//! DEFAULT partition, which is empty unless a cluster was down for longer than the partitions
//! reach; rows of the new days are moved.

use crate::model::Timestamp;
use crate::model::execution::lowest_execution_id;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use chrono::{Days, NaiveDate};
use deadpool_postgres::ClientWrapper;
use uuid::Uuid;

/// Prefix of the names of the partitions; the day follows.
const PREFIX: &str = "job_execution_log_";

/// Days made ahead of today.
const DAYS_AHEAD: u64 = 3;

/// A single node at a time. The others wait: a starting node must not write before today's
/// partition exists.
const LOCK: Statement = Statement::new(
    "-- partitions.lock
select from (select pg_advisory_xact_lock($1)) as locked",
);

/// Advisory lock of the partition maker: "HORPART" in ASCII.
pub(super) const PARTITION_LOCK: i64 = 0x0048_4f52_5041_5254;

const EXISTING: Statement = Statement::new(
    "-- partitions.existing
select coalesce($1::timestamptz, clock_timestamp()), array(
    select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'job_execution_log'::regclass)",
);

/// Makes the partitions of the days, fills the partitions from the DEFAULT partition, and attaches
/// the partitions.
const CREATE: Statement = Statement::new(
    "-- partitions.create
select from create_log_partitions($1::date[])",
);

impl Store {
    /// Makes the missing partitions of yesterday, today and the days ahead. Returns the number.
    pub async fn create_partitions(&self) -> Result<usize, StoreError> {
        self.bounded("partitions.create", async {
            let session = self.session().await?;
            let missing = missing(&session, self.clock().stub()).await?;
            session.release();
            // The usual case, without a lock.
            if missing.is_empty() {
                Ok(0)
            } else {
                self.create_missing().await
            }
        })
        .await
    }

    /// Checks again under the lock: another node may have made the partitions.
    async fn create_missing(&self) -> Result<usize, StoreError> {
        let transaction = self.begin("partitions.begin").await?;
        LOCK.execute(&transaction, &[&PARTITION_LOCK]).await?;
        let missing = missing(&transaction, self.clock().stub()).await?;
        if !missing.is_empty() {
            CREATE.query_one(&transaction, &[&missing]).await?;
        }
        transaction.commit().await.during("partitions.commit")?;
        Ok(missing.len())
    }
}

/// The database's clock, and the names of the partitions.
pub(crate) async fn existing(
    client: &ClientWrapper,
    stub: Option<Timestamp>,
) -> Result<(Timestamp, Vec<String>), StoreError> {
    let row = EXISTING.query_one(client, &[&stub]).await?;
    let row = Values::of(EXISTING.name(), &row);
    Ok((row.get(0)?, row.get(1)?))
}

/// Days without a partition, from yesterday on.
async fn missing(
    client: &ClientWrapper,
    stub: Option<Timestamp>,
) -> Result<Vec<NaiveDate>, StoreError> {
    let (now, existing) = existing(client, stub).await?;
    let today = now.date_naive();
    // Yesterday, too: fire times of yesterday may still be taken.
    let first = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let days = first
        .iter_days()
        .take(usize::try_from(DAYS_AHEAD).unwrap_or(0) + 2);
    Ok(days
        .filter(|day| !existing.contains(&name_of(*day)))
        .collect())
}

/// The day of a partition; none for the DEFAULT partition.
pub(crate) fn day_of(name: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(name.strip_prefix(PREFIX)?, "%Y%m%d").ok()
}

/// Name of the partition of a day.
fn name_of(day: NaiveDate) -> String {
    format!("{PREFIX}{}", day.format("%Y%m%d"))
}

/// The first id after the partition of a day.
pub(super) fn end_of(day: NaiveDate) -> Uuid {
    let next = day.succ_opt().unwrap_or(day);
    lowest_execution_id(next.and_time(chrono::NaiveTime::MIN).and_utc())
}
