//! Outcomes of a job's executions over time.

use crate::api::date_time::DateTime;
use crate::api::errors;
use crate::api::lists::size;
use crate::model::execution::{ExecutionStatus, Reason};
use crate::store::queries::outcomes::{OutcomeCell, RecentOutcomes};
use async_graphql::{ID, Object, Result};

/// Outcomes of a job's executions, in cells of equal length.
#[Object(name = "RecentOutcomes")]
impl RecentOutcomes {
    /// Start of the first cell.
    async fn from(&self) -> DateTime {
        DateTime(self.from)
    }
    /// End of the last cell, which is not complete.
    async fn to(&self) -> DateTime {
        DateTime(self.to)
    }
    /// Start of the period in which all failures are counted: `from`, or later when more than 5,000
    /// executions of the cluster ended badly since.
    async fn failures_from(&self) -> DateTime {
        DateTime(self.failures_from)
    }
    /// Cells with an execution, oldest first.
    async fn cells(&self) -> &[OutcomeCell] {
        &self.cells
    }
}

/// The executions of a job in a cell, by fire time. One of several is shown: the newest that failed
/// or was lost, else the newest.
#[Object(name = "OutcomeCell")]
impl OutcomeCell {
    /// Place on the axis, from 0; -1 for an execution from before the axis that runs into it.
    async fn cell(&self) -> i32 {
        self.cell
    }
    /// Id of the execution that is shown.
    async fn execution_id(&self) -> ID {
        self.id.into()
    }
    /// Where the execution stands.
    async fn status(&self) -> ExecutionStatus {
        self.status
    }
    /// Why the execution ended as it did.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn reason(&self) -> Result<Option<Reason>> {
        self.reason.as_deref().map(errors::named).transpose()
    }
    /// Start of the last attempt; the fire time when no attempt started.
    async fn at(&self) -> DateTime {
        DateTime(self.at)
    }
    /// From the start of the last attempt to the settlement.
    async fn duration_millis(&self) -> Option<i32> {
        // Without a start, `at` is the fire time, and the difference would be no duration.
        let finished_at = self.finished_at.filter(|_| self.has_started)?;
        Some(size((finished_at - self.at).num_milliseconds().max(0)))
    }
    /// Whether the cell has further executions.
    async fn several(&self) -> bool {
        self.several
    }
    /// Executions of the cell that failed or were lost.
    async fn failures(&self) -> i32 {
        self.failures
    }
}
