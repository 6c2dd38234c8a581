//! What a socket may do to a node, and to the sockets of others: nothing.

use crate::api_node::ApiNode;
use crate::live::Socket;
use crate::support::eventually;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Wire = WebSocketStream<MaybeTlsStream<TcpStream>>;

const OVERVIEW: &str = "subscription { overviewUpdated { dueNow } }";

/// A socket of which nothing is known but the handshake.
async fn connect(node: &ApiNode) -> Wire {
    let mut request = (node.url.replacen("http", "ws", 1) + "/graphql")
        .into_client_request()
        .unwrap();
    request.headers_mut().insert(
        "sec-websocket-protocol",
        "graphql-transport-ws".parse().unwrap(),
    );
    connect_async(request).await.unwrap().0
}

/// The code with which the node closes a socket.
async fn closed(wire: &mut Wire) -> u16 {
    loop {
        match wire.next().await {
            Some(Ok(Message::Close(reason))) => return reason.expect("a reason").code.into(),
            Some(Ok(_)) => {}
            end => panic!("the socket ended without a reason: {end:?}"),
        }
    }
}

#[actix::test]
async fn a_message_is_bounded_over_all_its_frames() {
    let node = ApiNode::start().await;
    let mut wire = connect(&node).await;
    wire.send(Message::text("x".repeat(64 * 1024 + 1)))
        .await
        .unwrap();
    assert_eq!(closed(&mut wire).await, 1009, "in one frame");

    let mut wire = connect(&node).await;
    let mut opcode = OpCode::Data(Data::Text);
    // It may close while we are still sending.
    for _ in 0..64 {
        let frame = Frame::message(vec![b'x'; 32 * 1024], opcode, false);
        if wire.send(Message::Frame(frame)).await.is_err() {
            break;
        }
        opcode = OpCode::Data(Data::Continue);
    }
    match wire.next().await {
        Some(Ok(Message::Close(Some(reason)))) => assert_eq!(u16::from(reason.code), 1009),
        Some(Ok(Message::Ping(_))) => {
            assert_eq!(closed(&mut wire).await, 1009, "in frames without end");
        }
        Some(Err(_)) | None => {} // the reason was lost with the connection
        other => panic!("{other:?}"),
    }

    // A frame that announces 2⁶² bytes and never ends.
    let MaybeTlsStream::Plain(mut wire) = connect(&node).await.into_inner() else {
        panic!("plain text")
    };
    let head = [&[0x81, 0xff][..], &(1_u64 << 62).to_be_bytes(), b"mask"].concat();
    tokio::io::AsyncWriteExt::write_all(&mut wire, &[head, vec![b'x'; 65 * 1024]].concat())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut wire, &mut bytes)
        .await
        .unwrap();
    assert!(
        bytes.windows(2).any(|code| code == 1009_u16.to_be_bytes()),
        "a frame without an end"
    );

    // The largest that is allowed goes through, in frames as well: it is no message of GraphQL, and
    // says so.
    let mut wire = connect(&node).await;
    wire.send(Message::Frame(Frame::message(
        vec![b'x'; 32 * 1024],
        OpCode::Data(Data::Text),
        false,
    )))
    .await
    .unwrap();
    wire.send(Message::Frame(Frame::message(
        vec![b'x'; 32 * 1024],
        OpCode::Data(Data::Continue),
        true,
    )))
    .await
    .unwrap();
    assert_eq!(closed(&mut wire).await, 1002);
}

/// The answer to an operation, other operations' events aside.
async fn answer(socket: &mut Socket, id: &str) -> Value {
    loop {
        let message = socket.next().await;
        if message["id"] == id {
            return message;
        }
    }
}

