//! Secrets and references that are refused, with their field.

use super::{CREATE, UPDATE, create_secret, job};
use crate::api_node::ApiNode;
use serde_json::json;

#[actix::test]
async fn a_reference_that_cannot_be_sent_is_refused_with_its_field() {
    let node = ApiNode::start().await;
    let url = "https://api.example.com/";
    create_secret(&node, "plain", "12345678", "api.example.com").await;
    let signing = format!("whsec_{}", "BwcH".repeat(8));
    create_secret(&node, "signs", &signing, "api.example.com").await;
    let headers = |value: &str| json!({"headers": {"X-Key": value}});
    let plain = json!({"p": "${secret:plain}"});
    let cases = [
        (
            url,
            headers("${secret:none}"),
            json!({}),
            "target.http.headers",
            "there is no secret",
        ),
        (
            url,
            headers("${secret:}"),
            json!({}),
            "target.http.headers",
            "begins a reference",
        ),
        (
            url,
            headers("${secret:signs}"),
            json!({}),
            "target.http.headers",
            "signingSecrets",
        ),
        (
            "https://evil.example/",
            headers("x"),
            plain.clone(),
            "payload",
            "evil.example",
        ),
        (
            "https://api.example.com:8443/",
            headers("x"),
            plain.clone(),
            "payload",
            ":8443",
        ),
        (
            url,
            json!({"signingSecrets": ["plain"]}),
            json!({}),
            "target.http.signingSecrets",
            "no signing secret",
        ),
        (
            "https://a.example/${secret:plain}",
            json!({}),
            json!({}),
            "target.http.url",
            "header",
        ),
    ];
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
    for (url, http, payload, field, message) in cases {
        let input = job(url, http, payload);
        let error = node.error(create, json!({"input": input})).await;
        assert_eq!(error["extensions"]["field"], field, "{error}");
        assert!(
            error["message"].as_str().unwrap().contains(message),
            "{error}"
        );
    }
    let log = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "payload": plain});
    let error = node.error(create, json!({"input": log})).await;
    assert_eq!(error["extensions"]["field"], "payload", "{error}");

    let fine = job(url, headers("${secret:plain}"), json!({}));
    let many = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";
    let bad = job(url, headers("${secret:none}"), json!({}));
    let error = node.error(many, json!({"inputs": [fine, bad]})).await;
    assert_eq!(
        error["extensions"]["field"], "inputs.1.target.http.headers",
        "{error}"
    );
    let id = node.create(fine).await;
    let edit = "mutation($id: ID!, $input: CreateJobInput!) {
        updateJob(id: $id, input: $input, version: 0) { id } }";
    let moved = job(
        "https://evil.example/",
        headers("${secret:plain}"),
        json!({}),
    );
    let error = node.error(edit, json!({"id": id, "input": moved})).await;
    assert_eq!(
        error["extensions"]["field"], "target.http.headers",
        "{error}"
    );

    // The right to run a job is not the right to choose a secret.
    let run = "mutation($id: ID!, $payload: JSON) { runJobNow(id: $id, payload: $payload) }";
    create_secret(&node, "other", "12345678", "api.example.com").await;
    let own = json!({"id": id, "payload": {"p": "${secret:other}"}});
    let error = node.error(run, own).await;
    assert_eq!(error["extensions"]["field"], "payload", "{error}");
    node.data(run, json!({"id": id, "payload": plain})).await;
}

#[actix::test]
async fn secrets_that_are_not_valid_are_refused_with_their_field() {
    let node = ApiNode::start().await;
    create_secret(&node, "a", "12345678", "a.example").await;
    let cases = [
        (json!({"name": "a b"}), "name", "BAD_USER_INPUT"),
        (json!({"name": ""}), "name", "BAD_USER_INPUT"),
        (json!({"value": "1234567"}), "value", "BAD_USER_INPUT"),
        (
            json!({"value": "x".repeat(16_385)}),
            "value",
            "BAD_USER_INPUT",
        ),
        (json!({"value": "whsec_short"}), "value", "BAD_USER_INPUT"),
        (json!({"hosts": []}), "hosts", "BAD_USER_INPUT"),
        (
            json!({"hosts": ["a.example", "*.example"]}),
            "hosts.1",
            "BAD_USER_INPUT",
        ),
        (json!({"namespace": "Other"}), "namespace", "BAD_USER_INPUT"),
        (
            json!({"description": "x".repeat(2_001)}),
            "description",
            "BAD_USER_INPUT",
        ),
        (json!({"name": "a"}), "", "CONFLICT"),
    ];
    for (change, field, code) in cases {
        let mut input = json!({"name": "b", "value": "87654321", "hosts": ["a.example"]});
        let change_of = change.as_object().unwrap().clone();
        input.as_object_mut().unwrap().extend(change_of);
        let error = node.error(CREATE, json!({"input": input})).await;
        assert_eq!(error["extensions"]["code"], code, "{error}");
        if !field.is_empty() {
            assert_eq!(error["extensions"]["field"], field, "{error}");
        }
        let text = error.to_string();
        assert!(
            !text.contains("87654321") && !text.contains("1234567"),
            "{text}"
        );
    }
    for (input, code) in [
        (json!({"name": "a"}), "BAD_USER_INPUT"),
        (json!({"name": "unknown", "value": "12345678"}), "NOT_FOUND"),
        (
            json!({"name": "a", "value": format!("whsec_{}", "BwcH".repeat(8))}),
            "CONFLICT",
        ),
    ] {
        let error = node.error(UPDATE, json!({"input": input})).await;
        assert_eq!(error["extensions"]["code"], code, "{error}");
    }
    let sql = node.database.client().await;
    let rows = sql.query("select version from secret", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, i32>(0), 1);
}

#[actix::test]
async fn a_secret_stays_while_a_job_refers_to_it() {
    let node = ApiNode::start().await;
    create_secret(&node, "used", "12345678", "a.example").await;
    let refers = json!({"headers": {"X-Key": "${secret:used}"}});
    let input = job("https://a.example/", refers, json!({}));
    let (first, second) = (node.create(input.clone()).await, node.create(input).await);
    let delete = "mutation { deleteSecret(name: \"used\") }";
    let error = node.error(delete, json!({})).await;
    assert_eq!(error["extensions"]["code"], "CONFLICT");
    assert!(
        error["message"].as_str().unwrap().starts_with("2 job(s)"),
        "{error}"
    );

    // A job that refers to it between the count and the deletion.
    let sql = node.database.client().await;
    let row = "delete from secret";
    let refused = sql.execute(row, &[]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "23503");

    let plain = job("https://a.example/", json!({}), json!({}));
    let edit = "mutation($id: ID!, $input: CreateJobInput!) {
        updateJob(id: $id, input: $input, version: 0) { id } }";
    node.data(edit, json!({"id": first, "input": plain})).await;
    node.error(delete, json!({})).await;
    let delete_job = "mutation($id: ID!) { deleteJob(id: $id) }";
    node.data(delete_job, json!({"id": second})).await;
    node.data(delete, json!({})).await;
    node.error(delete, json!({})).await;
}
