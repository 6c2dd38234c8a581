//! Purging of the log: deleted rows, rows that stay for ever, and no waits.

use crate::support::{TestCluster, at, fixed_delay, with};
use horolog::model::Timestamp;
use horolog::model::execution::lowest_execution_id;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::store::maintenance::retention::RetentionReport;
use std::time::Duration;
use uuid::Uuid;

const DAY: Duration = Duration::from_hours(24);

/// A job that fires long after the test.
fn idle() -> JobRequest {
    JobRequest {
        initial_delay_seconds: Some(400 * 86_400),
        ..fixed_delay(60)
    }
}

fn keeping(count: i32) -> JobRequest {
    with(idle(), |policies| policies.retain_executions = Some(count))
}

/// Executions of the job, a minute from one to the next, beginning at a fire time.
async fn executed(cluster: &TestCluster, job: &Job, from: Timestamp, status: &str, count: u16) {
    for number in 0..count {
        let fire_time = from + Duration::from_mins(number.into());
        let id = Uuid::from_u128(
            lowest_execution_id(fire_time).as_u128() | (job.id.as_u128() & u128::from(u32::MAX)),
        );
        let insert = "insert into job_execution_log (id, job_id, kind, fire_time, due_time, status,
            retrying, attempt, started_at, finished_at, created_at)
            values ($1, $2, 'SCHEDULE', $3::timestamptz, $3, $4::text,
            case when $4 = 'RETRYING' then true end, 1, $3, case when $4 <> 'RUNNING' then $3 end,
            $3)";
        cluster
            .execute(insert, &[&id, &job.id, &fire_time, &status])
            .await;
    }
}

async fn partitions(cluster: &TestCluster) -> Vec<String> {
    let query = "select right(c.relname, 8) || ' ' || (select count(*) from job_execution_log l
            where l.tableoid = c.oid)
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'job_execution_log'::regclass
        order by c.relname";
    cluster.texts(query, &[]).await
}

#[actix::test]
async fn days_that_are_older_than_the_retention_go_whole() {
    let cluster = TestCluster::start().await;
    let (job, node) = (cluster.create(idle()).await, cluster.node().await);
    executed(&cluster, &job, at("00:00:00") - DAY, "SUCCESS", 2).await;
    executed(&cluster, &job, at("00:00:00"), "FAILED", 2).await;
    executed(&cluster, &job, at("00:00:00") + DAY, "SUCCESS", 2).await;

    cluster.clock.advance(DAY * 30);
    assert_eq!(
        node.reconcile().await.purged.partitions,
        1,
        "of the 22nd nothing is younger than thirty days"
    );
    cluster.clock.advance(DAY);
    assert_eq!(
        node.reconcile().await.purged,
        RetentionReport {
            partitions: 1,
            rows: 0,
            days_left: 9
        }
    );

    assert_eq!(
        partitions(&cluster).await[..2],
        ["20261124 2", "20261125 0"]
    );
    assert_eq!(cluster.ledger(&job).await.len(), 2);
}

#[actix::test]
async fn a_day_of_which_something_is_in_flight_stays() {
    let cluster = TestCluster::start().await;
    let (job, node) = (cluster.create(idle()).await, cluster.node().await);
    executed(&cluster, &job, at("00:00:00") - DAY, "RETRYING", 1).await;

    cluster.clock.advance(DAY * 40);
    assert_eq!(node.reconcile().await.purged.partitions, 0);

    cluster
        .execute(
            "update job_execution_log set status = 'FAILED', finished_at = fire_time",
            &[],
        )
        .await;
    assert_eq!(node.reconcile().await.purged.partitions, 5);
}

