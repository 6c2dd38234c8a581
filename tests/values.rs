//! Values come back as they were sent, from every list and at the target, or are refused with their
//! field.

use crate::api_node::ApiNode;
use crate::deliveries::Deliveries;
use crate::support::eventually;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use std::fmt::Write;

/// Random payloads beside those that were found by hand.
const RANDOM: u32 = 150;

const ALL_FIELDS: &str = "id name scheduleType cronExpression intervalSeconds initialDelaySeconds payload status version
    createdAt updatedAt nextFireTime description tags priority calendar timeZone dstGap dstOverlap pausedBecause startAt
    endAt maxRuns jitterSeconds misfirePolicy misfireGraceSeconds catchUpWindowSeconds maxCatchUp overlapPolicy
    timeoutSeconds retry { maxAttempts initialBackoffSeconds maxBackoffSeconds multiplier } pauseOnFailure keepExecutions
    target recovery maxRecoveries";

/// Numbers as they are written: no reader of JSON in between has a say.
fn number() -> impl Strategy<Value = String> {
    let by_hand = [
        "0",
        "-0",
        "-0.0",
        "0.10",
        "1.7976931348623157e308",
        "5e-324",
        "1e400",
        "-1e-400",
        "2.27e-29",
        "9.26e25",
        "94.52706955539223",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "1E5",
        "1e+05",
        "0.1000000000000000055511151231257827021181583404541015625",
    ];
    prop_oneof![
        prop::sample::select(by_hand.to_vec()).prop_map(str::to_owned),
        any::<f64>()
            .prop_filter("JSON has no others", |float| float.is_finite())
            .prop_map(|float| format!("{float:e}")),
        any::<i64>().prop_map(|int| int.to_string()),
        "-?[1-9][0-9]{0,60}",
        "-?(0|[1-9][0-9]{0,20})\\.[0-9]{1,30}([eE][+-]?[0-9]{1,3})?",
    ]
}

fn string() -> impl Strategy<Value = String> {
    // Not the names that serde_json keeps for itself: this test reads with it.
    let odd = ["$var", "\u{7f}\u{85}\u{202e}", "\0", "\\u0000"];
    prop_oneof![
        any::<String>(),
        prop::sample::select(odd.to_vec()).prop_map(str::to_owned)
    ]
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// JSON text, with keys that may come twice.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => number(),
        2 => string().prop_map(|text| quoted(&text)),
        1 => prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ];
    let tree = leaf.prop_recursive(8, 64, 6, |inner| {
        let field =
            (string(), inner.clone()).prop_map(|(key, value)| format!("{}: {value}", quoted(&key)));
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec(field, 0..6)
                .prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    });
    (tree, prop_oneof![9 => 0_usize..4, 1 => 50_usize..200])
        .prop_map(|(json, deep)| format!("{}{json}{}", "[".repeat(deep), "]".repeat(deep)))
}

async fn post(node: &ApiNode, query: &str, variables: &str) -> Value {
    let body = format!(r#"{{"query":{},"variables":{variables}}}"#, quoted(query));
    let request = node
        .http
        .post(format!("{}/graphql", node.url))
        .header("content-type", "application/json");
    request
        .body(body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

/// The job that hands the payload to the target, or why it is refused.
async fn create(node: &ApiNode, url: &str, payload: &str) -> Result<String, String> {
    let input = format!(
        r#"{{"input": {{"name": "p", "scheduleType": "FIXED_RATE", "intervalSeconds": 86400, "initialDelaySeconds": 86400,
            "target": {{"http": {{"url": "{url}"}}}}, "payload": {payload}}}}}"#
    );
    let query = "mutation($input: CreateJobInput!) { createJob(input: $input) { id payload } }";
    let answer = post(node, query, &input).await;
    let job = &answer["data"]["createJob"];
    if let Some(id) = job["id"].as_str() {
        assert_eq!(parsed(job["payload"].as_str()), parsed(Some(payload)));
        return Ok(id.to_owned());
    }
    let error = &answer["errors"][0];
    assert_eq!(
        error["extensions"],
        json!({"code": "BAD_USER_INPUT", "field": "payload"}),
        "{payload}: {answer}"
    );
    Err(error["message"].as_str().unwrap().to_owned())
}

