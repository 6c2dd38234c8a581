//! Where a look at the due triggers begins.
//!
//! A trigger that moves on leaves an entry in the index at its old due time. While somebody
//! holds an old snapshot open (a report, a backup) nobody may remove it, and a look from the
//! very beginning walks past all that ever were. So a look begins where those before it have left
//! off, and only for a share of the time at the very beginning. That one finds what came to be due in
//! the past, or what another node had locked and did not take.
//!
//! Two looks of a node are under way at once, each past what the other holds. So a look
//! says where it has left off, and that counts for all that are under way.

use crate::model::Timestamp;
use chrono::{DateTime, TimeDelta};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A look begins at least so long before now. What waits for a commit, or was locked by a node
/// that died, comes later than it was due by no more than this.
const RECENT: TimeDelta = TimeDelta::seconds(5);
/// Looks from the very beginning take at most one part in so many of the time.
const WHOLE_SHARE: u32 = 10;
/// One that would come within this time anyway may come at once: those before it were cheap.
const HASTENED: Duration = Duration::from_secs(1);

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
    /// Nothing that is due before it is left to this node.
    oldest: Option<Timestamp>,
    /// When to look from the very beginning again.
    whole_at: Option<Instant>,
    /// The looks that are under way, by number, with the oldest that others have left since they began.
    under_way: Vec<(u64, Option<Timestamp>)>,
    looks: u64,
}

/// A look that is under way. It ends well, or it fails.
#[derive(Debug)]
pub struct Look {
    /// From where it looks.
    pub from: LookFrom,
    begun: Instant,
    number: u64,
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

impl Look {
    /// A look from the very beginning that nobody else needs to know of.
    pub fn whole() -> Self {
        Self { from: LookFrom::Whole, begun: Instant::now(), number: 0 }
    }
}

impl Beginning {
    /// The next look. Of those that are under way at most one is from the very beginning, unless
    /// it takes longer than `longest`.
    pub fn look(&self, longest: Duration) -> Look {
        let (mut state, begun) = (self.state(), Instant::now());
        let from = if state.whole_at.is_none_or(|whole_at| whole_at <= begun) {
            state.whole_at = Some(begun + longest);
            LookFrom::Whole
        } else {
            state.oldest.map_or(LookFrom::Recent, LookFrom::Since)
        };
        state.looks += 1;
        let number = state.looks;
        state.under_way.push((number, None));
        Look { from, begun, number }
    }

    /// There is something to find before the place where looks begin: the next one begins at the very beginning, unless
    /// such looks have become dear. Then it is found within their share of the time.
    pub fn hasten(&self) {
        let (mut state, soon) = (self.state(), Instant::now() + HASTENED);
        if state.whole_at.is_some_and(|whole_at| whole_at <= soon) {
            state.whole_at = None;
        }
    }

    /// A look has ended at that time by the database's clock. What it did not look at, or has moved, is due at `left` or later.
    pub fn ended(&self, look: &Look, left: Option<Timestamp>, now: Timestamp) {
        let mut state = self.state();
        let recent = now - RECENT;
        let left = left.map_or(recent, |left| left.min(recent));
        let passed = state.end(look, left).map_or(left, |others| others.min(left));
        state.oldest = match (look.from, state.oldest) {
            // Somebody has been told to begin before it meanwhile.
            (LookFrom::Since(from), Some(oldest)) if oldest < from => Some(oldest.min(passed)),
            _ => Some(passed),
        };
        state.rest(look);
    }

