//! Lateness at a steady rate: start minus due time of every fire time of a window, on whole seconds
//! and spread over them.
//!
//! Both instants are from the log: the database's clock, as the node has continued it since its
//! lease. A start before its due time is counted separately; a fire time of the window without a
//! row is reported.

use super::line::{Figures, Line};
use super::testbed::BenchTestbed;
use super::work::{Grid, between};
use super::{Name, Options};
use crate::report::statistics::Spread;
use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio_postgres::Client;

/// The groups of jobs, measured one at a time.
pub(super) const GROUPS: [(&str, Grid); 2] = [("aligned", Grid::Aligned), ("spread", Grid::Spread)];

/// The fire times of one window.
pub(super) struct Window {
    /// How late, in microseconds.
    pub(super) spread: Option<Spread>,
    /// Number of starts before their due time.
    pub(super) early: u32,
}

impl Window {
    /// Of the due times in [from, until) of schedules.
    pub(super) async fn read(
        sql: &Client,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Self, anyhow::Error> {
        let statement = "select round(extract(epoch from started_at - due_time) * 1000000)::bigint
            from job_execution_log
            where kind = 'SCHEDULE' and due_time >= $1 and due_time < $2
            and started_at is not null";
        let rows = sql.query(statement, &[&from, &until]).await?;
        let late: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let early = late.iter().filter(|micros| **micros < 0).count();
        Ok(Self {
            spread: Spread::of(&late),
            early: u32::try_from(early)?,
        })
    }

    /// Adds the figures of the window.
    pub(super) fn push(&self, figures: &mut Figures, what: &str) {
        if let Some(spread) = self.spread {
            for (name, micros) in [
                ("p50", spread.p50),
                ("p99", spread.p99),
                ("longest", spread.max),
            ] {
                figures.push(format!("{what}, {name}"), "ms", millis(micros));
            }
        }
        figures.push(format!("{what}, early"), "starts", f64::from(self.early));
    }
}

/// Milliseconds of a number of microseconds.
pub(super) fn millis(micros: i64) -> f64 {
    crate::report::statistics::micros(micros) / 1e3
}

/// Lateness of a steady rate, aligned and spread.
pub(super) async fn lateness(options: &Options) -> Result<Line, anyhow::Error> {
    let mut testbed = BenchTestbed::open(Name::Lateness, options).await?;
    let rate = options.pick(1_000, 100);
    testbed.record_setting("workload", format!("{rate} jobs, FIXED_RATE 1 s, noop"));
    testbed.start(1, &[]).await?;
    let model = testbed.create_model().await?;
    testbed.stop().await?;
    for (group, grid) in GROUPS {
        testbed.copy(model, group, rate, grid).await?;
    }
    let mut figures = Figures::default();
    for _ in 0..options.runs {
        for (group, _) in GROUPS {
            let (window, seconds) = steady(&mut testbed, group).await?;
            window.push(&mut figures, &format!("{rate} fires/s {group}"));
            let seen = window.spread.map_or(0, |spread| spread.n);
            let wanted = f64::from(rate) * seconds.as_secs_f64();
            let missing = wanted - f64::from(u32::try_from(seen)?);
            // A second more or less lies at the edges of the window.
            if missing.abs() > f64::from(rate) {
                testbed.notes.push(format!(
                    "{group}: {seen} fire times were seen where {wanted:.0} were due"
                ));
            }
        }
    }
    testbed.close(figures).await
}

/// A run: new nodes, and jobs that become due one after the other.
async fn steady(
    testbed: &mut BenchTestbed,
    group: &str,
) -> Result<(Window, Duration), anyhow::Error> {
    testbed.clear_log().await?;
    for known in GROUPS {
        testbed.make_idle(known.0).await?;
    }
    testbed.start_loaded(1).await?;
    testbed.vacuum().await?;
    // Due from the second second on, not all in the past.
    testbed.make_due(group, -2).await?;
    tokio::time::sleep(Duration::from_secs(2) + testbed.options.warm_up).await;
    let from = testbed.database_now().await?;
    tokio::time::sleep(testbed.options.window).await;
    let until = testbed.database_now().await?;
    // Executions that were late in the window must be visible, too.
    tokio::time::sleep(testbed.options.window.min(Duration::from_secs(2))).await;
    testbed.stop().await?;
    Ok((
        Window::read(&testbed.sql, from, until).await?,
        between(from, until),
    ))
}
