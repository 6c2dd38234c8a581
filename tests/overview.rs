//! The overview: activity, problems, and upcoming fire times.

use crate::api_node::ApiNode;
use crate::support::{TestCluster, eventually, fixed_rate, with};
use horolog::model::policies::MisfirePolicy;
use serde_json::json;

#[actix::test]
async fn the_activity_of_nodes_adds_up_in_ten_second_rows() {
    let cluster = TestCluster::start().await;
    let skip = with(fixed_rate(60), |policies| {
        policies.misfire_policy = MisfirePolicy::Skip;
    });
    cluster.create(fixed_rate(600)).await;
    cluster.create(skip).await;
    let node = cluster.node().await;
    node.poll().await;
    node.settle_all().await;
    node.reconcile().await;
    cluster.advance(3_600);
    while node.poll().await.triggers > 0 {
        node.settle_all().await;
    }
    node.reconcile().await;
    node.reconcile().await;
    let rows = node.store.activity(120).await.unwrap();
    let sums = rows.iter().map(|(_, did)| {
        (
            did.fires,
            did.succeeded,
            did.skipped,
            did.lateness.iter().sum::<i64>(),
        )
    });
    assert_eq!(
        sums.collect::<Vec<_>>(),
        [(2, 2, 0, 2), (1, 1, 65, 1)],
        "a pass in which nothing was done writes nothing"
    );
    cluster.advance(26 * 3_600);
    node.reconcile().await;
    assert!(
        node.store.activity(10_000).await.unwrap().is_empty(),
        "kept for a day"
    );
}

#[actix::test]
async fn the_overview_lists_late_and_stuck_jobs() {
    let cluster = TestCluster::start().await;
    let stuck = cluster.create(with(fixed_rate(600), |_| ())).await;
    let node = cluster.node().await;
    node.poll().await;
    cluster.advance(3_600);
    let overview = node.store.overview().await.unwrap();
    let kinds: Vec<&str> = overview
        .attention
        .iter()
        .map(|what| what.kind.as_str())
        .collect();
    assert_eq!(kinds, ["LATE", "STUCK"]);
    assert!(
        overview
            .attention
            .iter()
            .all(|what| what.job_id == Some(stuck.id)
                && what.job_name.as_ref() == Some(&stuck.definition.name))
    );
    assert_eq!(overview.due_now, 1);
    node.settle_all().await;
    while node.poll().await.triggers > 0 {
        node.settle_all().await;
    }
    let overview = node.store.overview().await.unwrap();
    assert!(
        overview.attention.is_empty() && overview.due_now == 0,
        "{overview:?}"
    );
    assert_eq!(overview.next_due.len(), 1);
}

#[actix::test]
async fn a_job_that_a_failure_paused_is_in_the_overview_once() {
    let node = ApiNode::start().await;
    let input = json!({"name": "bad", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "pauseOnFailure": true,
        "target": {"http": {"url": "http://127.0.0.1:1/"}}});
    node.create(input).await;
    let overview = eventually("it failed", async || {
        let query =
            "{ overview { failuresLastHour nextDue { jobName } attention { kind jobName message \
             executionId } } }";
        let overview = node.data(query, json!({})).await["overview"].take();
        // The questions of an overview are asked one after another: the failure may come between
        // two.
        (overview["attention"].as_array().unwrap().len()
            == 1 && overview["failuresLastHour"] == 1).then_some(overview)
    })
    .await;
    assert_eq!(overview["attention"][0]["kind"], json!("PAUSED_BY_FAILURE"));
}

#[actix::test]
async fn upcoming_fire_times_are_counted_by_the_minute() {
    let node = ApiNode::start().await;
    // Half an hour away from now: the plan begins with the present minute, of which a fire time may
    // be over (seen at 08:00).
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let minute = (now.as_secs() / 60 + 30) % 60;
    for name in ["a", "b"] {
        let input = json!({"name": name, "scheduleType": "CRON",
            "cronExpression": format!("{minute} * * * *")});
        node.create(input).await;
    }
    node.create(json!({"name": "c", "scheduleType": "FIXED_DELAY", "intervalSeconds": 5}))
        .await;
    let query = "{ upcoming(hours: 24, stepMinutes: 60) { stepSeconds buckets jobs complete \
        crowded { fires jobs } } }";
    let upcoming = node.data(query, json!({})).await["upcoming"].take();
    let buckets: Vec<i64> = serde_json::from_value(upcoming["buckets"].clone()).unwrap();
    assert_eq!((buckets.len(), buckets.iter().sum::<i64>()), (24, 48));
    assert_eq!(
        (
            &upcoming["jobs"],
            &upcoming["complete"],
            &upcoming["stepSeconds"]
        ),
        (&json!(2), &json!(true), &json!(3600))
    );
    assert_eq!(upcoming["crowded"].as_array().unwrap().len(), 10);
    assert_eq!(upcoming["crowded"][0]["fires"], 2);
    for (field, query) in [
        ("hours", "{ upcoming(hours: 169) { jobs } }"),
        ("stepMinutes", "{ upcoming(stepMinutes: 0) { jobs } }"),
        ("minutes", "{ activity(minutes: 0) { at } }"),
    ] {
        assert_eq!(
            node.error(query, json!({})).await["extensions"]["field"],
            field
        );
    }
}
