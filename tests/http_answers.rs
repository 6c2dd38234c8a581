//! What the `http` handler makes of an answer.

use crate::http_handler::{OK, allowing_loopback, attempt, failed, post, succeeded};
use crate::sink::Sink;
use horolog::handlers::RunContext;
use horolog::model::execution::{Attempt, Outcome};
use horolog::model::text::TEXT_BYTES_MAX;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

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
        let (outcome, _) = tokio::join!(
            handlers.run(&attempt, RunContext::default()),
            sink.answer(&response)
        );
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
        let (outcome, _) = tokio::join!(
            handlers.run(&attempt, RunContext::default()),
            sink.answer(&response)
        );
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
        let (outcome, _) = tokio::join!(
            handlers.run(&attempt, RunContext::default()),
            sink.answer(&response)
        );
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
    let (outcome, mebibytes) = tokio::join!(handlers.run(&attempt, RunContext::default()), flood);
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
            stream.write_all(response.as_bytes()).await.ok();
            // the client hangs up when it has enough
        };
        let (outcome, ()) = tokio::join!(handlers.run(&attempt, RunContext::default()), target);
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
