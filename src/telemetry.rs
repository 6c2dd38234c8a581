//! Telemetry: log output and the metrics registry of the process.
//!
//! Code records metrics through the `metrics` facade; the module names, describes and renders them
//! (`docs/reference/metrics.md` is generated from it). No decision may depend on a metric: the
//! database holds the state.

mod log;

use log::LogBuffer;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Upper bounds of latency buckets, in seconds. A fire is precise to the millisecond; a takeover
/// takes seconds.
const LATENCY_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];
/// Upper bounds of the buckets for triggers per lease.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];

/// Longest wait of the ending process for the last log lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The buffer of the log; empty before the start.
static LOG: OnceLock<LogBuffer> = OnceLock::new();

/// Starts the log. `HOROLOG_LOG` filters (default `info`), `HOROLOG_LOG_FORMAT`
/// is `text` or `json`. Panics are logged as well.
pub fn start_log() -> Result<(), String> {
    let filter = filter()?;
    let format = std::env::var("HOROLOG_LOG_FORMAT").unwrap_or_else(|_| "text".to_owned());
    let buffer = LogBuffer::start(std::io::stderr())
        .map_err(|error| format!("cannot start the log: {error}"))?;
    let buffer = LOG.get_or_init(|| buffer);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(buffer.clone())
        .with_target(false);
    // The subscriber would report its own errors by `eprintln!`, which panics when stderr cannot be
    // written.
    let log = log.log_internal_errors(false);
    match format.as_str() {
        // Fields at the top level: systems for logs search them without a prefix.
        "json" => log.json().flatten_event(true).init(),
        "text" => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        other => {
            return Err(format!(
                "HOROLOG_LOG_FORMAT is text or json, not `{}`",
                other.escape_debug()
            ));
        }
    }
    std::panic::set_hook(Box::new(log_panic));
    // Allowed, since the operator names the driver, but never unnoticed.
    if shows_parameters(&std::env::var("HOROLOG_LOG").unwrap_or_default()) {
        tracing::warn!(
            "HOROLOG_LOG names {DRIVER}: the log has the values of statements, such as payloads, \
             answers of targets and hashes of passwords"
        );
    }
    Ok(())
}

/// Logs a panic. The standard hook writes to stderr directly, so a reader that does not read would
/// block the panicking thread.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let text = panic.payload_as_str().unwrap_or("no text");
    // Empty unless RUST_BACKTRACE is set.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread = name, place, %backtrace, "panicked: {text}");
    } else {
        tracing::error!(thread = name, place, "panicked: {text}");
    }
    // The process ends with its main thread.
    if name == "main" {
        flush_log();
    }
}

/// Waits a short time for the log to be written. For the end of the process.
pub fn flush_log() {
    if let Some(buffer) = LOG.get() {
        buffer.flush(FLUSH_TIMEOUT);
    }
}

/// Default of `HOROLOG_LOG`. Other crates log only failures, and only those that Horolog does not
/// log itself.
const LOG_DEFAULT: &str =
    "info,actix_http=off,actix_server=warn,refinery_core=warn,deadpool_postgres=error";

/// The driver of PostgreSQL. At `debug` it logs the parameters of statements.
const DRIVER: &str = "tokio_postgres";

/// Exclusions of any filter that does not name the crates. The parameters of statements have
/// payloads, answers of targets and hashes. The HTTP server logs an error for each request that it
/// cannot read: any client could fill the log, and the client gets the reason in its answer.
const LEFT_OUT: [(&str, &str); 2] = [(DRIVER, "warn"), ("actix_http", "off")];

/// The targets that the directives of a filter name. (A filter takes a name as a beginning:
/// `tokio` is also the driver, unless a longer name says otherwise.)
fn named_targets(directives: &str) -> impl Iterator<Item = &str> {
    let names = directives.split(',').map(|directive| {
        let end = directive.find(['=', '[']).unwrap_or(directive.len());
        directive[..end].trim()
    });
    names.filter(|name| !name.is_empty())
}

