//! Properties that must hold in every state, and goals that must be reachable.

use crate::Recovery;
use crate::database::{FIRE_TIMES, Status};
use crate::model::Protocol;
use crate::node::{Body, Process, Slot, Stage};
use crate::state::{State, Violation};
use stateright::Property;

/// A fire time is one row of the log.
pub const ONE_ROW: &str = "every fire time has at most one execution";
/// Only the holder of the current attempt settles.
pub const FENCED: &str = "no settlement of an attempt that is not the current one";
/// The executions of a node are handed over with its death, and the node takes nothing after it.
pub const DEAD_HOLD_NOTHING: &str = "a node that was declared dead holds nothing";
/// No node is declared dead while it runs an attempt.
pub const WHO_RUNS_LIVES: &str =
    "no node that runs is declared dead, unless frozen or its session broken off";
/// Two attempts at the target at once.
pub const NO_OVERLAP: &str =
    "attempts overlap only when the earlier node was frozen or its session broken off";
/// The idempotency key of a fire time.
pub const ONE_ID: &str = "a fire time runs under one execution id";
/// The fencing token of an attempt.
pub const TOKEN_GROWS: &str =
    "the attempt number grows, unless a node was frozen or its session broken off";
/// The promise of `MARK_LOST`.
pub const AT_MOST_ONCE: &str = "MARK_LOST runs at most once";

/// Attempts that never started are not lost.
pub const UNSTARTED_IS_RECLAIMED: &str =
    "no attempt is counted as lost that a living node has not started";
/// Attempts that started are not reclaimed.
pub const ONLY_UNSTARTED: &str = "nothing is reclaimed that has started";
/// Every fire time has an owner.
pub const ACCOUNTED: &str =
    "a fire time whose instant has passed runs, or has a row, whatever is done to its job";

/// The properties of a protocol.
#[expect(clippy::too_many_lines, reason = "a table: one property each")]
pub fn of(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut properties = vec![
        Property::always(ONE_ROW, |_, state| one_row(state)),
        Property::always(FENCED, |_, state: &State| {
            state.violation != Some(Violation::SettledByFenced)
        }),
        Property::always(DEAD_HOLD_NOTHING, |_, state| dead_hold_nothing(state)),
        Property::always(WHO_RUNS_LIVES, |_, state| who_runs_lives(state)),
        Property::always(NO_OVERLAP, |_, state| no_overlap(state)),
        Property::always(ONE_ID, |_, state: &State| {
            state.violation != Some(Violation::AnotherId)
        }),
        Property::always(TOKEN_GROWS, |_, state: &State| {
            state.violation != Some(Violation::TokenWentBack)
        }),
        Property::always(UNSTARTED_IS_RECLAIMED, |_, state: &State| {
            state.violation != Some(Violation::CountedUnstarted)
        }),
        Property::always(ONLY_UNSTARTED, |_, state: &State| {
            state.violation != Some(Violation::ReclaimedStarted)
        }),
        Property::always(ACCOUNTED, |_, state| accounted(state)),
        Property::sometimes(
            "a node reclaims under the id that it gave up",
            |_, state| reclaims_former(state),
        ),
        Property::sometimes("a node is taken over by its TTL", |_, state| {
            taken_over(state, true)
        }),
        Property::sometimes("a node is taken over by its session", |_, state| {
            taken_over(state, false)
        }),
        Property::sometimes("a settlement is refused", |_, state| refused(state)),
        Property::sometimes("a zombie wakes", |_, state| zombie(state)),
        Property::sometimes(
            "a lease is reclaimed that was never answered",
            |_, state| never_answered(state),
        ),
        Property::sometimes("a cut off node has let go", |_, state: &State| {
            state.processes.iter().any(let_go)
        }),
    ];
    match protocol.recovery {
        Recovery::MarkLost => {
            properties.push(Property::always(AT_MOST_ONCE, |_, state: &State| {
                state.set_back || at_most_once(state)
            }));
            properties.push(Property::sometimes(
                "an execution is LOST",
                |_, state: &State| {
                    state
                        .database
                        .tables
                        .executions()
                        .any(|row| row.status == Status::Lost)
                },
            ));
        }
        Recovery::Rerun => {
            properties.push(Property::sometimes("RERUN runs twice", |_, state| {
                !at_most_once(state)
            }));
        }
    }
    if protocol.commands > 0 {
        properties.push(Property::sometimes(
            "a fire time is recorded by a command",
            |_, state: &State| {
                state
                    .database
                    .tables
                    .executions()
                    .any(|row| row.status == Status::Skipped)
            },
        ));
        properties.push(Property::sometimes(
            "an execution ends with its job",
            |_, state: &State| {
                state
                    .database
                    .tables
                    .executions()
                    .any(|row| row.status == Status::Cancelled)
            },
        ));
    }
    if protocol.fails_over {
        properties.push(Property::sometimes(
            "what a standby lacks runs again",
            |_, state: &State| state.set_back && !at_most_once(state),
        ));
    }
    properties
}

