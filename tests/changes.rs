//! Changes: each is read once, and holds nothing large.

use crate::api_node::ApiNode;
use crate::deliveries::Deliveries;
use crate::live::Socket;
use crate::support::{TestCluster, eventually, fixed_rate};
use horolog::actors::job_manager::CreateJobs;
use horolog::model::job_request::JobRequest;
use horolog::model::payload::Payload;
use horolog::store::queries::changes::{ExecutionsSeen, JobsSeen};
use serde_json::{Value, json};

#[actix::test]
async fn changes_are_found_once() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(600)).await;
    let node = cluster.node().await;
    let (mut executions, mut jobs) = (ExecutionsSeen::default(), JobsSeen::default());
    assert!(
        node.store
            .changed_executions(&mut executions)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        node.store.changed_jobs(&mut jobs).await.unwrap().is_empty(),
        "the first poll only learns"
    );

    node.poll().await;
    let changed = node
        .store
        .changed_executions(&mut executions)
        .await
        .unwrap();
    assert_eq!(
        changed
            .iter()
            .map(|found| found.status.as_str())
            .collect::<Vec<_>>(),
        ["RUNNING"]
    );
    node.settle_all().await;
    let changed = node
        .store
        .changed_executions(&mut executions)
        .await
        .unwrap();
    assert_eq!(
        changed
            .iter()
            .map(|found| found.status.as_str())
            .collect::<Vec<_>>(),
        ["SUCCESS"]
    );
    assert!(
        node.store
            .changed_executions(&mut executions)
            .await
            .unwrap()
            .is_empty()
    );

    cluster.advance(1);
    node.store.pause_job(job.id, None).await.unwrap();
    assert_eq!(node.store.changed_jobs(&mut jobs).await.unwrap().len(), 1);
    assert!(node.store.changed_jobs(&mut jobs).await.unwrap().is_empty());
}

#[actix::test]
async fn more_changes_of_one_instant_than_one_poll_hide_no_later_ones() {
    let cluster = TestCluster::start().await;
    let mut jobs = JobsSeen::default();
    let first = cluster.create(fixed_rate(600)).await;
    assert!(
        cluster
            .store
            .changed_jobs(&mut jobs)
            .await
            .unwrap()
            .is_empty(),
        "the first poll only learns"
    );
    cluster.advance(60);
    cluster
        .command(CreateJobs((0..1_000).map(|_| fixed_rate(600)).collect()))
        .await;
    assert_eq!(
        cluster.store.changed_jobs(&mut jobs).await.unwrap().len(),
        500,
        "of them some"
    );

    cluster.advance(60);
    cluster.store.pause_job(first.id, None).await.unwrap();

    let changed = cluster.store.changed_jobs(&mut jobs).await.unwrap();
    assert_eq!(changed.last().unwrap().id, first.id);
}

/// Most bytes of an event, for any job and execution.
const EVENT_BYTES_MAX: usize = 16 * 1024;

#[actix::test]
async fn changes_omit_large_values() {
    let cluster = TestCluster::start().await;
    let large = || JobRequest {
        name: "x".repeat(255),
        description: Some("x".repeat(2_000)),
        tags: (0..20).map(|n| format!("{n:050}")).collect(),
        payload: Payload::of_json(format!("\"{}\"", "x".repeat(250_000))).ok(),
        ..fixed_rate(600)
    };
    let job = cluster.create(large()).await;
    let http = r#"{"http": {"url": "http://a.example/", "method": "POST", "body": "", "timeoutSeconds": 30}}"#;
    cluster
        .execute(
            "update job_definition set target = jsonb_set($1::text::jsonb, '{http,body}', \
        to_jsonb(repeat('x', 250000)))",
            &[&http],
        )
        .await;
    let node = cluster.node().await;
    let (mut executions, mut jobs) = (ExecutionsSeen::default(), JobsSeen::default());
    node.store
        .changed_executions(&mut executions)
        .await
        .unwrap();
    node.store.changed_jobs(&mut jobs).await.unwrap();

    node.lease().await;
    cluster
        .execute(
            "update job_execution_log set output = repeat('x', 64000), \
        error_message = repeat('x', 64000), previous_attempts = (select jsonb_agg(repeat('x', \
        100)) from generate_series(1, 1000))",
            &[],
        )
        .await;
    cluster.advance(1);
    node.store.pause_job(job.id, None).await.unwrap();

    let executions = node
        .store
        .changed_executions(&mut executions)
        .await
        .unwrap();
    let jobs = node.store.changed_jobs(&mut jobs).await.unwrap();
    assert_eq!((executions.len(), jobs.len()), (1, 1));
    let bytes = [format!("{executions:?}").len(), format!("{jobs:?}").len()];
    assert!(
        bytes.iter().all(|bytes| *bytes < EVENT_BYTES_MAX),
        "{bytes:?}"
    );
}

#[actix::test]
async fn a_listener_that_selects_what_is_large_is_told_it() {
    let (node, target) = (ApiNode::start().await, Deliveries::start());
    let payload = format!("{{\"v\":\"{}\"}}", "x".repeat(200_000));
    let input = json!({"name": "large", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "initialDelaySeconds": 3600,
        "payload": serde_json::from_str::<Value>(&payload).unwrap(),
            "target": {"http": {"url": format!("{}/", target.url)}}});
    let job = node.create(input).await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    socket
        .subscribe("job", "subscription { jobUpdated { id payload target } }")
        .await;
    socket
        .subscribe(
            "execution",
            "subscription { executionUpdated { status output } }",
        )
        .await;

    let change = "mutation($id: ID!) { pauseJob(id: $id) { id } runJobNow(id: $id) }";
    let back = "mutation($id: ID!) { resumeJob(id: $id) { id } }";
    let (mut told_job, mut told_output) = (Value::Null, false);
    // A feed tells the changes since its first poll, so the change is repeated until it is told.
    eventually("both are told", async || {
        node.data(change, json!({"id": job})).await;
        node.data(back, json!({"id": job})).await;
        while let Ok(mut event) =
            tokio::time::timeout(std::time::Duration::from_millis(100), socket.event()).await
        {
            told_output |= event["executionUpdated"]["output"] == "done";
            if !event["jobUpdated"].is_null() {
                told_job = event["jobUpdated"].take();
            }
        }
        (told_output && !told_job.is_null()).then_some(())
    })
    .await;
    assert_eq!(told_job["payload"], json!(payload));
    assert_eq!(
        told_job["target"]["http"]["url"],
        json!(format!("{}/", target.url))
    );
}