fn without_what_is_left_out(directives: &str) -> String {
    let unnamed = LEFT_OUT
        .iter()
        .filter(|(name, _)| !named_targets(directives).any(|target| target == *name));
    unnamed.fold(directives.to_owned(), |filter, (name, level)| {
        format!("{filter},{name}={level}")
    })
}

/// Whether the operator has asked for the driver by name.
fn shows_parameters(directives: &str) -> bool {
    named_targets(directives).any(|target| target.split("::").next() == Some(DRIVER))
}

fn filter() -> Result<EnvFilter, String> {
    match std::env::var("HOROLOG_LOG") {
        Ok(directives) => EnvFilter::try_new(without_what_is_left_out(&directives))
            .map_err(|error| format!("HOROLOG_LOG: {error}")),
        Err(_) => Ok(EnvFilter::new(LOG_DEFAULT)),
    }
}

/// The metrics of the process; installed at the first call.
pub fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &LATENCY_BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), &BATCH_BUCKETS)
            })
            .expect("the buckets are not empty")
            .build_recorder();
        let handle = recorder.handle();
        // Only a test can have installed another recorder; it stays.
        drop(metrics::set_global_recorder(recorder));
        describe();
        begin_at_zero();
        metrics::gauge!("horolog_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        handle
    })
}

/// Pause between two compactions of the histograms.
const SUM_UP: Duration = Duration::from_secs(5);

/// Compacts the histograms periodically. Each value stays in memory until then: without a scrape
/// the memory of a node would grow without bound (a megabyte for 40,000 fires).
pub async fn sum_up() {
    loop {
        tokio::time::sleep(SUM_UP).await;
        metrics().run_upkeep();
    }
}

