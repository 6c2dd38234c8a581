//! What is refused: callers without the right, and bodies that do not fit.

use super::{call, join};
use crate::api_node::ApiNode;
use crate::support::access::{token, token_in};
use crate::support::eventually;
use serde_json::{Value, json};

const PROFILE: &str = r#"{"name": "w", "handlers": ["report"], "slots": 4}"#;

/// Calls with a token; the status and the answer.
async fn call_with(node: &ApiNode, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = node.http.post(format!("{}{path}", node.url)).json(body);
    let answer = request.bearer_auth(token).send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or_default(),
    )
}

async fn await_closed(node: &ApiNode) {
    eventually("the node is closed", async || {
        (node.status("/workers").await == 401).then_some(())
    })
    .await;
}

#[actix::test]
async fn a_worker_needs_operator_and_a_token_of_its_own() {
    let node = ApiNode::start().await;
    let sql = node.database.client().await;
    let (viewer, operator) = (token(&sql, "VIEWER").await, token(&sql, "OPERATOR").await);
    let team = token_in(&sql, &["team=OPERATOR"]).await;
    await_closed(&node).await;
    let profile: Value = serde_json::from_str(PROFILE).unwrap();

    let (status, problem) = call(&node, "/workers", profile.clone()).await;
    assert_eq!((status, &problem["code"]), (401, &json!("UNAUTHENTICATED")));
    let (status, _) = call_with(&node, "hrl_wrong", "/workers", &profile).await;
    assert_eq!(status, 401);
    let (status, problem) = call_with(&node, &viewer, "/workers", &profile).await;
    assert_eq!((status, &problem["code"]), (403, &json!("FORBIDDEN")));
    let (status, problem) = call_with(&node, &team, "/workers", &profile).await;
    assert_eq!(
        (status, &problem["field"]),
        (400, &json!("namespace")),
        "what is foreign is answered like what does not exist"
    );

    let (status, joined) = call_with(&node, &operator, "/workers", &profile).await;
    assert_eq!(status, 201, "{joined}");
    let mut of_team = profile;
    of_team["namespace"] = json!("team");
    let (status, other) = call_with(&node, &team, "/workers", &of_team).await;
    assert_eq!(status, 201, "{other}");

    // Neither speaks for the worker of the other.
    let calls = [
        ("poll", json!({"poll": 1, "free": 1, "holding": []})),
        ("heartbeat", json!({"holding": []})),
        ("settle", json!({"results": []})),
        ("release", json!({"executions": []})),
    ];
    for (name, body) in &calls {
        for (token, id) in [(&team, &joined["id"]), (&operator, &other["id"])] {
            let path = format!("/workers/{}/{name}", id.as_str().unwrap());
            let (status, problem) = call_with(&node, token, &path, body).await;
            assert_eq!(
                (status, &problem["code"]),
                (404, &json!("UNKNOWN_WORKER")),
                "{name}"
            );
        }
    }
}

#[actix::test]
async fn a_worker_of_a_namespace_gets_its_jobs_only() {
    let node = ApiNode::start().await;
    let sql = node.database.client().await;
    crate::support::access::namespace(&sql, "team").await;
    let profile = json!({"name": "w", "handlers": ["report"], "slots": 4, "namespace": "team"});
    let (_, joined) = call(&node, "/workers", profile).await;
    let worker = format!("/workers/{}/poll", joined["id"].as_str().unwrap());
    let job = |namespace: &str| {
        json!({"name": "job", "namespace": namespace, "scheduleType": "FIXED_RATE",
            "intervalSeconds": 3600, "target": {"handler": {"name": "report"}}})
    };
    node.create(job("default")).await;
    let of_team = node.create(job("team")).await;
    let poll = json!({"poll": 1, "free": 4, "holding": [], "waitSeconds": 20});
    let (_, answer) = call(&node, &worker, poll).await;
    assert_eq!(answer["executions"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["executions"][0]["jobId"], of_team.as_str());
}

/// Asserts that each of these bodies is refused for its field.
async fn assert_refused(node: &ApiNode, refused: impl IntoIterator<Item = (String, Value, &str)>) {
    for (path, body, field) in refused {
        let (status, problem) = call(node, &path, body).await;
        assert_eq!(
            (status, &problem["field"]),
            (400, &json!(field)),
            "{path}: {problem}"
        );
    }
}

#[actix::test]
async fn a_profile_that_does_not_fit_is_refused_with_its_field() {
    let node = ApiNode::start().await;
    let with = |name: &'static str, value: Value| {
        let mut profile: Value = serde_json::from_str(PROFILE).unwrap();
        profile[name] = value;
        ("/workers".to_owned(), profile, name)
    };
    let slash = json!({"name": "w", "handlers": ["a/b"], "slots": 1});
    let refused = [
        with("name", json!("")),
        with("name", json!("a\nb")),
        with("namespace", json!("No Such")),
        with("namespace", json!("none")),
        with("handlers", json!([])),
        with("handlers", json!(vec!["report"; 101])),
        with("slots", json!(0)),
        with("slots", json!(1_001)),
        with("ttlSeconds", json!(4)),
        with("ttlSeconds", json!(301)),
        ("/workers".to_owned(), slash, "handlers.0"),
    ];
    assert_refused(&node, refused).await;
}

