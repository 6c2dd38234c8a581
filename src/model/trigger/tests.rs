//! Tables and properties of `fire`.

use super::*;
use crate::model::exclusions::Exclusions;
use crate::model::execution::execution_id;
use crate::model::job::JobDefinition;
use crate::model::policies::{MisfirePolicy, Policies};
use crate::model::schedule::Schedule;
use chrono::TimeDelta;
use proptest::prelude::*;

const JOB: Uuid = Uuid::from_u128(42);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_795_000_000 + seconds, 0).expect("in range")
}

fn every(seconds: i64) -> JobDefinition {
    job(Schedule::FixedRate {
        interval: TimeDelta::seconds(seconds),
        anchor: at(0),
    })
}

fn job(schedule: Schedule) -> JobDefinition {
    JobDefinition::plain("job", schedule)
}

fn every_with(seconds: i64, change: impl FnOnce(&mut Policies)) -> JobDefinition {
    let mut job = every(seconds);
    change(&mut job.policies);
    job
}

fn advance(fire_time: Timestamp) -> NextState {
    NextState::Advance {
        fire_time,
        due_at: fire_time,
        excluded_from: None,
    }
}

fn trigger(kind: TriggerKind, fire_time: Timestamp) -> Trigger {
    Trigger {
        id: JOB,
        job_id: JOB,
        kind,
        fire_time,
        due_at: fire_time,
        runs: 0,
        excluded_from: None,
    }
}

fn id(fire_time: Timestamp) -> Uuid {
    execution_id(JOB, TriggerKind::Schedule, fire_time)
}

#[test]
fn an_on_time_trigger_runs_and_moves_to_the_next_fire_time() {
    let outcome =
        trigger(TriggerKind::Schedule, at(10)).fire(&every(10), &Exclusions::default(), at(10));
    assert_eq!(
        outcome
            .execution
            .map(|execution| (execution.execution_id, execution.fire_time)),
        Some((id(at(10)), at(10)))
    );
    assert_eq!(
        (outcome.skipped, outcome.next_state),
        (vec![], advance(at(20)))
    );
}

#[test]
fn late_within_the_grace_is_simply_late() {
    let outcome =
        trigger(TriggerKind::Schedule, at(10)).fire(&every(10), &Exclusions::default(), at(70));
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(10))
    );
    assert_eq!(outcome.next_state, advance(at(20)));
}

#[test]
fn a_misfire_runs_the_last_missed_and_folds_the_others_into_it() {
    let outcome =
        trigger(TriggerKind::Schedule, at(10)).fire(&every(10), &Exclusions::default(), at(75));
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(70))
    );
    let [skipped] = &outcome.skipped[..] else {
        panic!("one range")
    };
    assert_eq!(
        (
            skipped.execution_id,
            skipped.fire_time,
            skipped.through_fire_time
        ),
        (id(at(10)), at(10), at(60))
    );
    assert_eq!(
        (skipped.occurrences, skipped.coalesced_into),
        (6, Some(id(at(70))))
    );
    assert_eq!(outcome.next_state, advance(at(80)));
}

#[test]
fn a_single_missed_fire_time_runs_and_folds_nothing() {
    let outcome =
        trigger(TriggerKind::Schedule, at(10)).fire(&every(1_000), &Exclusions::default(), at(100));
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(10))
    );
    assert_eq!(
        (outcome.skipped, outcome.next_state),
        (vec![], advance(at(1_000)))
    );
}

#[test]
fn folding_is_bounded_and_goes_on_with_the_next_poll() {
    let first =
        trigger(TriggerKind::Schedule, at(0)).fire(&every(1), &Exclusions::default(), at(150_000));
    assert_eq!(first.execution, None);
    let [skipped] = &first.skipped[..] else {
        panic!("one range")
    };
    assert_eq!(
        (
            skipped.occurrences,
            skipped.through_fire_time,
            skipped.coalesced_into
        ),
        (100_000, at(99_999), None)
    );
    assert_eq!(first.next_state, advance(at(100_000)));

    let rest = trigger(TriggerKind::Schedule, at(100_000)).fire(
        &every(1),
        &Exclusions::default(),
        at(150_000),
    );
    assert_eq!(
        rest.execution.map(|execution| execution.fire_time),
        Some(at(150_000))
    );
    assert_eq!(rest.skipped[0].occurrences, 50_000);
}

/// All that a trigger becomes at one instant: how many ran, and how many were skipped.
fn polls(job: &JobDefinition, mut pending: Trigger, now: Timestamp) -> (usize, i64) {
    let (mut ran, mut skipped) = (0, 0);
    while pending.due_at <= now {
        let outcome = pending.fire(job, &Exclusions::default(), now);
        ran += usize::from(outcome.execution.is_some());
        skipped += outcome
            .skipped
            .iter()
            .map(|range| i64::from(range.occurrences))
            .sum::<i64>();
        let NextState::Advance {
            fire_time, due_at, ..
        } = outcome.next_state
        else {
            panic!("it goes on")
        };
        (pending.fire_time, pending.due_at) = (fire_time, due_at);
    }
    (ran, skipped)
}

