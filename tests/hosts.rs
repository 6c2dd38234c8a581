//! The names that a node answers to: a page behind a rebound name can do nothing to a node, a proxy
//! everything. And the senders of commands under the right name: no page of another site, and no
//! webhook.

use crate::api_node::ApiNode;
use reqwest::header::{CONTENT_TYPE, HOST};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// The page's own name and port, which leads to the node after it was rebound.
const REBOUND: &str = "evil.example:8081";
const CREATE: &str = "mutation { createJob(input: {name: \"planted\", scheduleType: FIXED_RATE, \
    intervalSeconds: 60}) { id } }";

/// Asks as if the request had been sent to `host`.
async fn status(node: &ApiNode, path: &str, host: &str) -> u16 {
    node.http
        .get(format!("{}{path}", node.url))
        .header(HOST, host)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

async fn create(node: &ApiNode, host: &str) -> reqwest::Response {
    let request = node
        .http
        .post(format!("{}/graphql", node.url))
        .header(HOST, host)
        .json(&json!({"query": CREATE}));
    request.send().await.unwrap()
}

/// Opens a socket as a page of `http://{host}` would: the origin is the host.
async fn open_socket(node: &ApiNode, host: &str) -> Result<(), Error> {
    let mut request = (node.url.replacen("http", "ws", 1) + "/graphql").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        "graphql-transport-ws".parse().unwrap(),
    );
    headers.insert("host", host.parse().unwrap());
    headers.insert("origin", format!("http://{host}").parse().unwrap());
    connect_async(request).await.map(drop)
}

#[actix::test]
async fn a_page_whose_name_leads_to_the_node_reaches_nothing() {
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let node = ApiNode::start_with(&["--listen", listen, "--insecure-no-auth"]).await;
        reaches_nothing(&node).await;
    }
}

async fn reaches_nothing(node: &ApiNode) {
    let refused = create(node, REBOUND).await;
    assert_eq!(refused.status(), 421);
    assert_eq!(refused.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    let reason = refused.text().await.unwrap();
    assert!(
        reason.contains("evil.example") && reason.contains("--allow-host"),
        "{reason}"
    );
    for path in [
        "/",
        "/graphiql",
        "/metrics",
        "/healthz",
        "/readyz",
        "/graphql",
        "/nowhere",
    ] {
        assert_eq!(status(node, path, REBOUND).await, 421, "{path}");
    }
    let Err(Error::Http(refused)) = open_socket(node, REBOUND).await else {
        panic!("the socket was opened")
    };
    assert_eq!(refused.status(), 421);
    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"],
        json!([])
    );
}

#[actix::test]
async fn a_name_that_is_no_text_is_none_and_no_name_is_no_browser() {
    let node = ApiNode::start().await;
    let get = node
        .http
        .get(format!("{}/healthz", node.url))
        .header(HOST, &b"evil\xff.example"[..]);
    assert_eq!(get.send().await.unwrap().status(), 421);
    // HTTP/1.0, as load balancers ask for health.
    let stream = tokio::net::TcpStream::connect(node.url.trim_start_matches("http://"))
        .await
        .unwrap();
    let (reader, mut writer) = stream.into_split();
    tokio::io::AsyncWriteExt::write_all(&mut writer, b"GET /healthz HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let mut reader = tokio::io::BufReader::new(reader);
    tokio::io::AsyncBufReadExt::read_line(&mut reader, &mut answer)
        .await
        .unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

#[actix::test]
async fn a_node_on_loopback_answers_to_localhost_and_a_proxys_upstream() {
    let node = ApiNode::start().await;
    let port = node.url.rsplit(':').next().unwrap();
    for host in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        "horolog_nodes".to_owned(),
    ] {
        assert_eq!(status(&node, "/healthz", &host).await, 200, "{host}");
        open_socket(&node, &host).await.unwrap();
    }
}

#[actix::test]
async fn behind_a_proxy_the_api_and_sockets_work_under_an_allowed_name() {
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--advertise",
        "node-1.internal:80",
        "--allow-host",
        "jobs.example.com,b.example.com",
    ];
    let node = ApiNode::start_with(&flags).await;
    for host in [
        "jobs.example.com",
        "jobs.example.com:8443",
        "b.example.com",
        "node-1.internal:80",
    ] {
        let created: Value = create(&node, host).await.json().await.unwrap();
        assert!(
            created["data"]["createJob"]["id"].is_string(),
            "{host}: {created}"
        );
        open_socket(&node, host).await.unwrap();
    }
    assert_eq!(create(&node, REBOUND).await.status(), 421);
}

