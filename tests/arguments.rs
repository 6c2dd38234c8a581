//! Arguments of queries: ids, cost, and values that are refused by name.

use crate::admission::{anonymous, schema};
use crate::api_node::ApiNode;
use crate::bad_input::CREATE;
use async_graphql::{Request, Variables};
use serde_json::{Value, json};

#[actix::test]
async fn unknown_and_malformed_ids_are_told_apart() {
    let node = ApiNode::start().await;
    let unknown = "0199d0a5-0000-7000-8000-000000000000";
    let requests = [
        "mutation($id: ID!) { pauseJob(id: $id) { id } }",
        "mutation($id: ID!) { resumeJob(id: $id) { id } }",
        "mutation($id: ID!) { deleteJob(id: $id) }",
        "mutation($id: ID!) { runJobNow(id: $id) }",
        "mutation($id: ID!) { drainNode(id: $id) }",
    ];
    for request in requests {
        let error = node.error(request, json!({"id": unknown})).await;
        assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{request}");
        assert!(
            error["message"].as_str().unwrap().contains(unknown),
            "{error}"
        );
        for malformed in ["", "42", "not-a-uuid", "'; drop table job_definition; --"] {
            let error = node.error(request, json!({"id": malformed})).await;
            assert_eq!(
                error["extensions"]["code"], "BAD_USER_INPUT",
                "{request}: {error}"
            );
        }
    }
    let logs = "query($id: ID!) { jobLogs(jobId: $id) { id } }";
    assert_eq!(
        node.data(logs, json!({"id": unknown})).await["jobLogs"],
        json!([]),
        "as in the reference system"
    );
    assert_eq!(
        node.error(logs, json!({"id": "x"})).await["extensions"]["code"],
        "BAD_USER_INPUT"
    );
    for request in [
        "query($id: ID!) { job(id: $id) { id } }",
        "query($id: ID!) { execution(id: $id) { id } }",
    ] {
        assert!(
            node.data(request, json!({"id": unknown}))
                .await
                .as_object()
                .unwrap()
                .values()
                .all(Value::is_null)
        );
        assert_eq!(
            node.error(request, json!({"id": "x"})).await["extensions"]["code"],
            "BAD_USER_INPUT"
        );
    }
}

#[actix::test]
async fn queries_that_would_cost_too_much_are_refused() {
    let node = ApiNode::start().await;
    let deep = format!("{}id{}", "{ jobs ".repeat(40), " }".repeat(40));
    let aliases: String = (0..500)
        .map(|n| format!("a{n}: jobs {{ id }}"))
        .collect::<Vec<_>>()
        .join(" ");
    let fragments = "query { ...A } fragment A on Query { ...B } fragment B on Query { ...A }";
    let directives = format!("{{ jobs {} {{ id }} }}", "@skip(if: false) ".repeat(200));
    for query in [
        deep,
        format!("{{ {aliases} }}"),
        fragments.into(),
        directives,
    ] {
        let answer = node.post(&query, json!({})).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"],
            "BAD_USER_INPUT",
            "{}",
            &query[..60]
        );
        assert!(
            answer.to_string().len() < 10_000,
            "an answer as large as the attack"
        );
    }
}

