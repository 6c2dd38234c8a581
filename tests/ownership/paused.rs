//! Triggers that wait while their job is paused: they are held, and continue with the resume. A
//! ONCE reports that its time has passed.

use crate::support::{ENDLESS, TestCluster, at, failed, fixed_rate, once, succeeded, with};
use horolog::actors::job_manager::{
    DeleteJob, MissedOnce, PauseJob, ResumeJob, RunJobNow, UpdateJob,
};
use horolog::model::Timestamp;
use horolog::model::execution::Attempt;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::OverlapPolicy;
use horolog::store::protocol::complete::LeaseUpdates;

/// A job with three attempts: at once, and after up to 100 s.
fn tries_again() -> JobRequest {
    with(fixed_rate(3_600), |policies| {
        policies.retry.max_attempts = 3;
        policies.retry.initial_backoff_seconds = 100;
    })
}

async fn end(
    cluster: &TestCluster,
    attempts: &[Attempt],
    how: fn(&Attempt) -> horolog::model::execution::Settlement,
) {
    let batch: Vec<_> = attempts.iter().map(how).collect();
    let settled = cluster
        .store
        .settle(&batch, &LeaseUpdates::default())
        .await
        .unwrap();
    assert_eq!(settled.settled.len(), attempts.len());
}

async fn missed(cluster: &TestCluster, job: &Job) -> Option<Timestamp> {
    cluster
        .store
        .job(job.id)
        .await
        .unwrap()
        .unwrap()
        .paused_fire_time
}

#[actix::test]
async fn a_retry_from_before_or_after_the_pause_waits_for_the_resume() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (before, after) = (
        cluster.create(tries_again()).await,
        cluster.create(tries_again()).await,
    );
    let attempts = node.lease().await;
    let of = |job: &Job| {
        attempts
            .iter()
            .filter(|attempt| attempt.job_id == job.id)
            .cloned()
            .collect::<Vec<_>>()
    };
    end(&cluster, &of(&before), failed).await;
    cluster.command(PauseJob(before.id, None)).await;
    cluster.command(PauseJob(after.id, None)).await;
    end(&cluster, &of(&after), failed).await;

    cluster.advance(200);
    assert_eq!(node.lease().await.len(), 0);
    let held = ["RETRY fires 07:00:00", "SCHEDULE fires 08:00:00 paused"];
    for job in [&before, &after] {
        assert_eq!(cluster.triggers(job).await, held);
        assert_eq!(
            cluster.ledger(job).await,
            ["SCHEDULE 07:00:00 RETRYING ERROR attempt 1"]
        );
        node.reconcile().await;
        assert_eq!(cluster.triggers(job).await, held, "no repair lets it go");
        cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
        assert_eq!(
            cluster.triggers(job).await[0],
            "RETRY fires 07:00:00 due 07:01:40",
            "as it was"
        );
    }
    assert_eq!(
        node.lease()
            .await
            .iter()
            .map(|attempt| attempt.attempt)
            .collect::<Vec<_>>(),
        [2, 2]
    );
}

#[actix::test]
async fn a_resume_during_a_lease_gives_a_held_retry_its_due_time() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(tries_again()).await;
    end(&cluster, &node.lease().await, failed).await;
    cluster.command(PauseJob(job.id, None)).await;

    let lease = cluster.database.client().await;
    let locks = "begin; select from job_trigger where kind = 'RETRY' for update";
    lease.batch_execute(locks).await.unwrap();
    let holds_back = async {
        cluster.wait_for_locks(1).await;
        let held = "update job_trigger set paused_due_at = due_at, due_at = null \
            where kind = 'RETRY'; commit";
        lease.batch_execute(held).await.unwrap();
    };
    futures_util::join!(
        cluster.command(ResumeJob(job.id, MissedOnce::Skip)),
        holds_back
    );
    assert_eq!(
        cluster.triggers(&job).await[0],
        "RETRY fires 07:00:00 due 07:01:40"
    );
}

#[actix::test]
async fn a_held_trigger_that_a_resume_missed_is_repaired() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(tries_again()).await;
    end(&cluster, &node.lease().await, failed).await;
    cluster.command(PauseJob(job.id, None)).await;
    cluster.advance(200);
    node.lease().await;
    cluster
        .execute("update job_definition set status = 'ACTIVE'", &[])
        .await;
    node.reconcile().await;
    assert_eq!(
        cluster.triggers(&job).await[0],
        "RETRY fires 07:00:00 due 07:01:40"
    );
}

#[actix::test]
async fn a_run_on_request_is_retried_while_its_job_is_paused() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..tries_again()
        })
        .await;
    cluster.command(PauseJob(job.id, None)).await;
    cluster.command(RunJobNow(job.id)).await;
    let attempts = node.lease().await;
    end(&cluster, &attempts, failed).await;
    cluster.advance(200);
    assert_eq!(node.lease().await[0].attempt, 2);
}

