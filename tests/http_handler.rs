//! What an HTTP target receives, and what no target can make a node do.

use crate::sink::Sink;
use chrono::{DateTime, TimeDelta};
use horolog::handlers::{Egress, Handlers};
use horolog::model::execution::{Attempt, Outcome, Reason};
use horolog::model::payload::Payload;
use horolog::model::policies::Policies;
use horolog::model::target::{HttpMethod, HttpTarget, Target};
use horolog::model::text::TEXT_BYTES_MAX;
use horolog::model::trigger::TriggerKind;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;
use uuid::Uuid;

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
pub const CANARY: &str = "canary-5f1d";

pub fn allowing_loopback() -> Handlers {
    Handlers::new(Egress {
        networks: vec!["127.0.0.0/8".parse().expect("a network")],
        ..Egress::default()
    })
    .expect("handlers")
}

pub fn post(url: Url) -> HttpTarget {
    HttpTarget {
        url,
        method: HttpMethod::Post,
        headers: BTreeMap::new(),
        body: None,
        timeout_seconds: 20,
    }
}

pub fn attempt(target: HttpTarget) -> Attempt {
    let fire_time = DateTime::from_timestamp_millis(1_795_418_100_000).expect("in range");
    Attempt {
        execution_id: Uuid::from_u128(0x01a2_0000_0000_8000_8000_0000_0000_0001),
        attempt: 3,
        node_id: Uuid::from_u128(2),
        lease_id: Uuid::nil(),
        job_id: Uuid::from_u128(3),
        job_name: "nightly report".to_owned(),
        kind: TriggerKind::Retry,
        fire_time,
        due_time: fire_time + TimeDelta::milliseconds(1_500),
        target: Target::Http(target),
        payload: Payload::of_json(r#"{"report":"daily"}"#.to_owned()).ok(),
        policies: Policies::default(),
        failures: 0,
        may_unblock_fixed_delay: false,
    }
}

pub fn succeeded(output: &str) -> Outcome {
    Outcome::Succeeded {
        output: Some(output.to_owned()),
    }
}

fn failed(message: &str, output: Option<&str>) -> Outcome {
    Outcome::Failed {
        reason: Reason::Error,
        message: message.to_owned(),
        output: output.map(str::to_owned),
        retry_after: None,
    }
}

pub fn message(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed { message, .. } => message,
        other => panic!("did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_webhook_goes_out_and_is_read_while_the_thread_of_firing_is_busy() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let (answered, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        std::io::Read::read(&mut socket, &mut [0; 4_096]).unwrap();
        std::io::Write::write_all(&mut socket, OK.as_bytes()).unwrap();
        answered.send(()).unwrap();
    });
    let (handlers, attempt) = (allowing_loopback(), attempt(post(url)));
    let mut run = std::pin::pin!(handlers.run(&attempt));
    assert!(futures_util::poll!(run.as_mut()).is_pending());
    answer
        .recv_timeout(Duration::from_secs(30))
        .expect("the target was asked although this thread waited");
    assert_eq!(run.await, succeeded("done"));
}

/// A port on which nobody listens.
async fn closed_port() -> u16 {
    Sink::start().await.port
}

