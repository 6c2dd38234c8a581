//! Values from outside: whatever the schema takes is judged before the database is asked, and named
//! in one form.

use crate::api_node::ApiNode;
use serde_json::{Map, Value, json};

const ODD: &str = "a\u{0}b";

const TYPES: &str = "{ __schema { types { kind name
    fields { name args { name defaultValue type { ...T } } type { ...T } }
    inputFields { name type { ...T } } enumValues { name } } } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The types of the schema by name, and a job that there is.
pub struct Schema {
    pub types: Map<String, Value>,
    job: String,
}

/// Values that are odd for a kind and name of type.
type Odd = fn(&str, &str) -> Vec<Value>;

/// A type without its `!` and `[]`, and whether it is a list.
pub fn bare(of: &Value) -> (&str, &str, bool) {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" => bare(&of["ofType"]),
        "LIST" => {
            let (kind, name, _) = bare(&of["ofType"]);
            (kind, name, true)
        }
        kind => (kind, of["name"].as_str().unwrap(), false),
    }
}

/// How a type is written.
fn written(of: &Value) -> String {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" => written(&of["ofType"]) + "!",
        "LIST" => format!("[{}]", written(&of["ofType"])),
        _ => of["name"].as_str().unwrap().to_owned(),
    }
}

impl Schema {
    pub async fn of(node: &ApiNode) -> Self {
        let answer = node.data(TYPES, json!({})).await;
        let types = answer["__schema"]["types"].as_array().unwrap();
        let types = types
            .iter()
            .map(|of| (of["name"].as_str().unwrap().to_owned(), of.clone()))
            .collect();
        let job = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600});
        Self {
            types,
            job: node.create(job).await,
        }
    }

    /// A value of the type that the API takes.
    fn fine(&self, of: &Value) -> Value {
        let (kind, name, list) = bare(of);
        let one = match (kind, name) {
            (_, "Int") => json!(1),
            (_, "Float") => json!(2.0),
            (_, "Boolean") => json!(true),
            (_, "ID") => json!(self.job),
            (_, "JSON") => json!({}),
            (_, "DateTime" | "String") => json!("2030-01-01T00:00:00Z"),
            ("ENUM", _) => self.types[name]["enumValues"][0]["name"].clone(),
            (_, "CreateJobInput") => {
                json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60})
            }
            (_, "HttpTargetInput") => json!({"url": "http://example.com/"}),
            (_, "DayWindowInput") => json!({"from": "22:00", "to": "06:00"}),
            (_, "CalendarInput" | "NamespaceInput") => json!({"name": "fine"}),
            (_, "CreateSecretInput" | "UpdateSecretInput") => {
                json!({"name": "fine", "value": "a long value", "hosts": ["a.example"]})
            }
            (_, "NamespaceRoleInput") => json!({"namespace": "default", "role": "VIEWER"}),
            (_, "BlackoutInput") => {
                json!({"reason": "x", "startsAt": "2030-01-01T00:00:00Z",
                    "endsAt": "2030-01-02T00:00:00Z"})
            }
            _ => json!({}),
        };
        if list { json!([one]) } else { one }
    }

    /// Each place in the type for such a value, with an otherwise valid value.
    fn odd(&self, path: &str, of: &Value, odd: Odd) -> Vec<(String, Value)> {
        let (kind, name, list) = bare(of);
        let path = &if list {
            format!("{path}.0")
        } else {
            path.to_owned()
        };
        let here = odd(kind, name)
            .into_iter()
            .map(|value| (path.clone(), value));
        let fields = self.types[name]["inputFields"]
            .as_array()
            .into_iter()
            .flatten();
        let inside = fields.flat_map(|field| {
            let key = field["name"].as_str().unwrap();
            let odd = self.odd(&format!("{path}.{key}"), &field["type"], odd);
            odd.into_iter()
                .map(move |(path, value)| (path, self.with(name, of, key, value)))
        });
        let listed = |(path, value)| (path, if list { json!([value]) } else { value });
        here.chain(inside).map(listed).collect()
    }

    fn with(&self, name: &str, of: &Value, key: &str, value: Value) -> Value {
        let bare = json!({"kind": "INPUT_OBJECT", "name": name});
        let fine = if name == "TargetInput" {
            json!({})
        } else {
            self.fine(&bare)
        };
        let mut fine = if fine.is_object() {
            fine
        } else {
            self.fine(of)
        };
        fine.as_object_mut().unwrap().insert(key.to_owned(), value);
        // They exclude each other.
        if key == "tag" || key == "jobId" {
            fine.as_object_mut()
                .unwrap()
                .retain(|other, _| other == key || !["tag", "jobId"].contains(&other.as_str()));
        }
        fine
    }
}

