//! Which threads of a node come after firing.

use super::node_process::Processes;
use crate::support::TestDatabase;
use std::collections::BTreeMap;

/// `NAME NICENESS` of each thread, and how many there are of it.
fn threads(process: u32) -> BTreeMap<String, usize> {
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        // Field 19 of proc(5), counted from the state, which is the third.
        let niceness = rest.split(' ').nth(16).unwrap();
        *threads.entry(niceness.to_owned()).or_default() += 1;
    }
    threads
}

#[actix::test]
async fn the_threads_of_the_api_and_no_others_come_after_those_of_firing() {
    let database = TestDatabase::new().await;
    let cluster = Processes::start(1, database.url(), &[]).await;

    let threads = threads(cluster.nodes[0].id());

    // Two workers, one for the connections, one for commands.
    assert_eq!(threads.get("10"), Some(&4), "{threads:?}");
    assert!(
        threads.get("0").is_some_and(|others| *others >= 3),
        "{threads:?}"
    );
}
