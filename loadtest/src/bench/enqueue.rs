//! Enqueued runs: the rate of `enqueueMany` and of the SQL function, and the wait from a request to
//! the start on a node without other work.
//!
//! The runs of the rates are due in a day, so that nothing but the enqueue is measured.

use super::latency::wait_figures;
use super::line::{Figures, Line};
use super::testbed::BenchTestbed;
use super::work::per_second;
use super::{Name, Options};
use crate::testbed::now;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Runs of one `enqueueMany`: its maximum.
const BULK: u32 = 1_000;
/// Sessions that call the SQL function.
const SESSIONS: u32 = 16;
/// Pause between two calls of the wait.
const PAUSE: Duration = Duration::from_millis(20);

const MANY: &str =
    "mutation($inputs: [EnqueueInput!]!) { enqueueMany(inputs: $inputs) { executionId } }";
const ONE: &str = "mutation($input: EnqueueInput!) { enqueue(input: $input) { executionId } }";
const BY_SQL: &str =
    "select horolog_enqueue($1::text, '{\"n\": 1}', now() + interval '1 day', $2::text)";
/// Each run begins with an empty table.
const FORGET: &str = "delete from job_trigger where kind = 'ENQUEUED'; truncate run_key;
    truncate job_execution_log";

pub(super) async fn enqueue(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Enqueue, options).await?;
    let (bulk, calls) = options.pick((BULK, 20), (100, 2));
    let waits = options.pick(500_u32, 30);
    testbed.record_setting(
        "workload",
        format!(
            "{calls} calls of {bulk} runs by each caller, half of them with a unique key; \
             {bulk} calls of the function by each of {SESSIONS} sessions; {waits} waits"
        ),
    );
    testbed.start(1, &[]).await?;
    let job = testbed.create_manual("enqueued").await?;
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        for (name, callers) in [("one caller", 1), ("four callers", 4)] {
            testbed.sql.batch_execute(FORGET).await?;
            let start = Instant::now();
            let called = (0..callers).map(|caller| many(&testbed, job, caller, bulk, calls));
            futures_util::future::try_join_all(called).await?;
            let rate = per_second(callers * calls * bulk, start.elapsed());
            figures.push(format!("enqueueMany, {name}"), "runs/s", rate);
        }
        testbed.sql.batch_execute(FORGET).await?;
        figures.push("horolog_enqueue", "runs/s", by_sql(&testbed, bulk).await?);
        testbed.sql.batch_execute(FORGET).await?;
        let took = wait(&testbed, job, waits).await?;
        wait_figures(&mut figures, "enqueued to started", &took)?;
    }
    testbed.close(figures).await
}

/// One caller: each second run has a unique key.
async fn many(
    testbed: &BenchTestbed,
    job: Uuid,
    caller: u32,
    bulk: u32,
    calls: u32,
) -> Result<(), anyhow::Error> {
    for call in 0..calls {
        let input = |number: u32| {
            let key = format!("{caller} {call} {number}");
            let key = number.is_multiple_of(2).then_some(key);
            json!({"jobId": job, "payload": {"n": number}, "delaySeconds": 86_400,
                "uniqueKey": key})
        };
        let inputs: Vec<Value> = (0..bulk).map(input).collect();
        testbed.ask(MANY, json!({"inputs": inputs})).await?;
    }
    Ok(())
}

/// Calls of the SQL function, each in a transaction of its own.
async fn by_sql(testbed: &BenchTestbed, calls: u32) -> Result<f64, anyhow::Error> {
    let mut sessions = JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..SESSIONS {
        let client = testbed.postgres.sql().await?;
        let statement = client.prepare(BY_SQL).await?;
        clients.push((client, statement));
    }
    let start = Instant::now();
    for (session, (client, statement)) in clients.into_iter().enumerate() {
        sessions.spawn(async move {
            for call in 0..calls {
                let key = call.is_multiple_of(2).then(|| format!("{session} {call}"));
                client.query_one(&statement, &[&"enqueued", &key]).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(ended) = sessions.join_next().await {
        ended??;
    }
    Ok(per_second(SESSIONS * calls, start.elapsed()))
}

/// Microseconds from requests, one at a time, to the starts of their executions.
async fn wait(testbed: &BenchTestbed, job: Uuid, count: u32) -> Result<Vec<i64>, anyhow::Error> {
    let mut sent = HashMap::new();
    for _ in 0..count {
        let at = now();
        let answer = testbed.ask(ONE, json!({"input": {"jobId": job}})).await?;
        let id = answer["enqueue"]["executionId"].as_str().context("no id")?;
        sent.insert(id.parse::<Uuid>()?, at);
        tokio::time::sleep(PAUSE).await;
    }
    // The last execution is settled, too, before the figures are read.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = "select id, (extract(epoch from started_at) * 1000000)::bigint
        from job_execution_log where status = 'SUCCESS'";
    let started = testbed.sql.query(started, &[]).await?;
    let took =
        |row: &tokio_postgres::Row| Some(row.get::<_, i64>(1) - sent.get(&row.get::<_, Uuid>(0))?);
    let took: Vec<i64> = started.iter().filter_map(took).collect();
    ensure!(
        took.len() == sent.len(),
        "{} of {count} runs started",
        took.len()
    );
    Ok(took)
}
