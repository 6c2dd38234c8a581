//! Who leases what: nodes what is built in, workers what they offer.

use super::{TestWorker, hourly_report, report, success};
use crate::statements::{FILL, plan};
use crate::support::{TestCluster, fixed_rate, with};
use horolog::actors::job_manager::UpdateJob;
use horolog::model::policies::OverlapPolicy;
use horolog::model::target::Target;
use horolog::store::hot_statements;
use horolog::store::protocol::workers::SettleCode;

const LISTED: &str = "select cardinality(execution_ids)::text from job_lease order by 1";

#[actix::test]
async fn a_fire_time_of_a_handler_waits_for_a_worker_that_offers_it() {
    let cluster = TestCluster::start().await;
    let (node, job) = (cluster.node().await, cluster.create(hourly_report()).await);
    assert!(node.lease().await.is_empty(), "nodes leave it");
    cluster.advance(5);
    assert_eq!(cluster.ledger(&job).await, [""; 0]);

    let worker = TestWorker::join(&cluster).await;
    let attempt = worker.poll_one().await;

    assert_eq!((attempt.node_id, attempt.attempt), (worker.id(), 1));
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 1"]
    );
    assert_eq!(
        worker.settle(&attempt, success()).await,
        SettleCode::Settled
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 08:00:00 due 08:00:00"]
    );
    assert_eq!(cluster.texts(LISTED, &[]).await, [""; 0]);
}

#[actix::test]
async fn a_worker_leases_no_built_in_target_and_no_other_handler() {
    let cluster = TestCluster::start().await;
    cluster.create(fixed_rate(60)).await;
    let mut other = hourly_report();
    if let Target::Handler(handler) = &mut other.target {
        handler.name = "other".to_owned();
    }
    cluster.create(other).await;
    let worker = TestWorker::join(&cluster).await;
    assert!(worker.poll(&[]).await.is_empty());
    let node = cluster.node().await;
    assert_eq!(node.lease().await.len(), 1, "the built-in one");
}

#[actix::test]
async fn the_lease_of_a_worker_lists_what_still_runs() {
    let cluster = TestCluster::start().await;
    for _ in 0..3 {
        cluster.create(hourly_report()).await;
    }
    let worker = TestWorker::join(&cluster).await;
    let attempts = worker.poll(&[]).await;
    assert_eq!(cluster.texts(LISTED, &[]).await, ["3"]);
    worker.settle(&attempts[0], success()).await;
    assert_eq!(cluster.texts(LISTED, &[]).await, ["2"]);
    worker.settle(&attempts[1], success()).await;
    worker.settle(&attempts[2], success()).await;
    assert_eq!(cluster.texts(LISTED, &[]).await, [""; 0]);
}

#[actix::test]
async fn an_edit_of_the_target_moves_what_is_pending() {
    let cluster = TestCluster::start().await;
    let (node, job) = (cluster.node().await, cluster.create(hourly_report()).await);
    let worker = TestWorker::join(&cluster).await;
    cluster
        .command(UpdateJob {
            id: job.id,
            request: fixed_rate(3_600),
            version: job.version,
        })
        .await;
    assert!(worker.poll(&[]).await.is_empty());
    assert!(!node.lease().await.is_empty());
}

#[actix::test]
async fn a_lease_corrects_a_route_that_is_not_that_of_the_job() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let (routed, plain) = (
        cluster.create(hourly_report()).await,
        cluster.create(fixed_rate(3_600)).await,
    );
    // A trigger that was inserted during the edit of its job keeps the former route.
    let swap = "update job_trigger set route = case when route is null then 'default/report' end";
    cluster.execute(swap, &[]).await;
    let worker = TestWorker::join(&cluster).await;

    assert!(node.lease().await.is_empty(), "it has another target");
    let attempt = worker.poll_one().await;
    assert_eq!(attempt.job_id, routed.id, "the node has corrected it");
    let attempts = node.lease().await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].job_id, plain.id, "the worker has corrected it");
}

#[actix::test]
async fn a_buffered_fire_follows_the_settlement_of_a_worker() {
    let cluster = TestCluster::start().await;
    let job = with(report(fixed_rate(60)), |policies| {
        policies.overlap_policy = OverlapPolicy::BufferOne;
    });
    let job = cluster.create(job).await;
    let worker = TestWorker::join(&cluster).await;
    let first = worker.poll_one().await;
    for _ in 0..4 {
        cluster.advance(10);
        worker
            .store
            .renew_worker(&worker.key, &[], &[])
            .await
            .unwrap()
            .unwrap();
    }
    cluster.advance(20);
    worker
        .store
        .renew_worker(&worker.key, &[], &[])
        .await
        .unwrap()
        .unwrap();
    assert!(worker.poll(&[super::held(&first)]).await.is_empty());
    worker.settle(&first, success()).await;
    let second = worker.poll_one().await;
    assert_eq!(second.job_id, job.id);
    assert_eq!(
        cluster.ledger(&job).await,
        [
            "SCHEDULE 07:00:00 SUCCESS attempt 1",
            "BUFFERED 07:01:00 RUNNING attempt 1"
        ]
    );
}

#[actix::test]
async fn what_waits_for_workers_stands_in_an_index_of_its_own() {
    let cluster = TestCluster::start().await;
    cluster.sql.batch_execute(FILL).await.unwrap();
    let generic = "set plan_cache_mode = force_generic_plan";
    cluster.sql.batch_execute(generic).await.unwrap();
    let indexes = [
        ("leases.lock_due", "job_trigger_due"),
        ("leases.look_ahead", "job_trigger_due"),
        ("leases.peek", "job_trigger_due"),
        ("leases.lock_route", "job_trigger_of_route"),
        ("leases.look_ahead_route", "job_trigger_of_route"),
    ];
    for (name, index) in indexes {
        let statement = hot_statements()
            .into_iter()
            .find(|statement| statement.starts_with(&format!("-- {name}\n")));
        let plan = plan(&cluster, statement.expect(name)).await;
        let scans: Vec<&str> = plan
            .lines()
            .filter(|line| line.contains("Scan") && line.contains("on job_trigger"))
            .collect();
        let by_index = format!("using {index} on job_trigger");
        assert!(
            !scans.is_empty() && scans.iter().all(|scan| scan.contains(&by_index)),
            "{name}\n{plan}"
        );
    }
}
