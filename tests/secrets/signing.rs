//! Signed webhooks: what is signed, with which secrets, and what a retry signs.

use super::{OK, create_secret, job, run};
use crate::api_node::ApiNode;
use crate::sink::{Request, Sink};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde_json::json;

const FAILED: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

/// A signing secret of bytes.
fn secret(bytes: &[u8]) -> String {
    format!("whsec_{}", BASE64_STANDARD.encode(bytes))
}

/// Whether a request has the signature of these bytes in this place, by the specification.
fn is_signed(request: &Request, place: usize, bytes: &[u8]) -> bool {
    let header = |name: &str| request.headers[name].as_str();
    let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
    let signed = format!("{id}.{time}.{}", request.body);
    let signature = header("webhook-signature").split(' ').nth(place).unwrap();
    let signature = signature.strip_prefix("v1,").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
    let signature = BASE64_STANDARD.decode(signature).unwrap();
    hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

#[actix::test]
async fn requests_are_signed_with_their_time_and_a_retry_keeps_the_id() {
    let (node, sink) = (ApiNode::start().await, Sink::start().await);
    let host = format!("127.0.0.1:{}", sink.port);
    let (old, new) = ([7; 32], [9; 64]);
    create_secret(&node, "old", &secret(&old), &host).await;
    create_secret(&node, "new", &secret(&new), &host).await;
    create_secret(&node, "token", "sesame open", &host).await;
    let http = json!({"signingSecrets": ["new", "old"]});
    let payload = json!({"amount": 1.10, "note": "ä", "token": "${secret:token}"});
    let mut input = job(sink.url("/hook").as_str(), http, payload);
    input["retry"] = json!({"maxAttempts": 2, "initialBackoffSeconds": 1, "maxBackoffSeconds": 1});
    let id = node.create(input).await;
    run(&node, &id).await;
    let (first, second) = (sink.answer(FAILED).await, sink.answer(OK).await);
    for request in [&first, &second] {
        assert_eq!(
            request.headers["webhook-id"],
            request.headers["idempotency-key"]
        );
        assert!(is_signed(request, 0, &new) && is_signed(request, 1, &old));
        assert!(!is_signed(request, 0, &old));
        assert!(
            request.body.contains("sesame open"),
            "the body is signed as it is sent"
        );
        let time: i64 = request.headers["webhook-timestamp"].parse().unwrap();
        let now = node.data("{ cluster { databaseTime } }", json!({})).await;
        let now = now["cluster"]["databaseTime"].as_str().unwrap().to_owned();
        let now: chrono::DateTime<chrono::Utc> = now.parse().unwrap();
        assert!((now.timestamp() - time).abs() < 60, "{time}");
    }
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);

    let body = json!({"method": "GET", "signingSecrets": ["old"]});
    let id = node
        .create(job(sink.url("/").as_str(), body, json!({})))
        .await;
    run(&node, &id).await;
    let request = sink.answer(OK).await;
    assert!(request.body.is_empty() && is_signed(&request, 0, &old));

    let plain = node
        .create(job(sink.url("/").as_str(), json!({}), json!({})))
        .await;
    run(&node, &plain).await;
    let request = sink.answer(OK).await;
    assert!(
        !request
            .headers
            .keys()
            .any(|name| name.starts_with("webhook-"))
    );
}