#[tokio::test]
async fn a_target_receives_the_contract_and_nothing_else() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let first = attempt(post(sink.url("/hook?a=1")));
    let (outcome, request) = tokio::join!(handlers.run(&first), sink.answer(OK));
    assert_eq!(outcome, succeeded("done"));
    assert_eq!(request.line, "POST /hook?a=1 HTTP/1.1");
    assert_eq!(request.body, r#"{"report":"daily"}"#);
    let mut headers = request.headers;
    let trace = headers.remove("traceparent").expect("a traceparent");
    let expected = [
        ("accept", "*/*".to_owned()),
        ("content-length", "18".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("host", format!("127.0.0.1:{}", sink.port)),
        ("horolog-attempt", "3".to_owned()),
        ("horolog-due-time", "2026-11-23T07:15:01.500Z".to_owned()),
        (
            "horolog-execution-id",
            "01a20000-0000-8000-8000-000000000001".to_owned(),
        ),
        ("horolog-fire-time", "2026-11-23T07:15:00.000Z".to_owned()),
        (
            "horolog-job-id",
            "00000000-0000-0000-0000-000000000003".to_owned(),
        ),
        ("horolog-kind", "RETRY".to_owned()),
        (
            "horolog-node-id",
            "00000000-0000-0000-0000-000000000002".to_owned(),
        ),
        (
            "idempotency-key",
            "01a20000-0000-8000-8000-000000000001".to_owned(),
        ),
        (
            "user-agent",
            format!("Horolog/{}", env!("CARGO_PKG_VERSION")),
        ),
    ];
    assert_eq!(
        headers,
        expected
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    );
    let next = Attempt {
        attempt: 4,
        ..first
    };
    let (_, request) = tokio::join!(handlers.run(&next), sink.answer(OK));
    let next_trace = &request.headers["traceparent"];
    for trace in [&trace, next_trace] {
        assert!(
            trace.starts_with("00-01a20000000080008000000000000001-") && trace.ends_with("-01"),
            "{trace}"
        );
        assert_eq!(trace.len(), 55);
    }
    assert_ne!(&trace, next_trace, "one trace, two spans");
}

#[tokio::test]
async fn method_body_and_headers_go_out_as_configured() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let text = |text: &str| Some(text.to_owned());
    let payload = text(r#"{"report":"daily"}"#);
    let json = text("application/json");
    let cases = [
        (HttpMethod::Post, None, payload.clone(), json.clone()),
        (HttpMethod::Put, None, payload.clone(), json.clone()),
        (HttpMethod::Patch, None, payload, json),
        (HttpMethod::Get, None, None, None),
        (HttpMethod::Get, text(""), None, None),
        (HttpMethod::Post, text(""), None, None),
        (HttpMethod::Delete, None, None, None),
        (HttpMethod::Delete, text("a=1"), text("a=1"), None),
        (HttpMethod::Post, text("<a/>"), text("<a/>"), None),
    ];
    for (method, configured, body, content_type) in cases {
        let target = HttpTarget {
            method,
            body: configured,
            ..post(sink.url("/"))
        };
        let attempt = attempt(target);
        let (outcome, request) = tokio::join!(handlers.run(&attempt), sink.answer(OK));
        assert_eq!(outcome, succeeded("done"));
        assert_eq!(request.line, format!("{} / HTTP/1.1", method.as_str()));
        let bytes = body
            .as_ref()
            .map(String::len)
            .or((method != HttpMethod::Get && method != HttpMethod::Delete).then_some(0));
        assert_eq!(
            request.headers.get("content-length"),
            bytes.map(|bytes| bytes.to_string()).as_ref(),
            "{method:?}"
        );
        assert_eq!(request.body, body.unwrap_or_default());
        assert_eq!(request.headers.get("content-type"), content_type.as_ref());
    }
    let own = [
        ("Content-Type", "application/cloudevents+json"),
        ("Authorization", "Bearer x"),
        ("User-Agent", "me"),
    ];
    let headers = own
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let attempt = attempt(HttpTarget {
        headers,
        ..post(sink.url("/"))
    });
    let (_, request) = tokio::join!(handlers.run(&attempt), sink.answer(OK));
    for (name, value) in own {
        assert_eq!(request.headers[&name.to_ascii_lowercase()], value);
    }
}

#[tokio::test]
async fn without_a_payload_no_body_is_sent() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    for payload in [None, Payload::of_json("null".to_owned()).ok()] {
        let attempt = Attempt {
            payload,
            ..attempt(post(sink.url("/")))
        };
        let (_, request) = tokio::join!(handlers.run(&attempt), sink.answer(OK));
        assert_eq!(
            (
                request.body.as_str(),
                request.headers["content-length"].as_str()
            ),
            ("", "0")
        );
        assert_eq!(request.headers.get("content-type"), None);
    }
}

