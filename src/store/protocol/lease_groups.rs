//! Which lease lists which execution of a poll: said once, before anything is written, for the rows
//! and for the attempts alike. The node holds by its heartbeat alone; a lease only lists, and never
//! runs out.

use super::acquire::Jobs;
use crate::model::trigger::{NewExecution, Trigger};
use std::collections::HashMap;
use uuid::Uuid;

/// The leases of what a poll puts in flight.
pub struct LeaseGroups {
    common: Uuid,
    single: HashMap<Uuid, Uuid>,
}

impl LeaseGroups {
    /// A lease of its own for each run of a job that has an overlap policy, one for all others.
    pub fn of(executions: &[(Trigger, NewExecution)], jobs: &Jobs) -> Self {
        let is_serialized = |job_id| {
            jobs.get(job_id)
                .is_some_and(|job| job.definition.policies.is_serialized())
        };
        let single = executions
            .iter()
            .filter(|(trigger, _)| is_serialized(&trigger.job_id));
        let single = single
            .map(|(_, execution)| (execution.execution_id, Uuid::new_v4()))
            .collect();
        Self {
            common: Uuid::new_v4(),
            single,
        }
    }

    /// The lease of what may run beside its like.
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