#[test]
fn a_misfire_speaks_also_of_what_is_within_its_grace_however_much_was_missed() {
    let of = |policy| every_with(1, |p| p.misfire_policy = policy);
    for missed in [
        61, 62, 99_999, 100_000, 100_001, 100_030, 100_060, 100_061, 150_000, 200_000,
    ] {
        let (pending, now) = (trigger(TriggerKind::Schedule, at(0)), at(missed));
        assert_eq!(
            polls(&of(MisfirePolicy::FireOnce), pending.clone(), now),
            (1, missed),
            "{missed}"
        );
        assert_eq!(
            polls(&of(MisfirePolicy::Skip), pending, now),
            (0, missed + 1),
            "{missed}"
        );
    }
}

#[test]
fn fire_all_runs_the_newest_however_much_was_missed() {
    let job = every_with(1, |p| {
        (p.misfire_policy, p.max_catch_up) = (MisfirePolicy::FireAll, Some(11));
    });
    for missed in [99_999, 100_000, 100_005, 150_000, 200_000] {
        assert_eq!(
            polls(&job, trigger(TriggerKind::Schedule, at(0)), at(missed)),
            (11, missed - 10),
            "{missed}"
        );
    }
}

#[test]
fn a_fixed_delay_waits_for_the_end_of_its_run_however_late() {
    let schedule = job(Schedule::FixedDelay {
        interval: TimeDelta::seconds(5),
    });
    let outcome =
        trigger(TriggerKind::Schedule, at(10)).fire(&schedule, &Exclusions::default(), at(100_000));
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(10))
    );
    assert_eq!(
        (outcome.skipped, outcome.next_state),
        (vec![], NextState::Await(id(at(10))))
    );
}

#[test]
fn one_off_triggers_keep_the_id_of_their_birth() {
    for (kind, resumes) in [
        (TriggerKind::Manual, false),
        (TriggerKind::Recovery, true),
        (TriggerKind::Retry, true),
    ] {
        let mut one_off = trigger(kind, at(10));
        one_off.id = Uuid::from_u128(99);
        let outcome = one_off.fire(&every(10), &Exclusions::default(), at(500));
        assert_eq!(
            outcome
                .execution
                .map(|execution| (execution.execution_id, execution.resumes)),
            Some((Uuid::from_u128(99), resumes))
        );
        assert_eq!(outcome.next_state, NextState::Remove);
    }
}

#[test]
fn skip_records_what_was_missed_and_runs_none() {
    let job = every_with(10, |p| p.misfire_policy = MisfirePolicy::Skip);
    let outcome = trigger(TriggerKind::Schedule, at(10)).fire(&job, &Exclusions::default(), at(75));
    let [skipped] = &outcome.skipped[..] else {
        panic!("one range")
    };
    assert_eq!(
        (
            skipped.fire_time,
            skipped.through_fire_time,
            skipped.occurrences
        ),
        (at(10), at(70), 7)
    );
    assert_eq!(
        (skipped.reason, skipped.coalesced_into),
        (Reason::Misfire, None)
    );
    assert_eq!(
        (outcome.execution, outcome.next_state),
        (None, advance(at(80)))
    );
}

#[test]
fn fire_all_runs_every_one_oldest_first() {
    let job = every_with(10, |p| p.misfire_policy = MisfirePolicy::FireAll);
    let outcome =
        trigger(TriggerKind::Schedule, at(10)).fire(&job, &Exclusions::default(), at(500));
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(10))
    );
    assert_eq!(
        (outcome.skipped, outcome.next_state),
        (vec![], advance(at(20)))
    );
}

#[test]
fn fire_all_skips_what_is_older_than_its_window_or_beyond_its_number() {
    let bounds: [fn(&mut Policies); 2] = [
        |p| p.catch_up_window_seconds = Some(100),
        |p| p.max_catch_up = Some(11),
    ];
    for bound in bounds {
        let job = every_with(10, |p| {
            p.misfire_policy = MisfirePolicy::FireAll;
            bound(p);
        });
        let first =
            trigger(TriggerKind::Schedule, at(10)).fire(&job, &Exclusions::default(), at(500));
        let [skipped] = &first.skipped[..] else {
            panic!("one range")
        };
        assert_eq!(
            (skipped.through_fire_time, skipped.occurrences),
            (at(390), 39)
        );
        assert_eq!(
            (first.execution, first.next_state),
            (None, advance(at(400)))
        );
        let next =
            trigger(TriggerKind::Schedule, at(400)).fire(&job, &Exclusions::default(), at(500));
        assert_eq!(
            next.execution.map(|execution| execution.fire_time),
            Some(at(400))
        );
    }
}

#[test]
fn the_grace_is_the_jobs_own() {
    let job = every_with(10, |p| p.misfire_grace_seconds = 5);
    let outcome = trigger(TriggerKind::Schedule, at(10)).fire(&job, &Exclusions::default(), at(36));
    assert_eq!(
        outcome.execution.map(|execution| execution.fire_time),
        Some(at(30))
    );
}

