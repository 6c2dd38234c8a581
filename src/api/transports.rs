//! Which operations come over which transport: a socket is for subscriptions, `GET` for queries.
//!
//! A query or mutation over a socket would have none of what `POST` has: a bound of its time, a
//! trace, a status. A mutation by `GET` would be executed by whatever follows a link.

use super::errors;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Name, Pos, ServerError, ServerResult, Variables, async_trait};
use std::sync::Arc;

/// The data of an operation that did not come by `POST`: which one of its document is meant.
pub enum Transport {
    /// By a socket.
    Socket(Option<String>),
    /// By `GET`.
    Get(Option<String>),
}

/// The source of the error of an operation that came by `GET` and is for `POST`.
pub struct OnlyByPost;

/// Refuses operations of a kind that their transport is not for.
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

/// The kind of the operation that is meant; none when it is not there, which is refused later.
fn meant(document: &ExecutableDocument, name: Option<&str>) -> Option<OperationType> {
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(&Name::new(name)),
        (DocumentOperations::Multiple(operations), None) => operations.values().next(),
    };
    operation.map(|operation| operation.node.ty)
}
