//! A request is judged before it is parsed deep: by POST, over sockets, and on a small stack.

use crate::api_node::ApiNode;
use crate::live::Socket;
use async_graphql::{Request, Variables};
use horolog::actors::job_manager::JobManager;
use horolog::actors::watchdog::Watchdog;
use horolog::api::{ApiSettings, Schema};
use horolog::clock::Clock;
use horolog::model::access::Caller;
use horolog::store::Store;
use horolog::store::db::database::Database;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a thread's stack: half of what a worker of the HTTP server has.
const STACK: usize = 1024 * 1024;
/// Brackets that a query may nest.
const NESTING: usize = 40;
/// Levels that a variable may have.
const VARIABLE_NESTING: usize = 100;
const PREVIEW: &str = "previewSchedule(input: {name: \"x\", scheduleType: CRON, \
    cronExpression: \"0 0 * * *\", payload: ";

/// A node's schema on a database that does not answer.
pub fn schema() -> Schema {
    let database = Database::parse(
        "postgresql://nobody@127.0.0.1:1/none",
        Duration::from_secs(1),
    )
    .unwrap();
    let store = Store::new(&database, 1, Duration::from_secs(1), Clock::Database);
    let jobs = actix::Actor::start(JobManager::new(store.clone(), &Watchdog::default()));
    horolog::api::schema(store, jobs, ApiSettings::default())
}

/// A request of a node without authentication.
pub fn anonymous(request: impl Into<Request>) -> Request {
    request.into().data(Arc::new(Caller::anonymous(None)))
}

/// Runs a test of the schema on half of a worker's stack.
fn on_a_small_stack(test: impl AsyncFnOnce(Schema) + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK);
    let run = move || actix::System::new().block_on(async { test(schema()).await });
    thread.spawn(run).unwrap().join().expect("the test passes");
}

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

/// That many of something.
pub fn numbered(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(" ")
}

/// `count` fragments, each with `spreads` spreads of the next.
fn chain(count: usize, spreads: usize) -> String {
    let next = |n: usize| {
        if n + 1 == count {
            "__typename ".into()
        } else {
            format!("...f{} ", n + 1).repeat(spreads)
        }
    };
    let fragments = numbered(count, |n| {
        format!("fragment f{n} on Query {{ {} }}", next(n))
    });
    format!("query {{ {} }} {fragments}", "...f0 ".repeat(spreads))
}

/// Requests that ended or wedged a node, each with a word of its refusal.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn fatal() -> Vec<(String, &'static str)> {
    let list = nested("[", "1", "]", 2_000);
    let conflicts = format!(
        "{{ jobs {{ {} }} }}",
        nested("... {", &"id(x: 1) id(x: 2) ".repeat(100), "}", 30)
    );
    vec![
        (format!("{{ jobs(x: {list}) {{ id }} }}"), "nested"),
        (
            format!("{{ jobs(x: {}) {{ id }} }}", nested("{a:", "1", "}", 2_000)),
            "nested",
        ),
        (
            format!("query($v: JSON = {list}) {{ jobs {{ id }} }}"),
            "nested",
        ),
        (
            format!(
                "query($v: {}) {{ jobs {{ id }} }}",
                nested("[", "Int", "]", 2_000)
            ),
            "nested",
        ),
        (
            format!(
                "{{ {PREVIEW}{}}}) {{ description }} }}",
                nested("[", "", "]", 3_000)
            ),
            "nested",
        ),
        (format!("{{ jobs @skip(if: {list}) {{ id }} }}"), "nested"),
        (nested("{ jobs ", "id", "}", 2_000), "nested"),
        (nested("{ ... ", "id", "}", 2_000), "nested"),
        (chain(20, 10), "20 fields"),
        (chain(150, 2), "20 fields"),
        (
            chain(20, 10)
                .replacen("query {", "query { jobs {", 1)
                .replacen('}', "} }", 1),
            "expanded",
        ),
        (
            chain(150, 2)
                .replacen("query {", "query { jobs {", 1)
                .replacen('}', "} }", 1),
            "expanded",
        ),
        (chain(50, 1), "levels"),
        (
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".into(),
            "spreads itself",
        ),
        (conflicts, "different arguments"),
        (
            format!("{{ {} }}", numbered(490, |n| format!("a{n}: __typename"))),
            "20 fields",
        ),
        (
            format!("{{ {} }}", "__typename ".repeat(1_900)),
            "20 fields",
        ),
        (format!("{{ {} }}", "x ".repeat(100_000)), "tokens"),
        (
            format!(
                "{{ jobs {{ {} }} }}",
                numbered(490, |n| format!("a{n}: id"))
            ),
            "aliases",
        ),
        (
            format!("{{ jobs {{ {} }} }}", "id @skip(if: false) ".repeat(150)),
            "directives",
        ),
        (
            "query($v: [Nothing] = 1) { jobs { id } }".into(),
            "Unknown type",
        ),
        ("{ jobs(x: \"".into(), "no end"),
    ]
}

