//! A backlog: very many runs on request due at one instant, and jobs that are due each second.
//! Figures: the time to drain the backlog, and the lateness of the other jobs during the drain.
//!
//! The drain is measured from the instant that the backlog is due (or committed, when that is
//! later) to the last settlement, by the database's clock. The steady maximum of the same node
//! comes from a run of its own right before, with triggers of the same kind.

use super::lateness::Window;
use super::line::{Figures, Line};
use super::testbed::BenchTestbed;
use super::work::{Grid, between, per_second};
use super::{Name, Options};
use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Jobs that are due each second during the drain.
const ON_TIME: u32 = 100;
/// The group of the punctual jobs.
const GROUP: &str = "punctual";
/// How long a drain may take.
const DRAIN_MAX: Duration = Duration::from_mins(30);

/// A backlog, and jobs that are due on time.
pub(super) async fn backlog(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Backlog, options).await?;
    let amount = options.pick(1_000_000_u32, 2_000);
    let steady = options.pick(200_000_u32, 2_000);
    testbed.record_setting(
        "workload",
        format!("{amount} run-nows due at once beside {ON_TIME} jobs, FIXED_RATE 1 s; noop"),
    );
    testbed.start(1, &[]).await?;
    let model = testbed.create_model().await?;
    let job = testbed.create_manual("backlog").await?;
    testbed.stop().await?;
    testbed.copy(model, GROUP, ON_TIME, Grid::Spread).await?;
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        testbed.clear_log().await?;
        testbed.make_idle(GROUP).await?;
        testbed.vacuum().await?;
        testbed.start_loaded(1).await?;
        // The steady maximum first, while the punctual jobs are idle.
        let (from, until) = drain(&testbed, job, steady).await?;
        let maximum = per_second(steady, between(from, until));
        // From the next second on: punctual jobs of the past would be a backlog, too.
        testbed.make_due(GROUP, -1).await?;
        tokio::time::sleep(Duration::from_secs(1) + options.warm_up).await;
        let (from, until) = drain(&testbed, job, amount).await?;
        let rate = per_second(amount, between(from, until));
        testbed.stop().await?;
        figures.push("drained", "fires/s", rate);
        figures.push("drained / of the fewer alone", "", rate / maximum);
        figures.push(format!("{steady} alone"), "fires/s", maximum);
        Window::read(&testbed.sql, from, until)
            .await?
            .push(&mut figures, "on time meanwhile");
    }
    testbed.close(figures).await
}

/// From the instant at which the backlog was complete and due to its last settlement.
async fn drain(
    testbed: &BenchTestbed,
    job: Uuid,
    amount: u32,
) -> Result<(DateTime<Utc>, DateTime<Utc>), anyhow::Error> {
    // Far enough ahead that all are there when they are due: some ten thousand are inserted in a
    // second.
    let due = testbed.database_now().await? + TimeDelta::milliseconds(500 + i64::from(amount / 20));
    testbed.add_manual(job, amount, due).await?;
    let there = testbed.database_now().await?;
    let begun = Instant::now();
    let left = "select exists (select from job_trigger where job_id = $1 and kind <> 'SCHEDULE')";
    while testbed.sql.query_one(left, &[&job]).await?.get(0) {
        ensure!(
            begun.elapsed() < DRAIN_MAX,
            "a backlog of {amount} was not drained within {DRAIN_MAX:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Leased executions may run for a moment.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let last = "select max(finished_at), count(*) from job_execution_log
        where job_id = $1 and status = 'SUCCESS' and due_time = $2";
    let row = testbed.sql.query_one(last, &[&job, &due]).await?;
    let (last, count): (Option<DateTime<Utc>>, i64) = (row.get(0), row.get(1));
    // Executions that fail would make the drain look fast.
    ensure!(count == i64::from(amount), "{count} of {amount} succeeded");
    // The insert may have taken longer than planned.
    Ok((due.max(there), last.unwrap_or(due)))
}
