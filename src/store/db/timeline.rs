//! The newest timeline of the database seen by the process.
//!
//! A promoted standby writes under a higher timeline (PostgreSQL documentation, "Continuous
//! Archiving", Timelines). The replaced primary may come back and accept writes, which are lost. A
//! connection to a lower timeline than the highest seen is therefore refused, and older connections
//! are closed. A server with a hidden timeline (some managed services) is never refused.

use super::refusal::Refusal;
use parking_lot::{Mutex, MutexGuard};
use std::time::Instant;

/// Where a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Made at initdb; a physical copy keeps the number.
    pub(super) system: i64,
    /// Grows by each promotion.
    pub(super) timeline: i32,
}

/// The newest history seen; shared by all connections of a process.
#[derive(Debug, Default)]
pub(super) struct NewestTimeline(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The newest timeline, and the instant of the first sight.
    newest: Option<(Place, Instant)>,
    /// The last refused server: logged once, and not at each try.
    refused: Option<Place>,
}

impl NewestTimeline {
    /// Lets a new connection through, or gives the reason of a refusal.
    pub(super) fn admit(&self, place: Place) -> Result<(), Refusal> {
        let Err((newest, is_news)) = self.learn(place) else {
            return Ok(());
        };
        if is_news {
            tracing::warn!(
                timeline = place.timeline,
                newest,
                "refused an old primary: another server has been promoted since; what this one \
                 accepts would be lost"
            );
        }
        Err(Refusal::ForNow(format!(
            "an old primary, on timeline {}: timeline {newest} has been seen elsewhere",
            place.timeline
        )))
    }

    /// Whether a connection made at the time may lead to a server replaced since.
    pub(crate) fn outdates(&self, connected_at: Instant) -> bool {
        self.newest().is_some_and(|(_, seen)| connected_at < seen)
    }

    /// Remembers a newer place. For an older place, returns the newest timeline, and whether the
    /// refusal is news.
    fn learn(&self, place: Place) -> Result<(), (i32, bool)> {
        let mut seen = self.seen();
        match seen.newest {
            Some((known, _)) if known == place => Ok(()),
            Some((known, _)) if known.system == place.system && known.timeline > place.timeline => {
                let is_news = seen.refused.replace(place) != Some(place);
                Err((known.timeline, is_news))
            }
            known => {
                if let Some((known, _)) = known {
                    tracing::warn!(
                        from = known.timeline,
                        to = place.timeline,
                        same_system = known.system == place.system,
                        "the database has failed over: connections to the server of before are \
                         given up"
                    );
                }
                // Another system counts as newer: a restored or new cluster counts timelines from 1
                // again.
                *seen = Seen {
                    newest: Some((place, Instant::now())),
                    refused: None,
                };
                Ok(())
            }
        }
    }

    fn newest(&self) -> Option<(Place, Instant)> {
        self.seen().newest
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_timeline_is_refused_and_a_higher_one_outdates_the_connections_before() {
        let newest = NewestTimeline::default();
        let place = |timeline| Place {
            system: 7,
            timeline,
        };
        assert_eq!(newest.learn(place(1)), Ok(()));
        let connected = Instant::now();
        assert_eq!(newest.learn(place(1)), Ok(()));
        assert!(
            !newest.outdates(connected),
            "a second connection to the same server is no news"
        );

        assert_eq!(newest.learn(place(2)), Ok(()));

        assert!(newest.outdates(connected));
        assert!(!newest.outdates(Instant::now()));
        assert_eq!(newest.learn(place(1)), Err((2, true)));
        assert_eq!(
            newest.learn(place(1)),
            Err((2, false)),
            "said once, not at each try"
        );
        assert_eq!(
            newest.learn(Place {
                system: 8,
                timeline: 1
            }),
            Ok(()),
            "another system: nothing to compare"
        );
    }
}
