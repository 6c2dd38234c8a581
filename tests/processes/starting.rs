//! Several nodes that start at the same moment.

use super::node_process::{NodeProcess, Processes};
use crate::sessions::set_defaults;
use crate::support::TestDatabase;
use horolog::store::db::migrate::newest_known;
use rustix::process::Signal;

#[actix::test]
async fn three_nodes_start_on_an_empty_database_under_every_isolation() {
    for isolation in ["read committed", "repeatable read", "serializable"] {
        let database = TestDatabase::empty().await;
        set_defaults(
            &database,
            &format!("default_transaction_isolation = '{isolation}'"),
        )
        .await;
        let node = |number| NodeProcess::serve(&format!("node-{number}"), database.url(), &[]);

        let mut cluster = Processes::of((1..=3).map(node).collect(), database.url()).await;

        let beat = cluster.create_beat().await;
        cluster.succeeded(beat, 1).await;
        cluster.assert_nothing_was_lost_with_a_node(3).await;
        let applied = "select count(*), max(version) from horolog_migration";
        let applied = cluster.sql().await.query_one(applied, &[]).await.unwrap();
        let newest = newest_known();
        assert_eq!(
            (applied.get(0), applied.get(1)),
            (i64::from(newest), newest),
            "each migration once"
        );
        for node in &mut cluster.nodes {
            node.signal(Signal::TERM);
            assert_eq!(node.ended().await.code(), Some(0), "{isolation}");
            for word in ["WARN", "ERROR"] {
                assert!(
                    !node.output().contains(word),
                    "{isolation}: {}",
                    node.output()
                );
            }
        }
    }
}
