//! Backfills: a past range runs once, in order, at its rate, under its own
//! overlap policy, and can be stopped and asked for again.

use crate::admission::anonymous;
use crate::api_node::ApiNode;
use crate::support::{TestCluster, TestNode, at, eventually, fixed_rate, with};
use actix::Actor;
use horolog::actors::job_manager::backfills::{BackfillJob, CancelBackfill};
use horolog::actors::job_manager::{
    CommandError, DeleteJob, JobManager, MissedOnce, PauseJob, ResumeJob,
};
use horolog::actors::watchdog::Watchdog;
use horolog::api::ApiSettings;
use horolog::model::backfill::BackfillRequest;
use horolog::model::job::Job;
use horolog::model::policies::{MisfirePolicy, OverlapPolicy};
use horolog::model::rfc3339;
use serde_json::json;

/// 07:00 to 07:30, every ten minutes; it is 07:35 and nothing ran, as the
/// policy asks.
async fn past() -> (TestCluster, Job, TestNode) {
    let cluster = TestCluster::start().await;
    let skip = with(fixed_rate(600), |policies| {
        policies.misfire_policy = MisfirePolicy::Skip;
    });
    let job = cluster.create(skip).await;
    let node = cluster.node().await;
    cluster.advance(35 * 60);
    assert_eq!(run(&node).await, 0);
    (cluster, job, node)
}

fn range(overlap_policy: OverlapPolicy, fires_per_minute: i32) -> BackfillRequest {
    BackfillRequest {
        from: at("07:00:00"),
        to: at("07:30:00"),
        overlap_policy,
        fires_per_minute,
    }
}

/// Polls, runs and settles until nothing is due; how many ran.
async fn run(node: &TestNode) -> usize {
    let mut ran = 0;
    loop {
        let report = node.poll().await;
        ran += node.settle_all().await.settled;
        if report.triggers == 0 {
            return ran;
        }
    }
}

async fn backfilled(cluster: &TestCluster, job: &Job) -> Vec<String> {
    cluster
        .ledger(job)
        .await
        .into_iter()
        .filter(|row| row.starts_with("BACKFILL"))
        .collect()
}

fn ran(time: &str) -> String {
    format!("BACKFILL {time} SUCCESS attempt 1")
}

#[actix::test]
async fn a_backfill_runs_its_range_once_in_order_and_at_its_rate() {
    let (cluster, job, node) = past().await;
    let backfill = cluster
        .command(BackfillJob(job.id, range(OverlapPolicy::BufferAll, 60)))
        .await;
    assert_eq!((backfill.fire_times, backfill.taken), (4, 0));

    for taken in 1..=4 {
        assert_eq!(run(&node).await, 1, "one a second");
        let stored = node.store.backfills(Some(job.id), 10).await.unwrap();
        assert_eq!(
            (stored[0].taken, stored[0].next_fire_time.is_some()),
            (taken, taken < 4)
        );
        cluster.advance(1);
    }
    assert_eq!(run(&node).await, 0);
    let all = ["07:00:00", "07:10:00", "07:20:00", "07:30:00"].map(ran);
    assert_eq!(backfilled(&cluster, &job).await, all);

    cluster
        .command(BackfillJob(job.id, range(OverlapPolicy::Allow, 60_000)))
        .await;
    cluster.advance(1);
    assert_eq!(run(&node).await, 4, "a range can be run again");
}

#[actix::test]
async fn a_backfill_obeys_its_own_overlap_policy() {
    let (cluster, job, node) = past().await;
    cluster
        .command(BackfillJob(job.id, range(OverlapPolicy::BufferAll, 60_000)))
        .await;
    assert_eq!(node.poll().await.leased, 1);
    cluster.advance(5);
    assert_eq!(node.poll().await.leased, 0, "the first still runs");
    assert_eq!(
        cluster
            .texts(
                "select fire_time::time::text from job_trigger where kind = 'BACKFILL'",
                &[]
            )
            .await,
        ["07:10:00"]
    );
    node.settle_all().await;
    cluster.advance(1);
    assert_eq!(
        node.poll().await.leased,
        1,
        "and when it has ended the next does"
    );
    node.settle_all().await;

    let backfill = cluster
        .texts("select id::text from job_backfill", &[])
        .await
        .remove(0);
    cluster
        .command(CancelBackfill(backfill.parse().unwrap()))
        .await;
    cluster
        .command(BackfillJob(job.id, range(OverlapPolicy::Skip, 60_000)))
        .await;
    assert_eq!(node.poll().await.leased, 1);
    for _ in 0..3 {
        cluster.advance(1);
        assert_eq!(node.poll().await.triggers, 1);
    }
    node.settle_all().await;
    let skipped = backfilled(&cluster, &job)
        .await
        .iter()
        .filter(|row| row.contains("SKIPPED OVERLAP"))
        .count();
    assert_eq!(skipped, 3, "{:?}", backfilled(&cluster, &job).await);

    cluster
        .command(BackfillJob(job.id, range(OverlapPolicy::Allow, 60_000)))
        .await;
    let mut leased = 0;
    for _ in 0..4 {
        leased += node.poll().await.leased;
        cluster.advance(1);
    }
    assert_eq!(leased, 4, "side by side");
}

