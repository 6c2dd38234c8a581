//! What a job runs, and the rules of its configuration.
//!
//! The handlers of the same names (`crate::handlers`) do the running; this
//! module only says what a target is and refuses what could never run.

use super::{InvalidInput, text};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

/// Longest `noop` sleep in milliseconds: a day.
const NOOP_SLEEP_MILLIS_MAX: u64 = 86_400_000;
/// Longest time an HTTP target may take, in seconds.
const HTTP_TIMEOUT_SECONDS_MAX: u32 = 3_600;
/// Longest URL in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// Most headers of one HTTP target.
const HEADERS_MAX: usize = 50;
/// Longest header value in bytes.
const HEADER_VALUE_BYTES_MAX: usize = 4_096;

/// What an execution runs. Stored as JSON in `job_definition.target`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// Writes one log line with the payload.
    #[default]
    Log,
    /// Sleeps, then succeeds: for drills and benchmarks.
    Noop(NoopTarget),
    /// Sends an HTTP request; 2xx is success.
    Http(HttpTarget),
}

/// Configuration of the `noop` target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoopTarget {
    /// How long to sleep, in milliseconds.
    pub sleep_millis: u64,
}

/// Configuration of the `http` target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpTarget {
    /// Absolute `http` or `https` address, without user information.
    pub url: Url,
    /// Request method; `POST` unless said.
    pub method: HttpMethod,
    /// Extra request headers; none that Horolog sends itself.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Request body; the job's payload as JSON unless said.
    #[serde(default)]
    pub body: Option<String>,
    /// Time for the whole exchange, in seconds.
    pub timeout_seconds: u32,
}

/// Methods that a webhook may use.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, async_graphql::Enum,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// `GET`, without a body unless one is configured.
    Get,
    /// `POST`, the default.
    #[default]
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`, without a body unless one is configured.
    Delete,
}

impl HttpMethod {
    /// The method as it stands in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether requests of the method have a body as a rule.
    pub const fn takes_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

impl HttpTarget {
    /// Seconds that an exchange may take unless the job says otherwise
    /// (Standard Webhooks recommends 15 to 30).
    pub const TIMEOUT_SECONDS_DEFAULT: u32 = 30;
}

impl Target {
    /// `name:port` of the host that the target calls, if it calls one.
    pub fn host(&self) -> Option<String> {
        let Self::Http(http) = self else { return None };
        Some(format!(
            "{}:{}",
            http.url.host_str()?,
            http.url.port_or_known_default()?
        ))
    }

    /// Whether the payload of a run goes to the target.
    pub fn sends_payload(&self) -> bool {
        match self {
            Self::Http(http) => http.body.is_none() && http.method.takes_body(),
            Self::Log | Self::Noop(_) => true,
        }
    }

    /// Refuses what could never run: the error names the field.
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
        }
    }
}

impl HttpTarget {
    fn validate(&self) -> Result<(), InvalidInput> {
        let url_error = |message: &str| Err(InvalidInput::new("target.http.url", message));
        if !matches!(self.url.scheme(), "http" | "https") {
            return url_error("must be an http or https address");
        }
        if self.url.host().is_none() {
            return url_error("must name a host");
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return url_error("must not hold a user name or password: send a header instead");
        }
        if self.url.as_str().len() > URL_BYTES_MAX {
            return url_error("must be at most 2048 bytes long");
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
        self.headers
            .iter()
            .try_for_each(|(name, value)| validate_header(name, value))?;
        let lower: BTreeSet<String> = self
            .headers
            .keys()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        if lower.len() < self.headers.len() {
            return Err(InvalidInput::new(
                "target.http.headers",
                "must not hold one name in two spellings",
            ));
        }
        Ok(())
    }
}

/// Header names that Horolog or HTTP itself sets; a job that could set them
/// could forge its identity or break the framing of the request.
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
    // The answer to it is waited for by nobody.
    "expect",
];

fn validate_header(name: &str, value: &str) -> Result<(), InvalidInput> {
    let refuse = |message: String| Err(InvalidInput::new("target.http.headers", message));
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte); // RFC 9110 §5.6.2
    if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
        return refuse(format!("`{}` is not a header name", name.escape_debug()));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED_HEADERS.contains(&lower.as_str())
        || lower.starts_with("horolog-")
        || lower.starts_with("webhook-")
    {
        return refuse(format!("`{name}` is set by Horolog itself"));
    }
    let printable = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
    if value.len() > HEADER_VALUE_BYTES_MAX || !value.bytes().all(printable) {
        return refuse(format!(
            "the value of `{name}` must be printable ASCII of at most 4096 bytes"
        ));
    }
    Ok(())
}
