//! Traces: executions as OpenTelemetry spans.
//!
//! The id of an execution is its trace id, so all nodes add their attempts to the same trace
//! without coordination: *fire* (fire time to end), and below it for each attempt *wait* (due time
//! to start) and *attempt*, whose span id is in the `traceparent` of the request. An API call is a
//! span of the trace of the caller, linked to the executions that it starts.
//!
//! Without the feature `otel`, or without `OTEL_EXPORTER_OTLP_ENDPOINT`, no span is sent. A
//! collector that is not reachable costs spans and delays nothing.

use crate::model::Timestamp;
use crate::model::execution::{Attempt, ExecutionStatus, Outcome, Settlement, span_id};
use crate::model::target::Target;
use parking_lot::Mutex;
use std::ops::Range;
use std::time::SystemTime;
use uuid::Uuid;

pub use export::{start, stop};

#[derive(Debug)]
#[cfg_attr(
    not(feature = "otel"),
    expect(dead_code, reason = "without the feature no span is sent")
)]
struct Span {
    trace: u128,
    id: u64,
    parent: Option<u64>,
    name: &'static str,
    /// Client, server or internal.
    kind: Kind,
    from: SystemTime,
    to: SystemTime,
    attributes: Vec<(&'static str, String)>,
    error: Option<String>,
    /// Links to the spans of other traces that it caused.
    links: Vec<(u128, u64)>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Server,
    Client,
    Internal,
}

/// Sends the spans of an attempt, which ended at `ended_at` with `settlement`.
pub fn attempt(attempt: &Attempt, settlement: &Settlement, ended_at: Timestamp) {
    if export::enabled() {
        spans(attempt, settlement, ended_at)
            .into_iter()
            .for_each(export::send);
    }
}

fn spans(attempt: &Attempt, settlement: &Settlement, ended_at: Timestamp) -> Vec<Span> {
    let started_at = settlement.started_at;
    let mut run = span(
        attempt,
        settlement,
        "attempt",
        attempt.attempt,
        &(started_at..ended_at),
    );
    if let Target::Http(target) = &attempt.target {
        run.kind = Kind::Client;
        run.attributes
            .push(("http.request.method", target.method.as_str().to_owned()));
        run.attributes.push((
            "server.address",
            target.url.host_str().unwrap_or_default().to_owned(),
        ));
    }
    let waiting = attempt.due_time..started_at;
    let waited = Span {
        error: None,
        ..span(attempt, settlement, "wait", -attempt.attempt, &waiting)
    };
    let mut spans = vec![waited, run];
    // The span of the whole execution has its end only with the last attempt.
    if settlement.status() != ExecutionStatus::Retrying {
        spans.push(span(
            attempt,
            settlement,
            "fire",
            0,
            &(attempt.fire_time..ended_at),
        ));
    }
    spans
}

/// A span of an execution. `number` selects its id, see [`span_id`]: 0 is the whole execution, a
/// positive number an attempt, its negative the wait before that attempt.
fn span(
    attempt: &Attempt,
    settlement: &Settlement,
    name: &'static str,
    number: i32,
    time: &Range<Timestamp>,
) -> Span {
    let fire = span_id(attempt.execution_id, 0);
    let id = span_id(attempt.execution_id, number);
    let error = match &settlement.outcome {
        Outcome::Failed { message, .. } => Some(message.clone()),
        Outcome::Succeeded { .. } | Outcome::Cancelled => None,
    };
    Span {
        trace: attempt.execution_id.as_u128(),
        id,
        parent: (id != fire).then_some(fire),
        name,
        kind: Kind::Internal,
        from: time.start.into(),
        to: time.end.into(),
        attributes: vec![
            ("horolog.job.id", attempt.job_id.to_string()),
            ("horolog.job.name", attempt.job_name.clone()),
            ("horolog.kind", attempt.kind.to_string()),
            ("horolog.attempt", attempt.attempt.to_string()),
            ("horolog.node.id", attempt.node_id.to_string()),
            ("horolog.status", settlement.status().to_string()),
        ],
        error,
        links: Vec::new(),
    }
}

/// A running call of the API.
#[derive(Debug)]
pub struct ApiCall {
    trace: u128,
    parent: Option<u64>,
    id: u64,
    from: SystemTime,
    started: Mutex<Vec<Uuid>>,
}

impl ApiCall {
    /// Starts a call, in the trace of its `traceparent` or in a separate trace. `None`: no spans
    /// are sent.
    pub fn begin(traceparent: Option<&str>) -> Option<Self> {
        let caller = traceparent.and_then(parse);
        export::enabled().then(|| Self {
            trace: caller.map_or_else(|| fastrand::u128(1..), |(trace, _)| trace),
            parent: caller.map(|(_, span)| span),
            id: fastrand::u64(1..),
            from: now(),
            started: Mutex::default(),
        })
    }

