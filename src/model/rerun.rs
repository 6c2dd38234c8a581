//! Reruns: which ended executions run again when a person asks.
//!
//! A rerun is an execution of its own, with the fire time of the one that it repeats. What a filter
//! holds runs again once for a fire time: of an execution, its rerun, and the rerun of that one,
//! the last speaks for all. Who names one execution means that one, whatever became of its reruns.

use super::execution::ExecutionStatus;
use uuid::Uuid;

/// Which executions a person asked to run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// This one.
    ById,
    /// All that a filter holds.
    ByFilter,
}

/// An execution that may run again, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The execution.
    pub id: Uuid,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Whether its row stands for several fire times.
    pub is_range: bool,
    /// Whether its job is deleted.
    pub is_of_deleted: bool,
    /// Its rerun that is pending or in flight.
    pub under_way: Option<Uuid>,
    /// Whether a rerun of it has ended, and not as `SKIPPED`.
    pub is_repeated: bool,
}

/// What becomes of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It runs again.
    Run,
    /// It does already, as this execution.
    UnderWay(Uuid),
    /// It did already, and that execution stands for it.
    Repeated,
    /// Nothing of a deleted job runs.
    OfDeleted,
    /// No single fire time could be repeated.
    Range,
    /// It has not ended.
    NotEnded,
}

impl Candidate {
    /// Decides about it.
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
