//! Executions, as the API shows them.

use crate::api::job_loader::{self, NextAttemptKey, RerunsKey};
use crate::api::json::Json;
use crate::api::masks::Masks;
use crate::api::{cost, errors};
use crate::model::execution::ExecutionStatus;
use crate::model::{Timestamp, rfc3339};
use crate::store::executions::ExecutionRecord;
use async_graphql::{Context, ID, Object, Result};
use std::borrow::Cow;

/// One fire time taken by the cluster, or a range of skipped ones.
#[Object(name = "JobExecutionLog")]
impl ExecutionRecord {
    /// The occurrence's identity, the same for all attempts.
    async fn id(&self) -> ID {
        self.id.into()
    }
    /// The job.
    async fn job_id(&self) -> ID {
        self.job_id.into()
    }
    /// The job's name.
    async fn job_name(&self) -> Option<&str> {
        self.job_name.as_deref()
    }
    /// Version of the definition that it was taken under.
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
    /// RUNNING, RETRYING, SUCCESS, FAILED, CANCELLED, LOST or SKIPPED.
    async fn status(&self) -> &str {
        self.status.as_str()
    }
    /// What went wrong.
    async fn error_message(&self) -> Option<&str> {
        self.error_message.as_deref()
    }
    /// When the fire time was taken.
    async fn created_at(&self) -> String {
        rfc3339(self.created_at)
    }
    /// When it could start.
    async fn due_time(&self) -> String {
        rfc3339(self.due_time)
    }
    /// Start of the current or last attempt.
    async fn started_at(&self) -> Option<String> {
        self.started_at.map(rfc3339)
    }
    /// When it was settled.
    async fn finished_at(&self) -> Option<String> {
        self.finished_at.map(rfc3339)
    }
    /// From the start of the last attempt to the settlement.
    async fn duration_millis(&self) -> Option<i32> {
        duration_millis(self.started_at, self.finished_at)
    }
    /// Current or last attempt, from 1; 0 when skipped.
    async fn attempt(&self) -> i32 {
        self.attempt
    }
    /// Node of the current or last attempt.
    async fn node_id(&self) -> Option<ID> {
        self.node_id.map(Into::into)
    }
    /// Its name.
    async fn node_name(&self) -> Option<&str> {
        self.node_name.as_deref()
    }
    /// What made the trigger: SCHEDULE, MANUAL, …
    async fn kind(&self) -> &str {
        &self.kind
    }
    /// Why it ended as it did: ERROR, TIMEOUT, CRASH_LOOP, COALESCED, …
    async fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
    /// What the handler reported.
    async fn output(&self) -> Option<&str> {
        self.output.as_deref()
    }
    /// Last fire time of a skipped range.
    async fn through_fire_time(&self) -> Option<String> {
        self.through_fire_time.map(rfc3339)
    }
    /// Fire times in a skipped range.
    async fn occurrences(&self) -> Option<i32> {
        self.occurrences
    }
    /// When a RETRYING execution is tried again; none while its job is paused, which holds the
    /// attempt.
    #[graphql(complexity = "cost::BATCHED")]
    async fn next_attempt_at(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        if self.status != ExecutionStatus::Retrying {
            return Ok(None);
        }
        Ok(job_loader::load(ctx, NextAttemptKey(self.id))
            .await?
            .map(rfc3339))
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
    /// The execution that a skipped range was folded into.
    async fn coalesced_into(&self) -> Option<ID> {
        self.coalesced_into.map(Into::into)
    }
    /// The execution whose fire time it runs again.
    async fn repeats(&self) -> Option<ID> {
        self.repeats.map(Into::into)
    }
    /// The executions that run its fire time again and have begun, newest first, at most 20.
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
    /// The payload of its own, as JSON text with masks as in a job's; none when its attempts have
    /// that of the job.
    async fn payload(&self, ctx: &Context<'_>) -> Result<Option<Cow<'_, str>>> {
        match &self.payload {
            Some(payload) => Masks::shown(ctx, payload).await.map(Some),
            None => Ok(None),
        }
    }
}

fn duration_millis(started: Option<Timestamp>, finished: Option<Timestamp>) -> Option<i32> {
    let millis = (finished? - started?).num_milliseconds().max(0);
    Some(i32::try_from(millis).unwrap_or(i32::MAX))
}
