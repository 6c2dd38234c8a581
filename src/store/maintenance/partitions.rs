//! Partitions of the execution log: one per UTC day, made ahead.
//!
//! A partition is built as a table of its own and then attached: `create … partition of` would lock
//! the whole log against every lease. The attachment scans the DEFAULT partition, which is empty
//! unless a cluster was down for longer than its partitions reach; its rows of the new day are
//! moved.

use crate::model::Timestamp;
use crate::model::execution::lowest_execution_id;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use chrono::{Days, NaiveDate};
use deadpool_postgres::ClientWrapper;
use uuid::Uuid;

/// What the names of the partitions begin with; the day follows.
const PREFIX: &str = "job_execution_log_";

/// Days made ahead of today.
const DAYS_AHEAD: u64 = 3;

/// One node at a time. The others wait: a node that starts must not write before today's partition
/// exists.
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

/// Whether the DEFAULT partition has rows of the new partitions.
const EARLY: Statement = Statement::new(
    "-- partitions.early
select exists (select from job_execution_log_default where id >= $1 and id < $2)",
);

/// Before rows move, all other transactions wait for the log itself. A transaction that waits for
/// the DEFAULT partition alone looks for a moved row in the old partitions, and a settlement
/// considers itself fenced (observed). It is the first lock, because the attachment's lock on
/// DEFAULT before it deadlocks (observed).
pub(super) const LOCK_LOG: Statement = Statement::new(
    "-- partitions.lock_log
lock table only job_execution_log in access exclusive mode",
);

/// Makes a partition, fills it from the DEFAULT partition, and attaches it.
const CREATE: Statement = Statement::new(
    "-- partitions.create
{create};
{adopt};
{attach}",
);

impl Store {
    /// Makes the missing partitions of yesterday, today and the days ahead; their number.
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

    /// Looks again under the lock: another node may have made them.
    async fn create_missing(&self) -> Result<usize, StoreError> {
        let transaction = self.begin("partitions.begin").await?;
        LOCK.execute(&transaction, &[&PARTITION_LOCK]).await?;
        let missing = missing(&transaction, self.clock().stub()).await?;
        create(&transaction, &missing).await?;
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

async fn missing(
    client: &ClientWrapper,
    stub: Option<Timestamp>,
) -> Result<Vec<Partition>, StoreError> {
    let (now, existing) = existing(client, stub).await?;
    let today = now.date_naive();
    let first = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let days = first
        .iter_days()
        .take(usize::try_from(DAYS_AHEAD).unwrap_or(0) + 2);
    Ok(days
        .map(Partition::of)
        .filter(|day| !existing.contains(&day.name))
        .collect())
}

async fn create(transaction: &Transaction, missing: &[Partition]) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (missing.first(), missing.last()) else {
        return Ok(());
    };
    let early = EARLY
        .query_one(transaction, &[&first.from, &last.to])
        .await?;
    let early = Values::of(EARLY.name(), &early).get(0)?;
    if early {
        LOCK_LOG.batch(transaction).await?;
    }
    for partition in missing {
        let adopt = if early {
            partition.adopt()
        } else {
            String::new()
        };
        let text = CREATE.filled(&[
            ("{create}", &partition.create()),
            ("{adopt}", &adopt),
            ("{attach}", &partition.attach()),
        ]);
        CREATE.with_sql(&text).batch(transaction).await?;
    }
    Ok(())
}

/// A day's partition: its name and its bounds.
pub(super) struct Partition {
    pub(crate) name: String,
    pub(crate) from: Uuid,
    pub(crate) to: Uuid,
}

/// The day of a partition; none of the DEFAULT one.
pub(crate) fn day_of(name: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(name.strip_prefix(PREFIX)?, "%Y%m%d").ok()
}

impl Partition {
    pub(crate) fn of(day: NaiveDate) -> Self {
        let bound =
            |day: NaiveDate| lowest_execution_id(day.and_time(chrono::NaiveTime::MIN).and_utc());
        let name = format!("{PREFIX}{}", day.format("%Y%m%d"));
        Self {
            name,
            from: bound(day),
            to: bound(day.succ_opt().unwrap_or(day)),
        }
    }

    /// `fillfactor` 50 leaves room for the settlement on the page of the lease.
    fn create(&self) -> String {
        format!(
            "create table {} (like job_execution_log including all) with (fillfactor = 50)",
            self.name
        )
    }

    /// Moves rows out of the DEFAULT partition.
    fn adopt(&self) -> String {
        let Self { name, from, to } = self;
        format!(
            "with early as (
                delete from job_execution_log_default
                where id >= '{from}' and id < '{to}' returning *
             )
             insert into {name} select * from early"
        )
    }

    fn attach(&self) -> String {
        let Self { name, from, to } = self;
        format!(
            "alter table job_execution_log attach partition {name}
             for values from ('{from}') to ('{to}')"
        )
    }
}
