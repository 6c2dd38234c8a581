//! Errors of the API: a stable code, a sentence for the person, nothing else.
//!
//! `BAD_USER_INPUT` has the place of what is refused as its `field`, in one form whatever refuses
//! it, the library or the model: names of arguments and fields joined by dots, members of lists
//! counted from 0. The argument `input`, of which a command has no other beside it that could be
//! meant, is left out. So `first`, `filter.ids.0`, `cronExpression`, `retry.maxAttempts`, `tags.1`,
//! `inputs.37.cronExpression`.
//!
//! No SQL, path or stack leaves the process; what an operator needs is logged.

use crate::actors::job_manager::CommandError;
use crate::model::{self, InvalidInput, Timestamp};
use crate::store::StoreError;
use actix::MailboxError;
use async_graphql::{Error, ErrorExtensions, ID, ServerError};
use std::sync::Arc;
use uuid::Uuid;

/// What was asked for does not fit.
pub fn bad_input(field: &str, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", "BAD_USER_INPUT");
        extensions.set("field", field);
    })
}

/// The model's refusal of an input.
pub fn invalid(invalid: &InvalidInput) -> Error {
    bad_input(&invalid.field, invalid.to_string())
}

/// There is no such thing.
pub fn not_found(what: &str, id: impl std::fmt::Display) -> Error {
    coded(format!("no {what} has the id {id}"), "NOT_FOUND")
}

/// What the log says of an error and its answer does not. It travels with the error, so that a
/// request logs once however many of its fields failed.
pub struct Inside(Box<dyn std::error::Error + Send + Sync>);

/// Logs why fields of one answer failed inside: the first reason, and how many there are.
pub fn log(answer: &[ServerError]) {
    let mut inside = answer.iter().filter_map(ServerError::source::<Inside>);
    if let Some(Inside(first)) = inside.next() {
        let fields = 1 + inside.count();
        tracing::error!(
            error = &**first as &dyn std::error::Error,
            fields,
            "a request failed inside"
        );
    }
}

/// The answer would be larger than one may be.
pub fn too_large() -> Error {
    let message = "the answer would take more than 16 MB of memory: ask for a page of fewer rows (`first`), or leave out \
                   `payload`, `target`, `definition`, `output`, `previousAttempts` and `errorMessage`";
    coded(message, "BAD_USER_INPUT")
}

/// The store's error, kept for the log and made harmless.
pub fn store(error: StoreError) -> Error {
    if let StoreError::TooLarge { .. } = error {
        return too_large();
    }
    if let StoreError::Unreadable { .. } = error {
        // The store has said it in the log, once.
        return coded(error.to_string(), "UNREADABLE");
    }
    let shown = if error.is_passing() {
        coded(
            "the database does not answer at the moment: try again",
            "UNAVAILABLE",
        )
    } else {
        internal()
    };
    Error {
        source: Some(Arc::new(Inside(error.into()))),
        ..shown
    }
}

/// The command's error, as the API says it.
pub fn command(error: CommandError) -> Error {
    match error {
        CommandError::Invalid(invalid) => self::invalid(&invalid),
        CommandError::NotFound { what, id } => not_found(what, id),
        CommandError::Conflict(message) => coded(message, "CONFLICT"),
        CommandError::Store(error) => store(error),
    }
}

/// The actor did not take the message: the node is stopping.
pub fn mailbox(error: MailboxError) -> Error {
    let shown = coded("this node is stopping: try another", "UNAVAILABLE");
    Error {
        source: Some(Arc::new(Inside(error.into()))),
        ..shown
    }
}

/// An id of the API.
pub fn uuid(field: &str, id: &ID) -> Result<Uuid, Error> {
    let malformed = || {
        let shown: String = id.chars().take(40).collect();
        bad_input(field, format!("`{}` is not a UUID", shown.escape_debug()))
    };
    Uuid::try_parse(id).map_err(|_| malformed())
}

/// An instant of the API.
pub fn instant(field: &'static str, text: &str) -> Result<Timestamp, Error> {
    model::instant::instant(field, text).map_err(|refused| invalid(&refused))
}

/// Something that another node, or a later try, may give.
pub fn unavailable(message: &str) -> Error {
    coded(message, "UNAVAILABLE")
}

/// No query, but the hash of one: in the words that Apollo's clients know, who then send the query.
pub fn persisted_query_not_supported() -> ServerError {
    let mut error = ServerError::new("PersistedQueryNotSupported", None);
    error
        .extensions
        .get_or_insert_default()
        .set("code", "PERSISTED_QUERY_NOT_SUPPORTED");
    error
}

/// What is stored is not what the API can show.
pub fn unshowable(error: serde_json::Error) -> Error {
    Error {
        source: Some(Arc::new(Inside(error.into()))),
        ..internal()
    }
}

/// Something broke that should not.
pub fn internal() -> Error {
    coded(
        "the request failed inside; the node's log says why",
        "INTERNAL",
    )
}

fn coded(message: impl Into<String>, code: &str) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}
