//! Why a job ran at an instant, or did not.

use super::enums::FireTimeReasonName;
use super::queries::store;
use super::{cost, errors};
use crate::model::explanation::Explanation;
use crate::model::rfc3339;
use crate::store::executions::ExecutionRecord;
use async_graphql::{Context, ID, Object, Result};

/// Statements of one explanation.
const STATEMENTS: usize = 12;

/// The query.
#[derive(Default)]
pub struct ExplanationQuery;

#[Object]
impl ExplanationQuery {
    /// Why a job ran at an instant (RFC 3339), or did not, or will: from the log, the versions of
    /// the job, its calendar, the blackouts, and what waits. An instant of the past is judged by
    /// the version that was in force then.
    #[graphql(complexity = "STATEMENTS * cost::STATEMENT + cost::FIRE_TIMES + child_complexity")]
    async fn explain_fire_time(
        &self,
        ctx: &Context<'_>,
        job_id: ID,
        at: String,
    ) -> Result<Explanation> {
        let id = errors::uuid("jobId", &job_id)?;
        let at = errors::instant("at", &at)?;
        let store = store(ctx).await?;
        let job = store
            .job(id)
            .await
            .map_err(errors::store)?
            .ok_or_else(|| errors::not_found("job", id))?;
        let facts = store
            .fire_time_facts(job, at)
            .await
            .map_err(errors::store)?;
        Ok(facts.explain(at))
    }
}

/// Why a job ran at an instant, or did not.
#[Object(name = "FireTimeExplanation")]
impl Explanation {
    /// Why.
    async fn reason(&self) -> FireTimeReasonName {
        self.reason.into()
    }
    /// The same in words; times in UTC.
    async fn message(&self) -> &str {
        &self.message
    }
    /// The execution, or the row of skipped fire times that covers the instant.
    #[graphql(complexity = "cost::STATEMENT + child_complexity")]
    async fn execution(&self, ctx: &Context<'_>) -> Result<Option<ExecutionRecord>> {
        let Some(id) = self.execution_id else {
            return Ok(None);
        };
        store(ctx).await?.execution(id).await.map_err(errors::store)
    }
    /// Since when what keeps it from running does so.
    async fn since(&self) -> Option<String> {
        self.since.map(rfc3339)
    }
    /// Until when.
    async fn until(&self) -> Option<String> {
        self.until.map(rfc3339)
    }
    /// Who did it.
    async fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }
    /// The nearest fire time before an instant that is none.
    async fn before(&self) -> Option<String> {
        self.before.map(rfc3339)
    }
    /// The nearest fire time after an instant that is none.
    async fn after(&self) -> Option<String> {
        self.after.map(rfc3339)
    }
}