#[actix::test]
async fn a_buffered_fire_is_not_released_into_a_paused_job() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let buffers = with(fixed_rate(60), |policies| {
        policies.overlap_policy = OverlapPolicy::BufferAll;
    });
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..buffers
        })
        .await;
    let first = node.lease().await;
    for _ in 0..2 {
        cluster.advance(60);
        node.lease().await;
    }
    cluster.advance(10);
    cluster.command(PauseJob(job.id, None)).await;
    end(&cluster, &first, succeeded).await;

    for _ in 0..3 {
        assert_eq!(node.lease().await.len(), 0);
        node.reconcile().await;
    }
    let waiting = [
        "BUFFERED fires 07:01:00",
        "BUFFERED fires 07:02:00",
        "SCHEDULE fires 07:03:00 paused",
    ];
    assert_eq!(cluster.triggers(&job).await, waiting);

    cluster.command(RunJobNow(job.id)).await;
    let by_hand = node.lease().await;
    assert_eq!(by_hand.len(), 1, "a person may");
    end(&cluster, &by_hand, succeeded).await;
    assert_eq!(node.lease().await.len(), 0);

    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    for minute in ["07:01:00", "07:02:00"] {
        let next = node.lease().await;
        assert_eq!(
            next.iter()
                .map(|attempt| attempt.fire_time)
                .collect::<Vec<_>>(),
            [at(minute)]
        );
        end(&cluster, &next, succeeded).await;
        node.reconcile().await;
    }
}

#[actix::test]
async fn a_failure_that_pauses_its_job_records_what_has_passed() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster
        .create(with(fixed_rate(60), |policies| {
            policies.pause_on_failure = true;
        }))
        .await;
    let attempts = node.lease().await;
    cluster.advance(130);
    end(&cluster, &attempts, failed).await;
    let row = "SCHEDULE 07:01:00 SKIPPED PAUSED attempt 0, 2 times until 07:02:00";
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED ERROR attempt 1", row]
    );
}

#[actix::test]
async fn a_once_missed_during_a_pause_runs_if_the_resume_asks_for_it() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let mut jobs = Vec::new();
    for _ in 0..6 {
        let job = cluster.create(once("07:10:00")).await;
        cluster.command(PauseJob(job.id, None)).await;
        jobs.push(job);
    }
    let [skips, runs, early, edited, deleted, renamed] = &jobs[..] else {
        panic!("six")
    };
    cluster.command(ResumeJob(early.id, MissedOnce::Run)).await;
    assert_eq!(
        cluster.triggers(early).await,
        ["SCHEDULE fires 07:10:00 due 07:10:00"]
    );
    cluster.advance(720);
    node.poll().await;
    node.settle_all().await;
    assert_eq!(
        cluster.ledger(early).await,
        ["SCHEDULE 07:10:00 SUCCESS attempt 1"]
    );
    assert_eq!(missed(&cluster, skips).await, Some(at("07:10:00")));

    cluster.command(ResumeJob(skips.id, MissedOnce::Skip)).await;
    cluster.command(ResumeJob(runs.id, MissedOnce::Run)).await;
    let later = UpdateJob {
        id: edited.id,
        request: once("07:30:00"),
        version: 1,
    };
    assert_eq!(
        cluster.command(later).await.paused_fire_time,
        Some(at("07:30:00"))
    );
    let named = JobRequest {
        name: "other".into(),
        ..once("07:10:00")
    };
    cluster
        .command(UpdateJob {
            id: renamed.id,
            request: named,
            version: 1,
        })
        .await;
    assert_eq!(missed(&cluster, renamed).await, Some(at("07:10:00")));
    cluster.command(DeleteJob(deleted.id)).await;
    node.poll().await;
    node.settle_all().await;

    let skipped = |reason| {
        [format!(
            "SCHEDULE 07:10:00 SKIPPED {reason} attempt 0, 1 times until 07:10:00"
        )]
    };
    assert_eq!(cluster.ledger(skips).await, skipped("PAUSED"));
    assert_eq!(
        cluster.ledger(runs).await,
        ["SCHEDULE 07:10:00 SUCCESS attempt 1"]
    );
    assert_eq!(cluster.ledger(edited).await, skipped("PAUSED"));
    assert_eq!(cluster.ledger(deleted).await, skipped("DELETED"));
    for job in [skips, runs, early] {
        assert_eq!(
            cluster
                .store
                .job(job.id)
                .await
                .unwrap()
                .unwrap()
                .next_fire_time,
            None
        );
        assert_eq!(missed(&cluster, job).await, None);
    }
    cluster
        .command(ResumeJob(edited.id, MissedOnce::Skip))
        .await;
    assert_eq!(
        cluster.triggers(edited).await,
        ["SCHEDULE fires 07:30:00 due 07:30:00"]
    );
}
