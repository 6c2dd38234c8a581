//! An operator with random commands on random jobs: pauses, resumes, edits, deletions, runs,
//! reruns, bulk cancellations and creations, during everything else. A second operator aims: just
//! after a fire time, at jobs whose fire times wait before they are taken.

use super::testbed::DrillTestbed;
use super::workload;
use crate::fire_times;
use crate::history::Operation;
use crate::job::{JobSpec, Overlap, SECOND, Schedule};
use crate::micros::Micros;
use crate::testbed::now;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// How long after a fire time the aimed operator still comes.
const GAP: Micros = 2 * SECOND;
/// `endAt` and `maxRuns` without an effect except on the row: some ten years, more runs than a
/// drill has.
const FAR: Micros = 300_000_000 * SECOND;
const MANY_RUNS: u32 = 100_000;
/// Unique keys of enqueued runs: so few that callers meet.
const KEYS: u32 = 3;
/// Jobs whose executions one call cancels.
const CANCELLED_JOBS: usize = 5;

/// Sends random commands until `end`.
pub async fn operate(testbed: &DrillTestbed, pause: Duration, end: Instant) {
    let spare = workload::mix(40);
    let mut created = 0;
    while Instant::now() < end {
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        let Some(address) = testbed.any_address() else {
            continue;
        };
        let jobs = testbed.operator.operated();
        let Some(id) = fastrand::choice(&jobs).copied() else {
            continue;
        };
        match fastrand::u32(..100) {
            0..20 => {
                testbed
                    .operator
                    .command(address, id, Operation::RunNow)
                    .await;
            }
            20..30 => testbed.operator.rerun(address, id).await,
            30..35 => testbed.operator.cancel(address, &some(&jobs)).await,
            35..50 => {
                testbed
                    .operator
                    .command(address, id, Operation::Pause)
                    .await;
            }
            50..80 => {
                testbed
                    .operator
                    .command(address, id, Operation::Resume)
                    .await;
            }
            80..90 => testbed.operator.update(address, id, edit).await,
            90..95 => {
                testbed
                    .operator
                    .command(address, id, Operation::Delete)
                    .await;
            }
            _ => {
                // As many as are deleted, or there would soon be nothing to do anything to.
                testbed
                    .operator
                    .create(address, &spare[created % spare.len()])
                    .await;
                created += 1;
            }
        }
    }
}

/// Enqueues runs of these jobs until `end`, each with one of a few unique keys. Other callers do
/// the same.
pub async fn enqueue(testbed: &DrillTestbed, jobs: &[Uuid], end: Instant) {
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..200))).await;
        let (Some(address), Some(id)) = (testbed.any_address(), fastrand::choice(jobs)) else {
            continue;
        };
        let key = format!("key {}", fastrand::u32(..KEYS));
        testbed.operator.enqueue(address, *id, &key).await;
    }
}

/// Continues until `end`: waits for a fire time of a job with a jitter or a buffer, and up to two
/// seconds more.
pub async fn aim(testbed: &DrillTestbed, pause: Duration, end: Instant) {
    while Instant::now() < end {
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        let jobs = testbed.operator.operated();
        let Some(id) = fastrand::choice(&jobs).copied() else {
            continue;
        };
        // Only jobs without a requested deletion: a strike needs a living job.
        let Some(job) = testbed
            .operator
            .believed(id)
            .filter(|job| job.deletable && waits(&job.spec))
        else {
            continue;
        };
        let Some(next) = next_fire_time(&job.spec, job.named) else {
            continue;
        };
        let wait = next + fastrand::i64(0..GAP) - now();
        tokio::time::sleep(Duration::from_micros(wait.try_into().unwrap_or(0))).await;
        strike(testbed, id, &job.spec).await;
    }
}

/// A command in the gap between a fire time and its start.
async fn strike(testbed: &DrillTestbed, id: Uuid, spec: &JobSpec) {
    let Some(address) = testbed.any_address() else {
        return;
    };
    match fastrand::u32(..100) {
        0..60 => testbed.operator.update(address, id, edit_limits).await,
        60..90 => {
            testbed
                .operator
                .command(address, id, Operation::Pause)
                .await;
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..2_000))).await;
            testbed
                .operator
                .command(address, id, Operation::Resume)
                .await;
        }
        _ => {
            testbed
                .operator
                .command(address, id, Operation::Delete)
                .await;
            let again = JobSpec {
                end_at: None,
                ..spec.clone()
            };
            // The number of jobs stays: a long drill must not run out of jobs.
            testbed.operator.create(address, &again).await;
        }
    }
}

/// A few of the jobs: after a command on all jobs, little would run undisturbed.
fn some(jobs: &[Uuid]) -> Vec<Uuid> {
    fastrand::choose_multiple(jobs.iter().copied(), CANCELLED_JOBS)
}

fn waits(spec: &JobSpec) -> bool {
    let buffers = matches!(spec.overlap, Overlap::BufferOne | Overlap::BufferAll);
    let grid = matches!(
        spec.schedule,
        Schedule::FixedRate { .. } | Schedule::Cron { .. }
    );
    grid && (buffers || spec.jitter_seconds > 0)
}

/// The next instant of the schedule, as the operator can know it.
fn next_fire_time(spec: &JobSpec, named: Option<Micros>) -> Option<Micros> {
    let (from, until) = (now(), now() + 10 * SECOND);
    match &spec.schedule {
        Schedule::Cron { expression, zone } => fire_times::cron(expression, zone, from, until)
            .ok()?
            .first()
            .copied(),
        Schedule::FixedRate { seconds } => fire_times::fixed_rate(named?, *seconds, from, until)
            .first()
            .copied(),
        Schedule::FixedDelay { .. } | Schedule::Once { .. } | Schedule::Manual => None,
    }
}

/// Resumes every paused job, so that all fire until the end.
pub async fn resume_all(testbed: &DrillTestbed) {
    for id in testbed.operator.jobs() {
        if let Some(address) = testbed.any_address() {
            testbed
                .operator
                .command(address, id, Operation::Resume)
                .await;
        }
    }
}

/// Pauses every job: executions in flight end, and none begins.
pub async fn pause_all(testbed: &DrillTestbed) {
    for id in testbed.operator.jobs() {
        if let Some(address) = testbed.any_address() {
            testbed
                .operator
                .command(address, id, Operation::Pause)
                .await;
        }
    }
}

/// Another period, or only another name.
fn edit(job: &mut JobSpec) {
    job.name.push('\'');
    if fastrand::bool()
        && let Schedule::FixedRate { seconds } | Schedule::FixedDelay { seconds } =
            &mut job.schedule
    {
        *seconds = *seconds % 5 + 1;
    }
}

/// Another limit or jitter: none of them may change fire times that are past. An `endAt` close by
/// closes the grid until a later edit opens it again.
fn edit_limits(job: &mut JobSpec) {
    match fastrand::u32(..4) {
        0 => {
            job.end_at = if job.end_at.is_none() {
                Some(millis(now() + FAR))
            } else {
                None
            }
        }
        1 => job.end_at = Some(millis(now() + fastrand::i64(0..4 * SECOND))),
        2 => job.max_runs = Some(job.max_runs.unwrap_or(MANY_RUNS) + 1),
        _ => job.jitter_seconds = (job.jitter_seconds + 1) % 4,
    }
}

/// The API's times have milliseconds.
fn millis(at: Micros) -> Micros {
    at - at % 1_000
}
