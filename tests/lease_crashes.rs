//! Lease, run, settle: whatever dies in between, every fire time becomes
//! exactly one settled execution, and a late hand is refused.

use crate::support::{
    CommitGate, ENDLESS, TestCluster, TestNode, at, cron, eventually, fixed_delay, fixed_rate,
    succeeded,
};
use horolog::actors::job_manager::RunJobNow;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::complete::{LeaseUpdates, Settled};
use std::time::Duration;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

/// One job of each kind of trigger, all due at 07:15:00, which is now.
async fn one_of_each_kind(
    cluster: &TestCluster,
    edit: impl Fn(JobRequest) -> JobRequest,
) -> Vec<Job> {
    let quarter = Some(900);
    let jobs = vec![
        cluster.create(edit(cron("15 * * * *"))).await,
        cluster
            .create(edit(JobRequest {
                initial_delay_seconds: quarter,
                ..fixed_rate(3_600)
            }))
            .await,
        cluster
            .create(edit(JobRequest {
                initial_delay_seconds: quarter,
                ..fixed_delay(3_600)
            }))
            .await,
        cluster
            .create(edit(JobRequest {
                initial_delay_seconds: Some(86_400),
                ..fixed_rate(86_400)
            }))
            .await,
    ];
    cluster.advance(900);
    cluster.command(RunJobNow(jobs[3].id)).await;
    jobs
}

/// Each job has run once, in the attempt that counts, and its trigger has moved on.
async fn assert_each_ran_once(cluster: &TestCluster, jobs: &[Job], attempt: u32) {
    for (job, kind) in jobs
        .iter()
        .zip(["SCHEDULE", "SCHEDULE", "SCHEDULE", "MANUAL"])
    {
        assert_eq!(
            cluster.ledger(job).await,
            [format!("{kind} 07:15:00 SUCCESS attempt {attempt}")]
        );
    }
    for job in &jobs[..3] {
        assert_eq!(
            cluster.triggers(job).await,
            ["SCHEDULE fires 08:15:00 due 08:15:00"]
        );
    }
    assert_eq!(
        cluster.triggers(&jobs[3]).await,
        ["SCHEDULE fires 07:00:00 due 07:00:00"],
        "run-now moves nothing"
    );
}

/// The survivor's passes after the victim's death. `left` attempts were the victim's.
async fn survive(cluster: &TestCluster, survivor: &TestNode, victim: Uuid, left: usize) {
    let report = survivor.reconcile().await;
    assert_eq!(
        (report.dead, report.rerun, report.ended),
        (vec![victim], left, 0)
    );
    assert_eq!(
        report.repairs,
        Some(Repairs::default()),
        "the take-over leaves nothing to repair"
    );
    survivor.poll().await;
    survivor.settle_all().await;
    assert_eq!(survivor.poll().await.leased, 0, "nothing is left");
    assert_eq!(
        survivor.reconcile().await.repairs,
        Some(Repairs::default()),
        "nothing is left to put right"
    );
    assert_eq!(cluster.node_state(victim).await, "DEAD by SESSION");
}

#[actix::test]
async fn a_death_before_the_lease_costs_nothing() {
    let cluster = TestCluster::start().await;
    let jobs = one_of_each_kind(&cluster, |job| job).await;
    let (survivor, victim) = (cluster.node().await, cluster.node().await);
    let id = victim.id;

    victim.kill(&cluster.sql).await;
    survive(&cluster, &survivor, id, 0).await;

    assert_each_ran_once(&cluster, &jobs, 1).await;
}

#[actix::test]
async fn a_death_before_the_lease_commits_leaves_no_trace() {
    let cluster = TestCluster::start().await;
    let gate = CommitGate::install(&cluster.database).await;
    let jobs = one_of_each_kind(&cluster, |job| job).await;
    let (survivor, victim) = (cluster.node().await, cluster.victim(PATIENCE).await);
    let id = victim.id;

    gate.close().await;
    let polled = victim.poll_meanwhile();
    gate.cut().await;
    assert!(!polled.await.polled);
    victim.kill(&cluster.sql).await;
    survive(&cluster, &survivor, id, 0).await;

    assert_each_ran_once(&cluster, &jobs, 1).await;
}

