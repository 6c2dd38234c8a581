//! Facts about the jobs and executions of an answer, read for all of them at once.
//!
//! A loader belongs to a request: the statements and rows count for this request alone.

use super::allowance::Allowance;
use super::gathering::Gathering;
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::outcomes::OutcomeAxis;
use crate::store::Store;
use crate::store::queries::execution_list::ExecutionPage;
use crate::store::queries::executions::ExecutionTexts;
use crate::store::queries::job_states::JobStateRecord;
use crate::store::queries::outcomes::RecentOutcomes;
use async_graphql::dataloader::Loader;
use async_graphql::{Context, Error, Result};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use uuid::Uuid;

/// The loader of one request.
pub struct JobLoader {
    store: Store,
    allowance: Arc<Allowance>,
}

/// Number of executions in flight of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InFlightKey(pub Uuid);

/// The reruns of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RerunsKey {
    /// Id of the execution.
    pub execution: Uuid,
    /// Id of its job.
    pub job: Uuid,
}

/// State of a job beyond its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateKey(pub Uuid);

/// The database's now, read once for the whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NowKey;

/// Time of the next attempt of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NextAttemptKey(pub Uuid);

/// Calendars and blackouts that apply to the fire times of a job which are not taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExclusionsKey {
    /// Name of the job's calendar.
    pub calendar: Option<String>,
    /// The first of these fire times.
    pub since: Timestamp,
}

/// The first page of a job's executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecentKey {
    /// Id of the job.
    pub job: Uuid,
    /// Most rows of the page.
    pub limit: usize,
    /// The texts that the rows have.
    pub texts: ExecutionTexts,
}

/// Outcomes of a job's executions over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutcomesKey {
    /// Id of the job.
    pub job: Uuid,
    /// The period and its cells.
    pub axis: OutcomeAxis,
}

impl JobLoader {
    /// The loader of one request.
    pub fn gathering(store: Store, allowance: Arc<Allowance>) -> Gathering<Self> {
        Gathering::new(Self { store, allowance })
    }
}

