//! The API's promises: the reference system's requests work unchanged, and what
//! Horolog adds.

use crate::api_node::ApiNode;
use crate::support::eventually;
use serde_json::{Value, json};

const CREATE: &str = "mutation CreateJob($input: CreateJobInput!) {
  createJob(input: $input) {
    id
    name
    scheduleType
    cronExpression
    status
  }
}";

fn hourly(name: &str) -> Value {
    json!({"name": name, "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "initialDelaySeconds": 3600})
}

#[actix::test]
async fn the_reference_systems_requests_work_unchanged() {
    let node = ApiNode::start().await;

    // README of the reference system, "Create a CRON Job".
    let variables = json!({"input": {
        "name": "Daily Report Generation", "scheduleType": "CRON", "cronExpression": "0 2 * * *",
        "payload": {"reportType": "daily", "recipients": ["admin@example.com"]}
    }});
    let created = node.data(CREATE, variables).await["createJob"].take();
    assert_eq!(created["name"], "Daily Report Generation");
    assert_eq!(
        (&created["scheduleType"], &created["cronExpression"]),
        (&json!("CRON"), &json!("0 2 * * *"))
    );
    assert_eq!(created["status"], "ACTIVE");

    // "Create a test job", with the input inline.
    let inline = r#"mutation { createJob(input: {name: "Test Job", scheduleType: CRON, cronExpression: "0/10 * * * * ?", payload: {type: "test"}}) { id name status } }"#;
    let test_job = node.data(inline, json!({})).await["createJob"].take();
    assert_eq!(
        (&test_job["name"], &test_job["status"]),
        (&json!("Test Job"), &json!("ACTIVE"))
    );

    // "List All Jobs": newest first.
    let listed = node
        .data("query { jobs { id name scheduleType status } }", json!({}))
        .await;
    let names: Vec<&str> = listed["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Test Job", "Daily Report Generation"]);

    // "Get Job Execution History".
    let logs =
        "query GetLogs($jobId: ID!) { jobLogs(jobId: $jobId) { id fireTime status errorMessage } }";
    let history = node.data(logs, json!({"jobId": created["id"]})).await;
    assert_eq!(history["jobLogs"], json!([]));
}

#[actix::test]
async fn the_postman_collections_sequence_works() {
    let node = ApiNode::start().await;
    let id = node.create(hourly("sequence")).await;
    let all = "query($id: ID!) { job(id: $id) { id name scheduleType cronExpression intervalSeconds
        initialDelaySeconds
        payload status version createdAt updatedAt nextFireTime } }";
    let job = node.data(all, json!({"id": id})).await["job"].take();
    assert_eq!(
        (&job["intervalSeconds"], &job["initialDelaySeconds"]),
        (&json!(3600), &json!(3600))
    );
    assert_eq!(
        (&job["version"], &job["payload"]),
        (&json!(0), &Value::Null)
    );
    assert!(job["createdAt"].as_str().unwrap().ends_with('Z') && job["nextFireTime"].is_string());

    let pause = "mutation($id: ID!) { pauseJob(id: $id) { status version nextFireTime } }";
    let paused = node.data(pause, json!({"id": id})).await["pauseJob"].take();
    assert_eq!(
        paused,
        json!({"status": "PAUSED", "version": 1, "nextFireTime": null})
    );
    assert_eq!(
        node.data(pause, json!({"id": id})).await["pauseJob"]["version"],
        1,
        "pausing twice changes nothing"
    );

    let resume = "mutation($id: ID!) { resumeJob(id: $id) { status version nextFireTime } }";
    let resumed = node.data(resume, json!({"id": id})).await["resumeJob"].take();
    assert_eq!(
        (&resumed["status"], &resumed["version"]),
        (&json!("ACTIVE"), &json!(2))
    );
    assert_eq!(
        resumed["nextFireTime"], job["nextFireTime"],
        "the phase survives a pause"
    );

    let run = node
        .data(
            "mutation($id: ID!) { runJobNow(id: $id) }",
            json!({"id": id}),
        )
        .await;
    assert_eq!(run, json!({"runJobNow": true}));
    eventually("the manual run succeeds", async || {
        node.logs(&id)
            .await
            .iter()
            .any(|log| log["status"] == "SUCCESS" && log["kind"] == "MANUAL")
            .then_some(())
    })
    .await;

    let delete = "mutation($id: ID!) { deleteJob(id: $id) }";
    assert_eq!(
        node.data(delete, json!({"id": id})).await,
        json!({"deleteJob": true})
    );
    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"],
        json!([])
    );
    assert_eq!(
        node.data(all, json!({"id": id})).await["job"]["status"],
        "DELETED"
    );
    assert_eq!(node.logs(&id).await.len(), 1, "the log stays");
    assert_eq!(
        node.error(delete, json!({"id": id})).await["extensions"]["code"],
        "NOT_FOUND"
    );
}

