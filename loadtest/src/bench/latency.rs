//! The wait of a user: from `runJobNow` sent to its handler started, and from a process started to
//! `/readyz`.
//!
//! The call is timed by the harness's clock, the start by the database's: the same clock, for both
//! run here. Calls come one at a time to a node without other work.

use super::lateness::millis;
use super::line::{Figures, Line};
use super::testbed::BenchTestbed;
use super::work::Grid;
use super::{Name, Options};
use crate::report::statistics::Spread;
use crate::testbed::now;
use anyhow::{Context, ensure};
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Between two looks whether a node is ready.
const LOOK: Duration = Duration::from_millis(1);
/// Longest start of a node.
const READY_MAX: Duration = Duration::from_secs(30);
/// Pause between two calls.
const PAUSE: Duration = Duration::from_millis(20);

/// From the mutation to the start.
pub(super) async fn run_now(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::RunNow, options).await?;
    let count = options.pick(500_u32, 30);
    testbed.start_loaded(1).await?;
    let model = testbed.create_manual("model").await?;
    testbed.copy(model, "now", count, Grid::Aligned).await?;
    testbed.record_setting(
        "workload",
        format!("{count} calls a run, one every {} ms", PAUSE.as_millis()),
    );
    let jobs = testbed
        .sql
        .query("select id from job_definition where name like 'now %'", &[])
        .await?;
    let jobs: Vec<Uuid> = jobs.iter().map(|row| row.get(0)).collect();
    // Not measured: connections, plans and caches fill.
    call_each(&testbed, &jobs[..jobs.len().min(20)]).await?;
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        testbed
            .sql
            .batch_execute("truncate job_execution_log")
            .await?;
        let called = call_each(&testbed, &jobs).await?;
        let answered: Vec<i64> = called
            .values()
            .map(|(sent, answered)| answered - sent)
            .collect();
        let statement = "select job_id, (extract(epoch from started_at) * 1000000)::bigint
            from job_execution_log
            where status = 'SUCCESS'";
        // Each job ran once: its id leads to the call.
        let started = testbed.sql.query(statement, &[]).await?;
        let took: Vec<i64> = started
            .iter()
            .filter_map(|row| {
                let (sent, _) = called.get(&row.get::<_, Uuid>(0))?;
                Some(row.get::<_, i64>(1) - sent)
            })
            .collect();
        ensure!(
            took.len() == jobs.len(),
            "{} of {} calls were run",
            took.len(),
            jobs.len()
        );
        wait_figures(&mut figures, "sent to started", &took)?;
        wait_figures(&mut figures, "sent to answered", &answered)?;
    }
    testbed.close(figures).await
}

/// The figures of a wait of users, in microseconds.
pub(super) fn wait_figures(
    figures: &mut Figures,
    what: &str,
    values: &[i64],
) -> Result<(), anyhow::Error> {
    let spread = Spread::of(values).context("nothing was called")?;
    for (name, micros) in [
        ("p50", spread.p50),
        ("p99", spread.p99),
        ("longest", spread.max),
    ] {
        figures.push(format!("{what}, {name}"), "ms", millis(micros));
    }
    Ok(())
}

/// Runs each job once; returns the instants of the request and of the answer.
async fn call_each(
    testbed: &BenchTestbed,
    jobs: &[Uuid],
) -> Result<HashMap<Uuid, (i64, i64)>, anyhow::Error> {
    let mut called = HashMap::new();
    for job in jobs {
        let sent = now();
        testbed
            .ask(
                "mutation($id: ID!) { runJobNow(id: $id) }",
                json!({"id": job}),
            )
            .await?;
        called.insert(*job, (sent, now()));
        tokio::time::sleep(PAUSE).await;
    }
    // The last execution is settled, too, before the figures are read.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(called)
}

/// From the start of a process to ready, on a migrated database.
pub(super) async fn start(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Start, options).await?;
    // The first life migrates.
    testbed.start(1, &[]).await?;
    let mut figures = Figures::default();
    for _ in 0..options.pick(options.runs * 5, options.runs) {
        let http = testbed.http.clone();
        let node = testbed.nodes().first_mut().context("there is no node")?;
        node.stop().await?;
        let begun = Instant::now();
        node.start()?;
        let url = format!("http://{}/readyz", node.address().context("no address")?);
        while !http
            .get(&url, READY_MAX)
            .await
            .is_ok_and(|(status, _)| status.is_success())
        {
            ensure!(
                node.lives() && begun.elapsed() < READY_MAX,
                "the node did not become ready"
            );
            tokio::time::sleep(LOOK).await;
        }
        figures.push("start to ready", "ms", begun.elapsed().as_secs_f64() * 1e3);
    }
    testbed.close(figures).await
}
