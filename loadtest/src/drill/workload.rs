//! A mix of jobs: every schedule and policy, every kind of target, in an order whose first jobs
//! cover the most.

use crate::job::{JobSpec, Misfire, Overlap, Recovery, Schedule, Target};

/// Grace of the jobs whose misfires belong to the drill: shorter than its outages.
const SHORT_GRACE: u32 = 3;

/// A mix of `count` jobs.
pub fn mix(count: usize) -> Vec<JobSpec> {
    let templates = templates();
    let mut jobs = Vec::with_capacity(count);
    for index in 0..count {
        let mut job = templates[index % templates.len()].clone();
        job.name = format!("{} {}", job.name, index / templates.len() + 1);
        jobs.push(job);
    }
    jobs
}

fn rate(seconds: u32) -> Schedule {
    Schedule::FixedRate { seconds }
}

fn cron(expression: &str, zone: &str) -> Schedule {
    Schedule::Cron {
        expression: expression.to_owned(),
        zone: zone.to_owned(),
    }
}

#[expect(clippy::too_many_lines, reason = "a table: the jobs of a drill")]
fn templates() -> Vec<JobSpec> {
    let mut jobs = vec![
        job("plain", rate(1), Target::default()),
        job(
            "slow",
            rate(3),
            Target {
                delay: 1_500,
                ..Target::default()
            },
        ),
        job(
            "cron",
            cron("0/2 * * * * ?", "UTC"),
            Target {
                delay: 50,
                ..Target::default()
            },
        ),
        job(
            "fixed delay",
            Schedule::FixedDelay { seconds: 1 },
            Target {
                delay: 200,
                ..Target::default()
            },
        ),
        job(
            "fenced",
            rate(2),
            Target {
                delay: 700,
                fenced: true,
                ..Target::default()
            },
        ),
        job(
            "by hand",
            Schedule::Manual,
            Target {
                delay: 100,
                ..Target::default()
            },
        ),
        job(
            "zone",
            cron("1/5 * * * * ?", "America/New_York"),
            Target {
                delay: 300,
                ..Target::default()
            },
        ),
        job(
            "long fixed delay",
            Schedule::FixedDelay { seconds: 3 },
            Target {
                delay: 2_500,
                ..Target::default()
            },
        ),
        job(
            "large answer",
            rate(5),
            Target {
                body: 300_000,
                ..Target::default()
            },
        ),
        job(
            "odd answer",
            rate(3),
            Target {
                body: 70_000,
                odd: true,
                ..Target::default()
            },
        ),
    ];
    jobs.push(JobSpec {
        misfire: Misfire::Skip,
        misfire_grace_seconds: SHORT_GRACE,
        ..job("skips", rate(2), Target::default())
    });
    jobs.push(JobSpec {
        misfire: Misfire::FireAll,
        misfire_grace_seconds: SHORT_GRACE,
        ..job("all", rate(2), Target::default())
    });
    jobs.push(JobSpec {
        misfire_grace_seconds: SHORT_GRACE,
        ..job("folds", rate(1), Target::default())
    });
    let at_most_once = Target {
        delay: 800,
        ..Target::default()
    };
    jobs.push(JobSpec {
        recovery: Recovery::MarkLost,
        ..job("at most once", rate(2), at_most_once)
    });
    let fails = Target {
        fail: 1,
        ..Target::default()
    };
    jobs.push(JobSpec {
        max_attempts: 3,
        ..job("retries", rate(4), fails)
    });
    let never = Target {
        fail: 9,
        ..Target::default()
    };
    jobs.push(JobSpec {
        // Every execution fails for good: such ends are checked, too.
        max_attempts: 2,
        ..job("fails", rate(7), never)
    });
    let hangs = Target {
        hang: true,
        ..Target::default()
    };
    jobs.push(JobSpec {
        // The sink never answers: only the time limit ends an attempt.
        timeout_seconds: Some(2),
        ..job("hangs", rate(6), hangs)
    });
    for (name, overlap) in [
        ("skips overlaps", Overlap::Skip),
        ("buffers one", Overlap::BufferOne),
        ("buffers all", Overlap::BufferAll),
        ("cancels", Overlap::CancelOther),
    ] {
        // Longer than the period once in a while: runs pile up only after a fault.
        let target = Target {
            delay: 1_700,
            ..Target::default()
        };
        jobs.push(JobSpec {
            overlap,
            ..job(name, rate(2), target)
        });
    }
    // Fire times that wait when an operator acts: for their jitter, and behind a run.
    jobs.push(JobSpec {
        jitter_seconds: 3,
        ..job("jitters", rate(4), Target::default())
    });
    let expression = cron("0/3 * * * * ?", "UTC");
    jobs.push(JobSpec {
        jitter_seconds: 2,
        ..job(
            "cron jitters",
            expression,
            Target {
                delay: 100,
                ..Target::default()
            },
        )
    });
    let behind = Target {
        delay: 3_000,
        ..Target::default()
    };
    jobs.push(JobSpec {
        overlap: Overlap::BufferOne,
        ..job("waits behind", rate(2), behind)
    });
    let piles_up = Target {
        delay: 2_600,
        ..Target::default()
    };
    jobs.push(JobSpec {
        overlap: Overlap::BufferAll,
        ..job("piles up", rate(3), piles_up)
    });
    jobs
}

fn job(name: &str, schedule: Schedule, target: Target) -> JobSpec {
    JobSpec {
        name: name.to_owned(),
        schedule,
        misfire: Misfire::FireOnce,
        misfire_grace_seconds: 60,
        overlap: Overlap::Allow,
        recovery: Recovery::Rerun,
        max_recoveries: 10,
        max_attempts: 1,
        timeout_seconds: None,
        jitter_seconds: 0,
        end_at: None,
        max_runs: None,
        target,
    }
}

/// Jobs for enqueued runs with unique keys: one succeeds at once, one at its second attempt.
pub fn enqueued() -> [JobSpec; 2] {
    let target = Target {
        delay: 300,
        ..Target::default()
    };
    let fails = Target {
        delay: 100,
        fail: 1,
        ..Target::default()
    };
    [
        job("enqueued", Schedule::Manual, target),
        JobSpec {
            max_attempts: 10,
            ..job("enqueued, retries", Schedule::Manual, fails)
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_has_something_of_everything() {
        let jobs = mix(templates().len());
        for overlap in [
            Overlap::Allow,
            Overlap::Skip,
            Overlap::BufferOne,
            Overlap::BufferAll,
            Overlap::CancelOther,
        ] {
            assert!(jobs.iter().any(|job| job.overlap == overlap), "{overlap:?}");
        }
        for misfire in [Misfire::FireOnce, Misfire::FireAll, Misfire::Skip] {
            assert!(jobs.iter().any(|job| job.misfire == misfire), "{misfire:?}");
        }
        assert_eq!(mix(50).len(), 50);
    }
}