/// The value of a key; none for a key without a value.
pub async fn load<K>(ctx: &Context<'_>, key: K) -> Result<Option<<JobLoader as Loader<K>>::Value>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    JobLoader: Loader<K, Error = Error>,
{
    ctx.data::<Gathering<JobLoader>>()?.load(key).await
}

/// The first page of a job's executions; empty for a job without executions.
pub async fn first_page(ctx: &Context<'_>, page: RecentKey) -> Result<ExecutionPage> {
    Ok(load(ctx, page).await?.unwrap_or(ExecutionPage {
        rows: Vec::new(),
        next: None,
    }))
}

impl Loader<InFlightKey> for JobLoader {
    type Value = i64;
    type Error = Error;

    async fn load(&self, keys: &[InFlightKey]) -> Result<HashMap<InFlightKey, i64>, Self::Error> {
        let jobs: Vec<Uuid> = keys.iter().map(|InFlightKey(job)| *job).collect();
        let in_flight = self
            .allowance
            .store(&self.store)
            .await?
            .in_flight(&jobs)
            .await?;
        Ok(in_flight
            .into_iter()
            .map(|(job, count)| (InFlightKey(job), count))
            .collect())
    }
}

impl Loader<RerunsKey> for JobLoader {
    type Value = Vec<Uuid>;
    type Error = Error;

    async fn load(&self, keys: &[RerunsKey]) -> Result<HashMap<RerunsKey, Vec<Uuid>>, Self::Error> {
        let (ids, jobs): (Vec<Uuid>, Vec<Uuid>) =
            keys.iter().map(|key| (key.execution, key.job)).unzip();
        let mut reruns = self
            .allowance
            .store(&self.store)
            .await?
            .reruns_of(&ids, &jobs)
            .await?;
        Ok(keys
            .iter()
            .filter_map(|key| Some((*key, reruns.remove(&key.execution)?)))
            .collect())
    }
}

impl Loader<StateKey> for JobLoader {
    type Value = JobStateRecord;
    type Error = Error;

    async fn load(
        &self,
        keys: &[StateKey],
    ) -> Result<HashMap<StateKey, JobStateRecord>, Self::Error> {
        let jobs: Vec<Uuid> = keys.iter().map(|StateKey(job)| *job).collect();
        let state_records = self
            .allowance
            .store(&self.store)
            .await?
            .job_state_records(&jobs)
            .await?;
        Ok(state_records
            .into_iter()
            .map(|(job, state_record)| (StateKey(job), state_record))
            .collect())
    }
}

impl Loader<NowKey> for JobLoader {
    type Value = Timestamp;
    type Error = Error;

    async fn load(&self, _: &[NowKey]) -> Result<HashMap<NowKey, Timestamp>, Self::Error> {
        let now = self.allowance.store(&self.store).await?.now().await?;
        Ok(HashMap::from([(NowKey, now)]))
    }
}

impl Loader<NextAttemptKey> for JobLoader {
    type Value = Timestamp;
    type Error = Error;

    async fn load(
        &self,
        keys: &[NextAttemptKey],
    ) -> Result<HashMap<NextAttemptKey, Timestamp>, Self::Error> {
        let executions: Vec<Uuid> = keys
            .iter()
            .map(|NextAttemptKey(execution)| *execution)
            .collect();
        // A single statement for all executions of the answer, of any jobs.
        let store = self.allowance.store(&self.store).await?;
        let attempts = store.next_attempts_at(&executions).await?;
        Ok(attempts
            .into_iter()
            .map(|(execution, at)| (NextAttemptKey(execution), at))
            .collect())
    }
}

/// One read covers all jobs: fields of one job must use the same calendars and blackouts.
impl Loader<ExclusionsKey> for JobLoader {
    type Value = Arc<Exclusions>;
    type Error = Error;

    async fn load(
        &self,
        keys: &[ExclusionsKey],
    ) -> Result<HashMap<ExclusionsKey, Self::Value>, Self::Error> {
        // The earliest time serves all jobs: a blackout that ended before a fire time does not
        // concern that fire time.
        let Some(since) = keys.iter().map(|key| key.since).min() else {
            return Ok(HashMap::new());
        };
        let mut calendars: Vec<&str> = keys
            .iter()
            .filter_map(|key| key.calendar.as_deref())
            .collect();
        calendars.sort_unstable();
        calendars.dedup();
        let store = self.allowance.store(&self.store).await?;
        let exclusions = Arc::new(store.exclusions_since(&calendars, since).await?);
        Ok(keys
            .iter()
            .map(|key| (key.clone(), exclusions.clone()))
            .collect())
    }
}

impl Loader<RecentKey> for JobLoader {
    type Value = ExecutionPage;
    type Error = Error;

    async fn load(
        &self,
        keys: &[RecentKey],
    ) -> Result<HashMap<RecentKey, Self::Value>, Self::Error> {
        // Limit and texts are part of the statement: each combination is one.
        let mut jobs_by_kind: HashMap<(usize, ExecutionTexts), Vec<Uuid>> = HashMap::new();
        for RecentKey { job, limit, texts } in keys {
            jobs_by_kind.entry((*limit, *texts)).or_default().push(*job);
        }
        let store = self.allowance.store(&self.store).await?;
        // In sequence: the store is a single turn of the request (`Allowance`).
        let mut loaded = HashMap::new();
        for ((limit, texts), jobs) in jobs_by_kind {
            let pages = store.first_pages(&jobs, limit, texts).await?;
            loaded.extend(
                pages
                    .into_iter()
                    .map(|(job, page)| (RecentKey { job, limit, texts }, page)),
            );
        }
        Ok(loaded)
    }
}

impl Loader<OutcomesKey> for JobLoader {
    type Value = Arc<RecentOutcomes>;
    type Error = Error;

    async fn load(
        &self,
        keys: &[OutcomesKey],
    ) -> Result<HashMap<OutcomesKey, Self::Value>, Self::Error> {
        // Fields with different arguments have different axes: each axis is one statement.
        let mut jobs_by_axis: HashMap<OutcomeAxis, Vec<Uuid>> = HashMap::new();
        for OutcomesKey { job, axis } in keys {
            jobs_by_axis.entry(*axis).or_default().push(*job);
        }
        let store = self.allowance.store(&self.store).await?;
        let mut loaded = HashMap::new();
        for (axis, jobs) in jobs_by_axis {
            let outcomes = store.recent_outcomes(&jobs, axis).await?;
            loaded.extend(
                outcomes
                    .into_iter()
                    .map(|(job, outcomes)| (OutcomesKey { job, axis }, outcomes)),
            );
        }
        Ok(loaded)
    }
}