#[actix::test]
async fn a_body_that_does_not_fit_is_refused_with_its_field() {
    let node = ApiNode::start().await;
    let worker = join(&node).await;
    let id = "00000000-0000-8000-8000-000000000001";
    let twice = json!([{"id": id, "attempt": 1}, {"id": id, "attempt": 2}]);
    let many = vec![json!({"id": id, "attempt": 1}); 2_001];
    let poll = |name: &str, value: Value| {
        let mut poll = json!({"poll": 1, "free": 1, "holding": [], "waitSeconds": 0});
        poll[name] = value;
        (format!("{worker}/poll"), poll)
    };
    let result = |name: &str, value: Value| {
        let mut result = json!({"id": id, "attempt": 1, "outcome": "SUCCESS"});
        result[name] = value;
        (format!("{worker}/settle"), json!({"results": [result]}))
    };
    let too_far = json!({"holding": [], "progress": [{"id": id, "attempt": 1, "percent": 101}]});
    let long = json!("x".repeat(300_000));
    let heartbeat = |body: Value| (format!("{worker}/heartbeat"), body);
    let release = (format!("{worker}/release"), json!({"executions": twice}));
    let refused = [
        (poll("poll", json!(0)), "poll"),
        (poll("free", json!(-1)), "free"),
        (poll("waitSeconds", json!(61)), "waitSeconds"),
        (poll("holding", twice), "holding.1"),
        (poll("free", json!(5)), "free"),
        (heartbeat(json!({"holding": many})), "holding"),
        (heartbeat(too_far), "progress.0.percent"),
        (
            result("retryAfterSeconds", json!(-1)),
            "results.0.retryAfterSeconds",
        ),
        (result("checkpoint", long), "results.0.checkpoint"),
        (release, "executions.1"),
    ];
    let refused = refused.map(|((path, body), field)| (path, body, field));
    assert_refused(&node, refused).await;
}

#[actix::test]
async fn what_is_no_call_is_refused_as_a_problem() {
    let node = ApiNode::start().await;
    let worker = join(&node).await;
    let url = |path: &str| format!("{}{path}", node.url);
    let settle = url(&format!("{worker}/settle"));
    let bodies = [
        ("application/json", "{".to_owned(), 400),
        ("application/json", "[]".to_owned(), 400),
        (
            "application/json",
            r#"{"results": [], "more": 1}"#.to_owned(),
            400,
        ),
        (
            "application/json",
            r#"{"results": [{"id": "x", "attempt": 1, "outcome": "SUCCESS"}]}"#.to_owned(),
            400,
        ),
        ("text/plain", r#"{"results": []}"#.to_owned(), 415),
        ("application/json", " ".repeat(1_100_000), 413),
    ];
    for (of, body, expected) in bodies {
        let start: String = body.chars().take(60).collect();
        let request = node
            .http
            .post(&settle)
            .header("content-type", of)
            .body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{start}");
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{start}"
        );
    }
    for path in [
        "/workers/x/poll",
        "/workers/00000000-0000-4000-8000-000000000000/poll",
    ] {
        let body = json!({"poll": 1, "free": 1, "holding": []});
        assert_eq!(call(&node, path, body).await.0, 404, "{path}");
    }
    let get = node.http.get(&settle).send().await.unwrap();
    assert_eq!(get.status().as_u16(), 405);
    let foreign = node
        .http
        .post(url("/workers"))
        .header("origin", "https://evil.example");
    let foreign = foreign.json(&json!({})).send().await.unwrap();
    assert_eq!(foreign.status().as_u16(), 403);
}
