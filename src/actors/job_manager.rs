//! The job manager: carries out the commands of the API, each in one transaction.
//!
//! It has no state. The managers of two nodes may carry out commands for the same job at once; the
//! database orders them.

pub mod accounts;
pub mod backfills;
pub mod bulk;
pub mod exclusions;
pub mod executions;
mod noted;
pub mod secrets;

use super::watchdog::{Watchdog, WatchdogGuard};
use crate::model::InvalidInput;
use crate::model::exclusions::Exclusions;
use crate::model::job::{Job, JobDefinition};
use crate::model::job_request::JobRequest;
use crate::store::author::Author;
use crate::store::jobs::commands::UpdateOutcome;
use crate::store::jobs::executions::CancelOutcome;
pub use crate::store::jobs::pauses::MissedOnce;
use crate::store::{Store, StoreError};
use actix::prelude::*;
use secrets::refuse_references;
use uuid::Uuid;

/// Why a command was not carried out; each variant is a code of the API.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The input is invalid: `BAD_USER_INPUT`.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The object does not exist: `NOT_FOUND`.
    #[error("no {what} has the id {id}")]
    NotFound {
        /// The kind of thing, e.g. `job`.
        what: &'static str,
        /// The id of the request.
        id: String,
    },
    /// `CONFLICT`: another command was faster.
    #[error("{0}")]
    Conflict(String),
    /// `UNAVAILABLE` when it may pass, else an internal error.
    #[error("the job store did not answer")]
    Store(#[from] StoreError),
}

/// Creates a job and its trigger.
pub struct CreateJob(pub JobRequest);

/// Creates jobs: all or none.
pub struct CreateJobs(pub Vec<JobRequest>);

/// Replaces the definition of a job that still has this version.
pub struct UpdateJob {
    /// Job of the command.
    pub id: Uuid,
    /// New definition of the job.
    pub request: JobRequest,
    /// The version that the caller has read.
    pub version: i32,
}

/// Pauses a job. The reason is display only.
pub struct PauseJob(pub Uuid, pub Option<String>);

/// Cancels an execution on whichever node it runs.
pub struct CancelExecution(pub Uuid);

/// Resumes a paused job: it fires from now on.
pub struct ResumeJob(pub Uuid, pub MissedOnce);

/// Deletes a job for good; its log stays.
pub struct DeleteJob(pub Uuid);

/// A command about a job after which nothing of it starts. Its executions in flight are cancelled
/// afterwards.
pub struct ThenCancel<C> {
    /// Command that is carried out first.
    pub command: C,
    /// Job of the command.
    pub job: Uuid,
}

/// Makes a job due now, once. Returns the id of the execution.
pub struct RunJobNow(pub Uuid);

/// Drains a node: it takes nothing new.
pub struct DrainNode(pub Uuid);

/// Pauses the cluster: nothing is leased any more. The reason is display only.
pub struct PauseCluster(pub Option<String>);

/// Resumes the cluster: what is due starts.
pub struct ResumeCluster;

/// The job manager of a node.
pub struct JobManager {
    store: Store,
    // Held so that its drop tells of a death.
    _guard: WatchdogGuard,
}

impl JobManager {
    /// A manager of the jobs in `store`.
    pub fn new(store: Store, watchdog: &Watchdog) -> Self {
        Self {
            store,
            _guard: watchdog.passive_guard("JobManager"),
        }
    }
}

impl Actor for JobManager {
    type Context = Context<Self>;
}

/// A command of the API.
pub trait Command: Send + 'static {
    /// The answer to its caller.
    type Output: Send + 'static;

    /// Carries it out. The store writes the author of the command next to the change.
    fn carry_out(self, store: &Store) -> impl Future<Output = Result<Self::Output, CommandError>>;
}

/// A command with its author: the message of the job manager.
pub struct Authored<C> {
    /// Who sent the command, and its name.
    pub author: Author,
    /// Command to carry out.
    pub command: C,
}

impl<C: Command> Message for Authored<C> {
    type Result = Result<C::Output, CommandError>;
}

impl<C: Command> Handler<Authored<C>> for JobManager {
    type Result = ResponseFuture<Result<C::Output, CommandError>>;

    fn handle(&mut self, message: Authored<C>, _: &mut Self::Context) -> Self::Result {
        let Authored { author, command } = message;
        let store = self.store.by(author);
        Box::pin(async move { command.carry_out(&store).await })
    }
}

/// The result of a look-up; none is an error.
fn found<T>(thing: Option<T>, what: &'static str, id: Uuid) -> Result<T, CommandError> {
    thing.ok_or_else(|| CommandError::NotFound {
        what,
        id: id.to_string(),
    })
}

/// The error of a job whose calendar or secret was deleted after the check.
fn stale_reference(error: StoreError) -> CommandError {
    if error.is_of_a_reference() {
        let message = "a calendar or a secret of the job was deleted at this moment: try again";
        return CommandError::Conflict(message.to_owned());
    }
    error.into()
}

/// The calendars that jobs name; no query when they name none.
async fn named_calendars(
    store: &Store,
    jobs: &[(Uuid, JobDefinition)],
) -> Result<Exclusions, CommandError> {
    let named: Vec<&JobDefinition> = jobs
        .iter()
        .map(|(_, job)| job)
        .filter(|job| job.calendar.is_some())
        .collect();
    if named.is_empty() {
        Ok(Exclusions::default())
    } else {
        Ok(store.exclusions(&named).await?)
    }
}

impl CreateJobs {
    /// Where a job stands in the input, counted from 0.
    pub fn place(index: usize) -> String {
        format!("inputs.{index}")
    }
}

