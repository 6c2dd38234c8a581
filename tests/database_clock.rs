//! The same by the database's own clock, as in production: no statement may
//! need the one set by hand.

use crate::support::{ENDLESS, NODE_TTL, TestCluster, cron, eventually, fixed_delay, fixed_rate};
use horolog::actors::job_manager::{DeleteJob, MissedOnce, PauseJob, ResumeJob, RunJobNow};
use horolog::clock::Clock;
use horolog::model::Timestamp;
use horolog::model::job_request::JobRequest;
use horolog::store::maintenance::repairs::Repairs;
use horolog::store::protocol::reclaim::Holdings;

#[actix::test]
async fn every_pass_works_by_the_databases_clock() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let (node, dead) = (cluster.node().await, cluster.node().await);
    let rate = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_rate(3_600)
        })
        .await;
    let delay = cluster.create(fixed_delay(3_600)).await;
    let id = dead.id;

    assert_eq!(dead.poll().await.leased, 2);
    cluster
        .execute("update job_definition set target = '\"log\"'", &[])
        .await;
    assert!(dead.heartbeat().await && node.heartbeat().await);
    assert!(
        cluster
            .store
            .cluster_view(node.id, NODE_TTL)
            .await
            .unwrap()
            .suspects
            .is_empty()
    );
    dead.kill(&cluster.sql).await;
    let report = node.reconcile().await;
    assert_eq!(
        (report.dead, report.rerun, report.repairs),
        (vec![id], 2, Some(Repairs::default()))
    );
    assert_eq!(node.poll().await.leased, 2);
    assert_eq!(node.settle_all().await.settled, 2);

    let sane = "select (status = 'SUCCESS' and attempt = 2
            and abs(extract(epoch from clock_timestamp() - fire_time)) < 60
        and created_at <= finished_at and started_at >= due_time)::text from job_execution_log";
    assert_eq!(cluster.texts(sane, &[]).await, ["true", "true"]);
    let next = "select (t.due_at - l.fire_time >= interval '1 hour'
            and t.due_at < l.fire_time + interval '61 minutes')::text
        from job_trigger t join job_execution_log l using (job_id)";
    assert_eq!(cluster.texts(next, &[]).await, ["true", "true"]);
    for job in [rate, delay] {
        cluster.command(PauseJob(job.id, None)).await;
        let resumed = cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
        assert!(
            resumed
                .next_fire_time
                .is_some_and(|next| next > resumed.updated_at),
            "{resumed:?}"
        );
        cluster.command(RunJobNow(job.id)).await;
        cluster.command(DeleteJob(job.id)).await;
    }
    assert_eq!(node.poll().await.triggers, 0);
    assert_eq!(node.reconcile().await.repairs, Some(Repairs::default()));
    assert_eq!(cluster.store.nodes().await.unwrap().len(), 2);
    cluster
        .store
        .leave(node.id, &Holdings::default())
        .await
        .unwrap();
}

/// The API and the targets have milliseconds: a stored time must not differ from a shown one.
#[actix::test]
async fn fire_times_are_whole_milliseconds() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let node = cluster.node().await;
    for request in [fixed_rate(60), fixed_delay(60), cron("* * * * * ?")] {
        let job = cluster.create(request).await;
        cluster.command(RunJobNow(job.id)).await;
        cluster.command(PauseJob(job.id, None)).await;
        cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    }
    cluster.create(fixed_rate(60)).await;
    cluster.create(fixed_delay(60)).await;
    // A fire time that is rounded up is due a moment later.
    eventually("all have run", async || {
        node.poll().await;
        node.settle_all().await;
        let ran = "select from job_execution_log where status = 'SUCCESS' having count(*) >= 5";
        cluster.sql.query_opt(ran, &[]).await.unwrap().map(drop)
    })
    .await;

    let times =
        "select fire_time from job_execution_log union all select fire_time from job_trigger
        union all select anchor_at from job_definition where anchor_at is not null";
    let times: Vec<Timestamp> = cluster
        .sql
        .query(times, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();

    let odd: Vec<_> = times
        .iter()
        .filter(|time| time.timestamp_subsec_nanos() % 1_000_000 != 0)
        .collect();
    assert_eq!(odd, Vec::<&Timestamp>::new());
}

/// A scan starts at the end of the scan before.
#[actix::test]
async fn a_trigger_that_becomes_due_in_the_past_is_found() {
    let cluster = TestCluster::start_with(Clock::Database).await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    eventually("it runs", async || {
        (node.poll().await.leased == 1).then_some(())
    })
    .await;
    node.poll().await;

    let set_back = "update job_trigger set due_at = due_at - interval '2 hours',
            fire_time = fire_time - interval '2 hours'
        where job_id = $1";
    cluster.execute(set_back, &[&job.id]).await;

    eventually("it is found", async || {
        (node.poll().await.triggers == 1).then_some(())
    })
    .await;
}
