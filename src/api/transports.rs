//! Operations and their transports: a socket is for subscriptions, `GET` is for queries.
//!
//! A query or mutation over a socket would lack what `POST` has: a time limit, a trace, a status
//! code. A mutation by `GET` would be executed by every program that follows links.

use super::errors;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Name, Pos, ServerError, ServerResult, Variables, async_trait};
use std::sync::Arc;

/// The transport of an operation that did not come by `POST`, with the name of the operation.
pub enum Transport {
    /// By a socket, for subscriptions.
    Socket(Option<String>),
    /// By `GET`, for queries.
    Get(Option<String>),
}

/// Source of the error of an operation that came by `GET` and requires `POST`.
pub struct OnlyByPost;

/// Refuses operations over the wrong transport.
pub struct KindsOfTransports;

impl ExtensionFactory for KindsOfTransports {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for KindsOfTransports {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        // The kind of an operation is known only after the parser.
        let document = next.run(ctx, query, variables).await?;
        match ctx.data_opt::<Transport>() {
            Some(Transport::Socket(name))
                if meant(&document, name.as_deref()).is_some_and(is_answered_once) =>
            {
                let message = "a socket is for subscriptions: send queries and mutations by POST";
                Err(errors::bad_input("query", message).into_server_error(Pos::default()))
            }
            Some(Transport::Get(name))
                if meant(&document, name.as_deref()) == Some(OperationType::Mutation) =>
            {
                let error =
                    errors::bad_input("query", "GET is for queries: send mutations by POST");
                Err(ServerError {
                    // By this source the HTTP layer answers 405 with `Allow: POST`.
                    source: Some(Arc::new(OnlyByPost)),
                    ..error.into_server_error(Pos::default())
                })
            }
            _ => Ok(document),
        }
    }
}

fn is_answered_once(kind: OperationType) -> bool {
    matches!(kind, OperationType::Query | OperationType::Mutation)
}

/// The kind of the named operation; none for an unknown name, which is refused later.
fn meant(document: &ExecutableDocument, name: Option<&str>) -> Option<OperationType> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(&Name::new(name)),
        // The admission refuses several operations without a name: at most one is here.
        (DocumentOperations::Multiple(operations), None) => operations.values().next(),
    };
    operation.map(|operation| operation.node.ty)
}
