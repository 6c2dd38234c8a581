//! A large history to measure beside: 100,000 jobs and 5 million executions over
//! thirty days, one partition a day, unless the arguments say otherwise; on a
//! PostgreSQL of its own that is gone afterwards.

use horolog::clock::Clock;
use horolog::store::Store;
use horolog::store::db::database::Database;
use horolog::store::db::migrate::migrate;
use horolog_embedded_postgres::EmbeddedPostgres;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

/// Nothing to keep, so nothing to wait for while it is filled.
const SETTINGS: [(&str, &str); 4] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("max_wal_size", "8GB"),
    ("shared_buffers", "1GB"),
];
const PATIENCE: Duration = Duration::from_mins(10);
const CALLS: usize = 15;

pub type Failure = Box<dyn std::error::Error>;

/// Fills a database with as many jobs and executions as the arguments say, and
/// measures on it.
pub async fn beside(
    measure: impl AsyncFnOnce(Store, Client) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut sizes = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<i64>().ok());
    let (jobs, executions) = (
        sizes.next().unwrap_or(100_000),
        sizes.next().unwrap_or(5_000_000),
    );
    let dir = std::env::temp_dir().join(format!("horolog-bench-{}", uuid::Uuid::new_v4().simple()));
    let server = EmbeddedPostgres::ensure_running(&dir, &SETTINGS).await?;
    let measured = async {
        let database = Database::parse(&server.url(), PATIENCE)?;
        migrate(&database).await?;
        let store = Store::new(&database, 4, PATIENCE, Clock::Database);
        store.create_partitions().await?;
        let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await?;
        tokio::spawn(connection);
        let started = Instant::now();
        fill(&client, jobs, executions).await?;
        let took = started.elapsed();
        println!(
            "{jobs} jobs, {executions} executions, filled in {took:.0?}; of {CALLS} calls, median / longest:"
        );
        measure(store, client).await
    };
    let measured = measured.await;
    server.stop().await?;
    std::fs::remove_dir_all(&dir)?;
    measured
}

/// Prints how long a call takes.
pub async fn time<E>(what: &str, mut call: impl AsyncFnMut() -> Result<(), E>) -> Result<(), E> {
    call().await?; // what is read once is warm
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let started = Instant::now();
        call().await?;
        times.push(started.elapsed());
    }
    times.sort();
    println!(
        "{what:56} {:>8.1?} / {:>8.1?}",
        times[CALLS / 2],
        times[CALLS - 1]
    );
    Ok(())
}

/// The partitions of the days that are past, as a node would have made them.
const PARTITIONS: &str = "do $$ declare day date; lower uuid; upper uuid; begin
    for day in select generate_series(current_date - 31, current_date - 2, '1 day') loop
        lower := (lpad(to_hex((extract(epoch from day::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
        upper := (lpad(to_hex((extract(epoch from day::timestamp + interval '1 day') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
        execute format('create table %I partition of job_execution_log for values from (%L) to (%L) with (fillfactor = 50)',
            'job_execution_log_' || to_char(day, 'YYYYMMDD'), lower, upper);
    end loop;
end $$";

/// Jobs and their history: one execution in fifty failed, the newest hundred run.
async fn fill(client: &Client, jobs: i64, executions: i64) -> Result<(), Failure> {
    client.batch_execute("set time zone 'UTC'").await?;
    client.batch_execute(PARTITIONS).await?;
    let text = format!(
        "insert into job_definition (id, name, description, tags, schedule_type, interval_seconds, anchor_at, target, recovery,
            max_recoveries, status, created_at, updated_at)
        select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Job ' || n, 'What job ' || n || ' does, in a sentence',
            array['team-' || n % 50], 'FIXED_RATE', 3600, now() - n * interval '1 second', '\"log\"', 'RERUN', 3,
            case when n % 20 = 0 then 'PAUSED' else 'ACTIVE' end, now() - n * interval '1 second', now() - n * interval '1 second'
        from generate_series(1, {jobs}) n;
        insert into job_trigger (id, job_id, kind, fire_time, due_at, paused)
        select id, id, 'SCHEDULE', created_at, case when status = 'ACTIVE' then now() + random() * interval '1 hour' + interval '10 minutes' end,
            status <> 'ACTIVE'
        from job_definition;
        insert into job_execution_log (id, job_id, kind, fire_time, due_time, status, reason, attempt, node_id, started_at,
            finished_at, error_message, created_at)
        select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '8' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
            ('00000000-0000-7000-8000-' || lpad((n * 7919::bigint % {jobs} + 1)::text, 12, '0'))::uuid, 'SCHEDULE', at, at,
            case when n > {executions} - 100 then 'RUNNING' when n % 50 = 0 then 'FAILED' else 'SUCCESS' end,
            case when n <= {executions} - 100 and n % 50 = 0 then 'ERROR' end, 1, '00000000-0000-4000-8000-00000000000a', at,
            case when n <= {executions} - 100 then at + interval '1 second' end,
            case when n <= {executions} - 100 and n % 50 = 0 then 'connection refused' end, at
        from (select n, now() - interval '1 minute' - ({executions} - n) * interval '30 days' / {executions} as at from generate_series(1::bigint, {executions}) n) e;
        vacuum analyze"
    );
    for statement in text.split(";\n") {
        client.batch_execute(statement).await?;
    }
    Ok(())
}
