//! Reruns: ended executions run again on request.
//!
//! A rerun is a separate execution, with the fire time of the repeated execution. A request with a
//! filter repeats each fire time once: an execution, the rerun and the rerun of the rerun form a
//! chain, and the last of the chain decides. A request with an id repeats the execution; earlier
//! reruns do not matter.

use super::execution::ExecutionStatus;
use uuid::Uuid;

/// The executions of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    ById,
    /// All executions of a filter.
    ByFilter,
}

/// The stored facts about an execution, for a rerun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Id of the execution.
    pub id: Uuid,
    /// Status of the execution.
    pub status: ExecutionStatus,
    /// Whether the row covers several fire times.
    pub is_range: bool,
    /// Whether the job was deleted.
    pub is_of_deleted: bool,
    /// The pending or running rerun, if any.
    pub under_way: Option<Uuid>,
    /// Whether a rerun has ended, and not as `SKIPPED`.
    pub is_repeated: bool,
}

/// The answer to a request for an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A rerun is created.
    Run,
    /// A rerun is pending or in flight: the execution.
    UnderWay(Uuid),
    /// A rerun has ended, and decides for the chain.
    Repeated,
    /// The job was deleted.
    OfDeleted,
    /// The row covers several fire times.
    Range,
    /// The execution has not ended.
    NotEnded,
}

impl Candidate {
    /// The answer for the facts. The first reason against a rerun wins.
    pub fn judge(&self, asked: Asked) -> Verdict {
        match self {
            Self {
                status: ExecutionStatus::Running | ExecutionStatus::Retrying,
                ..
            } => Verdict::NotEnded,
            Self {
                is_of_deleted: true,
                ..
            } => Verdict::OfDeleted,
            Self { is_range: true, .. } => Verdict::Range,
            Self {
                under_way: Some(rerun),
                ..
            } => Verdict::UnderWay(*rerun),
            Self {
                is_repeated: true, ..
            } if asked == Asked::ByFilter => Verdict::Repeated,
            _ => Verdict::Run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_runs_again_once_at_a_time_and_a_filter_asks_once_for_a_fire_time() {
        let rerun = Uuid::from_u128(9);
        let failed = Candidate {
            id: Uuid::from_u128(7),
            status: ExecutionStatus::Failed,
            is_range: false,
            is_of_deleted: false,
            under_way: None,
            is_repeated: false,
        };
        let with = |change: fn(&mut Candidate)| {
            let mut candidate = failed.clone();
            change(&mut candidate);
            candidate
        };
        let cases = [
            (failed.clone(), Verdict::Run, Verdict::Run),
            (
                with(|of| of.status = ExecutionStatus::Success),
                Verdict::Run,
                Verdict::Run,
            ),
            (
                with(|of| of.is_repeated = true),
                Verdict::Run,
                Verdict::Repeated,
            ),
            (
                with(|of| of.is_range = true),
                Verdict::Range,
                Verdict::Range,
            ),
            (
                with(|of| of.is_of_deleted = true),
                Verdict::OfDeleted,
                Verdict::OfDeleted,
            ),
            (
                with(|of| of.status = ExecutionStatus::Retrying),
                Verdict::NotEnded,
                Verdict::NotEnded,
            ),
            (
                Candidate {
                    under_way: Some(rerun),
                    is_repeated: true,
                    ..failed.clone()
                },
                Verdict::UnderWay(rerun),
                Verdict::UnderWay(rerun),
            ),
        ];
        for (candidate, by_id, by_filter) in cases {
            assert_eq!(candidate.judge(Asked::ById), by_id, "{candidate:?}");
            assert_eq!(candidate.judge(Asked::ByFilter), by_filter, "{candidate:?}");
        }
    }
}
