//! The requests that an HTTP target receives, and the limits of a target's influence on a node.

use crate::sink::Sink;
use chrono::{DateTime, TimeDelta};
use horolog::handlers::{Egress, Handlers, RunContext};
use horolog::model::execution::{Attempt, Outcome, Reason};
use horolog::model::payload::Payload;
use horolog::model::policies::Policies;
use horolog::model::target::{HttpMethod, HttpTarget, Target};
use horolog::model::trigger::TriggerKind;
use std::collections::BTreeMap;
use std::time::Duration;
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
        signing_secrets: Vec::new(),
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
        namespace: "default".to_owned(),
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

pub fn failed(message: &str, output: Option<&str>) -> Outcome {
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
    let mut run = std::pin::pin!(handlers.run(&attempt, RunContext::default()));
    assert!(futures_util::poll!(run.as_mut()).is_pending());
    answer
        .recv_timeout(Duration::from_secs(30))
        .expect("the target was asked although this thread waited");
    assert_eq!(run.await, succeeded("done"));
}

/// A port without a listener.
async fn closed_port() -> u16 {
    Sink::start().await.port
}

#[tokio::test]
async fn a_target_receives_the_contract_and_nothing_else() {
    let (handlers, sink) = (allowing_loopback(), Sink::start().await);
    let first = attempt(post(sink.url("/hook?a=1")));
    let (outcome, request) =
        tokio::join!(handlers.run(&first, RunContext::default()), sink.answer(OK));
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
    let (_, request) = tokio::join!(handlers.run(&next, RunContext::default()), sink.answer(OK));
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
        let (outcome, request) = tokio::join!(
            handlers.run(&attempt, RunContext::default()),
            sink.answer(OK)
        );
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
    let (_, request) = tokio::join!(
        handlers.run(&attempt, RunContext::default()),
        sink.answer(OK)
    );
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
        let (_, request) = tokio::join!(
            handlers.run(&attempt, RunContext::default()),
            sink.answer(OK)
        );
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
#[expect(clippy::too_many_lines, reason = "a table of cases")]
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
            "could not connect to {}: there is no such host, \
             or webhooks may not reach it (--http-allow)",
        ),
        (
            format!("http://{no_name}:81"),
            None,
            "could not connect to {}: there is no such host, \
             or webhooks may not reach it (--http-allow)",
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
        let (outcome, ()) = tokio::join!(handlers.run(&attempt, RunContext::default()), respond);
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
