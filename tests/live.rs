//! Subscriptions over a WebSocket.

use crate::api_node::ApiNode;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A client of the subscriptions.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects to a node or a balancer.
    pub async fn open(url: &str, origin: Option<&str>) -> Result<Self, Error> {
        let address = url.replacen("http", "ws", 1) + "/graphql";
        let mut request = address.into_client_request()?;
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().unwrap(),
        );
        if let Some(origin) = origin {
            request
                .headers_mut()
                .insert("origin", origin.parse().unwrap());
        }
        let mut socket = Self(connect_async(request).await?.0);
        socket.send(json!({"type": "connection_init"})).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        Ok(socket)
    }

    pub async fn send(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// The next message that is no sign of life.
    pub async fn next(&mut self) -> Value {
        loop {
            let message = self.0.next().await.expect("the socket is open").unwrap();
            match message {
                Message::Text(text) if !text.contains("\"ping\"") => {
                    return serde_json::from_str(&text).unwrap();
                }
                _ => {}
            }
        }
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({"id": id, "type": "subscribe", "payload": {"query": query}}))
            .await;
    }

    /// The data of the next event.
    pub async fn event(&mut self) -> Value {
        let mut message = self.next().await;
        assert_eq!(message["type"], "next", "{message}");
        message["payload"]["data"].take()
    }
}

pub async fn create(node: &ApiNode, name: &str) -> String {
    let input = json!({"name": name, "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "initialDelaySeconds": 3600});
    node.create(input).await
}

#[actix::test]
async fn subscribers_are_told_of_changes() {
    let node = ApiNode::start().await;
    let job = create(&node, "told").await;
    let mut socket = Socket::open(&node.url, Some(&node.url)).await.unwrap();
    socket
        .subscribe("jobs", "subscription { jobUpdated { id status } }")
        .await;
    socket
        .subscribe(
            "executions",
            "subscription { executionUpdated { jobId jobName status } }",
        )
        .await;

    // A feed tells the changes since its first poll, so the change is repeated until it is told.
    let (pause, resume) = ("pauseJob", "resumeJob");
    let mut told = Vec::new();
    for command in [pause, resume].into_iter().cycle().take(200) {
        node.data(
            &format!("mutation($id: ID!) {{ {command}(id: $id) {{ id }} runJobNow(id: $id) }}"),
            json!({"id": job}),
        )
        .await;
        while let Ok(event) =
            tokio::time::timeout(std::time::Duration::from_millis(100), socket.event()).await
        {
            told.push(event);
        }
        let has = |field: &str| told.iter().any(|event| !event[field].is_null());
        if has("jobUpdated") && has("executionUpdated") {
            break;
        }
    }
    let of = |field: &str| {
        told.iter()
            .find(|event| !event[field].is_null())
            .expect(field)[field]
            .clone()
    };
    assert_eq!(of("jobUpdated")["id"], json!(job));
    assert_eq!(
        (
            &of("executionUpdated")["jobId"],
            &of("executionUpdated")["jobName"]
        ),
        (&json!(job), &json!("told"))
    );
}

#[actix::test]
async fn the_overview_and_the_nodes_are_told_each_second() {
    let node = ApiNode::start().await;
    create(&node, "a job").await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    socket
        .subscribe(
            "1",
            "subscription { overviewUpdated { cluster { activeJobs } dueNow attention { kind } } }",
        )
        .await;
    for _ in 0..2 {
        let overview = socket.event().await["overviewUpdated"].take();
        assert_eq!(
            (&overview["cluster"]["activeJobs"], &overview["dueNow"]),
            (&json!(1), &json!(0))
        );
    }
    socket.send(json!({"id": "1", "type": "complete"})).await;
    socket
        .subscribe("2", "subscription { nodeUpdated { state heartbeatAt } }")
        .await;
    loop {
        let message = socket.next().await;
        if message["id"] == "2" {
            assert_eq!(message["payload"]["data"]["nodeUpdated"]["state"], "ACTIVE");
            break;
        }
    }
}

#[actix::test]
async fn a_later_subscriber_gets_the_last_overview_without_another_poll() {
    let node = ApiNode::start().await;
    let query = "subscription { overviewUpdated { cluster { activeJobs } } }";
    let mut first = Socket::open(&node.url, None).await.unwrap();
    first.subscribe("1", query).await;
    first.event().await;
    // From here on no poll ends.
    let locking = node.database.client().await;
    locking
        .batch_execute("begin; lock table job_definition in access exclusive mode")
        .await
        .unwrap();
    let mut second = Socket::open(&node.url, None).await.unwrap();
    second.subscribe("1", query).await;
    assert_eq!(
        second.event().await["overviewUpdated"]["cluster"]["activeJobs"],
        0
    );
}

#[actix::test]
async fn a_page_of_another_site_opens_no_socket() {
    let node = ApiNode::start().await;
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", ""] {
        let Err(Error::Http(refused)) = Socket::open(&node.url, Some(origin)).await else {
            panic!("{origin} was let in")
        };
        assert_eq!(refused.status(), 403, "{origin}");
    }
}

#[actix::test]
async fn a_bad_subscription_is_refused_and_the_socket_stays_open() {
    let node = ApiNode::start().await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    socket
        .subscribe(
            "1",
            "subscription { executionUpdated(jobId: \"nonsense\") { id } }",
        )
        .await;
    let refused = socket.next().await;
    assert!(refused.to_string().contains("BAD_USER_INPUT"), "{refused}");
    socket
        .subscribe(
            "2",
            "subscription { overviewUpdated { cluster { activeJobs } } }",
        )
        .await;
    loop {
        let message = socket.next().await;
        if message["id"] == "2" {
            assert_eq!(
                message["payload"]["data"]["overviewUpdated"]["cluster"]["activeJobs"],
                0
            );
            break;
        }
    }
}
