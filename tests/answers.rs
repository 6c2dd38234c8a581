//! Answers: their media type, their errors, and values that a node does not tell.

use crate::admission::numbered;
use crate::api_node::ApiNode;
use serde_json::{Value, json};
use std::io::Read;

#[actix::test]
async fn errors_are_few_and_short() {
    let node = ApiNode::start().await;
    for query in [
        format!(
            "{{ {} }}",
            numbered(600, |n| format!("f{n}unknown{}", "x".repeat(40)))
        ),
        format!("{{ jobs {{ {} }} }}", numbered(600, |n| format!("jobb{n}"))),
        format!("{{ jobs {{ id(x: \"{}\") }} }}", "x".repeat(100_000)),
        format!(
            "{{ previewSchedule(input: {{name: \"x\", scheduleType: \"{}\"}}) {{ zone }} }}",
            "x".repeat(100_000)
        ),
        format!("{{ {} }}", "x".repeat(30_000)),
    ] {
        let answer = node.post(&query, json!({})).await;
        let errors = answer["errors"].as_array().unwrap();
        assert!((1..=20).contains(&errors.len()), "{}", errors.len());
        assert!(
            errors
                .iter()
                .all(|error| error["message"].as_str().unwrap().len() <= 500)
        );
        assert!(
            answer.to_string().len() < 20_000,
            "an answer as large as the request"
        );
    }
}

#[actix::test]
async fn a_query_that_is_known_only_by_its_hash_is_asked_for() {
    let node = ApiNode::start().await;
    let hash = "0".repeat(64);
    let request = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}});
    let post = node
        .http
        .post(format!("{}/graphql", node.url))
        .json(&request);
    let by_address = format!(
        "%7B%22persistedQuery%22%3A%7B%22version%22%3A1%2C%22sha256Hash%22%3A%22{hash}%22%7D%7D"
    );
    let get = node
        .http
        .get(format!("{}/graphql?extensions={by_address}", node.url));
    for request in [post, get] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["errors"][0]["message"], "PersistedQueryNotSupported");
        assert_eq!(
            answer["errors"][0]["extensions"]["code"],
            "PERSISTED_QUERY_NOT_SUPPORTED"
        );
    }
}

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

#[actix::test]
async fn an_answer_has_the_media_type_that_the_client_reads_and_its_status() {
    let node = ApiNode::start().await;
    for (accept, expected) in [
        (None, JSON),
        (Some("*/*"), JSON),
        (Some(JSON), JSON),
        (Some(GRAPHQL), GRAPHQL),
        (
            Some("application/graphql-response+json, application/json;q=0.9"),
            GRAPHQL,
        ),
    ] {
        let refused = if expected == GRAPHQL { 400 } else { 200 };
        for (body, status, holds_data) in [
            (r#"{"query":"{ cluster { version } }"}"#, 200, true),
            (
                r#"{"query":"mutation { deleteJob(id: \"0199d0a5-0000-7000-8000-000000000000\") }"}"#,
                200,
                true,
            ),
            (r#"{"query":"{ nonsense }"}"#, refused, false),
            (r#"{"query":"{"}"#, refused, false),
            (
                r#"{"query":"query($id: ID!) { job(id: $id) { id } }"}"#,
                refused,
                false,
            ),
            (r#"{"qeury":"{ cluster { version } }"}"#, refused, false),
            (r#"{"query":7}"#, refused, false),
            ("{", 400, false),
            ("", 400, false),
        ] {
            let mut request = node
                .http
                .post(format!("{}/graphql", node.url))
                .header("content-type", JSON)
                .body(body);
            if let Some(accept) = accept {
                request = request.header("accept", accept);
            }
            let answer = request.send().await.unwrap();
            let said = (
                answer.status().as_u16(),
                answer.headers()["content-type"].clone(),
            );
            assert_eq!(
                said,
                (status, expected.parse().unwrap()),
                "{accept:?} {body}"
            );
            let answer: Value = answer.json().await.unwrap();
            let answer = answer.as_object().unwrap();
            assert_eq!(
                answer.contains_key("data"),
                holds_data,
                "{body}: {answer:?}"
            );
            assert!(
                holds_data || !answer["errors"].as_array().unwrap().is_empty(),
                "{body}"
            );
        }
    }
}

#[actix::test]
async fn a_query_comes_by_get_too() {
    let node = ApiNode::start().await;
    let id = "0199d0a5-0000-7000-8000-000000000000";
    let address = format!(
        "{}/graphql?query=query(%24id%3AID!)%7Bjob(id%3A%24id)%7Bid%7D%7D",
        node.url
    );
    let address = format!("{address}&variables=%7B%22id%22%3A%22{id}%22%7D");
    let answer = node.http.get(&address).send().await.unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"data": {"job": null}})
    );
    let head = node.http.head(&address).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.text().await.unwrap().as_str()),
        (200, "")
    );

    for header in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ] {
        let foreign = node
            .http
            .get(&address)
            .header(header.0, header.1)
            .send()
            .await
            .unwrap();
        assert_eq!(foreign.status(), 403, "{header:?}");
    }
    let long = node
        .http
        .get(format!("{address}&x={}", "x".repeat(16 * 1024)))
        .send()
        .await
        .unwrap();
    assert_eq!(long.status(), 414);
    let nothing = node
        .http
        .get(format!("{}/graphql", node.url))
        .header("accept", GRAPHQL)
        .send()
        .await
        .unwrap();
    assert_eq!(nothing.status(), 400);
}