    /// A look came to nothing: what it found is still there. One from the very beginning that took
    /// too long would take too long again.
    pub fn failed(&self, look: &Look, took_too_long: bool) {
        let mut state = self.state();
        match look.from {
            LookFrom::Since(from) => {
                state.end(look, from);
                state.oldest = state.oldest.map(|oldest| oldest.min(from));
            }
            LookFrom::Whole if !took_too_long => {
                state.forget(look);
                state.whole_at = None;
            }
            LookFrom::Whole | LookFrom::Recent => {
                state.forget(look);
                state.rest(look);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells those that are under way what a look has left; what others have left since it began.
    fn end(&mut self, look: &Look, left: Timestamp) -> Option<Timestamp> {
        let others = self.forget(look);
        for (_, others) in &mut self.under_way {
            *others = Some(others.map_or(left, |others| others.min(left)));
        }
        others
    }

    fn forget(&mut self, look: &Look) -> Option<Timestamp> {
        let place = self.under_way.iter().position(|(number, _)| *number == look.number)?;
        self.under_way.swap_remove(place).1
    }

    fn rest(&mut self, look: &Look) {
        if look.from == LookFrom::Whole {
            self.whole_at = Some(Instant::now() + look.begun.elapsed() * WHOLE_SHARE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    fn at(seconds: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
    }

    fn look(beginning: &Beginning) -> Look {
        beginning.look(LONGEST)
    }

    /// After a look from the very beginning at 100 s that left off there; there is no other for a while.
    fn after(left: Option<i64>) -> Beginning {
        let beginning = Beginning::default();
        let whole = look(&beginning);
        assert_eq!(whole.from, LookFrom::Whole, "the first is always whole");
        beginning.ended(&whole, left.map(at), at(100));
        beginning.state().whole_at = Some(Instant::now() + Duration::from_mins(10));
        beginning
    }

    fn next(beginning: &Beginning) -> LookFrom {
        let look = look(beginning);
        beginning.state().forget(&look);
        look.from
    }

    #[test]
    fn a_look_begins_where_the_last_one_left_off() {
        let beginning = after(Some(40));
        let second = look(&beginning);
        assert_eq!(second.from, LookFrom::Since(at(40)));
        beginning.ended(&second, Some(at(41)), at(100));
        assert_eq!(next(&beginning), LookFrom::Since(at(41)));
    }

    #[test]
    fn and_always_five_seconds_back_at_least() {
        for left in [None, Some(99), Some(200)] {
            assert_eq!(next(&after(left)), LookFrom::Since(at(95)), "{left:?}");
        }
    }

    #[test]
    fn what_one_has_moved_a_little_is_not_behind_the_other() {
        let beginning = after(Some(40));
        let (one, other) = (look(&beginning), look(&beginning));
        beginning.ended(&one, Some(at(42)), at(100));
        assert_eq!(next(&beginning), LookFrom::Since(at(42)));
        beginning.ended(&other, Some(at(50)), at(100));
        assert_eq!(next(&beginning), LookFrom::Since(at(42)), "it passed what the first held, and moved to 42 s");

        let (one, other) = (look(&beginning), look(&beginning));
        beginning.ended(&one, Some(at(60)), at(100));
        beginning.ended(&other, Some(at(43)), at(100));
        assert_eq!(next(&beginning), LookFrom::Since(at(43)));
        let alone = look(&beginning);
        beginning.ended(&alone, Some(at(61)), at(100));
        assert_eq!(next(&beginning), LookFrom::Since(at(61)), "nobody else was under way");
    }

    #[test]
    fn what_a_look_that_failed_had_found_is_found_again() {
        let beginning = after(Some(40));
        let (slow, fast) = (look(&beginning), look(&beginning));
        beginning.ended(&fast, Some(at(60)), at(100));
        let third = look(&beginning);
        assert_eq!(third.from, LookFrom::Since(at(60)), "past what the slow one holds");
        beginning.failed(&slow, true);
        assert_eq!(next(&beginning), LookFrom::Since(at(40)));
        beginning.ended(&third, Some(at(70)), at(100));
        assert_eq!(next(&beginning), LookFrom::Since(at(40)), "the third began too late to have seen it");
    }

    #[test]
    fn a_tenth_of_the_time_goes_to_looks_from_the_very_beginning() {
        let beginning = Beginning::default();
        let mut whole = look(&beginning);
        assert_eq!(whole.from, LookFrom::Whole);
        assert_eq!(next(&beginning), LookFrom::Recent, "one at a time, and nobody knows the oldest yet");
        whole.begun = whole.begun.checked_sub(Duration::from_secs(1)).unwrap();
        beginning.ended(&whole, None, at(100));
        let rests = beginning.state().whole_at.unwrap() - Instant::now();
        assert!((9..=11).contains(&rests.as_secs()), "{rests:?}");
        assert!(matches!(next(&beginning), LookFrom::Since(_)));
        beginning.state().whole_at = Some(Instant::now());
        assert_eq!(next(&beginning), LookFrom::Whole);
    }

    #[test]
    fn a_cheap_look_from_the_very_beginning_comes_at_once_when_there_is_something_to_find() {
        for (rests, expected) in [(500, LookFrom::Whole), (10_000, LookFrom::Since(at(40)))] {
            let beginning = after(Some(40));
            beginning.state().whole_at = Some(Instant::now() + Duration::from_millis(rests));
            beginning.hasten();
            assert_eq!(next(&beginning), expected, "{rests} ms");
        }
    }

    #[test]
    fn one_that_takes_too_long_is_not_repeated_at_once_and_one_that_met_no_database_is() {
        let beginning = Beginning::default();
        let mut whole = look(&beginning);
        whole.begun = whole.begun.checked_sub(LONGEST).unwrap();
        beginning.failed(&whole, true);
        assert_eq!(next(&beginning), LookFrom::Recent);

        beginning.failed(&whole, false);
        assert_eq!(next(&beginning), LookFrom::Whole);
    }
}
