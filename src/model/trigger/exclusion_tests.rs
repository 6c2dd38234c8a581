//! Fire times under calendars: tables, and the property that each fire time runs or is recorded,
//! once, whatever excludes it.

use super::*;
use crate::model::exclusions::{Blackout, BlackoutEndPolicy, Exclusions, Scope};
use crate::model::execution::Reason;
use crate::model::job::JobDefinition;
use crate::model::policies::{MisfirePolicy, Policies};
use crate::model::schedule::Schedule;
use crate::model::schedule::calendar::Calendar;
use crate::model::schedule::zone::Zone;
use chrono::TimeDelta;
use proptest::prelude::*;

pub(super) const JOB: Uuid = Uuid::from_u128(42);

/// Midnight of a Friday.
pub(super) fn at(minutes: i64) -> Timestamp {
    "2026-11-27T00:00:00Z".parse::<Timestamp>().expect("a time") + TimeDelta::minutes(minutes)
}

pub(super) fn every(minutes: i64, change: impl FnOnce(&mut Policies)) -> JobDefinition {
    let grid = Schedule::FixedRate {
        interval: TimeDelta::minutes(minutes),
        anchor: at(0),
    };
    let mut job = JobDefinition {
        calendar: Some("closed".into()),
        ..JobDefinition::plain("job", grid)
    };
    change(&mut job.policies);
    job
}

pub(super) fn excluded(rules: serde_json::Value) -> Exclusions {
    let rules = serde_json::from_value(rules).expect("rules");
    let calendar = Calendar::new("closed", Zone::default(), &rules).expect("valid");
    Exclusions {
        calendars: [("closed".to_owned(), calendar)].into(),
        ..Exclusions::default()
    }
}

pub(super) fn blackout(from: i64, to: i64, on_end: BlackoutEndPolicy) -> Blackout {
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

pub(super) fn black(from: i64, to: i64, on_end: BlackoutEndPolicy) -> Exclusions {
    Exclusions {
        blackouts: vec![blackout(from, to, on_end)],
        ..Exclusions::default()
    }
}

pub(super) fn due(
    fire_time: Timestamp,
    due_at: Timestamp,
    excluded_from: Option<Timestamp>,
) -> Trigger {
    Trigger {
        id: JOB,
        job_id: JOB,
        kind: TriggerKind::Schedule,
        fire_time,
        due_at,
        runs: 0,
        excluded_from,
    }
}

pub(super) fn on_time(minutes: i64) -> Trigger {
    due(at(minutes), at(minutes), None)
}

pub(super) fn advance(fire_time: i64, due_at: i64, excluded_from: Option<i64>) -> NextState {
    NextState::Advance {
        fire_time: at(fire_time),
        due_at: at(due_at),
        excluded_from: excluded_from.map(at),
    }
}

/// Minutes of a row: first, last, how many, why.
pub(super) fn row(skipped: &SkippedRange) -> (i64, i64, i32, &str, &str) {
    let minute = |time: Timestamp| (time - at(0)).num_minutes();
    let message = skipped.message.as_deref().unwrap_or("");
    (
        minute(skipped.fire_time),
        minute(skipped.through_fire_time),
        skipped.occurrences,
        skipped.reason.as_str(),
        message,
    )
}

#[test]
fn a_trigger_goes_past_a_closed_weekend_and_records_it_as_one_row() {
    let job = every(60, |_| ());
    let weekend = excluded(serde_json::json!({"excludeWeekdays": ["SATURDAY", "SUNDAY"]}));
    let friday = on_time(23 * 60).fire(&job, &weekend, at(23 * 60));
    let monday = 72 * 60;
    assert_eq!(friday.next_state, advance(monday, monday, Some(24 * 60)));
    let outcome = due(at(monday), at(monday), Some(at(24 * 60))).fire(&job, &weekend, at(monday));
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(monday))
    );
    assert_eq!(
        row(&outcome.skipped[0]),
        (1_440, monday - 60, 48, "CALENDAR", "calendar closed")
    );
    assert_eq!(outcome.next_state, advance(monday + 60, monday + 60, None));
}

