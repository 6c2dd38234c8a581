//! Slices of the jobs, in the order of their ids: a transaction over all of them would grow with
//! their number.

use uuid::Uuid;

/// Jobs whose ids are greater than `after` and at most `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobSlice {
    pub(super) after: Uuid,
    pub(super) end: Uuid,
}
