//! Failing jobs: one definition, shared by the overview, the lists and the metric.

use crate::support::{NODE_TTL, TestCluster, TestNode, begun, failed, fixed_rate, succeeded, with};
use horolog::actors::job_manager::{CancelExecution, DeleteJob, PauseJob, RunJobNow};
use horolog::model::execution::{Attempt, Settlement};
use horolog::model::job::{Job, JobState, Recovery};
use horolog::model::job_request::JobRequest;
use horolog::model::lists::{JobFilter, JobOrder};
use horolog::store::protocol::complete::LeaseUpdates;
use horolog::store::protocol::failing::Reviewed;
use std::time::Duration;
use uuid::Uuid;

fn failing_jobs() -> JobFilter {
    JobFilter {
        states: Some(vec![JobState::Failing]),
        ..JobFilter::default()
    }
}

/// The failing jobs, by their ids, which are in the order of creation. All sources must agree:
/// list, count, overview, metric, the job itself.
async fn failing(cluster: &TestCluster) -> Vec<Uuid> {
    let store = &cluster.store;
    let mut listed = store
        .job_keys(&failing_jobs(), JobOrder::Oldest, None, 200)
        .await
        .unwrap()
        .ids();
    listed.sort_unstable();
    let count = i64::try_from(listed.len()).unwrap();
    assert_eq!(store.job_count(&failing_jobs()).await.unwrap(), Some(count));
    let overview = store.overview().await.unwrap();
    assert_eq!(overview.failing_jobs, count);
    let mut shown: Vec<Uuid> = overview
        .attention
        .iter()
        .filter(|one| one.kind == "FAILED")
        .filter_map(|one| one.job_id)
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, listed);
    assert_eq!(store.backlog().await.unwrap().failing, count);
    let state_records = store.job_state_records(&listed).await.unwrap();
    assert!(
        state_records
            .values()
            .all(|state_record| state_record.state == JobState::Failing
                && state_record.failing.is_some())
    );
    listed
}

async fn settle(node: &TestNode, settlements: &[Settlement]) {
    let settled = node
        .store
        .settle(settlements, &LeaseUpdates::default())
        .await
        .unwrap();
    assert_eq!(settled.settled.len(), settlements.len());
}

/// The next fire time of the only job that is due.
async fn next(cluster: &TestCluster, node: &TestNode) -> Attempt {
    cluster.advance(3_600);
    let mut attempts = node.lease().await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

#[actix::test]
async fn a_job_fails_from_its_failure_until_an_execution_succeeds() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    assert!(failing(&cluster).await.is_empty());

    settle(&node, &[failed(&next(&cluster, &node).await)]).await;
    assert_eq!(failing(&cluster).await, [job.id]);
    let since = cluster
        .store
        .job_state_records(&[job.id])
        .await
        .unwrap()
        .remove(&job.id)
        .unwrap()
        .failing
        .unwrap()
        .since;
    cluster.advance(3 * 86_400);
    assert_eq!(
        failing(&cluster).await,
        [job.id],
        "it was three days ago, and nothing has succeeded since"
    );

    // Ends by other means decide nothing.
    let execution = cluster.command(RunJobNow(job.id)).await;
    cluster.command(CancelExecution(execution)).await;
    assert_eq!(failing(&cluster).await, [job.id]);
    cluster.command(PauseJob(job.id, None)).await;
    assert_eq!(failing(&cluster).await, [job.id], "also while it is paused");

    cluster.command(RunJobNow(job.id)).await;
    let again = node.lease().await.remove(0);
    settle(&node, &[failed(&again)]).await;
    let state_record = cluster
        .store
        .job_state_records(&[job.id])
        .await
        .unwrap()
        .remove(&job.id)
        .unwrap()
        .failing
        .unwrap();
    assert_eq!(
        (state_record.since, state_record.execution_id),
        (since, again.execution_id),
        "since the first failure"
    );

    cluster.command(RunJobNow(job.id)).await;
    settle(&node, &[succeeded(&node.lease().await[0])]).await;
    assert!(failing(&cluster).await.is_empty());
}

