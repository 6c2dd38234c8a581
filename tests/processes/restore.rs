//! A database is restored from a backup under nodes that remember better.

use super::node_process::Processes;
use super::own_server::OwnServer;
use crate::support::eventually;
use serde_json::{Value, json};
use std::collections::HashMap;

#[actix::test]
async fn a_restored_database_is_paused_and_then_repeats_the_same_ids() {
    let server = OwnServer::start("before-restore").await;
    let backup = server.standby("restored").await;
    let url = format!(
        "postgresql://horolog@{},{}/horolog?target_session_attrs=read-write",
        server.host(),
        backup.host()
    );
    let cluster = Processes::start(2, &url, &[]).await;
    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 3).await;
    // The backup is of now, and a day of cron ago as far as the nodes' rows are concerned.
    let copied = server
        .sql()
        .await
        .query_one("select pg_current_wal_lsn()::text", &[])
        .await
        .unwrap();
    let copy = backup.sql().await;
    let there = format!(
        "select from (select pg_last_wal_replay_lsn() as at) s where at >= '{}'",
        copied.get::<_, &str>(0)
    );
    eventually("the backup has it", async || {
        copy.query_opt(&there, &[]).await.unwrap()
    })
    .await;
    copy.query_one("select pg_promote()", &[]).await.unwrap();
    copy.batch_execute(
        "update cluster_node set heartbeat_at = heartbeat_at - interval '2 minutes'",
    )
    .await
    .unwrap();
    let known = cluster.target.to("/beat").len();
    eventually("more fires", async || {
        (cluster.target.to("/beat").len() >= known + 3).then_some(())
    })
    .await;

    server.kill().await;
    for node in &cluster.nodes {
        node.says("the cluster is paused: nothing starts until it is resumed")
            .await;
    }
    assert!(
        cluster
            .nodes
            .iter()
            .any(|node| node.output().contains("the database was set back"))
    );
    let paused_at = cluster.target.to("/beat").len();
    let rows = "select count(*) from job_execution_log";
    let before: i64 = copy.query_one(rows, &[]).await.unwrap().get(0);
    let address = cluster.ready("node-1").await;
    let query = json!({"query": "{ cluster { pause { setBackTo lastKnown triggersDue } } }"});
    let due = async || {
        let answer = cluster
            .http
            .post(format!("http://{address}/graphql"))
            .json(&query)
            .send()
            .await
            .ok()?;
        let hold = answer.json::<Value>().await.ok()?["data"]["cluster"]["pause"].take();
        (hold["triggersDue"] == 1 && hold["setBackTo"].as_str() < hold["lastKnown"].as_str())
            .then_some(())
    };
    eventually("the pause says what waits", due).await;
    assert_eq!(
        copy.query_one(rows, &[]).await.unwrap().get::<_, i64>(0),
        before,
        "nothing was taken"
    );
    assert_eq!(
        cluster.target.to("/beat").len(),
        paused_at,
        "nothing was called"
    );

    let release = json!({"query": "mutation { resumeCluster }"});
    cluster
        .http
        .post(format!("http://{address}/graphql"))
        .json(&release)
        .send()
        .await
        .unwrap();
    cluster
        .succeeded(beat, i64::try_from(paused_at).unwrap() + 3)
        .await;
    let mut ids: HashMap<String, String> = HashMap::new();
    for call in cluster.target.to("/beat") {
        let id = ids
            .entry(call.fire_time)
            .or_insert_with(|| call.execution_id.clone());
        assert_eq!(*id, call.execution_id, "a fire time keeps its execution id");
    }
    assert!(
        cluster.target.to("/beat").len() > ids.len(),
        "what the backup had forgotten was repeated"
    );
}
