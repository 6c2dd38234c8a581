//! The audit log: what nodes decide by themselves, and what they do to the log.

use crate::support::{ENDLESS, TestCluster, failed, fixed_rate, with};
use horolog::actors::job_manager::PauseCluster;
use horolog::store::protocol::complete::LeaseUpdates;

const ENTRIES: &str = "select concat_ws(' ', caller, action, object_kind, object_name, outcome,
    details::text) as entry from audit_log where caller_kind = 'NODE' order by seq";

async fn decisions(cluster: &TestCluster) -> Vec<String> {
    cluster.texts(ENTRIES, &[]).await
}

#[actix::test]
async fn a_take_over_and_a_pause_on_failure_are_entries_of_the_node() {
    let cluster = TestCluster::start().await;
    let (node, survivor) = (cluster.node().await, cluster.node().await);
    let mut long = with(fixed_rate(3600), |policies| {
        policies.pause_on_failure = true;
    });
    long.target = ENDLESS;
    let job = cluster.create(long).await;
    assert_eq!(node.lease().await.len(), 1);
    node.kill(&cluster.sql).await;

    assert_eq!(survivor.reconcile().await.dead.len(), 1);

    assert_eq!(
        decisions(&cluster).await,
        ["node horolog takeOver node node DONE {\"ended\":0,\"endedBy\":\"SESSION\",\"rerun\":1}"]
    );
    cluster.advance(60);
    let attempt = survivor.lease().await.remove(0);
    let settlement = failed(&attempt);
    let settled = survivor
        .store
        .settle(&[settlement], &LeaseUpdates::default())
        .await
        .unwrap();
    assert_eq!(settled.settled.len(), 1);
    let last = decisions(&cluster).await.pop().unwrap();
    assert_eq!(
        last,
        format!(
            "node horolog pauseOnFailure job job DONE {{\"executionId\":\"{}\"}}",
            attempt.execution_id
        )
    );
    let author = "select changed_by from job_definition_version where job_id = $1
        order by version desc limit 1";
    assert_eq!(cluster.texts(author, &[&job.id]).await, ["node horolog"]);
}

/// A takeover that fails for one execution is repeated in parts. What was decided in a part that is
/// undone is decided once more.
#[actix::test]
async fn what_is_undone_in_a_part_leaves_no_entry() {
    let cluster = TestCluster::start().await;
    let (node, survivor) = (cluster.node().await, cluster.node().await);
    let mut jobs = Vec::new();
    for _ in 0..4 {
        let mut request = with(fixed_rate(3600), |policies| {
            policies.pause_on_failure = true;
        });
        (request.target, request.max_recoveries) = (ENDLESS, Some(0));
        jobs.push(cluster.create(request).await);
    }
    let bad = jobs.remove(2);
    let refuse = format!(
        "create function refuse() returns trigger language plpgsql as $$
        begin raise exception 'no'; end $$;
        create trigger refuse before insert on job_definition_version for each row
            when (new.job_id = '{}' and new.change = 'PAUSED') execute function refuse()",
        bad.id
    );
    cluster.sql.batch_execute(&refuse).await.unwrap();
    assert_eq!(node.lease().await.len(), 4);
    node.kill(&cluster.sql).await;

    assert_eq!(survivor.reconcile().await.dead.len(), 1);

    let paused = "select object_id from audit_log where action = 'pauseOnFailure'";
    let mut paused = cluster.texts(paused, &[]).await;
    paused.sort();
    let mut good: Vec<_> = jobs.iter().map(|job| job.id.to_string()).collect();
    good.sort();
    assert_eq!(paused, good);
}

#[actix::test]
async fn no_command_waits_for_a_seal_or_for_the_entry_of_another() {
    let cluster = TestCluster::start().await;
    let other = cluster.database.client().await;
    // The lock of the seals, and an entry that is not committed.
    let held = "begin; select pg_advisory_xact_lock(x'484f524155444954'::bigint);
        insert into audit_log (at, caller, caller_kind, action, outcome)
        values (now(), 'other', 'NODE', 'x', 'DONE')";
    other.batch_execute(held).await.unwrap();

    cluster.command(PauseCluster(None)).await;

    assert_eq!(cluster.store.seal_audit_log().await.unwrap(), None);
    other.batch_execute("commit").await.unwrap();
    let end = cluster.store.seal_audit_log().await.unwrap().unwrap();
    assert_eq!(end.position, 2);
}

#[actix::test]
async fn a_reconciler_removes_what_is_older_than_the_retention() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let old = "insert into audit_log (at, caller, caller_kind, action, outcome) \
        select now() - interval '40 days', 'old', 'USER', 'x', 'DONE' from generate_series(1, 3)";
    cluster.execute(old, &[]).await;
    cluster.command(PauseCluster(None)).await;
    cluster.store.seal_audit_log().await.unwrap();

    node.reconcile().await;

    let left = "select action from audit_log order by seq";
    assert_eq!(cluster.texts(left, &[]).await, ["test", "purgeAuditLog"]);
}
