//! The job manager: carries out the commands of the API, each in a single transaction.
//!
//! The manager has no state. The managers of two nodes may carry out commands for the same job at
//! once; the database orders the commands.

pub mod accounts;
pub mod backfills;
pub mod bulk;
pub mod enqueue;
pub mod exclusions;
pub mod executions;
pub mod namespaces;
mod noted;
pub mod secrets;

use super::watchdog::{Watchdog, WatchdogGuard};
use crate::model::exclusions::{Exclusions, validate_namespace};
use crate::model::job::{Job, JobDefinition};
use crate::model::job_request::JobRequest;
use crate::model::{InvalidInput, Timestamp, namespace};
use crate::store::access::namespaces::NoPlace;
use crate::store::author::Author;
use crate::store::jobs::commands::{NewJob, UpdateOutcome};
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
    /// The caller has the role in namespaces only: `FORBIDDEN`.
    #[error("it concerns all namespaces, and needs a role in the whole cluster")]
    ClusterWide,
    /// `CONFLICT`: another command was faster.
    #[error("{0}")]
    Conflict(String),
    /// `UNAVAILABLE` for a passing error, else an internal error.
    #[error("the job store did not answer")]
    Store(#[from] StoreError),
}

/// Creates a job and its trigger.
pub struct CreateJob(pub JobRequest);

/// Creates jobs: all or none.
pub struct CreateJobs(pub Vec<JobRequest>);

/// Replaces the definition of a job if the version still matches.
pub struct UpdateJob {
    /// Job of the command.
    pub id: Uuid,
    /// New definition of the job.
    pub request: JobRequest,
    /// The version read by the caller.
    pub version: i32,
}

/// Pauses a job. The reason is display only.
pub struct PauseJob(pub Uuid, pub Option<String>);

/// Cancels an execution on any node.
pub struct CancelExecution(pub Uuid);

/// Resumes a paused job: it fires from now on.
pub struct ResumeJob(pub Uuid, pub MissedOnce);

/// Deletes a job for good; the log stays.
pub struct DeleteJob(pub Uuid);

/// A command that stops a job. The executions in flight are cancelled afterwards.
pub struct ThenCancel<C> {
    /// Command to carry out first.
    pub command: C,
    /// Job of the command.
    pub job: Uuid,
}

/// Makes a job due now, once. Returns the id of the execution.
pub struct RunJobNow(pub Uuid);

/// Drains a node: the node takes no new work.
pub struct DrainNode(pub Uuid);

/// Pauses the cluster: nothing is leased any more. The reason is display only.
pub struct PauseCluster(pub Option<String>);

/// Resumes the cluster: due fire times start.
pub struct ResumeCluster;

/// The job manager of a node.
pub struct JobManager {
    store: Store,
    // A drop of the guard reports the death of the actor.
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
    /// The answer to the caller.
    type Output: Send + 'static;

    /// Carries out the command. The store writes the author of the command next to the change.
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
        // A copy with the author: the commands of other callers run at the same time.
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

/// The error of a job with a calendar or secret deleted after the check.
fn stale_reference(error: StoreError) -> CommandError {
    if error.is_of_a_reference() {
        let message = "a calendar or a secret of the job was deleted at this moment: try again";
        return CommandError::Conflict(message.to_owned());
    }
    error.into()
}

/// The calendars named by jobs; no query without a name.
async fn named_calendars<'a>(
    store: &Store,
    jobs: impl Iterator<Item = &'a JobDefinition>,
) -> Result<Exclusions, CommandError> {
    let named: Vec<&JobDefinition> = jobs.filter(|job| job.calendar.is_some()).collect();
    if named.is_empty() {
        Ok(Exclusions::default())
    } else {
        Ok(store.exclusions(&named).await?)
    }
}

/// The new job of a request.
fn new_job(mut request: JobRequest, now: Timestamp) -> Result<NewJob, InvalidInput> {
    // The id is made here and not by the database: `H` in an expression takes the id as seed.
    let id = Uuid::now_v7();
    let namespace = request.namespace.take();
    let namespace = namespace.unwrap_or_else(|| namespace::DEFAULT.to_owned());
    namespace::validate_name("namespace", &namespace)?;
    let definition = request.validate(id, now)?;
    // A calendar belongs to a namespace: the editors of another one must not learn its rules.
    validate_namespace(&definition, &namespace)?;
    Ok(NewJob {
        id,
        namespace,
        definition,
    })
}

