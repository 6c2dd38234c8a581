//! Bounds of a schedule: start, end, number of runs, and jitter.

use crate::misfires::{TEN_MINUTES, catch_up, missed, missing, ran};
use crate::support::{TestCluster, at, cron, fixed_delay, fixed_rate, once, with};
use horolog::actors::job_manager::{MissedOnce, PauseJob, ResumeJob, RunJobNow};
use horolog::model::policies::MisfirePolicy;
use horolog::store::maintenance::repairs::Repairs;

#[actix::test]
async fn a_schedule_fires_between_its_start_and_its_end() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let bounded = |job| {
        with(job, |p| {
            (p.start_at, p.end_at) = (Some(at("07:10:00")), Some(at("07:12:00")));
        })
    };
    let (rate, by_cron) = (
        cluster.create(bounded(fixed_rate(60))).await,
        cluster.create(bounded(cron("* * * * *"))).await,
    );
    let delay = cluster.create(bounded(fixed_delay(60))).await;

    for _ in 0..15 {
        cluster.advance(60);
        catch_up(&node).await;
    }

    let fired = ["07:10:00", "07:11:00", "07:12:00"].map(ran);
    assert_eq!(
        (cluster.ledger(&rate).await, cluster.ledger(&by_cron).await),
        (fired.to_vec(), fired.to_vec())
    );
    assert_eq!(cluster.ledger(&delay).await, fired);
    for job in [rate, by_cron, delay] {
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
        cluster.command(PauseJob(job.id, None)).await;
        assert_eq!(
            cluster
                .command(ResumeJob(job.id, MissedOnce::Skip))
                .await
                .next_fire_time,
            None,
            "what has ended stays so"
        );
    }
    assert_eq!(node.reconcile().await.repairs, Some(Repairs::default()));
}

#[actix::test]
async fn a_schedule_that_was_resumed_before_its_start_waits_for_it() {
    let cluster = TestCluster::start().await;
    for job in [fixed_rate(60), fixed_delay(60), cron("* * * * *")] {
        let job = cluster
            .create(with(job, |p| p.start_at = Some(at("07:10:00"))))
            .await;
        cluster.command(PauseJob(job.id, None)).await;
        assert_eq!(
            cluster
                .command(ResumeJob(job.id, MissedOnce::Skip))
                .await
                .next_fire_time,
            Some(at("07:10:00"))
        );
    }
}

#[actix::test]
async fn an_exhausted_schedule_rests_and_run_now_still_works() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    for job in [fixed_rate(60), fixed_delay(60), cron("* * * * *")] {
        let job = cluster.create(with(job, |p| p.max_runs = Some(2))).await;
        for _ in 0..4 {
            cluster.advance(60);
            catch_up(&node).await;
        }
        cluster.command(PauseJob(job.id, None)).await;
        assert_eq!(
            cluster
                .command(ResumeJob(job.id, MissedOnce::Skip))
                .await
                .next_fire_time,
            None
        );
        cluster.advance(600);
        assert_eq!(catch_up(&node).await, 0);
        cluster.command(RunJobNow(job.id)).await;
        assert_eq!(catch_up(&node).await, 1);
        assert_eq!(
            cluster.ledger(&job).await.len(),
            3,
            "{:?}",
            cluster.ledger(&job).await
        );
    }
}

#[actix::test]
async fn a_skipped_fire_time_does_not_count_as_a_run() {
    let request = with(missing(MisfirePolicy::Skip, fixed_rate(TEN_MINUTES)), |p| {
        p.max_runs = Some(2);
    });
    let (cluster, job, node) = missed(request).await;
    assert_eq!(catch_up(&node).await, 0);
    cluster.advance(600);
    assert_eq!(catch_up(&node).await, 1);
    cluster.advance(600);
    assert_eq!(catch_up(&node).await, 0);
    assert_eq!(cluster.ledger(&job).await.last(), Some(&ran("10:10:00")));
}

#[actix::test]
async fn once_fires_once() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (job, late, skipped) = (
        cluster.create(once("07:05:00")).await,
        cluster.create(once("07:06:00")).await,
        cluster
            .create(missing(MisfirePolicy::Skip, once("07:06:00")))
            .await,
    );
    cluster.command(PauseJob(job.id, None)).await;
    assert_eq!(
        cluster
            .command(ResumeJob(job.id, MissedOnce::Skip))
            .await
            .next_fire_time,
        Some(at("07:05:00"))
    );
    cluster.advance(300);
    assert_eq!(catch_up(&node).await, 1);
    cluster.advance(3_600);
    assert_eq!(catch_up(&node).await, 1);

    assert_eq!(
        (cluster.ledger(&job).await, cluster.ledger(&late).await),
        (vec![ran("07:05:00")], vec![ran("07:06:00")])
    );
    let misfire = "SCHEDULE 07:06:00 SKIPPED MISFIRE attempt 0, 1 times until 07:06:00";
    assert_eq!(cluster.ledger(&skipped).await, [misfire]);
    cluster.command(PauseJob(job.id, None)).await;
    assert_eq!(
        cluster
            .command(ResumeJob(job.id, MissedOnce::Skip))
            .await
            .next_fire_time,
        None
    );
    assert_eq!(cluster.triggers(&job).await.len(), 1);
}

#[actix::test]
async fn jitter_delays_a_fire_time_within_its_bounds_and_keeps_the_order() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster
        .create(with(fixed_rate(60), |p| p.jitter_seconds = 600))
        .await;

    for _ in 0..600 {
        cluster.advance(1);
        catch_up(&node).await;
    }

    let odd = "select l::text from job_execution_log l where due_time < fire_time
        or due_time >= fire_time + interval '60 seconds' or started_at < due_time";
    assert_eq!(cluster.texts(odd, &[]).await, Vec::<String>::new());
    let distinct = "select (count(distinct due_time - fire_time) > 5)::text || ' ' || count(*) \
        from job_execution_log";
    let seen = cluster.texts(distinct, &[]).await;
    assert!(
        ["true 9", "true 10"].contains(&seen[0].as_str()),
        "{seen:?} {:?}",
        cluster.ledger(&job).await
    );
}
