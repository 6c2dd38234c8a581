//! Secrets: stored and sent, not shown, and kept by an edit of what is shown.

use crate::api_node::ApiNode;
use crate::live::Socket;
use crate::sink::Sink;
use crate::support::eventually;
use serde_json::{Value, json};

const MASK: &str = "********";
const PAYLOAD: &str = r#"{"accessToken":"t0p","amount":1.10,"list":[{"api_key":"k","n":1}],"note":"a token","password":""}"#;
const SHOWN: &str = r#"{"accessToken":"********","amount":1.10,"list":[{"api_key":"********","n":1}],"note":"a token","password":""}"#;

fn job(url: &str, payload: &str, headers: Value) -> Value {
    let mut input = json!({"name": "secretive", "scheduleType": "FIXED_RATE",
        "intervalSeconds": 86_400,
        "initialDelaySeconds": 86_400, "payload": serde_json::from_str::<Value>(payload).unwrap(),
        "target": {"http": {"url": url}}});
    input["target"]["http"]["headers"] = headers;
    input
}

fn headers(authorization: &str) -> Value {
    json!({"Authorization": authorization, "X-Team": "ops"})
}

/// What the database has of a job.
async fn stored(node: &ApiNode, id: &str) -> (String, Value) {
    let row = "select payload::text, target::text from job_definition where id = $1::text::uuid";
    let row = node
        .database
        .client()
        .await
        .query_one(row, &[&id])
        .await
        .unwrap();
    let target: Value = serde_json::from_str(row.get(1)).unwrap();
    (row.get(0), target["http"]["headers"].clone())
}

async fn edit(node: &ApiNode, id: &str, version: i64, input: Value) -> Value {
    let update = "mutation($id: ID!, $input: CreateJobInput!, \
        $version: Int!) { updateJob(id: $id, input: $input, version: $version) { version } }";
    node.post(
        update,
        json!({"id": id, "input": input, "version": version}),
    )
    .await
}

#[actix::test]
async fn secrets_are_stored_and_sent_and_shown_nowhere() {
    let node = ApiNode::start().await;
    let sink = Sink::start().await;
    let url = sink.url("/x").to_string();
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    socket
        .subscribe("1", "subscription { jobUpdated { payload target } }")
        .await;
    let id = node.create(job(&url, PAYLOAD, headers("Bearer abc"))).await;
    assert_eq!(
        stored(&node, &id).await,
        (PAYLOAD.to_owned(), headers("Bearer abc"))
    );

    let query = "query($id: ID!) { job(id: $id) { payload target } jobs { payload target } \
        jobVersions(jobId: $id) { definition } }";
    let shown = node.data(query, json!({"id": id})).await;
    assert_eq!(
        (
            shown["job"]["payload"].as_str(),
            shown["jobs"][0]["payload"].as_str()
        ),
        (Some(SHOWN), Some(SHOWN))
    );
    assert_eq!(shown["job"]["target"]["http"]["headers"], headers(MASK));
    let text = shown.to_string();
    assert!(
        !text.contains("t0p") && !text.contains("Bearer") && text.contains("ops"),
        "{text}"
    );
    let event = eventually("it is told", async || {
        node.data(
            "mutation($id: ID!) { pauseJob(id: $id) { id } resumeJob(id: $id) { id } }",
            json!({"id": id}),
        )
        .await;
        tokio::time::timeout(std::time::Duration::from_secs(1), socket.event())
            .await
            .ok()
    });
    assert_eq!(event.await["jobUpdated"]["payload"].as_str(), Some(SHOWN));

    node.data(
        "mutation($id: ID!) { runJobNow(id: $id) }",
        json!({"id": id}),
    )
    .await;
    let request = sink
        .answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(
        (
            request.body.as_str(),
            request.headers["authorization"].as_str()
        ),
        (PAYLOAD, "Bearer abc")
    );
}

#[actix::test]
async fn an_edit_keeps_masked_values_unless_the_target_changes() {
    let node = ApiNode::start().await;
    let id = node
        .create(job("https://example.com/a", PAYLOAD, headers("Bearer abc")))
        .await;
    let edited = edit(
        &node,
        &id,
        0,
        job("https://example.com/b", SHOWN, headers(MASK)),
    )
    .await;
    assert_eq!(edited["data"]["updateJob"]["version"], 1, "{edited}");
    assert_eq!(
        stored(&node, &id).await,
        (PAYLOAD.to_owned(), headers("Bearer abc"))
    );

    let new = SHOWN.replace("\"accessToken\":\"********\"", "\"accessToken\":\"new\"");
    edit(
        &node,
        &id,
        1,
        job("https://example.com/b", &new, headers("Bearer new")),
    )
    .await;
    assert_eq!(
        stored(&node, &id).await,
        (PAYLOAD.replace("t0p", "new"), headers("Bearer new"))
    );

    let elsewhere = "https://evil.example/a";
    for (input, field) in [
        (job(elsewhere, "{}", headers(MASK)), "target.http.headers"),
        (job(elsewhere, SHOWN, json!({})), "payload"),
        (
            job(
                "https://example.com/a",
                r#"{"password":"********"}"#,
                json!({}),
            ),
            "payload",
        ),
        (
            job(
                "https://example.com/a",
                r#"{"list":[{"api_key":"********"}]}"#,
                json!({}),
            ),
            "payload",
        ),
        (
            job("https://example.com/a", "{}", json!({"X-Token": MASK})),
            "target.http.headers",
        ),
    ] {
        let refused = edit(&node, &id, 2, input).await;
        assert_eq!(
            refused["errors"][0]["extensions"]["field"], field,
            "{refused}"
        );
    }
    let old = edit(
        &node,
        &id,
        1,
        job("https://example.com/b", SHOWN, headers(MASK)),
    )
    .await;
    assert_eq!(old["errors"][0]["extensions"]["code"], "CONFLICT");
}

#[actix::test]
async fn a_new_job_has_no_masks_but_those_of_the_job_that_it_copies() {
    let node = ApiNode::start().await;
    let masked = job("https://example.com/a", SHOWN, headers(MASK));
    let create = "mutation($input: CreateJobInput!, $from: ID) { createJob(input: $input, \
        maskedFrom: $from) { id } }";
    let refused = node.error(create, json!({"input": masked})).await;
    assert_eq!(refused["extensions"]["field"], "payload", "{refused}");
    let many = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";
    let refused = node.error(many, json!({"inputs": [masked]})).await;
    assert_eq!(
        refused["extensions"]["field"], "inputs.0.payload",
        "{refused}"
    );

    let original = node
        .create(job("https://example.com/a", PAYLOAD, headers("Bearer abc")))
        .await;
    let copy = node
        .data(create, json!({"input": masked, "from": original}))
        .await;
    let copy = copy["createJob"]["id"].as_str().unwrap();
    assert_eq!(
        stored(&node, copy).await,
        (PAYLOAD.to_owned(), headers("Bearer abc"))
    );
}

#[actix::test]
async fn the_masked_names_are_a_setting() {
    let node = ApiNode::start_with(&["--listen", "127.0.0.1:0", "--mask", "none"]).await;
    let id = node
        .create(job("https://example.com/a", PAYLOAD, headers("Bearer abc")))
        .await;
    let shown = node
        .data(
            "query($id: ID!) { job(id: $id) { payload } }",
            json!({"id": id}),
        )
        .await;
    assert_eq!(shown["job"]["payload"], PAYLOAD);
}
