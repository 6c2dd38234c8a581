//! How full nodes were, over time, and since when one has no free slot.

use crate::api_node::ApiNode;
use crate::support::{TestCluster, eventually};
use serde_json::{Value, json};

const NODES: &str = "{ nodes { id slots executionsRunning fullSince } }";

async fn first_node(node: &ApiNode) -> Value {
    node.data(NODES, json!({})).await["nodes"][0].take()
}

#[actix::test]
async fn a_node_says_since_when_it_has_no_free_slot() {
    let node = ApiNode::start_with(&[
        "--listen",
        "127.0.0.1:0",
        "--slots",
        "1",
        "--heartbeat-interval",
        "100ms",
    ])
    .await;
    let target = json!({"noop": {"sleepMillis": 60_000}});
    let later = json!({"name": "long", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "initialDelaySeconds": 3600, "target": target});
    let job = node.create(later).await;
    assert_eq!(first_node(&node).await["fullSince"], Value::Null);
    node.data(
        "mutation($id: ID!) { runJobNow(id: $id) }",
        json!({"id": job}),
    )
    .await;

    let since = async || {
        first_node(&node).await["fullSince"]
            .as_str()
            .map(str::to_owned)
    };
    let begun = eventually("it is full", since).await;
    let heartbeat = "select heartbeat_at from cluster_node";
    let client = node.database.client().await;
    let beat: chrono::DateTime<chrono::Utc> =
        client.query_one(heartbeat, &[]).await.unwrap().get(0);
    eventually("another heartbeat", async || {
        let now: chrono::DateTime<chrono::Utc> =
            client.query_one(heartbeat, &[]).await.unwrap().get(0);
        (now > beat).then_some(())
    })
    .await;
    assert_eq!(since().await, Some(begun), "it has been full all the time");

    let running = "{ executionsPage(filter: {status: [RUNNING]}) { nodes { id } } }";
    let id = node.data(running, json!({})).await["executionsPage"]["nodes"][0]["id"].take();
    node.data(
        "mutation($id: ID!) { cancelExecution(id: $id) }",
        json!({"id": id}),
    )
    .await;
    eventually("it has a free slot", async || {
        first_node(&node).await["fullSince"].is_null().then_some(())
    })
    .await;
}

#[actix::test]
async fn the_load_of_a_node_is_read_in_stretches_of_equal_length() {
    let node = ApiNode::start().await;
    // A node that writes no rows of its own.
    let id = uuid::Uuid::from_u128(7);
    let query = "query($id: ID!, $minutes: Int) { nodeLoad(id: $id, minutes: $minutes) {
        at seconds slots slotsUsed fullSeconds cpu memoryBytes latenessP50Millis latenessP99Millis
        } }";
    let load = async |minutes: i64| {
        let mut answer = node
            .data(query, json!({"id": id, "minutes": minutes}))
            .await;
        serde_json::from_value::<Vec<Value>>(answer["nodeLoad"].take()).unwrap()
    };
    let rows = "insert into node_load select to_timestamp(1800000000 + n * 60) -
        (to_timestamp(1800003540) - now()), $1, 60, 8, 60 * n, n,
        30, 1000000 * n, null, n from generate_series(0, 59) n";
    let client = node.database.client().await;
    client.execute(rows, &[&id]).await.unwrap();

    let points = load(30).await;
    assert!((30..=32).contains(&points.len()), "{}", points.len());
    let last = points
        .iter()
        .rev()
        .find(|point| point["latenessP99Millis"] == 59.0)
        .unwrap();
    assert_eq!(
        (&last["slots"], &last["slotsUsed"], &last["fullSeconds"]),
        (&json!(8), &json!(59.0), &json!(59.0))
    );
    assert_eq!(
        (&last["cpu"], &last["memoryBytes"]),
        (&json!(0.5), &json!(59_000_000.0))
    );
    // A day has sixty stretches of 24 minutes.
    let day = load(1_440).await;
    assert!((3..=4).contains(&day.len()), "{}", day.len());
    let seconds: f64 = day
        .iter()
        .map(|point| point["seconds"].as_f64().unwrap())
        .sum();
    assert!((seconds - 3_600.0).abs() < 1.0, "{seconds}");

    for minutes in [0, 1_441] {
        let error = node
            .error(query, json!({"id": id, "minutes": minutes}))
            .await;
        assert_eq!(error["extensions"]["field"], "minutes");
    }
}

#[actix::test]
async fn the_load_of_a_day_is_kept_and_what_is_older_goes() {
    let cluster = TestCluster::start().await;
    let rows = "insert into node_load (at, node_id, seconds, slots, held_seconds, full_seconds)
        select timestamptz '2026-11-23T07:00Z' - n * interval '1 hour', gen_random_uuid(), 60, 8,
        0, 0 from generate_series(1, 30) n";
    assert_eq!(cluster.execute(rows, &[]).await, 30);

    cluster.node().await.reconcile().await;

    assert_eq!(
        cluster
            .texts("select count(*)::text from node_load", &[])
            .await,
        ["25"]
    );
}

#[actix::test]
async fn a_node_meters_itself() {
    let node =
        ApiNode::start_with(&["--listen", "127.0.0.1:0", "--heartbeat-interval", "100ms"]).await;
    let client = node.database.client().await;
    let metered = "select seconds, slots, memory_bytes from node_load";
    let row = eventually("it has written", async || {
        client.query_opt(metered, &[]).await.unwrap()
    })
    .await;
    let (seconds, slots): (f32, i32) = (row.get(0), row.get(1));
    assert!(seconds > 0.0 && slots > 0);
}