#[test]
fn a_calendar_that_was_edited_judges_what_is_to_come_and_not_what_was() {
    let job = every(60, |policies| {
        policies.misfire_policy = MisfirePolicy::FireAll;
    });
    let (saturday, noon) = (24 * 60, 36 * 60 + 30);
    // Sent past the weekend on Friday; on Saturday at half past noon the calendar opens it.
    let opened = edited(serde_json::json!({}), noon);
    let outcome = due(at(72 * 60), at(noon), Some(at(saturday))).fire(&job, &opened, at(noon));
    assert_eq!(
        (outcome.execution, row(&outcome.skipped[0])),
        (None, (saturday, 36 * 60, 13, "CALENDAR", "calendar closed"))
    );
    assert_eq!(outcome.next_state, advance(37 * 60, 37 * 60, None));
}

#[test]
fn a_fire_time_that_passed_closed_is_recorded_though_an_edit_opens_it_before_it_is_due() {
    let job = every(60, |policies| policies.jitter_seconds = 1_800);
    let waits = |minute: &i64| job.due_time(JOB, at(*minute)) > at(*minute + 5);
    let saturday = (24..40)
        .map(|hour| hour * 60)
        .find(waits)
        .expect("one waits out its jitter");
    let opened = edited(serde_json::json!({}), saturday + 2);
    let outcome = due(at(48 * 60), at(saturday + 2), Some(at(saturday))).fire(
        &job,
        &opened,
        at(saturday + 2),
    );
    assert_eq!(
        (outcome.execution, row(&outcome.skipped[0])),
        (None, (saturday, saturday, 1, "CALENDAR", "calendar closed"))
    );
    let next = at(saturday + 60);
    assert_eq!(
        outcome.next_state,
        NextState::Advance {
            fire_time: next,
            due_at: job.due_time(JOB, next),
            excluded_from: None
        }
    );

    // The other way round: an open fire time that has passed still runs, though what was excluded
    // before it is looked at.
    let sunday = (48..60)
        .map(|hour| hour * 60)
        .find(waits)
        .expect("one waits out its jitter");
    let closes = edited(
        serde_json::json!({"excludeWeekdays": ["SUNDAY"]}),
        sunday + 2,
    );
    let before = due(at(sunday), at(sunday + 2), Some(at(sunday - 60)));
    let outcome = before.fire(&job, &closes, at(sunday + 2));
    assert_eq!(
        (outcome.execution, row(&outcome.skipped[0]).0),
        (None, sunday - 60)
    );
    let due_at = job.due_time(JOB, at(sunday));
    assert_eq!(
        outcome.next_state,
        NextState::Advance {
            fire_time: at(sunday),
            due_at,
            excluded_from: None
        }
    );
}

#[test]
fn what_passed_closed_stays_closed_however_many_polls_it_takes() {
    let mut job = every(60, |_| ());
    job.schedule = Schedule::FixedRate {
        interval: TimeDelta::seconds(1),
        anchor: at(0),
    };
    // A weekend of seconds, opened on Sunday evening: 151,200 of them had passed excluded.
    let (saturday, evening) = (24 * 60, 66 * 60);
    let opened = edited(serde_json::json!({}), evening);
    let mut trigger = due(at(72 * 60), at(evening), Some(at(saturday)));
    let mut recorded = 0;
    for _ in 0..2 {
        let outcome = trigger.fire(&job, &opened, at(evening));
        recorded += outcome
            .skipped
            .iter()
            .map(|range| range.occurrences)
            .sum::<i32>();
        let NextState::Advance {
            fire_time,
            due_at,
            excluded_from,
        } = outcome.next_state
        else {
            panic!("it goes on")
        };
        (trigger.fire_time, trigger.due_at, trigger.excluded_from) =
            (fire_time, due_at, excluded_from);
        if excluded_from.is_none() {
            assert_eq!(
                outcome.execution.map(|execution| execution.fire_time),
                Some(at(evening))
            );
        }
    }
    assert_eq!(
        (recorded, trigger.fire_time),
        (42 * 3_600, at(evening) + TimeDelta::seconds(1))
    );
}

