//! The slow sweep: `RUNNING` executions without a holder are found, whatever the cause.

use crate::support::{ENDLESS, TestCluster, fixed_delay, fixed_rate};
use horolog::model::job_request::JobRequest;
use horolog::store::protocol::sweep::Swept;
use uuid::Uuid;

#[actix::test]
async fn a_sweep_hands_over_unlisted_executions_of_a_dead_node() {
    let cluster = TestCluster::start().await;
    let (survivor, killed) = (cluster.node().await, cluster.node().await);
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_delay(60)
        })
        .await;
    assert_eq!(killed.poll().await.leased, 1);
    cluster.execute("delete from job_lease", &[]).await;
    let id = killed.id;
    killed.kill(&cluster.sql).await;

    let report = survivor.reconcile().await;

    assert_eq!(
        (report.dead, report.rerun, report.swept),
        (
            vec![id],
            0,
            Swept {
                freed_keys: 0,
                listed: 1,
                handed_over: 1
            }
        )
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RETRYING attempt 1"]
    );
    assert_eq!(survivor.reconcile().await.swept, Swept::default(), "once");
    assert_eq!(survivor.poll().await.leased, 1);
}

#[actix::test]
async fn a_sweep_lists_unlisted_executions_of_a_living_node_again() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_rate(3_600)
        })
        .await;
    assert_eq!(node.poll().await.leased, 1);
    assert_eq!(
        node.reconcile().await.swept,
        Swept::default(),
        "it is listed"
    );
    cluster.execute("delete from job_lease", &[]).await;

    assert_eq!(
        node.reconcile().await.swept,
        Swept {
            freed_keys: 0,
            listed: 1,
            handed_over: 0
        }
    );

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
    let listed = "select (l.id = any(h.execution_ids) and l.node_id = h.node_id)::text \
        from job_lease h, job_execution_log l";
    assert_eq!(cluster.texts(listed, &[]).await, ["true"]);
}

#[actix::test]
async fn a_sweep_reads_a_slice_and_begins_again_at_the_end() {
    let cluster = TestCluster::start().await;
    let mut after = Uuid::nil();
    let rows = "insert into job_execution_log (id, job_id, kind, fire_time, due_time, status,
        attempt, node_id, created_at)
        select (lpad(to_hex(1795000000000 + n), 12, '0') || repeat('0', 20))::uuid,
        gen_random_uuid(), 'SCHEDULE', now(), now(),
               case when n = 20001 then 'RUNNING' else 'SUCCESS' end, 1, gen_random_uuid(), now()
        from generate_series(1, 20001) as n";
    cluster.execute(rows, &[]).await;

    for expected in [0, 0, 1] {
        assert_eq!(
            cluster.store.sweep(&mut after).await.unwrap().listed,
            expected
        );
    }
    assert_eq!(after, Uuid::nil(), "from the beginning");
}
