//! A payload is equal in every list and at the target, or is refused with its field.

use crate::api_node::ApiNode;
use crate::deliveries::Deliveries;
use crate::support::eventually;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use std::fmt::Write;

/// Number of random payloads, in addition to those found by hand.
const RANDOM: u32 = 150;

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
    // Without the names that serde_json reserves: this test reads with serde_json.
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

/// The job that sends the payload to the target, or the reason of its refusal.
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

/// The delivered text is the sent text without white space: also under the names that `serde_json`
/// reserves, and in the order of the keys.
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
    let update = "mutation($input: CreateJobInput!, $id: ID!) { updateJob(id: $id, input: $input, \
        version: 0) { payload } }";
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
