//! Load of a node, metered in memory at each heartbeat and written once a minute. The only writer
//! of `node_load`. For charts: the last minute of a dying node is lost.

use crate::model::Timestamp;
use crate::model::activity::Activity;
use crate::model::execution::ExecutionStatus;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use uuid::Uuid;

const WRITE: Statement = Statement::new(
    "-- load.write
insert into node_load (at, node_id, seconds, slots, held_seconds, full_seconds, cpu_seconds,
    memory_bytes,
    lateness_p50_millis, lateness_p99_millis)
values (coalesce($1::timestamptz, clock_timestamp()), $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict do nothing",
);

const PRUNE: Statement = Statement::new(
    "-- load.prune
delete from node_load
where at < coalesce($1::timestamptz, clock_timestamp()) - interval '25 hours'",
);

/// Points of a chart, each of $4 seconds.
const READ: Statement = Statement::new(
    "-- load.read
select (floor(extract(epoch from at) / $4::bigint) * $4::bigint)::bigint as point,
       sum(seconds)::float8 as seconds,
    max(slots) as slots, (sum(held_seconds) / sum(seconds))::float8 as held,
    sum(full_seconds)::float8 as full_seconds,
    (sum(cpu_seconds) / sum(seconds))::float8 as cpu, max(memory_bytes) as memory_bytes,
    max(lateness_p50_millis)::float8 as p50, max(lateness_p99_millis)::float8 as p99
from node_load where node_id = $2 and at >= coalesce($1::timestamptz,
    clock_timestamp()) - make_interval(mins => $3)
group by 1 order by 1",
);

/// Resources of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time since the start.
    pub cpu: Duration,
    /// Resident memory, if known.
    pub memory_bytes: Option<i64>,
}

/// Load of a node in an interval.
#[derive(Debug, Clone)]
pub struct LoadRecord {
    /// Start of the interval.
    pub at: Timestamp,
    /// Metered seconds of the interval.
    pub seconds: f64,
    /// Most executions at once.
    pub slots: i32,
    /// Slots in use, on average.
    pub held: f64,
    /// How long no slot was free.
    pub full_seconds: f64,
    /// Processors in use, on average.
    pub cpu: Option<f64>,
    /// Largest resident memory of the interval, in bytes.
    pub memory_bytes: Option<i64>,
    /// The highest of the medians of the minutes.
    pub lateness_p50_millis: Option<f64>,
    /// The highest of the 99th percentiles of the minutes.
    pub lateness_p99_millis: Option<f64>,
}

/// Measurements since the last write.
#[derive(Clone, Default)]
pub(super) struct Meter(Arc<Mutex<Metered>>);

#[derive(Default)]
struct Metered {
    slots: usize,
    held: usize,
    last: Option<Instant>,
    seconds: f64,
    held_seconds: f64,
    full_seconds: f64,
    /// Settled attempts, for the lateness.
    settled: Activity,
    /// Processor time at the last row.
    cpu: Option<Duration>,
}

impl Meter {
    pub(crate) fn settled(&self, status: ExecutionStatus, lateness: Duration) {
        self.metered().settled.settled(status, lateness);
    }

    fn metered(&self) -> MutexGuard<'_, Metered> {
        self.0.lock()
    }
}

impl Metered {
    /// The slots of the last measurement count for the time since.
    #[expect(clippy::cast_precision_loss, reason = "a number of slots")]
    fn note(&mut self, held: usize, slots: usize, now: Instant) {
        // The first measurement only opens an interval.
        if let Some(last) = self.last {
            let seconds = now.saturating_duration_since(last).as_secs_f64();
            self.seconds += seconds;
            self.held_seconds += seconds * self.held as f64;
            if self.held >= self.slots {
                self.full_seconds += seconds;
            }
        }
        (self.last, self.held, self.slots) = (Some(now), held, slots);
    }

    /// The measurements to write; resets them.
    fn take(&mut self, usage: Usage) -> Option<(Self, Option<f64>)> {
        // The query of a chart divides by the seconds.
        if self.seconds == 0.0 {
            return None;
        }
        let cpu = self
            .cpu
            // The first row has no processor time: the time since the start would belong to no
            // interval.
            .map(|before| usage.cpu.saturating_sub(before).as_secs_f64());
        let next = Self {
            slots: self.slots,
            held: self.held,
            // The interval continues in the next row, so no second is lost between two rows.
            last: self.last,
            cpu: Some(usage.cpu),
            ..Self::default()
        };
        Some((std::mem::replace(self, next), cpu))
    }
}

