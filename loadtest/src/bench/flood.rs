//! Firing under a flood: lateness at a steady rate, calm and then while ten clients loop the
//! dearest requests that the API accepts; late heartbeats, and the node's memory at its peak.
//!
//! Between calm and flood the cores are kept busy by threads without work: their effect is the
//! machine's, not the node's. The flood is first all families of requests at once, then each family
//! alone. Lateness is read from the log as in `lateness`; a fire time of the window without a start
//! by the end of the wait is counted as missing, not left out.

use super::lateness::{GROUPS, Window};
use super::line::{Figures, Line};
use super::testbed::BenchTestbed;
use super::{Name, Options, process};
use crate::flood::{BusyCores, CLIENTS, Family, Flood, subject};
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use uuid::Uuid;

/// Jobs with a large payload, for requests that ask for all of them.
const LARGE_JOBS: u32 = 60;
/// Size of one payload, bytes.
const LARGE_BYTES: usize = 200_000;
/// Between two looks at heartbeat and memory.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// A heartbeat is sent each second; half a second later counts as late.
const HEARTBEAT_LATE: TimeDelta = TimeDelta::milliseconds(1_500);
/// Time for the node to catch up after a window, before the next one begins.
const CATCH_UP_MAX: Duration = Duration::from_mins(1);

/// Samples of one window.
#[derive(Debug, Default)]
struct Watched {
    late_heartbeats: u32,
    peak_mb: f64,
}

/// Lateness calm and flooded.
pub(super) async fn flood(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Flood, options).await?;
    let rate = options.pick(1_000, 100);
    testbed.record_setting(
        "workload",
        format!("{rate} jobs, FIXED_RATE 1 s, noop; {CLIENTS} clients"),
    );
    testbed.start(1, &[]).await?;
    let model = testbed.create_model().await?;
    let subject = subject(&testbed.http, testbed.address()?).await?;
    testbed.stop().await?;
    for (group, grid) in GROUPS {
        testbed.copy(model, group, rate, grid).await?;
    }
    testbed.start(1, &[]).await?;
    // The newest jobs, so that a list of jobs holds them.
    for number in 0..options.pick(LARGE_JOBS, 2) {
        testbed.create(large(number)).await?;
    }
    testbed.stop().await?;
    let mut figures = Figures::default();
    for run in 0..options.runs {
        for (group, _) in GROUPS {
            flooded(&mut testbed, group, subject, run == 0, &mut figures).await?;
        }
    }
    testbed.close(figures).await
}

fn large(number: u32) -> Value {
    json!({"name": format!("large {number}"), "scheduleType": "CRON",
        "cronExpression": "0 0 0 1 1 ? 2099",
        "payload": {"text": "x".repeat(LARGE_BYTES)}, "target": {"noop": {"sleepMillis": 0}}})
}

