//! Repairs of triggers: each broken state is put right once; healthy rows are not rewritten.

use crate::support::{ENDLESS, TestCluster, TestNode, begun, cron, fixed_delay, fixed_rate};
use horolog::actors::job_manager::{DeleteJob, PauseJob, RunJobNow};
use horolog::model::job::{Job, JobStatus};
use horolog::model::job_request::JobRequest;
use horolog::store::maintenance::repairs::Repairs;

pub const NOTHING: Repairs = Repairs {
    scheduled: 0,
    stopped: 0,
    continued: 0,
    retried: 0,
    released: 0,
    recomputed: 0,
    confirmed: 0,
};

/// One pass repairs exactly this, and the next finds nothing.
pub async fn repairs_once(node: &TestNode, expected: Repairs) {
    assert_eq!(node.reconcile().await.repairs, Some(expected));
    assert_eq!(node.reconcile().await.repairs, Some(NOTHING));
}

pub async fn run_and_settle(node: &TestNode) {
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
async fn an_active_job_without_a_trigger_continues_after_its_last_fire_time() {
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
async fn a_job_without_a_trigger_that_never_fired_fires_its_first_time() {
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
async fn a_paused_trigger_of_an_active_job_is_resumed() {
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
pub async fn delete_row_only(cluster: &TestCluster, job: &Job) {
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
        [
            "SCHEDULE 07:00:00 CANCELLED attempt 1",
            "MANUAL 07:01:00 SKIPPED DELETED attempt 0, 1 times until 07:01:00"
        ]
    );
}

#[actix::test]
async fn an_unreadable_job_stops_no_repair_of_others() {
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
