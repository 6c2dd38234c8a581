//! The targets of executions: one handler per [`Target`].
//!
//! A handler gets a leased attempt and returns its result. It has no access to the database or the
//! cluster; it must never settle, retry or decide about a schedule. A cancel drops the future of
//! the handler, so a handler must hold nothing that a drop does not clean up.

mod egress;
mod http;
mod ports;
mod retry_after;
mod webhook_thread;

use crate::model::Timestamp;
use crate::model::execution::{Attempt, Outcome, Reason};
use crate::model::payload::Payload;
use crate::model::target::Target;
use crate::secrets::AttemptSecrets;
pub use egress::{Egress, OwnService, Refusal};
use http::HttpHandler;
pub use retry_after::retry_after;
use std::time::Duration;

/// Longest payload in a log line, in bytes.
const LOG_PAYLOAD_BYTES_MAX: usize = 4 * 1024;

/// The handlers could not be created, for example because the system has no root certificates.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The innermost cause of the client's refusal.
    #[error("cannot set up the http client: {0}")]
    Client(String),
    /// The thread of the webhooks, or its runtime, did not start.
    #[error("cannot start the thread of the http client: {0}")]
    Thread(std::io::Error),
}

/// What an attempt is run with, besides itself.
#[derive(Debug, Clone, Default)]
pub struct RunContext {
    /// The secrets that it refers to.
    pub secrets: AttemptSecrets,
    /// The database's now, the time of signatures.
    pub now: Timestamp,
}

/// All handlers of a node; clones share connections.
#[derive(Clone)]
pub struct Handlers {
    http: HttpHandler,
}

impl Handlers {
    /// Handlers whose webhooks reach public addresses and those that `egress` allows.
    pub fn new(egress: Egress) -> Result<Self, SetUpError> {
        Ok(Self {
            http: HttpHandler::new(egress)?,
        })
    }

    /// Runs the target of an attempt to the end. A drop of the future stops it.
    pub async fn run(&self, attempt: &Attempt, context: RunContext) -> Outcome {
        match &attempt.target {
            // The two targets without a network cannot fail.
            Target::Log => log(attempt),
            Target::Noop(noop) => {
                tokio::time::sleep(Duration::from_millis(noop.sleep_millis)).await;
                Outcome::Succeeded { output: None }
            }
            Target::Http(target) => self.http.run(attempt, target, context).await,
            // A lease of a node takes no trigger with a route.
            Target::Handler(handler) => Outcome::failed(
                Reason::Error,
                format!(
                    "the handler `{}` runs in workers, not in nodes",
                    handler.name
                ),
            ),
        }
    }
}

/// One line. Name and payload are fields of type `str`, which subscribers quote
/// and escape: a line feed in a payload must not forge a log line.
fn log(attempt: &Attempt) -> Outcome {
    let payload = attempt
        .payload
        .as_ref()
        .map(Payload::as_str)
        // A payload may have 256 KiB: one line must not fill the buffer of the log.
        .map(|text| &text[..text.floor_char_boundary(LOG_PAYLOAD_BYTES_MAX)]);
    tracing::info!(
        job.name = attempt.job_name.as_str(),
        job.id = %attempt.job_id,
        execution.id = %attempt.execution_id,
        attempt = attempt.attempt,
        payload,
        "log target ran"
    );
    Outcome::Succeeded { output: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policies::Policies;
    use crate::model::target::NoopTarget;
    use crate::model::trigger::TriggerKind;
    use chrono::DateTime;
    use serde_json::json;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tokio::time::Instant;
    use uuid::Uuid;

    fn attempt(target: Target) -> Attempt {
        let payload = json!({ "note": "one\ntwo \u{1b}[31m\u{85}", "filler": "ä".repeat(LOG_PAYLOAD_BYTES_MAX) });
        Attempt {
            execution_id: Uuid::from_u128(1),
            attempt: 2,
            node_id: Uuid::from_u128(3),
            lease_id: Uuid::nil(),
            job_id: Uuid::from_u128(4),
            job_name: "nightly\nreport".to_owned(),
            namespace: "default".to_owned(),
            kind: TriggerKind::Schedule,
            fire_time: DateTime::UNIX_EPOCH,
            due_time: DateTime::UNIX_EPOCH,
            target,
            payload: Payload::of_json(payload.to_string()).ok(),
            policies: Policies::default(),
            failures: 0,
            may_unblock_fixed_delay: false,
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_target_writes_one_escaped_line_with_ids_and_a_cut_payload() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let outcome = tracing::subscriber::with_default(subscriber, || log(&attempt(Target::Log)));
        assert_eq!(outcome, Outcome::Succeeded { output: None });
        let bytes = lines.0.lock().expect("not poisoned").clone();
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(r#"job.name="nightly\nreport""#), "{text}");
        assert!(
            text.contains("execution.id=00000000-0000-0000-0000-000000000001 attempt=2"),
            "{text}"
        );
        assert!(
            !text.contains(['\u{1b}', '\u{85}']),
            "control characters are escaped"
        );
        assert!(
            text.len() < LOG_PAYLOAD_BYTES_MAX + 512,
            "{} bytes",
            text.len()
        );
    }

    #[tokio::test]
    async fn the_noop_target_sleeps_then_succeeds() {
        let handlers = Handlers::new(Egress::default()).expect("handlers");
        let started = Instant::now();
        let outcome = handlers
            .run(
                &attempt(Target::Noop(NoopTarget { sleep_millis: 20 })),
                RunContext::default(),
            )
            .await;
        assert_eq!(outcome, Outcome::Succeeded { output: None });
        assert!(started.elapsed() >= Duration::from_millis(20));
    }
}
