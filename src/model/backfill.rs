//! Backfills: executions for past ranges of a schedule, on request.
//!
//! A trigger walks through the range, a fire time per poll, at a bounded rate. Each execution has a
//! separate id, so a range can be repeated. The job's calendar decides which fire times count.
//! Blackouts and misfire policies do not apply to a request.

use super::exclusions::Exclusions;
use super::job::JobDefinition;
use super::policies::OverlapPolicy;
use super::schedule::Schedule;
use super::schedule::calendar::Calendar;
use super::trigger::{FireOutcome, NewExecution, NextState, Trigger, TriggerKind};
use super::{InvalidInput, Timestamp, execution};
use chrono::TimeDelta;
use std::iter::successors;
use uuid::Uuid;

/// Most fire times of a backfill.
pub const FIRE_TIMES_MAX: usize = 100_000;
/// Default of the fire times taken per minute.
pub const FIRES_PER_MINUTE_DEFAULT: i32 = 600;
/// Largest number of fire times taken per minute.
const FIRES_PER_MINUTE_MAX: i32 = 60_000;
/// Pause before the next poll of a fire time waiting for another execution.
const WAIT: TimeDelta = TimeDelta::milliseconds(250);
/// Pause before the next poll of the backfill of a paused job.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// A request that is not validated yet.
#[derive(Debug, Clone, Copy)]
pub struct BackfillRequest {
    /// First instant of the range.
    pub from: Timestamp,
    /// Last instant of the range; not later than now.
    pub to: Timestamp,
    /// `ALLOW`, `SKIP` or `BUFFER_ALL`.
    pub overlap_policy: OverlapPolicy,
    /// From 1 to 60,000.
    pub fires_per_minute: i32,
}

/// An unfinished backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfill {
    /// Id of the backfill and of the trigger.
    pub id: Uuid,
    /// Last instant of the range.
    pub to: Timestamp,
    /// The rule for a fire time while an execution of the job is in flight.
    pub overlap_policy: OverlapPolicy,
    /// Largest number of fire times taken per minute.
    pub fires_per_minute: i32,
}

impl BackfillRequest {
    /// The fire times to run, oldest first. The error names the wrong field.
    pub fn fire_times(
        &self,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, InvalidInput> {
        let Self {
            from,
            to,
            overlap_policy,
            fires_per_minute,
        } = *self;
        if to < from || to > now {
            return Err(InvalidInput::new(
                "to",
                "must be neither before from nor in the future",
            ));
        }
        if !matches!(
            overlap_policy,
            OverlapPolicy::Allow | OverlapPolicy::Skip | OverlapPolicy::BufferAll
        ) {
            return Err(InvalidInput::new(
                "overlapPolicy",
                "must be ALLOW, SKIP or BUFFER_ALL",
            ));
        }
        if !(1..=FIRES_PER_MINUTE_MAX).contains(&fires_per_minute) {
            return Err(InvalidInput::new(
                "firesPerMinute",
                format!("must be from 1 to {FIRES_PER_MINUTE_MAX}"),
            ));
        }
        // The past runs decided the past fire times: no rule can name them again.
        if matches!(job.schedule, Schedule::FixedDelay { .. }) {
            return Err(InvalidInput::new(
                "id",
                "a fixed delay names no past fire times: there is nothing to run",
            ));
        }
        if job.schedule == Schedule::OnDemand {
            return Err(InvalidInput::new(
                "id",
                "a job without a schedule has no past fire times: there is nothing to run",
            ));
        }
        let just_before = from - TimeDelta::microseconds(1);
        let fire_times: Vec<_> = successors(next_counting(job, exclusions, just_before), |last| {
            next_counting(job, exclusions, *last)
        })
        .take_while(|fire_time| *fire_time <= to)
        // One more than allowed tells that there are too many, without a count of them all.
        .take(FIRE_TIMES_MAX + 1)
        .collect();
        match fire_times.len() {
            0 => Err(InvalidInput::new(
                "from",
                "the schedule names no fire time in this range",
            )),
            1..=FIRE_TIMES_MAX => Ok(fire_times),
            _ => Err(InvalidInput::new(
                "from",
                format!("the range has more than {FIRE_TIMES_MAX} fire times: split it"),
            )),
        }
    }
}

impl Backfill {
    /// Runs the trigger's fire time and moves to the next fire time.
    pub fn fire(
        &self,
        trigger: &Trigger,
        job: &JobDefinition,
        exclusions: &Exclusions,
        now: Timestamp,
    ) -> FireOutcome {
        let execution = NewExecution {
            execution_id: execution::execution_id(
                // The id of the backfill and not of the job: the fire times have run or been
                // skipped before.
                self.id,
                TriggerKind::Backfill,
                trigger.fire_time,
            ),
            fire_time: trigger.fire_time,
            due_time: trigger.due_at,
            resumes: false,
        };
        // A stored rate of 0 would divide by zero: the row may have been changed by hand.
        let distance = TimeDelta::milliseconds(60_000 / i64::from(self.fires_per_minute.max(1)));
        let next = next_counting(job, exclusions, trigger.fire_time)
            .filter(|fire_time| *fire_time <= self.to);
        let next_state = next.map_or(NextState::Remove, |fire_time| NextState::Advance {
            fire_time,
            // From the later of the two: a late backfill does not catch up at a higher rate.
            due_at: trigger.due_at.max(now) + distance,
            excluded_from: None,
        });
        FireOutcome {
            execution: Some(execution),
            skipped: Vec::new(),
            next_state,
        }
    }

