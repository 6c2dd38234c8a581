//! Secrets by reference, and signed webhooks.

mod cli;
mod keys;
mod log_levels;
mod namespaces;
mod refusals;
mod sending;
mod signing;

use crate::api_node::ApiNode;
use crate::sink::{Request, Sink};
use crate::support::{TestDatabase, eventually};
use serde_json::{Value, json};

/// A value with characters that JSON and forms write in their own way.
pub const VALUE: &str = "c4n4ry \"q&uoted\"";
pub const CREATE: &str = "mutation($input: CreateSecretInput!) { createSecret(input: $input) {
    namespace name description hosts isSigning version createdBy jobCount } }";
pub const UPDATE: &str = "mutation($input: UpdateSecretInput!) { updateSecret(input: $input) {
    version hosts description } }";
pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The host of a sink in the list of a secret.
pub fn host(sink: &Sink) -> String {
    format!("127.0.0.1:{}", sink.port)
}

pub async fn create_secret(node: &ApiNode, name: &str, value: &str, host: &str) -> Value {
    let input = json!({"name": name, "value": value, "hosts": [host]});
    let mut answer = node.data(CREATE, json!({"input": input})).await;
    answer["createSecret"].take()
}

/// A job that runs on demand only.
#[expect(clippy::needless_pass_by_value, reason = "the callers make the values")]
pub fn job(url: &str, http: Value, payload: Value) -> Value {
    let mut input = json!({"name": "secretive", "scheduleType": "FIXED_RATE",
        "intervalSeconds": 86_400, "initialDelaySeconds": 86_400, "payload": payload,
        "target": {"http": {"url": url}}});
    let target = input["target"]["http"].as_object_mut().unwrap();
    target.extend(http.as_object().unwrap().clone());
    input
}

pub async fn run(node: &ApiNode, id: &str) {
    let run = "mutation($id: ID!) { runJobNow(id: $id) }";
    node.data(run, json!({"id": id})).await;
}

/// Runs a job; the request that it sends.
pub async fn sent(node: &ApiNode, id: &str, sink: &Sink, answer: &str) -> Request {
    run(node, id).await;
    sink.answer(answer).await
}

/// Runs a job that sends nothing; the error of its newest execution.
pub async fn failure(node: &ApiNode, id: &str) -> String {
    let before = node.logs(id).await.len();
    run(node, id).await;
    eventually("the execution has failed", async || {
        let logs = node.logs(id).await;
        let newest = logs.first().filter(|_| logs.len() > before)?;
        (newest["status"] == "FAILED").then(|| newest["errorMessage"].as_str().unwrap().to_owned())
    })
    .await
}

/// All rows of all tables, as text.
pub async fn everything(database: &TestDatabase) -> String {
    let sql = database.client().await;
    let tables = "select format('%I', c.relname) from pg_class c
        where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace";
    let mut all = String::new();
    for table in sql.query(tables, &[]).await.unwrap() {
        let rows = format!("select t::text from {} t", table.get::<_, &str>(0));
        for row in sql.query(&rows, &[]).await.unwrap() {
            all.push_str(row.get(0));
            all.push('\n');
        }
    }
    all
}

/// Refuses a text with the value, in any spelling that this project writes.
pub fn assert_free_of_the_value(what: &str, text: &str) {
    for spelling in ["c4n4ry", "q&uoted", "q%26uoted", "YzRuNHJ5"] {
        let found = text.find(spelling).map(|at| {
            let from = text.floor_char_boundary(at.saturating_sub(200));
            &text[from..text.ceil_char_boundary(at + 200)]
        });
        assert_eq!(found, None, "{what} has {spelling}");
    }
}
