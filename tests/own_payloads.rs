//! Runs with a payload of their own: each attempt has it, on any node, and so do reruns.

use crate::api_node::ApiNode;
use crate::deliveries::Deliveries;
use crate::support::{TestCluster, TestNode, eventually, failed, fixed_rate, succeeded, with};
use horolog::actors::job_manager::executions::{RerunExecution, RunWithPayload};
use horolog::actors::job_manager::{CommandError, RunJobNow};
use horolog::model::execution::Attempt;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::payload::Payload;
use horolog::model::policies::OverlapPolicy;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::LeaseUpdates;
use serde_json::json;
use uuid::Uuid;

fn payload(text: &str) -> Payload {
    Payload::of_json(text.to_owned()).unwrap()
}

async fn one(node: &TestNode) -> Attempt {
    let mut attempts = node.lease().await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

/// A job with a payload that fires in an hour, and is tried again ten seconds after a failure.
async fn job(cluster: &TestCluster, policy: OverlapPolicy) -> Job {
    let job = with(fixed_rate(3_600), |p| {
        p.overlap_policy = policy;
        (p.retry.max_attempts, p.retry.initial_backoff_seconds) = (2, 10);
    });
    let own = Some(payload("{\"of\": \"job\"}"));
    cluster
        .create(JobRequest {
            initial_delay_seconds: Some(3_600),
            payload: own,
            ..job
        })
        .await
}

#[actix::test]
async fn every_attempt_of_a_run_has_its_payload_and_so_has_its_rerun() {
    let cluster = TestCluster::start().await;
    let job = job(&cluster, OverlapPolicy::Allow).await;
    let (victim, node) = (cluster.node().await, cluster.node().await);
    // As it was sent: no reader of JSON would keep these digits.
    let own = payload("{\"n\": 1.000000000000000000001}");
    let id = cluster.command(RunWithPayload(job.id, own.clone())).await;

    let attempt = one(&victim).await;
    assert_eq!(
        (attempt.execution_id, attempt.payload.as_ref()),
        (id, Some(&own))
    );
    victim.kill(&cluster.sql).await;
    let report = node.reconcile().await;
    assert_eq!(
        (report.rerun, report.repairs),
        (1, Some(Repairs::default()))
    );
    let recovered = one(&node).await;
    assert_eq!(
        (recovered.attempt, recovered.payload.as_ref()),
        (2, Some(&own))
    );
    node.store
        .settle(&[failed(&recovered)], &LeaseUpdates::default())
        .await
        .unwrap();
    cluster.advance(10);
    let retried = one(&node).await;
    assert_eq!((retried.attempt, retried.payload.as_ref()), (3, Some(&own)));
    node.store
        .settle(&[failed(&retried)], &LeaseUpdates::default())
        .await
        .unwrap();

    cluster.command(RerunExecution(id)).await;
    assert_eq!(
        one(&node).await.payload,
        Some(own),
        "the same fire time with what it ran with"
    );
    cluster.command(RunJobNow(job.id)).await;
    assert_eq!(one(&node).await.payload, job.definition.payload);
}

#[actix::test]
async fn a_buffered_fire_keeps_its_own_payload() {
    let cluster = TestCluster::start().await;
    let job = job(&cluster, OverlapPolicy::BufferAll).await;
    let node = cluster.node().await;
    cluster.command(RunJobNow(job.id)).await;
    let first = one(&node).await;
    let own = payload("[1]");
    let id = cluster.command(RunWithPayload(job.id, own.clone())).await;
    assert!(node.lease().await.is_empty(), "it waits");
    node.store
        .settle(
            &[succeeded(&first)],
            &LeaseUpdates {
                ended: vec![first.lease_id],
                ..LeaseUpdates::default()
            },
        )
        .await
        .unwrap();

    let second = one(&node).await;
    assert_eq!(
        (second.execution_id, second.payload.as_ref()),
        (id, Some(&own))
    );
    let kept = "select payload::text from job_execution_log where id = $1";
    assert_eq!(cluster.texts(kept, &[&id]).await, ["[1]"]);
}

#[actix::test]
async fn a_payload_is_given_with_the_command_and_shown_with_the_execution() {
    let (node, target) = (ApiNode::start().await, Deliveries::start());
    let to = |path: &str| json!({"http": {"url": format!("{}{path}", target.url)}});
    let job = json!({"name": "mail", "scheduleType": "CRON", "cronExpression": "0 0 1 1 *",
        "payload": {"of": "job"}, "target": to("/")});
    let id = node.create(job).await;
    let run = "mutation($id: ID!, $payload: JSON) { runJobNow(id: $id, payload: $payload) }";
    for payload in [json!({"of": "run"}), json!(null)] {
        node.data(run, json!({"id": id, "payload": payload})).await;
    }
    eventually("both were delivered", async || {
        (target.to("/").len() == 2).then_some(())
    })
    .await;
    let mut bodies: Vec<String> = target
        .to("/")
        .into_iter()
        .map(|delivery| delivery.body)
        .collect();
    bodies.sort();
    assert_eq!(bodies, ["{\"of\":\"job\"}", "{\"of\":\"run\"}"]);
    for query in [
        "{ executionsPage { nodes { payload } } }",
        "{ executionsPage { nodes { payload status } } }",
    ] {
        let mut rows: Vec<serde_json::Value> = serde_json::from_value(
            node.data(query, json!({})).await["executionsPage"]["nodes"].take(),
        )
        .unwrap();
        rows.retain(|row| !row["payload"].is_null());
        assert_eq!(
            (rows.len(), &rows[0]["payload"]),
            (1, &json!("{\"of\":\"run\"}"))
        );
    }

    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let deep: serde_json::Value = serde_json::from_str(&deep).unwrap();
    let large = json!("x".repeat(262_145));
    for payload in [deep, large, json!("\u{0}")] {
        let error = node.error(run, json!({"id": id, "payload": payload})).await;
        assert_eq!(error["extensions"]["field"], "payload", "{error}");
    }
    let get = json!({"name": "get", "scheduleType": "CRON", "cronExpression": "0 0 1 1 *",
        "target": {"http": {"url": format!("{}/get", target.url), "method": "GET"}}});
    let get = node.create(get).await;
    let error = node.error(run, json!({"id": get, "payload": 1})).await;
    assert_eq!(error["extensions"]["field"], "payload", "{error}");
    let unknown = node
        .error(run, json!({"id": Uuid::nil(), "payload": 1}))
        .await;
    assert_eq!(unknown["extensions"]["code"], "NOT_FOUND");
}

#[actix::test]
async fn no_run_has_its_own_payload_while_an_older_node_runs() {
    let cluster = TestCluster::start().await;
    let job = job(&cluster, OverlapPolicy::Allow).await;
    let older = "insert into cluster_node (id, name, address, version, state, lock_key, slots,
        started_at, heartbeat_at, session_at, protocol)
        values (gen_random_uuid(), 'older', 'a:1', '0', 'DRAINING', 1, 1, now(), now(), now(), 2)";
    cluster.execute(older, &[]).await;
    let refused = cluster
        .try_command(RunWithPayload(job.id, payload("1")))
        .await;
    assert!(
        matches!(&refused, Err(CommandError::Conflict(message)) if message.contains("older")),
        "{refused:?}"
    );
    cluster.command(RunJobNow(job.id)).await;
}