#[test]
fn a_schedule_ends_with_its_last_run_or_at_its_end() {
    let job = every_with(10, |p| p.max_runs = Some(3));
    let third = Trigger {
        runs: 2,
        ..trigger(TriggerKind::Schedule, at(10))
    };
    assert_eq!(
        third.fire(&job, &Exclusions::default(), at(10)).next_state,
        NextState::Exhaust
    );
    let second = Trigger {
        runs: 1,
        ..trigger(TriggerKind::Schedule, at(10))
    };
    assert_eq!(
        second.fire(&job, &Exclusions::default(), at(10)).next_state,
        advance(at(20))
    );
    let job = every_with(10, |p| p.end_at = Some(at(25)));
    assert_eq!(
        trigger(TriggerKind::Schedule, at(10))
            .fire(&job, &Exclusions::default(), at(10))
            .next_state,
        advance(at(20))
    );
    assert_eq!(
        trigger(TriggerKind::Schedule, at(20))
            .fire(&job, &Exclusions::default(), at(20))
            .next_state,
        NextState::Exhaust
    );
}

proptest! {
    /// Whatever the downtime and the policy: every fire time up to now is run
    /// or recorded, once, in order, and the trigger ends beyond now.
    #[test]
    fn every_missed_fire_time_is_run_or_recorded_once(
        step in 1_i64..50, down in 0_i64..3_000, grace in 0_i32..100, policy in 0_usize..3,
        window in proptest::option::of(1_i32..500), most in proptest::option::of(1_i32..50), jitter in 0_i32..40,
    ) {
        let job = every_with(step, |p| {
            p.misfire_policy = [MisfirePolicy::FireOnce, MisfirePolicy::FireAll, MisfirePolicy::Skip][policy];
            (p.misfire_grace_seconds, p.jitter_seconds) = (grace, jitter);
            (p.catch_up_window_seconds, p.max_catch_up) = (window, most);
        });
        let now = at(down);
        let mut pending = Trigger { due_at: job.due_time(JOB, at(0)), ..trigger(TriggerKind::Schedule, at(0)) };
        let (mut accounted, mut runs) = (Vec::new(), 0_i64);
        while pending.due_at <= now {
            let outcome = pending.fire(&job, &Exclusions::default(), now);
            for range in &outcome.skipped {
                let mut fire_time = range.fire_time;
                for _ in 0..range.occurrences {
                    accounted.push(fire_time);
                    fire_time += TimeDelta::seconds(step);
                }
                prop_assert_eq!(*accounted.last().unwrap(), range.through_fire_time);
            }
            accounted.extend(outcome.execution.map(|execution| execution.fire_time));
            runs += i64::from(outcome.execution.is_some());
            let NextState::Advance { fire_time, due_at, .. } = outcome.next_state else { panic!("it goes on") };
            prop_assert!(fire_time > pending.fire_time && due_at >= fire_time);
            (pending.fire_time, pending.due_at) = (fire_time, due_at);
        }
        let oracle: Vec<Timestamp> = (0..=down + step).map(|k| at(k * step)).take_while(|t| *t < pending.fire_time).collect();
        prop_assert_eq!(&accounted, &oracle);
        prop_assert!(policy != 1 || window.is_some() || most.is_some() || runs == i64::try_from(oracle.len()).unwrap());
    }

    /// The oldest pending fire time decides: within the grace each runs, later one or none of all
    /// that are due.
    #[test]
    fn a_misfire_is_judged_by_the_oldest_pending_fire_time(
        step in 1_i64..50, down in 0_i64..3_000, grace in 0_i32..200, jitter in 0_i32..40, skip in any::<bool>(),
    ) {
        let job = every_with(step, |p| {
            p.misfire_policy = if skip { MisfirePolicy::Skip } else { MisfirePolicy::FireOnce };
            (p.misfire_grace_seconds, p.jitter_seconds) = (grace, jitter);
        });
        let now = at(down);
        let pending = Trigger { due_at: job.due_time(JOB, at(0)), ..trigger(TriggerKind::Schedule, at(0)) };
        let is_misfire = now - pending.due_at > TimeDelta::seconds(grace.into());
        let due = (0..=down / step).filter(|k| job.due_time(JOB, at(k * step)) <= now).count();
        let ran = match (is_misfire, skip) {
            (false, _) => due,
            (true, true) => 0,
            (true, false) => 1,
        };
        let skipped = i64::try_from(due - ran).unwrap();
        prop_assert_eq!(polls(&job, pending, now), (ran, skipped));
    }

    #[test]
    fn jitter_is_the_same_everywhere_and_keeps_the_order(step in 1_i64..100, jitter in 0_i32..1_000, k in 0_i64..10_000) {
        let job = every_with(step, |p| p.jitter_seconds = jitter);
        let (this, next) = (at(k * step), at((k + 1) * step));
        let due = job.due_time(JOB, this);
        prop_assert_eq!(due, job.due_time(JOB, this));
        prop_assert!(due >= this && due < next && due <= this + TimeDelta::seconds(jitter.into()));
        prop_assert!(due <= job.due_time(JOB, next));
    }
}