/// One field of an operation with its arguments as variables; the text of the request around it.
fn request(field: &Value, (before, after): (&str, &str)) -> String {
    let args = field["args"].as_array().unwrap();
    let name = |arg: &Value| arg["name"].as_str().unwrap().to_owned();
    let declared: Vec<String> = args
        .iter()
        .map(|arg| format!("${}: {}", name(arg), written(&arg["type"])))
        .collect();
    let passed: Vec<String> = args
        .iter()
        .map(|arg| format!("{0}: ${0}", name(arg)))
        .collect();
    let selection = if bare(&field["type"]).0 == "OBJECT" {
        "{ __typename }"
    } else {
        ""
    };
    let called = format!(
        "{}({}) {selection}",
        field["name"].as_str().unwrap(),
        passed.join(", ")
    );
    format!(
        "{} {called} {after}",
        before.replace("()", &format!("({})", declared.join(", ")))
    )
}

/// Sends such a value to every place of the schema that takes it, one at a time, and expects a
/// refusal that names the place; returns the number of places.
async fn each_is_refused_with_its_field(odd: Odd) -> usize {
    let node = ApiNode::start().await;
    let schema = Schema::of(&node).await;
    let of_job = format!("query() {{ job(id: \"{}\") {{", schema.job);
    let places = [
        ("Query", ("query() {", "}")),
        ("Mutation", ("mutation() {", "}")),
        ("Job", (of_job.as_str(), "} }")),
    ];
    let mut tried = 0;
    for (of, around) in places {
        for field in schema.types[of]["fields"].as_array().unwrap() {
            let args = field["args"].as_array().unwrap();
            let required = args.iter().filter(|arg| arg["type"]["kind"] == "NON_NULL");
            let fine = |arg: &Value| {
                let name = arg["name"].as_str().unwrap().to_owned();
                let value = match name.as_str() {
                    "namespace" => json!("default"),
                    _ => schema.fine(&arg["type"]),
                };
                (name, value)
            };
            let fine: Map<String, Value> = required.map(fine).collect();
            for arg in args {
                let name = arg["name"].as_str().unwrap();
                for (path, odd) in schema.odd(name, &arg["type"], odd) {
                    // Arguments that no resolver reads.
                    let unread = path == "input.name" && field["name"] == "previewSchedule";
                    if unread || path.ends_with("target.log.level") {
                        continue;
                    }
                    let mut variables = fine.clone();
                    variables.insert(name.to_owned(), odd);
                    let answer = node
                        .post(&request(field, around), Value::Object(variables))
                        .await;
                    let refusal = &answer["errors"][0]["extensions"];
                    let expected = path.strip_prefix("input.").unwrap_or(&path);
                    let place = format!("{of}.{} {path}: {answer}", field["name"]);
                    assert_eq!(
                        *refusal,
                        json!({"code": "BAD_USER_INPUT", "field": expected}),
                        "{place}"
                    );
                    tried += 1;
                }
            }
        }
    }
    tried
}

#[actix::test]
async fn an_odd_text_anywhere_in_the_schema_is_refused_with_its_field() {
    let tried = each_is_refused_with_its_field(|_, name| match name {
        "String" | "ID" | "DateTime" => vec![json!(ODD)],
        "JSON" => vec![json!({ODD: "x"}), json!({"x": ODD})],
        _ => Vec::new(),
    });
    assert!(tried.await > 100, "places in the schema that take a text");
}

#[actix::test]
async fn a_value_of_a_wrong_type_is_refused_with_its_field_everywhere() {
    let tried = each_is_refused_with_its_field(|kind, name| match (kind, name) {
        (_, "JSON") => Vec::new(),
        (_, "Int") => vec![json!(1.5), json!(2_147_483_648_i64), json!("1")],
        (_, "ID" | "String") => vec![json!(1.5), json!({})],
        (_, "DateTime") => vec![json!(1.5), json!({}), json!("tomorrow")],
        ("SCALAR" | "ENUM", _) => vec![json!("GONE"), json!({})],
        _ => vec![json!("x"), json!(1)],
    });
    assert!(tried.await > 300, "places in the schema that take a value");
}

#[actix::test]
async fn half_of_a_character_is_refused_in_a_query_and_in_a_variable() {
    let node = ApiNode::start().await;
    for half in [r"\\ud800", r"\\uDFFF", r"\\ud83d\\ude00", r"\ud800"] {
        let body = format!(r#"{{"query":"{{ calendar(name: \"{half}\") {{ name }} }}"}}"#);
        let post = node
            .http
            .post(format!("{}/graphql", node.url))
            .header("content-type", "application/json");
        let answer: Value = post.body(body).send().await.unwrap().json().await.unwrap();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{half}: {answer}"
        );
    }
}
