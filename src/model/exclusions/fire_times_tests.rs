//! What a person is shown of the next fire times is what polls make of them that come when
//! something is due.

use super::{Blackout, BlackoutEndPolicy, Exclusions, Pending, Scope};
use crate::model::Timestamp;
use crate::model::job::JobDefinition;
use crate::model::schedule::Schedule;
use crate::model::schedule::calendar::Calendar;
use crate::model::schedule::cron::{CronOptions, CronSchedule};
use crate::model::schedule::zone::Zone;
use crate::model::trigger::{NextState, Trigger, TriggerKind, schedule_next};
use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

const JOB: Uuid = Uuid::from_u128(42);

/// Midnight of a Friday.
fn at(minutes: i64) -> Timestamp {
    "2026-11-27T00:00:00Z".parse::<Timestamp>().expect("a time") + TimeDelta::minutes(minutes)
}

fn every(seconds: i64) -> JobDefinition {
    JobDefinition::plain(
        "job",
        Schedule::FixedRate {
            interval: TimeDelta::seconds(seconds),
            anchor: at(0),
        },
    )
}

fn blackout(from: i64, to: i64, on_end: BlackoutEndPolicy) -> Blackout {
    let (starts_at, ends_at) = (at(from), at(to));
    Blackout {
        id: Uuid::from_u128(1),
        scope: Scope::Cluster,
        starts_at,
        ends_at,
        on_end,
        reason: "move".into(),
    }
}

fn calendar(rules: serde_json::Value) -> Calendar {
    let rules = serde_json::from_value(rules).expect("rules");
    Calendar::new("closed", Zone::default(), &rules).expect("valid")
}

fn pending(minutes: i64) -> Pending {
    Pending {
        fire_time: at(minutes),
        excluded_from: None,
    }
}

fn minutes(fire_times: &[Timestamp]) -> Vec<i64> {
    fire_times
        .iter()
        .map(|time| (*time - at(0)).num_minutes())
        .collect()
}

#[test]
fn what_a_blackout_excludes_or_folds_is_left_out_and_what_it_defers_is_not() {
    let cases: [(&[Blackout], &[i64]); 6] = [
        (
            &[blackout(25, 60, BlackoutEndPolicy::Skip)],
            &[10, 20, 60, 70, 80],
        ),
        (
            &[blackout(25, 60, BlackoutEndPolicy::Collapse)],
            &[10, 20, 50, 60, 70],
        ),
        (
            &[blackout(25, 60, BlackoutEndPolicy::RunAll)],
            &[10, 20, 30, 40, 50],
        ),
        // What is pending lies in it: it was made since.
        (
            &[blackout(5, 15, BlackoutEndPolicy::Skip)],
            &[20, 30, 40, 50, 60],
        ),
        // One that begins before the other has ended defers what was to be folded.
        (
            &[
                blackout(5, 35, BlackoutEndPolicy::Collapse),
                blackout(30, 60, BlackoutEndPolicy::RunAll),
            ],
            &[50, 60, 70, 80, 90],
        ),
        (
            &[
                blackout(5, 35, BlackoutEndPolicy::RunAll),
                blackout(30, 60, BlackoutEndPolicy::Skip),
            ],
            &[10, 20, 60, 70, 80],
        ),
    ];
    for (blackouts, expected) in cases {
        let exclusions = Exclusions {
            blackouts: blackouts.to_vec(),
            ..Exclusions::default()
        };
        let fire_times = exclusions.fire_times(JOB, &every(600), pending(10), 5);
        assert_eq!(minutes(&fire_times), expected, "{blackouts:?}");
    }
}

#[test]
fn the_first_is_the_same_however_many_are_asked_for() {
    let exclusions = Exclusions {
        blackouts: vec![blackout(5, 100, BlackoutEndPolicy::Collapse)],
        ..Exclusions::default()
    };
    let ask = |count| exclusions.fire_times(JOB, &every(600), pending(10), count);
    assert_eq!((ask(0), ask(1)), (vec![], vec![at(90)]));
    assert_eq!(ask(1_000)[..2], [at(90), at(100)]);
}

