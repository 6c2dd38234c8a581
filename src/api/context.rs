//! What a resolver takes from its request: the store, the fields that are selected, and the
//! channel to the `JobManager` actor.

use super::allowance::{self, StoreTurn};
use super::reach::{self, WholeStore};
use super::{access, errors};
use crate::actors::job_manager::{Authored, Command, CommandError, JobManager};
use crate::model::access::{Caller, Reach, Role};
use crate::model::job::Job;
use crate::model::namespace;
use crate::store::access::namespaces::Member;
use crate::store::author::Author;
use crate::store::queries::executions::ExecutionTexts;
use actix::Addr;
use async_graphql::parser::types::OperationType;
use async_graphql::{Context, Error, Result};
use std::sync::Arc;
use uuid::Uuid;

/// Fields of a job that may take 256 KB.
pub const LARGE_OF_JOBS: [&str; 2] = ["payload", "target"];
/// Fields of an execution that may take 64 KB and more.
pub const LARGE_OF_EXECUTIONS: [&str; 3] = ["output", "previousAttempts", "payload"];

/// The store within the reach of the caller, as soon as the request may run one more statement.
pub async fn store<'a>(ctx: &Context<'a>) -> Result<StoreTurn<'a>> {
    let store = ctx.data::<WholeStore>()?.of(caller(ctx)?);
    allowance::of(ctx)?.store(&store).await
}

/// Sends a command of the caller to the `JobManager` and waits for its result. The command has the
/// name of the mutation. It sees the namespaces in which the caller has the role of the mutation.
pub async fn command<C: Command>(ctx: &Context<'_>, command: C) -> Result<C::Output> {
    let (caller, field) = (caller(ctx)?, ctx.field().name());
    let Some(needed) = access::needed(OperationType::Mutation, field) else {
        return Err(errors::without_role(field));
    };
    let reach = caller.reach(needed);
    let author = Author::command(caller.clone(), field).within(reach.clone());
    let manager = ctx.data::<Addr<JobManager>>()?;
    let answer = manager.send(Authored { author, command }).await;
    match answer.map_err(errors::mailbox)? {
        Ok(output) => Ok(output),
        Err(error) if reach == Reach::All => Err(error.into()),
        // Boxed: the stack of a mutation has no room for it.
        Err(error) => Err(Box::pin(refusal(ctx, error, needed)).await),
    }
}

/// The answer to a failed command that does not see the whole cluster. If only the role is missing
/// for it, the answer says so.
async fn refusal(ctx: &Context<'_>, error: CommandError, needed: Role) -> Error {
    match missing_role(ctx, &error, needed).await {
        Ok(Some(refusal)) => refusal,
        Ok(None) => error.into(),
        Err(other) => other,
    }
}

async fn missing_role(
    ctx: &Context<'_>,
    error: &CommandError,
    needed: Role,
) -> Result<Option<Error>> {
    let (caller, field) = (caller(ctx)?, ctx.field().name());
    let refusal = match error {
        CommandError::ClusterWide => errors::forbidden(field, needed, caller),
        CommandError::NotFound { what, id } => {
            let readable = readable_namespace(ctx, what, id).await?;
            let reach = caller.reach(needed);
            match readable.filter(|namespace| !reach.includes(namespace)) {
                Some(namespace) => errors::forbidden_in(&namespace, field, needed, caller),
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    reach::record(ctx.data_opt(), caller, field, &refusal.message).await;
    Ok(Some(refusal))
}

/// A job whose stored values a mutation uses: the caller needs the role of the mutation for it.
pub async fn job_to_use(ctx: &Context<'_>, id: Uuid) -> Result<Job> {
    let (caller, field) = (caller(ctx)?, ctx.field().name());
    let needed = access::needed(OperationType::Mutation, field);
    let needed = needed.ok_or_else(|| errors::without_role(field))?;
    let store = ctx.data::<WholeStore>()?.within(caller, needed);
    let job = allowance::of(ctx)?.store(&store).await?.job(id).await?;
    if let Some(job) = job {
        return Ok(job);
    }
    let readable = readable_namespace(ctx, "job", &id.to_string()).await?;
    Err(match readable {
        Some(namespace) if !store.reach().includes(&namespace) => {
            errors::forbidden_in(&namespace, field, needed, caller)
        }
        _ => errors::not_found("job", id),
    })
}

/// The namespace of an object that the command of the caller did not find, if the caller may read
/// the object. Then the role is missing, and the answer says so.
async fn readable_namespace(ctx: &Context<'_>, what: &str, id: &str) -> Result<Option<String>> {
    let store = store(ctx).await?;
    let member = |member: fn(Uuid) -> Member| Uuid::try_parse(id).ok().map(member);
    let member = match what {
        "job" => member(Member::Job),
        "execution" => member(Member::Execution),
        "running backfill" => member(Member::Backfill),
        "blackout" => member(Member::Blackout),
        "calendar" => {
            let found = store.calendar(id).await?;
            return Ok(found.map(|found| namespace::of_calendar(&found.name).to_owned()));
        }
        "namespace" => return Ok(store.namespace(id).await?.map(|found| found.name)),
        _ => None,
    };
    match member {
        Some(member) => Ok(store.namespace_of(member).await?),
        None => Ok(None),
    }
}

/// The caller of the request. A request without one is refused: it went past the authentication.
pub fn caller<'a>(ctx: &Context<'a>) -> Result<&'a Arc<Caller>> {
    ctx.data_opt::<Arc<Caller>>()
        .ok_or_else(errors::unauthenticated)
}

/// Whether any of the fields is selected in the rows of a list. `path` leads from the resolver's
/// field to the rows.
pub fn asks_for(ctx: &Context<'_>, path: &[&str], fields: &[&str]) -> bool {
    let rows = path
        .iter()
        .fold(ctx.look_ahead(), |ahead, name| ahead.field(name));
    fields.iter().any(|field| rows.field(field).exists())
}

/// The texts of executions that are selected at any of the paths to the rows of a list. With all
/// texts the answer is a large one, and waits for its place.
pub async fn texts(ctx: &Context<'_>, paths: &[&[&str]]) -> Result<ExecutionTexts> {
    let mut texts = ExecutionTexts::None;
    for path in paths {
        if asks_for(ctx, path, &LARGE_OF_EXECUTIONS) {
            texts = ExecutionTexts::All;
        } else if asks_for(ctx, path, &["errorMessage"]) {
            texts = texts.max(ExecutionTexts::Errors);
        }
    }
    if texts == ExecutionTexts::All {
        allowance::of(ctx)?.take_place().await?;
    }
    Ok(texts)
}
