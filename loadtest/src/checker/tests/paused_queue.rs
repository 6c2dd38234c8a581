//! What waits behind an execution waits out a pause; what a person starts in the pause goes before
//! it.

use super::model::{MILLI, RULES};
use super::specs::plain;
use crate::micros::Micros;
use crate::{
    checker::check,
    history::{Call, CallOutcome, Delivery, History, NodeLife, Operation, Row, Transition},
    job::{JobSpec, Overlap, SECOND, Schedule, Target},
};
use uuid::Uuid;

const JOB: Uuid = Uuid::from_u128(1);
const NODE: Uuid = Uuid::from_u128(2);
const RUN: Micros = 3 * SECOND;

/// A job that is there from 0.5 s on, and fires from 1 s on.
pub(super) fn created(spec: JobSpec) -> History {
    let node = NodeLife {
        id: NODE,
        name: "node-1".to_owned(),
        state: "ACTIVE".to_owned(),
        started_at: 0,
        ended_at: None,
        ended_by: None,
    };
    let mut history = History {
        ended: 60 * SECOND,
        nodes: vec![node],
        ..History::default()
    };
    call(
        &mut history,
        Operation::Create(spec),
        500 * MILLI,
        Some(SECOND),
    );
    history
}

/// A job whose fire times of 1, 2 and 3 s are taken before it is paused: the first one runs, the
/// others wait.
fn paused() -> History {
    let mut history = created(JobSpec {
        overlap: Overlap::BufferAll,
        target: Target {
            delay: 3_000,
            ..Target::default()
        },
        ..plain("piles up", Schedule::FixedRate { seconds: 1 })
    });
    call(&mut history, Operation::Pause, 3_500 * MILLI, None);
    delivered(&mut history, "SCHEDULE", SECOND, SECOND + 5 * MILLI);
    history
}

pub(super) fn call(
    history: &mut History,
    operation: Operation,
    at: Micros,
    next_fire_time: Option<Micros>,
) {
    let outcome = CallOutcome::Done;
    let (invoked, completed) = (at, at + MILLI);
    history.calls.push(Call {
        job: Some(JOB),
        operation,
        invoked,
        completed,
        outcome,
        next_fire_time,
        start_at: None,
        made: None,
        found: None,
    });
}

pub(super) fn delivered(history: &mut History, kind: &str, fire_time: Micros, arrived: Micros) {
    let (execution, kind, status) = (
        Uuid::from_u128(100 + u128::from(fire_time.unsigned_abs())),
        kind.to_owned(),
        "SUCCESS".to_owned(),
    );
    let ended = arrived + RUN;
    history.deliveries.push(Delivery {
        job: JOB,
        execution,
        fire_time,
        due_time: fire_time,
        attempt: 1,
        node: NODE,
        kind: kind.clone(),
        arrived,
        ended: Some(ended),
        status: Some(200),
        effect: true,
    });
    history.transitions.push(Transition {
        execution,
        attempt: 1,
        status: status.clone(),
        at: ended + MILLI,
    });
    history.rows.push(Row {
        execution,
        job: JOB,
        kind,
        fire_time,
        due_time: fire_time,
        status,
        reason: None,
        attempt: 1,
        recoveries: 0,
        node: Some(NODE),
        started_at: Some(arrived),
        finished_at: Some(ended + MILLI),
        through_fire_time: None,
        occurrences: None,
        coalesced_into: None,
        repeats: None,
    });
}

fn rules(history: &History) -> Vec<String> {
    check(history, &RULES)
        .violations
        .into_iter()
        .map(|violation| violation.rule)
        .collect()
}

#[test]
fn what_waits_in_a_pause_is_not_passed_over_by_what_a_person_starts() {
    let mut history = paused();
    assert_eq!(rules(&history), Vec::<String>::new(), "it waits still");
    call(&mut history, Operation::RunNow, 20 * SECOND, None);
    delivered(&mut history, "MANUAL", 20 * SECOND, 20 * SECOND + 5 * MILLI);
    assert_eq!(rules(&history), Vec::<String>::new());
}

#[test]
fn what_waits_is_passed_over_by_a_later_fire_time() {
    let mut history = paused();
    call(
        &mut history,
        Operation::Resume,
        20 * SECOND,
        Some(60 * SECOND),
    );
    delivered(
        &mut history,
        "BUFFERED",
        3 * SECOND,
        20 * SECOND + 5 * MILLI,
    );
    // It might wait for the end of that.
    history.ended = 20 * SECOND + RUN + 500 * MILLI;
    assert!(
        rules(&history).contains(&"LOST".to_owned()),
        "{:?}",
        rules(&history)
    );
}

/// A fire time that a soak reported as lost: its jitter was not over when a person took the one
/// place of the buffer.
#[test]
fn a_manual_run_within_the_jitter_takes_the_place_of_the_buffer() {
    let mut history = created(JobSpec {
        overlap: Overlap::BufferOne,
        jitter_seconds: 2,
        target: Target {
            delay: 3_000,
            ..Target::default()
        },
        ..plain("buffers one", Schedule::FixedRate { seconds: 2 })
    });
    let skipped_at = 3 * SECOND;
    delivered(&mut history, "SCHEDULE", SECOND, SECOND + 5 * MILLI);
    call(&mut history, Operation::RunNow, 3_500 * MILLI, None);
    delivered(&mut history, "BUFFERED", 3_501 * MILLI, 4_020 * MILLI);
    let mut skipped = history.rows[0].clone();
    skipped.execution = Uuid::from_u128(99);
    skipped.fire_time = skipped_at;
    skipped.due_time = skipped_at;
    skipped.status = "SKIPPED".to_owned();
    skipped.reason = Some("OVERLAP".to_owned());
    skipped.attempt = 0;
    skipped.node = None;
    skipped.started_at = None;
    skipped.finished_at = Some(3_700 * MILLI);
    history.transitions.push(Transition {
        execution: skipped.execution,
        attempt: 0,
        status: skipped.status.clone(),
        at: 3_700 * MILLI,
    });
    history.rows.push(skipped);
    history.ended = 5 * SECOND;
    assert_eq!(rules(&history), Vec::<String>::new());
    // Without the manual run nothing waits, and the place is free.
    history
        .calls
        .retain(|call| call.operation != Operation::RunNow);
    history.rows.retain(|row| row.kind != "BUFFERED");
    history
        .deliveries
        .retain(|delivery| delivery.kind != "BUFFERED");
    history.ended = 6_500 * MILLI; // long after the end of the first run
    assert!(
        rules(&history).contains(&"LOST".to_owned()),
        "{:?}",
        rules(&history)
    );
}
