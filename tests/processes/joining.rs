//! New nodes: they are watched from their first moment on. Heartbeats are too slow to decide any of
//! these tests.

use super::node_process::{NodeProcess, Processes};
use crate::support::{TestDatabase, eventually};
use rustix::process::Signal;
use std::time::Instant;

/// A death by heartbeat, and the poll of a node that is alone, come after a minute: later than a
/// test waits.
const PATIENT: [&str; 2] = ["--node-ttl", "60s"];

/// Kills a process as soon as `it_is_time` says so, and waits until it is declared dead; by what.
async fn death_of(cluster: &Processes, mut process: NodeProcess, it_is_time: &str) -> String {
    let client = cluster.sql().await;
    eventually("it is time", async || {
        client
            .query_opt(it_is_time, &[&process.name])
            .await
            .unwrap()
    })
    .await;
    process.signal(Signal::KILL);
    let killed = Instant::now();
    process.ended().await;
    let ended = "select ended_by from cluster_node where name = $1 and state = 'DEAD'";
    let ended = eventually("it is declared dead", async || {
        client.query_opt(ended, &[&process.name]).await.unwrap()
    });
    let by = ended.await.get(0);
    println!("kill -9 to declared dead: {:?}, by {by}", killed.elapsed());
    by
}

#[actix::test]
async fn a_lone_node_sees_a_new_successor_at_once() {
    let database = TestDatabase::new().await;
    let cluster = Processes::start(1, database.url(), &PATIENT).await;
    // By then it has looked, is alone, and looks again after a TTL.
    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 4).await;
    let newcomer = NodeProcess::serve("newcomer", database.url(), &PATIENT);
    cluster.ready("newcomer").await;

    // It tries for the lock of the newcomer's session.
    let is_watched = "select from pg_stat_activity a, cluster_node n where n.name = $1
        and a.state = 'active'
        and a.datname = current_database() and a.query like '%pg_try_advisory_lock_shared(' ||
        n.lock_key || ')%'";
    assert_eq!(death_of(&cluster, newcomer, is_watched).await, "SESSION");
}

#[actix::test]
async fn the_death_of_a_node_that_has_just_joined_is_noticed() {
    let database = TestDatabase::new().await;
    let cluster = Processes::start(2, database.url(), &PATIENT).await;
    let newcomer = NodeProcess::serve("newcomer", database.url(), &PATIENT);

    let has_joined = "select from cluster_node where name = $1 and state = 'ACTIVE'";
    assert_eq!(death_of(&cluster, newcomer, has_joined).await, "SESSION");
    let client = cluster.sql().await;
    let lived = "select (ended_at - started_at) < interval '60 seconds' from cluster_node \
        where name = 'newcomer'";
    assert!(
        client
            .query_one(lived, &[])
            .await
            .unwrap()
            .get::<_, bool>(0),
        "before any heartbeat was too old"
    );
    let lives = "select count(*) from cluster_node where state = 'ACTIVE'";
    assert_eq!(
        client.query_one(lives, &[]).await.unwrap().get::<_, i64>(0),
        2
    );
}
