//! Editing over the API: new definitions, their versions, and concurrent edits.

use crate::api_node::ApiNode;
use crate::support::{TestCluster, eventually, fixed_rate, with};
use horolog::actors::job_manager::UpdateJob;
use serde_json::{Value, json};

const UPDATE: &str = "mutation($id: ID!, $input: CreateJobInput!, $version: Int!) {
    updateJob(id: $id, input: $input, version: $version) {
        id name version status nextFireTime intervalSeconds cronExpression target } }";

const JOB: &str =
    "query($id: ID!) { job(id: $id) { name version status nextFireTime pauseReason target } }";

const UNKNOWN: &str = "0199d0a5-0000-7000-8000-000000000000";

/// A job with an interval in seconds, first in an hour.
pub fn rate(name: &str, interval: i32) -> Value {
    json!({"name": name, "scheduleType": "FIXED_RATE", "intervalSeconds": interval,
        "initialDelaySeconds": 3600})
}

pub fn plus(mut input: Value, change: Value) -> Value {
    let Value::Object(change) = change else {
        panic!("an object")
    };
    input.as_object_mut().unwrap().extend(change);
    input
}

pub async fn job(node: &ApiNode, id: &str) -> Value {
    node.data(JOB, json!({"id": id})).await["job"].take()
}

pub async fn update(node: &ApiNode, id: &str, version: i32, input: Value) -> Value {
    node.data(
        UPDATE,
        json!({"id": id, "version": version, "input": input}),
    )
    .await["updateJob"]
        .take()
}

async fn refused(node: &ApiNode, id: &str, version: i32, input: Value) -> Value {
    node.error(
        UPDATE,
        json!({"id": id, "version": version, "input": input}),
    )
    .await["extensions"]
        .take()
}

#[actix::test]
async fn an_edit_replaces_the_definition_and_raises_the_version() {
    let node = ApiNode::start().await;
    let id = node.create(rate("old", 3600)).await;
    let before = job(&node, &id).await;

    let edited = update(
        &node,
        &id,
        0,
        plus(
            rate("new", 3600),
            json!({"target": {"noop": {"sleepMillis": 7}}}),
        ),
    )
    .await;

    assert_eq!(
        (&edited["name"], &edited["version"], &edited["id"]),
        (&json!("new"), &json!(1), &json!(id))
    );
    assert_eq!(edited["target"], json!({"noop": {"sleepMillis": 7}}));
    assert_eq!(
        edited["nextFireTime"], before["nextFireTime"],
        "what was not edited stays"
    );
    assert_eq!(job(&node, &id).await["name"], "new");
}

#[actix::test]
async fn an_edit_with_a_stale_version_or_a_bad_field_changes_nothing() {
    let node = ApiNode::start().await;
    let id = node.create(rate("first", 3600)).await;
    update(&node, &id, 0, rate("second", 3600)).await;

    assert_eq!(
        refused(&node, &id, 0, rate("third", 3600)).await["code"],
        "CONFLICT"
    );
    assert_eq!(
        refused(&node, &id, 9, rate("third", 3600)).await["code"],
        "CONFLICT"
    );
    assert_eq!(
        refused(&node, UNKNOWN, 0, rate("third", 3600)).await["code"],
        "NOT_FOUND"
    );
    let bad = refused(&node, &id, 1, rate("third", 0)).await;
    assert_eq!(
        (&bad["code"], &bad["field"]),
        (&json!("BAD_USER_INPUT"), &json!("intervalSeconds"))
    );

    let job_now = job(&node, &id).await;
    assert_eq!(
        (&job_now["name"], &job_now["version"]),
        (&json!("second"), &json!(1))
    );
    node.data(
        "mutation($id: ID!) { deleteJob(id: $id) }",
        json!({"id": id}),
    )
    .await;
    assert_eq!(
        refused(&node, &id, 2, rate("third", 3600)).await["code"],
        "NOT_FOUND"
    );
}

