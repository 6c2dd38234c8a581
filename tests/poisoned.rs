//! A batch is never lost because of one member: when the database refuses a row of one job, the
//! others go through, and that one is recorded correctly. The poison is a database trigger that
//! raises an error for the rows of one job.

use crate::support::{TestCluster, TestNode, fixed_delay, fixed_rate};
use horolog::model::job::{Job, Recovery};
use horolog::model::job_request::JobRequest;
use horolog::store::jobs::bulk::BulkAction;
use horolog::store::protocol::complete::LeaseUpdates;
use horolog::store::protocol::reclaim::Holdings;
use horolog::store::protocol::sweep::Swept;

/// A cluster with three jobs that are due now; the second is the odd one.
struct Three {
    cluster: TestCluster,
    jobs: [Job; 3],
}

impl Three {
    async fn start() -> Self {
        Self::of(|| fixed_rate(60)).await
    }

    async fn of(request: impl Fn() -> JobRequest) -> Self {
        let cluster = TestCluster::start().await;
        let jobs = [
            cluster.create(request()).await,
            cluster.create(request()).await,
            cluster.create(request()).await,
        ];
        Self { cluster, jobs }
    }

    fn odd(&self) -> &Job {
        &self.jobs[1]
    }

    fn others(&self) -> [&Job; 2] {
        [&self.jobs[0], &self.jobs[2]]
    }

    /// From now on the database refuses this (`before insert on job_trigger`) for rows of the odd
    /// job, on a condition.
    async fn poison(&self, when: &str, condition: &str) {
        let row = if when.starts_with("before delete") {
            "old"
        } else {
            "new"
        };
        let poison = format!(
            "create or replace function poison() returns trigger language plpgsql as
$$ begin raise 'poisoned' using errcode = 'check_violation'; end $$;
create trigger poison {when} for each row when ({row}.job_id = '{}' and {condition}) execute
function poison()",
            self.odd().id
        );
        self.cluster.sql.batch_execute(&poison).await.unwrap();
    }

    /// The database takes the rows of that table again.
    async fn cure(&self, table: &str) {
        self.cluster
            .sql
            .batch_execute(&format!("drop trigger poison on {table}"))
            .await
            .unwrap();
    }

    /// The only line of a job in the log, and what went wrong.
    async fn only(&self, job: &Job) -> (String, String) {
        let ledger = self.cluster.ledger(job).await;
        let [line] = &ledger[..] else {
            panic!("{ledger:?}")
        };
        let message = "select coalesce(error_message, '') from job_execution_log where job_id = $1";
        (
            line.clone(),
            self.cluster.texts(message, &[&job.id]).await.remove(0),
        )
    }

    /// The line of the odd job after its fire time, and its error.
    async fn odd_line(&self) -> (String, String) {
        let (line, why) = self.only(self.odd()).await;
        (
            line.strip_prefix("SCHEDULE 07:00:00 ").unwrap().to_owned(),
            why,
        )
    }

    /// Each of the others has one line, with this text after its fire time.
    async fn assert_others(&self, expected: &str) {
        for job in self.others() {
            assert_eq!(
                self.only(job).await.0,
                format!("SCHEDULE 07:00:00 {expected}")
            );
        }
    }
}

/// Three jobs, one of them poisoned, and a node.
async fn poisoned(when: &str, condition: &str) -> (Three, TestNode) {
    let three = Three::start().await;
    three.poison(when, condition).await;
    let node = three.cluster.node().await;
    (three, node)
}

/// The same, when the node has leased all three.
async fn poisoned_after_the_lease(when: &str, condition: &str) -> (Three, TestNode) {
    let three = Three::start().await;
    let node = three.cluster.node().await;
    assert_eq!(node.lease().await.len(), 3);
    three.poison(when, condition).await;
    (three, node)
}

#[actix::test]
async fn a_result_that_the_database_refuses_is_settled_as_a_failure() {
    let (three, node) = poisoned(
        "before update on job_execution_log",
        "new.status = 'SUCCESS'",
    )
    .await;
    assert_eq!(node.poll().await.leased, 3);

    let report = node.settle_all().await;

    assert_eq!((report.settled, report.fenced), (3, 0));
    three.assert_others("SUCCESS attempt 1").await;
    let (line, why) = three.odd_line().await;
    assert_eq!(line, "FAILED ERROR attempt 1");
    assert!(
        why.contains("ended as SUCCESS") && why.contains("poisoned (SQLSTATE 23514)"),
        "{why}"
    );
}

#[actix::test]
async fn an_impossible_follow_up_of_a_settlement_loses_no_other_result() {
    let three = Three::of(|| fixed_delay(60)).await;
    three
        .poison("before update on job_trigger", "new.awaits is null")
        .await;
    let node = three.cluster.node().await;
    assert_eq!(node.poll().await.leased, 3);

    assert_eq!(node.settle_all().await.settled, 3);

    three.assert_others("SUCCESS attempt 1").await;
    assert_eq!(three.odd_line().await.0, "FAILED ERROR attempt 1");
    three.cure("job_trigger").await;
    assert_eq!(
        node.reconcile().await.repairs.unwrap().continued,
        1,
        "the chain goes on"
    );
}

