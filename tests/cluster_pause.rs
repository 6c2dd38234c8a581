//! A paused cluster starts nothing.

use crate::api_node::ApiNode;
use crate::support::{ENDLESS, TestCluster, eventually, fixed_rate};
use horolog::actors::job_manager::{PauseCluster, ResumeCluster, RunJobNow};
use horolog::store::protocol::complete::LeaseUpdates;
use horolog::store::queries::overview::Backlog;
use serde_json::{Value, json};

const PAUSE: &str =
    "{ cluster { pause { since reason setBackTo lastKnown triggersDue attemptsLost } } }";

#[actix::test]
async fn due_triggers_wait_for_the_resume_of_the_cluster_and_none_is_lost() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(10)).await;
    cluster.command(PauseCluster(None)).await;

    cluster.advance(25);
    cluster.command(RunJobNow(job.id)).await;
    assert_eq!(node.poll().await.leased, 0);
    assert_eq!(cluster.ledger(&job).await, Vec::<String>::new());
    let pause = cluster
        .store
        .cluster_pause()
        .await
        .unwrap()
        .expect("it is paused");
    assert_eq!(
        (pause.due, pause.lost),
        (2, 0),
        "the schedule's trigger and the manual one"
    );

    cluster.command(ResumeCluster).await;
    while node.poll().await.leased > 0 {
        node.settle_all().await;
    }
    let ledger = cluster.ledger(&job).await;
    let scheduled: Vec<_> = ledger
        .iter()
        .filter(|row| row.starts_with("SCHEDULE"))
        .cloned()
        .collect();
    let fired = ["07:00:00", "07:00:10", "07:00:20"]
        .map(|time| format!("SCHEDULE {time} SUCCESS attempt 1"));
    assert_eq!(scheduled, fired);
    assert_eq!(ledger.len(), 4, "and the manual one: {ledger:?}");
}

#[actix::test]
async fn running_executions_settle_while_the_cluster_is_paused() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(fixed_rate(3600)).await;
    let attempts = node.lease().await;
    cluster.command(PauseCluster(None)).await;

    let settlement = crate::support::succeeded(&attempts[0]);
    cluster
        .store
        .settle(&[settlement], &LeaseUpdates::default())
        .await
        .unwrap();

    assert_eq!(
        cluster.ledger(&job).await,
        ["SCHEDULE 07:00:00 SUCCESS attempt 1"]
    );
}

#[actix::test]
async fn the_api_pauses_the_cluster_says_why_and_resumes_it() {
    let node = ApiNode::start().await;
    assert_eq!(
        node.data(PAUSE, json!({})).await["cluster"]["pause"],
        Value::Null
    );
    assert_eq!(
        node.error("mutation { resumeCluster }", json!({})).await["extensions"]["code"],
        "CONFLICT"
    );

    let hold = "mutation { pauseCluster(reason: \"the warehouse moves\") }";
    assert_eq!(node.data(hold, json!({})).await["pauseCluster"], true);
    let job = node
        .create(json!({"name": "held", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600}))
        .await;

    let held = node.data(PAUSE, json!({})).await["cluster"]["pause"].take();
    assert_eq!(
        (&held["reason"], &held["setBackTo"]),
        (&json!("the warehouse moves"), &Value::Null)
    );
    assert_eq!(
        node.error(hold, json!({})).await["extensions"]["code"],
        "CONFLICT"
    );
    let due = async || {
        let held = node.data(PAUSE, json!({})).await["cluster"]["pause"].take();
        (held["triggersDue"] == 1).then_some(())
    };
    eventually("the job is due, and waits", due).await;
    assert_eq!(node.logs(&job).await, Vec::<Value>::new());

    assert_eq!(
        node.data("mutation { resumeCluster }", json!({})).await["resumeCluster"],
        true
    );
    eventually("it fires", async || {
        (node.logs(&job).await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(
        node.data(PAUSE, json!({})).await["cluster"]["pause"],
        Value::Null
    );
}

#[actix::test]
async fn late_triggers_and_stuck_executions_are_counted_for_alerts() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let nothing = Backlog {
        due_for_workers: 0,
        unoffered: 0,
        due: 0,
        oldest_due_seconds: 0.0,
        stuck: 0,
        failing: 0,
        dead_triggers: 0,
    };
    assert_eq!(cluster.store.backlog().await.unwrap(), nothing);
    let mut long = fixed_rate(10);
    long.target = ENDLESS;
    cluster.create(long).await;
    assert_eq!(node.poll().await.leased, 1);

    cluster.advance(21);

    let backlog = cluster.store.backlog().await.unwrap();
    assert_eq!(
        backlog,
        Backlog {
            due: 1,
            oldest_due_seconds: 11.0,
            stuck: 1,
            ..backlog
        }
    );
}

#[actix::test]
async fn rows_that_an_old_snapshot_keeps_from_vacuum_are_counted() {
    let cluster = TestCluster::start().await;
    cluster.create(fixed_rate(60)).await;
    let report = cluster.database.client().await;
    report
        .batch_execute("begin isolation level repeatable read; select from job_trigger")
        .await
        .unwrap();
    for _ in 0..3 {
        cluster
            .execute("update job_trigger set due_at = due_at", &[])
            .await;
    }

    // Asked each time: the counts of a session reach the statistics up to a second later, and are
    // added to those of vacuum.
    let vacuum_leaves = async |count: i64| {
        cluster.execute("vacuum job_trigger", &[]).await;
        (cluster.store.backlog().await.unwrap().dead_triggers == count).then_some(())
    };
    eventually("vacuum cannot remove them", async || vacuum_leaves(3).await).await;
    report.batch_execute("commit").await.unwrap();
    eventually("vacuum removes them", async || vacuum_leaves(0).await).await;
}
