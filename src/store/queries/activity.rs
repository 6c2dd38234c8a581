//! Activity: counted in memory by leases and settlements, written every ten seconds, outside of the
//! transactions. The only writer of `node_activity`. For charts: the last seconds of a dying node
//! are lost; the log is complete.

use super::load::Meter;
use crate::model::Timestamp;
use crate::model::activity::{Activity, BUCKETS};
use crate::model::execution::Settlement;
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use uuid::Uuid;

const WRITE: Statement = Statement::new(
    "-- activity.write
insert into node_activity as a (at, node_id, fires, succeeded, failed, skipped, lateness)
select to_timestamp(floor(extract(epoch from coalesce($1::timestamptz,
    clock_timestamp())) / 10) * 10), $2, $3, $4, $5, $6, $7
on conflict (at, node_id) do update set fires = a.fires + excluded.fires,
    succeeded = a.succeeded + excluded.succeeded,
    failed = a.failed + excluded.failed, skipped = a.skipped + excluded.skipped,
    lateness = array(select x + y
        from unnest(a.lateness, excluded.lateness) with ordinality as u (x, y, n) order by n)",
);

const PRUNE: Statement = Statement::new(
    "-- activity.prune
delete from node_activity
where at < coalesce($1::timestamptz, clock_timestamp()) - interval '25 hours'",
);

/// Summed over the nodes.
const READ: Statement = Statement::new(
    "-- activity.read
select at, fires, succeeded, failed, skipped, lateness from node_activity
where at >= coalesce($1::timestamptz, clock_timestamp()) - make_interval(mins => $2) order by at",
);

/// Counts of the node since the last write.
#[derive(Clone, Default)]
pub(crate) struct ActivityCounter {
    counts: Arc<Mutex<Counts>>,
    /// Load in the same time.
    pub(super) meter: Meter,
}

struct Counts {
    activity: Activity,
    since: Instant,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            activity: Activity::default(),
            since: Instant::now(),
        }
    }
}

impl ActivityCounter {
    pub(crate) fn leased(&self, attempts: usize, skipped: i64) {
        self.note(|activity| {
            activity.fires += i64::try_from(attempts).unwrap_or(0);
            activity.skipped += skipped;
        });
    }

    pub(crate) fn settled<'a>(&self, settlements: impl Iterator<Item = &'a Settlement>) {
        self.note(|activity| {
            for settlement in settlements {
                let (status, lateness) = (settlement.status(), settlement.lateness());
                activity.settled(status, lateness);
                self.meter.settled(status, lateness);
            }
        });
    }

    fn note(&self, note: impl FnOnce(&mut Activity)) {
        note(&mut self.counts.lock().activity);
    }

    /// The counts to write, when the interval is over.
    fn take(&self, every: Duration) -> Option<Activity> {
        let mut counts = self.counts.lock();
        if counts.since.elapsed() < every {
            return None;
        }
        let counts = std::mem::take(&mut *counts).activity;
        // An idle node writes no rows.
        (counts != Activity::default()).then_some(counts)
    }
}

impl Store {
    /// Writes the counts, if any, when the interval is over. After an error the counts are kept for
    /// the next write.
    pub async fn write_activity(&self, node_id: Uuid, every: Duration) -> Result<(), StoreError> {
        let Some(activity) = self.activity_counter.take(every) else {
            return Ok(());
        };
        let written = self.insert_activity(node_id, &activity).await;
        if written.is_err() {
            self.activity_counter.note(|counts| counts.add(&activity));
        }
        written
    }

    async fn insert_activity(&self, node_id: Uuid, activity: &Activity) -> Result<(), StoreError> {
        let int = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
        let lateness: Vec<i32> = activity.lateness.iter().map(|count| int(*count)).collect();
        let Activity {
            fires,
            succeeded,
            failed,
            skipped,
            ..
        } = activity;
        let (fires, succeeded, failed, skipped) =
            (int(*fires), int(*succeeded), int(*failed), int(*skipped));
        self.bounded("activity.write", async {
            let session = self.session().await?;
            let stub = self.clock().stub();
            WRITE
                .execute(
                    &session,
                    &[
                        &stub, &node_id, &fires, &succeeded, &failed, &skipped, &lateness,
                    ],
                )
                .await?;
            session.release();
            Ok(())
        })
        .await
    }

    /// Deletes rows older than a day.
    pub async fn prune_activity(&self) -> Result<(), StoreError> {
        self.bounded("activity.prune", async {
            let session = self.session().await?;
            PRUNE.execute(&session, &[&self.clock().stub()]).await?;
            session.release();
            Ok(())
        })
        .await
    }

    /// The counts of the last minutes, oldest first; several rows may have the same time.
    pub async fn activity(&self, minutes: i32) -> Result<Vec<(Timestamp, Activity)>, StoreError> {
        self.read_all(READ, &[&self.clock().stub(), &minutes], read)
            .await
    }
}

fn read(row: &Row) -> Result<(Timestamp, Activity), StoreError> {
    let row = Values::of("node_activity", row);
    let number = |column: &str| row.get::<i32>(column).map(i64::from);
    let mut lateness = [0; BUCKETS];
    for (bucket, count) in lateness.iter_mut().zip(row.get::<Vec<i32>>("lateness")?) {
        *bucket = count.into();
    }
    let (fires, succeeded) = (number("fires")?, number("succeeded")?);
    let (failed, skipped) = (number("failed")?, number("skipped")?);
    Ok((
        row.get("at")?,
        Activity {
            fires,
            succeeded,
            failed,
            skipped,
            lateness,
        },
    ))
}
