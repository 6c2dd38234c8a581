//! Reruns beside the calls that asked for them: a clean history, and every way to break it.

use super::model::{MILLI, RULES};
use super::specs::plain;
use crate::micros::Micros;
use crate::{
    checker::check,
    history::{Call, CallOutcome, Delivery, History, NodeLife, Operation, Row},
    job::{JobSpec, SECOND, Schedule},
};
use std::collections::BTreeSet;
use uuid::Uuid;

pub(super) const JOB: Uuid = Uuid::from_u128(1);
const NODE: Uuid = Uuid::from_u128(2);
/// The run-now that is repeated, and its two reruns.
pub(super) const RUNS: [Uuid; 3] = [
    Uuid::from_u128(10),
    Uuid::from_u128(11),
    Uuid::from_u128(12),
];
/// When each of them was asked for.
pub(super) const ASKED: [Micros; 3] = [10 * SECOND, 60 * SECOND, 90 * SECOND];
pub(super) const END: Micros = 120 * SECOND;

pub(super) fn call(operation: Operation, at: Micros, made: Option<Uuid>) -> Call {
    Call {
        job: Some(JOB),
        operation,
        invoked: at - 5 * MILLI,
        completed: at + 5 * MILLI,
        outcome: CallOutcome::Done,
        next_fire_time: None,
        start_at: None,
        made,
        found: None,
    }
}

fn spec() -> JobSpec {
    plain("by hand", Schedule::Manual)
}

/// The execution number `index`: all have the fire time of the first.
fn run(index: usize) -> (Delivery, Row) {
    let (execution, asked) = (RUNS[index], ASKED[index]);
    let kind = if index == 0 { "MANUAL" } else { "RERUN" }.to_owned();
    let (arrived, ended) = (asked + 10 * MILLI, asked + 30 * MILLI);
    let delivery = Delivery {
        job: JOB,
        execution,
        fire_time: ASKED[0],
        due_time: asked,
        attempt: 1,
        node: NODE,
        kind: kind.clone(),
        arrived,
        ended: Some(ended),
        status: Some(200),
        effect: true,
    };
    let row = Row {
        execution,
        job: JOB,
        kind,
        fire_time: ASKED[0],
        due_time: asked,
        status: "SUCCESS".to_owned(),
        reason: None,
        attempt: 1,
        recoveries: 0,
        node: Some(NODE),
        started_at: Some(asked),
        finished_at: Some(ended + MILLI),
        through_fire_time: None,
        occurrences: None,
        coalesced_into: None,
        repeats: (index > 0).then_some(RUNS[0]),
    };
    (delivery, row)
}

/// A run-now that two calls, one after the other, have run again.
pub(super) fn history() -> History {
    let (deliveries, rows) = (0..3).map(run).unzip();
    let rerun = |index: usize| call(Operation::Rerun(RUNS[0]), ASKED[index], Some(RUNS[index]));
    History {
        ended: END,
        deliveries,
        calls: vec![
            call(Operation::Create(spec()), SECOND, None),
            call(Operation::RunNow, ASKED[0], None),
            rerun(1),
            rerun(2),
        ],
        rows,
        nodes: vec![NodeLife {
            id: NODE,
            name: "node".to_owned(),
            state: "ACTIVE".to_owned(),
            started_at: 0,
            ended_at: None,
            ended_by: None,
        }],
        ..History::default()
    }
}

pub(super) fn rules(history: &History) -> BTreeSet<String> {
    check(history, &RULES)
        .violations
        .into_iter()
        .map(|violation| violation.rule)
        .collect()
}

fn mutant(change: impl FnOnce(&mut History)) -> BTreeSet<String> {
    let mut history = history();
    change(&mut history);
    rules(&history)
}

#[test]
fn reruns_that_somebody_asked_for_break_no_rule() {
    assert_eq!(rules(&history()), BTreeSet::new());
    // What it repeats stands in the row alone when the first attempt that arrived is another.
    let later = mutant(|history| {
        history.rows[1].kind = "BUFFERED".to_owned();
        history.deliveries[1].kind = "BUFFERED".to_owned();
    });
    assert_eq!(later, BTreeSet::new());
}

#[test]
fn a_rerun_that_nobody_asked_for_or_that_never_came_is_found() {
    let twice = mutant(|history| {
        let (delivery, row) = run(1);
        let execution = Uuid::from_u128(99);
        history.deliveries.push(Delivery {
            execution,
            arrived: delivery.arrived + SECOND,
            ..delivery
        });
        history.rows.push(Row { execution, ..row });
    });
    assert!(twice.contains("MANUAL-EXTRA"), "{twice:?}");
    let lost = mutant(|history| {
        history.deliveries.remove(1);
        history.rows.remove(1);
    });
    assert!(lost.contains("MANUAL-LOST"), "{lost:?}");
    let found_one = mutant(|history| {
        history.deliveries.remove(2);
        history.rows.remove(2);
        history.calls[3].made = None;
    });
    assert_eq!(
        found_one,
        BTreeSet::new(),
        "a call that found a rerun under way has made none"
    );
    let late = mutant(|history| {
        history.deliveries[2].arrived += 20 * SECOND;
        history.deliveries[2].ended = Some(ASKED[2] + 21 * SECOND);
        history.rows[2].finished_at = Some(ASKED[2] + 21 * SECOND + MILLI);
    });
    assert!(late.contains("LATE"), "{late:?}");
}

#[test]
fn a_call_without_an_answer_may_have_made_one_rerun_or_none() {
    let unanswered = |history: &mut History| {
        history.calls[3].outcome = CallOutcome::Unknown;
        history.calls[3].made = None;
    };
    assert_eq!(mutant(unanswered), BTreeSet::new());
    let none = mutant(|history| {
        unanswered(history);
        history.deliveries.remove(2);
        history.rows.remove(2);
    });
    assert_eq!(none, BTreeSet::new());
}

#[test]
fn a_rerun_beside_one_that_runs_is_found() {
    let twice = mutant(|history| {
        history.deliveries[1].ended = Some(ASKED[2] + 5 * SECOND);
        history.rows[1].finished_at = Some(ASKED[2] + 5 * SECOND + MILLI);
    });
    assert_eq!(twice, BTreeSet::from(["RERUN-TWICE".to_owned()]));
}
