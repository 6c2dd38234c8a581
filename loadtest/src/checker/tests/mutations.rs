//! The mutations of a history that concern one execution at the sink.

use super::{
    model::MILLI,
    mutant::{Mutant, took},
};
use crate::micros::Micros;
use crate::{
    history::{Call, CallOutcome, Operation, Scope},
    job::{Overlap, Recovery, SECOND},
};

/// Breaks it, if there is a place; the rules that all must say so.
pub(super) type Mutation = fn(&mut Mutant) -> Option<&'static [&'static str]>;

pub(super) const AT_THE_SINK: &[(&str, Mutation)] = &[
    ("a lost fire time", |b| {
        let (_, row) = b.plain(|d, _| d.len() == 1)?;
        b.drop_delivery(row.execution, 0);
        b.drop_row(row.execution);
        Some(&["LOST"])
    }),
    ("a lost fire time that no run-now can stand for", |b| {
        let (_, row) = b.any(|b, d, r| {
            let asked = |at: Micros| {
                b.history.calls.iter().any(|c| {
                    c.job == Some(r.job)
                        && c.operation == Operation::RunNow
                        && (c.invoked - at).abs() < 9 * SECOND
                })
            };
            let plain = b.one_grid(r.job)
                && d.len() == 1
                && d[0].kind == "SCHEDULE"
                && b.spec(r.job)
                    .is_some_and(|spec| spec.overlap == Overlap::Allow);
            plain
                && !asked(r.fire_time)
                && b.calm(r.fire_time - 9 * SECOND, r.fire_time + 9 * SECOND)
                && b.sure(r.job, r.fire_time - 9 * SECOND, r.fire_time)
        })?;
        b.drop_delivery(row.execution, 0);
        b.drop_row(row.execution);
        Some(&["LOST", "MATCHING-MISSING"])
    }),
    ("a lost fire time near a fault", |b| {
        let (_, row) = b.any(|b, d, r| {
            let until = r.fire_time + 45 * SECOND;
            let plain = b.period(r.job).is_some() && r.kind == "SCHEDULE" && !d.is_empty();
            plain
                && !b.calm(r.fire_time, r.fire_time)
                && until < b.history.ended
                && b.sure(r.job, r.fire_time, until)
        })?;
        b.drop_delivery(row.execution, 0);
        b.drop_row(row.execution);
        Some(&["LOST"])
    }),
    ("lost in the gap, by a pause or a deletion", |b| {
        let (_, row) = b.any(|b, _, r| {
            let mut calls = b
                .history
                .calls
                .iter()
                .filter(|call| call.job == Some(r.job));
            let under_way = |call: &Call| {
                (call.invoked - 30 * MILLI..=call.completed + 30 * MILLI).contains(&r.fire_time)
            };
            matches!(r.reason.as_deref(), Some("PAUSED" | "DELETED"))
                && r.kind == "SCHEDULE"
                && b.spec(r.job).is_some()
                && calls.all(|call| call.outcome == CallOutcome::Done && !under_way(call))
        })?;
        b.drop_row(row.execution);
        Some(&["LOST"])
    }),
    ("lost in the gap, by an edit", |b| {
        let (_, row) = b.any(|b, d, r| {
            let mut calls = b
                .history
                .calls
                .iter()
                .filter(|call| call.job == Some(r.job));
            let edited = |call: &Call| {
                matches!(call.operation, Operation::Update(_))
                    && r.fire_time + 30 * MILLI < call.invoked
                    && call.completed < r.due_time
            };
            !d.is_empty()
                && r.kind == "SCHEDULE"
                && b.spec(r.job).is_some()
                && calls.clone().all(|call| call.outcome == CallOutcome::Done)
                && calls.any(edited)
        })?;
        b.drop_delivery(row.execution, 0);
        b.drop_row(row.execution);
        Some(&["LOST"])
    }),
    ("a pause as the reason, and no pause of the job", |b| {
        let (deliveries, row) = b.plain(|_, _| true)?;
        b.drop_delivery(deliveries[0].execution, 0);
        b.forget(row.execution);
        let row = b.row(row.execution)?;
        (row.status, row.reason) = ("SKIPPED".to_owned(), Some("PAUSED".to_owned()));
        Some(&["LOST"])
    }),
    ("due later than its jitter", |b| {
        let (deliveries, _) = b.plain(|_, _| true)?;
        let jitter = b.spec(deliveries[0].job)?.jitter_seconds;
        b.change(deliveries[0].execution, 1, |d| {
            d.due_time = d.fire_time + Micros::from(jitter) * SECOND + 100 * MILLI;
            d.arrived = d.arrived.max(d.due_time);
            d.ended = d.ended.max(Some(d.due_time));
        });
        Some(&["FORGED-LABEL"])
    }),
    ("a retry of a paused job", |b| {
        let (deliveries, row) =
            b.plain(|d, r| d.len() > 1 && r.attempt == 2 && d[1].kind == "RETRY")?;
        let arrived = deliveries[1].arrived;
        let first = b
            .history
            .calls
            .iter()
            .find(|call| call.job == Some(row.job))?
            .clone();
        let at = deliveries[0].ended?.max(arrived - 10 * MILLI) - 3 * SECOND;
        // It had been paused for three seconds when the retry came.
        b.history
            .calls
            .retain(|call| call.job != Some(row.job) || call.completed < at);
        b.history.calls.push(Call {
            operation: Operation::Pause,
            invoked: at,
            completed: at + MILLI,
            ..first
        });
        b.history.calls.sort_by_key(|call| call.invoked);
        Some(&["GHOST"])
    }),
    ("20 s later than any fault explains", |b| {
        let (deliveries, _) = b.any(|b, d, r| {
            let quiet = |fault: &crate::history::Fault| {
                fault.until + 9 * SECOND < r.fire_time
                    || fault.from > r.fire_time + 20 * SECOND
                    || fault.scope == Scope::Harmless
            };
            let spec = b
                .spec(r.job)
                .is_some_and(|spec| spec.overlap == Overlap::Allow);
            spec && r.kind == "SCHEDULE"
                && !d.is_empty()
                && r.fire_time < b.history.ended - 40 * SECOND
                && b.history.faults.iter().all(quiet)
        })?;
        b.change(deliveries[0].execution, deliveries[0].attempt, |d| {
            d.arrived += 20 * SECOND;
            d.ended = d.ended.map(|ended| ended + 20 * SECOND);
        });
        (deliveries.len() == 1).then_some(&["LATE"])
    }),
    ("a duplicate", |b| {
        let (deliveries, _) = b.any(|_, d, _| !d.is_empty())?;
        let mut duplicate = deliveries[0].clone();
        duplicate.arrived += 50 * MILLI;
        duplicate.ended = duplicate.ended.map(|ended| ended + 50 * MILLI);
        b.history.deliveries.push(duplicate);
        Some(&["DUP-ATTEMPT"])
    }),
    ("a hidden retry of the client", |b| {
        let (deliveries, _) = b.plain(|d, _| d[0].status == Some(500))?;
        let mut duplicate = deliveries[0].clone();
        duplicate.arrived = duplicate.ended? + 5 * MILLI;
        (duplicate.ended, duplicate.status) = (Some(duplicate.arrived + 5 * MILLI), Some(200));
        b.history.deliveries.push(duplicate);
        Some(&["DUP-ATTEMPT"])
    }),
    ("a new execution id for a fire time", |b| {
        let (deliveries, row) =
            b.any(|b, d, r| !d.is_empty() && r.kind == "SCHEDULE" && b.spec(r.job).is_some())?;
        b.copy(&deliveries, &row, 30 * MILLI, row.fire_time);
        Some(&["DOUBLE-EXECUTION"])
    }),
    ("run again after 2xx", |b| {
        let (deliveries, _) = b.plain(|_, r| r.status == "SUCCESS")?;
        b.again(&deliveries, 300 * MILLI, "RETRY", 200);
        Some(&["REDELIVERY-UNJUSTIFIED"])
    }),
    ("a recovery without a fault", |b| {
        let (deliveries, _) = b.plain(|d, r| d.len() == 1 && r.status == "FAILED")?;
        b.again(&deliveries, 300 * MILLI, "RECOVERY", 200);
        Some(&["REDELIVERY-UNJUSTIFIED"])
    }),
    ("one attempt too many", |b| {
        let (deliveries, _) = b.plain(|_, r| r.status == "FAILED")?;
        let job = deliveries[0].job;
        let most = b
            .history
            .calls
            .iter()
            .filter(|call| call.job == Some(job))
            .filter_map(|call| match &call.operation {
                Operation::Create(spec) | Operation::Update(spec) => {
                    Some(spec.max_attempts as usize)
                }
                _ => None,
            });
        if most.max()? > deliveries.len() {
            return None;
        }
        b.again(&deliveries, 300 * MILLI, "RETRY", 500);
        Some(&["TOO-MANY-ATTEMPTS"])
    }),
    ("two nodes at once", |b| {
        let (deliveries, row) = b.plain(|d, _| d.len() == 1 && took(d) > 300 * MILLI)?;
        let node = b
            .history
            .nodes
            .iter()
            .find(|node| node.id != deliveries[0].node)?
            .id;
        let mut duplicate = deliveries[0].clone();
        (duplicate.attempt, duplicate.node) = (2, node);
        duplicate.arrived += 10 * MILLI;
        duplicate.ended = duplicate.ended.map(|ended| ended + 10 * MILLI);
        b.history.deliveries.push(duplicate);
        b.row(row.execution)?.attempt = 2;
        Some(&["OVERLAP"])
    }),
    ("0.3 s early", |b| {
        let (deliveries, _) = b.any(|b, d, r| {
            !d.is_empty()
                && r.kind == "SCHEDULE"
                && b.spec(r.job).is_some()
                && d[0].arrived - d[0].fire_time < 100 * MILLI
        })?;
        b.change(deliveries[0].execution, 1, |d| d.arrived -= 300 * MILLI);
        Some(&["EARLY"])
    }),
    ("6 s late", |b| {
        let (deliveries, row) = b.plain(|_, _| true)?;
        b.change(deliveries[0].execution, 0, |d| {
            d.arrived += 6 * SECOND;
            d.ended = d.ended.map(|ended| ended + 6 * SECOND);
        });
        b.row(row.execution)?.finished_at = row.finished_at.map(|at| at + 6 * SECOND);
        Some(&["LATE"])
    }),
    ("a run while paused", |b| {
        let (deliveries, row) = b.any(|b, d, r| {
            let mut calls = b
                .history
                .calls
                .iter()
                .filter(|call| call.job == Some(r.job));
            d.len() == 1
                && b.one_grid(r.job)
                && r.kind == "SCHEDULE"
                && calls.any(|call| call.operation == Operation::Pause)
        })?;
        let (at, later) = asleep(b, row.job, row.fire_time, &Operation::Pause)?;
        b.copy(&deliveries, &row, later, at);
        Some(&["GHOST", "MATCHING-EXTRA"])
    }),
    ("a run after the job was deleted", |b| {
        let (deliveries, row) = b.any(|b, d, r| {
            let mut calls = b
                .history
                .calls
                .iter()
                .filter(|call| call.job == Some(r.job));
            d.len() == 1
                && b.one_grid(r.job)
                && r.kind == "SCHEDULE"
                && calls.any(|call| call.operation == Operation::Delete)
        })?;
        let (at, later) = asleep(b, row.job, row.fire_time, &Operation::Delete)?;
        b.copy(&deliveries, &row, later, at);
        Some(&["GHOST"])
    }),
    ("a forged fire time", |b| {
        let (deliveries, _) = b.plain(|_, _| true)?;
        let execution = deliveries[0].execution;
        b.change(execution, 0, |d| {
            d.fire_time -= 137 * MILLI;
            d.due_time -= 137 * MILLI;
        });
        b.row(execution)?.fire_time -= 137 * MILLI;
        Some(&["GHOST", "LOST"])
    }),
    ("another fire time at the sink than in the row", |b| {
        let (deliveries, _) = b.plain(|_, _| true)?;
        b.change(deliveries[0].execution, 0, |d| d.fire_time -= SECOND);
        Some(&["FORGED-LABEL"])
    }),
    ("the label of the fire time before", |b| {
        let (deliveries, row) = b.plain(|_, _| true)?;
        let period = b.period(row.job).filter(|_| b.one_grid(row.job))?;
        b.any(|_, d, r| {
            !d.is_empty() && r.job == row.job && r.fire_time == row.fire_time - period
        })?;
        b.change(deliveries[0].execution, 0, |d| {
            d.fire_time -= period;
            d.due_time -= period;
        });
        b.row(row.execution)?.fire_time -= period;
        Some(&["DOUBLE-EXECUTION", "LOST"])
    }),
    ("a run against MARK_LOST", |b| {
        let (deliveries, _) = b.any(|b, d, r| {
            r.status == "LOST"
                && !d.is_empty()
                && d.last()
                    .is_some_and(|last| last.attempt == r.attempt && last.ended.is_some())
                && b.spec(r.job).is_some()
        })?;
        let row = b.row(deliveries[0].execution)?;
        let after = row.finished_at? + 50 * MILLI - deliveries.last()?.ended?;
        b.again(&deliveries, after.max(MILLI), "RECOVERY", 200);
        Some(&["REDELIVERY-AGAINST-POLICY"])
    }),
    ("an orphan that stays RUNNING for ever", |b| {
        let (deliveries, row) = orphan(b)?;
        b.drop_delivery(row.execution, 2);
        let row = b.row(row.execution)?;
        (row.status, row.reason, row.attempt, row.finished_at) =
            ("RUNNING".to_owned(), None, 1, None);
        b.forget(deliveries[0].execution);
        Some(&["UNRECOVERED"])
    }),
    ("an orphan that is given up", |b| {
        let (deliveries, row) = orphan(b)?;
        b.drop_delivery(row.execution, 2);
        let row = b.row(row.execution)?;
        (row.status, row.reason, row.attempt) = ("LOST".to_owned(), None, 1);
        b.forget(deliveries[0].execution);
        Some(&["UNRECOVERED"])
    }),
    ("an orphan that is run 40 s late", |b| {
        let (deliveries, row) = orphan(b)?;
        if deliveries.last()?.ended? > b.history.ended - 50 * SECOND
            || b.history.faults.iter().any(|f| {
                f.from > deliveries[0].arrived
                    && f.from < deliveries[0].arrived + 40 * SECOND
                    && !f.nodes.is_empty()
                    && f.scope != Scope::Ends
            })
        {
            return None;
        }
        for delivery in &deliveries[1..] {
            b.change(row.execution, delivery.attempt, |d| {
                d.arrived += 40 * SECOND;
                d.ended = d.ended.map(|ended| ended + 40 * SECOND);
            });
        }
        b.row(row.execution)?.finished_at = row.finished_at.map(|at| at + 40 * SECOND);
        Some(&["REDELIVERY-LATE"])
    }),
    ("a late retry", |b| {
        let (deliveries, row) = b.plain(|d, _| d.len() == 2 && d[0].status == Some(500))?;
        b.change(row.execution, 2, |d| {
            d.arrived += 4 * SECOND;
            d.ended = d.ended.map(|ended| ended + 4 * SECOND);
        });
        b.row(row.execution)?.finished_at = deliveries[1].ended.map(|at| at + 4_050 * MILLI);
        Some(&["RETRY-LATE"])
    }),
    ("a gap in the attempts", |b| {
        let (deliveries, row) = b.plain(|d, _| d.len() == 1)?;
        b.change(row.execution, 1, |d| d.attempt = 2);
        b.row(row.execution)?.attempt = 2;
        b.forget(deliveries[0].execution);
        Some(&["ATTEMPT-GAP"])
    }),
    ("a token that goes back", |b| {
        let (_, row) = b.plain(|d, _| d.len() == 2)?;
        b.change(row.execution, 0, |d| d.attempt = 3 - d.attempt);
        Some(&["TOKEN-REGRESSION"])
    }),
    ("a node that is cut off and continues", |b| {
        let (deliveries, _) = b.any(|b, d, r| {
            b.spec(r.job).is_some()
                && d.len() > 1
                && d[1].kind == "RECOVERY"
                && b.hit(&d[0], Scope::CutsOff)
                && !b.hit(&d[0], Scope::Freezes)
                && d[0].status == Some(499)
        })?;
        let until = deliveries[1].arrived + 20 * MILLI;
        b.change(deliveries[0].execution, deliveries[0].attempt, |d| {
            d.ended = Some(until);
        });
        Some(&["SELF-FENCING"])
    }),
    ("two effects at a target that refuses stale attempts", |b| {
        let (deliveries, _) =
            b.any(|b, d, r| b.spec(r.job).is_some() && d.iter().filter(|d| d.effect).count() > 1)?;
        let job = deliveries[0].job;
        for call in b
            .history
            .calls
            .iter_mut()
            .filter(|call| call.job == Some(job))
        {
            if let Operation::Create(spec) | Operation::Update(spec) = &mut call.operation {
                spec.target.fenced = true;
            }
        }
        Some(&["DUP-EFFECT-FENCED"])
    }),
];

