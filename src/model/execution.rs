//! Executions: the attempts of a fire time, their outcomes, and the settlement of an attempt.
//!
//! The number of an attempt is its fencing token: the database accepts a settlement only from the
//! current attempt.

pub use super::occurrence::{
    Reason, execution_id, lowest_execution_id, one_off_execution_id, rerun_execution_id, span_id,
};

use super::job::Job;
use super::occurrence::TriggerKind;
use super::payload::Payload;
use super::policies::Policies;
use super::schedule::Schedule;
use super::trigger::NewExecution;
use super::{Timestamp, target::Target, text_enum};
use std::time::Duration;
use uuid::Uuid;

text_enum! {
    /// Status of an execution. Terminal states are final.
    #[derive(async_graphql::Enum)]
    ExecutionStatus, "execution status" {
        /// A node has leased an attempt.
        Running = "RUNNING",
        /// The next attempt waits as a trigger.
        Retrying = "RETRYING",
        /// The last attempt succeeded.
        Success = "SUCCESS",
        /// No attempt is left; the reason has the cause.
        Failed = "FAILED",
        /// A request or a later fire time stopped the execution.
        Cancelled = "CANCELLED",
        /// The node died, and the job has `MARK_LOST`.
        Lost = "LOST",
        /// The fire time did not run; the reason has the cause.
        Skipped = "SKIPPED",
    }
}

/// A leased attempt with everything for a handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Id of the occurrence, and idempotency key of the target.
    pub execution_id: Uuid,
    /// The number of the attempt, from 1: the fencing token.
    pub attempt: i32,
    /// The node of the attempt.
    pub node_id: Uuid,
    /// The lease of the node with the attempt.
    pub lease_id: Uuid,
    pub job_id: Uuid,
    /// Name of the job; display only.
    pub job_name: String,
    /// Namespace of the job, and of the secrets that the attempt may have.
    pub namespace: String,
    /// Origin of the trigger.
    pub kind: TriggerKind,
    /// The instant of the schedule.
    pub fire_time: Timestamp,
    /// Earliest start of the attempt, by the database's clock.
    pub due_time: Timestamp,
    pub target: Target,
    /// Payload of the job.
    pub payload: Option<Payload>,
    /// Policies of the job at the time of the lease.
    pub policies: Policies,
    /// Earlier attempts without success; lost attempts do not count.
    pub failures: i32,
    /// Whether the trigger of the job may await the end of the attempt. The trigger of a fixed
    /// delay awaits the end from the lease of the fire time, or from the buffering. Before a later
    /// attempt the job may have got another schedule, and a fixed delay again.
    pub may_unblock_fixed_delay: bool,
}

/// The node of an attempt, and the lease with the attempt.
#[derive(Debug, Clone, Copy)]
pub struct Holder {
    /// Id of the node.
    pub node_id: Uuid,
    /// Id of the lease.
    pub lease_id: Uuid,
}

impl Attempt {
    /// The attempt number `attempt` of an execution.
    pub fn new(
        job: &Job,
        kind: TriggerKind,
        execution: &NewExecution,
        holder: Holder,
        attempt: i32,
        failures: i32,
    ) -> Self {
        Self {
            execution_id: execution.execution_id,
            attempt,
            node_id: holder.node_id,
            lease_id: holder.lease_id,
            job_id: job.id,
            job_name: job.definition.name.clone(),
            namespace: job.namespace.clone(),
            kind: kind.in_log(),
            fire_time: execution.fire_time,
            due_time: execution.due_time,
            target: job.definition.target.clone(),
            payload: job.definition.payload.clone(),
            policies: job.definition.policies.clone(),
            failures,
            may_unblock_fixed_delay: matches!(job.definition.schedule, Schedule::FixedDelay { .. })
                || matches!(
                    kind,
                    TriggerKind::Retry | TriggerKind::Recovery | TriggerKind::Buffered
                ),
        }
    }