#[test]
fn a_fixed_delay_has_its_pending_one_whatever_closes_it() {
    let delay = JobDefinition {
        schedule: Schedule::FixedDelay {
            interval: TimeDelta::minutes(5),
        },
        ..every(1)
    };
    let exclusions = Exclusions {
        blackouts: vec![blackout(0, 60, BlackoutEndPolicy::Skip)],
        ..Exclusions::default()
    };
    assert_eq!(exclusions.fire_times(JOB, &delay, pending(10), 5), [at(10)]);
}

#[test]
fn a_once_that_is_closed_has_none() {
    let once = JobDefinition {
        schedule: Schedule::Once { at: at(10) },
        ..every(1)
    };
    let exclusions = |on_end| Exclusions {
        blackouts: vec![blackout(0, 60, on_end)],
        ..Exclusions::default()
    };
    assert!(
        exclusions(BlackoutEndPolicy::Skip)
            .fire_times(JOB, &once, pending(10), 5)
            .is_empty()
    );
    assert_eq!(
        exclusions(BlackoutEndPolicy::Collapse).fire_times(JOB, &once, pending(10), 5),
        [at(10)]
    );
}

#[test]
fn a_calendar_that_opened_shows_what_is_to_come_and_not_what_was_closed() {
    let job = JobDefinition {
        calendar: Some("closed".into()),
        ..every(3_600)
    };
    let opened = calendar(serde_json::json!({})).changed(at(12 * 60 + 30));
    let exclusions = Exclusions {
        calendars: [("closed".to_owned(), opened)].into(),
        ..Exclusions::default()
    };
    let pending = Pending {
        fire_time: at(72 * 60),
        excluded_from: Some(at(60)),
    };
    assert_eq!(
        minutes(&exclusions.fire_times(JOB, &job, pending, 2)),
        [13 * 60, 14 * 60]
    );
}

#[test]
fn a_year_of_folded_seconds_is_leapt_over() {
    let year = 366 * 1_440;
    let exclusions = Exclusions {
        blackouts: vec![blackout(0, year, BlackoutEndPolicy::Collapse)],
        ..Exclusions::default()
    };
    let last = at(year) - TimeDelta::seconds(1);
    assert_eq!(
        exclusions.fire_times(JOB, &every(1), pending(0), 3),
        [last, at(year), at(year) + TimeDelta::seconds(1)]
    );
}

#[test]
fn a_search_is_bounded_and_then_the_first_is_what_the_trigger_names_if_that_is_open() {
    // A thousand blackouts, each over the only fire time of its day.
    let night = |day: i64| blackout(day * 1_440 - 5, day * 1_440 + 5, BlackoutEndPolicy::Skip);
    let exclusions = Exclusions {
        blackouts: (1..=1_000).map(night).collect(),
        ..Exclusions::default()
    };
    let daily = every(86_400);
    assert_eq!(
        minutes(&exclusions.fire_times(JOB, &daily, pending(0), 2)),
        [0, 1_001 * 1_440],
        "leapt over"
    );
    assert!(
        exclusions
            .fire_times(JOB, &daily, pending(1_440), 2)
            .is_empty(),
        "too long for the first"
    );
    let long = |day: i64| {
        blackout(
            day * 1_440 - 5,
            (day + 1) * 1_440,
            BlackoutEndPolicy::Collapse,
        )
    };
    let exclusions = Exclusions {
        blackouts: (1..=1_000).map(long).collect(),
        ..Exclusions::default()
    };
    assert_eq!(
        exclusions.fire_times(JOB, &daily, pending(1_440), 2)[0],
        at(1_440)
    );
}

