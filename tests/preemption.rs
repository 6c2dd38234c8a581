//! `CANCEL_OTHER`: a later fire time preempts the execution that runs.

use crate::overlaps::{a_minute_in_vain, end, one, overlapping, skipped};
use crate::support::{ENDLESS, TestCluster, at, failed, fixed_delay, fixed_rate, with};
use horolog::actors::job_manager::RunJobNow;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::OverlapPolicy;
use horolog::model::trigger::TriggerKind;
use horolog::store::protocol::complete::LeaseUpdates;

#[actix::test]
async fn cancel_other_cancels_what_runs_and_runs_the_latest_after_its_end() {
    let cluster = TestCluster::start().await;
    let endless = JobRequest {
        target: ENDLESS,
        ..fixed_rate(60)
    };
    let job = cluster
        .create(overlapping(OverlapPolicy::CancelOther, endless))
        .await;
    let (busy, other) = (cluster.node().await, cluster.node().await);
    assert_eq!((busy.poll().await.leased, busy.cancel().await), (1, 0));

    a_minute_in_vain(&cluster, &other).await;
    a_minute_in_vain(&cluster, &other).await;
    assert_eq!(cluster.triggers(&job).await[0], "BUFFERED fires 07:02:00");
    assert_eq!(
        (busy.cancel().await, busy.settle_all().await.settled),
        (1, 1)
    );
    assert_eq!(other.poll().await.leased, 1);

    let gave_way = skipped("BUFFERED", "07:01:00");
    let log = [
        "SCHEDULE 07:00:00 CANCELLED attempt 1",
        &gave_way,
        "BUFFERED 07:02:00 RUNNING attempt 1",
    ];
    assert_eq!(cluster.ledger(&job).await, log);
}

#[actix::test]
async fn cancel_other_ends_what_waits_for_a_retry_and_runs_at_once() {
    let cluster = TestCluster::start().await;
    let retried = with(fixed_rate(60), |p| {
        (p.retry.max_attempts, p.retry.initial_backoff_seconds) = (9, 600);
    });
    let job = cluster
        .create(overlapping(OverlapPolicy::CancelOther, retried))
        .await;
    let node = cluster.node().await;
    node.store
        .settle(&[failed(&one(&node).await)], &LeaseUpdates::default())
        .await
        .unwrap();

    cluster.advance(60);
    node.poll().await;
    node.poll().await;

    assert_eq!(
        cluster.ledger(&job).await,
        [
            "SCHEDULE 07:00:00 CANCELLED ERROR attempt 1",
            "BUFFERED 07:01:00 RUNNING attempt 1"
        ]
    );
}

#[actix::test]
async fn cancel_other_runs_the_later_of_two_fire_times_in_one_poll() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(overlapping(OverlapPolicy::CancelOther, fixed_rate(60)))
        .await;
    let node = cluster.node().await;
    cluster.advance(1);
    cluster.command(RunJobNow(job.id)).await;

    assert_eq!(one(&node).await.kind, TriggerKind::Manual);

    assert_eq!(
        cluster.ledger(&job).await,
        [
            &skipped("SCHEDULE", "07:00:00"),
            "MANUAL 07:00:01 RUNNING attempt 1"
        ]
    );
}

/// A poll may be held up, so that an older fire time is decided about after a younger one.
#[actix::test]
async fn cancel_other_never_cancels_what_came_due_later() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(overlapping(OverlapPolicy::CancelOther, fixed_rate(60)))
        .await;
    let [busy, late] = [cluster.node().await, cluster.node().await];
    end(&busy, &one(&busy).await).await;
    cluster.advance(55);
    cluster.command(RunJobNow(job.id)).await;
    let holder = cluster.database.client().await;
    holder
        .batch_execute("begin; select from job_trigger where kind = 'MANUAL' for update")
        .await
        .unwrap();
    cluster.advance(5);
    let on_time = one(&busy).await;
    holder.batch_execute("commit").await.unwrap();

    assert_eq!(late.poll().await.leased, 0);

    assert_eq!(
        (on_time.fire_time, cluster.triggers(&job).await.len()),
        (at("07:01:00"), 1)
    );
    let by_hand = skipped("MANUAL", "07:00:55");
    let log = [
        "SCHEDULE 07:00:00 SUCCESS attempt 1",
        &by_hand,
        "SCHEDULE 07:01:00 RUNNING attempt 1",
    ];
    assert_eq!(cluster.ledger(&job).await, log);
    assert_eq!(
        cluster
            .texts(
                "select '' from job_execution_log where cancel_requested_at is not null",
                &[]
            )
            .await
            .len(),
        0
    );
}

#[actix::test]
async fn a_fixed_delay_whose_fire_time_gives_way_keeps_its_chain() {
    for policy in [OverlapPolicy::Skip, OverlapPolicy::CancelOther] {
        let cluster = TestCluster::start().await;
        let delayed = JobRequest {
            initial_delay_seconds: Some(30),
            ..fixed_delay(60)
        };
        let job = cluster.create(overlapping(policy, delayed)).await;
        let (one_node, other) = (cluster.node().await, cluster.node().await);
        cluster.command(RunJobNow(job.id)).await;
        one(&one_node).await;

        cluster.advance(30);
        other.poll().await;
        if policy == OverlapPolicy::CancelOther {
            // What waits for the manual run gives way to another manual run.
            cluster.command(RunJobNow(job.id)).await;
            other.poll().await;
        }

        let log = cluster.ledger(&job).await;
        assert!(
            log.iter()
                .any(|line| line.contains("07:00:30 SKIPPED OVERLAP")),
            "{policy}: {log:?}"
        );
        let triggers = cluster.triggers(&job).await;
        assert_eq!(
            triggers.last().unwrap(),
            "SCHEDULE fires 07:01:30 due 07:01:30",
            "{policy}"
        );
    }
}
