//! Requests that enqueue runs, and the list of what is pending.

use crate::api_node::ApiNode;
use crate::deliveries::Deliveries;
use crate::support::access::{namespace, token, token_in};
use crate::support::eventually;
use serde_json::{Value, json};

const ENQUEUE: &str =
    "mutation($input: EnqueueInput!) { enqueue(input: $input) { executionId created } }";
const ENQUEUE_MANY: &str =
    "mutation($inputs: [EnqueueInput!]!) { enqueueMany(inputs: $inputs) { executionId created } }";
const PENDING: &str = "query($job: ID!, $first: Int, $after: String) {
    pendingRuns(jobId: $job, first: $first, after: $after) {
        nodes { id jobId kind fireTime dueAt awaitsResume priority uniqueKey repeats payload }
        pageInfo { hasNextPage endCursor } } }";

async fn job(node: &ApiNode, name: &str) -> String {
    node.create(json!({"name": name, "scheduleType": "ON_DEMAND"}))
        .await
}

async fn pending(node: &ApiNode, job: &str) -> Vec<Value> {
    let mut list = node.data(PENDING, json!({"job": job})).await;
    serde_json::from_value(list["pendingRuns"]["nodes"].take()).unwrap()
}

#[actix::test]
async fn a_run_is_delivered_with_its_payload_and_shown_with_its_key() {
    let (node, target) = (ApiNode::start().await, Deliveries::start());
    let to = json!({"http": {"url": format!("{}/", target.url)}});
    let report = json!({"name": "report", "scheduleType": "ON_DEMAND", "target": to});
    node.create(report).await;
    let input = json!({"jobName": "report", "payload": {"customer": 7}, "uniqueKey": "7"});
    let run = node.data(ENQUEUE, json!({"input": input})).await;
    assert_eq!(run["enqueue"]["created"], true);
    eventually("it is delivered", async || {
        (target.to("/").len() == 1).then_some(())
    })
    .await;
    assert_eq!(target.to("/")[0].body, "{\"customer\":7}");
    let shown = "query($id: ID!) { execution(id: $id) { kind payload uniqueKey } }";
    let shown = node
        .data(shown, json!({"id": run["enqueue"]["executionId"]}))
        .await;
    assert_eq!(
        shown["execution"],
        json!({"kind": "ENQUEUED", "payload": "{\"customer\":7}", "uniqueKey": "7"})
    );
}

