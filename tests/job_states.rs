//! The state of a job besides its status: its exclusions, and its next attempts.

use crate::api_node::ApiNode;
use crate::support::{TestCluster, eventually, fixed_rate, once, succeeded, with};
use horolog::model::job::JobState;
use horolog::model::lists::{JobFilter, JobOrder};
use horolog::model::policies::OverlapPolicy;
use horolog::store::protocol::complete::LeaseUpdates;
use serde_json::{Value, json};
use uuid::Uuid;

async fn states(cluster: &TestCluster, jobs: &[Uuid]) -> Vec<JobState> {
    let state_records = cluster.store.job_state_records(jobs).await.unwrap();
    let states: Vec<JobState> = jobs.iter().map(|job| state_records[job].state).collect();
    // The list finds each job by the state that the job shows.
    for (job, state) in jobs.iter().zip(&states) {
        let filter = JobFilter {
            states: Some(vec![*state]),
            ..JobFilter::default()
        };
        let found = cluster
            .store
            .job_keys(&filter, JobOrder::Name, None, 200)
            .await
            .unwrap()
            .ids();
        assert!(found.contains(job), "{state}");
    }
    states
}

#[actix::test]
async fn a_job_with_an_exhausted_schedule_has_ended_and_is_not_active() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let jobs = [
        cluster.create(once("07:00:00")).await.id,
        cluster
            .create(with(fixed_rate(3_600), |policies| {
                policies.max_runs = Some(1);
            }))
            .await
            .id,
        cluster.create(fixed_rate(3_600)).await.id,
    ];
    let attempts = node.lease().await;
    assert_eq!(attempts.len(), 3);
    let settlements: Vec<_> = attempts.iter().map(succeeded).collect();
    node.store
        .settle(&settlements, &LeaseUpdates::default())
        .await
        .unwrap();

    assert_eq!(
        states(&cluster, &jobs[..2]).await,
        [JobState::Ended, JobState::Ended]
    );
    let state_records = cluster.store.job_state_records(&jobs).await.unwrap();
    assert_eq!(
        jobs.map(|job| state_records[&job].has_ended),
        [true, true, false]
    );
    let counts = cluster.store.job_counts().await.unwrap();
    assert_eq!((counts.active, counts.paused, counts.ended), (1, 0, 2));
}

#[actix::test]
async fn a_job_is_waiting_between_its_due_time_and_its_start() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let buffering = with(fixed_rate(10), |policies| {
        policies.overlap_policy = OverlapPolicy::BufferAll;
    });
    let behind = cluster.create(buffering).await.id;
    assert_eq!(node.lease().await.len(), 1);
    cluster.advance(10);
    assert_eq!(
        node.lease().await.len(),
        0,
        "the second fire time waits behind the first"
    );
    let late = cluster.create(fixed_rate(3_600)).await.id;
    assert_eq!(
        cluster.store.job_state_records(&[late]).await.unwrap()[&late].state,
        JobState::Active,
        "due this second"
    );
    cluster.advance(2);
    assert_eq!(
        states(&cluster, &[behind, late]).await,
        [JobState::Waiting, JobState::Waiting]
    );
}

#[actix::test]
async fn a_blackout_says_which_jobs_it_defers_and_until_when() {
    let node = ApiNode::start().await;
    let every_second = json!({"name": "probe", "scheduleType": "FIXED_RATE", "intervalSeconds": 1,
        "tags": ["net"]});
    let probe = node.create(every_second).await;
    let other = node
        .create(json!({"name": "other", "scheduleType": "FIXED_RATE", "intervalSeconds": 1}))
        .await;
    let blackout = "mutation($input: BlackoutInput!) { createBlackout(input: $input) { endsAt } }";
    let input =
        json!({"reason": "Network maintenance", "endsAt": "2099-01-01T00:00:00Z", "tag": "net"});
    // A year at most.
    let refused = node.error(blackout, json!({"input": input})).await;
    assert_eq!(refused["extensions"]["field"], "endsAt");
    let ends_at =
        node.data("{ cluster { databaseTime } }", json!({})).await["cluster"]["databaseTime"]
            .take();
    let ends_at = ends_at
        .as_str()
        .unwrap()
        .parse::<chrono::DateTime<chrono::Utc>>()
        .unwrap()
        + chrono::TimeDelta::hours(1);
    let input =
        json!({"reason": "Network maintenance", "endsAt": ends_at.to_rfc3339(), "tag": "net"});
    let ends_at =
        node.data(blackout, json!({"input": input})).await["createBlackout"]["endsAt"].take();

    let query =
        "query($ids: [ID!]) { jobsPage(filter: {ids: $ids}, orderBy: NAME) { nodes { name state
        excludedBy { kind name from until onEnd } } } overview { blackouts { reason tag } } }";
    let held = eventually("the blackout holds the probe back", async || {
        let data = node.data(query, json!({"ids": [probe, other]})).await;
        (data["jobsPage"]["nodes"][1]["state"] == "WAITING").then_some(data)
    })
    .await;
    let jobs = &held["jobsPage"]["nodes"];
    assert_eq!(
        (&jobs[0]["name"], &jobs[0]["excludedBy"]),
        (&json!("other"), &Value::Null)
    );
    let closed = &jobs[1]["excludedBy"];
    assert_eq!(
        (
            &closed["kind"],
            &closed["name"],
            &closed["until"],
            &closed["onEnd"]
        ),
        (
            &json!("BLACKOUT"),
            &json!("Network maintenance"),
            &ends_at,
            &json!("COLLAPSE")
        )
    );
    assert_eq!(
        held["overview"]["blackouts"],
        json!([{"reason": "Network maintenance", "tag": "net"}])
    );
}

#[actix::test]
async fn an_execution_between_two_attempts_says_when_the_next_one_is_due() {
    let node = ApiNode::start().await;
    let retry = json!({"maxAttempts": 2, "initialBackoffSeconds": 3600, "maxBackoffSeconds": 3600});
    let job = node
        .create(json!({"name": "unreachable", "scheduleType": "FIXED_RATE",
            "intervalSeconds": 86_400, "retry": retry,
            "target": {"http": {"url": "http://127.0.0.1:1/"}}}))
        .await;
    let query = "query($id: ID!) { job(id: $id) { state executions(first: 1) { nodes { status \
        startedAt nextAttemptAt } } } }";
    let shown = eventually("it waits for its next attempt", async || {
        let data = node.data(query, json!({"id": job})).await;
        (data["job"]["executions"]["nodes"][0]["status"] == "RETRYING").then_some(data)
    })
    .await;
    let execution = &shown["job"]["executions"]["nodes"][0];
    assert!(
        execution["nextAttemptAt"].as_str().unwrap() > execution["startedAt"].as_str().unwrap(),
        "{shown}"
    );
    assert_eq!(shown["job"]["state"], "ACTIVE");
    node.data(
        "mutation($id: ID!) { pauseJob(id: $id) { id } }",
        json!({"id": job}),
    )
    .await;
    let held = node.data(query, json!({"id": job})).await;
    assert_eq!(
        held["job"]["executions"]["nodes"][0]["nextAttemptAt"],
        Value::Null,
        "the pause holds it"
    );
}
