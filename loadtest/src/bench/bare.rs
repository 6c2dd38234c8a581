//! The limit: the necessary SQL of any scheduler on PostgreSQL, and nothing else. Two sessions each
//! lease 500 due triggers in one statement (lock, advance, a RUNNING row under a time-ordered id)
//! and settle them in the next, on tables of their own with a history's two indexes.
//!
//! Without decisions, handlers, membership checks and policies: no program reaches the limit.

use super::line::{Figures, Line};
use super::testbed::BenchTestbed;
use super::work::per_second;
use super::{Name, Options};
use anyhow::ensure;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;
use tokio_postgres::Client;
use uuid::Uuid;

/// Number of triggers of one lease.
const BATCH: u32 = 500;
/// Number of concurrent sessions.
const CLIENTS: usize = 2;

const TABLES: &str = "
create schema bare;
create table bare.trigger (id uuid primary key, job_id uuid not null, kind text not null,
    fire_time timestamptz not null, due_at timestamptz) with (fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0);
create index on bare.trigger (due_at) where due_at is not null;
create table bare.log (id uuid primary key, job_id uuid not null, kind text not null,
    fire_time timestamptz not null,
    due_time timestamptz not null, status text not null, attempt integer not null, node_id uuid,
    started_at timestamptz, finished_at timestamptz, created_at timestamptz not null)
    with (fillfactor = 50);
create index on bare.log (job_id, id desc);";

const FILL: &str = "insert into bare.trigger
    select id, id, 'SCHEDULE', due, due from (select gen_random_uuid() as id,
        date_trunc('second', clock_timestamp()) - interval '1 hour' + n % 1000 * interval '1 ms'
        as due
        from generate_series(1, $1::bigint) as n) as x";

const LEASE: &str = "
with due as materialized (
    select id from bare.trigger where due_at <= (select clock_timestamp())
    order by due_at limit $3 for update skip locked
), moved as (
    update bare.trigger t
    set fire_time = t.fire_time + interval '1 s', due_at = t.due_at + interval '1 s'
    where t.id = any (array (select id from due))
    returning t.id, t.fire_time - interval '1 s' as fire_time
), numbered as (select id, fire_time, row_number() over () as n from moved)
insert into bare.log
select ($1::uuid[])[n], id, 'SCHEDULE', fire_time, fire_time, 'RUNNING', 1, $2,
    clock_timestamp(), null, clock_timestamp()
from numbered returning id";

const SETTLE: &str = "update bare.log l set status = 'SUCCESS', finished_at = clock_timestamp()
where l.id = any ($1::uuid[]) and l.attempt = 1 and l.node_id = $2 and l.status = 'RUNNING'";

/// The tables are there.
pub(super) struct Bare {
    triggers: u32,
}

/// The result of a run.
pub(super) struct Reached {
    /// Leased and settled a second.
    pub(super) fires: f64,
    /// WAL bytes of each.
    pub(super) wal_bytes: f64,
}

impl Bare {
    /// Makes the tables, and fills them.
    pub(super) async fn prepare(
        testbed: &mut BenchTestbed,
        triggers: u32,
    ) -> Result<Self, anyhow::Error> {
        testbed.sql.batch_execute(TABLES).await?;
        testbed.record_setting(
            "limit",
            json!({"batch": BATCH, "clients": CLIENTS, "triggers": triggers}),
        );
        Ok(Self { triggers })
    }

    /// A run with fresh rows.
    pub(super) async fn run(&self, testbed: &BenchTestbed) -> Result<Reached, anyhow::Error> {
        testbed
            .sql
            .batch_execute("truncate bare.trigger, bare.log")
            .await?;
        testbed
            .sql
            .execute(FILL, &[&i64::from(self.triggers)])
            .await?;
        testbed
            .sql
            // Without statistics the planner may choose a sequential scan.
            .batch_execute("vacuum (analyze) bare.trigger")
            .await?;
        // After a checkpoint every run writes the same whole pages into the WAL.
        testbed.sql.batch_execute("checkpoint").await?;
        let (settled, over) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(lease_and_settle(
                testbed.postgres.sql().await?,
                settled.clone(),
                over.clone(),
            ));
        }
        tokio::time::sleep(testbed.options.warm_up).await;
        let (begun, before, wal) = (
            Instant::now(),
            settled.load(Ordering::Relaxed),
            position(&testbed.sql).await?,
        );
        tokio::time::sleep(testbed.options.window).await;
        let (took, after) = (begun.elapsed(), settled.load(Ordering::Relaxed));
        // Before the end of the clients: the WAL of their last batches does not count.
        let written = position(&testbed.sql).await? - wal;
        over.store(true, Ordering::Relaxed);
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        let fires = after - before;
        Ok(Reached {
            fires: per_second(fires, took),
            wal_bytes: written / f64::from(fires.max(1)),
        })
    }
}

async fn position(sql: &Client) -> Result<f64, anyhow::Error> {
    Ok(sql
        .query_one("select (pg_current_wal_lsn() - '0/0')::float8", &[])
        .await?
        .get(0))
}

async fn lease_and_settle(
    sql: Client,
    settled: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
) -> Result<(), anyhow::Error> {
    let (lease, settle) = (sql.prepare(LEASE).await?, sql.prepare(SETTLE).await?);
    let node = Uuid::new_v4();
    while !over.load(Ordering::Relaxed) {
        let ids: Vec<Uuid> = (0..BATCH).map(|_| time_ordered()).collect();
        let leased = sql.query(&lease, &[&ids, &node, &i64::from(BATCH)]).await?;
        let leased: Vec<Uuid> = leased.iter().map(|row| row.get(0)).collect();
        ensure!(
            !leased.is_empty(),
            "nothing was due on the tables of the limit"
        );
        let done = sql.execute(&settle, &[&leased, &node]).await?;
        ensure!(
            done == leased.len() as u64,
            "a settlement of the limit was lost"
        );
        settled.fetch_add(u32::try_from(done)?, Ordering::Relaxed);
    }
    Ok(())
}

/// 48 bits of milliseconds, then chance.
fn time_ordered() -> Uuid {
    let millis = u128::from(crate::testbed::now().unsigned_abs() / 1_000);
    let chance = fastrand::u128(..) >> 48;
    Uuid::from_u128(millis << 80 | chance)
}

/// Measures the limit alone.
pub(super) async fn limit(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Limit, options).await?;
    let bare = Bare::prepare(&mut testbed, options.pick(100_000, 3_000)).await?;
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        let run = bare.run(&testbed).await?;
        figures.push("limit", "fires/s", run.fires);
        figures.push("WAL", "bytes/fire", run.wal_bytes);
    }
    testbed.close(figures).await
}
