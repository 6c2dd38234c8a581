//! The database restarts under a running cluster.

use super::node_process::Processes;
use horolog::embedded_postgres::{EmbeddedPostgres, StopMode};
use serde_json::json;
use std::path::PathBuf;

/// A server of the test's own, with durable settings; gone when dropped.
struct OwnServer {
    directory: PathBuf,
    postgres: EmbeddedPostgres,
}

impl OwnServer {
    async fn start(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("horolog-{name}-{}", std::process::id()));
        let postgres = EmbeddedPostgres::ensure_running(&directory, &[]).await.unwrap();
        Self { directory, postgres }
    }

    async fn stop(self) {
        self.postgres.stop().await.unwrap();
    }
}

/// A failed test leaves no server behind either.
impl Drop for OwnServer {
    fn drop(&mut self) {
        let postgres = self.postgres.clone();
        let stopped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(postgres.stop())
        });
        // Stopped already when the test went well.
        drop(stopped.join());
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

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
        let client = cluster.sql().await;
        let doubled = "select count(*) from job_execution_log where attempt <> 1 or recoveries <> 0";
        assert_eq!(client.query_one(doubled, &[]).await.unwrap().get::<_, i64>(0), 0, "nothing was attempted twice");
        let nodes = "select count(*) filter (where state = 'ACTIVE'), count(*) from cluster_node";
        let nodes = client.query_one(nodes, &[]).await.unwrap();
        assert_eq!((nodes.get(0), nodes.get(1)), (3_i64, 3_i64), "nobody was declared dead");
    }
    server.stop().await;
}

#[actix::test]
async fn a_restart_of_postgresql_loses_and_doubles_nothing() {
    restarted_under_a_cluster("restart", StopMode::Fast).await;
}

#[actix::test]
async fn a_crash_of_postgresql_loses_and_doubles_nothing() {
    restarted_under_a_cluster("crash", StopMode::Immediate).await;
}