/// One life of a node: calm, all families at once, then each family alone.
async fn flooded(
    testbed: &mut BenchTestbed,
    group: &str,
    subject: Uuid,
    print: bool,
    figures: &mut Figures,
) -> Result<(), anyhow::Error> {
    testbed.clear_log().await?;
    for (known, _) in GROUPS {
        testbed.make_idle(known).await?;
    }
    testbed.start_loaded(1).await?;
    testbed.vacuum().await?;
    // Two seconds ahead: fire times of the past would be late from the beginning.
    testbed.make_due(group, -2).await?;
    tokio::time::sleep(Duration::from_secs(2) + testbed.options.warm_up).await;
    measure(testbed, &format!("{group}, calm"), figures).await?;
    let busy = BusyCores::begin();
    measure(testbed, &format!("{group}, busy cores"), figures).await?;
    drop(busy);
    let alone = Family::ALL.iter().map(std::slice::from_ref);
    // Families alone on one grid only: they take minutes.
    let floods = std::iter::once(&Family::ALL[..]).chain(alone.filter(|_| group == GROUPS[1].0));
    for families in floods {
        let what = match families {
            [family] => format!("{group}, {family:?}"),
            _ => format!("{group}, flooded"),
        };
        let flood = Flood::begin(&[testbed.address()?], families, subject)?;
        tokio::time::sleep(testbed.options.warm_up).await;
        measure(testbed, &what, figures).await?;
        let tallies = flood.end().await?;
        for tally in tallies {
            figures.push(
                format!("{what}, {:?} answered", tally.family),
                "requests",
                number(tally.answered),
            );
            figures.push(
                format!("{what}, {:?} refused", tally.family),
                "requests",
                number(tally.refused),
            );
            if print {
                testbed.notes.push(format!("{what}: {tally}"));
            }
        }
        catch_up(testbed).await?;
    }
    testbed.stop().await
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A window, and the late starts by its end.
async fn measure(
    testbed: &BenchTestbed,
    what: &str,
    figures: &mut Figures,
) -> Result<(), anyhow::Error> {
    let from = testbed.database_now().await?;
    let watched = watch(testbed, testbed.options.window).await?;
    let until = testbed.database_now().await?;
    // Executions that were late in the window must be visible, too.
    tokio::time::sleep(testbed.options.window.min(Duration::from_secs(2))).await;
    Window::read(&testbed.sql, from, until)
        .await?
        .push(figures, what);
    figures.push(
        format!("{what}, missing"),
        "fire times",
        missing(&testbed.sql, from, until).await?,
    );
    figures.push(
        format!("{what}, late heartbeats"),
        "heartbeats",
        f64::from(watched.late_heartbeats),
    );
    figures.push(format!("{what}, peak resident"), "MB", watched.peak_mb);
    Ok(())
}

/// Fire times that are due in the window and have not started: each late job lacks one a second.
async fn missing(
    sql: &Client,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<f64, anyhow::Error> {
    let statement = "select coalesce(sum(ceil(extract(epoch from $2::timestamptz
            - greatest(due_at, $1::timestamptz)))), 0)::float8
        from job_trigger where kind = 'SCHEDULE' and due_at < $2";
    Ok(sql.query_one(statement, &[&from, &until]).await?.get(0))
}

/// Reads heartbeat and memory of the one node.
async fn watch(testbed: &BenchTestbed, lasting: Duration) -> Result<Watched, anyhow::Error> {
    let pid = *testbed.pids().first().context("no node lives")?;
    let statement = testbed
        .sql
        .prepare("select max(heartbeat_at), clock_timestamp() from cluster_node")
        .await?;
    let (begun, mut watched, mut last) =
        (Instant::now(), Watched::default(), None::<DateTime<Utc>>);
    while begun.elapsed() < lasting {
        let row = testbed.sql.query_one(&statement, &[]).await?;
        let (heartbeat, now): (Option<DateTime<Utc>>, DateTime<Utc>) = (row.get(0), row.get(1));
        let heartbeat = heartbeat.context("the node never had a heartbeat")?;
        if last.is_some_and(|last| last != heartbeat && heartbeat - last > HEARTBEAT_LATE) {
            watched.late_heartbeats += 1;
        }
        last = Some(heartbeat);
        watched.peak_mb = watched
            .peak_mb
            .max(process::resident_mb(pid).unwrap_or_default());
        // A heartbeat that is late at the end has no next one to be compared with.
        let over = begun.elapsed() + LOOK_INTERVAL >= lasting;
        if over && now - heartbeat > HEARTBEAT_LATE {
            watched.late_heartbeats += 1;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(watched)
}

/// Waits until nothing is late: a window must not begin with the rest of the window before.
async fn catch_up(testbed: &mut BenchTestbed) -> Result<(), anyhow::Error> {
    let behind =
        "select count(*) from job_trigger where due_at < clock_timestamp() - interval '500 ms'";
    let begun = Instant::now();
    while begun.elapsed() < CATCH_UP_MAX {
        if testbed.sql.query_one(behind, &[]).await?.get::<_, i64>(0) == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    testbed.notes.push(format!(
        "the node had not caught up after {CATCH_UP_MAX:?}: what follows is worse than it was"
    ));
    Ok(())
}
