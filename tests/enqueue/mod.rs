//! Enqueued runs: by the API and by SQL, with a payload, a time and a unique key of their own.

mod keys;
mod on_demand;
mod requests;
mod runs;
mod sql;

use crate::support::{TestCluster, TestNode};
use horolog::actors::job_manager::enqueue::EnqueueRun;
use horolog::model::enqueue::{EnqueueRequest, JobReference};
use horolog::model::execution::Attempt;
use horolog::model::job_request::JobRequest;
use horolog::model::schedule::ScheduleType;
use horolog::store::jobs::enqueue::EnqueuedRun;
use uuid::Uuid;

/// A job without a schedule.
fn on_demand() -> JobRequest {
    JobRequest {
        interval_seconds: None,
        schedule_type: ScheduleType::OnDemand,
        ..crate::support::fixed_rate(1)
    }
}

/// A run of a job, due now.
fn run(job: Uuid) -> EnqueueRequest {
    EnqueueRequest {
        job: JobReference::of_id(job),
        payload: None,
        due_at: None,
        delay_seconds: None,
        unique_key: None,
        priority: None,
    }
}

/// A run of a job with the unique key `k`, due now.
fn keyed(job: Uuid) -> EnqueueRequest {
    EnqueueRequest {
        unique_key: Some("k".into()),
        ..run(job)
    }
}

async fn enqueue(cluster: &TestCluster, request: EnqueueRequest) -> EnqueuedRun {
    cluster.command(EnqueueRun(request)).await
}

/// The executions that hold a key.
async fn holders(cluster: &TestCluster) -> Vec<String> {
    let query = "select execution_id::text from run_key order by 1";
    cluster.texts(query, &[]).await
}

async fn one(node: &TestNode) -> Attempt {
    let mut attempts = node.lease().await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}
