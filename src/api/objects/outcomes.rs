//! How executions ended, over time.

use crate::model::rfc3339;
use crate::store::outcomes::{OutcomeCell, RecentOutcomes};
use async_graphql::{ID, Object};

/// How the executions of a job ended, in stretches of time of equal length.
#[Object(name = "RecentOutcomes")]
impl RecentOutcomes {
    /// Start of the first cell.
    async fn from(&self) -> String {
        rfc3339(self.from)
    }
    /// End of the last cell, which still goes on.
    async fn to(&self) -> String {
        rfc3339(self.to)
    }
    /// Failures from then on are all counted: `from`, or later when more than 5,000
    /// executions of the cluster ended badly since.
    async fn failures_from(&self) -> String {
        rfc3339(self.failures_from)
    }
    /// Cells that have an execution, the oldest first.
    async fn cells(&self) -> &[OutcomeCell] {
        &self.cells
    }
}

/// What a job ran in a stretch of time, by fire time. Of several executions it shows
/// the newest that failed or was lost, else the newest.
#[Object(name = "OutcomeCell")]
impl OutcomeCell {
    /// Its place on the axis, from 0; -1 for what fired before the axis and runs
    /// into it.
    async fn cell(&self) -> i32 {
        self.cell
    }
    /// The execution that it shows.
    async fn execution_id(&self) -> ID {
        self.id.into()
    }
    /// RUNNING, RETRYING, SUCCESS, FAILED, CANCELLED, LOST or SKIPPED.
    async fn status(&self) -> &str {
        self.status.as_str()
    }
    /// Why the execution ended as it did.
    async fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
    /// Start of its last attempt; its fire time when none started.
    async fn at(&self) -> String {
        rfc3339(self.at)
    }
    /// From the start of the last attempt to the settlement.
    async fn duration_millis(&self) -> Option<i32> {
        let finished_at = self.finished_at.filter(|_| self.has_started)?;
        Some(i32::try_from((finished_at - self.at).num_milliseconds().max(0)).unwrap_or(i32::MAX))
    }
    /// Whether the cell has other executions too.
    async fn several(&self) -> bool {
        self.several
    }
    /// Executions of the cell that failed or were lost.
    async fn failures(&self) -> i32 {
        self.failures
    }
}