#[actix::test]
async fn a_browser_that_goes_to_the_api_is_sent_to_graphiql() {
    let node = ApiNode::start().await;
    let browser = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for (path, playground) in [
        ("/scheduler-instance/graphql", "../graphiql"),
        ("/graphql", "graphiql"),
    ] {
        let visit = browser
            .get(format!("{}{path}", node.url))
            .header("accept", "text/html,*/*;q=0.8");
        let answer = visit
            .header("sec-fetch-site", "cross-site")
            .send()
            .await
            .unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["location"]),
            (302, &playground.parse().unwrap())
        );
        assert!(
            node.url
                .parse::<url::Url>()
                .unwrap()
                .join(path)
                .unwrap()
                .join(playground)
                .unwrap()
                .path()
                == "/graphiql"
        );
    }
}

#[actix::test]
async fn a_long_answer_is_compressed_for_clients_that_accept_it() {
    let node = ApiNode::start().await;
    let ask = async |query: &str, encodings: Option<&str>| {
        let mut request = node
            .http
            .post(format!("{}/graphql", node.url))
            .json(&json!({"query": query}));
        if let Some(encodings) = encodings {
            request = request.header("accept-encoding", encodings);
        }
        let answer = request.send().await.unwrap();
        assert!(
            answer.headers()["vary"]
                .to_str()
                .unwrap()
                .contains("accept-encoding")
        );
        let encoding = answer
            .headers()
            .get("content-encoding")
            .map(|encoding| encoding.to_str().unwrap().to_owned());
        (encoding, answer.bytes().await.unwrap())
    };
    let long = "{ __schema { types { name description } } }";
    let (encoding, plain) = ask(long, None).await;
    assert_eq!(encoding, None);
    for refused in ["identity", "br", "gzip;q=0"] {
        assert_eq!(ask(long, Some(refused)).await.0, None, "{refused}");
    }
    let (encoding, compressed) = ask(long, Some("gzip, deflate, br, zstd")).await;
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(
        compressed.len() < plain.len() / 2,
        "{} of {}",
        compressed.len(),
        plain.len()
    );
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&*compressed)
        .read_to_end(&mut read)
        .unwrap();
    assert!(read == plain);
    assert_eq!(
        ask("{ cluster { version } }", Some("gzip")).await.0,
        None,
        "it is one packet in any case"
    );
}

#[actix::test]
async fn a_node_may_keep_its_schema_to_itself() {
    let node = ApiNode::start_with(&["--listen", "127.0.0.1:0", "--introspection", "off"]).await;
    for query in [
        "{ __schema { types { name } } }",
        "{ __type(name: \"Job\") { fields { name } } }",
    ] {
        let answer = node.post(query, json!({})).await;
        assert!(
            answer["data"]
                .as_object()
                .unwrap()
                .values()
                .all(Value::is_null),
            "{answer}"
        );
    }
    for query in [
        "{ jobz { id } }",
        "{ jobs { nane } }",
        "{ job(di: 1) { id } }",
        "query($i: IDD) { job(id: $i) { id } }",
    ] {
        let error = node.error(query, json!({})).await;
        assert!(
            !error["message"].as_str().unwrap().contains("Did you mean"),
            "{error}"
        );
    }
    assert_eq!(
        node.data("{ __typename jobs { __typename } }", json!({}))
            .await["__typename"],
        "Query"
    );
    for path in ["/graphiql", "/graphiql.html"] {
        assert_eq!(node.status(path).await, 404, "{path}");
    }
}
