//! The callers of sockets: nothing is executed before the caller is known, and a socket ends with
//! the access of its caller.

use crate::api_node::ApiNode;
use crate::support::access::{PASSWORD, token, user};
use crate::support::eventually;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Wire = WebSocketStream<MaybeTlsStream<TcpStream>>;

const OVERVIEW: &str = "subscription { overviewUpdated { dueNow } }";
const NODES: &str = "subscription { nodeUpdated { id } }";

/// Opens a socket with headers; nothing is sent.
async fn connect(node: &ApiNode, headers: &[(&'static str, &str)]) -> Result<Wire, Error> {
    let address = node.url.replacen("http", "ws", 1) + "/graphql";
    let mut request = address.into_client_request()?;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    for (name, value) in std::iter::once(&protocol).chain(headers) {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    Ok(connect_async(request).await?.0)
}

async fn send(wire: &mut Wire, message: Value) {
    wire.send(Message::text(message.to_string())).await.unwrap();
}

async fn subscribe(wire: &mut Wire, id: &str, query: &str) {
    let message = json!({"id": id, "type": "subscribe", "payload": {"query": query}});
    send(wire, message).await;
}

/// The next message of GraphQL, or the code and the reason of the close frame.
async fn next(wire: &mut Wire) -> Result<Value, (u16, String)> {
    loop {
        match wire.next().await {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(Some(reason)))) => {
                return Err((reason.code.into(), reason.reason.to_string()));
            }
            Some(Ok(_)) => {}
            end => panic!("the socket ended without a reason: {end:?}"),
        }
    }
}

/// Begins the protocol with a payload.
async fn begin(wire: &mut Wire, payload: Value) -> Result<Value, (u16, String)> {
    send(wire, json!({"type": "connection_init", "payload": payload})).await;
    next(wire).await
}

/// Reads events until the socket is closed.
async fn closed(wire: &mut Wire) -> (u16, String) {
    loop {
        if let Err(closed) = next(wire).await {
            return closed;
        }
    }
}

/// A closed node, and a token with a role.
async fn closed_node(role: &str) -> (ApiNode, String) {
    let node = ApiNode::start().await;
    let text = token(&node.database.client().await, role).await;
    eventually("the node is closed", async || {
        (node.status("/metrics").await == 401).then_some(())
    })
    .await;
    (node, format!("Bearer {text}"))
}

#[actix::test]
async fn a_socket_without_a_caller_gets_nothing() {
    let (node, bearer) = closed_node("VIEWER").await;
    for payload in [
        Value::Null,
        json!({}),
        json!({"authorization": null}),
        json!({"authorization": "Bearer hrl_wrong"}),
        json!({"authorization": 1}),
        json!({"Authorization": bearer}),
        json!({"authorization": bearer.trim_start_matches("Bearer ")}),
    ] {
        let mut wire = connect(&node, &[]).await.unwrap();
        let (code, reason) = begin(&mut wire, payload.clone()).await.expect_err("closed");
        assert_eq!(code, 4401, "{payload}: {reason}");
    }
    // An operation that does not wait for the acknowledgement is not executed either.
    let mut wire = connect(&node, &[]).await.unwrap();
    send(&mut wire, json!({"type": "connection_init"})).await;
    subscribe(&mut wire, "1", OVERVIEW).await;
    assert_eq!(next(&mut wire).await.expect_err("closed").0, 4401);
    let mut wire = connect(&node, &[]).await.unwrap();
    subscribe(&mut wire, "1", OVERVIEW).await;
    assert!(next(&mut wire).await.is_err(), "without an initialisation");
}

#[actix::test]
async fn a_wrong_credential_of_a_handshake_opens_no_socket() {
    let (node, _) = closed_node("VIEWER").await;
    for wrong in [
        ("authorization", "Bearer hrl_wrong"),
        ("cookie", "horolog_session=nothing"),
    ] {
        let Err(Error::Http(refused)) = connect(&node, &[wrong]).await else {
            panic!("the socket was opened")
        };
        assert_eq!(refused.status(), 401);
    }
}

#[actix::test]
async fn a_token_comes_by_the_handshake_or_with_the_first_message() {
    let (node, bearer) = closed_node("VIEWER").await;
    let by_init = json!({"authorization": bearer});
    for (headers, payload) in [
        (vec![("authorization", bearer.as_str())], Value::Null),
        (Vec::new(), by_init),
    ] {
        let mut wire = connect(&node, &headers).await.unwrap();
        let acknowledged = begin(&mut wire, payload).await.unwrap();
        assert_eq!(acknowledged["type"], "connection_ack");
        subscribe(&mut wire, "1", OVERVIEW).await;
        let event = next(&mut wire).await.unwrap();
        assert_eq!(event["payload"]["data"]["overviewUpdated"]["dueNow"], 0);
    }
}

#[actix::test]
async fn an_operation_of_a_socket_needs_its_role() {
    let (node, bearer) = closed_node("MONITOR").await;
    let mut wire = connect(&node, &[]).await.unwrap();
    begin(&mut wire, json!({"authorization": bearer}))
        .await
        .unwrap();
    subscribe(&mut wire, "1", OVERVIEW).await;
    let refused = next(&mut wire).await.unwrap();
    let error = &refused["payload"]["errors"][0];
    assert_eq!(error["extensions"]["code"], "FORBIDDEN", "{refused}");
    assert!(error["message"].as_str().unwrap().contains("VIEWER"));
}

#[actix::test]
async fn an_open_socket_ends_when_its_token_is_revoked() {
    let (node, bearer) = closed_node("VIEWER").await;
    let mut wire = connect(&node, &[]).await.unwrap();
    begin(&mut wire, json!({"authorization": bearer}))
        .await
        .unwrap();
    subscribe(&mut wire, "1", OVERVIEW).await;
    next(&mut wire).await.unwrap();
    let revoke = "update api_token set revoked_at = now()";
    // One more, or the cluster would be open again.
    let client = node.database.client().await;
    client.execute(revoke, &[]).await.unwrap();
    token(&client, "VIEWER").await;
    assert_eq!(closed(&mut wire).await.0, 4401);
}

#[actix::test]
async fn a_socket_of_a_session_ends_with_the_sign_out() {
    let node = ApiNode::start().await;
    user(&node.database.client().await, "ada", "ADMIN").await;
    let session = format!("{}/session", node.url);
    let credentials = json!({"name": "ada", "password": PASSWORD});
    let signed_in = node
        .http
        .post(&session)
        .json(&credentials)
        .send()
        .await
        .unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();

    let foreign = [("cookie", cookie), ("origin", "https://evil.example")];
    let Err(Error::Http(refused)) = connect(&node, &foreign).await else {
        panic!("the socket was opened")
    };
    assert_eq!(refused.status(), 403);
    let own = [("cookie", cookie), ("origin", node.url.as_str())];
    let mut wire = connect(&node, &own).await.unwrap();
    begin(&mut wire, Value::Null).await.unwrap();
    subscribe(&mut wire, "1", OVERVIEW).await;
    next(&mut wire).await.unwrap();
    let sign_out = node.http.delete(&session).header("cookie", cookie);
    assert_eq!(sign_out.send().await.unwrap().status(), 204);
    assert_eq!(closed(&mut wire).await.0, 4401);
}

#[actix::test]
async fn a_socket_ends_when_the_role_of_its_caller_does_not_suffice_any_more() {
    let (node, bearer) = closed_node("VIEWER").await;
    let mut sockets = Vec::new();
    for query in [OVERVIEW, NODES] {
        let mut wire = connect(&node, &[]).await.unwrap();
        begin(&mut wire, json!({"authorization": bearer}))
            .await
            .unwrap();
        subscribe(&mut wire, "1", query).await;
        next(&mut wire).await.unwrap();
        sockets.push(wire);
    }
    let client = node.database.client().await;
    let lower = "update api_token set role = 'MONITOR'";
    client.execute(lower, &[]).await.unwrap();
    let (code, reason) = closed(&mut sockets[0]).await;
    assert_eq!(code, 4403, "{reason}");
    // The other one needs no more than the new role.
    subscribe(&mut sockets[1], "2", NODES).await;
    next(&mut sockets[1]).await.unwrap();
}

#[actix::test]
async fn an_anonymous_socket_ends_when_the_cluster_is_closed() {
    let node = ApiNode::start().await;
    let mut wire = connect(&node, &[]).await.unwrap();
    begin(&mut wire, Value::Null).await.unwrap();
    subscribe(&mut wire, "1", OVERVIEW).await;
    next(&mut wire).await.unwrap();
    user(&node.database.client().await, "ada", "ADMIN").await;
    assert_eq!(closed(&mut wire).await.0, 4401);
}

#[actix::test]
async fn a_token_has_fifty_sockets_on_a_node_and_another_token_has_its_own() {
    let (node, bearer) = closed_node("VIEWER").await;
    let other = token(&node.database.client().await, "VIEWER").await;
    let mut open = Vec::new();
    for _ in 0..50 {
        let mut wire = connect(&node, &[]).await.unwrap();
        begin(&mut wire, json!({"authorization": bearer}))
            .await
            .unwrap();
        open.push(wire);
    }
    let mut wire = connect(&node, &[]).await.unwrap();
    let refused = begin(&mut wire, json!({"authorization": bearer})).await;
    let reason = "you have 50 sockets on this node: close one".to_owned();
    assert_eq!(refused.expect_err("too many"), (1013, reason));

    let mut wire = connect(&node, &[]).await.unwrap();
    let payload = json!({"authorization": format!("Bearer {other}")});
    begin(&mut wire, payload).await.unwrap();
    open.pop();
    eventually("there is room again", async || {
        let mut wire = connect(&node, &[]).await.unwrap();
        begin(&mut wire, json!({"authorization": bearer}))
            .await
            .ok()
    })
    .await;
}