/// JSON with every digit of its numbers; none for `null`.
fn parsed(text: Option<&str>) -> Option<Value> {
    Some(serde_json::from_str(text?).unwrap()).filter(|value| *value != Value::Null)
}

fn random_payloads() -> Vec<String> {
    let seed = RngSeed::Fixed(17);
    let mut runner = TestRunner::new(Config {
        rng_seed: seed,
        ..Config::default()
    });
    (0..RANDOM)
        .map(|_| json_text().new_tree(&mut runner).unwrap().current())
        .collect()
}

/// What stands in `docs/decisions/0030` as refused.
fn may_be_refused(why: &str) -> bool {
    ["U+0000", "levels deep", "too deep", "twice"]
        .iter()
        .any(|reason| why.contains(reason))
}

#[actix::test]
async fn a_payload_is_refused_with_its_field_or_is_equal_everywhere() {
    let (node, target) = (ApiNode::start().await, Deliveries::start());
    let mut payloads = random_payloads();
    payloads.extend(
        [
            r#"{"v": 1.7976931348623157e308}"#,
            "[2.27e-29, 94.52706955539223, -98.48373126149461, 9.26e25]",
            r#"{"v": -0.0}"#,
            "12345678901234567890123",
            r#"{"b": 1, "a": 2, "": {}}"#,
        ]
        .map(str::to_owned),
    );
    let (mut kept, mut refused) = (Vec::new(), 0);
    for (number, payload) in payloads.iter().enumerate() {
        match create(&node, &format!("{}/{number}", target.url), payload).await {
            Ok(id) => kept.push((id, number, payload)),
            Err(why) => {
                assert!(may_be_refused(&why), "{payload}: {why}");
                refused += 1;
            }
        }
    }
    assert!(
        kept.len() > 60 && refused > 10,
        "{} kept, {refused} refused",
        kept.len()
    );

    let lists = node
        .data(
            "{ jobs { id payload } jobsPage(first: 200) { nodes { id payload } } }",
            json!({}),
        )
        .await;
    for (id, number, payload) in &kept {
        let sent = parsed(Some(payload));
        let query =
            "query($id: ID!) { job(id: $id) { payload } jobVersions(jobId: $id) { definition } }";
        let answer = node.data(query, json!({"id": id})).await;
        assert_eq!(parsed(answer["job"]["payload"].as_str()), sent);
        let version = &answer["jobVersions"][0]["definition"]["payload"];
        assert_eq!(
            Some(version).filter(|version| !version.is_null()),
            sent.as_ref(),
            "in the version"
        );
        for list in [&lists["jobs"], &lists["jobsPage"]["nodes"]] {
            let job = list
                .as_array()
                .unwrap()
                .iter()
                .find(|job| job["id"] == id.as_str())
                .unwrap();
            assert_eq!(parsed(job["payload"].as_str()), sent, "in a list");
        }
        node.data(
            "mutation($id: ID!) { runJobNow(id: $id) }",
            json!({"id": id}),
        )
        .await;
        let path = format!("/{number}");
        let delivered = eventually("the payload arrives", async || {
            target.to(&path).into_iter().next()
        })
        .await;
        let body = Some(delivered.body.as_str()).filter(|body| !body.is_empty());
        assert_eq!(parsed(body), sent, "at the target");
        assert_eq!(
            body,
            answer["job"]["payload"]
                .as_str()
                .filter(|text| *text != "null")
        );
    }
}

