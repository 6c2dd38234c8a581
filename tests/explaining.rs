//! Why a job ran at an instant, or did not.

use crate::api_node::ApiNode;
use crate::support::{TestCluster, TestNode, at, eventually, fixed_rate, succeeded};
use horolog::actors::job_manager::{MissedOnce, PauseCluster, PauseJob, ResumeJob};
use horolog::model::explanation::{Explanation, FireTimeReason};
use horolog::model::job::Job;
use horolog::store::protocol::complete::LeaseUpdates;
use serde_json::{Value, json};

async fn explain(cluster: &TestCluster, job: &Job, time: &str) -> Explanation {
    let job = cluster.store.job(job.id).await.unwrap().unwrap();
    cluster
        .store
        .fire_time_facts(job, at(time))
        .await
        .unwrap()
        .explain(at(time))
}

async fn reason(cluster: &TestCluster, job: &Job, time: &str) -> FireTimeReason {
    explain(cluster, job, time).await.reason
}

/// Runs what is due.
async fn run(cluster: &TestCluster, node: &TestNode, seconds: u64) {
    cluster.advance(seconds);
    let settlements: Vec<_> = node.lease().await.iter().map(succeeded).collect();
    node.store
        .settle(&settlements, &LeaseUpdates::default())
        .await
        .unwrap();
}

#[actix::test]
async fn each_instant_of_a_days_history_has_its_reason() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(600)).await;
    run(&cluster, &node, 0).await;
    // It is 07:05: a pause over 07:10, and an outage over 07:30 and 07:40.
    cluster.advance(300);
    cluster
        .command(PauseJob(job.id, Some("the target moves".into())))
        .await;
    cluster.advance(600);
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    run(&cluster, &node, 300).await;
    run(&cluster, &node, 1_800).await;

    assert_eq!(
        reason(&cluster, &job, "06:50:00").await,
        FireTimeReason::BeforeCreation
    );
    assert_eq!(
        reason(&cluster, &job, "07:00:00").await,
        FireTimeReason::Ran
    );
    let near = explain(&cluster, &job, "07:04:00").await;
    assert_eq!(near.reason, FireTimeReason::NotAFireTime);
    assert_eq!(
        (near.before, near.after),
        (Some(at("07:00:00")), Some(at("07:10:00")))
    );
    let paused = explain(&cluster, &job, "07:10:00").await;
    assert_eq!(
        (paused.reason, paused.since, paused.until),
        (
            FireTimeReason::Paused,
            Some(at("07:05:00")),
            Some(at("07:15:00"))
        )
    );
    assert!(
        paused.message.contains("the target moves"),
        "{}",
        paused.message
    );
    assert_eq!(
        reason(&cluster, &job, "07:20:00").await,
        FireTimeReason::Ran
    );
    let skipped = explain(&cluster, &job, "07:30:00").await;
    assert_eq!(
        skipped.reason,
        FireTimeReason::Skipped,
        "{}",
        skipped.message
    );
    assert!(skipped.message.contains("COALESCED"), "{}", skipped.message);
    assert_eq!(
        reason(&cluster, &job, "07:50:00").await,
        FireTimeReason::Ran
    );

    cluster.advance(605);
    assert_eq!(
        reason(&cluster, &job, "08:00:00").await,
        FireTimeReason::Waiting,
        "no node has polled"
    );
    cluster.command(PauseCluster(None)).await;
    assert_eq!(
        reason(&cluster, &job, "08:00:00").await,
        FireTimeReason::ClusterPaused
    );
    assert_eq!(
        reason(&cluster, &job, "08:10:00").await,
        FireTimeReason::WillRun
    );
    cluster.command(PauseJob(job.id, None)).await;
    assert_eq!(
        reason(&cluster, &job, "08:10:00").await,
        FireTimeReason::Paused
    );
}

#[actix::test]
async fn a_fire_time_whose_log_was_dropped_is_explained_as_dropped() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(600)).await;
    run(&cluster, &node, 0).await;
    cluster
        .execute(
            "update job_definition set created_at = created_at - interval '30 days'",
            &[],
        )
        .await;
    cluster
        .execute(
            "update job_definition_version set changed_at = changed_at - interval '30 days'",
            &[],
        )
        .await;
    cluster
        .execute(
            "update job_definition set anchor_at = anchor_at - interval '30 days'",
            &[],
        )
        .await;
    let version = "update job_definition_version v set definition = to_json(j) \
        from job_definition j where j.id = v.job_id";
    cluster.execute(version, &[]).await;
    let old = "2026-11-01T07:00:00Z".parse().unwrap();
    let known = cluster.store.job(job.id).await.unwrap().unwrap();
    let explained = cluster
        .store
        .fire_time_facts(known, old)
        .await
        .unwrap()
        .explain(old);
    assert_eq!(
        explained.reason,
        FireTimeReason::NotRetained,
        "{}",
        explained.message
    );
}

#[actix::test]
async fn the_api_explains_and_refuses_what_it_cannot() {
    let node = ApiNode::start().await;
    let query = "query($id: ID!, $at: DateTime!) { explainFireTime(jobId: $id, \
        at: $at) { reason message execution { status } } }";
    let job = node
        .create(json!({"name": "x", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600}))
        .await;
    let first = eventually("it has run", async || {
        let row = node.logs(&job).await.first().cloned()?;
        (row["status"] == "SUCCESS").then_some(row)
    })
    .await;
    let explained = node
        .data(query, json!({"id": job, "at": first["fireTime"]}))
        .await;
    assert_eq!(explained["explainFireTime"]["reason"], "RAN");
    assert_eq!(
        explained["explainFireTime"]["execution"],
        json!({"status": "SUCCESS"})
    );
    let old = node
        .data(query, json!({"id": job, "at": "0001-01-01T00:00:00Z"}))
        .await;
    assert_eq!(
        (
            &old["explainFireTime"]["reason"],
            &old["explainFireTime"]["execution"]
        ),
        (&json!("BEFORE_CREATION"), &Value::Null)
    );
    let late = node
        .data(query, json!({"id": job, "at": "9999-12-31T23:59:59.999Z"}))
        .await;
    assert_eq!(late["explainFireTime"]["reason"], "NOT_A_FIRE_TIME");
    let odd = node.error(query, json!({"id": job, "at": "nine"})).await;
    assert_eq!(odd["extensions"]["field"], "at");
    let unknown = node
        .error(
            query,
            json!({"id": "018f3c00-0000-7000-8000-000000000001", "at": "2026-11-23T07:00:00Z"}),
        )
        .await;
    assert_eq!(unknown["extensions"]["code"], "NOT_FOUND");
}