#[actix::test]
async fn an_execution_that_began_long_ago_and_fails_now_counts() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    let long = next(&cluster, &node).await;
    settle(&node, &[succeeded(&next(&cluster, &node).await)]).await;
    cluster.advance(7_200);
    settle(&node, &[failed(&long)]).await;
    assert_eq!(
        failing(&cluster).await,
        [job.id],
        "the newest that was settled, not the newest fire time"
    );
}

#[actix::test]
async fn failures_of_one_job_hide_none_of_another_and_the_total_is_true() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let quiet = cluster.create(fixed_rate(86_400)).await;
    settle(&node, &[failed(&node.lease().await[0])]).await;
    let noisy = cluster.create(fixed_rate(60)).await;
    for _ in 0..210 {
        cluster.advance(60);
        let attempts = node.lease().await;
        settle(&node, &attempts.iter().map(failed).collect::<Vec<_>>()).await;
    }
    assert_eq!(failing(&cluster).await, [quiet.id, noisy.id]);

    let others = 60;
    for _ in 0..others {
        cluster.create(fixed_rate(86_400)).await;
    }
    let attempts = node.lease().await;
    settle(&node, &attempts.iter().map(failed).collect::<Vec<_>>()).await;
    let overview = cluster.store.overview().await.unwrap();
    assert_eq!(
        (overview.failing_jobs, overview.attention_total),
        (others + 2, others + 2)
    );
    assert!(overview.attention.len() < 50, "the list is bounded");
}

#[actix::test]
async fn the_last_end_of_a_batch_decides_whether_a_job_fails() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (job, other) = (
        cluster.create(fixed_rate(3_600)).await,
        cluster.create(fixed_rate(3_600)).await,
    );
    let of = |attempts: &[Attempt], job: &Job| {
        attempts
            .iter()
            .find(|one| one.job_id == job.id)
            .cloned()
            .unwrap()
    };
    let attempts = node.lease().await;
    settle(
        &node,
        &[
            failed(&of(&attempts, &job)),
            succeeded(&of(&attempts, &other)),
        ],
    )
    .await;
    assert_eq!(failing(&cluster).await, [job.id]);
    cluster.advance(3_600);
    let attempts = node.lease().await;
    settle(
        &node,
        &[
            succeeded(&of(&attempts, &job)),
            failed(&of(&attempts, &other)),
        ],
    )
    .await;
    assert_eq!(failing(&cluster).await, [other.id]);
}

#[actix::test]
async fn a_settlement_that_is_refused_says_nothing() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    settle(&node, &[failed(&next(&cluster, &node).await)]).await;
    let current = next(&cluster, &node).await;
    let fenced = Attempt {
        attempt: current.attempt + 1,
        ..current.clone()
    };
    let settled = node
        .store
        .settle(&[succeeded(&fenced)], &LeaseUpdates::default())
        .await
        .unwrap();
    assert_eq!(settled.fenced, [current.execution_id]);
    assert_eq!(failing(&cluster).await, [job.id]);

    settle(&node, &[succeeded(&current)]).await;
    let current = next(&cluster, &node).await;
    let fenced = Attempt {
        attempt: current.attempt + 1,
        ..current.clone()
    };
    let settled = node
        .store
        .settle(&[failed(&fenced)], &LeaseUpdates::default())
        .await
        .unwrap();
    assert_eq!(settled.fenced, [current.execution_id]);
    assert!(failing(&cluster).await.is_empty());
}

