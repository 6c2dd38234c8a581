//! The oracle of the random test: which fire times each version of a job names.

use horolog::actors::trigger_acquirer::LOOK_AHEAD;
use horolog::model::Timestamp;
use horolog::model::job::{JobDefinition, JobStatus};
use horolog::model::job_request::JobRequest;
use horolog::model::schedule::Schedule;
use std::collections::BTreeSet;
use uuid::Uuid;

/// A version of a job: fire times after `from` (of a created job: also at it) belong to this
/// version until the next.
pub struct Era {
    pub from: Timestamp,
    pub definition: JobDefinition,
    pub status: JobStatus,
}

pub struct Subject {
    pub id: Uuid,
    pub request: JobRequest,
    pub eras: Vec<Era>,
    /// Fire times of a fixed delay that were seen past their instant and not taken.
    pub seen: BTreeSet<Timestamp>,
}

pub fn last_is_delay(subject: &Subject) -> bool {
    subject
        .eras
        .last()
        .is_some_and(|era| matches!(era.definition.schedule, Schedule::FixedDelay { .. }))
}

pub fn story(subject: &Subject) -> String {
    let era = |era: &Era| {
        let policies = &era.definition.policies;
        format!(
            "\n{} {} {:?} start {:?} end {:?} jitter {} {} {} {:?}",
            era.from,
            era.status,
            era.definition.schedule.schedule_type(),
            policies.start_at,
            policies.end_at,
            policies.jitter_seconds,
            policies.misfire_policy,
            policies.overlap_policy,
            era.definition.calendar
        )
    };
    subject.eras.iter().map(era).collect()
}

/// The fire times up to now; and those that a lease may have taken up to 250 ms ahead of an edit or
/// a pause, after which they do not exist.
pub fn named(subject: &Subject, now: Timestamp) -> (BTreeSet<Timestamp>, BTreeSet<Timestamp>) {
    if last_is_delay(subject) {
        return (subject.seen.clone(), BTreeSet::new());
    }
    let (mut named, mut ahead) = (BTreeSet::new(), BTreeSet::new());
    let ends = subject.eras.iter().skip(1).map(|era| era.from).chain([now]);
    for (index, (era, until)) in subject.eras.iter().zip(ends).enumerate() {
        // A ONCE that was paused over its time still waits for a decision.
        let is_once = matches!(era.definition.schedule, Schedule::Once { .. });
        if era.status == JobStatus::Deleted || era.status == JobStatus::Paused && !is_once {
            continue;
        }
        let first = if index == 0 {
            era.definition.first_fire_time(era.from)
        } else {
            era.definition.next_fire_time(era.from)
        };
        for fire_time in std::iter::successors(first, |last| era.definition.next_fire_time(*last)) {
            if fire_time > until + chrono::TimeDelta::from_std(LOOK_AHEAD).unwrap() {
                break;
            }
            if fire_time <= until {
                named.insert(fire_time)
            } else {
                ahead.insert(fire_time)
            };
        }
    }
    (named, ahead)
}
