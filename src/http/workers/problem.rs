//! Refusals as `application/problem+json` (RFC 9457): a status, a code for programs, and what to do.

use crate::http::authentication::Unauthenticated;
use crate::model::InvalidInput;
use crate::store::StoreError;
use crate::store::protocol::workers::{JoinRefusal, Refusal};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;

/// Pause that a refused client is asked for, in seconds.
const RETRY_AFTER_SECONDS: &str = "1";

/// A refusal.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
}

/// The body of the answer.
#[derive(Serialize)]
struct Shown<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Problem {
    /// A refusal with this status, code and sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            field: None,
        }
    }

    /// The body is wrong.
    pub fn bad_input(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", detail)
    }

    /// The node, or its database, cannot do it now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", detail)
    }

    /// The caller may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", detail)
    }
}

impl From<InvalidInput> for Problem {
    fn from(error: InvalidInput) -> Self {
        Self {
            field: Some(error.field.to_string()),
            ..Self::bad_input(error.to_string())
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code, detail) = match refusal {
            Refusal::Unknown => (
                StatusCode::NOT_FOUND,
                "UNKNOWN_WORKER",
                "no worker that this caller has joined has this id",
            ),
            Refusal::Ended => (
                StatusCode::GONE,
                "MEMBERSHIP_ENDED",
                "the worker has left or was declared dead: stop what it runs, and join again",
            ),
            Refusal::Superseded => (
                StatusCode::CONFLICT,
                "SUPERSEDED",
                "a poll of this number or a higher one has started: number polls from 1, each \
                 higher than all before it",
            ),
        };
        Self::new(status, code, detail)
    }
}

impl From<JoinRefusal> for Problem {
    fn from(refusal: JoinRefusal) -> Self {
        match refusal {
            JoinRefusal::NoNamespace => no_namespace(),
            JoinRefusal::OlderNode(node) => Self::unavailable(format!(
                "the node {node} is of a version without workers: join when it is upgraded"
            )),
            JoinRefusal::Full => Self::unavailable("the cluster has 1000 workers, the most"),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            return Self::unavailable(error.to_string());
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request of a worker failed"
        );
        let detail = "the request failed inside Horolog; the log of the node says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", detail)
    }
}

impl From<Unauthenticated> for Problem {
    fn from(error: Unauthenticated) -> Self {
        let status = error.status_code();
        let code = match status {
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            StatusCode::FORBIDDEN => "FORBIDDEN",
            _ => "UNAVAILABLE",
        };
        Self::new(status, code, error.to_string())
    }
}

/// The answer about a namespace that does not exist, or is foreign to the caller.
pub fn no_namespace() -> Problem {
    InvalidInput::new("namespace", "there is no such namespace").into()
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                answer.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
            StatusCode::UNAUTHORIZED => {
                answer.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            _ => {}
        }
        // Before `json`, which keeps a type that is set.
        answer.content_type("application/problem+json").json(Shown {
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            field: self.field.as_deref(),
        })
    }
}