#[actix::test]
async fn every_argument_that_is_refused_is_named() {
    let schema = schema();
    let id = "0199d0a5-0000-7000-8000-000000000000";
    let beyond = 2_147_483_648_i64;
    let in_query = [
        (
            "first",
            "{ jobsPage(first: 2147483648) { nodes { id } } }".to_owned(),
        ),
        (
            "first",
            "{ jobsPage(first: 99999999999999999999) { nodes { id } } }".to_owned(),
        ),
        (
            "first",
            "{ jobsPage(first: 1.5) { nodes { id } } }".to_owned(),
        ),
        (
            "first",
            "query($n: Int = 2147483648) { jobsPage(first: $n) { nodes { id } } \
            }"
            .to_owned(),
        ),
        (
            "first",
            "query($n: Int!) { jobsPage(first: $n) { nodes { id } } }".to_owned(),
        ),
        (
            "count",
            "{ jobs { nextFireTimes(count: 2147483648) } }".to_owned(),
        ),
        (
            "hours",
            "{ ...Plan } fragment Plan on Query { ... { a: upcoming(hours: -2147483649) { \
            jobs } } }"
                .to_owned(),
        ),
        (
            "version",
            format!(
                "mutation {{ updateJob(id: \"{id}\", version: 2147483648, \
            input: {{name: \"x\", scheduleType: CRON}}) {{ id }} }}"
            ),
        ),
        (
            "intervalSeconds",
            "mutation { createJob(input: {name: \"x\", scheduleType: FIXED_RATE, \
            intervalSeconds: 2147483648}) { id } }"
                .to_owned(),
        ),
        ("id", "{ job { id } }".to_owned()),
        ("id", "{ job(id: null) { id } }".to_owned()),
        ("id", "query($id: ID!) { job(id: $id) { id } }".to_owned()),
        ("x", "{ jobs(x: 1) { id } }".to_owned()),
        (
            "o",
            "query($o: JobOrder = GONE) { jobsPage(orderBy: $o) { nodes { id } } }".to_owned(),
        ),
    ];
    let in_query = in_query
        .into_iter()
        .map(|(field, query)| (field, query, json!({})));
    let create = CREATE.to_owned();
    let job = |more: Value| {
        let mut job = json!({"name": "x", "scheduleType": "FIXED_RATE"});
        job.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"input": job})
    };
    let of_a_job = [
        ("intervalSeconds", job(json!({"intervalSeconds": beyond}))),
        ("intervalSeconds", job(json!({"intervalSeconds": 1.5}))),
        (
            "retry.maxAttempts",
            job(json!({"retry": {"maxAttempts": -beyond - 1}})),
        ),
        (
            "target.noop.sleepMillis",
            job(json!({"target": {"noop": {"sleepMillis": beyond}}})),
        ),
        ("target", job(json!({"target": "log"}))),
        ("tags.1", job(json!({"tags": ["a", 1]}))),
        ("nonsense", job(json!({"nonsense": 1}))),
        ("scheduleType", json!({"input": {"name": "x"}})),
        ("input", json!({"input": "x"})),
        ("input", json!({"input": []})),
        ("input", json!({})),
    ];
    let of_a_job = of_a_job
        .into_iter()
        .map(|(field, variables)| (field, create.clone(), variables));
    let second = json!({"inputs": [{"name": "x", "scheduleType": "CRON"}, {"name": "x",
        "scheduleType": "CRON", "priority": beyond}]});
    let others = [
        (
            "first",
            "query($n: Int) { jobsPage(first: $n) { nodes { id } } }",
            json!({"n": beyond}),
        ),
        (
            "first",
            "query A { jobs { id } } query B($n: Int) { jobsPage(first: $n) { nodes { id } } }",
            json!({"n": beyond}),
        ),
        (
            "filter.ids.0",
            "query($f: JobFilter) { jobsPage(filter: $f) { nodes { id } } }",
            json!({"f": {"ids": [1.5]}}),
        ),
        (
            "inputs.1.priority",
            "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }",
            second,
        ),
    ];
    let others = others
        .into_iter()
        .map(|(field, query, variables)| (field, query.to_owned(), variables));
    for (field, query, variables) in in_query.chain(of_a_job).chain(others) {
        let mut request = Request::new(&query).variables(Variables::from_json(variables.clone()));
        if query.contains("query B") {
            request = request.operation_name("B");
        }
        let answer = serde_json::to_value(schema.execute(anonymous(request)).await).unwrap();
        let error = &answer["errors"][0];
        assert_eq!(
            error["extensions"]["field"], field,
            "{query} {variables}: {error}"
        );
        assert_eq!(
            error["extensions"]["code"], "BAD_USER_INPUT",
            "{query} {variables}: {error}"
        );
    }
}

/// The content of a payload is no argument, one value stands for a list, and optional values may be
/// left out.
#[actix::test]
async fn only_arguments_that_are_read_are_judged() {
    let schema = schema();
    let payload = json!({"input": {"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
        "payload": {"first": 9_999_999_999_i64}}});
    for (query, variables) in [
        (
            "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }",
            payload,
        ),
        (
            "query($n: Int) { jobsPage(first: $n) { nodes { id } } }",
            json!({}),
        ),
        (
            "query($f: JobFilter) { jobsPage(filter: $f) { nodes { id } } }",
            json!({"f": {"tags": "one"}}),
        ),
    ] {
        let request = Request::new(query).variables(Variables::from_json(variables));
        let answer = serde_json::to_value(schema.execute(anonymous(request)).await).unwrap();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{query}: {answer}"
        );
    }
}

#[actix::test]
async fn a_variable_without_a_value_leaves_its_argument_out() {
    let node = ApiNode::start().await;
    // The default of the argument applies; null would be refused for an `Int!`.
    let preview = "query ($count: Int) {
        previewSchedule(
            input: {name: \"a\", scheduleType: CRON, cronExpression: \"0 0 12 * * ?\"}
            count: $count
        ) { fireTimes }
    }";
    let times = node.data(preview, json!({})).await;
    let times = &times["previewSchedule"]["fireTimes"];
    assert_eq!(times.as_array().map(Vec::len), Some(10), "{times}");
    let unused = node
        .error("query ($a: Int) { jobs { id } }", json!({}))
        .await;
    let message = unused["message"].as_str().unwrap();
    assert!(message.contains("is not used"), "{message}");
}
