//! The cost of an idle node with many jobs that are not due: statements, transactions, CPU and
//! memory.
//!
//! Statements are counted by the server, without those of the harness; CPU and memory by the
//! kernel. The node settles down first: the cost of a start is not part of the figure.

use super::line::{Figures, Line};
use super::testbed::BenchTestbed;
use super::work::Grid;
use super::{Name, Options, process, statements};
use anyhow::Context;
use serde_json::json;
use std::time::Instant;

/// Statements that are printed by name.
const PRINTED_MAX: usize = 8;

/// A node with nothing due.
pub(super) async fn idle(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed =
        BenchTestbed::with_settings(Name::Idle, options, &[statements::SETTING]).await?;
    let jobs = options.pick(1_000_000, 1_000);
    testbed.start(1, &[]).await?;
    let model = testbed.create_model().await?;
    testbed.stop().await?;
    testbed.copy(model, "idle", jobs, Grid::Spread).await?;
    testbed.vacuum().await?;
    testbed.record_setting("workload", format!("{jobs} jobs, none due"));
    testbed.start(1, &[]).await?;
    let mut figures = Figures::default();
    // After the start: joins, the first full scan and empty caches are no idle work.
    tokio::time::sleep(options.warm_up).await;
    let pid = *testbed.pids().first().context("no node lives")?;
    let unknown = "how much CPU and memory a process uses is known on Linux alone";
    for run in 0..options.runs {
        testbed.count_statements().await?;
        let (begun, before) = (Instant::now(), process::cpu_seconds(pid).context(unknown)?);
        tokio::time::sleep(options.window).await;
        let cpu = process::cpu_seconds(pid).context(unknown)? - before;
        let (seconds, measured) = (begun.elapsed().as_secs_f64(), testbed.statements().await?);
        let calls: i64 = measured.iter().map(|statement| statement.calls).sum();
        figures.push(
            "statements",
            "1/s",
            f64::from(i32::try_from(calls)?) / seconds,
        );
        let millis: f64 = measured.iter().map(|statement| statement.millis).sum();
        figures.push("time in statements", "% of a core", millis / seconds / 10.0);
        figures.push("CPU of the node", "% of a core", cpu / seconds * 100.0);
        figures.push(
            "resident",
            "MB",
            process::resident_mb(pid).context(unknown)?,
        );
        // The statements of one run suffice: an idle node repeats the same ones.
        if run + 1 == options.runs {
            let text =
                |s: &statements::Statement| format!("{} × {:.1} ms: {}", s.calls, s.millis, s.text);
            testbed
                .notes
                .extend(measured.iter().take(PRINTED_MAX).map(text));
        }
    }
    testbed.record_setting("jobs", json!(jobs));
    testbed.close(figures).await
}
