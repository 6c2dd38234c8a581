//! What fires in a stretch of time to come, job by job.

use crate::api_node::ApiNode;
use chrono::{SecondsFormat, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};

const AGENDA: &str = "query($from: DateTime, $to: DateTime, $filter: JobFilter, $hide: Int,
    $first: Int) {
    agenda(from: $from, to: $to, filter: $filter, hideEverySeconds: $hide, first: $first) {
        from to complete entries { fireTime jobs named { id name } } often { jobs named { name } }
        } }";

/// A job each day, half an hour away from now, two each hour at the same time, and one each second.
async fn planned() -> (ApiNode, String) {
    let node = ApiNode::start().await;
    // Read once: two jobs fire at the same time only if no minute ends between two readings.
    let now = Utc::now();
    let at = now + TimeDelta::minutes(30);
    let daily = format!("{} {} * * *", at.minute(), at.hour());
    let nightly = json!({"name": "nightly", "scheduleType": "CRON", "cronExpression": daily,
        "tags": ["night"], "timeZone": "UTC"});
    let nightly = node.create(nightly).await;
    for name in ["hourly 1", "hourly 2"] {
        let hourly = format!("{} * * * *", (now + TimeDelta::minutes(20)).minute());
        node.create(json!({"name": name, "scheduleType": "CRON", "cronExpression": hourly}))
            .await;
    }
    let later = json!({"name": "probe", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
        "initialDelaySeconds": 600});
    node.create(later).await;
    node.create(json!({"name": "delay", "scheduleType": "FIXED_DELAY", "intervalSeconds": 3600}))
        .await;
    (node, nightly)
}

async fn agenda(node: &ApiNode, variables: Value) -> Value {
    node.data(AGENDA, variables).await["agenda"].take()
}

fn names(entries: &Value) -> Vec<&str> {
    let named = entries
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|entry| entry["named"].as_array().unwrap());
    named.map(|job| job["name"].as_str().unwrap()).collect()
}

#[actix::test]
async fn the_agenda_lists_jobs_and_frequent_jobs_separately() {
    let (node, nightly) = planned().await;
    let day = agenda(&node, json!({})).await;
    assert_eq!(
        (&day["complete"], names(&day["entries"])),
        (&json!(true), vec!["nightly"])
    );
    assert_eq!(day["entries"][0]["named"][0]["id"], json!(nightly));
    assert_eq!(
        names(&day["often"]),
        ["hourly 1", "hourly 2", "probe"],
        "the rarest first"
    );
    assert_eq!(day["often"][0]["jobs"], 2);

    let hour = (Utc::now() + TimeDelta::minutes(50)).to_rfc3339_opts(SecondsFormat::Millis, true);
    let hour = agenda(&node, json!({"to": hour})).await;
    assert_eq!(names(&hour["entries"]), ["hourly 1", "hourly 2", "nightly"]);
    assert_eq!(hour["entries"][0]["jobs"], 2);
    let first = agenda(&node, json!({"first": 1, "hide": 1})).await;
    assert_eq!(
        (&first["complete"], names(&first["often"])),
        (&json!(true), vec!["hourly 1", "hourly 2"])
    );
}

#[actix::test]
async fn plan_and_agenda_obey_the_filter_and_hide_frequent_jobs() {
    let (node, _) = planned().await;
    let filtered = agenda(&node, json!({"filter": {"tags": ["night"]}})).await;
    assert_eq!(
        (names(&filtered["entries"]), names(&filtered["often"])),
        (vec!["nightly"], vec![])
    );
    let cron = agenda(&node, json!({"filter": {"scheduleType": ["FIXED_RATE"]}})).await;
    assert_eq!(
        (names(&cron["entries"]), names(&cron["often"])),
        (vec![], vec!["probe"])
    );
    for (hide, often) in [(60, vec!["hourly 1", "hourly 2"]), (3_600, vec![])] {
        let agenda = agenda(&node, json!({"hide": hide})).await;
        assert_eq!(
            (names(&agenda["entries"]), names(&agenda["often"])),
            (vec!["nightly"], often)
        );
    }
    let jobs = async |arguments: &str| {
        let query = format!("{{ upcoming(hours: 24{arguments}) {{ jobs buckets }} }}");
        node.data(&query, json!({})).await["upcoming"]["jobs"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(jobs("").await, 4);
    assert_eq!(jobs(", hideEverySeconds: 60").await, 3);
    assert_eq!(jobs(", filter: {tags: [\"night\"]}").await, 1);
    assert_eq!(
        jobs(", filter: {tags: [\"night\"]}, hideEverySeconds: 3600").await,
        1
    );
    assert_eq!(jobs(", filter: {search: \"nothing\"}").await, 0);
}

#[actix::test]
async fn a_stretch_that_cannot_be_planned_is_refused_at_its_field() {
    let node = ApiNode::start().await;
    let past = "2020-01-01T00:00:00Z";
    for (variables, field) in [
        (json!({"first": 0}), "first"),
        (json!({"first": 501}), "first"),
        (json!({"from": "soon"}), "from"),
        (json!({"to": past}), "to"),
        (json!({"to": "2999-01-01T00:00:00Z"}), "to"),
        (json!({"hide": 0}), "hideEverySeconds"),
        (json!({"hide": 86_401}), "hideEverySeconds"),
        (
            json!({"filter": {"lastOutcome": ["FAILED"]}}),
            "filter.lastOutcome",
        ),
    ] {
        let error = node.error(AGENDA, variables.clone()).await;
        assert_eq!(
            (&error["extensions"]["code"], &error["extensions"]["field"]),
            (&json!("BAD_USER_INPUT"), &json!(field))
        );
    }
    // What is over begins now.
    let agenda = agenda(&node, json!({"from": past})).await;
    assert!(agenda["from"].as_str().unwrap() > past);
    // Of an instant that no calendar has, nothing breaks.
    node.error(AGENDA, json!({"from": "9999-12-31T23:59:59Z"}))
        .await;
}