/// The attempt has started, so the audit applies the recovery of its job.
#[actix::test]
async fn an_impossible_settlement_frees_its_slot_and_is_audited_as_lost() {
    let three = Three::of(|| JobRequest {
        recovery: Some(Recovery::MarkLost),
        ..fixed_rate(60)
    })
    .await;
    three
        .poison("before update on job_execution_log", "true")
        .await;
    let node = three.cluster.auditing_victim().await;
    assert_eq!(node.poll().await.leased, 3);

    assert_eq!(node.settle_all().await.settled, 2);

    assert_eq!(node.held(), 0);
    assert_eq!(three.odd_line().await.0, "RUNNING attempt 1");
    three.cure("job_execution_log").await;
    assert_eq!(node.poll().await.reclaimed, 1);
    assert_eq!(three.odd_line().await.0, "LOST attempt 1");
}

#[actix::test]
async fn a_retry_that_cannot_be_written_ends_its_execution_alone() {
    let (three, node) = poisoned("before insert on job_trigger", "new.kind = 'RETRY'").await;
    let mut attempts = node.lease().await;
    for attempt in &mut attempts {
        attempt.policies.retry.max_attempts = 3;
    }
    let odd = attempts
        .iter()
        .find(|attempt| attempt.job_id == three.odd().id)
        .unwrap();
    let failed = crate::support::failed(odd);

    let error = node
        .store
        .settle(std::slice::from_ref(&failed), &LeaseUpdates::default())
        .await
        .unwrap_err();
    assert!(error.is_of_a_row() && !error.is_passing(), "{error}");
    let settled = node
        .store
        .settle_alone(&failed.not_storable("why"), &LeaseUpdates::default())
        .await
        .unwrap();

    assert_eq!(settled.settled, [odd.execution_id]);
    assert_eq!(three.odd_line().await.0, "FAILED ERROR attempt 1");
}

#[actix::test]
async fn a_lease_that_fails_for_one_job_takes_the_others() {
    for (when, condition) in [
        ("before insert on job_execution_log", "true"),
        (
            "before update on job_trigger",
            "new.due_at is distinct from old.due_at",
        ),
    ] {
        let (three, node) = poisoned(when, condition).await;

        let mut leased: Vec<_> = node
            .lease()
            .await
            .iter()
            .map(|attempt| attempt.job_id)
            .collect();

        leased.sort_unstable();
        let mut others = three.others().map(|job| job.id);
        others.sort_unstable();
        assert_eq!(leased, others, "{when}");
        assert_eq!(
            three.cluster.triggers(three.odd()).await,
            ["SCHEDULE fires 07:00:00 due 07:00:00"],
            "it waits"
        );
        let attention = node.store.overview().await.unwrap().attention;
        let shown = attention
            .iter()
            .find(|shown| shown.kind == "UNREADABLE")
            .unwrap();
        assert_eq!(shown.job_id, Some(three.odd().id));
        assert!(
            shown.message.contains("it cannot be leased: poisoned"),
            "{}",
            shown.message
        );
    }
}

#[actix::test]
async fn a_lease_whose_commit_fails_for_one_job_takes_the_others() {
    let three = Three::start().await;
    three
        .poison("before insert on job_execution_log", "false")
        .await;
    let late = format!(
        "create constraint trigger late after insert on job_execution_log deferrable initially
            deferred
for each row when (new.job_id = '{}') execute function poison()",
        three.odd().id
    );
    three.cluster.sql.batch_execute(&late).await.unwrap();
    let node = three.cluster.node().await;

    assert_eq!(node.lease().await.len(), 2);
}

