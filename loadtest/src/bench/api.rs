//! The API: simple queries and mutations a second over HTTP, and jobs a second by `createJobs`.
//!
//! Callers keep their connections and send the next request after each answer. Callers, node and
//! database share the cores: the rate that the node's own CPU would give on a whole core is a
//! figure, too.

use super::line::{Figures, Line};
use super::testbed::{BenchTestbed, ask};
use super::work::per_second;
use super::{Name, Options};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

/// Number of concurrent callers.
const CALLERS: usize = 8;
/// Jobs of one `createJobs`: its maximum.
const BULK: u32 = 1_000;

const QUERY: &str = "query($id: ID!) { job(id: $id) { id name status nextFireTime } }";
const MUTATION: &str = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";

fn job(name: &str) -> Value {
    json!({"name": name, "scheduleType": "CRON", "cronExpression": "0 0 0 1 1 ? 2099",
        "target": {"noop": {"sleepMillis": 0}}})
}

/// Queries and mutations a second.
pub(super) async fn api(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Api, options).await?;
    testbed.record_setting("callers", CALLERS);
    testbed.start(1, &[]).await?;
    let id = testbed.create_manual("asked for").await?;
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        let asked = [
            ("queries", QUERY, json!({"id": id})),
            ("createJob", MUTATION, json!({"input": job("made")})),
        ];
        for (name, query, variables) in asked {
            let (rate, a_core) = calls(&testbed, query, &variables).await?;
            figures.push(name, "1/s", rate);
            if let Some(a_core) = a_core {
                figures.push(
                    format!("{name} for each second of the node's CPU"),
                    "1/s",
                    a_core,
                );
            }
        }
    }
    testbed.close(figures).await
}

/// Calls a second, and for each CPU second of the node.
async fn calls(
    testbed: &BenchTestbed,
    query: &'static str,
    variables: &Value,
) -> Result<(f64, Option<f64>), anyhow::Error> {
    let (answered, over) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let address = testbed.address()?;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (http, variables, answered, over) = (
            testbed.http.clone(),
            variables.clone(),
            answered.clone(),
            over.clone(),
        );
        callers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                ask(&http, address, query, variables.clone()).await?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    // Connections, plans and caches of node and database fill first.
    tokio::time::sleep(testbed.options.warm_up).await;
    let cpu = testbed.cpu().await?;
    let (begun, before) = (Instant::now(), answered.load(Ordering::Relaxed));
    tokio::time::sleep(testbed.options.window).await;
    let (took, count) = (begun.elapsed(), answered.load(Ordering::Relaxed) - before);
    let cpu_then = testbed.cpu().await?;
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    let used = cpu
        .zip(cpu_then)
        .map(|((before, _), (after, _))| after - before);
    Ok((
        per_second(count, took),
        // The kernel counts in hundredths of a second: a short window may show none.
        used.map(|used| f64::from(count) / used.max(0.01)),
    ))
}

/// Jobs a second by `createJobs`, with one caller and with four callers at once.
pub(super) async fn create(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Create, options).await?;
    let (bulk, calls) = options.pick((BULK, 20), (100, 2));
    testbed.record_setting(
        "workload",
        format!("{calls} calls of {bulk} jobs a run by each caller"),
    );
    testbed.start(1, &[]).await?;
    let query = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";
    let inputs: Vec<Value> = (0..bulk)
        .map(|number| job(&format!("made {number}")))
        .collect();
    let variables = json!({"inputs": inputs});
    // Not measured: the first call prepares the statements.
    testbed.ask(query, variables.clone()).await?;
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        let begun = Instant::now();
        create_jobs(&testbed, query, &variables, calls).await?;
        figures.push(
            "createJobs, one caller",
            "jobs/s",
            per_second(calls * bulk, begun.elapsed()),
        );
        let begun = Instant::now();
        // Four at once: as many connections as a node has for the API by default.
        tokio::try_join!(
            create_jobs(&testbed, query, &variables, calls),
            create_jobs(&testbed, query, &variables, calls),
            create_jobs(&testbed, query, &variables, calls),
            create_jobs(&testbed, query, &variables, calls),
        )?;
        figures.push(
            "createJobs, four callers",
            "jobs/s",
            per_second(4 * calls * bulk, begun.elapsed()),
        );
    }
    testbed.close(figures).await
}

/// One caller of `createJobs`: a number of calls, one after the other.
async fn create_jobs(
    testbed: &BenchTestbed,
    query: &str,
    variables: &Value,
    calls: u32,
) -> Result<(), anyhow::Error> {
    for _ in 0..calls {
        testbed.ask(query, variables.clone()).await?;
    }
    Ok(())
}
