//! How full a node was, over time.

use super::queries::store;
use super::{cost, errors};
use crate::model::rfc3339;
use crate::store::load::LoadRecord;
use async_graphql::{Context, ID, Object, Result, SimpleObject};

/// Longest look back, in minutes: a day, as long as it is kept.
const MINUTES_MAX: usize = 1_440;
/// Most points of a chart.
const POINTS: i64 = 60;
/// Rows of the database that cost as much as a field: each is a minute of one node.
const ROWS_PER_FIELD: usize = 4;

/// How full a node was in a stretch of time.
#[derive(SimpleObject)]
pub struct LoadPoint {
    /// Its start.
    at: String,
    /// How much of it was metered: what was metered in a minute counts to its end.
    seconds: f64,
    /// Executions that the node could run at once.
    slots: i32,
    /// Slots in use, on average.
    slots_used: f64,
    /// How long no slot was free.
    full_seconds: f64,
    /// Processors in use by the process, on average.
    cpu: Option<f64>,
    /// Most resident memory of the process.
    memory_bytes: Option<f64>,
    /// Lateness that half of the attempts of a minute did not exceed: of the worst minute.
    lateness_p50_millis: Option<f64>,
    /// Lateness that 99 of 100 attempts of a minute did not exceed: of the worst minute.
    lateness_p99_millis: Option<f64>,
}

/// The query of the load.
#[derive(Default)]
pub struct LoadQuery;

#[Object]
impl LoadQuery {
    /// How full a node was in the last minutes, at most a day, in sixty stretches of
    /// equal length, of a minute at least: oldest first, only those of which something
    /// is known. Each node writes once a minute.
    #[graphql(
        complexity = "2 * cost::STATEMENT + cost::bound(minutes, 60, MINUTES_MAX) / ROWS_PER_FIELD + cost::rows(POINTS as usize + 1, child_complexity)"
    )]
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
        let step = (i64::from(minutes) * 60 / POINTS).max(60);
        let load = store(ctx)
            .await?
            .load(id, minutes, step)
            .await
            .map_err(errors::store)?;
        Ok(load.iter().map(point).collect())
    }
}

fn point(load: &LoadRecord) -> LoadPoint {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let memory_bytes = load.memory_bytes.map(|bytes| bytes as f64);
    LoadPoint {
        at: rfc3339(load.at),
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
