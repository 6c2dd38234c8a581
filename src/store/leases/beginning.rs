//! Where a look at the due triggers begins.
//!
//! A trigger that moves on leaves an entry in the index at its old due time. While somebody
//! holds an old snapshot open (a report, a backup) nobody may remove it, and a look from the
//! very beginning walks past all that ever were: after a minute at full rate it takes ten
//! times as long. So a look begins where the last one found the oldest trigger, and only for a
//! share of the time at the very beginning. That one finds what came to be due in
//! the past, or what another node had locked and did not take.

use crate::model::Timestamp;
use crate::store::StoreError;
use chrono::{DateTime, TimeDelta};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A look begins at least so long before now. What waits for a commit, or was locked by a node
/// that died, comes later than it was due by no more than this.
const RECENT: TimeDelta = TimeDelta::seconds(5);
/// Looks from the very beginning take at most one part in so many of the time.
const WHOLE_SHARE: u32 = 10;

/// From where a look looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookFrom {
    /// The very beginning.
    Whole,
    /// What is due then or later.
    Since(Timestamp),
    /// What has been due for no more than five seconds: nobody has ever got through from the very beginning.
    Recent,
}

/// What the looks of a node remember of each other; clones share it.
#[derive(Clone, Default)]
pub struct Beginning(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    oldest: Option<Timestamp>,
    /// When to look from the very beginning again.
    whole_at: Option<Instant>,
}

impl LookFrom {
    /// As a statement takes it: null is recent. Nothing was ever due before 1970.
    pub fn due_time(self) -> Option<Timestamp> {
        match self {
            Self::Whole => Some(DateTime::UNIX_EPOCH),
            Self::Since(due_time) => Some(due_time),
            Self::Recent => None,
        }
    }
}

impl Beginning {
    /// From where to look now. Whoever is told the very beginning is the only one for a while.
    pub fn next(&self, now: Instant, longest: Duration) -> LookFrom {
        let mut state = self.state();
        if state.whole_at.is_none_or(|whole_at| whole_at <= now) {
            state.whole_at = Some(now + longest);
            return LookFrom::Whole;
        }
        state.oldest.map_or(LookFrom::Recent, LookFrom::Since)
    }

    /// A look has taken or left what it found, `oldest` before all others, by the database's clock.
    pub fn looked(&self, from: LookFrom, begun: Instant, (oldest, now): (Option<Timestamp>, Timestamp)) {
        let recent = now - RECENT;
        self.state().oldest = Some(oldest.map_or(recent, |oldest| oldest.min(recent)));
        self.took(from, begun);
    }

    /// A look came to nothing: what it found is still there. One from the very beginning that took
    /// too long would take too long again.
    pub fn failed(&self, from: LookFrom, begun: Instant, error: &StoreError) {
        match from {
            LookFrom::Since(due_time) => {
                let mut state = self.state();
                state.oldest = state.oldest.map(|oldest| oldest.min(due_time));
            }
            LookFrom::Whole if !matches!(error, StoreError::Timeout { .. }) => self.state().whole_at = None,
            LookFrom::Whole | LookFrom::Recent => self.took(from, begun),
        }
    }

    fn took(&self, from: LookFrom, begun: Instant) {
        if from == LookFrom::Whole {
            self.state().whole_at = Some(Instant::now() + begun.elapsed() * WHOLE_SHARE);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    fn at(seconds: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
    }

    fn too_long() -> StoreError {
        StoreError::Timeout { call: "a look", after: LONGEST }
    }

    /// A beginning after a look from the very beginning that took no time and met that, at 100 s.
    fn after(oldest: Option<i64>) -> (Beginning, Instant) {
        let (beginning, begun) = (Beginning::default(), Instant::now());
        assert_eq!(beginning.next(begun, LONGEST), LookFrom::Whole, "the first is always whole");
        beginning.looked(LookFrom::Whole, begun, (oldest.map(at), at(100)));
        // As if it had taken a second.
        beginning.state().whole_at = Some(begun + Duration::from_secs(10));
        (beginning, begun)
    }

    #[test]
    fn a_look_begins_at_the_oldest_that_the_last_one_met() {
        let (beginning, now) = after(Some(40));
        assert_eq!(beginning.next(now, LONGEST), LookFrom::Since(at(40)));
        beginning.looked(LookFrom::Since(at(40)), now, (Some(at(41)), at(100)));
        assert_eq!(beginning.next(now, LONGEST), LookFrom::Since(at(41)));
    }

    #[test]
    fn and_always_five_seconds_back_at_least() {
        for oldest in [None, Some(99), Some(200)] {
            let (beginning, now) = after(oldest);
            assert_eq!(beginning.next(now, LONGEST), LookFrom::Since(at(95)), "{oldest:?}");
        }
    }

    #[test]
    fn what_a_look_that_failed_had_found_is_found_again() {
        let (beginning, now) = after(Some(40));
        let slow = beginning.next(now, LONGEST);
        beginning.looked(slow, now, (Some(at(60)), at(100)));
        assert_eq!(
            beginning.next(now, LONGEST),
            LookFrom::Since(at(60)),
            "another look passed what the slow one holds"
        );
        beginning.failed(slow, now, &too_long());
        assert_eq!(beginning.next(now, LONGEST), LookFrom::Since(at(40)));
    }

    #[test]
    fn a_tenth_of_the_time_goes_to_looks_from_the_very_beginning() {
        let (beginning, begun) = (Beginning::default(), Instant::now().checked_sub(Duration::from_secs(1)).unwrap());
        assert_eq!(beginning.next(begun, LONGEST), LookFrom::Whole);
        assert_eq!(beginning.next(begun, LONGEST), LookFrom::Recent, "one at a time, and nobody knows the oldest yet");
        beginning.looked(LookFrom::Whole, begun, (None, at(100)));
        let now = Instant::now();
        assert!(matches!(beginning.next(now + Duration::from_secs(9), LONGEST), LookFrom::Since(_)));
        assert_eq!(beginning.next(now + Duration::from_secs(11), LONGEST), LookFrom::Whole);
    }

    #[test]
    fn one_that_takes_too_long_is_not_repeated_at_once_and_one_that_met_no_database_is() {
        let begun = Instant::now();
        let beginning = Beginning::default();
        beginning.next(begun.checked_sub(LONGEST).unwrap(), LONGEST);
        beginning.failed(LookFrom::Whole, begun.checked_sub(LONGEST).unwrap(), &too_long());
        assert_eq!(beginning.next(begun + Duration::from_secs(19), LONGEST), LookFrom::Recent);

        beginning.failed(LookFrom::Whole, begun, &StoreError::Unavailable("no route".into()));
        assert_eq!(beginning.next(begun, LONGEST), LookFrom::Whole);
    }
}
