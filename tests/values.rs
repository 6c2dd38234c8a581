//! Values of a job come back as they were sent, or are refused with their field.

use crate::api_node::ApiNode;
use serde_json::{Value, json};

const ALL_FIELDS: &str =
    "id name scheduleType cronExpression intervalSeconds initialDelaySeconds payload status version
    createdAt updatedAt nextFireTime description tags priority calendar timeZone dstGap dstOverlap pauseReason startAt
    endAt maxRuns jitterSeconds misfirePolicy misfireGraceSeconds catchUpWindowSeconds maxCatchUp overlapPolicy
    timeoutSeconds retry { maxAttempts initialBackoffSeconds maxBackoffSeconds multiplier } pauseOnFailure retainExecutions
    target recovery maxRecoveries";

/// All fields of a job, as a command or a query returns them.
pub async fn job(node: &ApiNode, id: &Value) -> Value {
    let query = format!("query($id: ID!) {{ job(id: $id) {{ {ALL_FIELDS} }} }}");
    node.data(&query, json!({"id": id})).await["job"].take()
}

fn inputs() -> Vec<Value> {
    let input = |change: Value| {
        let mut input = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60,
            "initialDelaySeconds": 9});
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
            json!({"name": "  spaces and \u{202e}bidi \u{a0}", "description": " \n two\tlines ",
                "tags": [" a ", "B", "a,b", " a "]}),
        ),
        input(
            json!({"startAt": "2031-01-01T00:00:00.001+05:45", "endAt": "9999-12-31T23:59:59.999Z",
                "maxRuns": 2_147_483_647}),
        ),
        input(
            json!({"startAt": "1969-12-31T23:59:59.999Z", "endAt": "2200-06-01T00:00:00Z",
                "initialDelaySeconds": 316_224_000}),
        ),
        input(json!({"startAt": "0001-01-01T00:00:00Z"})),
        input(json!({"startAt": "8999-12-31T23:59:59.999Z", "intervalSeconds": 316_224_000})),
        input(
            json!({"retry": {"maxAttempts": 3, "multiplier": 1.000_000_000_000_000_2},
                "jitterSeconds": 60}),
        ),
        input(
            json!({"retry": {"multiplier": 94.527_069_555_392_23, "initialBackoffSeconds": 0},
                "priority": 0}),
        ),
        input(json!({"payload": {"b": 1, "a": [1.0, 1e25]},
                "target": {"http": {"url": "HTTP://EXAMPLE.com:80/ä b/../c?q=ü#frag",
            "headers": {"X-B": "1 \t2", "x-a": ""}, "body": " \r\n\u{7}ä", "method": "PUT",
                "timeoutSeconds": 3600}}})),
        input(
            json!({"target": {"noop": {"sleepMillis": 86_400_000}}, "recovery": "MARK_LOST",
                "maxRecoveries": 0}),
        ),
        cron(
            json!({"cronExpression": " 0  9 * * MON-fri ", "timeZone": "europe/BERLIN",
                "dstGap": "SKIP"}),
        ),
        cron(json!({"cronExpression": "@daily", "startAt": "2199-12-30T00:00:00Z"})),
        cron(json!({"cronExpression": "H H * * *", "endAt": "9999-12-31T23:59:59Z"})),
        input(
            json!({"scheduleType": "ONCE", "intervalSeconds": null, "initialDelaySeconds": null,
                "startAt": "8999-12-31T23:59:59.999Z"}),
        ),
        input(json!({"scheduleType": "FIXED_DELAY", "startAt": "8999-12-31T23:59:59.999Z"})),
    ]
}

#[actix::test]
async fn a_command_answers_with_the_values_that_are_read_later() {
    let node = ApiNode::start().await;
    let create = format!(
        "mutation($input: CreateJobInput!) {{ createJob(input: $input) {{ {ALL_FIELDS} }} }}"
    );
    let many = format!(
        "mutation($inputs: [CreateJobInput!]!) {{ createJobs(inputs: $inputs) {{ {ALL_FIELDS} }} }}"
    );
    let update = format!(
        "mutation($id: ID!, $input: CreateJobInput!) {{ updateJob(id: $id, input: $input, \
         version: 0) {{ {ALL_FIELDS} }} }}"
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
    let once = "mutation($at: DateTime) { createJob(input: {name: \"x\", scheduleType: ONCE, \
        startAt: $at}) { id } }";
    let end = "mutation($at: DateTime) { createJob(input: {name: \"x\", scheduleType: FIXED_RATE, \
        intervalSeconds: 1, endAt: $at}) { id } }";
    let blackout =
        "mutation($at: DateTime!) { createBlackout(input: {reason: \"x\", endsAt: $at}) { id } }";
    let starts = "mutation($at: DateTime!) { createBlackout(input: {reason: \"x\", startsAt: $at, \
        endsAt: \"2030-01-01T00:00:00Z\"}) { id } }";
    let backfill = format!(
        "mutation($at: DateTime!) {{ backfillJob(id: \"{id}\", from: $at, \
         to: \"2026-01-01T00:00:00Z\") {{ id }} }}"
    );
    let preview = format!(
        "query($at: DateTime!) {{ previewBackfill(id: \"{id}\", from: \"2026-01-01T00:00:00Z\", \
         to: $at) {{ count }} }}"
    );
    let from = "query($at: DateTime!) { executionsPage(filter: {from: $at}) { nodes { id } } }";
    let to = "query($at: DateTime!) { executionsPage(filter: {to: $at}) { nodes { id } } }";
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
    json!({"name": format!("report {number}"), "scheduleType": "CRON",
        "cronExpression": "0 9 * * *", "timeZone": "Europe/Berlin",
        "payload": {"customer": format!("customer-{number:08}"),
            "report": "daily sales and returns of all regions, by hour and by shop"},
        "retry": {"maxAttempts": 5, "initialBackoffSeconds": 10, "maxBackoffSeconds": 600,
            "multiplier": 2.0},
        "target": {"http": {"url": format!("https://reports.example.com/api/v1/customers/{number:08}/reports"),
            "headers": {"Authorization": "Bearer \
             0123456789abcdef0123456789abcdef0123456789abcdef"}}}})
}

#[actix::test]
async fn a_thousand_jobs_are_created_at_once_or_the_wrong_one_is_named() {
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
    let windows = json!({"name": "c",
        "excludeWindows": [{"from": "09:00", "to": "10:00"}, {"from": "9", "to": "10:00"}]});
    let calendar = "mutation($input: CalendarInput!) { createCalendar(input: $input) { name } }";
    let error = node.error(calendar, json!({"input": windows})).await;
    assert_eq!(error["extensions"]["field"], "excludeWindows.1.from");
}
