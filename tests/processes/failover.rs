//! Deaths, freezes and goodbyes of real processes.

use super::node_process::Processes;
use crate::support::{TestDatabase, eventually};
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

#[actix::test]
async fn an_execution_of_a_killed_node_runs_again_within_a_second() {
    let database = TestDatabase::new().await;
    let mut cluster = Processes::start(3, database.url(), &[]).await;
    let beat = cluster.create_beat().await;
    // The survivors have watched for a TTL: before that no node declares another dead.
    cluster.succeeded(beat, 6).await;
    let hold = cluster.create_hold(json!({})).await;
    let first = cluster.held(1).await;

    let killed = Instant::now();
    cluster
        .process_of(&first.node_id)
        .await
        .signal(Signal::KILL);
    let second = cluster.held(2).await;
    cluster.target.release();

    let redelivered_after = second.arrived - killed;
    println!("kill -9 to redelivery: {redelivered_after:?}");
    assert!(
        redelivered_after < Duration::from_secs(1),
        "{redelivered_after:?}"
    );
    assert_eq!(
        second.execution_id, first.execution_id,
        "the same execution"
    );
    assert_ne!(second.node_id, first.node_id, "another node");
    cluster.succeeded(hold, 1).await;
    cluster.succeeded(beat, 10).await;
    cluster.assert_every_second_once(beat).await;
    let row = cluster.sql().await;
    let row = row
        .query_one(
            "select attempt, recoveries, status from job_execution_log where job_id = $1",
            &[&hold],
        )
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), (2, 1, "SUCCESS"));
    let dead = cluster.sql().await;
    let dead = dead
        .query_one(
            "select name, ended_by from cluster_node where state = 'DEAD'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        dead.get::<_, &str>(1),
        "SESSION",
        "noticed by the vanished session, not by the TTL"
    );
}

#[actix::test]
async fn a_mark_lost_execution_whose_node_is_killed_never_runs_again() {
    let database = TestDatabase::new().await;
    let mut cluster = Processes::start(2, database.url(), &[]).await;
    let hold = cluster.create_hold(json!({"recovery": "MARK_LOST"})).await;
    let first = cluster.held(1).await;

    cluster
        .process_of(&first.node_id)
        .await
        .signal(Signal::KILL);

    let client = cluster.sql().await;
    let status =
        "select status from job_execution_log where job_id = $1 and finished_at is not null";
    let status = eventually("the execution has ended", async || {
        client.query_opt(status, &[&hold]).await.unwrap()
    })
    .await;
    assert_eq!(status.get::<_, &str>(0), "LOST");
    assert_eq!(cluster.target.to("/hold").len(), 1);
}

#[actix::test]
async fn a_frozen_node_is_taken_over_and_when_it_wakes_it_changes_nothing() {
    let database = TestDatabase::new().await;
    let flags = ["--node-ttl", "2s", "--heartbeat-interval", "400ms"];
    let mut cluster = Processes::start(2, database.url(), &flags).await;
    let hold = cluster.create_hold(json!({})).await;
    let first = cluster.held(1).await;

    cluster
        .process_of(&first.node_id)
        .await
        .signal(Signal::STOP);
    let second = cluster.held(2).await;
    assert_ne!(second.node_id, first.node_id);
    cluster
        .process_of(&first.node_id)
        .await
        .signal(Signal::CONT);
    cluster
        .process_of(&first.node_id)
        .await
        .says("this node is fenced")
        .await;
    cluster.target.release();
    cluster.succeeded(hold, 1).await;

    let client = cluster.sql().await;
    let row = "select attempt, node_id::text, status from job_execution_log where job_id = $1";
    let row = client.query_one(row, &[&hold]).await.unwrap();
    assert_eq!(
        (row.get::<_, i32>(0), row.get::<_, &str>(1)),
        (2, second.node_id.as_str()),
        "the second attempt stands"
    );
    let woken = cluster.process_of(&first.node_id).await.name.clone();
    cluster.ready(&woken).await;
    let lives = "select count(*) from cluster_node where name = $1";
    let lives: i64 = client.query_one(lives, &[&woken]).await.unwrap().get(0);
    assert_eq!(lives, 2, "it joined again under a new id");
}

#[actix::test]
async fn sigterm_finishes_what_runs_and_hands_nothing_over() {
    let database = TestDatabase::new().await;
    let mut cluster = Processes::start(2, database.url(), &[]).await;
    let beat = cluster.create_beat().await;
    let hold = cluster.create_hold(json!({})).await;
    let first = cluster.held(1).await;

    let name = cluster.process_of(&first.node_id).await.name.clone();
    cluster
        .process_of(&first.node_id)
        .await
        .signal(Signal::TERM);
    let client = cluster.sql().await;
    let state = "select state from cluster_node where name = $1";
    eventually("the node drains", async || {
        let row = client.query_one(state, &[&name]).await.unwrap();
        (row.get::<_, &str>(0) == "DRAINING").then_some(())
    })
    .await;
    cluster.target.release();
    let status = cluster.process_of(&first.node_id).await.ended().await;

    assert_eq!(status.code(), Some(0));
    let row = client
        .query_one(
            "select status, attempt from job_execution_log where job_id = $1",
            &[&hold],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.get(0), row.get(1)),
        ("SUCCESS", 1),
        "it was not run twice"
    );
    assert_eq!(
        client
            .query_one(state, &[&name])
            .await
            .unwrap()
            .get::<_, &str>(0),
        "LEFT"
    );
    cluster.succeeded(beat, 5).await;
    cluster.assert_every_second_once(beat).await;
}

#[actix::test]
async fn a_drain_that_takes_too_long_hands_over_what_still_runs() {
    let database = TestDatabase::new().await;
    let mut cluster = Processes::start(2, database.url(), &["--drain-timeout", "100ms"]).await;
    let hold = cluster.create_hold(json!({})).await;
    let first = cluster.held(1).await;

    cluster
        .process_of(&first.node_id)
        .await
        .signal(Signal::TERM);
    let second = cluster.held(2).await;
    cluster.target.release();

    assert_ne!(second.node_id, first.node_id);
    assert_eq!(
        cluster
            .process_of(&first.node_id)
            .await
            .ended()
            .await
            .code(),
        Some(0)
    );
    cluster.succeeded(hold, 1).await;
}