fn assert_refused(errors: &Value, word: &str, query: &str) {
    let start = &query[..query.len().min(80)];
    assert_eq!(
        errors[0]["extensions"]["code"], "BAD_USER_INPUT",
        "{start}: {errors}"
    );
    assert!(
        errors[0]["message"].as_str().unwrap().contains(word),
        "{start}: {errors}"
    );
    assert_eq!(errors.as_array().unwrap().len(), 1, "{start}: {errors}");
}

#[actix::test]
async fn no_request_ends_or_wedges_a_node() {
    let node = ApiNode::start().await;
    let mut socket = Socket::open(&node.url, None).await.unwrap();
    for (number, (query, word)) in fatal().into_iter().enumerate() {
        let begun = Instant::now();
        assert_refused(&node.post(&query, json!({})).await["errors"], word, &query);
        // The socket takes shorter messages than POST.
        if query.len() < 60_000 {
            socket.subscribe(&number.to_string(), &query).await;
            let answer = socket.next().await;
            let errors = if answer["type"] == "error" {
                &answer["payload"]
            } else {
                &answer["payload"]["errors"]
            };
            assert_refused(errors, word, &query);
            if answer["type"] == "next" {
                assert_eq!(socket.next().await["type"], "complete");
            }
        }
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{word} took {:?}",
            begun.elapsed()
        );
    }
    assert_eq!(node.status("/healthz").await, 200);
}

#[test]
fn an_admitted_query_fits_on_a_small_stack() {
    on_a_small_stack(async |schema| {
        let spare = NESTING - 3; // brackets around a value
        let list = nested("[", "1", "]", spare);
        let object = nested("{a:", "1", "}", spare);
        let mixed = nested("[{a:", "1", "}]", spare / 2);
        for query in [
            format!("{{ jobs(x: {list}) {{ id }} }}"),
            format!("{{ {PREVIEW}{list}}}) {{ description }} }}"),
            format!("{{ {PREVIEW}{object}}}) {{ description }} }}"),
            format!("{{ {PREVIEW}{mixed}}}) {{ description }} }}"),
            format!("query($v: JSON = {list}) {{ {PREVIEW}$v}}) {{ description }} }}"),
            format!("query($v: JSON = {object}) {{ {PREVIEW}$v}}) {{ description }} }}"),
            format!(
                "query($v: {}) {{ jobs {{ id }} }}",
                nested("[", "Int", "]", spare)
            ),
            format!("{{ jobs @skip(if: {object}) {{ id }} }}"),
            nested("{ jobs ", "{ id }", "}", NESTING - 1),
            nested("{ ... on Query ", "{ jobs { id } }", "}", NESTING - 2),
            chain(NESTING - 1, 1),
            format!(
                "{{ {} }}",
                nested(
                    "__type(name: \"Job\") { fields { type { fields { type { name ",
                    "",
                    "} } } } }",
                    1
                )
            ),
        ] {
            let answer =
                serde_json::to_value(schema.execute(anonymous(query.as_str())).await).unwrap();
            let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
            assert!(
                !message.contains("nested more than 40"),
                "{query}: {message}"
            );
        }
    });
}