#[actix::test]
async fn only_an_edit_of_the_schedule_moves_the_pending_fire_time() {
    let node = ApiNode::start().await;
    let id = node.create(rate("job", 3600)).await;
    let next = job(&node, &id).await["nextFireTime"].take();

    let same = update(
        &node,
        &id,
        0,
        plus(
            rate("renamed", 3600),
            json!({"overlapPolicy": "SKIP", "priority": 9}),
        ),
    )
    .await;
    assert_eq!(same["nextFireTime"], next);
    let slower = update(&node, &id, 1, rate("renamed", 7200)).await;
    assert_ne!(slower["nextFireTime"], next, "a new interval is a new grid");
    assert!(slower["nextFireTime"].as_str() > next.as_str());
    let yearly =
        json!({"name": "renamed", "scheduleType": "CRON", "cronExpression": "0 0 0 1 1 ?"});
    let by_cron = update(&node, &id, 2, yearly).await;
    let at = by_cron["nextFireTime"].as_str().unwrap();
    assert!(at.ends_with("-01-01T00:00:00.000Z"), "{at}");
    assert_eq!(by_cron["intervalSeconds"], Value::Null);
    let once =
        json!({"name": "renamed", "scheduleType": "ONCE", "startAt": "2999-01-01T00:00:00Z"});
    assert_eq!(
        update(&node, &id, 3, once).await["nextFireTime"],
        "2999-01-01T00:00:00.000Z"
    );
}