fn one_row(state: &State) -> bool {
    let tables = &state.database.tables;
    (0..FIRE_TIMES).all(|at| {
        let rows = tables.executions().filter(|row| row.id.fire_time == at);
        rows.count() <= 1
    })
}

/// A fire time that is still to come may have passed before a failover.
fn accounted(state: &State) -> bool {
    let tables = &state.database.tables;
    let to_come = tables.trigger.fire_time..tables.trigger.end;
    (0..state.passed).all(|at| tables.has_row(at) || to_come.contains(&at))
}

fn reclaims_former(state: &State) -> bool {
    state.processes.iter().any(|process| {
        let former = process.former.filter(|_| process.id.is_some());
        former.is_some_and(|former| {
            state
                .counted_to(former.node)
                .any(|row| Some(row.id) != former.started)
        })
    })
}

fn dead_hold_nothing(state: &State) -> bool {
    let tables = &state.database.tables;
    tables.executions().all(|row| match row.status {
        Status::Running(node) => tables.age(node).is_some(),
        _ => true,
    })
}

fn runs(process: &Process) -> Option<Slot> {
    process.slot.filter(|slot| slot.stage == Stage::Running)
}

fn who_runs_lives(state: &State) -> bool {
    let running = state.processes.iter().filter_map(runs);
    running
        .into_iter()
        // A frozen node cannot cancel, and a broken session is the sign of death: both are excused.
        .all(|slot| slot.may_overlap || state.database.tables.age(slot.attempt.node).is_some())
}

fn no_overlap(state: &State) -> bool {
    let [Some(one), Some(other)] = state.processes.each_ref().map(runs) else {
        return true;
    };
    let earlier_may_overlap = match one.attempt.attempt.cmp(&other.attempt.attempt) {
        std::cmp::Ordering::Less => one.may_overlap,
        // A failover may give the same number to two nodes: neither is the earlier one.
        std::cmp::Ordering::Equal => one.may_overlap || other.may_overlap,
        std::cmp::Ordering::Greater => other.may_overlap,
    };
    one.attempt.id.fire_time != other.attempt.id.fire_time || earlier_may_overlap
}

fn at_most_once(state: &State) -> bool {
    state.seen.iter().all(|seen| seen.starts <= 1)
}

fn taken_over(state: &State, by_ttl: bool) -> bool {
    state
        .processes
        .iter()
        .filter_map(|process| process.take_over)
        .any(|it| it.open && it.by_ttl == by_ttl)
}

fn refused(state: &State) -> bool {
    let ended = state
        .processes
        .iter()
        .filter(|process| process.reaches(&state.database))
        .filter_map(|process| process.slot);
    ended
        .into_iter()
        .filter(|slot| slot.stage == Stage::Ended)
        .any(|slot| {
            let row = state.database.tables.execution(slot.attempt.id);
            row.is_some_and(|row| {
                row.attempt != slot.attempt.attempt
                    || matches!(row.status, Status::Retrying | Status::Lost)
            })
        })
}

fn zombie(state: &State) -> bool {
    state.processes.iter().any(|process| {
        let is_dead = process
            .id
            .is_some_and(|id| state.database.tables.age(id).is_none());
        process.body == Body::Alive && process.trust == 0 && is_dead
    })
}

fn never_answered(state: &State) -> bool {
    state.processes.iter().any(|process| {
        let held = process.slot.map(|slot| slot.attempt.id);
        process
            .id
            .is_some_and(|id| process.unsure && state.database.tables.holds_other_than(id, held))
    })
}

fn let_go(process: &Process) -> bool {
    process.cut_off && process.id.is_none() && process.slot.is_none()
}
