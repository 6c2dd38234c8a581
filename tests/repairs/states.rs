//! Repairs: each broken state is put right once, and what is healthy is left
//! alone to the last byte.

use crate::support::{
    ENDLESS, TestCluster, TestNode, begun, cron, fixed_delay, fixed_rate, succeeded, with,
};
use horolog::actors::job_manager::{
    DeleteJob, MissedOnce, PauseJob, ResumeJob, RunJobNow, UpdateJob,
};
use horolog::model::job::{Job, JobStatus};
use horolog::model::job_request::JobRequest;
use horolog::model::policies::OverlapPolicy;
use horolog::store::repairs::Repairs;
use horolog::store::settlements::LeaseUpdates;

const NOTHING: Repairs = Repairs {
    scheduled: 0,
    stopped: 0,
    continued: 0,
    retried: 0,
    released: 0,
    recomputed: 0,
    confirmed: 0,
};

/// One pass repairs exactly this, and the next finds nothing.
async fn repairs_once(node: &TestNode, expected: Repairs) {
    assert_eq!(node.reconcile().await.repairs, Some(expected));
    assert_eq!(node.reconcile().await.repairs, Some(NOTHING));
}

async fn run_and_settle(node: &TestNode) {
    node.poll().await;
    node.settle_all().await;
}

/// Every version of every row: a row that is rewritten as it was differs, too.
async fn versions(cluster: &TestCluster) -> Vec<String> {
    let of = async |table| {
        cluster
            .texts(
                &format!("select t.xmin || t::text from {table} t order by 1"),
                &[],
            )
            .await
    };
    [
        of("job_definition").await,
        of("job_trigger").await,
        of("job_execution_log").await,
    ]
    .concat()
}

#[actix::test]
async fn a_healthy_cluster_is_left_alone_to_the_last_byte() {
    let cluster = TestCluster::start().await;
    let (node, dead) = (cluster.node().await, cluster.node().await);
    let create = async |job: JobRequest| cluster.create(job).await;
    create(JobRequest {
        target: ENDLESS,
        ..fixed_delay(60)
    })
    .await; // will be RETRYING, its trigger awaiting
    assert_eq!(dead.poll().await.leased, 1);
    node.store.leave(dead.id, &dead.as_begun()).await.unwrap();
    cluster
        .execute(
            "update job_trigger set due_at = due_at + interval '1 hour' where kind = 'RECOVERY'",
            &[],
        )
        .await;
    let (settled, paused) = (
        create(fixed_delay(600)).await,
        create(fixed_rate(600)).await,
    );
    let (exhausted, deleted) = (
        create(cron("1 0 7 23 11 ? 2026")).await,
        create(fixed_rate(600)).await,
    );
    cluster.advance(1);
    run_and_settle(&node).await;
    let running = create(JobRequest {
        target: ENDLESS,
        ..fixed_delay(60)
    })
    .await;
    let paused_running = create(JobRequest {
        target: ENDLESS,
        ..fixed_delay(60)
    })
    .await;
    create(JobRequest {
        target: ENDLESS,
        ..fixed_rate(60)
    })
    .await;
    node.poll().await;
    let (future, due) = (
        create(JobRequest {
            initial_delay_seconds: Some(60),
            ..fixed_rate(60)
        })
        .await,
        fixed_rate(1),
    );
    create(due).await;
    create(JobRequest {
        time_zone: Some("Europe/Berlin".into()),
        ..cron("0 12 * * *")
    })
    .await;
    for job in [&paused, &paused_running] {
        cluster.command(PauseJob(job.id, None)).await;
    }
    cluster.command(DeleteJob(deleted.id)).await;
    cluster.command(RunJobNow(paused.id)).await;
    let (before, in_flight) = (versions(&cluster).await, node.held());

    assert_eq!(node.reconcile().await.repairs, Some(NOTHING));

    assert_eq!(versions(&cluster).await, before);
    assert_eq!(in_flight, 3, "the healthy states are really there");
    assert_eq!(
        cluster.triggers(&running).await,
        ["SCHEDULE fires 07:00:01 awaiting"]
    );
    assert_eq!(
        cluster.triggers(&paused_running).await,
        ["SCHEDULE fires 07:00:01 awaiting paused"]
    );
    assert_eq!(
        cluster.triggers(&exhausted).await,
        ["SCHEDULE fires 07:00:01"]
    );
    assert_eq!(
        cluster.triggers(&settled).await,
        ["SCHEDULE fires 07:10:01 due 07:10:01"]
    );
    assert_eq!(
        cluster.triggers(&future).await,
        ["SCHEDULE fires 07:01:01 due 07:01:01"]
    );
}

