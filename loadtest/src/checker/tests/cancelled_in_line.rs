//! What is cancelled before it began had a place in the line until then; what takes the place of
//! another may lose it itself before it begins.

use super::model::{MILLI, RULES};
use super::paused_queue::{call, created, delivered};
use super::reruns::rules;
use super::specs::plain;
use crate::{
    checker::check,
    history::{CallOutcome, History, Operation, Row},
    job::{JobSpec, Overlap, SECOND, Schedule},
    micros::Micros,
};
use std::collections::BTreeSet;

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

/// The newest execution runs until then.
fn ends(history: &mut History, at: Micros) {
    history.deliveries.last_mut().unwrap().ended = Some(at);
    history.rows.last_mut().unwrap().finished_at = Some(at + MILLI);
    history.transitions.last_mut().unwrap().at = at + MILLI;
}

/// A row of what never began: `SKIPPED/OVERLAP`, or `CANCELLED` while it waited.
fn never_began(history: &mut History, kind: &str, fire_time: Micros, finished: Micros) {
    delivered(history, kind, fire_time, fire_time);
    history.deliveries.pop();
    let (status, reason) = match kind {
        "SCHEDULE" => ("SKIPPED", Some("OVERLAP".to_owned())),
        _ => ("CANCELLED", None),
    };
    let transition = history.transitions.last_mut().unwrap();
    (transition.status, transition.attempt, transition.at) = (status.to_owned(), 0, finished);
    let row = history.rows.last_mut().unwrap();
    (row.status, row.reason, row.attempt) = (status.to_owned(), reason, 0);
    (row.node, row.started_at, row.finished_at) = (None, None, Some(finished));
}

fn skipped(history: &mut History, fire_times: impl IntoIterator<Item = i64>) {
    for at in fire_times {
        never_began(history, "SCHEDULE", at * SECOND, at * SECOND + 20 * MILLI);
    }
}

/// The fire time of 1 s runs until `ended`. That of 4 s waits until it is cancelled; that of 13 s
/// runs again. The job is deleted then.
fn line(ended: Micros, cancelled: Micros) -> History {
    let mut history = created(JobSpec {
        overlap: Overlap::BufferOne,
        ..plain("waits", Schedule::FixedRate { seconds: 3 })
    });
    delivered(&mut history, "SCHEDULE", SECOND, SECOND + 5 * MILLI);
    ends(&mut history, ended);
    call(&mut history, Operation::Cancel, cancelled, None);
    never_began(&mut history, "BUFFERED", 4 * SECOND, cancelled);
    delivered(&mut history, "SCHEDULE", 13 * SECOND, 13_005 * MILLI);
    ends(&mut history, 13_505 * MILLI);
    call(&mut history, Operation::Delete, 15 * SECOND, None);
    history
}

/// The fire times that are lost, in seconds.
fn lost(history: &History) -> Vec<Micros> {
    let violations = check(history, &RULES).violations;
    let lost = violations.iter().filter(|found| found.rule == "LOST");
    lost.filter_map(|found| Some(found.fire_time? / SECOND))
        .collect()
}

#[test]
fn what_is_cancelled_while_it_waits_had_the_place_until_then() {
    let mut history = line(11_005 * MILLI, 11 * SECOND);
    skipped(&mut history, [7, 10]);
    assert_eq!(rules(&history), none());
    // It waits out a pause as well.
    let mut history = line(8_505 * MILLI, 11 * SECOND);
    skipped(&mut history, [7]);
    call(&mut history, Operation::Pause, 8_200 * MILLI, None);
    call(
        &mut history,
        Operation::Resume,
        11_500 * MILLI,
        Some(13 * SECOND),
    );
    assert_eq!(rules(&history), none());
}

#[test]
fn after_its_cancellation_the_place_is_free() {
    // It is not known whether the call reached the run.
    let free = || {
        let mut history = line(11_005 * MILLI, 8_500 * MILLI);
        history.calls[1].outcome = CallOutcome::Unknown;
        skipped(&mut history, [7]);
        history
    };
    let mut history = free();
    delivered(&mut history, "BUFFERED", 10 * SECOND, 11_010 * MILLI);
    ends(&mut history, 11_510 * MILLI);
    assert_eq!(rules(&history), none());
    let mut history = free();
    skipped(&mut history, [10]);
    assert_eq!(lost(&history), [10]);
    // A row that says it had waited longer has no call.
    let waited = &mut history.rows[1];
    waited.finished_at = Some(10_900 * MILLI);
    let longer = rules(&history);
    assert!(longer.contains("CANCELLED-WITHOUT-CAUSE"), "{longer:?}");
}

#[test]
fn what_nothing_keeps_waiting_has_no_place_in_the_line() {
    let mut history = line(2_300 * MILLI, 11 * SECOND);
    skipped(&mut history, [7, 10]);
    assert_eq!(lost(&history), [7, 10]);
    // What passes it keeps it waiting neither.
    let mut history = line(6_500 * MILLI, 11 * SECOND);
    delivered(&mut history, "SCHEDULE", 7 * SECOND, 7_005 * MILLI);
    ends(&mut history, 10_500 * MILLI);
    skipped(&mut history, [10]);
    assert_eq!(lost(&history), [10]);
}

/// The fire time of 1 s gives way to something that a person asks for at 3 s; that gives way to
/// the fire time of 5 s before it begins.
fn replaced(kind: &str, operation: Operation) -> History {
    let mut history = created(JobSpec {
        overlap: Overlap::CancelOther,
        ..plain("gives way", Schedule::FixedRate { seconds: 4 })
    });
    delivered(&mut history, "SCHEDULE", SECOND, SECOND + 5 * MILLI);
    ends(&mut history, 4_970 * MILLI);
    history.deliveries[0].status = Some(499);
    history.deliveries[0].effect = false;
    history.rows[0].status = "CANCELLED".to_owned();
    history.transitions[0].status = "CANCELLED".to_owned();
    call(&mut history, operation, 4_900 * MILLI, None);
    skipped(&mut history, [4]);
    let row = history.rows.last_mut().unwrap();
    (row.kind, row.fire_time) = (kind.to_owned(), 4_900 * MILLI);
    row.due_time = row.fire_time;
    delivered(&mut history, "SCHEDULE", 5 * SECOND, 5_005 * MILLI);
    call(&mut history, Operation::Pause, 8 * SECOND, None);
    history
}

fn row(history: &mut History) -> &mut Row {
    &mut history.rows[1]
}

#[test]
fn what_a_person_asks_for_takes_the_place_of_what_runs_also_when_it_loses_it() {
    let mut history = replaced("BUFFERED", Operation::RunNow);
    assert_eq!(rules(&history), none());
    (history.calls[1].invoked, history.calls[1].completed) = (4_980 * MILLI, 4_981 * MILLI);
    row(&mut history).fire_time = 4_980 * MILLI;
    let later = rules(&history);
    assert!(later.contains("CANCELLED-WITHOUT-CAUSE"), "{later:?}");
    let execution = history.rows[0].execution;
    let mut history = replaced("BUFFERED", Operation::Rerun(execution));
    history.calls[1].made = Some(row(&mut history).execution);
    row(&mut history).repeats = Some(execution);
    row(&mut history).fire_time = SECOND;
    assert_eq!(rules(&history), none());
}