/// The calendar with other rules since an instant.
fn edited(rules: serde_json::Value, minutes: i64) -> Exclusions {
    let mut exclusions = excluded(rules);
    let calendar = exclusions
        .calendars
        .remove("closed")
        .expect("it is there")
        .changed(at(minutes));
    exclusions.calendars.insert("closed".into(), calendar);
    exclusions
}

#[test]
fn a_fire_time_that_a_calendar_let_pass_runs_although_it_is_closed_since() {
    let job = every(60, |policies| policies.jitter_seconds = 1_800);
    let closes = |minutes| edited(serde_json::json!({"excludeWeekdays": ["FRIDAY"]}), minutes);
    let waits = |fires: &i64| job.due_time(JOB, at(*fires)) > at(*fires + 5);
    let fires = (1..20)
        .map(|hour| hour * 60)
        .find(waits)
        .expect("one waits out its jitter");
    let due_at = job.due_time(JOB, at(fires));
    let waiting = due(at(fires), due_at, None);
    let outcome = waiting.fire(&job, &closes(fires + 2), due_at);
    assert_eq!(
        outcome
            .execution
            .map(|execution| (execution.fire_time, execution.due_time)),
        Some((at(fires), due_at))
    );
    assert_eq!(outcome.skipped, vec![]);
    let outcome = waiting.fire(&job, &closes(fires - 1), due_at);
    assert_eq!(
        (outcome.execution, row(&outcome.skipped[0])),
        (None, (fires, fires, 1, "CALENDAR", "calendar closed"))
    );

    // An outage: the one that the trigger was sent to may run; the earlier rules are not known of
    // the others.
    let outcome = waiting.fire(&job, &closes(fires + 2), at(fires + 140));
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(fires))
    );
    let mut black = closes(fires + 2);
    black
        .blackouts
        .push(blackout(fires + 1, fires + 35, BlackoutEndPolicy::Skip));
    let outcome = waiting.fire(&job, &black, at(fires + 35));
    assert_eq!(
        row(&outcome.skipped[0]).4,
        "blackout: move",
        "a blackout holds all the same"
    );
}

#[test]
fn a_schedule_that_ends_in_a_closed_time_records_what_was_closed() {
    let job = every(60, |policies| policies.end_at = Some(at(25 * 60)));
    let weekend = excluded(serde_json::json!({"excludeWeekdays": ["SATURDAY", "SUNDAY"]}));
    let last = on_time(23 * 60).fire(&job, &weekend, at(23 * 60));
    let (saturday, one) = (24 * 60, 25 * 60);
    assert_eq!(last.next_state, advance(saturday, saturday, Some(saturday)));
    let pending = due(at(saturday), at(saturday), Some(at(saturday)));
    let outcome = pending.fire(&job, &weekend, at(saturday));
    assert_eq!(
        (row(&outcome.skipped[0]).3, outcome.next_state),
        ("CALENDAR", advance(one, one, Some(one)))
    );
    // The calendar opens it after that: excluded fire times do not run.
    let outcome = pending.fire(
        &job,
        &edited(serde_json::json!({}), saturday + 1),
        at(saturday + 2),
    );
    assert_eq!(
        (outcome.execution, row(&outcome.skipped[0]).3),
        (None, "CALENDAR")
    );
}

