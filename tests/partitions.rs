//! Partitions of the log: one for each day, made in advance.

use crate::support::{TestCluster, at, fixed_delay, fixed_rate, succeeded};
use horolog::model::job_request::JobRequest;
use horolog::store::protocol::complete::LeaseUpdates;
use std::time::Duration;

/// The partitions of the log, and how many rows each has.
async fn partitions(cluster: &TestCluster) -> Vec<String> {
    let query = "select c.relname || ' ' || (select count(*) from job_execution_log l
        where l.tableoid = c.oid)
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'job_execution_log'::regclass order by c.relname";
    cluster.texts(query, &[]).await
}

#[actix::test]
async fn partitions_are_made_from_yesterday_to_three_days_ahead_once() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let days = ["20261122", "20261123", "20261124", "20261125", "20261126"];
    let mut made: Vec<_> = days
        .iter()
        .map(|day| format!("job_execution_log_{day} 0"))
        .collect();
    made.push("job_execution_log_default 0".into());
    assert_eq!(partitions(&cluster).await, made);

    assert_eq!(node.reconcile().await.partitions, 0);
    assert_eq!(partitions(&cluster).await, made);
    cluster.advance(86_400);
    let (one, other) = (
        cluster.store.clone(),
        cluster.database.store(cluster.clock.clone()),
    );
    let (mine, yours) = futures_util::join!(one.create_partitions(), other.create_partitions());
    assert_eq!(
        mine.unwrap() + yours.unwrap(),
        1,
        "one more a day, whoever makes it"
    );
}

#[actix::test]
async fn executions_land_in_the_partition_of_their_fire_time() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    cluster.create(fixed_rate(60)).await;
    let (late, ancient) = (
        cluster.create(fixed_delay(60)).await,
        cluster.create(fixed_delay(60)).await,
    );
    let move_to = "update job_trigger set fire_time = $2, due_at = $2 where id = $1";
    cluster
        .execute(
            move_to,
            &[&late.id, &(at("00:00:00") - Duration::from_millis(1))],
        )
        .await;
    cluster
        .execute(
            move_to,
            &[&ancient.id, &(at("00:00:00") - Duration::from_hours(72))],
        )
        .await;

    node.poll().await;
    assert_eq!(node.settle_all().await.settled, 3);

    let of = [
        "20261122 1",
        "20261123 1",
        "20261124 0",
        "20261125 0",
        "20261126 0",
        "default 1",
    ];
    assert_eq!(
        partitions(&cluster).await,
        of.map(|partition| format!("job_execution_log_{partition}"))
    );
}

#[actix::test]
async fn a_day_with_earlier_executions_still_gets_its_partition() {
    let cluster = TestCluster::start().await;
    let job = cluster
        .create(JobRequest {
            initial_delay_seconds: Some(10 * 86_400),
            ..fixed_delay(60)
        })
        .await;
    cluster.advance(10 * 86_400); // a long outage: nobody has made partitions since
    let node = cluster.node().await;
    let attempts = node.lease().await;
    assert!(
        partitions(&cluster)
            .await
            .contains(&"job_execution_log_default 1".to_owned())
    );
    let blocker = cluster.database.client().await;
    blocker
        .batch_execute("begin; lock table job_execution_log in row exclusive mode")
        .await
        .unwrap();

    let (store, settlement) = (node.store.clone(), succeeded(&attempts[0]));
    let made = actix::spawn(async move { store.create_partitions().await });
    cluster.wait_for_locks(1).await;
    let store = node.store.clone();
    let settled =
        actix::spawn(async move { store.settle(&[settlement], &LeaseUpdates::default()).await });
    cluster.wait_for_locks(2).await;
    blocker.batch_execute("commit").await.unwrap();

    assert_eq!(made.await.unwrap().unwrap(), 5);
    assert!(
        partitions(&cluster)
            .await
            .contains(&"job_execution_log_20261203 1".to_owned())
    );
    let settled = settled.await.unwrap().unwrap();
    assert_eq!(
        settled.settled,
        [attempts[0].execution_id],
        "who waited finds the row where it is now"
    );
    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
}

#[actix::test]
async fn a_partition_that_cannot_be_made_does_not_stop_the_repairs() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(60)).await;
    cluster
        .execute("create table job_execution_log_20261127 ()", &[])
        .await;
    cluster.advance(86_400);
    cluster.execute("delete from job_trigger", &[]).await;

    let report = node.reconcile().await;

    assert_eq!(
        (
            report.partitions,
            report.repairs.map(|repairs| repairs.scheduled)
        ),
        (0, Some(1))
    );
    assert_eq!(cluster.triggers(&job).await.len(), 1);
}