/// A fire time of the grid at which the job slept, and how much later than the given one it is.
fn asleep(
    b: &Mutant,
    job: uuid::Uuid,
    fire_time: Micros,
    by: &Operation,
) -> Option<(Micros, Micros)> {
    let period = b.period(job)?;
    let calls: Vec<_> = b
        .history
        .calls
        .iter()
        .filter(|call| call.job == Some(job))
        .collect();
    calls
        .iter()
        .enumerate()
        .filter(|(_, call)| call.operation == *by)
        .find_map(|(index, call)| {
            let until = calls[index + 1..]
                .iter()
                .find(|later| later.operation == Operation::Resume)
                .map_or(b.history.ended, |later| later.invoked);
            let from = call.completed + 2 * SECOND;
            let at = fire_time + ((from - fire_time).div_euclid(period) + 1) * period;
            let calm = b.calm(call.invoked - 20 * SECOND, at + 5 * SECOND);
            let counted = b
                .history
                .calls
                .iter()
                .filter(|c| c.job == Some(job))
                .all(|c| c.operation != Operation::RunNow || (c.invoked - at).abs() > 12 * SECOND);
            (calm && counted && at + 12 * SECOND < until).then_some((at, at - fire_time))
        })
}

/// An execution that a kill orphaned, and that ran again elsewhere, of a job that always says
/// RERUN.
fn orphan(b: &mut Mutant) -> Option<(Vec<crate::history::Delivery>, crate::history::Row)> {
    b.any(|b, d, r| {
        b.spec(r.job)
            .is_some_and(|spec| spec.recovery == Recovery::Rerun)
            && d.len() > 1
            && d[0].status == Some(499)
            && d[1].kind == "RECOVERY"
            && d[1].attempt == 2
            && b.hit(&d[0], Scope::Ends)
            && r.finished_at.is_some()
            && b.history
                .calls
                .iter()
                .all(|call| call.job != Some(r.job) || call.operation != Operation::Delete)
    })
}