#[actix::test]
async fn a_death_after_the_lease_and_before_the_run_is_a_second_attempt() {
    let cluster = TestCluster::start().await;
    let jobs = one_of_each_kind(&cluster, |job| job).await;
    let (survivor, victim) = (cluster.node().await, cluster.node().await);
    let id = victim.id;

    assert_eq!(victim.lease().await.len(), 4);
    victim.kill(&cluster.sql).await;
    survive(&cluster, &survivor, id, 4).await;

    assert_each_ran_once(&cluster, &jobs, 2).await;
}

#[actix::test]
async fn an_early_lease_does_not_start_before_its_due_time_after_a_death() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(60)).await;
    let (survivor, victim) = (cluster.node().await, cluster.node().await);
    survivor.lease().await;
    cluster.clock.advance(Duration::from_millis(59_800));
    assert_eq!(victim.lease().await.len(), 1);

    victim.kill(&cluster.sql).await;
    assert_eq!(survivor.reconcile().await.rerun, 1);
    let again = survivor.lease().await;

    assert_eq!(
        again
            .iter()
            .map(|attempt| (attempt.attempt, attempt.due_time))
            .collect::<Vec<_>>(),
        [(2, at("07:01:00"))]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:02:00 due 07:02:00"]
    );
}

#[actix::test]
async fn a_death_in_the_middle_of_the_run_is_a_second_attempt() {
    let cluster = TestCluster::start().await;
    let jobs = one_of_each_kind(&cluster, |job| JobRequest {
        target: ENDLESS,
        ..job
    })
    .await;
    let (survivor, victim) = (cluster.node().await, cluster.node().await);
    let id = victim.id;

    assert_eq!(victim.poll().await.leased, 4);
    cluster
        .execute("update job_definition set target = '\"log\"'", &[])
        .await;
    victim.kill(&cluster.sql).await;
    survive(&cluster, &survivor, id, 4).await;

    assert_each_ran_once(&cluster, &jobs, 2).await;
}

#[actix::test]
async fn a_death_before_the_settlement_commits_is_a_second_attempt() {
    let cluster = TestCluster::start().await;
    let gate = CommitGate::install(&cluster.database).await;
    let jobs = one_of_each_kind(&cluster, |job| job).await;
    let (survivor, victim) = (cluster.node().await, cluster.victim(PATIENCE).await);
    let id = victim.id;

    let attempts = victim.lease().await;
    gate.close().await;
    let (store, batch) = (
        victim.store.clone(),
        attempts.iter().map(succeeded).collect::<Vec<_>>(),
    );
    let settled = actix::spawn(async move { store.settle(&batch, &LeaseUpdates::default()).await });
    gate.cut().await;
    settled.await.unwrap().unwrap_err();
    victim.kill(&cluster.sql).await;
    survive(&cluster, &survivor, id, 4).await;

    assert_each_ran_once(&cluster, &jobs, 2).await;
}

#[actix::test]
async fn a_death_after_the_settlement_costs_nothing() {
    let cluster = TestCluster::start().await;
    let jobs = one_of_each_kind(&cluster, |job| job).await;
    let (survivor, victim) = (cluster.node().await, cluster.node().await);
    let id = victim.id;

    victim.poll().await;
    assert_eq!(victim.settle_all().await.settled, 4);
    victim.kill(&cluster.sql).await;
    survive(&cluster, &survivor, id, 0).await;

    assert_each_ran_once(&cluster, &jobs, 1).await;
}