impl Command for CreateJob {
    type Output = Job;

    async fn carry_out(self, store: &Store) -> Result<Job, CommandError> {
        let CreateJob(request) = self;
        let now = store.now().await?;
        let id = Uuid::now_v7();
        let definitions = vec![(id, request.validate(id, now)?)];
        let exclusions = named_calendars(store, &definitions).await?;
        exclusions.validate(id, &definitions[0].1, now)?;
        refuse_references(store, definitions.iter().map(|(_, job)| job), |_, it| it).await?;
        let created = store.create_jobs(definitions, now).await;
        found(created.map_err(stale_reference)?.pop(), "job", id)
    }
}

impl Command for CreateJobs {
    type Output = Vec<Job>;

    async fn carry_out(self, store: &Store) -> Result<Vec<Job>, CommandError> {
        let CreateJobs(requests) = self;
        let now = store.now().await?;
        let mut definitions = Vec::with_capacity(requests.len());
        for (index, request) in requests.into_iter().enumerate() {
            let id = Uuid::now_v7();
            let definition = request
                .validate(id, now)
                .map_err(|invalid| invalid.at(&CreateJobs::place(index)))?;
            definitions.push((id, definition));
        }
        let exclusions = named_calendars(store, &definitions).await?;
        for (index, (id, job)) in definitions.iter().enumerate() {
            exclusions
                .validate(*id, job, now)
                .map_err(|invalid| invalid.at(&CreateJobs::place(index)))?;
        }
        let jobs = definitions.iter().map(|(_, job)| job);
        refuse_references(store, jobs, |index, invalid| {
            invalid.at(&CreateJobs::place(index))
        })
        .await?;
        let created = store.create_jobs(definitions, now).await;
        created.map_err(stale_reference)
    }
}

impl Command for UpdateJob {
    type Output = Job;

    async fn carry_out(self, store: &Store) -> Result<Job, CommandError> {
        let UpdateJob {
            id,
            request,
            version,
        } = self;
        let now = store.now().await?;
        let old = found(store.job(id).await?, "job", id)?;
        let definition = request.validate_edit(id, now, &old.definition)?;
        let definitions = [(id, definition)];
        let exclusions = named_calendars(store, &definitions).await?;
        let [(_, definition)] = definitions;
        exclusions.validate_edit(id, &definition, now, Some(&old.definition))?;
        refuse_references(store, std::iter::once(&definition), |_, it| it).await?;
        let updated = store.update_job(&old, definition, version).await;
        match updated.map_err(stale_reference)? {
            UpdateOutcome::Done(job) => Ok(*job),
            UpdateOutcome::NotFound => Err(CommandError::NotFound {
                what: "job",
                id: id.to_string(),
            }),
            UpdateOutcome::Stale(current) => Err(CommandError::Conflict(format!(
                "the job has version {current}, not {version}: somebody changed it; load it again"
            ))),
        }
    }
}

impl Command for CancelExecution {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let CancelExecution(id) = self;
        match store.cancel_execution(id).await? {
            CancelOutcome::Requested => Ok(()),
            CancelOutcome::NotFound => Err(CommandError::NotFound {
                what: "execution",
                id: id.to_string(),
            }),
            CancelOutcome::AlreadyEnded => Err(CommandError::Conflict(
                "the execution has ended already".to_owned(),
            )),
        }
    }
}

impl Command for PauseJob {
    type Output = Job;

    async fn carry_out(self, store: &Store) -> Result<Job, CommandError> {
        let PauseJob(id, reason) = self;
        found(store.pause_job(id, reason.as_deref()).await?, "job", id)
    }
}

impl Command for ResumeJob {
    type Output = Job;

    async fn carry_out(self, store: &Store) -> Result<Job, CommandError> {
        let ResumeJob(id, missed) = self;
        found(store.resume_job(id, missed).await?, "job", id)
    }
}

impl Command for DeleteJob {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let DeleteJob(id) = self;
        found(store.delete_job(id).await?.then_some(()), "job", id)
    }
}

impl<C: Command> Command for ThenCancel<C> {
    type Output = C::Output;

    async fn carry_out(self, store: &Store) -> Result<C::Output, CommandError> {
        let Self { command, job } = self;
        let output = command
            .carry_out(&store.noting("cancelRunning", true))
            .await?;
        // After the command: nothing can start between the two.
        let running = executions::running_of(vec![job]);
        executions::cancel(&store.unrecorded(), &running).await?;
        Ok(output)
    }
}

impl Command for RunJobNow {
    type Output = Uuid;

    async fn carry_out(self, store: &Store) -> Result<Uuid, CommandError> {
        let RunJobNow(id) = self;
        found(store.run_job_now(id, None).await?, "job", id)
    }
}

impl Command for DrainNode {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let DrainNode(id) = self;
        found(store.drain(id).await?.then_some(()), "active node", id)
    }
}

impl Command for PauseCluster {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let PauseCluster(reason) = self;
        let held = store
            .pause_cluster(reason.as_deref().unwrap_or("somebody asked for it"))
            .await?;
        if held {
            Ok(())
        } else {
            Err(CommandError::Conflict(
                "the cluster is paused already".to_owned(),
            ))
        }
    }
}

impl Command for ResumeCluster {
    type Output = ();

    async fn carry_out(self, store: &Store) -> Result<(), CommandError> {
        let released = store.resume_cluster().await?;
        if released {
            Ok(())
        } else {
            Err(CommandError::Conflict(
                "the cluster is not paused".to_owned(),
            ))
        }
    }
}