#[tokio::test]
async fn only_2xx_is_success() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let cases = [
        ("204 No Content", "", Outcome::Succeeded { output: None }),
        ("299 Odd", "a\0b", succeeded("a\u{fffd}b")),
        (
            "500 Oops",
            "trace",
            failed(
                "the target answered 500 Internal Server Error",
                Some("trace"),
            ),
        ),
        (
            "503 x",
            "",
            failed("the target answered 503 Service Unavailable", None),
        ),
        (
            "404 x",
            "",
            failed("the target answered 404 Not Found", None),
        ),
        ("599 x", "", failed("the target answered 599", None)),
        (
            "304 x",
            "",
            failed(
                "the target answered 304 Not Modified; redirects are not followed",
                None,
            ),
        ),
    ];
    for (status, body, expected) in cases {
        let attempt = attempt(post(sink.url("/")));
        let length = if body.is_empty() {
            ""
        } else {
            &format!("content-length: {}\r\n", body.len())
        };
        let response = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{length}\r\n{body}");
        let (outcome, _) = tokio::join!(handlers.run(&attempt), sink.answer(&response));
        assert_eq!(outcome, expected);
    }
}

#[tokio::test]
async fn an_answer_with_many_headers_is_what_its_status_says() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    for count in [99, 100, 101, 1_000, 4_000] {
        let headers: Vec<String> = (0..count)
            .map(|number| format!("x-{number}: {number}\r\n"))
            .collect();
        let response = OK.replacen("\r\n", &format!("\r\n{}", headers.concat()), 1);
        let attempt = attempt(post(sink.url("/")));
        let (outcome, _) = tokio::join!(handlers.run(&attempt), sink.answer(&response));
        assert_eq!(outcome, succeeded("done"), "{count} headers");
    }
}

#[tokio::test]
async fn retry_after_is_heeded_in_every_form_up_to_the_cap_of_the_policy() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let cap = 3_600;
    for (asked, seconds) in [
        ("120", 120),
        ("99999999999999999999999999", cap),
        ("Sun, 06 Nov 1994 08:51:37 GMT", 120),
        ("Sunday, 06-Nov-94 08:51:37 GMT", 120),
        ("Sun Nov  6 08:51:37 1994", 120),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", cap),
        ("soon", 0),
    ] {
        let head = "HTTP/1.1 503 x\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 0\r\n";
        let response = format!("{head}retry-after: {asked}\r\n\r\n");
        let mut attempt = Attempt {
            failures: 0,
            ..attempt(post(sink.url("/")))
        };
        attempt.policies.retry.max_attempts = 2;
        let (outcome, _) = tokio::join!(handlers.run(&attempt), sink.answer(&response));
        let Outcome::Failed { retry_after, .. } = outcome else {
            panic!("{outcome:?}")
        };
        let delay = attempt.policies.retry.delay(1, 0.0, retry_after);
        assert_eq!(delay, Some(Duration::from_secs(seconds)), "{asked}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_and_the_connection_closed() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let attempt = attempt(post(sink.url("/")));
    let flood = async {
        let (mut stream, _) = sink.accept().await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1 << 30);
        stream
            .write_all(head.as_bytes())
            .await
            .expect("the client listens");
        let (mebibyte, mut mebibytes) = (vec![b'x'; 1 << 20], 0);
        while mebibytes < 1024 && stream.write_all(&mebibyte).await.is_ok() {
            mebibytes += 1;
        }
        mebibytes
    };
    let (outcome, mebibytes) = tokio::join!(handlers.run(&attempt), flood);
    assert_eq!(outcome, succeeded(&"x".repeat(TEXT_BYTES_MAX)));
    assert!(mebibytes < 64, "{mebibytes} MiB were taken");
}

#[tokio::test]
async fn output_stays_within_the_limit_whatever_the_bytes() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    for filler in ["\0", "ä", "\u{fffd}", "x"] {
        let body = "y".to_owned() + &filler.repeat(TEXT_BYTES_MAX);
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let attempt = attempt(post(sink.url("/")));
        let target = async {
            let (mut stream, _) = sink.accept().await;
            stream.write_all(response.as_bytes()).await.ok(); // the client hangs up when it has enough
        };
        let (outcome, ()) = tokio::join!(handlers.run(&attempt), target);
        let Outcome::Succeeded {
            output: Some(output),
        } = outcome
        else {
            panic!("{outcome:?}")
        };
        assert!(
            output.len() <= TEXT_BYTES_MAX && output.len() > TEXT_BYTES_MAX - 4,
            "{}",
            output.len()
        );
        assert!(!output.contains('\0'));
    }
}

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
        let (outcome, ()) = tokio::join!(handlers.run(&attempt), hang);
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
    let running = tokio::spawn(async move { handlers.run(&attempt).await }); // also: the future is Send
    let (mut stream, _) = sink.accept().await;
    running.abort();
    assert!(running.await.expect_err("aborted").is_cancelled());
    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
}

