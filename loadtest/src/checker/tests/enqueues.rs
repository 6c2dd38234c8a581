//! Enqueued runs and the calls that asked for them: a clean history, and every way to break it.

use super::model::MILLI;
use super::reruns::{ASKED, RUNS, call, history as of_reruns, rules};
use crate::job::SECOND;
use crate::{
    history::{CallOutcome, Delivery, History, Operation, Row},
    micros::Micros,
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// When the call came that found the holder of the key.
const FOUND_AT: Micros = ASKED[1] + 15 * MILLI;

fn enqueue(at: Micros, made: Option<Uuid>) -> crate::history::Call {
    call(Operation::Enqueue("k".to_owned()), at, made)
}

/// Three runs under one key, one after the other; while the second ran, a call found it.
fn history() -> History {
    let mut history = of_reruns();
    for (index, asked) in ASKED.into_iter().enumerate() {
        let delivery = &mut history.deliveries[index];
        (delivery.kind, delivery.fire_time) = ("ENQUEUED".to_owned(), asked);
        let row = &mut history.rows[index];
        (row.kind, row.fire_time, row.repeats) = ("ENQUEUED".to_owned(), asked, None);
    }
    history.calls.truncate(1);
    let made = (0..3).map(|index| enqueue(ASKED[index], Some(RUNS[index])));
    history.calls.extend(made);
    let mut found = enqueue(FOUND_AT, None);
    found.found = Some(RUNS[1]);
    history.calls.insert(3, found);
    history
}

fn mutant(change: impl FnOnce(&mut History)) -> BTreeSet<String> {
    let mut history = history();
    change(&mut history);
    rules(&history)
}

#[test]
fn enqueued_runs_with_their_calls_break_no_rule() {
    assert_eq!(rules(&history()), BTreeSet::new());
    let unanswered = mutant(|history| {
        let last = history.calls.last_mut().unwrap();
        (last.outcome, last.made) = (CallOutcome::Unknown, None);
    });
    assert_eq!(unanswered, BTreeSet::new(), "it may have made one run");
}

#[test]
fn a_lost_or_doubled_enqueue_is_found() {
    let lost = mutant(|history| {
        history.deliveries.remove(2);
        history.rows.remove(2);
    });
    assert!(lost.contains("MANUAL-LOST"), "{lost:?}");
    assert!(lost.contains("ENQUEUE-LOST"), "{lost:?}");
    let doubled = mutant(|history| {
        let execution = Uuid::from_u128(99);
        let (delivery, row) = (history.deliveries[2].clone(), history.rows[2].clone());
        history.deliveries.push(Delivery {
            execution,
            arrived: delivery.arrived + SECOND,
            ended: Some(delivery.arrived + SECOND + MILLI),
            ..delivery
        });
        history.rows.push(Row { execution, ..row });
    });
    assert!(doubled.contains("MANUAL-EXTRA"), "{doubled:?}");
    let of_nothing = mutant(|history| {
        history.calls.remove(3);
    });
    assert_eq!(
        of_nothing,
        BTreeSet::new(),
        "a call that found a run made none"
    );
    let unasked = mutant(|history| {
        history.calls.pop();
    });
    assert!(unasked.contains("MANUAL-EXTRA"), "{unasked:?}");
}

#[test]
fn an_answer_that_names_no_execution_is_found() {
    let stranger = mutant(|history| history.calls[3].found = Some(Uuid::from_u128(99)));
    assert_eq!(stranger, BTreeSet::from(["ENQUEUE-LOST".to_owned()]));
}

#[test]
fn two_holders_of_one_key_are_found() {
    let overlapping = |history: &mut History| {
        history.deliveries[1].ended = Some(ASKED[2] + 5 * SECOND);
        history.rows[1].finished_at = Some(ASKED[2] + 5 * SECOND + MILLI);
    };
    assert_eq!(
        mutant(overlapping),
        BTreeSet::from(["KEY-TWICE".to_owned()])
    );
    let other_keys = mutant(|history| {
        overlapping(history);
        let last = history.calls.last_mut().unwrap();
        last.operation = Operation::Enqueue("other".to_owned());
    });
    assert_eq!(other_keys, BTreeSet::new());
}
