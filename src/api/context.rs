//! What a resolver takes from its request: the store, the fields that are selected, and the
//! channel to the `JobManager` actor.

use super::allowance::{self, StoreTurn};
use super::errors;
use crate::actors::job_manager::{Authored, Command, JobManager};
use crate::model::access::Caller;
use crate::store::Store;
use crate::store::author::Author;
use crate::store::queries::executions::ExecutionTexts;
use actix::Addr;
use async_graphql::{Context, Result};
use std::sync::Arc;

/// Fields of a job that may take 256 KB.
pub const LARGE_OF_JOBS: [&str; 2] = ["payload", "target"];
/// Fields of an execution that may take 64 KB and more.
pub const LARGE_OF_EXECUTIONS: [&str; 3] = ["output", "previousAttempts", "payload"];

/// The store, as soon as the request may run one more statement.
pub async fn store<'a>(ctx: &Context<'a>) -> Result<StoreTurn<'a>> {
    allowance::of(ctx)?.store(ctx.data::<Store>()?).await
}

/// Sends a command of the caller to the `JobManager` and waits for its result. The command has the
/// name of the mutation.
pub async fn command<C: Command>(ctx: &Context<'_>, command: C) -> Result<C::Output> {
    let author = Author::command(caller(ctx)?.clone(), ctx.field().name());
    let manager = ctx.data::<Addr<JobManager>>()?;
    let answer = manager.send(Authored { author, command }).await;
    Ok(answer.map_err(errors::mailbox)??)
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
