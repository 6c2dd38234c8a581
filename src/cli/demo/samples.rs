//! The sample jobs of the demo, created over GraphQL as a user would.

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// An HTTP client for the nodes of the demo.
pub fn client() -> Result<Client, anyhow::Error> {
    // An error means that the process has a TLS provider already.
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(Client::builder()
        .timeout(Duration::from_secs(10))
        .no_proxy()
        .build()?)
}

/// Creates the missing sample jobs; returns the number of all samples.
pub async fn create(node: &str, sink: &str) -> Result<usize, anyhow::Error> {
    let http = client()?;
    let listed = graphql(&http, node, json!({"query": "{ jobs { id name } }"})).await?;
    let jobs = listed["jobs"].as_array().cloned().unwrap_or_default();
    let samples = samples(sink);
    for sample in &samples {
        // The port of the sink differs from demo to demo: old samples are deleted.
        for old in jobs.iter().filter(|job| job["name"] == sample["name"]) {
            let query = "mutation($id: ID!) { deleteJob(id: $id) }";
            let delete = json!({"query": query, "variables": {"id": old["id"]}});
            graphql(&http, node, delete).await?;
        }
        let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
        graphql(
            &http,
            node,
            json!({"query": create, "variables": {"input": sample}}),
        )
        .await?;
    }
    Ok(samples.len())
}

fn samples(sink: &str) -> Vec<Value> {
    let http =
        |path: &str| json!({"http": {"url": format!("{sink}/{path}"), "timeoutSeconds": 10}});
    vec![
        json!({"name": "Sample: every 5 seconds (CRON)", "scheduleType": "CRON", "cronExpression": "0/5 * * * * ?",
               "target": http("cron"), "payload": {"report": "five seconds"}}),
        json!({"name": "Sample: heartbeat every second (FIXED_RATE)", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
               "target": http("rate"), "payload": {"beat": true}}),
        json!({"name": "Sample: three seconds of work, a second of rest (FIXED_DELAY)", "scheduleType": "FIXED_DELAY",
               "intervalSeconds": 1, "target": http("slow?seconds=3")}),
        json!({"name": "Sample: nightly report (CRON, log)", "scheduleType": "CRON", "cronExpression": "0 2 * * *",
               "payload": {"reportType": "daily", "recipients": ["admin@example.com"]}}),
        json!({"name": "Sample: half a second of nothing (FIXED_RATE, noop)", "scheduleType": "FIXED_RATE",
               "intervalSeconds": 2, "target": {"noop": {"sleepMillis": 500}}}),
    ]
}

async fn graphql(http: &Client, node: &str, request: Value) -> Result<Value, anyhow::Error> {
    let answer = http
        .post(format!("{node}/graphql"))
        .json(&request)
        .send()
        .await;
    let answer = answer?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        bail!("the cluster of the demo has users: use another --data-dir for a new one");
    }
    let mut answer: Value = answer.error_for_status()?.json().await?;
    if let Some(error) = answer["errors"]
        .as_array()
        .and_then(|errors| errors.first())
    {
        bail!("a sample job was refused: {}", error["message"]);
    }
    answer
        .get_mut("data")
        .map(Value::take)
        .context("an answer without data")
}
