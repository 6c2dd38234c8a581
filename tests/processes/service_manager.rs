//! The messages to systemd, by a socket in its place.

use super::node_process::NodeProcess;
use crate::support::{TestDatabase, eventually};
use rustix::process::Signal;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

/// Everything that was told, a line each, in order.
fn listen(path: &std::path::Path) -> Arc<Mutex<Vec<String>>> {
    let socket = UnixDatagram::bind(path).unwrap();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = told.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            lines
                .lock()
                .unwrap()
                .extend(text.lines().map(str::to_owned));
        }
    });
    told
}

#[actix::test]
async fn systemd_hears_that_a_node_is_ready_lives_and_stops() {
    let database = TestDatabase::new().await;
    let path = std::env::temp_dir().join(format!("horolog-notify-{}", std::process::id()));
    drop(std::fs::remove_file(&path));
    let told = listen(&path);
    let count = |what: &str| {
        told.lock()
            .unwrap()
            .iter()
            .filter(|line| line.as_str() == what)
            .count()
    };
    let variables = [
        ("DATABASE_URL", database.url()),
        ("HOROLOG_DRAIN_DELAY", "0s"),
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "200000"),
    ];

    let mut node = NodeProcess::start("node-1", &["serve", "--listen", "127.0.0.1:0"], &variables);
    eventually("it is ready", async || {
        (count("READY=1") == 1).then_some(())
    })
    .await;
    node.says("joined the cluster").await;
    eventually("it lives", async || {
        (count("WATCHDOG=1") >= 5).then_some(())
    })
    .await;
    eventually("it says what it does", async || {
        (count("STATUS=leasing") >= 1).then_some(())
    })
    .await;
    assert_eq!(count("STOPPING=1"), 0);
    let lines = told.lock().unwrap().clone();
    let after_ready = lines.iter().skip_while(|line| *line != "READY=1");
    assert!(
        after_ready
            .clone()
            .all(|line| !line.starts_with("STATUS=not a member")),
        "ready too early: {lines:?}"
    );

    node.signal(Signal::TERM);
    assert!(node.ended().await.success());
    assert_eq!((count("STOPPING=1"), count("READY=1")), (1, 1));
    std::fs::remove_file(path).unwrap();
}

#[actix::test]
async fn a_node_without_its_database_is_not_ready() {
    let path = std::env::temp_dir().join(format!("horolog-notify-early-{}", std::process::id()));
    drop(std::fs::remove_file(&path));
    let told = listen(&path);
    let variables = [
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing"),
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
    ];

    let node = NodeProcess::start("node-1", &["serve", "--listen", "127.0.0.1:0"], &variables);
    node.says("the database is not ready").await;

    assert!(!told.lock().unwrap().iter().any(|line| line == "READY=1"));
    std::fs::remove_file(path).unwrap();
}
