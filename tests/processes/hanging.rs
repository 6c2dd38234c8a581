//! A hanging target, and a node that polls by itself.

use super::node_process::Processes;
use crate::support::{TestDatabase, eventually};
use serde_json::json;

#[actix::test]
async fn a_hanging_target_leaves_slots_to_others_and_catches_up_later() {
    let database = TestDatabase::new().await;
    let cluster = Processes::start(1, database.url(), &["--slots", "4"]).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(cluster.create_hold(json!({})).await);
    }
    let other = cluster.create_log().await;
    cluster.succeeded(other, 3).await;
    assert_eq!(cluster.target.to("/hold").len(), 2, "half of the slots");
    cluster.nodes[0]
        .says("holds half of this node's slots")
        .await;
    let address = cluster.ready("node-1").await;
    eventually("the metric says how many wait", async || {
        let metrics = cluster
            .http
            .get(format!("http://{address}/metrics"))
            .send()
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        metrics
            .lines()
            .any(|line| line == "horolog_jobs_waiting_for_share 8")
            .then_some(())
    })
    .await;

    cluster.target.release();
    for job in held {
        cluster.succeeded(job, 1).await;
    }
    assert_eq!(cluster.target.to("/hold").len(), 10, "each once");
}
