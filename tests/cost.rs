//! The cost of queries: dear ones are refused, ordinary ones never.

use crate::admission::{anonymous, numbered, schema};
use crate::api_node::ApiNode;
use async_graphql::{Request, Variables};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[actix::test]
async fn dear_queries_are_refused_with_what_to_ask_instead() {
    let schema = schema();
    let id = "0199d0a5-0000-7000-8000-000000000000";
    let backfill = format!(
        "previewBackfill(id: \"{id}\", from: \"2020-01-01T00:00:00Z\", \
         to: \"2026-01-01T00:00:00Z\") {{ count }}"
    );
    for (query, word) in [
        (
            "{ jobs { id executions(first: 200) { nodes { id status } } } }".to_owned(),
            "costs",
        ),
        (
            "{ jobs { executions { nodes { status } } } }".into(),
            "`jobs` counts with 1000 jobs",
        ),
        (
            "{ jobs { executions(first: 1, filter: {}) { totalCount } } }".into(),
            "jobsPage(first: …)",
        ),
        (
            "{ jobs { executions(first: 1, after: \"x\") { totalCount } } }".into(),
            "jobsPage(first: …)",
        ),
        (
            "{ jobsPage(first: 200) { nodes { executions(first: 200) { nodes { id output } } } } \
            }"
            .into(),
            "costs",
        ),
        (
            "{ jobsPage(first: 100) { nodes { executions(first: 1, \
            filter: {kind: [SCHEDULE]}) { nodes { id } } } } }"
                .into(),
            "costs",
        ),
        (
            "query($n: Int = 200) { jobsPage(first: $n) { nodes { executions(first: $n) { edges { \
            node { id status } } } } } }"
                .into(),
            "costs",
        ),
        (
            "{ jobs { recentExecutions(count: 50) { id status } } }".into(),
            "costs",
        ),
        ("{ jobs { nextFireTimes(count: 10) } }".into(), "costs"),
        (
            "{ jobsPage(first: 200) { nodes { nextFireTimes(count: 1000) } } }".into(),
            "costs",
        ),
        (
            "{ jobsPage(first: 200) { nodes { recentOutcomes(cells: 100) { cells { executionId \
            status at } } } } }"
                .into(),
            "costs",
        ),
        (
            format!(
                "{{ {} }}",
                numbered(9, |n| format!("a{n}: upcoming(hours: 168) {{ jobs }}"))
            ),
            "costs",
        ),
        (
            format!("{{ {} }}", numbered(19, |n| format!("a{n}: {backfill}"))),
            "costs",
        ),
        (
            format!(
                "{{ {} }}",
                numbered(20, |n| format!("a{n}: jobs {{ id name payload }}"))
            ),
            "costs",
        ),
        (
            format!(
                "{{ {} }}",
                numbered(490, |n| format!("a{n}: job(id: \"{id}\") {{ id }}"))
            ),
            "tokens",
        ),
    ] {
        let answer = serde_json::to_value(schema.execute(anonymous(query.as_str())).await).unwrap();
        let error = &answer["errors"][0];
        assert_eq!(
            error["extensions"]["code"], "BAD_USER_INPUT",
            "{query}: {error}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(word),
            "{query}: {error}"
        );
    }
}

