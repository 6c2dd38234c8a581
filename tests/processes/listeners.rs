//! What listeners cost a node.

use super::node_process::Processes;
use crate::live::Socket;
use crate::support::TestDatabase;
use futures_util::future::join_all;

const SOCKETS: usize = 5;
/// Of each socket: as many as nodes take.
const SUBSCRIPTIONS: usize = 20;
/// Events that each socket waits for.
const EVENTS: usize = 10 * SUBSCRIPTIONS;

/// Connections that requests took from their pool.
async fn taken(cluster: &Processes, address: &str) -> usize {
    let metrics = cluster
        .http
        .get(format!("http://{address}/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let count = |line: &str| {
        line.strip_prefix("horolog_pool_wait_seconds_count{pool=\"requests\"} ")?
            .parse()
            .ok()
    };
    metrics
        .lines()
        .find_map(count)
        .unwrap_or_else(|| panic!("{metrics}"))
}

#[actix::test]
async fn one_read_serves_all_subscribers() {
    let database = TestDatabase::new().await;
    let cluster = Processes::start(1, database.url(), &[]).await;
    let address = cluster.ready("node-1").await;
    cluster.create_log().await;
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = Socket::open(&format!("http://{address}"), None)
            .await
            .unwrap();
        for id in 0..SUBSCRIPTIONS {
            socket
                .subscribe(
                    &id.to_string(),
                    "subscription { executionUpdated { status output } }",
                )
                .await;
        }
        sockets.push(socket);
    }

    let before = taken(&cluster, &address).await;
    join_all(sockets.iter_mut().map(async |socket| {
        for _ in 0..EVENTS {
            assert!(!socket.event().await["executionUpdated"].is_null());
        }
    }))
    .await;
    let read = taken(&cluster, &address).await - before;

    // Separate reads would take 1,000. The feed takes some as well.
    assert!(
        read < SOCKETS * EVENTS / 4,
        "{read} reads for {} events",
        SOCKETS * EVENTS
    );
}