/// Stores new jobs, if the namespaces have places.
async fn created(
    store: &Store,
    jobs: Vec<NewJob>,
    now: Timestamp,
) -> Result<Vec<Job>, CommandError> {
    let created = store.create_jobs(jobs, now).await;
    Ok(created.map_err(stale_reference)??)
}

impl From<NoPlace> for CommandError {
    fn from(no_place: NoPlace) -> Self {
        match no_place {
            NoPlace::Unknown(namespace) => unknown_namespace(namespace),
            NoPlace::Full {
                namespace,
                max_jobs,
            } => {
                let message =
                    format!("`{namespace}` has at most {max_jobs} jobs: delete some first");
                InvalidInput::new("namespace", message).into()
            }
        }
    }
}

/// The same answer to a missing namespace and to a namespace out of reach.
fn unknown_namespace(name: String) -> CommandError {
    CommandError::NotFound {
        what: "namespace",
        id: name,
    }
}

impl CreateJobs {
    /// The place of a job in the input, counted from 0.
    pub fn place(index: usize) -> String {
        format!("inputs.{index}")
    }
}

impl Command for CreateJob {
    type Output = Job;

    async fn carry_out(self, store: &Store) -> Result<Job, CommandError> {
        let CreateJob(request) = self;
        // The clock of the database: the clocks of nodes may differ.
        let now = store.now().await?;
        let job = new_job(request, now)?;
        let exclusions = named_calendars(store, std::iter::once(&job.definition)).await?;
        // A courtesy to the caller: the foreign key decides when the job is stored.
        exclusions.validate(job.id, &job.definition, now)?;
        let id = job.id;
        let named = std::iter::once((job.namespace.as_str(), &job.definition));
        refuse_references(store, named, |_, it| it).await?;
        found(created(store, vec![job], now).await?.pop(), "job", id)
    }
}

impl Command for CreateJobs {
    type Output = Vec<Job>;

    async fn carry_out(self, store: &Store) -> Result<Vec<Job>, CommandError> {
        let CreateJobs(requests) = self;
        let now = store.now().await?;
        let mut jobs = Vec::with_capacity(requests.len());
        for (index, request) in requests.into_iter().enumerate() {
            let job = new_job(request, now);
            jobs.push(job.map_err(|invalid| invalid.at(&CreateJobs::place(index)))?);
        }
        let definitions = jobs.iter().map(|job| &job.definition);
        let exclusions = named_calendars(store, definitions).await?;
        for (index, job) in jobs.iter().enumerate() {
            exclusions
                .validate(job.id, &job.definition, now)
                .map_err(|invalid| invalid.at(&CreateJobs::place(index)))?;
        }
        let named = jobs
            .iter()
            .map(|job| (job.namespace.as_str(), &job.definition));
        refuse_references(store, named, |index, invalid| {
            invalid.at(&CreateJobs::place(index))
        })
        .await?;
        created(store, jobs, now).await
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
        // Read without a lock: `update_job` compares the version under the lock.
        let old = found(store.job(id).await?, "job", id)?;
        if request
            .namespace
            .as_ref()
            .is_some_and(|name| *name != old.namespace)
        {
            let message = "is not that of the job, which does not change: leave it out";
            return Err(InvalidInput::new("namespace", message).into());
        }
        let definition = request.validate_edit(id, now, &old.definition)?;
        // An unchanged calendar is not checked again: the edit concerns another field.
        if definition.calendar != old.definition.calendar {
            validate_namespace(&definition, &old.namespace)?;
        }
        let exclusions = named_calendars(store, std::iter::once(&definition)).await?;
        // A calendar edited since must not block an edit of another field.
        exclusions.validate_edit(id, &definition, now, Some(&old.definition))?;
        let named = std::iter::once((old.namespace.as_str(), &definition));
        refuse_references(store, named, |_, it| it).await?;
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
        // One entry in the audit log: the cancellations belong to the first command.
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