#[actix::test]
async fn an_active_job_without_a_trigger_goes_on_after_its_last_fire_time() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (fired, fresh) = (
        cluster.create(fixed_rate(60)).await,
        cluster.create(cron("1 7 * * *")).await,
    );
    run_and_settle(&node).await;
    cluster.advance(90);
    let delete = "delete from job_trigger where job_id = any($1)";
    assert_eq!(
        cluster
            .execute(delete, &[&[fired.id, fresh.id].as_slice()])
            .await,
        2
    );

    repairs_once(
        &node,
        Repairs {
            scheduled: 2,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&fired).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"],
        "what was missed is late"
    );
    assert_eq!(
        cluster.triggers(&fresh).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    run_and_settle(&node).await;
    let twice = ["07:00:00", "07:01:00"].map(|time| format!("SCHEDULE {time} SUCCESS attempt 1"));
    assert_eq!(cluster.ledger(&fired).await, twice);
}

#[actix::test]
async fn a_job_that_lost_its_trigger_before_it_ever_fired_fires_its_first_time() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (rate, delay) = (
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    cluster.execute("delete from job_trigger", &[]).await;
    cluster.advance(30);

    repairs_once(
        &node,
        Repairs {
            scheduled: 2,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&rate).await,
        ["SCHEDULE fires 07:00:00 due 07:00:00"]
    );
    assert_eq!(
        cluster.triggers(&delay).await,
        ["SCHEDULE fires 07:00:30 due 07:00:30"]
    );
}

#[actix::test]
async fn a_fixed_delay_that_lost_its_trigger_during_a_run_waits_for_its_end() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_delay(60)).await;
    let attempts = node.lease().await;
    cluster.execute("delete from job_trigger", &[]).await;

    repairs_once(
        &node,
        Repairs {
            scheduled: 1,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:00 awaiting"],
        "two runs at once would overlap"
    );
    node.store
        .settle(
            &[crate::support::succeeded(&attempts[0])],
            &LeaseUpdates::default(),
        )
        .await
        .unwrap();
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}

#[actix::test]
async fn a_paused_trigger_of_an_active_job_goes_on() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (rate, delay) = (
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    cluster
        .execute("update job_trigger set paused = true, due_at = null", &[])
        .await;

    repairs_once(
        &node,
        Repairs {
            scheduled: 2,
            ..NOTHING
        },
    )
    .await;

    for job in [&rate, &delay] {
        assert_eq!(
            cluster.triggers(job).await,
            ["SCHEDULE fires 07:00:00 due 07:00:00"]
        );
    }
}

#[actix::test]
async fn a_live_trigger_of_a_paused_job_is_stopped() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(60)).await;
    cluster
        .execute("update job_definition set status = 'PAUSED'", &[])
        .await;

    assert_eq!(node.poll().await.leased, 0, "not even before the repair");
    repairs_once(
        &node,
        Repairs {
            stopped: 1,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:00:00 paused"]
    );
}

/// Deletes the job alone, as a lost write or a race may.
async fn delete_row_only(cluster: &TestCluster, job: &Job) {
    let statement = "update job_definition set status = 'DELETED' where id = $1";
    assert_eq!(cluster.execute(statement, &[&job.id]).await, 1);
}

