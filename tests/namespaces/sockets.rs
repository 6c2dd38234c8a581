//! Subscriptions within reach, and sockets whose caller loses a namespace.

use super::{Namespaces, fail};
use crate::support::eventually;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A socket without an event for this long has none.
const SILENCE_MAX: std::time::Duration = std::time::Duration::from_mins(1);

type Wire = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn listen(namespaces: &Namespaces, token: &str, subscriptions: &[&str]) -> Wire {
    let address = namespaces.node.url.replacen("http", "ws", 1) + "/graphql";
    let mut request = address.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        "graphql-transport-ws".parse().unwrap(),
    );
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (mut wire, _) = connect_async(request).await.unwrap();
    let text = |message: Value| Message::text(message.to_string());
    wire.send(text(json!({"type": "connection_init"})))
        .await
        .unwrap();
    loop {
        match wire.next().await.unwrap().unwrap() {
            Message::Ping(_) => {}
            Message::Text(text) if text.contains("connection_ack") => break,
            other => panic!("no acknowledgement: {other:?}"),
        }
    }
    for (index, query) in subscriptions.iter().enumerate() {
        let payload = json!({"query": query});
        let id = index.to_string();
        let subscribe = json!({"id": id, "type": "subscribe", "payload": payload});
        wire.send(text(subscribe)).await.unwrap();
    }
    wire
}

/// The events until one holds a text; an error with the code when the socket is closed first.
async fn until(wire: &mut Wire, text: &str) -> Result<String, u16> {
    let mut events = String::new();
    loop {
        let next = tokio::time::timeout(SILENCE_MAX, wire.next()).await;
        let next = next.unwrap_or_else(|_| panic!("no `{text}` comes after {events}"));
        match next {
            Some(Ok(Message::Text(event))) => {
                assert!(!event.contains("errors"), "{event}");
                events.push_str(&event);
                if event.contains(text) {
                    return Ok(events);
                }
            }
            Some(Ok(Message::Close(Some(reason)))) => return Err(reason.code.into()),
            Some(Ok(_)) => {}
            end => panic!("the socket ended without a reason: {end:?}"),
        }
    }
}

#[actix::test]
async fn subscriptions_have_the_events_within_reach() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=VIEWER"]).await;
    let subscriptions = [
        "subscription { jobUpdated { id name payload } }",
        "subscription { executionUpdated { jobId output } }",
        "subscription { overviewUpdated { failingJobs cluster { pausedJobs } } }",
    ];
    let mut wire = listen(&namespaces, &token, &subscriptions).await;
    let events = until(&mut wire, "pausedJobs").await.unwrap();
    assert!(events.contains("\"failingJobs\":1"), "{events}");
    // The feeds compare with what they saw first: the changes come after it.
    let mut of_admin = listen(&namespaces, &namespaces.admin, &subscriptions[..2]).await;
    let change = async |job: &str| {
        let pause = "mutation($id: ID!) { pauseJob(id: $id) { id } }";
        namespaces
            .data(&namespaces.admin, pause, json!({"id": job}))
            .await;
        fail(&namespaces.sql, job).await;
    };
    eventually("the feed runs", async || {
        let touch = "update job_definition set updated_at = now(), version = version + 1
            where namespace = 'foreign'";
        namespaces.sql.execute(touch, &[]).await.unwrap();
        let event = until(&mut of_admin, &namespaces.foreign.job);
        tokio::time::timeout(std::time::Duration::from_secs(1), event)
            .await
            .ok()
    })
    .await
    .unwrap();
    change(&namespaces.foreign.job).await;
    until(&mut of_admin, "\"jobId\"").await.unwrap();
    change(&namespaces.own.job).await;
    // In either order.
    let mut events = String::new();
    while !(events.contains("\"pausedJobs\":1") && events.contains("\"jobId\"")) {
        events += &until(&mut wire, "\"data\"").await.unwrap();
    }
    assert!(events.contains(&namespaces.own.job), "{events}");
    assert!(!events.contains(&namespaces.foreign.job), "{events}");
    assert!(!events.contains("\"pausedJobs\":2"), "{events}");
}

#[actix::test]
async fn a_socket_ends_when_its_caller_loses_a_namespace() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=VIEWER", "foreign=VIEWER"]).await;
    let subscriptions = ["subscription { overviewUpdated { failingJobs } }"];
    let mut wire = listen(&namespaces, &token, &subscriptions).await;
    until(&mut wire, "\"failingJobs\":2").await.unwrap();
    let removed_at = std::time::Instant::now();
    let remove = "delete from role_binding where namespace = 'foreign'";
    namespaces.sql.execute(remove, &[]).await.unwrap();
    let closed = until(&mut wire, "never").await;
    assert_eq!(closed, Err(4403));
    assert!(
        removed_at.elapsed().as_secs() < 10,
        "{:?}",
        removed_at.elapsed()
    );
    // The rest of the access stays.
    let jobs = namespaces
        .data(&token, "{ jobs { name } }", json!({}))
        .await;
    assert_eq!(jobs["jobs"], json!([{"name": "job of own"}]));
}