/// What arrives is the text that was sent, without the white space: also under the names that
/// `serde_json` keeps for itself, and in the order of the keys.
#[actix::test]
async fn a_payload_arrives_as_the_text_that_was_sent() {
    let (node, target) = (ApiNode::start().await, Deliveries::start());
    let payload = r#"{"b":[1.0,1e+400,-0.0],"a":{"$serde_json::private::Number":"1"},"$serde_json::private::RawValue":"[1]"}"#;
    let input = format!(
        r#"{{"input": {{"name": "p", "scheduleType": "FIXED_RATE", "intervalSeconds": 86400, "target": {{"http": {{"url": "{}/x"}}}},
            "payload": {payload}}}}}"#,
        target.url
    );
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id payload } }";
    assert_eq!(
        post(&node, create, &input).await["data"]["createJob"]["payload"],
        payload
    );
    let literal = format!(
        r#"mutation {{ createJob(input: {{name: "q", scheduleType: FIXED_RATE, intervalSeconds: 86400,
            target: {{http: {{url: "{}/y"}}}}, payload: {{b: [1.0, 1e400, -0.0, 18446744073709551616]}}}}) {{ id }} }}"#,
        target.url
    );
    node.data(&literal, json!({})).await;
    for (path, sent) in [
        ("/x", payload),
        ("/y", r#"{"b":[1.0,1e+400,-0.0,18446744073709551616]}"#),
    ] {
        let delivered = eventually("the payload arrives", async || {
            target.to(path).into_iter().next()
        })
        .await;
        assert_eq!(delivered.body, sent);
    }
}

/// The whole job as one command or query answers it.
async fn job(node: &ApiNode, id: &Value) -> Value {
    let query = format!("query($id: ID!) {{ job(id: $id) {{ {ALL_FIELDS} }} }}");
    node.data(&query, json!({"id": id})).await["job"].take()
}

fn inputs() -> Vec<Value> {
    let input = |change: Value| {
        let mut input = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60, "initialDelaySeconds": 9});
        input
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        input
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        input
    };
    let cron =
        json!({"scheduleType": "CRON", "intervalSeconds": null, "initialDelaySeconds": null});
    let cron = |change: Value| {
        let mut cron = cron.clone();
        cron.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        input(cron)
    };
    vec![
        input(
            json!({"name": "  spaces and \u{202e}bidi \u{a0}", "description": " \n two\tlines ", "tags": [" a ", "B", "a,b", " a "]}),
        ),
        input(
            json!({"startAt": "2031-01-01T00:00:00.001+05:45", "endAt": "9999-12-31T23:59:59.999Z", "maxRuns": 2_147_483_647}),
        ),
        input(
            json!({"startAt": "1969-12-31T23:59:59.999Z", "endAt": "2200-06-01T00:00:00Z", "initialDelaySeconds": 316_224_000}),
        ),
        input(json!({"startAt": "0001-01-01T00:00:00Z"})),
        input(json!({"startAt": "8999-12-31T23:59:59.999Z", "intervalSeconds": 316_224_000})),
        input(
            json!({"retry": {"maxAttempts": 3, "multiplier": 1.000_000_000_000_000_2}, "jitterSeconds": 60}),
        ),
        input(
            json!({"retry": {"multiplier": 94.527_069_555_392_23, "initialBackoffSeconds": 0}, "priority": 0}),
        ),
        input(
            json!({"payload": {"b": 1, "a": [1.0, 1e25]}, "target": {"http": {"url": "HTTP://EXAMPLE.com:80/ä b/../c?q=ü#frag",
            "headers": {"X-B": "1 \t2", "x-a": ""}, "body": " \r\n\u{7}ä", "method": "PUT", "timeoutSeconds": 3600}}}),
        ),
        input(
            json!({"target": {"noop": {"sleepMillis": 86_400_000}}, "recovery": "MARK_LOST", "maxRecoveries": 0}),
        ),
        cron(
            json!({"cronExpression": " 0  9 * * MON-fri ", "timeZone": "europe/BERLIN", "dstGap": "SKIP"}),
        ),
        cron(json!({"cronExpression": "@daily", "startAt": "2199-12-30T00:00:00Z"})),
        cron(json!({"cronExpression": "H H * * *", "endAt": "9999-12-31T23:59:59Z"})),
        input(
            json!({"scheduleType": "ONCE", "intervalSeconds": null, "initialDelaySeconds": null, "startAt": "8999-12-31T23:59:59.999Z"}),
        ),
        input(json!({"scheduleType": "FIXED_DELAY", "startAt": "8999-12-31T23:59:59.999Z"})),
    ]
}