/// What runs when every poll comes as soon as the trigger is due, from `now` on.
fn fired_by_polls(
    mut trigger: Trigger,
    job: &JobDefinition,
    exclusions: &Exclusions,
    mut now: Timestamp,
) -> Vec<Timestamp> {
    let mut ran = Vec::new();
    for _ in 0..2_000 {
        now = now.max(trigger.due_at);
        let outcome = trigger.fire(job, exclusions, now);
        ran.extend(outcome.execution.map(|execution| execution.fire_time));
        let NextState::Advance {
            fire_time,
            due_at,
            excluded_from,
        } = outcome.next_state
        else {
            break;
        };
        if ran.len() == 15 {
            break;
        }
        (trigger.fire_time, trigger.due_at, trigger.excluded_from) =
            (fire_time, due_at, excluded_from);
    }
    ran
}

fn schedule(cron: bool, step: i64) -> Schedule {
    if !cron {
        return Schedule::FixedRate {
            interval: TimeDelta::minutes(step),
            anchor: at(0),
        };
    }
    let options = CronOptions {
        zone: "Europe/Berlin".parse().expect("a zone"),
        ..CronOptions::default()
    };
    Schedule::Cron(
        CronSchedule::parse(&format!("{} */3 * * *", step % 60), &options).expect("valid"),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_shown_is_what_runs(
        (cron, step, jitter) in (any::<bool>(), 5_i64..200, prop_oneof![Just(0), 0_i32..4_000]),
        windows in proptest::array::uniform2((0_u32..1_440, 1_u32..1_200)), edited in 0_i64..3_000,
        black in proptest::collection::vec((0_i64..6_000, 1_i64..2_000, 0_usize..3), 0..6), more in 0_usize..3,
    ) {
        let mut job = JobDefinition { calendar: Some("closed".into()), ..every(1) };
        (job.schedule, job.policies.jitter_seconds) = (schedule(cron, step), jitter);
        let time = |minute: u32| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
        let rules = |(from, minutes): (u32, u32)| {
            let window = serde_json::json!({"from": time(from), "to": time(from + minutes)});
            calendar(serde_json::json!({"excludeWeekdays": ["SUNDAY"], "excludeWindows": [window]}))
        };
        let on_end = [BlackoutEndPolicy::Skip, BlackoutEndPolicy::Collapse, BlackoutEndPolicy::RunAll];
        let blackouts: Vec<Blackout> = black.iter().enumerate().map(|(number, (from, length, then))| {
            Blackout { id: Uuid::from_u128(number as u128), ..blackout(*from, from + length, on_end[*then]) }
        }).collect();
        let known = blackouts.len().saturating_sub(more);
        let before = Exclusions {
            calendars: [("closed".to_owned(), rules(windows[0]))].into(), blackouts: blackouts[..known].to_vec(),
            ..Exclusions::default()
        };
        let NextState::Advance { fire_time, due_at, excluded_from } = schedule_next(JOB, &job, &before, at(-1)) else { panic!("it fires") };
        let trigger = Trigger { id: JOB, job_id: JOB, kind: TriggerKind::Schedule, fire_time, due_at, runs: 0, excluded_from };
        let shown = before.fire_times(JOB, &job, Pending { fire_time, excluded_from }, 15);
        prop_assert_eq!(&shown, &fired_by_polls(trigger.clone(), &job, &before, at(0)));
        for fire_time in &shown {
            prop_assert!(!matches!(before.availability(JOB, &job, *fire_time), super::Availability::Excluded(_)));
        }

        // An edit of the calendar has what was sent past it looked at again; a new blackout touches
        // no trigger.
        let edited = at(edited).min(due_at - TimeDelta::seconds(1));
        let changed = rules(windows[1]).changed(edited);
        let after = Exclusions { calendars: [("closed".to_owned(), changed)].into(), blackouts, ..Exclusions::default() };
        let again = Trigger { due_at: excluded_from.map_or(due_at, |from| from.max(edited)), ..trigger };
        let shown = after.fire_times(JOB, &job, Pending { fire_time, excluded_from }, 15);
        prop_assert_eq!(shown, fired_by_polls(again, &job, &after, edited));
    }
}
