//! The OpenAPI document is what the node does: each documented call, field and answer, and no other.

use super::{call, join};
use crate::api_node::ApiNode;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

async fn document(node: &ApiNode) -> Value {
    let url = format!("{}/workers/openapi.json", node.url);
    let answer = node.http.get(url).send().await.unwrap();
    answer.json().await.unwrap()
}

/// The schema, behind its reference.
fn schema<'d>(document: &'d Value, of: &'d Value) -> &'d Value {
    match of["$ref"].as_str() {
        Some(place) => document.pointer(&place[1..]).expect(place),
        None => of,
    }
}

fn names(of: &Value) -> BTreeSet<&str> {
    let object: Option<&Map<String, Value>> = of.as_object();
    object
        .into_iter()
        .flatten()
        .map(|(name, _)| &**name)
        .collect()
}

/// Asserts that a value has exactly the properties of its schema, and so its members.
fn assert_is(document: &Value, of: &Value, value: &Value, place: &str) {
    let of = schema(document, of);
    if let Some(items) = of.get("items") {
        for member in value.as_array().expect(place) {
            assert_is(document, items, member, place);
        }
    }
    let properties = &of["properties"];
    if properties.is_object() {
        assert_eq!(names(value), names(properties), "{place}: {value}");
        for (name, of) in properties.as_object().unwrap() {
            assert_is(document, of, &value[name], &format!("{place}.{name}"));
        }
    }
}

/// The schema of a body or an answer.
fn json_schema(of: &Value) -> &Value {
    &of["content"]["application/json"]["schema"]
}

/// Sends the documented example, about this execution if there is one; the answer.
async fn post(node: &ApiNode, document: &Value, path: &str, at: [&str; 2]) -> Value {
    let [url, execution] = at;
    let operation = &document["paths"][path]["post"];
    let of = json_schema(&operation["requestBody"]);
    let example = &schema(document, of)["example"];
    assert_is(document, of, example, path);
    let schemas = &document["components"]["schemas"];
    let named = schemas["Release"]["example"]["executions"][0]["id"].as_str();
    let text = example.to_string().replace(named.unwrap(), execution);
    let body: Value = serde_json::from_str(&text).unwrap();
    let mut more = body.clone();
    more["undocumented"] = json!(1);
    let (status, _) = call(node, url, more).await;
    assert_eq!(status, 400, "{path}: another field");
    let (status, answer) = call(node, url, body).await;
    let responses = &operation["responses"];
    let of = json_schema(&responses[status.to_string()]);
    assert!(of.is_object(), "{path}: {status} {answer}");
    assert_is(document, of, &answer, path);
    answer
}

#[actix::test]
async fn the_document_describes_the_bodies_and_the_answers() {
    let node = ApiNode::start().await;
    let document = document(&node).await;
    let job = json!({"name": "job", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "target": {"handler": {"name": "report"}}});
    node.create(job).await;
    let nil = Uuid::nil().to_string();
    let joined = post(&node, &document, "/workers", ["/workers", &nil]).await;
    let worker = format!("/workers/{}", joined["id"].as_str().unwrap());
    let mut execution = nil;
    for name in ["poll", "heartbeat", "settle", "release"] {
        let (path, url) = (
            format!("/workers/{{id}}/{name}"),
            format!("{worker}/{name}"),
        );
        let answer = post(&node, &document, &path, [&url, &execution]).await;
        if let Some(id) = answer["executions"][0]["id"].as_str() {
            id.clone_into(&mut execution);
        }
    }
    assert_ne!(execution, Uuid::nil().to_string(), "the poll leased");
}

#[actix::test]
async fn the_document_describes_the_other_calls_and_no_more() {
    let node = ApiNode::start().await;
    let document = document(&node).await;
    let worker = join(&node).await;
    let paths = &document["paths"];
    let listed = node.http.get(format!("{}/workers", node.url)).send().await;
    let listed: Value = listed.unwrap().json().await.unwrap();
    let of = json_schema(&paths["/workers"]["get"]["responses"]["200"]);
    assert_is(&document, of, &listed, "GET /workers");
    let left = node.http.delete(format!("{}{worker}", node.url));
    let left: Value = left.send().await.unwrap().json().await.unwrap();
    let of = json_schema(&paths["/workers/{id}"]["delete"]["responses"]["200"]);
    assert_is(&document, of, &left, "DELETE");
    let wrong = json!({"name": "", "handlers": [], "slots": 1});
    let (_, problem) = call(&node, "/workers", wrong).await;
    let of = json!({"$ref": "#/components/schemas/Problem"});
    assert_is(&document, &of, &problem, "a problem");
    let methods = |path: &Value| ["post", "get", "delete"].map(|method| path[method].is_object());
    let described = paths.as_object().unwrap().values().flat_map(methods);
    assert_eq!(described.filter(|is_there| *is_there).count(), 7);
}