#[actix::test]
async fn what_a_command_answers_is_what_is_read_afterwards() {
    let node = ApiNode::start().await;
    let create = format!(
        "mutation($input: CreateJobInput!) {{ createJob(input: $input) {{ {ALL_FIELDS} }} }}"
    );
    let many = format!(
        "mutation($inputs: [CreateJobInput!]!) {{ createJobs(inputs: $inputs) {{ {ALL_FIELDS} }} }}"
    );
    let update = format!(
        "mutation($id: ID!, $input: CreateJobInput!) {{ updateJob(id: $id, input: $input, version: 0) {{ {ALL_FIELDS} }} }}"
    );
    let inputs = inputs();
    for (number, input) in inputs.iter().enumerate() {
        let mut created = node.data(&create, json!({"input": input})).await["createJob"].take();
        assert_eq!(created, job(&node, &created["id"]).await, "{input}");
        if let Some(multiplier) = input.pointer("/retry/multiplier") {
            assert_eq!(&created["retry"]["multiplier"], multiplier);
        }
        let next = &inputs[(number + 1) % inputs.len()];
        created = node
            .data(&update, json!({"id": created["id"], "input": next}))
            .await["updateJob"]
            .take();
        assert_eq!(
            created,
            job(&node, &created["id"]).await,
            "{input} became {next}"
        );
    }
    let created = node.data(&many, json!({"inputs": inputs})).await;
    for created in created["createJobs"].as_array().unwrap() {
        assert_eq!(*created, job(&node, &created["id"]).await);
    }
}

#[actix::test]
async fn an_instant_that_would_become_another_is_refused_with_its_field() {
    let node = ApiNode::start().await;
    let id = node
        .create(json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60}))
        .await;
    let once = "mutation($at: String) { createJob(input: {name: \"x\", scheduleType: ONCE, startAt: $at}) { id } }";
    let end = "mutation($at: String) { createJob(input: {name: \"x\", scheduleType: FIXED_RATE, intervalSeconds: 1, endAt: $at}) { id } }";
    let blackout =
        "mutation($at: String!) { createBlackout(input: {reason: \"x\", endsAt: $at}) { id } }";
    let starts = "mutation($at: String!) { createBlackout(input: {reason: \"x\", startsAt: $at, endsAt: \"2030-01-01T00:00:00Z\"}) { id } }";
    let backfill = format!(
        "mutation($at: String!) {{ backfillJob(id: \"{id}\", from: $at, to: \"2026-01-01T00:00:00Z\") {{ id }} }}"
    );
    let preview = format!(
        "query($at: String!) {{ previewBackfill(id: \"{id}\", from: \"2026-01-01T00:00:00Z\", to: $at) {{ count }} }}"
    );
    let from = "query($at: String!) { executionsPage(filter: {from: $at}) { nodes { id } } }";
    let to = "query($at: String!) { executionsPage(filter: {to: $at}) { nodes { id } } }";
    let cases = [
        ("startAt", once),
        ("endAt", end),
        ("endsAt", blackout),
        ("startsAt", starts),
        ("from", &backfill),
        ("to", &preview),
        ("filter.from", from),
        ("filter.to", to),
    ];
    for (field, query) in cases {
        for at in [
            "2029-12-31T23:59:60Z",
            "2029-12-31T23:59:59.0001Z",
            "0000-12-31T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "soon",
        ] {
            let error = node.error(query, json!({"at": at})).await;
            assert_eq!(
                error["extensions"],
                json!({"code": "BAD_USER_INPUT", "field": field}),
                "{at}: {error}"
            );
        }
    }
}

fn ordinary_job(number: usize) -> Value {
    json!({"name": format!("report {number}"), "scheduleType": "CRON", "cronExpression": "0 9 * * *", "timeZone": "Europe/Berlin",
        "payload": {"customer": format!("customer-{number:08}"), "report": "daily sales and returns of all regions, by hour and by shop"},
        "retry": {"maxAttempts": 5, "initialBackoffSeconds": 10, "maxBackoffSeconds": 600, "multiplier": 2.0},
        "target": {"http": {"url": format!("https://reports.example.com/api/v1/customers/{number:08}/reports"),
            "headers": {"Authorization": "Bearer 0123456789abcdef0123456789abcdef0123456789abcdef"}}}})
}

