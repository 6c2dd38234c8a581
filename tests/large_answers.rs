//! Answers have a bound, and so has the memory for their rows.

use crate::admission::{anonymous, schema};
use crate::api_node::ApiNode;
use horolog::api::{LargeAnswers, Schema};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Shorter than the wait for a place.
const STILL_WAITING: Duration = Duration::from_secs(2);

const CREATE_MANY: &str =
    "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";

fn job(payload: &Value) -> Value {
    json!({"name": "large", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "initialDelaySeconds": 3600, "payload": payload})
}

async fn listed(node: &ApiNode, query: &str) -> usize {
    node.data(query, json!({})).await["jobs"]
        .as_array()
        .unwrap()
        .len()
}

#[actix::test]
async fn lists_of_large_rows_are_shorter() {
    let node = ApiNode::start().await;
    let inputs: Vec<Value> = (0..210).map(|_| job(&json!({"a": 1}))).collect();
    node.data(CREATE_MANY, json!({"inputs": inputs})).await;
    assert_eq!(listed(&node, "{ jobs { id } }").await, 210);
    for query in [
        "{ jobs { id payload } }",
        "{ jobs { target } }",
        "{ jobs { ... { ...F } } } fragment F on Job { p: payload }",
    ] {
        assert_eq!(listed(&node, query).await, 200, "{query}");
    }
    let page = node
        .data(
            "{ jobsPage(first: 1) { nodes { payload target } edges { node { name } } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        page["jobsPage"]["nodes"][0],
        json!({"payload": "{\"a\":1}", "target": {"log": {}}})
    );
    let page = node
        .data(
            "{ jobsPage(first: 1) { nodes { name } edges { node { payload } } } }",
            json!({}),
        )
        .await;
    assert_eq!(page["jobsPage"]["edges"][0]["node"]["payload"], "{\"a\":1}");
}

#[actix::test]
async fn an_answer_that_would_be_too_large_says_what_to_ask_instead() {
    let node = ApiNode::start().await;
    for _ in 0..90 {
        node.create(job(&json!("x".repeat(200_000)))).await;
    }
    for query in [
        "{ jobs { payload } }",
        "{ jobsPage(first: 100) { nodes { payload } } }",
        "{ jobsPage(first: 50) { a: nodes { payload } b: nodes { payload } } }",
    ] {
        let answer = node.post(query, json!({})).await;
        assert_eq!(answer["data"], Value::Null, "{query}");
        assert_eq!(
            answer["errors"].as_array().unwrap().len(),
            1,
            "{query}: {}",
            answer["errors"]
        );
        assert!(
            answer["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains("16 MB"),
            "{query}: {}",
            answer["errors"]
        );
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{query}"
        );
    }
    assert_eq!(listed(&node, "{ jobs { id } }").await, 90);
    let page = node
        .data("{ jobsPage(first: 60) { nodes { payload } } }", json!({}))
        .await;
    assert_eq!(page["jobsPage"]["nodes"].as_array().unwrap().len(), 60);
}

/// A number takes two bytes in a row, and far more in an answer.
#[actix::test]
async fn values_of_an_answer_count_as_what_they_take_in_memory() {
    let node = ApiNode::start().await;
    let id = node.create(job(&json!(vec![1; 100_000]))).await;
    for command in ["pauseJob", "resumeJob"] {
        node.data(
            &format!("mutation($id: ID!) {{ {command}(id: $id) {{ id }} }}"),
            json!({"id": id}),
        )
        .await;
    }
    let versions =
        |fields: &str| format!("query($id: ID!) {{ jobVersions(jobId: $id) {{ {fields} }} }}");
    let answer = node.post(&versions("definition"), json!({"id": id})).await;
    assert_eq!(answer["data"], Value::Null);
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("16 MB"),
        "{}",
        answer["errors"]
    );
    let answer = node.data(&versions("change"), json!({"id": id})).await;
    assert_eq!(answer["jobVersions"].as_array().unwrap().len(), 3);
    assert_eq!(
        listed(&node, "{ jobs { payload } }").await,
        1,
        "a payload is text"
    );
}

/// The first error of a request to a schema whose database does not answer; `Wait` if it waits.
async fn refused(schema: &Schema, query: &str) -> String {
    let executed = tokio::time::timeout(STILL_WAITING, schema.execute(anonymous(query))).await;
    executed.map_or_else(
        |_| "it waits".to_owned(),
        |answer| answer.errors[0].message.clone(),
    )
}

#[actix::test]
async fn an_expensive_query_waits_before_its_execution_and_a_command_does_not() {
    let schema = schema();
    let places = schema.data::<LargeAnswers>().unwrap();
    let [first, second] = [(); 2].map(|()| places.allowance());
    first.take_place().await.unwrap();
    second.take_place().await.unwrap();
    let of = |first: u32| {
        format!(
            "{{ jobsPage(first: 200) {{ nodes {{ executions(first: {first}) {{ nodes {{ id status }} }} }} }} }}"
        )
    };
    assert_eq!(refused(&schema, &of(20)).await, "it waits");
    let id = Uuid::nil();
    let command = format!(
        "mutation {{ backfillJob(id: \"{id}\", from: \"2026-01-01T00:00:00Z\", to: \"2026-01-02T00:00:00Z\") {{ id }} }}"
    );
    for query in [of(1), command] {
        let error = refused(&schema, &query).await;
        assert!(error.contains("database"), "{query}: {error}");
    }
    drop(first);
    let error = refused(&schema, &of(20)).await;
    assert!(error.contains("database"), "{error}");
}
