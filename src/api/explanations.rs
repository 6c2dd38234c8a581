//! Why a job ran at an instant, or did not.

use super::context::store;
use super::date_time::DateTime;
use super::{cost, errors};
use crate::model::explanation::{Explanation, FireTimeReason};
use crate::store::queries::executions::ExecutionRecord;
use async_graphql::{Context, ID, Object, Result};

/// Statements of one explanation.
const STATEMENTS: usize = 12;

/// The query of explanations.
#[derive(Default)]
pub struct ExplanationQuery;

#[Object]
impl ExplanationQuery {
    /// Why a job ran at an instant, or did not, or will: from the log, the versions of the job, its
    /// calendar, the blackouts, and the waiting triggers. An instant of the past is explained by
    /// the version that was in force then.
    #[graphql(complexity = "STATEMENTS * cost::STATEMENT + cost::FIRE_TIMES + child_complexity")]
    async fn explain_fire_time(
        &self,
        ctx: &Context<'_>,
        job_id: ID,
        at: DateTime,
    ) -> Result<Explanation> {
        let id = errors::uuid("jobId", &job_id)?;
        let DateTime(at) = at;
        let store = store(ctx).await?;
        // A job beyond the reach of the caller is not found, as an unknown job.
        let job = store
            .job(id)
            .await?
            .ok_or_else(|| errors::not_found("job", id))?;
        let facts = store.fire_time_facts(job, at).await?;
        Ok(facts.explain(at))
    }
}

/// Why a job ran at an instant, or did not.
#[Object(name = "FireTimeExplanation")]
impl Explanation {
    /// The reason, as a code.
    async fn reason(&self) -> FireTimeReason {
        self.reason
    }
    /// The reason in words; times in UTC.
    async fn message(&self) -> &str {
        &self.message
    }
    /// The execution, or the row of skipped fire times that includes the instant.
    #[graphql(complexity = "cost::STATEMENT + child_complexity")]
    async fn execution(&self, ctx: &Context<'_>) -> Result<Option<ExecutionRecord>> {
        let Some(id) = self.execution_id else {
            return Ok(None);
        };
        Ok(store(ctx).await?.execution(id).await?)
    }
    /// Start of the obstacle, such as a pause or a blackout.
    async fn since(&self) -> Option<DateTime> {
        self.since.map(DateTime)
    }
    /// End of the obstacle.
    async fn until(&self) -> Option<DateTime> {
        self.until.map(DateTime)
    }
    /// The user who made the obstacle.
    async fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }
    /// The fire time before an instant that is no fire time.
    async fn before(&self) -> Option<DateTime> {
        self.before.map(DateTime)
    }
    /// The fire time after an instant that is no fire time.
    async fn after(&self) -> Option<DateTime> {
        self.after.map(DateTime)
    }
}