#[test]
fn deep_variables_fit_on_a_small_stack_and_deeper_ones_are_refused() {
    on_a_small_stack(async |schema| {
        let query = format!("query($v: JSON) {{ {PREVIEW}$v}}) {{ description }} }}");
        for open in ["[", "{\"a\":"] {
            let close = if open == "[" { "]" } else { "}" };
            for (depth, is_refused) in [(VARIABLE_NESTING - 1, false), (VARIABLE_NESTING + 1, true)]
            {
                let value: Value = serde_json::from_str(&nested(open, "1", close, depth)).unwrap();
                let request =
                    Request::new(&query).variables(Variables::from_json(json!({"v": value})));
                let answer =
                    serde_json::to_value(schema.execute(anonymous(request)).await).unwrap();
                let message = answer["errors"][0]["message"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                assert_eq!(
                    message.contains("nested more than 100"),
                    is_refused,
                    "{depth}: {message}"
                );
            }
        }
    });
}

#[actix::test]
async fn the_introspection_of_graphiql_passes() {
    let answer = serde_json::to_value(
        schema()
            .execute(anonymous(include_str!("data/introspection.graphql")))
            .await,
    )
    .unwrap();
    assert_eq!(answer["errors"], Value::Null);
    assert!(
        answer["data"]["__schema"]["types"]
            .as_array()
            .unwrap()
            .len()
            > 50
    );
}

#[actix::test]
async fn many_jobs_are_created_by_variables_and_some_by_literals() {
    let node = ApiNode::start().await;
    let create = "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";
    let job = |n: usize| {
        json!({"name": format!("job {n}"), "scheduleType": "CRON",
        "cronExpression": "0 0 1 1 *"})
    };
    let inputs: Vec<Value> = (0..1_000).map(job).collect();
    let created = node.data(create, json!({"inputs": inputs})).await;
    assert_eq!(created["createJobs"].as_array().unwrap().len(), 1_000);

    let literal = |n: usize| {
        format!(
            "{{name: \"job {n}\", scheduleType: CRON, cronExpression: \"0 0 1 1 *\", \
             timeZone: \"Europe/Berlin\", \
             payload: {{a: \"b\", c: [1, 2]}}, retry: {{maxAttempts: 3}}, tags: [\"a\"], \
             target: {{http: {{url: \"https://example.com/\", \
             headers: {{Authorization: \"x\"}}}}}}}} "
        )
    };
    let query = |count| {
        format!(
            "mutation {{ createJobs(inputs: [{}]) {{ id }} }}",
            numbered(count, literal)
        )
    };
    assert_eq!(
        node.data(&query(30), json!({})).await["createJobs"]
            .as_array()
            .unwrap()
            .len(),
        30
    );
    let error = node.error(&query(100), json!({})).await;
    assert!(
        error["message"].as_str().unwrap().contains("as variables"),
        "{error}"
    );
}

/// The answer of a node without a database to a request that names one operation of several.
async fn executed(schema: &Schema, query: &str, operation: &str, variables: Value) -> Value {
    let request = Request::new(query)
        .variables(Variables::from_json(variables))
        .operation_name(operation);
    serde_json::to_value(schema.execute(anonymous(request)).await).unwrap()["errors"][0].take()
}

#[actix::test]
async fn only_the_variables_of_the_operation_that_is_executed_are_judged() {
    let schema = schema();
    let page = "jobsPage(first: $n) { nodes { id } }";
    let others = [
        format!("query B($n: Int!) {{ {page} }}"),
        "query B($n: String!) { calendar(name: $n) { name } }".to_owned(),
        "query B($n: ID!) { job(id: $n) { ...F } } fragment F on Job { nextFireTimes(count: 3) \
         ...G } fragment G on Job { id }"
            .to_owned(),
        "mutation B($n: [CreateJobInput!]!) { createJobs(inputs: $n) { id } }".to_owned(),
        "subscription B($n: ID!) { executionUpdated(jobId: $n) { id } }".to_owned(),
        "query B { jobs { executions(first: 200) { nodes { id output } } } }".to_owned(),
    ];
    let selected = [
        ("query A { jobs { id } }".to_owned(), json!({})),
        (format!("query A($n: Int) {{ {page} }}"), json!({})),
        (format!("query A($n: Int) {{ {page} }}"), json!({"n": 5})),
        (format!("query A($n: Int = 5) {{ {page} }}"), json!({})),
        (format!("query A($n: Int! = 5) {{ {page} }}"), json!({})),
        (format!("query A($n: Int! = 5) {{ {page} }}"), json!({"n": 7})),
        ("query A($n: JobFilter = {tags: [\"a\"]}) { jobsPage(filter: $n) { ...H } } fragment H \
            on JobConnection { nodes { id } }".to_owned(), json!({})),
    ];
    for other in &others {
        for (a, variables) in &selected {
            for query in [format!("{a} {other}"), format!("{other} {a}")] {
                let error = executed(&schema, &query, "A", variables.clone()).await;
                assert_eq!(
                    error["extensions"]["code"], "UNAVAILABLE",
                    "{query} {variables}: {error}"
                );
            }
        }
    }
    for (variables, field) in [
        (json!({}), "first"),
        (json!({"n": 2_147_483_648_i64}), "first"),
    ] {
        let query = format!("query A {{ jobs {{ id }} }} {}", others[0]);
        let error = executed(&schema, &query, "B", variables).await;
        assert_eq!(
            error["extensions"],
            json!({"code": "BAD_USER_INPUT", "field": field}),
            "{error}"
        );
    }
}

#[actix::test]
async fn the_size_of_all_operations_and_the_cost_of_the_executed_one_count() {
    let schema = schema();
    let with = |other: &str| format!("query A {{ jobs {{ id }} }} {other}");
    let large = [
        (
            format!("query B {{ jobs {{ {} }} }}", "id ".repeat(2_000)),
            "tokens",
        ),
        (
            format!("query B {{ {} }}", "__typename ".repeat(21)),
            "20 fields",
        ),
        (chain(20, 10).replacen("query", "query B", 1), "20 fields"),
        (
            format!(
                "query B {{ jobs {{ {} }} }}",
                numbered(101, |n| format!("a{n}: id"))
            ),
            "aliases",
        ),
        (
            "query B($v: [Nothing] = 1) { jobs { id } }".to_owned(),
            "Unknown type",
        ),
        (
            "query B { a: jobs { id } a: nodes { id } }".to_owned(),
            "different",
        ),
        (
            "query B { jobs { id } } fragment F on Job { id }".to_owned(),
            "never used",
        ),
    ];
    for (other, word) in large {
        let error = executed(&schema, &with(&other), "A", json!({})).await;
        assert_eq!(
            error["extensions"]["code"], "BAD_USER_INPUT",
            "{other}: {error}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(word),
            "{other}: {error}"
        );
    }
    let dear = with("query B { jobs { executions(first: 200) { nodes { id } } } }");
    assert_eq!(
        executed(&schema, &dear, "A", json!({})).await["extensions"]["code"],
        "UNAVAILABLE"
    );
    let error = executed(&schema, &dear, "B", json!({})).await;
    assert!(
        error["message"].as_str().unwrap().contains("costs"),
        "{error}"
    );
}

#[actix::test]
async fn one_of_several_operations_must_be_named() {
    let schema = schema();
    let query =
        "query A { jobs { id } } query B($n: Int!) { jobsPage(first: $n) { nodes { id } } }";
    let unnamed = serde_json::to_value(schema.execute(anonymous(query)).await).unwrap();
    assert_refused(&unnamed["errors"], "`operationName`", query);
    let unknown = executed(&schema, query, "C", json!({})).await;
    assert!(
        unknown["message"]
            .as_str()
            .unwrap()
            .contains("Unknown operation named \"C\""),
        "{unknown}"
    );
    let only = executed(&schema, "query A { jobs { id } }", "C", json!({})).await;
    assert!(
        only["message"]
            .as_str()
            .unwrap()
            .contains("Unknown operation named \"C\""),
        "{only}"
    );
}