#[actix::test]
async fn no_trigger_of_a_deleted_job_fires_and_all_are_removed() {
    let cluster = TestCluster::start().await;
    let (node, leaver) = (cluster.node().await, cluster.node().await);
    let job = cluster.create(fixed_rate(60)).await;
    let begun = begun(&leaver.lease().await);
    node.store.leave(leaver.id, &begun).await.unwrap();
    cluster.advance(60);
    cluster.command(RunJobNow(job.id)).await;
    assert_eq!(
        cluster.triggers(&job).await.len(),
        3,
        "schedule, recovery, manual"
    );
    delete_row_only(&cluster, &job).await;

    assert_eq!(node.poll().await.leased, 0);
    repairs_once(
        &node,
        Repairs {
            stopped: 4,
            ..NOTHING
        },
    )
    .await; // and the execution that waits for its recovery

    assert!(cluster.triggers(&job).await.is_empty());
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 CANCELLED attempt 1"]
    );
}

#[actix::test]
async fn a_retry_that_no_trigger_carries_gets_its_trigger_back() {
    let cluster = TestCluster::start().await;
    let (node, leaver) = (cluster.node().await, cluster.node().await);
    let (job, deleted) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    let begun = begun(&leaver.lease().await);
    node.store.leave(leaver.id, &begun).await.unwrap();
    assert_eq!(
        cluster
            .execute("delete from job_trigger where kind = 'RECOVERY'", &[])
            .await,
        2
    );
    cluster
        .execute("delete from job_trigger where job_id = $1", &[&deleted.id])
        .await;
    delete_row_only(&cluster, &deleted).await;

    assert_eq!(
        node.reconcile().await.repairs,
        Some(Repairs {
            retried: 1,
            stopped: 1,
            ..NOTHING
        })
    );
    run_and_settle(&node).await;
    assert_eq!(node.reconcile().await.repairs, Some(NOTHING));

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 2"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    assert_eq!(
        cluster.ledger(&deleted).await,
        ["SCHEDULE 07:00:00 CANCELLED attempt 1"]
    );
}

#[actix::test]
async fn a_retry_of_an_execution_that_has_ended_starts_nothing() {
    let cluster = TestCluster::start().await;
    let (node, leaver) = (cluster.node().await, cluster.node().await);
    let job = cluster.create(fixed_rate(60)).await;
    let begun = begun(&leaver.lease().await);
    node.store.leave(leaver.id, &begun).await.unwrap();
    cluster
        .execute(
            "update job_execution_log set status = 'SUCCESS', finished_at = started_at",
            &[],
        )
        .await;

    let report = node.poll().await;

    assert_eq!((report.triggers, report.leased), (1, 0));
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
}

#[actix::test]
async fn a_fixed_delay_whose_run_has_ended_or_vanished_goes_on() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (ended, vanished) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    let paused = cluster.create(fixed_delay(60)).await;
    node.lease().await;
    cluster.command(PauseJob(paused.id, None)).await;
    let end = "update job_execution_log set status = 'SUCCESS', finished_at = '2026-11-23T07:00:10Z' where job_id = any($1)";
    cluster
        .execute(end, &[&[ended.id, paused.id].as_slice()])
        .await;
    cluster
        .execute(
            "delete from job_execution_log where job_id = $1",
            &[&vanished.id],
        )
        .await;
    cluster.advance(20);

    repairs_once(
        &node,
        Repairs {
            continued: 3,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&ended).await,
        ["SCHEDULE fires 07:01:10 due 07:01:10"],
        "a minute after its end"
    );
    assert_eq!(
        cluster.triggers(&paused).await,
        ["SCHEDULE fires 07:01:10 paused"]
    );
    assert_eq!(cluster.triggers(&vanished).await.len(), 1);
    node.poll().await;
    node.settle_all().await;
    let again = cluster.ledger(&vanished).await;
    assert_eq!(again.len(), 1, "it runs again: {again:?}");
}

