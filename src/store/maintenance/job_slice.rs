//! Portions of a repair: slices of the jobs in the order of the ids, and batches of rows. A
//! transaction over all jobs would grow with their number.

use uuid::Uuid;

/// Jobs whose ids are greater than `after` and at most `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobSlice {
    pub(super) after: Uuid,
    pub(super) end: Uuid,
}

/// Most rows of one repair; the next pass takes the rest.
pub(super) const BATCH: i64 = 1_000;

pub(super) fn is_batch(repaired: usize) -> bool {
    usize::try_from(BATCH).is_ok_and(|batch| repaired >= batch)
}
