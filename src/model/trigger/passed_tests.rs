//! Tables and properties of the fire times that a command finds past their instant.

use super::passed::RUNS_MAX;
use super::*;
use crate::model::exclusions::{Blackout, BlackoutEndPolicy, Exclusions, Scope};
use crate::model::job::JobDefinition;
use crate::model::policies::{MisfirePolicy, Policies};
use crate::model::schedule::Schedule;
use crate::model::schedule::calendar::Calendar;
use crate::model::schedule::zone::Zone;
use chrono::TimeDelta;
use proptest::prelude::*;

const JOB: Uuid = Uuid::from_u128(42);

/// Minutes after a Monday, 00:00.
fn at(minutes: i64) -> Timestamp {
    "2026-11-23T00:00:00Z".parse::<Timestamp>().expect("a time") + TimeDelta::minutes(minutes)
}

fn every(minutes: i64, change: impl FnOnce(&mut Policies)) -> JobDefinition {
    let schedule = Schedule::FixedRate {
        interval: TimeDelta::minutes(minutes),
        anchor: at(0),
    };
    let mut job = JobDefinition {
        calendar: Some("closed".into()),
        ..JobDefinition::plain("job", schedule)
    };
    change(&mut job.policies);
    job
}

fn due(fire_time: i64, due_at: i64) -> Trigger {
    let (kind, fire_time, due_at) = (TriggerKind::Schedule, at(fire_time), at(due_at));
    Trigger {
        id: JOB,
        job_id: JOB,
        kind,
        fire_time,
        due_at,
        runs: 0,
        excluded_from: None,
    }
}

fn black(from: i64, to: i64, on_end: BlackoutEndPolicy) -> Exclusions {
    let (starts_at, ends_at, reason) = (at(from), at(to), "work".to_owned());
    let blackout = Blackout {
        id: Uuid::from_u128(1),
        scope: Scope::Cluster,
        starts_at,
        ends_at,
        on_end,
        reason,
    };
    Exclusions {
        blackouts: vec![blackout],
        ..Exclusions::default()
    }
}

fn minutes(runs: &[NewExecution]) -> Vec<(i64, i64)> {
    runs.iter()
        .map(|execution| {
            (
                (execution.fire_time - at(0)).num_minutes(),
                (execution.due_time - at(0)).num_minutes(),
            )
        })
        .collect()
}

/// First, last, number and reason of each.
fn rows(skipped: &[SkippedRange]) -> Vec<(i64, i64, i32, &'static str)> {
    let minute = |time: Timestamp| (time - at(0)).num_minutes();
    let row = |range: &SkippedRange| {
        (
            minute(range.fire_time),
            minute(range.through_fire_time),
            range.occurrences,
            range.reason.as_str(),
        )
    };
    skipped.iter().map(row).collect()
}

#[test]
fn what_waits_out_its_jitter_runs_at_its_due_time_as_the_schedule_would_have_run_it() {
    let job = every(60, |policies| policies.jitter_seconds = 3_000);
    let due_at = job.due_time(JOB, at(60));
    assert!(due_at > at(61), "the hash of this job is none of the least");
    let trigger = Trigger {
        due_at,
        ..due(60, 0)
    };
    let passed = trigger.passed(&job, &Exclusions::default(), at(61));
    let execution_id = execution_id(JOB, TriggerKind::Schedule, at(60));
    assert_eq!(
        passed.executions,
        [NewExecution {
            execution_id,
            fire_time: at(60),
            due_time: due_at,
            resumes: false
        }]
    );
    assert_eq!(
        (
            passed.skipped.len(),
            trigger.passed(&job, &Exclusions::default(), at(59))
        ),
        (0, Passed::default())
    );
}

#[test]
fn what_was_missed_is_decided_by_the_old_policy() {
    let at_noon = |policy| {
        due(10, 10).passed(
            &every(10, |p| p.misfire_policy = policy),
            &Exclusions::default(),
            at(75),
        )
    };
    let once = at_noon(MisfirePolicy::FireOnce);
    assert_eq!(
        (minutes(&once.executions), rows(&once.skipped)),
        (vec![(70, 70)], vec![(10, 60, 6, "COALESCED")])
    );
    let skip = at_noon(MisfirePolicy::Skip);
    assert_eq!(
        (minutes(&skip.executions), rows(&skip.skipped)),
        (vec![], vec![(10, 70, 7, "MISFIRE")])
    );
    let all = at_noon(MisfirePolicy::FireAll);
    let each: Vec<_> = (1..=7).map(|k| (k * 10, k * 10)).collect();
    assert_eq!(
        (minutes(&all.executions), rows(&all.skipped)),
        (each, vec![])
    );
}

