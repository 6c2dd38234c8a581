//! Refused attempts: a bounded number of rows, and a count of the others.
//!
//! A client without rights may send thousands of requests a second. Each node writes a few rows at
//! once and then a row per second; the next row has the number of the refusals without a row.

use super::entry::Entry;
use crate::model::access::Caller;
use crate::store::author::Author;
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most rows written at once.
const AT_ONCE: u32 = 20;
/// Time until another row may be written.
const EVERY: Duration = Duration::from_secs(1);
/// The action of a row with only a count.
const COUNTED: &str = "refusals";

/// The refusals of a node, shared by the clones of the store.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Rows written since the last refill.
    written: u32,
    refilled: Option<Instant>,
    /// Refusals without a row so far.
    counted: u64,
}

impl State {
    /// Whether a row may be written now.
    fn take(&mut self, now: Instant) -> bool {
        let last = *self.refilled.get_or_insert(now);
        let earned = now.duration_since(last).as_secs() / EVERY.as_secs();
        if earned > 0 {
            self.refilled = Some(now);
            self.written = self
                .written
                .saturating_sub(u32::try_from(earned).unwrap_or(u32::MAX));
        }
        let is_free = self.written < AT_ONCE;
        self.written += u32::from(is_free);
        is_free
    }
}

impl Refusals {
    /// The number of earlier refusals for the row of a refusal; none when the refusal gets no row.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        if state.take(now) {
            return Some(std::mem::take(&mut state.counted));
        }
        state.counted += 1;
        None
    }

    /// The number of refusals without a row, if any, and if a row may be written.
    fn counted(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock();
        if state.counted == 0 || !state.take(now) {
            return None;
        }
        Some(std::mem::take(&mut state.counted))
    }

    fn give_back(&self, counted: u64) {
        self.0.lock().counted += counted;
    }
}

impl Store {
    /// Records the refusal of a caller, or only counts the refusal: see the module.
    pub async fn record_refusal(
        &self,
        caller: &Arc<Caller>,
        action: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let Some(unrecorded) = self.refusals.admit(Instant::now()) else {
            return Ok(());
        };
        let mut entry = Entry::refused(reason);
        if unrecorded > 0 {
            entry = entry.with("unrecorded", unrecorded);
        }
        let author = Author::command(caller.clone(), action);
        let written = self.by(author).record_alone(entry).await;
        // A count that could not be written goes into the next row.
        written.inspect_err(|_| self.refusals.give_back(unrecorded + 1))
    }

    /// Writes the number of the refusals without a row, after a flood.
    pub async fn record_counted_refusals(&self) -> Result<(), StoreError> {
        let Some(counted) = self.refusals.counted(Instant::now()) else {
            return Ok(());
        };
        let author = Author::command(self.caller().clone(), COUNTED);
        let entry = Entry::refused("too many to record each").with("unrecorded", counted);
        let written = self.by(author).record_alone(entry).await;
        written.inspect_err(|_| self.refusals.give_back(counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_a_few_rows_and_a_count() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let rows = (0..10_000).filter(|_| refusals.admit(now).is_some());
        assert_eq!(rows.count(), AT_ONCE as usize);
        assert_eq!(refusals.counted(now), None, "not yet");
        let later = now + EVERY;
        assert_eq!(refusals.admit(later), Some(10_000 - u64::from(AT_ONCE)));
        assert_eq!(refusals.admit(later), None);
        assert_eq!(refusals.counted(later + EVERY), Some(1));
        assert_eq!(refusals.counted(later + 10 * EVERY), None, "none is left");
    }
}