#[actix::test]
async fn ordinary_queries_are_within_the_cost_limit() {
    let schema = schema();
    let id = "0199d0a5-0000-7000-8000-000000000000";
    let all_of_a_job = "id name scheduleType cronExpression intervalSeconds initialDelaySeconds \
        payload status version createdAt updatedAt \
        nextFireTime previousFireTime inFlight description tags priority calendar timeZone \
        pauseReason startAt endAt maxRuns target \
        jitterSeconds misfirePolicy overlapPolicy timeoutSeconds retry { maxAttempts multiplier }";
    for query in [
        format!("{{ jobs {{ {all_of_a_job} }} }}"),
        format!(
            "{{ jobsPage(first: 200) {{ edges {{ cursor node {{ {all_of_a_job} recentExecutions \
             {{ id status }} }} }} totalCount }} }}"
        ),
        format!(
            "{{ jobLogs(jobId: \"{id}\") {{ id fireTime dueTime status reason errorMessage \
             startedAt finishedAt durationMillis attempt nodeId \
            nodeName kind output createdAt previousAttempts }} }}"
        ),
        format!(
            "{{ jobVersions(jobId: \"{id}\") {{ version change changedAt changedBy definition \
            }} }}"
        ),
        format!(
            "{{ {} }}",
            numbered(20, |n| format!(
                "a{n}: job(id: \"{id}\") {{ {all_of_a_job} \
            nextFireTimes }}"
            ))
        ),
        "{ jobsPage(first: 50) { nodes { id executions(first: 10) { nodes { id status } } } } \
         }"
        .into(),
        "{ jobs { id executions(first: 2) { nodes { id status } pageInfo { hasNextPage } } } \
         }"
        .into(),
        "{ jobsPage(first: 200) { nodes { executions { nodes { status } } } } }".into(),
        "{ upcoming(hours: 168) { buckets crowded { at fires jobs } } overview { attention { \
         jobName } } }"
            .into(),
    ] {
        let answer = serde_json::to_value(schema.execute(anonymous(query.as_str())).await).unwrap();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{query}: {answer}"
        );
    }
}

#[actix::test]
async fn the_list_of_all_jobs_counts_with_those_that_there_are() {
    let node = ApiNode::start().await;
    let job = |number: usize| {
        json!({"name": format!("job {number}"), "scheduleType": "FIXED_RATE",
        "intervalSeconds": 3600, "initialDelaySeconds": 3600})
    };
    let create = async |count: usize| {
        let inputs: Vec<Value> = (0..count).map(job).collect();
        let create = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";
        node.data(create, json!({"inputs": inputs})).await;
    };
    create(12).await;
    for query in [
        "{ jobs { executions { nodes { status } } } }",
        "{ jobs { executions(first: 200, filter: {status: [FAILED]}) { nodes { id } } \
         nextFireTimes } }",
        "{ ...Two } fragment Two on Query { a: jobs { executions { nodes { id } } } b: jobs { \
         executions { nodes { id } } } }",
    ] {
        node.data(query, json!({})).await;
    }
    create(1_000).await;
    let error = node
        .error("{ jobs { executions { nodes { status } } } }", json!({}))
        .await;
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("`jobs` counts with 1000 jobs") && message.contains("jobsPage(first: …)"),
        "{message}"
    );
    let jobs = node
        .data(
            "{ jobs { executions(first: 2) { nodes { status } } } }",
            json!({}),
        )
        .await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1_000);
}

/// All files below a directory that end so.
fn files(directory: PathBuf, ending: &str) -> Vec<String> {
    let (mut directories, mut texts) = (vec![directory], Vec::new());
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(!texts.is_empty(), "no {ending}");
    texts
}

/// The operations of the dashboard, with the largest pages that it may ask for; each with only its
/// own fragments, as it is sent.
#[actix::test]
async fn the_dashboard_asks_for_nothing_that_is_refused() {
    let schema = schema();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/src");
    let definitions: Vec<String> = files(source, ".graphql")
        .iter()
        .flat_map(|text| split(text))
        .collect();
    let (fragments, operations): (Vec<_>, Vec<_>) = definitions
        .into_iter()
        .partition(|definition| definition.starts_with("fragment"));
    assert!(operations.len() > 30, "{} operations", operations.len());
    for operation in operations
        .iter()
        .filter(|operation| !operation.starts_with("subscription"))
    {
        let mut query = operation.clone();
        while let Some(missing) = fragments.iter().find(|fragment| {
            let name = fragment.split_whitespace().nth(1).unwrap();
            query
                .split_whitespace()
                .any(|word| word == format!("...{name}"))
                && !query.contains(*fragment)
        }) {
            query += missing;
        }
        let request =
            Request::new(&query).variables(Variables::from_json(dashboard_variables(operation)));
        let answer = serde_json::to_value(schema.execute(anonymous(request)).await).unwrap();
        // A refusal may name one of these made-up values, but no limit. `me` reads no database.
        let refused = &answer["errors"][0]["extensions"];
        assert!(
            refused["code"] == "UNAVAILABLE"
                || refused["field"].is_string()
                || answer["data"]["me"].is_object(),
            "{operation}: {answer}"
        );
    }
}

