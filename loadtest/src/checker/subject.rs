//! Subjects of violations, and broken rules.

use super::job_history::{Execution, JobHistory};
use crate::history::Row;
use crate::micros::Micros;
use uuid::Uuid;

/// The subject of a violation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) job: Uuid,
    pub(super) fire_time: Option<Micros>,
    pub(super) execution: Option<Uuid>,
}

impl Subject {
    /// The cluster, or one of its nodes.
    pub(super) const CLUSTER: Self = Self {
        job: Uuid::nil(),
        fire_time: None,
        execution: None,
    };

    pub(super) fn job(job: Uuid) -> Self {
        Self {
            job,
            ..Self::CLUSTER
        }
    }

    pub(super) fn fire_time(job: Uuid, at: Micros) -> Self {
        Self {
            fire_time: Some(at),
            ..Self::job(job)
        }
    }

    pub(super) fn execution(job: &JobHistory<'_>, execution: &Execution<'_>) -> Self {
        Self {
            job: job.id,
            fire_time: execution.fire_time(),
            execution: Some(execution.id),
        }
    }

    pub(super) fn row(row: &Row) -> Self {
        Self {
            job: row.job,
            fire_time: Some(row.fire_time),
            execution: Some(row.execution),
        }
    }
}

/// A broken rule, and the text with the reason. Its subject is known to the caller.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) rule: &'static str,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn new(rule: &'static str, text: impl Into<String>) -> Self {
        Self {
            rule,
            text: text.into(),
        }
    }
}