#[actix::test]
async fn a_frozen_node_that_wakes_cannot_settle_what_was_taken_over() {
    let cluster = TestCluster::start().await;
    let jobs = one_of_each_kind(&cluster, |job| job).await;
    let (survivor, frozen) = (cluster.node().await, cluster.node().await);
    assert_eq!(frozen.poll().await.leased, 4);

    cluster.advance(5);
    assert!(survivor.heartbeat().await);
    let report = survivor.reconcile().await;
    assert_eq!((report.dead, report.rerun), (vec![frozen.id], 4));
    assert_eq!(survivor.poll().await.leased, 4);
    let before = cluster.dump("job_execution_log").await;
    let report = frozen.settle_all().await;

    assert_eq!((report.settled, report.fenced), (0, 4));
    assert_eq!(cluster.dump("job_execution_log").await, before);
    assert_eq!(cluster.node_state(frozen.id).await, "DEAD by TTL");
    assert!(!frozen.heartbeat().await, "it learns of its death");
    survivor.settle_all().await;
    for (job, kind) in jobs
        .iter()
        .zip(["SCHEDULE", "SCHEDULE", "SCHEDULE", "MANUAL"])
    {
        assert_eq!(
            cluster.ledger(job).await,
            [format!("{kind} 07:15:00 SUCCESS attempt 2")]
        );
    }
}

#[actix::test]
async fn a_lease_whose_answer_was_lost_is_reclaimed_and_runs_once() {
    let cluster = TestCluster::start().await;
    let gate = CommitGate::install(&cluster.database).await;
    let node = cluster.victim(Duration::from_millis(500)).await;
    let busy = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_delay(60)
        })
        .await;
    assert_eq!(node.poll().await.leased, 1);
    let job = cluster.create(fixed_delay(60)).await;

    gate.close().await;
    let polled = node.poll_meanwhile();
    gate.await_victim().await;
    assert!(!polled.await.polled, "the node gives the call up");
    gate.open().await;
    eventually("the lease has committed all the same", async || {
        let ledger = cluster.ledger(&job).await;
        (ledger == ["SCHEDULE 07:00:00 RUNNING attempt 1"]).then_some(())
    })
    .await;
    let report = node.poll().await;

    assert_eq!((report.reclaimed, report.leased), (1, 1));
    eventually("it has run", async || {
        (node.settle().await.settled == 1).then_some(())
    })
    .await;
    assert_eq!(
        cluster.ledger(&busy).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"],
        "what it holds, it keeps"
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
    let history = "select (previous_attempts -> 0 ->> 'outcome') || ' ' || recoveries \
        from job_execution_log where job_id = $1";
    assert_eq!(cluster.texts(history, &[&job.id]).await, ["NOT_STARTED 0"]);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}

#[actix::test]
async fn a_batch_settled_twice_is_settled_and_not_fenced() {
    let cluster = TestCluster::start().await;
    one_of_each_kind(&cluster, |job| job).await;
    let node = cluster.node().await;
    let batch: Vec<_> = node.lease().await.iter().map(succeeded).collect();
    let ids: Vec<Uuid> = batch
        .iter()
        .map(|settlement| settlement.execution_id)
        .collect();

    let first = node
        .store
        .settle(&batch, &LeaseUpdates::default())
        .await
        .unwrap();
    cluster.advance(10);
    let before = (
        cluster.dump("job_execution_log").await,
        cluster.dump("job_trigger").await,
    );
    let again = node
        .store
        .settle(&batch, &LeaseUpdates::default())
        .await
        .unwrap();

    assert_eq!(
        first,
        Settled {
            settled: ids,
            fenced: Vec::new()
        }
    );
    assert_eq!(again, first);
    assert_eq!(
        (
            cluster.dump("job_execution_log").await,
            cluster.dump("job_trigger").await
        ),
        before
    );
}

#[actix::test]
async fn a_taken_fire_time_is_not_taken_again_by_a_restored_trigger() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (rate, delay) = (
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    node.poll().await;
    node.settle_all().await;

    let come_back =
        "update job_trigger set fire_time = '2026-11-23T07:00Z', due_at = '2026-11-23T07:00Z'";
    assert_eq!(cluster.execute(come_back, &[]).await, 2);
    let report = node.poll().await;

    assert_eq!((report.triggers, report.leased), (2, 0));
    assert_eq!(
        cluster.ledger(&rate).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&rate).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    assert_eq!(
        cluster.ledger(&delay).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(
        node.reconcile()
            .await
            .repairs
            .map(|repairs| repairs.continued),
        Some(1)
    );
    assert_eq!(
        cluster.triggers(&delay).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}