#[actix::test]
async fn what_is_no_fixed_delay_any_more_awaits_nothing_once_it_is_active() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (paused, by_hand) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    node.poll().await;
    cluster.command(PauseJob(paused.id, None)).await;
    cluster
        .command(UpdateJob {
            id: paused.id,
            request: fixed_rate(60),
            version: paused.version + 1,
        })
        .await;
    let change = "update job_definition set schedule_type = 'FIXED_RATE', anchor_at = created_at where id = $1";
    cluster.execute(change, &[&by_hand.id]).await;
    cluster.advance(20);
    node.settle_all().await;

    repairs_once(
        &node,
        Repairs {
            scheduled: 1,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(
        cluster.triggers(&by_hand).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    cluster
        .command(ResumeJob(paused.id, MissedOnce::Skip))
        .await;
    assert_eq!(
        cluster.triggers(&paused).await,
        ["SCHEDULE fires 07:01:00 due 07:01:00"]
    );
    repairs_once(&node, NOTHING).await;
}

#[actix::test]
async fn a_queue_whose_first_is_due_is_not_told_to_go_on() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let one_by_one = with(fixed_rate(60), |policies| {
        policies.overlap_policy = OverlapPolicy::BufferAll
    });
    cluster
        .create(JobRequest {
            target: ENDLESS,
            ..one_by_one
        })
        .await;
    let first = node.lease().await;
    for _ in 0..2 {
        cluster.advance(60);
        assert_eq!(node.lease().await.len(), 0, "it waits");
    }
    node.store
        .settle(&[succeeded(&first[0])], &LeaseUpdates::default())
        .await
        .unwrap();
    let due = "select count(*) filter (where due_at is not null)::text || ' of ' || count(*) from job_trigger where kind = 'BUFFERED'";
    assert_eq!(cluster.texts(due, &[]).await, ["1 of 2"]);

    assert_eq!(node.reconcile().await.repairs, Some(NOTHING));

    assert_eq!(cluster.texts(due, &[]).await, ["1 of 2"]);
}

#[actix::test]
async fn what_waits_behind_an_execution_of_before_its_policy_runs() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(60)).await;
    let before = node.lease().await;
    let one_by_one = with(fixed_rate(60), |policies| {
        policies.overlap_policy = OverlapPolicy::BufferAll
    });
    cluster
        .command(UpdateJob {
            id: job.id,
            request: one_by_one,
            version: job.version,
        })
        .await;
    cluster.advance(60);
    assert_eq!(
        (before.len(), node.lease().await.len()),
        (1, 0),
        "the next one waits"
    );

    node.store
        .settle(&[succeeded(&before[0])], &LeaseUpdates::default())
        .await
        .unwrap();
    assert_eq!(
        node.lease().await.len(),
        0,
        "its end did not know that somebody waits"
    );
    repairs_once(
        &node,
        Repairs {
            released: 1,
            ..NOTHING
        },
    )
    .await;

    assert_eq!(node.lease().await.len(), 1);
    let ledger = [
        "SCHEDULE 07:00:00 SUCCESS attempt 1",
        "BUFFERED 07:01:00 RUNNING attempt 1",
    ];
    assert_eq!(cluster.ledger(&job).await, ledger);
}

#[actix::test]
async fn a_job_that_cannot_be_read_stops_no_other() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (odd, sane) = (
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_rate(60)).await,
    );
    let newer = "update job_definition set target = '{\"teleport\": {}}' where id = $1";
    cluster.execute(newer, &[&odd.id]).await;
    cluster
        .execute(
            "update job_trigger set due_at = due_at - interval '1 second' where id = $1",
            &[&odd.id],
        )
        .await;

    let report = node.poll().await;

    assert_eq!((report.leased, report.polled), (1, true));
    assert_eq!(
        cluster.ledger(&sane).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&odd).await,
        ["SCHEDULE fires 07:00:00 due 06:59:59"],
        "left to a node that can"
    );
    assert_eq!(sane.status, JobStatus::Active);
}