/// Every answer keeps the connection by its headers, and closes it all the same.
#[tokio::test]
async fn a_kept_connection_that_the_target_has_closed_costs_no_attempt() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    for _ in 0..20 {
        let attempt = attempt(post(sink.url("/")));
        let (outcome, _) = tokio::join!(handlers.run(&attempt), sink.answer(OK));
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
        let (outcome, stream) = tokio::join!(handlers.run(&first), answer);
        assert_eq!(outcome, succeeded("done"));
        drop(stream);
        let second = attempt(HttpTarget {
            method,
            ..post(sink.url("/second"))
        });
        let (outcome, request) = tokio::join!(handlers.run(&second), sink.answer(OK));
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
async fn a_request_that_the_target_has_read_is_never_sent_again_by_itself() {
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
    let runs = async { (handlers.run(&first).await, handlers.run(&first).await) };
    let ((outcome, next), ()) = tokio::join!(runs, twice);
    assert_eq!(outcome, succeeded("done"));
    assert!(message(next).starts_with("no answer from "));
    sink.expect_untouched().await;
}

#[tokio::test]
async fn failures_are_explained_without_secrets() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let (port, closed) = (sink.port, closed_port().await);
    let no_name = "a".repeat(64); // longer than a DNS label can be: no resolver is asked
    let open = format!("127.0.0.1:{port}");
    let cases = [
        (
            format!("http://127.0.0.1:{closed}"),
            None,
            "could not connect to {}: Connection refused",
        ),
        (
            "http://10.0.0.1:80".to_owned(),
            None,
            "could not connect to {}: there is no such host, or webhooks may not reach it (--http-allow)",
        ),
        (
            format!("http://{no_name}:81"),
            None,
            "could not connect to {}: there is no such host, or webhooks may not reach it (--http-allow)",
        ),
        (
            format!("https://{open}"),
            Some("no TLS here\r\n"),
            "could not connect to {}: received corrupt message",
        ),
        (
            format!("http://{open}"),
            Some(""),
            "no answer from {}: connection closed",
        ),
        (
            format!("http://{open}"),
            Some("220 ESMTP\r\n"),
            "no answer from {}: invalid HTTP version parsed",
        ),
        (
            format!("http://{open}"),
            Some("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
            "the answer broke off: ",
        ),
        (
            format!("http://{open}"),
            Some("HTTP/1.1 500 x\r\n\r\n"),
            "the target answered 500 Internal Server Error",
        ),
        (
            "ftp://127.0.0.1:8080".to_owned(),
            None,
            "could not send to {}: URL scheme is not allowed",
        ),
    ];
    for (origin, answer, expected) in cases {
        let mut url: Url = format!("{origin}/{CANARY}?{CANARY}#{CANARY}")
            .parse()
            .expect("a URL");
        url.set_password(Some(CANARY)).expect("a host");
        let headers = [("Authorization".to_owned(), format!("Bearer {CANARY}"))].into();
        let attempt = attempt(HttpTarget {
            url,
            headers,
            ..post(sink.url("/"))
        });
        let respond = async {
            if let Some(answer) = answer {
                sink.answer_blindly(answer).await;
            }
        };
        let (outcome, ()) = tokio::join!(handlers.run(&attempt), respond);
        let text = format!("{outcome:?}");
        assert!(!text.contains(CANARY), "{text}");
        let message = message(outcome);
        let expected = expected.replace("{}", &origin);
        assert!(
            message.starts_with(&expected),
            "{message:?} should start with {expected:?}"
        );
    }
}