#[actix::test]
async fn queries_and_mutations_are_for_post() {
    let node = ApiNode::start().await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    let create = "mutation { createJob(input: {name: \"x\", scheduleType: FIXED_RATE, \
        intervalSeconds: 60}) { id } }";
    for query in [create, "{ jobs { id } }", "query Named { jobs { id } }"] {
        socket.subscribe("1", query).await;
        let refused = answer(&mut socket, "1").await;
        let error = &refused["payload"]["errors"][0];
        assert!(
            error["message"].as_str().unwrap().contains("POST"),
            "{refused}"
        );
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        assert_eq!(answer(&mut socket, "1").await["type"], "complete");
    }
    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"],
        json!([])
    );

    // GraphiQL sends the whole text of its editor, and the name of the chosen operation.
    let both = "query Q { jobs { id } } subscription S { overviewUpdated { dueNow } }";
    for (name, is_refused) in [("Q", true), ("S", false)] {
        let payload = json!({"query": both, "operationName": name});
        socket
            .send(json!({"id": name, "type": "subscribe", "payload": payload}))
            .await;
        assert_eq!(
            answer(&mut socket, name).await["payload"]["errors"].is_array(),
            is_refused,
            "{name}"
        );
    }
}

#[actix::test]
async fn a_socket_has_twenty_operations_and_one_more_when_one_has_ended() {
    let node = ApiNode::start().await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    for number in 0..20 {
        socket
            .subscribe(&number.to_string(), "subscription { jobUpdated { id } }")
            .await;
    }
    socket.subscribe("more", OVERVIEW).await;
    let refused = answer(&mut socket, "more").await;
    assert_eq!(
        refused["payload"]["errors"][0]["extensions"]["code"], "UNAVAILABLE",
        "{refused}"
    );
    assert_eq!(answer(&mut socket, "more").await["type"], "complete");
    socket.send(json!({"id": "7", "type": "complete"})).await;
    socket.subscribe("again", OVERVIEW).await;
    assert_eq!(
        answer(&mut socket, "again").await["payload"]["data"]["overviewUpdated"]["dueNow"],
        0
    );
}

#[actix::test]
async fn an_address_has_a_hundred_sockets_and_one_more_when_one_is_closed() {
    let node = ApiNode::start().await;
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(connect(&node).await);
    }
    let Err(Error::Http(refused)) = Socket::open(&node.url, None).await else {
        panic!("there is no room")
    };
    assert_eq!(refused.status(), 429);
    assert_eq!(node.status("/healthz").await, 200);
    open.pop();
    eventually("there is room again", async || {
        Socket::open(&node.url, None).await.ok()
    })
    .await;
}

#[actix::test]
async fn no_client_takes_the_listeners_of_others() {
    let node = ApiNode::start().await;
    let mut hoard = Vec::new();
    for _ in 0..60 {
        let mut socket = Socket::open(&node.url, None).await.unwrap();
        for number in 0..20 {
            socket.subscribe(&number.to_string(), OVERVIEW).await;
        }
        hoard.push(socket);
    }
    let refused = async |socket: &mut Socket| loop {
        if !socket.next().await["payload"]["errors"].is_null() {
            return;
        }
    };
    refused(hoard.last_mut().unwrap()).await;
    let mut dashboard = Socket::open(&node.url, None).await.unwrap();
    dashboard.subscribe("overview", OVERVIEW).await;
    for _ in 0..2 {
        assert_eq!(dashboard.event().await["overviewUpdated"]["dueNow"], 0);
    }
}

#[actix::test]
async fn a_socket_that_does_not_begin_or_says_nothing_is_closed() {
    let node = ApiNode::start().await;
    let mut late = connect(&node).await;
    let mut silent = connect(&node).await;
    silent
        .send(Message::text("{\"type\": \"connection_init\"}"))
        .await
        .unwrap();
    // From here on no pong is sent.
    let MaybeTlsStream::Plain(mut silent) = silent.into_inner() else {
        panic!("plain text")
    };
    assert_eq!(
        closed(&mut late).await,
        4408,
        "no connection_init within ten seconds"
    );
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut bytes)
        .await
        .unwrap();
    assert!(
        bytes.windows(2).any(|code| code == 3008_u16.to_be_bytes()),
        "no pong within twenty seconds"
    );
}