/// The definitions of a file: each begins on the first column.
fn split(text: &str) -> Vec<String> {
    let text = text
        .replace("\nfragment ", "\n\0fragment ")
        .replace("\nquery ", "\n\0query ");
    let text = text
        .replace("\nmutation ", "\n\0mutation ")
        .replace("\nsubscription ", "\n\0subscription ");
    text.split('\0')
        .map(str::to_owned)
        .filter(|definition| !definition.trim().is_empty())
        .collect()
}

/// A value for each variable that an operation declares.
fn dashboard_variables(operation: &str) -> Value {
    let declared = operation
        .split_once('(')
        .map_or("", |(_, rest)| rest.split_once(')').unwrap().0);
    let value = |variable: &str| {
        let (name, of) = variable.trim().split_once(": ").unwrap();
        let of = of.split_once(" = ").map_or(of, |(of, _default)| of);
        let value = match (name, of.trim_end_matches('!')) {
            // Number of jobs that the timeline asks for at a time.
            ("first", _) if declared.contains("$cells") => json!(40),
            ("first", _) => json!(200),
            ("cells", _) => json!(60),
            ("minutes", _) => json!(1_440),
            ("hours", _) => json!(168),
            ("count", _) => json!(1_000),
            ("from" | "to" | "endsAt", _) => json!("2026-11-28T00:00:00Z"),
            ("after", _) => Value::Null,
            (_, "ID") => json!("0199d0a5-0000-7000-8000-000000000000"),
            (_, "Int") => json!(1),
            (_, "String") => json!("text"),
            (_, "DateTime") => json!("2026-11-28T00:00:00Z"),
            (_, "JobOrder") => json!("NEWEST"),
            (_, "OverlapPolicy") => json!("ALLOW"),
            (_, "CreateJobInput") => {
                json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60})
            }
            (_, "CalendarInput" | "NamespaceInput" | "UpdateSecretInput") => json!({"name": "x"}),
            (_, "BlackoutInput") => json!({"reason": "x", "endsAt": "2026-11-28T00:00:00Z"}),
            (_, "JobFilter") => json!({"search": "x"}),
            (_, "ExecutionFilter") => json!({}),
            (_, "Boolean") => json!(false),
            (_, "Role") => json!("VIEWER"),
            (_, "[NamespaceRoleInput!]") => json!([{"namespace": "default", "role": "VIEWER"}]),
            (_, "CreateSecretInput") => {
                json!({"name": "x", "value": "a long value", "hosts": ["x.example"]})
            }
            (_, "AuditFilter") => json!({"caller": "x"}),
            (_, "JSON") => json!({"a": 1}),
            other => panic!("no value for {other:?}"),
        };
        (name.trim_start_matches('$').to_owned(), value)
    };
    declared
        .split(", ")
        .filter(|variable| !variable.is_empty())
        .map(value)
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[actix::test]
async fn the_postman_collection_asks_for_nothing_that_is_refused() {
    let schema = schema();
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/postman/horolog.postman_collection.json");
    let collection: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (mut open, mut queries) = (vec![&collection], Vec::new());
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                queries.extend(
                    fields
                        .get("graphql")
                        .and_then(|graphql| graphql["query"].as_str()),
                );
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(queries.len() > 10, "{} queries", queries.len());
    for query in queries {
        let answer = serde_json::to_value(schema.execute(anonymous(query)).await).unwrap();
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        for limit in ["costs", "at most", "more than", "levels"] {
            assert!(!message.contains(limit), "{query}: {message}");
        }
    }
}
