//! The `http` target: one request per attempt; a 2xx answer is success.
//!
//! The request carries who asks and for what (the `Horolog-*` headers), the
//! execution id as `Idempotency-Key` and as trace id, the same for all attempts,
//! so that the target can tell a repetition. A configured body goes out as it
//! is, without a guess at its type; the payload goes out as JSON.
//!
//! What it must never do: connect where [`super::egress`] forbids, follow a redirect,
//! heed a proxy variable, send twice, hold more of an answer than is stored,
//! outlive the target's timeout, or put a URL's path or query or a header's
//! value into a message: those are where people keep their secrets.

use super::SetUpError;
use super::egress::{Egress, GuardedResolver};
use super::retry_after::retry_after;
use super::webhook_thread::WebhookThread;
use crate::model::execution::{Attempt, Outcome, Reason, span_id};
use crate::model::rfc3339;
use crate::model::target::{HttpMethod, HttpTarget};
use crate::model::text::{TEXT_BYTES_MAX, storable_text};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, redirect, retry};
use std::error::Error as StdError;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Longest wait for name, connection and TLS together: a host that is down
/// should not hold a slot for the whole timeout of a slow job.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next request. Shorter than the 5 s of Node.js, the
/// shortest common server default. A request whose kept connection is closed before a byte of it
/// was written goes out on a new one (the client does that). One that was written before the close
/// arrived fails: the target may have taken it, and an `Idempotency-Key` does not say that it would
/// notice the second (ADR 40). The job's retry policy decides.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Most headers of an answer; its head ends at some 400 KB as well. The client's own bound, 100,
/// would fail targets behind proxies that add many.
const ANSWER_HEADERS_MAX: usize = 4_096;

/// Sends webhooks, on a thread of their own: what a target answers may take long to read
/// (informational answers without an end, for one), and it must not be firing that waits.
#[derive(Clone)]
pub(super) struct HttpHandler {
    sender: Sender,
    thread: Arc<WebhookThread>,
}

/// What sends one.
#[derive(Clone)]
struct Sender {
    client: Client,
    /// For the ports of the node's own services: a resolver does not learn the port.
    wary: Client,
    egress: Arc<Egress>,
}

impl HttpHandler {
    /// A handler that obeys these rules.
    pub(super) fn new(egress: Egress) -> Result<Self, SetUpError> {
        // Fails only when a provider is there already: then that one is used.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let egress = Arc::new(egress);
        let client = |knows_own| {
            client(GuardedResolver {
                egress: Arc::clone(&egress),
                knows_own,
            })
        };
        let set_up = |error: reqwest::Error| SetUpError(root_cause(&error));
        let (usual, wary) = (
            client(false).map_err(set_up)?,
            client(true).map_err(set_up)?,
        );
        let thread = Arc::new(WebhookThread::start()?);
        Ok(Self {
            sender: Sender {
                client: usual,
                wary,
                egress,
            },
            thread,
        })
    }

    /// Sends the attempt's request and judges the answer. Dropping the future
    /// closes the connection.
    pub(super) async fn run(&self, attempt: &Attempt, target: &HttpTarget) -> Outcome {
        let (sender, attempt, target) = (self.sender.clone(), attempt.clone(), target.clone());
        // A set ends what is in it when it is dropped.
        let mut exchange = JoinSet::new();
        exchange.spawn_on(
            async move { sender.exchange(&attempt, &target).await },
            self.thread.handle(),
        );
        match exchange.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(ended)) if ended.is_panic() => resume_unwind(ended.into_panic()),
            _ => failed(
                Reason::Error,
                "the node stopped in the middle of the request".to_owned(),
            ),
        }
    }
}

impl Sender {
    async fn exchange(&self, attempt: &Attempt, target: &HttpTarget) -> Outcome {
        let place = place(&target.url);
        if let Err(refusal) = self.egress.check(&target.url).await {
            return failed(
                Reason::Error,
                format!("could not connect to {place}: {refusal}"),
            );
        }
        let request = match self.request(attempt, target) {
            Ok(request) => request,
            Err(message) => return failed(Reason::Error, message),
        };
        let seconds = target.timeout_seconds;
        let deadline = Instant::now() + Duration::from_secs(seconds.into());
        // The runtime hears what became of kept connections: one that was closed by now is not
        // taken for this request.
        tokio::task::yield_now().await;
        match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => {
                let status = response.status();
                Answer::read(response, deadline)
                    .await
                    .outcome(status, seconds)
            }
            Ok(Err(error)) => failed(Reason::Error, send_failure(&error, &place)),
            Err(_) => failed(
                Reason::Timeout,
                format!("no answer from {place} within {seconds} s"),
            ),
        }
    }

    fn request(
        &self,
        attempt: &Attempt,
        target: &HttpTarget,
    ) -> Result<reqwest::RequestBuilder, String> {
        let mut headers = HeaderMap::new();
        let body = body(attempt, target, &mut headers).filter(|body| !body.is_empty());
        if body.is_none() && target.method.takes_body() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0")); // RFC 9110 §8.6: else some servers answer 411
        }
        job_headers(target, &mut headers)?;
        identity_headers(attempt, &mut headers)?; // last: nothing that a job says may stand in for these
        let client = if self.egress.is_own_port(&target.url) {
            &self.wary
        } else {
            &self.client
        };
        let request = client
            .request(method(target.method), target.url.clone())
            .headers(headers);
        Ok(match body {
            Some(body) => request.body(body),
            None => request,
        })
    }
}

