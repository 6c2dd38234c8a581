//! Where a scan of the due triggers starts.
//!
//! An update of a trigger leaves an entry in the index at the old due time. While an old snapshot
//! is open (a report, a backup) vacuum cannot remove the entries, and a scan from the very
//! beginning walks past all entries. So a scan starts at the low watermark of the earlier scans.
//! Full scans start at the very beginning, for a tenth of the time. Full scans find triggers with a
//! due time set in the past, and triggers locked but not taken by another node.
//!
//! Two scans of a node may be under way at once; each skips the rows locked by the other. So a low
//! watermark reported by a scan counts for all scans under way.

use crate::model::Timestamp;
use chrono::{DateTime, TimeDelta};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A scan starts at least this long before now. A trigger not committed yet, or locked by a dying
/// node, appears at most this long after the due time.
const RECENT: TimeDelta = TimeDelta::seconds(5);
/// Full scans take at most a tenth of the time.
const FULL_SCAN_SHARE: u32 = 10;
/// A requested full scan starts at once if scheduled within the time: full scans are cheap then.
const PROMPT_WITHIN: Duration = Duration::from_secs(1);

/// Where a scan starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanStart {
    /// The scan begins at the earliest due time.
    Full,
    /// The scan begins at the due time.
    From(Timestamp),
    /// Five seconds ago. There is no low watermark yet: no full scan has completed.
    Recent,
}

/// The shared position of the scans of a node. Clones share the position, too.
#[derive(Clone, Default)]
pub struct ScanCursor(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The low watermark: the scans have left nothing due before.
    position: Option<Timestamp>,
    /// When the next full scan may start.
    full_scan_at: Option<Instant>,
    under_way: Vec<ScanUnderWay>,
    /// The number of the last scan.
    scans: u64,
}

/// The cursor's record of a scan.
struct ScanUnderWay {
    number: u64,
    /// The lowest watermark of other scans since the start of the scan.
    reported: Option<Timestamp>,
}

/// A scan: completed or aborted at the end.
#[derive(Debug)]
pub struct Scan {
    pub start: ScanStart,
    started_at: Instant,
    number: u64,
}

/// Why a scan was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The scan took longer than a call may take.
    TimedOut,
    /// Another error ended the scan.
    Other,
}

impl ScanStart {
    /// The parameter of a statement: null is recent. Nothing was ever due before 1970.
    pub fn due_time(self) -> Option<Timestamp> {
        match self {
            Self::Full => Some(DateTime::UNIX_EPOCH),
            Self::From(due_time) => Some(due_time),
            Self::Recent => None,
        }
    }
}

impl Scan {
    /// A full scan outside of the cursor, which neither reads nor moves the position.
    pub fn full() -> Self {
        Self {
            start: ScanStart::Full,
            started_at: Instant::now(),
            number: 0,
        }
    }
}

impl ScanCursor {
    /// Starts the next scan. At most one scan under way is a full scan, unless a full scan takes
    /// longer than `longest`.
    pub fn start(&self, longest: Duration) -> Scan {
        let mut state = self.state();
        let started_at = Instant::now();
        let may_be_full = state
            .full_scan_at
            .is_none_or(|full_scan_at| full_scan_at <= started_at);
        let start = if may_be_full {
            // No other full scan during the new full scan.
            state.full_scan_at = Some(started_at + longest);
            ScanStart::Full
        } else {
            state.position.map_or(ScanStart::Recent, ScanStart::From)
        };
        // A number, not the start: two scans may start at the same due time.
        state.scans += 1;
        let number = state.scans;
        state.under_way.push(ScanUnderWay {
            number,
            reported: None,
        });
        Scan {
            start,
            started_at,
            number,
        }
    }

