//! The `http` target: one request per attempt; a 2xx answer is success.
//!
//! The request has the job, the fire time and the attempt (the `Horolog-*` headers), and the id of
//! the execution as `Idempotency-Key` and as trace id. Both are the same for all attempts, so the
//! target can recognize a repetition. A configured body is sent without a media type; the payload
//! is sent as JSON. Values of secrets replace their references, and nothing else changes.
//!
//! The handler never connects to an address that [`super::egress`] forbids, follows a redirect,
//! uses a proxy variable, sends a request twice, reads more of an answer than is stored, exceeds
//! the timeout of the target, or puts the path or query of a URL or the value of a header into a
//! message: those may have secrets. Values of secrets that an answer repeats are masked.

use super::egress::{Egress, GuardedResolver};
use super::retry_after::retry_after;
use super::webhook_thread::WebhookThread;
use super::{RunContext, SetUpError};
use crate::model::execution::{Attempt, Outcome, Reason, span_id};
use crate::model::rfc3339;
use crate::model::target::{HttpMethod, HttpTarget};
use crate::model::text::{TEXT_BYTES_MAX, storable_text};
use crate::secrets::AttemptSecrets;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, redirect, retry};
use std::error::Error as StdError;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Longest wait for name, connection and TLS together: a host that is down must not occupy a slot
/// for the whole timeout of a slow job.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest pause of a kept connection. Shorter than the 5 s of Node.js, the shortest common default
/// of a server. If the connection is closed before the first byte of a request is written, the
/// client sends the request on a new one. If the close arrives later, the request fails: the target
/// may have accepted it, and an `Idempotency-Key` is no proof that it would notice a second one
/// (ADR 40). The retry policy of the job decides then.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Most headers of an answer; its head may have about 400 KB. The default of the client, 100, would
/// fail targets behind proxies that add many headers.
const ANSWER_HEADERS_MAX: usize = 4_096;

/// Sends webhooks, on a separate thread: the answer of a target may take long to read (for example
/// informational answers without an end), and firing must not wait for it.
#[derive(Clone)]
pub(super) struct HttpHandler {
    sender: Sender,
    thread: Arc<WebhookThread>,
}

/// The clients that send webhooks.
#[derive(Clone)]
struct Sender {
    client: Client,
    /// For the ports of the node's own services: a resolver does not know the port.
    wary: Client,
    egress: Arc<Egress>,
}

impl HttpHandler {
    /// A handler with the rules for addresses.
    pub(super) fn new(egress: Egress) -> Result<Self, SetUpError> {
        // Fails only if there is a provider already: then that one is used.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let egress = Arc::new(egress);
        let sender = Sender {
            // Two clients, because a resolver sees the name and no port: only the wary one has to
            // look up the own services for each name.
            client: client(&egress, false)?,
            wary: client(&egress, true)?,
            egress,
        };
        let thread = Arc::new(WebhookThread::start()?);
        Ok(Self { sender, thread })
    }

    /// Sends the request of an attempt and evaluates the answer. A drop of the future closes the
    /// connection.
    pub(super) async fn run(
        &self,
        attempt: &Attempt,
        target: &HttpTarget,
        context: RunContext,
    ) -> Outcome {
        // The task runs on another thread and may outlive the borrow.
        let (sender, attempt, target) = (self.sender.clone(), attempt.clone(), target.clone());
        // The drop of a set aborts its tasks.
        let mut exchange = JoinSet::new();
        exchange.spawn_on(
            async move { sender.exchange(&attempt, &target, &context).await },
            self.thread.handle(),
        );
        match exchange.join_next().await {
            Some(Ok(outcome)) => outcome,
            // The pool settles a panic of a handler as a failed attempt: the panic must reach the
            // pool.
            Some(Err(ended)) if ended.is_panic() => resume_unwind(ended.into_panic()),
            _ => failed(
                Reason::Error,
                "the node stopped in the middle of the request".to_owned(),
            ),
        }
    }
}

