//! The primary dies and its standby is promoted, under a running cluster.

use super::node_process::{NodeProcess, Processes};
use super::own_server::OwnServer;
use crate::support::eventually;
use horolog::clock::Clock;
use horolog::store::Store;
use horolog::store::db::database::Database;
use horolog::store::protocol::membership::MembershipSession;
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const TTL: [&str; 2] = ["--node-ttl", "25s"];

/// One URL for both: the server that takes writes is meant.
fn url_of_both(primary: &OwnServer, standby: &OwnServer) -> String {
    format!(
        "postgresql://horolog@{},{}/horolog?target_session_attrs=read-write",
        primary.host(),
        standby.host()
    )
}

async fn promote(standby: &OwnServer) {
    let promoted: bool = standby
        .sql()
        .await
        .query_one("select pg_promote()", &[])
        .await
        .unwrap()
        .get(0);
    assert!(promoted);
}

/// Commits wait until the standby has them too.
async fn make_synchronous(primary: &OwnServer) {
    let sql = primary.sql().await;
    sql.batch_execute("alter system set synchronous_standby_names = '*'")
        .await
        .unwrap();
    sql.batch_execute("select pg_reload_conf()").await.unwrap();
    let synchronous = "select from pg_stat_replication where sync_state = 'sync'";
    eventually("commits wait for the standby", async || {
        sql.query_opt(synchronous, &[]).await.unwrap()
    })
    .await;
}

#[actix::test]
async fn a_synchronous_standby_that_takes_over_loses_and_doubles_nothing() {
    let primary = OwnServer::start("sync-primary").await;
    let standby = primary.standby("sync-standby").await;
    make_synchronous(&primary).await;
    let cluster = Processes::start(3, &url_of_both(&primary, &standby), &TTL).await;
    let beat = cluster.create_beat().await;
    let hold = cluster.create_hold(json!({})).await;
    cluster.held(1).await;
    cluster.succeeded(beat, 3).await;

    primary.kill().await;
    promote(&standby).await;
    let promoted = Instant::now();
    let before = cluster.target.to("/beat").len();
    eventually("it fires again", async || {
        (cluster.target.to("/beat").len() > before).then_some(())
    })
    .await;
    println!("promotion to the next delivery: {:?}", promoted.elapsed());
    cluster.succeeded(beat, 8).await;
    cluster.target.release();
    cluster.succeeded(hold, 1).await;

    cluster.assert_every_second_once(beat).await;
    cluster.assert_nothing_was_lost_with_a_node(3).await;
}

