//! Which operations come over which transport: a socket is for subscriptions.
//!
//! A query or mutation over a socket would have none of what `POST` has: a bound
//! of its time, a trace, a status.

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Name, Pos, ServerError, ServerResult, Variables, async_trait};
use std::sync::Arc;

/// The data of an operation that came over a socket: which one of its document is meant.
pub struct OverSocket(pub Option<String>);

/// Refuses queries and mutations that came over a socket.
pub struct SocketsSubscribe;

impl ExtensionFactory for SocketsSubscribe {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for SocketsSubscribe {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(ctx, query, variables).await?;
        match ctx.data_opt::<OverSocket>().and_then(|OverSocket(name)| meant(&document, name.as_deref())) {
            Some(OperationType::Query | OperationType::Mutation) => Err(for_post()),
            Some(OperationType::Subscription) | None => Ok(document),
        }
    }
}

/// The kind of the operation that is meant; none when it is not there, which is refused later.
fn meant(document: &ExecutableDocument, name: Option<&str>) -> Option<OperationType> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(&Name::new(name)),
        (DocumentOperations::Multiple(operations), None) => operations.values().next(),
    };
    operation.map(|operation| operation.node.ty)
}

fn for_post() -> ServerError {
    let message = "a socket is for subscriptions: send queries and mutations by POST";
    super::errors::bad_input("query", message).into_server_error(Pos::default())
}
