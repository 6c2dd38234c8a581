//! Leases: whatever is in flight is listed by one, and a settlement costs no index anything.

use crate::support::{
    ENDLESS, TestCluster, TestDatabase, TestNode, at, cron, eventually, fixed_rate, succeeded, with,
};
use horolog::actors::job_manager::UpdateJob;
use horolog::actors::job_manager::backfills::BackfillJob;
use horolog::actors::periodic::WakeUp;
use horolog::actors::slots::Slots;
use horolog::model::backfill::BackfillRequest;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::OverlapPolicy;
use horolog::store::protocol::reclaim::Holdings;

/// Number of listed executions of each lease, and whether it names their job.
async fn leases(cluster: &TestCluster) -> Vec<String> {
    let query =
        "select cardinality(execution_ids) || case when job_id is null then '' else ' of a job' end
        from job_lease order by 1";
    cluster.texts(query, &[]).await
}

async fn settle_until_held(node: &TestNode, held: usize) {
    eventually("the others have ended", async || {
        node.settle().await;
        (node.held() == held).then_some(())
    })
    .await;
}

#[actix::test]
async fn a_lease_lists_what_it_puts_in_flight_and_ends_with_it() {
    let cluster = TestCluster::start().await;
    for _ in 0..3 {
        cluster.create(fixed_rate(3_600)).await;
    }
    cluster
        .create(with(fixed_rate(3_600), |policies| {
            policies.overlap_policy = OverlapPolicy::Skip;
        }))
        .await;
    let node = cluster.node().await;

    assert_eq!(node.poll().await.leased, 4);
    assert_eq!(leases(&cluster).await, ["1 of a job", "3"]);

    node.settle_all().await;
    assert_eq!(leases(&cluster).await, Vec::<String>::new());
}

/// Otherwise a few long runs would keep all executions listed that were leased with them.
#[actix::test]
async fn a_long_lease_with_few_attempts_left_is_compacted() {
    let cluster = TestCluster::start().await;
    for _ in 0..38 {
        cluster.create(fixed_rate(3_600)).await;
    }
    for _ in 0..2 {
        cluster
            .create(JobRequest {
                target: ENDLESS,
                ..fixed_rate(3_600)
            })
            .await;
    }
    let (node, other) = (cluster.node().await, cluster.node().await);
    assert_eq!(node.poll().await.leased, 40);
    assert_eq!(leases(&cluster).await, ["40"]);

    settle_until_held(&node, 2).await;
    let listed: usize = leases(&cluster).await[0].parse().unwrap();
    assert!(
        (2..=8).contains(&listed),
        "{listed} are listed, and 2 are held"
    );

    node.kill(&cluster.sql).await;
    assert_eq!(other.reconcile().await.rerun, 2, "what is left is found");
    assert_eq!(leases(&cluster).await, Vec::<String>::new());
}

/// In HOT updates no index changes: a column that a successful run changes may be in no index, nor
/// in its predicate.
#[actix::test]
async fn a_settlement_touches_no_index() {
    let database = TestDatabase::new().await;
    let indexed = "select distinct a.attname::text from pg_index i
        join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
            and d.refclassid = 'pg_class'::regclass and d.refobjid = i.indrelid
            and d.refobjsubid > 0
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = d.refobjsubid
        where i.indrelid = 'job_execution_log'::regclass order by 1";
    let client = database.client().await;
    let columns: Vec<String> = client
        .query(indexed, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();

    assert_eq!(
        columns,
        ["error_message", "id", "job_id", "retrying"],
        "of these a success changes none"
    );
}

#[actix::test]
async fn an_edit_that_forbids_overlaps_sees_what_was_leased_before_it() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_rate(60)
        })
        .await;
    let node = cluster.node().await;
    assert_eq!(node.poll().await.leased, 1);

    let edited = JobRequest {
        target: ENDLESS,
        ..fixed_rate(60)
    };
    let edited = with(edited, |policies| {
        policies.overlap_policy = OverlapPolicy::Skip;
    });
    cluster
        .command(UpdateJob {
            id: job.id,
            request: edited,
            version: 0,
        })
        .await;
    cluster.advance(60);

    assert_eq!(node.poll().await.leased, 0);
    let ledger = cluster.ledger(&job).await;
    assert_eq!(ledger[0], "SCHEDULE 07:00:00 RUNNING attempt 1");
    assert!(
        ledger[1].starts_with("SCHEDULE 07:01:00 SKIPPED OVERLAP"),
        "{ledger:?}"
    );
}

#[actix::test]
async fn a_backfill_that_may_not_overlap_sees_what_its_job_runs() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..cron("0 * * * *")
        })
        .await;
    let node = cluster.node().await;
    cluster.advance(3_600);
    assert_eq!(
        node.poll().await.leased,
        1,
        "08:00, which allows others beside it"
    );

    let request = BackfillRequest {
        from: at("06:00:00"),
        to: at("06:00:00"),
        overlap_policy: OverlapPolicy::Skip,
        fires_per_minute: 60,
    };
    cluster.command(BackfillJob(job.id, request)).await;

    assert_eq!(node.poll().await.leased, 0);
    let ledger = cluster.ledger(&job).await;
    assert!(
        ledger
            .iter()
            .any(|row| row.starts_with("BACKFILL 06:00:00 SKIPPED OVERLAP")),
        "{ledger:?}"
    );
}

/// A lease without an answer is reclaimed, and its row goes.
#[actix::test]
async fn a_lease_that_its_node_does_not_know_ends() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(JobRequest {
            target: ENDLESS,
            ..fixed_rate(3_600)
        })
        .await;
    let node = cluster.node().await;
    assert_eq!(node.lease().await.len(), 1, "and the pool is not told");

    assert_eq!(
        node.store
            .reclaim_unacknowledged(node.id, &Holdings::default())
            .await
            .unwrap(),
        1
    );

    assert_eq!(leases(&cluster).await, Vec::<String>::new());
    assert_eq!(node.poll().await.leased, 1);
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 RUNNING attempt 2"]
    );
}

/// A fenced node drops what runs and may still settle what had ended: the lease of both must stay
/// for the take-over.
#[actix::test]
async fn a_lease_with_a_dropped_attempt_stays_until_the_takeover() {
    let cluster = TestCluster::start().await;
    for _ in 0..2 {
        cluster.create(fixed_rate(3_600)).await;
    }
    let (node, other) = (cluster.node().await, cluster.node().await);
    let attempts = node.lease().await;
    let slots = Slots::new(2, WakeUp::default(), node.store.shares());
    let mut taken = slots.take(2);
    for (attempt, slot) in attempts.iter().zip(&mut taken) {
        slots.hold(attempt, slot);
    }
    let [ended, dropped] = &attempts[..] else {
        panic!("{attempts:?}")
    };

    slots.lose(dropped.into(), taken.remove(0));
    let updates = slots.lease_updates([ended.into()].into_iter());
    assert_eq!(
        node.store
            .settle(&[succeeded(ended)], &updates)
            .await
            .unwrap()
            .settled,
        [ended.execution_id]
    );

    assert_eq!(leases(&cluster).await, ["2"]);
    node.kill(&cluster.sql).await;
    assert_eq!(other.reconcile().await.rerun, 1);
}
