//! Every field of the schema has a value where a value exists, and a row of a list equals the same
//! row of a single query.

use crate::api_node::ApiNode;
use crate::deliveries::Deliveries;
use crate::support::eventually;
use crate::text::{Schema, bare};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A node that has ended, an execution of a job with something in every column, and a time that
/// passed during a pause.
const ROWS: &str = "
update job_trigger t set fire_time = now() - interval '1 minute' from job_definition j
where j.id = t.job_id and j.name = 'missed';
insert into cluster_node (id, name, address, version, state, lock_key, slots, started_at,
heartbeat_at, session_at, full_since, ended_at,
    ended_by, protocol)
values ('00000000-0000-0000-0000-00000000000a', 'gone', 'a:1', '0', 'DEAD', 1, 1, now(), now(),
now(), now(), now(), 'TTL', 1);
insert into node_load values (now(), '00000000-0000-0000-0000-00000000000a', 60, 8, 120, 5, 30,
1000000, 2, 9);
insert into job_execution_log (id, job_id, kind, fire_time, due_time, status, reason, attempt,
failures, job_version, node_id,
    started_at, finished_at, error_message, output, through_fire_time, occurrences, coalesced_into,
    previous_attempts, created_at,
    repeats, payload, unique_key)
select (lpad(to_hex((extract(epoch from l.at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid,
j.id, 'SCHEDULE', l.at, l.at,
    'SKIPPED', 'COALESCED', 3, 1, 1, '00000000-0000-0000-0000-00000000000a', l.at, l.at,
    repeat('e', 600), 'output', l.at, 4,
    gen_random_uuid(), '[{\"attempt\": 1}]', l.at, gen_random_uuid(), '{\"a\": 1}', 'k'
from job_definition j, (values (date_trunc('milliseconds', now()) - interval '10 days')) as l (at)
where j.name = 'full';
insert into job_execution_log (id, job_id, kind, fire_time, due_time, status, attempt, created_at,
repeats)
select (left(replace(id::text, '-', ''), 12) || repeat('f', 20))::uuid, job_id, 'RERUN', fire_time,
fire_time, 'SUCCESS', 1, fire_time, id
from job_execution_log where reason = 'COALESCED';
insert into job_trigger (id, job_id, kind, fire_time, due_at, repeats, payload, unique_key)
select gen_random_uuid(), id, 'RERUN', '2999-01-01', '2999-01-01', gen_random_uuid(), '1', 'k'
from job_definition where name = 'full';
insert into api_token (id, name, role, secret_hash, created_at, created_by, expires_at,
    last_used_on, revoked_at)
values (gen_random_uuid(), 'ci', 'VIEWER', sha256('x'), now(), 'test', now(), current_date, now());
insert into role_binding (namespace, token_id, role) select 'default', id, 'EDITOR' from api_token;
update namespace set max_jobs = 1000";

/// Fields that have values only after a restore of the cluster.
const AFTER_A_RESTORE: [&str; 2] = ["ClusterPause.lastKnown", "ClusterPause.setBackTo"];

/// Fields of users: `accounts/api.rs` tests them, because a node with a user is not open.
const OF_USERS: [&str; 9] = [
    "User.createdAt",
    "User.createdBy",
    "User.hasPassword",
    "User.id",
    "User.isDisabled",
    "User.lastSignInAt",
    "User.name",
    "User.namespaceRoles",
    "User.role",
];

/// Fields that an explanation with an execution leaves out: `explaining.rs` tests them.
const WITHOUT_AN_EXECUTION: [&str; 5] = [
    "FireTimeExplanation.after",
    "FireTimeExplanation.before",
    "FireTimeExplanation.by",
    "FireTimeExplanation.since",
    "FireTimeExplanation.until",
];

/// Fields that have values for other callers than anonymous ones: `callers.rs` and `namespaces`
/// test them.
const WITHOUT_A_SESSION: [&str; 2] = ["Me.namespaceRoles", "Me.sessionExpiresAt"];

/// A node with something of everything.
#[expect(
    clippy::too_many_lines,
    reason = "one statement for each table that must hold something"
)]
async fn populated() -> (ApiNode, Schema) {
    let (node, target) = (ApiNode::start().await, Deliveries::start());
    let schema = Schema::of(&node).await;
    let calendar = json!({"name": "c", "description": "d", "timeZone": "Europe/Berlin",
        "excludeDates": ["12-25"],
        "includeDates": ["2030-01-01"], "excludeWeekdays": ["SUNDAY"],
            "includeWeekdays": ["MONDAY", "FRIDAY"],
        "excludeWindows": [{"from": "03:00", "to": "04:00", "weekdays": ["MONDAY"]}],
        "includeWindows": [{"from": "00:00", "to": "24:00", "weekdays": ["MONDAY"]}]});
    command(&node, "createCalendar", "CalendarInput!", calendar).await;
    let host = target.url.replace("http://", "");
    let secret = json!({"name": "s", "value": "12345678", "hosts": [host], "description": "d"});
    command(&node, "createSecret", "CreateSecretInput!", secret).await;
    let http = json!({"http": {"url": format!("{}/", target.url),
        "headers": {"X-Key": "${secret:s}"}}});
    let full = json!({"name": "full", "scheduleType": "CRON", "cronExpression": "0 0 1 * *",
        "timeZone": "Europe/Berlin",
        "calendar": "c", "payload": {"a": 1}, "target": http, "description": "d", "tags": ["t"],
            "priority": 7,
        "startAt": "2020-01-01T00:00:00Z", "endAt": "2999-01-01T00:00:00Z", "maxRuns": 1000,
            "jitterSeconds": 5,
        "catchUpWindowSeconds": 600, "maxCatchUp": 10, "timeoutSeconds": 20,
            "retainExecutions": 1000});
    node.create(full).await;
    let rate = |name: &str, more: Value| {
        let mut job = json!({"name": name, "scheduleType": "FIXED_RATE", "intervalSeconds": 3600});
        job.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        job
    };
    let failing =
        json!({"target": {"http": {"url": "http://127.0.0.1:1/"}}, "pauseOnFailure": true});
    node.create(rate("failing", failing)).await;
    let retry = json!({"maxAttempts": 2, "initialBackoffSeconds": 3600, "maxBackoffSeconds": 3600});
    let retrying = json!({"target": {"http": {"url": "http://127.0.0.1:1/"}}, "retry": retry});
    let retrying = node.create(rate("retrying", retrying)).await;
    node.create(rate("closed", json!({"tags": ["closed"]})))
        .await;
    let now = node.data("{ cluster { databaseTime } }", json!({})).await["cluster"]["databaseTime"]
        .take();
    let now: chrono::DateTime<chrono::Utc> = now.as_str().unwrap().parse().unwrap();
    let soon = (now + chrono::TimeDelta::days(1)).to_rfc3339();
    command(
        &node,
        "createBlackout",
        "BlackoutInput!",
        json!({"reason": "r", "endsAt": soon, "tag": "closed"}),
    )
    .await;
    node.create(rate(
        "minute",
        json!({"intervalSeconds": 60, "initialDelaySeconds": 3600}),
    ))
    .await;
    let delivered = node
        .create(rate("delivered", json!({"target": http})))
        .await;
    let paused = node
        .create(rate("paused", json!({"initialDelaySeconds": 3600})))
        .await;
    let once = json!({"name": "missed", "scheduleType": "ONCE", "startAt": "2999-01-01T00:00:00Z"});
    let once = node.create(once).await;
    let pause = "mutation($id: ID!) { pauseJob(id: $id, reason: \"r\") { id } }";
    for id in [&paused, &once] {
        node.data(pause, json!({"id": id})).await;
    }
    let cron = json!({"name": "old", "scheduleType": "CRON", "cronExpression": "0 0 1 1 *"});
    let old = node.create(cron).await;
    let backfill = "mutation($id: ID!) { backfillJob(id: $id, from: \"2020-01-01T00:00:00Z\", \
        to: \"2024-01-01T00:00:00Z\", firesPerMinute: 1) { id } }";
    let begun = node.data(backfill, json!({"id": old})).await["backfillJob"]["id"].take();
    node.data(
        "mutation($id: ID!) { cancelBackfill(id: $id) }",
        json!({"id": begun}),
    )
    .await;
    node.data(backfill, json!({"id": old})).await;
    for scope in [json!({"tag": "t"}), json!({"jobId": paused})] {
        let mut blackout = json!({"reason": "r", "startsAt": "2030-01-01T00:00:00Z",
            "endsAt": "2030-01-02T00:00:00Z"});
        blackout
            .as_object_mut()
            .unwrap()
            .extend(scope.as_object().unwrap().clone());
        command(&node, "createBlackout", "BlackoutInput!", blackout).await;
    }
    node.database
        .client()
        .await
        .batch_execute(ROWS)
        .await
        .unwrap();
    eventually("what is to run has run", async || {
        let is_retrying = node
            .logs(&retrying)
            .await
            .first()
            .is_some_and(|row| row["status"] == "RETRYING");
        let has_output = is_retrying
            && node
                .logs(&delivered)
                .await
                .first()
                .is_some_and(|row| row["output"] == "done");
        let query = "query($id: ID!) { job(id: $id) { missedFireTime } overview { \
            failuresLastHour } activity { lateness: latenessP99Millis } }";
        let seen = node.data(query, json!({"id": once})).await;
        let is_written = seen["activity"]
            .as_array()
            .unwrap()
            .iter()
            .any(|point| !point["lateness"].is_null());
        let is_all = has_output
            && is_written
            && !seen["job"]["missedFireTime"].is_null()
            && seen["overview"]["failuresLastHour"] == 1;
        is_all.then_some(())
    })
    .await;
    node.data("mutation { pauseCluster(reason: \"r\") }", json!({}))
        .await;
    (node, schema)
}

async fn command(node: &ApiNode, name: &str, of: &str, input: Value) {
    let mutation = format!("mutation($input: {of}) {{ {name}(input: $input) {{ __typename }} }}");
    node.data(&mutation, json!({"input": input})).await;
}

/// The fields of a type that need no argument.
fn fields<'a>(schema: &'a Schema, of: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let is_needed =
        |arg: &Value| arg["type"]["kind"] == "NON_NULL" && arg["defaultValue"].is_null();
    let fields = schema.types[of]["fields"].as_array().unwrap().iter();
    fields.filter(move |field| !field["args"].as_array().unwrap().iter().any(is_needed))
}

/// All fields of a type, with or without the objects inside.
fn selection(schema: &Schema, of: &str, with_objects: bool) -> String {
    let selected = fields(schema, of).filter_map(|field| {
        let (kind, inner, _) = bare(&field["type"]);
        let name = field["name"].as_str().unwrap();
        match kind {
            "OBJECT" => with_objects.then(|| format!("{name} {}", selection(schema, inner, true))),
            _ => Some(name.to_owned()),
        }
    });
    format!("{{ {} }}", selected.collect::<Vec<_>>().join(" "))
}

/// Notes each field of each type that holds something.
fn note(schema: &Schema, of: &str, value: &Value, seen: &mut BTreeSet<String>) {
    for field in fields(schema, of) {
        let name = field["name"].as_str().unwrap();
        let values = match &value[name] {
            Value::Array(items) => items.iter().collect(),
            Value::Null => Vec::new(),
            other => vec![other],
        };
        if !values.is_empty() {
            seen.insert(format!("{of}.{name}"));
        }
        let (kind, inner, _) = bare(&field["type"]);
        if kind == "OBJECT" {
            for value in values {
                note(schema, inner, value, seen);
            }
        }
    }
}

/// The id of the first row of a list.
async fn first(node: &ApiNode, list: &str) -> String {
    let (query, pointer) = (format!("{{ rows: {list} }}"), "/rows/nodes/0/id");
    node.data(&query, json!({}))
        .await
        .pointer(pointer)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

#[actix::test]
async fn every_field_of_the_schema_holds_something_where_there_is_something() {
    let (node, schema) = populated().await;
    let job = first(
        &node,
        "jobsPage(filter: {search: \"full\"}) { nodes { id } }",
    )
    .await;
    let old = first(
        &node,
        "jobsPage(filter: {search: \"old\"}) { nodes { id } }",
    )
    .await;
    let execution = first(
        &node,
        "executionsPage(filter: {reason: [COALESCED]}) { nodes { id } }",
    )
    .await;
    let fired = node.logs(&job).await[0]["fireTime"].clone();
    let arguments = |field: &str| {
        match field {
            "job" => format!("(id: \"{job}\")"),
            "jobLogs" | "jobVersions" | "pendingRuns" => format!("(jobId: \"{job}\")"),
            "execution" => format!("(id: \"{execution}\")"),
            "explainFireTime" => format!("(jobId: \"{job}\", at: {fired})"),
            "nodeLoad" => "(id: \"00000000-0000-0000-0000-00000000000a\")".to_owned(),
            "searchExecutions" => "(text: \"full\")".to_owned(),
            "calendar" => "(name: \"c\")".to_owned(),
            // Long enough for what fires each minute to fire often, and not for what fires each
            // hour.
            "agenda" => format!(
                "(to: \"{}\")",
                (chrono::Utc::now() + chrono::TimeDelta::hours(2))
                    .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
            ),
            "jobsPage" => "(first: 5)".to_owned(),
            // It counts no others.
            "executionsPage" => "(filter: {status: [RUNNING, RETRYING]})".to_owned(),
            "previewBackfill" => format!(
                "(id: \"{old}\", from: \"2020-01-01T00:00:00Z\", \
         to: \"2024-01-01T00:00:00Z\")"
            ),
            "previewSchedule" => {
                "(input: {name: \"x\", scheduleType: CRON, cronExpression: \"30 2 * * *\", \
             timeZone: \"Europe/Berlin\"})"
                    .to_owned()
            }
            _ => String::new(),
        }
    };
    let (mut seen, mut types) = (BTreeSet::new(), BTreeSet::new());
    for field in schema.types["Query"]["fields"].as_array().unwrap() {
        let (name, (kind, of, _)) = (field["name"].as_str().unwrap(), bare(&field["type"]));
        if kind != "OBJECT" {
            continue;
        }
        types.insert(of);
        let query = format!(
            "{{ {name}{} {} }}",
            arguments(name),
            selection(&schema, of, true)
        );
        let answer = node.data(&query, json!({})).await;
        match &answer[name] {
            Value::Array(rows) => rows
                .iter()
                .for_each(|row| note(&schema, of, row, &mut seen)),
            one => note(&schema, of, one, &mut seen),
        }
    }
    let mut empty = Vec::new();
    let mut open: Vec<&str> = types.iter().copied().collect();
    while let Some(of) = open.pop() {
        for field in fields(&schema, of) {
            let name = format!("{of}.{}", field["name"].as_str().unwrap());
            let (kind, inner, _) = bare(&field["type"]);
            if kind == "OBJECT" && types.insert(inner) {
                open.push(inner);
            }
            let is_elsewhere = |names: &[&str]| names.contains(&name.as_str());
            if !seen.contains(&name)
                && !is_elsewhere(&AFTER_A_RESTORE)
                && !is_elsewhere(&OF_USERS)
                && !is_elsewhere(&WITHOUT_AN_EXECUTION)
                && !is_elsewhere(&WITHOUT_A_SESSION)
            {
                empty.push(name);
            }
        }
    }
    assert!(empty.is_empty(), "always empty: {empty:?}");
}

#[actix::test]
async fn a_list_shows_of_its_rows_what_the_query_of_one_of_them_shows() {
    let (node, schema) = populated().await;
    let lists: [(&str, &str, &[&str]); 3] = [
        (
            "Job",
            "job",
            &[
                "{ jobs ROW }",
                "{ jobsPage { nodes ROW } }",
                "{ jobsPage { edges { node ROW } } }",
            ],
        ),
        ("Calendar", "calendar", &["{ calendars ROW }"]),
        (
            "JobExecutionLog",
            "execution",
            &[
                "{ jobLogs(jobId: \"FULL\") ROW }",
                "{ executionsPage { nodes ROW } }",
                "{ executionsPage { edges { node ROW } } }",
                "{ executionsPage(filter: {status: [SKIPPED]}) { nodes ROW } }",
                "{ jobs { executions { nodes ROW } } }",
                "{ job(id: \"FULL\") { recentExecutions ROW } }",
                "{ jobs { recentExecutions(count: 5) ROW } }",
                "{ jobs { executions(filter: {kind: [SCHEDULE]}) { edges { node ROW } } } }",
                "{ job(id: \"FULL\") { executions(first: 10) { nodes ROW } } }",
            ],
        ),
    ];
    let full = first(
        &node,
        "jobsPage(filter: {search: \"full\"}) { nodes { id } }",
    )
    .await;
    for (of, one, lists) in lists {
        let key = if of == "Calendar" { "name" } else { "id" };
        let selection = selection(&schema, of, false);
        for list in lists {
            let query = list.replace("FULL", &full).replace("ROW", &selection);
            let found = rows(&node.data(&query, json!({})).await, key);
            assert!(!found.is_empty(), "{query}");
            for row in &found {
                let query = format!("{{ row: {one}({key}: {}) {selection} }}", row[key]);
                assert_eq!(*row, node.data(&query, json!({})).await["row"], "{list}");
            }
        }
    }
}

/// The objects of an answer that are no more than leaves.
fn rows(answer: &Value, key: &str) -> Vec<Value> {
    let (mut open, mut rows) = (vec![answer], Vec::new());
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) if fields.contains_key(key) => rows.push(value.clone()),
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    rows
}
