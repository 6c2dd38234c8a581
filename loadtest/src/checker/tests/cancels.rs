//! Cancellations beside what they cancelled: a clean history, and every way to break it.

use super::model::MILLI;
use super::reruns::{ASKED, END, JOB, call, history, rules};
use crate::micros::Micros;
use crate::{
    history::{CallOutcome, History, Operation},
    job::SECOND,
};
use std::collections::BTreeSet;

/// When everything of the job is cancelled: the last run is in flight.
const CANCELLED: Micros = ASKED[2] + 10 * SECOND;

/// The run number 2 hangs until a call cancels it.
fn cancelled() -> History {
    let mut history = history();
    (history.deliveries[2].ended, history.deliveries[2].status) =
        (Some(CANCELLED + 40 * MILLI), Some(499));
    history.deliveries[2].effect = false;
    history.rows[2].status = "CANCELLED".to_owned();
    history.rows[2].finished_at = Some(CANCELLED + 42 * MILLI);
    history.calls.push(call(Operation::Cancel, CANCELLED, None));
    history
}

fn mutant(change: impl FnOnce(&mut History)) -> BTreeSet<String> {
    let mut history = cancelled();
    change(&mut history);
    rules(&history)
}

fn found(rule: &str) -> BTreeSet<String> {
    BTreeSet::from([rule.to_owned()])
}

#[test]
fn what_a_call_cancels_breaks_no_rule_whether_it_has_begun_or_not() {
    assert_eq!(rules(&cancelled()), BTreeSet::new());
    let pending = mutant(|history| {
        history.deliveries.remove(2);
        let row = &mut history.rows[2];
        (row.attempt, row.started_at, row.node) = (0, None, None);
    });
    assert_eq!(pending, BTreeSet::new());
    let unanswered = mutant(|history| history.calls[4].outcome = CallOutcome::Unknown);
    assert_eq!(unanswered, BTreeSet::new());
    let succeeded = mutant(|history| {
        (history.deliveries[2].status, history.deliveries[2].effect) = (Some(200), true);
        history.rows[2].status = "SUCCESS".to_owned();
    });
    assert_eq!(
        succeeded,
        BTreeSet::new(),
        "it ended by itself at the same moment"
    );
}

#[test]
fn what_no_call_cancelled_is_found() {
    let nobody = mutant(|history| drop(history.calls.pop()));
    assert_eq!(nobody, found("CANCELLED-WITHOUT-CAUSE"));
    let refused = mutant(|history| history.calls[4].outcome = CallOutcome::Refused);
    assert_eq!(refused, found("CANCELLED-WITHOUT-CAUSE"));
    let before = mutant(|history| history.rows[2].finished_at = Some(CANCELLED - SECOND));
    assert!(before.contains("CANCELLED-WITHOUT-CAUSE"), "{before:?}");
    let another_job =
        mutant(|history| history.calls[4].job = Some(uuid::Uuid::from_u128(u128::MAX)));
    assert!(
        another_job.contains("CANCELLED-WITHOUT-CAUSE"),
        "{another_job:?}"
    );
    let began_later =
        mutant(|history| history.calls[4] = call(Operation::Cancel, ASKED[2] - 20 * SECOND, None));
    assert_eq!(began_later, found("CANCELLED-WITHOUT-CAUSE"));
}

#[test]
fn what_runs_on_after_a_cancellation_is_found() {
    let runs_on = mutant(|history| {
        let ended = CANCELLED + 12 * SECOND;
        assert!(ended < END && history.calls[4].job == Some(JOB));
        (history.deliveries[2].ended, history.rows[2].finished_at) =
            (Some(ended), Some(ended + MILLI));
        (history.deliveries[2].status, history.deliveries[2].effect) = (Some(200), true);
        history.rows[2].status = "SUCCESS".to_owned();
    });
    assert_eq!(runs_on, found("CANCEL-IGNORED"));
}