    /// Something is due before the position. The next scan is a full scan. If full scans take long,
    /// the next full scan comes within their share of the time.
    pub fn request_full_scan(&self) {
        let mut state = self.state();
        let soon = Instant::now() + PROMPT_WITHIN;
        if state
            .full_scan_at
            .is_some_and(|full_scan_at| full_scan_at <= soon)
        {
            state.full_scan_at = None;
        }
    }

    /// A scan is complete at `now` by the database's clock. The triggers not read, or moved by the
    /// scan, are due at `low_watermark` or later.
    pub fn complete(&self, scan: &Scan, low_watermark: Option<Timestamp>, now: Timestamp) {
        let mut state = self.state();
        // A watermark at the very present would pass triggers committed late, see `RECENT`.
        let recent = now - RECENT;
        let low_watermark = low_watermark.map_or(recent, |low_watermark| low_watermark.min(recent));
        let passed = state
            .finish(scan, low_watermark)
            .map_or(low_watermark, |others| others.min(low_watermark));
        state.position = match (scan.start, state.position) {
            // Another scan was aborted in between, and moved the position back.
            (ScanStart::From(from), Some(position)) if position < from => {
                Some(position.min(passed))
            }
            _ => Some(passed),
        };
        state.schedule_full_scan(scan);
    }