#[actix::test]
async fn a_takeover_that_fails_for_one_execution_takes_the_others_over() {
    for (condition, becomes) in [
        ("new.status = 'RETRYING'", "FAILED CRASH_LOOP"),
        ("true", "RUNNING"),
    ] {
        let three = Three::start().await;
        let (survivor, victim) = (three.cluster.node().await, three.cluster.node().await);
        assert_eq!(victim.lease().await.len(), 3);
        three
            .poison("before update on job_execution_log", condition)
            .await;
        let id = victim.id;
        victim.kill(&three.cluster.sql).await;

        let report = survivor.reconcile().await;

        assert_eq!((report.dead, report.rerun), (vec![id], 2), "{condition}");
        three.assert_others("RETRYING attempt 1").await;
        let (line, why) = three.odd_line().await;
        assert_eq!(line, format!("{becomes} attempt 1"));
        assert!(
            becomes == "RUNNING" || why.contains("cannot be taken over: poisoned"),
            "{why}"
        );
        let leases: i64 = three
            .cluster
            .sql
            .query_one("select count(*) from job_lease", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(
            leases,
            i64::from(becomes == "RUNNING"),
            "what stays as it is is listed"
        );
    }
}

/// No memory is needed: the node that gave the execution up may be gone when the row can be written
/// again.
#[actix::test]
async fn an_execution_that_a_takeover_gave_up_is_taken_over_later() {
    let three = Three::start().await;
    let (first, victim) = (three.cluster.node().await, three.cluster.node().await);
    assert_eq!(victim.lease().await.len(), 3);
    three
        .poison("before update on job_execution_log", "true")
        .await;
    victim.kill(&three.cluster.sql).await;
    assert_eq!(first.reconcile().await.rerun, 2);
    assert_eq!(
        first.reconcile().await.swept,
        Swept::default(),
        "it cannot be written yet"
    );
    first.kill(&three.cluster.sql).await;
    let another = three.cluster.node().await;
    assert_eq!(
        another.reconcile().await.swept,
        Swept::default(),
        "nor by another node"
    );
    assert_eq!(three.odd_line().await.0, "RUNNING attempt 1");

    three.cure("job_execution_log").await;

    assert_eq!(
        another.reconcile().await.swept,
        Swept {
            freed_keys: 0,
            listed: 0,
            handed_over: 1
        }
    );
    assert_eq!(three.odd_line().await.0, "RETRYING attempt 1");
    assert_eq!(
        another.poll().await.leased,
        3,
        "it runs again with the others"
    );
}

#[actix::test]
async fn reclaiming_passes_over_an_execution_that_cannot_be_written() {
    let (three, node) = poisoned_after_the_lease("before insert on job_trigger", "true").await;

    assert_eq!(
        node.store
            .reclaim_unacknowledged(node.id, &Holdings::default())
            .await
            .unwrap(),
        2
    );

    assert_eq!(three.odd_line().await.0, "RUNNING attempt 1");
}

#[actix::test]
async fn repairs_pass_over_what_they_cannot_write() {
    let three = Three::start().await;
    let node = three.cluster.node().await;
    three
        .cluster
        .sql
        .batch_execute("delete from job_trigger")
        .await
        .unwrap();
    three.poison("before insert on job_trigger", "true").await;

    let repairs = node.reconcile().await.repairs.unwrap();

    assert_eq!(repairs.scheduled, 2);
    assert_eq!(three.cluster.triggers(three.odd()).await.len(), 0);
    assert!(
        !node.reconcile().await.repairs.unwrap().may_be_more(),
        "it is not tried without end"
    );
}

#[actix::test]
async fn repairs_pass_over_rows_that_cannot_be_written() {
    let (three, node) =
        poisoned_after_the_lease("before insert on job_trigger", "new.kind = 'RECOVERY'").await;
    let retrying = "update job_execution_log set status = 'RETRYING', retrying = true";
    three.cluster.sql.batch_execute(retrying).await.unwrap();
    assert_eq!(node.reconcile().await.repairs.unwrap().retried, 2);

    three.cure("job_trigger").await;
    three
        .poison("before update on job_trigger", "new.paused")
        .await;
    three
        .cluster
        .sql
        .batch_execute("update job_definition set status = 'PAUSED'")
        .await
        .unwrap();
    assert_eq!(node.reconcile().await.repairs.unwrap().stopped, 2);
}

#[actix::test]
async fn a_bulk_command_changes_all_jobs_but_the_one_that_cannot_be() {
    let three = Three::start().await;
    three.poison("before update on job_trigger", "true").await;
    let ids = three.jobs.each_ref().map(|job| job.id);

    let paused = three
        .cluster
        .store
        .bulk(&ids, &BulkAction::Pause(None))
        .await
        .unwrap();

    assert_eq!(paused, (3, 2));
    let active = "select id from job_definition where status = 'ACTIVE'";
    assert_eq!(
        three
            .cluster
            .sql
            .query_one(active, &[])
            .await
            .unwrap()
            .get::<_, uuid::Uuid>(0),
        three.odd().id
    );
}

#[actix::test]
async fn the_log_purges_what_is_above_the_count_of_all_jobs_but_one() {
    let three = Three::start().await;
    let node = three.cluster.node().await;
    for _ in 0..3 {
        node.poll().await;
        node.settle_all().await;
        three.cluster.advance(60);
    }
    let keep = r#"update job_definition set policies = '{"retainExecutions": 1}'"#;
    three.cluster.sql.batch_execute(keep).await.unwrap();
    three
        .poison("before delete on job_execution_log", "true")
        .await;
    let mut after = uuid::Uuid::nil();

    let mut purged = 0;
    for _ in 0..4 {
        purged += three
            .cluster
            .store
            .purge(std::time::Duration::MAX, &mut after)
            .await
            .unwrap()
            .rows;
    }

    assert_eq!(purged, 4, "two of each of the others");
    assert_eq!(three.cluster.ledger(three.odd()).await.len(), 3);
}