#[actix::test]
async fn every_bad_value_is_named_and_nothing_is_enqueued() {
    let node = ApiNode::start_with(&["--listen", "127.0.0.1:0", "--mask", "password"]).await;
    let id = job(&node, "job").await;
    let get = json!({"name": "get", "scheduleType": "ON_DEMAND",
        "target": {"http": {"url": "http://127.0.0.1:1/", "method": "GET"}}});
    let get = node.create(get).await;
    for _ in 0..2 {
        job(&node, "twice").await;
    }
    let deep: Value =
        serde_json::from_str(&format!("{}{}", "[".repeat(65), "]".repeat(65))).unwrap();
    for (field, input) in [
        ("jobId", json!({})),
        ("jobId", json!({"jobId": "x"})),
        ("jobName", json!({"jobName": "unknown"})),
        ("jobName", json!({"jobName": "JOB"})),
        ("jobName", json!({"jobName": "twice"})),
        ("jobName", json!({"jobName": ""})),
        ("jobName", json!({"jobId": id, "jobName": "job"})),
        ("jobName", json!({"jobName": "job", "namespace": "other"})),
        ("namespace", json!({"jobName": "job", "namespace": "No!"})),
        ("namespace", json!({"jobId": id, "namespace": "default"})),
        (
            "dueAt",
            json!({"jobId": id, "dueAt": "2999-01-01T00:00:00Z"}),
        ),
        ("delaySeconds", json!({"jobId": id, "delaySeconds": -1})),
        (
            "delaySeconds",
            json!({"jobId": id, "delaySeconds": 316_224_001}),
        ),
        (
            "delaySeconds",
            json!({"jobId": id, "delaySeconds": 1, "dueAt": "2030-01-01T00:00:00Z"}),
        ),
        (
            "uniqueKey",
            json!({"jobId": id, "uniqueKey": "k".repeat(201)}),
        ),
        ("uniqueKey", json!({"jobId": id, "uniqueKey": ""})),
        ("uniqueKey", json!({"jobId": id, "uniqueKey": "a\nb"})),
        ("priority", json!({"jobId": id, "priority": 10})),
        (
            "payload",
            json!({"jobId": id, "payload": "x".repeat(262_143)}),
        ),
        ("payload", json!({"jobId": id, "payload": deep})),
        ("payload", json!({"jobId": id, "payload": "\u{0}"})),
        (
            "payload",
            json!({"jobId": id, "payload": {"a": "${secret:s}"}}),
        ),
        (
            "payload",
            json!({"jobId": id, "payload": {"password": "********"}}),
        ),
        ("payload", json!({"jobId": get, "payload": 1})),
    ] {
        let error = node.error(ENQUEUE, json!({"input": input})).await;
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
        assert_eq!(error["extensions"]["field"], field, "{input}: {error}");
        let good = json!({"jobId": id});
        let error = node
            .error(ENQUEUE_MANY, json!({"inputs": [good, input]}))
            .await;
        let place = format!("inputs.1.{field}");
        assert_eq!(error["extensions"]["field"], place.as_str(), "{error}");
    }
    let unknown = json!({"jobId": "00000000-0000-0000-0000-000000000000"});
    let error = node.error(ENQUEUE, json!({"input": unknown})).await;
    assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{error}");
    let error = node.error(ENQUEUE_MANY, json!({"inputs": [unknown]})).await;
    assert_eq!(error["extensions"]["field"], "inputs.0.jobId", "{error}");
    let many: Vec<Value> = (0..1_001).map(|_| json!({"jobId": id})).collect();
    let error = node.error(ENQUEUE_MANY, json!({"inputs": many})).await;
    assert_eq!(error["extensions"]["field"], "inputs", "{error}");

    let sql = node.database.client().await;
    let count = "select (select count(*) from job_trigger) + (select count(*) from run_key)
        + (select count(*) from job_execution_log)";
    let count: i64 = sql.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}

#[actix::test]
async fn pending_runs_are_listed_in_pages_and_cancelled() {
    let node = ApiNode::start().await;
    let (id, other) = (job(&node, "job").await, job(&node, "other").await);
    let now = "{ cluster { databaseTime } }";
    let mut now = node.data(now, json!({})).await;
    let now = now["cluster"]["databaseTime"].take();
    let now: chrono::DateTime<chrono::Utc> = now.as_str().unwrap().parse().unwrap();
    let due = |minutes| (now + chrono::TimeDelta::minutes(minutes)).to_rfc3339();
    let inputs: Vec<Value> = (60..65)
        .rev()
        .map(|minutes| {
            json!({"jobId": id, "dueAt": due(minutes), "uniqueKey": minutes.to_string(),
                "priority": 3, "payload": minutes})
        })
        .collect();
    node.data(ENQUEUE_MANY, json!({"inputs": inputs})).await;
    node.data(
        ENQUEUE,
        json!({"input": {"jobId": other, "delaySeconds": 3_600}}),
    )
    .await;

    let (mut keys, mut after, mut ids) = (Vec::new(), Value::Null, Vec::new());
    loop {
        let variables = json!({"job": id, "first": 2, "after": after});
        let mut page = node.data(PENDING, variables).await["pendingRuns"].take();
        for run in page["nodes"].as_array().unwrap() {
            assert_eq!(
                (&run["kind"], &run["priority"]),
                (&json!("ENQUEUED"), &json!(3))
            );
            assert_eq!(
                (&run["dueAt"], &run["jobId"]),
                (&run["fireTime"], &json!(id))
            );
            assert_eq!(run["payload"], run["uniqueKey"]);
            assert_eq!(
                (&run["awaitsResume"], &run["repeats"]),
                (&json!(false), &Value::Null)
            );
            keys.push(run["uniqueKey"].as_str().unwrap().to_owned());
            ids.push(run["id"].clone());
        }
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].take();
    }
    assert_eq!(keys, ["60", "61", "62", "63", "64"], "the earliest first");

    let cancel = "mutation($id: ID!) { cancelExecution(id: $id) }";
    node.data(cancel, json!({"id": ids[0]})).await;
    assert_eq!(pending(&node, &id).await.len(), 4);
    let cancel = "mutation($job: ID!) { cancelExecutions(filter: {jobId: $job, kind: [ENQUEUED]}) {
        matched cancelled } }";
    let cancelled = node.data(cancel, json!({"job": id})).await;
    assert_eq!(
        cancelled["cancelExecutions"],
        json!({"matched": 4, "cancelled": 4})
    );
    assert_eq!(pending(&node, &id).await, Vec::<Value>::new());
    assert_eq!(pending(&node, &other).await.len(), 1);
    let unknown = "00000000-0000-0000-0000-000000000000";
    assert_eq!(pending(&node, unknown).await, Vec::<Value>::new());
}

