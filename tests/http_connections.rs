//! Connections of the `http` handler: time limits, kept connections, repeated requests.

use crate::http_handler::{OK, allowing_loopback, attempt, failed, message, post, succeeded};
use crate::sink::Sink;
use horolog::handlers::RunContext;
use horolog::model::execution::{Outcome, Reason};
use horolog::model::target::{HttpMethod, HttpTarget};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_target_that_hangs_times_out_with_what_it_sent() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let timeout = |message: String, output: Option<&str>| Outcome::Failed {
        reason: Reason::Timeout,
        message,
        output: output.map(str::to_owned),
        retry_after: None,
    };
    let place = format!("http://127.0.0.1:{}", sink.port);
    let cases = [
        (
            "",
            timeout(format!("no answer from {place} within 1 s"), None),
        ),
        (
            "HTTP/1.1 200 OK\r\n",
            timeout(format!("no answer from {place} within 1 s"), None),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            timeout("the answer did not end within 1 s".to_owned(), Some("half")),
        ),
        (
            "HTTP/1.1 500 x\r\ncontent-length: 9\r\n\r\nhalf",
            failed(
                "the target answered 500 Internal Server Error",
                Some("half"),
            ),
        ),
    ];
    for (response, expected) in cases {
        let started = Instant::now();
        let attempt = attempt(HttpTarget {
            timeout_seconds: 1,
            ..post(sink.url("/"))
        });
        let hang = async {
            let (mut stream, _) = sink.accept().await;
            stream
                .write_all(response.as_bytes())
                .await
                .expect("the client listens");
            stream.read_u8().await.expect_err("the client hangs up");
        };
        let (outcome, ()) = tokio::join!(handlers.run(&attempt, RunContext::default()), hang);
        assert_eq!(outcome, expected);
        let elapsed = started.elapsed();
        assert!(
            elapsed >= Duration::from_secs(1) && elapsed < Duration::from_secs(4),
            "{elapsed:?}"
        );
    }
}

#[tokio::test]
async fn dropping_the_future_closes_the_connection() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let attempt = attempt(post(sink.url("/")));
    let running = tokio::spawn(async move { handlers.run(&attempt, RunContext::default()).await });
    // also: the future is Send
    let (mut stream, _) = sink.accept().await;
    running.abort();
    assert!(running.await.expect_err("aborted").is_cancelled());
    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
}

/// Every answer keeps the connection by its headers, and closes it nevertheless.
#[tokio::test]
async fn a_kept_connection_that_the_target_has_closed_costs_no_attempt() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    for _ in 0..20 {
        let attempt = attempt(post(sink.url("/")));
        let (outcome, _) = tokio::join!(
            handlers.run(&attempt, RunContext::default()),
            sink.answer(OK)
        );
        assert_eq!(outcome, succeeded("done"));
    }
}

/// The target closes the connection when the answer has been read, and the next request comes at
/// once: nothing of this process has seen the end yet.
#[tokio::test]
async fn a_connection_that_was_closed_a_moment_ago_costs_no_attempt() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    for method in [HttpMethod::Post, HttpMethod::Get, HttpMethod::Post] {
        let first = attempt(post(sink.url("/first")));
        let answer = async {
            let (mut stream, _) = sink.accept().await;
            stream
                .write_all(OK.as_bytes())
                .await
                .expect("the client listens");
            stream
        };
        let (outcome, stream) = tokio::join!(handlers.run(&first, RunContext::default()), answer);
        assert_eq!(outcome, succeeded("done"));
        drop(stream);
        let second = attempt(HttpTarget {
            method,
            ..post(sink.url("/second"))
        });
        let (outcome, request) = tokio::join!(
            handlers.run(&second, RunContext::default()),
            sink.answer(OK)
        );
        assert_eq!(outcome, succeeded("done"));
        assert_eq!(
            request.line,
            format!("{} /second HTTP/1.1", method.as_str())
        );
    }
}

/// The target may have taken it, and may not know an `Idempotency-Key`: whether it comes again is
/// for the job to say.
#[tokio::test]
async fn a_request_that_the_target_has_read_is_not_resent() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let first = attempt(post(sink.url("/")));
    let twice = async {
        let (mut stream, _) = sink.accept().await;
        stream
            .write_all(OK.as_bytes())
            .await
            .expect("the client listens");
        sink.read(&mut stream).await;
    };
    let runs = async {
        (
            handlers.run(&first, RunContext::default()).await,
            handlers.run(&first, RunContext::default()).await,
        )
    };
    let ((outcome, next), ()) = tokio::join!(runs, twice);
    assert_eq!(outcome, succeeded("done"));
    assert!(message(next).starts_with("no answer from "));
    sink.expect_untouched().await;
}
