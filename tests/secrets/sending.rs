//! What is sent, and where a value never appears.

use super::{
    OK, UPDATE, VALUE, assert_free_of_the_value, create_secret, everything, failure, host, job,
    sent,
};
use crate::api_node::ApiNode;
use crate::sink::Sink;
use crate::support::eventually;
use serde_json::{Value, json};

#[actix::test]
async fn a_value_reaches_its_target_and_no_table_answer_or_metric() {
    let (node, sink) = (ApiNode::start().await, Sink::start().await);
    let created = create_secret(&node, "api.key", VALUE, &host(&sink)).await;
    let expected = json!({"namespace": "default", "name": "api.key", "description": null,
        "hosts": [host(&sink)], "isSigning": false, "version": 1, "createdBy": "anonymous",
        "jobCount": 0});
    assert_eq!(created, expected);
    let headers = json!({"Authorization": "Bearer ${secret:api.key}", "X-Team": "ops"});
    let payload = json!({"key": "<${secret:api.key}>", "n": 1});
    let input = job(
        sink.url("/x").as_str(),
        json!({"headers": headers}),
        payload.clone(),
    );
    let id = node.create(input.clone()).await;

    // The target sends back all that it got, in several spellings.
    let form = "c4n4ry+%22q%26uoted%22";
    let body = format!(r#"{{"headers":{},"form":"{form}"}}"#, json!(VALUE));
    let echo = |status: &str| {
        let length = body.len() + VALUE.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}{VALUE}")
    };
    for status in ["200 OK", "500 Oops"] {
        let request = sent(&node, &id, &sink, &echo(status)).await;
        assert_eq!(request.headers["authorization"], format!("Bearer {VALUE}"));
        let received: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(received, json!({"key": format!("<{VALUE}>"), "n": 1}));
    }
    let logs = eventually("both have ended", async || {
        let logs = node.logs(&id).await;
        (logs.len() == 2 && logs.iter().all(|row| row["finishedAt"] != Value::Null)).then_some(logs)
    })
    .await;
    for row in &logs {
        let output = row["output"].as_str().unwrap();
        assert_eq!(
            output,
            r#"{"headers":"********","form":"********"}********"#
        );
    }
    let form = json!({"body": "key=${secret:api.key}", "headers": {}});
    let form = node
        .create(job(sink.url("/y").as_str(), form, json!(null)))
        .await;
    let request = sent(&node, &form, &sink, OK).await;
    assert_eq!(
        request.body,
        format!("key={VALUE}"),
        "a body is sent as it is"
    );

    let update = json!({"name": "api.key", "value": format!("{VALUE} 2"), "description": "d"});
    node.data(UPDATE, json!({"input": update})).await;
    let edit = "mutation($id: ID!, $input: CreateJobInput!) {
        updateJob(id: $id, input: $input, version: 0) { payload target } }";
    let edited = node.data(edit, json!({"id": id, "input": input})).await;
    let shown = &edited["updateJob"]["target"]["http"]["headers"];
    assert_eq!(shown, &headers, "references are shown");

    assert_free_of_the_value("the database", &everything(&node.database).await);
    let answers = "query($id: ID!) {
        secrets { name namespace description hosts version createdAt createdBy updatedAt jobCount }
        jobs { id name payload target } job(id: $id) { payload target }
        jobVersions(jobId: $id) { definition changedBy }
        jobLogs(jobId: $id) { output errorMessage previousAttempts }
        executionsPage { nodes { output errorMessage } }
        auditLog { nodes { action details objectId objectName } } }";
    let answers = node.data(answers, json!({"id": id})).await;
    assert_eq!(answers["secrets"][0]["jobCount"], 2);
    assert_free_of_the_value("an answer", &answers.to_string());
    let metrics = node.http.get(format!("{}/metrics", node.url)).send().await;
    assert_free_of_the_value("/metrics", &metrics.unwrap().text().await.unwrap());
}

#[actix::test]
async fn a_change_reaches_the_jobs_and_other_hosts_get_nothing() {
    let (node, sink) = (ApiNode::start().await, Sink::start().await);
    for name in ["key", "moved"] {
        create_secret(&node, name, "value one", &host(&sink)).await;
    }
    let refers = json!({"headers": {"X-Key": "${secret:key}"}});
    let id = node
        .create(job(sink.url("/").as_str(), refers, json!({})))
        .await;
    let value = async || {
        let request = sent(&node, &id, &sink, OK).await;
        request.headers["x-key"].clone()
    };
    assert_eq!(value().await, "value one");
    let update = async |input: Value| node.data(UPDATE, json!({"input": input})).await;
    update(json!({"name": "key", "value": "value two"})).await;
    eventually("the new value is sent", async || {
        (value().await == "value two").then_some(())
    })
    .await;

    let refers = json!({"headers": {"X-Key": "${secret:moved}"}});
    let id = node
        .create(job(sink.url("/").as_str(), refers, json!({})))
        .await;
    update(json!({"name": "moved", "hosts": ["elsewhere.example"]})).await;
    let error = failure(&node, &id).await;
    let place = host(&sink);
    assert_eq!(
        error,
        format!("the secret `moved` is not for the host {place}")
    );
    sink.expect_untouched().await;
}
