//! Bad input gets a clear error, and nothing is lost.

use crate::admission::anonymous;
use crate::api_node::ApiNode;
use horolog::actors::job_manager::JobManager;
use horolog::actors::watchdog::Watchdog;
use horolog::api::ApiSettings;
use horolog::clock::Clock;
use horolog::store::Store;
use horolog::store::db::database::Database;
use serde_json::{Value, json};
use std::time::Duration;

pub const CREATE: &str = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";

#[actix::test]
async fn every_bad_field_of_a_job_is_named_and_no_job_is_created() {
    let node = ApiNode::start().await;
    let cron = |expression: &str| {
        json!({"name": "x", "scheduleType": "CRON",
        "cronExpression": expression})
    };
    let rate = |change: Value| {
        let mut input = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60});
        input
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        input
    };
    let http = |change: Value| rate(json!({"target": {"http": change}}));
    let cases = [
        ("name", "empty", rate(json!({"name": ""}))),
        ("name", "255", rate(json!({"name": "n".repeat(256)}))),
        ("cronExpression", "hours", cron("0 0 99 * * ?")),
        ("cronExpression", "day of week", cron("* * * * 9")),
        ("cronExpression", "field", cron("not a cron")),
        ("cronExpression", "never fires", cron("0 0 0 31 2 ?")),
        (
            "cronExpression",
            "required",
            json!({"name": "x", "scheduleType": "CRON"}),
        ),
        (
            "cronExpression",
            "does not go with",
            rate(json!({"cronExpression": "* * * * *"})),
        ),
        ("cronExpression", "255", cron(&"*".repeat(300))),
        (
            "intervalSeconds",
            "required",
            json!({"name": "x", "scheduleType": "FIXED_DELAY"}),
        ),
        (
            "intervalSeconds",
            "from 1",
            rate(json!({"intervalSeconds": 0})),
        ),
        (
            "intervalSeconds",
            "from 1",
            rate(json!({"intervalSeconds": -1})),
        ),
        (
            "intervalSeconds",
            "ten years",
            rate(json!({"intervalSeconds": 2_147_483_647})),
        ),
        (
            "initialDelaySeconds",
            "from 0",
            rate(json!({"initialDelaySeconds": -1})),
        ),
        (
            "payload",
            "U+0000",
            rate(json!({"payload": {"a": "\u{0}"}})),
        ),
        (
            "target.http.url",
            "http",
            http(json!({"url": "ftp://example.com/"})),
        ),
        (
            "target.http.url",
            "absolute",
            http(json!({"url": "example"})),
        ),
        (
            "target.http.url",
            "user name",
            http(json!({"url": "http://me:secret@example.com/"})),
        ),
        (
            "target.http.timeoutSeconds",
            "1 to 3600",
            http(json!({"url": "http://example.com/", "timeoutSeconds": 0})),
        ),
        (
            "target.http.headers",
            "Horolog",
            http(json!({"url": "http://example.com/", "headers": {"Host": "x"}})),
        ),
        (
            "target.noop.sleepMillis",
            "negative",
            rate(json!({"target": {"noop": {"sleepMillis": -1}}})),
        ),
        (
            "maxRecoveries",
            "0 to 100",
            rate(json!({"maxRecoveries": -1})),
        ),
    ];
    for (field, hint, input) in cases {
        let error = node.error(CREATE, json!({"input": input})).await;
        assert_eq!(
            error["extensions"]["code"], "BAD_USER_INPUT",
            "{input}: {error}"
        );
        assert_eq!(error["extensions"]["field"], field, "{input}: {error}");
        assert!(
            error["message"].as_str().unwrap().contains(hint),
            "{input}: {error}"
        );
    }
    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"],
        json!([])
    );
}

/// Headers of the connection (RFC 9110 §7.6.1, and what HTTP/1.1 and proxies made of it), of the
/// framing, and Horolog's own.
const NOT_FOR_JOBS: &str = "Connection Keep-Alive Proxy-Connection Proxy-Authenticate \
    Proxy-Authorization TE Trailer \
    Transfer-Encoding Upgrade HTTP2-Settings Expect Content-Length Host Idempotency-Key \
    Traceparent Horolog-Job-Id \
    Horolog-Anything Webhook-Id Webhook-Signature";

/// A name as it may be typed: as it stands, in small, in capitals, in both.
fn in_all_cases(name: &str) -> [String; 4] {
    let flipped = |(index, letter): (usize, char)| match index % 2 {
        0 => letter.to_ascii_lowercase(),
        _ => letter.to_ascii_uppercase(),
    };
    let mixed = name.chars().enumerate().map(flipped).collect();
    [
        name.to_owned(),
        name.to_lowercase(),
        name.to_uppercase(),
        mixed,
    ]
}