#[actix::test]
async fn an_execution_says_what_happened_to_it() {
    let node = ApiNode::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut input = hourly("fails");
    input["target"] = json!({"http": {"url": format!("http://{closed}/hook")}});
    let id = node.create(input).await;
    node.data(
        "mutation($id: ID!) { runJobNow(id: $id) }",
        json!({"id": id}),
    )
    .await;
    eventually("the run has failed", async || {
        node.logs(&id)
            .await
            .iter()
            .any(|log| log["status"] == "FAILED")
            .then_some(())
    })
    .await;

    let log = node.logs(&id).await.remove(0);
    assert_eq!(
        (&log["reason"], &log["attempt"], &log["jobId"]),
        (&json!("ERROR"), &json!(1), &json!(id))
    );
    assert!(
        log["errorMessage"].as_str().unwrap().contains("refused"),
        "{log}"
    );
    assert_eq!(log["nodeName"], "api-test");
    for time in [
        "fireTime",
        "dueTime",
        "startedAt",
        "finishedAt",
        "createdAt",
    ] {
        let text = log[time].as_str().unwrap();
        assert_eq!(
            (text.len(), &text[10..11], &text[23..]),
            (24, "T", "Z"),
            "{time}: {text}"
        );
    }
    let execution = "query($id: ID!) { execution(id: $id) { id status } }";
    assert_eq!(
        node.data(execution, json!({"id": log["id"]})).await["execution"]["status"],
        "FAILED"
    );
}

#[actix::test]
async fn every_type_of_schedule_and_target_can_be_created_and_read_back() {
    let node = ApiNode::start().await;
    let inputs = [
        json!({"name": "cron", "scheduleType": "CRON", "cronExpression": "0 0 3 ? * MON-FRI"}),
        json!({"name": "rate", "scheduleType": "FIXED_RATE", "intervalSeconds": 60,
            "initialDelaySeconds": 600,
               "target": {"noop": {"sleepMillis": 5}}, "recovery": "MARK_LOST",
                   "maxRecoveries": 0}),
        json!({"name": "delay", "scheduleType": "FIXED_DELAY", "intervalSeconds": 60,
            "initialDelaySeconds": 600,
               "target": {"http": {"url": "https://example.com/x?y=1", "method": "PUT",
                   "headers": {"X-Team": "ops"},
                                   "body": "hi", "timeoutSeconds": 5}}}),
        json!({"name": "log", "scheduleType": "CRON", "cronExpression": "@daily",
            "target": {"log": {}}}),
    ];
    for input in inputs {
        let id = node.create(input.clone()).await;
        let query = "query($id: ID!) { job(id: $id) { name scheduleType recovery maxRecoveries \
            target nextFireTime } }";
        let job = node.data(query, json!({"id": id})).await["job"].take();
        assert_eq!(
            (&job["name"], &job["scheduleType"]),
            (&input["name"], &input["scheduleType"])
        );
        assert!(job["nextFireTime"].is_string());
        let expected = if input["recovery"].is_null() {
            json!("RERUN")
        } else {
            input["recovery"].clone()
        };
        assert_eq!(job["recovery"], expected);
        if input["name"] == "delay" {
            assert_eq!(job["target"], input["target"]);
        }
    }
}

#[actix::test]
async fn the_cluster_and_its_nodes_can_be_seen_and_a_node_drained() {
    let node = ApiNode::start().await;
    eventually("the node is ready", async || {
        (node.status("/readyz").await == 200).then_some(())
    })
    .await;

    let query =
        "{ nodes { id name address version state slots executionsRunning clockOffsetMillis startedAt heartbeatAt
        heartbeatAgeSeconds endedAt endedBy } cluster { activeNodes drainingNodes slots executionsRunning activeJobs
        pausedJobs databaseTime version } }";
    let seen = node.data(query, json!({})).await;
    let this = &seen["nodes"][0];
    assert_eq!(
        (&this["name"], &this["state"], &this["slots"]),
        (&json!("api-test"), &json!("ACTIVE"), &json!(64))
    );
    assert_eq!(
        node.url,
        format!("http://{}", this["address"].as_str().unwrap())
    );
    assert!(this["heartbeatAgeSeconds"].as_f64().unwrap() < 4.0);
    assert_eq!(
        (&seen["cluster"]["activeNodes"], &seen["cluster"]["slots"]),
        (&json!(1), &json!(64))
    );

    let drain = "mutation($id: ID!) { drainNode(id: $id) }";
    assert_eq!(
        node.data(drain, json!({"id": this["id"]})).await,
        json!({"drainNode": true})
    );
    eventually("the drained node is not ready", async || {
        (node.status("/readyz").await == 503).then_some(())
    })
    .await;
    assert_eq!(node.status("/healthz").await, 200);
    let again = node.error(drain, json!({"id": this["id"]})).await;
    assert_eq!(
        again["extensions"]["code"], "NOT_FOUND",
        "only an active node can be drained"
    );
}

