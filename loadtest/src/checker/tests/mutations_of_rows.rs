//! The mutations of a history that concern rows.

use super::model::MILLI;
use super::mutant::{Mutant, took};
use super::mutations::Mutation;
use crate::history::{CallOutcome, Delivery, Operation, Row, Scope, Transition};
use crate::job::{Misfire, Overlap, SECOND, Schedule};
use crate::micros::Micros;

pub(super) const IN_THE_LOG: &[(&str, Mutation)] = &[
    ("two rows for one fire time", |b| {
        let (_, row) =
            b.any(|b, d, r| !d.is_empty() && r.kind == "SCHEDULE" && b.spec(r.job).is_some())?;
        let execution = b.id();
        b.history.rows.push(Row { execution, ..row });
        Some(&["DB-TWO-ROWS", "DOUBLE-EXECUTION"])
    }),
    ("no row", |b| {
        let (_, row) = b.any(|b, d, r| !d.is_empty() && b.spec(r.job).is_some())?;
        b.drop_row(row.execution);
        Some(&["NO-DB-ROW"])
    }),
    ("a forgotten success", |b| {
        let (_, row) = b.plain(|_, r| r.status == "SUCCESS")?;
        end(b, row.execution, "FAILED", Some("ERROR"));
        Some(&["FORGOTTEN-SUCCESS"])
    }),
    ("a phantom success", |b| {
        let (_, row) = b.any(|b, d, r| {
            r.status == "FAILED"
                && !d.is_empty()
                && b.spec(r.job).is_some()
                && d.iter().all(|d| !d.effect)
        })?;
        end(b, row.execution, "SUCCESS", None);
        Some(&["PHANTOM-SUCCESS"])
    }),
    ("a phantom success without a delivery", |b| {
        let (_, row) =
            b.any(|b, d, r| r.status == "SUCCESS" && !d.is_empty() && b.spec(r.job).is_some())?;
        b.drop_delivery(row.execution, 0);
        Some(&["PHANTOM-SUCCESS"])
    }),
    ("a settlement of the attempt before", |b| {
        let (deliveries, _) = b.any(|b, d, r| {
            r.status == "SUCCESS" && d.len() > 1 && d[0].ended.is_some() && b.spec(r.job).is_some()
        })?;
        let row = b.row(deliveries[0].execution)?;
        (row.attempt, row.finished_at) = (1, deliveries[0].ended.map(|at| at + 5 * MILLI));
        b.forget(deliveries[0].execution);
        Some(&["STALE-COMPLETION"])
    }),
    ("a settlement without its fence", |b| {
        let (deliveries, _) = b.any(|b, d, r| {
            r.status == "SUCCESS"
                && d.len() > 1
                && took(d) > 100 * MILLI
                && d.last().is_some_and(|l| l.attempt == r.attempt)
                && b.spec(r.job).is_some()
        })?;
        b.row(deliveries[0].execution)?.finished_at =
            deliveries.last().map(|last| last.arrived + 20 * MILLI);
        Some(&["STALE-COMPLETION"])
    }),
    ("a failure before its attempt had ended", |b| {
        let (deliveries, _) = b.plain(|d, r| r.status == "FAILED" && took(d) > 600 * MILLI)?;
        b.row(deliveries[0].execution)?.finished_at =
            deliveries.last().map(|last| last.arrived + 20 * MILLI);
        Some(&["STALE-COMPLETION"])
    }),
    ("given up early", |b| {
        let (_, row) = b.plain(|d, r| d.len() == 1 && r.status == "FAILED")?;
        for call in b
            .history
            .calls
            .iter_mut()
            .filter(|call| call.job == Some(row.job))
        {
            if let Operation::Create(spec) | Operation::Update(spec) = &mut call.operation {
                spec.max_attempts = 3;
            }
        }
        Some(&["GAVE-UP-EARLY"])
    }),
    ("a crash loop without a crash", |b| {
        let (_, row) = b.plain(|_, r| r.status == "FAILED")?;
        end(b, row.execution, "FAILED", Some("CRASH_LOOP"));
        b.row(row.execution)?.recoveries = 3;
        Some(&["GAVE-UP-EARLY"])
    }),
    ("lost, and no fault", |b| {
        let (_, row) = b.plain(|d, r| d.len() == 1 && r.status == "FAILED")?;
        end(b, row.execution, "LOST", None);
        let mark_lost = b.spec(row.job)?.recovery == crate::job::Recovery::MarkLost;
        Some(if mark_lost {
            &["LOST-WITHOUT-FAULT"]
        } else {
            &["UNRECOVERED"]
        })
    }),
    ("lost, and never started on a living node", |b| {
        // Beside an outage of the database alone.
        let (_, row) = b.any(|b, d, r| {
            let hit = |f: &crate::history::Fault| {
                f.from - SECOND < r.finished_at.unwrap_or(0) && f.until + 12 * SECOND > r.fire_time
            };
            let mut faults = b.history.faults.iter().filter(|f| hit(f)).peekable();
            d.len() == 1
                && r.attempt == 1
                && r.kind == "SCHEDULE"
                && b.spec(r.job).is_some()
                && faults.peek().is_some()
                && faults.all(|f| f.scope == Scope::Cluster)
        })?;
        b.drop_delivery(row.execution, 0);
        end(b, row.execution, "LOST", None);
        for call in b
            .history
            .calls
            .iter_mut()
            .filter(|call| call.job == Some(row.job))
        {
            if let Operation::Create(spec) | Operation::Update(spec) = &mut call.operation {
                spec.recovery = crate::job::Recovery::MarkLost;
            }
        }
        Some(&["LOST-UNBEGUN"])
    }),
    ("cancelled without a call", |b| {
        let (_, row) = b.plain(|_, r| r.status == "FAILED")?;
        end(b, row.execution, "CANCELLED", None);
        Some(&["CANCELLED-WITHOUT-CAUSE"])
    }),
    ("cancelled before another came due", |b| {
        let (deliveries, row) = b.any(|b, d, r| {
            let due = |other: &Row| other.job == r.job && other.fire_time > r.fire_time - SECOND;
            let others = b
                .history
                .rows
                .iter()
                .filter(|o| o.execution != r.execution && due(o));
            let next = others.map(|o| o.fire_time).min();
            b.spec(r.job)
                .is_some_and(|s| s.overlap == Overlap::CancelOther)
                && d.len() == 1
                && r.status == "SUCCESS"
                && b.calm(r.fire_time, r.fire_time + SECOND)
                && b.sure(r.job, r.fire_time, r.finished_at.unwrap_or(Micros::MAX / 2))
                && next.is_some_and(|next| r.finished_at.is_some_and(|at| at < next))
        })?;
        b.change(deliveries[0].execution, 1, |d| {
            (d.status, d.effect) = (Some(499), false);
        });
        end(b, row.execution, "CANCELLED", None);
        Some(&["CANCELLED-WITHOUT-CAUSE"])
    }),
    ("cancelled for what then never ran", |b| {
        let (_, row) = b.any(|b, _, r| {
            r.status == "CANCELLED"
                && b.calm(r.fire_time, r.fire_time + 9 * SECOND)
                && b.spec(r.job)
                    .is_some_and(|s| s.overlap == Overlap::CancelOther)
                && b.period(r.job).is_some()
        })?;
        let (_, other) = b.any(|b, d, r| {
            r.job == row.job
                && r.kind == "BUFFERED"
                && d.len() == 1
                && row
                    .finished_at
                    .is_some_and(|at| (at - SECOND..at + SECOND).contains(&d[0].arrived))
                && asked_for(b, r)
                && b.sure(r.job, r.fire_time, r.finished_at.unwrap_or(Micros::MAX / 2))
        })?;
        b.drop_delivery(other.execution, 0);
        b.drop_row(other.execution);
        Some(&["LOST"])
    }),
    ("a misfire in calm times", |b| skipped(b, "MISFIRE")),
    ("an overlap with nothing", |b| skipped(b, "OVERLAP")),
    ("a calendar that does not exist", |b| skipped(b, "CALENDAR")),
    ("missed, and the policy is to run all", |b| {
        let (_, row) = b.any(|b, d, r| {
            let policies = b
                .history
                .calls
                .iter()
                .filter(|call| call.job == Some(r.job))
                .all(|call| match &call.operation {
                    Operation::Create(spec) | Operation::Update(spec) => {
                        spec.misfire == Misfire::FireAll
                    }
                    _ => call.outcome == CallOutcome::Done,
                });
            let sure = b.sure(r.job, r.fire_time, r.finished_at.unwrap_or(Micros::MAX / 2));
            !d.is_empty()
                && policies
                && sure
                && b.period(r.job).is_some()
                && r.kind == "SCHEDULE"
                && d[0].arrived - r.fire_time > 3 * SECOND
                && d[0].kind == "SCHEDULE"
        })?;
        leave_out(b, &row, "MISFIRE");
        Some(&["LOST"])
    }),
    ("a misfire that ran although the policy is SKIP", |b| {
        ran_late(b, "MISFIRE")
    }),
    ("a fire time that ran and was folded", |b| {
        ran_late(b, "COALESCED")
    }),
    ("folded into nothing", |b| {
        let (_, row) = b.any(|b, _, r| {
            r.coalesced_into.is_some()
                && b.spec(r.job)
                    .is_some_and(|spec| spec.overlap == Overlap::Allow)
        })?;
        b.row(row.execution)?.coalesced_into = Some(uuid::Uuid::nil());
        Some(&["COALESCED-INTO-NOTHING"])
    }),
    ("a range that counts one too many", |b| {
        let (_, row) = b.any(|b, _, r| {
            matches!(r.reason.as_deref(), Some("COALESCED" | "MISFIRE")) && b.spec(r.job).is_some()
        })?;
        b.row(row.execution)?.occurrences = row.occurrences.map(|n| n + 1);
        Some(&["RANGE-COUNT"])
    }),
    ("an end that changed", |b| {
        let (_, row) = b.any(|_, _, r| matches!(r.status.as_str(), "SUCCESS" | "FAILED"))?;
        let changed = Transition {
            execution: row.execution,
            attempt: row.attempt,
            status: "RUNNING".to_owned(),
            at: row.finished_at? + SECOND,
        };
        let back = Transition {
            status: row.status.clone(),
            at: row.finished_at? + 2 * SECOND,
            ..changed.clone()
        };
        b.history.transitions.extend([changed, back]);
        Some(&["END-CHANGED"])
    }),
    ("an attempt that went down", |b| {
        let (_, row) = b.any(|_, _, r| r.attempt > 1 && r.status == "SUCCESS")?;
        b.history
            .transitions
            .iter_mut()
            .rfind(|t| t.execution == row.execution)?
            .attempt = 1;
        Some(&["END-CHANGED"])
    }),
    ("a row that is gone, after its end", |b| {
        let (_, row) = b.any(|_, d, _| d.is_empty())?;
        b.history
            .rows
            .retain(|other| other.execution != row.execution);
        Some(&["HISTORY-MISMATCH"])
    }),
    ("a row that nothing wrote", |b| {
        let (_, row) = b.any(|_, _, r| r.status == "SKIPPED")?;
        b.forget(row.execution);
        Some(&["HISTORY-MISMATCH"])
    }),
    (
        "a phantom success of a job whose creation had no answer",
        |b| {
            let (_, row) =
                b.any(|b, d, r| b.spec(r.job).is_none() && r.status == "SUCCESS" && d.len() == 1)?;
            b.drop_delivery(row.execution, 0);
            Some(&["PHANTOM-SUCCESS"])
        },
    ),
    ("two rows of a job whose creation had no answer", |b| {
        let (_, row) = b.any(|b, d, r| b.spec(r.job).is_none() && !d.is_empty())?;
        let execution = b.id();
        b.history.rows.push(Row { execution, ..row });
        Some(&["DB-TWO-ROWS"])
    }),
    ("no row, of a job whose creation had no answer", |b| {
        let (_, row) = b.any(|b, d, r| b.spec(r.job).is_none() && !d.is_empty())?;
        b.drop_row(row.execution);
        Some(&["NO-DB-ROW"])
    }),
    ("a row that its transitions do not show", |b| {
        let (_, row) = b.any(|_, _, r| r.status == "SUCCESS")?;
        b.history
            .transitions
            .iter_mut()
            .rfind(|t| t.execution == row.execution)?
            .status = "LOST".to_owned();
        Some(&["HISTORY-MISMATCH"])
    }),
];