    /// The trigger is polled again later: another execution is in flight, or the job is paused.
    pub fn wait(trigger: &Trigger, paused: bool, now: Timestamp) -> NextState {
        let due_at = now + if paused { PAUSE } else { WAIT };
        NextState::Advance {
            fire_time: trigger.fire_time,
            due_at,
            excluded_from: None,
        }
    }
}

/// The first fire time after `after` that counts by the job's calendar.
fn next_counting(
    job: &JobDefinition,
    exclusions: &Exclusions,
    mut after: Timestamp,
) -> Option<Timestamp> {
    /// Most excluded stretches skipped by a search.
    const LEAPS_MAX: usize = 1_000;
    let sight = Calendar::sight(after);
    for _ in 0..LEAPS_MAX {
        let fire_time = job.next_fire_time(after)?;
        match exclusions
            .calendar_of(job)
            .filter(|calendar| !calendar.is_open(fire_time))
        {
            None => return Some(fire_time),
            Some(closed) => {
                after = fire_time
                    .max(closed.open_again(fire_time, sight)? - TimeDelta::microseconds(1));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        "2026-11-27T00:00:00Z".parse::<Timestamp>().expect("a time") + TimeDelta::minutes(minutes)
    }

    fn hourly() -> JobDefinition {
        JobDefinition::plain(
            "job",
            Schedule::FixedRate {
                interval: TimeDelta::hours(1),
                anchor: at(0),
            },
        )
    }

    fn request(from: i64, to: i64) -> BackfillRequest {
        let (from, to) = (at(from), at(to));
        BackfillRequest {
            from,
            to,
            overlap_policy: OverlapPolicy::BufferAll,
            fires_per_minute: 60,
        }
    }

    fn asked(request: BackfillRequest) -> Result<Vec<Timestamp>, InvalidInput> {
        request.fire_times(&hourly(), &Exclusions::default(), at(10_000))
    }

    #[test]
    fn both_ends_of_the_range_count() {
        assert_eq!(asked(request(60, 180)), Ok(vec![at(60), at(120), at(180)]));
        assert_eq!(asked(request(61, 179)), Ok(vec![at(120)]));
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_field() {
        let field = |request| asked(request).expect_err("refused").field;
        assert_eq!(field(request(60, 59)), "to");
        assert_eq!(field(request(60, 10_001)), "to");
        assert_eq!(field(request(61, 62)), "from");
        assert_eq!(
            field(BackfillRequest {
                overlap_policy: OverlapPolicy::CancelOther,
                ..request(0, 60)
            }),
            "overlapPolicy"
        );
        assert_eq!(
            field(BackfillRequest {
                fires_per_minute: 0,
                ..request(0, 60)
            }),
            "firesPerMinute"
        );
        let every_second = Schedule::FixedRate {
            interval: TimeDelta::seconds(1),
            anchor: at(0),
        };
        let too_many = request(0, 10_000).fire_times(
            &JobDefinition::plain("job", every_second),
            &Exclusions::default(),
            at(10_000),
        );
        assert!(
            too_many
                .expect_err("refused")
                .message
                .contains("more than 100000")
        );
        let delay = JobDefinition::plain(
            "job",
            Schedule::FixedDelay {
                interval: TimeDelta::hours(1),
            },
        );
        assert_eq!(
            request(0, 60)
                .fire_times(&delay, &Exclusions::default(), at(100))
                .expect_err("refused")
                .field,
            "id"
        );
    }

    #[test]
    fn each_fire_time_has_an_id_of_its_own_and_a_distance_to_the_next() {
        let (id, job) = (Uuid::from_u128(7), hourly());
        let backfill = Backfill {
            id,
            to: at(120),
            overlap_policy: OverlapPolicy::Allow,
            fires_per_minute: 120,
        };
        let trigger = Trigger {
            id,
            job_id: Uuid::from_u128(42),
            kind: TriggerKind::Backfill,
            fire_time: at(60),
            due_at: at(9_000),
            runs: 0,
            excluded_from: None,
        };
        let outcome = backfill.fire(&trigger, &job, &Exclusions::default(), at(9_000));
        let due_at = at(9_000) + TimeDelta::milliseconds(500);
        assert_eq!(
            outcome.next_state,
            NextState::Advance {
                fire_time: at(120),
                due_at,
                excluded_from: None
            }
        );
        let scheduled = execution::execution_id(trigger.job_id, TriggerKind::Schedule, at(60));
        assert!(outcome.execution.is_some_and(
            |execution| execution.fire_time == at(60) && execution.execution_id != scheduled
        ));
        let last = backfill.fire(
            &Trigger {
                fire_time: at(120),
                ..trigger
            },
            &job,
            &Exclusions::default(),
            at(9_000),
        );
        assert_eq!(last.next_state, NextState::Remove);
    }
}
