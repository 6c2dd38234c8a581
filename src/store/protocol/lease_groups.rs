//! Lease groups: which lease lists which execution of a poll.
//!
//! Assigned once, before anything is written, for the rows and for the attempts alike. The node
//! holds the executions by the heartbeat; a lease only lists executions, and never expires.

use super::job_cache::Jobs;
use super::plan::PlannedExecution;
use std::collections::HashMap;
use uuid::Uuid;

/// The leases of the executions of a poll.
pub struct LeaseGroups {
    common: Uuid,
    /// The separate leases, by execution.
    single: HashMap<Uuid, Uuid>,
}

impl LeaseGroups {
    /// A lease for each execution of a serialized job, and a common lease for all others.
    pub fn of(executions: &[PlannedExecution], jobs: &Jobs) -> Self {
        let mut single = HashMap::new();
        for PlannedExecution { trigger, execution } in executions {
            let is_serialized = jobs
                .get(&trigger.job_id)
                .is_some_and(|job| job.definition.policies.is_serialized());
            if is_serialized {
                // The overlap rule finds the executions of a serialized job by `job_lease.job_id`,
                // so such a lease names a single job and a single execution.
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

    /// Whether an execution has a separate lease, which names the job.
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
