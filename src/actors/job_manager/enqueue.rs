//! Commands that enqueue runs.

use super::{Command, CommandError, found};
use crate::model::InvalidInput;
use crate::model::enqueue::{EnqueueRequest, JobKey, RunRequest};
use crate::model::secret_reference::has_references;
use crate::store::Store;
use crate::store::jobs::enqueue::{EnqueuedRun, FoundJob, NewRun};
use std::collections::BTreeSet;

/// Enqueues one run.
pub struct EnqueueRun(pub EnqueueRequest);

/// Enqueues runs: all or none.
pub struct EnqueueRuns(pub Vec<EnqueueRequest>);

impl EnqueueRuns {
    /// Where a run stands in the input, counted from 0.
    pub fn place(index: usize) -> String {
        format!("inputs.{index}")
    }
}

impl Command for EnqueueRun {
    type Output = EnqueuedRun;

    async fn carry_out(self, store: &Store) -> Result<EnqueuedRun, CommandError> {
        let EnqueueRun(request) = self;
        let now = store.now().await?;
        let run = request.validate(now)?;
        let jobs = store.jobs_to_enqueue(&[&run.job]).await?;
        // Of an id, so that a caller who may only read the job learns that the role is missing.
        if let (JobKey::Id(id), None) = (&run.job, jobs.get(&run.job)) {
            return Err(CommandError::NotFound {
                what: "job",
                id: id.to_string(),
            });
        }
        let run = new_run(store, run, |key| jobs.get(key).copied()).await?;
        let enqueued = store.enqueue(&[run]).await?;
        enqueued
            .first()
            .copied()
            .ok_or_else(|| CommandError::Conflict("the run was not enqueued: try again".to_owned()))
    }
}

impl Command for EnqueueRuns {
    type Output = Vec<EnqueuedRun>;

    async fn carry_out(self, store: &Store) -> Result<Vec<EnqueuedRun>, CommandError> {
        let EnqueueRuns(requests) = self;
        let now = store.now().await?;
        let mut valid = Vec::with_capacity(requests.len());
        for (index, request) in requests.into_iter().enumerate() {
            let run = request.validate(now);
            valid.push(run.map_err(|invalid| invalid.at(&Self::place(index)))?);
        }
        let keys: BTreeSet<&JobKey> = valid.iter().map(|run| &run.job).collect();
        let keys: Vec<&JobKey> = keys.into_iter().collect();
        let jobs = store.jobs_to_enqueue(&keys).await?;
        let mut runs = Vec::with_capacity(valid.len());
        for (index, run) in valid.into_iter().enumerate() {
            let run = new_run(store, run, |key| jobs.get(key).copied()).await;
            runs.push(run.map_err(|error| match error {
                CommandError::Invalid(invalid) => invalid.at(&Self::place(index)).into(),
                other => other,
            })?);
        }
        Ok(store.enqueue(&runs).await?)
    }
}

/// A run of the job that its key names, if the job can use the payload.
async fn new_run(
    store: &Store,
    run: RunRequest,
    job: impl Fn(&JobKey) -> Option<FoundJob>,
) -> Result<NewRun, CommandError> {
    let field = run.job.field();
    let job = match job(&run.job) {
        None => return Err(InvalidInput::new(field, unknown(&run.job)).into()),
        Some(job) if job.is_ambiguous => {
            let message = "several jobs of the namespace have this name: give the `jobId`";
            return Err(InvalidInput::new(field, message).into());
        }
        Some(job) => job,
    };
    if let Some(payload) = &run.payload {
        if !job.sends_payload {
            let message = "does not reach the target of the job, which gets the body that the job \
                           says, or none";
            return Err(InvalidInput::new("payload", message).into());
        }
        // The whole job is read for the few payloads that refer to its secrets.
        if has_references(payload.as_str()) {
            let job = found(store.job(job.id).await?, "job", job.id)?;
            job.definition.validate_own_payload(payload)?;
        }
    }
    Ok(NewRun {
        job_id: job.id,
        payload: run.payload,
        due_at: run.due_at,
        unique_key: run.unique_key,
        priority: run.priority,
    })
}

fn unknown(key: &JobKey) -> String {
    match key {
        JobKey::Id(id) => format!("no job has the id {id}"),
        JobKey::Name { namespace, .. } => format!("no job in the namespace `{namespace}` has it"),
    }
}