    /// Records that the call made the execution due.
    pub fn starts(&self, execution_id: Uuid) {
        self.started.lock().push(execution_id);
    }

    /// Ends the call and sends its span.
    pub fn end(&self, operation: Option<String>, error: Option<String>) {
        let started = self.started.lock();
        export::send(Span {
            trace: self.trace,
            id: self.id,
            parent: self.parent,
            name: "graphql",
            kind: Kind::Server,
            from: self.from,
            to: now(),
            attributes: operation
                .map(|name| ("graphql.operation.name", name))
                .into_iter()
                .collect(),
            error,
            links: started
                .iter()
                .map(|id| (id.as_u128(), span_id(*id, 0)))
                .collect(),
        });
    }
}

/// Trace and span of a W3C `traceparent`. `None`: the text is not one.
fn parse(traceparent: &str) -> Option<(u128, u64)> {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [version, trace, span, _flags, ..] = parts[..] else {
        return None;
    };
    if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 {
        return None;
    }
    let (trace, span) = (
        u128::from_str_radix(trace, 16).ok()?,
        u64::from_str_radix(span, 16).ok()?,
    );
    (trace != 0 && span != 0).then_some((trace, span))
}

/// The wall clock. A span of the API is display only: no decision depends on it.
fn now() -> SystemTime {
    SystemTime::now()
}

/// OpenTelemetry's variables for the address of the collector.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

fn is_wanted() -> bool {
    ENDPOINTS
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(not(feature = "otel"))]
mod export {
    use super::Span;

    /// Logs a warning if the variables ask for traces: the build cannot send any.
    pub fn start() -> Result<(), String> {
        if super::is_wanted() {
            tracing::warn!("this horolog was built without the feature `otel`: no traces are sent");
        }
        Ok(())
    }

    /// Does nothing: there are no spans.
    pub fn stop() {}

    pub(super) fn enabled() -> bool {
        false
    }

    pub(super) fn send(_: Span) {}
}

#[cfg(feature = "otel")]
mod export {
    use super::{Kind, Span};
    use opentelemetry::trace::{
        Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
    };
    use opentelemetry::{InstrumentationScope, KeyValue};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanLinks, SpanProcessor};
    use std::sync::OnceLock;

    static PROCESSOR: OnceLock<BatchSpanProcessor> = OnceLock::new();

    /// Starts to send spans, if the variables name a collector.
    pub fn start() -> Result<(), String> {
        if !super::is_wanted() {
            return Ok(());
        }
        // Fails only if there is a provider already: then that one is used.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .build();
        let exporter = exporter.map_err(|error| format!("traces cannot be sent: {error}"))?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let service = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "horolog".to_owned());
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        processor.set_resource(
            &Resource::builder()
                .with_service_name(service)
                .with_attribute(version)
                .build(),
        );
        PROCESSOR
            .set(processor)
            .map_err(|_| "traces are sent already".to_owned())
    }

    /// Sends the remaining spans; waits a few seconds at most.
    pub fn stop() {
        if let Some(processor) = PROCESSOR.get()
            && let Err(error) = processor.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }

    pub(super) fn enabled() -> bool {
        PROCESSOR.get().is_some()
    }

    pub(super) fn send(span: Span) {
        let Some(processor) = PROCESSOR.get() else {
            return;
        };
        let mut links = SpanLinks::default();
        links.links.extend(
            span.links
                .iter()
                .map(|(trace, id)| Link::with_context(context(*trace, *id))),
        );
        let attributes = span
            .attributes
            .into_iter()
            .map(|(name, value)| KeyValue::new(name, value))
            .collect();
        processor.on_end(SpanData {
            span_context: context(span.trace, span.id),
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: false,
            span_kind: match span.kind {
                Kind::Server => SpanKind::Server,
                Kind::Client => SpanKind::Client,
                Kind::Internal => SpanKind::Internal,
            },
            name: span.name.into(),
            start_time: span.from,
            end_time: span.to.max(span.from),
            attributes,
            dropped_attributes_count: 0,
            events: opentelemetry_sdk::trace::SpanEvents::default(),
            links,
            status: span.error.map_or(Status::Unset, Status::error),
            instrumentation_scope: InstrumentationScope::builder("horolog").build(),
        });
    }

    fn context(trace: u128, span: u64) -> SpanContext {
        SpanContext::new(
            TraceId::from(trace),
            SpanId::from(span),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_nonsense_is_none() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(
            parse(good),
            Some((
                0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
                0x00f0_67aa_0ba9_02b7
            ))
        );
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-zbf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
