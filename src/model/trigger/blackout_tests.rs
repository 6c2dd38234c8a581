//! Fire times under blackouts, as tables.

use super::exclusion_tests::{
    JOB, advance, at, black, blackout, due, every, excluded, on_time, row,
};
use super::*;
use crate::model::exclusions::{Blackout, BlackoutEndPolicy, Exclusions, Scope};
use crate::model::job::JobDefinition;
use crate::model::schedule::Schedule;
use chrono::TimeDelta;

#[test]
fn what_two_blackouts_cover_is_deferred_by_the_one_that_ends_later() {
    let job = every(60, |_| ());
    let mut exclusions = black(30, 600, BlackoutEndPolicy::Skip);
    exclusions
        .blackouts
        .push(blackout(330, 660, BlackoutEndPolicy::Collapse));
    let outcome = on_time(0).fire(&job, &exclusions, at(0));
    assert_eq!(
        outcome.next_state,
        advance(360, 660, Some(60)),
        "not from ten on, when both are over"
    );
}

#[test]
fn a_trigger_that_is_polled_early_only_learns_where_it_goes() {
    let job = every(60, |policies| policies.jitter_seconds = 600);
    let due_at = job.due_time(JOB, at(120));
    let outcome = due(at(120), at(120), None).fire(&job, &Exclusions::default(), at(100));
    let next_state = NextState::Advance {
        fire_time: at(120),
        due_at,
        excluded_from: None,
    };
    assert_eq!(
        (outcome.execution, outcome.skipped, outcome.next_state),
        (None, vec![], next_state)
    );
}

#[test]
fn a_blackout_skips_folds_or_runs_what_it_deferred() {
    let job = every(10, |_| ());
    let before = |exclusions: &Exclusions| on_time(20).fire(&job, exclusions, at(20)).next_state;
    let skip = black(25, 60, BlackoutEndPolicy::Skip);
    assert_eq!(before(&skip), advance(60, 60, Some(30)));
    let outcome = due(at(60), at(60), Some(at(30))).fire(&job, &skip, at(60));
    assert_eq!(
        row(&outcome.skipped[0]),
        (30, 50, 3, "CALENDAR", "blackout: move")
    );
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(60))
    );

    let collapse = black(25, 58, BlackoutEndPolicy::Collapse);
    assert_eq!(before(&collapse), advance(30, 58, None));
    let outcome = due(at(30), at(58), None).fire(&job, &collapse, at(58));
    assert_eq!(row(&outcome.skipped[0]), (30, 40, 2, "COALESCED", ""));
    assert_eq!(
        outcome
            .execution
            .map(|execution| (execution.fire_time, execution.due_time)),
        Some((at(50), at(50)))
    );
    assert_eq!(outcome.next_state, advance(60, 60, None));

    let run_all = black(25, 58, BlackoutEndPolicy::RunAll);
    let outcome = due(at(30), at(58), None).fire(&job, &run_all, at(58));
    assert_eq!(
        (
            outcome.execution.map(|execution| execution.fire_time),
            outcome.skipped.len()
        ),
        (Some(at(30)), 0)
    );
    assert_eq!(
        outcome.next_state,
        advance(40, 58, None),
        "the next one is due at once"
    );
}

#[test]
fn nothing_that_was_missed_before_starts_in_a_blackout() {
    let job = every(10, |_| ());
    let exclusions = black(25, 60, BlackoutEndPolicy::Collapse);
    let outcome = on_time(10).fire(&job, &exclusions, at(40));
    assert_eq!(
        (outcome.execution, outcome.next_state),
        (None, advance(10, 60, None))
    );
}

#[test]
fn a_fixed_delay_waits_for_the_end_of_whatever_closes_it() {
    let delay = JobDefinition {
        schedule: Schedule::FixedDelay {
            interval: TimeDelta::minutes(5),
        },
        ..every(10, |_| ())
    };
    let exclusions = black(25, 60, BlackoutEndPolicy::Skip);
    assert_eq!(
        on_time(30).fire(&delay, &exclusions, at(30)).next_state,
        advance(30, 60, None)
    );
    let weekend = excluded(serde_json::json!({"excludeWeekdays": ["SATURDAY", "SUNDAY"]}));
    assert_eq!(
        on_time(1_500).fire(&delay, &weekend, at(1_500)).next_state,
        advance(1_500, 72 * 60, None)
    );
    assert_eq!(
        on_time(30)
            .fire(&delay, &weekend, at(30))
            .execution
            .map(|execution| execution.fire_time),
        Some(at(30))
    );
}

#[test]
fn a_blackout_reaches_its_jobs_only() {
    let (mut job, other) = (every(10, |_| ()), Uuid::from_u128(7));
    job.tags = vec!["billing".into()];
    let covers = |scope: Scope| {
        let exclusions = Exclusions {
            blackouts: vec![Blackout {
                scope,
                ..blackout(0, 60, BlackoutEndPolicy::Skip)
            }],
            ..Exclusions::default()
        };
        exclusions.blackout_at(JOB, &job, at(10)).is_some()
    };
    assert!(
        covers(Scope::Cluster) && covers(Scope::Tag("billing".into())) && covers(Scope::Job(JOB))
    );
    assert!(!covers(Scope::Tag("mail".into())) && !covers(Scope::Job(other)));
}
