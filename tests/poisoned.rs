//! A batch is never lost for one member: whatever the database does not take of one job, the others go through, and
//! that one is recorded as what it is. The poison is a trigger that raises for the rows of one job.

use crate::support::{TestCluster, fixed_delay, fixed_rate};
use horolog::model::job::{Job, Recovery};
use horolog::model::job_request::JobRequest;
use horolog::store::bulk::BulkAction;
use horolog::store::give_backs::Holdings;
use horolog::store::settlements::LeasesLeft;
use horolog::store::sweep::Swept;

/// Three jobs, all due now; the second is the one to be poisoned.
async fn three(cluster: &TestCluster, request: impl Fn() -> JobRequest) -> [Job; 3] {
    [cluster.create(request()).await, cluster.create(request()).await, cluster.create(request()).await]
}

/// From now on the database refuses this (`before insert on job_trigger`) for rows of the job, on a condition.
async fn poison(cluster: &TestCluster, when: &str, job: &Job, condition: &str) {
    let function = "create or replace function poison() returns trigger language plpgsql as
$$ begin raise 'poisoned' using errcode = 'check_violation'; end $$";
    cluster.sql.batch_execute(function).await.unwrap();
    let row = if when.starts_with("before delete") { "old" } else { "new" };
    let of_job = format!("{row}.job_id = '{}' and {condition}", job.id);
    let trigger = format!("create trigger poison {when} for each row when ({of_job}) execute function poison()");
    cluster.sql.batch_execute(&trigger).await.unwrap();
}

/// The only line of a job in the log, and what went wrong.
async fn only(cluster: &TestCluster, job: &Job) -> (String, String) {
    let ledger = cluster.ledger(job).await;
    let [line] = &ledger[..] else { panic!("{ledger:?}") };
    let message = "select coalesce(error_message, '') from job_execution_log where job_id = $1";
    (line.clone(), cluster.sql.query_one(message, &[&job.id]).await.unwrap().get(0))
}

#[actix::test]
async fn a_result_that_the_database_does_not_take_is_settled_as_a_failure_that_says_why() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_rate(60)).await;
    poison(&cluster, "before update on job_execution_log", &jobs[1], "new.status = 'SUCCESS'").await;
    let node = cluster.node().await;
    assert_eq!(node.poll().await.leased, 3);

    let report = node.settle_all().await;

    assert_eq!((report.settled, report.fenced), (3, 0));
    for job in [&jobs[0], &jobs[2]] {
        assert_eq!(only(&cluster, job).await.0, "SCHEDULE 07:00:00 SUCCESS attempt 1");
    }
    let (line, why) = only(&cluster, &jobs[1]).await;
    assert_eq!(line, "SCHEDULE 07:00:00 FAILED ERROR attempt 1");
    assert!(why.contains("ended as SUCCESS") && why.contains("poisoned (SQLSTATE 23514)"), "{why}");
}

#[actix::test]
async fn what_follows_from_a_settlement_and_cannot_be_written_loses_no_result_of_others() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_delay(60)).await;
    poison(&cluster, "before update on job_trigger", &jobs[1], "new.awaits is null").await;
    let node = cluster.node().await;
    assert_eq!(node.poll().await.leased, 3);

    assert_eq!(node.settle_all().await.settled, 3);

    assert_eq!(only(&cluster, &jobs[0]).await.0, "SCHEDULE 07:00:00 SUCCESS attempt 1");
    assert_eq!(only(&cluster, &jobs[1]).await.0, "SCHEDULE 07:00:00 FAILED ERROR attempt 1");
    cluster.sql.batch_execute("drop trigger poison on job_trigger").await.unwrap();
    assert_eq!(node.reconcile().await.repairs.unwrap().continued, 1, "the chain goes on");
}

/// It has begun, so the audit does with it what its job says of a death.
#[actix::test]
async fn a_settlement_that_cannot_be_written_at_all_frees_its_slot_and_an_audit_counts_it_as_lost() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || JobRequest { recovery: Some(Recovery::MarkLost), ..fixed_rate(60) }).await;
    poison(&cluster, "before update on job_execution_log", &jobs[1], "true").await;
    let node = cluster.auditing_victim().await;
    assert_eq!(node.poll().await.leased, 3);

    assert_eq!(node.settle_all().await.settled, 2);

    assert_eq!(node.held(), 0);
    assert_eq!(only(&cluster, &jobs[1]).await.0, "SCHEDULE 07:00:00 RUNNING attempt 1");
    cluster.sql.batch_execute("drop trigger poison on job_execution_log").await.unwrap();
    assert_eq!(node.poll().await.given_back, 1);
    assert_eq!(only(&cluster, &jobs[1]).await.0, "SCHEDULE 07:00:00 LOST attempt 1");
}

