//! Successors: the node whose session an observer watches.

use crate::support::{NODE_TTL, TestCluster, TestNode, eventually};
use horolog::store::protocol::membership::watch;

#[actix::test]
async fn a_node_sees_the_end_of_its_successors_session_while_it_waits() {
    let cluster = TestCluster::start().await;
    let (observer, killed) = (cluster.node().await, cluster.node().await);
    let (database, lock_key) = (
        cluster.database.database(),
        successor_of(&cluster, &observer).await.unwrap(),
    );

    let watch = actix::spawn(async move { watch(&database, lock_key).await });
    let watching = "select pid from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid()
        and query like '%pg_try_advisory_lock_shared%'";
    let pid: i32 = eventually("the watch waits", async || {
        cluster
            .sql
            .query_opt(watching, &[])
            .await
            .unwrap()
            .map(|row| row.get(0))
    })
    .await;
    assert!(!watch.is_finished());
    // A snapshot as old as the watch would keep every dead row since.
    let now = cluster
        .sql
        .query_one("select pg_current_xact_id()::text", &[])
        .await
        .unwrap();
    let now: String = now.get(0);
    cluster
        .execute("update job_trigger set priority = priority", &[])
        .await;
    eventually("its snapshot is no older than now", async || {
        let older = "select from pg_stat_activity where pid = $1 \
            and backend_xmin::text::bigint <= $2::text::bigint";
        cluster
            .sql
            .query_opt(older, &[&pid, &now])
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;
    let id = killed.id;
    killed.kill_and_forget();
    watch.await.unwrap().unwrap();

    assert_eq!(observer.reconcile().await.dead, [id]);
}

/// The key of the successor's lock.
async fn successor_of(cluster: &TestCluster, observer: &TestNode) -> Option<i64> {
    cluster
        .store
        .cluster_view(observer.id, NODE_TTL)
        .await
        .unwrap()
        .successor
}

#[actix::test]
async fn a_watch_that_is_given_up_leaves_no_session_behind() {
    const WATCHES: &str = "select count(*) from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid() and query like '%pg_try_advisory_lock_shared%'";
    let cluster = TestCluster::start().await;
    let (observer, successor) = (cluster.node().await, cluster.node().await);
    let (database, lock_key) = (
        cluster.database.database(),
        successor_of(&cluster, &observer).await.unwrap(),
    );
    let watches = async |wanted: i64| {
        let watches: i64 = cluster.sql.query_one(WATCHES, &[]).await.unwrap().get(0);
        (watches == wanted).then_some(())
    };

    let watch = actix::spawn(async move { watch(&database, lock_key).await });
    eventually("the watch waits", async || watches(1).await).await;
    // The node is no successor any more, and its session lives on.
    cluster
        .execute(
            "update cluster_node set state = 'LEFT' where id = $1",
            &[&successor.id],
        )
        .await;
    assert_eq!(successor_of(&cluster, &observer).await, None);
    watch.abort();

    eventually("its session has ended", async || watches(0).await).await;
}

#[actix::test]
async fn the_successor_is_the_next_living_node_in_the_ring() {
    let cluster = TestCluster::start().await;
    let mut nodes = [
        cluster.node().await,
        cluster.node().await,
        cluster.node().await,
    ];
    nodes.sort_by_key(|node| node.id);
    let key = async |node: &TestNode| -> i64 {
        cluster
            .sql
            .query_one(
                "select lock_key from cluster_node where id = $1",
                &[&node.id],
            )
            .await
            .unwrap()
            .get(0)
    };
    let [first, second, third] = &nodes;
    assert_eq!(successor_of(&cluster, first).await, Some(key(second).await));
    assert_eq!(successor_of(&cluster, third).await, Some(key(first).await));

    let [first, second, third] = nodes;
    second.kill_and_forget();

    eventually("its session has ended", async || {
        (successor_of(&cluster, &first).await == Some(key(&third).await)).then_some(())
    })
    .await;
}
