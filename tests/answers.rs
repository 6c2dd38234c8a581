//! What answers look like: their media type, their errors, and what a node does not tell.

use crate::admission::numbered;
use crate::api_node::ApiNode;
use serde_json::{Value, json};

#[actix::test]
async fn errors_are_few_and_short() {
    let node = ApiNode::start().await;
    for query in [
        format!("{{ {} }}", numbered(600, |n| format!("f{n}unknown{}", "x".repeat(40)))),
        format!("{{ jobs {{ {} }} }}", numbered(600, |n| format!("jobb{n}"))),
        format!("{{ jobs {{ id(x: \"{}\") }} }}", "x".repeat(100_000)),
        format!("{{ previewSchedule(input: {{name: \"x\", scheduleType: \"{}\"}}) {{ zone }} }}", "x".repeat(100_000)),
        format!("{{ {} }}", "x".repeat(30_000)),
    ] {
        let answer = node.post(&query, json!({})).await;
        let errors = answer["errors"].as_array().unwrap();
        assert!((1..=20).contains(&errors.len()), "{}", errors.len());
        assert!(errors.iter().all(|error| error["message"].as_str().unwrap().len() <= 500));
        assert!(answer.to_string().len() < 20_000, "an answer as large as the request");
    }
}

#[actix::test]
async fn a_query_that_is_known_only_by_its_hash_is_asked_for() {
    let node = ApiNode::start().await;
    let hash = "0".repeat(64);
    let request = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}});
    let answer = node.http.post(format!("{}/graphql", node.url)).json(&request).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["errors"][0]["message"], "PersistedQueryNotSupported");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_SUPPORTED");
}

#[actix::test]
async fn an_answer_has_the_media_type_that_the_client_reads() {
    let node = ApiNode::start().await;
    let (json, graphql) = ("application/json", "application/graphql-response+json");
    for (accept, expected) in [
        (None, json),
        (Some("*/*"), json),
        (Some(json), json),
        (Some(graphql), graphql),
        (Some("application/graphql-response+json, application/json;q=0.9"), graphql),
    ] {
        for query in ["{ cluster { version } }", "{ nonsense }"] {
            let mut request = node.http.post(format!("{}/graphql", node.url)).json(&json!({"query": query}));
            if let Some(accept) = accept {
                request = request.header("accept", accept);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["content-type"]),
                (200, &expected.parse().unwrap())
            );
        }
    }
}

#[actix::test]
async fn a_node_may_keep_its_schema_to_itself() {
    let node = ApiNode::start_with(&["--listen", "127.0.0.1:0", "--introspection", "off"]).await;
    for query in ["{ __schema { types { name } } }", "{ __type(name: \"Job\") { fields { name } } }"] {
        let answer = node.post(query, json!({})).await;
        assert!(answer["data"].as_object().unwrap().values().all(Value::is_null), "{answer}");
    }
    for query in
        ["{ jobz { id } }", "{ jobs { nane } }", "{ job(di: 1) { id } }", "query($i: IDD) { job(id: $i) { id } }"]
    {
        let error = node.error(query, json!({})).await;
        assert!(!error["message"].as_str().unwrap().contains("Did you mean"), "{error}");
    }
    assert_eq!(node.data("{ __typename jobs { __typename } }", json!({})).await["__typename"], "Query");
    for path in ["/graphiql", "/graphiql.html"] {
        assert_eq!(node.status(path).await, 404, "{path}");
    }
}