#[actix::test]
async fn a_retry_that_cannot_be_written_ends_its_execution_alone() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_rate(60)).await;
    poison(&cluster, "before insert on job_trigger", &jobs[1], "new.kind = 'RETRY'").await;
    let node = cluster.node().await;
    let mut attempts = node.lease().await;
    for attempt in &mut attempts {
        attempt.policies.retry.max_attempts = 3;
    }
    let odd = attempts.iter().find(|attempt| attempt.job_id == jobs[1].id).unwrap();
    let failed = crate::support::failed(odd);

    let error = node.store.settle(std::slice::from_ref(&failed), &LeasesLeft::default()).await.unwrap_err();
    assert!(error.is_of_a_row() && !error.is_passing(), "{error}");
    let settled = node.store.settle_alone(&failed.not_storable("why"), &LeasesLeft::default()).await.unwrap();

    assert_eq!(settled.settled, [odd.execution_id]);
    assert_eq!(only(&cluster, &jobs[1]).await.0, "SCHEDULE 07:00:00 FAILED ERROR attempt 1");
}

#[actix::test]
async fn a_lease_that_fails_for_one_job_takes_the_others() {
    for (when, condition) in [
        ("before insert on job_execution_log", "true"),
        ("before update on job_trigger", "new.due_at is distinct from old.due_at"),
    ] {
        let cluster = TestCluster::start().await;
        let jobs = three(&cluster, || fixed_rate(60)).await;
        poison(&cluster, when, &jobs[1], condition).await;
        let node = cluster.node().await;

        let mut leased: Vec<_> = node.lease().await.iter().map(|attempt| attempt.job_id).collect();

        leased.sort_unstable();
        let mut others = [jobs[0].id, jobs[2].id];
        others.sort_unstable();
        assert_eq!(leased, others, "{when}");
        assert_eq!(cluster.triggers(&jobs[1]).await, ["SCHEDULE fires 07:00:00 due 07:00:00"], "it waits");
        let attention = node.store.overview().await.unwrap().attention;
        let shown = attention.iter().find(|shown| shown.kind == "UNREADABLE").unwrap();
        assert_eq!(shown.job_id, Some(jobs[1].id));
        assert!(shown.message.contains("it cannot be leased: poisoned"), "{}", shown.message);
    }
}

#[actix::test]
async fn a_lease_whose_commit_fails_for_one_job_takes_the_others() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_rate(60)).await;
    poison(&cluster, "before insert on job_execution_log", &jobs[1], "false").await;
    let late = format!(
        "create constraint trigger late after insert on job_execution_log deferrable initially deferred
for each row when (new.job_id = '{}') execute function poison()",
        jobs[1].id
    );
    cluster.sql.batch_execute(&late).await.unwrap();
    let node = cluster.node().await;

    assert_eq!(node.lease().await.len(), 2);
}

#[actix::test]
async fn a_take_over_that_fails_for_one_execution_takes_the_others_over() {
    for (condition, becomes) in [("new.status = 'RETRYING'", "FAILED CRASH_LOOP"), ("true", "RUNNING")] {
        let cluster = TestCluster::start().await;
        let jobs = three(&cluster, || fixed_rate(60)).await;
        let (survivor, victim) = (cluster.node().await, cluster.node().await);
        assert_eq!(victim.lease().await.len(), 3);
        poison(&cluster, "before update on job_execution_log", &jobs[1], condition).await;
        let id = victim.id;
        victim.kill(&cluster.sql).await;

        let report = survivor.reconcile().await;

        assert_eq!((report.dead, report.rerun), (vec![id], 2), "{condition}");
        for job in [&jobs[0], &jobs[2]] {
            assert_eq!(only(&cluster, job).await.0, "SCHEDULE 07:00:00 RETRYING attempt 1");
        }
        let (line, why) = only(&cluster, &jobs[1]).await;
        assert_eq!(line, format!("SCHEDULE 07:00:00 {becomes} attempt 1"));
        assert!(becomes == "RUNNING" || why.contains("cannot be taken over: poisoned"), "{why}");
        let leases: i64 = cluster.sql.query_one("select count(*) from job_lease", &[]).await.unwrap().get(0);
        assert_eq!(leases, i64::from(becomes == "RUNNING"), "what stays as it is is listed");
        if becomes == "RUNNING" {
            cluster.sql.batch_execute("drop trigger poison on job_execution_log").await.unwrap();
            assert_eq!(survivor.reconcile().await.swept, Swept { listed: 0, handed_over: 1 });
            assert_eq!(only(&cluster, &jobs[1]).await.0, "SCHEDULE 07:00:00 RETRYING attempt 1");
        }
    }
}

