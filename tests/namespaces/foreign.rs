//! What is foreign is answered like what does not exist, byte for byte.

use super::{Content, Namespaces};
use serde_json::json;
use uuid::Uuid;

/// Requests about one object; `JOB` and the like stand for ids.
const REQUESTS: [&str; 35] = [
    "{ job(id: \"JOB\") { id name } }",
    "{ jobLogs(jobId: \"JOB\") { id } }",
    "{ jobVersions(jobId: \"JOB\") { version definition } }",
    "{ execution(id: \"EXECUTION\") { id status } }",
    "{ calendar(name: \"CALENDAR\") { name } }",
    "{ backfills(jobId: \"JOB\") { id } }",
    "{ previewBackfill(id: \"JOB\", from: \"2024-01-01T00:00:00Z\",
        to: \"2024-03-02T00:00:00Z\") { count } }",
    "{ jobsPage(filter: {ids: [\"JOB\"]}) { nodes { id } totalCount pageInfo { endCursor } } }",
    "{ jobsPage(filter: {search: \"JOB\"}) { nodes { id } totalCount } }",
    "{ executionsPage(filter: {jobId: \"JOB\"}) { nodes { id } pageInfo { endCursor } } }",
    "{ executionsPage(filter: {ids: [\"EXECUTION\"]}) { nodes { id } } }",
    "{ searchExecutions(text: \"EXECUTION\") { nodes { id } } }",
    "{ searchExecutions(text: \"JOB\") { nodes { id } } }",
    "{ explainFireTime(jobId: \"JOB\", at: \"2024-01-01T00:00:00Z\") { reason } }",
    "{ previewSchedule(jobId: \"JOB\", input: {name: \"x\", scheduleType: FIXED_RATE,
        intervalSeconds: 60}) { fireTimes } }",
    "{ previewSchedule(input: {name: \"x\", scheduleType: CRON, cronExpression: \"0 0 * * *\",
        namespace: \"own\", calendar: \"CALENDAR\"}) { description } }",
    "{ agenda(filter: {ids: [\"JOB\"]}) { entries { jobs } } }",
    "mutation { pauseJob(id: \"JOB\") { id } }",
    "mutation { resumeJob(id: \"JOB\") { id } }",
    "mutation { deleteJob(id: \"JOB\") }",
    "mutation { deleteJob(id: \"JOB\", cancelRunning: true) }",
    "mutation { runJobNow(id: \"JOB\") }",
    "mutation { runJobNow(id: \"JOB\", payload: {a: \"********\"}) }",
    "{ pendingRuns(jobId: \"JOB\") { nodes { id } pageInfo { endCursor } } }",
    "mutation { enqueue(input: {jobId: \"JOB\", uniqueKey: \"k\"}) { created } }",
    "mutation { cancelExecution(id: \"EXECUTION\") }",
    "mutation { rerunExecution(id: \"EXECUTION\") { id } }",
    "mutation { cancelBackfill(id: \"BACKFILL\") }",
    "mutation { endBlackout(id: \"BLACKOUT\") { id } }",
    "mutation { deleteCalendar(name: \"CALENDAR\") }",
    "mutation { updateCalendar(input: {name: \"CALENDAR\"}, version: 0) { name } }",
    "mutation { createBlackout(input: {reason: \"r\", jobId: \"JOB\",
        startsAt: \"2990-01-01T00:00:00Z\", endsAt: \"2990-01-02T00:00:00Z\"}) { id } }",
    "mutation { pauseJobs(filter: {ids: [\"JOB\"]}) { matched changed } }",
    "mutation { rerunExecutions(filter: {ids: [\"EXECUTION\"]}) { matched } }",
    "mutation { updateJob(id: \"JOB\", version: 0, input: {name: \"x\",
        scheduleType: FIXED_RATE, intervalSeconds: 60}) { id } }",
];

fn about(request: &str, content: &Content) -> String {
    request
        .replace("JOB", &content.job)
        .replace("EXECUTION", &content.execution)
        .replace("BACKFILL", &content.backfill)
        .replace("BLACKOUT", &content.blackout)
        .replace("CALENDAR", &content.calendar)
}

/// Ids that nothing has.
fn unknown(like: &Content) -> Content {
    let id = || Uuid::now_v7().to_string();
    Content {
        job: id(),
        // An execution of the same time.
        execution: format!(
            "{}{}",
            &like.execution[..18],
            &Uuid::new_v4().to_string()[18..]
        ),
        backfill: id(),
        blackout: id(),
        calendar: "foreign/nothing".to_owned(),
    }
}

#[actix::test]
async fn a_foreign_id_is_answered_like_an_unknown_one_byte_for_byte() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=ADMIN"]).await;
    let unknown = unknown(&namespaces.foreign);
    for request in REQUESTS {
        let answer = async |content: &Content| {
            let request = about(request, content);
            let answer = namespaces
                .post(&token, &request, json!({}))
                .await
                .to_string();
            // The ids of the request come back in some messages.
            answer
                .replace(&content.job, "JOB")
                .replace(&content.execution, "EXECUTION")
                .replace(&content.backfill, "BACKFILL")
                .replace(&content.blackout, "BLACKOUT")
                .replace(&content.calendar, "CALENDAR")
        };
        let foreign = answer(&namespaces.foreign).await;
        assert_eq!(foreign, answer(&unknown).await, "{request}");
        assert!(
            !foreign.contains("needle") && !foreign.contains("of foreign"),
            "{foreign}"
        );
        // The request itself is a good one.
        let own = about(request, &namespaces.own);
        let own = namespaces.post(&namespaces.admin, &own, json!({})).await;
        let code = own["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_default();
        assert!(
            !["BAD_USER_INPUT", "INTERNAL", "FORBIDDEN"].contains(&code),
            "{request}: {own}"
        );
    }
    let untouched = "select status || version from job_definition where namespace = 'foreign'";
    let row = namespaces.sql.query_one(untouched, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "ACTIVE0");
}

#[actix::test]
async fn a_namespace_without_a_right_to_it_is_answered_like_an_unknown_one() {
    let namespaces = Namespaces::start().await;
    let token = namespaces.token(&["own=ADMIN"]).await;
    for request in [
        "mutation { createJob(input: {name: \"x\", namespace: \"NAME\", scheduleType: FIXED_RATE,
            intervalSeconds: 60}) { id } }",
        "mutation { createJobs(inputs: [{name: \"x\", namespace: \"NAME\",
            scheduleType: FIXED_RATE, intervalSeconds: 60}]) { id } }",
        "mutation { createCalendar(input: {name: \"NAME/days\"}) { name } }",
        "{ jobsPage(filter: {namespaces: [\"NAME\"]}) { nodes { id } totalCount } }",
        "{ executionsPage(filter: {namespaces: [\"NAME\"]}) { nodes { id } } }",
        "mutation { pauseJobs(filter: {namespaces: [\"NAME\"]}) { matched } }",
    ] {
        let answer = async |name: &str| {
            let request = request.replace("NAME", name);
            let answer = namespaces.post(&token, &request, json!({})).await;
            answer.to_string().replace(name, "NAME")
        };
        let foreign = answer("foreign").await;
        assert_eq!(foreign, answer("nothing").await, "{request}");
        assert_eq!(foreign, answer("default").await, "{request}");
    }
    let query = "{ namespaces { name jobCount } }";
    let answer = namespaces.data(&token, query, json!({})).await;
    assert_eq!(
        answer["namespaces"],
        json!([{"name": "own", "jobCount": 1}])
    );
}
