//! The database restarts under a running cluster.

use super::node_process::Processes;
use super::own_server::OwnServer;
use horolog_embedded_postgres::StopMode;
use serde_json::json;

async fn restarted_under_a_cluster(name: &str, mode: StopMode) {
    let server = OwnServer::start(name).await;
    {
        // A TTL that a slow restart on a busy machine does not outlast: past it, a
        // second attempt would be right.
        let cluster = Processes::start(3, &server.postgres.url(), &["--node-ttl", "25s"]).await;
        let beat = cluster.create_beat().await;
        let hold = cluster.create_hold(json!({})).await;
        cluster.held(1).await;
        cluster.succeeded(beat, 3).await;

        server.postgres.restart(mode).await.unwrap();
        cluster.succeeded(beat, 8).await;
        cluster.target.release();
        cluster.succeeded(hold, 1).await;

        cluster.assert_every_second_once(beat).await;
        cluster.assert_nothing_was_lost_with_a_node(3).await;
    }
    server.postgres.stop().await.unwrap();
}

#[actix::test]
async fn a_restart_of_postgresql_loses_and_doubles_nothing() {
    restarted_under_a_cluster("restart", StopMode::Fast).await;
}

#[actix::test]
async fn a_crash_of_postgresql_loses_and_doubles_nothing() {
    restarted_under_a_cluster("crash", StopMode::Immediate).await;
}