#[test]
fn a_search_for_a_fire_time_that_counts_ends_in_sight() {
    // Open each third year on its first day: a yearly grid that drifts through the year meets it
    // after 300 years.
    let years = (0..999).map(|k| format!("{}-01-02/{}-12-31", 2026 + 3 * k, 2028 + 3 * k));
    let exclusions = excluded(serde_json::json!({"excludeDates": years.collect::<Vec<_>>()}));
    let job = every(365 * 1_440, |_| {});
    assert!(job.next_fire_time(at(0)).is_some());
    assert_eq!(exclusions.next_open(JOB, &job, at(0)), None);
}

#[test]
fn no_job_fires_in_a_year_of_five_digits() {
    let job = every(3_660 * 1_440, |_| {});
    let fire_times =
        std::iter::successors(job.next_fire_time(at(0)), |last| job.next_fire_time(*last));
    let last = fire_times.last().expect("it fires");
    assert!(
        ("9989-01-01".."9999-12-31").contains(&crate::model::rfc3339(last).as_str()),
        "{last}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever is excluded, deferred or missed: every fire time up to now runs or
    /// is recorded, once and in order; nothing excluded runs, nothing starts in a
    /// blackout.
    #[test]
    fn every_fire_time_runs_or_is_recorded_once(
        step in 5_i64..200, window in (0_u32..1_440, 0_u32..1_440), day in 0_usize..7,
        black in (0_i64..6_000, 1_i64..3_000, 0_usize..3), polls in proptest::collection::vec(1_i64..3_000, 1..8),
        policy in 0_usize..3, grace in 0_i32..7_200, jitter in 0_i32..4_000, most in proptest::option::of(1_i32..50),
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
        let mut exclusions = excluded(rules);
        let on_end = [BlackoutEndPolicy::Skip, BlackoutEndPolicy::Collapse, BlackoutEndPolicy::RunAll][black.2];
        exclusions.blackouts.push(blackout(black.0, black.0 + black.1, on_end));
        let calendar = exclusions.calendars["closed"].clone();

        let NextState::Advance { fire_time, due_at, excluded_from } = schedule_next(JOB, &job, &exclusions, at(-1)) else { panic!("it fires") };
        let (mut pending, mut now) = (due(fire_time, due_at, excluded_from), at(0));
        let (mut accounted, mut ran) = (Vec::new(), Vec::new());
        for pause in polls {
            now += TimeDelta::minutes(pause);
            while pending.due_at <= now {
                let outcome = pending.fire(&job, &exclusions, now);
                for range in &outcome.skipped {
                    let first = (range.fire_time - at(0)).num_minutes();
                    accounted.extend((0..i64::from(range.occurrences)).map(|k| at(first + k * step)));
                    prop_assert_eq!(*accounted.last().unwrap(), range.through_fire_time);
                    let excluded = range.reason == Reason::Calendar;
                    prop_assert_eq!(excluded, range.message.is_some());
                }
                if let Some(execution) = outcome.execution {
                    prop_assert!(calendar.is_open(execution.fire_time), "closed fire time {} ran", execution.fire_time);
                    prop_assert!(exclusions.blackout_at(JOB, &job, now).is_none(), "it started in the blackout at {now}");
                    accounted.push(execution.fire_time);
                    ran.push(execution.fire_time);
                }
                let NextState::Advance { fire_time, due_at, excluded_from } = outcome.next_state else { panic!("it goes on") };
                prop_assert!(due_at > pending.due_at || fire_time > pending.fire_time, "it does not go round");
                pending = due(fire_time, due_at, excluded_from);
            }
        }
        let next = pending.excluded_from.unwrap_or(pending.fire_time);
        let oracle: Vec<Timestamp> = (0..100_000).map(|k| at(k * step)).take_while(|t| *t < next).collect();
        prop_assert_eq!(&accounted, &oracle);
        prop_assert!(job.due_time(JOB, next) > now || !exclusions.is_open(JOB, &job, next, now), "nothing is left lying");
    }
}
