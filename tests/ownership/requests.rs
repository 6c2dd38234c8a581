//! Random jobs and random edits of them.

use crate::support::{ENDLESS, cron, fixed_delay, fixed_rate, once, with};
use fastrand::Rng;
use horolog::model::Timestamp;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::{MisfirePolicy, OverlapPolicy};
use horolog::model::schedule::ScheduleType;

pub fn any_request(rng: &mut Rng, now: Timestamp) -> JobRequest {
    let request = match rng.u8(0..8) {
        0..=2 => fixed_rate(rng.i64(1..5)),
        3..=4 => cron(
            [
                "0/2 * * * * ?",
                "1-50/3 * * * * ?",
                "* * * * * ?",
                "7,8,20,41 * * * * ?",
            ][rng.usize(0..4)],
        ),
        5 => fixed_delay(rng.i64(1..4)),
        _ => with(once("07:00:00"), |policies| {
            policies.start_at = Some(soon(rng, now));
        }),
    };
    let request = with(request, |policies| {
        policies.misfire_policy = [
            MisfirePolicy::FireOnce,
            MisfirePolicy::FireAll,
            MisfirePolicy::Skip,
        ][rng.usize(0..3)];
        policies.misfire_grace_seconds = rng.i32(0..4);
        policies.overlap_policy = [
            OverlapPolicy::Allow,
            OverlapPolicy::Allow,
            OverlapPolicy::Skip,
            OverlapPolicy::BufferOne,
            OverlapPolicy::BufferAll,
            OverlapPolicy::CancelOther,
        ][rng.usize(0..6)];
        policies.retry.max_attempts = rng.i32(1..3);
        policies.retry.initial_backoff_seconds = 1;
        policies.pause_on_failure = rng.u8(0..8) == 0;
    });
    let jitters = request.schedule_type != ScheduleType::FixedDelay && rng.bool();
    let calendar = (rng.u8(0..4) == 0).then(|| "seconds".to_owned());
    let request = JobRequest {
        target: ENDLESS,
        calendar,
        ..request
    };
    if jitters {
        with(request, |policies| policies.jitter_seconds = 4)
    } else {
        request
    }
}

/// Some seconds from now, in whole tenths of a second.
pub fn soon(rng: &mut Rng, now: Timestamp) -> Timestamp {
    let tenths = now.timestamp_millis() / 100 + rng.i64(1..60);
    Timestamp::from_timestamp_millis(tenths * 100).unwrap()
}

pub fn edited(rng: &mut Rng, request: &JobRequest, now: Timestamp) -> JobRequest {
    let mut request = request.clone();
    let is_delay = request.schedule_type == ScheduleType::FixedDelay;
    match rng.u8(0..9) {
        0 => request.name = format!("job {}", rng.u16(..)),
        1 => {
            let ends = [
                None,
                Some(now + chrono::TimeDelta::days(1)),
                Some(soon(rng, now)),
            ];
            request.policies.end_at = ends[rng.usize(0..3)];
        }
        2 => request.policies.max_runs = [None, Some(100_000)][rng.usize(0..2)],
        3 if !is_delay => request.policies.jitter_seconds = rng.i32(0..6),
        4 => request.calendar = rng.bool().then(|| "seconds".to_owned()),
        5 => {
            request.policies.misfire_policy =
                [MisfirePolicy::FireAll, MisfirePolicy::Skip][rng.usize(0..2)];
        }
        6 if request.schedule_type == ScheduleType::Once => {
            request.policies.start_at = Some(soon(rng, now));
        }
        // A fixed delay stays one: its fire times depend on its ends, and can only be observed.
        7 if !is_delay => {
            let other = any_request(rng, now);
            if other.schedule_type != ScheduleType::FixedDelay {
                request = other;
            }
        }
        _ => request.interval_seconds = request.interval_seconds.map(|_| rng.i64(1..6)),
    }
    request
}