#[actix::test]
async fn a_job_may_keep_fewer_executions_or_older_ones() {
    let cluster = TestCluster::start().await;
    let (few, other) = (
        cluster.create(keeping(2)).await,
        cluster.create(idle()).await,
    );
    let node = cluster.node().await;
    executed(&cluster, &few, at("00:00:00"), "RUNNING", 1).await;
    executed(&cluster, &few, at("00:01:00"), "SUCCESS", 4).await;
    executed(&cluster, &other, at("00:00:00"), "SUCCESS", 5).await;

    let purged = node.reconcile().await.purged;
    assert_eq!((purged.partitions, purged.rows), (0, 2));
    let [running, kept @ ..] = [
        "SCHEDULE 00:00:00 RUNNING attempt 1",
        "SCHEDULE 00:03:00 SUCCESS attempt 1",
        "SCHEDULE 00:04:00 SUCCESS attempt 1",
    ];
    assert_eq!(
        cluster.ledger(&few).await,
        [running, kept[0], kept[1]],
        "what runs stays, however many came after it"
    );
    assert_eq!(cluster.ledger(&other).await.len(), 5);

    let end = "update job_execution_log set status = 'SUCCESS', finished_at = fire_time \
        where status = 'RUNNING'";
    cluster.execute(end, &[]).await;
    cluster.clock.advance(DAY * 90);
    let purged = node.reconcile().await.purged;
    assert_eq!((purged.partitions, purged.rows), (5, 1));
    assert_eq!(cluster.ledger(&few).await, kept);
    assert!(cluster.ledger(&other).await.is_empty());
    assert_eq!(partitions(&cluster).await.last().unwrap(), "_default 2");
    assert_eq!(node.reconcile().await.purged.rows, 0, "and they stay");
}

#[actix::test]
async fn rows_without_a_partition_are_deleted_by_their_end() {
    let cluster = TestCluster::start().await;
    let (job, node) = (cluster.create(idle()).await, cluster.node().await);
    let long_ago = at("00:00:00") - DAY * 60;
    executed(&cluster, &job, long_ago, "SUCCESS", 2).await;
    executed(&cluster, &job, long_ago + DAY, "RETRYING", 1).await;
    let caught_up = "update job_execution_log set finished_at = $1 where fire_time = $2";
    cluster
        .execute(caught_up, &[&at("06:00:00"), &long_ago])
        .await;

    assert_eq!(node.reconcile().await.purged.rows, 1);
    let left = [
        "SCHEDULE 00:00:00 SUCCESS attempt 1",
        "SCHEDULE 00:00:00 RETRYING attempt 1",
    ];
    assert_eq!(
        cluster.ledger(&job).await,
        left,
        "one ran today, the other has not ended"
    );
}

#[actix::test]
async fn a_purge_gives_way_to_a_long_read_of_the_log() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let report = cluster.database.client().await;
    cluster.clock.advance(DAY * 40);
    report
        .batch_execute("begin; select count(*) from job_execution_log")
        .await
        .unwrap();

    // The drop's own bound is a tenth of a second; without it the bound of every session holds,
    // here half a minute, and every lease waits as long.
    let mut counted = Uuid::nil();
    let purged = tokio::time::timeout(
        Duration::from_secs(10),
        node.store.purge(DAY * 30, &mut counted),
    )
    .await;
    let purged = purged.expect("it gives way").unwrap();
    assert_eq!((purged.partitions, purged.days_left), (0, 5));

    report.batch_execute("commit").await.unwrap();
    assert_eq!(
        node.store
            .purge(DAY * 30, &mut Uuid::nil())
            .await
            .unwrap()
            .partitions,
        5
    );
}

#[actix::test]
async fn a_retention_without_end_deletes_nothing() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    cluster.clock.advance(DAY * 40_000);
    assert_eq!(
        node.store
            .purge(Duration::MAX, &mut Uuid::nil())
            .await
            .unwrap()
            .partitions,
        0
    );
}

/// Who makes partitions or purges holds the same lock.
#[actix::test]
async fn nothing_is_purged_while_another_node_purges() {
    let cluster = TestCluster::start().await;
    let (job, node) = (cluster.create(keeping(2)).await, cluster.node().await);
    executed(&cluster, &job, at("00:00:00"), "SUCCESS", 5).await;
    let other = cluster.database.client().await;
    other
        .batch_execute("begin; select pg_advisory_xact_lock(x'00484f5250415254'::bigint)")
        .await
        .unwrap();

    let purged = node.store.purge(DAY * 30, &mut Uuid::nil()).await.unwrap();
    assert_eq!(
        (purged, cluster.ledger(&job).await.len()),
        (RetentionReport::default(), 5)
    );

    other.batch_execute("commit").await.unwrap();
    assert_eq!(
        node.store
            .purge(DAY * 30, &mut Uuid::nil())
            .await
            .unwrap()
            .rows,
        3
    );
}
