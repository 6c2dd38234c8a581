//! Spans, as a collector gets them (feature `otel`).

use super::node_process::NodeProcess;
use crate::deliveries::Deliveries;
use crate::http_client::http_client;
use crate::support::{TestDatabase, eventually};
use actix_web::{App, HttpResponse, HttpServer, web};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

type Spans = Arc<Mutex<Vec<Value>>>;

/// A collector that takes OTLP as JSON; returns its address.
fn collector(spans: &Spans) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let spans = spans.clone();
    let take = |spans: web::Data<Mutex<Vec<Value>>>, batch: web::Json<Value>| async move {
        for resource in batch["resourceSpans"].as_array().unwrap() {
            for scope in resource["scopeSpans"].as_array().unwrap() {
                spans
                    .lock()
                    .unwrap()
                    .extend(scope["spans"].as_array().unwrap().iter().cloned());
            }
        }
        HttpResponse::Ok().json(json!({}))
    };
    let app = move || {
        App::new()
            .app_data(web::Data::from(spans.clone()))
            .route("/v1/traces", web::post().to(take))
    };
    actix::spawn(
        HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run(),
    );
    url
}

const CALLER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[actix::test]
async fn a_call_a_fire_time_its_attempts_and_the_webhook_are_one_story() {
    let (database, spans, target) = (
        TestDatabase::new().await,
        Spans::default(),
        Deliveries::start(),
    );
    let collector = collector(&spans);
    let variables = [
        ("DATABASE_URL", database.url()),
        ("HOROLOG_DRAIN_DELAY", "0s"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--http-allow",
        "127.0.0.0/8",
    ];
    let mut node = NodeProcess::start("node-1", &arguments, &variables);
    let line = node.says("serving").await;
    let url = line
        .split("url=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    let post = async |query: &str, variables: Value| -> Value {
        let request = http_client()
            .post(format!("{url}/graphql"))
            .json(&json!({"query": query, "variables": variables}));
        let request = request.header("traceparent", format!("00-{CALLER}-00f067aa0ba902b7-01"));
        request.send().await.unwrap().json().await.unwrap()
    };
    let input = json!({"name": "traced", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "initialDelaySeconds": 3600,
        "target": {"http": {"url": format!("{}/traced", target.url)}}});
    let created = post(
        "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }",
        json!({"input": input}),
    )
    .await;
    post(
        "mutation Now($id: ID!) { runJobNow(id: $id) }",
        json!({"id": created["data"]["createJob"]["id"]}),
    )
    .await;

    let delivery = eventually("it is called", async || {
        target.to("/traced").into_iter().next()
    })
    .await;
    let trace = delivery.execution_id.replace('-', "");
    let named = |name: &str, trace: &str| {
        let spans = spans.lock().unwrap();
        spans
            .iter()
            .find(|span| span["name"] == name && span["traceId"] == trace)
            .cloned()
    };
    let fire = eventually("the fire arrives", async || named("fire", &trace)).await;
    let attempt = eventually("the attempt arrives", async || named("attempt", &trace)).await;
    let wait = eventually("the wait arrives", async || named("wait", &trace)).await;

    assert_eq!(
        (&attempt["parentSpanId"], &wait["parentSpanId"]),
        (&fire["spanId"], &fire["spanId"])
    );
    let sent = delivery.traceparent.split('-').collect::<Vec<_>>();
    assert_eq!(
        (sent[1], sent[2]),
        (trace.as_str(), attempt["spanId"].as_str().unwrap()),
        "the target goes on from it"
    );
    let linked = || {
        let spans = spans.lock().unwrap();
        let links = |span: &&Value| {
            span["links"][0]["traceId"] == trace && span["links"][0]["spanId"] == fire["spanId"]
        };
        spans.iter().find(links).cloned()
    };
    let call = eventually("the call arrives", async || linked()).await;
    assert_eq!(
        (&call["traceId"], &call["parentSpanId"]),
        (&json!(CALLER), &json!("00f067aa0ba902b7"))
    );
    assert!(wait["endTimeUnixNano"].as_str() <= attempt["endTimeUnixNano"].as_str());

    node.signal(Signal::TERM);
    assert!(node.ended().await.success());
}

#[actix::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let database = TestDatabase::new().await;
    let variables = [
        ("DATABASE_URL", database.url()),
        ("HOROLOG_DRAIN_DELAY", "0s"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let mut node = NodeProcess::start("node-1", &["serve", "--listen", "127.0.0.1:0"], &variables);
    node.says("joined the cluster").await;
    let line = node.says("serving").await;
    let url = line
        .split("url=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    let create = json!({"query": "mutation { createJob(input: {name: \"untraced\", \
        scheduleType: FIXED_RATE, intervalSeconds: 1}) { id } }"});
    http_client()
        .post(format!("{url}/graphql"))
        .json(&create)
        .send()
        .await
        .unwrap();

    let client = database.client().await;
    let settled = "select count(*) from job_execution_log where status = 'SUCCESS'";
    eventually("it fires all the same", async || {
        let row = client.query_one(settled, &[]).await.unwrap();
        (row.get::<_, i64>(0) >= 3).then_some(())
    })
    .await;
    node.signal(Signal::TERM);
    assert!(node.ended().await.success());
}