#[actix::test]
async fn a_backfill_ends_when_cancelled_and_waits_during_a_pause_of_its_job() {
    let (cluster, job, node) = past().await;
    let backfill = cluster
        .command(BackfillJob(job.id, range(OverlapPolicy::BufferAll, 60)))
        .await;
    cluster.command(PauseJob(job.id, None)).await;
    assert_eq!(run(&node).await, 0);
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    cluster.advance(10);
    assert_eq!(run(&node).await, 1);

    cluster.command(CancelBackfill(backfill.id)).await;
    cluster.advance(60);
    assert_eq!(run(&node).await, 0);
    let stored = node.store.backfills(None, 10).await.unwrap().remove(0);
    assert_eq!(
        (
            stored.taken,
            stored.cancelled_at.is_some(),
            stored.next_fire_time
        ),
        (1, true, None)
    );
    let over = cluster.try_command(CancelBackfill(backfill.id)).await;
    assert!(matches!(over, Err(CommandError::NotFound { .. })));

    cluster
        .command(BackfillJob(job.id, range(OverlapPolicy::BufferAll, 60)))
        .await;
    cluster.command(DeleteJob(job.id)).await;
    assert!(
        node.store
            .backfills(None, 10)
            .await
            .unwrap()
            .iter()
            .all(|backfill| backfill.cancelled_at.is_some())
    );
}

#[actix::test]
async fn backfills_are_previewed_started_and_cancelled_over_graphql() {
    let node = ApiNode::start().await;
    let job = node
        .create(json!({"name": "report", "scheduleType": "CRON", "cronExpression": "0 2 * * *"}))
        .await;
    let range = json!({"id": job, "from": "2026-01-01T00:00:00Z", "to": "2026-01-31T23:59:59Z"});
    let preview = "query($id: ID!, $from: DateTime!, $to: DateTime!) { previewBackfill(id: $id, \
        from: $from, to: $to) { count last fireTimes } }";
    let shown = node.data(preview, range.clone()).await["previewBackfill"].clone();
    assert_eq!(
        (&shown["count"], &shown["last"]),
        (&json!(31), &json!("2026-01-31T02:00:00.000Z"))
    );
    assert_eq!(shown["fireTimes"].as_array().unwrap().len(), 10);

    let begin = "mutation($id: ID!, $from: DateTime!, $to: DateTime!, $policy: OverlapPolicy) {
        backfillJob(id: $id, from: $from, to: $to, overlapPolicy: $policy, firesPerMinute: 1) { id
        state fireTimes } }";
    let begun = node.data(begin, range.clone()).await["backfillJob"].clone();
    assert_eq!(
        (&begun["state"], &begun["fireTimes"]),
        (&json!("RUNNING"), &json!(31))
    );
    node.data(
        "mutation($id: ID!) { cancelBackfill(id: $id) }",
        json!({"id": begun["id"]}),
    )
    .await;
    let listed = node
        .data(
            "query($id: ID!) { backfills(jobId: $id) { state } }",
            json!({"id": job}),
        )
        .await;
    assert_eq!(listed["backfills"], json!([{"state": "CANCELLED"}]));

    let mut refused = range.clone();
    refused["policy"] = json!("CANCEL_OTHER");
    assert_eq!(
        node.error(begin, refused).await["extensions"]["field"],
        "overlapPolicy"
    );
    let future = json!({"id": job, "from": "2026-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"});
    assert_eq!(node.error(begin, future).await["extensions"]["field"], "to");
    let unknown = json!({"id": uuid::Uuid::nil(), "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-02T00:00:00Z"});
    assert_eq!(
        node.error(begin, unknown).await["extensions"]["code"],
        "NOT_FOUND"
    );
}

/// The manager has commands to carry out, and may be busy.
#[actix::test]
async fn a_preview_does_not_wait_for_the_manager_of_the_jobs() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(600)).await;
    cluster.advance(35 * 60);
    let (store, thread) = (cluster.store.clone(), actix::Arbiter::new());
    let manager = JobManager::start_in_arbiter(&thread.handle(), move |_| {
        JobManager::new(store, &Watchdog::default())
    });
    thread.stop();
    eventually("it has ended", async || {
        (!manager.connected()).then_some(())
    })
    .await;
    let schema = horolog::api::schema(cluster.store.clone(), manager, ApiSettings::default());
    let query = format!(
        "{{ previewBackfill(id: \"{}\", from: \"{}\", to: \"{}\") {{ count }} }}",
        job.id,
        rfc3339(at("07:00:00")),
        rfc3339(at("07:30:00"))
    );
    let answer = serde_json::to_value(schema.execute(anonymous(query)).await).unwrap();
    assert_eq!(answer, json!({"data": {"previewBackfill": {"count": 4}}}));
}
