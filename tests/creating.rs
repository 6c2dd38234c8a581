//! Jobs that are created over the API: all or none, with every field.

use crate::api_node::ApiNode;
use crate::editing::{plus, rate, update};
use serde_json::json;

const CREATE_MANY: &str =
    "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id name } }";

#[actix::test]
async fn jobs_are_created_all_or_none() {
    let node = ApiNode::start().await;
    let many = |count: usize| {
        (0..count)
            .map(|n| rate(&format!("job {n}"), 3600))
            .collect::<Vec<_>>()
    };

    let mut one_bad = many(10);
    one_bad[7]["intervalSeconds"] = json!(0);
    let error = node.error(CREATE_MANY, json!({"inputs": one_bad})).await;
    assert_eq!(error["extensions"]["field"], "inputs.7.intervalSeconds");
    let error = node
        .error(CREATE_MANY, json!({"inputs": many(1_001)}))
        .await;
    assert_eq!(error["extensions"]["field"], "inputs");
    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"],
        json!([])
    );

    let created = node.data(CREATE_MANY, json!({"inputs": many(1_000)})).await["createJobs"].take();
    assert_eq!(
        (created.as_array().unwrap().len(), &created[999]["name"]),
        (1_000, &json!("job 999"))
    );
    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"]
            .as_array()
            .unwrap()
            .len(),
        1_000
    );
}

#[actix::test]
async fn every_new_field_comes_back_as_it_was_given() {
    let node = ApiNode::start().await;
    let fields = json!({
        "description": "for people", "tags": ["a", "b"], "priority": 9,
            "startAt": "2999-01-01T00:00:00.000Z",
        "endAt": "2999-12-31T00:00:00.000Z", "maxRuns": 3, "jitterSeconds": 30,
            "misfirePolicy": "FIRE_ALL",
        "misfireGraceSeconds": 5, "catchUpWindowSeconds": 600, "maxCatchUp": 10,
            "overlapPolicy": "BUFFER_ONE",
        "timeoutSeconds": 20, "pauseOnFailure": true, "recovery": "MARK_LOST", "maxRecoveries": 2,
        "retry": {"maxAttempts": 4, "initialBackoffSeconds": 1, "maxBackoffSeconds": 9,
            "multiplier": 1.5},
    });
    let names: Vec<&str> = fields
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "retry")
        .collect();
    let all = format!(
        "{} retry {{ maxAttempts initialBackoffSeconds maxBackoffSeconds multiplier }}",
        names.join(" ")
    );
    let query = format!("query($id: ID!) {{ job(id: $id) {{ {all} }} }}");
    let base = json!({"name": "job", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600});

    let id = node.create(plus(base.clone(), fields.clone())).await;
    assert_eq!(node.data(&query, json!({"id": id})).await["job"], fields);

    update(&node, &id, 0, base).await;
    let defaults = json!({
        "description": null, "tags": [], "priority": 5, "startAt": null, "endAt": null,
            "maxRuns": null,
        "jitterSeconds": 0, "misfirePolicy": "FIRE_ONCE", "misfireGraceSeconds": 60,
            "catchUpWindowSeconds": null,
        "maxCatchUp": null, "overlapPolicy": "ALLOW", "timeoutSeconds": null,
            "pauseOnFailure": false,
        "recovery": "RERUN", "maxRecoveries": 3,
        "retry": {"maxAttempts": 1, "initialBackoffSeconds": 5, "maxBackoffSeconds": 3600,
            "multiplier": 2.0},
    });
    assert_eq!(
        node.data(&query, json!({"id": id})).await["job"],
        defaults,
        "what is left out has its default"
    );
}

#[actix::test]
async fn a_bad_value_of_every_new_field_is_refused_by_its_name() {
    let node = ApiNode::start().await;
    let tags: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    let cases = [
        ("description", json!({"description": "x".repeat(2_001)})),
        ("tags", json!({"tags": tags})),
        ("tags.0", json!({"tags": [""]})),
        ("priority", json!({"priority": 10})),
        ("startAt", json!({"startAt": "tomorrow"})),
        ("endAt", json!({"endAt": "2026-13-01T00:00:00Z"})),
        ("endAt", json!({"endAt": "2001-01-01T00:00:00Z"})),
        (
            "endAt",
            json!({"startAt": "2999-01-02T00:00:00Z", "endAt": "2999-01-01T00:00:00Z"}),
        ),
        ("maxRuns", json!({"maxRuns": 0})),
        ("jitterSeconds", json!({"jitterSeconds": -1})),
        ("misfireGraceSeconds", json!({"misfireGraceSeconds": -1})),
        ("catchUpWindowSeconds", json!({"catchUpWindowSeconds": 0})),
        ("maxCatchUp", json!({"maxCatchUp": 0})),
        ("timeoutSeconds", json!({"timeoutSeconds": 0})),
        ("maxRecoveries", json!({"maxRecoveries": 101})),
        ("retry.maxAttempts", json!({"retry": {"maxAttempts": 0}})),
        (
            "retry.initialBackoffSeconds",
            json!({"retry": {"initialBackoffSeconds": -1}}),
        ),
        (
            "retry.maxBackoffSeconds",
            json!({"retry": {"maxBackoffSeconds": -1}}),
        ),
        ("retry.multiplier", json!({"retry": {"multiplier": 0.5}})),
        (
            "startAt",
            json!({"scheduleType": "ONCE", "intervalSeconds": null, "initialDelaySeconds": null}),
        ),
        ("startAt", json!({"startAt": "+262142-12-31T00:00:00Z"})),
        ("endAt", json!({"endAt": "-000001-01-01T00:00:00Z"})),
    ];
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
    for (field, change) in cases {
        let error = node
            .error(
                create,
                json!({"input": plus(rate("job", 3600), change.clone())}),
            )
            .await;
        assert_eq!(
            error["extensions"]["code"], "BAD_USER_INPUT",
            "{change}: {error}"
        );
        assert_eq!(error["extensions"]["field"], field, "{change}: {error}");
    }
    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"],
        json!([])
    );
}
