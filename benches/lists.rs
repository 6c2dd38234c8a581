//! How long the lists take beside a large history: 100,000 jobs and 5 million
//! executions over thirty days, unless the arguments say otherwise.
//!
//! `cargo bench --bench lists -- [JOBS] [EXECUTIONS]`; on a PostgreSQL of its own
//! that is gone afterwards. Prints the median and the longest of 15 calls.

use chrono::{Days, NaiveDate, NaiveTime};
use horolog::clock::Clock;
use horolog::embedded_postgres::EmbeddedPostgres;
use horolog::model::execution::{ExecutionStatus, lowest_execution_id};
use horolog::model::lists::{ExecutionFilter, JobFilter, JobOrder, LastOutcome};
use horolog::store::changes::ExecutionsSeen;
use horolog::store::connect::Database;
use horolog::store::migrate::migrate;
use horolog::store::{Store, StoreError};
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

/// Nothing to keep, so nothing to wait for while it is filled.
const SETTINGS: [(&str, &str); 4] =
    [("fsync", "off"), ("synchronous_commit", "off"), ("max_wal_size", "8GB"), ("shared_buffers", "1GB")];
const PATIENCE: Duration = Duration::from_mins(10);
const CALLS: usize = 15;
const HISTORY_DAYS: u64 = 30;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes = std::env::args().skip(1).filter_map(|argument| argument.parse::<i64>().ok());
    let (jobs, executions) = (sizes.next().unwrap_or(100_000), sizes.next().unwrap_or(5_000_000));
    let dir = std::env::temp_dir().join(format!("horolog-bench-{}", uuid::Uuid::new_v4().simple()));
    let server = EmbeddedPostgres::ensure_running(&dir, &SETTINGS).await?;
    let measured = measure(&server.url(), jobs, executions).await;
    server.stop().await?;
    std::fs::remove_dir_all(&dir)?;
    measured
}

async fn measure(url: &str, jobs: i64, executions: i64) -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::parse(url, PATIENCE)?;
    migrate(&database).await?;
    let store = Store::new(&database, 4, PATIENCE, Clock::Database);
    store.create_partitions().await?;
    create_past_partitions(url, store.now().await?.date_naive()).await?;
    let begun = Instant::now();
    fill(url, jobs, executions).await?;
    println!(
        "{jobs} jobs, {executions} executions, filled in {:.0?}; of {CALLS} calls, median / longest:",
        begun.elapsed()
    );

    let all = JobFilter::default();
    for order in [JobOrder::Newest, JobOrder::Oldest, JobOrder::Name, JobOrder::NextFireTime] {
        time(&format!("jobs by {order}"), async || store.job_page(&all, order, None, 50).await.map(drop)).await?;
    }
    let with = |search: &str| JobFilter { search: Some(search.to_owned()), ..JobFilter::default() };
    let tagged = JobFilter { tags: vec!["team-7".to_owned()], ..JobFilter::default() };
    let outcome = |status| JobFilter { last_outcomes: Some(vec![LastOutcome::Is(status)]), ..JobFilter::default() };
    for (name, filter) in [
        ("jobs searched by a common part", with("JOB 9")),
        ("jobs searched by what no job has", with("nowhere")),
        ("jobs by tag", tagged),
        ("jobs that failed last", outcome(ExecutionStatus::Failed)),
        ("jobs that succeeded last", outcome(ExecutionStatus::Success)),
        ("jobs that run", outcome(ExecutionStatus::Running)),
    ] {
        time(name, async || store.job_page(&filter, JobOrder::Newest, None, 50).await.map(drop)).await?;
        time(&format!("{name}: count"), async || store.job_count(&filter).await.map(drop)).await?;
    }
    time("count of all jobs", async || store.job_count(&all).await.map(drop)).await?;
    time("tags", async || store.tags(1_000).await.map(drop)).await?;
    let page = store.job_page(&all, JobOrder::Newest, None, 50).await?;
    let ids: Vec<_> = page.rows.iter().map(|(_, job)| job.id).collect();
    time("the last 20 executions of 50 jobs", async || store.recent_executions(&ids, 20).await.map(drop)).await?;
    time("what 50 jobs have in flight", async || store.in_flight(&ids).await.map(drop)).await?;

    let of = |filter: ExecutionFilter| filter;
    let status = |status| of(ExecutionFilter { statuses: Some(vec![status]), ..ExecutionFilter::default() });
    for (name, filter) in [
        ("executions", ExecutionFilter::default()),
        ("executions of a job", of(ExecutionFilter { job_id: ids.first().copied(), ..ExecutionFilter::default() })),
        ("executions that failed", status(ExecutionStatus::Failed)),
        ("executions that run", status(ExecutionStatus::Running)),
        ("executions that were lost (there are none)", status(ExecutionStatus::Lost)),
        (
            "executions on a node that there is not",
            of(ExecutionFilter { node_id: ids.first().copied(), ..ExecutionFilter::default() }),
        ),
    ] {
        time(name, async || store.execution_page(&filter, None, 50).await.map(drop)).await?;
    }
    time("overview", async || store.overview().await.map(drop)).await?;
    time("activity of an hour", async || store.activity(60).await.map(drop)).await?;
    time("schedules for upcoming", async || store.schedules().await.map(drop)).await?;
    let mut seen = ExecutionsSeen::default();
    time("what has changed", async || store.changed_executions(&mut seen).await.map(drop)).await?;
    Ok(())
}

async fn time(what: &str, mut call: impl AsyncFnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
    call().await?; // what is read once is warm
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let begun = Instant::now();
        call().await?;
        times.push(begun.elapsed());
    }
    times.sort();
    println!("{what:48} {:>8.1?} / {:>8.1?}", times[CALLS / 2], times[CALLS - 1]);
    Ok(())
}

/// The days that a cluster of that age would have: without them all that is old
/// lay in the DEFAULT partition, and each look-up would have one index to ask.
async fn create_past_partitions(url: &str, today: NaiveDate) -> Result<(), Box<dyn std::error::Error>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let bound = |day: NaiveDate| lowest_execution_id(day.and_time(NaiveTime::MIN).and_utc());
    for day in (2..=HISTORY_DAYS).map(|age| today - Days::new(age)) {
        let (from, to) = (bound(day), bound(day + Days::new(1)));
        let name = day.format("%Y%m%d");
        let text = format!(
            "create table job_execution_log_{name} partition of job_execution_log
             for values from ('{from}') to ('{to}') with (fillfactor = 50)"
        );
        client.batch_execute(&text).await?;
    }
    Ok(())
}

/// Jobs of every type and their history: one execution in fifty failed, the
/// newest hundred run.
async fn fill(url: &str, jobs: i64, executions: i64) -> Result<(), Box<dyn std::error::Error>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let text = format!(
        "insert into job_definition (id, name, description, tags, schedule_type, interval_seconds, anchor_at, target, recovery,
            max_recoveries, status, created_at, updated_at)
        select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Job ' || n, 'What job ' || n || ' does, in a sentence',
            array['team-' || n % 50], 'FIXED_RATE', 3600, now(), '\"log\"', 'RERUN', 3, case when n % 20 = 0 then 'PAUSED' else 'ACTIVE' end,
            now() - n * interval '1 second', now() - n * interval '1 second'
        from generate_series(1, {jobs}) n;
        insert into job_trigger (id, job_id, kind, fire_time, due_at, paused)
        select id, id, 'SCHEDULE', created_at, case when status = 'ACTIVE' then now() + random() * interval '1 hour' end, status <> 'ACTIVE'
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