#[test]
fn what_a_blackout_defers_runs_at_its_end() {
    let held = |on_end| due(20, 60).passed(&every(10, |_| ()), &black(15, 60, on_end), at(45));
    let collapsed = held(BlackoutEndPolicy::Collapse);
    assert_eq!(
        (minutes(&collapsed.executions), rows(&collapsed.skipped)),
        (vec![(40, 60)], vec![(20, 30, 2, "COALESCED")])
    );
    assert_eq!(
        minutes(&held(BlackoutEndPolicy::RunAll).executions),
        [(20, 60), (30, 60), (40, 60)]
    );
    let late = due(10, 10).passed(
        &every(10, |_| ()),
        &black(15, 60, BlackoutEndPolicy::Skip),
        at(45),
    );
    assert_eq!(
        (minutes(&late.executions), rows(&late.skipped)),
        (vec![(10, 60)], vec![(20, 40, 3, "CALENDAR")])
    );
}

#[test]
fn the_last_run_is_the_last() {
    let job = every(10, |p| {
        (p.misfire_policy, p.max_runs) = (MisfirePolicy::FireAll, Some(3));
    });
    let passed = Trigger {
        runs: 1,
        ..due(10, 10)
    }
    .passed(&job, &Exclusions::default(), at(75));
    assert_eq!(
        (minutes(&passed.executions), rows(&passed.skipped)),
        (vec![(10, 10), (20, 20)], vec![])
    );
}

#[test]
fn a_fixed_delay_has_one() {
    let delay = JobDefinition {
        schedule: Schedule::FixedDelay {
            interval: TimeDelta::minutes(5),
        },
        ..every(10, |_| ())
    };
    let passed = due(10, 10).passed(&delay, &black(15, 60, BlackoutEndPolicy::Collapse), at(45));
    assert_eq!(
        (minutes(&passed.executions), rows(&passed.skipped)),
        (vec![(10, 60)], vec![])
    );
    let left_out =
        due(10, 10).left_out(&delay, &Exclusions::default(), at(45), 100, Reason::Paused);
    assert_eq!(rows(&left_out), [(10, 10, 1, "PAUSED")]);
}

#[test]
fn a_pause_leaves_one_row_and_says_of_the_closed_ones_what_closed_them() {
    let left_out = |exclusions: &Exclusions, most| {
        due(10, 10).left_out(
            &every(10, |_| ()),
            exclusions,
            at(75),
            most,
            Reason::Deleted,
        )
    };
    assert_eq!(
        rows(&left_out(&Exclusions::default(), 100)),
        [(10, 70, 7, "DELETED")]
    );
    let excluded = black(25, 45, BlackoutEndPolicy::Skip);
    assert_eq!(
        rows(&left_out(&excluded, 100)),
        [
            (10, 20, 2, "DELETED"),
            (30, 40, 2, "CALENDAR"),
            (50, 70, 3, "DELETED")
        ]
    );
    assert_eq!(
        rows(&left_out(&Exclusions::default(), 3)),
        [(10, 30, 3, "DELETED"), (40, 75, 0, "DELETED")]
    );
}

#[test]
fn a_million_that_wait_are_neither_a_million_runs_nor_a_million_rows() {
    for policy in [
        MisfirePolicy::FireAll,
        MisfirePolicy::FireOnce,
        MisfirePolicy::Skip,
    ] {
        // All within the grace, or none.
        for grace in [100_000_000, 60] {
            let job = every(1, |p| {
                (p.misfire_policy, p.misfire_grace_seconds) = (policy, grace);
            });
            let passed = due(1, 1).passed(&job, &Exclusions::default(), at(1_000_000));
            assert!(
                passed.executions.len() <= RUNS_MAX && passed.skipped.len() <= 3,
                "{policy} {grace}"
            );
            let counted = passed
                .skipped
                .iter()
                .map(|range| i64::from(range.occurrences))
                .sum::<i64>();
            assert_eq!(
                counted + i64::try_from(passed.executions.len()).expect("few"),
                100_000,
                "{policy} {grace}"
            );
            let last = passed.skipped.last().expect("a row for the rest");
            assert_eq!(
                (last.fire_time, last.through_fire_time, last.occurrences),
                (at(100_001), at(1_000_000), 0)
            );
            assert!(last.message.is_some());
        }
    }
}

#[test]
fn what_an_edit_left_to_run_obeys_a_blackout_that_came_since() {
    let owed = Trigger {
        id: Uuid::from_u128(9),
        kind: TriggerKind::Owed,
        ..due(10, 30)
    };
    let fire = |exclusions: &Exclusions| owed.fire(&every(10, |_| ()), exclusions, at(30));
    let execution = fire(&Exclusions::default());
    assert_eq!(
        execution
            .execution
            .map(|execution| (execution.execution_id, execution.due_time)),
        Some((owed.id, at(30)))
    );
    assert_eq!(execution.next_state, NextState::Remove);
    let skipped = fire(&black(25, 60, BlackoutEndPolicy::Skip));
    assert_eq!(
        (
            rows(&skipped.skipped),
            skipped.execution,
            skipped.next_state
        ),
        (vec![(10, 10, 1, "CALENDAR")], None, NextState::Remove)
    );
    let held = fire(&black(25, 60, BlackoutEndPolicy::Collapse));
    assert_eq!((held.skipped.len(), held.execution), (0, None));
    assert_eq!(
        held.next_state,
        NextState::Advance {
            fire_time: at(10),
            due_at: at(60),
            excluded_from: None
        }
    );
}

