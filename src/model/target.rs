//! Targets: the actions of executions, and the bounds of the settings.
//!
//! The handlers of the same names (`crate::handlers`) perform the actions. The module refuses
//! impossible settings.

use super::{InvalidInput, text};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

/// Longest `noop` sleep in milliseconds: a day.
const NOOP_SLEEP_MILLIS_MAX: u64 = 86_400_000;
/// Longest time an HTTP target may take, in seconds.
const HTTP_TIMEOUT_SECONDS_MAX: u32 = 3_600;
/// Longest URL in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// Longest name of a handler.
const HANDLER_NAME_CHARS_MAX: usize = 100;
/// Most headers of one HTTP target.
const HEADERS_MAX: usize = 50;
/// Longest header value in bytes.
const HEADER_VALUE_BYTES_MAX: usize = 4_096;

/// The action of an execution. Stored as JSON in `job_definition.target`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// Writes a log line with the payload.
    #[default]
    Log,
    /// Sleeps, then succeeds. For drills and benchmarks.
    Noop(NoopTarget),
    /// Sends an HTTP request; 2xx is success.
    Http(HttpTarget),
    /// Waits for a worker that offers the handler, and runs there.
    Handler(HandlerTarget),
}

/// Settings of the `handler` target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandlerTarget {
    /// Name of the handler, as workers offer it.
    pub name: String,
}

/// Settings of the `noop` target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoopTarget {
    /// Length of the sleep, in milliseconds.
    pub sleep_millis: u64,
}

/// Settings of the `http` target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpTarget {
    /// Absolute `http` or `https` address, without user information.
    pub url: Url,
    /// Method of the request. Default: `POST`.
    pub method: HttpMethod,
    /// Further headers, without the headers set by Horolog.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body of the request. Default: the payload of the job as JSON.
    #[serde(default)]
    pub body: Option<String>,
    /// Longest exchange, in seconds.
    pub timeout_seconds: u32,
    /// Names of the secrets for signatures; two during a change of the secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signing_secrets: Vec<String>,
}

/// Methods of a webhook.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, async_graphql::Enum,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// `GET`, without a body unless configured.
    Get,
    /// `POST`, the default of a target.
    #[default]
    Post,
    Put,
    Patch,
    /// `DELETE`, without a body unless configured.
    Delete,
}

impl HttpMethod {
    /// The method of the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether requests with the method usually have a body.
    pub const fn takes_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

impl HttpTarget {
    /// Default of the longest exchange, in seconds (Standard Webhooks recommends 15 to 30).
    pub const TIMEOUT_SECONDS_DEFAULT: u32 = 30;
}

impl Target {
    /// `name:port` of the called host, if any.
    pub fn host(&self) -> Option<String> {
        let Self::Http(http) = self else { return None };
        Some(format!(
            "{}:{}",
            http.url.host_str()?,
            http.url.port_or_known_default()?
        ))
    }

    /// Whether the target gets the payload of an execution.
    pub fn sends_payload(&self) -> bool {
        match self {
            Self::Http(http) => http.body.is_none() && http.method.takes_body(),
            Self::Log | Self::Noop(_) | Self::Handler(_) => true,
        }
    }

    /// The name of the handler that workers offer; none for a target that every node runs.
    pub fn handler(&self) -> Option<&str> {
        match self {
            Self::Handler(handler) => Some(&handler.name),
            Self::Log | Self::Noop(_) | Self::Http(_) => None,
        }
    }

    /// Refuses impossible settings. The error names the field.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        match self {
            Self::Noop(noop) if noop.sleep_millis > NOOP_SLEEP_MILLIS_MAX => {
                Err(InvalidInput::new(
                    "target.noop.sleepMillis",
                    format!("must be at most {NOOP_SLEEP_MILLIS_MAX} (a day)"),
                ))
            }
            Self::Log | Self::Noop(_) => Ok(()),
            Self::Http(http) => http.validate(),
            Self::Handler(handler) => validate_handler_name("target.handler.name", &handler.name),
        }
    }
}

/// Refuses a name that no handler may have. Without a slash: a route is a namespace and a handler.
pub fn validate_handler_name(
    field: impl Into<Cow<'static, str>>,
    name: &str,
) -> Result<(), InvalidInput> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=HANDLER_NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(is_allowed) {
        return Ok(());
    }
    let message = "must be from 1 to 100 letters, digits, dots, underscores and hyphens";
    Err(InvalidInput::new(field, message))
}

impl HttpTarget {
    fn validate(&self) -> Result<(), InvalidInput> {
        if let Some(problem) = url_problem(&self.url) {
            return Err(InvalidInput::new("target.http.url", problem));
        }
        if self.timeout_seconds == 0 || self.timeout_seconds > HTTP_TIMEOUT_SECONDS_MAX {
            return Err(InvalidInput::new(
                "target.http.timeoutSeconds",
                "must be from 1 to 3600",
            ));
        }
        if self.headers.len() > HEADERS_MAX {
            return Err(InvalidInput::new(
                "target.http.headers",
                "must be at most 50 headers",
            ));
        }
        text::HTTP_BODY.check_given("target.http.body", self.body.as_deref())?;
        for (name, value) in &self.headers {
            if let Some(problem) = header_problem(name, value) {
                return Err(InvalidInput::new("target.http.headers", problem));
            }
        }
        let lower: BTreeSet<String> = self
            .headers
            .keys()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        // Names of headers ignore the case, and a map of the input does not.
        if lower.len() < self.headers.len() {
            return Err(InvalidInput::new(
                "target.http.headers",
                "must not hold one name in two spellings",
            ));
        }
        Ok(())
    }
}

/// Headers set by Horolog or by HTTP itself. With such a header a job could forge the identity or
/// break the framing of the request.
const RESERVED_HEADERS: [&str; 15] = [
    "host",
    "content-length",
    "idempotency-key",
    "traceparent",
    // Of a connection, not of a request (RFC 9110 §7.6.1).
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    // Horolog does not wait for the interim answer.
    "expect",
];

fn url_problem(url: &Url) -> Option<&'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some("must be an http or https address");
    }
    if url.host().is_none() {
        return Some("must name a host");
    }
    // The API shows the address to all readers.
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not hold a user name or password: send a header instead");
    }
    (url.as_str().len() > URL_BYTES_MAX).then_some("must be at most 2048 bytes long")
}

fn header_problem(name: &str, value: &str) -> Option<String> {
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        return Some(format!("`{}` is not a header name", name.escape_debug()));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED_HEADERS.contains(&lower.as_str())
        || lower.starts_with("horolog-")
        || lower.starts_with("webhook-")
    {
        return Some(format!("`{name}` is set by Horolog itself"));
    }
    let is_valid = value.len() <= HEADER_VALUE_BYTES_MAX && value.bytes().all(is_printable);
    (!is_valid)
        .then(|| format!("the value of `{name}` must be printable ASCII of at most 4096 bytes"))
}

/// A byte of a header name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_printable(byte: u8) -> bool {
    byte == b'\t' || (0x20..0x7f).contains(&byte)
}
