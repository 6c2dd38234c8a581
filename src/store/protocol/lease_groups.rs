//! Lease groups: which lease lists which execution of a poll.
//!
//! Assigned once, before anything is written, for the rows and for the attempts alike. The node
//! holds its executions by its heartbeat; a lease only lists them, and never expires.

use super::job_cache::Jobs;
use super::plan::PlannedExecution;
use std::collections::HashMap;
use uuid::Uuid;

/// The leases of the executions that a poll puts in flight.
pub struct LeaseGroups {
    common: Uuid,
    /// Lease of each execution that has one of its own.
    single: HashMap<Uuid, Uuid>,
}

impl LeaseGroups {
    /// One lease for each execution of a serialized job, and a common one for all others.
    pub fn of(executions: &[PlannedExecution], jobs: &Jobs) -> Self {
        let mut single = HashMap::new();
        for PlannedExecution { trigger, execution } in executions {
            let is_serialized = jobs
                .get(&trigger.job_id)
                .is_some_and(|job| job.definition.policies.is_serialized());
            if is_serialized {
                single.insert(execution.execution_id, Uuid::new_v4());
            }
        }
        Self {
            common: Uuid::new_v4(),
            single,
        }
    }

    /// The lease of all executions that may overlap.
    pub fn common(&self) -> Uuid {
        self.common
    }

    /// Whether an execution has a lease of its own, which names its job.
    pub fn names_job_of(&self, execution_id: Uuid) -> bool {
        self.single.contains_key(&execution_id)
    }

    /// The lease that lists an execution.
    pub fn of_execution(&self, execution_id: Uuid) -> Uuid {
        self.single
            .get(&execution_id)
            .copied()
            .unwrap_or(self.common)
    }
}