impl Store {
    /// Measures the slots in use; called at each heartbeat.
    pub fn note_load(&self, held: usize, slots: usize) {
        self.activity_counter
            .meter
            .metered()
            .note(held, slots, Instant::now());
    }

    /// Writes the measurements since the last row, if any. Returns whether there were any. After an
    /// error the measurements are lost.
    pub async fn write_load(
        &self,
        node_id: Uuid,
        usage: fn() -> Usage,
    ) -> Result<bool, StoreError> {
        // Before the reading of the usage, which costs system calls.
        if self.activity_counter.meter.metered().seconds == 0.0 {
            return Ok(false);
        }
        let usage = usage();
        let Some((metered, cpu)) = self.activity_counter.meter.metered().take(usage) else {
            return Ok(false);
        };
        let slots = i32::try_from(metered.slots).unwrap_or(i32::MAX);
        let (seconds, held, full) = (
            real(metered.seconds),
            real(metered.held_seconds),
            real(metered.full_seconds),
        );
        let lateness = |share| metered.settled.lateness_percentile(share).map(real);
        let (p50, p99, cpu) = (lateness(0.5), lateness(0.99), cpu.map(real));
        let stub = self.clock().stub();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
            &stub,
            &node_id,
            &seconds,
            &slots,
            &held,
            &full,
            &cpu,
            &usage.memory_bytes,
            &p50,
            &p99,
        ];
        self.execute(WRITE, &values).await?;
        Ok(true)
    }

    /// Deletes rows older than a day.
    pub async fn prune_load(&self) -> Result<(), StoreError> {
        self.execute(PRUNE, &[&self.clock().stub()]).await?;
        Ok(())
    }

    /// Load of a node in the last minutes, in steps of `step_seconds`, oldest first; steps without
    /// measurements are left out.
    pub async fn load(
        &self,
        node_id: Uuid,
        minutes: i32,
        step_seconds: i64,
    ) -> Result<Vec<LoadRecord>, StoreError> {
        let stub = self.clock().stub();
        self.read_all(READ, &[&stub, &node_id, &minutes, &step_seconds], read)
            .await
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seven digits are enough for a chart"
)]
fn real(number: f64) -> f32 {
    number as f32
}

fn read(row: &Row) -> Result<LoadRecord, StoreError> {
    let row = Values::of("node_load", row);
    let at = Timestamp::from_timestamp(row.get("point")?, 0);
    Ok(LoadRecord {
        at: at.ok_or_else(|| row.unreadable("the instant cannot be counted with"))?,
        seconds: row.get("seconds")?,
        slots: row.get("slots")?,
        held: row.get("held")?,
        full_seconds: row.get("full_seconds")?,
        cpu: row.get("cpu")?,
        memory_bytes: row.get("memory_bytes")?,
        lateness_p50_millis: row.get("p50")?,
        lateness_p99_millis: row.get("p99")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_for_as_long_as_it_is_held() {
        let begun = Instant::now();
        let second = |number| begun + Duration::from_secs(number);
        let mut metered = Metered::default();
        assert!(
            metered.take(Usage::default()).is_none(),
            "nothing was metered"
        );
        for (at, held) in [(0, 0), (10, 4), (20, 2), (40, 2)] {
            metered.note(held, 4, second(at));
        }
        let usage = |seconds| Usage {
            cpu: Duration::from_secs(seconds),
            memory_bytes: None,
        };
        let (first, cpu) = metered.take(usage(7)).expect("40 seconds were metered");
        assert_eq!(
            (first.seconds, first.held_seconds, first.full_seconds),
            (40.0, 80.0, 10.0)
        );
        assert_eq!(cpu, None, "since when is not known");
        metered.note(2, 4, second(50));
        let (next, cpu) = metered.take(usage(9)).expect("10 seconds were metered");
        assert_eq!(
            (next.seconds, next.held_seconds, next.full_seconds, cpu),
            (10.0, 20.0, 0.0, Some(2.0))
        );
    }
}