#[actix::test]
async fn a_run_of_a_paused_job_is_shown_as_waiting_for_the_resume() {
    let node = ApiNode::start().await;
    let id = job(&node, "job").await;
    let pause = "mutation($id: ID!) { pauseJob(id: $id) { id } }";
    node.data(pause, json!({"id": id})).await;
    node.data(ENQUEUE, json!({"input": {"jobId": id}})).await;
    eventually("a poll has found it", async || {
        let runs = pending(&node, &id).await;
        let [run] = runs.as_slice() else {
            panic!("one run: {runs:?}")
        };
        (run["awaitsResume"] == true && run["dueAt"].is_null()).then_some(())
    })
    .await;
    let resume = "mutation($id: ID!) { resumeJob(id: $id) { id } }";
    node.data(resume, json!({"id": id})).await;
    eventually("it has run", async || {
        let logs = node.logs(&id).await;
        (logs.len() == 1 && logs[0]["status"] == "SUCCESS").then_some(())
    })
    .await;
}

#[actix::test]
async fn an_operator_of_a_namespace_enqueues_there_and_nowhere_else() {
    let node = ApiNode::start().await;
    let sql = node.database.client().await;
    let admin = token(&sql, "ADMIN").await;
    for name in ["own", "foreign"] {
        namespace(&sql, name).await;
    }
    let operator = token_in(&sql, &["own=OPERATOR", "foreign=VIEWER"]).await;
    let post = async |token: &str, query: &str, variables: Value| {
        let body = json!({"query": query, "variables": variables});
        let request = node
            .http
            .post(format!("{}/graphql", node.url))
            .bearer_auth(token);
        let answer = request.json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
    let mut ids = Vec::new();
    for namespace in ["own", "foreign"] {
        let input = json!({"name": "job", "scheduleType": "ON_DEMAND", "namespace": namespace});
        let mut created = post(&admin, create, json!({"input": input})).await;
        ids.push(created["data"]["createJob"]["id"].take());
    }
    let enqueue = async |input: Value| {
        let answer = post(&operator, ENQUEUE, json!({"input": input})).await;
        match answer["errors"][0]["extensions"]["code"].as_str() {
            Some(code) => code.to_owned(),
            None => answer["data"]["enqueue"]["created"].to_string(),
        }
    };
    let later = |job: Value| {
        let mut input = json!({"delaySeconds": 3_600, "uniqueKey": "k"});
        input
            .as_object_mut()
            .unwrap()
            .extend(job.as_object().unwrap().clone());
        input
    };
    assert_eq!(enqueue(later(json!({"jobId": ids[0]}))).await, "true");
    let named = json!({"jobName": "job", "namespace": "own"});
    assert_eq!(enqueue(later(named)).await, "false");
    assert_eq!(enqueue(later(json!({"jobId": ids[1]}))).await, "FORBIDDEN");
    let named = json!({"jobName": "job", "namespace": "foreign"});
    assert_eq!(enqueue(later(named)).await, "BAD_USER_INPUT");
    let pending = post(&operator, PENDING, json!({"job": ids[0]})).await;
    assert_eq!(pending["data"]["pendingRuns"]["nodes"][0]["uniqueKey"], "k");
}
