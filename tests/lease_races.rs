//! Leases of several nodes at the same time, and leases against a takeover.

use crate::support::{CommitGate, TestCluster, TestNode, eventually, fixed_rate};
use horolog::store::protocol::cluster_view::{EndedBy, Suspect};
use horolog::store::protocol::lease_store::Batch;
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;

#[actix::test]
async fn two_nodes_that_lease_at_the_same_time_share_without_a_rest() {
    for seconds_late in [0, 5] {
        let cluster = TestCluster::start().await;
        let (one, other) = (cluster.node().await, cluster.node().await);
        many_jobs(&cluster, 600).await;
        cluster.advance(seconds_late);

        let (mut leased, mut triggers) = (Vec::new(), 0);
        let lease = async |node: &TestNode| {
            node.leases
                .lease(node.id, Batch::of(50), Duration::ZERO)
                .await
                .unwrap()
                .unwrap()
        };
        loop {
            let (mine, yours) = futures_util::join!(lease(&one), lease(&other));
            if mine.triggers + yours.triggers == 0 {
                break;
            }
            triggers += mine.triggers + yours.triggers;
            let attempts = mine.attempts.iter().chain(&yours.attempts);
            leased.extend(attempts.map(|attempt| (attempt.node_id, attempt.execution_id)));
        }

        let distinct: HashSet<Uuid> = leased.iter().map(|(_, execution)| *execution).collect();
        let by_one = leased.iter().filter(|(node, _)| *node == one.id).count();
        assert_eq!((triggers, leased.len(), distinct.len()), (600, 600, 600));
        assert!(by_one > 0 && by_one < 600, "both took part: {by_one}");
        let query =
            "select count(*)::text || ' ' || count(distinct job_id) || ' ' || min(status) || ' ' ||
                max(attempt)
            from job_execution_log";
        assert_eq!(cluster.texts(query, &[]).await, ["600 600 RUNNING 1"]);
        assert_eq!(
            cluster
                .texts(
                    "select 'due' from job_trigger where due_at < '2026-11-23T08:00Z'",
                    &[]
                )
                .await
                .len(),
            0
        );
    }
}

/// `count` jobs that fire daily, due now.
async fn many_jobs(cluster: &TestCluster, count: i32) {
    let job = cluster.create(fixed_rate(86_400)).await;
    let copies = "insert into job_definition
        select (json_populate_record(j, json_build_object('id', gen_random_uuid()))).*
        from job_definition j,
        generate_series(2, $1)";
    assert_eq!(
        cluster.execute(copies, &[&count]).await,
        u64::try_from(count - 1).unwrap()
    );
    let triggers = "insert into job_trigger (id, job_id, kind, fire_time, due_at)
        select id, id, 'SCHEDULE', anchor_at, anchor_at from job_definition where id <> $1";
    cluster.execute(triggers, &[&job.id]).await;
}

#[actix::test]
async fn a_lease_skips_triggers_that_others_lock() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (held, free) = (
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_rate(60)).await,
    );
    let holder = cluster.database.client().await;
    holder.batch_execute("begin").await.unwrap();
    holder
        .query_one(
            "select from job_trigger where id = $1 for update",
            &[&held.id],
        )
        .await
        .unwrap();

    assert_eq!(node.poll().await.triggers, 1);
    assert_eq!(
        cluster.ledger(&free).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
    holder.batch_execute("commit").await.unwrap();
    assert_eq!(node.poll().await.triggers, 1);

    assert_eq!(
        cluster.ledger(&held).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
}

#[actix::test]
async fn a_dead_node_leases_nothing() {
    let cluster = TestCluster::start().await;
    let (survivor, dead) = (cluster.node().await, cluster.node().await);
    let job = cluster.create(fixed_rate(60)).await;
    let suspect = Suspect {
        node_id: dead.id,
        name: "node".into(),
        ended_by: EndedBy::Ttl,
        joined_while_observed: false,
    };
    cluster.advance(5);
    survivor
        .store
        .take_over(&suspect, survivor.id, Duration::from_secs(4))
        .await
        .unwrap()
        .expect("it is gone");

    let report = dead.poll().await;

    assert_eq!(
        (report.polled, report.leased, report.triggers),
        (false, 0, 0)
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:00 due 07:00:00"]
    );
    assert!(cluster.ledger(&job).await.is_empty());
}

#[actix::test]
async fn a_lease_that_waits_for_a_takeover_gets_nothing() {
    let cluster = TestCluster::start().await;
    let (survivor, slow) = (cluster.node().await, cluster.node().await);
    let job = cluster.create(fixed_rate(60)).await;
    let takeover = cluster.database.client().await;
    takeover.batch_execute("begin").await.unwrap();
    takeover
        .query_one(
            "select from cluster_node where id = $1 for update",
            &[&slow.id],
        )
        .await
        .unwrap();

    let polled = slow.poll_meanwhile();
    eventually("the lease waits", async || {
        let waits = "select from pg_stat_activity where wait_event_type = 'Lock' \
            and datname = current_database()";
        cluster.sql.query_opt(waits, &[]).await.unwrap().map(drop)
    })
    .await;
    takeover
        .execute(
            "update cluster_node set state = 'DEAD' where id = $1",
            &[&slow.id],
        )
        .await
        .unwrap();
    takeover.batch_execute("commit").await.unwrap();
    let report = polled.await;

    assert_eq!((report.polled, report.leased), (false, 0));
    assert_eq!(
        survivor.poll().await.leased,
        1,
        "what it had locked is free again"
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
}

/// Between its commit and its arrival a lease looks like a lost one.
#[actix::test]
async fn an_audit_waits_for_the_polls_that_are_under_way() {
    let cluster = TestCluster::start().await;
    let gate = CommitGate::install(&cluster.database).await;
    let node = cluster.auditing_victim().await;
    let job = cluster.create(fixed_rate(60)).await;

    gate.close().await;
    let first = node.poll_meanwhile();
    gate.await_victim().await;
    let second = node.poll_meanwhile();
    let opened = async {
        // An audit takes one of these.
        for _ in 0..50 {
            cluster.texts("select 'a round trip'", &[]).await;
        }
        gate.open().await;
    };
    tokio::pin!(second);
    tokio::select! {
        biased;
        report = &mut second => panic!("it did not wait: {report:?}"),
        () = opened => {}
    }

    assert_eq!((first.await.leased, second.await.reclaimed), (1, 0));
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
}
