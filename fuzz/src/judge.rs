//! The real schema, up to the point where something would be executed.

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::{Request, Response};
use futures_util::FutureExt;
use horolog::api::{LargeAnswers, Schema};
use horolog::model::access::Caller;
use std::sync::Arc;

/// Answers in place of the resolvers, which want a database.
struct ExecuteNothing;

impl ExtensionFactory for ExecuteNothing {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for ExecuteNothing {
    async fn execute(
        &self,
        _: &ExtensionContext<'_>,
        _: Option<&str>,
        _: NextExecute<'_>,
    ) -> Response {
        Response::default()
    }
}

/// The schema that judges.
pub fn schema() -> Schema {
    horolog::api::builder()
        .extension(ExecuteNothing)
        .data(LargeAnswers::default())
        .finish()
}

/// Judges and validates a request; panics when its answer breaks a promise. Whether it would be
/// executed.
pub fn judge(schema: &Schema, request: Request) -> bool {
    let answer = schema
        .execute(request.data(Arc::new(Caller::anonymous(None))))
        .now_or_never()
        .expect("nothing waits before the execution");
    assert!(answer.errors.len() <= 20, "{} errors", answer.errors.len());
    for error in &answer.errors {
        assert!(
            error.message.len() <= 500,
            "a message of {} bytes",
            error.message.len()
        );
        assert!(
            error.extensions.is_some(),
            "an error without a code: {error:?}"
        );
    }
    answer.errors.is_empty()
}