/// Registers all counters with 0. An alert cannot distinguish a counter that is missing until the
/// first count from a renamed one.
fn begin_at_zero() {
    metrics::counter!(log::DROPPED).absolute(LOG.get().map_or(0, LogBuffer::dropped));
    for name in [
        "horolog_fenced_total",
        "horolog_cancelled_by_fence_total",
        "horolog_self_fenced_total",
    ] {
        metrics::counter!(name).increment(0);
    }
    for name in [
        "horolog_recovered_executions_total",
        "horolog_log_partitions_dropped_total",
        "horolog_log_rows_deleted_total",
    ] {
        metrics::counter!(name).increment(0);
    }
    for name in [
        "horolog_results_not_stored_total",
        "horolog_settlements_given_up_total",
        "horolog_takeovers_given_up_total",
    ] {
        metrics::counter!(name).increment(0);
    }
    for by in ["TTL", "SESSION"] {
        metrics::counter!("horolog_takeovers_total", "by" => by).increment(0);
    }
    for status in ["SUCCESS", "FAILED"] {
        metrics::counter!("horolog_executions_total", "status" => status).increment(0);
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "a table: the description of each metric"
)]
fn describe() {
    describe_histogram!(
        "horolog_lateness_seconds",
        Unit::Seconds,
        "actual start minus due time"
    );
    describe_counter!(
        "horolog_attempts_started_total",
        "attempts started by this node, by kind of trigger"
    );
    describe_counter!(
        "horolog_executions_total",
        "attempts settled by this node, by status"
    );
    describe_counter!(
        "horolog_fenced_total",
        "settlements refused because another attempt was current"
    );
    describe_counter!(
        "horolog_results_not_stored_total",
        "results that the database did not take: settled as failures that say why"
    );
    describe_counter!(
        "horolog_settlements_given_up_total",
        "ends of attempts that the database did not take at all"
    );
    describe_counter!(
        "horolog_takeovers_given_up_total",
        "executions of dead nodes that could neither be handed over nor ended: they stay RUNNING"
    );
    describe_gauge!(
        "horolog_unreadable_rows",
        "rows that this node met of late and cannot read"
    );
    describe_counter!(
        "horolog_cancelled_by_fence_total",
        "attempts dropped because this node no longer held them"
    );
    describe_counter!(
        "horolog_self_fenced_total",
        "times this node stopped trusting itself"
    );
    describe_gauge!(
        "horolog_triggers_due",
        "triggers of the cluster that are due and that no node has taken"
    );
    describe_gauge!(
        "horolog_triggers_due_for_workers",
        "triggers of the cluster that are due and that no worker has taken"
    );
    describe_gauge!(
        "horolog_triggers_unoffered",
        "those of them whose handler no worker offers"
    );
    describe_gauge!(
        "horolog_oldest_due_seconds",
        Unit::Seconds,
        "how long the oldest of them has been due"
    );
    describe_gauge!(
        "horolog_executions_stuck",
        "executions of the cluster that run longer than they should"
    );
    describe_gauge!(
        "horolog_jobs_failing",
        "jobs whose newest settled execution failed or was lost, counted to 10,000"
    );
    describe_gauge!(
        "horolog_dead_triggers",
        "old versions of triggers that vacuum has not removed"
    );
    describe_gauge!(
        "horolog_clock_jump_seconds",
        Unit::Seconds,
        "how far the database's clock jumped, while the cluster is paused for it"
    );
    describe_counter!(
        "horolog_clock_jumps_total",
        "jumps of the database's clock that this node noticed first"
    );
    describe_gauge!(
        "horolog_cluster_paused",
        "1 while the cluster is paused and nothing starts"
    );
    describe_counter!(
        "horolog_takeovers_total",
        "nodes declared dead by this node, by evidence"
    );
    describe_counter!(
        "horolog_recovered_executions_total",
        "executions of dead nodes given to the funnel again"
    );
    describe_histogram!("horolog_lease_batch_size", "attempts in one lease");
    describe_histogram!(
        "horolog_pool_wait_seconds",
        Unit::Seconds,
        "wait for a pooled connection"
    );
    describe_gauge!(
        "horolog_heartbeat_age_seconds",
        Unit::Seconds,
        "time since this node last was sure of itself"
    );
    describe_gauge!(
        "horolog_clock_offset_seconds",
        Unit::Seconds,
        "this node's wall clock minus the database's"
    );
    describe_gauge!("horolog_slots", "executions this node can run at once");
    describe_gauge!(
        "horolog_http_connections",
        "connections of HTTP clients that this node holds"
    );
    describe_gauge!("horolog_slots_used", "executions this node holds");
    describe_gauge!(
        "horolog_jobs_waiting_for_share",
        "jobs that wait because they or their target host hold half of the slots"
    );
    describe_counter!(
        "horolog_log_partitions_dropped_total",
        "days of the log dropped by this node"
    );
    describe_counter!(
        "horolog_log_rows_deleted_total",
        "executions deleted by this node: above the count that a job keeps"
    );
    describe_gauge!("horolog_log_partitions", "days that the log holds");
    describe_counter!(
        log::DROPPED,
        "log lines that could not be written, or not fast enough"
    );
    describe_gauge!("horolog_build_info", "1, with the version as a label");
}

#[cfg(test)]
mod tests {
    use super::{shows_parameters, without_what_is_left_out};

    #[test]
    fn the_drivers_parameters_are_logged_only_to_who_names_the_driver() {
        assert_eq!(
            without_what_is_left_out("debug"),
            "debug,tokio_postgres=warn,actix_http=off"
        );
        assert_eq!(
            without_what_is_left_out("actix_http=info,tokio_postgres=debug"),
            "actix_http=info,tokio_postgres=debug"
        );
        for directives in ["trace", "tokio=trace", "tokio_postgres_rustls=debug,debug"] {
            let filter = without_what_is_left_out(directives);
            assert!(filter.contains(",tokio_postgres=warn"), "{filter}");
            assert!(!shows_parameters(directives), "{directives}");
        }
        for directives in [
            "info,tokio_postgres=debug",
            "tokio_postgres",
            concat!("info, tokio_postgres", "::query=trace"),
        ] {
            assert!(shows_parameters(directives), "{directives}");
        }
    }
}
