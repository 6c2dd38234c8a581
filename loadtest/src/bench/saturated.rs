//! Saturated nodes: jobs that fire each second and do nothing, many fire times behind. `throughput`
//! alternates with the bare SQL, so that their ratio is meaningful on a machine whose speed drifts;
//! `growth` adds more and more idle triggers; `nodes`; `wal`; `snapshot` with an open one.
//!
//! Settled executions are counted in the log, by the database's clock, after the nodes have left:
//! nothing is counted during the measurement. Each run begins with the same triggers and an empty
//! log. A run without due triggers at its end is no measurement, and is reported as such.

use super::bare::Bare;
use super::line::{Figures, Line};
use super::statements;
use super::testbed::BenchTestbed;
use super::work::{Grid, between, per_second};
use super::{Name, Options, process};
use anyhow::Context;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// The group of due jobs.
const HOT: &str = "hot";
/// The group of idle jobs.
const IDLE: &str = "idle";

/// Number of due jobs, and their distance behind now; below a minute, for triggers that are longer
/// overdue take turns.
struct Load {
    model: Uuid,
    jobs: u32,
    behind: i32,
}

/// The result of a run.
struct Measured {
    fires: f64,
    wal_bytes: f64,
    wal_images: f64,
    resident_mb: Option<f64>,
    /// CPU microseconds of a fire: nodes, PostgreSQL.
    cpu_micros: Option<(f64, f64)>,
}

impl BenchTestbed {
    /// Creates the jobs of saturated runs.
    async fn load(&mut self) -> Result<Load, anyhow::Error> {
        self.start(1, &[]).await?;
        let model = self.create_model().await?;
        self.stop().await?;
        if let Some(lever) = self.options.sql.clone() {
            self.sql
                .batch_execute(&lever)
                .await
                .with_context(|| format!("--sql {lever}"))?;
            self.record_setting("sql", lever);
        }
        let load = Load {
            model,
            jobs: self.options.pick(100_000, 3_000),
            behind: self.options.pick(30, 10),
        };
        self.copy(model, HOT, load.jobs, Grid::Spread).await?;
        self.record_setting(
            "workload",
            format!(
                "{} jobs, FIXED_RATE 1 s, noop, {} s behind",
                load.jobs, load.behind
            ),
        );
        Ok(load)
    }

    /// A run of `nodes` nodes.
    async fn saturate(&mut self, load: &Load, nodes: usize) -> Result<Measured, anyhow::Error> {
        let warm_up = self.options.warm_up;
        self.saturate_after(load, nodes, warm_up).await
    }

    /// The same, measured a while after the nodes began.
    async fn saturate_after(
        &mut self,
        load: &Load,
        nodes: usize,
        warm_up: Duration,
    ) -> Result<Measured, anyhow::Error> {
        self.clear_log().await?;
        self.make_due(HOT, load.behind).await?;
        // `make_due` has rewritten every trigger: the dead rows would slow the first scans.
        self.vacuum().await?;
        self.start_loaded(nodes).await?;
        tokio::time::sleep(warm_up).await;
        let samples = if self.options.statements {
            self.count_statements().await?;
            Some(statements::Samples::begin(self.postgres.sql().await?))
        } else {
            None
        };
        let (cpu, wal) = (self.cpu().await?, self.wal().await?);
        let from = self.database_now().await?;
        tokio::time::sleep(self.options.window).await;
        let until = self.database_now().await?;
        let (cpu_then, wal_then) = (self.cpu().await?, self.wal().await?);
        if let Some(samples) = samples {
            samples.print().await?;
            self.print_statements().await?;
        }
        // A node without a figure makes the sum unknown.
        let resident: Option<f64> = self.pids().into_iter().map(process::resident_mb).sum();
        let saturated = "select exists (select from job_trigger where due_at < $1)";
        if !self
            .sql
            .query_one(saturated, &[&until])
            .await?
            .get::<_, bool>(0)
        {
            // A remark, not an error: the other runs may be measurements.
            self.notes.push(format!(
                "NOT SATURATED with {nodes} nodes: everything had run before the end"
            ));
        }
        self.stop().await?;
        // After the stop: the count would take the database's time from the nodes.
        let fires = self.settled(from, until).await?;
        let divisor = f64::from(fires.max(1));
        let cpu_micros = cpu
            .zip(cpu_then)
            .map(|((nodes, server), (nodes_then, server_then))| {
                (
                    (nodes_then - nodes) * 1e6 / divisor,
                    (server_then - server) * 1e6 / divisor,
                )
            });
        Ok(Measured {
            fires: per_second(fires, between(from, until)),
            wal_bytes: (wal_then.0 - wal.0) / divisor,
            wal_images: (wal_then.1 - wal.1) / divisor,
            resident_mb: resident,
            cpu_micros,
        })
    }

