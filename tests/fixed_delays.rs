//! Fixed delays: the next fire time follows the end of the execution, whatever happens to the job.

use crate::scheduling::{declare_dead, turn};
use crate::support::{TestCluster, fixed_delay, fixed_rate};
use horolog::actors::job_manager::{MissedOnce, PauseJob, ResumeJob, UpdateJob};
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::target::{HttpMethod, HttpTarget, Target};
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::queries::executions::ExecutionTexts;
use std::collections::BTreeMap;

#[actix::test]
async fn a_fixed_delay_waits_for_the_end_of_its_run_and_then_its_interval() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster
        .create(JobRequest {
            initial_delay_seconds: Some(5),
            ..fixed_delay(60)
        })
        .await;
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:05 due 07:00:05"]
    );

    cluster.advance(10);
    assert_eq!(node.poll().await.leased, 1);
    cluster.advance(600);
    assert_eq!(
        node.poll().await.triggers,
        0,
        "nothing is due however long it runs"
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:05 awaiting"]
    );
    node.settle_all().await;

    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:11:10 due 07:11:10"]
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:05 SUCCESS attempt 1"]
    );
}

#[actix::test]
async fn a_fixed_delay_stays_parked_until_its_recovery_has_ended() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_delay(60)).await;
    let (survivor, dead) = (cluster.node().await, cluster.node().await);
    dead.poll().await;

    assert_eq!(declare_dead(&cluster, &survivor, &dead).await, (1, 0));
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RETRYING attempt 1"]
    );
    let recovery = "RECOVERY fires 07:00:00 due 07:00:05";
    assert_eq!(
        cluster.triggers(&job).await,
        [recovery, "SCHEDULE fires 07:00:00 awaiting"]
    );
    assert_eq!(turn(&survivor).await, 1);

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:05 due 07:01:05"]
    );
}

/// Replaces the definition of a job, at any version.
async fn edit(cluster: &TestCluster, job: &Job, request: JobRequest) {
    let version = cluster.store.job(job.id).await.unwrap().unwrap().version;
    cluster
        .command(UpdateJob {
            id: job.id,
            request,
            version,
        })
        .await;
}

#[actix::test]
async fn a_fixed_delay_continues_after_edits_during_a_run() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let [to_rate, to_delay, back, longer] = [
        fixed_delay(60),
        fixed_rate(60),
        fixed_delay(60),
        fixed_delay(60),
    ]
    .map(async |job| cluster.create(job).await);
    let (to_rate, to_delay, back, longer) = futures_util::join!(to_rate, to_delay, back, longer);
    assert_eq!(node.poll().await.leased, 4);

    edit(&cluster, &to_rate, fixed_rate(120)).await;
    edit(&cluster, &to_delay, fixed_delay(120)).await;
    edit(&cluster, &back, fixed_rate(120)).await;
    edit(&cluster, &back, fixed_delay(120)).await;
    edit(&cluster, &longer, fixed_delay(120)).await;
    cluster.advance(30);
    node.settle_all().await;

    for job in [&to_rate, &to_delay, &back] {
        assert_eq!(
            cluster.triggers(job).await,
            ["SCHEDULE fires 07:02:00 due 07:02:00"],
            "from its edit"
        );
    }
    assert_eq!(
        cluster.triggers(&longer).await,
        ["SCHEDULE fires 07:02:30 due 07:02:30"],
        "from its end"
    );
    cluster.advance(120);
    assert_eq!(turn(&node).await, 4);
    assert_eq!(
        node.reconcile().await.repairs,
        Some(Repairs::default()),
        "nothing is left to put right"
    );
}

/// A paused trigger still awaits the end, after any edit of its job.
#[actix::test]
async fn a_fixed_delay_continues_after_an_edit_between_two_attempts() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_delay(60)).await;
    let (survivor, dead) = (cluster.node().await, cluster.node().await);
    dead.poll().await;
    cluster.command(PauseJob(job.id, None)).await;
    edit(&cluster, &job, fixed_rate(60)).await;
    assert_eq!(declare_dead(&cluster, &survivor, &dead).await, (1, 0));
    assert_eq!(survivor.poll().await.leased, 1);

    edit(&cluster, &job, fixed_delay(60)).await;
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:00 awaiting"]
    );
    survivor.settle_all().await;

    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:05 due 07:01:05"]
    );
}

#[actix::test]
async fn a_fixed_delay_paused_during_a_run_continues_when_resumed() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_delay(60)).await;
    node.poll().await;

    cluster.command(PauseJob(job.id, None)).await;
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:00 awaiting paused"]
    );
    node.settle_all().await;
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 paused"],
        "its end makes nothing due"
    );
    cluster.advance(600);
    assert_eq!(turn(&node).await, 0);
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;

    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:11:00 due 07:11:00"]
    );
}

#[actix::test]
async fn a_fixed_delay_resumed_during_the_run_waits_for_its_end() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_delay(60)).await;
    node.poll().await;

    cluster.command(PauseJob(job.id, None)).await;
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:00 awaiting"]
    );
    cluster.advance(30);
    node.settle_all().await;

    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:30 due 07:01:30"]
    );
}

#[actix::test]
async fn a_failed_run_is_recorded_and_the_fixed_delay_continues() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let nowhere = HttpTarget {
        url: "http://127.0.0.1:1/".parse().unwrap(), // loopback: refused by the egress rules
        method: HttpMethod::default(),
        headers: BTreeMap::default(),
        body: None,
        timeout_seconds: 5,
        signing_secrets: Vec::new(),
    };
    let job = cluster
        .create(JobRequest {
            target: Target::Http(nowhere),
            ..fixed_delay(60)
        })
        .await;

    assert_eq!(turn(&node).await, 1);

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 FAILED ERROR attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    let executions = cluster
        .store
        .executions_of(job.id, 10, ExecutionTexts::All)
        .await
        .unwrap();
    assert!(
        executions[0]
            .error_message
            .as_ref()
            .is_some_and(|message| !message.is_empty()),
        "{executions:?}"
    );
}
