//! Executions, as the API shows them.

use crate::api::date_time::DateTime;
use crate::api::job_loader::{self, NextAttemptKey, RerunsKey};
use crate::api::json::Json;
use crate::api::lists::size;
use crate::api::masks::Masks;
use crate::api::{cost, errors};
use crate::model::execution::{ExecutionStatus, Reason};
use crate::model::trigger::TriggerKind;
use crate::model::{Timestamp, rfc3339};
use crate::store::queries::executions::ExecutionRecord;
use async_graphql::{Context, ID, Object, Result};
use std::borrow::Cow;

/// A fire time taken by the cluster, or a range of skipped fire times.
#[Object(name = "JobExecutionLog")]
impl ExecutionRecord {
    /// Id of the execution, the same for all attempts.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// Id of the job.
    async fn job_id(&self) -> ID {
        self.job_id.into()
    }
    /// Name of the job.
    async fn job_name(&self) -> Option<&str> {
        self.job_name.as_deref()
    }
    /// Version of the definition under which the fire time was taken.
    async fn job_version(&self) -> Option<i32> {
        self.job_version
    }
    /// Attempts that ended by themselves without success.
    async fn failures(&self) -> i32 {
        self.failures
    }
    /// The instant that the schedule names.
    async fn fire_time(&self) -> String {
        rfc3339(self.fire_time)
    }
    /// Value of the enum ExecutionStatus: RUNNING, RETRYING, SUCCESS, FAILED, CANCELLED, LOST or
    /// SKIPPED.
    async fn status(&self) -> &str {
        self.status.as_str()
    }
    /// Error of the last attempt.
    async fn error_message(&self) -> Option<&str> {
        self.error_message.as_deref()
    }
    /// When the fire time was taken.
    async fn created_at(&self) -> String {
        rfc3339(self.created_at)
    }
    /// When the execution may start.
    async fn due_time(&self) -> DateTime {
        DateTime(self.due_time)
    }
    /// Start of the current or last attempt.
    async fn started_at(&self) -> Option<DateTime> {
        self.started_at.map(DateTime)
    }
    /// When the execution was settled.
    async fn finished_at(&self) -> Option<DateTime> {
        self.finished_at.map(DateTime)
    }
    /// From the start of the last attempt to the settlement.
    async fn duration_millis(&self) -> Option<i32> {
        duration_millis(self.started_at, self.finished_at)
    }
    /// Number of the current or last attempt, from 1; 0 for a skipped fire time.
    async fn attempt(&self) -> i32 {
        self.attempt
    }
    /// Id of the node of the current or last attempt.
    async fn node_id(&self) -> Option<ID> {
        self.node_id.map(Into::into)
    }
    /// Name of that node.
    async fn node_name(&self) -> Option<&str> {
        self.node_name.as_deref()
    }
    /// What made it: SCHEDULE, MANUAL, ENQUEUED, BACKFILL, BUFFERED or RERUN.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn kind(&self) -> Result<TriggerKind> {
        errors::named(&self.kind)
    }
    /// Why the execution ended as it did; none before its end, and after a success.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn reason(&self) -> Result<Option<Reason>> {
        self.reason.as_deref().map(errors::named).transpose()
    }
    /// Output of the handler.
    async fn output(&self) -> Option<&str> {
        self.output.as_deref()
    }
    /// Last fire time of a skipped range.
    async fn through_fire_time(&self) -> Option<DateTime> {
        self.through_fire_time.map(DateTime)
    }
    /// Number of fire times in a skipped range.
    async fn occurrences(&self) -> Option<i32> {
        self.occurrences
    }
    /// Time of the next attempt of a RETRYING execution; none while the pause of the job defers the
    /// attempt.
    #[graphql(complexity = "cost::BATCHED")]
    async fn next_attempt_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        // Only a RETRYING execution has a trigger of the next attempt: other rows cost no read.
        if self.status != ExecutionStatus::Retrying {
            return Ok(None);
        }
        let attempt = job_loader::load(ctx, NextAttemptKey(self.id)).await?;
        Ok(attempt.map(DateTime))
    }
    /// Earlier attempts: attempt, nodeId, startedAt, endedAt, outcome, error.
    #[expect(
        clippy::unused_async,
        reason = "the macro wants every field asynchronous"
    )]
    async fn previous_attempts(&self) -> Result<Option<Json>> {
        self.previous_attempts
            .as_ref()
            .map(Json::of)
            .transpose()
            .map_err(errors::unshowable)
    }
    /// Id of the execution that stands for a skipped range.
    async fn coalesced_into(&self) -> Option<ID> {
        self.coalesced_into.map(Into::into)
    }
    /// Id of the execution whose fire time this one repeats.
    async fn repeats(&self) -> Option<ID> {
        self.repeats.map(Into::into)
    }
    /// Unique key of the request that enqueued it.
    async fn unique_key(&self) -> Option<&str> {
        self.unique_key.as_deref()
    }
    /// Ids of the reruns that have started, newest first; at most 20.
    #[graphql(complexity = "2 * cost::BATCHED")]
    async fn repeated_by(&self, ctx: &Context<'_>) -> Result<Vec<ID>> {
        let reruns = job_loader::load(
            ctx,
            RerunsKey {
                execution: self.id,
                job: self.job_id,
            },
        )
        .await?;
        Ok(reruns
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect())
    }
    /// Payload of this execution, as JSON text with masks as in `Job.payload`; none when the
    /// attempts have the payload of the job.
    async fn payload(&self, ctx: &Context<'_>) -> Result<Option<Cow<'_, str>>> {
        match &self.payload {
            Some(payload) => Masks::shown(ctx, payload).await.map(Some),
            None => Ok(None),
        }
    }
}

fn duration_millis(started: Option<Timestamp>, finished: Option<Timestamp>) -> Option<i32> {
    // The database's clock may have been set back between the two times.
    Some(size((finished? - started?).num_milliseconds().max(0)))
}