fn client(resolver: GuardedResolver) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("Horolog/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(resolver)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .http1_max_headers(ANSWER_HEADERS_MAX)
        .build()
}

/// The configured body, else the payload where the method takes one.
fn body(attempt: &Attempt, target: &HttpTarget, headers: &mut HeaderMap) -> Option<String> {
    if target.body.is_some() {
        return target.body.clone();
    }
    let payload = attempt
        .payload
        .as_ref()
        .filter(|payload| target.method.takes_body() && !payload.is_null())?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(payload.as_str().to_owned())
}

fn job_headers(target: &HttpTarget, headers: &mut HeaderMap) -> Result<(), String> {
    target
        .headers
        .iter()
        .try_for_each(|(name, value)| insert(headers, name, value))
}

/// Who asks, for which fire time, and which attempt it is.
fn identity_headers(attempt: &Attempt, headers: &mut HeaderMap) -> Result<(), String> {
    let execution_id = attempt.execution_id.to_string();
    [
        ("horolog-job-id", attempt.job_id.to_string()),
        ("horolog-execution-id", execution_id.clone()),
        ("horolog-fire-time", rfc3339(attempt.fire_time)),
        ("horolog-due-time", rfc3339(attempt.due_time)),
        ("horolog-attempt", attempt.attempt.to_string()),
        ("horolog-node-id", attempt.node_id.to_string()),
        ("horolog-kind", attempt.kind.to_string()),
        ("idempotency-key", execution_id),
        ("traceparent", traceparent(attempt)),
    ]
    .iter()
    .try_for_each(|(name, value)| insert(headers, name, value))
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let refused = || format!("the header `{}` cannot be sent", name.escape_debug());
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
    value.set_sensitive(true); // keeps it out of anybody's `{:?}`
    headers.insert(name, value);
    Ok(())
}

/// W3C trace context: all attempts are spans of one trace, whose id is the
/// execution's. Sampled, or else targets that follow the caller drop the trace.
fn traceparent(attempt: &Attempt) -> String {
    format!(
        "00-{}-{:016x}-01",
        attempt.execution_id.simple(),
        span_id(attempt.execution_id, attempt.attempt)
    )
}

fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
    }
}

/// What came back behind the status line.
struct Answer {
    body: Vec<u8>,
    end: End,
    /// The delay that the target asked for.
    retry_after: Option<Duration>,
}

/// Why reading stopped.
enum End {
    /// The body is over, or as long as may be stored.
    Enough,
    /// The target's timeout passed.
    TimedOut,
    /// The connection failed, for this reason.
    Broken(String),
}

impl Answer {
    /// Reads as much as may be stored, then closes the connection by dropping
    /// the response: a target that never stops must not cost memory or a slot.
    async fn read(mut response: Response, deadline: Instant) -> Self {
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        let end = loop {
            let room = TEXT_BYTES_MAX - body.len();
            if room == 0 {
                break End::Enough;
            }
            match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk[..chunk.len().min(room)]),
                Ok(Ok(None)) => break End::Enough,
                Ok(Err(error)) => break End::Broken(root_cause(&error)),
                Err(_) => break End::TimedOut,
            }
        };
        Self {
            body,
            end,
            retry_after,
        }
    }

    /// A refusal is one whether or not its body arrived whole; a success is not.
    fn outcome(self, status: StatusCode, seconds: u32) -> Outcome {
        let output = self.text();
        let (reason, message) = match self.end {
            _ if !status.is_success() => (Reason::Error, refusal_text(status)),
            End::Enough => return Outcome::Succeeded { output },
            End::TimedOut => (
                Reason::Timeout,
                format!("the answer did not end within {seconds} s"),
            ),
            End::Broken(cause) => (Reason::Error, format!("the answer broke off: {cause}")),
        };
        Outcome::Failed {
            reason,
            message,
            output,
            retry_after: self.retry_after,
        }
    }

    fn text(&self) -> Option<String> {
        // NUL goes before the cut: its replacement is longer, and the cut is a promise.
        let text = String::from_utf8_lossy(&self.body).replace('\0', "\u{fffd}");
        (!text.is_empty()).then(|| storable_text(&text))
    }
}

fn failed(reason: Reason, message: String) -> Outcome {
    Outcome::failed(reason, message)
}

fn refusal_text(status: StatusCode) -> String {
    let name = status.canonical_reason().unwrap_or_default();
    let redirect = if status.is_redirection() {
        "; redirects are not followed"
    } else {
        ""
    };
    format!("the target answered {} {name}", status.as_u16())
        .trim_end()
        .to_owned()
        + redirect
}

fn send_failure(error: &reqwest::Error, place: &str) -> String {
    let cause = root_cause(error);
    let what = match error {
        error if error.is_connect() => "could not connect to",
        error if error.is_builder() => "could not send to",
        _ => "no answer from",
    };
    format!("{what} {place}: {cause}")
}

/// The innermost cause alone: the outer ones add words and the whole URL.
pub(super) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(_) => "the request cannot be sent".to_owned(), // without a source its text holds the URL
        None => cause.to_string(),
    }
}

/// The part of a URL that is safe to show.
fn place(url: &Url) -> String {
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    url.port_or_known_default().map_or_else(
        || format!("{scheme}://{host}"),
        |port| format!("{scheme}://{host}:{port}"),
    )
}
