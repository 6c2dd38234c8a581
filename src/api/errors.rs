//! Errors of the API: a stable code and a sentence for the user.
//!
//! `BAD_USER_INPUT` has a `field`: the place of the bad value, in one form for refusals of the
//! library and of the model. Names of arguments and fields are joined by dots, members of lists are
//! counted from 0, and the argument `input` is left out: `first`, `filter.ids.0`, `cronExpression`,
//! `retry.maxAttempts`, `tags.1`, `inputs.37.cronExpression`.
//!
//! No SQL, path or stack trace leaves the process; the log has the details for the operator.

use super::budgets::Overspent;
use crate::access::SignInError;
use crate::actors::job_manager::CommandError;
use crate::model::access::{Caller, Role};
use crate::model::{InvalidInput, UnknownName};
use crate::store::StoreError;
use actix::MailboxError;
use async_graphql::{Error, ErrorExtensions, ID, ServerError};
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// The name of a place in the arguments, without the argument `input`.
pub fn field(place: &str) -> &str {
    place.strip_prefix("input.").unwrap_or(place)
}

/// The request has a bad value.
pub fn bad_input(field: &str, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", "BAD_USER_INPUT");
        extensions.set("field", field);
    })
}

/// The request has no caller.
pub fn unauthenticated() -> Error {
    coded("sign in, or send an API token", "UNAUTHENTICATED")
}

/// The id is unknown.
pub fn not_found(what: &str, id: impl std::fmt::Display) -> Error {
    coded(format!("no {what} has the id {id}"), "NOT_FOUND")
}

/// The part of an error for the log alone: the source of the error in the answer. A request thus
/// logs once, for any number of failed fields.
pub struct Inside(Box<dyn std::error::Error + Send + Sync>);

/// Logs the first internal error of an answer, and the number of failed fields.
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

/// The answer exceeds the memory of one answer.
pub fn too_large() -> Error {
    let message = "the answer would take more than 16 MB of memory: ask for a page of fewer rows \
                   (`first`), or leave out `payload`, `target`, `definition`, `output`, \
                   `previousAttempts` and `errorMessage`";
    coded(message, "BAD_USER_INPUT")
}

impl From<InvalidInput> for Error {
    fn from(invalid: InvalidInput) -> Self {
        bad_input(&invalid.field, invalid.to_string())
    }
}

/// The answer names no statement and no server; the log has the whole error.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        // The request is at fault, not the store: there is nothing for the log.
        if let StoreError::TooLarge { .. } = error {
            return too_large();
        }
        if let StoreError::Unreadable { .. } = error {
            // The store has logged it already, once.
            return coded(error.to_string(), "UNREADABLE");
        }
        // Clients repeat a request after UNAVAILABLE, and give up after INTERNAL.
        let shown = if error.is_passing() {
            coded(
                "the database does not answer at the moment: try again",
                "UNAVAILABLE",
            )
        } else {
            internal()
        };
        Self {
            source: Some(Arc::new(Inside(error.into()))),
            ..shown
        }
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Invalid(invalid) => invalid.into(),
            CommandError::NotFound { what, id } => not_found(what, id),
            CommandError::ClusterWide => coded(error.to_string(), "FORBIDDEN"),
            CommandError::Conflict(message) => coded(message, "CONFLICT"),
            CommandError::Store(error) => error.into(),
        }
    }
}

/// The actor did not take the message: the node stops.
pub fn mailbox(error: MailboxError) -> Error {
    let shown = coded("this node is stopping: try another", "UNAVAILABLE");
    Error {
        source: Some(Arc::new(Inside(error.into()))),
        ..shown
    }
}

/// Reads an id; another text than a UUID is a bad value of `field`.
pub fn uuid(field: &str, id: &ID) -> Result<Uuid, Error> {
    Uuid::try_parse(id).map_err(|_| {
        // The text comes from outside, with any length and any control characters.
        let shown: String = id.chars().take(40).collect();
        bad_input(field, format!("`{}` is not a UUID", shown.escape_debug()))
    })
}

/// The role of the caller does not suffice for a field.
pub fn forbidden(field: &str, needed: Role, caller: &Caller) -> Error {
    let message = format!(
        "{field} needs the role {needed}: {} has {}",
        caller.label(),
        caller.roles_in_words()
    );
    coded(message, "FORBIDDEN")
}

/// The role of the caller in a namespace, which the caller may read, does not suffice for a field.
pub fn forbidden_in(namespace: &str, field: &str, needed: Role, caller: &Caller) -> Error {
    let message = format!(
        "{field} needs the role {needed} in {namespace}: {} has {}",
        caller.label(),
        caller.roles_in_words()
    );
    coded(message, "FORBIDDEN")
}

/// The requests of the caller have cost more than its budget.
pub fn overspent(overspent: &Overspent) -> Error {
    // Rounded up: a client that waits for exactly this time must succeed.
    let seconds = overspent.wait.as_secs() + 1;
    let message = format!(
        "the requests of this caller cost more than {} in a minute (--caller-budget): try again in \
         {seconds} s, or send fewer and cheaper requests",
        overspent.per_minute
    );
    coded(message, "THROTTLED")
}

/// The state does not allow the command.
pub fn conflict(message: &str) -> Error {
    coded(message, "CONFLICT")
}

/// The argument `current` is not the password of the caller, or cannot be compared with it.
pub fn unconfirmed(error: SignInError) -> Error {
    match error {
        // Not UNAUTHENTICATED: clients would drop the session, which is still valid.
        SignInError::Wrong => bad_input("current", "current: is not the password of the caller"),
        SignInError::Throttled { retry_after } => {
            let message = format!(
                "too many wrong passwords: try again in {} s",
                retry_after.as_secs() + 1
            );
            coded(message, "THROTTLED")
        }
        SignInError::Unavailable(error) => error.into(),
    }
}

/// The table of roles does not have a field.
pub fn without_role(field: &str) -> Error {
    coded(format!("{field}: no role allows it"), "FORBIDDEN")
}

/// Another node, or a later try, may succeed.
pub fn unavailable(message: &str) -> Error {
    coded(message, "UNAVAILABLE")
}

/// The request has the hash of a query instead of the query. Apollo's clients know the message, and
/// send the query next.
pub fn persisted_query_not_supported() -> ServerError {
    let mut error = ServerError::new("PersistedQueryNotSupported", None);
    error
        .extensions
        .get_or_insert_default()
        .set("code", "PERSISTED_QUERY_NOT_SUPPORTED");
    error
}

/// A stored value cannot be shown.
pub fn unshowable(error: serde_json::Error) -> Error {
    Error {
        source: Some(Arc::new(Inside(error.into()))),
        ..internal()
    }
}

/// Reads the name of an enum as stored. A newer node may have written a name without a meaning
/// here.
pub fn named<T: FromStr<Err = UnknownName>>(name: &str) -> Result<T, Error> {
    name.parse().map_err(|unknown: UnknownName| Error {
        source: Some(Arc::new(Inside(unknown.into()))),
        ..internal()
    })
}

/// An error of the program; the log has its reason.
pub fn internal() -> Error {
    coded(
        "the request failed inside; the node's log says why",
        "INTERNAL",
    )
}

fn coded(message: impl Into<String>, code: &str) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}
