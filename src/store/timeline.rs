//! Which history of the database this process works on.
//!
//! A standby that is promoted writes on under a higher timeline (PostgreSQL
//! documentation, "Continuous Archiving", Timelines). The primary that it
//! replaced may come back, still willing to write, and what it accepts is lost:
//! so a connection to a lower timeline than the highest one seen is refused, and
//! connections that are older than that sight are closed. It must never refuse a
//! server that cannot say on which timeline it is (some managed services).

use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tokio_postgres::{Client, Error};

/// The first eight digits of a WAL file's name are its timeline, which after a
/// promotion is known here before the control file tells it.
const ASK: &str = "-- timeline.ask
select (pg_control_system()).system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int";

/// Where a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Made at initdb; a physical copy keeps it.
    system: i64,
    timeline: i32,
}

/// The newest history seen, and when; shared by all connections of a process.
#[derive(Debug, Default)]
pub(super) struct NewestTimeline(Mutex<Option<(Place, Instant)>>);

impl NewestTimeline {
    /// Lets a new connection through, or says why it must not be used: the
    /// server's own error, because the pool knows no other.
    pub(super) async fn admit(&self, client: &Client) -> Result<(), Error> {
        let row = match client.query_one(ASK, &[]).await {
            Ok(row) => row,
            Err(error) if error.is_closed() => return Err(error),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the server does not tell its timeline");
                return Ok(());
            }
        };
        let (Ok(system), Ok(timeline)) = (row.try_get(0), row.try_get(1)) else { return Ok(()) }; // it does not tell
        let place = Place { system, timeline };
        let Err(newest) = self.learn(place) else { return Ok(()) };
        tracing::warn!(
            timeline = place.timeline,
            newest,
            "refused an old primary: another server has been promoted since; what this one accepts would be lost"
        );
        let refusal = format!(
            "do $$ begin raise 'an old primary, on timeline {}: timeline {newest} has been seen elsewhere' using errcode = '57P05'; end $$",
            place.timeline
        );
        client.batch_execute(&refusal).await
    }

    /// Whether a connection made at that time may go to a server that has been replaced since.
    pub(super) fn outdates(&self, connected_at: Instant) -> bool {
        self.newest().is_some_and(|(_, seen)| connected_at < seen)
    }

    /// Remembers the place when it is newer; the newest timeline when it is older.
    fn learn(&self, place: Place) -> Result<(), i32> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *newest {
            Some((known, _)) if known == place => Ok(()),
            Some((known, _)) if known.system == place.system && known.timeline > place.timeline => Err(known.timeline),
            known => {
                if let Some((known, _)) = known {
                    tracing::warn!(
                        from = known.timeline,
                        to = place.timeline,
                        same_system = known.system == place.system,
                        "the database has failed over: connections to the server of before are given up"
                    );
                }
                *newest = Some((place, Instant::now()));
                Ok(())
            }
        }
    }

    fn newest(&self) -> Option<(Place, Instant)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_timeline_is_refused_and_a_higher_one_outdates_the_connections_before() {
        let newest = NewestTimeline::default();
        let place = |timeline| Place { system: 7, timeline };
        assert_eq!(newest.learn(place(1)), Ok(()));
        let connected = Instant::now();
        assert_eq!(newest.learn(place(1)), Ok(()));
        assert!(!newest.outdates(connected), "a second connection to the same server is no news");

        assert_eq!(newest.learn(place(2)), Ok(()));

        assert!(newest.outdates(connected));
        assert!(!newest.outdates(Instant::now()));
        assert_eq!(newest.learn(place(1)), Err(2));
        assert_eq!(newest.learn(Place { system: 8, timeline: 1 }), Ok(()), "another system: nothing to compare");
    }
}
