//! An operator who does anything to any job: pauses, resumes, edits, deletes,
//! runs and creates, while everything else happens.

use super::stage::Stage;
use super::workload;
use crate::evidence::Operation;
use crate::job::Schedule;
use std::time::Duration;
use tokio::time::Instant;

/// Goes on until `end`.
pub async fn operate(stage: &Stage, pause: Duration, end: Instant) {
    let spare = workload::mix(40);
    let mut created = 0;
    while Instant::now() < end {
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        let Some(address) = stage.any_address() else { continue };
        let jobs = stage.operator.jobs();
        let Some(id) = fastrand::choice(&jobs).copied() else { continue };
        match fastrand::u32(..100) {
            0..30 => stage.operator.command(address, id, Operation::RunNow).await,
            30..50 => stage.operator.command(address, id, Operation::Pause).await,
            50..80 => stage.operator.command(address, id, Operation::Resume).await,
            80..90 => stage.operator.update(address, id, edit).await,
            90..95 => stage.operator.command(address, id, Operation::Delete).await,
            _ => {
                // As many as are deleted, or there would soon be nothing to do anything to.
                stage.operator.create(address, &spare[created % spare.len()]).await;
                created += 1;
            }
        }
    }
}

/// Lets every job that may be paused fire again, so that the end sees them all.
pub async fn resume_all(stage: &Stage) {
    for id in stage.operator.jobs() {
        if let Some(address) = stage.any_address() {
            stage.operator.command(address, id, Operation::Resume).await;
        }
    }
}

/// Pauses every job: what is in flight ends, and nothing new comes.
pub async fn pause_all(stage: &Stage) {
    for id in stage.operator.jobs() {
        if let Some(address) = stage.any_address() {
            stage.operator.command(address, id, Operation::Pause).await;
        }
    }
}

/// Another period, or only another name.
fn edit(job: &mut crate::job::JobSpec) {
    job.name.push('\'');
    if fastrand::bool()
        && let Schedule::FixedRate { seconds } | Schedule::FixedDelay { seconds } = &mut job.schedule
    {
        *seconds = *seconds % 5 + 1;
    }
}