    /// Bytes of WAL and whole pages in the WAL so far.
    async fn wal(&self) -> Result<(f64, f64), anyhow::Error> {
        let statement =
            "select (pg_current_wal_lsn() - '0/0')::float8, wal_fpi::float8 from pg_stat_wal";
        let row = self.sql.query_one(statement, &[]).await?;
        Ok((row.get(0), row.get(1)))
    }
}

/// Fires a second of one node, alternating with the bare SQL.
pub(super) async fn throughput(options: &Options) -> Result<Line, anyhow::Error> {
    let preload: &[&str] = if options.statements {
        &[statements::SETTING]
    } else {
        &[]
    };
    let mut testbed = BenchTestbed::with_settings(Name::Throughput, options, preload).await?;
    let load = testbed.load().await?;
    let bare = Bare::prepare(&mut testbed, load.jobs).await?;
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        // Limit and node by turns: the speed of the machine drifts.
        let limit = bare.run(&testbed).await?.fires;
        let run = testbed.saturate(&load, 1).await?;
        figures.push("throughput", "fires/s", run.fires);
        figures.push("limit", "fires/s", limit);
        figures.push("throughput / limit", "", run.fires / limit);
        figures.push("WAL", "bytes/fire", run.wal_bytes);
        if let Some(resident) = run.resident_mb {
            figures.push("resident", "MB", resident);
        }
        if let Some((node, server)) = run.cpu_micros {
            figures.push("CPU of the node", "µs/fire", node);
            figures.push("CPU of PostgreSQL", "µs/fire", server);
        }
    }
    testbed.close(figures).await
}

/// The rate with more and more idle triggers.
pub(super) async fn growth(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Growth, options).await?;
    let load = testbed.load().await?;
    let mut sizes = options.pick(vec![1_000, 100_000, 1_000_000], vec![100, 1_000]);
    if options.large {
        sizes.push(10_000_000);
    }
    let mut figures = Figures::default();
    let (mut there, mut least) = (0, None);
    for size in sizes {
        testbed
            .copy(
                load.model,
                &format!("{IDLE} {size}"),
                size - there,
                Grid::Spread,
            )
            .await?;
        there = size;
        let mut runs = Vec::new();
        for _ in 0..options.runs {
            let fires = testbed.saturate(&load, 1).await?.fires;
            figures.push(format!("beside {size} idle triggers"), "fires/s", fires);
            runs.push(fires);
        }
        let median = crate::report::statistics::median(&runs).unwrap_or_default();
        figures.push(
            format!("beside {size} / beside the fewest"),
            "",
            // The first size is the smallest.
            median / *least.get_or_insert(median),
        );
    }
    testbed.close(figures).await
}

/// The rate of ever more nodes, each number in turn.
pub(super) async fn nodes(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Nodes, options).await?;
    let load = testbed.load().await?;
    let counts = options.pick(vec![1, 2, 4, 8], vec![1, 2]);
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        let mut one = None;
        for count in &counts {
            let fires = testbed.saturate(&load, *count).await?.fires;
            figures.push(format!("{count} nodes"), "fires/s", fires);
            figures.push(
                format!("{count} nodes / one"),
                "",
                fires / *one.get_or_insert(fires),
            );
        }
    }
    testbed.record_setting("nodes", json!(counts));
    testbed.close(figures).await
}

/// WAL of a fire. A checkpoint comes right before each run: whole pages are part of the figure.
pub(super) async fn wal(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Wal, options).await?;
    let load = testbed.load().await?;
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        let run = testbed.saturate(&load, 1).await?;
        figures.push("WAL", "bytes/fire", run.wal_bytes);
        figures.push("whole pages", "pages/fire", run.wal_images);
        figures.push("while firing", "fires/s", run.fires);
    }
    testbed.close(figures).await
}

/// The rate after another session has held a snapshot for long, and after the same time without
/// one: dead rows that the snapshot may see cannot be removed.
pub(super) async fn snapshot(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Snapshot, options).await?;
    let load = testbed.load().await?;
    testbed.record_setting("holdSeconds", options.hold.as_secs_f64());
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        let without = testbed.saturate_after(&load, 1, options.hold).await?.fires;
        let session = testbed.postgres.sql().await?;
        session
            .batch_execute(
                "begin isolation level repeatable read; select count(*) from job_trigger",
            )
            .await?;
        let with = testbed.saturate_after(&load, 1, options.hold).await?.fires;
        session.batch_execute("rollback").await?;
        figures.push("without a snapshot", "fires/s", without);
        figures.push("with one", "fires/s", with);
        figures.push("with one / without", "", with / without);
    }
    testbed.close(figures).await
}