#[actix::test]
async fn reserved_headers_are_refused_by_every_command_in_any_letter_case() {
    let node = ApiNode::start().await;
    let job = |header: &str| {
        let http =
            json!({"url": "http://example.com/", "headers": {"X-Team": "a", header: "close"}});
        json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
            "initialDelaySeconds": 3600, "target": {"http": http}})
    };
    let fine = job("X-Other");
    let id = node.create(fine.clone()).await;
    let update = "mutation($id: ID!, $input: CreateJobInput!) { updateJob(id: $id, input: $input, \
        version: 0) { id } }";
    let create_many =
        "mutation($inputs: [CreateJobInput!]!) { createJobs(inputs: $inputs) { id } }";
    let preview =
        "query($input: CreateJobInput!) { previewSchedule(input: $input) { description } }";
    for header in NOT_FOR_JOBS.split_whitespace().flat_map(in_all_cases) {
        let bad = job(&header);
        let commands = [
            (CREATE, json!({"input": bad}), "target.http.headers"),
            (
                update,
                json!({"id": id, "input": bad}),
                "target.http.headers",
            ),
            (
                create_many,
                json!({"inputs": [fine, bad]}),
                "inputs.1.target.http.headers",
            ),
            (preview, json!({"input": bad}), "target.http.headers"),
        ];
        for (command, variables, field) in commands {
            let error = node.error(command, variables).await;
            assert_eq!(
                error["extensions"],
                json!({"code": "BAD_USER_INPUT", "field": field}),
                "{header}: {error}"
            );
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains(&format!("`{header}`")),
                "{header}: {error}"
            );
        }
    }
    let jobs = node.data("{ jobs { id version } }", json!({})).await;
    assert_eq!(
        jobs["jobs"],
        json!([{"id": id, "version": 0}]),
        "nothing was created or changed"
    );
}

#[actix::test]
async fn a_request_against_the_schema_is_refused() {
    let node = ApiNode::start().await;
    let cases = [
        json!({"name": "x", "scheduleType": "WEEKLY"}),
        json!({"scheduleType": "CRON", "cronExpression": "* * * * *"}),
        json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 99_999_999_999_i64}),
        json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": "60"}),
        json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60,
            "target": {"log": {}, "noop": {"sleepMillis": 1}}}),
        json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60, "nonsense": 1}),
    ];
    for input in cases {
        node.error(CREATE, json!({"input": input})).await;
    }
    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"],
        json!([])
    );
}

#[actix::test]
async fn commands_are_taken_as_json_by_post_alone() {
    let node = ApiNode::start().await;
    let url = format!("{}/graphql", node.url);
    let mutation = r#"{"query":"mutation { createJob(input: {name: \"csrf\", scheduleType: FIXED_RATE, intervalSeconds: 60}) { id } }"}"#;

    let get = format!(
        "{url}?query=mutation%20%7BcreateJob(input%3A%7Bname%3A%22x%22%2CscheduleType%3AFIXED_RATE%2CintervalSeconds%3A60%7D)%7Bid%7D%7D"
    );
    let named =
        "query%20a%20%7Bcluster%7Bversion%7D%7D%20mutation%20b%20%7BrunJobNow(id%3A%22x%22)%7D";
    for address in [get, format!("{url}?operationName=b&query={named}")] {
        for request in [node.http.get(&address), node.http.head(&address)] {
            let answer = request.send().await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["allow"]),
                (405, &"POST".parse().unwrap())
            );
        }
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/graphql",
    ] {
        let request = node
            .http
            .post(&url)
            .header("content-type", content_type)
            .body(mutation);
        assert_eq!(
            request.send().await.unwrap().status(),
            415,
            "{content_type}"
        );
    }
    assert_eq!(
        node.http
            .post(&url)
            .body(mutation)
            .send()
            .await
            .unwrap()
            .status(),
        415,
        "no content type"
    );
    let put = node
        .http
        .put(&url)
        .header("content-type", "application/json")
        .body(mutation)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 405);

    assert_eq!(
        node.data("{ jobs { id } }", json!({})).await["jobs"],
        json!([]),
        "none of them created a job"
    );
}

#[actix::test]
async fn bodies_that_are_not_one_request_are_refused() {
    let node = ApiNode::start().await;
    let url = format!("{}/graphql", node.url);
    let post = |body: String| {
        node.http
            .post(&url)
            .header("content-type", "application/json; charset=utf-8")
            .body(body)
    };
    let one = r#"{"query":"{ jobs { id } }"}"#;
    assert_eq!(post(one.into()).send().await.unwrap().status(), 200);
    let post = |body: String| post(body).header("accept", "application/graphql-response+json");
    for (body, status) in [
        (String::new(), 400),
        ("{".into(), 400),
        ("null".into(), 400),
        (format!("[{one},{one}]"), 400),
        (r#"["{ jobs { id } }"]"#.into(), 400),
        (format!("[{}", "[".repeat(100_000)), 400),
        (
            format!(
                r#"{{"query":"{{ jobs {{ id }} }}","x":"{}"}}"#,
                "x".repeat(1024 * 1024)
            ),
            413,
        ),
    ] {
        let answer = post(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", &body[..body.len().min(40)]);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
}

#[actix::test]
async fn errors_never_show_the_inside() {
    let database = Database::parse(
        "postgresql://nobody@127.0.0.1:1/none",
        Duration::from_secs(1),
    )
    .unwrap();
    let store = Store::new(&database, 1, Duration::from_secs(1), Clock::Database);
    let jobs = actix::Actor::start(JobManager::new(store.clone(), &Watchdog::default()));
    let schema = horolog::api::schema(store, jobs, ApiSettings::default());
    for query in [
        "{ jobs { id } }",
        "mutation { runJobNow(id: \"0199d0a5-0000-7000-8000-000000000000\") }",
    ] {
        let answer = serde_json::to_value(schema.execute(anonymous(query)).await).unwrap();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{answer}"
        );
        let text = answer.to_string().to_lowercase();
        for leak in ["select", "127.0.0.1", "src/", "panicked", "tokio"] {
            assert!(!text.contains(leak), "{leak} in {text}");
        }
    }
}