    /// A scan has failed: the triggers found by the scan are still due.
    pub fn abort(&self, scan: &Scan, failure: Failure) {
        let mut state = self.state();
        match (scan.start, failure) {
            (ScanStart::From(from), _) => {
                state.finish(scan, from);
                // A parallel scan may have moved the position past the triggers of the failed scan.
                state.position = state.position.map(|position| position.min(from));
            }
            (ScanStart::Full, Failure::Other) => {
                state.remove(scan);
                // The full scan is still owed: the next scan is a full scan.
                state.full_scan_at = None;
            }
            // Another full scan at once would time out again.
            (ScanStart::Full, Failure::TimedOut) | (ScanStart::Recent, _) => {
                state.remove(scan);
                state.schedule_full_scan(scan);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl State {
    /// Reports the low watermark of a scan to the scans under way. Returns the lowest watermark of
    /// other scans since the start of the scan.
    fn finish(&mut self, scan: &Scan, low_watermark: Timestamp) -> Option<Timestamp> {
        let others = self.remove(scan);
        for scan in &mut self.under_way {
            let lowest = scan
                .reported
                .map_or(low_watermark, |reported| reported.min(low_watermark));
            scan.reported = Some(lowest);
        }
        others
    }

    fn remove(&mut self, scan: &Scan) -> Option<Timestamp> {
        let place = self
            .under_way
            .iter()
            .position(|under_way| under_way.number == scan.number)?;
        // A scan outside of the cursor has no entry: `position` returned before.
        self.under_way.swap_remove(place).reported
    }

    fn schedule_full_scan(&mut self, scan: &Scan) {
        if scan.start == ScanStart::Full {
            self.full_scan_at = Some(Instant::now() + scan.started_at.elapsed() * FULL_SCAN_SHARE);
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

    fn start(cursor: &ScanCursor) -> Scan {
        cursor.start(LONGEST)
    }

    /// After a full scan that completed at 100 s; there is no other for a while.
    fn after(low_watermark: Option<i64>) -> ScanCursor {
        let cursor = ScanCursor::default();
        let full = start(&cursor);
        assert_eq!(
            full.start,
            ScanStart::Full,
            "the first is always a full scan"
        );
        cursor.complete(&full, low_watermark.map(at), at(100));
        cursor.state().full_scan_at = Some(Instant::now() + Duration::from_mins(10));
        cursor
    }

    fn next(cursor: &ScanCursor) -> ScanStart {
        let scan = start(cursor);
        cursor.state().remove(&scan);
        scan.start
    }

    #[test]
    fn a_scan_starts_where_the_last_one_ended() {
        let cursor = after(Some(40));
        let second = start(&cursor);
        assert_eq!(second.start, ScanStart::From(at(40)));
        cursor.complete(&second, Some(at(41)), at(100));
        assert_eq!(next(&cursor), ScanStart::From(at(41)));
    }

    #[test]
    fn a_scan_starts_at_least_five_seconds_back() {
        for low_watermark in [None, Some(99), Some(200)] {
            assert_eq!(
                next(&after(low_watermark)),
                ScanStart::From(at(95)),
                "{low_watermark:?}"
            );
        }
    }

    #[test]
    fn the_cursor_never_passes_a_trigger_that_another_scan_moved() {
        let cursor = after(Some(40));
        let (one, other) = (start(&cursor), start(&cursor));
        cursor.complete(&one, Some(at(42)), at(100));
        assert_eq!(next(&cursor), ScanStart::From(at(42)));
        cursor.complete(&other, Some(at(50)), at(100));
        assert_eq!(
            next(&cursor),
            ScanStart::From(at(42)),
            "it passed what the first had locked, and moved to 42 s"
        );

        let (one, other) = (start(&cursor), start(&cursor));
        cursor.complete(&one, Some(at(60)), at(100));
        cursor.complete(&other, Some(at(43)), at(100));
        assert_eq!(next(&cursor), ScanStart::From(at(43)));
        let alone = start(&cursor);
        cursor.complete(&alone, Some(at(61)), at(100));
        assert_eq!(
            next(&cursor),
            ScanStart::From(at(61)),
            "no other scan was under way"
        );
    }

    #[test]
    fn an_aborted_scan_moves_the_cursor_back_to_its_start() {
        let cursor = after(Some(40));
        let (slow, fast) = (start(&cursor), start(&cursor));
        cursor.complete(&fast, Some(at(60)), at(100));
        let third = start(&cursor);
        assert_eq!(
            third.start,
            ScanStart::From(at(60)),
            "past what the slow one has locked"
        );
        cursor.abort(&slow, Failure::TimedOut);
        assert_eq!(next(&cursor), ScanStart::From(at(40)));
        cursor.complete(&third, Some(at(70)), at(100));
        assert_eq!(
            next(&cursor),
            ScanStart::From(at(40)),
            "the third started too late to have seen it"
        );
    }

    #[test]
    fn a_tenth_of_the_time_goes_to_full_scans() {
        let cursor = ScanCursor::default();
        let mut full = start(&cursor);
        assert_eq!(full.start, ScanStart::Full);
        assert_eq!(
            next(&cursor),
            ScanStart::Recent,
            "one at a time, and there is no low watermark yet"
        );
        full.started_at = full.started_at.checked_sub(Duration::from_secs(1)).unwrap();
        cursor.complete(&full, None, at(100));
        let rests = cursor.state().full_scan_at.unwrap() - Instant::now();
        assert!((9..=11).contains(&rests.as_secs()), "{rests:?}");
        assert!(matches!(next(&cursor), ScanStart::From(_)));
        cursor.state().full_scan_at = Some(Instant::now());
        assert_eq!(next(&cursor), ScanStart::Full);
    }

    #[test]
    fn a_requested_full_scan_starts_at_once_if_full_scans_are_cheap() {
        for (rests, expected) in [(500, ScanStart::Full), (10_000, ScanStart::From(at(40)))] {
            let cursor = after(Some(40));
            cursor.state().full_scan_at = Some(Instant::now() + Duration::from_millis(rests));
            cursor.request_full_scan();
            assert_eq!(next(&cursor), expected, "{rests} ms");
        }
    }

    #[test]
    fn an_aborted_full_scan_is_repeated_at_once_unless_it_timed_out() {
        let cursor = ScanCursor::default();
        let mut full = start(&cursor);
        full.started_at = full.started_at.checked_sub(LONGEST).unwrap();
        cursor.abort(&full, Failure::TimedOut);
        assert_eq!(next(&cursor), ScanStart::Recent);

        cursor.abort(&full, Failure::Other);
        assert_eq!(next(&cursor), ScanStart::Full);
    }
}
