//! HTTP clients that send half, read nothing, or never end: their cost for a node, and their effect
//! on others.

use crate::api_node::ApiNode;
use crate::http_client::http_client;
use crate::processes::node_process::Processes;
use crate::support::{TestDatabase, eventually};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HALF: &str = "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";

async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address.trim_start_matches("http://"))
        .await
        .unwrap()
}

/// Everything until the node closes the connection, or resets it.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes).await);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[actix::test]
async fn half_a_request_ends_at_its_time_limit() {
    let node = ApiNode::start().await;
    let whole = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let chunked = "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";
    let upgrading = HALF.replace(
        "Host:",
        "Connection: upgrade\r\nUpgrade: websocket\r\nHost:",
    );
    let later_head = format!("{whole}GET /healthz HT");
    for (half, answer) in [
        (HALF, " 408 "),
        (chunked, " 408 "),
        (upgrading.as_str(), " 4"),
        (later_head.as_str(), " 200 "),
        ("GET /healthz HT", ""),
        ("", ""),
    ] {
        let mut stream = connect(&node.url).await;
        stream.write_all(half.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let said = rest(&mut stream).await;
        assert!(said.contains(answer), "{half:?}: {said}");
        assert!(
            begun.elapsed() < Duration::from_secs(25),
            "{half:?} ended after {:?}",
            begun.elapsed()
        );
    }
}

#[actix::test]
async fn the_rest_of_a_request_over_the_limit_is_not_read() {
    let node = ApiNode::start().await;
    for path in ["/graphql", "/healthz", "/nowhere"] {
        let mut stream = connect(&node.url).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = format!("{:x}\r\n{}\r\n", 64 * 1024, "x".repeat(64 * 1024));
        // A client that does not stop is cut off soon.
        let mut sent = 0;
        let begun = Instant::now();
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{path}: {sent} bytes were taken"
            );
        }
    }
}

/// The value of a metric without labels.
async fn metric(cluster: &Processes, address: &str, name: &str) -> f64 {
    let text = cluster
        .http
        .get(format!("http://{address}/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("{text}"));
    line.parse().unwrap()
}

#[actix::test]
async fn answers_that_are_not_read_are_let_go() {
    let database = TestDatabase::empty().await;
    let cluster = Processes::start(1, database.url(), &[]).await;
    let address = cluster.ready("node-1").await;
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
    for number in 0..10 {
        let input = json!({"name": format!("large {number}"), "scheduleType": "FIXED_RATE",
            "intervalSeconds": 86_400,
            "initialDelaySeconds": 86_400, "payload": {"text": "x".repeat(200_000)}});
        let request = json!({"query": create, "variables": {"input": input}});
        let created = cluster
            .http
            .post(format!("http://{address}/graphql"))
            .json(&request)
            .send()
            .await
            .unwrap();
        assert!(created.json::<Value>().await.unwrap()["errors"].is_null());
    }

    // Longer than what the kernels of both ends hold.
    let query = json!({"query": "{ jobs { payload } }"}).to_string();
    let head = "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    let mut unread = Vec::new();
    for _ in 0..10 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
        let request = format!("{head}Content-Length: {}\r\n\r\n{query}", query.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_exact(&mut [0; 15]).await.unwrap();
        unread.push(stream);
    }
    // All ten are still open at this end.
    eventually("they are closed", async || {
        (metric(&cluster, &address, "horolog_http_connections").await < 5.0).then_some(())
    })
    .await;
    drop(unread);
}

/// As many descriptors as the system gives this process.
fn raise_own_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .unwrap();
}

#[actix::test]
async fn thousands_of_half_bodies_block_neither_webhooks_nor_health_checks() {
    raise_own_limit();
    let database = TestDatabase::empty().await;
    let cluster = Processes::start_limited(database.url(), 512);
    let address = cluster.ready("node-1").await;
    cluster.nodes[0]
        .says("the limit of open files is low")
        .await;
    let job = cluster.create_beat().await;
    let mut half = Vec::new();
    for _ in 0..1_100 {
        let mut stream = connect(&address).await;
        // The oldest connections are closed for new ones.
        drop(stream.write_all(HALF.as_bytes()).await);
        half.push(stream);
    }
    // As a health check does: on a connection of its own, because kept connections make room as
    // well.
    let answer = http_client()
        .get(format!("http://{address}/healthz"))
        .timeout(Duration::from_secs(10))
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), 200);
    cluster.succeeded(job, 3).await;
    let failed = "select count(*) from job_execution_log where status = 'FAILED'";
    let failed: i64 = cluster
        .sql()
        .await
        .query_one(failed, &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(failed, 0, "no webhook wanted for a descriptor");
    drop(half);
}
