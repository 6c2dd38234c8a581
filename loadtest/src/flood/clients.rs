//! The clients of a flood.

use super::Tally;
use super::requests::{Family, Ladder};
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Longer than a node works on a request.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// After a node could not be reached.
const PAUSE: Duration = Duration::from_millis(100);
/// Concurrent half bodies of one client.
const HALF_BODIES: usize = 50;
/// Concurrent sockets of one client.
const SOCKETS: usize = 10;
/// Subscriptions of one socket: the maximum of a node.
const SUBSCRIPTIONS: usize = 20;
/// How long a socket is kept.
const SOCKET_KEPT: Duration = Duration::from_secs(2);
/// Bytes of an answer that decide about the outcome.
const HEAD_BYTES: usize = 4_096;

/// The outcome of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    /// Refused for its content or cost: a cheaper one may pass.
    Refused,
    /// Busy, too slow, or gone.
    Unanswered,
}

/// One client: loops until the end of the flood.
pub(super) async fn flood(
    node: SocketAddr,
    mut ladder: Ladder,
    mut is_over: watch::Receiver<bool>,
) -> Tally {
    let mut tally = Tally {
        family: ladder.family,
        request: String::new(),
        answered: 0,
        refused: 0,
        unanswered: 0,
    };
    let client = Client::builder(TokioExecutor::new()).build_http();
    while !*is_over.borrow() {
        let outcome = tokio::select! {
            outcome = once(&client, node, &ladder) => outcome,
            _ = is_over.changed() => break,
        };
        match outcome {
            Outcome::Answered => tally.answered += 1,
            Outcome::Refused => {
                tally.refused += 1;
                // A request that is refused costs the node little: the next cheaper one may be
                // accepted.
                ladder.descend();
            }
            Outcome::Unanswered => {
                tally.unanswered += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    tally.request = match ladder.family {
        Family::HalfBodies => format!("{HALF_BODIES} half bodies at once"),
        Family::Sockets => format!("{SOCKETS} sockets at once, {SUBSCRIPTIONS} subscriptions each"),
        _ => ladder
            .current()
            .map(|rung| rung.name.clone())
            .unwrap_or_default(),
    };
    tally
}

async fn once(
    client: &Client<HttpConnector, Full<Bytes>>,
    node: SocketAddr,
    ladder: &Ladder,
) -> Outcome {
    match ladder.family {
        Family::HalfBodies => half_bodies(node).await,
        Family::Sockets => sockets(node).await,
        _ => {
            let body = ladder
                .current()
                .map(|rung| rung.body.clone())
                .unwrap_or_default();
            let posted = tokio::time::timeout(ANSWER_MAX, post(client, node, body)).await;
            posted.unwrap_or(Outcome::Unanswered)
        }
    }
}

/// Posts, and reads the whole answer without keeping it.
async fn post(
    client: &Client<HttpConnector, Full<Bytes>>,
    node: SocketAddr,
    body: String,
) -> Outcome {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{node}/graphql"))
        .header("content-type", "application/json")
        .body(Full::from(body));
    let Ok(request) = request else {
        return Outcome::Unanswered;
    };
    let Ok(response) = client.request(request).await else {
        return Outcome::Unanswered;
    };
    let (status, mut body, mut head) = (response.status(), response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Outcome::Unanswered;
        };
        if let Some(data) = frame.data_ref() {
            head.extend_from_slice(&data[..data.len().min(HEAD_BYTES.saturating_sub(head.len()))]);
        }
    }
    classify(status, &String::from_utf8_lossy(&head))
}

fn classify(status: StatusCode, head: &str) -> Outcome {
    let busy = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    if busy.contains(&status) || head.contains("\"UNAVAILABLE\"") {
        Outcome::Unanswered
    } else if status.is_success() && head.starts_with("{\"data\":{") {
        Outcome::Answered
    } else {
        Outcome::Refused
    }
}

/// Requests whose bodies never end; each is kept until the node gives up. A request that was held
/// to the node's limit counts as answered.
async fn half_bodies(node: SocketAddr) -> Outcome {
    let half = format!(
        "POST /graphql HTTP/1.1\r\nHost: {node}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{"
    );
    let mut open = Vec::new();
    for _ in 0..HALF_BODIES {
        let Ok(mut stream) = TcpStream::connect(node).await else {
            break;
        };
        if stream.write_all(half.as_bytes()).await.is_err() {
            break;
        }
        open.push(stream);
    }
    if open.is_empty() {
        return Outcome::Unanswered;
    }
    for mut stream in open {
        let mut answer = [0; 256];
        // The node ends the request by its own limit; the answer does not matter.
        let _ = tokio::time::timeout(ANSWER_MAX, stream.read(&mut answer)).await;
    }
    Outcome::Answered
}

/// Sockets with the maximum of subscriptions, every second one unread.
async fn sockets(node: SocketAddr) -> Outcome {
    let opened =
        futures_util::future::join_all((0..SOCKETS).map(|number| socket(node, number % 2 == 0)))
            .await;
    if opened.iter().any(Result::is_ok) {
        Outcome::Answered
    } else {
        Outcome::Unanswered
    }
}

async fn socket(node: SocketAddr, read: bool) -> Result<(), anyhow::Error> {
    let mut request = format!("ws://{node}/graphql").into_client_request()?;
    request.headers_mut().insert(
        "sec-websocket-protocol",
        HeaderValue::from_static("graphql-transport-ws"),
    );
    let connected =
        tokio::time::timeout(ANSWER_MAX, tokio_tungstenite::connect_async(request)).await;
    let (mut socket, _) = connected??;
    let hello = json!({"type": "connection_init"});
    socket.send(Message::text(hello.to_string())).await?;
    for number in 0..SUBSCRIPTIONS {
        let feed = [
            "executionUpdated { id status output }",
            "overviewUpdated { dueNow attention { message } }",
        ][number % 2];
        let query = format!("subscription {{ {feed} }}");
        let subscribe =
            json!({"id": number.to_string(), "type": "subscribe", "payload": {"query": query}});
        socket.send(Message::text(subscribe.to_string())).await?;
    }
    let kept = async {
        while read && socket.next().await.is_some_and(|message| message.is_ok()) {}
        // An unread socket, or one that the node has closed, stays until its time is over.
        std::future::pending::<()>().await;
    };
    let _ = tokio::time::timeout(SOCKET_KEPT, kept).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_for_what_it_is_makes_a_client_cheaper() {
        let cases = [
            (StatusCode::OK, r#"{"data":{"jobs":[]}}"#, Outcome::Answered),
            (
                StatusCode::OK,
                r#"{"data":null,"errors":[{"extensions":{"code":"BAD_USER_INPUT"}}]}"#,
                Outcome::Refused,
            ),
            (
                StatusCode::OK,
                r#"{"data":null,"errors":[{"extensions":{"code":"UNAVAILABLE"}}]}"#,
                Outcome::Unanswered,
            ),
            (StatusCode::BAD_REQUEST, "", Outcome::Refused),
            (StatusCode::PAYLOAD_TOO_LARGE, "", Outcome::Refused),
            (StatusCode::SERVICE_UNAVAILABLE, "", Outcome::Unanswered),
        ];
        for (status, head, expected) in cases {
            assert_eq!(classify(status, head), expected, "{status} {head}");
        }
    }
}