    /// The settlement of the attempt. `random`, uniform in 0..1, selects the delay of a retry.
    pub fn settlement(&self, started_at: Timestamp, outcome: Outcome, random: f64) -> Settlement {
        let retry_in = match &outcome {
            Outcome::Failed { retry_after, .. } => {
                self.policies
                    .retry
                    // Lost attempts do not count: the target did nothing wrong.
                    .delay(self.failures.saturating_add(1), random, *retry_after)
            }
            Outcome::Succeeded { .. } | Outcome::Cancelled => None,
        };
        Settlement {
            execution_id: self.execution_id,
            job_id: self.job_id,
            attempt: self.attempt,
            node_id: self.node_id,
            lease_id: self.lease_id,
            due_time: self.due_time,
            started_at,
            outcome,
            retry_in,
            is_serialized: self.policies.is_serialized(),
            may_unblock_fixed_delay: self.may_unblock_fixed_delay,
            pause_on_failure: self.policies.pause_on_failure,
        }
    }
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Succeeded {
        /// Output of the handler, for example the response body; display only.
        output: Option<String>,
    },
    Failed {
        /// Reason of the failure: `ERROR` or `TIMEOUT`.
        reason: Reason,
        /// The cause in words; display only.
        message: String,
        /// Output before the failure, for example the body of a 500.
        output: Option<String>,
        /// Shortest delay requested by the target.
        retry_after: Option<Duration>,
    },
    Cancelled,
}

impl Outcome {
    /// A failure without output.
    pub fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::Failed {
            reason,
            message: message.into(),
            output: None,
            retry_after: None,
        }
    }
}

/// Most characters of the database's error about a refused result.
const NOT_STORABLE_CHARS_MAX: usize = 1_000;

/// The end of an attempt, as sent by a node to the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    pub execution_id: Uuid,
    pub job_id: Uuid,
    /// The fence: the write is refused unless the attempt is the execution's current attempt.
    pub attempt: i32,
    /// The node of the attempt.
    pub node_id: Uuid,
    /// The lease of the node with the attempt.
    pub lease_id: Uuid,
    /// Earliest start of the attempt, by the database's clock.
    pub due_time: Timestamp,
    /// Start of the handler, by the clock of the database.
    pub started_at: Timestamp,
    /// Result of the attempt.
    pub outcome: Outcome,
    /// Delay of the next attempt. `None`: no further attempt.
    pub retry_in: Option<Duration>,
    /// Whether later fire times of the job may wait for the end.
    pub is_serialized: bool,
    /// Whether the trigger of the job may await the end: see [`Attempt::may_unblock_fixed_delay`].
    pub may_unblock_fixed_delay: bool,
    /// Whether the final failure pauses the job.
    pub pause_on_failure: bool,
}

impl Settlement {
    /// The status of the execution after the settlement.
    pub fn status(&self) -> ExecutionStatus {
        match self.outcome {
            Outcome::Succeeded { .. } => ExecutionStatus::Success,
            // The retry policy has decided at the end of the attempt: `retry_in` is the decision.
            Outcome::Failed { .. } if self.retry_in.is_some() => ExecutionStatus::Retrying,
            Outcome::Failed { .. } => ExecutionStatus::Failed,
            Outcome::Cancelled => ExecutionStatus::Cancelled,
        }
    }

    /// Actual start minus due time.
    pub fn lateness(&self) -> Duration {
        // A start before the due time is possible only after a jump of the clock.
        (self.started_at - self.due_time)
            .to_std()
            .unwrap_or_default()
    }

    /// The settlement to write in place of one that the database refuses: a failure with the cause
    /// `why`. A failure with a planned retry keeps the retry. A success gets no retry, because the
    /// work is done.
    #[must_use]
    pub fn not_storable(&self, why: &str) -> Self {
        let ended_as = self.status();
        // In ASCII, for every database, and with a bounded length.
        let why: String = why
            .chars()
            .flat_map(char::escape_default)
            .take(NOT_STORABLE_CHARS_MAX)
            .collect();
        let message = format!(
            "the attempt ended as {ended_as}, but the database does not take its result: {why}"
        );
        Self {
            outcome: Outcome::failed(self.reason().unwrap_or(Reason::Error), message),
            ..self.clone()
        }
    }

    /// The reason of the status.
    pub fn reason(&self) -> Option<Reason> {
        match &self.outcome {
            Outcome::Succeeded { .. } | Outcome::Cancelled => None,
            Outcome::Failed { reason, .. } => Some(*reason),
        }
    }
}
