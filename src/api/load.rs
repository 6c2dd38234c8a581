//! The load of a node over time.

use super::context::store;
use super::date_time::DateTime;
use super::{cost, errors};
use crate::store::queries::load::LoadRecord;
use async_graphql::{Context, ID, Object, Result, SimpleObject};

/// Longest period, in minutes: a day, as long as the load is kept.
const MINUTES_MAX: usize = 1_440;
/// Most points of a chart.
const POINTS: i64 = 60;
/// Rows of the database with the cost of a field: each row is a minute of one node.
const ROWS_PER_FIELD: usize = 4;

/// The load of a node in a period.
#[derive(SimpleObject)]
pub struct LoadPoint {
    /// Start of the period.
    at: DateTime,
    /// Seconds of the period that were metered.
    seconds: f64,
    /// Number of executions that the node can run at once.
    slots: i32,
    /// Slots in use, on average.
    slots_used: f64,
    /// Seconds without a free slot.
    full_seconds: f64,
    /// Processors in use by the process, on average.
    cpu: Option<f64>,
    /// Peak of the resident memory of the process.
    memory_bytes: Option<f64>,
    /// Median of the lateness in a minute: that of the worst minute.
    lateness_p50_millis: Option<f64>,
    /// 99th percentile of the lateness in a minute: that of the worst minute.
    lateness_p99_millis: Option<f64>,
}

/// The query of the load.
#[derive(Default)]
pub struct LoadQuery;

#[Object]
impl LoadQuery {
    /// The load of a node in the last minutes, at most a day, in up to sixty periods of equal
    /// length of at least a minute, oldest first. Periods without a measurement are left out. A
    /// node measures once a minute.
    #[graphql(complexity = "2 * cost::STATEMENT \
                      + cost::bound(minutes, 60, MINUTES_MAX) / ROWS_PER_FIELD \
                      + cost::rows(POINTS as usize + 1, child_complexity)")]
    async fn node_load(
        &self,
        ctx: &Context<'_>,
        id: ID,
        #[graphql(default = 60)] minutes: Option<i32>,
    ) -> Result<Vec<LoadPoint>> {
        let id = errors::uuid("id", &id)?;
        let minutes = minutes.unwrap_or(60);
        if !usize::try_from(minutes).is_ok_and(|minutes| (1..=MINUTES_MAX).contains(&minutes)) {
            return Err(errors::bad_input(
                "minutes",
                format!("minutes: must be from 1 to {MINUTES_MAX}"),
            ));
        }
        // A node writes one row a minute: shorter periods would be empty.
        let step = (i64::from(minutes) * 60 / POINTS).max(60);
        let load = store(ctx).await?.load(id, minutes, step).await?;
        Ok(load.iter().map(point).collect())
    }
}

fn point(load: &LoadRecord) -> LoadPoint {
    #[expect(clippy::cast_precision_loss, reason = "a size for display")]
    let memory_bytes = load.memory_bytes.map(|bytes| bytes as f64);
    LoadPoint {
        at: DateTime(load.at),
        seconds: load.seconds,
        slots: load.slots,
        slots_used: load.held,
        full_seconds: load.full_seconds,
        cpu: load.cpu,
        memory_bytes,
        lateness_p50_millis: load.lateness_p50_millis,
        lateness_p99_millis: load.lateness_p99_millis,
    }
}