#[test]
fn what_the_schedule_named_waits_for_the_resume_and_what_a_person_started_does_not() {
    let of_schedule = execution_id(JOB, TriggerKind::Schedule, at(10));
    for (kind, scheduled, other) in [
        (TriggerKind::Retry, true, false),
        (TriggerKind::Buffered, true, false),
        (TriggerKind::Owed, true, true),
        (TriggerKind::Manual, false, false),
        (TriggerKind::Recovery, false, false),
        (TriggerKind::Backfill, false, false),
    ] {
        let waits = |id| {
            Trigger {
                id,
                kind,
                ..due(10, 10)
            }
            .waits_for_resume()
        };
        assert_eq!(
            (waits(of_schedule), waits(Uuid::from_u128(7))),
            (scheduled, other),
            "{kind}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is excluded, deferred, missed or put off when the job is edited or paused: every
    /// fire time up to then is taken before, runs, or is recorded, once.
    #[test]
    fn every_passed_fire_time_runs_or_is_recorded_once(
        step in 5_i64..200, window in (0_u32..1_440, 0_u32..1_440), day in 0_usize..7,
        black_out in (0_i64..6_000, 1_i64..3_000, 0_usize..3), polls in proptest::collection::vec(1_i64..3_000, 0..4),
        gap in 0_i64..6_000, policy in 0_usize..3, grace in 0_i32..7_200, jitter in 0_i32..4_000,
        most in proptest::option::of(1_i32..50), pauses in any::<bool>(),
    ) {
        let job = every(step, |policies| {
            policies.misfire_policy = [MisfirePolicy::FireOnce, MisfirePolicy::FireAll, MisfirePolicy::Skip][policy];
            (policies.misfire_grace_seconds, policies.jitter_seconds, policies.max_catch_up) = (grace, jitter, most);
        });
        let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
        let rules = serde_json::json!({
            "excludeWeekdays": [days[day]], "excludeWindows": [{"from": time(window.0), "to": time(window.1)}],
        });
        let on_end = [BlackoutEndPolicy::Skip, BlackoutEndPolicy::Collapse, BlackoutEndPolicy::RunAll][black_out.2];
        let mut exclusions = black(black_out.0, black_out.0 + black_out.1, on_end);
        let rules = serde_json::from_value(rules).expect("rules");
        let calendar = Calendar::new("closed", Zone::named("UTC").expect("UTC"), &rules).expect("a calendar");
        exclusions.calendars.insert("closed".to_owned(), calendar.clone());

        let NextState::Advance { fire_time, due_at, excluded_from } = schedule_next(JOB, &job, &exclusions, at(-1)) else { panic!("it fires") };
        let (mut pending, mut now) = (Trigger { fire_time, due_at, excluded_from, ..due(0, 0) }, at(0));
        let mut accounted = Vec::new();
        let mut count = |skipped: &[SkippedRange]| {
            for range in skipped {
                let first = (range.fire_time - at(0)).num_minutes();
                accounted.extend((0..i64::from(range.occurrences)).map(|k| at(first + k * step)));
            }
            accounted.clone()
        };
        let mut ran = Vec::new();
        for pause in polls {
            now += TimeDelta::minutes(pause);
            while pending.due_at <= now {
                let outcome = pending.fire(&job, &exclusions, now);
                count(&outcome.skipped);
                ran.extend(outcome.execution.map(|execution| execution.fire_time));
                let NextState::Advance { fire_time, due_at, excluded_from } = outcome.next_state else { panic!("it goes on") };
                (pending.fire_time, pending.due_at, pending.excluded_from) = (fire_time, due_at, excluded_from);
            }
        }
        now += TimeDelta::minutes(gap);
        if pauses {
            count(&pending.left_out(&job, &exclusions, now, 100_000, Reason::Paused));
        } else {
            let passed = pending.passed(&job, &exclusions, now);
            count(&passed.skipped);
            for execution in &passed.executions {
                prop_assert!(calendar.is_open(execution.fire_time) && execution.fire_time <= now, "{} runs", execution.fire_time);
                prop_assert!(execution.due_time >= job.due_time(JOB, execution.fire_time), "{} is early", execution.fire_time);
                let starts = execution.due_time.max(now);
                prop_assert!(exclusions.blackout_at(JOB, &job, starts).is_none(), "{} starts in the blackout", execution.fire_time);
                ran.push(execution.fire_time);
            }
        }
        let mut all = count(&[]);
        all.extend(ran);
        all.sort_unstable();
        let oracle: Vec<Timestamp> = (0..100_000).map(|k| at(k * step)).take_while(|t| *t <= now).collect();
        prop_assert_eq!(all, oracle);
    }
}