#[actix::test]
async fn what_a_lease_never_answered_is_given_back_without_the_one_that_cannot_be() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_rate(60)).await;
    let node = cluster.node().await;
    assert_eq!(node.lease().await.len(), 3);
    poison(&cluster, "before insert on job_trigger", &jobs[1], "true").await;

    assert_eq!(node.store.give_back(node.id, &Holdings::default()).await.unwrap(), 2);

    assert_eq!(only(&cluster, &jobs[1]).await.0, "SCHEDULE 07:00:00 RUNNING attempt 1");
}

#[actix::test]
async fn repairs_pass_over_what_they_cannot_write() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_rate(60)).await;
    let node = cluster.node().await;
    cluster.sql.batch_execute("delete from job_trigger").await.unwrap();
    poison(&cluster, "before insert on job_trigger", &jobs[1], "true").await;

    let repairs = node.reconcile().await.repairs.unwrap();

    assert_eq!(repairs.scheduled, 2);
    assert_eq!(cluster.triggers(&jobs[1]).await.len(), 0);
    assert!(!node.reconcile().await.repairs.unwrap().may_be_more(), "it is not tried without end");
}

#[actix::test]
async fn repairs_of_retries_and_deleted_jobs_pass_over_what_they_cannot_write() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_rate(60)).await;
    let node = cluster.node().await;
    assert_eq!(node.lease().await.len(), 3);
    poison(&cluster, "before insert on job_trigger", &jobs[1], "new.kind = 'RECOVERY'").await;
    let retrying = "update job_execution_log set status = 'RETRYING', retrying = true";
    cluster.sql.batch_execute(retrying).await.unwrap();
    assert_eq!(node.reconcile().await.repairs.unwrap().retried, 2);

    cluster.sql.batch_execute("drop trigger poison on job_trigger").await.unwrap();
    poison(&cluster, "before update on job_trigger", &jobs[1], "new.paused").await;
    cluster.sql.batch_execute("update job_definition set status = 'PAUSED'").await.unwrap();
    assert_eq!(node.reconcile().await.repairs.unwrap().stopped, 2);
}

#[actix::test]
async fn a_bulk_command_changes_all_jobs_but_the_one_that_cannot_be() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_rate(60)).await;
    poison(&cluster, "before update on job_trigger", &jobs[1], "true").await;
    let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();

    let paused = cluster.store.bulk(&ids, &BulkAction::Pause(None)).await.unwrap();

    assert_eq!(paused, (3, 2));
    let active = "select id from job_definition where status = 'ACTIVE'";
    assert_eq!(cluster.sql.query_one(active, &[]).await.unwrap().get::<_, uuid::Uuid>(0), jobs[1].id);
}

#[actix::test]
async fn the_log_forgets_what_is_above_the_count_of_all_jobs_but_one() {
    let cluster = TestCluster::start().await;
    let jobs = three(&cluster, || fixed_rate(60)).await;
    let node = cluster.node().await;
    for _ in 0..3 {
        node.poll().await;
        node.settle_all().await;
        cluster.advance(60);
    }
    let keep = r#"update job_definition set policies = '{"keepExecutions": 1}'"#;
    cluster.sql.batch_execute(keep).await.unwrap();
    poison(&cluster, "before delete on job_execution_log", &jobs[1], "true").await;
    let mut after = uuid::Uuid::nil();

    let mut forgotten = 0;
    for _ in 0..4 {
        forgotten += cluster.store.forget(std::time::Duration::MAX, &mut after).await.unwrap().rows;
    }

    assert_eq!(forgotten, 4, "two of each of the others");
    assert_eq!(cluster.ledger(&jobs[1]).await.len(), 3);
}
