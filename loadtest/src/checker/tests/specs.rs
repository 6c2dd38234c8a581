//! The jobs of synthetic histories: every schedule and every policy.

use crate::job::{JobSpec, Misfire, Overlap, Recovery, Schedule, Target};
use fastrand::Rng;

/// Number of jobs that get no command but run-now.
const STEADY: usize = 3;
pub(super) const STEADY_NAME: &str = "steady";

/// A job without retries, and without a policy of its own.
pub(super) fn plain(name: &str, schedule: Schedule) -> JobSpec {
    JobSpec {
        name: name.to_owned(),
        schedule,
        misfire: Misfire::default(),
        misfire_grace_seconds: 60,
        overlap: Overlap::Allow,
        recovery: Recovery::default(),
        max_recoveries: 3,
        max_attempts: 1,
        timeout_seconds: None,
        jitter_seconds: 0,
        end_at: None,
        max_runs: None,
        target: Target::default(),
    }
}

/// A job of any schedule, with policies that fit it.
pub(super) fn spec(rng: &mut Rng, number: usize) -> JobSpec {
    let schedule = schedule(rng, number);
    let overlap = match (number, &schedule) {
        (6.., Schedule::FixedRate { .. } | Schedule::Cron { .. } | Schedule::Manual) => [
            Overlap::Allow,
            Overlap::Skip,
            Overlap::BufferOne,
            Overlap::BufferAll,
            Overlap::CancelOther,
        ][rng.usize(..5)],
        _ => Overlap::Allow,
    };
    let target = Target {
        delay: [20, 200, 900, 1_500, 2_600, 7_000]
            [rng.usize(..if overlap == Overlap::BufferAll { 3 } else { 6 })],
        fail: [0, 0, 0, 1, 2, 9][rng.usize(..6)],
        ..Target::default()
    };
    // The longest wait of a queue is not simulated with it, nor a misfire: its grace is long.
    let jitters = number >= 6
        && overlap == Overlap::Allow
        && matches!(schedule, Schedule::FixedRate { .. } | Schedule::Cron { .. })
        && rng.u8(..3) > 0;
    if number < STEADY {
        return steady(number, schedule);
    }
    JobSpec {
        name: format!("job {number}"),
        schedule: schedule.clone(),
        misfire: [Misfire::FireOnce, Misfire::FireAll, Misfire::Skip][rng.usize(..3)],
        misfire_grace_seconds: if jitters {
            60
        } else {
            [2, 5, 60][rng.usize(..3)]
        },
        overlap,
        recovery: if rng.u8(..4) == 0 {
            Recovery::MarkLost
        } else {
            Recovery::Rerun
        },
        max_recoveries: 3,
        max_attempts: rng.u32(1..4),
        timeout_seconds: [None, None, Some(2)][rng.usize(..3)],
        jitter_seconds: if jitters { period(&schedule) } else { 0 },
        end_at: None,
        max_runs: None,
        target,
    }
}

/// Every kind of schedule in turn.
fn schedule(rng: &mut Rng, number: usize) -> Schedule {
    let seconds = rng.u32(1..5);
    match number % 6 {
        _ if number < STEADY => Schedule::FixedRate {
            seconds: seconds + 1,
        },
        0 | 1 => Schedule::FixedRate { seconds },
        2 | 3 => Schedule::Cron {
            expression: format!("*/{} * * * * ?", [1, 2, 3, 5][rng.usize(..4)]),
            zone: "Europe/Berlin".to_owned(),
        },
        4 => Schedule::FixedDelay { seconds },
        _ if rng.bool() => Schedule::Once {
            after_seconds: rng.u32(1..100),
        },
        _ => Schedule::Manual,
    }
}

/// A job with each misfire policy in turn, and with nothing else in its way.
fn steady(number: usize, schedule: Schedule) -> JobSpec {
    JobSpec {
        misfire: [Misfire::FireOnce, Misfire::FireAll, Misfire::Skip][number],
        misfire_grace_seconds: 2,
        recovery: Recovery::Rerun,
        max_attempts: 2,
        target: Target {
            delay: 200,
            ..Target::default()
        },
        ..plain(STEADY_NAME, schedule)
    }
}

/// A jitter as long as the time to the next fire time.
fn period(schedule: &Schedule) -> u32 {
    match schedule {
        Schedule::FixedRate { seconds } => *seconds,
        Schedule::Cron { expression, .. } => expression[2..3].parse().unwrap(),
        _ => 0,
    }
}
