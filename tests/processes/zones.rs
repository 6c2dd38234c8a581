//! Nodes with different tz databases on one database.

use super::node_process::{NodeProcess, Processes};
use crate::support::{TestDatabase, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A tz database in which Berlin is three hours ahead of UTC all year; it has no release name.
struct OtherDatabase(PathBuf);

impl OtherDatabase {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("horolog-zones-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("Europe")).unwrap();
        std::fs::write(directory.join("UTC"), tzif("UTC", 0, "UTC0")).unwrap();
        std::fs::write(
            directory.join("Europe/Berlin"),
            tzif("+03", 3 * 3_600, "<+03>-3"),
        )
        .unwrap();
        Self(directory)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OtherDatabase {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A zone with one offset for ever, as `zic` compiles it (RFC 9636).
fn tzif(name: &str, offset: i32, footer: &str) -> Vec<u8> {
    let letters = u32::try_from(name.len() + 1).unwrap();
    let mut block = b"TZif2".to_vec();
    block.extend([0; 15]);
    for count in [0, 0, 0, 0, 1, letters] {
        block.extend(u32::to_be_bytes(count));
    }
    block.extend(offset.to_be_bytes());
    block.extend([0, 0]);
    block.extend(name.as_bytes());
    block.push(0);
    let footer = format!("\n{footer}\n");
    [block.as_slice(), &block, footer.as_bytes()].concat()
}

fn node(name: &str, database: &TestDatabase, tz_directory: Option<&Path>) -> NodeProcess {
    let arguments = [
        "serve",
        "--node-name",
        name,
        "--listen",
        "127.0.0.1:0",
        "--repair-interval",
        "1s",
    ];
    let directory = tz_directory.map(|directory| directory.to_str().unwrap());
    let mut variables = vec![
        ("DATABASE_URL", database.url()),
        ("HOROLOG_DRAIN_DELAY", "0s"),
    ];
    variables.extend(directory.map(|directory| ("TZDIR", directory)));
    NodeProcess::start(name, &arguments, &variables)
}

/// Waits until a node shows this hour of the next New Year as the next fire time, and as the first
/// of them.
async fn shows(cluster: &Processes, node: &str, job: uuid::Uuid, hour: &str) {
    let query = "query($id: ID!) { job(id: $id) { nextFireTime nextFireTimes(count: 2) } }";
    eventually(&format!("{node} shows {hour}"), async || {
        let answer = cluster.ask(node, query, json!({"id": job})).await;
        let job = &answer["data"]["job"];
        let is_it = |time: &Value| {
            time.as_str()
                .is_some_and(|time| time.ends_with(&format!("-01-01T{hour}:00:00.000Z")))
        };
        // A node answers before it has recomputed what is pending: until then the two differ.
        let times = [
            &job["nextFireTime"],
            &job["nextFireTimes"][0],
            &job["nextFireTimes"][1],
        ];
        (times[0] == times[1] && times.into_iter().all(is_it)).then_some(())
    })
    .await;
}

#[actix::test]
async fn a_pending_fire_time_follows_the_newest_nodes_tz_database() {
    let (database, other) = (TestDatabase::new().await, OtherDatabase::new());
    let mut cluster = Processes::of(
        vec![node("node-1", &database, Some(other.path()))],
        database.url(),
    )
    .await;
    let input = json!({"name": "new year", "scheduleType": "CRON", "cronExpression": "0 12 1 1 *",
        "timeZone": "Europe/Berlin"});
    let job = cluster.create("node-1", input).await;
    shows(&cluster, "node-1", job, "09").await;

    for (name, directory, hour) in [("node-2", None, "11"), ("node-3", Some(other.path()), "09")] {
        let mut last = cluster.nodes.pop().unwrap();
        last.signal(Signal::TERM);
        assert!(last.ended().await.success());
        cluster.nodes.push(node(name, &database, directory));
        shows(&cluster, name, job, hour).await;
        cluster.nodes[0].says("pending fire times recomputed").await;
    }

    // Side by side they come to an end.
    cluster.nodes.push(node("node-4", &database, None));
    shows(&cluster, "node-4", job, "11").await;
    cluster.nodes[0]
        .says("names other fire times than that of another node")
        .await;
    shows(&cluster, "node-4", job, "11").await;
    let named = |output: String| output.matches("pending fire times recomputed").count();
    assert_eq!(
        cluster
            .nodes
            .iter()
            .map(|node| named(node.output()))
            .collect::<Vec<_>>(),
        [1, 1]
    );
}