#[actix::test]
async fn metrics_tell_what_the_node_did() {
    let node = ApiNode::start().await;
    let id = node
        .create(json!({"name": "m", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600}))
        .await;
    eventually("the job has fired", async || {
        node.logs(&id)
            .await
            .iter()
            .any(|log| log["status"] == "SUCCESS")
            .then_some(())
    })
    .await;

    let expected = [
        "horolog_lateness_seconds_bucket",
        "horolog_attempts_started_total{kind=\"SCHEDULE\"}",
        "horolog_executions_total{status=\"SUCCESS\"}",
        "horolog_executions_total{status=\"FAILED\"}",
        "horolog_fenced_total ",
        "horolog_lease_batch_size_count",
        "horolog_pool_wait_seconds_count",
        "horolog_heartbeat_age_seconds",
        "horolog_clock_offset_seconds",
        "horolog_takeovers_total{by=\"SESSION\"} ",
        "horolog_build_info{version=",
        "horolog_slots 64",
        "horolog_slots_used",
        "horolog_triggers_due ",
        "horolog_oldest_due_seconds ",
        "horolog_executions_stuck ",
        "horolog_jobs_failing ",
        "horolog_dead_triggers ",
        "horolog_cluster_paused ",
        "horolog_log_partitions ",
        "horolog_log_partitions_dropped_total ",
        "horolog_log_rows_deleted_total ",
    ];
    // The clock offset is known from the second heartbeat on.
    eventually("all metrics are there", async || {
        let text = node
            .http
            .get(format!("{}/metrics", node.url))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        expected
            .iter()
            .all(|name| text.contains(name))
            .then_some(())
    })
    .await;
}

#[test]
fn the_committed_schema_is_the_served_one() {
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).unwrap();
    assert_eq!(
        committed,
        horolog::api::sdl(),
        "run `make schema` and commit the result"
    );
}

/// Types, fields, arguments and nullability of the reference system; `reason`, `runMissed` and
/// `maskedFrom` are ours, and optional.
const REFERENCE: [(&str, &str); 7] = [
    (
        "type Query",
        "jobs: [Job!]!; job(id: ID!): Job; jobLogs(jobId: ID!): [JobExecutionLog!]!",
    ),
    (
        "type Mutation",
        "createJob(input: CreateJobInput!, maskedFrom: ID): Job!; pauseJob(id: ID!, \
         reason: String, cancelRunning: Boolean! = false): Job!; resumeJob(id: ID!, \
         runMissed: Boolean! = false): Job!; \
         deleteJob(id: ID!, cancelRunning: Boolean! = false): Boolean!; runJobNow(id: ID!, \
         payload: JSON): Boolean!",
    ),
    (
        "type Job",
        "id: ID!; name: String!; scheduleType: JobScheduleType!; cronExpression: String; \
         intervalSeconds: Int; \
         initialDelaySeconds: Int; payload: String; status: JobStatus!; version: Int!; createdAt: \
         String; \
         updatedAt: String",
    ),
    (
        "type JobExecutionLog",
        "id: ID!; jobId: ID!; fireTime: String!; status: String!; errorMessage: String; \
         createdAt: String!",
    ),
    (
        "input CreateJobInput",
        "name: String!; scheduleType: JobScheduleType!; cronExpression: String; intervalSeconds: \
         Int; \
         initialDelaySeconds: Int; payload: JSON",
    ),
    ("enum JobScheduleType", "CRON; FIXED_RATE; FIXED_DELAY"),
    ("enum JobStatus", "ACTIVE; PAUSED; DELETED"),
];

/// A field more is welcome; a field less or another type is a broken client.
#[test]
fn the_reference_schema_is_served_as_it_stands() {
    let sdl = horolog::api::sdl();
    for (name, fields) in REFERENCE {
        let start = sdl
            .find(&format!("{name} {{"))
            .unwrap_or_else(|| panic!("{name} is missing"));
        let body = &sdl[start..start + sdl[start..].find("\n}").unwrap()];
        for field in fields.split("; ") {
            assert!(
                body.lines().any(|line| line.trim() == field),
                "{name} has no `{field}`:\n{body}"
            );
        }
    }
}