/// The row of the failing job is in the hands of another transaction.
#[actix::test]
async fn a_success_skips_a_locked_row_and_the_review_removes_it() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    settle(&node, &[failed(&next(&cluster, &node).await)]).await;
    let success = succeeded(&next(&cluster, &node).await);
    let holder = cluster.database.client().await;
    holder
        .batch_execute("begin; select from job_failing for update")
        .await
        .unwrap();
    settle(&node, &[success]).await;
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(failing(&cluster).await, [job.id]);
    let reviewed = node.store.review_failing(&mut Uuid::nil()).await.unwrap();
    assert_eq!(
        reviewed,
        Reviewed {
            marked: 0,
            cleared: 1
        }
    );
    assert!(failing(&cluster).await.is_empty());
}

#[actix::test]
async fn a_success_that_ended_before_the_failure_ends_no_failing() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    let (earlier, later) = (next(&cluster, &node).await, next(&cluster, &node).await);
    settle(&node, &[failed(&later)]).await;
    // Its settlement read the clock first, and came second.
    cluster.set_back(60);
    settle(&node, &[succeeded(&earlier)]).await;
    assert_eq!(failing(&cluster).await, [job.id]);
    assert_eq!(
        node.store.review_failing(&mut Uuid::nil()).await.unwrap(),
        Reviewed::default()
    );
}

#[actix::test]
async fn an_execution_that_is_lost_with_its_node_makes_its_job_fail() {
    let cluster = TestCluster::start().await;
    let lost = cluster
        .create(JobRequest {
            recovery: Some(Recovery::MarkLost),
            ..fixed_rate(86_400)
        })
        .await;
    let rerun = cluster.create(fixed_rate(86_400)).await;
    let (dying, survivor) = (cluster.node().await, cluster.node().await);
    let attempts = dying.lease().await;
    assert_eq!(begun(&attempts).begun.len(), 2);
    dying.kill(&cluster.sql).await;
    cluster.clock.advance(NODE_TTL + Duration::from_secs(1));
    assert!(survivor.heartbeat().await);
    assert_eq!(survivor.reconcile().await.dead.len(), 1);
    assert_eq!(
        failing(&cluster).await,
        [lost.id],
        "not {}, which runs again",
        rerun.id
    );
}

#[actix::test]
async fn a_job_between_attempts_or_deleted_is_not_failing() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster
        .create(with(fixed_rate(86_400), |policies| {
            policies.retry.max_attempts = 2;
        }))
        .await;
    settle(&node, &[failed(&node.lease().await[0])]).await;
    assert!(failing(&cluster).await.is_empty());
    cluster.advance(7_200);
    settle(&node, &[failed(&node.lease().await[0])]).await;
    assert_eq!(failing(&cluster).await, [job.id]);
    cluster.command(DeleteJob(job.id)).await;
    assert!(failing(&cluster).await.is_empty());
}

#[actix::test]
async fn a_review_finds_failures_that_an_older_node_settled() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    let settle_as = async |status: &str, error: Option<&str>, attempt: &Attempt| {
        let text = "update job_execution_log set status = $1, error_message = $2, \
            finished_at = $3 where id = $4";
        let at = attempt.due_time;
        assert_eq!(
            cluster
                .execute(text, &[&status, &error, &at, &attempt.execution_id])
                .await,
            1
        );
    };
    settle_as("FAILED", Some("broken"), &next(&cluster, &node).await).await;
    assert!(failing(&cluster).await.is_empty());
    let review = async || node.store.review_failing(&mut Uuid::nil()).await.unwrap();
    assert_eq!(
        review().await,
        Reviewed {
            marked: 1,
            cleared: 0
        }
    );
    assert_eq!(failing(&cluster).await, [job.id]);
    assert_eq!(review().await, Reviewed::default());
    settle_as("SUCCESS", None, &next(&cluster, &node).await).await;
    assert_eq!(
        review().await,
        Reviewed {
            marked: 0,
            cleared: 1
        }
    );
    assert!(failing(&cluster).await.is_empty());
    assert_eq!(
        review().await,
        Reviewed::default(),
        "the failure before the success is not recorded again"
    );
}