#[actix::test]
async fn writes_that_a_standby_lost_fire_again_under_the_same_id() {
    let primary = OwnServer::start("async-primary").await;
    let standby = primary.standby("async-standby").await;
    let cluster = Processes::start(2, &url_of_both(&primary, &standby), &TTL).await;
    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 3).await;
    // The standby falls behind for good.
    let sql = standby.sql().await;
    sql.batch_execute("alter system set primary_conninfo = ''")
        .await
        .unwrap();
    sql.batch_execute("select pg_reload_conf()").await.unwrap();
    let receiver = "select from pg_stat_wal_receiver";
    eventually("the standby is cut off", async || {
        sql.query_opt(receiver, &[])
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;
    let known = cluster.target.to("/beat").len();
    eventually("more fires", async || {
        (cluster.target.to("/beat").len() >= known + 3).then_some(())
    })
    .await;

    primary.kill().await;
    let lost_from = sql
        .query_one("select max(fire_time) from job_execution_log", &[])
        .await
        .unwrap();
    promote(&standby).await;
    cluster
        .succeeded(beat, i64::try_from(known).unwrap() + 6)
        .await;

    let audit = "select count(*), count(distinct fire_time),
            extract(epoch from max(fire_time) - min(fire_time))::bigint + 1
        from job_execution_log where job_id = $1";
    let row = sql.query_one(audit, &[&beat]).await.unwrap();
    let (rows, fire_times, seconds): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(
        (rows, fire_times),
        (seconds, seconds),
        "one row for each second, none missing"
    );
    let mut calls: HashMap<String, Vec<_>> = HashMap::new();
    for delivery in cluster.target.to("/beat") {
        calls
            .entry(delivery.fire_time.clone())
            .or_default()
            .push(delivery);
    }
    let repeated: Vec<_> = calls.values().filter(|calls| calls.len() > 1).collect();
    assert!(repeated.len() >= 3, "what was lost fired again: {calls:?}");
    let lost_from: chrono::DateTime<chrono::Utc> = lost_from.get(0);
    for calls in repeated {
        assert!(
            calls
                .iter()
                .all(|call| call.execution_id == calls[0].execution_id),
            "another id: {calls:?}"
        );
        let fire_time: chrono::DateTime<chrono::Utc> = calls[0].fire_time.parse().unwrap();
        assert!(fire_time >= lost_from, "it was not lost: {calls:?}");
    }
}

#[actix::test]
async fn an_old_primary_that_returns_is_refused_and_said_to_be_one() {
    let primary = OwnServer::start("old-primary").await;
    let standby = primary.standby("old-standby").await;
    let url = url_of_both(&primary, &standby);
    let database = Database::parse(&url, Duration::from_secs(30)).unwrap();
    let (on_the_first, _) = database.connect().await.unwrap();
    let mut node = NodeProcess::serve("node-1", &url, &[]);
    node.says("joined the cluster").await;

    primary.kill().await;
    promote(&standby).await;
    database.connect().await.unwrap();
    eventually("the first connection ends", async || {
        on_the_first.is_closed().then_some(())
    })
    .await;
    node.says("the database has failed over").await;
    let sql = standby.sql().await;
    let alive =
        "select from cluster_node where state = 'ACTIVE' and heartbeat_at > now() - interval '2 s'";
    eventually("the node goes on", async || {
        sql.query_opt(alive, &[]).await.unwrap()
    })
    .await;
    // Now the promoted one goes away too, and the old one is all there is.
    standby.kill().await;
    primary.restarted().await;

    let refused = format!(
        "{:#}",
        anyhow::Error::from(database.connect().await.unwrap_err())
    );
    assert!(
        refused.contains("an old primary, on timeline 1: timeline 2 has been seen elsewhere"),
        "{refused}"
    );
    node.says("refused an old primary").await;
    let sql = primary.sql().await;
    let heartbeat = async || -> chrono::DateTime<chrono::Utc> {
        sql.query_one("select max(heartbeat_at) from cluster_node", &[])
            .await
            .unwrap()
            .get(0)
    };
    let before = heartbeat().await;
    standby.restarted().await;
    let back = standby.sql().await;
    eventually("the node finds the new primary again", async || {
        back.query_opt(alive, &[]).await.unwrap()
    })
    .await;
    assert_eq!(
        heartbeat().await,
        before,
        "nothing was written to the old primary"
    );
    node.signal(rustix::process::Signal::TERM);
    assert!(node.ended().await.success());
}

#[actix::test]
async fn a_node_that_has_seen_the_new_primary_leaves_the_old_one() {
    let primary = OwnServer::start("alive-primary").await;
    let standby = primary.standby("alive-standby").await;
    let database =
        Database::parse(&url_of_both(&primary, &standby), Duration::from_secs(30)).unwrap();
    let store = Store::new(&database, 1, Duration::from_secs(30), Clock::Database);
    store.ping().await.unwrap();
    let (session, _ended) =
        MembershipSession::open(&database, Duration::from_secs(30), Clock::Database)
            .await
            .unwrap();
    promote(&standby).await;
    store.ping().await.unwrap();
    assert!(!session.is_closed(), "nobody has met the new one yet");

    primary
        .sql()
        .await
        .batch_execute("alter user horolog connection limit 0; alter user horolog nosuperuser")
        .await
        .unwrap();
    database.connect().await.unwrap();

    assert!(session.is_closed());
    store.ping().await.unwrap();
    let pooled = "select from pg_stat_activity
        where application_name = 'horolog' and query like '-- ping%'";
    let sql = standby.sql().await;
    eventually("the pool has moved", async || {
        sql.query_opt(pooled, &[]).await.unwrap()
    })
    .await;
}

#[actix::test]
async fn a_url_that_names_only_a_standby_is_told_so() {
    let primary = OwnServer::start("only-primary").await;
    let standby = primary.standby("only-standby").await;

    let node = NodeProcess::serve("node-1", &standby.postgres.url(), &[]);

    let line = node
        .says("a standby, which takes no writes; name the primary too")
        .await;
    assert!(line.contains("the database is not ready"), "{line}");
    // What does not wait ends with a code.
    let mut once = NodeProcess::start(
        "migrate",
        &["migrate"],
        &[("DATABASE_URL", &standby.postgres.url())],
    );
    assert_eq!(once.ended().await.code(), Some(1));
    once.says("a standby, which takes no writes; name the primary too")
        .await;
}