impl Sender {
    async fn exchange(
        &self,
        attempt: &Attempt,
        target: &HttpTarget,
        context: &RunContext,
    ) -> Outcome {
        let place = place(&target.url);
        if let Err(refusal) = self.egress.check(&target.url).await {
            return failed(
                Reason::Error,
                format!("could not connect to {place}: {refusal}"),
            );
        }
        let request = match self.request(attempt, target, context) {
            Ok(request) => request,
            Err(message) => return failed(Reason::Error, message),
        };
        let seconds = target.timeout_seconds;
        // The timeout of the target covers the head and the body together.
        let deadline = Instant::now() + Duration::from_secs(seconds.into());
        // Lets the runtime notice closed connections, so none of them is used for the request.
        tokio::task::yield_now().await;
        match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => {
                let status = response.status();
                Answer::read(response, deadline)
                    .await
                    .outcome(status, seconds, &context.secrets)
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
        context: &RunContext,
    ) -> Result<reqwest::RequestBuilder, String> {
        let RunContext { secrets, now } = context;
        let mut headers = HeaderMap::new();
        // An empty body counts as none: the branch below sends its length.
        let body = body(attempt, target, secrets, &mut headers)?.filter(|body| !body.is_empty());
        if body.is_none() && target.method.takes_body() {
            // RFC 9110 §8.6: some servers answer 411 otherwise.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        job_headers(target, secrets, &mut headers)?;
        // Last, so no header of the job replaces these.
        identity_headers(attempt, &mut headers)?;
        if !target.signing_secrets.is_empty() {
            // The id stays the same for all attempts, so receivers can drop repetitions.
            let (id, seconds) = (attempt.execution_id.to_string(), now.timestamp());
            // Signed after the secrets are filled in: the receiver checks the bytes that arrive.
            let signed = body.as_deref().unwrap_or_default().as_bytes();
            let signature = secrets.sign(&target.signing_secrets, &id, seconds, signed)?;
            insert(&mut headers, "webhook-id", &id)?;
            insert(&mut headers, "webhook-timestamp", &seconds.to_string())?;
            insert(&mut headers, "webhook-signature", &signature)?;
        }
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

/// A client whose resolver has the rules. `knows_own`: it also refuses the node's own services.
fn client(egress: &Arc<Egress>, knows_own: bool) -> Result<Client, SetUpError> {
    let resolver = GuardedResolver {
        egress: Arc::clone(egress),
        knows_own,
    };
    Client::builder()
        .user_agent(concat!("Horolog/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(resolver)
        // A redirect could lead to an address that the check before the request has not seen.
        .redirect(redirect::Policy::none())
        // Only the retry policy of the job may repeat a request (ADR 40).
        .retry(retry::never())
        // A proxy would connect in place of the node, past the guard for addresses.
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .http1_max_headers(ANSWER_HEADERS_MAX)
        .build()
        .map_err(|error| SetUpError::Client(root_cause(&error)))
}

/// The configured body; else the payload, if requests of the method have a body.
fn body(
    attempt: &Attempt,
    target: &HttpTarget,
    secrets: &AttemptSecrets,
    headers: &mut HeaderMap,
) -> Result<Option<String>, String> {
    if let Some(body) = &target.body {
        return secrets.fill(body).map(Some);
    }
    let payload = attempt
        .payload
        .as_ref()
        // Bodies of GET and DELETE requests have no defined meaning (RFC 9110): some servers refuse
        // them.
        .filter(|payload| target.method.takes_body() && !payload.is_null());
    let Some(payload) = payload else {
        return Ok(None);
    };
    // Before the headers of the job, so the job can name another type.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    secrets.fill_json(payload.as_str()).map(Some)
}

fn job_headers(
    target: &HttpTarget,
    secrets: &AttemptSecrets,
    headers: &mut HeaderMap,
) -> Result<(), String> {
    target
        .headers
        .iter()
        .try_for_each(|(name, value)| insert(headers, name, &secrets.fill(value)?))
}

/// Headers with the job, the fire time and the attempt.
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
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .ok()
        .zip(HeaderValue::from_str(value).ok());
    let Some((name, mut value)) = parsed else {
        return Err(format!(
            "the header `{}` cannot be sent",
            name.escape_debug()
        ));
    };
    value.set_sensitive(true); // keeps it out of `{:?}`
    headers.insert(name, value);
    Ok(())
}

/// W3C trace context: all attempts are spans of one trace, whose id is the id of the execution. The
/// trace is sampled, because targets that follow the caller would drop it otherwise.
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

/// The answer without its status line.
struct Answer {
    body: Vec<u8>,
    end: End,
    /// Delay that the target asked for.
    retry_after: Option<Duration>,
}

/// Why the read of a body ended.
enum End {
    /// The body ended, or has its largest stored length.
    Enough,
    /// The timeout of the target passed.
    TimedOut,
    /// The connection failed; the cause.
    Broken(String),
}

impl Answer {
    /// Reads up to the largest stored length. The drop of the response then closes the connection:
    /// an endless answer must cost neither memory nor a slot.
    async fn read(mut response: Response, deadline: Instant) -> Self {
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        let end = loop {
            // The limit of the stored text bounds the memory of each slot.
            let room = TEXT_BYTES_MAX - body.len();
            if room == 0 {
                break End::Enough;
            }
            match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk[..chunk.len().min(room)]),
                Ok(Ok(None)) => break End::Enough,
                Ok(Err(error)) => break End::Broken(root_cause(&error)),
                // The bytes so far are kept: they help to find out why the target is slow.
                Err(_) => break End::TimedOut,
            }
        };
        Self {
            body,
            end,
            retry_after,
        }
    }

    /// A failure needs no complete body; a success does.
    fn outcome(self, status: StatusCode, seconds: u32, secrets: &AttemptSecrets) -> Outcome {
        let output = self.text(secrets);
        let (reason, message) = match self.end {
            // The status decides alone: the body of a refusal only helps people.
            _ if !status.is_success() => (Reason::Error, refusal_text(status)),
            End::Enough => return Outcome::Succeeded { output },
            End::TimedOut => (
                Reason::Timeout,
                format!("the answer did not end within {seconds} s"),
            ),
            End::Broken(cause) => (Reason::Error, format!("the answer broke off: {cause}")),
        };
        let message = secrets.mask(&message, false);
        Outcome::Failed {
            reason,
            message,
            output,
            retry_after: self.retry_after,
        }
    }

    fn text(&self, secrets: &AttemptSecrets) -> Option<String> {
        let is_whole = matches!(self.end, End::Enough) && self.body.len() < TEXT_BYTES_MAX;
        // NUL is replaced before the cut: the replacement is longer, and the length is a bound.
        let text = String::from_utf8_lossy(&self.body).replace('\0', "\u{fffd}");
        (!text.is_empty()).then(|| secrets.mask(&storable_text(&text), !is_whole))
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
        // A header or a URL that the client refuses: nothing has left the node.
        error if error.is_builder() => "could not send to",
        _ => "no answer from",
    };
    format!("{what} {place}: {cause}")
}

/// The innermost cause: the outer ones add only words and the whole URL.
pub(super) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        // Without a source, the text of the error has the URL.
        Some(_) => "the request cannot be sent".to_owned(),
        None => cause.to_string(),
    }
}

/// The part of a URL without secrets.
fn place(url: &Url) -> String {
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    url.port_or_known_default().map_or_else(
        || format!("{scheme}://{host}"),
        |port| format!("{scheme}://{host}:{port}"),
    )
}
