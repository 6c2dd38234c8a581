//! The database's clock was ahead, and no node saw it come back.

use crate::api_node::ApiNode;
use crate::support::{TestCluster, cron, fixed_rate};
use horolog::actors::job_manager::{MissedOnce, PauseJob, ResumeJob};
use serde_json::json;

/// An hour of fire times is taken; then it is an hour earlier, and other nodes start.
#[actix::test]
async fn jobs_that_wait_after_a_step_back_of_the_clock_are_shown() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(cron("0 0/10 * * * ?")).await;
    let rare = cluster.create(cron("0 0 0 1 1 ? 2099")).await;
    cluster.advance(3_600);
    while node.poll().await.leased > 0 {
        node.settle_all().await;
    }
    assert_eq!(
        cluster.store.resting().await.unwrap(),
        None,
        "nothing lies in the future"
    );

    cluster.set_back(3_600);

    let resting = cluster.store.resting().await.unwrap().expect("a job rests");
    assert_eq!(resting.jobs, 1, "{} does not", rare.definition.name);
    let attention = cluster.store.overview().await.unwrap().attention;
    assert_eq!(
        (attention[0].kind.as_str(), attention[0].job_id),
        ("RESTING", None)
    );
    assert!(
        attention[0].message.contains("pauseJobs and resumeJobs"),
        "{}",
        attention[0].message
    );

    cluster.command(PauseJob(job.id, None)).await;
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    assert_eq!(cluster.store.resting().await.unwrap(), None);
}

#[actix::test]
async fn a_wait_of_less_than_a_minute_or_for_another_reason_is_not_shown() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    cluster.create(fixed_rate(10)).await;
    cluster.advance(40);
    while node.poll().await.leased > 0 {
        node.settle_all().await;
    }
    cluster.set_back(40);
    assert_eq!(cluster.store.resting().await.unwrap(), None);
}

#[actix::test]
async fn a_cluster_pause_is_first_in_the_overview_with_its_end() {
    let node = ApiNode::start().await;
    node.data(
        "mutation { pauseCluster(reason: \"the warehouse moves\") }",
        json!({}),
    )
    .await;

    let overview = node
        .data(
            "{ overview { attention { kind jobId jobName message } } }",
            json!({}),
        )
        .await;

    let first = &overview["overview"]["attention"][0];
    assert_eq!(
        (&first["kind"], &first["jobId"], &first["jobName"]),
        (&json!("CLUSTER_PAUSED"), &json!(null), &json!(null))
    );
    let message = first["message"].as_str().unwrap();
    assert!(
        message.contains("the warehouse moves") && message.contains("horolog resume-cluster"),
        "{message}"
    );
    node.data("mutation { resumeCluster }", json!({})).await;
    let overview = node
        .data("{ overview { attention { kind } } }", json!({}))
        .await;
    assert_eq!(overview["overview"]["attention"], json!([]));
}
