//! What a resolver takes from its request: the store, the fields that are selected, and the
//! channel to the `JobManager` actor.

use super::allowance::{self, StoreTurn};
use super::errors;
use crate::actors::job_manager::{CommandError, JobManager};
use crate::store::Store;
use crate::store::queries::executions::ExecutionTexts;
use actix::dev::ToEnvelope;
use actix::{Addr, Handler, Message};
use async_graphql::{Context, Result};

/// Fields of a job that may take 256 KB.
pub const LARGE_OF_JOBS: [&str; 2] = ["payload", "target"];
/// Fields of an execution that may take 64 KB and more.
pub const LARGE_OF_EXECUTIONS: [&str; 3] = ["output", "previousAttempts", "payload"];

/// The store, as soon as the request may run one more statement.
pub async fn store<'a>(ctx: &Context<'a>) -> Result<StoreTurn<'a>> {
    allowance::of(ctx)?.store(ctx.data::<Store>()?).await
}

/// Sends a command to the `JobManager` and waits for its result.
pub async fn command<M, T>(ctx: &Context<'_>, message: M) -> Result<T>
where
    M: Message<Result = Result<T, CommandError>> + Send + 'static,
    T: Send + 'static,
    JobManager: Handler<M>,
    actix::Context<JobManager>: ToEnvelope<JobManager, M>,
{
    let manager = ctx.data::<Addr<JobManager>>()?;
    Ok(manager.send(message).await.map_err(errors::mailbox)??)
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
