//! The start rule: who serves anonymous callers, and who does not start.

use super::node_process::NodeProcess;
use crate::http_client::http_client;
use crate::support::TestDatabase;
use crate::support::access::{PASSWORD, user};
use serde_json::{Value, json};

/// Starts a node at an address, with its own flags.
fn serve(database: &TestDatabase, listen: &str, flags: &[&str]) -> NodeProcess {
    let arguments = [&["serve", "--listen", listen, "--drain-delay", "0s"], flags].concat();
    NodeProcess::start(listen, &arguments, &[("DATABASE_URL", database.url())])
}

/// The port of a node that serves.
async fn port(node: &NodeProcess) -> u16 {
    let line = node.says("serving").await;
    let (_, url) = line.split_once("url=http://").unwrap();
    let address = url.split_whitespace().next().unwrap();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

/// The status of `/metrics` without a credential.
async fn anonymous(port: u16) -> u16 {
    let url = format!("http://127.0.0.1:{port}/metrics");
    http_client()
        .get(url)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[actix::test]
async fn a_node_on_loopback_without_users_is_open_and_says_nothing() {
    let database = TestDatabase::new().await;
    let node = serve(&database, "127.0.0.1:0", &[]);
    assert_eq!(anonymous(port(&node).await).await, 200);
    assert!(!node.output().contains("THE API IS OPEN"));
}

#[actix::test]
async fn a_node_beyond_loopback_does_not_start_without_users() {
    let database = TestDatabase::new().await;
    let mut node = serve(&database, "0.0.0.0:0", &[]);
    assert_eq!(node.ended().await.code(), Some(2));
    let output = node.output();
    for way in ["horolog user create", "--set-up-link", "--insecure-no-auth"] {
        assert!(output.contains(way), "{output}");
    }
    assert!(!output.contains("serving"), "{output}");
}

#[actix::test]
async fn an_insecure_node_beyond_loopback_is_open_and_warns_until_there_is_a_user() {
    let database = TestDatabase::new().await;
    let node = serve(&database, "0.0.0.0:0", &["--insecure-no-auth"]);
    let port = port(&node).await;
    node.says("THE API IS OPEN").await;
    assert_eq!(anonymous(port).await, 200);
    user(&database.client().await, "ada", "ADMIN").await;
    crate::support::eventually("the node is closed", async || {
        (anonymous(port).await == 401).then_some(())
    })
    .await;
}

#[actix::test]
async fn a_node_beyond_loopback_with_a_user_starts_closed() {
    let database = TestDatabase::new().await;
    user(&database.client().await, "ada", "ADMIN").await;
    for flags in [&[][..], &["--insecure-no-auth"], &["--set-up-link"]] {
        let node = serve(&database, "0.0.0.0:0", flags);
        assert_eq!(anonymous(port(&node).await).await, 401, "{flags:?}");
        let output = node.output();
        assert!(!output.contains("THE API IS OPEN"), "{output}");
        assert!(!output.contains("/set-up#"), "{output}");
    }
}

#[actix::test]
async fn the_link_of_the_set_up_creates_one_admin() {
    let database = TestDatabase::new().await;
    for listen in ["0.0.0.0:0", "127.0.0.1:0"] {
        let node = serve(&database, listen, &["--set-up-link"]);
        assert_eq!(anonymous(port(&node).await).await, 401, "{listen}");
    }
    let flags = ["--set-up-link", "--base-path", "/horolog"];
    let node = serve(&database, "0.0.0.0:0", &flags);
    let port = port(&node).await;
    let line = node.says("set-up").await;
    let (_, token) = line.split_once("/horolog/set-up#").unwrap();
    let token = token.split_whitespace().next().unwrap();
    let http = http_client();
    let set_up = async |token: &str, password: &str| {
        let admin = json!({"token": token, "name": "ada", "password": password});
        let url = format!("http://127.0.0.1:{port}/session/set-up");
        http.post(url).json(&admin).send().await.unwrap()
    };
    assert_eq!(set_up("wrong", PASSWORD).await.status(), 401);
    let refused = set_up(token, "short").await;
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["errors"][0]["extensions"]["field"], "password");

    let done = set_up(token, PASSWORD).await;
    assert_eq!(done.status(), 204);
    let cookie = done.headers()["set-cookie"].to_str().unwrap();
    let me = http
        .post(format!("http://127.0.0.1:{port}/graphql"))
        .header("cookie", cookie.split(';').next().unwrap())
        .json(&json!({"query": "{ me { name role } }"}));
    let me: Value = me.send().await.unwrap().json().await.unwrap();
    assert_eq!(me["data"]["me"], json!({"name": "ada", "role": "ADMIN"}));
    assert_eq!(set_up(token, PASSWORD).await.status(), 401, "once");
}
