//! A row that cannot be read costs its own job alone, in every reader. The values come by SQL: another version, a
//! restored backup or a person with psql may have written them.

use crate::support::{TestCluster, fixed_rate};
use horolog::model::job::Job;

/// Valid for `jsonb`, and too large for a double: no JSON reader of this program can hold it.
const BEYOND_DOUBLE: &str = r#"payload = '{"v": 17976931348623157e400}'"#;

/// Two jobs that are due in a minute, the first of which was changed by SQL.
async fn one_of_two(cluster: &TestCluster, change: &str) -> (Job, Job) {
    let jobs = (cluster.create(fixed_rate(60)).await, cluster.create(fixed_rate(60)).await);
    let change = format!("update job_definition set {change} where id = $1");
    assert_eq!(cluster.sql.execute(&change, &[&jobs.0.id]).await.unwrap(), 1);
    jobs
}

#[actix::test]
async fn a_payload_that_cannot_be_read_stops_no_other_job() {
    let cluster = TestCluster::start().await;
    let (_, readable) = one_of_two(&cluster, BEYOND_DOUBLE).await;
    let node = cluster.node().await;
    cluster.advance(60);

    let leased = node.lease().await;

    assert_eq!(leased.iter().map(|attempt| attempt.job_id).collect::<Vec<_>>(), [readable.id]);
}
