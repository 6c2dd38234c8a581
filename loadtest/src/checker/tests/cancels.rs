//! Cancellations beside what they cancelled: a clean history, and every way to break it.

use super::cluster::MILLI;
use super::reruns::{ASKED, END, JOB, call, history, rules};
use crate::{
    evidence::{CallOutcome, Evidence, Micros, Operation},
    job::SECOND,
};
use std::collections::BTreeSet;

/// When everything of the job is cancelled: the last run is in flight.
const CANCELLED: Micros = ASKED[2] + 10 * SECOND;

/// The run number 2 hangs until a call cancels it.
fn cancelled() -> Evidence {
    let mut evidence = history();
    (evidence.deliveries[2].ended, evidence.deliveries[2].status) = (Some(CANCELLED + 40 * MILLI), Some(499));
    evidence.deliveries[2].effect = false;
    evidence.rows[2].status = "CANCELLED".to_owned();
    evidence.rows[2].finished_at = Some(CANCELLED + 42 * MILLI);
    evidence.calls.push(call(Operation::Cancel, CANCELLED, None));
    evidence
}

fn broken(change: impl FnOnce(&mut Evidence)) -> BTreeSet<String> {
    let mut evidence = cancelled();
    change(&mut evidence);
    rules(&evidence)
}

fn found(rule: &str) -> BTreeSet<String> {
    BTreeSet::from([rule.to_owned()])
}

#[test]
fn what_a_call_cancels_breaks_no_rule_whether_it_has_begun_or_not() {
    assert_eq!(rules(&cancelled()), BTreeSet::new());
    let pending = broken(|evidence| {
        evidence.deliveries.remove(2);
        let row = &mut evidence.rows[2];
        (row.attempt, row.started_at, row.node) = (0, None, None);
    });
    assert_eq!(pending, BTreeSet::new());
    let unanswered = broken(|evidence| evidence.calls[4].outcome = CallOutcome::Unknown);
    assert_eq!(unanswered, BTreeSet::new());
    let succeeded = broken(|evidence| {
        (evidence.deliveries[2].status, evidence.deliveries[2].effect) = (Some(200), true);
        evidence.rows[2].status = "SUCCESS".to_owned();
    });
    assert_eq!(succeeded, BTreeSet::new(), "it ended by itself at the same moment");
}

#[test]
fn what_no_call_cancelled_is_found() {
    let nobody = broken(|evidence| drop(evidence.calls.pop()));
    assert_eq!(nobody, found("CANCELLED-WITHOUT-CAUSE"));
    let refused = broken(|evidence| evidence.calls[4].outcome = CallOutcome::Refused);
    assert_eq!(refused, found("CANCELLED-WITHOUT-CAUSE"));
    let before = broken(|evidence| evidence.rows[2].finished_at = Some(CANCELLED - SECOND));
    assert!(before.contains("CANCELLED-WITHOUT-CAUSE"), "{before:?}");
    let another_job = broken(|evidence| evidence.calls[4].job = Some(uuid::Uuid::from_u128(u128::MAX)));
    assert!(another_job.contains("CANCELLED-WITHOUT-CAUSE"), "{another_job:?}");
    let began_later = broken(|evidence| evidence.calls[4] = call(Operation::Cancel, ASKED[2] - 20 * SECOND, None));
    assert_eq!(began_later, found("CANCELLED-WITHOUT-CAUSE"));
}

#[test]
fn what_runs_on_after_a_cancellation_is_found() {
    let runs_on = broken(|evidence| {
        let ended = CANCELLED + 12 * SECOND;
        assert!(ended < END && evidence.calls[4].job == Some(JOB));
        (evidence.deliveries[2].ended, evidence.rows[2].finished_at) = (Some(ended), Some(ended + MILLI));
        (evidence.deliveries[2].status, evidence.deliveries[2].effect) = (Some(200), true);
        evidence.rows[2].status = "SUCCESS".to_owned();
    });
    assert_eq!(runs_on, found("CANCEL-IGNORED"));
}
