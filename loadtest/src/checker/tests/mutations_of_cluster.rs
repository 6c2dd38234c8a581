//! The mutations of a history that concern fixed delays, run-now and the cluster.

use super::model::MILLI;
use super::mutant::{Mutant, took};
use super::mutations::Mutation;
use super::mutations_of_rows::{asked_for, fixed_delay_run};
use crate::history::{Call, CallOutcome, Delivery, Operation, Row, Scope, Stuck};
use crate::job::{Overlap, SECOND, Schedule};
use crate::micros::Micros;

pub(super) const IN_THE_CLUSTER: &[(&str, Mutation)] = &[
    ("a fixed delay that stops", |b| {
        let (_, row) = fixed_delay_run(b, |b, _, r| {
            r.fire_time > b.history.ended - 90 * SECOND
                && b.calm(r.fire_time, b.history.ended - 13 * SECOND)
        })?;
        let after: Vec<_> = b
            .history
            .rows
            .iter()
            .filter(|r| r.job == row.job && r.fire_time > row.fire_time && r.kind == "SCHEDULE")
            .map(|r| r.execution)
            .collect();
        for execution in after {
            b.drop_delivery(execution, 0);
            b.drop_row(execution);
        }
        Some(&["DELAY-STOPPED"])
    }),
    ("a fixed delay that forks", |b| {
        let (deliveries, row) =
            fixed_delay_run(b, |_, d, _| d.len() == 1 && took(d) > 100 * MILLI)?;
        let at = deliveries[0].arrived + 10 * MILLI;
        b.copy(&deliveries, &row, 20 * MILLI, at);
        Some(&["DELAY-FORK"])
    }),
    ("a fixed delay that does not wait", |b| {
        let (deliveries, row) = fixed_delay_run(b, |b, d, r| {
            let before = b
                .history
                .rows
                .iter()
                .filter(|o| o.job == r.job && o.fire_time < r.fire_time && o.kind == "SCHEDULE")
                .max_by_key(|o| o.fire_time);
            d.len() == 1
                && before.is_some_and(|o| {
                    o.finished_at
                        .is_some_and(|at| b.calm(o.fire_time, at) && b.sure(r.job, o.fire_time, at))
                })
        })?;
        b.change(deliveries[0].execution, 0, |d| {
            d.arrived -= 600 * MILLI;
            d.fire_time -= 600 * MILLI;
            d.due_time -= 600 * MILLI;
        });
        b.row(row.execution)?.fire_time -= 600 * MILLI;
        Some(&["DELAY-EARLY"])
    }),
    ("a run-now that ran twice", |b| {
        let (deliveries, row) = b.any(|b, d, r| {
            r.kind == "MANUAL" && !d.is_empty() && b.sure(r.job, Micros::MAX / 2, Micros::MAX / 2)
        })?;
        b.copy(&deliveries, &row, 5 * MILLI, row.fire_time);
        Some(&["MANUAL-EXTRA"])
    }),
    ("a run-now that did not run", |b| {
        let (_, row) = b.any(|b, d, r| {
            r.kind == "MANUAL"
                && !d.is_empty()
                && b.spec(r.job).is_some_and(|s| s.overlap == Overlap::Allow)
                && b.sure(r.job, Micros::MAX / 2, Micros::MAX / 2)
                && b.calm(r.fire_time, r.fire_time + SECOND)
        })?;
        b.drop_delivery(row.execution, 0);
        b.drop_row(row.execution);
        b.history
            .calls
            .retain(|call| call.job != Some(row.job) || call.operation != Operation::Delete);
        Some(&["MANUAL-LOST"])
    }),
    ("two executions at once of a job that forbids it", |b| {
        let (deliveries, row) = b.any(|b, d, r| {
            b.spec(r.job).is_some_and(|s| s.overlap != Overlap::Allow)
                && d.len() == 1
                && r.status == "SUCCESS"
                && b.calm(r.fire_time, r.finished_at.unwrap_or(0) + 20 * SECOND)
        })?;
        let ended = deliveries[0].ended?;
        let next = b
            .history
            .deliveries
            .iter()
            .filter(|d| d.job == row.job && d.arrived > ended)
            .map(|d| d.arrived)
            .min()?;
        if next > ended + 12 * SECOND {
            return None;
        }
        b.change(row.execution, 1, |d| d.ended = Some(next + 30 * MILLI));
        b.row(row.execution)?.finished_at = Some(next + 40 * MILLI);
        Some(&["OVERLAP-JOB"])
    }),
    ("what waited in a queue and never ran", |b| {
        let (_, row) = b.any(|b, d, r| {
            let queue = |s: &crate::job::JobSpec| {
                matches!(s.overlap, Overlap::BufferOne | Overlap::BufferAll)
            };
            b.spec(r.job).is_some_and(queue)
                && b.period(r.job).is_some()
                && r.kind == "BUFFERED"
                && d.len() == 1
                && asked_for(b, r)
                && b.calm(
                    r.fire_time,
                    r.finished_at.unwrap_or(Micros::MAX / 2) + 8 * SECOND,
                )
                && b.sure(r.job, r.fire_time, r.finished_at.unwrap_or(Micros::MAX / 2))
        })?;
        b.drop_delivery(row.execution, 0);
        b.drop_row(row.execution);
        Some(&["LOST"])
    }),
    (
        "what waited in a queue when its job was deleted, and left no row",
        |b| {
            let (_, row) = b.any(|b, _, r| {
                r.kind == "BUFFERED" && r.reason.as_deref() == Some("DELETED") && asked_for(b, r)
            })?;
            b.drop_row(row.execution);
            Some(&["LOST"])
        },
    ),
    (
        "a queue that was given up long before its job was deleted",
        |b| {
            let (_, row) = b.any(|b, d, r| {
                b.spec(r.job)
                    .is_some_and(|s| matches!(s.overlap, Overlap::BufferOne | Overlap::BufferAll))
                    && b.period(r.job).is_some()
                    && r.kind == "BUFFERED"
                    && d.len() == 1
                    && d[0].arrived < r.fire_time + 3 * SECOND
                    && asked_for(b, r)
                    && b.calm(r.fire_time, r.fire_time + 12 * SECOND)
                    && b.sure(r.job, r.fire_time, r.finished_at.unwrap_or(Micros::MAX / 2))
            })?;
            // From there to a deletion nothing of the job runs.
            let gone = |r: &&Row| r.job == row.job && r.fire_time >= row.fire_time;
            let gone: Vec<_> = b
                .history
                .rows
                .iter()
                .filter(gone)
                .map(|r| r.execution)
                .collect();
            for execution in gone {
                b.drop_delivery(execution, 0);
                b.drop_row(execution);
            }
            let at = row.fire_time + 12 * SECOND;
            b.history
                .calls
                .retain(|call| call.job != Some(row.job) || call.completed < at);
            let last = b
                .history
                .calls
                .iter()
                .find(|call| call.job == Some(row.job))?;
            let deletion = Call {
                operation: Operation::Delete,
                invoked: at,
                completed: at + MILLI,
                ..last.clone()
            };
            b.history.calls.push(deletion);
            b.history.calls.sort_by_key(|call| call.invoked);
            Some(&["LOST"])
        },
    ),
    (
        "a rate whose phase is another than a later resume names",
        |b| {
            let (edit, resume) = named_later(b)?;
            let named = b.history.calls[edit].next_fire_time.take()?;
            b.history.calls[resume].next_fire_time = Some(named + 137 * MILLI);
            Some(&["GHOST", "LOST"])
        },
    ),
    ("a job without a creation", |b| {
        let (deliveries, row) = b.any(|_, d, r| d.len() == 1 && r.kind == "SCHEDULE")?;
        let job = b.id();
        b.history.calls.retain(|call| call.job.is_some());
        let delivery = Delivery {
            job,
            ..deliveries[0].clone()
        };
        b.history.deliveries.push(delivery);
        b.history.rows.push(Row { job, ..row });
        Some(&["GHOST"])
    }),
    ("a rate that starts late", |b| {
        let call = b
            .history
            .calls
            .iter_mut()
            .find(|call| call.next_fire_time.is_some() && call.outcome == CallOutcome::Done)?;
        call.next_fire_time = Some(call.completed + 9 * SECOND);
        Some(&["ANCHOR"])
    }),
    ("a rate that drifts", |b| {
        let (_, row) = b.plain(|_, _| true)?;
        let later: Vec<_> = b
            .history
            .rows
            .iter()
            .filter(|r| r.job == row.job && r.fire_time >= row.fire_time && r.kind == "SCHEDULE")
            .map(|r| r.execution)
            .collect();
        for execution in later {
            b.change(execution, 0, |d| {
                d.fire_time += 20 * MILLI;
                d.arrived += 20 * MILLI;
                d.ended = d.ended.map(|at| at + 20 * MILLI);
            });
            b.row(execution)?.fire_time += 20 * MILLI;
        }
        Some(&["GHOST", "LOST"])
    }),
    ("a node that died of nothing", |b| {
        let faults = b.history.faults.clone();
        let hit = |name: &str| {
            faults.iter().any(|f| {
                f.scope != Scope::Harmless
                    && (f.nodes.is_empty() || f.nodes.iter().any(|n| n == name))
            })
        };
        let node = b.history.nodes.iter_mut().find(|node| !hit(&node.name))?;
        (node.state, node.ended_at) = ("DEAD".to_owned(), Some(30 * SECOND));
        Some(&["FALSE-DEATH"])
    }),
    ("a row that was stuck in calm times", |b| {
        Some(stuck(b, 30 * SECOND))
    }),
    ("a row that is stuck at the final read", |b| {
        Some(stuck(b, b.history.ended))
    }),
];