#[actix::test]
async fn a_fixed_delay_that_runs_can_become_something_else() {
    let node = ApiNode::start().await;
    let sleeping = json!({"name": "job", "scheduleType": "FIXED_DELAY", "intervalSeconds": 1,
        "target": {"noop": {"sleepMillis": 86_400_000}}});
    let id = node.create(sleeping).await;
    eventually("it runs", async || {
        (node.logs(&id).await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(job(&node, &id).await["nextFireTime"], Value::Null);

    assert!(update(&node, &id, 0, rate("job", 3600)).await["nextFireTime"].is_string());
}

#[actix::test]
async fn an_edited_paused_job_stays_paused_and_resumes_on_the_new_schedule() {
    let node = ApiNode::start().await;
    let id = node.create(rate("job", 3600)).await;
    let pause = "mutation($id: ID!) { pauseJob(id: $id, reason: \"maintenance\") { version } }";
    node.data(pause, json!({"id": id})).await;
    assert_eq!(job(&node, &id).await["pauseReason"], "maintenance");

    let yearly = json!({"name": "job", "scheduleType": "CRON", "cronExpression": "0 0 0 1 1 ?"});
    let edited = update(&node, &id, 1, yearly).await;
    assert_eq!(
        (&edited["status"], &edited["nextFireTime"]),
        (&json!("PAUSED"), &Value::Null)
    );

    let resume = "mutation($id: ID!) { resumeJob(id: $id) { nextFireTime pauseReason } }";
    let resumed = node.data(resume, json!({"id": id})).await["resumeJob"].take();
    assert!(
        resumed["nextFireTime"]
            .as_str()
            .unwrap()
            .ends_with("-01-01T00:00:00.000Z"),
        "{resumed}"
    );
    assert_eq!(resumed["pauseReason"], Value::Null);
}

#[actix::test]
async fn every_version_is_kept_with_its_definition() {
    let node = ApiNode::start().await;
    let id = node.create(rate("first", 3600)).await;
    update(&node, &id, 0, rate("second", 3600)).await;
    for mutation in [
        "pauseJob(id: $id) { id }",
        "pauseJob(id: $id) { id }",
        "resumeJob(id: $id) { id }",
        "deleteJob(id: $id)",
    ] {
        node.data(
            &format!("mutation($id: ID!) {{ {mutation} }}"),
            json!({"id": id}),
        )
        .await;
    }

    let query = "query($id: ID!) { jobVersions(jobId: $id) { version change changedBy changedAt \
        definition } }";
    let versions = node.data(query, json!({"id": id})).await["jobVersions"].take();
    let of = |field: &str| {
        versions
            .as_array()
            .unwrap()
            .iter()
            .map(|version| version[field].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("change"),
        ["DELETED", "RESUMED", "PAUSED", "UPDATED", "CREATED"]
    );
    assert_eq!(of("version"), [4, 3, 2, 1, 0]);
    let names: Vec<_> = of("definition")
        .iter()
        .map(|row| (row["name"].clone(), row["status"].clone()))
        .collect();
    let named = |name: &str, status: &str| (json!(name), json!(status));
    assert_eq!(names[0], named("second", "DELETED"));
    assert_eq!(names[4], named("first", "ACTIVE"));
    assert_eq!(
        of("definition")[0]["policies"]["misfireGraceSeconds"],
        60,
        "although it is not stored"
    );
}

#[actix::test]
async fn only_policies_that_differ_from_the_defaults_are_stored() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(60)).await;
    let stored = "select j.policies::text || (v.definition ->> 'policies') from job_definition j,
            job_definition_version v
        where v.job_id = j.id and v.version = j.version";
    assert_eq!(cluster.texts(stored, &[]).await, ["{}{}"]);

    let patient = with(fixed_rate(60), |policies| {
        policies.misfire_grace_seconds = 90;
    });
    cluster
        .command(UpdateJob {
            id: job.id,
            request: patient,
            version: job.version,
        })
        .await;
    let grace = r#"{"misfireGraceSeconds": 90}"#;
    assert_eq!(
        cluster.texts(stored, &[]).await,
        [format!("{grace}{grace}")]
    );
}

#[actix::test]
async fn exactly_one_of_many_edits_of_one_version_wins() {
    let node = ApiNode::start().await;
    let id = node.create(rate("job", 3600)).await;
    for version in 0..5 {
        let edits = (0..8).map(|n| {
            let input = rate(&format!("edit {n}"), 3600 + n);
            node.post(
                UPDATE,
                json!({"id": id, "version": version, "input": input}),
            )
        });
        let answers: Vec<Value> = futures_util::future::join_all(edits).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers
            .iter()
            .partition(|answer| answer["errors"].is_null());
        assert_eq!((won.len(), lost.len()), (1, 7), "{answers:?}");
        assert!(
            lost.iter()
                .all(|answer| answer["errors"][0]["extensions"]["code"] == "CONFLICT"),
            "{lost:?}"
        );
        let now = job(&node, &id).await;
        assert_eq!(
            (&now["name"], &now["version"]),
            (&won[0]["data"]["updateJob"]["name"], &json!(version + 1))
        );
    }
}

#[actix::test]
async fn the_next_fire_times_are_shown_as_far_as_the_schedule_goes() {
    let node = ApiNode::start().await;
    let times = async |id: &str, count: i32| {
        let query =
            "query($id: ID!, $n: Int!) { job(id: $id) { nextFireTime nextFireTimes(count: $n) } }";
        let mut job = node.data(query, json!({"id": id, "n": count})).await["job"].take();
        (
            job["nextFireTime"].take(),
            serde_json::from_value::<Vec<String>>(job["nextFireTimes"].take()).unwrap(),
        )
    };
    let bounded = json!({"startAt": "2999-01-01T00:00:00Z", "endAt": "2999-01-01T02:00:00Z"});
    let base = json!({"name": "job", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600});
    let id = node.create(plus(base, bounded)).await;

    let hours = ["00", "01", "02"].map(|hour| format!("2999-01-01T{hour}:00:00.000Z"));
    assert_eq!(times(&id, 10).await, (json!(hours[0]), hours.to_vec()));
    assert_eq!(times(&id, 2).await.1, hours[..2]);
    assert_eq!(
        (times(&id, 0).await.1.len(), times(&id, -1).await.1.len()),
        (0, 0)
    );
    let endless = node.create(rate("job", 1)).await;
    assert_eq!(times(&endless, 1_001).await.1.len(), 1_000);
    node.data(
        "mutation($id: ID!) { pauseJob(id: $id) { id } }",
        json!({"id": id}),
    )
    .await;
    assert_eq!(times(&id, 10).await, (Value::Null, Vec::new()));
}

#[actix::test]
async fn an_execution_is_cancelled_over_the_api() {
    let node = ApiNode::start().await;
    let id = node
        .create(
            json!({"name": "endless", "scheduleType": "FIXED_DELAY", "intervalSeconds": 3600,
        "target": {"noop": {"sleepMillis": 86_400_000}}}),
        )
        .await;
    let first = async || node.logs(&id).await.into_iter().next();
    let execution = eventually("it runs", first).await["id"].take();
    let cancel = "mutation($id: ID!) { cancelExecution(id: $id) }";

    assert_eq!(
        node.data(cancel, json!({"id": execution})).await["cancelExecution"],
        true
    );
    eventually("it is cancelled", async || {
        first().await.filter(|log| log["status"] == "CANCELLED")
    })
    .await;

    let again = node.error(cancel, json!({"id": execution})).await;
    assert_eq!(again["extensions"]["code"], "CONFLICT");
    let unknown = node.error(cancel, json!({"id": UNKNOWN})).await;
    assert_eq!(unknown["extensions"]["code"], "NOT_FOUND");
    assert_eq!(
        node.error(cancel, json!({"id": "x"})).await["extensions"]["field"],
        "id"
    );
}
