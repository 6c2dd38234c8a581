//! A preview shows the meaning of a schedule before any job has it.

use crate::api_node::ApiNode;
use serde_json::{Value, json};

const PREVIEW: &str =
    "query($input: CreateJobInput!, $count: Int) { previewSchedule(input: $input, count: $count) {
    expression dialect zone description fireTimes warnings } }";

async fn preview(node: &ApiNode, input: Value) -> Value {
    node.data(PREVIEW, json!({"input": input, "count": 3}))
        .await["previewSchedule"]
        .take()
}

#[actix::test]
async fn a_cron_is_shown_in_words_instants_and_surprises() {
    let node = ApiNode::start().await;
    let cron = json!({"name": "x", "scheduleType": "CRON", "cronExpression": "30 2 * * *",
        "timeZone": "america/new_york"});
    let shown = preview(&node, cron).await;
    assert_eq!(
        (&shown["dialect"], &shown["zone"]),
        (&json!("UNIX"), &json!("America/New_York"))
    );
    assert_eq!(shown["description"], "at 02:30 every day");
    assert_eq!(shown["fireTimes"].as_array().unwrap().len(), 3);
    let warning = shown["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("02:30 does not exist: runs 03:00"),
        "{warning}"
    );
}

#[actix::test]
async fn every_type_can_be_previewed() {
    let node = ApiNode::start().await;
    let cases = [
        (
            json!({"scheduleType": "FIXED_RATE", "intervalSeconds": 60}),
            "every minute",
            3,
        ),
        (
            json!({"scheduleType": "FIXED_DELAY", "intervalSeconds": 60}),
            "1 minute after each execution",
            1,
        ),
        (
            json!({"scheduleType": "ONCE", "startAt": "2999-01-01T00:00:00+01:00"}),
            "once",
            1,
        ),
    ];
    for (mut input, words, count) in cases {
        input["name"] = json!(""); // only the schedule matters
        let shown = preview(&node, input).await;
        assert!(
            shown["description"].as_str().unwrap().contains(words),
            "{shown}"
        );
        assert_eq!(
            shown["fireTimes"].as_array().unwrap().len(),
            count,
            "{shown}"
        );
    }
}

#[actix::test]
async fn a_preview_names_the_bad_field_of_a_schedule() {
    let node = ApiNode::start().await;
    let cron = |expression: &str, zone: &str| {
        json!({"name": "x", "scheduleType": "CRON", "cronExpression": expression,
            "timeZone": zone})
    };
    let cases = [
        ("timeZone", cron("0 2 * * *", "Berlin")),
        ("timeZone", cron("0 2 * * *", "+02:00")),
        ("cronExpression", cron("0 0 30 2 ?", "UTC")),
        ("cronExpression", cron("0 0 0 ? * 6#9", "UTC")),
        (
            "startAt",
            json!({"name": "x", "scheduleType": "ONCE", "startAt": "tomorrow"}),
        ),
    ];
    for (field, input) in cases {
        let error = node
            .error(PREVIEW, json!({"input": input, "count": 1}))
            .await;
        assert_eq!(
            (&error["extensions"]["code"], &error["extensions"]["field"]),
            (&json!("BAD_USER_INPUT"), &json!(field))
        );
    }
    let rate = json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 60});
    let error = node
        .error(PREVIEW, json!({"input": rate, "count": 1_001}))
        .await;
    assert_eq!(error["extensions"]["field"], "count");
}

#[actix::test]
async fn a_job_keeps_its_zone_and_the_cluster_names_its_tz_database() {
    let node = ApiNode::start().await;
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id timeZone dstGap
        dstOverlap
        nextFireTimes(count: 4) } }";
    let input = json!({"name": "x", "scheduleType": "CRON", "cronExpression": "0 0 9 ? * MON-FRI",
        "timeZone": "Asia/Kolkata",
        "dstGap": "SKIP", "dstOverlap": "BOTH"});
    let job = node.data(create, json!({"input": input})).await["createJob"].take();
    assert_eq!(
        (&job["timeZone"], &job["dstGap"], &job["dstOverlap"]),
        (&json!("Asia/Kolkata"), &json!("SKIP"), &json!("BOTH"))
    );
    let times: Vec<&str> = job["nextFireTimes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|time| time.as_str().unwrap())
        .collect();
    assert!(
        times.len() == 4 && times.iter().all(|time| time.ends_with("T03:30:00.000Z")),
        "{times:?}"
    );

    let version =
        node.data("{ cluster { tzdbVersion } }", json!({})).await["cluster"]["tzdbVersion"].take();
    let version = version.as_str().unwrap();
    assert!(version.len() >= 5 && version.starts_with("20"), "{version}");
}

#[actix::test]
async fn next_fire_times_end_with_the_last_run_and_follow_edits() {
    let node = ApiNode::start().await;
    let input = json!({"name": "thrice", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "initialDelaySeconds": 3600, "maxRuns": 3});
    let job = node.create(input.clone()).await;
    let shown = node
        .data(
            "query($id: ID!) { job(id: $id) { nextFireTimes(count: 10) } }",
            json!({"id": job}),
        )
        .await;
    assert_eq!(shown["job"]["nextFireTimes"].as_array().unwrap().len(), 3);

    let preview = "query($input: CreateJobInput!, $jobId: ID) { previewSchedule(input: $input, \
        jobId: $jobId) { fireTimes } }";
    let edited = node
        .data(preview, json!({"input": input, "jobId": job}))
        .await;
    assert_eq!(
        edited["previewSchedule"]["fireTimes"], shown["job"]["nextFireTimes"],
        "an edit keeps the phase"
    );
    let unknown = node
        .error(preview, json!({"input": input, "jobId": uuid::Uuid::nil()}))
        .await;
    assert_eq!(unknown["extensions"]["code"], "NOT_FOUND");
}