/// An edit that named the phase of a rate, and the first later resume of the job, with no edit of
/// the rate between them; some fire time of it had to be taken before.
fn named_later(b: &Mutant) -> Option<(usize, usize)> {
    let calls = &b.history.calls;
    let done = |index: &usize| calls[*index].outcome == CallOutcome::Done;
    (0..calls.len()).filter(done).find_map(|edit| {
        let call = &calls[edit];
        let (Operation::Update(spec), Some(named)) = (&call.operation, call.next_fire_time) else {
            return None;
        };
        let Schedule::FixedRate { seconds } = spec.schedule else {
            return None;
        };
        let period = Micros::from(seconds) * SECOND;
        let of_job = |index: &usize| calls[*index].job == call.job;
        let mut later = (edit + 1..calls.len()).filter(of_job);
        let next = later.find(|index| calls[*index].operation != Operation::RunNow)?;
        let resume = std::iter::once(next)
            .chain(later)
            .find(|index| calls[*index].operation == Operation::Resume)?;
        let between = (edit + 1..resume).filter(of_job).all(|index| {
            done(&index)
                && !matches!(
                    calls[index].operation,
                    Operation::Update(_) | Operation::Delete
                )
        });
        let until = calls[next].invoked - 10 * SECOND;
        let taken = b.calm(named, named + period)
            && named + period < until
            && spec.overlap == Overlap::Allow;
        (between && done(&resume) && taken && resume > edit).then_some((edit, resume))
    })
}

fn stuck(b: &mut Mutant, at: Micros) -> &'static [&'static str] {
    let id = b.id();
    b.history.stuck.push(Stuck {
        at,
        rule: "running on a dead node".to_owned(),
        id,
    });
    &["STUCK"]
}