fn end(b: &mut Mutant, execution: uuid::Uuid, status: &str, reason: Option<&str>) {
    if let Some(row) = b.row(execution) {
        (row.status, row.reason) = (status.to_owned(), reason.map(ToOwned::to_owned));
    }
    b.forget(execution);
}

fn leave_out(b: &mut Mutant, row: &Row, reason: &str) {
    b.drop_delivery(row.execution, 0);
    end(b, row.execution, "SKIPPED", Some(reason));
}

/// Whether the grid of its job named it, and nobody by hand.
pub(super) fn asked_for(b: &Mutant, row: &Row) -> bool {
    let mut calls = b
        .history
        .calls
        .iter()
        .filter(|call| call.job == Some(row.job));
    calls.all(|call| {
        call.operation != Operation::RunNow || (call.invoked - row.fire_time).abs() > SECOND
    })
}

/// A fire time of calm times that a row says was left out.
fn skipped(b: &mut Mutant, reason: &str) -> Option<&'static [&'static str]> {
    let (_, row) = b.plain(|_, _| true)?;
    leave_out(b, &row, reason);
    Some(&["LOST"])
}

/// The first fire time of a range of missed ones runs, later than its grace.
fn ran_late(b: &mut Mutant, reason: &str) -> Option<&'static [&'static str]> {
    let (_, skip) = b.any(|b, _, r| {
        let grace = b.spec(r.job).map_or(Micros::MAX / 2, |spec| {
            Micros::from(spec.misfire_grace_seconds) * SECOND
        });
        let into = b
            .history
            .rows
            .iter()
            .find(|row| Some(row.execution) == r.coalesced_into);
        let into_late =
            into.is_some_and(|row| row.started_at.is_some_and(|at| at > row.fire_time + SECOND));
        let into_first = into
            .and_then(|row| b.of(row.execution).first().cloned())
            .is_some_and(|d| d.attempt == 1 && d.kind == "SCHEDULE");
        r.reason.as_deref() == Some(reason)
            && (r.coalesced_into.is_none() || (into_late && into_first))
            && r.occurrences.is_some_and(|n| n > 1)
            && r.finished_at
                .is_some_and(|at| at > r.fire_time + grace + SECOND)
            && b.sure(r.job, r.fire_time, r.finished_at.unwrap_or(Micros::MAX / 2))
            && b.spec(r.job)
                .is_some_and(|spec| spec.overlap == Overlap::Allow)
    })?;
    let (at, now) = (skip.fire_time, skip.finished_at?);
    let stands_still = |b: &Mutant, d: &Delivery| {
        let node = b.history.nodes.iter().find(|node| node.id == d.node);
        b.history.faults.iter().any(|f| {
            f.scope == Scope::Freezes && node.is_some_and(|node| f.nodes.contains(&node.name))
        })
    };
    let (deliveries, row) = b.any(|b, d, r| {
        r.job == skip.job
            && d.len() == 1
            && d[0].kind == "SCHEDULE"
            && d[0].attempt == 1
            && r.attempt == 1
            && !stands_still(b, &d[0])
    })?;
    b.copy(
        &deliveries,
        &row,
        now + 10 * MILLI - deliveries[0].arrived,
        at,
    );
    let period = (skip.through_fire_time? - at) / Micros::from(skip.occurrences? - 1);
    let range = b.row(skip.execution)?;
    (range.fire_time, range.occurrences) = (at + period, skip.occurrences.map(|n| n - 1));
    Some(&["MISFIRE-FIRED"])
}

/// A run of a fixed delay, in calm and sure times.
pub(super) fn fixed_delay_run(
    b: &mut Mutant,
    fits: impl Fn(&Mutant, &[Delivery], &Row) -> bool,
) -> Option<(Vec<Delivery>, Row)> {
    b.any(|b, d, r| {
        r.kind == "SCHEDULE"
            && !d.is_empty()
            && b.spec(r.job)
                .is_some_and(|spec| matches!(spec.schedule, Schedule::FixedDelay { .. }))
            && r.finished_at.is_some_and(|at| {
                b.calm(r.fire_time, at) && b.sure(r.job, r.fire_time, at + 12 * SECOND)
            })
            && fits(b, d, r)
    })
}