#[actix::test]
async fn a_thousand_ordinary_jobs_are_created_at_once_and_an_error_names_the_one_that_is_wrong() {
    let node = ApiNode::start().await;
    let create = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";
    let inputs: Vec<Value> = (0..1_000).map(ordinary_job).collect();
    assert!(json!(inputs).to_string().len() > 400_000);
    let created = node.data(create, json!({"inputs": inputs})).await;
    assert_eq!(created["createJobs"].as_array().unwrap().len(), 1_000);

    let wrong = [
        ("cronExpression", json!({"cronExpression": "0 0 31 2 *"})),
        ("startAt", json!({"startAt": "2029-12-31T23:59:60Z"})),
        ("calendar", json!({"calendar": "none"})),
        ("payload", json!({"payload": "a\u{0}b"})),
        (
            "target.http.url",
            json!({"target": {"http": {"url": "nowhere"}}}),
        ),
        (
            "target.http.headers",
            json!({"target": {"http": {"url": "http://a.example/", "headers": {"X-Team": 5}}}}),
        ),
        (
            "target.noop.sleepMillis",
            json!({"target": {"noop": {"sleepMillis": -1}}}),
        ),
        ("retry.multiplier", json!({"retry": {"multiplier": 0.5}})),
        ("name", json!({"name": "a\nb"})),
        ("intervalSeconds", json!({"intervalSeconds": "often"})),
        ("retry.maxAttempts", json!({"retry": {"maxAttempts": 1.5}})),
    ];
    for (field, change) in wrong {
        let mut inputs: Vec<Value> = (0..60).map(ordinary_job).collect();
        inputs[37]
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let error = node.error(create, json!({"inputs": inputs})).await;
        let field = format!("inputs.37.{field}");
        assert_eq!(
            error["extensions"],
            json!({"code": "BAD_USER_INPUT", "field": field}),
            "{error}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(&field),
            "{error}"
        );
    }
    let windows = json!({"name": "c", "excludeWindows": [{"from": "09:00", "to": "10:00"}, {"from": "9", "to": "10:00"}]});
    let calendar = "mutation($input: CalendarInput!) { createCalendar(input: $input) { name } }";
    let error = node.error(calendar, json!({"input": windows})).await;
    assert_eq!(error["extensions"]["field"], "excludeWindows.1.from");
}

#[actix::test]
async fn a_payload_of_exactly_256_kb_can_be_sent_edited_and_shown() {
    let node = ApiNode::start().await;
    let input = |bytes: usize| {
        let mut input = String::from(
            r#"{"input": {"name": "big", "scheduleType": "FIXED_RATE", "intervalSeconds": 60,
            "initialDelaySeconds": 3600, "payload": {"k":   ""#,
        );
        write!(
            input,
            "{}\"}} }}, \"id\": ",
            "x".repeat(bytes - r#"{"k":""}"#.len())
        )
        .unwrap();
        input
    };
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id payload } }";
    let update = "mutation($input: CreateJobInput!, $id: ID!) { updateJob(id: $id, input: $input, version: 0) { payload } }";
    let answer = post(&node, create, &format!("{}null}}", input(256 * 1024 + 1))).await;
    assert_eq!(
        answer["errors"][0]["extensions"],
        json!({"code": "BAD_USER_INPUT", "field": "payload"})
    );

    let created = post(&node, create, &format!("{}null}}", input(256 * 1024))).await;
    let created = &created["data"]["createJob"];
    assert_eq!(
        created["payload"].as_str().unwrap().len(),
        256 * 1024,
        "compact"
    );
    let id = &created["id"];
    let edited = post(&node, update, &format!("{}{id}}}", input(256 * 1024))).await;
    assert_eq!(edited["data"]["updateJob"]["payload"], created["payload"]);
    let shown = node
        .data(
            "query($id: ID!) { job(id: $id) { payload } }",
            json!({"id": id}),
        )
        .await;
    assert_eq!(shown["job"]["payload"], created["payload"]);
}
