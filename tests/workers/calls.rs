//! The calls over HTTP, at a whole node.

use super::{call, join};
use crate::api_node::ApiNode;
use crate::support::eventually;
use serde_json::{Value, json};

async fn hourly(node: &ApiNode) -> String {
    node.create(json!({
        "name": "report of the hour",
        "scheduleType": "FIXED_RATE",
        "intervalSeconds": 3600,
        "target": {"handler": {"name": "report"}},
        "payload": {"customer": 7, "limit": 1.5},
    }))
    .await
}

async fn poll(node: &ApiNode, worker: &str, number: i64, wait: u64) -> Value {
    let body = json!({"poll": number, "free": 4, "holding": [], "waitSeconds": wait});
    let (status, answer) = call(node, &format!("{worker}/poll"), body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[actix::test]
async fn a_job_of_a_handler_runs_in_a_worker_from_its_schedule_to_its_history() {
    let node = ApiNode::start().await;
    let job = hourly(&node).await;
    let state = "query($id: ID!) { job(id: $id) { state target } }";
    eventually("the job waits for an offer", async || {
        let data = node.data(state, json!({"id": job})).await;
        (data["job"]["state"] == "WAITING").then_some(())
    })
    .await;
    assert_eq!(node.logs(&job).await, Vec::<Value>::new());

    let worker = join(&node).await;
    let answer = poll(&node, &worker, 1, 20).await;

    let execution = &answer["executions"][0];
    assert_eq!(execution["handler"], "report");
    assert_eq!(execution["jobId"], job.as_str());
    assert_eq!(execution["attempt"], 1);
    assert_eq!(execution["kind"], "SCHEDULE");
    assert_eq!(execution["payload"], json!({"customer": 7, "limit": 1.5}));
    let held = json!({"id": execution["id"], "attempt": 1});
    let heartbeat = json!({"holding": [held], "progress": [
        {"id": execution["id"], "attempt": 1, "percent": 50, "message": "half"}]});
    let (status, renewal) = call(&node, &format!("{worker}/heartbeat"), heartbeat).await;
    let nothing = json!({"draining": false, "cancel": [], "lost": []});
    assert_eq!((status, renewal), (200, nothing));
    let result = json!({"results": [{"id": execution["id"], "attempt": 1, "outcome": "SUCCESS",
        "output": {"pages": 3}}]});
    for code in ["SETTLED", "ALREADY_SETTLED"] {
        let (status, settled) = call(&node, &format!("{worker}/settle"), result.clone()).await;
        assert_eq!(
            (status, &settled["results"][0]["code"]),
            (200, &json!(code)),
            "{settled}"
        );
    }
    let logs = node.logs(&job).await;
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0]["status"], "SUCCESS");
    assert_eq!(logs[0]["output"], r#"{"pages":3}"#);
    assert_eq!(logs[0]["nodeName"], "w");
    assert!(worker.ends_with(logs[0]["nodeId"].as_str().unwrap()));
}

#[actix::test]
async fn a_poll_that_waits_gets_what_comes_due() {
    let node = ApiNode::start().await;
    let worker = join(&node).await;
    let (answer, job) = futures_util::join!(poll(&node, &worker, 1, 60), async {
        // The poll waits, or is about to: both ways it gets the execution.
        hourly(&node).await
    });
    assert_eq!(answer["executions"][0]["jobId"], job.as_str());
}

#[actix::test]
async fn a_poll_at_another_node_ends_the_wait_of_the_one_before() {
    let node = ApiNode::start().await;
    let other = node.another().await;
    let worker = join(&node).await;
    let first = json!({"poll": 1, "free": 1, "holding": [], "waitSeconds": 60});
    let path = format!("{worker}/poll");
    let (first, second) = futures_util::join!(call(&node, &path, first), async {
        eventually("the first has started", async || {
            let sql = node.database.client().await;
            let started = "select from cluster_node where kind = 'WORKER' and poll = 1";
            sql.query_opt(started, &[]).await.unwrap().map(|_| ())
        })
        .await;
        let answer = poll(&other, &worker, 2, 0).await;
        // Something that the first would lease.
        hourly(&node).await;
        answer
    });
    assert_eq!(second["executions"], json!([]));
    assert_eq!((first.0, &first.1["code"]), (409, &json!("SUPERSEDED")));
}

#[actix::test]
async fn a_worker_is_listed_until_it_leaves_and_is_gone_then() {
    let node = ApiNode::start().await;
    let worker = join(&node).await;
    let list = async || -> Value {
        let answer = node.http.get(format!("{}/workers", node.url)).send().await;
        answer.unwrap().json().await.unwrap()
    };
    let listed = list().await;
    assert_eq!(listed[0]["name"], "w");
    assert_eq!(listed[0]["handlers"], json!(["report"]));
    let members = node
        .http
        .get(format!("{}/cluster/members", node.url))
        .send()
        .await
        .unwrap();
    let members: Value = members.json().await.unwrap();
    assert_eq!(
        members.as_array().map(Vec::len),
        Some(1),
        "no load balancer sends requests to a worker: {members}"
    );
    let leave = async || {
        let answer = node.http.delete(format!("{}{worker}", node.url)).send();
        answer.await.unwrap().status().as_u16()
    };
    assert_eq!((leave().await, leave().await), (200, 410));
    assert_eq!(list().await, json!([]));
    let calls = [
        ("poll", json!({"poll": 1, "free": 1, "holding": []})),
        ("heartbeat", json!({"holding": []})),
        ("release", json!({"executions": []})),
    ];
    for (name, body) in calls {
        let (status, problem) = call(&node, &format!("{worker}/{name}"), body).await;
        assert_eq!(
            (status, &problem["code"]),
            (410, &json!("MEMBERSHIP_ENDED"))
        );
    }
}
