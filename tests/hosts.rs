//! The names that a node answers to: what a page behind a rebound name can do to
//! a node on loopback (nothing), and what a proxy can (everything).

use crate::api_node::ApiNode;
use reqwest::header::{CONTENT_TYPE, HOST};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// The page's own name and port, which leads to the node after it was rebound.
const REBOUND: &str = "evil.example:8081";
const CREATE: &str =
    "mutation { createJob(input: {name: \"planted\", scheduleType: FIXED_RATE, intervalSeconds: 60}) { id } }";

/// Asks as if the request had been sent to `host`.
async fn status(node: &ApiNode, path: &str, host: &str) -> u16 {
    node.http.get(format!("{}{path}", node.url)).header(HOST, host).send().await.unwrap().status().as_u16()
}

async fn create(node: &ApiNode, host: &str) -> reqwest::Response {
    let request = node.http.post(format!("{}/graphql", node.url)).header(HOST, host).json(&json!({"query": CREATE}));
    request.send().await.unwrap()
}

/// Opens a socket as a page of `http://{host}` would: its origin is its host.
async fn open_socket(node: &ApiNode, host: &str) -> Result<(), Error> {
    let mut request = (node.url.replacen("http", "ws", 1) + "/graphql").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    headers.insert("host", host.parse().unwrap());
    headers.insert("origin", format!("http://{host}").parse().unwrap());
    connect_async(request).await.map(drop)
}

#[actix::test]
async fn a_page_whose_name_leads_to_loopback_reaches_nothing() {
    let node = ApiNode::start().await;
    let refused = create(&node, REBOUND).await;
    assert_eq!(refused.status(), 421);
    assert_eq!(refused.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    let reason = refused.text().await.unwrap();
    assert!(reason.contains("evil.example") && reason.contains("--allow-host"), "{reason}");
    for path in ["/", "/graphiql", "/metrics", "/healthz", "/readyz", "/graphql", "/nowhere"] {
        assert_eq!(status(&node, path, REBOUND).await, 421, "{path}");
    }
    let Err(Error::Http(refused)) = open_socket(&node, REBOUND).await else { panic!("the socket was opened") };
    assert_eq!(refused.status(), 421);
    assert_eq!(node.data("{ jobs { id } }", json!({})).await["jobs"], json!([]));
}

#[actix::test]
async fn a_name_that_is_no_text_is_none_and_no_name_is_no_browser() {
    let node = ApiNode::start().await;
    let get = node.http.get(format!("{}/healthz", node.url)).header(HOST, &b"evil\xff.example"[..]);
    assert_eq!(get.send().await.unwrap().status(), 421);
    // HTTP/1.0, as load balancers ask for health.
    let stream = tokio::net::TcpStream::connect(node.url.trim_start_matches("http://")).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    tokio::io::AsyncWriteExt::write_all(&mut writer, b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let mut reader = tokio::io::BufReader::new(reader);
    tokio::io::AsyncBufReadExt::read_line(&mut reader, &mut answer).await.unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

#[actix::test]
async fn a_node_on_loopback_answers_to_its_addresses_localhost_and_a_proxys_upstream() {
    let node = ApiNode::start().await;
    let port = node.url.rsplit(':').next().unwrap();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "horolog_nodes".to_owned()] {
        assert_eq!(status(&node, "/healthz", &host).await, 200, "{host}");
        open_socket(&node, &host).await.unwrap();
    }
}

#[actix::test]
async fn behind_a_proxy_with_a_name_the_api_and_its_sockets_work_once_the_node_was_told() {
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--advertise",
        "node-1.internal:80",
        "--allow-host",
        "jobs.example.com,b.example.com",
    ];
    let node = ApiNode::start_with(&flags).await;
    for host in ["jobs.example.com", "jobs.example.com:8443", "b.example.com", "node-1.internal:80"] {
        let created: Value = create(&node, host).await.json().await.unwrap();
        assert!(created["data"]["createJob"]["id"].is_string(), "{host}: {created}");
        open_socket(&node, host).await.unwrap();
    }
    assert_eq!(create(&node, REBOUND).await.status(), 421);
}

#[actix::test]
async fn a_node_beyond_loopback_answers_to_any_name() {
    let node = ApiNode::start_with(&["--listen", "0.0.0.0:0"]).await;
    assert_eq!(status(&node, "/healthz", "jobs.example.com").await, 200);
}
