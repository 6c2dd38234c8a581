//! Silent networks, broken sessions, lost hints, wrong clocks.

use super::node_process::{NodeProcess, Processes};
use crate::proxy::Proxy;
use crate::support::{TestDatabase, eventually};
use serde_json::json;

#[actix::test]
async fn a_cut_off_node_stops_its_attempts_before_another_node_starts_them() {
    let database = TestDatabase::new().await;
    let proxy = Proxy::to(database.url()).await;
    // An eighth of the TTL lies between letting go and being taken over.
    let flags = ["--node-ttl", "8s"];
    // Alone, so that it gets the job.
    let mut cut_off = Processes::start(1, &proxy.url(database.url()), &flags).await;
    let hold = cut_off.create_hold(json!({})).await;
    let first = cut_off.held(1).await;
    cut_off
        .nodes
        .push(NodeProcess::serve("node-2", database.url(), &flags));
    cut_off.ready("node-2").await;

    proxy.silence(true);
    cut_off.nodes[0].says("this node is fenced").await;
    cut_off.nodes[0].says("attempt dropped").await;
    let dropped_before_second = cut_off.target.to("/hold").len() == 1;
    let second = cut_off.held(2).await;
    proxy.silence(false);
    cut_off.target.release();

    assert!(
        dropped_before_second,
        "the first node let go before the second started"
    );
    assert_eq!(second.execution_id, first.execution_id);
    cut_off.database_url = database.url().to_owned();
    cut_off.succeeded(hold, 1).await;
    cut_off.ready("node-1").await;
    let client = cut_off.sql().await;
    let row = client
        .query_one(
            "select attempt, recoveries from job_execution_log where job_id = $1",
            &[&hold],
        )
        .await;
    let row = row.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, i32>(1)), (2, 1));
    let dead = client
        .query_one(
            "select ended_by from cluster_node where state = 'DEAD'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        dead.get::<_, &str>(0),
        "TTL",
        "its session was still there: only the heartbeat told"
    );
}

#[actix::test]
async fn a_node_with_a_broken_session_returns_once_and_loses_nothing() {
    let database = TestDatabase::new().await;
    let cluster = Processes::start(2, database.url(), &[]).await;
    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 6).await;

    let break_off = "select pg_terminate_backend(k.pid) from pg_locks k join cluster_node n
        on ((k.classid::bigint << 32) | k.objid::bigint) = n.lock_key
        where k.locktype = 'advisory' and k.mode = 'ExclusiveLock' and n.name = 'node-2'";
    let client = cluster.sql().await;
    assert_eq!(client.query(break_off, &[]).await.unwrap().len(), 1);
    cluster.nodes[1].says("the membership session broke").await;
    // The node heals under its own id, or another node was faster and it joins under a new one:
    // either may win the race. One life of the node is left, and it leases.
    cluster.ready("node-2").await;
    cluster.succeeded(beat, 12).await;
    let lives = "select count(*) filter (where state = 'ACTIVE'), count(*) from cluster_node \
        where name = 'node-2'";
    let row = client.query_one(lives, &[]).await.unwrap();
    let (alive, all): (i64, i64) = (row.get(0), row.get(1));
    assert!(
        alive == 1 && all <= 2,
        "{alive} of {all} lives of node-2 are left"
    );

    cluster.assert_every_second_once(beat).await;
}

#[actix::test]
async fn losing_the_listener_costs_no_work() {
    let database = TestDatabase::new().await;
    let cluster = Processes::start(1, database.url(), &[]).await;
    let end_listener = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query like 'listen %'";
    assert_eq!(
        cluster
            .sql()
            .await
            .query(end_listener, &[])
            .await
            .unwrap()
            .len(),
        1
    );
    cluster.nodes[0]
        .says("the listener lost its connection")
        .await;

    let beat = cluster.create_beat().await;

    cluster.succeeded(beat, 3).await;
    cluster.assert_every_second_once(beat).await;
}

#[actix::test]
async fn six_nodes_that_start_at_once_on_an_empty_database_all_come_up() {
    let database = TestDatabase::empty().await;
    let cluster = Processes::start(6, database.url(), &[]).await;
    let beat = cluster.create_beat().await;

    cluster.succeeded(beat, 3).await;

    cluster.assert_every_second_once(beat).await;
    let today = "select count(*) from job_execution_log_default";
    let in_default: i64 = cluster
        .sql()
        .await
        .query_one(today, &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(
        in_default, 0,
        "today's partition was there before the first fire"
    );
}

/// The path of Debian and Fedora; macOS has no preloading of this kind.
#[cfg(target_os = "linux")]
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

#[cfg(target_os = "linux")]
#[actix::test]
async fn a_node_whose_wall_clock_is_an_hour_wrong_fires_on_time() {
    let Some(library) = FAKETIME
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
    else {
        panic!("libfaketime is not installed: `make setup-tests` installs it or says how");
    };
    let database = TestDatabase::new().await;
    let mut cluster = Processes::start(1, database.url(), &[]).await;
    let wrong = [
        ("DATABASE_URL", database.url()),
        ("LD_PRELOAD", library),
        ("FAKETIME", "+1h"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let arguments = [
        "serve",
        "--node-name",
        "node-2",
        "--listen",
        "127.0.0.1:0",
        "--http-allow",
        "127.0.0.0/8",
    ];
    cluster
        .nodes
        .push(NodeProcess::start("node-2", &arguments, &wrong));
    cluster.ready("node-2").await;
    let client = cluster.sql().await;
    eventually("the offset is known", async || {
        let offset = "select clock_offset_micros / 1000000 from cluster_node where name = 'node-2'";
        let seconds: i64 = client.query_one(offset, &[]).await.unwrap().get(0);
        (3_590..=3_610).contains(&seconds).then_some(())
    })
    .await;

    // Only the node with the wrong clock is left to fire.
    cluster.nodes[0].signal(rustix::process::Signal::KILL);
    cluster.nodes.swap(0, 1);
    eventually("node-1 is dead", async || {
        let state = client
            .query_one("select state from cluster_node where name = 'node-1'", &[])
            .await
            .unwrap();
        (state.get::<_, &str>(0) == "DEAD").then_some(())
    })
    .await;
    let beat = cluster.create_beat_at("node-2").await;
    cluster.succeeded(beat, 5).await;

    cluster.assert_every_second_once(beat).await;
    let off = "select count(*) from job_execution_log
        where started_at < due_time or started_at > due_time + interval '10 seconds'
        or finished_at < started_at";
    assert_eq!(
        client.query_one(off, &[]).await.unwrap().get::<_, i64>(0),
        0,
        "times are the database's"
    );
    let alive = client
        .query_one("select state from cluster_node where name = 'node-2'", &[])
        .await
        .unwrap();
    assert_eq!(alive.get::<_, &str>(0), "ACTIVE");
}
