//! Edits of a job that does not fire any more, or that waits for the end of its jitter: every edit
//! that changes no past fire time. The log and the triggers of the job stay unchanged.

use super::jittery::{in_its_jitter, jittery};
use crate::support::{TestCluster, at, cron, fixed_rate, once, with};
use horolog::actors::job_manager::{
    CommandError, CreateJob, DeleteJob, MissedOnce, PauseJob, ResumeJob, RunJobNow, UpdateJob,
};
use horolog::model::job::{Job, JobStatus};
use horolog::model::job_request::JobRequest;
use horolog::model::payload::Payload;
use horolog::model::policies::OverlapPolicy;
use horolog::model::target::{NoopTarget, Target};

/// The edits without an effect on fire times, one after the other.
fn edits(of: &JobRequest) -> Vec<JobRequest> {
    let mut request = of.clone();
    let mut edits = Vec::new();
    let changes: [fn(&mut JobRequest); 7] = [
        |request| request.name = "other".into(),
        |request| request.tags = vec!["x".into(), "y".into()],
        |request| request.description = Some("for people".into()),
        |request| request.priority = Some(9),
        |request| request.payload = Payload::of_json(r#"{"a":1}"#.into()).ok(),
        |request| request.target = Target::Noop(NoopTarget { sleep_millis: 0 }),
        |request| request.policies.overlap_policy = OverlapPolicy::Skip,
    ];
    for change in changes {
        change(&mut request);
        edits.push(request.clone());
    }
    edits
}

async fn edit(cluster: &TestCluster, job: &Job, request: JobRequest) -> Result<Job, CommandError> {
    let version = cluster.store.job(job.id).await.unwrap().unwrap().version;
    cluster
        .try_command(UpdateJob {
            id: job.id,
            request,
            version,
        })
        .await
}

/// The triggers, without what a priority is.
async fn state(cluster: &TestCluster, job: &Job) -> (Vec<String>, Vec<String>) {
    (cluster.triggers(job).await, cluster.ledger(job).await)
}

#[actix::test]
async fn a_job_that_is_done_can_be_edited_paused_resumed_run_and_deleted() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let requests = [
        once("07:00:00"),
        with(fixed_rate(60), |policies| {
            policies.end_at = Some(at("07:00:30"));
        }),
        with(fixed_rate(60), |policies| policies.max_runs = Some(1)),
        with(cron("1 7 * * *"), |policies| {
            policies.end_at = Some(at("07:01:30"));
        }),
    ];
    let mut jobs = Vec::new();
    for request in requests {
        jobs.push((cluster.create(request.clone()).await, request));
    }
    for seconds in [60, 3_600] {
        node.poll().await;
        node.settle_all().await;
        cluster.advance(seconds);
    }
    for (job, request) in &jobs {
        let before = state(&cluster, job).await;
        for request in edits(request) {
            let edited = edit(&cluster, job, request.clone()).await.unwrap();
            assert_eq!(
                (edited.next_fire_time, &edited.definition.name),
                (None, &request.name)
            );
        }
        assert_eq!(
            state(&cluster, job).await,
            before,
            "an edit of something else moves nothing"
        );
        cluster.command(PauseJob(job.id, None)).await;
        let paused = edit(
            &cluster,
            job,
            JobRequest {
                name: "while paused".into(),
                ..request.clone()
            },
        )
        .await
        .unwrap();
        assert_eq!(
            (paused.status, paused.paused_fire_time),
            (JobStatus::Paused, None),
            "nothing was missed"
        );
        let resumed = cluster.command(ResumeJob(job.id, MissedOnce::Run)).await;
        assert_eq!(
            (resumed.status, resumed.next_fire_time),
            (JobStatus::Active, None)
        );
        assert_eq!(node.poll().await.triggers, 0);
        assert_eq!(cluster.ledger(job).await, before.1, "nothing runs again");
        cluster.command(RunJobNow(job.id)).await;
        assert_eq!(node.poll().await.leased, 1);
        node.settle_all().await;
        cluster.command(DeleteJob(job.id)).await;
        assert_eq!(cluster.ledger(job).await.len(), before.1.len() + 1);
    }
}

#[actix::test]
async fn a_job_in_its_jitter_can_be_edited_and_runs_once_when_it_was_due() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let slow = with(once("07:00:00"), |policies| policies.jitter_seconds = 540);
    let mut jobs = Vec::new();
    for request in [jittery(), slow] {
        jobs.push((in_its_jitter(&cluster, request.clone()).await, request));
    }
    cluster.advance(2);
    for (job, request) in &jobs {
        let before = state(&cluster, job).await;
        for request in edits(request) {
            edit(&cluster, job, request).await.unwrap();
        }
        assert_eq!(state(&cluster, job).await, before);
    }
    cluster.advance(596);
    node.poll().await;
    node.settle_all().await;
    for (job, _) in &jobs {
        let due = "select concat_ws(' ', status, due_time = $2) from job_execution_log
            where job_id = $1 and fire_time = '2026-11-23T07:00:00Z'";
        let due_time = job.definition.due_time(job.id, at("07:00:00"));
        assert_eq!(
            cluster.texts(due, &[&job.id, &due_time]).await,
            ["SUCCESS t"]
        );
    }
}

/// An earlier version took `L` alone as Saturday.
#[actix::test]
async fn an_expression_that_is_refused_now_stays_in_the_job_that_has_it() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(cron("0 0 * * SAT")).await;
    cluster
        .execute(
            "update job_definition set cron_expression = '0 0 * * L'",
            &[],
        )
        .await;

    let renamed = JobRequest {
        name: "other".into(),
        ..cron("0 0 * * L")
    };
    assert_eq!(
        edit(&cluster, &job, renamed).await.unwrap().definition.name,
        "other"
    );
    let zoned = JobRequest {
        time_zone: Some("Europe/Berlin".into()),
        ..cron(" 0 0 * * L")
    };
    assert!(
        edit(&cluster, &job, zoned).await.is_ok(),
        "the expression is not what changes"
    );

    let field = |refused: Result<Job, CommandError>| match refused {
        Err(CommandError::Invalid(invalid)) => invalid.field.into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        field(edit(&cluster, &job, cron("0 1 * * L")).await),
        "cronExpression"
    );
    assert_eq!(
        field(cluster.try_command(CreateJob(cron("0 0 * * L"))).await),
        "cronExpression"
    );
}
