//! Jobs without a schedule: they have no fire time, and never end.

use super::{on_demand, one};
use crate::api_node::ApiNode;
use crate::support::{TestCluster, cron, fixed_delay, fixed_rate};
use horolog::actors::job_manager::{
    CommandError, MissedOnce, PauseJob, ResumeJob, RunJobNow, UpdateJob,
};
use horolog::model::job_request::JobRequest;
use horolog::store::maintenance::repairs::Repairs;
use serde_json::json;

#[actix::test]
async fn a_job_without_a_schedule_runs_on_request_only() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    assert_eq!(job.next_fire_time, None);
    cluster.advance(86_400);
    assert!(node.lease().await.is_empty());
    // Nothing is missing for the repairs.
    assert_eq!(node.reconcile().await.repairs, Some(Repairs::default()));
    assert_eq!(cluster.triggers(&job).await, Vec::<String>::new());

    cluster.command(RunJobNow(job.id)).await;

    assert_eq!(one(&node).await.job_id, job.id);
    cluster.command(PauseJob(job.id, None)).await;
    cluster.command(ResumeJob(job.id, MissedOnce::Run)).await;
    assert_eq!(cluster.triggers(&job).await, Vec::<String>::new());
}

#[actix::test]
async fn an_edit_gives_and_takes_a_schedule() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let edit = async |id, version, request: JobRequest| {
        let update = UpdateJob {
            id,
            request,
            version,
        };
        cluster.command(update).await
    };
    for scheduled in [fixed_rate(60), fixed_delay(60), cron("0 0 * * *")] {
        let job = cluster.create(on_demand()).await;
        let job = edit(job.id, job.version, scheduled.clone()).await;
        assert!(job.next_fire_time.is_some(), "{scheduled:?}");
        assert_eq!(cluster.triggers(&job).await.len(), 1, "{scheduled:?}");
        let job = edit(job.id, job.version, on_demand()).await;
        assert_eq!(cluster.triggers(&job).await.len(), 0, "{scheduled:?}");
        // The same of a paused job.
        let job = edit(job.id, job.version, scheduled.clone()).await;
        let job = cluster.command(PauseJob(job.id, None)).await;
        let job = edit(job.id, job.version, on_demand()).await;
        assert_eq!(cluster.triggers(&job).await.len(), 0, "{scheduled:?}");
        let job = edit(job.id, job.version, scheduled.clone()).await;
        let job = cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
        assert_eq!(cluster.triggers(&job).await.len(), 1, "{scheduled:?}");
        edit(job.id, job.version, on_demand()).await;
    }
    assert_eq!(node.reconcile().await.repairs, Some(Repairs::default()));
}

#[actix::test]
async fn a_schedule_trigger_of_a_job_without_a_schedule_is_removed() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    let insert = "insert into job_trigger (id, job_id, kind, fire_time, due_at)
        values ($1, $1, 'SCHEDULE', '2026-11-24', '2026-11-24')";
    cluster.execute(insert, &[&job.id]).await;
    let repairs = node.reconcile().await.repairs.unwrap();
    assert_eq!(repairs.stopped, 1);
    assert_eq!(cluster.triggers(&job).await, Vec::<String>::new());
}

#[actix::test]
async fn a_field_of_a_schedule_is_refused_without_one() {
    let node = ApiNode::start().await;
    let create = "mutation($input: CreateJobInput!) { createJob(input: $input) { id } }";
    for (field, value) in [
        ("cronExpression", json!("0 0 * * *")),
        ("intervalSeconds", json!(60)),
        ("initialDelaySeconds", json!(60)),
        ("timeZone", json!("Europe/Berlin")),
        ("calendar", json!("c")),
        ("startAt", json!("2999-01-01T00:00:00Z")),
        ("endAt", json!("2999-01-01T00:00:00Z")),
        ("maxRuns", json!(1)),
        ("jitterSeconds", json!(1)),
    ] {
        let mut input = json!({"name": "job", "scheduleType": "ON_DEMAND"});
        input[field] = value;
        let error = node.error(create, json!({"input": input})).await;
        assert_eq!(error["extensions"]["field"], field, "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("ON_DEMAND"), "{message}");
    }
}

#[actix::test]
async fn a_job_without_a_schedule_is_shown_as_active_and_without_fire_times() {
    let node = ApiNode::start().await;
    let job = json!({"name": "job", "scheduleType": "ON_DEMAND"});
    let id = node.create(job.clone()).await;
    let query = "query($id: ID!) {
        job(id: $id) { scheduleType scheduleDescription state nextFireTime nextFireTimes }
        jobsPage(filter: {scheduleType: [ON_DEMAND], state: [ACTIVE]}) { nodes { id } }
        cluster { activeJobs endedJobs } upcoming { jobs } }";
    let shown = node.data(query, json!({"id": id})).await;
    assert_eq!(
        shown["job"],
        json!({"scheduleType": "ON_DEMAND", "scheduleDescription": "on demand", "state": "ACTIVE",
            "nextFireTime": null, "nextFireTimes": []})
    );
    assert_eq!(shown["jobsPage"]["nodes"], json!([{"id": id}]));
    assert_eq!(shown["cluster"], json!({"activeJobs": 1, "endedJobs": 0}));
    assert_eq!(shown["upcoming"], json!({"jobs": 0}));
    let preview = "query($input: CreateJobInput!) { previewSchedule(input: $input) {
        description fireTimes warnings } }";
    let preview = node.data(preview, json!({"input": job})).await;
    assert_eq!(
        preview["previewSchedule"],
        json!({"description": "on demand", "fireTimes": [], "warnings": []})
    );
    let explain = "query($id: ID!) { explainFireTime(jobId: $id, at: \"2999-01-01T00:00:00Z\") {
        reason message } }";
    let explained = node.data(explain, json!({"id": id})).await;
    let explained = &explained["explainFireTime"];
    assert_eq!(explained["reason"], "NOT_A_FIRE_TIME", "{explained}");
    let message = explained["message"].as_str().unwrap();
    assert!(message.contains("no schedule"), "{message}");
}

#[actix::test]
async fn a_job_without_a_schedule_has_nothing_to_backfill() {
    let node = ApiNode::start().await;
    let job = json!({"name": "job", "scheduleType": "ON_DEMAND"});
    let id = node.create(job).await;
    let backfill = "mutation($id: ID!) { backfillJob(id: $id, from: \"2020-01-01T00:00:00Z\",
        to: \"2020-01-02T00:00:00Z\") { id } }";
    let error = node.error(backfill, json!({"id": id})).await;
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("without a schedule"), "{message}");
}

/// A stale edit is refused as for each job.
#[actix::test]
async fn an_edit_of_another_version_is_refused() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(on_demand()).await;
    let update = UpdateJob {
        id: job.id,
        request: fixed_rate(60),
        version: job.version + 1,
    };
    let refused = cluster.try_command(update).await;
    assert!(
        matches!(refused, Err(CommandError::Conflict(_))),
        "{refused:?}"
    );
}
