//! A job whose fire time has passed and waits for the end of its jitter.

use crate::support::{TestCluster, at, fixed_rate, with};
use horolog::actors::job_manager::DeleteJob;
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;

/// Every ten minutes, up to nine later.
pub fn jittery() -> JobRequest {
    with(fixed_rate(600), |policies| policies.jitter_seconds = 540)
}

/// A job whose fire time of 07:00 is due later than 07:00:20.
pub async fn in_its_jitter(cluster: &TestCluster, request: JobRequest) -> Job {
    loop {
        let job = cluster.create(request.clone()).await;
        if job.definition.due_time(job.id, at("07:00:00")) > at("07:00:20") {
            return job;
        }
        cluster.command(DeleteJob(job.id)).await;
    }
}
