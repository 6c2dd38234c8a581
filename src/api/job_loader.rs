//! What an answer shows of each of its jobs, read for all of them at once.
//!
//! A loader belongs to one request: its statements and rows count for that request alone.

use super::allowance::Allowance;
use super::errors;
use super::gathering::Gathering;
use crate::model::Timestamp;
use crate::model::exclusions::Exclusions;
use crate::model::outcomes::OutcomeAxis;
use crate::store::Store;
use crate::store::execution_list::ExecutionPage;
use crate::store::executions::ExecutionTexts;
use crate::store::job_states::JobStateRecord;
use crate::store::outcomes::RecentOutcomes;
use async_graphql::dataloader::Loader;
use async_graphql::{Context, Error, Result};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use uuid::Uuid;

/// Reads them.
pub struct JobLoader {
    store: Store,
    allowance: Arc<Allowance>,
}

/// What a job has in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InFlightKey(pub Uuid);

/// The executions that run an execution of a job again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RerunsKey {
    /// The execution.
    pub execution: Uuid,
    /// Its job.
    pub job: Uuid,
}

/// How a job stands, beyond its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateKey(pub Uuid);

/// The database's now, once for all of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NowKey;

/// When an execution is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NextAttemptKey(pub Uuid);

/// What judges the fire times of a job that are not taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExclusionsKey {
    /// The name of its calendar.
    pub calendar: Option<String>,
    /// The first of those fire times.
    pub since: Timestamp,
}

/// The first page of a job's executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecentKey {
    /// The job.
    pub job: Uuid,
    /// Most rows of it.
    pub limit: usize,
    /// Which texts the rows have.
    pub texts: ExecutionTexts,
}

/// How a job's executions ended over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutcomesKey {
    /// The job.
    pub job: Uuid,
    /// Over which time, and in how many cells.
    pub axis: OutcomeAxis,
}

impl JobLoader {
    /// The loader of one request.
    pub fn gathering(store: Store, allowance: Arc<Allowance>) -> Gathering<Self> {
        Gathering::new(Self { store, allowance })
    }
}

/// What is known of a job, as soon as it is read; none for a job of which there is nothing.
pub async fn load<K>(ctx: &Context<'_>, key: K) -> Result<Option<<JobLoader as Loader<K>>::Value>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    JobLoader: Loader<K, Error = Arc<Error>>,
{
    let loaded = ctx.data::<Gathering<JobLoader>>()?.load(key).await;
    loaded.map_err(|error| error.as_ref().clone())
}

/// The first page of a job's executions, without rows if it has none.
pub async fn first_page(ctx: &Context<'_>, page: RecentKey) -> Result<ExecutionPage> {
    Ok(load(ctx, page).await?.unwrap_or(ExecutionPage {
        rows: Vec::new(),
        next: None,
    }))
}

impl Loader<InFlightKey> for JobLoader {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[InFlightKey]) -> Result<HashMap<InFlightKey, i64>, Self::Error> {
        let jobs: Vec<Uuid> = keys.iter().map(|InFlightKey(job)| *job).collect();
        let in_flight = self
            .allowance
            .store(&self.store)
            .await?
            .in_flight(&jobs)
            .await
            .map_err(errors::store)?;
        Ok(in_flight
            .into_iter()
            .map(|(job, count)| (InFlightKey(job), count))
            .collect())
    }
}

impl Loader<RerunsKey> for JobLoader {
    type Value = Vec<Uuid>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[RerunsKey]) -> Result<HashMap<RerunsKey, Vec<Uuid>>, Self::Error> {
        let (ids, jobs): (Vec<Uuid>, Vec<Uuid>) =
            keys.iter().map(|key| (key.execution, key.job)).unzip();
        let reruns = self
            .allowance
            .store(&self.store)
            .await?
            .reruns_of(&ids, &jobs)
            .await
            .map_err(errors::store)?;
        let of = |key: &RerunsKey| Some((*key, reruns.get(&key.execution)?.clone()));
        Ok(keys.iter().filter_map(of).collect())
    }
}

impl Loader<StateKey> for JobLoader {
    type Value = JobStateRecord;
    type Error = Arc<Error>;

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
            .await
            .map_err(errors::store)?;
        Ok(state_records
            .into_iter()
            .map(|(job, state_record)| (StateKey(job), state_record))
            .collect())
    }
}

impl Loader<NowKey> for JobLoader {
    type Value = Timestamp;
    type Error = Arc<Error>;

    async fn load(&self, _: &[NowKey]) -> Result<HashMap<NowKey, Timestamp>, Self::Error> {
        let now = self
            .allowance
            .store(&self.store)
            .await?
            .now()
            .await
            .map_err(errors::store)?;
        Ok(HashMap::from([(NowKey, now)]))
    }
}

impl Loader<NextAttemptKey> for JobLoader {
    type Value = Timestamp;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[NextAttemptKey],
    ) -> Result<HashMap<NextAttemptKey, Timestamp>, Self::Error> {
        let executions: Vec<Uuid> = keys
            .iter()
            .map(|NextAttemptKey(execution)| *execution)
            .collect();
        let store = self.allowance.store(&self.store).await?;
        let attempts = store
            .next_attempts_at(&executions)
            .await
            .map_err(errors::store)?;
        Ok(attempts
            .into_iter()
            .map(|(execution, at)| (NextAttemptKey(execution), at))
            .collect())
    }
}

/// All that is in force for any of the jobs: fields of one job that are asked for together are
/// judged by the same.
impl Loader<ExclusionsKey> for JobLoader {
    type Value = Arc<Exclusions>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[ExclusionsKey],
    ) -> Result<HashMap<ExclusionsKey, Self::Value>, Self::Error> {
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
        let exclusions = Arc::new(
            store
                .exclusions_since(&calendars, since)
                .await
                .map_err(errors::store)?,
        );
        Ok(keys
            .iter()
            .map(|key| (key.clone(), exclusions.clone()))
            .collect())
    }
}

impl Loader<RecentKey> for JobLoader {
    type Value = ExecutionPage;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[RecentKey],
    ) -> Result<HashMap<RecentKey, Self::Value>, Self::Error> {
        let mut jobs_by_kind: HashMap<(usize, ExecutionTexts), Vec<Uuid>> = HashMap::new();
        for RecentKey { job, limit, texts } in keys {
            jobs_by_kind.entry((*limit, *texts)).or_default().push(*job);
        }
        let store = self.allowance.store(&self.store).await?;
        let mut loaded = HashMap::new();
        for ((limit, texts), jobs) in jobs_by_kind {
            let pages = store
                .first_pages(&jobs, limit, texts)
                .await
                .map_err(errors::store)?;
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
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[OutcomesKey],
    ) -> Result<HashMap<OutcomesKey, Self::Value>, Self::Error> {
        let mut jobs_by_axis: HashMap<OutcomeAxis, Vec<Uuid>> = HashMap::new();
        for OutcomesKey { job, axis } in keys {
            jobs_by_axis.entry(*axis).or_default().push(*job);
        }
        let store = self.allowance.store(&self.store).await?;
        let mut loaded = HashMap::new();
        for (axis, jobs) in jobs_by_axis {
            let outcomes = store
                .recent_outcomes(&jobs, axis)
                .await
                .map_err(errors::store)?;
            loaded.extend(
                outcomes
                    .into_iter()
                    .map(|(job, outcomes)| (OutcomesKey { job, axis }, outcomes)),
            );
        }
        Ok(loaded)
    }
}