#[actix::test]
async fn a_node_beyond_loopback_answers_to_its_addresses_and_allowed_names() {
    let flags = [
        "--listen",
        "0.0.0.0:0",
        "--insecure-no-auth",
        "--advertise",
        "node-1.internal:80",
        "--allow-host",
        "jobs.example.com",
    ];
    let node = ApiNode::start_with(&flags).await;
    for host in [
        "10.1.2.3:8081",
        "[::1]",
        "horolog",
        "node-1.internal:8081",
        "jobs.example.com",
    ] {
        assert_eq!(status(&node, "/healthz", host).await, 200, "{host}");
    }
    assert_eq!(
        status(&node, "/healthz", "horolog.default.svc.cluster.local").await,
        421
    );
}

/// The status of an answer to a request as it goes over the wire.
async fn raw_status(node: &ApiNode, head: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(node.url.trim_start_matches("http://"))
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(
        &mut stream,
        format!("{head}Connection: close\r\n\r\n").as_bytes(),
    )
    .await
    .unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
        .await
        .unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[actix::test]
async fn an_absolute_target_or_a_second_host_does_not_pass_the_host_check() {
    let node = ApiNode::start().await;
    for (head, status) in [
        (
            "GET http://evil.example/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
            "421",
        ),
        (
            "GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n",
            "421",
        ),
        ("GET http://evil.example/healthz HTTP/1.0\r\n", "421"),
        (
            "GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: evil.example\r\n",
            "421",
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n",
            "400",
        ),
        (
            "GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
            "200",
        ),
    ] {
        assert_eq!(raw_status(&node, head).await, status, "{head}");
    }
}

#[actix::test]
async fn commands_come_from_own_pages_and_programs_alone() {
    let node = ApiNode::start().await;
    let post = async |headers: &[(&'static str, &str)]| {
        let request = node
            .http
            .post(format!("{}/graphql", node.url))
            .json(&json!({"query": "{ jobs { id } }"}));
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        request.send().await.unwrap()
    };
    for foreign in [
        [("origin", "https://evil.example"), ("accept", "*/*")],
        [("origin", "null"), ("accept", "*/*")],
        [
            ("origin", node.url.as_str()),
            ("sec-fetch-site", "cross-site"),
        ],
        [("sec-fetch-site", "same-site"), ("accept", "*/*")],
    ] {
        let refused = post(&foreign).await;
        assert_eq!(refused.status(), 403, "{foreign:?}");
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
    for own in [
        vec![],
        vec![
            ("origin", node.url.as_str()),
            ("sec-fetch-site", "same-origin"),
        ],
    ] {
        let answer = post(&own).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["cache-control"]),
            (200, &"no-store".parse().unwrap())
        );
    }
}

#[actix::test]
async fn a_job_cannot_command_a_node_of_its_cluster() {
    let node = ApiNode::start().await;
    let target = json!({"http": {"url": format!("{}/graphql", node.url),
        "body": json!({"query": CREATE}).to_string(),
        "headers": {"content-type": "application/json"}}});
    let input = json!({"name": "snake", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "target": target});
    let job = node.create(input).await;
    let failed = crate::support::eventually("it ran", async || {
        node.logs(&job)
            .await
            .into_iter()
            .find(|log| log["status"] == "FAILED" || log["status"] == "SUCCESS")
    });
    assert_eq!(failed.await["status"], "FAILED");
    assert_eq!(
        node.data("{ jobs { name } }", json!({})).await["jobs"],
        json!([{"name": "snake"}])
    );
    let headers = [
        ("horolog-execution-id", "0"),
        ("content-type", "application/json"),
    ];
    let request = node
        .http
        .post(format!("{}/graphql", node.url))
        .body(json!({"query": CREATE}).to_string());
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    assert_eq!(
        request.send().await.unwrap().status(),
        403,
        "whichever node or balancer it comes through"
    );
}

#[actix::test]
async fn head_is_answered_as_get_without_a_body_and_is_not_cached() {
    let node = ApiNode::start().await;
    for path in [
        "/healthz",
        "/metrics",
        "/cluster/members",
        "/cluster/prometheus-sd",
        "/readyz",
    ] {
        let get = node
            .http
            .get(format!("{}{path}", node.url))
            .send()
            .await
            .unwrap();
        let head = node
            .http
            .head(format!("{}{path}", node.url))
            .send()
            .await
            .unwrap();
        let kept = &head.headers()["cache-control"];
        assert_eq!(
            (head.status(), kept),
            (get.status(), &"no-store".parse().unwrap()),
            "{path}"
        );
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}
